"""Run notebooks on the local model: `make notebooks` saves their outputs and their cassettes.

The local model calls no tools, so the answers of `08-tools.ipynb` are in `tool_answers.py`: the
scripted provider plays them for the cassette, and the outputs that are saved are its replay. It
also answers where a notebook asks for it: for many rows of a table.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import nbformat
from nbclient import NotebookClient

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.provider import KEY, Provider, openai_stream
from tool_answers import ANSWERS

from cc_jupyter.core.paths import cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from support.provider.script import Script

CHEAP_MODEL = "deepseek/deepseek-v4-flash"
"""The model that a notebook chooses if none is set."""


SCRIPTED = {"08-tools.ipynb": ANSWERS}
"""The notebooks with answers that were written by hand."""


def main() -> None:
    """Run every notebook named on the command line."""
    paths = [Path(name).absolute() for name in sys.argv[1:]]
    if any(path.name not in SCRIPTED for path in paths):
        subprocess.run([sys.executable, "-m", "cc_jupyter.cli", "local", "setup"], check=True)
    home = Path(tempfile.mkdtemp())  # nothing of anybody's own history gets into a notebook
    (home / "cache").symlink_to(cache_folder())
    os.environ["CMD_JUPYTER_HOME"] = str(home)
    os.environ["CMD_MODEL"] = CHEAP_MODEL  # so they are replayed as they run without any setting
    with Provider() as provider:
        provider.always(kind_of_airport)
        os.environ["SCRIPTED_URL"], os.environ["SCRIPTED_KEY"] = provider.base_url, KEY
        for path in paths:
            cassette = path.with_suffix(".cassette.jsonl")
            cassette.unlink(missing_ok=True)  # no answer to an older prompt is left
            if path.name in SCRIPTED:
                play(path, SCRIPTED[path.name])
            else:
                run(path, "record", CMD_BASE_URL="local")
            sizes = f"{path.stat().st_size:,} bytes, {cassette.stat().st_size:,} recorded"
            print(f"{path.name}: {sizes}")


def kind_of_airport(record):
    """Answer for a row of 07-rows: by the name of the airport alone."""
    name = record.json["messages"][-1]["content"]
    kind = "municipal" if "Municipal" in name else "regional" if "Regional" in name else "private"
    return openai_stream([json.dumps({"value": kind})])


def play(path: Path, answers: Iterable[Script]) -> None:
    """Record the answers of the scripted provider, and save their replay."""
    with Provider() as provider:
        for each in answers:
            provider.play(each)
        run(path, "record", CMD_BASE_URL=provider.base_url, CMD_API_KEY=KEY)
        host = urlsplit(provider.base_url).netloc
    cassette = path.with_suffix(".cassette.jsonl")
    text = cassette.read_text("utf-8")
    cassette.write_text(text.replace(f'"served_by":"{host}"', '"served_by":"scripted"'), "utf-8")
    run(path, "replay")


def run(path: Path, mode: str, **environment: str) -> None:
    """Run a notebook with its cassette, and save it."""
    name = path.with_suffix(".cassette.jsonl").name  # no path of this machine is saved
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, record_timing=False, resources={"metadata": {"path": path.parent}}
    ).execute(env={**os.environ, **environment, "CMD_CASSETTE": f"{mode}:{name}"})
    notebook.metadata.pop("widgets", None)  # what is shown says it all, at a tenth of the size
    notebook.metadata["language_info"] = {"name": "python"}  # the rest is of one machine
    nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
