"""The records that the history stores: turns, conversations and ledger rows.

A *turn* is one request and its result. It never changes its place: `parent_id` names the last turn
sent before it, so all turns form trees. A *conversation* is a sequence of slots over these turns; a
fork has its own slots over the same turns and copies no text. `store` writes the records; `history`
creates them and converts stored conversations to threads.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from cc_jupyter.conversation.thread import Thread
from cc_jupyter.conversation.turns import Turn, TurnSlot
from cc_jupyter.core.errors import StreamError
from cc_jupyter.core.events import NO_USAGE, Source, StopReason, Usage
from cc_jupyter.core.money import UNKNOWN_COST, Cost
from cc_jupyter.core.reply import Provenance, Reply

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Mapping
    from datetime import datetime

    from cc_jupyter.core.messages import Image, Parameters, PromptTemplate, TurnKey
    from cc_jupyter.core.steps import Step


MIN_ID_CHARS = 4
"""The fewest characters of a turn's id that name it."""


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """One request and its answer, complete or not."""

    id: str
    """A unique id of 32 hexadecimal digits."""
    prompt: str
    model: str
    endpoint: str
    sent_at: datetime
    """Aware, UTC."""
    conversation_id: str | None = None
    """Its conversation; `None` if it belongs to none (`--once`)."""
    thread: str | None = None
    """The conversation's name at that time."""
    position: int | None = None
    """Its place in the conversation, from 0."""
    parent_id: str | None = None
    """The last turn sent before it; `None` if it starts a conversation."""
    key: TurnKey | None = None
    """Notebook, cell and number; `None` if cells have no ids."""
    notebook: str = ""
    """The path of the notebook; empty if there is none."""
    system: str | None = None
    """The system prompt set by this turn: empty removes it, `None` leaves it unchanged."""
    images: tuple[Image, ...] = ()
    answer: str = ""
    answer_images: tuple[Image, ...] = ()
    """The images that the model made."""
    sources: tuple[Source, ...] = ()
    """What the answer refers to."""
    reasoning: str = ""
    stop_reason: StopReason = "unknown"
    stop_word: str | None = None
    error: str | None = None
    """Class and message of the error; `None` if it succeeded."""
    usage: Usage = NO_USAGE
    cost: Cost = UNKNOWN_COST
    time_to_first_token_s: float | None = None
    duration_s: float = 0.0
    served_by: str = "api"
    """`api`, `local`, `replay`, or the host."""
    served_model: str | None = None
    notices: tuple[str, ...] = ()
    order: str = "execution"
    """The order of the conversation when it was sent: `execution` or `document`."""
    zdr: bool = False
    """Whether zero data retention was requested."""
    request_sha256: str = ""
    """SHA-256 of the body that was sent."""
    request_key: str = ""
    """Equal for requests that ask for the same answer; empty if it is unknown."""
    sample: int | None = None
    """The request's number among equal ones of its execution; `None` if it is unknown."""
    grid: str | None = None
    """The id of the grid that it belongs to; `None`: it is a single request."""
    blind: str | None = None
    """The letter of its column while its blind grid is not revealed; `None`: nothing is hidden."""
    replayed_from: str | None = None
    """The cassette that the answer comes from; `None`: the provider sent it."""
    rows: int | None = None
    """The rows that a run over a table has sent, all in this one record; `None`: it is a turn."""
    options: Parameters | None = None
    """The parameters as sent, values from the settings included; `None` if they are unknown."""
    template: PromptTemplate | None = None
    """The prompt as typed; `None` if it is unknown."""
    steps: tuple[Step, ...] = ()
    """The requests of a turn with tools, in order; empty: it was one request without tools."""
    body: bytes | None = None
    """The body that was sent, JSON in UTF-8; `None` if not loaded or not stored."""
    finished: bool = True
    """Whether the answer is complete; `False` while it streams, or after a crash."""

    @property
    def _recorded_cost(self) -> Cost:
        """What a replayed answer cost when it was recorded; its own cost is $0."""
        usd = self.cost.table_usd
        return UNKNOWN_COST if usd is None else Cost(usd, "reported", self.cost.price_date)

    @property
    def reply(self) -> Reply:
        """The reply, as far as the history stores it."""
        return Reply(
            text=self.answer,
            reasoning=self.reasoning,
            model=self.model,
            stop_reason=self.stop_reason,
            usage=self.usage,
            cost=self._recorded_cost if self.replayed_from else self.cost,
            error=None if self.error is None else StreamError(self.error),
            time_to_first_token_s=self.time_to_first_token_s,
            duration_s=self.duration_s,
            stop_word=self.stop_word,
            images=self.answer_images,
            sources=self.sources,
            notices=self.notices,
            steps=self.steps,
            provenance=Provenance(
                endpoint=self.endpoint,
                served_by=self.served_by,
                served_model=self.served_model,
                thread=self.thread,
                turn=None if self.position is None else self.position + 1,
                turn_id=self.id,
                order=self.order,
                request_sha256=self.request_sha256,
                request_key=self.request_key,
                sample=self.sample,
                grid=self.grid,
                replayed_from=self.replayed_from,
            ),
        )


