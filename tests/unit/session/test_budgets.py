"""House rule 5, budgets hold: across threads, kernels, a locked database and a kernel that died."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import threading
from decimal import Decimal

import pytest
from support import provider as scripted
from support.plain_server import MODEL, reader_threads, wait_until

from cc_jupyter.conversation.store import FILE, Store, database
from cc_jupyter.conversation.store.reservations import LIFETIME
from cc_jupyter.conversation.thread import Thread
from cc_jupyter.core.errors import OptionError, StreamError
from cc_jupyter.core.events import Usage
from cc_jupyter.core.messages import Parameters, PromptSpec
from cc_jupyter.core.paths import data_folder
from cc_jupyter.render.base import NullRenderer
from cc_jupyter.session import budget_watcher
from cc_jupyter.session import recorder as recorder_module
from cc_jupyter.session import session as session_module
from cc_jupyter.session.budget_guard import BudgetGuard
from cc_jupyter.session.recorder import TurnRecorder
from cc_jupyter.session.session import Session
from cc_jupyter.usage.budget import Budget, save_budget

NOTEBOOK = "work/a.ipynb"
ANSWER_TOKENS = 50
PROMPT = "word " * 800
"""4,000 bytes, which are estimated at 1,000 tokens: as many as the provider reports."""
ANSWER = scripted.openai_stream("word " * 40, usage=scripted.Tokens(1_000, ANSWER_TOKENS))


@pytest.fixture
def session(provider, monkeypatch):
    monkeypatch.setenv("CMD_BASE_URL", provider.base_url)
    monkeypatch.setenv("CMD_API_KEY", scripted.KEY)
    provider.always(ANSWER)
    opened = Session()
    yield opened
    opened.transport.close()
    opened.history.forget(None)  # what could not be saved is not reported at exit
    opened.history.close()
    wait_until(lambda: not reader_threads())


def ask(session, prompt=PROMPT, notebook=NOTEBOOK, *, once=True, **options):
    spec = PromptSpec(
        prompt,
        model=MODEL,
        parameters=Parameters(max_tokens=ANSWER_TOKENS),
        notebook=notebook,
        once=once,
        **options,
    )
    return session.run(session.prepare(spec), NullRenderer())


def spent(session):
    return sum((reply.cost.usd for reply in session.replies), Decimal(0))


def set_budget(session, usd, period):
    budget = Budget(usd, period)
    if period == "session":
        session.budget_guard.budget = budget
    else:
        save_budget(budget, NOTEBOOK)


@contextlib.contextmanager
def locked(session, monkeypatch):
    """Hold the history like a program that does not let go."""
    monkeypatch.setattr(database, "BUSY_S", 0.05)
    session.history.close()  # it is opened again, with this limit
    path = data_folder() / FILE
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        holder.rollback()
        holder.close()


@pytest.mark.parametrize("period", ["session", "day"])
def test_fifty_threads_of_ten_calls_spend_half_of_what_they_want_to(session, provider, period):
    cost = ask(session).cost.usd
    provider.clear()
    provider.always(ANSWER)
    session.replies.clear()
    calls = 500
    already = Decimal(0) if period == "session" else cost  # the first call is in the history
    set_budget(session, already + cost * calls / 2, period)
    refused = []

    def work():
        for _ in range(10):
            try:
                ask(session)
            except OptionError as error:
                refused.append(error)

    threads = [threading.Thread(target=work) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert spent(session) <= cost * calls / 2
    assert spent(session) >= cost * calls / 2 - 2 * cost  # and what is left is not withheld
    assert len(provider.posts) == len(session.replies) == calls - len(refused)
    assert all("nothing was sent" in str(error) for error in refused)


_KERNEL = f"""
import sys
from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.events import Usage
from cc_jupyter.core.messages import Parameters, PromptSpec
from cc_jupyter.render.base import NullRenderer
from cc_jupyter.session.session import Session
session = Session()
sys.stdin.readline()
for _ in range(20):
    parameters = Parameters(max_tokens={ANSWER_TOKENS})
    spec = PromptSpec({PROMPT!r}, model={MODEL!r}, parameters=parameters,
                      notebook={NOTEBOOK!r}, once=True)
    try:
        session.run(session.prepare(spec), NullRenderer())
    except OptionError as error:
        assert "nothing was sent" in str(error)
