"""`%cmd doctor` and `cc-jupyter doctor`: check the environment of a request and suggest fixes.

The checks change nothing and send only the free request for the list of models, and on request one
to a free model that tests the key. The report contains no key and no user name, so that it can be
pasted into an issue.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cc_jupyter.client.endpoint import find_key
from cc_jupyter.client.proxy import proxy_secrets
from cc_jupyter.commands.doctor.environment import examine_folders, examine_machine, front_end
from cc_jupyter.commands.doctor.finding import Finding
from cc_jupyter.commands.doctor.network import examine_network
from cc_jupyter.config import credentials
from cc_jupyter.config.base_url import DEFAULT_BASE_URL, is_provider
from cc_jupyter.core.display import Table
from cc_jupyter.core.errors import CcError, did_you_mean
from cc_jupyter.core.paths import without_user
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.text import pluralize
from cc_jupyter.models.registry import LOCAL, chosen_model

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from datetime import datetime

    from cc_jupyter.client.transport import Transport
    from cc_jupyter.config.credentials import Key
    from cc_jupyter.config.settings import Settings
    from cc_jupyter.core.display import Row


_OFFER = ". %cmd doctor --check tests the key with one small request to a free model"
_PASTE = "contains no key and no user name, so it is safe to paste into an issue"


class Report(Table):
    """The findings: a table in a notebook, lines elsewhere because the sentences are long."""

    def __init__(
        self, findings: list[Finding], hide: Callable[[str], str], offer: str = ""
    ) -> None:
        rows: list[Row] = [
            {
                "check": finding.check,
                "state": finding.state,
                "found": hide(finding.found),
                "what to do": hide(finding.to_do),
            }
            for finding in findings
        ]
        super().__init__(rows)
        looks = sum(row["state"] == "look" for row in rows)
        self.caption = f"{self.failed} failed, {looks} to look at; {_PASTE}{offer}"

    @property
    def failed(self) -> int:
        """The number of failed checks."""
        return sum(row["state"] == "fail" for row in self)

    def _text(self, most: int | None) -> str:  # noqa: ARG002  the report is always complete
        width = max(len(row["check"]) for row in self)
        lines = []
        for row in self:
            lines.append(f"{row['state']:7}  {row['check']:{width}}  {row['found']}".rstrip())
            if row["what to do"]:
                lines.append(f"{'':9}{'':{width}}  -> {row['what to do']}")
        return "\n".join([*lines, "", self.caption])


def examine(  # noqa: PLR0913  what it examines, and with what
    load: Callable[[], Settings],
    *,
    in_kernel: bool | None,
    transport: Transport,
    now: Callable[[], datetime],
    rejected_at: Callable[[str, Key], datetime | None] = lambda _root, _key: None,
    check_key: Callable[[Key, Settings], Finding] | None = None,
) -> Report:
    """Run all checks; a failed check becomes a line of the report, not an error.

    Parameters
    ----------
    load
        Returns the effective settings.
    in_kernel
        Whether this is a kernel or a terminal; `None`: IPython is not running.
    now
        The clock; aware, UTC.
    rejected_at
        Returns when the server of an API root rejected a key; `None`: it did not.
    check_key
        Tests a key with a free request; `None`: none is sent.
    """
    findings = [*examine_machine(), front_end(in_kernel=in_kernel)]
    settings: Settings | None = None
    try:
        settings = load()
    except CcError as error:
        findings.append(Finding.failed("settings", error))
        later = ("model", "key", "base URL")
        findings += [Finding(name, "skipped", "fix the settings first") for name in later]
    else:
        findings.append(Finding("settings", "ok", _sources(settings)))
        listed, network = examine_network(settings, transport, now)
        findings += [_model(settings, listed), *_key(settings, rejected_at, check_key), _keyring()]
        findings += network
    findings += examine_folders(history=settings is None or settings.history)
    secrets = [*credentials.every_secret(), *_named_secrets(settings), *proxy_secrets()]
    offer = _OFFER if check_key is None and in_kernel is not None else ""
    return Report(findings, lambda text: _hidden(text, secrets), offer)


def _hidden(text: str, secrets: list[str]) -> str:
    """Remove private data and control characters."""
    public = without_user(redact(text, secrets))
    return "".join(letter if letter.isprintable() else " " for letter in public)


def _named_secrets(settings: Settings | None) -> Iterator[str]:
    """Return the keys in variables that the settings name."""
    if settings is not None:
        named = [settings.key_env, *(host.get("key_env") for host in settings.hosts.values())]
        yield from (os.environ[name].strip() for name in named if name and credentials.is_set(name))


def _sources(settings: Settings) -> str:
    """Return the source of each changed setting, without values."""
    by_source: dict[str, list[str]] = {}
    for name, source in settings.sources.items():
        by_source.setdefault(source, []).append(name)
    parts = [f"{', '.join(names)} from {source}" for source, names in by_source.items()]
    return "; ".join(parts) or "all settings have their defaults"


def _model(settings: Settings, listed: Collection[str]) -> Finding:
    """Compare the chosen model with the list of models; only the provider's own is complete."""
    try:
        name = chosen_model(None, settings)
    except CcError as error:
        return Finding("model", "look", str(error), error.hint or "")
    own = settings.models.get(name)
    has_own_host = own is not None and own.base_url is not None
    if not listed or name in listed or name == LOCAL or has_own_host:
        return Finding("model", "ok", name)
    is_complete = is_provider(settings.api_root)
    to_do = did_you_mean(name, listed) or "%cmd models --refresh lists the models"
    return Finding(
        "model",
        "fail" if is_complete else "look",
        f"{name} is not among the {pluralize(len(listed), 'model')} that the server lists",
        f"{to_do}; %cmd use MODEL chooses another",
    )


