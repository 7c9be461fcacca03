"""The commands on the key: store one, remove it, and check the set-up.

Only these commands ask questions. The key is typed without echo and becomes a `Key` at once, which
shows only its source.
"""

from __future__ import annotations

import getpass
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cc_jupyter.client.endpoint import find_key
from cc_jupyter.commands.key_check import free_model, send_check
from cc_jupyter.config import credentials
from cc_jupyter.config.base_url import DEFAULT_BASE_URL, is_provider
from cc_jupyter.core.display import Card, TextOutput
from cc_jupyter.core.errors import AuthError, ConfigError, ProviderError
from cc_jupyter.core.paths import short_path
from cc_jupyter.models.catalog import load_catalog
from cc_jupyter.models.registry import LOCAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cc_jupyter.commands.doctor.finding import Finding
    from cc_jupyter.config.credentials import Key
    from cc_jupyter.config.settings import Settings
    from cc_jupyter.core.display import Table
    from cc_jupyter.session.execution import ExecutionContext
    from cc_jupyter.session.session import Session


_KEY_PROMPT = "Key from Command Code Studio (it is not shown as you type): "
_NOT_STORED = "nothing was stored"


class LoginCommands:
    """Store and remove the key, and check the set-up."""

    def __init__(self, session: Session, cell: ExecutionContext) -> None:
        self._session = session
        self._cell = cell

    def login(self) -> Card | TextOutput:
        """Ask for a key and store it after the last question is answered."""
        settings = self._session.settings()
        key = _read_key()
        if key is None:
            return TextOutput(f"no key was entered; {_NOT_STORED}")
        check = self._check(key, settings)
        if check is None:
            return TextOutput(_NOT_STORED)
        stored = _store(key)
        if stored is None:
            return TextOutput(f"{_NOT_STORED}; you can set CMD_API_KEY in the environment instead")
        source, where = stored
        return Card({"key": f"stored in {where}", "check": check, **_caveat(settings, source)})

    def _check(self, key: Key, settings: Settings) -> str | None:
        """Return the result of a check; `None`: it had none, and the key must not be stored."""
        root = _provider_root(settings)
        settings.check_server(root)
        model = free_model(self._session, root, settings)
        if model is None:
            return "skipped: no free model is known"
        day = load_catalog().price_date
        host = urlsplit(root).netloc
        question = (
            f"Check it with a small request to {model.id} at {host}"
            f" (free according to the price table of {day})?"
        )
        if not _confirmed(question):
            return "skipped"
        try:
            with _noted_interrupts():
                send_check(self._session, key, root, model, zdr=settings.zdr)
        except AuthError as error:
            error.hint = f"{error.hint}; {_NOT_STORED}"
            raise
        except ProviderError as error:
            if _confirmed(f"The check did not test the key: {error}. Store it anyway?"):
                return f"failed: {error}"
            return None
        return f"the provider accepts it (checked with {model.id})"

    def logout(self) -> Card:
        """Remove the key that `login` stored; name other places that hold a key."""
        try:
            from_keyring = credentials.remove_from_keyring()
        except ConfigError as error:
            if credentials.remove_file():
                error.hint = f"{error.hint}; the key file was removed"
            raise
        from_file = credentials.remove_file()
        card = Card()
        card["the system keyring"] = "key removed" if from_keyring else "had no key"
        card["the key file"] = "removed" if from_file else "did not exist"
        left = [name for name in credentials.KEY_VARIABLES if credentials.is_set(name)]
        left += [credentials.CLI_LOGIN] if credentials.has_login() else []
        if left:
            card["unchanged"] = f"{', '.join(left)}, which %cmd logout never removes"
        return card

    def doctor(self, *, check: bool = False) -> Table:
        """Check the set-up and suggest fixes.

        Parameters
        ----------
        check
            Whether to test the key with one small request to a free model.
        """
        from cc_jupyter.commands.doctor import examine  # noqa: PLC0415  rarely needed

        session = self._session
        return examine(
            session.settings,
            in_kernel=self._cell.in_kernel,
            transport=session.transport,
            now=session.now,
            rejected_at=session.rejected_keys.rejected_at,
            check_key=self._checked_key if check else None,
        )

    def _checked_key(self, key: Key, settings: Settings) -> Finding:
        """Test the key that requests use, with one small request to a free model."""
        from cc_jupyter.commands.doctor.finding import Finding  # noqa: PLC0415  as above

        root = settings.api_root
        if not is_provider(root):
            host = urlsplit(root).netloc
            return Finding("key check", "skipped", f"no free model is known at {host}")
        model = free_model(self._session, root, settings)
        if model is None:
            return Finding("key check", "skipped", "no free model is known")
        try:
            send_check(self._session, key, root, model, zdr=settings.zdr)
        except AuthError as error:
            return Finding.failed("key check", error)
        except ProviderError as error:
            return Finding(
                "key check", "look", f"it did not test the key: {error}", error.hint or ""
            )
        return Finding("key check", "ok", f"the provider accepts it (checked with {model.id})")


