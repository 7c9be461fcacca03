"""Measure cc_jupyter and controls; print a table: `run.py [NAME …] [--quick] [--write]`."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(1, str(HERE.parent / "tests"))  # the provider and the kernel harness

from figures import table  # noqa: E402  the subjects need the path above
from neighbours import Neighbours, wait_for_quiet  # noqa: E402

SUBJECTS = (
    "load",
    "cells",
    "burst",
    "paced",
    "interrupt",
    "grid",
    "slow_reader",
    "decoding",
    "door",
    "page",
    "completing",
    "opening",
    "cassette",
    "rows",
    "rows_dask",
)
_README = HERE / "README.md"
_BEGIN, _END = "<!-- figures: begin -->", "<!-- figures: end -->"
_PACKAGES = ("ipykernel", "ipython", "httpx", "httpx-sse", "openai", "anthropic")


def main() -> None:
    """Run the selected measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SUBJECTS))
    parser.add_argument("--quick", action="store_true", help="few rounds: a look, no figures")
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    parser.add_argument(
        "--patience-s",
        type=float,
        default=0.0,
        metavar="S",
        help="how long to wait, before each subject, for other work on the machine to end",
    )
    options = parser.parse_args()
    unknown = set(options.names) - set(SUBJECTS)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(SUBJECTS)}")
    names = options.names or list(SUBJECTS)
    report = _report(names, quick=options.quick, patience_s=options.patience_s)
    print(report)
    if options.write:
        _write(report, names)


def _report(names: list[str], *, quick: bool, patience_s: float) -> str:
    figures, beside = [], []
    for name in names:
        subject = importlib.import_module(name)
        wait_for_quiet(patience_s)
        print(f"measuring: {name}", file=sys.stderr)
        neighbours = Neighbours()
        figures += subject.run(quick=quick)
        beside.append(f"{name} {neighbours.cores():.2f}")
    missed = [figure.name for figure in figures if figure.missed]
    verdict = f"Missed: {'; '.join(missed)}." if missed else "Every figure with a goal reaches it."
    about = (
        f"{_circumstances(quick=quick)} Cores that other work took meanwhile: {', '.join(beside)}."
    )
    return f"{about}\n\n{table(figures)}\n\n{verdict}"


def _circumstances(*, quick: bool) -> str:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES)
    python = f"{platform.python_implementation()} {platform.python_version()}"
    kind = "A quick look, no figures to quote. " if quick else ""
    return (
        f"{kind}{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores, {python}, {versions}. "
        f"Ours and control were measured in turn."
    )


def _write(report: str, names: list[str]) -> None:
    """Put the table into the README: that of a subject alone where it has a place, if it has."""
    text = _README.read_text(encoding="utf-8")
    begin, end = _BEGIN, _END
    if len(names) == 1 and (own := _BEGIN.replace("figures", f"figures of {names[0]}")) in text:
        begin, end = own, _END.replace("figures", f"figures of {names[0]}")
    before, _, rest = text.partition(begin)
    after = rest.partition(end)[2]
    _README.write_text(f"{before}{begin}\n\n{report}\n\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
