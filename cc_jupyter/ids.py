"""Names that nobody else gives: for turns and conversations, on every machine and for ever."""

from __future__ import annotations

import os


def new_id() -> str:
    """Give 32 random hexadecimal digits."""
    return os.urandom(16).hex()
