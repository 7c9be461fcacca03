"""Rows over a real Dask cluster: four processes on loopback, one cluster for the file."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial

import dask
import dask.dataframe as dd
import distributed
import pandas as pd
import psutil
import pytest
from support.private_environment import private_folders
from support.provider import KEY, error, hang, openai_stream, pause, wait
from support.row_kernels import KilledRuns
from support.rows_runs import (
    MODEL,
    FaultyProvider,
    Rows,
    asked,
    highest_in_flight,
    most_over_limit,
    paid,
    prompt,
    right_answer,
)

from cc_jupyter import map_rows
from cc_jupyter.core.errors import ConfigError
from cc_jupyter.core.version import __version__
from cc_jupyter.rows.calls import run_call
from cc_jupyter.rows.executors import dask_cluster
from cc_jupyter.rows.executors.dask_cluster import DaskPool
from cc_jupyter.rows.executors.dask_task import Answer, Ready
from cc_jupyter.rows.executors.transfer import Work
from cc_jupyter.rows.progress import NullRowView
from cc_jupyter.rows.python_call import row_call
from cc_jupyter.session.session import Session

WORKERS = 4


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Keep what the workers inherit for the whole file: a home of their own, and the key."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in private_folders(tmp_path_factory.mktemp("cluster")).items():
            patch.setenv(name, value)
        patch.setenv("CMD_API_KEY", KEY)
        yield


@pytest.fixture(scope="module")
def messages():
    """Record every message of the scheduler and of this process's clients, as bytes."""
    seen: list[bytes] = []
    tcp = distributed.comm.tcp
    write, read = tcp.to_frames, tcp.from_frames

    def keep(frames):
        seen.extend(bytes(frame) for frame in frames)

    async def to_frames(*arguments, **named):
        frames = await write(*arguments, **named)
        keep(frames)
        return frames

    async def from_frames(frames, *arguments, **named):
        keep(frames if isinstance(frames, list) else [frames])
        return await read(frames, *arguments, **named)

    with (
        pytest.MonkeyPatch.context() as patch,
        dask.config.set({"distributed.comm.compression": None}),
    ):
        patch.setattr(tcp, "to_frames", to_frames)
        patch.setattr(tcp, "from_frames", from_frames)
        yield seen


