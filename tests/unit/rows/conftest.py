"""Sessions for tests of runs over rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support import provider as scripted
from support.plain_server import reader_threads, wait_until

from cc_jupyter.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def open_session(provider: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Session]]:
    """Return what opens a session, as a kernel that starts again does; the history stays."""
    monkeypatch.setenv("CMD_BASE_URL", provider.base_url)
    monkeypatch.setenv("CMD_API_KEY", scripted.KEY)
    monkeypatch.setattr("cc_jupyter.client.client._backoff_s", lambda _: 0.01)
    monkeypatch.setattr("cc_jupyter.session.scheduler.backoff_s", lambda _: 0.01)
    opened: list[Session] = []

    def open_one() -> Session:
        opened.append(Session())
        return opened[-1]

    yield open_one
    for session in opened:
        session.transport.close()
        session.history.close()
    wait_until(lambda: not reader_threads())


@pytest.fixture
def session(open_session: Callable[[], Session]) -> Session:
    """Return a session."""
    return open_session()
