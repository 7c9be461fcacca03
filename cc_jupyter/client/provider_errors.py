"""Turns a refused request into one exception: what happened and what to do, in two lines.

One reader handles all shapes of error bodies (provider-api.md, section 14; captures of 2026-08 to
2026-10). It decides by code, then by text, then by status: a 500 that says "insufficient credits"
is final, and a 402 about the upstream's balance is not the user's. Retry headers that cannot be
read, or cannot be meant, count as missing.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from cc_jupyter.client.parsing import member, parse_json, sanitize_message
from cc_jupyter.core.errors import (
    AuthError,
    CreditError,
    ModelError,
    PlanError,
    RateLimitError,
    StatusError,
)
from cc_jupyter.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Mapping


_ISO_TIME = re.compile(r"resets at (\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)?)", re.IGNORECASE)
_MAX_RESET_DISTANCE = timedelta(days=400)
"""How far from now a reset may lie; one beyond it is a mistake."""
_PREFIX_CODE = re.compile(r"^([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+):\s*")
_WINDOWS = {"fivehour": "five-hour", "weekly": "weekly", "daily": "daily"}
_CEILING = re.compile(r"max_tokens:?\s*(\d+)\s*>\s*(\d+)", re.IGNORECASE)
_REQUEST_IDS = ("x-trace-id", "request-id", "x-request-id", "cf-ray")


@dataclass(frozen=True, slots=True)
class Envelope:
    """The fields of the provider's error body."""

    message: str | None = None
    """One line, at most 500 characters; `None` when there was none that can be shown."""
    code: str | None = None
    kind: str | None = None
    """Its `type`."""
    window: str | None = None
    """Which window of the plan is used up (`fiveHour`, `weekly`, `daily`)."""
    reset_epoch_s: float | None = None
    """When that window resets."""
    request_id: str | None = None


def reset_of(envelope: Envelope, now: datetime) -> datetime | None:
    """Return when the exhausted usage window resets."""
    try:
        if envelope.reset_epoch_s is not None:
            reset = datetime.fromtimestamp(envelope.reset_epoch_s, UTC)
        elif found := _ISO_TIME.search(envelope.message or ""):
            reset = _aware(datetime.fromisoformat(found[1].rstrip(".")))
        else:
            return None
    except (OverflowError, OSError, ValueError):
        return None
    return reset if abs(reset - now) <= _MAX_RESET_DISTANCE else None


def retry_after_s(
    headers: Mapping[str, str], reset: datetime | None, now: datetime
) -> float | None:
    """Return the seconds from now: by the headers, else until `reset`."""
    value = headers.get("retry-after", "")
    seconds = _seconds(headers.get("retry-after-ms", ""), per_second=1000)
    if seconds is None:
        seconds = _seconds(value, per_second=1)
    if seconds is None and (at := _http_date(value) or reset) is not None:
        seconds = max(0.0, (at - now).total_seconds())
    if seconds is None or seconds > _MAX_RESET_DISTANCE.total_seconds():
        return None
    return seconds


def _seconds(value: str, *, per_second: int) -> float | None:
    try:
        seconds = float(value) / per_second
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _http_date(value: str) -> datetime | None:
    try:
        return _aware(parsedate_to_datetime(value))
    except (ValueError, OverflowError):
        return None


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def parse_refusal(raw: bytes) -> Envelope:
    """Read the body of a refusal; HTML and other documents yield no message."""
    text = raw.decode("utf-8-sig", "replace").strip()
    if text.startswith("<"):
        return Envelope()
    try:
        return read_envelope(parse_json(text))
    except ValueError:
        return read_envelope("" if "\ufffd" in text else text)


def has_error(body: dict[str, Any]) -> bool:
    """Return whether a JSON object reports an error; an empty `error` does not count."""
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
        code=_text(error.get("code") or error.get("statusCode") or body.get("code")),
        kind=_text(error.get("type") or body.get("error_type")),
        window=_text(member(limit, "window")),
        reset_epoch_s=_number(member(limit, "reset")),
        request_id=_text(body.get("request_id") or error.get("request_id")),
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
            return sanitize_message(value)
        text = member(inner, "error", "message") or member(inner, "message")
        if isinstance(text, str):
            return sanitize_message(text)
    return sanitize_message(value)


