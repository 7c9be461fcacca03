"""A prompt over rows against a real server: what is sent, what is stored, what a failure costs."""

from __future__ import annotations

import random
import signal
import threading
import time
from decimal import Decimal
from typing import Literal

import pytest
from support import provider as scripted
from support.rows import MODEL, echo, prompt_of, raised, run, texts

from cc_jupyter.core.errors import (
    AuthError,
    BudgetError,
    OptionError,
    RateLimitError,
    RowsError,
    StreamError,
)
from cc_jupyter.core.request_key import request_key
from cc_jupyter.rows.calls import run_call
from cc_jupyter.rows.progress import NullRowView
from cc_jupyter.rows.python_call import in_python, row_call
from cc_jupyter.rows.view import final_bundle
from cc_jupyter.session.run_limits import RunLimits
from cc_jupyter.session.scheduler import ConcurrencyLimit
from cc_jupyter.usage.budget import Budget


def answers(ended):
    return [row.get("answer", row.get("value")) for row in ended.result]


def prompts(provider):
    return [prompt_of(record) for record in provider.posts]


def test_each_row_gets_the_answer_to_its_own_prompt(session, provider):
    provider.always(echo)
    ended = run(session, texts(5))
    assert answers(ended) == [f"word {number}" for number in range(5)]
    assert ended.run.progress.done == 5
    assert ended.reply.text == answers(ended)[-1] or ended.reply.text in answers(ended)
    meta = ended.result.meta
    assert all(row["attempts"] == 1 and not row["from_cache"] for row in meta)
    assert len({row["request_key"] for row in meta}) == 5
    assert sum(row["cost_usd"] for row in meta) == pytest.approx(
        float(ended.run.progress.spent_usd)
    )


def test_names_come_from_the_row_first_and_then_from_the_user(session, provider):
    provider.always(echo)
    rows = [{"text": "a", "index": "own"}, {"text": "b", "index": "own"}]
    prompt = '{{ index }}{{ text }}{{ row["index"] }}{{ suffix }}'
    ended = run(session, rows, prompt, names={"suffix": "!", "text": "not this"})
    assert answers(ended) == ["0aown!", "1bown!"]
    assert any('row["index"]' in notice for notice in ended.run.progress.notices)


@pytest.mark.parametrize("rows", [[], ()])
def test_no_rows_is_a_result_without_rows(session, provider, rows):
    ended = run(session, rows)
    assert list(ended.result) == []
    assert provider.posts == []


def test_a_second_run_sends_nothing(open_session, provider):
    provider.always(echo)
    first = run(open_session(), texts(6))
    again = run(open_session(), texts(6))
    assert answers(again) == answers(first)
    assert len(provider.posts) == 6
    assert again.run.progress.cached == 6
    assert again.run.progress.spent_usd == 0
    assert all(row["from_cache"] and row["attempts"] == 0 for row in again.result.meta)
    assert [row["answered_at"] for row in again.result.meta] == [
        row["answered_at"] for row in first.result.meta
    ]


def test_stored_answers_are_shown_in_the_order_of_the_table(open_session, provider):
    def fails_at_odd(record):
        is_odd = int(record.json["messages"][0]["content"].split()[1]) % 2
        return scripted.openai_stream(["no number" if is_odd else '{"value": 7}'])

    provider.always(fails_at_odd)
    run(open_session(), texts(13), into=int)
    again = run(open_session(), texts(13), into=int)
    assert again.run.progress.cached == 13
    assert [label for label, _ in again.run.progress.examples] == [1, 3, 5]
    assert again.reply.text == '{"value": 7}'
    assert [row["error"] is None for row in again.result.meta] == [True, False] * 6 + [True]


def test_a_table_that_changed_sends_only_its_new_rows(session, provider):
    provider.always(echo)
    run(session, texts(4))
    ended = run(session, [{"text": "new"}, *texts(3)])
    assert answers(ended) == ["word new", "word 0", "word 1", "word 2"]
    assert prompts(provider)[4:] == ["word new"]


