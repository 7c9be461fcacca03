"""Which model is meant, on which endpoint it is served, and what is known about it.

A known id costs no question; only one that no list knows is looked up, once, in `/models`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cc_jupyter.catalog import ModelSpec, endpoint_by_name, load_catalog
from cc_jupyter.errors import ConfigError, ConnectError, OptionError, did_you_mean
from cc_jupyter.model_list import ListedModel, ModelList, cached_models, fetch_models

if TYPE_CHECKING:
    from cc_jupyter.messages import Endpoint
    from cc_jupyter.settings import Settings
    from cc_jupyter.target import Target
    from cc_jupyter.transport import Transport

LOCAL = "local"
"""The name that means the local model, as a model and as a base URL."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model as it will be asked."""

    id: str
    endpoint: Endpoint
    spec: ModelSpec | None
    """`None`: the price table does not have it, so its cost is unknown."""


class Models:
    """The models of each base URL, remembered for the life of the process."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lists: dict[str, ModelList] = {}
        self._looked_up: set[tuple[str, str]] = set()  # API root and id, whatever came of it

    def find(self, name: str, target: Target) -> Model:
        """Give the model with an id, asking `/models` once if no list knows it.

        A host other than the provider's own may serve what it does not list, or have no list.

        Raises
        ------
        OptionError
            The provider has no such model; nothing was sent to any.
        ConnectError
            It had to be asked and did not answer.
        """
        if target.served_by == LOCAL:
            return Model(name, endpoint_by_name(name), None)
        spec = load_catalog().models.get(name)
        listed = self.listed(target.api_root).models.get(name)
        if spec is None and listed is None:
            listed = self._look_up(name, target)
        if spec is None and listed is None and target.is_default_host:
            raise OptionError(
                f"unknown model {name!r}; nothing was sent",
                hint=self.close_to(name, target) or "%cmd models lists them",
            )
        return Model(name, _endpoint(name, listed.endpoints if listed else (), spec), spec)

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

    def close_to(self, name: str, target: Target) -> str | None:
        """Give a hint that names models like `name`; `None` when there are none."""
        known = {*self.listed(target.api_root).models, *load_catalog().models} - {name}
        return did_you_mean(name, sorted(known))

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