@pytest.fixture(scope="module")
def cluster(environment, messages):
    with (
        # a worker that takes longer than 15 s to start again would be dropped: likely under load
        dask.config.set({"distributed.deploy.lost-worker-timeout": "5 minutes"}),
        distributed.LocalCluster(
            n_workers=WORKERS, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as started,
    ):
        yield started


@pytest.fixture(scope="module")
def client(cluster):
    with distributed.Client(cluster) as connected:
        connected.wait_for_workers(WORKERS)
        yield connected


@pytest.fixture(autouse=True)
def all_workers(client):
    """Wait for the worker that takes the place of one that a test has killed."""
    client.wait_for_workers(WORKERS, timeout=120)


@pytest.fixture(autouse=True)
def kernel(monkeypatch, provider):
    monkeypatch.setenv("CMD_BASE_URL", provider.base_url)
    monkeypatch.setenv("CMD_API_KEY", KEY)


def pids(client):
    return client.run(os.getpid)


def test_a_thousand_rows_survive_faults_a_killed_worker_and_two_killed_kernels(
    provider, client, cluster
):
    faults = FaultyProvider(0.05)
    provider.always(faults)
    runs = KilledRuns(provider, 1000, 40, cluster.scheduler_address)
    worker = next(iter(pids(client).values()))

    def kill_a_worker():
        provider.wait_for_requests(480, 900)
        os.kill(worker, signal.SIGKILL)

    runs.kill_at(300)
    runs.kill_at(700, kill_a_worker)
    answers = runs.finish(most_runs=7)
    assert answers == [right_answer(prompt(at)) for at in range(1000)]
    times_paid = paid(provider.posts)
    twice = {text for text, times in times_paid.items() if times > 1} - faults.cut
    assert len(twice) <= 3 * 40, "those in flight at the three kills"
    assert highest_in_flight(provider.posts) <= 40
    assert all(most_over_limit(requests, 40) <= 0 for requests in runs.requests)
    assert 429 in {each.status for each in provider.posts}


def test_no_message_of_the_scheduler_contains_the_key(provider, client, messages):
    provider.always(lambda record: openai_stream(f"the key is {KEY}, {right_answer('a')}"))
    messages.clear()
    rows = Rows(Session(), 20)
    rows.send(client, concurrency=8)
    assert not rows.missing
    assert {each.headers["authorization"] for each in provider.posts} == {f"Bearer {KEY}"}
    everything = b"\0".join(messages)
    assert prompt(7).encode() in everything  # it is here that requests and answers pass
    assert right_answer("a").encode() in everything
    assert KEY.encode() not in everything
    assert KEY[4:20].encode() not in everything


class LossyPool(DaskPool):
    """Loses the first message of each kind from each worker, and to it."""

    def __init__(self, *arguments):
        self.lost = set()
        super().__init__(*arguments)
        self._client.log_event = partial(self.log_event, self._client.log_event)

    def loses(self, message, worker):
        kind = type(message)
        is_lost = kind in (Work, Answer, Ready) and (kind, worker) not in self.lost
        if is_lost:
            self.lost.add((kind, worker))
        return is_lost

    def log_event(self, send, topic, event):
        task, messages = pickle.loads(event)
        send(topic, pickle.dumps((task, [each for each in messages if not self.loses(each, task)])))

    def _on_message(self, event):
        if isinstance(event[1], bytes):
            message = pickle.loads(event[1])
            if self.loses(message, getattr(message, "worker", "any")):
                return
        super()._on_message(event)


def test_lost_messages_leave_no_row_waiting_and_pay_none_twice(provider, client, monkeypatch):
    monkeypatch.setattr(dask_cluster, "_INQUIRY_S", 0.5)
    monkeypatch.setattr(dask_cluster, "_READY_S", 0.1)
    pools = []

    def lossy(*arguments):
        pools.append(LossyPool(*arguments))
        return pools[-1]

    monkeypatch.setattr(dask_cluster, "DaskPool", lossy)
    provider.always(lambda record: (pause(0.1), *openai_stream(right_answer(asked(record)))))
    rows = Rows(Session(), 60)
    rows.send(client, concurrency=12)
    assert {kind for kind, _ in pools[0].lost} == {Work, Answer, Ready}
    assert [rows.replies[at].text for at in range(60)] == [
        right_answer(prompt(at)) for at in range(60)
    ]
    assert len(provider.posts) == 60
    assert highest_in_flight(provider.posts) <= 12


def connections(pid, port):
    """Return how many connections a process has to a port."""
    return sum(
        each.raddr.port == port for each in psutil.Process(pid).net_connections() if each.raddr
    )


def test_the_workers_share_the_requests_evenly(provider, client):
    provider.always(wait("all"), openai_stream("yes"))
    rows = Rows(Session(), 40)
    shares = []

    def open_gate():
        provider.wait_for_requests(40, 60)
        shares.extend(connections(pid, provider.port) for pid in pids(client).values())
        provider.gate("all").set()

    opened = threading.Thread(target=open_gate)
    opened.start()
    rows.send(client, concurrency=40)
    opened.join()
    assert not rows.missing
    assert shares == [10] * WORKERS


def test_the_limit_holds_after_a_refusal_of_too_many(provider, client):
    refused: list[str] = []

    def answer(record):
        if not refused:
            refused.append(asked(record))
            return error(429, headers={"retry-after": "0"})(record)
        return (pause(0.2), *openai_stream("yes"))

    provider.always(answer)
    rows = Rows(Session(), 120)
    rows.send(client, concurrency=20)
    assert not rows.missing
    assert most_over_limit(provider.posts, 20) <= 0
    late = [each for each in provider.posts if each.received_s > provider.posts[0].received_s + 0.8]
    assert late


@pytest.mark.parametrize("where", ["the kernel's variables", "nowhere"])
def test_workers_without_a_key_are_named_before_anything_is_sent(
    provider, client, monkeypatch, where
):
    monkeypatch.setenv("LATE_KEY", KEY)
    with pytest.raises(ConfigError) as raised:
        Rows(Session(), 1, key_env="LATE_KEY").send(client, concurrency=2)
    assert str(raised.value).startswith("4 workers of 4 cannot send, so nothing was sent: tcp://")
    assert "it has no key: LATE_KEY is not set there" in str(raised.value)
    assert "and 1 more" in str(raised.value)
    assert not provider.posts


def other_version():
    import cc_jupyter.core.version as module  # noqa: PLC0415  it runs on a worker

    module.__version__ = "0.0.1"


def no_package():
    import sys  # noqa: PLC0415  it runs on a worker

    sys.modules["cc_jupyter.core.version"] = None


def as_before(version):
    import importlib  # noqa: PLC0415  it runs on a worker
    import sys  # noqa: PLC0415

    if sys.modules["cc_jupyter.core.version"] is None:
        del sys.modules["cc_jupyter.core.version"]
    importlib.import_module("cc_jupyter.core.version").__version__ = version


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_version, f"it has cc_jupyter 0.0.1, and the kernel has {__version__}"),
        (no_package, "cc_jupyter is not installed there"),
    ],
)
def test_a_worker_with_another_package_is_named(provider, client, change, message):
    address = next(iter(pids(client)))
    by_value = _by_value(change)
    client.run(by_value, workers=[address])
    try:
        with pytest.raises(ConfigError) as raised:
            Rows(Session(), 1).send(client, concurrency=2)
    finally:
        client.run(_by_value(as_before), __version__, workers=[address])
    assert str(raised.value) == (
        f"1 worker of 4 cannot send, so nothing was sent: {address}: {message}"
    )
    assert not provider.posts


def _by_value(function):
    """Return a function that travels as code: workers cannot import this file."""
    code = function.__code__

    def wrapper(*arguments):
        return type(lambda: None)(code, {"__builtins__": __builtins__})(*arguments)

    return wrapper


