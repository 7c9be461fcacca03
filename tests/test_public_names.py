"""The public API: exactly these names, each loaded on first use."""

from __future__ import annotations

import importlib
import inspect
import json
import subprocess
import sys

import pytest

import cc_jupyter

NAMES = {
    "functions": [
        *("aask", "amap", "ask", "cassette", "compare", "last_rows", "map_rows", "stream", "tool"),
    ],
    "values": ["Grid", "Reply"],
    "widgets": ["ModelPicker"],
    "events": [
        *("Error", "Notice", "OutputImage", "ReasoningDelta", "ReasoningPart", "Source"),
        *("Stop", "TextDelta", "ToolCallDelta", "Usage"),
    ],
    "errors": [
        "AuthError",
        "BrokenCheckError",
        "BudgetError",
        "CassetteError",
        "CcError",
        "CheckError",
        "ConfigError",
        "ConnectError",
        "CreditError",
        "GridError",
        "ModelError",
        "OptionError",
        "PlanError",
        "ProviderError",
        "RateLimitError",
        "RowsError",
        "StatusError",
        "StoreError",
        "StreamError",
    ],
}


def python(code: str) -> object:
    """Return what a fresh Python prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", f"import json, sys\n{code}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


def test_the_public_names_are_exactly_these():
    assert cc_jupyter.__all__ == sorted(name for names in NAMES.values() for name in names)


@pytest.mark.parametrize("name", cc_jupyter.__all__)
def test_every_public_name_can_be_had_and_says_what_it_is(name):
    value = getattr(cc_jupyter, name)
    assert value.__module__.startswith("cc_jupyter.")
    assert inspect.getdoc(value)
    assert name in dir(cc_jupyter)


def test_the_errors_are_one_tree():
    for name in NAMES["errors"]:
        assert issubclass(getattr(cc_jupyter, name), cc_jupyter.CcError)
    for name in ("ConnectError", "StatusError", "StreamError"):
        assert issubclass(getattr(cc_jupyter, name), cc_jupyter.ProviderError)
    for name in ("AuthError", "PlanError", "CreditError", "RateLimitError", "ModelError"):
        assert issubclass(getattr(cc_jupyter, name), cc_jupyter.StatusError)
    assert not issubclass(cc_jupyter.OptionError, cc_jupyter.ProviderError)


def test_every_error_of_the_tree_is_public():
    errors = importlib.import_module("cc_jupyter.core.errors")
    classes = {name for name, value in vars(errors).items() if inspect.isclass(value)}
    own = {name for name in classes if vars(errors)[name].__module__ == "cc_jupyter.core.errors"}
    assert own == set(NAMES["errors"])


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"cc_jupyter.*'asks'"):
        _ = cc_jupyter.asks


def test_importing_costs_nothing_but_the_standard_library():
    loaded = python(
        "before = set(sys.modules)\n"
        "import cc_jupyter\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    others = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names
    assert others == {"cc_jupyter"}
    assert [name for name in loaded if name.startswith("cc_jupyter")] == ["cc_jupyter"]


def test_the_names_are_fetched_when_they_are_used():
    loaded = python(
        "import cc_jupyter\n"
        "before = set(sys.modules)\n"
        "cc_jupyter.AuthError\n"
        "print(json.dumps(sorted(m for m in set(sys.modules) - before if 'cc_jupyter' in m)))"
    )
    assert loaded == ["cc_jupyter.core", "cc_jupyter.core.errors"]


def test_a_plain_program_loads_neither_ipython_nor_widgets():
    loaded = python(
        "import cc_jupyter\n"
        "cc_jupyter.ask, cc_jupyter.stream, cc_jupyter.Reply\n"
        "print(json.dumps([m for m in ('IPython', 'ipywidgets', 'httpx', 'rich', 'pandas')"
        " if m in sys.modules]))"
    )
    assert loaded == []


def test_nothing_leaks_into_the_package():
    # pytest rewrites the package of its plugin and leaves `@` names in it
    public = {name for name in vars(cc_jupyter) if not name.startswith(("_", "@"))}
    submodules = {
        name.removeprefix("cc_jupyter.") for name in sys.modules if name.startswith("cc_jupyter.")
    }
    allowed = {"load_ipython_extension", "unload_ipython_extension", "annotations", "TYPE_CHECKING"}
    assert public <= allowed | submodules


def test_the_signature_of_ask_is_the_documented_one():
    parameters = inspect.signature(cc_jupyter.ask).parameters
    assert next(iter(parameters)) == "prompt"
    assert {
        *("model", "system", "temperature", "top_p", "max_tokens", "stop", "effort", "param"),
        *("thread", "new", "zdr", "key_env", "base_url", "api_key_env", "max_retries"),
    } <= set(parameters)
    assert all(
        each.kind is inspect.Parameter.KEYWORD_ONLY
        for name, each in parameters.items()
        if name != "prompt"
    )
