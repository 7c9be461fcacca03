"""Runs notebooks on the local model and saves their outputs: `make notebooks`, then read them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient


def main() -> None:
    """Run every notebook named on the command line."""
    subprocess.run([sys.executable, "-m", "cc_jupyter.cli", "local", "setup"], check=True)
    os.environ["CMD_BASE_URL"] = "local"
    os.environ.pop("CMD_MODEL", None)
    for name in sys.argv[1:]:
        path = Path(name)
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(
            notebook, record_timing=False, resources={"metadata": {"path": path.parent}}
        ).execute()
        notebook.metadata["language_info"] = {"name": "python"}  # the rest is of one machine
        nbformat.write(notebook, path)
        print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