@dataclass(frozen=True, slots=True)
class SlotRecord:
    """One place of a conversation and all versions of its turn."""

    key: TurnKey | None
    follows_new: bool = False
    has_new_option: bool = False
    stale: bool = False
    versions: tuple[str, ...] = ()
    """Ids of turns, oldest first."""
    active: int = -1
    """Index of the active version; -1 if none."""


@dataclass(frozen=True, slots=True)
class ConversationRecord:
    """The current state of one conversation."""

    id: str
    """32 hexadecimal digits."""
    name: str
    notebook: str
    started_at: datetime
    places: tuple[SlotRecord, ...] = ()
    forked_from: str | None = None
    """Id of the conversation whose earlier turns it shares."""


@dataclass(frozen=True, slots=True)
class ThreadSummary:
    """A row of `%cmd threads`."""

    conversation_id: str
    name: str
    notebook: str
    turns: int
    last_at: datetime
    first_prompt: str
    """The beginning of its first prompt."""


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A turn that a search found."""

    turn_id: str
    thread: str | None
    position: int | None
    notebook: str
    cell_id: str | None
    model: str
    sent_at: datetime
    parts: tuple[tuple[str, bool], ...]
    """The excerpt of prompt or answer in parts, each with whether it matches."""

    @property
    def snippet(self) -> str:
        """The excerpt as text, with matches between `**`."""
        return "".join(f"**{text}**" if matches else text for text, matches in self.parts)


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """Sums over a group of requests; unknown values are counted, never added as zero."""

    group: str
    """The model, thread, notebook, day (local, ISO) or cell."""
    requests: int = 0
    failed: int = 0
    """Rejected requests and answers that ended in an error."""
    interrupted: int = 0
    input_tokens: int = 0
    """Reported tokens, cached ones included."""
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    unknown_tokens: int = 0
    """Requests whose tokens were not reported."""
    reported_usd: Decimal = Decimal(0)
    estimated_usd: Decimal = Decimal(0)
    unknown_cost: int = 0
    """Requests whose cost is unknown."""


Reading: TypeAlias = Literal["text", "read", "failed"]
"""What came of reading an answer: it has no type, it fits its type, or two answers did not."""


class FinishedRow(NamedTuple):
    """The answer to one row, which later runs take instead of asking again."""

    request_key: bytes
    """The digest of the request, 32 bytes; see `core.request_key`."""
    sample: int
    text: str
    answered_at: datetime
    """Aware, UTC."""
    model: str
    stop_reason: StopReason
    reading: Reading = "text"
    usage: Usage = NO_USAGE
    """Of all requests that the row took."""
    cost: Cost = UNKNOWN_COST
    run: str = ""
    """The id of the run that paid for it."""
    name: str = ""
    """The name of the result, for `%cmd forget rows NAME`."""


Choice: TypeAlias = int | Literal["tie", "all bad", "skip"]
"""What was chosen on a ballot: the index of an answer in the order shown, or a word."""


@dataclass(frozen=True, slots=True)
class BallotAnswer:
    """One answer on a ballot."""

    grid: str
    """The id of its grid."""
    label: str
    """The label of its combination; equal for all samples of one combination."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The varied options of its combination, as JSON values."""
    turn_id: str | None = None
    """Its turn in the history; forgetting that turn removes the ballot."""
    answer_sha256: str = ""
    """The digest of its text; see `text_digest`."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """One vote: the answers that were shown, and which was chosen."""

    id: str
    """A unique id of 32 hexadecimal digits."""
    answers: tuple[BallotAnswer, ...]
    """In the order shown."""
    choice: Choice
    voted_at: datetime
    """Aware, UTC."""
    prompt_id: str
    """Equal for ballots whose answers can be compared; see `prompt_digest`."""
    seed: int
    """The seed of the order shown, at least 0 and below 2 to the power of 63."""
    mode: Literal["open", "blind"] = "blind"
    """Whether the grid had been shown with models and prices before."""
    note: str = ""
    swapped_of: str | None = None
    """The ballot that this one repeats with sides swapped; `None`: it is a ballot of its own."""
    counts: bool = True
    """`False` if an answer names its maker: the vote is stored, but not added up."""

    @property
    def grids(self) -> tuple[str, ...]:
        """The ids of the grids of its answers, each once."""
        return tuple(dict.fromkeys(answer.grid for answer in self.answers))


def text_digest(text: str) -> str:
    """Return the SHA-256 of a text, as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def prompt_digest(prompt: str, system: str | None) -> str:
    """Return a digest of what was asked, which does not tell the prompt."""
    return text_digest(json.dumps([prompt, system]))


