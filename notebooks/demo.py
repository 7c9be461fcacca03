"""Runs a notebook in the terminal, cell by cell, then opens it in JupyterLab: `make demo`.

It runs in this very process, in IPython without a kernel, so that each answer appears on the
screen while it comes. What serves the answers is decided here, once, and said first.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from cc_jupyter import CcError
from cc_jupyter.client.local import model as local

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
CHEAP_MODEL = "deepseek/deepseek-v4-flash"
WIDTH = 88


def main() -> int:
    """Run the notebook; give the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--headless", action="store_true", help="stop after the run")
    parser.add_argument(
        "--scripted", action="store_true", help="let the server of the tests answer: no model"
    )
    parser.add_argument(
        "--replay", action="store_true", help="show the recorded answers: no model, key or network"
    )
    options = parser.parse_args()
    notebook = options.notebook.resolve()
    os.chdir(notebook.parent)  # where Jupyter runs it
    try:
        with _shell() as shell, contextlib.ExitStack() as stack:
            if options.replay:
                served = _replayed(notebook)
            else:
                served = stack.enter_context(_scripted()) if options.scripted else _served_by(shell)
            print(f"Served by: {served}\n", flush=True)
            if not run(shell, notebook):
                return 1
            return 0 if options.headless else _open_lab(notebook)
    except (CcError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        if not (options.scripted or options.replay):
            print("`make demo REPLAY=1` needs neither key nor model.", file=sys.stderr)
        return 1


@contextlib.contextmanager
def _shell() -> Iterator[InteractiveShell]:
    with tempfile.TemporaryDirectory() as profile:
        config = Config()
        config.HistoryManager.enabled = False  # the user's own history is no place for a demo
        if not sys.stdout.isatty():
            config.InteractiveShell.colors = "nocolor"
        yield InteractiveShell.instance(ipython_dir=profile, config=config)


# ── what answers


def _served_by(shell: InteractiveShell) -> str:
    """Settle on a server, the local model if there is no key; say which it is."""
    where = _where(shell)
    if "model" not in where:
        os.environ["CMD_MODEL"] = CHEAP_MODEL  # JupyterLab's kernels inherit it
        where = _where(shell)
    if "key" not in where and not os.environ.get("CMD_BASE_URL"):
        print(f"{where['missing']}\nSo the local model answers.")
        os.environ["CMD_BASE_URL"] = "local"
        os.environ.pop("CMD_MODEL", None)
        where = _where(shell)
    if where.get("endpoint") == "the local model":
        subprocess.run([sys.executable, "-m", "cc_jupyter.cli", "local", "setup"], check=True)
        return (
            f"the local model, {local.DISPLAY_NAME}, on this machine. Real answers and real"
            " counts of a very small model; no key, no cost."
        )
    if "missing" in where:
        raise CcError(where["missing"])
    host = urlsplit(where["endpoint"]).netloc
    live = host == "api.commandcode.ai"
    return (
        f"{'the live API' if live else 'your CMD_BASE_URL'}, {host}, with the key"
        f" {where['key']}; {where['model']}.{' Its requests are billed.' if live else ''}"
    )


def _replayed(notebook: Path) -> str:
    """Let the notebook's cassette answer; JupyterLab's kernels inherit it."""
    cassette = notebook.with_suffix(".cassette.jsonl")
    os.environ |= {"CMD_CASSETTE": f"replay:{cassette}", "CMD_MODEL": CHEAP_MODEL}
    return f"{cassette.name}: recorded answers. No model answers, nothing is sent, no cost."


def _where(shell: InteractiveShell) -> dict[str, str]:
    """Ask the extension itself where one stands."""
    shell.run_line_magic("load_ext", "cc_jupyter")
    where: dict[str, str] = shell.run_line_magic("cmd", "")
    shell.run_line_magic("unload_ext", "cc_jupyter")  # the notebook loads it again
    return where


@contextlib.contextmanager
def _scripted() -> Iterator[str]:
    """Start the server of the tests; it ends with this process."""
    key = f"user_{secrets.token_hex(8)}"
    command = [
        sys.executable,
        str(ROOT / "tests/support/provider"),
        "--until-stdin-ends",
        "--key",
        key,
    ]
    with subprocess.Popen(  # noqa: S603  our own program
        [*command, "--pause-s", "0.005"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None  # noqa: S101  both are pipes
        assert server.stdout is not None  # noqa: S101
        base_url = server.stdout.readline().strip()
        os.environ |= {"CMD_BASE_URL": base_url, "CMD_API_KEY": key, "CMD_MODEL": CHEAP_MODEL}
        yield "the scripted server of the tests. No model answers: counts and costs are made up."
        server.stdin.close()


# ── the run


def run(shell: InteractiveShell, path: Path) -> bool:
    """Run all cells; stop at the first that fails, and say whether none did."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    started_s = time.monotonic()
    ran = 0
    for number, cell in enumerate(cells, start=1):
        source = "".join(cell["source"])
        if cell["cell_type"] != "code":
            print(f"{_wrapped(source)}\n", flush=True)
            continue
        ran += 1
        if not _run_cell(shell, source, cell["metadata"]):
            print(f"\n{path.name} failed at cell {number} of {len(cells)}.", file=sys.stderr)
            return False
    print(_rule(f"{ran} cells of {path.name} ran in {time.monotonic() - started_s:.0f} s"))
    return True


def _run_cell(shell: InteractiveShell, source: str, metadata: dict[str, Any]) -> bool:
    print(_rule(f"In [{shell.execution_count}]"))
    print(source)
    print(_rule(), flush=True)
    result = shell.run_cell(source, store_history=True)
    print(flush=True)
    return bool(result.success) or "raises-exception" in metadata.get("tags", ())


def _wrapped(text: str) -> str:
    """Break long lines of prose; tables and lists stay as they are."""
    return "\n".join(
        line if line.startswith(("|", "-")) else textwrap.fill(line, WIDTH)
        for line in text.splitlines()
    )


def _rule(title: str = "") -> str:
    return f"── {title} ".ljust(WIDTH, "─") if title else "╌" * WIDTH


# ── JupyterLab


def _open_lab(notebook: Path) -> int:
    local.stop()  # the kernel will start one of its own
    command = [sys.executable, "-m", "jupyterlab", "--log-level=WARN"]
    command.append(f"--LabApp.default_url=/lab/tree/{notebook.name}")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    print("Starting JupyterLab; Ctrl-C twice ends it.", flush=True)
    with subprocess.Popen(command) as lab:  # noqa: S603  our own program
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # JupyterLab asks whether it is meant
        return lab.wait()


if __name__ == "__main__":
    sys.exit(main())
