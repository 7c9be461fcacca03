"""From a refused request to one exception: what happened and what to do, in two lines.

Decides by code, then by text, then by status, as provider-api.md, section 14 advises: a 500 that
says "insufficient credits" is final, a 402 about the upstream's balance is not the user's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from cc_jupyter.errors import (
    AuthError,
    CreditError,
    ModelError,
    PlanError,
    RateLimitError,
    StatusError,
)
from cc_jupyter.redact import redact
from cc_jupyter.wire.envelope import Envelope, parse_refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

_RETRYABLE = frozenset({408, 429, *range(500, 505), *range(520, 528), 529})
_WINDOWS = {"fiveHour": "five-hour", "weekly": "weekly", "daily": "daily"}
_CEILING = re.compile(r"max_tokens:?\s*(\d+)\s*>\s*(\d+)", re.IGNORECASE)
_ISO_TIME = re.compile(r"resets at (\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)?)", re.IGNORECASE)
_LONGEST_RESET_S = 400 * 86_400.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused request."""

    error: StatusError
    retryable: bool
    """Whether the same request may be sent again."""
    max_tokens_ceiling: int | None = None
    """The output ceiling the provider named: the request may be sent once more with it."""


@dataclass(frozen=True, slots=True)
class _Rule:
    words: tuple[str, ...]
    error: type[StatusError]
    sentence: str
    hint: str
    retryable: bool = False


_CREDIT_HINT = "top up in Command Code Studio, or choose a free model: %cmd models free"
_RULES = (
    _Rule(
        ("upgrade required",),
        PlanError,
        "this account's plan does not include the Provider API",
        "choose a plan with Provider API access in Command Code Studio",
    ),
    _Rule(
        ("model not in plan",),
        PlanError,
        "this account's plan does not include {model}",
        "choose another model (%cmd models), or a plan that includes it",
    ),
    _Rule(
        ("usage exceeded",),
        CreditError,
        "the spending cap set by the organisation is reached",
        "ask who administers the organisation",
    ),
    _Rule(
        ("premium credits exhausted",),
        CreditError,
        "the allowance for premium models is used up",
        "choose another model (%cmd models), or top up in Command Code Studio",
    ),
    _Rule(("insufficient credits",), CreditError, "the account is out of credits", _CREDIT_HINT),
    _Rule(
        ("insufficient balance",),
        StatusError,
        "the provider's own upstream for {model} is out of order",
        "this is not your balance; try later or choose another model",
    ),
    _Rule(
        ("cmd zdr no providers",),
        ModelError,
        "no upstream of {model} guarantees zero data retention",
        "choose another model; the request was not repeated without --zdr",
    ),
    _Rule(
        ("must be called via", "not supported on this endpoint"),
        ModelError,
        "{model} is not served on the endpoint it was sent to",
        "%cmd models --refresh reads anew which endpoint serves it",
    ),
    _Rule(
        ("no available providers match",),
        ModelError,
        "{model} is listed but out of order",
        "try later, or choose another model: %cmd models",
    ),
    _Rule(
        ("unsupported model", "model not found"),
        ModelError,
        "the provider does not know the model {model}",
        "%cmd models lists those it has",
    ),
    _Rule(
        ("prompt is too long", "exceeds the model's context window", "context length exceeded"),
        StatusError,
        "the prompt is longer than the context window of {model}",
        "--new or --once sends it without the conversation",
    ),
    _Rule(
        ("authentication error", "invalid 'authorization' header", "invalid api key"),
        AuthError,
        "the provider refused the key",
        "create a key in Command Code Studio and set CMD_API_KEY",
    ),
)
_BY_STATUS: dict[int, tuple[type[StatusError], str, str | None]] = {
    400: (StatusError, "the provider refused the request", None),
    401: (
        AuthError,
        "the provider refused the key",
        "create a key in Command Code Studio and set CMD_API_KEY",
    ),
    402: (CreditError, "the account is out of credits", _CREDIT_HINT),
    403: (PlanError, "the provider does not permit this", "%cmd status shows key and model in use"),
    404: (StatusError, "the server has no such path", "check the base URL (CMD_BASE_URL)"),
    405: (StatusError, "the server has no such path", "check the base URL (CMD_BASE_URL)"),
    408: (StatusError, "the request timed out at the provider", "run the cell again"),
    413: (StatusError, "the request is too large", "about 50 MB is the most the provider takes"),
}


