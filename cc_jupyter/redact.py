"""Takes secrets out of every text that may be shown, logged or kept.

Keys seen in the wild start with `user_`, `cc_` or `sk-`; a key of any other shape is removed by
its own letters, which is why callers that know the key pass it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHAPES = re.compile(
    r"(?i)(?P<scheme>\bbearer\s+)[^\s\"',;}\]]+"
    # a digit, or a length no ordinary name has: `user_messages` is not a key
    r"|\b(?:user_|cc_|sk-)(?:(?=[A-Za-z_\-]*\d)[A-Za-z0-9_\-]{8,}|[A-Za-z0-9_\-]{20,})"
)
_SHORTEST_SECRET = 4


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Replace each secret, and all that looks like a key, by `[key]`."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "[key]")
    return _SHAPES.sub(lambda found: f"{found['scheme'] or ''}[key]", text)
