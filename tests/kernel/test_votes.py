"""A vote in a kernel: a widget where cells have ids, lines in a console, a sentence elsewhere."""

from __future__ import annotations

import pytest
from support.comm_page import Page
from support.kernel_harness import CELL_LIMIT_S
from support.kernel_notebook import CLAUDE, MODEL
from support.provider import answer

from cc_jupyter.frontend.replaced_widget import WIDGET_MIME

pytestmark = pytest.mark.kernel


@pytest.fixture
def voted_on(notebook):
    """Return a notebook with a finished blind grid."""
    notebook.provider.always(lambda record: answer(f"{len(record.json['model'])} causes.")(record))
    notebook.check(f"%%cmd -m {MODEL},{CLAUDE} --blind -> g\nWhy?")
    return notebook


def test_a_console_votes_line_by_line(voted_on):
    kernel = voted_on.kernel
    request = kernel.start("%cmd vote", allow_stdin=True)
    question = kernel.client.get_stdin_msg(timeout=CELL_LIMIT_S)["content"]["prompt"]
    assert question.startswith("1-2 best, 0 tie")
    kernel.client.input("1")
    run = kernel.collect(request)
    assert "Ballot 1 of 1: Why?" in run.streams
    assert MODEL not in run.streams
    (text,) = run.texts
    assert "has most wins (1 win on 1 ballot); its first answer is the active version" in text
    assert "1 blind vote on 1 grid" in voted_on.check("%cmd votes").texts[-1]
    assert voted_on.check("t = %cmd votes\nprint(list(t.wins))").streams == "[1, 0]\n"


def test_where_nobody_answers_the_cell_stays_green_and_says_so(voted_on):
    (text,) = voted_on.check("%cmd vote").texts
    assert text == "nobody can vote here; in a notebook this cell opens 1 ballot"


def test_a_notebook_shows_a_widget_with_a_plain_form(voted_on):
    run = voted_on.kernel.run("%cmd vote g", "vote-cell")
    assert run.status == "ok", run.error
    (output,) = run.shown
    assert WIDGET_MIME in output.data
    assert output.data["text/plain"].startswith("A vote on 1 ballot was open")


def lists_of(notebook, page):
    """Return all that lists show of the turns: commands, the tree and the versions of a cell."""
    commands = ("%cmd versions", "%cmd history", "%cmd search causes")
    tables = [notebook.check(command).texts[-1] for command in commands]
    tree = page.ask("get_tree", notebook="")
    cells = page.ask("get_state", notebook="")["cells"]
    versions = page.ask("get_versions", notebook="", cell_id="grid-cell")["versions"]
    found = page.ask("search", text="causes")["turns"]
    return tables, tree["threads"][0]["turns"][0], [cells["grid-cell"], *versions, *found]


def test_no_list_shows_the_models_of_a_blind_grid_before_it_is_revealed(notebook):
    notebook.provider.always(lambda record: answer(f"{len(record.json['model'])} causes.")(record))
    notebook.check(f"%%cmd -m {MODEL},{CLAUDE} --blind -> g\nWhy?", "grid-cell")
    page = Page(notebook.kernel)
    assert page.open() is not None
    tables, turn, others = lists_of(notebook, page)
    everything = f"{tables} {turn} {others}"
    assert "causes" in everything
    for hidden in (MODEL, CLAUDE, "$", "flash", "haiku"):
        assert hidden not in everything
    assert "%cmd reveal shows the models" in tables[0]
    assert (turn["blind"], turn["model"], turn["cost"], turn["combinations"]) == (
        *(True, None, "", []),
    )
    assert "A is " in notebook.check("%cmd reveal").texts[-1]
    tables, turn, others = lists_of(notebook, page)
    assert all(MODEL in table for table in tables[:1])
    assert CLAUDE in tables[0]
    assert turn["blind"] is False
    assert {each["model"] for each in turn["combinations"]} == {MODEL, CLAUDE}
    assert {each["model"] for each in others} == {MODEL, CLAUDE}
    assert all("$" in each["cost"] for each in others if "cost" in each)


def test_a_restart_leaves_a_blind_grid_blind(voted_on):
    voted_on.restart()
    voted_on.check("%cmd thread default")
    lines = ("%cmd versions", "%cmd history", "%cmd search causes")
    before = " ".join(voted_on.check(line).texts[-1] for line in lines)
    assert "causes" in before
    for hidden in (MODEL, CLAUDE, "$", "flash", "haiku"):
        assert hidden not in before
    shown = voted_on.check("%cmd reveal").texts[-1]
    assert {f"A is {MODEL}", f"A is {CLAUDE}"} & {
        line.split(" · ")[0] for line in shown.splitlines()
    }
    after = voted_on.check("%cmd versions").texts[-1]
    assert MODEL in after
    assert CLAUDE in after


def test_the_versions_of_a_blind_grid_are_in_the_order_of_its_columns(notebook):
    notebook.provider.always(lambda record: answer(record.json["model"])(record))
    for number in range(4):  # by chance, one grid in two has its columns in the order of the plan
        cell = f"%%cmd -m {MODEL},{CLAUDE} -n 2 --blind -> g\nWhy {number}?"
        notebook.check(cell, f"cell-{number}")
        notebook.check(
            "from cc_jupyter.experiments.grid_columns import shuffled\n"
            "columns = [each.options['model'] for each in shuffled(g.plan) for _ in range(2)]\n"
            "from cc_jupyter.session.session import shared_session\n"
            "slot = shared_session().conversations.thread().slots[-1]\n"
            "assert [turn.model for turn in slot.versions] == columns\n"
            "assert slot.active == 0"
        )
