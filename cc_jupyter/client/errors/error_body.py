"""Reads what a provider says went wrong, whatever shape it says it in.

One reader serves the bodies of refusals, whole answers that are errors, and events in a stream. It
knows the shapes below; of any other it returns the body itself, so that no provider's words are
lost.

Sources: provider-api.md, section 14 (captures of 2026-08 to 2026-10); OpenAI and Claude API
references, "Errors"; RFC 9457 (`title`, `detail`); FastAPI and pydantic (`detail: [{loc, msg}]`);
OpenRouter, "Errors" (`metadata.raw`, `choices[].error`); MiniMax, "Error codes" (`base_resp`);
Google AIP-193 (`details`, `RetryInfo`, `QuotaFailure`); all read 2026-11-30.
"""

from __future__ import annotations

import dataclasses
import html
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cc_jupyter.client.parsing import member, parse_json, sanitize_message
from cc_jupyter.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterator


_MOST_READ = 10_000
"""Characters of a body that are searched for words."""
_DEEPEST = 6
_MOST_ENTRIES = 3
"""Of a list of errors; the others repeat the first in most captures."""
_HEADINGS = ("title", "error", "fault")
_MESSAGES = (
    "message",
    "msg",
    "detail",
    "details",
    "error_message",
    "errorMessage",
    "error_msg",
    "error_description",
    "status_msg",
    "faultstring",
    "Message",
    "reason",
    "description",
)
_NESTED = ("error", "errors", "fault", "detail", "details", "base_resp", "response", "message")
_CODES = ("code", "statusCode", "status_code", "error_code", "errorCode", "__type")
_PREFIX_CODE = re.compile(r"^([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+):\s*")
_PAGE = re.compile(r"<\s*(?:!doctype|\?xml|html|head|body|script|title|h1)\b", re.IGNORECASE)
_TITLE = re.compile(r"<(?:title|h1)\b[^<>]*>([^<]+)", re.IGNORECASE)
_UNSEEN = re.compile(r"<(script|style|head)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^<>]*>")
_BINARY_SHARE = 10
"""A text in which more than one character in this many is broken is no text."""
_ERROR_WORDS = ("error", "exception", "fail")
_ANSWER_MEMBERS = frozenset(("choices", "candidates", "delta", "content", "content_block", "usage"))
_ERROR_MEMBERS = frozenset(("error", "error_message", "base_resp"))
_FINE_CODES = (0, 200, "0", "200", "ok", "success", "OK", "SUCCESS", "", None, False, True)


@dataclass(frozen=True, slots=True)
class Envelope:
    """The fields of the provider's error body."""

    message: str | None = None
    """One line, at most 500 characters; `None` when nothing came that can be shown."""
    code: str | None = None
    kind: str | None = None
    """Its `type`."""
    window: str | None = None
    """Which window of the plan is used up (`fiveHour`, `weekly`, `daily`)."""
    reset_epoch_s: float | None = None
    """When that window resets."""
    request_id: str | None = None
    wait: object = None
    """The wait named in a member of the body (`retryDelay`, `retry_after`), as it came."""
    wait_unit_ms: bool = False
    """Whether `wait` counts milliseconds."""
    is_page: bool = False
    """Whether the body was a web page, which a proxy writes and not a provider."""


def parse_refusal(raw: bytes, secrets: tuple[str, ...] = ()) -> Envelope:
    """Read the body of a refusal; of a web page only its title is kept.

    Parameters
    ----------
    secrets
        Texts to redact before a long message is cut: half a key could not be recognised.
    """
    text = raw.decode("utf-8-sig", "replace").strip()
    if text.startswith("<"):
        return Envelope(message=_fit(text, secrets), is_page=True)
    try:
        return read_envelope(parse_json(text), secrets)
    except ValueError:
        is_binary = text.count("\ufffd") * _BINARY_SHARE > len(text)
        return read_envelope("" if is_binary else text, secrets)


def has_error(body: dict[str, Any]) -> bool:
    """Return whether a JSON object within an answer reports an error.

    Empty members do not count, nor does a bare message: some relays report progress in one. A bare
    message is an error only if a code, a type or `success: false` next to it says so.
    """
    if body.get("type") == "error":
        return True
    if not _ERROR_MEMBERS.isdisjoint(body) and _has_error_member(body):
        return True
    if any(_choice_errors(body)):
        return True
    if not _ANSWER_MEMBERS.isdisjoint(body):
        return False
    return body.get("object") == "error" or bool(body.get("errors")) or _is_bare_error(body)


