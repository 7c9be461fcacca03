"""The commands about the key: keep one, remove it again, and see what stands in the way.

These are the only ones that ask questions. The key is asked for without echo, and from then on it
is a `Key`, which shows only where it comes from.
"""

from __future__ import annotations

import getpass
import warnings
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cc_jupyter.client.client import Limits, RequestStream
from cc_jupyter.client.endpoint import Endpoint, find_key
from cc_jupyter.config import credentials
from cc_jupyter.config.base_url import DEFAULT_BASE_URL, api_root, is_provider
from cc_jupyter.core.display import Card, TextOutput
from cc_jupyter.core.errors import AuthError, ConfigError, OptionError, ProviderError
from cc_jupyter.core.events import Notice, Waiting
from cc_jupyter.core.messages import Message, Parameters, Request
from cc_jupyter.core.paths import short_path
from cc_jupyter.models.catalog import load_catalog
from cc_jupyter.models.registry import LOCAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cc_jupyter.config.credentials import Key
    from cc_jupyter.config.settings import Settings
    from cc_jupyter.core.display import Table
    from cc_jupyter.models.catalog import CatalogEntry
    from cc_jupyter.session.execution import ExecutionContext
    from cc_jupyter.session.session import Session


_ASK_KEY = "Key, made in Command Code Studio (what you type is not shown): "
_CHECK_TOKENS = 16
"""The fewest that every model takes (provider-api.md, section 3)."""
_CHECK_S = 20.0
"""The longest silence of a model that is asked only to see whether the key works."""
_NOT_STORED = "nothing was stored"


class LoginCommands:
    """What `%cmd` does with the key and with what surrounds it."""

    def __init__(self, session: Session, cell: ExecutionContext) -> None:
        self._session = session
        self._cell = cell
        self.by_name: dict[str, Callable[[str], object]] = {
            "login": self._login,
            "logout": self._logout,
            "doctor": self._doctor,
        }

    def _login(self, rest: str) -> Card | TextOutput:
        """Ask for a key and keep it; nothing is kept before the last question is answered."""
        _no_words("login", rest, "it asks for the key")
        settings = self._session.settings()
        key = _asked_key()
        if key is None:
            return TextOutput(f"no key was entered; {_NOT_STORED}")
        check = self._check(key, settings)
        if check is None:
            return TextOutput(_NOT_STORED)
        kept = _kept(key)
        if kept is None:
            return TextOutput(f"{_NOT_STORED}; CMD_API_KEY in the environment is the other way")
        source, where = kept
        return Card({"key": f"stored in {where}", "check": check, **_standing(settings, source)})

    def _check(self, key: Key, settings: Settings) -> str | None:
        """Say what a check gave; `None`: it gave nothing, and the key shall not be kept."""
        root = _provider_root(settings)
        model = self._free_model(root, zdr=settings.zdr)
        if model is None:
            return "not made: no free model is known"
        day = load_catalog().price_date
        at = f"at {urlsplit(root).netloc}, free by the price table of {day}"
        if not _agreed(f"Check it with a small request to {model.id} {at}?"):
            return "not made"
        try:
            with _interrupts_told():
                self._send_check(key, root, model, zdr=settings.zdr)
        except AuthError as error:
            error.hint = f"{error.hint}; {_NOT_STORED}"
            raise
        except ProviderError as error:
            if _agreed(f"The check said nothing about the key: {error}. Keep it all the same?"):
                return f"not possible: {error}"
            return None
        return f"the provider accepts it ({model.id} was asked)"

    def _free_model(self, root: str, *, zdr: bool) -> CatalogEntry | None:
        """Return a model to check a key with: free, and there as far as is known."""
        listed = self._session.models.listed(root).models
        free = [
            spec
            for spec in load_catalog().models.values()
            if spec.is_free and spec.id.endswith(":free") and (spec.zdr or not zdr)
        ]
        # without a list, the one of which more is known is the likelier to be there
        free.sort(key=lambda spec: (spec.id not in listed, not spec.efforts))
        return free[0] if free else None

    def _send_check(self, key: Key, root: str, model: CatalogEntry, *, zdr: bool) -> None:
        """Send one request, once; it is good when an answer begins.

        Raises
        ------
        ProviderError
            It was refused, or no answer came.
        """
        request = Request(
            model.id,
            model.endpoints[0],
            (Message("user", "Hi"),),
            parameters=Parameters(max_tokens=_CHECK_TOKENS),
        )
        target, limits = Endpoint(root, key, "api"), Limits(0, _CHECK_S)
        exchange = RequestStream(self._session.transport, request, target, limits, zdr=zdr)
        with closing(iter(exchange)) as events:
            for event in events:
                if not isinstance(event, Waiting | Notice):
                    return

    def _logout(self, rest: str) -> Card:
        """Remove what `login` stored; say what else holds a key."""
        _no_words("logout", rest)
        try:
            from_keyring = credentials.remove_from_keyring()
        except ConfigError as error:
            if credentials.remove_file():
                error.hint = f"{error.hint}; the key file was removed"
            raise
        from_file = credentials.remove_file()
        card = Card()
        card["the system keyring"] = "its key is removed" if from_keyring else "held no key"
        card["the key file"] = "removed" if from_file else "there was none"
        left = [name for name in credentials.KEY_VARIABLES if credentials.is_set(name)]
        left += [credentials.CLI_LOGIN] if credentials.has_login() else []
        if left:
            card["still there"] = f"{', '.join(left)}, which %cmd logout leaves alone"
        return card

    def _doctor(self, rest: str) -> Table:
        from cc_jupyter.commands.doctor import examine  # noqa: PLC0415  seldom needed

        _no_words("doctor", rest)
        session = self._session
        return examine(
            session.settings,
            in_kernel=self._cell.in_kernel,
            transport=session.transport,
            now=session.now,
        )


