"""The order of the page in a real kernel, told as the JupyterLab extension's comm tells it."""

from __future__ import annotations

import pytest
from support.kernel_notebook import MODEL
from support.provider import answer, openai_stream

pytestmark = pytest.mark.kernel

SESSION = "__import__('cc_jupyter.session.session', fromlist=['_']).shared_session()"
DOCUMENT = "%config CmdMagics.order = 'document'"


def tell(notebook, cells, name="n.ipynb"):
    """Tell the page; the cell that does so has no id and is no cell of it."""
    notebook.check(f"{SESSION}.document_order.update({name!r}, {list(cells)!r})")


def say(notebook, prompt, text, cell_id=None, line=""):
    """Run a cell whose answer is known; give what was sent."""
    notebook.provider.play(answer(text))
    notebook.check(f"%%cmd {line}\n{prompt}", cell_id)
    return notebook.said


def test_what_stands_above_is_sent_and_the_usage_line_says_so(notebook):
    notebook.check(DOCUMENT)
    tell(notebook, "abc")
    assert say(notebook, "last", "C", "c") == ["last"]
    assert say(notebook, "first", "A", "a") == ["first"]
    assert say(notebook, "middle", "B", "b") == ["first", "A", "middle"]
    assert say(notebook, "last", "C", "c") == ["first", "A", "middle", "B", "last"]
    run = notebook.check("%%cmd\nlast", "c")
    assert "· document order" in run.texts[-1]
    about = next(each.metadata for each in run.outputs if "cc_jupyter" in each.metadata)
    assert about["cc_jupyter"]["order"] == "document"


def test_by_default_nothing_depends_on_a_page_being_told(notebook):
    tell(notebook, "abc")
    say(notebook, "last", "C", "c")
    run = notebook.check("%%cmd\nfirst", "a")
    assert notebook.said == ["last", "C", "first"]
    assert "document order" not in run.texts[-1]
    about = next(each.metadata for each in run.outputs if "cc_jupyter" in each.metadata)
    assert "order" not in about["cc_jupyter"]


def test_without_a_page_the_setting_falls_back_to_execution_and_the_turn_says_so(notebook):
    notebook.check(DOCUMENT)
    say(notebook, "last", "C", "c")
    assert say(notebook, "first", "A", "a") == ["last", "C", "first"]
    tell(notebook, "abc")
    assert say(notebook, "first", "A", "a") == ["first"]
    notebook.check(f"kept = {SESSION}.history.records()")
    assert notebook.value("[each.order for each in kept]") == [
        *("execution", "execution", "document")
    ]
    stored = f"{SESSION}.history.store.all_turns()"
    assert notebook.value(f"[each.order for each in {stored}]") == [
        *("execution", "execution", "document")
    ]


def test_a_moved_cell_takes_its_turn_along_and_a_deleted_one_is_not_sent(notebook):
    notebook.check(DOCUMENT)
    tell(notebook, "abc")
    for cell in "abc":
        say(notebook, cell, cell.upper(), cell)
    tell(notebook, "cab")
    assert say(notebook, "b", "B", "b") == ["c", "C", "a", "A", "b"]
    tell(notebook, "cb")
    assert say(notebook, "b", "B", "b") == ["c", "C", "b"]


def test_new_in_a_cell_above_begins_the_conversation(notebook):
    notebook.check(DOCUMENT)
    tell(notebook, "abcd")
    for cell in "acd":
        say(notebook, cell, cell.upper(), cell)
    assert say(notebook, "b", "B", "b", "--new") == ["b"]
    assert say(notebook, "d", "D", "d") == ["b", "B", "c", "C", "d"]


def test_requests_in_a_loop_keep_their_numbers_where_the_cell_stands(notebook):
    notebook.check(DOCUMENT)
    tell(notebook, ["loop", "below"])
    say(notebook, "below", "X", "below")
    notebook.provider.play(answer("A0"))
    notebook.provider.play(answer("A1"))
    notebook.check("for n in range(2):\n    %cmd ask number {{ n }}", "loop")
    assert notebook.said == ["number 0", "A0", "number 1"]
    sent = say(notebook, "below", "X", "below")
    assert sent == ["number 0", "A0", "number 1", "A1", "below"]


def test_a_cut_answer_is_carried_on_where_its_cell_stands(notebook):
    notebook.check(DOCUMENT)
    tell(notebook, "abc")
    say(notebook, "c", "C", "c")
    say(notebook, "a", "A", "a")
    notebook.provider.play(*openai_stream(["half"], finish="length"))
    notebook.check("%%cmd\nb", "b")
    notebook.provider.play(answer(" and half"))
    run = notebook.check("%cmd continue", "elsewhere")
    assert "· document order" in run.texts[-1]
    assert notebook.said[:-1] == ["a", "A", "b", "half"]
    assert say(notebook, "c", "C", "c") == ["a", "A", "b", "half and half", "c"]


def test_an_unknown_order_fails_the_cell_and_names_the_two(notebook):
    notebook.check("%config CmdMagics.order = 'page'")
    run = notebook.fail("%%cmd\nhi", "ConfigError")
    assert "order = 'page' cannot be used" in run.error_lines[0]
    assert "execution or document" in run.error_lines[1]
    assert not notebook.posts


