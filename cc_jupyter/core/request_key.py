"""The request key: what two requests have in common that ask for the same answer.

Source: experiments.md, section 1.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cc_jupyter.core.messages import ApiPath


_TRANSPORT_FIELDS = ("stream", "stream_options")
_CACHE_MARKER = "cache_control"
_PLACEHOLDER = "\ue000 the prompt of a row \ue000"
"""Stands for the prompt; nothing else in a body is this text."""
_MAX_EXECUTIONS = 16
"""Threads may still send for earlier executions."""


def request_key(endpoint: ApiPath, body: bytes | Mapping[str, Any]) -> str:
    """Return the SHA-256 of a request's canonical form, as 64 hexadecimal digits.

    Host, API key and headers are not part of it, nor are fields that only change how the answer is
    transported or cached.

    Parameters
    ----------
    body
        The body as it is sent, before any redaction.
    """
    return hashlib.sha256(_canonical(endpoint, body).encode()).hexdigest()


class KeyTemplate:
    """The request keys of requests that differ only in their prompt; a key takes microseconds.

    Parameters
    ----------
    body
        Returns the body of the request with a given prompt.
    """

    def __init__(self, endpoint: ApiPath, body: Callable[[str], Mapping[str, Any]]) -> None:
        canonical = _canonical(endpoint, body(_PLACEHOLDER))
        before, self._after = (part.encode() for part in canonical.split(_in_json(_PLACEHOLDER)))
        self._before = hashlib.sha256(before)

    def digest(self, prompt: str) -> bytes:
        """Return the key of the request with this prompt, as 32 bytes."""
        digest = self._before.copy()
        digest.update(_in_json(prompt).encode())
        digest.update(self._after)
        return digest.digest()


def _canonical(endpoint: ApiPath, body: bytes | Mapping[str, Any]) -> str:
    given: Mapping[str, Any] = json.loads(body) if isinstance(body, bytes) else body
    asked = {name: value for name, value in given.items() if name not in _TRANSPORT_FIELDS}
    return json.dumps(
        {"endpoint": endpoint, "body": without_cache_markers(asked)},
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )


def _in_json(text: str) -> str:
    """Return what `json.dumps(text, ensure_ascii=False)` does, without a new encoder each time."""
    return encode_basestring(text)


def without_cache_markers(value: Any) -> Any:  # noqa: ANN401  JSON
    """Return JSON without cache markers.

    A text that had to become a block to carry a marker is a plain text again: the position of a
    prompt in its thread decides on the marker, and must not decide on the key. So is a text that
    was split where its marked part ends.
    """
    if isinstance(value, list):
        return _joined_at_markers(value)
    if not isinstance(value, dict):
        return value
    plain = {
        name: without_cache_markers(inner) for name, inner in value.items() if name != _CACHE_MARKER
    }
    for name in ("content", "system"):
        blocks = plain.get(name)
        if isinstance(blocks, list) and len(blocks) == 1 and set(blocks[0]) == {"type", "text"}:
            plain[name] = blocks[0]["text"]
    return plain


def _joined_at_markers(values: list[Any]) -> list[Any]:
    """Return a list without markers; a text block joins the marked one that it continues."""
    found: list[Any] = []
    continues = False
    for each in values:
        plain = without_cache_markers(each)
        is_text = isinstance(plain, dict) and plain.keys() == {"type", "text"}
        if continues and is_text:
            found[-1] = {**plain, "text": found[-1]["text"] + plain["text"]}
        else:
            found.append(plain)
        continues = is_text and _CACHE_MARKER in each
    return found


class SampleCounter:
    """Numbers equal requests from 0, in the order they are planned; safe from any thread.

    Every execution of a cell starts at 0 again, so that a cell that runs twice asks for the same
    answers of a cassette.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._executions: dict[object, Counter[str]] = {}

    def number(self, execution: object, digest: str) -> int:
        """Return the number of the next request with this digest.

        Parameters
        ----------
        execution
            Identifies the execution of a cell; `None` outside IPython, where counting never starts
            again.
        digest
            Equal for equal requests.
        """
        with self._lock:
            counts = self._executions.pop(execution, None) or Counter()
            self._executions[execution] = counts  # the last one used is the last one here
            while len(self._executions) > _MAX_EXECUTIONS:
                self._executions.pop(next(iter(self._executions)))
            counts[digest] += 1
            return counts[digest] - 1
