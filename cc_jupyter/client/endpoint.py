"""Decides where a request goes and which key goes with it; nothing else decides that.

Source: spec.md, section 1. `config.credentials` knows where keys are stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from cc_jupyter.config.base_url import api_root, is_loopback, is_provider
from cc_jupyter.config.credentials import KEY_VARIABLES, Key, key_in, stored_keys
from cc_jupyter.core.errors import ConfigError
from cc_jupyter.core.redaction import redact

if TYPE_CHECKING:
    from cc_jupyter.config.settings import Settings


_NO_KEY_HINT = (
    "create one in Command Code Studio, then %cmd login or set CMD_API_KEY; "
    "or use the local model: %cmd use local"
)
_NO_KEY_ELSEWHERE_HINT = (
    "stored keys go to the provider only: set CMD_API_KEY, or key_env next to that host; "
    "or use the local model: %cmd use local"
)
NO_KEY = Key("none", "nowhere: none is needed")
"""For a server that wants no key; some want the header all the same."""
_UNASKED_KEY = Key("", "nowhere: a recorded answer needs none")


class Endpoint(NamedTuple):
    """An API root and the key that goes there."""

    api_root: str
    """Ends in `/v1`; endpoints are appended."""
    key: Key
    served_by: str
    """`api`, `local`, or the host."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """The texts that nothing shown or saved may contain."""
        return () if self.key in (NO_KEY, _UNASKED_KEY) else (self.key.value,)

    @property
    def is_keyless(self) -> bool:
        """Whether no key was looked up, since the answer is recorded: nothing can be sent."""
        return self.key == _UNASKED_KEY

    @property
    def is_default_host(self) -> bool:
        """Whether this is the provider itself, whose list of models is complete."""
        return self.served_by == "api"


def find_endpoint(settings: Settings, key_env: str | None = None) -> Endpoint:
    """Decide where requests go.

    Parameters
    ----------
    key_env
        The variable that holds the key, as the option line names it.

    Raises
    ------
    ConfigError
        No usable base URL, no key for it, or a policy does not allow its host.
    """
    if settings.base_url == "local":
        settings.check_server("local")
        return _local_target()
    root = settings.api_root
    host = urlsplit(root).netloc
    key = find_key(settings, root, key_env=key_env)
    if key is None:
        where = "for the Provider API" if is_provider(root) else f"for {host}"
        hint = _NO_KEY_HINT if is_provider(root) else _NO_KEY_ELSEWHERE_HINT
        if settings.own_host:
            hint = "name its variable in config.toml, next to the model's base_url: key_env = ..."
        raise ConfigError(f"there is no key {where}", hint=hint)
    return Endpoint(root, key, _server(root))


def replay_endpoint(settings: Settings) -> Endpoint:
    """Decide where a request would go whose answer is recorded: no key, no server, no network.

    Raises
    ------
    ConfigError
        The base URL cannot be used.
    """
    if settings.base_url == "local":
        return Endpoint("http://127.0.0.1/v1", _UNASKED_KEY, "local")
    # a policy says who may be asked, and nobody is
    root = api_root(settings.base_url, allow_http=settings.allow_http)
    return Endpoint(root, _UNASKED_KEY, _server(root))


def keyless_target(settings: Settings) -> Endpoint:
    """Decide where requests go that need no key, such as the one for the list of models.

    Raises
    ------
    ConfigError
        The base URL cannot be used.
    """
    return Endpoint(settings.api_root, NO_KEY, _server(settings.api_root))


def _server(root: str) -> str:
    return "api" if is_provider(root) else urlsplit(root).netloc


class KeyPlaces(NamedTuple):
    """The places where the key for a host may be: these may travel to a worker, a key may not."""

    variables: tuple[str, ...]
    """Environment variables; the first that has a key counts."""
    is_asked: bool = False
    """Whether the user named the variable, so that no other place counts."""
    has_stored: bool = False
    """Whether the keyring, the key file and the CLI's login are read after the variables."""
    needs_none: bool = False
    """Whether the server wants no key."""

    def find(self) -> Key | None:
        """Return the first key in these places of the running process.

        Raises
        ------
        ConfigError
            A key holds characters no key has.
        """
        for name in self.variables:
            if (key := key_in(name)) is not None:
                return key
        if self.needs_none:
            return NO_KEY
        return next(stored_keys(), None) if self.has_stored else None


def key_places(settings: Settings, root: str, *, key_env: str | None = None) -> KeyPlaces:
    """Return where a key may be that may go to `root`.

    Keys from the keyring, the key file and the CLI's login go to the provider's own host only.
    """
    asked = key_env or settings.hosts.get(root, {}).get("key_env") or settings.key_env
    if asked is not None:
        return KeyPlaces((asked,), is_asked=True)
    if settings.own_host:
        # the other keys are meant for the provider; a server on this machine mostly wants none
        return KeyPlaces((), needs_none=is_loopback(urlsplit(root).hostname or ""))
    return KeyPlaces(KEY_VARIABLES, has_stored=is_provider(root))


def find_key(settings: Settings, root: str, *, key_env: str | None = None) -> Key | None:
    """Return the first key that may go to `root`.

    Raises
    ------
    ConfigError
        The variable that was asked for is empty, or a key holds characters no key has.
    """
    places = key_places(settings, root, key_env=key_env)
    key = places.find()
    if key is None and places.is_asked:
        raise ConfigError(
            f"the variable {redact(places.variables[0])}, which should hold the key, is empty or"
            " not set",
            hint="name the variable, never the key itself",
        )
    return key


def _local_target() -> Endpoint:
    from cc_jupyter.client.local.model import running  # noqa: PLC0415  most sessions use no local model

    server = running()
    return Endpoint(f"{server.url}/v1", Key(server.key, "the local server"), "local")
