"""The results of tools in a cassette: a replayed turn runs no function.

The request after a round holds its results, and that request is recorded. So the results of a
replayed round are those of the recorded request that begins like this turn. `--live-tools` runs the
functions and names results that differ; the model gets the recorded ones, since its next answer
follows from them.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import weakref
from typing import TYPE_CHECKING, Any, TypeAlias

from cc_jupyter.client.wire_formats import WIRE_FORMATS
from cc_jupyter.core.messages import ToolResult
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.request_key import without_cache_markers
from cc_jupyter.core.steps import CallRecord
from cc_jupyter.core.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cc_jupyter.cassettes.cassette import Cassette, RecordedRequest
    from cc_jupyter.cassettes.tape import Tape
    from cc_jupyter.core.messages import Request, ToolCall
    from cc_jupyter.core.steps import CallState, Step

_Result: TypeAlias = "tuple[str | None, bool]"
"""The text of a result and whether it is an error; `None`: it is no text."""
_REFUSALS = ("refused: ", "the user refused this call")
"""How the results of refused calls begin, as `tools.consent` writes them."""
_ERROR = re.compile(r"\w*(?:Error|Exception)(?:: |\Z)")
"""How the results of functions that raised begin, as `tools.results` writes them."""


def recorded_results(tape: Tape, request: Request, step: Step) -> list[ToolResult] | None:
    """Return the recorded results of the calls of a step, in order.

    Returns `None` if no request after it is recorded, or if its results are not texts.

    Parameters
    ----------
    request
        The request that the step answers.
    """
    following = request._replace(messages=(*request.messages, *step.closed().messages))
    ours = _comparable(WIRE_FORMATS[request.endpoint].encode(following))
    calls = step.open_calls
    # the results are in the last message of /messages, and in the last ones of the chat format
    last = 1 if request.endpoint == "/messages" else len(calls)
    prefix = _digest(request.endpoint, ours["model"], ours["messages"][:-last])
    for found in _rounds_of(tape.cassette).after(prefix):
        if len(found) == len(calls) and all(text is not None for text, _ in found):
            pairs = zip(calls, found, strict=True)
            return [
                ToolResult(call.id, (text or "",), is_error=is_error)
                for call, (text, is_error) in pairs
            ]
    return None


class _Rounds:
    """The results in the requests of a cassette, by what comes before them.

    A run over rows asks for those of each row, so a request is read once. A key stands for one
    request, whatever its recording is replaced by.
    """

    def __init__(self, cassette: Cassette) -> None:
        self._cassette = weakref.ref(cassette)
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._found: dict[str, list[list[_Result]]] = {}

    def after(self, prefix: str) -> list[list[_Result]]:
        """Return the results of each recorded round that follows these messages, in order."""
        cassette = self._cassette()
        assert cassette is not None  # noqa: S101  the caller has it
        with self._lock:
            keys = cassette.keys()
            if not self._known <= keys:  # recordings were removed
                self._known, self._found = set(), {}
            if self._known != keys:
                for recorded in cassette.requests(self._known):
                    self._add(recorded)
                self._known = keys
            return list(self._found.get(prefix, ()))

    def _add(self, recorded: RecordedRequest) -> None:
        body = recorded.body
        messages = _comparable(body).get("messages") if isinstance(body, dict) else None
        if not isinstance(messages, list):
            return
        at = 0
        while at < len(messages):
            end = at + 1
            if messages[at].get("role") == "tool":
                while end < len(messages) and messages[end].get("role") == "tool":
                    end += 1
            if found := [*_results(messages[at:end])]:
                prefix = _digest(recorded.endpoint, body.get("model"), messages[:at])
                self._found.setdefault(prefix, []).append(found)
            at = end


_rounds: weakref.WeakKeyDictionary[Cassette, _Rounds] = weakref.WeakKeyDictionary()
_rounds_lock = threading.Lock()


def _rounds_of(cassette: Cassette) -> _Rounds:
    with _rounds_lock:
        if cassette not in _rounds:
            _rounds[cassette] = _Rounds(cassette)
        return _rounds[cassette]


def _digest(endpoint: str, model: object, messages: list[Any]) -> str:
    """Return a digest of the messages before a round; equal ones have equal digests."""
    text = json.dumps([endpoint, model, messages], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def replayed(call: ToolCall, result: ToolResult) -> CallRecord:
    """Return the record of a call whose result comes from a cassette."""
    from cc_jupyter.tools.call_source import call_source  # noqa: PLC0415  few turns are replayed

    arguments = call.arguments
    source = f"{excerpt(call.name)}({excerpt(call.arguments_json)})"
    if arguments is not None:
        source = call_source(call.name, arguments)
    # the chat format does not mark errors
    is_error = result.is_error or _ERROR.match(result.text) is not None
    state: CallState = "error" if is_error else "ok"
    if result.text.startswith(_REFUSALS):
        state = "refused"
    shown = excerpt(result.text.partition("\n")[0])
    return CallRecord(call, result, state, shown, source, replayed=True)


def compared(record: CallRecord, recorded: ToolResult) -> CallRecord:
    """Return the record of a function that ran, with the recorded result for the model."""
    if record.result.text == recorded.text:
        return record
    detail = (
        f"it differs from the recording, which the model gets: {excerpt(recorded.text)};"
        f" now: {excerpt(record.result.text)}"
    )
    return record._replace(
        result=recorded,
        shown=f"{record.shown} · differs from the recording",
        detail="\n".join(filter(None, (detail, record.detail))),
    )


def _comparable(body: dict[str, Any]) -> Any:  # noqa: ANN401  JSON
    """Return a body without cache markers, as a cassette stores it: without secrets."""
    return json.loads(redact(json.dumps(without_cache_markers(body), ensure_ascii=False)))


def _results(messages: list[Any]) -> Iterator[_Result]:
    """Yield each result."""
    for message in messages:
        content = message.get("content")
        if message.get("role") == "tool":
            yield (content if isinstance(content, str) else None), False
            continue
        for block in content if isinstance(content, list) else ():
            if block.get("type") == "tool_result":
                inner = block.get("content", "")
                is_error = bool(block.get("is_error"))
                yield (inner if isinstance(inner, str) else None), is_error
