"""Steps without secrets, for the history and for exports."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cc_jupyter.core.messages import Reasoning, ToolCall
from cc_jupyter.core.redaction import SecretFilter, redact

if TYPE_CHECKING:
    from cc_jupyter.core.messages import AnswerPart
    from cc_jupyter.core.steps import CallRecord, Step


def redacted_step(step: Step, secrets: tuple[str, ...] = ()) -> Step:
    """Return a step without secrets; reasoning that holds one is left out, since it is signed."""
    return replace(
        step,
        parts=tuple(
            _redacted_part(part, secrets)
            for part in step.parts
            if not isinstance(part, Reasoning) or not _holds(part.value, secrets)
        ),
        calls=tuple(_redacted_call(record, secrets) for record in step.calls),
        reasoning=redact(step.reasoning, secrets),
    )


def _redacted_part(part: AnswerPart, secrets: tuple[str, ...]) -> AnswerPart:
    if isinstance(part, str):
        return redact(part, secrets)
    return _redacted_tool_call(part, secrets) if isinstance(part, ToolCall) else part


def _redacted_tool_call(call: ToolCall, secrets: tuple[str, ...]) -> ToolCall:
    arguments = redact(call.arguments_json, secrets)
    return call._replace(name=redact(call.name, secrets), arguments_json=arguments)


def _redacted_call(record: CallRecord, secrets: tuple[str, ...]) -> CallRecord:
    content = tuple(
        redact(each, secrets) if isinstance(each, str) else each for each in record.result.content
    )
    return record._replace(
        call=_redacted_tool_call(record.call, secrets),
        result=record.result._replace(content=content),
        shown=redact(record.shown, secrets),
        source=redact(record.source, secrets),
        detail=redact(record.detail, secrets),
    )


def _holds(text: str, secrets: tuple[str, ...]) -> bool:
    checked = SecretFilter(secrets)
    checked.feed(text)
    checked.flush()
    return checked.has_found
