"""The scheduler: many requests at once, against a real server on loopback."""

from __future__ import annotations

import signal
import threading
import time
from decimal import Decimal

import pytest
from support import provider as scripted
from support.plain_server import MODEL, reader_threads, wait_until

from cc_jupyter.core.errors import BudgetError, OptionError, RateLimitError, StreamError
from cc_jupyter.core.events import Retry, TextDelta
from cc_jupyter.core.messages import Parameters, PromptSpec
from cc_jupyter.session.run_limits import RunBudget, RunEstimate, RunLimits, check_run
from cc_jupyter.session.scheduler import ConcurrencyLimit, Run
from cc_jupyter.session.session import Session
from cc_jupyter.usage.budget import Budget


@pytest.fixture
def session(provider, monkeypatch):
    monkeypatch.setenv("CMD_BASE_URL", provider.base_url)
    monkeypatch.setenv("CMD_API_KEY", scripted.KEY)
    monkeypatch.setattr("cc_jupyter.client.client._backoff_s", lambda _: 0.01)
    opened = Session()
    yield opened
    opened.transport.close()
    opened.history.close()
    wait_until(lambda: not reader_threads())


class Log:
    """A listener that records what it is told, and in which thread."""

    def __init__(self, on_tick=lambda: None):
        self.calls, self.threads, self.on_tick = [], set(), on_tick

    def started(self, index):
        self._note("started", index)

    def event(self, index, event):
        self._note("event", index, event)

    def finished(self, index, reply):
        self._note("finished", index, reply)

    def tick(self):
        self.threads.add(threading.current_thread())
        self.on_tick()

    def replies(self, count):
        found = {call[1]: call[2] for call in self.calls if call[0] == "finished"}
        return [found.get(index) for index in range(count)]

    def _note(self, *call):
        self.threads.add(threading.current_thread())
        self.calls.append(call)

    def order(self, kind):
        return [call[1] for call in self.calls if call[0] == kind]


def prepared(session, count, prompt="word", **fields):
    parameters = Parameters(max_tokens=50)
    made = [
        session.prepare(
            PromptSpec(f"{prompt} {number}", model=MODEL, parameters=parameters, once=True)
        )
        for number in range(count)
    ]
    return [each._replace(**fields) for each in made]


def run(session, requests, log=None, concurrency=32):
    log = log or Log()
    made = Run(
        lambda index, renderer, guard: session.run(requests[index], renderer, guard),
        requests,
        log,
        concurrency=concurrency,
    )
    made.run()
    return made, log.replies(len(requests))


def prompt_of(record):
    return record.json["messages"][-1]["content"]


def has_text(event):
    return isinstance(event, TextDelta)


def test_replies_come_in_the_order_of_the_plan(session, provider):
    pauses = iter((0.15, 0.1, 0.05, 0.0))
    provider.always(
        lambda record: scripted.openai_stream([prompt_of(record)], pause_s=next(pauses, 0.0))
    )
    log = Log()
    _, replies = run(session, prepared(session, 4), log)
    assert [reply.text for reply in replies] == [f"word {n}" for n in range(4)]
    assert log.order("started") == [0, 1, 2, 3]
    assert sorted(log.order("finished")) == [0, 1, 2, 3]
    assert log.threads == {threading.current_thread()}, "the user's thread only"


def test_an_event_precedes_the_end_of_its_request(session, provider):
    provider.always(scripted.openai_stream(["a", "b"]))
    log = Log()
    run(session, prepared(session, 5), log)
    for index in range(5):
        calls = [call for call in log.calls if call[1] == index]
        assert calls[0][0] == "started"
        assert calls[-1][0] == "finished"
        text = "".join(
            call[2].text for call in calls if isinstance(call[2:3] and call[2], TextDelta)
        )
        assert text == "ab"


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_than_the_limit_is_in_flight(session, provider, concurrency):
    now, highest, lock = [0], [0], threading.Lock()

    def answer(record):
        with lock:
            now[0] += 1
            highest[0] = max(highest[0], now[0])
        time.sleep(0.02)
        with lock:
            now[0] -= 1
        return scripted.openai_stream(["ok"])

    provider.always(answer)
    _, replies = run(session, prepared(session, 9), concurrency=concurrency)
    assert all(reply.error is None for reply in replies)
    assert highest[0] == concurrency


def test_a_failure_is_a_result_and_loses_no_other(session, provider):
    def answer(record):
        if prompt_of(record) == "word 1":
            return scripted.error(400, "no such thing")(record)
        if prompt_of(record) == "word 2":
            return (*scripted.openai_stream(["half"])[:3], scripted.cut())
        return scripted.openai_stream(["ok"])

    provider.always(answer)
    _, replies = run(session, prepared(session, 4))
    assert [reply.error is None for reply in replies] == [True, False, False, True]
    assert replies[2].text == "half"
    assert isinstance(replies[2].error, StreamError)


