"""The matrix of versions: its rows name what exists, and what cannot run says why."""

from __future__ import annotations

import sys

import pytest
from packaging.requirements import Requirement

from tools import matrix


@pytest.mark.parametrize("row", matrix.ROWS, ids=lambda row: row.name)
def test_the_tests_and_pins_of_a_row_exist(row):
    assert all((matrix.ROOT / path).exists() for path in row.tests)
    assert all(Requirement(pin).specifier for pin in row.pins if pin != "pandas-stubs")


def test_a_python_that_is_not_here_is_a_row_that_did_not_run(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["matrix", "python-3.14"])
    assert matrix.main() == 0
    assert "| python-3.14 | not run: python3.14 is not on this machine |" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["matrix", "--strict", "python-3.14"])
    assert matrix.main() == 1


def test_a_program_that_does_not_run_is_no_python(monkeypatch, tmp_path):
    """pyenv's programs end with an error where their version is not chosen."""
    chosen = tmp_path / "versions" / "3.14.1" / "bin" / "python"
    chosen.parent.mkdir(parents=True)
    for path, status in ((tmp_path / "python3.14", 127), (chosen, 0)):
        path.write_text(f"#!/bin/sh\nexit {status}\n", encoding="utf-8")
        path.chmod(0o755)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert matrix._interpreter("3.14") == str(chosen)


def test_all_runs_the_whole_suite(monkeypatch):
    ran = []
    monkeypatch.setattr(matrix, "_run", lambda row: ran.append(row) or matrix.Result(row, "passed"))
    monkeypatch.setattr(sys, "argv", ["matrix", "--all", "pandas-2"])
    assert matrix.main() == 0
    assert [(row.name, row.tests) for row in ran] == [("pandas-2", ("tests",))]
