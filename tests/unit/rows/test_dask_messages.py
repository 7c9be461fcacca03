"""What the kernel and the workers of a Dask cluster tell each other, without a cluster."""

from __future__ import annotations

import pickle
import threading
from queue import SimpleQueue

import pytest
from support.plain_server import wait_until

from cc_jupyter.client.endpoint import KeyPlaces
from cc_jupyter.core.version import __version__
from cc_jupyter.rows.executors import dask_cluster
from cc_jupyter.rows.executors.dask_cluster import DaskPool
from cc_jupyter.rows.executors.dask_task import Answer, Desk, Inquiry, Missing, Ready
from cc_jupyter.rows.executors.remote_stream import Lost
from cc_jupyter.rows.executors.transfer import Outcome, Stop, Target, Work

_READY = Ready("a worker", "its topic")


class Worker:
    """A worker's side of a run: what it takes next, and what it has reported."""

    def __init__(self, silence_s=60.0):
        self.reports = []
        self.desk = Desk("the kernel", _READY, self.reports.append, silence_s)

    def takes(self, *messages):
        """Return what of these messages is to be acted on."""
        for message in (*messages, None):
            self.desk.inbox.put(message)
        return list(iter(self.desk.next_message, None))


def work(number):
    return Work(number, None, None)


def test_a_request_that_comes_twice_is_sent_once():
    worker = Worker()
    assert worker.takes(work(1), work(2), work(1)) == [work(1), work(2)]
    worker.desk.deliver(1, Outcome())
    assert worker.takes(work(1)) == []


def test_an_inquiry_shows_what_never_came():
    worker = Worker()
    assert worker.takes(work(1), Inquiry((1, 2, 3))) == [work(1)]
    assert worker.reports == [Missing("a worker", (2, 3))]


def test_an_outcome_that_was_lost_is_returned_at_the_second_inquiry():
    worker = Worker()
    worker.takes(work(1), work(2))
    worker.desk.deliver(1, Outcome(requests_sent=1))
    answer = Answer(1, Outcome(requests_sent=1))
    worker.takes(Inquiry((1, 2)))
    assert worker.reports == [answer], "it may be on its way"
    worker.takes(Inquiry((1, 2)))
    assert worker.reports == [answer, answer]
    worker.takes(Inquiry((2,)))
    assert worker.reports == [answer, answer]
    worker.takes(Inquiry((1, 2)))
    assert worker.reports[-1] == Missing("a worker", (1,)), "an outcome that arrived is not kept"


def test_what_no_row_waits_for_is_stopped():
    worker = Worker()
    assert worker.takes(work(1), work(2), Inquiry((2,))) == [work(1), work(2), Stop((1,))]


def test_a_worker_that_hears_nothing_says_again_that_it_is_ready():
    worker = Worker(silence_s=0.01)
    taken = threading.Thread(target=worker.desk.next_message)
    taken.start()
    wait_until(lambda: worker.reports[:2] == [_READY, _READY])
    worker.desk.inbox.put(None)
    taken.join()


class Cluster:
    """A client whose cluster reports no worker that comes or goes."""

    id = "the kernel"
    status = "running"

    def __init__(self):
        self.present = ["first", "second"]
        self.hanging = threading.Event()
        self.handed = []
        self._handlers = {}

    def subscribe_topic(self, topic, handler):
        self._handlers[topic] = handler

    def unsubscribe_topic(self, topic):
        del self._handlers[topic]

    def run(self, function, *_arguments, workers, on_error):
        assert callable(function)
        assert on_error == "return"
        if workers == ["hanging"]:
            self.hanging.wait()
        return dict.fromkeys(workers or self.present, (__version__, ""))

    def submit(self, _function, *_arguments, workers, **_options):
        self.reports(Ready(workers[0], workers[0]))
        return self

    def add_done_callback(self, done):
        """Never call it: a task runs as long as the pool."""

    def nthreads(self):
        return dict.fromkeys(self.present, 1)

    def log_event(self, topic, event):
        _, messages = pickle.loads(event)
        self.handed += [(topic, each) for each in messages if isinstance(each, Work)]

    def cancel(self, tasks, *, force):
        assert tasks == [self]
        assert force

    def close(self):
        self.status = "closed"

    def reports(self, item):
        self._handlers[self.id]((0.0, pickle.dumps(item)))


@pytest.fixture
def cluster(monkeypatch):
    made = Cluster()
    monkeypatch.setattr(dask_cluster, "_own_client", lambda client: client)
    monkeypatch.setattr(dask_cluster, "_INQUIRY_S", 0.01)
    yield made
    made.hanging.set()


@pytest.fixture
def pool(cluster):
    with DaskPool(cluster, Target("https://example.test/v1", "api", KeyPlaces(()))) as opened:
        yield opened


def send(pool):
    inbox = SimpleQueue()
    return pool.send(None, None, zdr=False, inbox=inbox), inbox


def test_a_request_that_a_worker_misses_is_handed_to_it_again(cluster, pool):
    number, inbox = send(pool)
    wait_until(lambda: cluster.handed == [("first", work(number))])
    cluster.reports(Missing("first", (number,)))
    wait_until(lambda: cluster.handed == 2 * [("first", work(number))])
    cluster.reports(Answer(number, Outcome()))
    assert inbox.get(timeout=20) == Outcome()
    cluster.reports(Missing("first", (number,)))
    other, _ = send(pool)
    wait_until(lambda: cluster.handed[2:] == [("first", work(other))])


def test_a_worker_that_goes_without_an_event_is_noticed(cluster, pool):
    _, inbox = send(pool)
    cluster.present.remove("first")
    assert inbox.get(timeout=20) == Lost("first")
    assert pool.notices == ["first ended with 1 row in flight, which may be paid twice"]


def test_a_worker_that_comes_without_an_event_is_used(cluster, pool):
    cluster.present.append("third")
    wait_until(lambda: "third" in pool._in_flight())


def test_a_newcomer_that_hangs_keeps_no_other_worker_waiting(cluster, pool):
    cluster.present.append("hanging")
    wait_until(lambda: "hanging" in pool._known)
    number, _ = send(pool)
    wait_until(lambda: cluster.handed == [("first", work(number))])
    assert "hanging" not in pool._in_flight()
