"""The conversations of a notebook as a tree, the summaries of turns, and restored outputs.

Restored outputs equal those of the original run. No text holds a key.
"""

from __future__ import annotations

import dataclasses
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from cc_jupyter.commands.code import one_cell
from cc_jupyter.commands.threads import cost_text, differing_options
from cc_jupyter.conversation.export import redacted
from cc_jupyter.conversation.records import thread_from_record, turn_from_record
from cc_jupyter.core.errors import CcError, OptionError
from cc_jupyter.core.fences import fenced_blocks
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.text import excerpt, excerpt_of_change, pluralize
from cc_jupyter.render.answer_extras import image_bundles, shown_text
from cc_jupyter.render.notebook import NotebookRenderer, Screen
from cc_jupyter.render.usage_line import metadata

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from IPython.core.interactiveshell import InteractiveShell

    from cc_jupyter.config.settings import Settings
    from cc_jupyter.conversation.history import History
    from cc_jupyter.conversation.records import TurnRecord
    from cc_jupyter.conversation.turns import Turn, TurnSlot
    from cc_jupyter.session.execution import FinalOutput
    from cc_jupyter.session.session import Session


def saved_outputs(
    record: TurnRecord, *, reasoning: bool = True, remote_images: bool = False
) -> list[dict[str, Any]]:
    """Return the outputs of a cell whose active answer this is, in nbformat.

    Parameters
    ----------
    reasoning, remote_images
        The values of these settings.
    """
    publisher = _RecordingPublisher()
    screen = Screen(cast("InteractiveShell", publisher), remote_images=remote_images)
    renderer = NotebookRenderer(screen, label="", reasoning=reasoning, owns_cell=True)
    renderer.finish(record.reply)
    return publisher.outputs


def hidden_outputs(record: TurnRecord, *, remote_images: bool = False) -> list[dict[str, Any]]:
    """Return the outputs of an answer in a blind grid: its letter and what the model made."""
    letter = f"Answer {record.blind}" if record.blind else "An answer of a blind grid"
    publisher = _RecordingPublisher()
    screen = Screen(cast("InteractiveShell", publisher), remote_images=remote_images)
    screen.new({"text/html": f"<small>{letter}</small>", "text/plain": letter})
    text = shown_text(record.answer, record.answer_images, record.sources)
    screen.new(screen.answer(text), metadata(record.reply))
    for bundle in image_bundles(record.answer_images):
        screen.new(bundle)
    return publisher.outputs


class _RecordingPublisher:
    """A shell that records what a screen publishes."""

    def __init__(self) -> None:
        self.display_pub = self
        self.outputs: list[dict[str, Any]] = []

    def publish(self, *, data: dict[str, str], metadata: dict[str, Any], **_: Any) -> None:  # noqa: ANN401  the target
        """Record an output."""
        self.outputs.append({"output_type": "display_data", "data": data, "metadata": metadata})


_CUT = ("length", "interrupted", "error")
"""The stop reasons after which `%cmd continue` can resume the answer."""
_BEGINNING = 2_000


@dataclass(frozen=True, slots=True)
class TurnSummary:
    """The immutable facts about a turn that a list shows."""

    model: str | None = None
    """`None`: the history does not know the turn."""
    cost: str = "?"
    ended: str | None = None
    """The stop reason."""
    sent_at: str | None = None
    """ISO 8601, UTC."""
    blind: bool = False
    """Whether model and cost are hidden, since it belongs to a blind grid."""

    @property
    def is_cut(self) -> bool:
        """Whether the answer was cut off."""
        return self.ended in _CUT


