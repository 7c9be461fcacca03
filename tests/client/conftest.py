"""A transport that leaves nothing behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.plain_server import reader_threads, wait_until

from cc_jupyter.client.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def transport() -> Iterator[Transport]:
    """Return a transport; after the test every reader must have ended by itself."""
    opened = Transport()
    yield opened
    opened.close()
    wait_until(lambda: not reader_threads())