def test_fresh_sends_all_again_and_its_answers_count_from_then_on(session, provider):
    provider.always(scripted.openai_stream(["old"]))
    run(session, texts(2))
    provider.always(scripted.openai_stream(["new"]))
    assert answers(run(session, texts(2), fresh=True)) == ["new", "new"]
    assert answers(run(session, texts(2))) == ["new", "new"]
    assert len(provider.posts) == 4


def test_an_answer_of_another_server_is_not_taken(open_session, provider, monkeypatch):
    provider.always(echo)
    run(open_session(), texts(2))
    with scripted.Provider() as other:
        other.always(scripted.openai_stream(["other"]))
        monkeypatch.setenv("CMD_BASE_URL", other.base_url)
        assert answers(run(open_session(), texts(2))) == ["other", "other"]
        assert len(other.posts) == 2


@pytest.mark.parametrize(
    ("finish", "retry", "sent"),
    [
        ("stop", (), 1),
        ("length", (), 1),
        ("length", "length", 2),
        ("length", ("content_filter",), 1),
        ("content_filter", (), 1),
        ("content_filter", ("content_filter", "length"), 2),
        ("stop", "stop", 2),
    ],
)
def test_how_an_answer_ended_decides_whether_it_is_asked_for_again(
    session, provider, finish, retry, sent
):
    provider.always(scripted.openai_stream(["half"], finish=finish))
    run(session, texts(1))
    run(session, texts(1), retry=retry)
    assert len(provider.posts) == sent


@pytest.mark.parametrize("word", ["lenght", "error"])
def test_a_word_of_retry_that_is_unknown_is_refused(session, provider, word):
    with pytest.raises(OptionError, match=word) as caught:
        run(session, texts(1), retry=word)
    assert "content_filter" in caught.value.hint
    assert provider.posts == []


def test_with_the_history_off_this_kernel_alone_remembers(open_session, provider, monkeypatch):
    monkeypatch.setenv("CMD_HISTORY", "off")
    provider.always(echo)
    session = open_session()
    first = run(session, texts(3))
    assert first.run.progress.is_kept_here_only
    assert run(session, texts(3)).run.progress.cached == 3
    run(open_session(), texts(3))
    assert len(provider.posts) == 6


def test_equal_rows_are_sent_once_and_counted(session, provider):
    provider.always(echo)
    rows = [{"text": "a"}, {"text": "b"}, {"text": "a"}, {"text": "a"}]
    ended = run(session, rows)
    assert answers(ended) == ["word a", "word b", "word a", "word a"]
    assert sorted(prompts(provider)) == ["word a", "word b"]
    assert ended.run.progress.equal == 2
    assert [row["attempts"] for row in ended.result.meta] == [1, 1, 0, 0]
    assert [row["cost_usd"] for row in ended.result.meta][2:] == [0, 0]


def test_equal_rows_that_are_all_sent_are_samples_of_one_request(open_session, provider):
    numbers = iter(range(9))
    provider.always(lambda _: scripted.openai_stream([str(next(numbers))]))
    rows = [{"text": "a"}] * 3
    first = run(open_session(), rows, unique=False, concurrency=1)
    assert answers(first) == ["0", "1", "2"]
    assert answers(run(open_session(), rows, unique=False)) == ["0", "1", "2"]
    assert answers(run(open_session(), [*rows, *rows[:1]], unique=False)) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("prompt", ["word {{ text }}", "no column at all"])
def test_a_hundred_equal_rows_are_refused_until_the_call_says_which_is_meant(
    session, provider, prompt
):
    rows = [{"text": "a"}] * 100
    with pytest.raises(OptionError, match="100 rows ask the same") as caught:
        run(session, rows, prompt)
    assert "unique=True" in caught.value.hint
    assert provider.posts == []
    provider.always(scripted.openai_stream(["ok"]))
    assert answers(run(session, rows, prompt, unique=True)) == ["ok"] * 100
    assert len(provider.posts) == 1


def test_typed_answers_are_values_and_one_that_does_not_fit_is_asked_for_once_more(
    session, provider
):
    def answer(record):
        first = record.json["messages"][0]["content"]
        if first == "word 1" and len(record.json["messages"]) == 1:
            return scripted.openai_stream(["hm"])
        return scripted.openai_stream(['{"value": 7}'])

    provider.always(answer)
    ended = run(session, texts(3), into=int)
    assert answers(ended) == [7, 7, 7]
    assert [row["attempts"] for row in ended.result.meta] == [1, 2, 1]
    tokens = [row["input_tokens"] for row in ended.result.meta]
    assert tokens[1] > tokens[0], "both requests count"


