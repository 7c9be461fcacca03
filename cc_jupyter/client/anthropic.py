"""The Anthropic Messages dialect.

Sources: Claude platform pages "Messages", "Streaming messages", "Stop reasons" (read 2026-11-22);
what the gateway really sends: provider-api.md, sections 8 to 11 and 15.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cc_jupyter.client.answer_parts import PartReader
from cc_jupyter.client.errors.endings import stop_event, stop_word
from cc_jupyter.client.parsing import (
    SurrogateJoiner,
    TextAssembler,
    as_text,
    member,
    replace_surrogates,
    sanitize_message,
)
from cc_jupyter.client.token_counts import UsageReader
from cc_jupyter.core.events import Error, Notice, Stop, StreamEvent, ToolCallDelta
from cc_jupyter.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


_PLAIN_MEMBERS = frozenset({"type", "index", "delta"})
_PLAIN_DELTA_MEMBERS = frozenset({"type", "text"})


class _Call:
    """One `tool_use` block."""

    def __init__(self, number: int, given: object = None) -> None:
        self.number = number
        self.given = given
        """The arguments in its start; they count if no delta follows (ccrelay#119)."""
        self.mender = SurrogateJoiner()


class AnthropicDecoder:
    """Folds the events of one answer into ours."""

    def __init__(self, clean: Callable[[str], str] = redact) -> None:
        self.finished = False
        self._clean = clean
        self._speech = TextAssembler(has_reasoning_marks=False)
        self._figures = UsageReader(clean)
        self._parts = PartReader(clean)
        self._calls: list[_Call] = []
        self._open: dict[str, _Call | None] = {}  # by the block's index; None: of another kind
        self._word: str | None = None

    @property
    def spoke(self) -> bool:
        """Whether anything of the answer's content has come."""
        return self._speech.came or bool(self._calls) or self._parts.came

    @property
    def stopped(self) -> bool:
        """Whether the reason for the end is known."""
        return self._word is not None

    def plain_text(self, body: dict[str, Any]) -> str:
        """Return the text of a delta that holds nothing else; empty for any other event."""
        delta = body.get("delta")
        if (
            type(delta) is not dict
            or body.get("type") != "content_block_delta"
            or delta.get("type") != "text_delta"
            or not (body.keys() <= _PLAIN_MEMBERS and delta.keys() <= _PLAIN_DELTA_MEMBERS)
        ):
            return ""
        text = delta.get("text")
        return text if type(text) is str and self._speech.is_continued else ""

    def add_text(self, text: str) -> Iterable[StreamEvent]:
        """Return the events of plain text, not empty."""
        return self._speech.text(text)

    def decode(self, name: str, body: dict[str, Any]) -> Iterable[StreamEvent]:
        """Return the events of one server-sent event; kinds this module does not know give none."""
        events: Iterable[StreamEvent] = ()
        match body.get("type") or name:
            case "content_block_delta":
                events = self._delta(body.get("index"), body.get("delta"))
            case "content_block_start":
                events = self._block(body.get("index"), body.get("content_block"))
            case "content_block_stop":
                events = self._close(self._open.get(as_text(body.get("index"))))
            case "message_start":
                events = self._first_counts(member(body, "message", "usage"))
            case "message_delta":
                counts = self._figures.report(body.get("usage"), body)
                events = (*self._stop(body.get("delta")), *counts)
            case "message_stop":
                self.finished = True
            case "message":
                events = self._whole(body)
            case "ping":
                pass
            case _:  # kinds that are new
                if name != "error":
                    from cc_jupyter.client.errors.error_body import has_error  # noqa: PLC0415  the first cell loads little before it sends

                    if not has_error(body):
                        self._parts.note_unread(body)
        return events

    def rest(self) -> Iterator[StreamEvent]:
        """Return what was held back."""
        yield from self._speech.rest()
        for call in self._calls:  # those that were cut: an empty start then says nothing
            call.given = call.given or None
            yield from self._close(call)
        yield from self._parts.rest(is_empty=not self.spoke)
        yield from self._figures.rest()

    def ending(self, *, end_seen: bool) -> Stop | Error:
        """Tell how the answer ended."""
        return stop_event(self._word, end_seen=end_seen, called=bool(self._calls))

    def _whole(self, body: dict[str, Any]) -> Iterator[StreamEvent]:
        """Read an answer that came in one piece although a stream was asked for."""
        content = body.get("content")
        for index, block in enumerate(content if isinstance(content, list) else ()):
            yield from self._block(index, block)
            yield from self._close(self._open.get(as_text(index)))
        yield from self._stop(body)
        yield from self._figures.report(body.get("usage"), body)
        self.finished = True

    def _stop(self, delta: object) -> Iterator[StreamEvent]:
        self._word = stop_word(member(delta, "stop_reason"), self._clean) or self._word
        details = member(delta, "stop_details")
        why = member(details, "explanation") or member(details, "category")
        if isinstance(why, str) and (reason := sanitize_message(self._clean(why))):
            yield Notice(f"the provider's reason to stop: {reason}")

    def _block(self, index: object, block: object) -> Iterator[StreamEvent]:
        match member(block, "type"):
            case "text":
                for citation in member(block, "citations") or ():
                    self._parts.cite(citation)
                yield from self._piece("text", member(block, "text"))
            case "thinking":
                self._speech.block_between()
                yield from self._piece("thinking", member(block, "thinking"))
            case "tool_use":
                call = self._opened(index, member(block, "input"))
                self._speech.block_between()
                yield ToolCallDelta(
                    call.number, replace_surrogates(as_text(member(block, "name"))), ""
                )
            case _:  # redacted thinking, server tools, and kinds that are new
                self._open[as_text(index)] = None
                self._speech.block_between()
                if isinstance(block, dict):
                    yield from self._parts.read_block(block)

    def _delta(self, index: object, delta: object) -> Iterable[StreamEvent]:
        match member(delta, "type"):
            case "text_delta":
                return self._piece("text", member(delta, "text"))
            case "thinking_delta":
                return self._piece("thinking", member(delta, "thinking"))
            case "input_json_delta":
                return self._arguments(index, member(delta, "partial_json"))
            case "citations_delta":
                self._parts.cite(member(delta, "citation"))
            case "signature_delta" | "citations_start_delta" | None:
                pass
            case kind:
                self._parts.name(kind)
        return ()

    def _piece(self, kind: str, piece: object) -> Iterable[StreamEvent]:
        if not piece or not isinstance(piece, str):
            return ()
        return self._speech.text(piece) if kind == "text" else self._speech.reasoning(piece)

    def _opened(self, index: object, given: object = None) -> _Call:
        call = _Call(len(self._calls), given)
        self._calls.append(call)
        self._open[as_text(index)] = call
        return call

    def _arguments(self, index: object, piece: object) -> Iterator[StreamEvent]:
        key = as_text(index)
        # where its start was lost, a call without a name
        call = self._open[key] if key in self._open else self._opened(index)
        if call and piece and isinstance(piece, str):
            call.given = None
            yield ToolCallDelta(call.number, "", call.mender.mend(piece))

    def _close(self, call: _Call | None) -> Iterator[StreamEvent]:
        if call is None:
            return
        given = "{}" if call.given == {} else as_text(call.given)
        call.given = None
        if arguments := call.mender.flush() or replace_surrogates(given):
            yield ToolCallDelta(call.number, "", arguments)

    def _first_counts(self, usage: object) -> Iterator[StreamEvent]:
        """Read the counts of `message_start`, but for its count of an answer not begun yet.

        If the stream breaks, that must not be shown as the answer's.
        """
        if isinstance(usage, dict):
            known = {name: value for name, value in usage.items() if name != "output_tokens"}
            yield from self._figures.report(known)
