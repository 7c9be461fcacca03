"""Which model is meant, on which endpoint it is served, and what is known about it.

A known id costs no question; only one that no list knows is looked up, once, in `/models`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cc_jupyter.catalog import ModelSpec, endpoint_by_name, load_catalog
from cc_jupyter.core.errors import ConfigError, ConnectError, OptionError, did_you_mean
from cc_jupyter.known_models import KnownModel, known_models
from cc_jupyter.model_list import ListedModel, ModelList, cached_models, fetch_models
from cc_jupyter.own_models import own_spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cc_jupyter.client.endpoint import Target
    from cc_jupyter.client.transport import Transport
    from cc_jupyter.config.settings import Settings
    from cc_jupyter.core.messages import Endpoint
    from cc_jupyter.own_models import OwnModel

LOCAL = "local"
"""The name that means the local model, as a model and as a base URL."""
_NONE: Mapping[str, OwnModel] = {}


@dataclass(frozen=True, slots=True)
class Model:
    """A model as it will be asked."""

    id: str
    endpoint: Endpoint
    spec: ModelSpec | None
    """`None`: neither price table nor user has it, so its cost is unknown."""


class Models:
    """The models of each base URL, remembered for the life of the process."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lists: dict[str, ModelList] = {}
        self._looked_up: set[tuple[str, str]] = set()  # API root and id, whatever came of it

    def find(self, name: str, target: Target, own: Mapping[str, OwnModel] = _NONE) -> Model:
        """Give the model with an id, asking `/models` once if no list knows it.

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
            return Model(name, endpoint_by_name(name), None)
        spec = own_spec(name, own)
        listed = self.listed(target.api_root).models.get(name)
        if spec is None and listed is None:
            listed = self._look_up(name, target)
        if spec is None and listed is None and target.is_default_host:
            raise OptionError(
                f"unknown model {name!r}; nothing was sent",
                hint=self.close_to(name, target, own) or "%cmd models lists them",
            )
        by_user = own[name].fields.get("endpoints", ()) if name in own else ()
        endpoints = by_user or (listed.endpoints if listed else ())
        return Model(name, _endpoint(name, endpoints, spec), spec)

    def _look_up(self, name: str, target: Target) -> ListedModel | None:
        if (target.api_root, name) in self._looked_up:
            return None
        try:
            listed = self.refresh(target.api_root).models.get(name)
        except ConnectError:
            if target.is_default_host:
                raise
            listed = None
        self._looked_up.add((target.api_root, name))
        return listed

    def close_to(
        self, name: str, target: Target, own: Mapping[str, OwnModel] = _NONE
    ) -> str | None:
        """Give a hint that names models like `name`; `None` when there are none."""
        known = known_models(own, self.listed(target.api_root)).keys() - {name}
        return did_you_mean(name, sorted(known))

    def known(self, settings: Settings) -> dict[str, KnownModel]:
        """Give every model by id, as far as is known without asking anybody.

        Where the local model answers, it comes first; it plays all the others.
        """
        if settings.base_url != LOCAL:
            return known_models(settings.models, self.listed(settings.api_root))
        return {LOCAL: local_model(), **known_models(settings.models, ModelList({}, 0.0))}

    def listed(self, api_root: str) -> ModelList:
        """Give the last list known, from this process or the disk; asks nobody."""
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
    """Give the model's id: the option's, else the setting's, with aliases resolved.

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


def local_model() -> KnownModel:
    """Give the model on this machine as lists show it."""
    from cc_jupyter.client.local.model import DISPLAY_NAME  # noqa: PLC0415  most sessions use no local model

    return KnownModel.on_this_machine(LOCAL, DISPLAY_NAME)


def settings_for(name: str, settings: Settings) -> Settings:
    """Give the settings under which a model is asked: it may have a base URL of its own."""
    if name == LOCAL:
        return dataclasses.replace(settings, base_url=LOCAL)
    own = settings.models.get(name)
    if own is None or own.base_url is None:
        return settings
    return dataclasses.replace(settings, base_url=own.base_url, key_env=own.key_env, own_host=True)


def _endpoint(name: str, listed: tuple[Endpoint, ...], spec: ModelSpec | None) -> Endpoint:
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