def test_a_mistake_of_ours_is_a_result_too(session):
    requests = prepared(session, 2)

    def send(index, renderer, guard):
        if index == 0:
            raise ZeroDivisionError("oops")
        return session.run(requests[index], renderer, guard)

    log = Log()
    Run(send, requests, log, concurrency=2).run()
    replies = log.replies(len(requests))
    assert "ZeroDivisionError" in str(replies[0].error)
    assert replies[1].error is None


def test_an_interrupt_keeps_what_is_finished_and_marks_the_rest(session, provider):
    begun = threading.Event()

    def answer(record):
        if prompt_of(record) == "word 0":
            return scripted.openai_stream(["whole"])
        begun.set()
        return (*scripted.openai_stream(["part"])[:3], scripted.hang())

    provider.always(answer)
    pressed = []

    def press():
        texts = sum(call[0] == "event" and has_text(call[2]) for call in log.calls)
        if texts == 3 and not pressed:
            pressed.append(time.monotonic())
            signal.raise_signal(signal.SIGINT)

    log = Log(press)
    made, replies = run(session, prepared(session, 6), log, concurrency=3)
    assert made.is_interrupted
    assert replies[0].error is None
    assert replies[0].text == "whole"
    assert {reply.text for reply in replies[1:]} == {"part", ""}
    assert all(isinstance(reply.error, KeyboardInterrupt) for reply in replies[1:])
    sent = [reply for reply in replies if reply.provenance.turn_id]
    assert len(provider.requests) == len(sent) == 3
    assert sum(reply.text == "part" for reply in replies) == 2


def test_stopping_one_request_from_the_page_stops_the_run(session, provider):
    provider.always((*scripted.openai_stream(["part"])[:3], scripted.hang()))

    def stop():
        now = session.in_flight.now
        if len(now) == 2:
            now[0].interrupt()

    made, replies = run(session, prepared(session, 5), Log(stop), concurrency=2)
    assert made.is_interrupted
    assert all(isinstance(reply.error, KeyboardInterrupt) for reply in replies)
    assert len(provider.requests) == 2


def test_too_many_requests_lower_the_limit_and_every_answer_comes(session, provider):
    seen = set()

    def answer(record):
        prompt = prompt_of(record)
        if prompt not in seen and int(prompt.split()[-1]) % 2:
            seen.add(prompt)
            return scripted.error(429, "slow down", headers={"retry-after": "0.05"})(record)
        return scripted.openai_stream([prompt])

    provider.always(answer)
    made, replies = run(session, prepared(session, 10), concurrency=10)
    assert [reply.text for reply in replies] == [f"word {n}" for n in range(10)]
    assert made._limit.value in {8, 9}, "one episode: 8, and perhaps grown by one since"


def test_a_429_that_means_an_empty_account_is_final(session, provider):
    refused = scripted.error(429, "You exceeded your current quota", type="insufficient_quota")
    provider.always(refused)
    _, replies = run(session, prepared(session, 2))
    assert len(provider.requests) == 2
    assert all(reply.error is not None for reply in replies)
    assert not any(type(reply.error) is RateLimitError for reply in replies)


class TestTheLimit:
    def test_it_falls_by_a_fifth_at_most_once_in_an_episode(self):
        limit = ConcurrencyLimit(20)
        for now_s in (0.0, 1.0, 14.9):
            limit.refused(Retry(429, 0.0), now_s)
        assert limit.value == 16
        limit.refused(Retry(429, 0.0), 15.0)
        assert limit.value == 12

    def test_it_never_falls_below_one(self):
        limit = ConcurrencyLimit(2)
        for episode in range(5):
            limit.refused(Retry(429, 0.0), episode * 20.0)
        assert limit.value == 1

    def test_it_grows_by_one_after_as_many_successes_as_the_limit(self):
        limit = ConcurrencyLimit(10)
        limit.refused(Retry(429, 0.0), 0.0)
        for _ in range(7):
            limit.finished(succeeded=True)
        assert limit.value == 8
        limit.finished(succeeded=True)
        assert limit.value == 9

    @pytest.mark.parametrize("status", [None, 500, 503, 408])
    def test_other_failures_only_stop_its_growth(self, status):
        limit = ConcurrencyLimit(10)
        limit.refused(Retry(429, 0.0), 0.0)
        for _ in range(7):
            limit.finished(succeeded=True)
        limit.refused(Retry(status, 9.0), 1.0)
        limit.finished(succeeded=True)
        assert limit.value == 8
        assert limit.pause_s(2.0) == 0

    def test_it_grows_no_further_than_the_ceiling(self):
        limit = ConcurrencyLimit(2)
        limit.refused(Retry(429, 0.0), 0.0)
        for _ in range(50):
            limit.finished(succeeded=True)
        assert limit.value == 2

    def test_retry_after_pauses_all(self):
        limit = ConcurrencyLimit(10)
        limit.refused(Retry(429, 5.0), 100.0)
        limit.refused(Retry(429, 1.0), 101.0)
        assert limit.pause_s(102.0) == 3.0
        assert limit.pause_s(105.0) == 0.0


