"""Stale answers: what changed, what has to run again, and the estimated cost."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from cc_jupyter.conversation.thread import Thread
from cc_jupyter.conversation.turns import Turn, TurnInputs
from cc_jupyter.core.messages import Parameters, PromptSpec, TurnKey
from cc_jupyter.prompt.template import MISSING, UNKNOWN, digest_of, look_up, plain_name
from cc_jupyter.prompt.values import to_text
from cc_jupyter.session.session import Session
from cc_jupyter.session.staleness import AGAIN, UPSTREAM, Staleness, refresh_plan
from cc_jupyter.usage.ledger import format_sum

MODEL = "deepseek/deepseek-v4-flash"
NOTEBOOK = "n.ipynb"


@pytest.fixture
def session(monkeypatch):
    monkeypatch.setenv("CMD_API_KEY", "user_key_that_is_never_sent")
    monkeypatch.setenv("CMD_MODEL", MODEL)
    opened = Session()
    yield opened
    opened.transport.close()
    opened.history.close()


def run(session, cell, *, values=(), thread=None, new=False, cell_number=0, **asked):
    """Put an answer into its thread as the recorder does, without sending a request."""
    key = TurnKey(NOTEBOOK, cell, cell_number)
    prompt = asked.pop("prompt", f"what is {cell}?")
    question = PromptSpec(prompt, turn_key=key, thread=thread, new=new, values=values, **asked)
    plan = session.prepare(question)
    place = plan.thread.open_slot(key, starts_new_thread=new)
    basis = TurnInputs(plan.context.digest, question)
    plan.thread.record(place, Turn(prompt, f"it is {cell}", basis=basis), plan.page)
    return plan


def put_in(user_ns, *expressions):
    """Return what the prompt builder notes of a prompt's values."""
    return tuple(
        (each, digest_of(to_text(look_up(each, user_ns), each).text)) for each in expressions
    )


def reasons(session, user_ns=None, thread=None):
    """Return the reasons of each place of a thread."""
    live = session.conversations.thread(thread)
    return [Staleness(session, user_ns or {}).reasons(live, at) for at in range(len(live.slots))]


def steps(session, user_ns=None):
    found = refresh_plan(session, user_ns or {}, NOTEBOOK).steps
    return [(step.cell_id, step.thread, step.reasons) for step in found]


# ── variables


class Silent:
    def __repr__(self):
        raise RuntimeError("no text for you")


class Loud:
    """A class whose property and whose items must never be asked for."""

    @property
    def asked(self):
        raise AssertionError("a property ran")

    def __getitem__(self, at):
        raise AssertionError("an item was computed")


FRAME = pd.DataFrame({"a": [1, 2]})
HELD = SimpleNamespace(name="x")


@pytest.mark.parametrize(
    ("expression", "before", "after", "said"),
    [
        ("x", {"x": 1}, {"x": 1}, ()),
        ("x", {"x": 1}, {"x": 2}, ("`x` changed",)),
        ("x", {"x": 1}, {"x": "1"}, ()),  # the same text goes out
        ("x", {"x": 1}, {}, ("`x` is gone",)),
        ("x", {"x": 1}, {"x": Silent()}, ("`x` changed",)),
        ("x", {"x": [1, 2]}, {"x": [1, 2]}, ()),
        ("x", {"x": FRAME}, {"x": FRAME.copy()}, ()),
        ("x", {"x": FRAME}, {"x": FRAME + 1}, ("`x` changed",)),
        ("x[0]", {"x": [1, 2]}, {"x": [1, 3]}, ()),
        ("x[-1]", {"x": [1, 2]}, {"x": [1, 3]}, ("`x[-1]` changed",)),
        ("x['k']", {"x": {"k": 1}}, {"x": {"k": 2}}, ("`x['k']` changed",)),
        ("x['k']", {"x": {"k": 1}}, {"x": {}}, ("`x['k']` is gone",)),
        ("x['k']", {"x": {"k": 1}}, {}, ("`x` is gone",)),
        ("x.name", {"x": HELD}, {"x": SimpleNamespace(name="y")}, ("`x.name` changed",)),
        ("x.name", {"x": HELD}, {"x": Loud()}, ()),
        ("x.name", {"x": HELD}, {}, ("`x` is gone",)),
    ],
)
def test_a_value_that_changed_or_vanished_makes_its_answer_stale(
    session, expression, before, after, said
):
    run(session, "a", values=put_in(before, expression))
    assert reasons(session, before) == [()]
    assert reasons(session, after) == [said]


def test_a_file_that_changed_makes_its_answer_stale(session, tmp_path):
    path = Path(tmp_path / "notes.txt")
    path.write_text("one")
    user_ns = {"notes": path}
    run(session, "a", values=put_in(user_ns, "notes"))
    assert reasons(session, user_ns) == [()]
    path.write_text("two")
    assert reasons(session, user_ns) == [("`notes` changed",)]
    path.unlink()
    assert reasons(session, user_ns) == [("`notes` changed",)]


