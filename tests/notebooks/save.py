"""Run notebooks on the local model: `make notebooks` saves their outputs and their cassettes.

Where a notebook asks for it, the scripted provider answers: for many rows of a table.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from cc_jupyter.core.paths import cache_folder

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.provider import KEY, Provider, openai_stream

CHEAP_MODEL = "deepseek/deepseek-v4-flash"
"""The model that a notebook chooses if none is set."""


def main() -> None:
    """Run every notebook named on the command line."""
    subprocess.run([sys.executable, "-m", "cc_jupyter.cli", "local", "setup"], check=True)
    home = Path(tempfile.mkdtemp())  # nothing of anybody's own history gets into a notebook
    (home / "cache").symlink_to(cache_folder())
    os.environ["CMD_JUPYTER_HOME"] = str(home)
    os.environ["CMD_BASE_URL"] = "local"
    os.environ["CMD_MODEL"] = CHEAP_MODEL  # so they are replayed as they run without any setting
    with Provider() as provider:
        provider.always(kind_of_airport)
        os.environ["SCRIPTED_URL"], os.environ["SCRIPTED_KEY"] = provider.base_url, KEY
        for name in sys.argv[1:]:
            save(Path(name).absolute())


def kind_of_airport(record):
    """Answer for a row of 07-rows: by the name of the airport alone."""
    name = record.json["messages"][-1]["content"]
    kind = "municipal" if "Municipal" in name else "regional" if "Regional" in name else "private"
    return openai_stream([json.dumps({"value": kind})])


def save(path: Path) -> None:
    """Run a notebook and write it with its cassette."""
    cassette = path.with_suffix(".cassette.jsonl")
    cassette.unlink(missing_ok=True)  # no answer to an older prompt is left
    os.environ["CMD_CASSETTE"] = f"record:{cassette.name}"  # no path of this machine is saved
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, record_timing=False, resources={"metadata": {"path": path.parent}}
    ).execute()
    notebook.metadata.pop("widgets", None)  # what is shown says it all, at a tenth of the size
    notebook.metadata["language_info"] = {"name": "python"}  # the rest is of one machine
    nbformat.write(notebook, path)
    print(f"{path.name}: {path.stat().st_size:,} bytes, {cassette.stat().st_size:,} recorded")


if __name__ == "__main__":
    main()
