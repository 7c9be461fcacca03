"""Remember which keys a server rejected, so that the doctor knows it without a request."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from cc_jupyter.core.errors import AuthError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from cc_jupyter.client.endpoint import Endpoint
    from cc_jupyter.config.credentials import Key
    from cc_jupyter.core.errors import ProviderError


class RejectedKeys:
    """The keys whose last request was answered with 401, for each API root; by their digests.

    Parameters
    ----------
    now
        The clock; aware, UTC.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._rejected_at: dict[tuple[str, str], datetime] = {}

    def learn(self, endpoint: Endpoint, error: ProviderError | None) -> None:
        """Remember how a request ended; an error that is not about the key says nothing."""
        if endpoint.is_keyless:  # the answer came from a cassette
            return
        place = endpoint.api_root, _digest(endpoint.key)
        if isinstance(error, AuthError):
            self._rejected_at[place] = self._now()
        elif error is None:
            self._rejected_at.pop(place, None)

    def rejected_at(self, api_root: str, key: Key) -> datetime | None:
        """Return when a server rejected a key; `None`: it did not, or has accepted it since."""
        return self._rejected_at.get((api_root, _digest(key)))


def _digest(key: Key) -> str:
    return hashlib.sha256(key.value.encode()).hexdigest()