def test_each_value_is_named_once_and_all_of_them_are(session):
    before, after = {"x": 1, "y": 2, "z": 3}, {"x": 2, "z": 3}
    run(session, "a", values=put_in(before, "x", "y", "z", "x"))
    assert reasons(session, after) == [("`x` changed", "`y` is gone")]


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("df", "df"),
        (" df ", "df"),
        ("df.shape", "df"),
        ("rows[0].name['k'][-1]", "rows"),
        ("größe", "größe"),
        ("f()", None),
        ("f().x", None),
        ("x + 1", None),
        ("rows[n]", None),
        ("rows[0:2]", None),
        ("'text'", None),
        ("(x := 1)", None),
        ("_cmd", None),
        ("_", None),
        ("In[3]", None),
        ("Out[3]", None),
        ("not python", None),
        ("(" * 5_000, None),
        ("x" * 100_000, None),
    ],
)
def test_only_plain_expressions_are_looked_up_again(expression, name):
    assert plain_name(expression) == name


@pytest.mark.parametrize(
    "expression",
    [
        "hidden.asked",
        "loud.asked",
        "loud.asked.more",
        "loud[0]",
        "loud['k']",
        "df.shape",
        "df['a']",
        "text[0]",
    ],
)
def test_no_property_and_no_code_of_a_class_runs_for_a_look(expression):
    hidden = Loud()
    hidden.__dict__["asked"] = "what the property hides"
    user_ns = {"loud": Loud(), "hidden": hidden, "df": FRAME, "text": "abc"}
    assert look_up(expression, user_ns) is UNKNOWN
    assert look_up(expression, {}) is MISSING


# ── what was said before


def test_a_turn_run_again_makes_those_after_it_stale_until_they_run(session):
    for cell in "abc":
        run(session, cell)
    assert reasons(session) == [(), (), ()]
    run(session, "a")
    assert reasons(session) == [(), (UPSTREAM,), (UPSTREAM,)]
    run(session, "b")
    assert reasons(session) == [(), (), (UPSTREAM,)]
    run(session, "c")
    assert reasons(session) == [(), (), ()]


def test_a_turn_that_was_forgotten_makes_those_after_it_stale(session):
    for cell in "ab":
        run(session, cell)
    thread = session.conversations.thread()
    thread.forget(thread.slots[0].turn.id)
    assert reasons(session) == [(), (UPSTREAM,)]


def test_with_the_order_of_the_page_a_cell_that_moved_or_went_makes_stale(session):
    session.choices["order"] = "document"
    session.document_order.update(NOTEBOOK, "abc")
    for cell in "abc":
        run(session, cell)
    for told, stale in [("abc", ""), ("acb", "bc"), ("ac", "c"), ("abxc", ""), ("bca", "abc")]:
        session.document_order.update(NOTEBOOK, told)
        found = dict(zip("abc", reasons(session), strict=True))
        if told == "ac":  # what is deleted goes by the order of execution
            assert found.pop("b") == ()
        assert "".join(cell for cell in found if found[cell]) == stale, told


def test_by_the_order_of_execution_moving_changes_nothing(session):
    for cell in "abc":
        run(session, cell)
    session.document_order.update(NOTEBOOK, "cba")
    assert reasons(session) == [(), (), ()]


def test_of_an_answer_that_another_process_asked_for_only_the_mark_is_known(session):
    thread = session.conversations.thread()
    for cell in "ab":
        thread.record(thread.open_slot(TurnKey(NOTEBOOK, cell, 0)), Turn(cell, cell))
    assert reasons(session) == [(), ()]
    thread.record(0, Turn("a", "other"))
    assert reasons(session) == [(), (UPSTREAM,)]


def test_a_place_without_an_answer_is_not_stale(session):
    thread = session.conversations.thread()
    thread.record(thread.open_slot(TurnKey(NOTEBOOK, "a", 0)), Turn("a", ""))
    assert reasons(session) == [()]
    assert Staleness(session, {}).reasons(thread, 7) == ()


# ── what has to run again


def test_nothing_stale_needs_no_refresh(session):
    run(session, "a")
    plan = refresh_plan(session, {}, NOTEBOOK)
    assert plan.steps == ()
    assert format_sum(plan.total) == "$0"


def test_what_comes_after_a_stale_cell_runs_again_too_in_order(session):
    user_ns = {"x": 1}
    run(session, "a")
    run(session, "b", values=put_in(user_ns, "x"))
    run(session, "c")
    run(session, "d", new=True)
    run(session, "e")
    assert steps(session, {"x": 2}) == [
        ("b", "default", ("`x` changed",)),
        ("c", "default", (AGAIN,)),
    ]


def test_by_the_page_they_run_from_top_to_bottom(session):
    session.choices["order"] = "document"
    session.document_order.update(NOTEBOOK, "abcd")
    user_ns = {"x": 1}
    for cell in "dcba":
        run(session, cell, values=put_in(user_ns, "x") if cell == "c" else ())
    assert [cell for cell, *_ in steps(session, {"x": 1})] == ["b", "c", "d"]
    for cell in "bcd":
        run(session, cell, values=put_in(user_ns, "x") if cell == "c" else ())
    assert steps(session, {"x": 1}) == []
    assert [cell for cell, *_ in steps(session, {"x": 2})] == ["c", "d"]
    session.document_order.update(NOTEBOOK, "abd")
    assert steps(session, {"x": 2}) == [("d", "default", (UPSTREAM,))]


