"""Every model there is: the provider's list, the catalogue and the user's own, as one.

Each says what it knows best: the provider which models it serves, with which window and endpoints;
the catalogue prices, limits and abilities; the user whatever they have set right.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self, get_args

from cc_jupyter.catalog import ModelSpec, Rates, Tier, load_catalog, spec_by_id
from cc_jupyter.client.local.server import CONTEXT_TOKENS as LOCAL_CONTEXT_TOKENS
from cc_jupyter.core.messages import Endpoint
from cc_jupyter.own_models import own_spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cc_jupyter.model_list import ListedModel, ModelList
    from cc_jupyter.own_models import OwnModel


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model and who knows it."""

    spec: ModelSpec
    """All that is known, put together."""
    is_listed: bool | None
    """Whether the provider lists it; `None`: there is no list yet."""
    is_own: bool
    """Whether the user's `config.toml` has an entry of it."""
    base_url: str | None = None
    """The API root that serves it, where it is not the one that serves the others."""

    @classmethod
    def on_this_machine(cls, model_id: str, name: str) -> Self:
        """Give the local model, which costs nothing and speaks every wire format."""
        every: tuple[Endpoint, ...] = get_args(Endpoint)
        free = Tier(None, Rates(Decimal(0), Decimal(0), Decimal(0), Decimal(0)))
        spec = ModelSpec(
            model_id,
            name,
            "on this machine",
            every,
            LOCAL_CONTEXT_TOKENS,
            tiers=(free,),
            note="without a key; %cmd local setup gets it",
        )
        return cls(spec, is_listed=None, is_own=False)

    @property
    def id(self) -> str:
        """What is sent as `model`."""
        return self.spec.id

    @property
    def rates(self) -> Rates | None:
        """The rates of a short prompt off-peak, which lists show; `None`: no price is known."""
        return self.spec.tiers[0].rates if self.spec.tiers else None

    @property
    def notes(self) -> list[str]:
        """What else should be said of it, most important first."""
        found = []
        if self.is_listed is False and self.base_url is None:
            found.append("not listed by the provider")
        if not self.spec.tiers:
            found.append("price unknown")
        if self.base_url is not None:
            found.append(f"served by {self.base_url.partition('://')[2].partition('/')[0]}")
        if self.is_own:
            found.append("config.toml")
        if self.spec.note:
            found.append(self.spec.note)
        if len(self.spec.tiers) > 1:
            found.append("long prompts cost more")
        if self.spec.peak is not None:
            found.append("costs more in peak hours")
        if not self.spec.zdr:
            found.append("no ZDR")
        return found


def known_models(own: Mapping[str, OwnModel], listed: ModelList) -> dict[str, KnownModel]:
    """Give all models by id: the user's own gateways, then as the provider lists them, then others.

    Parameters
    ----------
    own
        The entries of `config.toml`.
    listed
        The provider's list; it may be empty.
    """
    ids = dict.fromkeys(name for name, entry in own.items() if entry.base_url is not None)
    ids |= dict.fromkeys(listed.models)
    ids |= dict.fromkeys(load_catalog().models)
    ids |= dict.fromkeys(own)
    return {name: _known(name, own, listed) for name in ids}


def _known(name: str, own: Mapping[str, OwnModel], listed: ModelList) -> KnownModel:
    entry = own.get(name)
    served = listed.models.get(name)
    spec = own_spec(name, own) or spec_by_id(name)
    if served is not None:
        told = _told(served, spec)
        corrected = entry.fields if entry else {}
        spec = dataclasses.replace(spec, **{k: v for k, v in told.items() if k not in corrected})
    return KnownModel(
        spec,
        is_listed=(served is not None) if listed.models else None,
        is_own=entry is not None,
        base_url=entry.base_url if entry else None,
    )


def _told(served: ListedModel, spec: ModelSpec) -> dict[str, Any]:
    """Give what the provider says of a model, as fields of its spec."""
    return {
        "name": served.name if served.name != served.id else spec.name,
        "context_tokens": served.context_tokens or spec.context_tokens,
        "endpoints": served.endpoints or spec.endpoints,
    }