def _no_words(command: str, rest: str, instead: str = "") -> None:
    """Refuse what stands behind a command without repeating it: it may be a key."""
    if rest:
        said = f"; {instead}" if instead else ""
        raise OptionError(
            f"%cmd {command} takes nothing on its line{said}",
            hint="a key that was typed there stands in the notebook: remove it, and make a new one",
        )


def _standing(settings: Settings, source: str) -> dict[str, str]:
    """Say what keeps the key that was just stored from being the one that is used."""
    if settings.base_url == LOCAL:
        return {"note": "the base URL is the local model, which needs no key"}
    root = api_root(settings.base_url, allow_http=settings.allow_http)
    host = urlsplit(root).netloc
    if not is_provider(root):
        own = urlsplit(DEFAULT_BASE_URL).netloc
        return {"note": f"it goes to {own} only; the base URL is {host}, which takes another"}
    try:
        first = find_key(settings, root)
    except ConfigError as error:
        return {"note": str(error)}
    if first is not None and first.source != source:
        return {"note": f"the key from {first.source} comes first, and goes on to be used"}
    return {}


def _provider_root(settings: Settings) -> str:
    """Return the API root of the provider itself: nobody else gets a key that will be stored."""
    if settings.base_url != LOCAL:
        root = api_root(settings.base_url, allow_http=settings.allow_http)
        if is_provider(root):
            return root
    return DEFAULT_BASE_URL


def _kept(key: Key) -> tuple[str, str] | None:
    """Keep a key in the keyring, else in a file if that is agreed to; give its source and place."""
    name = credentials.keyring_name()
    if name is not None and credentials.save_in_keyring(key):
        with suppress(ConfigError):
            credentials.remove_file()  # what an earlier login left there
        return credentials.KEYRING, f"{credentials.KEYRING} ({name})"
    why = "There is no system keyring." if name is None else f"The keyring ({name}) refused it."
    place = short_path(credentials.key_file())
    if not _agreed(f"{why} Keep the key in a file that only you can read ({place})?"):
        return None
    credentials.save_in_file(key)
    return credentials.KEY_FILE, place


# ── questions


def _asked_key() -> Key | None:
    with _questions_told():
        return credentials.clean(_unseen(), "the prompt")


def _unseen() -> str:
    """Read a line without echo; where that cannot be, read none."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(_ASK_KEY)  # in a kernel, IPython's own
        except EOFError:
            return ""


def _agreed(question: str) -> bool:
    """Ask a question; anything but yes is no."""
    with _questions_told():
        try:
            said = input(f"{question} [y/N] ")
        except EOFError:
            return False
    return said.strip().casefold() in ("y", "yes")


@contextmanager
def _questions_told() -> Iterator[None]:
    """Say what to do where nobody can be asked: papermill, nbclient, a pipe."""
    asked = True
    try:
        with _interrupts_told():
            yield
    except (NotImplementedError, getpass.GetPassWarning):  # the first is IPython's
        asked = False
    if not asked:  # raised here, it carries nothing of what was under way
        raise ConfigError(
            "the key cannot be asked for here",
            hint="set CMD_API_KEY in the environment, or log in once from a notebook or terminal",
        )


@contextmanager
def _interrupts_told() -> Iterator[None]:
    """Say with an interrupt that it came before anything was stored."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(_NOT_STORED)
        raise
