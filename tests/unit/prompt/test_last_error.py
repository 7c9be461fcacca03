"""The last exception as a model is told of it, and the corrected cell that comes back."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import json
import linecache
import subprocess
import sys
import time
import types
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import cc_jupyter
from cc_jupyter.core.errors import AuthError, OptionError, StreamError
from cc_jupyter.core.redaction import masked, restored, secrets_in
from cc_jupyter.prompt.failed_cell import (
    CELL_LIMIT,
    LastError,
    corrected_cell,
    explain_prompt,
    failing_cell,
    fix_prompt,
    last_exception,
    read_error,
    unified_diff,
)
from cc_jupyter.prompt.tracebacks import is_user_file
from cc_jupyter.prompt.variables import summarize

_NUMBERS = itertools.count(1)


@pytest.fixture(autouse=True)
def own_linecache(monkeypatch):
    monkeypatch.setattr(linecache, "cache", dict(linecache.cache))


def run(source: str, space: dict[str, Any], name: str | None = None) -> BaseException | None:
    """Run a cell as IPython does: compiled under a name of its own, its lines in `linecache`."""
    name = name or f"/tmp/ipykernel_42/{next(_NUMBERS)}.py"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    space.setdefault("__name__", "__main__")
    try:
        exec(compile(source, name, "exec"), space)
    except BaseException as error:  # noqa: BLE001  any is the subject
        trace = error.__traceback__
        return error.with_traceback(trace and trace.tb_next)  # this frame stands for IPython
    return None


def told(source: str, space: dict[str, Any] | None = None, *secrets: str) -> LastError:
    space = {} if space is None else space
    error = run(source, space)
    assert error is not None
    return read_error(error, source, space, secrets)


# ── which exception


def test_without_an_exception_there_is_nothing_to_explain():
    with pytest.raises(OptionError, match="no cell has failed in this kernel yet"):
        last_exception(SimpleNamespace())


@pytest.mark.parametrize("name", ["last_value", "last_exc"])
def test_the_last_exception_is_the_one_that_ipython_noted(name):
    error = ValueError("bad")
    assert last_exception(SimpleNamespace(**{name: error})) is error


def test_our_own_errors_are_not_explained_and_say_so():
    holder = SimpleNamespace(last_value=AuthError("the key is wrong", hint="set CMD_API_KEY"))
    with pytest.raises(OptionError, match="not explained by a model: AuthError: the key") as caught:
        last_exception(holder)
    assert caught.value.hint == "set CMD_API_KEY"


def test_our_own_error_gives_way_to_what_was_asked_about_before():
    before = ValueError("bad")
    assert last_exception(SimpleNamespace(last_value=OptionError("no")), before) is before


def test_an_interrupt_of_a_request_is_our_own_and_one_of_a_loop_is_not():
    package = str(Path(cc_jupyter.__file__).parent / "exchange.py")
    ours = run("raise KeyboardInterrupt", {}, package)
    with pytest.raises(OptionError):
        last_exception(SimpleNamespace(last_value=ours))
    theirs = run("raise KeyboardInterrupt", {})
    assert last_exception(SimpleNamespace(last_value=theirs)) is theirs


# ── which cell


def test_the_failing_cell_is_found_as_it_was_typed():
    space: dict[str, Any] = {}
    executed = ["", "def f(): 1/0\n", "get_ipython().system('ls')\nf()\n", "x = 1\n"]
    typed = ["", "def f(): 1/0", "!ls\nf()", "x = 1"]
    space["get_ipython"] = lambda: SimpleNamespace(system=print)
    run(executed[1], space)
    error = run(executed[2], space)
    assert failing_cell(error, executed, typed) == "!ls\nf()"


def test_of_equal_cells_the_last_is_taken_and_an_unknown_one_is_given_as_it_ran():
    error = run("1/0\n", {})
    assert failing_cell(error, ["1/0", "1/0"], ["1/0 # old", "1/0 # new"]) == "1/0 # new"
    assert failing_cell(error, [], []) == "1/0\n"


def test_a_syntax_error_belongs_to_its_cell():
    error = run("x = (1\n", {})
    assert failing_cell(error, ["x = (1\n"], ["x = (1"]) == "x = (1"


def test_an_exception_that_no_cell_raised_has_no_cell():
    error = run("1/0", {}, str(Path.cwd() / "script.py"))
    assert failing_cell(error, ["1/0"], ["1/0"]) == ""


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("/tmp/ipykernel_12/3456.py", True),
        ("<ipython-input-3-0a1b2c>", True),
        ("<timed exec>", True),
        ("/home/ann/project/helpers.py", True),
        (r"C:\Users\ann\AppData\Local\Temp\ipykernel_7\8.py", True),
        ("/home/ann/project/.venv/lib/python3.12/site-packages/x/y.py", False),
        ("/usr/lib/python3/dist-packages/x.py", False),
        ("<string>", False),
        ("<frozen importlib._bootstrap>", False),
        ("pandas/_libs/index.pyx", False),
        (json.__file__, False),
        (pd.__file__, False),
        (cc_jupyter.__file__, False),
    ],
)
def test_the_users_code_is_cells_and_own_files(filename, expected):
    assert is_user_file(filename) is expected


# ── what is told


CELL = """\
prices = [1, 2]
# a comment
def mean(values, scale=1):
    total = sum(values)
    return total / (len(values) - 2) * scale

