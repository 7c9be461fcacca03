"""Check a key with one small request to a free model, for `%cmd login` and `%cmd doctor`."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from cc_jupyter.client.client import Limits
from cc_jupyter.client.endpoint import Endpoint
from cc_jupyter.core.errors import ProviderError
from cc_jupyter.core.events import Notice, Waiting
from cc_jupyter.core.messages import Message, Parameters, Request
from cc_jupyter.models.catalog import load_catalog

if TYPE_CHECKING:
    from cc_jupyter.config.credentials import Key
    from cc_jupyter.config.settings import Settings
    from cc_jupyter.models.catalog import CatalogEntry
    from cc_jupyter.session.session import Session


_CHECK_TOKENS = 16
"""The smallest limit that every model accepts (provider-api.md, section 3)."""
_CHECK_TIMEOUT_S = 20.0
"""The longest pause between two bytes of the answer that checks a key."""


def free_model(session: Session, root: str, settings: Settings) -> CatalogEntry | None:
    """Return a free model to check a key with, preferably one in the provider's list."""
    listed = session.models.listed(root).models
    free = [
        spec
        for spec in load_catalog().models.values()
        if spec.is_free
        and spec.id.endswith(":free")
        and (spec.zdr or not settings.zdr)
        and settings.allows_model(spec.id)
    ]
    # without a list, the model with known efforts is more likely to exist
    free.sort(key=lambda spec: (spec.id not in listed, not spec.efforts))
    return free[0] if free else None


def send_check(session: Session, key: Key, root: str, model: CatalogEntry, *, zdr: bool) -> None:
    """Send one request without retries; the key works if an answer begins.

    Raises
    ------
    ProviderError
        The request was refused or got no answer.
    """
    request = Request(
        model.id,
        model.endpoints[0],
        (Message("user", "Hi"),),
        parameters=Parameters(max_tokens=_CHECK_TOKENS),
    )
    target, limits = Endpoint(root, key, "api"), Limits(0, _CHECK_TIMEOUT_S)
    try:
        with closing(iter(session.open_stream(request, target, limits, zdr=zdr))) as events:
            for event in events:
                if not isinstance(event, Waiting | Notice):
                    break
    except ProviderError as error:
        session.rejected_keys.learn(target, error)
        raise
    session.rejected_keys.learn(target, None)
