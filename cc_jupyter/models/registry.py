"""All models in one registry: the provider's list, the catalog and the user's own entries.

The provider's list decides which models are served, with which window and endpoints; the catalog
has prices, limits and abilities; the user's entries take precedence over both.

A known id needs no request; an unknown one is looked up in `/models`, once.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from cc_jupyter.client.local import CONTEXT_TOKENS as LOCAL_CONTEXT_TOKENS
from cc_jupyter.client.local import DISPLAY_NAME
from cc_jupyter.core.errors import (
    ConfigError,
    ConnectError,
    OptionError,
    did_you_mean,
)
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

LOCAL = "local"
"""The name of the local model, and its base URL."""
_NO_CUSTOM_MODELS: Mapping[str, CustomModel] = {}


class ModelEntry(NamedTuple):
    """One row of the list of models."""

    spec: CatalogEntry
    """Everything known about it, merged."""
    is_listed: bool | None
    """Whether the provider lists it; `None` if no list has been fetched."""
    is_own: bool
    """Whether the user's `config.toml` has an entry for it."""
    base_url: str | None = None
    """The API root that serves it; `None` means the default one."""

    @property
    def id(self) -> str:
        """The value sent as `model`."""
        return self.spec.id

    @property
    def rates(self) -> Rates | None:
        """The off-peak rates of a short prompt, for lists; `None` if no price is known."""
        return self.spec.tiers[0].rates if self.spec.tiers else None

    @property
    def notes(self) -> list[str]:
        """Remarks about the model, most important first."""
        notes = []
        if self.is_listed is False and self.base_url is None:
            notes.append("not listed by the provider")
        if not self.spec.tiers:
            notes.append("price unknown")
        if self.base_url is not None:
            notes.append(f"served by {self.base_url.partition('://')[2].partition('/')[0]}")
        if self.is_own:
            notes.append("config.toml")
        if self.spec.note:
            notes.append(self.spec.note)
        if len(self.spec.tiers) > 1:
            notes.append("long prompts cost more")
        if self.spec.peak is not None:
            notes.append("costs more in peak hours")
        if not self.spec.zdr:
            notes.append("no ZDR")
        return notes


def known_models(custom: Mapping[str, CustomModel], listed: ModelList) -> dict[str, ModelEntry]:
    """Return all models by id: the user's own gateways, the provider's list, then all others.

    Parameters
    ----------
    custom
        The entries of `config.toml`.
    listed
        The provider's list; it may be empty.
    """
    ids = dict.fromkeys(name for name, entry in custom.items() if entry.base_url is not None)
    ids |= dict.fromkeys(listed.models)
    ids |= dict.fromkeys(load_catalog().models)
    ids |= dict.fromkeys(custom)
    return {name: _known(name, custom, listed) for name in ids}


def allowed_models(settings: Settings, listed: ModelList) -> dict[str, ModelEntry]:
    """Return all models by id, in the order of `known_models`, that a policy allows."""
    known = known_models(settings.models, listed)
    return {name: model for name, model in known.items() if settings.allows_model(name)}


def _known(name: str, custom: Mapping[str, CustomModel], listed: ModelList) -> ModelEntry:
    entry = custom.get(name)
    served = listed.models.get(name)
    spec = custom_entry(name, custom) or spec_by_id(name)
    if served is not None:
        facts: dict[str, Any] = {
            "name": served.name if served.name != served.id else spec.name,
            "context_tokens": served.context_tokens or spec.context_tokens,
            "endpoints": served.endpoints or spec.endpoints,
        }
        corrected = catalog_fields(entry) if entry else {}
        spec = spec._replace(**{k: v for k, v in facts.items() if k not in corrected})
    return ModelEntry(
        spec,
        is_listed=(served is not None) if listed.models else None,
        is_own=entry is not None,
        base_url=entry.base_url if entry else None,
    )


class ResolvedModel(NamedTuple):
    """The model that a request is sent to."""

    id: str
    endpoint: ApiPath
    spec: CatalogEntry | None
    """`None` if neither catalog nor user has an entry, so the cost is unknown."""


