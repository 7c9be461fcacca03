"""Takes secrets out of every text that may be shown, logged or kept.

Keys seen in the wild start with `user_`, `cc_` or `sk-`; a key of any other shape is removed by
its own letters, which is why callers that know the key pass it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHAPES = re.compile(
    # a digit, or a length no ordinary word has: `bearer token` and `user_messages` are no keys;
    # in JSON a backslash ends a key, and the letter of an escape is no part of the word behind it
    r"(?i)(?P<scheme>\bbearer\s+)(?=[^\s\"',;}\]\\]*[\d_]|[^\s\"',;}\]\\]{16})[^\s\"',;}\]\\]+"
    r"|(?:\b|(?<=\\[nrtbf])|(?<=\\u[0-9a-f]{4}))(?:user_|cc_|sk-)"
    r"(?:(?=[A-Za-z_\-]*\d)[A-Za-z0-9_\-]{8,}|[A-Za-z0-9_\-]{20,})"
)
_SHORTEST_SECRET = 4


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Replace each secret, and all that looks like a key, by `[key]`."""
    for secret in secrets:
        if len(secret) < _SHORTEST_SECRET:
            continue
        for spelled in {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}:
            text = text.replace(spelled, "[key]")
    return _SHAPES.sub(lambda found: f"{found['scheme'] or ''}[key]", text)
