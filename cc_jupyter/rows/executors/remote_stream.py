"""One request that a worker sends, with the face of `client.RequestStream`.

The events of its answer come together, when it has ended. A request whose worker ends is sent again
by another one.
"""

from __future__ import annotations

import hashlib
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from cc_jupyter.client.client import encode_body
from cc_jupyter.core.errors import ConnectError
from cc_jupyter.core.events import Notice, ReasoningDelta, Retry, TextDelta
from cc_jupyter.rows.executors.transfer import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from cc_jupyter.client.client import Limits
    from cc_jupyter.client.endpoint import Endpoint
    from cc_jupyter.core.events import StreamEvent
    from cc_jupyter.core.messages import Request
    from cc_jupyter.rows.executors.pool import Pool


_MAX_LOST = 3
"""A request is given up after so many workers ended with it: it may be what ends them."""
_NO_WORKER_S = 30.0
"""How long to wait for a worker to join where there is none; a nanny restarts one in a second."""
_JOIN_POLL_S = 0.1
_AFTER_LOSS_S = 0.5
"""The pause before a lost request is sent again: its old connection is closed by then, so that the
provider does not see more requests in flight than the limit."""
_LAST_WORDS_S = 0.1
"""How long an interrupted request waits for the text received so far."""
_HINT = "what has finished is kept; run it again to send the rest"


class Lost(NamedTuple):
    """A worker ended while a request was in flight on it."""

    worker: str


class Woken:
    """The request was interrupted in the kernel."""


Reported: TypeAlias = Outcome | Lost | Woken
"""What a request hears from its worker, or from the kernel."""


class RemoteStream:
    """One request and its answer: iterate to have it sent and read it; `wake` interrupts."""

    def __init__(  # noqa: PLR0913  what one request needs
        self,
        pool: Pool,
        request: Request,
        endpoint: Endpoint,
        limits: Limits,
        *,
        zdr: bool = False,
        number: Callable[[str], int] | None = None,
    ) -> None:
        self._pool = pool
        self._request = request
        self._endpoint = endpoint
        self._limits = limits
        self._zdr = zdr
        self._number = number
        self._inbox: SimpleQueue[Reported] = SimpleQueue()  # its `put` is safe in signal handlers
        self._now_s: float | None = None
        self.replay = None
        """A worker has no cassette."""
        self.arrived_s: float | None = None
        """A worker replays nothing."""
        self.record_problem: str | None = None
        """A worker records nothing."""
        self.sample: int | None = None
        """The number of the request among equal ones; `None`: not numbered, or not sent yet."""
        self.requests_sent = 0
        """How many requests were sent to the server; one on a lost worker counts as one."""
        self.answer_format = request.answer_format
        """The format of the last request: a refusal may fall back to a weaker one."""
        self.parameters = request.parameters
        """The parameters of the last request: a refusal may change or remove one."""
        self.body = b""
        """The body of the last request sent."""
        self.body_sha256 = ""
        """The digest of `body`."""

    def wake(self) -> None:
        """Make the iteration raise `KeyboardInterrupt`; for any thread and signal handlers."""
        self._inbox.put(Woken())

    def clock(self) -> float:
        """Return the time by `time.monotonic`; while events are read, the time they came."""
        return monotonic() if self._now_s is None else self._now_s

    def __iter__(self) -> Generator[StreamEvent, None, None]:
        """Have the request sent and yield the events of its answer.

        Raises
        ------
        ProviderError
            The request was refused, no answer came, or no worker could send it.
        ConfigError
            The worker has no key.
        KeyboardInterrupt
            `wake` was called.
        """
        self._note_body()
        lost = 0
        while isinstance(outcome := self._sent(), Lost):
            self.requests_sent += 1
            lost += 1
            worker = outcome.worker
            if lost >= _MAX_LOST or not self._limits.max_retries:
                raise ConnectError(
                    f"{worker} ended while this row was in flight, so it may have been paid",
                    hint=_HINT,
                )
            text = f"{worker} ended with this row in flight: sent again, it may be paid twice"
            yield Notice(text, retry=Retry(None, _AFTER_LOSS_S))
            self._pause(_AFTER_LOSS_S)
        yield from self._read(outcome)

    def _read(self, outcome: Outcome) -> Generator[StreamEvent, None, None]:
        """Yield the events of an answer at the times they came."""
        ended_s = monotonic()
        self.requests_sent += outcome.requests_sent
        if outcome.parameters is not None:
            self.answer_format, self.parameters = outcome.answer_format, outcome.parameters
            self._note_body()
        self._now_s = ended_s
        if outcome.first_text_s is not None:
            self._now_s = ended_s - outcome.duration_s + outcome.first_text_s
        for event in outcome.events:
            yield event
            if isinstance(event, TextDelta | ReasoningDelta):
                self._now_s = ended_s
        self._now_s = ended_s
        if outcome.is_interrupted:
            raise KeyboardInterrupt
        if outcome.error is not None:
            raise outcome.error

    def _sent(self) -> Outcome | Lost:
        """Have the request sent; return its outcome, or that its worker was lost."""
        work_id = self._assigned()
        item: Reported | None = self._inbox.get()
        if isinstance(item, Woken):
            self._pool.stop(work_id)
            try:  # the answer so far, or all of it
                item = self._inbox.get(timeout=_LAST_WORDS_S)
            except Empty:
                item = None
            self._pool.forget(work_id)
        if isinstance(item, Outcome | Lost):
            return item
        self.requests_sent += 1  # for all that is known here
        raise KeyboardInterrupt

    def _assigned(self) -> int:
        """Hand the request to a worker; wait for one to join where there is none."""
        give_up_s = monotonic() + _NO_WORKER_S
        while True:
            work_id = self._pool.send(self._request, self._limits, zdr=self._zdr, inbox=self._inbox)
            if work_id is not None:
                return work_id
            if not self._pool.may_grow or monotonic() >= give_up_s:
                paid = "; a worker ended with it, so it may have been paid"
                raise ConnectError(
                    f"no worker is left to send this row{paid if self.requests_sent else ''}",
                    hint=_HINT,
                )
            self._pause(_JOIN_POLL_S)

    def _pause(self, wait_s: float) -> None:
        """Wait, open to interrupts; nothing of this request is in flight."""
        try:
            self._inbox.get(timeout=wait_s)
        except Empty:
            return
        raise KeyboardInterrupt

    def _note_body(self) -> None:
        request = self._request._replace(
            parameters=self.parameters, answer_format=self.answer_format
        )
        self.body = encode_body(request)
        self.body_sha256 = hashlib.sha256(self.body).hexdigest()
        if self.sample is None and self._number is not None:
            self.sample = self._number(f"{self._request.endpoint} {self.body_sha256}")