def conversation_record(thread: Thread, notebook: str, started_at: datetime) -> ConversationRecord:
    """Return the current state of a thread as a record."""
    header = conversation_header(thread, notebook, started_at)
    return dataclasses.replace(header, places=tuple(map(place_record, thread.slots)))


def place_record(
    slot: TurnSlot, *, without: Container[str] = (), in_flight: Collection[str] = ()
) -> SlotRecord:
    """Return a slot as a record.

    Parameters
    ----------
    without
        Ids of versions not written yet.
    in_flight
        Ids of turns whose answers are still streaming.
    """
    versions = [turn.id for turn in slot.versions if turn.id not in without]
    versions += [turn_id for turn_id in in_flight if turn_id not in versions]
    active = slot.turn.id if slot.turn else None
    return SlotRecord(
        slot.key,
        slot.follows_new,
        slot.has_new_option,
        slot.stale,
        tuple(versions),
        versions.index(active) if active in versions else -1,
    )


def conversation_header(thread: Thread, notebook: str, started_at: datetime) -> ConversationRecord:
    """Return a thread as a record without its places."""
    return ConversationRecord(
        thread.id, thread.name, notebook, started_at, forked_from=thread.forked_from
    )


def thread_from_record(
    stored: ConversationRecord, turns: dict[str, TurnRecord], *, notebook: str | None = None
) -> Thread:
    """Return a new thread that shares the turns of a stored conversation.

    Parameters
    ----------
    notebook
        The notebook that continues it. Its cells then replace their own turns although they were
        sent under another path: the notebook was renamed, or is a copy. `None` changes no key.
    """
    slots = [_slot(place, turns) for place in stored.places]
    for slot in slots:
        if slot.key is not None and notebook is not None:
            slot.key = slot.key._replace(notebook=notebook)
    answered = [slot for slot in slots if slot.versions]
    return Thread(stored.name, answered, forked_from=stored.id)


def turn_from_record(record: TurnRecord) -> Turn:
    """Return a stored turn as a version of a slot."""
    return Turn(
        record.prompt,
        record.answer,
        record.system,
        record.images,
        record.id,
        model=record.model,
        options=record.options,
        group=record.grid,
        failed=record.error is not None or not record.finished,
        steps=record.steps,
    )


def _slot(place: SlotRecord, turns: dict[str, TurnRecord]) -> TurnSlot:
    versions = [turns[turn_id] for turn_id in place.versions if turn_id in turns]
    active = place.versions[place.active] if place.active >= 0 else None
    ids = [record.id for record in versions]
    return TurnSlot(
        place.key,
        place.follows_new,
        place.has_new_option,
        [turn_from_record(each) for each in versions],
        ids.index(active) if active in ids else -1,
        place.stale,
    )
