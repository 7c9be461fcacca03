"""A separate history file for each test, and turns to store in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cc_jupyter.conversation.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
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
