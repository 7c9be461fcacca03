"""Sends the requests of a run in a worker's process, with the client of this package.

Each request has a thread of its own, and its outcome is delivered when it ends. The key is found
in this process and never leaves it.
"""

from __future__ import annotations

import functools
import socket
import threading
from contextlib import closing
from time import monotonic
from typing import TYPE_CHECKING

from cc_jupyter.client.endpoint import Endpoint
from cc_jupyter.core.errors import CcError, ConfigError, StreamError
from cc_jupyter.core.events import ReasoningDelta, TextDelta
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.version import __version__
from cc_jupyter.rows.executors.transfer import Fitness, Outcome, Stop, compact
from cc_jupyter.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cc_jupyter.client.client import RequestStream
    from cc_jupyter.client.endpoint import KeyPlaces
    from cc_jupyter.core.events import StreamEvent
    from cc_jupyter.rows.executors.transfer import Message, Target, Work


_MAX_STOPPED = 10_000
"""How many ids of stopped requests are remembered that have not come yet."""


def fitness(target: Target, name: str) -> Fitness:
    """Return what this process says of itself as a worker."""
    return Fitness(name, __version__, key_problem(target.places))


def key_problem(places: KeyPlaces) -> str:
    """Return why this process has no key; empty: it has one, or needs none."""
    try:
        if places.find() is not None:
            return ""
    except ConfigError as error:
        return str(error)
    variables = " or ".join(places.variables[:1] if places.is_asked else places.variables)
    elsewhere = ", nor a stored key" if places.has_stored else ""
    return f"it has no key: {variables} is not set there{elsewhere}"


class Sender:
    """Sends requests in this process.

    Parameters
    ----------
    deliver
        Takes the id and the outcome of a request, in the request's thread.
    session
        Opens the streams; by default one of this process, which has no history.
    endpoint
        Where the requests go; by default the target with the key found in this process.
    """

    def __init__(
        self,
        target: Target,
        deliver: Callable[[int, Outcome], None] = lambda _id, _outcome: None,
        *,
        session: Session | None = None,
        endpoint: Endpoint | None = None,
    ) -> None:
        self._target = target
        self._deliver = deliver
        self._session = session or Session()
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._streams: dict[int, RequestStream] = {}
        self._stopped: set[int] = set()

    def serve(self, next_message: Callable[[], Message]) -> None:
        """Do what the kernel asks for until the run is over.

        Parameters
        ----------
        next_message
            Waits for a message.
        """
        try:
            while (message := next_message()) is not None:
                if isinstance(message, Stop):
                    self.stop(message.ids)
                else:
                    self.start(message)
        finally:
            self.stop_all()
            self._session.transport.close()

    def start(self, work: Work) -> None:
        """Send a request in a thread of its own."""
        name = f"cc_jupyter row {work.id}"
        threading.Thread(target=self.run, args=(work,), name=name, daemon=True).start()

    def run(self, work: Work) -> None:
        """Send a request and deliver its outcome; never raises."""
        outcome = self.outcome(work)
        try:
            self._deliver(work.id, outcome)
        except Exception as mistake:  # noqa: BLE001  it cannot travel, and its row must not wait forever
            self._deliver(work.id, self._mistaken(mistake))

    def outcome(self, work: Work) -> Outcome:
        """Send a request and return what came of it; never raises."""
        try:
            return self._outcome(work)
        except BaseException as mistake:  # noqa: BLE001  a mistake of ours must not lose the others
            return self._mistaken(mistake)

    def _mistaken(self, mistake: BaseException) -> Outcome:
        secrets = self._endpoint.secrets if self._endpoint else ()
        text = redact(f"internal error: {type(mistake).__name__}: {mistake}", secrets)
        return Outcome(error=StreamError(text), requests_sent=1)

    def stop(self, ids: Iterable[int]) -> None:
        """Interrupt requests, also those that have not come yet; safe from any thread."""
        with self._lock:
            for each in ids:
                if each in self._streams:
                    self._streams[each].wake()
                elif len(self._stopped) < _MAX_STOPPED:
                    self._stopped.add(each)

    def stop_all(self) -> None:
        """Interrupt the requests in flight: nobody waits for their answers any more."""
        with self._lock:
            for stream in self._streams.values():
                stream.wake()

    def _outcome(self, work: Work) -> Outcome:
        try:
            endpoint = self._endpoint = self._endpoint or self._found_endpoint()
        except ConfigError as error:
            return Outcome(error=error)
        stream = self._session.open_stream(work.request, endpoint, work.limits, zdr=work.zdr)
        with self._lock:
            if work.id in self._stopped:
                self._stopped.discard(work.id)
                return Outcome(is_interrupted=True)
            self._streams[work.id] = stream
        try:
            return _sent(stream)
        finally:
            with self._lock:
                del self._streams[work.id]

    def _found_endpoint(self) -> Endpoint:
        target = self._target
        key = target.places.find()
        if key is None:
            raise ConfigError(
                f"the worker on {socket.gethostname()} cannot send: {key_problem(target.places)}",
                hint="set the variable where the workers run; a key never travels to them",
            )
        return Endpoint(target.api_root, key, target.served_by)


def _sent(stream: RequestStream) -> Outcome:
    """Send one request; return what came of it."""
    events: list[StreamEvent] = []
    error: CcError | None = None
    is_interrupted = False
    first_text_s: float | None = None
    started_s = monotonic()
    try:
        with closing(iter(stream)) as answer:
            for event in answer:
                if first_text_s is None and isinstance(event, TextDelta | ReasoningDelta):
                    first_text_s = monotonic() - started_s
                events.append(event)
    except KeyboardInterrupt:
        is_interrupted = True
    except CcError as caught:
        error = caught
    return Outcome(
        compact(events),
        error,
        is_interrupted,
        stream.requests_sent,
        stream.answer_format,
        stream.parameters,
        first_text_s,
        monotonic() - started_s,
    )


def send_elsewhere(target: Target, version: str, work: Work) -> Outcome:
    """Send one request from a machine that the kernel cannot reach by itself."""
    if version != __version__:
        where = f"the worker on {socket.gethostname()} has cc_jupyter {__version__}"
        return Outcome(
            error=ConfigError(
                f"{where}, and the kernel has {version}; nothing was sent there",
                hint="install the same version where the workers run",
            )
        )
    return _sender_to(target).outcome(work)


@functools.lru_cache(maxsize=4)
def _sender_to(target: Target) -> Sender:
    return Sender(target)
