"""All models in one registry: the provider's list, the catalog and the user's own entries.

Each says what it knows best: the provider which models it serves, with which window and endpoints;
the catalogue prices, limits and abilities; the user whatever they have set right.

Which model is meant, on which endpoint it is served, and what is known about it.

A known id costs no question; only one that no list knows is looked up, once, in `/models`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self, get_args

from cc_jupyter.client.local.server import CONTEXT_TOKENS as LOCAL_CONTEXT_TOKENS
from cc_jupyter.core.errors import ConfigError, ConnectError, OptionError, did_you_mean
from cc_jupyter.core.messages import ApiPath
from cc_jupyter.models.catalog import (
    CatalogEntry,
    Rates,
    Tier,
    endpoint_by_name,
    load_catalog,
    spec_by_id,
)
from cc_jupyter.models.custom import catalog_fields, custom_entry
from cc_jupyter.models.listing import ListedModel, ModelList, cached_models, fetch_models

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cc_jupyter.client.endpoint import Endpoint
    from cc_jupyter.client.transport import Transport
    from cc_jupyter.config.custom_models import CustomModel
    from cc_jupyter.config.settings import Settings
    from cc_jupyter.models.listing import ListedModel


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model and who knows it."""

    spec: CatalogEntry
    """All that is known, put together."""
    is_listed: bool | None
    """Whether the provider lists it; `None` while there is no list."""
    is_own: bool
    """Whether the user's `config.toml` has an entry of it."""
    base_url: str | None = None
    """The API root that serves it, where it is not the one that serves the others."""

    @classmethod
    def on_this_machine(cls, model_id: str, name: str) -> Self:
        """Return the local model, which costs nothing and speaks every wire format."""
        every: tuple[ApiPath, ...] = get_args(ApiPath)
        free = Tier(None, Rates(Decimal(0), Decimal(0), Decimal(0), Decimal(0)))
        spec = CatalogEntry(
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
        """The value sent as `model`."""
        return self.spec.id

    @property
    def rates(self) -> Rates | None:
        """The rates of a short prompt off-peak, which lists show; `None`: no price is known."""
        return self.spec.tiers[0].rates if self.spec.tiers else None

    @property
    def notes(self) -> list[str]:
        """Remarks about the model, most important first."""
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


def known_models(own: Mapping[str, CustomModel], listed: ModelList) -> dict[str, ModelEntry]:
    """Return all models by id: the user's own gateways, the provider's list, then all others.

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


def _known(name: str, own: Mapping[str, CustomModel], listed: ModelList) -> ModelEntry:
    entry = own.get(name)
    served = listed.models.get(name)
    spec = custom_entry(name, own) or spec_by_id(name)
    if served is not None:
        told = _told(served, spec)
        corrected = catalog_fields(entry) if entry else {}
        spec = dataclasses.replace(spec, **{k: v for k, v in told.items() if k not in corrected})
    return ModelEntry(
        spec,
        is_listed=(served is not None) if listed.models else None,
        is_own=entry is not None,
        base_url=entry.base_url if entry else None,
    )


def _told(served: ListedModel, spec: CatalogEntry) -> dict[str, Any]:
    """Return the provider's facts about a model, as fields of its catalog entry."""
    return {
        "name": served.name if served.name != served.id else spec.name,
        "context_tokens": served.context_tokens or spec.context_tokens,
        "endpoints": served.endpoints or spec.endpoints,
    }


LOCAL = "local"
"""The name that means the local model, as a model and as a base URL."""
_NONE: Mapping[str, CustomModel] = {}


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model as it will be asked."""

    id: str
    endpoint: ApiPath
    spec: CatalogEntry | None
    """`None`: neither price table nor user has it, so its cost is unknown."""


class Models:
    """The models of each base URL, remembered for the life of the process."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lists: dict[str, ModelList] = {}
        self._looked_up: set[tuple[str, str]] = set()  # API root and id, whatever came of it

    def find(
        self, name: str, target: Endpoint, own: Mapping[str, CustomModel] = _NONE
    ) -> ResolvedModel:
        """Return the model with an id, asking `/models` once if no list knows it.

        A host other than the provider's own may serve what it does not list, or have no list.

        Parameters
        ----------
        own
            What the user's `config.toml` says of models.

        Raises
        ------
        OptionError
            The provider has no such model; nothing was sent to any.
        ConnectError
            It had to be asked and did not answer.
        """
        if target.served_by == LOCAL:
            return ResolvedModel(name, endpoint_by_name(name), None)
        spec = custom_entry(name, own)
        listed = self.listed(target.api_root).models.get(name)
        if spec is None and listed is None:
            listed = self._look_up(name, target, own)
        if spec is None and listed is None and target.is_default_host:
            raise OptionError(
                f"unknown model {name!r}; nothing was sent",
                hint=self.close_to(name, target, own) or "%cmd models lists them",
            )
        by_user = own[name].fields.get("endpoints", ()) if name in own else ()
        endpoints = by_user or (listed.endpoints if listed else ())
        return ResolvedModel(name, _endpoint(name, endpoints, spec), spec)

    def _look_up(
        self, name: str, target: Endpoint, own: Mapping[str, CustomModel]
    ) -> ListedModel | None:
        if (target.api_root, name) in self._looked_up:
            return None
        try:
            listed = self.refresh(target.api_root).models.get(name)
        except ConnectError as error:
            if target.is_default_host:
                # the id is in no list: a slip is as likely as the missing connection
                close = self.close_to(name, target, own)
                error.hint = "; ".join(filter(None, (close, error.hint))) or None
                raise
            listed = None
        self._looked_up.add((target.api_root, name))
        return listed

    def close_to(
        self, name: str, target: Endpoint, own: Mapping[str, CustomModel] = _NONE
    ) -> str | None:
        """Return a hint that names models like `name`; `None` when there are none.

        Another host that lists its models serves nothing else of the catalog.
        """
        listed = self.listed(target.api_root)
        known = {*listed.models, *own}
        if target.is_default_host or not listed.models:
            known = {*known_models(own, listed)}
        return did_you_mean(name, sorted(known - {name}))

    def known(self, settings: Settings) -> dict[str, ModelEntry]:
        """Return every model by id, as far as is known without asking anybody.

        Where the local model answers, it comes first; it plays all the others.
        """
        if settings.base_url != LOCAL:
            return known_models(settings.models, self.listed(settings.api_root))
        return {LOCAL: local_model(), **known_models(settings.models, ModelList({}, 0.0))}

    def listed(self, api_root: str) -> ModelList:
        """Return the last known list, from this process or the disk, without a request."""
        if api_root not in self._lists:
            self._lists[api_root] = cached_models(api_root)
        return self._lists[api_root]

    def refresh(self, api_root: str) -> ModelList:
        """Ask the provider for its list.

        Raises
        ------
        ConnectError
            It did not answer, or not with a list.
        """
        self._lists[api_root] = fetch_models(self._transport, api_root)
        return self._lists[api_root]


def chosen_model(option: str | None, settings: Settings) -> str:
    """Return the model's id: the option's, else the setting's, with aliases resolved.

    Raises
    ------
    ConfigError
        No model is chosen anywhere.
    """
    name = option or settings.model
    if name is None and settings.base_url == LOCAL:
        return LOCAL
    if name is None:
        cheap = ", ".join(_cheapest(3))
        raise ConfigError(
            "no model is chosen", hint=f"%cmd use MODEL, or -m MODEL; cheap ones: {cheap}"
        )
    return settings.alias.get(name, name)


def local_model() -> ModelEntry:
    """Return the model on this machine as lists show it."""
    from cc_jupyter.client.local.model import DISPLAY_NAME  # noqa: PLC0415  most sessions use no local model

    return ModelEntry.on_this_machine(LOCAL, DISPLAY_NAME)


def settings_for(name: str, settings: Settings) -> Settings:
    """Return the settings under which a model is asked: it may have a base URL of its own."""
    if name == LOCAL:
        return dataclasses.replace(settings, base_url=LOCAL)
    own = settings.models.get(name)
    if own is None or own.base_url is None:
        return settings
    return dataclasses.replace(settings, base_url=own.base_url, key_env=own.key_env, own_host=True)


def _endpoint(name: str, listed: tuple[ApiPath, ...], spec: CatalogEntry | None) -> ApiPath:
    by_name = endpoint_by_name(name)
    for endpoints in (listed, spec.endpoints if spec else ()):
        if endpoints:
            return by_name if by_name in endpoints else endpoints[0]
    return by_name


def _cheapest(number: int) -> list[str]:
    """Name the models with the lowest price for an answer, free ones with their caps left out."""
    priced = [spec for spec in load_catalog().models.values() if spec.tiers and not spec.is_free]
    priced.sort(key=lambda spec: spec.tiers[0].rates.output)
    return [spec.id for spec in priced[:number]]
