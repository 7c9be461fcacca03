"""JupyterLab's Markdown renderer and sanitizer in Node, of the packages of the front end."""

from __future__ import annotations

import atexit
import json
import shutil
import subprocess
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent
_PACKAGES = Path(__file__).parents[2] / "labextension" / "package.json"


def is_available() -> bool:
    """Return whether Node and the front end's packages are installed."""
    return shutil.which("node") is not None and (_PACKAGES.parent / "node_modules/marked").exists()


def render(text: str) -> str:
    """Return the HTML that JupyterLab puts into the page of a trusted notebook."""
    return _converted("jupyterlab_markdown.mjs", text)


def sanitize(html: str) -> str:
    """Return the HTML that JupyterLab puts into the page of a notebook that is not trusted."""
    return _converted("jupyterlab_sanitizer.mjs", html)


def _converted(script: str, text: str) -> str:
    process = _process(script)
    process.stdin.write(json.dumps(text) + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


@cache
def _process(script: str) -> subprocess.Popen[str]:
    node = shutil.which("node")
    assert node is not None
    process = subprocess.Popen(
        [node, _FOLDER / script, _PACKAGES],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(_end, process)
    return process


def _end(process: subprocess.Popen[str]) -> None:
    process.stdin.close()
    process.stdout.close()
    process.wait()
