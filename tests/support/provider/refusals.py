"""What the provider refuses by itself, and errors in the envelope of the endpoint asked.

Source: provider-api.md, sections 2, 3, 6, 8 and 14.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import burst, models
from .script import Answer, Script, http

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .record import Record
    from .server import Provider

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "invalid_request_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
_MESSAGES = {
    401: "Invalid 'Authorization' header",
    429: "Upstream model provider is temporarily unavailable",
    529: "Overloaded",
}


def error(
    status: int,
    message: str | None = None,
    *,
    type: str | None = None,  # noqa: A002  the word of the envelope
    code: object = None,
    param: object = None,
    body: Mapping[str, Any] | str | bytes | None = None,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> Answer:
    """Refuse, in the envelope of the endpoint that is asked.

    Parameters
    ----------
    status, message, type, code, param
        What the envelope says; left out, what this status usually says. The envelope of
        `/messages` has no code: there, a code that is text stands in place of the type.
    body
        The whole body, to the letter: another envelope, HTML, nothing (`""`).
    headers, content_type
        More headers, such as `{"retry-after": "1"}`.
    """
    message = message or _MESSAGES.get(status, "The provider could not answer")
    kind = type or _TYPES.get(status, "server_error")

    def answer(record: Record) -> Script:
        envelope = body
        if envelope is None and is_messages(record):
            named = code if isinstance(code, str) else kind
            envelope = {"type": "error", "error": {"type": named, "message": message}}
        elif envelope is None:
            fields = {"message": message, "type": kind, "code": code or kind, "param": param}
            envelope = {"error": fields}
        trace = {"x-trace-id": "4bf92f3577b34da6a3ce929d0e0e4736"}
        return http(status, envelope or "", trace | dict(headers or {}), content_type=content_type)

    return answer


def is_messages(record: Record) -> bool:
    """Whether the request is in Anthropic's format."""
    return record.path.endswith("/messages")


def refusal(provider: Provider, record: Record) -> Answer | None:
    """Return the error that a `POST` deserves; `None`: it is in order."""
    if not _has_key(record, provider.key):
        return error(401)
    request = record.json
    if not isinstance(request, dict):
        return error(400, "Invalid JSON in the body of the request")
    return (
        _wrong_model(provider, record, request)
        or _wrong_messages(record, request)
        or _wrong_limit(record, request)
    )


def _has_key(record: Record, key: str) -> bool:
    if record.headers.get("authorization") == f"Bearer {key}":
        return True
    return is_messages(record) and record.headers.get("x-api-key") == key


def _wrong_model(provider: Provider, record: Record, request: dict[str, Any]) -> Answer | None:
    model = request.get("model")
    if not isinstance(model, str) or not model:
        return error(400, "model: Field required", param="model")
    by_name = models.MESSAGES if model.startswith("claude-") else models.CHAT
    endpoints = models.endpoints_of(model, provider.models)
    if endpoints is None and burst.parse(model) is not None:
        endpoints = by_name
    if endpoints is None:
        return _unsupported(f"Model '{model}' is not supported")
    asked = record.path.partition("/v1")[2]
    if asked not in endpoints and models.MESSAGES[0] in endpoints:
        return _unsupported(f"Model '{model}' must be called via /provider/v1/messages")
    if asked not in endpoints:
        return _unsupported(f"Model '{model}' is not supported on this endpoint")
    private = record.headers.get("x-cmd-zdr") == "1"
    if private and model in models.WITHOUT_ZERO_DATA_RETENTION:
        text = f"No zero data retention provider is available for '{model}'"
        return error(422, text, type="invalid_request_error", code="cmd_zdr_no_providers")
    return None


def _unsupported(message: str) -> Answer:
    return error(400, message, code="unsupported_model", param="model")


def _wrong_messages(record: Record, request: dict[str, Any]) -> Answer | None:
    said = request.get("messages")
    if not isinstance(said, list) or not said or not all(isinstance(one, dict) for one in said):
        return error(400, "messages: expected a list of messages", param="messages")
    if not is_messages(record):
        return None
    if said[0].get("role") != "user":
        return error(400, "messages: first message must use the 'user' role")
    if said[-1].get("role") == "assistant":
        return error(400, "This model does not support assistant message prefill")
    if not all(message.get("content") for message in said):
        return error(400, "messages: text content blocks must be non-empty")
    return None


def _wrong_limit(record: Record, request: dict[str, Any]) -> Answer | None:
    asked = request.get("max_tokens")
    if asked is None:
        missing = error(400, "max_tokens: Field required", param="max_tokens")
        return missing if is_messages(record) else None
    if not isinstance(asked, int) or asked < 1:
        return error(400, "max_tokens: expected a positive integer", param="max_tokens")
    model = request["model"]
    most = models.MOST_OUTPUT_TOKENS.get(model, models.MOST_OUTPUT_TOKENS_ELSE)
    if asked > most:
        allowed = "which is the maximum allowed number of output tokens for"
        return error(400, f"max_tokens: {asked} > {most}, {allowed} {model}", param="max_tokens")
    return None