def _caveat(settings: Settings, source: str) -> dict[str, str]:
    """Return a note if the stored key is not the one that requests use."""
    if settings.base_url == LOCAL:
        return {"note": "the base URL is the local model, which needs no key"}
    root = settings.api_root
    host = urlsplit(root).netloc
    if not is_provider(root):
        own = urlsplit(DEFAULT_BASE_URL).netloc
        return {
            "note": f"it is sent only to {own}; the base URL is {host}, which needs another key"
        }
    try:
        first = find_key(settings, root)
    except ConfigError as error:
        return {"note": str(error)}
    if first is not None and first.source != source:
        return {"note": f"the key from {first.source} takes precedence and is still used"}
    return {}


def _provider_root(settings: Settings) -> str:
    """Return the API root of the provider itself: no other host receives a key to be stored."""
    if settings.base_url != LOCAL:
        root = settings.api_root
        if is_provider(root):
            return root
    return DEFAULT_BASE_URL


def _store(key: Key) -> tuple[str, str] | None:
    """Store a key in the keyring, or in a file if the user agrees; return source and place."""
    name = credentials.keyring_name()
    if name is not None and credentials.save_in_keyring(key):
        with suppress(ConfigError):
            credentials.remove_file()  # from an earlier login
        return credentials.KEYRING, f"{credentials.KEYRING} ({name})"
    why = "There is no system keyring." if name is None else f"The keyring ({name}) refused it."
    place = short_path(credentials.key_file())
    if not _confirmed(f"{why} Store the key in a file that only you can read ({place})?"):
        return None
    credentials.save_in_file(key)
    return credentials.KEY_FILE, place


def _read_key() -> Key | None:
    with _interactive():
        return credentials.clean(_hidden_line(), "the prompt")


def _hidden_line() -> str:
    """Read a line without echo; where echo cannot be turned off, read nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(_KEY_PROMPT)  # in a kernel, IPython's own
        except EOFError:
            return ""


def _confirmed(question: str) -> bool:
    """Ask a question; any answer but yes means no."""
    with _interactive():
        try:
            answer = input(f"{question} [y/N] ")
        except EOFError:
            return False
    return answer.strip().casefold() in ("y", "yes")


@contextmanager
def _interactive() -> Iterator[None]:
    """Raise an error where no question can be asked: papermill, nbclient, a pipe."""
    possible = True
    try:
        with _noted_interrupts():
            yield
    except (NotImplementedError, getpass.GetPassWarning):  # the first is IPython's
        possible = False
    if not possible:  # raised here, the error has no context that could hold the key
        raise ConfigError(
            "no key can be entered here",
            hint="set CMD_API_KEY in the environment, or log in once from a notebook or terminal",
        )


@contextmanager
def _noted_interrupts() -> Iterator[None]:
    """Add a note to an interrupt: nothing was stored before it."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(_NOT_STORED)
        raise