def test_a_row_that_fails_its_type_twice_is_an_error_that_is_kept(open_session, provider):
    def answer(record):
        is_bad = record.json["messages"][0]["content"] == "word 1"
        return scripted.openai_stream(["no number" if is_bad else '{"value": 7}'])

    provider.always(answer)
    first = run(open_session(), texts(3), into=int)
    assert answers(first) == [7, None, 7]
    assert "StreamError" in first.result.meta[1]["error"]
    assert len(provider.posts) == 4
    again = run(open_session(), texts(3), into=int)
    assert answers(again) == [7, None, 7]
    assert "is not int" in again.result.meta[1]["error"]
    assert len(provider.posts) == 4, "two answers that were paid for are not asked for again"
    provider.always(scripted.openai_stream(['{"value": 8}']))
    assert answers(run(open_session(), texts(3), into=int, retry="type")) == [7, 8, 7]


def test_a_type_is_part_of_what_is_asked(session, provider):
    provider.always(scripted.openai_stream(["7"]))
    run(session, texts(1))
    run(session, texts(1), into=int)
    run(session, texts(1), into=Literal["7"])
    assert len(provider.posts) == 3


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (scripted.error(400, "no such thing"), "StatusError"),
        ((*scripted.openai_stream(["half"])[:3], scripted.cut()), "StreamError"),
    ],
)
def test_a_row_that_fails_loses_no_other_and_is_sent_again_by_the_next_run(
    session, provider, fault, kind
):
    def answer(record):
        return (
            fault(record)
            if prompt_of(record) == "word 1" and callable(fault)
            else (fault if prompt_of(record) == "word 1" else echo(record))
        )

    provider.always(answer)
    ended = run(session, texts(4))
    assert answers(ended) == ["word 0", None, "word 2", "word 3"]
    assert kind in ended.result.meta[1]["error"]
    provider.always(echo)
    before = len(provider.posts)
    assert answers(run(session, texts(4))) == [f"word {number}" for number in range(4)]
    assert prompts(provider)[before:] == ["word 1"]


@pytest.mark.parametrize(
    ("on_error", "bad", "is_red"),
    [
        ("keep", {"word 1"}, False),
        ("keep", {"word 0", "word 1", "word 2"}, True),
        ("raise", {"word 1"}, True),
        ("stop", {"word 0"}, True),
        ("raise", set(), False),
    ],
)
def test_on_error_decides_whether_failed_rows_fail_the_run(
    session, provider, on_error, bad, is_red
):
    refused = scripted.error(400, "no such thing")
    provider.always(lambda record: refused(record) if prompt_of(record) in bad else echo(record))
    if not is_red:
        ended = run(session, texts(3), on_error=on_error)
        assert ended.run.progress.failed == len(bad)
        return
    error = raised(session, texts(3), on_error=on_error, concurrency=1)
    assert isinstance(error, RowsError)
    assert len(error.result) == 3
    assert "run it again" in error.hint or "no such thing" in str(error)
    if on_error == "stop":
        assert len(provider.posts) == 1
        assert "2 rows not sent" in str(error)


@pytest.mark.parametrize(
    ("status", "kind"), [(401, AuthError), (402, None)], ids=["refused key", "no credits"]
)
def test_a_refusal_that_no_row_can_pass_ends_the_run(session, provider, status, kind):
    provider.always(scripted.error(status, "no"))
    error = raised(session, texts(50), concurrency=2)
    assert isinstance(error, RowsError)
    assert len(provider.posts) <= 4
    assert kind is None or isinstance(error.__cause__, kind)