def another_clock(days):
    import datetime as dt  # noqa: PLC0415  it runs on a worker
    import importlib  # noqa: PLC0415

    class Clock(dt.datetime):
        @classmethod
        def now(cls, tz=None):
            return dt.datetime.now(tz) + dt.timedelta(days)

    for name in ("client.client", "client.decoder", "session.session"):
        importlib.import_module(f"cc_jupyter.{name}").datetime = Clock if days else dt.datetime


def test_the_clock_of_a_worker_decides_nothing(provider, client):
    began = datetime.now(UTC)
    dates = {"date": began, "retry-after": began + timedelta(seconds=1)}
    refusal = error(
        429, headers={name: format_datetime(at, usegmt=True) for name, at in dates.items()}
    )
    provider.play(refusal)
    provider.always(openai_stream("yes"))
    given = {"model": MODEL, "executor": client, "concurrency": 4}
    frame = pd.DataFrame({"number": range(8)})
    client.run(_by_value(another_clock), -2)
    try:
        ended = run_call(Session(), frame, row_call("{{ number }}", given), NullRowView())
    finally:
        client.run(_by_value(another_clock), 0)
    assert ended.result["answer"].tolist() == ["yes"] * 8
    assert ended.run.progress.refusals == 1
    answered_at = pd.Series(ended.run.results.meta()["answered_at"])
    assert answered_at.between(began, datetime.now(UTC)).all()


def test_an_interrupt_ends_all_streams_on_the_cluster(provider, client):
    provider.always(*openai_stream(["Hel"])[:2], hang())
    rows = Rows(Session(), 12)
    sent_s = []

    def interrupt():
        provider.wait_for_requests(8, 60)
        time.sleep(0.3)
        sent_s.append(time.perf_counter())
        rows.run.interrupt()

    sender = threading.Thread(target=interrupt)
    sender.start()
    rows.send(client, concurrency=8)
    sender.join()
    for record in provider.posts:
        record.wait_until_over()
        assert record.client_left_s is not None
        assert record.client_left_s - sent_s[0] < 1
    assert len(provider.posts) == 8
    assert {type(each) for each in rows.failed.values()} == {KeyboardInterrupt}


def test_a_closed_client_is_named_before_anything_is_sent(provider, cluster):
    with distributed.Client(cluster) as closed:
        pass
    with pytest.raises(ConfigError, match="the Dask client is closed, so nothing was sent"):
        Rows(Session(), 1).send(closed, concurrency=2)
    assert not provider.posts


def test_a_client_that_is_closed_during_the_run_costs_nothing(provider, cluster):
    provider.always(pause(0.1), openai_stream("yes"))
    client = distributed.Client(cluster)
    rows = Rows(Session(), 60)

    def close():
        if len(rows.replies) == 20:
            client.close()

    rows.on_finished = close
    rows.send(client, concurrency=20)
    assert not rows.missing


def test_a_worker_that_hangs_costs_the_others_nothing(provider, client):
    """A worker that is slow, or stopped, holds its own rows; the rest goes on."""
    provider.always(pause(0.05), openai_stream("yes"))
    rows = Rows(Session(), 80)
    stopped = next(iter(pids(client).values()))

    def stop():
        if len(rows.replies) == 10:
            os.kill(stopped, signal.SIGSTOP)
        elif len(rows.replies) == 60:
            os.kill(stopped, signal.SIGCONT)

    rows.on_finished = stop
    rows.send(client, concurrency=12)
    assert not rows.missing
    assert not rows.failed


def test_a_frame_is_filled_in_and_sent_by_the_cluster(provider, client):
    provider.always(lambda record: openai_stream(right_answer(asked(record))))
    here = os.getpid()
    data = pd.DataFrame({"number": range(60)})
    frame = dd.from_pandas(data, npartitions=6)
    text = "row {{ '%05d' % number }}{{ '' if os.getpid() != here else ' filled in the kernel' }}"
    call = row_call(
        text,
        {"model": MODEL, "executor": client, "concurrency": 12},
        local_ns={"os": os, "here": here},
    )
    ended = run_call(Session(), frame, call, NullRowView())
    computed = ended.result.compute()
    assert computed["answer"].tolist() == [right_answer(prompt(at)) for at in range(60)]
    assert ended.result.npartitions == 6
    assert len(provider.posts) == 60
    again = run_call(Session(), frame, call, NullRowView())
    assert len(provider.posts) == 60
    assert again.run.progress.cached == 60


def test_workers_without_the_package_make_no_prompts(provider, client):
    address = next(iter(pids(client)))
    client.run(_by_value(no_package), workers=[address])
    frame = dd.from_pandas(pd.DataFrame({"number": range(4)}), npartitions=2)
    try:
        with pytest.raises(ConfigError, match="cc_jupyter is not installed there"):
            map_rows(frame, "{{ number }}", model=MODEL)
    finally:
        client.run(_by_value(as_before), __version__, workers=[address])
    assert not provider.posts
