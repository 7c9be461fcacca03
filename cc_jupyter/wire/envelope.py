"""What a provider says when it refuses: one reading of all the shapes it comes in.

Shapes and deviations: provider-api.md, section 14 (captures of 2026-08 to 2026-10).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from cc_jupyter.wire.body import member

_PREFIX_CODE = re.compile(r"^([A-Z][A-Z0-9_]{5,}):\s*")
_MOST_CHARACTERS = 500


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

    @property
    def said(self) -> str:
        """Code, type and message in one folded text to search, `_` read as a space."""
        words = (self.code, self.kind, self.message)
        return " ".join(word for word in words if word).casefold().replace("_", " ")


def parse_refusal(raw: bytes) -> Envelope:
    """Read the body of a refusal; HTML and other documents give no message, never their text."""
    text = raw.decode("utf-8-sig", "replace").strip()
    if not text or text.startswith("<"):
        return Envelope()
    try:
        body = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return _with_prefix_code(Envelope(message=_line(text)))
    return read_envelope(body)


def read_envelope(body: object) -> Envelope:
    """Read either dialect's envelope, a bare one, or a plain string."""
    if isinstance(body, str):
        return _with_prefix_code(Envelope(message=_line(body)))
    if not isinstance(body, dict):
        return Envelope()
    error = body.get("error") or body
    if isinstance(error, str):
        error = {"message": error, "code": body.get("code")}
    if not isinstance(error, dict):
        error = {}
    limit = error.get("rateLimit") or body.get("rateLimit")
    message = _message(error.get("message"))
    envelope = Envelope(
        message=message,
        code=_word(error.get("code") or error.get("statusCode")),
        kind=_word(error.get("type")),
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
            inner = json.loads(value, strict=False)
        except (ValueError, RecursionError):
            return _line(value)
        text = member(inner, "error", "message") or member(inner, "message")
        if isinstance(text, str):
            return _line(text)
    return _line(value)


def _with_prefix_code(envelope: Envelope) -> Envelope:
    """Take a business code that stands before the message (`MODEL_NOT_IN_PLAN: …`)."""
    found = _PREFIX_CODE.match(envelope.message or "")
    if found is None or envelope.message is None:
        return envelope
    return Envelope(
        message=envelope.message[found.end() :] or None,
        code=found[1],
        kind=envelope.kind,
        window=envelope.window,
        reset_epoch_s=envelope.reset_epoch_s,
        request_id=envelope.request_id,
    )


def _line(text: str) -> str | None:
    line = " ".join(text.split())
    if len(line) > _MOST_CHARACTERS:
        line = line[: _MOST_CHARACTERS - 1] + "…"
    return line or None


def _word(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return str(value) or None


def _number(value: Any) -> float | None:  # noqa: ANN401  JSON off the wire
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value)
