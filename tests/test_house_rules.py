"""house-rules.md as an index: every promise that applies today has a test named after it."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ROOT = TESTS.parent

PROMISES: dict[int, tuple[str, ...]] = {
    1: ("kernel/test_outputs.py::test_no_invented_figure",),
    2: ("kernel/test_outputs.py::test_the_last_usage_wins",),
    3: ("kernel/test_commands.py::test_no_request_the_user_did_not_ask_for",),
    4: (
        "kernel/test_endings.py::test_no_retry_after_the_first_event",
        "kernel/test_endings.py::test_no_retry_of_what_is_refused_for_good",
        "unit/session/test_tool_loop.py::test_a_429_after_a_result_is_sent_again_and_nothing_runs_twice",
    ),
    5: (
        "kernel/test_money.py::test_a_budget_holds",
        "kernel/test_money.py::test_a_budget_holds_while_an_answer_streams",
        "unit/rows/test_runs.py::test_a_budget_holds_for_all_rows_together",
        "unit/rows/test_runs.py::test_a_budget_that_ends_in_the_middle",
    ),
    6: ("kernel/test_python_face.py::test_money_is_decimal_tokens_are_int",),
    7: (
        "kernel/test_secrets.py::test_the_key_is_nowhere",
        "kernel/test_secrets.py::test_the_key_is_in_no_file",
        "kernel/test_saved_notebook.py::test_the_saved_notebook_holds_no_key",
        "unit/rows/test_runs.py::test_a_key_in_an_answer_is_not_stored",
        "unit/rows/test_dask.py::test_no_message_of_the_scheduler_contains_the_key",
    ),
    8: (
        "kernel/test_secrets.py::test_the_key_goes_to_one_host_only",
        "kernel/test_secrets.py::test_a_proxy_of_the_environment_never_sees_plain_http",
        "kernel/test_secrets.py::test_a_project_file_cannot_say_where_the_key_goes",
    ),
    9: (
        "kernel/test_outputs.py::test_model_output_is_text",
        "kernel/test_outputs.py::test_nothing_from_the_model_is_executed",
        "unit/tools/test_consent.py::test_nothing_but_the_letter_allows_a_call",
    ),
    10: ("kernel/test_variables.py::test_interpolated_once",),
    11: (
        "kernel/test_secrets.py::test_files_are_private",
        "conversation/store/test_turns.py::test_files_and_folder_are_private",
        "conversation/store/test_safety.py::test_processes_killed_at_any_moment_leave_whole_turns",
        "unit/rows/test_killed.py::test_killed_twice_all_rows_are_right",
    ),
    12: ("kernel/test_secrets.py::test_no_telemetry",),
    13: (
        "kernel/test_endings.py::test_failure_fails_the_cell",
        "kernel/test_saved_notebook.py::test_failure_fails_the_cell",
    ),
    14: (
        "kernel/test_interrupt.py::test_interrupt_keeps_what_came",
        "kernel/test_rows.py::test_a_stopped_cell_keeps_what_has_ended",
    ),
    15: (
        "kernel/test_loading.py::test_no_patching",
        "kernel/test_loading.py::test_unloading_takes_back_all_that_loading_added",
        "kernel/test_capture.py::test_the_namespace_holds_nothing_but_the_last_reply_and_the_name",
    ),
    16: ("kernel/test_loading.py::test_loading_is_silent_and_light",),
    17: (
        "kernel/test_secrets.py::test_the_working_directory_stays_clean",
        "kernel/test_secrets.py::test_a_file_next_to_the_notebook_is_asked_for_and_named",
    ),
    18: (
        "kernel/test_saved_notebook.py::test_the_saved_notebook_is_readable_and_small",
        "kernel/test_outputs.py::test_at_most_three_outputs",
    ),
    19: ("kernel/test_traffic.py::test_traffic_grows_linearly",),
    20: ("kernel/test_outputs.py::test_plain_text_is_always_there",),
    21: ("kernel/test_prompt.py::test_what_is_typed_is_what_is_sent",),
    22: ("kernel/test_conversations.py::test_a_cell_run_again_replaces_its_turn",),
    23: ("kernel/test_endings.py::test_an_error_says_what_happened",),
    24: ("test_house_rules.py::test_no_plan_names_and_no_prices_in_prose",),
    25: ("kernel/test_outputs.py::test_every_demonstration_says_what_served_it",),
}
"""By the number of the promise: the tests that fail when it is broken, by how their names begin."""


def test_every_promise_has_a_test():
    assert sorted(PROMISES) == list(range(1, 26))


@pytest.mark.parametrize("number", PROMISES)
def test_the_tests_of_a_promise_exist(number):
    for place in PROMISES[number]:
        path, _, beginning = place.partition("::")
        found = [name for name in promised_names(path) if name.startswith(beginning)]
        assert found, f"promise {number}: there is no {place}"


@functools.cache
def promised_names(path):
    """Return the tests of a file that are run: skipped and failing ones hold no promise."""
    tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [
        function.name
        for function in functions
        if not re.search(r"\.(skip|xfail)\b", " ".join(map(ast.unparse, function.decorator_list)))
    ]


PLANS = re.compile(r"\b(GOAT|Ultra|Team Pro|Pro plan|Max plan|Go plan|Max (10|20))\b")
PRICES = re.compile(r"\$ ?\d")
SHOWN_FIGURES = re.compile(r"\$0(?:\.\d+)? |\$0 \(local\)|<\$0\.\d+|~?\$\d+\.\d{4}")


def test_no_plan_names_and_no_prices_in_prose():
    for path in (ROOT / "cc_jupyter").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        documented = {id(text) for text in docstrings(tree)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not PLANS.search(node.value), f"{path}: {node.value}"
                if id(node) not in documented:
                    prose = SHOWN_FIGURES.sub("", f"{node.value} ")
                    assert not PRICES.search(prose), f"{path}: {node.value}"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not PLANS.search(readme)


def docstrings(tree):
    """Return the nodes of a module's docstrings, which no user reads as a price."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value