def _has_error_member(body: dict[str, Any]) -> bool:
    error = body.get("error")
    if isinstance(error, dict):
        error = any(error.values())
    if error or body.get("error_message"):
        return True
    return member(body, "base_resp", "status_code") not in _FINE_CODES


def _is_bare_error(body: dict[str, Any]) -> bool:
    """Return whether an object without `error` holds a message and says that it is an error."""
    if not any(isinstance(body.get(name), (str, list)) and body[name] for name in _MESSAGES):
        return False
    signs = [str(body.get(name)).casefold() for name in ("type", "object", "status", "event")]
    return (
        body.get("success") is False
        or any(word in sign for sign in signs for word in _ERROR_WORDS)
        or any(body.get(name) not in _FINE_CODES for name in _CODES)
    )


def read_envelope(body: object, secrets: tuple[str, ...] = ()) -> Envelope:
    """Read an error body of any shape; the last resort is the body itself, on one line."""
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    message = _fit(_sentence(body), secrets)
    if not isinstance(body, dict):
        return _with_prefix_code(Envelope(message or _whole(body, secrets)))
    layers = list(_layers(body))
    window, reset = _window(layers)
    wait, is_ms = _wait(layers)
    envelope = Envelope(
        # a window is understood without words; every other body must say something
        message=message or (None if window else _whole(body, secrets)),
        code=_first(layers, _CODES, secrets),
        kind=_first(layers, ("type", "error_type"), secrets) or _status_word(layers, secrets),
        window=window,
        reset_epoch_s=reset,
        request_id=_first(layers[::-1], ("request_id", "requestId"), secrets),
        wait=wait,
        wait_unit_ms=is_ms,
    )
    return _with_prefix_code(envelope)


def error_words(body: dict[str, Any], secrets: tuple[str, ...] = ()) -> str | None:
    """Return the words of an object that may be an error; `None` if it has none."""
    return _fit(_sentence(body), secrets)


