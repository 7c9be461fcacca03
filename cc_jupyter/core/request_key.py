"""The request key: what two requests have in common that ask for the same answer.

Source: experiments.md, section 1.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cc_jupyter.core.messages import ApiPath


_TRANSPORT_FIELDS = ("stream", "stream_options")
_CACHE_MARKER = "cache_control"
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
    given: Mapping[str, Any] = json.loads(body) if isinstance(body, bytes) else body
    asked = {name: value for name, value in given.items() if name not in _TRANSPORT_FIELDS}
    canonical = json.dumps(
        {"endpoint": endpoint, "body": without_cache_markers(asked)},
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def without_cache_markers(value: Any) -> Any:  # noqa: ANN401  JSON
    """Return JSON without cache markers.

    A text that had to become a block to carry a marker is a plain text again: the position of a
    prompt in its thread decides on the marker, and must not decide on the key.
    """
    if isinstance(value, list):
        return [without_cache_markers(each) for each in value]
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