def test_threads_are_refreshed_each_by_itself(session):
    user_ns = {"x": 1}
    run(session, "a", values=put_in(user_ns, "x"))
    run(session, "b", thread="side")
    run(session, "c", thread="side", values=put_in(user_ns, "x"))
    run(session, "d")
    found = steps(session, {"x": 2})
    assert {cell: (thread, *why) for cell, thread, why in found} == {
        "a": ("default", "`x` changed"),
        "d": ("default", AGAIN),
        "c": ("side", "`x` changed"),
    }
    assert [cell for cell, *_ in found].index("a") < [cell for cell, *_ in found].index("d")


def test_by_the_page_threads_are_refreshed_in_one_order(session):
    session.choices["order"] = "document"
    session.document_order.update(NOTEBOOK, "abcd")
    user_ns = {"x": 1}
    for cell, thread in [("d", None), ("c", "side"), ("b", None), ("a", "side")]:
        run(session, cell, thread=thread, values=put_in(user_ns, "x"))
    assert [cell for cell, *_ in steps(session, {"x": 2})] == [*"abcd"]


def test_cells_of_another_notebook_are_left_alone(session):
    run(session, "a", values=put_in({"x": 1}, "x"))
    assert refresh_plan(session, {"x": 2}, "other.ipynb").steps == ()
    session.document_order.update("told.ipynb", "ab")
    assert [step.cell_id for step in refresh_plan(session, {"x": 2}, "told.ipynb").steps] == ["a"]


# ── what it is likely to cost


def test_the_projected_cost_is_the_estimate_that_budgets_use(session):
    user_ns = {"x": 1}
    asked = run(session, "a", values=put_in(user_ns, "x"), prompt="tell me of the sea " * 200)
    expected = asked.cost(session.budget_guard.estimate(asked), session.now()).usd
    (step,) = refresh_plan(session, {"x": 2}, NOTEBOOK).steps
    assert step.cost.usd == expected > 0
    assert step.cost.origin == "estimated"
    short = Parameters(max_tokens=1)
    cheap = run(session, "a", values=put_in(user_ns, "x"), parameters=short)
    less = cheap.cost(session.budget_guard.estimate(cheap), session.now()).usd
    plan = refresh_plan(session, {"x": 2}, NOTEBOOK)
    assert plan.total.estimated_usd == less < expected


def test_the_projected_cost_of_an_answer_of_another_process_follows_its_options(session):
    usd = []
    for options in (None, Parameters(max_tokens=1)):
        thread = session.conversations.put(Thread("default"))
        for cell in "ab":
            place = thread.open_slot(TurnKey(NOTEBOOK, cell, 0))
            thread.record(place, Turn(cell, cell, options=options))
        thread.record(0, Turn("a", "other"))
        usd.append(refresh_plan(session, {}, NOTEBOOK).total.estimated_usd)
    assert usd[0] > usd[1] > 0


def test_all_requests_of_a_cell_are_counted(session):
    user_ns = {"x": 1}
    for number in range(3):
        values = put_in(user_ns, "x") if number == 1 else ()
        run(session, "loop", cell_number=number, values=values)
    (step,) = refresh_plan(session, {"x": 2}, NOTEBOOK).steps
    assert step.expected.requests == 3


def test_an_unlisted_model_has_an_unknown_cost_and_no_request_is_sent(session):
    user_ns = {"x": 1}
    for cell in "ab":
        run(session, cell, values=put_in(user_ns, "x"))
    slots = session.conversations.thread().slots
    turn = slots[0].turn
    question = turn.basis.question._replace(model="nobody/knows-it")
    slots[0].versions[0] = replace(turn, basis=turn.basis._replace(question=question), id=turn.id)
    plan = refresh_plan(session, {"x": 2}, NOTEBOOK)
    first, second = plan.steps
    assert first.cost.usd is None
    assert second.cost.usd > 0
    assert (plan.total.requests, plan.total.unknown_cost) == (2, 1)
    assert format_sum(plan.total).endswith(" + 1 request of unknown cost")


def test_what_cannot_be_sent_is_of_unknown_cost(session, monkeypatch):
    run(session, "a", values=put_in({"x": 1}, "x"))
    monkeypatch.delenv("CMD_API_KEY")
    plan = refresh_plan(session, {"x": 2}, NOTEBOOK)
    assert format_sum(plan.total) == "1 request of unknown cost"


def test_the_local_model_costs_nothing_and_is_not_started_for_a_look(session, monkeypatch):
    run(session, "a", values=put_in({"x": 1}, "x"))
    monkeypatch.setenv("CMD_BASE_URL", "local")
    monkeypatch.setattr(
        "cc_jupyter.client.local.model.running", lambda: pytest.fail("it was started")
    )
    plan = refresh_plan(session, {"x": 2}, NOTEBOOK)
    assert [step.cost.usd for step in plan.steps] == [Decimal(0)]
    assert format_sum(plan.total) == "$0"
