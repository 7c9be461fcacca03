"""Which path is answered by what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .refusals import error, refusal
from .reply import reply
from .script import Answer, http

if TYPE_CHECKING:
    from .record import Record
    from .server import Provider

MODELS_PATH = "/provider/v1/models"
_POSTS = ("/provider/v1/chat/completions", "/provider/v1/messages")


def answer(provider: Provider, record: Record) -> Answer:
    """Return the answer to a request that was not scripted."""
    method, path = record.method, record.path
    if path == MODELS_PATH and method == "GET":
        return lambda _: http(200, {"object": "list", "data": provider.models})
    if path in _POSTS and method == "POST":
        return refusal(provider, record) or reply(provider, record)
    if path in (MODELS_PATH, *_POSTS):
        return error(405, f"{method} is not allowed here", type="invalid_request_error")
    return error(404, f"There is nothing at {path}")
