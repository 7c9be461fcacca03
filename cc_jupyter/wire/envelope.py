"""What a provider says when it refuses: one reading of all the shapes it comes in.

Shapes and deviations: provider-api.md, section 14 (captures of 2026-08 to 2026-10).
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any

from cc_jupyter.wire.body import member, parse_json
from cc_jupyter.wire.text import one_line

_PREFIX_CODE = re.compile(r"^([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+):\s*")


@dataclass(frozen=True, slots=True)
class Envelope:
    """The provider's own words."""

    message: str | None = None
    """One line, at most 500 characters; `None` when there was none fit to show."""
    code: str | None = None
    kind: str | None = None
    """Its `type`."""
    window: str | None = None
    """Which window of the plan is used up (`fiveHour`, `weekly`, `daily`)."""
    reset_epoch_s: float | None = None
    """When that window opens again."""
    request_id: str | None = None


def parse_refusal(raw: bytes) -> Envelope:
    """Read the body of a refusal; HTML and other documents give no message, never their text."""
    text = raw.decode("utf-8-sig", "replace").strip()
    if text.startswith("<"):
        return Envelope()
    try:
        return read_envelope(parse_json(text))
    except ValueError:
        return read_envelope("" if "\ufffd" in text else text)


def has_error(body: dict[str, Any]) -> bool:
    """Tell whether a JSON object reports an error; an `error` with nothing in it is none."""
    error = body.get("error")
    if isinstance(error, dict):
        error = any(error.values())
    return bool(error) or body.get("type") == "error" or bool(body.get("error_message"))


def read_envelope(body: object) -> Envelope:
    """Read either dialect's envelope, a bare one, one in a list, or a plain string."""
    if isinstance(body, list) and body:
        body = body[0]
    if isinstance(body, str):
        body = {"message": body}
    if not isinstance(body, dict):
        return Envelope()
    error = body.get("error") or body
    if isinstance(error, str):
        error = {"message": error}
    if not isinstance(error, dict):
        error = {}
    limit = error.get("rateLimit") or body.get("rateLimit")
    messages = (error.get("message"), *map(body.get, ("message", "detail", "error_message")))
    envelope = Envelope(
        message=_message(next(filter(None, messages), None)),
        code=_word(error.get("code") or error.get("statusCode") or body.get("code")),
        kind=_word(error.get("type") or body.get("error_type")),
        window=_word(member(limit, "window")),
        reset_epoch_s=_number(member(limit, "reset")),
        request_id=_word(body.get("request_id") or error.get("request_id")),
    )
    return _with_prefix_code(envelope)


def _message(value: object) -> str | None:
    """Unwrap, once, a message that is itself a JSON document."""
    if not isinstance(value, str):
        return None
    if value.lstrip().startswith("{"):
        try:
            inner = parse_json(value)
        except ValueError:
            return one_line(value)
        text = member(inner, "error", "message") or member(inner, "message")
        if isinstance(text, str):
            return one_line(text)
    return one_line(value)


def _with_prefix_code(envelope: Envelope) -> Envelope:
    """Take a business code that stands before the message (`MODEL_NOT_IN_PLAN: …`)."""
    message = envelope.message or ""
    found = _PREFIX_CODE.match(message)
    if found is None:
        return envelope
    return dataclasses.replace(envelope, message=message[found.end() :] or None, code=found[1])


def _word(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return one_line(str(value))


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return None
