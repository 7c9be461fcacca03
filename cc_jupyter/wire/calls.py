"""The tool calls of one chat completion: which piece belongs to which call.

`index` or `id` may be missing, null, late, or the same for all calls (openai-python#2806,
AstrBot#6661, gcli2api#406). Nothing here runs a call, or even reads its arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cc_jupyter.core.events import ToolCallDelta
from cc_jupyter.wire.body import as_text, member
from cc_jupyter.wire.text import Mender, whole

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Call:
    """What is known of one call."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.id: str | None = None
        self.index: int | None = None
        self.mender = Mender()


class ToolCalls:
    """Numbers the calls of one answer in the order in which they began."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._by_id: dict[str, _Call] = {}
        self._by_index: dict[int, _Call] = {}

    @property
    def came(self) -> bool:
        """Whether there was any."""
        return bool(self._calls)

    def read(self, delta: dict[str, Any]) -> Iterator[ToolCallDelta]:
        """Give the pieces in a `delta` or a `message`; the old form has one call only."""
        pieces = delta.get("tool_calls")
        if not pieces and delta.get("function_call"):
            pieces = [{"function": delta["function_call"]}]
        for piece in pieces if isinstance(pieces, list) else ():
            if isinstance(function := member(piece, "function"), dict):
                yield self._piece(piece, function)

    def rest(self) -> Iterator[ToolCallDelta]:
        """Give what waited for the other half of a character."""
        for call in self._calls:
            if half := call.mender.flush():
                yield ToolCallDelta(call.number, "", half)

    def _piece(self, piece: dict[str, Any], function: dict[str, Any]) -> ToolCallDelta:
        name = whole(as_text(function.get("name")))
        index = piece.get("index")
        index = index if isinstance(index, int) else None
        call = self._find(index, as_text(piece.get("id")) or None, opens=bool(name))
        arguments = call.mender.mend(as_text(function.get("arguments")))
        return ToolCallDelta(call.number, name, arguments)

    def _find(self, index: int | None, id_: str | None, *, opens: bool) -> _Call:
        """Find the call of a piece by its id, else its index, else take the last one."""
        call = self._by_id.get(id_) if id_ else None
        if call is None and index is not None:
            call = self._by_index.get(index)
        if call is None and not opens and self._calls:
            last = self._calls[-1]
            call = last if index is None or last.index is None else None
        if call is None or (id_ and call.id and call.id != id_):
            call = _Call(len(self._calls))
            self._calls.append(call)
        if id_:
            call.id = id_
            self._by_id[id_] = call
        if index is not None:
            call.index = index
            self._by_index[index] = call
        return call
