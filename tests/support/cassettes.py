"""Recordings to write and to read."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from cc_jupyter.cassettes.recording import RecordedResponse, Recording

AT = datetime(2026, 11, 30, 10, 0, 0, 123000, tzinfo=UTC)


def key(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def recording(number: int = 0, answer: str = "Hello", sample: int = 0, **body: object) -> Recording:
    """Return a recording whose prompt and answer are a few words."""
    asked = {"model": "m", "messages": [{"role": "user", "content": f"Hi {number}"}]} | body
    response = RecordedResponse(
        200, {"content-type": "text/event-stream"}, ((7, answer.encode()),), 9
    )
    return Recording(key(number), sample, "/chat/completions", asked, (response,), AT, "2026-10-08")
