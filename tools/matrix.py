"""Run the tests under the versions of Python and of libraries that users have: `make matrix`.

Each row of the matrix is one environment, `.matrix/NAME`: everything newest, but for what the row
names. It runs the tests that can notice the difference; `--all` runs the whole suite in each row. A
row whose Python is not on this machine, or whose packages cannot be installed, is listed with the
reason; the script fails if a test does. Python is searched for on the PATH and in pyenv's folder.

    python -m tools.matrix [--list] [--all] [--strict] [--table FILE] [NAME ...]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from time import monotonic
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ROOT / ".matrix"
_INSTALL_TIMEOUT_S = 1_200
_TEST_TIMEOUT_S = 3_600
_WORKERS = ("--numprocesses=auto", "--maxprocesses=4", "--dist=loadfile")
_QUICK = ("tests/unit", "tests/conversation", "tests/client")
_SHELL = (
    "tests/kernel/test_loading.py",
    "tests/kernel/test_ask_line.py",
    "tests/kernel/test_capture.py",
    "tests/kernel/test_completion.py",
    "tests/kernel/test_interrupt.py",
    "tests/kernel/test_outputs.py",
    "tests/kernel/test_terminal.py",
)
_MESSAGES = (
    "tests/kernel/test_comm.py",
    "tests/kernel/test_document_order.py",
    "tests/kernel/test_interrupt.py",
    "tests/kernel/test_outputs.py",
    "tests/kernel/test_progress.py",
    "tests/kernel/test_saved_notebook.py",
    "tests/kernel/test_tool_consent.py",
)
_PAGE = (
    "tests/browser/test_cells.py",
    "tests/browser/test_completion.py",
    "tests/browser/test_status_and_panel.py",
    "tests/browser/test_recovery.py",
)
_FRAMES = ("tests/unit/rows", "tests/kernel/test_rows.py", "tests/unit/usage")
_EVERYTHING = ("tests",)
_VALUES = (
    "tests/unit/prompt",
    "tests/unit/tools",
    "tests/kernel/test_prompt.py",
    "tests/kernel/test_typed_capture.py",
)


class Row(NamedTuple):
    """One environment."""

    name: str
    tests: tuple[str, ...]
    python: str = "3"
    """The version of Python; `3`: the one that runs this."""
    pins: tuple[str, ...] = ()
    """What is not the newest."""


ROWS = (
    *(Row(f"python-3.{minor}", (*_QUICK, *_SHELL), f"3.{minor}") for minor in (11, 12, 13, 14)),
    Row("ipython-8.18", _SHELL, pins=("ipython==8.18.*",)),
    Row("ipykernel-6", _MESSAGES, pins=("ipykernel<7",)),
    Row("ipykernel-7", _MESSAGES, pins=("ipykernel>=7",)),
    Row("jupyterlab-4.2", _PAGE, pins=("jupyterlab==4.2.*",)),
    Row("jupyterlab-4.4", _PAGE, pins=("jupyterlab==4.4.*",)),
    Row("jupyterlab-newest", _PAGE),
    Row("pandas-2", (*_VALUES, *_FRAMES), pins=("pandas<3", "pandas-stubs")),
    Row("pandas-3", (*_VALUES, *_FRAMES), pins=("pandas>=3",)),
    Row("pydantic-2.13", _VALUES, pins=("pydantic==2.13.*",)),
    Row("pydantic-newest", _VALUES),
)
_SHOWN = ("ipython", "ipykernel", "jupyterlab", "pandas", "pydantic", "httpx")
"""The libraries whose versions the table has."""


class Result(NamedTuple):
    """What became of a row."""

    row: Row
    outcome: str
    """`passed`, `failed`, or `not run`."""
    versions: str = ""
    note: str = ""


def main() -> int:
    """Run the rows and print the table; return 1 if one failed (`--strict`: or did not run)."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="the rows to run; by default all")
    parser.add_argument("--list", action="store_true", help="list the rows and run nothing")
    parser.add_argument(
        "--all", action="store_true", help="run the whole suite in each row: about 12 minutes each"
    )
    parser.add_argument(
        "--strict", action="store_true", help="fail as well if a row could not be run"
    )
    parser.add_argument("--table", type=Path, help="also write the table to this file")
    options = parser.parse_args()
    known = {row.name: row for row in ROWS}
    unknown = [name for name in options.names if name not in known]
    if unknown:
        parser.error(f"unknown row {unknown[0]}; the rows are {', '.join(known)}")
    rows = [known[name] for name in options.names] or list(ROWS)
    if options.list:
        print("\n".join(row.name for row in rows))
        return 0
    results = []
    for row in rows:
        print(f"== {row.name}", flush=True)
        results.append(_run(row._replace(tests=_EVERYTHING) if options.all else row))
        print(f"   {results[-1].outcome}: {results[-1].note}", flush=True)
    table = _table(results)
    print(f"\n{table}")
    if options.table is not None:
        options.table.write_text(f"{table}\n", encoding="utf-8")
    bad = {"failed", "not run"} if options.strict else {"failed"}
    return int(any(result.outcome in bad for result in results))


