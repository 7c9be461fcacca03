"""Rules for every function and every handler of the package.

Which package may import which, and where each library lives, is checked by import-linter
(`make lint`; the contracts are in pyproject.toml). The libraries of HTTP are checked here too.
"""

from __future__ import annotations

import ast
import importlib.util
import statistics
from pathlib import Path

import pytest

import cc_jupyter

ROOT = Path(cc_jupyter.__file__).parent
MAX_FUNCTION_LINES = 60
MODULES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in sorted(ROOT.rglob("*.py"))
}


HTTP_LIBRARIES = {
    "httpx": {
        "client/cassette_transport/__init__.py",
        "client/proxy.py",
        "client/sse.py",
        "client/trace_hook.py",
        "client/transport.py",
    },
    "httpx_sse": {"client/sse.py"},
    "httpcore": set(),
    "h11": set(),
}
"""Which modules import what the wire is made of, type-checking imports included."""
FORMER_MODULES = """
    answer_format arrays attachments base_url budget catalog catalog_changes catalog_text
    catalog_update cells code_commands comm comm_busy comm_fields comm_handlers comm_listener
    comm_questions comm_state comm_target comm_tree comm_turns comm_wishes command_specs
    command_words completer completion completion.commands completion.expressions
    completion.known completion.offers completion.options completion.prompt composing
    config_file conversation_records cost dataframes doctor doctor.finding
    doctor.folder_checks doctor.machine_checks doctor.network_checks document_order dry_run
    error_report errors estimate events exchange export exported_turns favourites figure_table
    folders help_pages history ids images input_transforms insertion interrupt keeper
    kept_commands keys known_models last_error ledger ledger_commands local local_child
    local_command local_server login_commands lookups masking messages model_commands
    model_filter model_list money notebook_export notebook_usage optionline options own_models
    paths pick_command picker picker_choice picker_dialog picker_rows picker_source pictures
    plan price_cells price_table receipt records redact refresh render.blocks render.codespans
    render.fences render.inline render.lines render.list_items render.safe render.screen
    render.text render.waiting repair reply retry running saved_outputs sendable sent
    setting_kinds settings shell slots sources speeds spending staleness standing store
    store.connection store.content store.conversations store.forgetting store.ledger
    store.migrations store.names store.search store.timings store.turns structures tables
    target template thread_commands tracebacks transport transport.call transport.failure
    transport.lane transport.route turn_commands typed typed_expression typed_reader
    typed_schema typed_text usage_plot usage_table values variables weights window wire
    wire.answer wire.anthropic wire.body wire.calls wire.ending wire.envelope wire.figures
    wire.openai wire.refusal wire.retry_after wire.sse wire.text word_diff wording
"""


def function_lengths(text: str) -> dict[str, int]:
    """Return the number of lines of each function."""
    return {
        node.name: (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("module", MODULES)
def test_no_function_is_long(module):
    long = {
        name: n for name, n in function_lengths(MODULES[module]).items() if n >= MAX_FUNCTION_LINES
    }
    assert not long, f"{MAX_FUNCTION_LINES} lines or more"


def test_most_functions_are_short():
    lengths = [n for text in MODULES.values() for n in function_lengths(text).values()]
    assert statistics.median(lengths) <= 10
    assert statistics.quantiles(lengths, n=10)[-1] <= 30


def test_whoever_catches_every_exception_says_why():
    """A bug keeps its traceback: a broad handler has a comment, or raises."""
    for module, text in MODULES.items():
        lines = text.splitlines()
        for number, line in enumerate(lines, 1):
            if line.strip().startswith(("except Exception:", "except BaseException", "except:")):
                explained = "#" in line or "raise" in "".join(lines[number : number + 6])
                assert explained, f"{module}, line {number}"


def imported_libraries(text: str) -> set[str]:
    """Return the first parts of all names a module imports, also within functions."""
    names: list[str] = []
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import():
                names += [alias.name for alias in node.names]
            case ast.ImportFrom(module=str(name), level=0):
                names.append(name)
            case ast.Call(
                func=ast.Name("import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(str(name)), *_],
            ):
                names.append(name)
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("library", HTTP_LIBRARIES)
def test_only_the_client_imports_httpx_and_httpx_sse(library):
    importers = {name for name, text in MODULES.items() if library in imported_libraries(text)}
    assert importers == HTTP_LIBRARIES[library]
    tools = (ROOT.parent / "tools").rglob("*.py")
    assert not any(library in imported_libraries(path.read_text("utf-8")) for path in tools)


@pytest.mark.parametrize(
    "text",
    [
        "import httpx",
        "import httpx._client as x",
        "from httpx import Client",
        "def f():\n    from httpx._models import Response",
        "if TYPE_CHECKING:\n    import httpx",
        "importlib.import_module('httpx')",
        "import_module('httpx._urls')",
        "__import__('httpx')",
    ],
)
def test_no_way_to_import_is_overlooked(text):
    assert "httpx" in imported_libraries(text)


@pytest.mark.parametrize("name", FORMER_MODULES.split())
def test_a_module_that_moved_is_not_left_behind(name):
    parent, _, _ = f"cc_jupyter.{name}".rpartition(".")
    gone = parent != "cc_jupyter" and importlib.util.find_spec(parent) is None
    assert gone or importlib.util.find_spec(f"cc_jupyter.{name}") is None


def test_few_modules_lie_at_the_top_and_no_package_is_crowded():
    assert len(list(ROOT.glob("*.py"))) <= 8
    for folder in {ROOT / Path(module).parent for module in MODULES}:
        assert len(list(folder.glob("*.py"))) <= 20, folder


def test_every_package_says_what_it_is_for():
    for module, text in MODULES.items():
        if module.endswith("__init__.py"):
            assert ast.get_docstring(ast.parse(text)), module


def test_one_function_calls_the_client():
    """A single cell, a grid, rows and prompt tests send through the same pipeline."""
    callers = {
        (module, function.name)
        for module, text in MODULES.items()
        for function in ast.walk(ast.parse(text))
        if isinstance(function, ast.FunctionDef)
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("RequestStream")
    }
    assert callers == {("session/session.py", "open_stream")}


def test_only_the_scheduler_starts_threads_for_requests():
    """A coroutine waits for one thread, in which a whole call runs as it does on a cell's."""
    starters = {
        module
        for module, text in MODULES.items()
        for call in ast.walk(ast.parse(text))
        if isinstance(call, ast.Call)
        and ast.unparse(call.func).rpartition(".")[2] in {"Thread", "ThreadPoolExecutor"}
        and module.startswith(("session/", "experiments/", "magics/", "commands/"))
    }
    assert starters == {"session/scheduler.py", "session/coroutines.py"}
