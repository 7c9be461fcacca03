"""A separate history file for each test, and turns to store in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import provider as scripted
from support.plain_server import reader_threads, wait_until

from cc_jupyter.conversation.store import Store
from cc_jupyter.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return an empty store, closed after the test."""
    opened = Store(tmp_path / "data" / "history.db")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def one_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Return one store for all examples of a property: to make one takes longer than to use it."""
    opened = Store(tmp_path_factory.mktemp("store") / "history.db")
    yield opened
    opened.close()


@pytest.fixture
def new_session(
    provider: scripted.Provider, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Session]]:
    """Return what opens a session, each with the history of those before it on disk."""
    monkeypatch.setenv("CMD_BASE_URL", provider.base_url)
    monkeypatch.setenv("CMD_API_KEY", scripted.KEY)
    every: list[Session] = []

    def open_session() -> Session:
        every.append(Session())
        return every[-1]

    yield open_session
    for opened in every:
        opened.transport.close()
        opened.history.forget(None)  # what could not be saved is not reported at exit
        opened.history.close()
    wait_until(lambda: not reader_threads())