class TurnSummaryCache:
    """Turn summaries, each looked up once its turn is finished; safe to use from any thread.

    Parameters
    ----------
    hidden_grids
        The ids of the grids whose models and costs are hidden at the moment.
    """

    def __init__(self, hidden_grids: Container[str] = ()) -> None:
        self._hidden_grids = hidden_grids
        self._known: dict[str, TurnSummary] = {}
        self._lock = threading.Lock()

    def of(self, turn: Turn, history: History) -> TurnSummary:
        """Return the summary of a turn, from the history if it has the turn."""
        found = self._of(turn, history)
        if turn.group is None or turn.group not in self._hidden_grids:
            return found
        return dataclasses.replace(found, model=None, cost="", blind=True)

    def _of(self, turn: Turn, history: History) -> TurnSummary:
        with self._lock:
            if turn.id in self._known:
                return self._known[turn.id]
        found = _record(turn, history)
        return TurnSummary() if found is None else self.learn(found)

    def learn(self, record: TurnRecord) -> TurnSummary:
        """Return the summary of a record; keep that of a finished turn, whose cost is final."""
        sent_at = record.sent_at.isoformat()
        facts = TurnSummary(record.model, cost_text(record), record.stop_reason, sent_at)
        if record.finished:
            with self._lock:
                self._known[record.id] = facts
        return facts


def record_of(turn: Turn, history: History) -> TurnRecord | None:
    """Return a turn's stored record, without keys; `None`: there is none, or it is unreadable."""
    found = _record(turn, history)
    return None if found is None else redacted(found)


def answer_of(turn: Turn, history: History) -> str:
    """Return a turn's answer, without keys."""
    return redact((_record(turn, history) or turn).answer)


def previews(turn: Turn, history: History) -> tuple[str, str]:
    """Return how a turn's prompt and answer begin, each on one line, without keys."""
    found = _record(turn, history) or turn
    # the excerpt is much shorter, so no key is cut within it
    return excerpt(redact(found.prompt[:_BEGINNING])), excerpt(redact(found.answer[:_BEGINNING]))


def _record(turn: Turn, history: History) -> TurnRecord | None:
    try:
        return history.record(turn.id)
    except CcError:  # a mark on a cell is not the place to report a broken disk
        return None


def version_rows(
    versions: Sequence[Turn], facts: TurnSummaryCache, history: History
) -> list[dict[str, Any]]:
    """Return all answers of a cell, oldest first."""
    rows = []
    records = [_record(turn, history) for turn in versions]
    # a record holds no key, which the turn in memory may
    stored = [
        turn_from_record(record) if record else turn
        for turn, record in zip(versions, records, strict=True)
    ]
    options = differing_options(stored)
    for number, turn in enumerate(versions, 1):
        known = facts.of(turn, history)
        rows.append(
            {
                "version": number,
                "turn_id": turn.id,
                "prompt": redact(stored[number - 1].prompt),
                "options": "" if known.blind else redact(options[number - 1]),
                "answer": answer_of(turn, history),
                "model": known.model,
                "sent_at": known.sent_at,
                "ended": known.ended,
                "cost": known.cost,
            }
        )
    return rows


def answer_body(
    slot: TurnSlot, history: History, settings: Settings, *, hidden: Container[str] = ()
) -> dict[str, Any]:
    """Return the active answer of a cell and the outputs that show it.

    Parameters
    ----------
    hidden
        The ids of the grids whose models are hidden.

    Raises
    ------
    OptionError
        No answer is active.
    """
    turn = slot.turn
    if turn is None:
        raise OptionError("this cell has no answer with text", hint="run it again")
    found = record_of(turn, history)
    text = redact(turn.answer) if found is None else found.answer
    is_hidden = turn.group is not None and turn.group in hidden
    outputs = _outputs(found, settings, is_hidden=is_hidden)
    return _answer_body(turn.id, text, found, outputs, version=slot.active + 1)


_LOST = "the kernel ended before the answer was complete"


def stored_answer_body(
    record: TurnRecord, settings: Settings, *, is_hidden: bool = False
) -> dict[str, Any]:
    """Return an answer that only the history knows, such as one whose kernel has ended.

    Parameters
    ----------
    is_hidden
        Whether it belongs to a blind grid, so that the outputs do not tell its model.
    """
    found = redacted(record)
    if not found.finished:
        notices = (*found.notices, _LOST)
        found = dataclasses.replace(found, stop_reason="interrupted", notices=notices)
    outputs = _outputs(found, settings, is_hidden=is_hidden)
    return _answer_body(found.id, found.answer, found, outputs, version=None)