# ── stale answers


def reasons(notebook, cell):
    """Return why the first answer of a cell is stale."""
    notebook.check(
        "from cc_jupyter.session.staleness import Staleness\n"
        f"session = {SESSION}\nthread = session.conversations.thread()\n"
        f"place = [slot.key.cell_id for slot in thread.slots].index({cell!r})\n"
        "found = Staleness(session, get_ipython().user_ns).reasons(thread, place)"
    )
    return notebook.value("list(found)")


def test_a_variable_that_changed_or_went_makes_its_cell_stale(notebook):
    notebook.check("topic, data = 'sea', {'k': 1}")
    say(notebook, "about {{ topic }} {{ data['k'] }} {{ topic.upper() }}", "A", "a")
    assert reasons(notebook, "a") == []
    notebook.check("topic = 'moon'")
    assert reasons(notebook, "a") == ["`topic` changed"]
    notebook.check("data['k'] = 2; del topic")
    assert reasons(notebook, "a") == ["`topic` is gone", "`data['k']` changed"]


def test_what_the_cell_itself_binds_and_a_functions_own_names_make_nothing_stale(notebook):
    notebook.check("draft = 'one'")
    say(notebook, "improve {{ draft }}", "two", "a", "-> draft")
    assert notebook.value("draft") == "two"
    assert reasons(notebook, "a") == []
    notebook.check("def f(local, draft):\n    %cmd ask {{ local }} {{ draft }}\nf(1, 'x')", "b")
    assert reasons(notebook, "b") == []
    say(notebook, "what is {{ len }}?", "C", "c")  # a name of Python's own
    assert reasons(notebook, "c") == []


def test_a_variable_whose_text_fails_is_said_to_have_changed(notebook):
    notebook.check("topic = 'sea'")
    say(notebook, "about {{ topic }}", "A", "a")
    notebook.check(
        "class Broken:\n    def __repr__(self):\n        raise RuntimeError('no')\ntopic = Broken()"
    )
    assert reasons(notebook, "a") == ["`topic` changed"]


def test_the_plan_of_a_refresh_names_the_cells_in_order_with_their_cost(notebook):
    notebook.check(f"{DOCUMENT}\ntopic = 'sea'")
    tell(notebook, "abc")
    for cell, prompt in [("c", "three"), ("b", "two {{ topic }}"), ("a", "one")]:
        say(notebook, prompt, cell.upper(), cell)
    sent = len(notebook.posts)
    notebook.check("topic = 'moon'")
    notebook.check(
        "from cc_jupyter.session.staleness import refresh_plan\n"
        "from cc_jupyter.usage.ledger import format_sum\n"
        f"plan = refresh_plan({SESSION}, get_ipython().user_ns, 'n.ipynb')"
    )
    assert notebook.value("[(s.cell_id, s.thread, list(s.reasons)) for s in plan.steps]") == [
        ["b", "default", ["an earlier turn changed", "`topic` changed"]],
        ["c", "default", ["an earlier turn changed"]],
    ]
    assert notebook.value("format_sum(plan.total)").startswith("~")
    assert len(notebook.posts) == sent
    for cell, prompt in [("b", "two {{ topic }}"), ("c", "three")]:
        say(notebook, prompt, cell.upper(), cell)
    notebook.check(f"plan = refresh_plan({SESSION}, get_ipython().user_ns, 'n.ipynb')")
    assert notebook.value("len(plan.steps)") == 0


def test_an_earlier_answer_that_counts_again_takes_the_mark_away(notebook):
    for cell in "aba":
        say(notebook, cell, cell.upper(), cell)
    assert "stale" in notebook.check("%cmd history").texts[0]
    notebook.check("%cmd versions 1 --use 1")
    assert "stale" not in notebook.check("%cmd history").texts[0]


def test_by_the_page_an_earlier_answer_that_counts_again_marks_what_is_below(notebook):
    notebook.check(DOCUMENT)
    tell(notebook, "abc")
    for cell in "cbabcb":
        say(notebook, cell, cell.upper(), cell)
    marks = f"[slot.stale for slot in {SESSION}.conversations.thread().slots]"
    assert notebook.value(marks) == [True, False, False]  # `c` ran first and stands below `b`
    notebook.check("%cmd versions 2 --use 2")
    assert notebook.value(marks) == [False, False, False]  # with that one `c` was answered
    notebook.check("%cmd versions 2 --use 1")
    assert notebook.value(marks) == [True, False, False]


# ── zero data retention


@pytest.mark.parametrize("form", ["curl", "python"])
@pytest.mark.parametrize("asked", [True, False])
def test_sent_of_a_turn_without_retention_asks_for_it_too(notebook, form, asked):
    say(notebook, "hi", "A", "a", "--zdr" if asked else "")
    say(notebook, "and", "B", "b", f"-m {MODEL}")
    notebook.check(f"shown = %cmd sent 1 --as {form}")
    assert ("x-cmd-zdr" in notebook.kernel.value("str(shown)")) == asked
    notebook.check(f"last = %cmd sent --as {form}")
    assert "x-cmd-zdr" not in notebook.kernel.value("str(last)")