mean(prices)
"""


def test_an_error_is_told_with_the_users_frames_and_variables_by_type_and_size():
    error = told(CELL, {"unrelated": 5})
    assert error.message == "ZeroDivisionError: division by zero"
    assert [frame.place for frame in error.frames] == [
        "the failing cell, line 7",
        "the failing cell, line 5, in mean",
    ]
    assert error.frames[1].source.splitlines() == [
        "   4 |     total = sum(values)",
        "-> 5 |     return total / (len(values) - 2) * scale",
        "   6 | ",
    ]
    assert (
        error.frames[0].variables
        == (
            ("mean", "function(values, scale)"),
            ("prices", "list of 2 items (int)"),
        )
        or dict(error.frames[0].variables)["mean"] == "function(values, scale)"
    )
    assert dict(error.frames[1].variables) == {
        "total": "int 3",
        "values": "list of 2 items (int)",
        "scale": "int 1",
    }
    assert "unrelated" not in explain_prompt(error)


def test_of_a_library_only_the_name_of_the_function_is_told():
    error = told("import json\njson.loads('{')\n")
    assert len(error.frames) == 1
    assert "(raised inside json.decoder.JSONDecoder.raw_decode)" in error.message
    assert json.__file__ not in explain_prompt(error)


def test_frames_of_earlier_cells_and_of_the_users_files_come_with_their_lines(tmp_path):
    (tmp_path / "helpers.py").write_text("def half(x):\n    # halves\n    return x / 'two'\n")
    space: dict[str, Any] = {"path": str(tmp_path / "helpers.py")}
    helper = "source = open(path).read()\nexec(compile(source, path, 'exec'), globals())\n"
    run(
        helper.replace("open(path)", "__import__('pathlib').Path(path)").replace(
            ".read()", ".read_text()"
        ),
        space,
    )
    run("def twice(x):\n    return 2 * half(x)\n", space)
    error = told("twice(7)\n", space)
    assert [frame.place.rpartition("/")[2] for frame in error.frames] == [
        "the failing cell, line 1",
        "an earlier cell, line 2, in twice",
        "helpers.py, line 3, in half",
    ]
    assert error.frames[2].source.splitlines()[1] == "   2 |     # halves"


def test_an_attribute_is_told_where_the_object_holds_it_and_nothing_is_computed():
    source = (
        "class Box:\n"
        "    def __init__(self):\n"
        "        self.items = [1]\n"
        "    @property\n"
        "    def costly(self):\n"
        "        raise SystemExit\n"
        "    def go(self):\n"
        "        return self.items[3] + self.costly\n"
        "Box().go()\n"
    )
    assert dict(told(source).frames[1].variables) == {
        "self": "Box",
        "self.items": "list of 1 item (int)",
    }


def test_modules_and_what_ipython_put_there_are_no_variables():
    space: dict[str, Any] = {"In": [], "Out": {}, "_": 1, "np": np}
    names = dict(told("x = 1\nnp.array(In[x]), Out, _, get_ipython\n", space).frames[0].variables)
    assert names == {"x": "int 1"}


def test_a_syntax_error_is_told_with_its_place():
    error = told("y = 2\nx = (1\n")
    assert error.message.startswith("SyntaxError: ")
    assert ".py, line" not in error.message
    assert error.frames[0].place == "the failing cell, line 2"
    assert "-> 2 | x = (1" in error.frames[0].source


def test_a_syntax_error_of_a_file_that_the_cell_imports_is_told_with_both_places(
    tmp_path, monkeypatch
):
    (tmp_path / "broken_helpers.py").write_text("def f(:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    error = told("import broken_helpers\n")
    assert error.frames[0].place == "the failing cell, line 1"
    assert error.frames[1].place.endswith("broken_helpers.py, line 1")
    assert "-> 1 | def f(:" in error.frames[1].source


def test_below_time_the_lines_are_counted_as_the_user_sees_them():
    magic = "get_ipython().run_cell_magic('time', '', 'x = 1\\nx / 0\\n')\n"
    body = compile("x = 1\nx / 0\n", "<timed exec>", "exec")
    space: dict[str, Any] = {}
    shell: dict[str, Any] = {"body": body, "space": space}
    exec(compile("def run_cell_magic(*given): exec(body, space)", "<ipython>", "exec"), shell)
    space["get_ipython"] = lambda: SimpleNamespace(**shell)
    error = run(magic, space)
    told_error = read_error(error, "%%time\nx = 1\nx / 0\n", space)
    assert [frame.place for frame in told_error.frames] == ["the failing cell, line 3"]
    assert "-> 3 | x / 0" in told_error.frames[0].source
    assert dict(told_error.frames[0].variables) == {"x": "int 1"}


def test_a_name_that_is_unknown_comes_with_those_that_are_like_it():
    assert told("prices = 1\npirces\n").close_names == "prices"
    assert "print" in (told("prit(1)\n").close_names or "")
    assert told("1/0").close_names is None


def test_what_led_to_the_exception_is_told_and_a_repetition_is_not():
    source = "try:\n    {}['a']\nexcept KeyError as e:\n    raise ValueError('no a') from e\n"
    assert told(source).message.splitlines() == [
        "ValueError: no a",
        "caused by KeyError: 'a' (at cell, line 2: {}['a'])",
    ]
    assert told("import pandas\npandas.DataFrame()['a']").message.count("KeyError") == 1


def test_of_a_deep_recursion_the_middle_is_left_out_and_it_says_so():
    error = told("def f(n):\n    return f(n + 1)\nf(0)\n")
    assert len(error.frames) == 12
    assert "frames in the middle of the traceback" in error.cuts[0]
    assert "Left out: " in explain_prompt(error)


def test_of_many_variables_the_nearest_are_told():
    body = "".join(f"    v{number} = {number}\n" for number in range(50))
    variables = told(f"def f():\n{body}    v0 / v0\nf()\n").frames[1].variables
    assert variables[0] == ("v0", "int 0")
    assert variables[-1] == ("…", "30 more")


def test_a_long_line_a_long_message_and_a_long_cell_are_cut():
    error = told(f"x = '{'a' * 100_000}'\nraise ValueError(x)\n")
    prompt = explain_prompt(error)
    assert len(prompt) < CELL_LIMIT + 10_000
    assert f"the cell after its first {CELL_LIMIT:,} characters" in prompt
    assert "[cut: 2,000 of 100,000 characters]" in prompt


# ── variables


class Private:
    def __init__(self) -> None:
        self.diary = "dear diary"

    def __repr__(self) -> str:
        raise AssertionError("asked for its text")

    def __len__(self) -> int:
        raise AssertionError("asked for its length")

    __str__ = __repr__


@dataclasses.dataclass
class Person:
    name: str


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "None"),
        (True, "bool True"),
        (7, "int 7"),
        (1.5, "float 1.5"),
        (10**100, "int"),
        pytest.param(10**5000, "int", id="thousands of digits"),
        ("short", "str 'short'"),
        ("a" * 79, "str of 79 characters"),
        ("a" * 78, f"str '{'a' * 78}'"),
        ("", "str ''"),
        (b"\x00" * 9, "bytes of 9 bytes"),
        ([], "list of 0 items"),
        ([1, "a", None], "list of 3 items (int, str, NoneType)"),
        ([1, 1.0, "", b"", None], "list of 5 items (int, float, str, bytes, …)"),
        ((1,), "tuple of 1 item (int)"),
        ({"secret name": 1}, "dict of 1 item (str: int)"),
        ({1, 2}, "set of 2 items (int)"),
        (dt.date(2026, 1, 2), "datetime.date(2026, 1, 2)"),
        (Decimal("0.10"), "Decimal('0.10')"),
        (np.zeros((3, 4)), "numpy.ndarray, shape (3, 4), dtype float64"),
        (np.float64(1.5), "numpy.float64 1.5"),
        (pd.Series([1, 2], name="n"), "pandas.Series of 2 values, dtype int64"),
        (
            pd.DataFrame({"a": [1], "b": [0.5]}),
            "pandas.DataFrame, 1 row × 2 columns (a: int64, b: float64)",
        ),
        (pd.DataFrame([[1, 2]]), "pandas.DataFrame, 1 row × 2 columns"),
        (pl.DataFrame({"a": [1]}), "polars.DataFrame, 1 row × 1 column (a: Int64)"),
        (summarize, "function(value, hidden)"),
        (Person, "class Person"),
        (types.SimpleNamespace(a=1), "types.SimpleNamespace"),
    ],
)
def test_a_variable_is_told_by_type_and_size_and_by_value_only_if_short_and_plain(value, expected):
    assert summarize(value) == expected


def test_an_object_of_the_user_is_never_asked_for_its_text_or_length():
    assert summarize(Private()).endswith("Private")
    assert "list of 1 item" in summarize([Private()])


def test_the_columns_of_a_wide_frame_are_limited():
    summary = summarize(pd.DataFrame({f"c{n}": [1] for n in range(100)}))
    assert "c29: int64, … 70 more)" in summary


# ── house rule 7: secrets are nowhere

KEY = "K3y-of-no-known-shape"
SECRETS = {
    "OPENAI_API_KEY": "sk-abcdef1234567890abcdef",
    "password": "hunter2!",
    "db_secret": "tr0ub4dor&3",
    "github_token": "ghp_abcdefghijklmnop1234",
    "token": "0123456789abcdef0123",
    "auth": "YWxhZGRpbjpvcGVuc2VzYW1l0",
    "cc": KEY,
}


def secretive(name: str, value: str) -> str:
    return (
        f"{name} = {value!r}\n"
        f"config = {{{name!r}: {value!r}}}\n"
        "class Client:\n"
        "    pass\n"
        "client = Client()\n"
        f"client.{name} = {name}\n"
        "def connect(given):\n"
        f"    {name} = given\n"
        f"    raise ConnectionError('refused ' + {name})\n"
        f"connect({value!r})\n"
    )


@pytest.mark.parametrize(("name", "value"), list(SECRETS.items()))
def test_secrets_of_variables_messages_and_source_lines_are_never_told(name, value):
    error = told(secretive(name, value), None, KEY)
    for text in (explain_prompt(error), fix_prompt(error), repr(error)):
        assert value not in text
    assert "[key]" in error.cell
    assert "[key]" in error.message
    assert "given" in dict(error.frames[1].variables)


@pytest.mark.parametrize(
    "line",
    [
        'connect(password="hunter2!")',
        "db = {'api_key': 'abc'}",
        'os.environ["SERVICE_SECRET"] = "abc"',
        'client_secret: str = "abc"',
        'engine = "postgresql://ann:tiger@db/x"',
        'headers = {"Authorization": "Basic YWxhZGRpbjpv"}',
        "!mysql --password tiger -u ann",
        "aws = 'AKIAIOSFODNN7EXAMPLE'",
        'token = "0123456789abcdef0123"',
        'passphrase = r"""abc"""',
    ],
)
def test_a_secret_in_a_line_is_taken_out_and_put_back(line):
    hidden = masked(line)
    assert "[key]" in hidden
    for secret in ("hunter2", "abc", "tiger", "YWxh", "AKIA", "0123456789"):
        assert secret not in hidden
    assert restored(f"if True:\n    {hidden}\n", f"{line}\n") == f"if True:\n    {line}\n"


@pytest.mark.parametrize(
    "line",
    [
        "for key, value in items: print(key)",
        "token = tokens[0]",
        'pad_token = "<pad>"',
        'key = "name"',
        "password = getpass('Password: ')",
        'max_tokens = "100"',
        'sort_key="price"',
        'url = "https://example.com/a:b@c"',
        'raise KeyError("api_key")',
    ],
)
def test_ordinary_code_stays_as_it_is(line):
    assert masked(line) == line


def test_a_plain_word_is_not_removed_everywhere():
    assert secrets_in({"password": "test", "secret": "testing"}) == []
    assert secrets_in({"password": "correct horse", "n": 1, "token": "the"}) == ["correct horse"]


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "key ",
        "a.b+",
        "password: ",
        "secret",
        "api_key:  ",
        "x='",
        "-----BEGIN PRIVATE KEY-----",
    ],
)
def test_masking_costs_no_more_than_the_length_of_the_text(piece):
    started_s = time.process_time()
    masked(piece * (200_000 // len(piece)))
    assert time.process_time() - started_s < 5


def test_a_mask_that_stood_for_several_lines_is_left_to_the_user():
    original = "api_key = 'abc1'\napi_key = 'abc2'\nx = 1"
    assert restored(masked(original), original) == masked(original)


# ── what is asked


def test_explain_asks_for_words_and_holds_cell_exception_and_frames():
    prompt = explain_prompt(told(CELL))
    assert prompt.startswith("A cell of a Jupyter notebook failed. Explain")
    assert f"```python\n{CELL.strip()}\n```" in prompt
    assert "```text\nZeroDivisionError: division by zero\n```" in prompt
    assert "the failing cell, line 5, in mean:" in prompt


def test_fix_asks_for_the_whole_cell_in_one_block():
    prompt = fix_prompt(told(CELL))
    assert "the whole corrected cell in exactly one fenced code block" in prompt.replace("\n", " ")


def test_a_cell_with_fences_is_put_between_longer_ones():
    prompt = explain_prompt(told("x = '''\n````\n'''\n1/0\n"))
    assert "`````python\nx = '''\n````\n'''\n1/0\n`````" in prompt


def test_fix_needs_a_cell_that_can_be_sent_whole():
    with pytest.raises(OptionError, match="did not come from a cell"):
        fix_prompt(dataclasses.replace(told("1/0"), cell=""))
    with pytest.raises(OptionError, match="at most 60,000 can be corrected"):
        fix_prompt(told(f"1/0\n#{'a' * CELL_LIMIT}"))


# ── what comes back


def test_the_corrected_cell_is_the_block_and_has_its_secrets_back():
    cell = "api_key = 'abc123'\nprint(1/0)\n"
    error = told(cell)
    assert "abc123" not in error.cell
    new = corrected_cell(["api_key = '[key]'\nprint(1/2)\n"], error)
    assert new == "api_key = 'abc123'\nprint(1/2)"


def test_of_several_blocks_the_one_like_the_cell_is_taken():
    error = told(CELL)
    better = CELL.replace(" - 2", "")
    assert corrected_cell(["pip install x\n", better, "mean([])\n"], error) == better.strip()


def test_an_answer_without_code_offers_no_cell():
    with pytest.raises(StreamError, match="no code block"):
        corrected_cell([], told("1/0"))


def test_the_difference_is_a_unified_diff():
    assert unified_diff("a = 1\nb = a / 0\n", "a = 1\nb = a / 2") == (
        "--- the cell that failed\n"
        "+++ the corrected cell\n"
        "@@ -1,2 +1,2 @@\n"
        " a = 1\n"
        "-b = a / 0\n"
        "+b = a / 2"
    )


def test_without_a_difference_the_diff_is_empty():
    assert unified_diff("a = 1\n", "a = 1") == ""


# ── in IPython itself

SHELL = """
import sys
from IPython.core.interactiveshell import InteractiveShell
from cc_jupyter.prompt.failed_cell import explain_prompt, failing_cell, last_exception, read_error
shell = InteractiveShell.instance()
shell.run_cell("def half(x):\\n    return x / 0\\n", store_history=True)
shell.run_cell("%pwd\\nhalf(4)", store_history=True)
error = last_exception()
history = shell.history_manager
cell = failing_cell(error, history.input_hist_parsed, history.input_hist_raw)
print("PROMPT", explain_prompt(read_error(error, cell, shell.user_ns)))
"""


def test_ipython_itself_names_cells_and_notes_the_exception_as_is_read_here(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", SHELL], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    prompt = ran.stdout.partition("PROMPT")[2]
    assert "```python\n%pwd\nhalf(4)\n```" in prompt
    assert "an earlier cell, line 2, in half:" in prompt
    assert "x: int 4" in prompt
    assert "site-packages" not in prompt
