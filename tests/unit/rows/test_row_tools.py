"""Rows whose model calls functions: what is sent, run, stored and counted, on both wires."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from support import provider as scripted
from support.provider import Tokens, ToolCall, answer
from support.rows import PROMPT, texts
from support.tools import MODELS, check_rules

from cc_jupyter.core.errors import BudgetError, OptionError, StreamError
from cc_jupyter.core.messages import ValueLimits
from cc_jupyter.magics.cell_tools import functions_as_tools
from cc_jupyter.rows.calls import run_call
from cc_jupyter.rows.money import RunMoney
from cc_jupyter.rows.progress import NullRowView
from cc_jupyter.rows.python_call import in_python, row_call
from cc_jupyter.rows.sending import _RowStepRecorder
from cc_jupyter.session.in_flight import Interrupter
from cc_jupyter.session.tapes import cassette_in_use, chosen

BOTH = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
CHAT = MODELS["/chat/completions"]
BUSY = scripted.http(429, {"error": {"message": "busy", "type": "rate_limit_error"}})

ran: list[str] = []
threads: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def _nothing_ran():
    ran.clear()
    threads.clear()


def lookup(city: str) -> str:
    """Return who lives in a city."""
    ran.append(city)
    threads.add(threading.current_thread())
    return f"people of {city}"


def called(session, *, tools=(lookup,), max_steps=None, live_tools=False, model=CHAT, **given):
    """Return a call whose tools are all allowed."""
    names = [each.__name__ for each in tools]
    cell = functions_as_tools(tools, names, session.settings().value_limits)
    return row_call(
        given.pop("prompt", PROMPT),
        {"model": model, **given},
        value_limits=session.settings().value_limits,
        tools=cell.for_rows(max_steps, live_tools=live_tools),
    )


def run(session, data, view=None, **given):
    return run_call(session, data, called(session, **given), view or NullRowView())


def answers(ended):
    return [row.get("answer", row.get("value")) for row in ended.result]


def prompt_of(record):
    """Return the prompt of a row, which has a cache marker from the second step on."""
    content = record.json["messages"][0]["content"]
    return content if isinstance(content, str) else content[0]["text"]


def results_in(record):
    """Return the results of functions in a request, in order."""
    found = []
    for message in record.json["messages"]:
        if message["role"] == "tool":
            found.append(message["content"])
        elif isinstance(message["content"], list):
            blocks = (each for each in message["content"] if each["type"] == "tool_result")
            found += [each["content"] for each in blocks]
    return found


def one_round(record):
    """Ask for one call that names the row, then answer with its result."""
    results = results_in(record)
    if results:
        return answer(results[-1], usage=Tokens(200, 20))(record)
    city = prompt_of(record).removeprefix("word ")
    call = ToolCall("lookup", {"city": city}, id="call_1")
    return answer("Let me look.", calls=[call], usage=Tokens(100, 10))(record)


@BOTH
def test_each_row_has_its_own_round_and_the_sum_of_its_requests(session, provider, model):
    provider.always(one_round)
    ended = run(session, texts(4), model=model)
    assert answers(ended) == [f"people of {number}" for number in range(4)]
    assert sorted(ran) == ["0", "1", "2", "3"]
    assert threads == {threading.current_thread()}, "functions see the user's objects"
    for record in provider.posts:
        check_rules(record.json)
        assert record.json["tools"]
    for row in ended.result.meta:
        assert (row["steps"], row["calls"], row["attempts"]) == (2, 1, 2)
        assert (row["input_tokens"], row["output_tokens"]) == (300, 30)
    progress = ended.run.progress
    assert (progress.input_tokens, progress.output_tokens) == (1_200, 120)
    assert sum(row["cost_usd"] for row in ended.result.meta) == pytest.approx(
        float(progress.spent_usd)
    )
    assert [len(step.calls) for step in ended.reply.steps] == [1, 0]
    (entry,) = session.history.store.all_turns()
    assert (entry.rows, entry.usage.input_tokens) == (8, 1_200)


def test_without_tools_a_row_is_one_step_without_calls(session, provider):
    provider.always(answer("ok"))
    call = row_call(PROMPT, {"model": CHAT}, value_limits=ValueLimits())
    (row,) = run_call(session, texts(1), call, NullRowView()).result.meta
    assert (row["steps"], row["calls"]) == (1, 0)


@BOTH
def test_a_second_run_takes_what_is_stored_and_runs_no_function(open_session, provider, model):
    provider.always(one_round)
    first = run(open_session(), texts(3), model=model)
    ran.clear()
    again = run(open_session(), texts(3), model=model)
    assert answers(again) == answers(first)
    assert (len(provider.posts), ran) == (6, [])
    for before, row in zip(first.result.meta, again.result.meta, strict=True):
        assert (row["from_cache"], row["steps"], row["calls"]) == (True, None, None)
        names = ("input_tokens", "output_tokens", "cost_usd", "request_key")
        assert [row[name] for name in names] == [before[name] for name in names]


def other_name(city: str) -> str:
    """Return who lives in a city."""
    return lookup(city)


def other_type(city: int) -> str:
    """Return who lives in a city."""
    return lookup(str(city))


def other_words(city: str) -> str:
    """Return who owes money in a city."""
    return lookup(city)


other_type.__name__ = other_words.__name__ = "lookup"


@pytest.mark.parametrize(
    "other",
    [
        {"tools": (other_name,)},
        {"tools": (other_type,)},
        {"tools": (other_words,)},
        {"tools": (lookup, other_name)},
        {"max_steps": 3},
    ],
    ids=["name", "type", "description", "one more", "limit of steps"],
)
def test_tools_and_the_limit_of_steps_are_part_of_what_is_asked(session, provider, other):
    provider.always(answer("ok"))
    run(session, texts(1))
    run(session, texts(1))
    assert len(provider.posts) == 1
    run(session, texts(1), **other)
    assert len(provider.posts) == 2
    call = row_call(PROMPT, {"model": CHAT}, value_limits=ValueLimits())
    run_call(session, texts(1), call, NullRowView())
    assert len(provider.posts) == 3


@BOTH
def test_a_typed_answer_comes_after_the_calls_and_is_corrected_once(session, provider, model):
    provider.always(one_correction)
    ended = run(session, texts(2), model=model, into=int)
    assert answers(ended) == [7, 7]
    assert sorted(ran) == ["0", "1"], "a correction runs no function again"
    for row in ended.result.meta:
        assert (row["steps"], row["calls"], row["input_tokens"]) == (3, 1, 500)


@BOTH
def test_a_function_that_raises_is_an_answer_to_the_model(session, provider, model):
    def lookup(city: str) -> str:
        raise KeyError(city)

    provider.always(one_round)
    ended = run(session, texts(2), model=model, tools=(lookup,))
    assert answers(ended) == ["KeyError: '0'", "KeyError: '1'"]


async def sleepy(city: str) -> str:
    """Return who lives in a city."""
    await asyncio.sleep(0)
    return lookup(city)


def test_an_async_function_runs_in_its_event_loop(session, provider):
    sleepy.__name__ = "lookup"
    provider.always(one_round)
    assert answers(run(session, texts(2), tools=(sleepy,))) == ["people of 0", "people of 1"]
    assert threads.isdisjoint({threading.current_thread()})


def test_a_call_of_an_unknown_function_is_a_result_too(session, provider):
    def ask(record):
        found = results_in(record)
        return answer(found[0] if found else "", calls=() if found else [ToolCall("x")])(record)

    provider.always(ask)
    (text,) = answers(run(session, texts(1)))
    assert "There is no tool named x" in text
    assert ran == []


@pytest.mark.parametrize(
    ("max_steps", "words", "sent"),
    [
        (2, "stopped after 2 requests, the limit of --max-steps", 2),
        (None, "the same call of lookup three times", 3),
    ],
    ids=["limit of steps", "the same call"],
)
def test_a_row_that_ends_without_an_answer_has_failed_and_is_not_stored(
    session, provider, max_steps, words, sent
):
    def ask_on(record):
        city = str(len(results_in(record))) if max_steps else "Rome"
        return answer("Hm.", calls=[ToolCall("lookup", {"city": city})])(record)

    provider.always(ask_on)
    ended = run(session, texts(1), max_steps=max_steps)
    assert answers(ended) == [None]
    (row,) = ended.result.meta
    assert words in row["error"]
    assert (row["steps"], len(provider.posts)) == (sent, sent)
    assert ended.run.progress.reasons == {"no answer": 1}
    (error,) = ended.run.results.errors.values()
    assert isinstance(error, StreamError)
    hint = "max_steps=4 allows more requests" if max_steps else None
    assert in_python(error).hint == hint
    run(session, texts(1), max_steps=max_steps)
    assert len(provider.posts) == 2 * sent


def one_correction(record):
    """Answer as `one_round`, with a text that is no number first and a number then."""
    if not results_in(record):
        return one_round(record)
    is_corrected = len(record.json["messages"]) > 3
    return answer('{"value": 7}' if is_corrected else "hm", usage=Tokens(200, 20))(record)


INTO = pytest.mark.parametrize(
    ("into", "answered"), [(None, 2), (int, 3)], ids=["text", "a type that is corrected"]
)


@BOTH
@INTO
def test_a_refusal_after_a_result_goes_on_there_and_no_function_runs_twice(
    session, provider, model, into, answered
):
    session.choices["max_retries"] = 1
    refused, lock = Counter(), threading.Lock()

    def busy_after_results(record):
        key = prompt_of(record), len(record.json["messages"])
        with lock:
            refused[key] += 1
            is_refused = results_in(record) and refused[key] <= 3
        if is_refused:
            return BUSY
        return one_correction(record) if into else one_round(record)

    provider.always(busy_after_results)
    ended = run(session, texts(6), model=model, into=into, concurrency=3)
    expected = [7] * 6 if into else [f"people of {number}" for number in range(6)]
    assert answers(ended) == expected
    assert sorted(ran) == [str(number) for number in range(6)]
    for row in ended.result.meta:
        assert (row["steps"], row["calls"]) == (answered, 1)
        assert row["attempts"] == answered + 3 * (answered - 1)
        assert row["input_tokens"] == 100 + 200 * (answered - 1)


@INTO
def test_a_step_that_waits_for_money_goes_on_where_it_was(
    session, provider, monkeypatch, into, answered
):
    refused, reserve = threading.Event(), RunMoney.watchers

    def watchers(money, prepared, request_id):
        messages = prepared.request.messages
        is_last = len(messages) == 2 * answered - 1
        if messages[0].text == "word 0" and is_last and not refused.is_set():
            refused.set()
            raise BudgetError("not sent: others have reserved too much")
        return reserve(money, prepared, request_id)

    def others_wait(record):
        if prompt_of(record) != "word 0":
            refused.wait(60)
        return one_correction(record) if into else one_round(record)

    monkeypatch.setattr(RunMoney, "watchers", watchers)
    provider.always(others_wait)
    ended = run(session, texts(6), into=into, concurrency=3)
    assert None not in answers(ended)
    assert refused.is_set()
    assert len(provider.posts) == 6 * answered
    assert sorted(ran) == [str(number) for number in range(6)]


def test_money_is_checked_at_every_step(session, provider):
    def dear(record):
        if results_in(record):
            return one_round(record)
        call = ToolCall("lookup", {"city": "Rome"})
        return answer("Look.", calls=[call], usage=Tokens(1_000_000, 1_000_000))(record)

    provider.always(dear)
    ended = run(session, texts(3), max_usd="0.5", concurrency=1)
    assert isinstance(ended.run.stopped_by, BudgetError)
    assert (len(provider.posts), ran) == (1, ["Rome"])
    row = ended.result.meta[0]
    assert (row["steps"], row["calls"], row["input_tokens"]) == (1, 1, 1_000_000)
    assert row["cost_usd"] == pytest.approx(float(ended.run.progress.spent_usd))


def test_without_a_limit_the_usual_one_holds_at_every_step(session, provider):
    session.choices["refuse_above_usd"] = Decimal("0.01")

    def dear(record):
        city = str(len(results_in(record)))
        call = ToolCall("lookup", {"city": city})
        return answer("", calls=[call], usage=Tokens(30_000, 3_000))(record)

    provider.always(dear)
    ended = run(session, texts(2), concurrency=1)
    assert isinstance(ended.run.stopped_by, BudgetError)
    assert len(provider.posts) < 16


def test_what_is_said_about_the_tools_counts_in_the_estimate(session, provider):
    def wordy(city: str) -> str:
        return city

    session.choices["refuse_above_usd"] = Decimal("0.01")
    provider.always(answer("ok"))
    assert answers(run(session, texts(2), tools=(wordy,))) == ["ok", "ok"]
    wordy.__doc__ = "Return a city. " * 20_000
    with pytest.raises(OptionError, match="refuse_above_usd"):
        run(session, texts(2), tools=(wordy,))
    assert len(provider.posts) == 2


def test_a_preview_projects_the_sums_of_the_steps(session, provider):
    provider.always(one_round)
    ended = run(session, [{"text": f"{number:03}"} for number in range(100)], preview=10)
    progress = ended.run.progress
    assert progress.spent_usd > 0
    assert float(progress.projected_usd) == pytest.approx(float(progress.spent_usd) * 10)
    low, high = progress.projected_interval_usd
    assert low <= progress.projected_usd <= high


class Interrupting(NullRowView):
    """Interrupts once so many rows have ended."""

    def __init__(self, after):
        self.after = after

    def draw(self, progress):
        if progress.ended >= self.after:
            self.after = float("inf")
            signal.raise_signal(signal.SIGINT)


def test_an_interrupt_loses_no_row_that_has_ended(open_session, provider):
    provider.always(one_round)
    ended = run(open_session(), texts(30), view=Interrupting(5), concurrency=3)
    assert ended.run.progress.is_interrupted
    kept = [each for each in answers(ended) if each is not None]
    assert 5 <= len(kept) < 30
    again = run(open_session(), texts(30))
    assert answers(again) == [f"people of {number}" for number in range(30)]
    assert again.run.progress.cached == len(kept)


def test_an_interrupt_after_the_last_event_of_a_row_keeps_its_answer(
    open_session, provider, monkeypatch
):
    control, save = Interrupter(), _RowStepRecorder.save

    def save_and_interrupt(recorder):
        save(recorder)
        if not recorder.step.open_calls:
            control.interrupt()

    monkeypatch.setattr(_RowStepRecorder, "save", save_and_interrupt)
    provider.always(one_round)
    session = open_session()
    call = called(session, concurrency=1)._replace(control=control)
    ended = run_call(session, texts(3), call, NullRowView())
    assert ended.run.progress.is_interrupted
    assert answers(ended) == ["people of 0", None, None]
    monkeypatch.setattr(_RowStepRecorder, "save", save)
    assert run(session, texts(3)).run.progress.cached == 1


def test_an_interrupt_in_a_function_ends_the_run(session, provider):
    def lookup(city: str) -> str:
        """Return who lives in a city."""
        ran.append(city)
        if len(ran) == 3:
            signal.raise_signal(signal.SIGINT)
        return city

    provider.always(one_round)
    ended = run(session, texts(20), tools=(lookup,), concurrency=1)
    assert ended.run.progress.is_interrupted
    assert [each for each in answers(ended) if each is not None] == ["0", "1"]
    assert len(ran) == 3
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@BOTH
def test_a_cassette_replays_the_results_and_runs_no_function(
    session, provider, model, tmp_path, monkeypatch
):
    path = str(tmp_path / "rows.cassette.jsonl")
    provider.always(one_round)
    with cassette_in_use(session, chosen("record", path, None)):
        sent = run(session, texts(3), model=model)
    ran.clear()
    monkeypatch.delenv("CMD_API_KEY")
    with cassette_in_use(session, chosen("replay", path, None)):
        replayed = run(session, texts(3), model=model)
    assert answers(replayed) == answers(sent)
    assert (ran, len(provider.posts), replayed.run.progress.spent_usd) == ([], 6, 0)
    assert [row["calls"] for row in replayed.result.meta] == [1, 1, 1]


def test_live_tools_run_the_functions_of_a_replayed_row(session, provider, tmp_path):
    path = str(tmp_path / "rows.cassette.jsonl")
    provider.always(one_round)
    with cassette_in_use(session, chosen("record", path, None)):
        sent = run(session, texts(2))
    ran.clear()
    with cassette_in_use(session, chosen("replay", path, None)):
        live = run(session, texts(2), live_tools=True)
    assert (answers(live), sorted(ran)) == (answers(sent), ["0", "1"])


def test_an_executor_cannot_send_rows_with_tools(session, provider):
    with (
        ThreadPoolExecutor() as executor,
        pytest.raises(OptionError, match="this kernel") as caught,
    ):
        run(session, texts(3), executor=executor)
    assert "executor=" in caught.value.hint
    assert provider.posts == []


def test_two_hundred_rows_with_rounds_stay_within_the_limit(session, provider):
    lock, now, highest = threading.Lock(), [0], [0]

    def slow(record):
        with lock:
            now[0] += 1
            highest[0] = max(highest[0], now[0])
        time.sleep(0.005)
        with lock:
            now[0] -= 1
        return one_round(record)

    provider.always(slow)
    ended = run(session, texts(200), concurrency=20)
    assert answers(ended) == [f"people of {number}" for number in range(200)]
    assert len(provider.posts) == 400
    assert sorted(ran, key=int) == [str(number) for number in range(200)]
    assert 2 <= highest[0] <= 20
