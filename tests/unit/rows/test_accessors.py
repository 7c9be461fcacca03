"""The accessor `.cmd`: registered at once or after an import, and taken out again.

What changes the modules of a process runs in a process of its own.
"""

from __future__ import annotations

import inspect
import subprocess
import sys
from textwrap import dedent

import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pytest

import cc_jupyter
from cc_jupyter.core.errors import OptionError
from cc_jupyter.rows.accessors import CmdAccessor, register, unregister
from cc_jupyter.rows.frames.results import make_result
from cc_jupyter.rows.frames.tables import table_of
from cc_jupyter.rows.frames.taken_name import TakenNameError

LEVELS, CODES = [[1], ["a", "b"]], [[0, 0], [0, 1]]
FRAME = pd.DataFrame({"text": ["a", "b"]})
KINDS = [pd.DataFrame, pd.Series, pl.DataFrame, pl.Series, dd.DataFrame, dd.Series]


@pytest.fixture(autouse=True)
def _registered():
    register()
    yield
    unregister()


def python(code):
    """Run code in a fresh Python with warnings as errors; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_class_has_the_accessor_and_loses_it_again(kind):
    assert kind.cmd is CmdAccessor
    assert "cmd" in kind._accessors
    register()
    unregister()
    assert not hasattr(kind, "cmd")
    assert "cmd" not in kind._accessors
    unregister()
    assert not any(type(each).__module__.startswith("cc_jupyter") for each in sys.meta_path)


@pytest.mark.parametrize(
    "data",
    [
        FRAME,
        FRAME["text"],
        pl.from_pandas(FRAME),
        pl.Series("text", ["a", "b"]),
        dd.from_pandas(FRAME, npartitions=2),
        dd.from_pandas(FRAME, npartitions=2)["text"],
    ],
    ids=lambda data: f"{type(data).__module__}.{type(data).__name__}",
)
def test_map_is_map_rows_with_every_option(data, monkeypatch):
    calls = []
    mapped = object()

    def map_rows(*given, **options):
        calls.append((given, options))
        return mapped

    monkeypatch.setattr(cc_jupyter, "map_rows", map_rows, raising=False)
    found = data.cmd.map("Classify: {{ text }}", into=int, check="value > 1", temperature=0)
    assert found is mapped
    ((given, options),) = calls
    assert given[0] is data
    assert given[1:] == ("Classify: {{ text }}",)
    assert options == {
        "into": int,
        "model": None,
        "system": None,
        "preview": None,
        "check": "value > 1",
        "concurrency": None,
        "max_usd": None,
        "max_requests": None,
        "on_error": "keep",
        "unique": None,
        "fresh": False,
        "retry": (),
        "executor": None,
        "temperature": 0,
    }


def test_meta_is_that_of_the_result():
    result = make_result(table_of(FRAME), int, [1, 2], {}, meta=dict)
    with pytest.raises(OptionError, match="this DataFrame has no meta"):
        _ = FRAME.cmd.meta
    with pytest.raises(KeyError, match="input_tokens"):  # of the empty meta above
        _ = result.cmd.meta


OF_A_FRAME = (
    "this frame has a column `cmd`, so `.cmd` could mean either",
    'use cc_jupyter.map_rows(frame, "…"), and frame["cmd"] for the column',
)
OF_A_SERIES = (
    "this series has a label `cmd`, so `.cmd` could mean either",
    'use cc_jupyter.map_rows(series, "…"), and series["cmd"] for the label',
)
COMMANDS = pd.DataFrame({"cmd": ["ls"], "n": [1]})


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (COMMANDS, OF_A_FRAME),
        (dd.from_pandas(COMMANDS, npartitions=1), OF_A_FRAME),
        (COMMANDS.iloc[0], OF_A_SERIES),
    ],
    ids=["pandas", "dask", "row"],
)
def test_data_with_a_cmd_of_its_own_is_an_error_that_names_map_rows(data, expected):
    with pytest.raises(OptionError) as raised:
        _ = data.cmd
    assert (str(raised.value), raised.value.hint) == expected
    assert data["cmd"] is not None


@pytest.mark.filterwarnings("ignore:.*_data is deprecated:DeprecationWarning")  # of pandas 2
@pytest.mark.parametrize("data", [COMMANDS, COMMANDS.iloc[0]], ids=["frame", "row"])
def test_what_looks_through_attributes_of_pandas_is_not_disturbed(data):
    with pytest.raises(TakenNameError):
        _ = data.cmd
    assert getattr(data, "cmd", None) is None
    assert "n" in dict(inspect.getmembers(data))


def test_polars_reads_no_column_as_an_attribute():
    assert isinstance(pl.from_pandas(COMMANDS).cmd, CmdAccessor)


@pytest.mark.parametrize(
    "index",
    [None, [1.5, 2], list("ab"), pd.date_range("2026", periods=2), pd.MultiIndex(LEVELS, CODES)],
)
def test_a_series_with_any_other_index_has_the_accessor(index):
    assert isinstance(pd.Series([1, 2], index=index).cmd, CmdAccessor)


def test_registering_imports_no_library():
    shown = python(
        """
        import sys
        import cc_jupyter.rows
        print(sorted({"pandas", "polars", "dask", "numpy"} & set(sys.modules)))
        """
    )
    assert shown == "[]"


@pytest.mark.parametrize(
    ("imported", "kinds"),
    [
        ("pandas", "pandas.DataFrame pandas.Series"),
        ("polars", "polars.DataFrame polars.Series"),
        ("dask.dataframe", "dask.dataframe.DataFrame dask.dataframe.Series pandas.DataFrame"),
    ],
)
@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_a_library_has_it_whether_it_is_imported_before_or_after(imported, kinds, first):
    lines = [f"import {imported}", "import cc_jupyter.rows"]
    shown = python(
        "\n".join(
            [
                *(lines if first else reversed(lines)),
                *("import pandas" for _ in range("pandas" in kinds)),
                "from cc_jupyter.rows.accessors import CmdAccessor",
                f"kinds = ({', '.join(kinds.split())},)",
                "print([kind.cmd is CmdAccessor for kind in kinds])",
                f"loader = {imported}.__spec__.loader",
                f"print(type(loader).__name__, {imported}.__loader__ is loader)",
            ]
        )
    )
    count = len(kinds.split())
    assert shown.splitlines() == [str([True] * count), "SourceFileLoader True"]


def test_a_library_that_is_imported_after_unloading_has_nothing():
    shown = python(
        """
        import importlib.util, sys
        before = list(sys.meta_path)
        import cc_jupyter.rows
        from cc_jupyter.rows.accessors import unregister
        spec = importlib.util.find_spec("polars")
        print(len(sys.meta_path) - len(before))
        unregister()
        print(sys.meta_path == before)
        module = importlib.util.module_from_spec(spec)
        import polars, pandas
        print(hasattr(polars.DataFrame, "cmd"), hasattr(pandas.DataFrame, "cmd"))
        """
    )
    assert shown.splitlines() == ["1", "True", "False False"]


def test_what_a_spec_says_about_a_library_is_unchanged():
    shown = python(
        """
        import importlib.util
        import cc_jupyter.rows
        spec = importlib.util.find_spec("pandas")
        print(spec.origin.endswith("__init__.py"), spec.submodule_search_locations != [])
        print(spec.loader.get_filename("pandas") == spec.origin, spec.loader.name)
        print(importlib.util.find_spec("no_such_module"))
        """
    )
    assert shown.splitlines() == ["True True", "True pandas", "None"]


def test_a_library_that_is_not_installed_fails_as_before():
    shown = python(
        """
        import sys
        import cc_jupyter.rows
        sys.path_importer_cache.clear()
        sys.path[:] = [each for each in sys.path if "site-packages" not in each]
        for name in ("pandas", "dask.dataframe"):
            try:
                __import__(name)
            except ModuleNotFoundError as error:
                print(error)
        """
    )
    assert shown.splitlines() == ["No module named 'pandas'", "No module named 'dask'"]


def test_a_library_that_fails_while_it_is_imported_fails_as_before(tmp_path):
    (tmp_path / "polars.py").write_text("raise RuntimeError('broken build')")
    shown = python(
        f"""
        import sys
        import cc_jupyter.rows
        sys.path.insert(0, {str(tmp_path)!r})
        try:
            import polars
        except RuntimeError as error:
            print(error, "polars" in sys.modules)
        """
    )
    assert shown == "broken build False"


@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_a_library_without_the_api_is_imported_and_one_warning_says_so(tmp_path, name):
    (tmp_path / f"{name}.py").write_text("DataFrame = type('DataFrame', (), {})\nready = True")
    shown = python(
        f"""
        import sys, warnings
        import cc_jupyter.rows
        sys.path.insert(0, {str(tmp_path)!r})
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            import {name}
        print({name}.ready, len(caught), caught[0].message)
        """
    )
    assert shown.startswith(f"True 1 cc_jupyter cannot add the accessor .cmd to {name} (Attribute")
    assert shown.endswith("use cc_jupyter.map_rows")


def test_an_accessor_of_another_package_stays(monkeypatch):
    class Foreign:
        def __init__(self, data):
            self.data = data

    unregister()
    pd.api.extensions.register_dataframe_accessor("cmd")(Foreign)
    try:
        register()
        assert pd.DataFrame.cmd is Foreign
        assert pd.Series.cmd is CmdAccessor
        unregister()
        assert pd.DataFrame.cmd is Foreign
    finally:
        del pd.DataFrame.cmd
        pd.DataFrame._accessors.discard("cmd")


@pytest.mark.skipif(
    int(pd.__version__.partition(".")[0]) < 3,
    reason="pandas 2 itself keeps each accessor with its frame, until garbage is collected",
)
def test_the_accessor_does_not_keep_a_frame_alive_in_pandas():
    frame = pd.DataFrame({"x": np.zeros(3)})
    before = sys.getrefcount(frame)
    assert isinstance(frame.cmd, CmdAccessor)
    assert sys.getrefcount(frame) == before