def _key(
    settings: Settings,
    rejected_at: Callable[[str, Key], datetime | None],
    check_key: Callable[[Key, Settings], Finding] | None,
) -> list[Finding]:
    """Report the source of the key and whether it works, never the key."""
    key = _found_key(settings)
    if isinstance(key, Finding):
        return [key]
    checked = [check_key(key, settings)] if check_key is not None else []
    root = settings.api_root
    at = rejected_at(root, key)
    if at is None:
        return [Finding("key", "ok", f"from {key.source}"), *checked]
    found = f"from {key.source}; {urlsplit(root).netloc} rejected it at {at.astimezone():%H:%M}"
    login = "%cmd login, or set CMD_API_KEY" if is_provider(root) else "set another key"
    to_do = f"{login}; %cmd doctor --check tests it"
    return [Finding("key", "fail", found, to_do), *checked]


def _found_key(settings: Settings) -> Key | Finding:
    """Return the key, or why there is none; a stored key is sent only to its own host."""
    if settings.base_url == LOCAL:
        return Finding("key", "ok", "the local model needs no key")
    try:
        root = settings.api_root
    except CcError:
        return Finding("key", "skipped", "fix the base URL first")
    try:
        key = find_key(settings, root)
        if key is not None:
            return key
        if is_provider(root):
            to_do = "%cmd login, or set CMD_API_KEY; %cmd use local needs no key"
            return Finding("key", "fail", "no API key found", to_do)
        stored = next((key.source for key in credentials.stored_keys()), None)
    except CcError as error:
        return Finding.failed("key", error)
    own, host = urlsplit(DEFAULT_BASE_URL).netloc, urlsplit(root).netloc
    other = f"; the key from {stored} is sent only to {own}" if stored else ""
    to_do = "set CMD_API_KEY, or key_env in the settings of that host"
    return Finding("key", "fail", f"no key found for {host}{other}", to_do)


def _keyring() -> Finding:
    name = credentials.keyring_name()
    found = name or "none found; %cmd login offers a file instead"
    return Finding("keyring", "ok", found)
