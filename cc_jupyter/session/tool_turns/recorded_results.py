"""The results of tools in a cassette: a replayed turn runs no function.

The request after a round holds its results, and that request is recorded. So the results of a
replayed round are those of the recorded request that begins like this turn. `--live-tools` runs the
functions and names results that differ; the model gets the recorded ones, since its next answer
follows from them.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from cc_jupyter.cassettes.images import named_by_hash
from cc_jupyter.client.wire_formats import WIRE_FORMATS
from cc_jupyter.core.messages import ToolResult
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.request_key import without_cache_markers
from cc_jupyter.core.steps import CallRecord
from cc_jupyter.core.text import excerpt
from cc_jupyter.session.tool_turns.recorded_content import contents_of

if TYPE_CHECKING:
    from cc_jupyter.cassettes.tape import Tape
    from cc_jupyter.core.messages import Request, ToolCall
    from cc_jupyter.core.steps import CallState, Step

_REFUSALS = ("refused: ", "the user refused this call")
"""How the results of refused calls begin, as `tools.consent` writes them."""
_ERROR = re.compile(r"\w*(?:Error|Exception)(?:: |\Z)")
"""How the results of functions that raised begin, as `tools.results` writes them."""


def recorded_results(tape: Tape, request: Request, step: Step) -> list[ToolResult] | None:
    """Return the recorded results of the calls of a step, in order.

    Returns `None` if no request with them is recorded.

    Parameters
    ----------
    request
        The request that the step answers.

    Raises
    ------
    CassetteError
        A result has an image whose file is missing.
    """
    following = request._replace(messages=(*request.messages, *step.closed().messages))
    ours = _comparable(WIRE_FORMATS[request.endpoint].encode(following))
    calls = step.open_calls
    # the results are in the last message of /messages, and in the last ones of the chat format
    known = len(ours["messages"]) - (1 if request.endpoint == "/messages" else len(calls))
    for recorded in tape.cassette.requests():
        if recorded.endpoint != request.endpoint or not isinstance(recorded.body, dict):
            continue
        theirs = _comparable(recorded.body)
        messages = theirs.get("messages")
        if (
            theirs.get("model") == ours["model"]
            and isinstance(messages, list)
            and messages[:known] == ours["messages"][:known]
        ):
            names = [call.name for call in calls]
            contents = contents_of(messages[known:], names, tape.cassette.image)
            if contents is not None:
                pairs = zip(calls, contents, strict=True)
                return [ToolResult(call.id, *content) for call, content in pairs]
    return None


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
    if _as_sent(record.result) == _as_sent(recorded):
        return record
    then, now = _words(recorded), _words(record.result)
    if then == now:
        then = f"{then}, with other images"
    detail = f"it differs from the recording, which the model gets: {then}; now: {now}"
    return record._replace(
        result=recorded,
        shown=f"{record.shown} · differs from the recording",
        detail="\n".join(filter(None, (detail, record.detail))),
    )


def _as_sent(result: ToolResult) -> list[object]:
    """Return what of a result is compared: texts and images, without the images' names."""
    return [
        each if isinstance(each, str) else (each.media_type, each.data, each.url)
        for each in result.content
    ]


def _words(result: ToolResult) -> str:
    return excerpt("\n".join(each for each in result.content if isinstance(each, str)))


def _comparable(body: dict[str, Any]) -> Any:  # noqa: ANN401  JSON
    """Return a body without cache markers, as a cassette stores it: without secrets."""
    named, _ = named_by_hash(without_cache_markers(body))
    return json.loads(redact(json.dumps(named, ensure_ascii=False)))