def _with_prefix_code(envelope: Envelope) -> Envelope:
    """Read a business code that precedes the message (`MODEL_NOT_IN_PLAN: …`)."""
    message = envelope.message or ""
    found = _PREFIX_CODE.match(message)
    if found is None:
        return envelope
    return dataclasses.replace(envelope, message=message[found.end() :] or None, code=found[1])


def _text(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return sanitize_message(str(value))


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


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
    """One row of the table of refusals; the first match decides."""

    codes: tuple[str, ...]
    """Values of `code` or `type`, case-folded."""
    texts: tuple[str, ...]
    """Texts anywhere in the message, case-folded."""
    error: type[StatusError]
    sentence: str
    hint: str


_KEY_HINT = "create a key in Command Code Studio, then %cmd login or CMD_API_KEY"
_CREDIT_HINT = "top up in Command Code Studio, or choose a free model: %cmd models free"
_RULES = (
    _Rule(
        ("upgrade required",),
        ("upgrade required",),
        PlanError,
        "this account's plan does not include the Provider API",
        "choose a plan with Provider API access in Command Code Studio",
    ),
    _Rule(
        ("model not in plan",),
        ("model not in plan",),
        PlanError,
        "this account's plan does not include {model}",
        "choose another model (%cmd models), or a plan that includes it",
    ),
    _Rule(
        ("usage exceeded",),
        (),
        CreditError,
        "the spending cap set by the organisation is reached",
        "ask who administers the organisation",
    ),
    _Rule(
        ("premium credits exhausted",),
        ("premium credits exhausted",),
        CreditError,
        "the allowance for premium models is used up",
        "choose another model (%cmd models), or top up in Command Code Studio",
    ),
    _Rule(
        ("insufficient credits",),
        ("insufficient credits",),
        CreditError,
        "the account is out of credits",
        _CREDIT_HINT,
    ),
    _Rule(
        (),
        ("insufficient balance",),
        StatusError,
        "the provider's own upstream for {model} is out of order",
        "this is not your balance; try later or choose another model",
    ),
    _Rule(
        ("cmd zdr no providers",),
        ("cmd zdr no providers",),
        ModelError,
        "no upstream of {model} guarantees zero data retention",
        "choose another model; the request was not repeated without --zdr",
    ),
    _Rule(
        (),
        ("must be called via", "not supported on this endpoint"),
        ModelError,
        "{model} is not served on the endpoint it was sent to",
        "%cmd models --refresh updates which endpoint serves it",
    ),
    _Rule(
        (),
        ("no available providers match",),
        ModelError,
        "{model} is listed but out of order",
        "try later, or choose another model: %cmd models",
    ),
    _Rule(
        ("unsupported model", "model not found"),
        ("unsupported model", "model not found"),
        ModelError,
        "the provider does not know the model {model}",
        "%cmd models lists those it has",
    ),
    _Rule(
        ("context length exceeded",),
        (
            "prompt is too long",
            "exceeds the model's context window",
            "context length exceeded",
            "exceeds the available context size",  # the local model's engine
        ),
        StatusError,
        "the prompt is longer than the context window of {model}",
        "--new or --once sends it without the conversation",
    ),
    _Rule(
        ("authentication error", "invalid api key"),
        ("invalid 'authorization' header", "invalid api key"),
        AuthError,
        "the provider refused the key",
        _KEY_HINT,
    ),
)
_BY_STATUS: dict[int, tuple[type[StatusError], str, str]] = {
    401: (AuthError, "the provider refused the key", _KEY_HINT),
    402: (CreditError, "the account is out of credits", _CREDIT_HINT),
    403: (PlanError, "the provider does not permit this", "%cmd status shows key and model in use"),
    404: (StatusError, "the server has no such path", "check the base URL (CMD_BASE_URL)"),
    405: (StatusError, "the server has no such path", "check the base URL (CMD_BASE_URL)"),
    408: (StatusError, "the request timed out at the provider", "run the cell again"),
    413: (StatusError, "the request is too large", "about 50 MB is the most the provider takes"),
    429: (RateLimitError, "too many requests, or the model is busy", "wait a little"),
}


@dataclass(frozen=True, slots=True)
class _Verdict:
    error: type[StatusError]
    sentence: str
    hint: str
    retryable: bool = False


def classify(  # noqa: PLR0913  a refusal is read from all of these
    status: int,
    headers: Mapping[str, str],
    raw: bytes,
    *,
    model: str,
    secrets: tuple[str, ...],
    now: datetime,
) -> Refusal:
    """Read a response of any status but 200.

    Parameters
    ----------
    headers
        By lower-case name.
    raw
        The body, or its beginning.
    model
        The requested id, for the message.
    secrets
        Texts that must not appear in any message.
    now
        The current time, aware; the provider's times become seconds from it.
    """
    envelope = parse_refusal(raw)
    reset = reset_of(envelope, now)
    if envelope.window or "usage limit for your plan" in _fold(envelope.message):
        verdict = _window_used_up(envelope.window, reset, now)
    else:
        verdict = _decide(status, headers, envelope, model)
    sentence = f"{verdict.sentence} ({status})"
    provider_message = envelope.message and redact(envelope.message, secrets)
    if provider_message and verdict.error in (StatusError, ModelError, PlanError):
        sentence = f"{sentence}: {provider_message}"
    code = envelope.code or envelope.kind
    request_id = envelope.request_id or next(filter(None, map(headers.get, _REQUEST_IDS)), None)
    error = verdict.error(
        redact(sentence, secrets),
        hint=verdict.hint,
        status=status,
        code=code and redact(code, secrets),
        provider_message=provider_message,
        retry_after_s=retry_after_s(headers, reset, now),
        request_id=request_id and redact(request_id, secrets),
    )
    return Refusal(error, verdict.retryable, _ceiling(status, envelope))


def _decide(status: int, headers: Mapping[str, str], envelope: Envelope, model: str) -> _Verdict:
    if status < 400:  # noqa: PLR2004  neither a refusal nor an answer
        return _unexpected_status(status, headers)
    names = {_fold(envelope.code), _fold(envelope.kind)}
    message = _fold(envelope.message)
    for rule in _RULES:
        if not names.isdisjoint(rule.codes) or any(text in message for text in rule.texts):
            return _Verdict(rule.error, rule.sentence.format(model=model), rule.hint)
    if status >= 500:  # noqa: PLR2004  the class of failures
        hint = "run the cell again in a while"
        return _Verdict(StatusError, "the provider failed", hint, retryable=True)
    unknown = (StatusError, "the provider refused the request", "--dry-run shows what is sent")
    if status == 403 and not message and names == {""}:  # noqa: PLR2004  none of the provider's shapes
        return _Verdict(StatusError, "access was refused", "a proxy or firewall may have answered")
    error, sentence, hint = _BY_STATUS.get(status, unknown)
    return _Verdict(error, sentence, hint, retryable=status in (408, 429))


def _unexpected_status(status: int, headers: Mapping[str, str]) -> _Verdict:
    if status < 300:  # noqa: PLR2004  the class of success
        return _Verdict(StatusError, "the server sent no answer", "run the cell again")
    target = headers.get("location", "elsewhere").partition("?")[0].partition("#")[0]
    return _Verdict(
        StatusError,
        f"the server redirects to {sanitize_message(target) or 'elsewhere'}",
        "nothing was sent there; check the base URL (CMD_BASE_URL)",
    )


def _window_used_up(window: str | None, reset: datetime | None, now: datetime) -> _Verdict:
    name = _WINDOWS.get((window or "").casefold(), "usage")
    sentence = f"the {name} window of the plan is used up"
    return _Verdict(RateLimitError, sentence, _reset_hint(reset, now))


def _reset_hint(reset: datetime | None, now: datetime) -> str:
    """Return a hint that says when a window resets, in local time."""
    if reset is None:
        return "it resets by itself; %cmd models lists other models"
    if reset <= now:
        return "it has just been reset; run the cell again"
    local = reset.astimezone()
    today = local.date() == now.astimezone().date()
    at = f"at {local:%H:%M}" if today else f"on {local:%Y-%m-%d at %H:%M}"
    return f"it resets {at} local time"


def _ceiling(status: int, envelope: Envelope) -> int | None:
    if status != 400:  # noqa: PLR2004  the only status this was seen with
        return None
    found = _CEILING.search(envelope.message or "")
    return int(found[2]) if found and 0 < int(found[2]) < int(found[1]) else None


def _fold(words: str | None) -> str:
    return (words or "").casefold().replace("_", " ")
