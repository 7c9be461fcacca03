"""The shape of the package: who may import whom, where each library lives, how long things are.

The order is that of style.md, section 4, with the modules of today. A new module gets its place
here in the commit that brings it.
"""

from __future__ import annotations

import ast
import statistics
import sys
from pathlib import Path

import pytest

import cc_jupyter

ROOT = Path(cc_jupyter.__file__).parent

LAYERS = (
    # words and plain values, which know nothing of ours
    """catalog command_specs errors events ids input_transforms interrupt local_server
    messages redact retry structures tables typed_schema typed_text""",
    # what is made of words alone
    """answer_format base_url cost figure_table folders insertion local_child
    masking paths sendable slots speeds wording""",
    "conversation document_order lookups setting_kinds",
    "own_models",
    # the user's values, settings and errors, one kind each
    """arrays config_file dataframes favourites images keys records repair
    reply picker_choice settings tracebacks typed_expression typed_reader
    weights""",
    """budget command_words known_models model_filter conversation_records
    estimate local money pictures sources typed usage_plot variables word_diff""",
    """attachments error_report exported_turns ledger local_command notebook_usage receipt
    sent target usage_table window""",
    # the wire, the network, the screen: packages that do not know each other
    "wire transport store render",
    "running saved_outputs",
    "exchange last_error model_list notebook_export picker_rows shell values",
    # from a line, a prompt and a model to a request
    "code_commands export history models optionline staleness template",
    "doctor options plan",
    "help_pages",
    "spending",
    "dry_run keeper refresh",
    # the pipeline, and what uses it
    "composing session",
    "standing",
    "commands",
    "kept_commands ledger_commands login_commands model_commands thread_commands turn_commands",
    "picker_source",
    "comm_busy comm_fields comm_turns",
    "comm_state comm_tree",
    "comm_questions comm_wishes",
    "comm_handlers",
    "comm",
    "comm_listener",
    "comm_target",
    "picker",
    "picker_dialog",
    "pick_command",
    "api cells completion",
    "completer",
    "magics",
    "cli",
)
"""Lowest first: a module imports from lower layers only; a package counts as one module."""

HOMES = {
    "IPython": "api cells completer completion input_transforms magics picker shell",
    "anywidget": "picker",
    "traitlets": "magics picker picker_dialog",
    "httpx": "transport",
    "httpcore": "transport",
    "certifi": "transport",
    "matplotlib": "usage_plot",
    "pandas": "figure_table",
    "tomlkit": "config_file",
    "rich": "render",
    "platformdirs": "folders",
    "PIL": "pictures",
    "pydantic": "typed_reader",
    "typing_extensions": "typed_expression",
}
"""Where each library may be imported; naming its types is free."""

MOST_LINES = 300
MOST_LINES_OF_A_FUNCTION = 60

PLACES = {name: place for place, names in enumerate(LAYERS) for name in names.split()}
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}
INNER = [name for name in MODULES if name != "__init__"]
"""All modules but the package itself, which fetches its names when they are used."""


def unit(module: str) -> str:
    """Give the module or package that has a place."""
    return module.partition(".")[0]


def imports(module: str) -> list[tuple[str, list[str]]]:
    """Give what a module imports when it runs, also inside functions: modules and their names."""
    found = []
    waiting: list[ast.AST] = [ast.parse(MODULES[module].read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            found.append((node.module or "", [alias.name for alias in node.names]))
        elif isinstance(node, ast.Import):
            found += [(alias.name, []) for alias in node.names]
        else:
            waiting += ast.iter_child_nodes(node)
    return found


def own_imports(module: str) -> set[str]:
    """Give the modules of ours that a module imports; `""` is the package itself."""
    found = set()
    for name, names in imports(module):
        if name == "cc_jupyter":
            found |= {each if each in MODULES else "" for each in names}
        elif name.startswith("cc_jupyter."):
            found.add(name.removeprefix("cc_jupyter."))
    return found


def test_every_module_has_a_place_and_every_place_a_module():
    assert {unit(name) for name in INNER} == set(PLACES)
    assert len(" ".join(LAYERS).split()) == len(PLACES)


@pytest.mark.parametrize("module", INNER)
def test_a_module_imports_only_from_lower_layers(module):
    for other in own_imports(module) - {""}:
        if unit(other) != unit(module):
            assert PLACES[unit(other)] < PLACES[unit(module)], f"{module} imports {other}"


def test_nothing_imports_in_a_circle():
    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " imports ".join((*path, module))
        if module not in done:
            for other in own_imports(module) - {""}:
                visit(other, (*path, module))
            done.add(module)

    done: set[str] = set()
    for module in INNER:
        visit(module, ())


def test_from_the_package_itself_only_its_version_is_imported():
    for module in INNER:
        for name, names in imports(module):
            if name == "cc_jupyter":
                assert set(names) <= {"__version__", *MODULES}, module


@pytest.mark.parametrize("module", MODULES)
def test_each_library_lives_in_one_place(module):
    for name, _ in imports(module):
        library = name.partition(".")[0]
        if library not in (*sys.stdlib_module_names, "cc_jupyter"):
            assert unit(module) in HOMES.get(library, "").split(), f"{module} imports {library}"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_short_and_so_are_its_functions(module):
    text = MODULES[module].read_text(encoding="utf-8")
    assert len(text.splitlines()) < MOST_LINES
    for function, lines in functions(module):
        assert lines < MOST_LINES_OF_A_FUNCTION, f"{module}.{function}"


def test_most_functions_are_short():
    lengths = [lines for module in MODULES for _, lines in functions(module)]
    assert statistics.median(lengths) <= 10
    assert statistics.quantiles(lengths, n=10)[-1] <= 30


def functions(module: str) -> list[tuple[str, int]]:
    """Give the functions of a module and their lengths in lines."""
    return [
        (node.name, (node.end_lineno or 0) - node.lineno + 1)
        for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_nothing_catches_every_exception_but_to_say_it_in_words():
    """A bug keeps its traceback: whoever catches `Exception` says why."""
    for module, path in MODULES.items():
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, 1):
            if line.strip().startswith(("except Exception:", "except BaseException", "except:")):
                said = "#" in line or "raise" in "".join(lines[number : number + 6])
                assert said, f"{module}, line {number}"