def test_a_budget_that_ends_in_the_middle_keeps_what_was_paid_and_says_how_to_go_on(
    session, provider
):
    provider.always(echo)
    whole = run(session, texts(1)).run.progress.spent_usd
    error = raised(session, texts(40), max_usd=str(whole * 20), concurrency=2)
    assert isinstance(error, RowsError)
    assert isinstance(error.__cause__, BudgetError)
    answered = [row["answer"] for row in error.result if row["answer"] is not None]
    assert 0 < len(answered) < 40
    assert "--max-usd" in error.hint
    before = len(provider.posts)
    assert before == len(answered), "nothing was sent beyond the limit"
    ended = run(session, texts(40), max_usd=1)
    assert len(provider.posts) == 40
    assert ended.run.progress.cached == len(answered)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"max_requests": 3}, ["5 requests", "--max-requests is 3"]),
        ({"max_usd": "no"}, ["max_usd"]),
        ({"preview": 0}, ["preview"]),
        ({"concurrency": -1}, ["concurrency"]),
        ({"on_error": "ignore"}, ["on_error", "keep, raise, stop"]),
        ({"unique": "yes"}, ["unique"]),
        ({"model": ["a", "b"]}, ["one model"]),
        ({"into": "int"}, ["into"]),
        ({"check": "len(answer) <"}, ["not a Python expression"]),
        ({"check": "lenght > 1"}, ["lenght"]),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_sent(session, provider, given, words):
    with pytest.raises(OptionError) as caught:
        run(session, texts(5), **given)
    assert all(word in f"{caught.value} {caught.value.hint}" for word in words)
    assert provider.posts == []


def test_a_costly_run_must_name_its_limit(session, provider, monkeypatch):
    session.choices["refuse_above_usd"] = Decimal("0.000001")
    with pytest.raises(OptionError, match="refuse_above_usd") as caught:
        run(session, texts(5))
    assert "--max-usd" in caught.value.hint
    assert provider.posts == []


def test_an_unknown_name_is_an_error_of_the_prompt_not_of_every_row(session, provider):
    with pytest.raises(OptionError, match="txet") as caught:
        run(session, texts(5), "word {{ txet }}")
    assert "text" in caught.value.hint
    assert provider.posts == []


def test_a_row_whose_prompt_cannot_be_made_fails_alone(session, provider):
    provider.always(echo)
    rows = [{"n": 1}, {"n": 0}, {"n": 2}, {"n": None}]
    ended = run(session, rows, "half is {{ 2 / n }}")
    assert answers(ended) == ["half is 2.0", None, "half is 1.0", None]
    assert "ZeroDivisionError" in ended.result.meta[1]["error"]
    assert len(provider.posts) == 2


def test_a_cell_too_large_for_the_model_fails_alone(session, provider):
    session.choices["max_text_chars"] = 50_000_000
    provider.always(scripted.openai_stream(["ok"]))
    ended = run(session, [{"text": "a"}, {"text": "word " * 5_000_000}], max_usd=50)
    assert answers(ended)[0] == "ok"
    assert answers(ended)[1] is None
    assert len(provider.posts) == 1


def test_checks_are_columns_and_see_the_row(session, provider):
    provider.always(echo)
    rows = [{"text": "a", "value": 1, "answer": "own"}, {"text": "bb", "value": 2, "answer": "x"}]
    checks = ['row["value"] == 2', 'answer == f"word {text}"', "limit > len(text)"]
    ended = run(session, rows, check=checks, names={"limit": 2})
    assert [row['row["value"] == 2'] for row in ended.result] == [False, True]
    assert [row[checks[1]] for row in ended.result] == [True, True]
    assert [row[checks[2]] for row in ended.result] == [True, False]
    again = run(session, rows, check=checks, names={"limit": 9})
    assert [row[checks[2]] for row in again.result] == [True, True], "also of stored answers"


def test_a_check_that_raises_is_shown_once_and_fails_no_row(session, provider):
    provider.always(echo)
    ended = run(session, texts(3), check="1 / 0 > 1")
    assert answers(ended) == ["word 0", "word 1", "word 2"]
    (message,) = ended.broken_checks
    assert "ZeroDivisionError" in message


def test_a_preview_sends_the_same_rows_each_time_and_the_full_run_only_the_rest(
    open_session, provider
):
    provider.always(echo)
    first = run(open_session(), texts(20), preview=5)
    assert len(first.result) == 5
    assert len(provider.posts) == 5
    assert first.run.progress.preview_of == 20
    assert len(first.run.progress.shown) == 5
    again = run(open_session(), texts(20), preview=5)
    assert answers(again) == answers(first)
    assert len(provider.posts) == 5
    full = run(open_session(), texts(20))
    assert answers(full) == [f"word {number}" for number in range(20)]
    assert full.run.progress.cached == 5
    assert len(provider.posts) == 20