def classify(  # noqa: PLR0913  a refusal is read from all of these
    status: int,
    headers: Mapping[str, str],
    raw: bytes,
    *,
    model: str,
    secrets: tuple[str, ...],
    now: datetime,
) -> Refusal:
    """Read a response of status 300 or more.

    Parameters
    ----------
    headers
        By lower-case name.
    raw
        The body, or its beginning.
    model
        The id asked for, to name it.
    secrets
        Texts that must not appear in any message.
    now
        Aware; against it the provider's instants become seconds.
    """
    envelope = parse_refusal(raw)
    kind, sentence, hint, retryable = _decide(status, headers, envelope, now)
    sentence = f"{sentence.format(model=model)} ({status})"
    said = envelope.message and redact(envelope.message, secrets)
    if said and kind in (StatusError, ModelError, PlanError):
        sentence = f"{sentence}: {said}"
    code = envelope.code or envelope.kind
    error = kind(
        redact(sentence, secrets),
        hint=hint,
        status=status,
        code=code and redact(code, secrets),
        provider_message=said,
        retry_after_s=_retry_after_s(headers, envelope, now),
        request_id=envelope.request_id or headers.get("x-trace-id") or headers.get("cf-ray"),
    )
    return Refusal(error, retryable, _ceiling(status, envelope))


def _decide(
    status: int, headers: Mapping[str, str], envelope: Envelope, now: datetime
) -> tuple[type[StatusError], str, str | None, bool]:
    for rule in _RULES:
        if any(words in envelope.said for words in rule.words):
            return rule.error, rule.sentence, rule.hint, rule.retryable
    if 300 <= status < 400:  # noqa: PLR2004  the class of redirects
        target = headers.get("location", "elsewhere").partition("?")[0]
        return (
            StatusError,
            f"the server redirects to {target.replace('{', '').replace('}', '')}",
            "nothing was sent there; check the base URL (CMD_BASE_URL)",
            False,
        )
    if status == 429:  # noqa: PLR2004  too many requests
        return _rate_limit(envelope, now)
    if status in _RETRYABLE and status >= 500:  # noqa: PLR2004
        return StatusError, "the provider failed", "run the cell again in a while", True
    kind, sentence, hint = _BY_STATUS.get(status, _BY_STATUS[400])
    return kind, sentence, hint, status in _RETRYABLE


def _rate_limit(
    envelope: Envelope, now: datetime
) -> tuple[type[StatusError], str, str | None, bool]:
    if not _window_used_up(envelope):
        return RateLimitError, "too many requests, or the model is busy", "wait a little", True
    window = _WINDOWS.get(envelope.window or "", envelope.window or "usage")
    reset = _reset(envelope)
    hint = None
    if reset is not None:
        local = reset.astimezone()
        today = local.date() == now.astimezone().date()
        hint = f"it resets at {local:%H:%M}" if today else f"it resets on {local:%Y-%m-%d at %H:%M}"
    return RateLimitError, f"the {window} window of the plan is used up", hint, False


def _window_used_up(envelope: Envelope) -> bool:
    return bool(envelope.window) or "usage limit for your plan" in envelope.said


def _reset(envelope: Envelope) -> datetime | None:
    if envelope.reset_epoch_s is not None:
        try:
            return datetime.fromtimestamp(envelope.reset_epoch_s, UTC)
        except (OverflowError, OSError, ValueError):
            return None
    found = _ISO_TIME.search(envelope.message or "")
    if found is None:
        return None
    try:
        reset = datetime.fromisoformat(found[1].rstrip("."))
    except ValueError:
        return None
    return reset if reset.tzinfo else reset.replace(tzinfo=UTC)


def _retry_after_s(headers: Mapping[str, str], envelope: Envelope, now: datetime) -> float | None:
    """Read when to come back: from the headers, else from the window; rubbish is no answer."""
    seconds = _seconds(headers.get("retry-after-ms"), 1000) or _seconds(
        headers.get("retry-after"), 1
    )
    if seconds is None and (value := headers.get("retry-after")):
        try:
            at = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now.timestamp()
    if seconds is None and (reset := _reset(envelope)) is not None:
        seconds = reset.timestamp() - now.timestamp()
    if seconds is None or seconds > _LONGEST_RESET_S:
        return None
    return max(0.0, seconds)


def _seconds(value: str | None, per_second: int) -> float | None:
    try:
        seconds = float(value or "") / per_second
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _ceiling(status: int, envelope: Envelope) -> int | None:
    if status != 400:  # noqa: PLR2004  the only status this was seen with
        return None
    found = _CEILING.search(envelope.message or "")
    return int(found[2]) if found and 0 < int(found[2]) < int(found[1]) else None