def grid_outputs(
    records: Sequence[TurnRecord],
    settings: Settings,
    shown: FinalOutput | None,
    *,
    is_hidden: bool = False,
    is_live: bool = False,
) -> list[dict[str, Any]]:
    """Return the outputs that show a grid: as it was shown, else all answers in the history.

    Parameters
    ----------
    records
        The turns of the grid.
    shown
        What its cell has shown in the end; `None`: this kernel does not know.
    is_hidden
        Whether it is a blind grid, so that the outputs do not tell its models.
    is_live
        Whether it is an earlier run of a cell of this session.
    """
    ids = {record.id for record in records}
    if shown is not None and ids & set(shown[1].get("cc_jupyter", {}).get("turns", ())):
        return [{"output_type": "display_data", "data": {**shown[0]}, "metadata": {**shown[1]}}]
    if not records:
        return []
    count = pluralize(len(records), "answer")
    why = "This is an earlier run" if is_live else "The kernel that ran this grid has ended"
    text = f"{why}. The history has {count} of it:"
    if is_hidden:
        text = f"{text[:-1]}; %cmd reveal shows which model is which:"
        records = sorted(records, key=lambda each: (len(each.blind or ""), each.blind or ""))
    note = {"text/html": f"<small>{text}</small>", "text/plain": text}
    outputs: list[dict[str, Any]] = [{"output_type": "display_data", "data": note, "metadata": {}}]
    for record in records:
        outputs += stored_answer_body(record, settings, is_hidden=is_hidden)["outputs"]
    return outputs


def _answer_body(
    turn_id: str,
    text: str,
    record: TurnRecord | None,
    outputs: list[dict[str, Any]],
    *,
    version: int | None,
) -> dict[str, Any]:
    blocks = [block.code for block in fenced_blocks(text)]
    return {
        "version": version,
        "turn_id": turn_id,
        "finished": record is None or record.finished,
        "markdown": text,
        "code": blocks,
        "one_cell": one_cell(blocks),
        "outputs": outputs,
    }


def _outputs(
    record: TurnRecord | None, settings: Settings, *, is_hidden: bool
) -> list[dict[str, Any]]:
    if record is None:
        return []
    if is_hidden:
        return hidden_outputs(record, remote_images=settings.remote_images)
    return saved_outputs(record, reasoning=settings.reasoning, remote_images=settings.remote_images)


_MAX_STORED = 30
"""The highest number of earlier conversations shown, newest first."""


@dataclass(slots=True)
class _Node:
    name: str
    slots: Sequence[TurnSlot]
    live: bool
    parent: str | None
    """Id of the conversation that it was forked from."""
    forks: list[_Node] = field(default_factory=list)