def test_a_preview_of_more_rows_than_there_are_is_all_of_them(session, provider):
    provider.always(echo)
    assert len(run(session, texts(3), preview=20).result) == 3


class Interrupting(NullRowView):
    """Interrupts once so many rows have ended."""

    def __init__(self, after):
        self.after = after

    def draw(self, progress):
        if progress.ended >= self.after:
            self.after = float("inf")
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("preview", [None, 15])
def test_an_interrupt_keeps_what_has_ended_and_the_next_run_goes_on(
    open_session, provider, preview
):
    provider.always(echo)
    ended = run(open_session(), texts(30), view=Interrupting(5), concurrency=2, preview=preview)
    assert ended.run.progress.is_interrupted
    kept = [each for each in answers(ended) if each is not None]
    assert 5 <= len(kept) < 30
    before = len(provider.posts)
    again = run(open_session(), texts(30))
    assert answers(again) == [f"word {number}" for number in range(30)]
    assert again.run.progress.cached == len(kept)
    assert len(provider.posts) - before == 30 - len(kept)


def test_an_interrupted_run_says_what_is_there(session, provider):
    provider.always(echo)

    call = row_call("word {{ text }}", {"model": MODEL, "concurrency": 1}, name="labels")
    ended = run_call(session, texts(10), call, Interrupting(3))
    with pytest.raises(KeyboardInterrupt) as caught:
        ended.raise_failures(call)
    (note,) = caught.value.__notes__
    assert note.startswith("labels has ")
    assert "run it again to send the other" in note
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class Flight:
    """Answers slowly, and counts how many requests are in flight."""

    def __init__(self, answer=echo, pause_s=0.02):
        self.answer, self.pause_s = answer, pause_s
        self.lock, self.now, self.highest = threading.Lock(), 0, 0

    def __call__(self, record):
        with self.lock:
            self.now += 1
            self.highest = max(self.highest, self.now)
        time.sleep(self.pause_s)
        with self.lock:
            self.now -= 1
        return self.answer(record)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_no_more_rows_than_the_limit_are_in_flight(session, provider, concurrency):
    flight = Flight()
    provider.always(flight)
    run(session, texts(20), concurrency=concurrency)
    assert flight.highest == concurrency


def test_refusals_for_too_many_requests_do_not_use_up_the_retries(session, provider):
    session.choices["max_retries"] = 0
    refusals = {}

    def answer(record):
        prompt = prompt_of(record)
        refusals[prompt] = refusals.get(prompt, 0) + 1
        if refusals[prompt] <= 3:
            return scripted.error(429, "slow down")(record)
        return echo(record)

    provider.always(answer)
    ended = run(session, texts(10), concurrency=5)
    assert answers(ended) == [f"word {number}" for number in range(10)]
    assert all(row["attempts"] == 4 for row in ended.result.meta)
    assert ended.run.progress.refusals == 30


def test_three_of_ten_requests_refused_as_too_many_lose_no_row(session, provider):
    chance, lock, refused = random.Random(7), threading.Lock(), []

    def answer(record):
        with lock:
            is_refused = chance.random() < 0.3
        if is_refused:
            refused.append(prompt_of(record))
            return scripted.error(429, "slow down")(record)
        return echo(record)

    provider.always(answer)
    ended = run(session, texts(60), concurrency=8)
    assert answers(ended) == [f"word {number}" for number in range(60)]
    assert ended.run.progress.refusals == len(refused) > 10
    assert len(provider.posts) == 60 + len(refused), "no row was paid twice"