print(sum(reply.cost.usd for reply in session.replies))
"""


@pytest.mark.parametrize("period", ["day", "notebook"])
def test_kernels_share_a_budget(session, provider, period):
    cost = ask(session).cost.usd
    set_budget(session, cost * 31, period)
    kernels = [
        subprocess.Popen(
            [sys.executable, "-c", _KERNEL],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for kernel in kernels:
        kernel.stdin.write("go\n")
        kernel.stdin.flush()
    sums = [Decimal(kernel.communicate(timeout=60)[0] or 0) for kernel in kernels]
    assert [kernel.returncode for kernel in kernels] == [0, 0, 0]
    assert cost * 28 <= sum(sums) <= cost * 30


def test_a_request_in_flight_counts_for_other_kernels_until_its_kernel_is_long_dead(session):
    cost = ask(session).cost.usd
    set_budget(session, cost * 3, "day")
    now = session.now()
    Store(data_folder() / FILE).reserve(
        "dead", cost * 2, lambda *_: None, notebook=NOTEBOOK, now=now
    )
    with pytest.raises(OptionError, match="reserved for requests in flight"):
        ask(session)
    session.budget_guard.now = lambda: now + LIFETIME
    ask(session)


def test_the_budget_of_one_notebook_is_not_spent_by_another(session):
    cost = ask(session, notebook="b.ipynb").cost.usd
    save_budget(Budget(cost * 2, "notebook"), NOTEBOOK)
    Store(data_folder() / FILE).reserve(
        "b", cost * 9, lambda *_: None, notebook="b.ipynb", now=session.now()
    )
    ask(session)


@pytest.mark.parametrize("period", ["day", "notebook"])
def test_a_turn_that_is_not_saved_yet_counts(session, monkeypatch, period):
    cost = ask(session).cost.usd
    with locked(session, monkeypatch):
        reply = ask(session)
    assert any("1 turn not saved yet" in notice for notice in reply.notices)
    set_budget(session, cost * 5 / 2, period)
    with pytest.raises(OptionError, match=r"would exceed the budget"):
        ask(session)
    budget = Budget(cost * 5 / 2, period)
    assert session.budget_guard.spent_usd(budget, session.settings(), NOTEBOOK) == cost * 2


def test_a_turn_that_cannot_be_saved_still_counts(session, monkeypatch):
    cost = ask(session).cost.usd
    budget = Budget(cost * 9, "day")
    with locked(session, monkeypatch):
        ask(session)
        assert session.budget_guard.spent_usd(budget, session.settings(), NOTEBOOK) == cost * 2


def test_a_budget_that_cannot_be_checked_sends_nothing(session, provider, monkeypatch):
    ask(session)
    provider.clear()
    provider.always(ANSWER)
    set_budget(session, Decimal(1), "day")
    with (
        locked(session, monkeypatch),
        pytest.raises(OptionError, match="the budget per day cannot be checked: another program"),
    ):
        ask(session)
    assert provider.posts == []
    ask(session)


def test_a_refused_request_reserves_nothing(session, provider):
    cost = ask(session).cost.usd
    set_budget(session, spent(session) + cost * 3 / 2, "session")
    provider.always(scripted.error(400))
    for _ in range(3):
        assert ask(session).error is not None
    provider.always(ANSWER)
    assert ask(session).error is None


def test_two_answers_that_grow_together_stay_within_the_budget(session, provider, monkeypatch):
    monkeypatch.setattr(budget_watcher, "_PRICING_INTERVAL_S", 0)  # each piece is priced
    budget = Budget(Decimal("0.02"))
    session.budget_guard.budget = budget
    piece = "word " * 200
    provider.always(scripted.openai_stream([piece] * 150, pause_s=0.01))
    replies = []
    threads = [
        threading.Thread(
            target=lambda: replies.append(
                session.run(session.prepare(PromptSpec("hi", model=MODEL)), NullRenderer())
            )
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(isinstance(reply.error, StreamError) for reply in replies)
    assert all("exceeds the budget" in str(reply.error) for reply in replies)
    tokens = [session.budget_guard.calibration.tokens(MODEL, len(r.text)) for r in replies]
    prepared = session.prepare(PromptSpec("hi", model=MODEL))
    usd = [prepared.cost(Usage(0, count), session.now()).usd for count in tokens]
    one_piece = session.budget_guard.calibration.tokens(MODEL, len(piece))
    piece_usd = prepared.cost(Usage(0, one_piece), session.now()).usd
    # each may exceed it by the piece that did not fit
    assert Decimal("0.018") < sum(usd) < budget.usd + 2 * piece_usd


def test_a_growing_answer_is_priced_five_times_a_second(session, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(budget_watcher, "monotonic", lambda: clock[0])
    budget = Budget(Decimal("0.02"))
    session.budget_guard.budget = budget
    prepared = session.prepare(PromptSpec("hi", model=MODEL))
    (watcher,) = session.budget_guard.reserve(prepared, "a")
    watcher.add("word ", Usage())
    clock[0] += 0.19
    watcher.add("word " * 100_000, Usage())
    clock[0] += 0.02
    with pytest.raises(StreamError, match="exceeds the budget"):
        watcher.add("word ", Usage())


@contextlib.contextmanager
def interrupted_in(monkeypatch, owner, name, *, after=False):
    """Interrupt like a user when a function is called, or when it has returned."""
    function = getattr(owner, name)

    def interrupt(*args, **options):
        if after:
            function(*args, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, interrupt)
        yield


INTERRUPTS = {
    "while the slot is opened": (Thread, "open_slot"),
    "after the slot was opened": (Thread, "open_slot", True),
    "after the money was reserved": (BudgetGuard, "_hold_on_disk", True),
    "after the budget was checked": (BudgetGuard, "hold", True),
    "before the request is built": (session_module, "RequestStream"),
    "before the recorder is built": (session_module, "TurnRecorder"),
    "before the interrupt guard": (session_module, "InterruptGuard"),
    "while the turn is priced": (TurnRecorder, "priced"),
    "before the turn is written": (Store, "save"),
    "after the turn was written": (Store, "save", True),
}


@pytest.mark.parametrize("where", INTERRUPTS.values(), ids=INTERRUPTS)
@pytest.mark.parametrize("period", ["day", "notebook"])
def test_an_interrupt_leaves_nothing_reserved(session, monkeypatch, where, period):
    cost = ask(session).cost.usd
    owner, name, *after = where
    set_budget(session, spent(session) + cost * 5 / 2, period)
    with (
        interrupted_in(monkeypatch, owner, name, after=bool(after)),
        pytest.raises(KeyboardInterrupt),
    ):
        ask(session, once=False)
    assert session.history.flush() == []  # the next cell does so
    with contextlib.closing(sqlite3.connect(data_folder() / FILE)) as connection:
        assert connection.execute("SELECT * FROM reservation").fetchall() == []
    assert session.budget_guard._reserved == {}
    assert ask(session).error is None  # what is left pays for it


def test_an_interrupt_leaves_nothing_reserved_in_a_session(session, monkeypatch):
    session.budget_guard.budget = Budget(Decimal(1))
    with (
        interrupted_in(monkeypatch, session_module, "TurnRecorder"),
        pytest.raises(KeyboardInterrupt),
    ):
        ask(session)
    assert session.budget_guard._reserved == {}


def test_an_interrupt_while_a_turn_is_written_does_not_hide_its_cost(session, monkeypatch):
    session.budget_guard.budget = Budget(Decimal(1))
    with (
        interrupted_in(monkeypatch, TurnRecorder, "_write"),
        pytest.raises(KeyboardInterrupt),
    ):
        ask(session)
    assert [reply.cost.origin for reply in session.replies] == ["reported"]


def test_the_answer_of_a_kernel_that_died_counts_as_estimated(session, provider, monkeypatch):
    cost = ask(session).cost.usd
    monkeypatch.setattr(recorder_module, "PARTIAL_S", 0)
    with monkeypatch.context() as patched:  # the process ends before it can save
        patched.setattr(TurnRecorder, "save", lambda _: None)
        with pytest.raises(AttributeError, match="reply"):
            ask(session)
    row = session.history.store.spent()
    assert (row.requests, row.unknown_cost) == (2, 0)
    assert row.estimated_usd > 0
    assert row.reported_usd == cost
    died = session.history.store.all_turns()[-1]
    assert (died.finished, died.cost.origin) == (False, "estimated")
    assert died.usage == Usage()  # estimates of tokens are not stored as reported


@pytest.mark.parametrize("period", ["day", "notebook"])
def test_a_growing_answer_counts_once(session, monkeypatch, period):
    monkeypatch.setattr(recorder_module, "PARTIAL_S", 0)
    monkeypatch.setattr(budget_watcher, "_PRICING_INTERVAL_S", 0)
    cost = ask(session).cost.usd
    set_budget(session, spent(session) + cost * 3 / 2, period)
    assert ask(session).error is None