class Models:
    """The models of each API root, cached for the life of the process."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lists: dict[str, ModelList] = {}
        self._looked_up: set[tuple[str, str]] = set()  # API root and id, found or not

    def find(
        self, name: str, target: Endpoint, custom: Mapping[str, CustomModel] = _NO_CUSTOM_MODELS
    ) -> ResolvedModel:
        """Return the model with an id; if no list has it, `/models` is fetched once.

        A host other than the provider's may serve models that it does not list, or have no list.

        Parameters
        ----------
        custom
            The entries of the user's `config.toml`.

        Raises
        ------
        OptionError
            The provider has no such model; nothing was sent to a model.
        ConnectError
            The list had to be fetched, and the provider did not answer.
        """
        if target.served_by == LOCAL:
            return ResolvedModel(name, endpoint_by_name(name), None)
        spec = custom_entry(name, custom)
        listed = self.listed(target.api_root).models.get(name)
        may_exist = spec is not None or listed is not None or not target.is_default_host
        if spec is None and listed is None:
            try:
                listed = self._look_up(name, target, custom)
            except ConnectError:
                if not target.is_keyless:
                    raise
                may_exist = True  # the answer is recorded, or is missed
        if not may_exist and listed is None:
            raise OptionError(
                f"unknown model {name!r}; nothing was sent",
                hint=self.close_to(name, target, custom) or "%cmd models lists all models",
            )
        by_user = custom[name].fields.get("endpoints", ()) if name in custom else ()
        listed_endpoints = listed.endpoints if listed else ()
        endpoint = endpoint_by_name(name)
        endpoints = by_user or listed_endpoints or (spec.endpoints if spec else ())
        if endpoints and endpoint not in endpoints:
            endpoint = endpoints[0]
        return ResolvedModel(name, endpoint, spec)

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
        self, name: str, target: Endpoint, custom: Mapping[str, CustomModel] = _NO_CUSTOM_MODELS
    ) -> str | None:
        """Return a hint that names similar models; `None` if there are none.

        Another host that lists its models serves nothing else of the catalog.
        """
        listed = self.listed(target.api_root)
        known = {*listed.models, *custom}
        if target.is_default_host or not listed.models:
            known = {*known_models(custom, listed)}
        return did_you_mean(name, sorted(known - {name}))

    def known(self, settings: Settings) -> dict[str, ModelEntry]:
        """Return every model that a policy allows by id, without a request.

        If the local model serves all requests, it comes first; it answers for all others.
        """
        if settings.base_url != LOCAL:
            return allowed_models(settings, self.listed(settings.api_root))
        return {LOCAL: local_model(), **allowed_models(settings, ModelList({}, 0.0))}

    def listed(self, api_root: str) -> ModelList:
        """Return the last known list, from this process or the disk, without a request."""
        if api_root not in self._lists:
            self._lists[api_root] = cached_models(api_root)
        return self._lists[api_root]

    def refresh(self, api_root: str) -> ModelList:
        """Fetch the provider's list again.

        Raises
        ------
        ConnectError
            The provider did not answer, or not with a list.
        """
        self._lists[api_root] = fetch_models(self._transport, api_root)
        return self._lists[api_root]


def chosen_model(option: str | None, settings: Settings) -> str:
    """Return the id of the chosen model, from the option or the settings, aliases resolved.

    Raises
    ------
    ConfigError
        No model is chosen.
    """
    name = option or settings.model
    if name is None and settings.base_url == LOCAL:
        return LOCAL
    if name is None:
        cheap = ", ".join(_cheapest(3))
        raise ConfigError(
            "no model is chosen",
            hint=f"choose one with %cmd use MODEL or -m MODEL; cheap ones: {cheap}",
        )
    return settings.alias.get(name, name)


def local_model() -> ModelEntry:
    """Return the local model, which costs nothing and supports every wire format."""
    spec = CatalogEntry(
        LOCAL,
        DISPLAY_NAME,
        "on this machine",
        get_args(ApiPath),
        LOCAL_CONTEXT_TOKENS,
        tiers=(Tier(None, Rates(*[Decimal(0)] * 4)),),
        note="needs no key; %cmd local setup downloads it",
    )
    return ModelEntry(spec, is_listed=None, is_own=False)


def settings_for(name: str, settings: Settings) -> Settings:
    """Return the settings for a request to a model, which may have its own base URL."""
    if name == LOCAL:
        return settings._replace(base_url=LOCAL)
    own = settings.models.get(name)
    if own is None or own.base_url is None:
        return settings
    return settings._replace(base_url=own.base_url, key_env=own.key_env, own_host=True)


def _cheapest(number: int) -> list[str]:
    """Return the ids of the models with the cheapest answers, without the free ones (capped)."""
    priced = [spec for spec in load_catalog().models.values() if spec.tiers and not spec.is_free]
    priced.sort(key=lambda spec: spec.tiers[0].rates.output)
    return [spec.id for spec in priced[:number]]
