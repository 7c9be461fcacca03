"""`--until-pass`: which failures ask the next model, and what the tries cost."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from support import provider as scripted
from support.plain_server import MODEL, reader_threads, wait_until

from cc_jupyter.client.errors.provider_errors import classify
from cc_jupyter.client.transport import TIMED_OUT
from cc_jupyter.core.errors import (
    BudgetError,
    CheckError,
    ConnectError,
    OptionError,
    ProviderError,
    StatusError,
    StreamError,
)
from cc_jupyter.core.messages import Parameters, PromptSpec
from cc_jupyter.experiments.checks import Checks
from cc_jupyter.experiments.until_pass import ask_until_pass, asks_next
from cc_jupyter.render.base import NullRenderer
from cc_jupyter.session.run_limits import RunLimits
from cc_jupyter.session.session import Session

CLAUDE = "claude-sonnet-5"
MODELS = (MODEL, CLAUDE, "gpt-6-luna")
USAGE = scripted.Tokens(100_000, 10_000)


@pytest.fixture
def session(provider, monkeypatch):
    monkeypatch.setenv("CMD_BASE_URL", provider.base_url)
    monkeypatch.setenv("CMD_API_KEY", scripted.KEY)
    monkeypatch.setenv("CMD_MAX_RETRIES", "0")
    opened = Session()
    yield opened
    opened.transport.close()
    opened.history.close()
    wait_until(lambda: not reader_threads())


class Tries:
    """Shows nothing, and remembers what it would have shown."""

    def __init__(self, session):
        self.session = session
        self.folded = []
        self.shown = None

    def run(self, prepared):
        return self.session.run(prepared, NullRenderer())

    def revise(self, reply, folded=None):
        self.folded += [] if folded is None else [folded]
        self.shown = reply
        return reply

    def text(self, reply):
        return reply.text


def ask(session, check="len(answer) < 5", models=MODELS, **limits):
    tries = Tries(session)
    parameters = Parameters(max_tokens=1_000)
    requests = [
        session.prepare(PromptSpec("hello", model=model, parameters=parameters)) for model in models
    ]
    checks = Checks([check], {}, {})
    outcome = ask_until_pass(
        session, requests, checks, None, show=tries, limits=RunLimits(**limits)
    )
    return outcome, tries


def refusal(status, message, **headers):
    body = f'{{"error": {{"message": "{message}"}}}}'.encode()
    now = datetime(2026, 11, 30, tzinfo=UTC)
    return classify(status, headers, body, model=MODEL, secrets=(), now=now).error


def final(error):
    error.is_final = True
    return error


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (refusal(408, "timeout"), True),
        (refusal(429, "slow down"), True),
        (refusal(429, "the model is overloaded"), True),
        (refusal(500, "oops"), True),
        (refusal(503, "no available providers match"), True),
        (refusal(529, "overloaded"), True),
        (StreamError("the connection was lost"), True),
        (ConnectError("no answer", code=TIMED_OUT), True),
        (ConnectError("connection refused"), False),
        (refusal(400, "bad request"), False),
        (refusal(404, "no such path"), False),
        (refusal(401, "invalid api key"), False),
        (refusal(500, "invalid api key"), False),
        (refusal(402, "pay"), False),
        (refusal(403, "upgrade required"), False),
        (refusal(429, "you exceeded your current quota"), False),
        (refusal(429, "the usage limit for your plan is reached"), False),
        (refusal(429, "limit of requests per day"), False),
        (refusal(500, "insufficient credits"), False),
        (final(StreamError("it exceeds the budget")), False),
        (StatusError("strange"), False),
        (ProviderError("strange"), False),
    ],
    ids=str,
)
def test_the_next_model_is_asked_only_where_it_may_do_better(error, asked):
    assert asks_next(error) is asked


@pytest.mark.parametrize(
    ("message", "is_final"),
    [("insufficient credits", True), ("invalid api key", True), ("overloaded", False)],
)
def test_an_error_within_an_answer_is_final_as_a_refusal_would_be(
    session, provider, message, is_final
):
    provider.play(
        scripted.head(),
        scripted.sse({"error": {"message": message}}),
        scripted.end(),
    )
    reply = session.run(session.prepare(PromptSpec("hi", model=MODEL)), NullRenderer())
    assert reply.error.is_final is is_final


def test_the_notices_say_who_passed_and_what_the_tries_and_the_last_model_alone_cost(
    session, provider
):
    provider.play(scripted.answer("too long", usage=USAGE))
    provider.play(scripted.answer("yes", usage=USAGE))
    outcome, tries = ask(session)
    assert outcome.error is None
    assert outcome.reply is tries.shown
    assert tries.folded == [
        "deepseek-v4-flash did not pass: the check len(answer) < 5 is false: len(answer) = 8"
    ]
    passed, cost, alone = outcome.reply.notices
    assert passed == "claude-sonnet-5 passed, model 2 of 3"
    total = sum(reply.cost.usd for reply in session.replies)
    assert cost == f"all tries cost ${total:.4f}"
    assert alone.startswith("gpt-6-luna alone would have cost ~")


def test_the_cost_of_a_last_model_that_was_asked_is_no_estimate(session, provider):
    for text in ("too long", "also too long", "yes"):
        provider.play(scripted.answer(text, usage=USAGE))
    outcome, _ = ask(session)
    usd = session.replies[-1].cost.usd
    assert outcome.reply.notices[-1] == f"gpt-6-luna alone would have cost ${usd:.4f}"


def test_an_unknown_price_is_no_zero(session, provider):
    provider.play(scripted.answer("too long"))
    provider.play(scripted.answer("yes"))
    outcome, _ = ask(session, models=("strange/model", MODEL, "other/model"))
    assert "1 request of unknown cost" in outcome.reply.notices[1]
    assert outcome.reply.notices[2] == "model alone would have cost $?"


def test_without_ids_of_cells_the_tries_are_still_versions_of_one_turn(session, provider):
    provider.play(scripted.error(503, "busy"))
    provider.play(scripted.answer("too long"))
    provider.play(scripted.answer("yes"))
    ask(session)
    (slot,) = session.conversations.thread().slots
    assert [turn.answer for turn in slot.versions] == ["", "too long", "yes"]
    assert slot.turn.answer == "yes"


def test_when_none_passes_the_error_and_the_reply_say_so(session, provider):
    provider.always(scripted.answer("too long"))
    outcome, tries = ask(session)
    assert isinstance(outcome.error, CheckError)
    assert outcome.error.reply is outcome.reply is tries.shown
    assert outcome.reply.notices[0] == "none of 3 models passed"
    assert len(tries.folded) == 2


def test_a_failure_of_the_last_model_is_the_error_of_the_cell(session, provider):
    provider.play(scripted.answer("too long"))
    provider.always(scripted.error(503, "busy"))
    with pytest.raises(StatusError):
        ask(session)
    assert len(provider.posts) == 3


def test_all_tries_together_are_limited(session, provider):
    with pytest.raises(OptionError, match="3 requests would be sent"):
        ask(session, max_requests=2)
    assert not provider.posts
    provider.play(scripted.answer("too long", usage=USAGE))
    with pytest.raises(BudgetError):
        ask(session, max_usd=Decimal("0.02"))
    assert len(provider.posts) == 1