def _layers(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the objects that may hold codes and waits, the most specific kind of place first."""
    inner: Any = body.get("error")
    for _ in range(_DEEPEST):
        if not isinstance(inner, dict):
            break
        yield inner
        inner = inner.get("error")
    yield from _choice_errors(body)
    for name in ("base_resp", "fault"):
        if isinstance(body.get(name), dict):
            yield body[name]
    errors = body.get("errors")
    yield from (each for each in (errors if isinstance(errors, list) else ()) if _is_object(each))
    yield body
    for place in (body, body.get("error")):
        details = member(place, "details")
        yield from (
            each for each in (details if isinstance(details, list) else ()) if _is_object(each)
        )
        if isinstance(metadata := member(place, "metadata"), dict):
            yield metadata


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _choice_errors(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the errors inside choices, where OpenRouter reports an upstream's."""
    choices = body.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        error = choice.get("error") if isinstance(choice, dict) else None
        if isinstance(error, dict) and any(error.values()):
            yield error


def _first(
    layers: list[dict[str, Any]], names: tuple[str, ...], secrets: tuple[str, ...]
) -> str | None:
    """Return the first text or number with one of these names."""
    for layer in layers:
        for name in names:
            value = layer.get(name)
            if value and isinstance(value, (str, int)) and not isinstance(value, bool):
                return _fit(str(value), secrets)
    return None


def _status_word(layers: list[dict[str, Any]], secrets: tuple[str, ...]) -> str | None:
    """Return Google's `status`, a word; a number there is the HTTP status again."""
    words = (layer.get("status") for layer in layers)
    return next((_fit(word, secrets) for word in words if isinstance(word, str) and word), None)


def _window(layers: list[dict[str, Any]]) -> tuple[str | None, float | None]:
    """Return the window of the plan that is used up, and when it resets."""
    for layer in layers:
        limit = layer.get("rateLimit")
        if isinstance(name := member(limit, "window"), str) and name:
            return sanitize_message(name), _number(member(limit, "reset"))
        if isinstance(reset := layer.get("resets_at"), (int, float)):  # a subscription of OpenAI
            return "usage", _number(reset)
        violations = layer.get("violations")
        for each in violations if isinstance(violations, list) else ():
            if "perday" in str(member(each, "quotaId")).casefold():  # a free quota of Google
                return "daily", None
    return None, None


_WAITS_S = (
    "retryDelay",
    "retry_delay",
    "retry_after",
    "retryAfter",
    "retry_after_seconds",
    "retryAfterSeconds",
    "resets_in_seconds",
)
_WAITS_MS = ("retry_after_ms", "retryAfterMs")


def _wait(layers: list[dict[str, Any]]) -> tuple[object, bool]:
    """Return the wait that a member names, and whether it counts milliseconds."""
    for layer in layers:
        for name in (*_WAITS_MS, *_WAITS_S):
            value = layer.get(name)
            if isinstance(value, dict):  # a duration as protocol buffers write it
                value = value.get("seconds")
            if isinstance(value, (str, int, float)) and not isinstance(value, bool):
                return value, name in _WAITS_MS
    return None, False


def _sentence(value: object, depth: int = 0) -> str:
    """Return the words of an error: a text, a list of errors, or an object that holds one."""
    if depth > _DEEPEST or not value:
        return ""
    if isinstance(value, str):
        return _unwrapped(value, depth)
    if isinstance(value, list):
        return "; ".join(
            dict.fromkeys(
                filter(None, (_sentence(each, depth + 1) for each in value[:_MOST_ENTRIES]))
            )
        )
    return _object_sentence(value, depth) if isinstance(value, dict) else ""


def _object_sentence(body: dict[str, Any], depth: int) -> str:
    """Join the heading, the message and the cause of one object, each once."""
    pieces = [
        _text_member(body, _HEADINGS, depth),
        _text_member(body, _MESSAGES, depth),
        *(_sentence(body[name], depth + 1) for name in _NESTED if _is_nested(body.get(name))),
        *(_sentence(error, depth + 1) for error in _choice_errors(body)),
        _sentence(member(body, "metadata", "raw"), depth + 1),
        _by_field(body.get("errors"), depth),
    ]
    text = ""
    for piece in filter(None, pieces):
        if piece.casefold() not in text.casefold():
            text = piece if text.casefold() in piece.casefold() else f"{text}: {piece}"
    where = body.get("loc")
    if text and isinstance(where, list) and where:
        text = f"{'.'.join(map(str, where))}: {text}"
    return text


def _by_field(errors: object, depth: int) -> str:
    """Return the complaints of an object that lists them by the name of the field."""
    if not isinstance(errors, dict) or _sentence(errors, depth + 1):
        return ""
    by_name = [(name, _sentence(errors[name], depth + 1)) for name in list(errors)[:_MOST_ENTRIES]]
    return "; ".join(f"{name}: {text}" for name, text in by_name if text)


def _text_member(body: dict[str, Any], names: tuple[str, ...], depth: int) -> str:
    texts = (body.get(name) for name in names)
    return next((_unwrapped(text, depth) for text in texts if isinstance(text, str) and text), "")


def _is_nested(value: object) -> bool:
    return isinstance(value, (dict, list)) and bool(value)


def _unwrapped(text: str, depth: int) -> str:
    """Return the words of a message that is itself a JSON document, else the message."""
    start = text.lstrip()[:1]
    if start not in ("{", "["):
        return text
    try:
        return _sentence(parse_json(text), depth + 1) or text
    except ValueError:
        return text


def _whole(body: object, secrets: tuple[str, ...]) -> str | None:
    """Return a body of unknown shape on one line; `None` if it is empty."""
    if not body or (isinstance(body, dict) and not any(body.values())):
        return None
    try:
        return _fit(json.dumps(body, ensure_ascii=False), secrets)
    except (RecursionError, ValueError):
        return None


def _fit(text: str, secrets: tuple[str, ...]) -> str | None:
    """Return foreign words as one line of at most 500 characters, without secrets or markup."""
    text = text[:_MOST_READ]
    if _PAGE.search(text) or text.startswith("<"):
        text = _words_of_page(text)
    return sanitize_message(redact(text, secrets))


def _words_of_page(page: str) -> str:
    """Return what a web page says in its title, else the start of its text."""
    if (found := _TITLE.search(page)) and (title := found[1].strip()):
        words = f"{page[: page.find('<')].strip()} {title}"
    else:
        words = _TAG.sub(" ", _UNSEEN.sub(" ", page))
    return html.unescape(words).replace("<", " ")


def _with_prefix_code(envelope: Envelope) -> Envelope:
    """Read a business code that precedes the message (`MODEL_NOT_IN_PLAN: …`)."""
    message = envelope.message or ""
    found = _PREFIX_CODE.match(message)
    if found is None:
        return envelope
    return dataclasses.replace(envelope, message=message[found.end() :] or None, code=found[1])


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return None