def test_after_a_refusal_no_more_are_in_flight_than_the_lowered_limit(
    session, provider, monkeypatch
):
    monkeypatch.setattr(ConcurrencyLimit, "finished", lambda *_, **__: None)  # it never grows
    refused, lock, now, later = threading.Event(), threading.Lock(), [0], []

    def answer(record):
        with lock:
            now[0] += 1
            if refused.is_set():
                later.append(now[0])
        time.sleep(0.03)
        with lock:
            now[0] -= 1
            is_first = not refused.is_set() and len(provider.posts) > 10
            if is_first:
                refused.set()
        return scripted.error(429, "slow down")(record) if is_first else echo(record)

    provider.always(answer)
    ended = run(session, texts(60), concurrency=10)
    assert all(each is not None for each in answers(ended))
    settled = later[10:]  # those in flight at the refusal have ended
    assert settled
    assert max(settled) <= 8


@pytest.mark.parametrize("given", [{"retry-after": "3600"}, {"retry-after": "900"}])
def test_a_wait_longer_than_the_limit_is_an_error_that_names_it(session, provider, given):
    provider.always(scripted.error(429, "slow down", headers=given))
    ended = run(session, texts(1))
    (error,) = ended.run.results.errors.values()
    assert isinstance(error, RateLimitError)
    assert "asks to wait" in error.hint


def test_a_row_gives_up_once_it_has_waited_long_enough(session, provider):
    session.choices["give_up_after_s"] = 0.05
    provider.always(scripted.error(429, "slow down"))
    ended = run(session, texts(2))
    assert len(ended.run.results.errors) == 2
    assert len(provider.posts) >= 2


def test_an_interrupt_ends_rows_that_wait_for_their_turn(session, provider, monkeypatch):
    monkeypatch.setattr("cc_jupyter.session.scheduler.backoff_s", lambda _: 30.0)
    provider.always(scripted.error(429, "slow down"))

    class View(NullRowView):
        def draw(self, progress):
            if progress.waiting == 3:
                signal.raise_signal(signal.SIGINT)

    start_s = time.monotonic()
    ended = run(session, texts(3), view=View())
    assert time.monotonic() - start_s < 10
    assert ended.run.progress.is_interrupted


def test_a_full_disk_loses_no_answer_and_the_next_run_writes_them(open_session, provider):
    provider.always(scripted.openai_stream(["x" * 4_000]))
    session = open_session()
    run(session, texts(1))
    with session.history.store._file.reading() as raw:
        (pages,) = raw.execute("PRAGMA page_count").fetchone()
        raw.execute(f"PRAGMA max_page_count = {pages + 6}")
    ended = run(session, texts(20), concurrency=1)
    assert all(answers(ended))
    count = session.history.rows.unsaved
    assert 10 < count < 20, "what was written before the disk was full stays written"
    assert ended.run.progress.unsaved == (
        f"{count} finished rows could not be saved: the disk is full; this kernel has them. Run it"
        " again once that is over: they are saved, not sent again"
    )
    assert ended.run.progress.unsaved in final_bundle(ended.run.progress, "r")["text/plain"]
    again = run(session, texts(20))
    assert again.run.progress.cached == 20, "this kernel has them"
    assert again.run.progress.unsaved is not None
    with session.history.store._file.reading() as raw:
        raw.execute("PRAGMA max_page_count = 1000000")
    assert run(session, texts(20)).run.progress.unsaved is None
    assert run(open_session(), texts(20)).run.progress.cached == 20
    assert len(provider.posts) == 20


def test_a_run_is_one_entry_in_usage_and_nothing_in_search(session, provider):
    provider.always(echo)
    ended = run(session, texts(7))
    store = session.history.store
    (row,) = store.ledger("all")
    assert row.requests == 1
    assert row.reported_usd == ended.run.progress.spent_usd > 0
    assert row.input_tokens == ended.run.progress.input_tokens
    assert store.search("word") == []
    assert store.threads() == []
    (entry,) = store.all_turns()
    assert entry.rows == 7
    assert [reply.cost.usd for reply in session.replies] == [row.reported_usd]
    run(session, texts(7))
    assert store.ledger("all")[0].requests == 1, "a run that sends nothing is no entry"


@pytest.mark.parametrize("period", ["session", "day", "notebook"])
def test_a_budget_holds_for_all_rows_together(session, provider, period):
    provider.always(echo)
    whole = run(session, texts(1)).run.progress.spent_usd
    budget_usd = whole * 30
    session.budget_guard.budget = Budget(budget_usd, period)
    error = raised(session, texts(200), concurrency=4)
    assert isinstance(error.__cause__, BudgetError)
    assert session.budget_guard.replies[-1].cost.usd <= budget_usd
    assert 0 < len(provider.posts) < 200