def _run(row: Row) -> Result:
    python = _interpreter(row.python)
    if python is None:
        return Result(row, "not run", note=f"python{row.python} is not on this machine")
    folder = ENVIRONMENTS / row.name
    shutil.rmtree(folder, ignore_errors=True)
    options = ["--without-pip"] if shutil.which("uv") else []
    made = _call([python, "-m", "venv", *options, str(folder)], timeout_s=_INSTALL_TIMEOUT_S)
    if made.returncode:
        reason = _last_line(made.stdout + made.stderr)
        return Result(row, "not run", note=f"no environment: {reason}")
    own = str(folder / "bin" / "python")
    installed = _call(
        [*_installer(own), "--editable", f"{ROOT}[test]", *row.pins], timeout_s=_INSTALL_TIMEOUT_S
    )
    if installed.returncode:
        return Result(row, "not run", note=f"not installable: {_last_line(installed.stderr)}")
    _link_extension(folder)
    started_s = monotonic()
    tested = _call(
        [own, "-m", "pytest", "-q", "-p", "no:cacheprovider", *_WORKERS, *row.tests],
        timeout_s=_TEST_TIMEOUT_S,
        path=folder / "bin",
    )
    (folder / "tests.log").write_text(tested.stdout + tested.stderr, encoding="utf-8")
    note = f"{_last_line(tested.stdout)} ({monotonic() - started_s:.0f} s in all)"
    outcome = "failed" if tested.returncode else "passed"
    if outcome == "failed":
        note += f"; see {(folder / 'tests.log').relative_to(ROOT)}"
    return Result(row, outcome, _versions(own), note)


def _installer(python: str) -> list[str]:
    """Return the command that installs for this Python: uv's where it is at hand, else pip's.

    On a busy machine, pip takes minutes for what uv does in half of one.
    """
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--quiet", "--python", python]
    return [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def _interpreter(version: str) -> str | None:
    """Return a Python of this version, or None; a program of that name may not be one that runs.

    What pyenv puts on the PATH for a version that is installed but not chosen only says so.
    """
    if version == "3":
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    programs = [shutil.which(f"python{version}"), *sorted(pyenv.glob(f"{version}.*/bin/python"))]
    runs = (
        str(each)
        for each in programs
        if each and not _call([str(each), "-V"], timeout_s=60).returncode
    )
    return next(runs, None)


def _link_extension(folder: Path) -> None:
    """Let JupyterLab find the extension that `make front-end` built, if it did."""
    built = ROOT / "cc_jupyter" / "labextension"
    place = folder / "share" / "jupyter" / "labextensions" / "cc-jupyter"
    if built.is_dir() and not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(built)


def _call(
    command: list[str], *, timeout_s: float, path: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command in the checkout; `path` is searched for programs first."""
    search = os.environ.get("PATH", "")
    try:
        return subprocess.run(  # noqa: S603  nothing of it is input
            command,
            cwd=ROOT,
            env={**os.environ, "PATH": search if path is None else f"{path}{os.pathsep}{search}"},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"not finished after {timeout_s:.0f} s")


def _versions(python: str) -> str:
    code = (
        "import platform; from importlib.metadata import version;"
        f"print('Python', platform.python_version(), *(f'{{n}} {{version(n)}}' for n in {_SHOWN}),"
        " sep=', ')"
    )
    asked = _call([python, "-c", code], timeout_s=60)
    return asked.stdout.strip().replace("Python, ", "Python ", 1)


def _last_line(text: str) -> str:
    lines = [line.strip("= ") for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "no output"


def _table(results: list[Result]) -> str:
    lines = ["| row | result | versions |", "| --- | --- | --- |"]
    for row, outcome, versions, note in results:
        lines.append(f"| {row.name} | {outcome}: {note.replace('|', '/')} | {versions} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