class Tree:
    """Reads the conversations of a session, and of the history if there is one on disk.

    Parameters
    ----------
    notebook
        The notebook whose earlier conversations are shown.
    """

    def __init__(self, session: Session, facts: TurnSummaryCache, notebook: str) -> None:
        self._session = session
        self._facts = facts
        self._notebook = notebook
        self._nodes: dict[str, _Node] = {}

    def build(self) -> dict[str, Any]:
        """Return the conversations, each fork under its parent."""
        session = self._session
        self._add_live()
        if session.settings().history and session.history.is_on_disk:
            self._add_stored()
        roots: list[_Node] = []
        for node in self._nodes.values():
            parent = self._nodes.get(node.parent or "")
            (roots if parent is None else parent.forks).append(node)
        threads = [self._thread_body(node, ()) for node in roots]
        return {"current": session.conversations.current, "threads": threads}

    def _add_live(self) -> None:
        conversations = self._session.conversations
        for name in conversations.names:
            thread = conversations.thread(name)
            slots = thread.snapshot()
            if slots or name == conversations.current:
                self._nodes[thread.id] = _Node(name, slots, live=True, parent=thread.forked_from)

    def _add_stored(self) -> None:
        store = self._session.history.store
        stored = [each for each in store.threads() if each.notebook == self._notebook]
        for summary in [each for each in stored if each.conversation_id not in self._nodes][
            :_MAX_STORED
        ]:
            record = store.load_conversation(summary.conversation_id)
            if record is None or self._is_back(record.id, record.name, record.forked_from):
                continue
            turns = store.turns([each for place in record.places for each in place.versions])
            for turn in turns.values():
                self._facts.learn(turn)
            slots = thread_from_record(record, turns).slots
            self._nodes[record.id] = _Node(
                record.name, slots, live=False, parent=record.forked_from
            )

    def _is_back(self, conversation_id: str, name: str, parent: str | None) -> bool:
        """Return whether a conversation was loaded: the live one then replaces it in the tree."""
        back = [
            node
            for node in self._nodes.values()
            if node.live and node.parent == conversation_id and node.name == name
        ]
        for node in back:
            node.parent = parent
        return bool(back)

    def _thread_body(self, node: _Node, above: Sequence[TurnSlot]) -> dict[str, Any]:
        return {
            "name": node.name,
            "live": node.live,
            "shared": _shared(node.slots, above),
            "turns": [self._turn(at, slot) for at, slot in enumerate(node.slots, 1)],
            "forks": [self._thread_body(each, node.slots) for each in node.forks],
        }

    def _turn(self, at: int, slot: TurnSlot) -> dict[str, Any]:
        history = self._session.history
        shown = slot.turn or (slot.versions[-1] if slot.versions else None)
        known = self._facts.of(shown, history) if shown else None
        prompt, answer = previews(shown, history) if shown else ("", "")
        is_blind = known is not None and known.blind
        grid = None if shown is None or is_blind else shown.group
        return {
            "turn": at,
            "cell_id": slot.key.cell_id if slot.key else None,
            "prompt": prompt,
            "answer": answer,
            "model": known.model if known else None,
            "cost": known.cost if known else "",
            "ended": known.ended if known else None,
            "versions": len(slot.versions),
            "active": slot.active + 1 if slot.active >= 0 else None,
            "stale": slot.stale,
            "anew": slot.starts_new_thread,
            "blind": is_blind,
            "combinations": combinations(slot.versions, grid),
        }


def combinations(versions: Sequence[Turn], grid: str | None) -> list[dict[str, Any]]:
    """Return the versions of a grid by what was asked for, in the order of their numbers."""
    if grid is None:
        return []
    numbered = [(number, turn) for number, turn in enumerate(versions, 1) if turn.group == grid]
    options = differing_options([turn for _, turn in numbered])
    prompts = list(dict.fromkeys(turn.prompt for _, turn in numbered))
    found: dict[tuple[str, str, str], list[int]] = {}
    for (number, turn), label in zip(numbered, options, strict=True):
        found.setdefault((turn.model, label, turn.prompt), []).append(number)
    return [
        {
            "model": model,
            "differs": " · ".join(filter(None, [redact(label), _change(prompt, prompts)])),
            "versions": numbers,
        }
        for (model, label, prompt), numbers in found.items()
    ]


def _change(prompt: str, prompts: Sequence[str]) -> str:
    """Return where a prompt differs from another one, without keys; empty if all are equal."""
    other = next((each for each in prompts if each != prompt), prompt)
    return "" if other == prompt else excerpt_of_change(redact(prompt), redact(other))


def _shared(slots: Sequence[TurnSlot], above: Sequence[TurnSlot]) -> int:
    """Count the first turns that two conversations have in common."""
    shared = 0
    for mine, theirs in zip(slots, above, strict=False):
        if not mine.versions or mine.versions[:1] != theirs.versions[:1]:
            break
        if mine.versions[0].id != theirs.versions[0].id:  # equal texts are not the same turn
            break
        shared += 1
    return shared
