"""Rows over threads and over real processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.connection import Client

import pytest
from support.provider import KEY, error, hang, openai_stream, sse, wait
from support.rows_runs import (
    FaultyProvider,
    Rows,
    asked,
    highest_in_flight,
    paid,
    prompt,
    right_answer,
)

from cc_jupyter.client.endpoint import KeyPlaces
from cc_jupyter.core.errors import ConfigError, ConnectError, OptionError
from cc_jupyter.core.version import __version__
from cc_jupyter.rows.executors.open_pool import workers_of
from cc_jupyter.rows.executors.processes import run_lane
from cc_jupyter.rows.executors.sender import Sender, _sender_to
from cc_jupyter.rows.executors.transfer import Outcome, Target, Work
from cc_jupyter.session.session import Session


@pytest.fixture(autouse=True)
def kernel(monkeypatch, provider):
    monkeypatch.setenv("CMD_BASE_URL", provider.base_url)
    monkeypatch.setenv("CMD_API_KEY", KEY)


@pytest.fixture
def processes():
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as executor:
        yield executor


@pytest.fixture
def threads():
    with ThreadPoolExecutor(8) as executor:
        yield executor


def open_workers(executor, **spec):
    session = Session()
    return workers_of(executor, session, Rows(session, 1, **spec).requests[0], concurrency=4)


def new_executor(kind):
    """Return an executor by the name of its kind; a new interpreter takes seconds to start."""
    if kind == "threads":
        return ThreadPoolExecutor(16)
    context = multiprocessing.get_context(kind)
    return ProcessPoolExecutor(1 if kind == "spawn" else 2, mp_context=context)


@pytest.mark.parametrize("kind", ["fork", "spawn", "threads"])
def test_every_row_gets_its_own_answer(provider, kind):
    provider.always(FaultyProvider(0.02))
    rows = Rows(Session(), 80)
    executor = new_executor(kind)
    with executor:
        while rows.missing:
            rows.send(executor, concurrency=16)
    assert [rows.replies[at].text for at in range(80)] == [
        right_answer(prompt(at)) for at in range(80)
    ]
    assert highest_in_flight(provider.posts) <= 16
    assert {each.headers["authorization"] for each in provider.posts} == {f"Bearer {KEY}"}


def test_a_process_has_many_requests_in_flight(provider, processes):
    provider.always(wait("all"), openai_stream("yes"))
    rows = Rows(Session(), 12)

    def open_gate():
        provider.wait_for_requests(12, 20)
        provider.gate("all").set()

    opened = threading.Thread(target=open_gate)
    opened.start()
    rows.send(processes, concurrency=12)
    opened.join()
    assert len(rows.replies) == 12
    assert highest_in_flight(provider.posts) == 12


def test_an_answer_that_is_there_does_not_wait_for_a_slow_one(provider, processes):
    def answer(record):
        if asked(record) == prompt(0):
            return (wait("slow"), *openai_stream("late"))
        return openai_stream("soon")

    provider.always(answer)
    rows = Rows(Session(), 6)

    def finished():
        if len(rows.replies) == 5:
            assert rows.in_flight == {0}
            provider.gate("slow").set()

    rows.on_finished = finished
    rows.send(processes, concurrency=3)
    assert rows.replies[0].text == "late"


def test_the_reply_is_what_a_request_of_the_kernel_returns(provider, processes):
    provider.always(openai_stream(["Hel", "lo"], reasoning=["why", " not"], pause_s=0.05))
    replies = []
    for executor in (None, processes):
        rows = Rows(Session(), 1)
        rows.send(executor, concurrency=1)
        replies.append(rows.replies[0])
    alike = ("text", "reasoning", "usage", "cost", "stop_reason", "stop_word", "model")
    here, there = ({name: getattr(each, name) for name in alike} for each in replies)
    assert there == here
    assert replies[1].provenance.request_key == replies[0].provenance.request_key
    assert replies[1].provenance.request_sha256 == replies[0].provenance.request_sha256
    assert 0.05 < replies[1].time_to_first_token_s < replies[1].duration_s - 0.1


def test_a_refusal_comes_back_with_its_words(provider, processes):
    provider.always(error(400, "no such thing", code="unsupported_model"))
    rows = Rows(Session(), 1)
    rows.send(processes, concurrency=1)
    assert type(rows.failed[0]).__name__ == "ModelError"
    assert "no such thing" in str(rows.failed[0])
    assert rows.failed[0].status == 400
    assert rows.failed[0].hint.startswith("did you mean deepseek/")  # the kernel adds it


def test_an_interrupt_ends_all_streams_and_keeps_what_came(provider, processes):
    part = [each for each in openai_stream(["Hel"]) if each != sse("[DONE]")][:3]
    provider.always(*part, hang())
    rows = Rows(Session(), 8)

    def interrupt():
        provider.wait_for_requests(4, 20)
        time.sleep(0.3)
        interrupt.at_s = time.perf_counter()
        os.kill(os.getpid(), signal.SIGINT)

    sender = threading.Thread(target=interrupt)
    sender.start()
    rows.send(processes, concurrency=4)
    sender.join()
    for record in provider.posts:
        record.wait_until_over()
        assert record.client_left_s - interrupt.at_s < 1
    assert len(provider.posts) == 4
    assert {type(each) for each in rows.failed.values()} == {KeyboardInterrupt}


def test_a_pool_is_used_again_for_the_next_run(provider, processes):
    provider.always(openai_stream("yes"))
    for _ in range(3):
        rows = Rows(Session(), 6)
        rows.send(processes, concurrency=3)
        assert not rows.missing


class StrangerExecutor(ProcessPoolExecutor):
    """An executor on a machine where another program knocks before each of its processes."""

    def submit(self, function, /, *arguments):
        if function is run_lane:
            with pytest.raises(multiprocessing.AuthenticationError):
                Client(arguments[0], authkey=b"another secret")
        return super().submit(function, *arguments)


def test_a_stranger_that_connects_is_turned_away_and_changes_nothing(provider):
    provider.always(openai_stream("yes"))
    rows = Rows(Session(), 6)
    with StrangerExecutor(2, mp_context=multiprocessing.get_context("fork")) as executor:
        rows.send(executor, concurrency=3)
    assert not rows.missing


def test_a_process_that_dies_loses_no_finished_row(provider, processes):
    provider.always(FaultyProvider(0.05))
    rows = Rows(Session(), 60)
    at_kill: set[int] = set()

    def kill():
        if len(rows.replies) == 20 and not at_kill:
            at_kill.update(rows.in_flight)
            os.kill(next(iter(processes._processes)), signal.SIGKILL)

    rows.on_finished = kill
    rows.send(processes, concurrency=8)
    assert rows.missing
    failed = {at for at in rows.failed if prompt(at) not in provider._always[0].cut}
    assert {type(rows.failed[at]) for at in failed} == {ConnectError}
    lost = {at for at in failed if "may have been paid" in str(rows.failed[at])}
    assert 0 < len(lost) <= 8  # the executor ends the other process too, a moment later
    assert any("ended with" in each for each in rows.notices)
    with pytest.raises(ConfigError, match="the executor runs nothing, so nothing was sent"):
        rows.send(processes, concurrency=8)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as new:
        while rows.missing:
            rows.send(new, concurrency=8)
    twice = {text for text, count in paid(provider.posts).items() if count > 1}
    may_be_twice = {prompt(number) for number in at_kill | lost}
    assert twice <= may_be_twice | provider._always[0].cut


def test_a_key_of_the_kernel_alone_is_named_before_anything_is_sent(
    provider, processes, monkeypatch
):
    processes.submit(os.getpid).result()  # they exist, and their environment is what it was
    monkeypatch.setenv("LATE_KEY", KEY)
    with pytest.raises(ConfigError, match=r"1 worker of 1 cannot send.*LATE_KEY is not set"):
        Rows(Session(), 1, key_env="LATE_KEY").send(processes, concurrency=2)
    assert not provider.posts


def test_a_process_with_another_version_is_named_before_anything_is_sent(
    provider, processes, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr("cc_jupyter.rows.executors.sender.__version__", "0.0.1")
        processes.submit(os.getpid).result()  # it starts now, as a copy of this process
    message = (
        rf"1 worker of 1 cannot send.*it has cc_jupyter 0\.0\.1, and the kernel has {__version__}"
    )
    with pytest.raises(ConfigError, match=message):
        Rows(Session(), 1).send(processes, concurrency=1)
    assert not provider.posts


def test_a_stored_key_is_found_by_the_processes_themselves(processes, isolated_home):
    from cc_jupyter.config.credentials import Key, save_in_file  # noqa: PLC0415
    from cc_jupyter.rows.executors.sender import key_problem  # noqa: PLC0415

    places = KeyPlaces(("NO_SUCH_KEY",), has_stored=True)
    assert "nor a stored key" in processes.submit(key_problem, places).result()
    save_in_file(Key("stored-key", "a test"))
    assert processes.submit(key_problem, places).result() == ""
    assert processes.submit(key_problem, places._replace(has_stored=False)).result()


@pytest.mark.parametrize(
    ("executor", "kind", "message"),
    [
        (object(), OptionError, "and this is a object"),
        ("threads", OptionError, "and this is a str"),
        (lambda: None, OptionError, "and this is a function"),
    ],
)
def test_what_is_no_executor_is_named(executor, kind, message):
    with pytest.raises(kind, match=message), open_workers(executor):
        pass


@pytest.mark.parametrize("kind", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_an_executor_that_was_shut_down_is_named(kind):
    executor = kind(1)
    executor.shutdown()
    with (
        pytest.raises(ConfigError, match="runs nothing, so nothing was sent: cannot schedule"),
        open_workers(executor),
    ):
        pass


class ElsewhereExecutor(Executor):
    """An executor whose workers say that they are on another machine."""

    def __init__(self):
        self._threads = ThreadPoolExecutor(2)

    def submit(self, function, /, *arguments, **named):
        if getattr(function, "__name__", "") == "_identity":
            future = Future()
            future.set_result(("another machine", 1))
            return future
        return self._threads.submit(function, *arguments, **named)


def test_a_machine_elsewhere_uses_its_own_environment(provider, monkeypatch):
    provider.always(openai_stream("yes"))
    rows = Rows(Session(), 4)
    rows.send(ElsewhereExecutor(), concurrency=2)
    assert not rows.missing
    provider.clear()
    provider.always(openai_stream("yes"))
    rows = Rows(Session(), 2)
    monkeypatch.delenv("CMD_API_KEY")  # the kernel has found it already
    _sender_to.cache_clear()  # here, the other machine is this process
    rows.send(ElsewhereExecutor(), concurrency=2)
    assert not provider.posts
    assert all("it has no key: CMD_API_KEY or" in str(each) for each in rows.failed.values())


def test_a_machine_elsewhere_with_another_version_sends_nothing(provider, monkeypatch):
    monkeypatch.setattr("cc_jupyter.rows.executors.sender.__version__", "0.0.1")
    rows = Rows(Session(), 2)
    rows.send(ElsewhereExecutor(), concurrency=2)
    assert not provider.posts
    for problem in rows.failed.values():
        assert isinstance(problem, ConfigError)
        assert f"has cc_jupyter 0.0.1, and the kernel has {__version__}" in str(problem)


def test_an_outcome_that_cannot_travel_leaves_no_row_waiting():
    delivered = []

    def deliver(work_id, outcome):
        pickle.dumps(outcome)
        delivered.append((work_id, outcome))

    sender = Sender(Target("https://example.test/v1", "api", KeyPlaces(())), deliver)
    sender.outcome = lambda _work: Outcome(events=(threading.Lock(),))
    sender.run(Work(1, None, None))
    [(work_id, outcome)] = delivered
    assert work_id == 1
    assert "internal error: TypeError: cannot pickle" in str(outcome.error)


def test_threads_end_what_waits_for_its_turn(provider, threads):
    provider.always(hang())
    rows = Rows(Session(), 30)

    def interrupt():
        provider.wait_for_requests(8, 20)
        rows.run.interrupt()

    sender = threading.Thread(target=interrupt)
    sender.start()
    rows.send(threads, concurrency=20)
    sender.join()
    assert len(rows.failed) == 30
    assert {type(each) for each in rows.failed.values()} == {KeyboardInterrupt}


def test_a_cassette_is_the_kernels_alone(provider, processes, tmp_path, monkeypatch):
    provider.always(openai_stream("recorded"))
    monkeypatch.setenv("CMD_CASSETTE", f"record:{tmp_path / 'a.jsonl'}")
    Rows(Session(), 1).send(processes, concurrency=1)
    assert len(provider.posts) == 1
    monkeypatch.setenv("CMD_CASSETTE", f"replay:{tmp_path / 'a.jsonl'}")
    rows = Rows(Session(), 1)
    rows.send(processes, concurrency=1)
    assert rows.replies[0].replayed
    assert len(provider.posts) == 1
