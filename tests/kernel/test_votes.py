"""A vote in a kernel: a widget where cells have ids, lines in a console, a sentence elsewhere."""

from __future__ import annotations

import pytest
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