class TestMoney:
    """What a cell may cost before it must say so, and `--max-usd`."""

    @pytest.mark.parametrize(
        ("estimate", "limits", "refuse_above", "words"),
        [
            (
                (18, 0, "1.84"),
                (None, None),
                None,
                r"18 requests are estimated at ~\$1.84",
            ),
            ((1, 0, "1.84"), (None, None), None, r"1 request is estimated at ~\$1.84"),
            ((2, 0, "0.50"), (None, None), "0.10", r"more than \$0.1000 \(refuse_above_usd\)"),
            ((51, 51, "0"), (None, None), None, "51 requests without a known price"),
            ((9, 0, "0"), (None, 8), None, "--max-requests is 8"),
        ],
    )
    def test_a_run_that_may_cost_more_is_refused(self, estimate, limits, refuse_above, words):
        with pytest.raises(OptionError, match=words) as caught:
            check(estimate, limits, refuse_above)
        assert "add --max-" in caught.value.hint

    @pytest.mark.parametrize(
        ("estimate", "limits", "refuse_above"),
        [
            ((18, 0, "0.99"), (None, None), None),
            ((50, 50, "0"), (None, None), None),
            ((51, 51, "0"), (None, 51), None),
            ((100, 0, "9"), ("10", None), None),
            ((100, 0, "9"), (None, None), "10"),
        ],
    )
    def test_a_run_within_its_limits_is_sent(self, estimate, limits, refuse_above):
        budget = check(estimate, limits, refuse_above)
        assert (budget is not None) == (limits[0] is not None)

    def test_max_usd_starts_no_request_that_would_pass_it(self, session, provider):
        provider.always(scripted.openai_stream(["word " * 40], usage=scripted.Tokens(1_000, 50)))
        requests = prepared(session, 12, "word " * 800)
        one_usd = requests[0].cost(session.budget_guard.estimate(requests[0]), session.now()).usd
        budget = RunBudget(one_usd * Decimal("3.5"))
        requests = [each._replace(run_budget=budget) for each in requests]
        _, replies = run(session, requests, concurrency=12)
        sent = [reply for reply in replies if reply.error is None]
        spent_usd = sum(reply.cost.usd for reply in sent)
        assert spent_usd <= budget.usd
        assert len(sent) == len(provider.requests) == 3
        refused = [reply.error for reply in replies if reply.error is not None]
        assert all(isinstance(error, BudgetError) for error in refused)
        assert all("--max-usd" in str(error) for error in refused)

    def test_what_others_only_reserved_is_waited_for(self, session, provider):
        """Answers that cost a tenth of their estimate leave room for all."""
        provider.always(scripted.openai_stream(["ok"], usage=scripted.Tokens(10, 1)))
        requests = prepared(session, 12, "word " * 800)
        one_usd = requests[0].cost(session.budget_guard.estimate(requests[0]), session.now()).usd
        session.budget_guard.budget = Budget(one_usd * Decimal("3.5"))
        _, replies = run(session, requests, concurrency=12)
        assert [reply.error for reply in replies] == [None] * 12

    def test_an_unknown_price_cannot_be_limited(self):
        with pytest.raises(OptionError, match="unknown"):
            RunBudget(Decimal(1)).hold("a", None)

    def test_each_guard_holds_for_its_part_of_a_mixed_list(self):
        """`--max-usd` for what has a price, `--max-requests` for what has none."""
        budget = check((3, 2, "0.5"), ("1", 3), None)
        assert budget.hold("a", None) == 0
        with pytest.raises(BudgetError, match="exceed --max-usd 1"):
            budget.hold("b", Decimal(2))


def check(estimate, limits, refuse_above):
    requests, unpriced, usd = estimate
    max_usd, max_requests = limits
    return check_run(
        RunEstimate(requests, unpriced, Decimal(usd), 0, 0),
        RunLimits(None if max_usd is None else Decimal(max_usd), max_requests),
        None if refuse_above is None else Decimal(refuse_above),
    )