@pytest.mark.parametrize("of_the_user", [None, Budget(Decimal(100))])
def test_the_budget_of_a_policy_holds_for_rows_too(
    open_session, provider, tmp_path, monkeypatch, of_the_user
):
    policy = tmp_path / "policy.toml"
    policy.write_text("budget_usd = 0.001", encoding="utf-8")
    monkeypatch.setenv("CMD_POLICY", str(policy))
    provider.always(echo)
    session = open_session()
    session.budget_guard.budget = of_the_user
    session.budget_guard.is_off = of_the_user is None  # as after `%cmd budget off`
    error = raised(session, texts(400), concurrency=4)
    assert isinstance(error.__cause__, BudgetError)
    assert str(policy) in error.__cause__.hint
    assert session.budget_guard.replies[-1].cost.usd <= Decimal("0.001")
    assert 0 < len(provider.posts) < 400


def test_the_sum_of_a_run_is_no_example_of_the_length_of_an_answer(session, provider):
    provider.always(echo)
    run(session, texts(1))
    first = session.budget_guard.replies[-1].usage.output_tokens
    run(session, texts(100))
    assert session.budget_guard.replies[-1].usage.output_tokens == 99 * first
    run(session, texts(150), limits=RunLimits(max_usd=Decimal("0.05")))
    assert len(provider.posts) == 150


def test_a_key_in_an_answer_is_not_stored(open_session, provider):
    provider.always(scripted.openai_stream([f"the key is {scripted.KEY}"]))
    session = open_session()
    run(session, texts(2))
    assert scripted.KEY.encode() not in session.history.store.path.read_bytes()
    session.history.close()
    assert scripted.KEY.encode() not in session.history.store.path.read_bytes()


def test_the_constant_part_of_a_long_prompt_is_marked_for_the_cache_and_not_part_of_the_key(
    session, provider
):
    guide = "Follow this guide. " * 400
    provider.always(scripted.anthropic_stream(["ok"]))
    ended = run(session, texts(2), guide + "{{ text }}", model="claude-haiku-5-5")
    blocks = provider.posts[0].json["messages"][0]["content"]
    assert blocks[0] == {
        "type": "text",
        "text": guide,
        "cache_control": {"type": "ephemeral"},
    }
    assert blocks[1] == {"type": "text", "text": "0"} or blocks[1]["text"] == "1"

    keys = {request_key("/messages", record.json) for record in provider.posts}
    assert keys == {row["request_key"] for row in ended.result.meta}


def test_rows_that_begin_alike_are_sent_one_after_the_other(session, provider):
    provider.always(echo)
    rows = [{"a": str(n % 2), "b": str(n)} for n in range(6)]
    run(session, rows, "{{ a }} and {{ b }}", concurrency=1)
    assert [prompt[0] for prompt in prompts(provider)] == list("000111")


def test_the_key_of_a_row_is_that_of_its_request(session, provider):

    provider.always(scripted.openai_stream(['{"value": 1}']))
    rows = [{"text": 'quotes "and" \\ ü \u2028'}, {"text": "plain"}]
    ended = run(session, rows, into=int, system="be brief")
    sent = {request_key("/chat/completions", record.json) for record in provider.posts}
    assert sent == {row["request_key"] for row in ended.result.meta}


def test_errors_of_the_type_name_no_variable_that_is_another_answer(session, provider):
    provider.always(scripted.openai_stream(["no number"]))
    ended = run(session, texts(1), into=int)
    (error,) = ended.run.results.errors.values()
    assert isinstance(error, StreamError)
    assert "_cmd" not in (error.hint or "")


@pytest.mark.parametrize(
    ("hint", "in_words"),
    [
        ("add --max-usd 0.5 to allow it", "add max_usd=0.5 to allow it"),
        ("add --max-requests 60, or vary less", "add max_requests=60, or vary less"),
        ("run it again", "run it again"),
        (None, None),
    ],
)
def test_hints_name_arguments_in_python(hint, in_words):
    assert in_python(OptionError("too much", hint=hint)).hint == in_words
