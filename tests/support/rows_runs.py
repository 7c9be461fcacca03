"""Runs rows over workers as the engine does, and counts what the provider saw of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.messages import PromptSpec
from cc_jupyter.rows.executors.open_pool import workers_of
from cc_jupyter.session.answer_recorder import AnswerRecorder
from cc_jupyter.session.scheduler import Run
from support.provider import cut, error, openai_stream, pause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cc_jupyter.core.reply import Reply
    from cc_jupyter.session.session import Session
    from support.provider import Record

MODEL = "deepseek/deepseek-v4-flash"


class Rows:
    """Rows with a prompt each; the listener of their runs.

    `replies` has those that were answered, by number; `failed` the last errors of the others.
    """

    def __init__(self, session: Session, count: int, **spec: Any) -> None:
        self.session = session
        self.requests = [
            session.prepare(PromptSpec(prompt(number), model=MODEL, once=True, **spec))
            for number in range(count)
        ]
        self.replies: dict[int, Reply] = {}
        self.failed: dict[int, BaseException] = {}
        self.in_flight: set[int] = set()
        self.on_finished: Callable[[], None] = lambda: None
        self.run: Run | None = None
        self.notices: list[str] = []

    @property
    def missing(self) -> list[int]:
        """The rows without an answer."""
        return [number for number in range(len(self.requests)) if number not in self.replies]

    def send(self, executor: object, *, concurrency: int) -> None:
        """Send the rows that are missing."""
        self._places = self.missing
        first = self.requests[0]
        with workers_of(executor, self.session, first, concurrency=concurrency) as pool:

            @contextmanager
            def recording(prepared: Any) -> Iterator[AnswerRecorder]:
                stream = self.session.stream_of(
                    prepared,
                    gives_up_on_429=True,
                    open_stream=pool.open_stream if pool else None,
                )
                yield AnswerRecorder(
                    prepared,
                    stream,
                    self.session.budget_guard,
                    turn_id="rows",
                    budget_watchers=(),
                    sent_at=self.session.now(),
                )

            wanted = [self.requests[number] for number in self._places]
            self.run = Run(
                lambda index, renderer, guard: self.session.run(
                    wanted[index], renderer, guard, recording
                ),
                wanted,
                self,
                concurrency=concurrency,
                give_up_after_s=60,
            )
            self.run.run()
            self.notices = pool.notices if pool else []

    def started(self, index: int) -> None:
        self.in_flight.add(self._places[index])

    def event(self, index: int, event: object) -> None:
        pass

    def finished(self, index: int, reply: Reply) -> None:
        number = self._places[index]
        self.in_flight.discard(number)
        if reply.error is None:
            self.replies[number] = reply
            self.failed.pop(number, None)
        else:
            self.failed[number] = reply.error
        self.on_finished()

    def tick(self) -> None:
        pass


def prompt(number: int) -> str:
    """Return the prompt of a row."""
    return f"row {number:05}"


def right_answer(text: str) -> str:
    """Return what the provider answers to a prompt: nobody can guess it."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def asked(record: Record) -> str:
    """Return the prompt of a request."""
    return str(record.json["messages"][-1]["content"])


def is_paid(record: Record) -> bool:
    """Return whether a request may be billed: it was not refused."""
    return record.status in (None, 200)


def paid(records: Sequence[Record]) -> Counter[str]:
    """Return how often each prompt was paid."""
    return Counter(asked(record) for record in records if is_paid(record))


class FaultyProvider:
    """Answers rightly, but every tenth prompt badly the first time it is asked.

    Parameters
    ----------
    takes_s
        How long an answer takes.
    """

    def __init__(self, takes_s: float) -> None:
        self._takes_s = takes_s
        self._faulty: Counter[str] = Counter()
        self.cut: set[str] = set()
        """The prompts whose answer was cut."""

    def __call__(self, record: Record) -> Any:
        text = asked(record)
        number = int(text.split()[1])
        self._faulty[text] += 1
        answer = openai_stream(right_answer(text))
        takes = (pause(self._takes_s),)
        if number % 10 or self._faulty[text] > 1:
            return takes + _flat(answer, record)
        match number // 10 % 4:
            case 0:
                return _flat(error(429, headers={"retry-after": "0"}), record)
            case 1:
                return _flat(error(500), record)
            case 2:
                self.cut.add(text)
                return takes + _flat(answer, record)[:2] + (cut(),)
            case _:
                return (pause(5 * self._takes_s), *_flat(answer, record))


def _flat(playable: Any, record: Record) -> tuple[Any, ...]:
    return tuple(playable(record)) if callable(playable) else tuple(playable)


def highest_in_flight(records: Sequence[Record]) -> int:
    """Return the highest number of requests that the provider had at once."""
    now, highest = 0, 0
    for _, change in sorted(_changes(records)):
        now += change
        highest = max(highest, now)
    return highest


def most_over_limit(records: Sequence[Record], ceiling: int) -> int:
    """Return by how much the number in flight passed the limit, as the provider counts both.

    The limit falls by a fifth at the first 429, from then on it grows by one after as many
    successes as it is. Requests that were on their way at a 429 count from half a second after it.
    """
    events = sorted(
        [(at, "change", change) for at, change in _changes(records)]
        + [(_end_s(each), "success", 0) for each in records if each.status == 200]
        + [
            (each.sent_s[0] if each.sent_s else each.received_s, "refusal", 0)
            for each in records
            if each.status == 429
        ]
    )
    limit, successes, in_flight, over = ceiling, 0, 0, -ceiling
    lowered_s: float | None = None
    for at, what, change in events:
        if what == "change":
            in_flight += change
            is_settled = lowered_s is None or at - lowered_s > 0.5
            if change > 0 and is_settled:
                over = max(over, in_flight - limit)
        elif what == "refusal":
            successes = 0
            if lowered_s is None or at - lowered_s >= 15:
                lowered_s, limit = at, max(1, int(limit * 0.8))
        elif lowered_s is not None:
            successes += 1
            if successes >= limit < ceiling:
                limit, successes = limit + 1, 0
    return over


def _changes(records: Sequence[Record]) -> list[tuple[float, int]]:
    return [change for each in records for change in ((each.received_s, 1), (_end_s(each), -1))]


def _end_s(record: Record) -> float:
    """Return when the answer was over: its last byte, or when its client was seen to leave."""
    if record.client_left_s is None and record.sent_s:
        return record.sent_s[-1]
    assert record.ended_s is not None
    return record.ended_s
