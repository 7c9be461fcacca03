"""An administrator's policy: what nobody on this machine may loosen.

`/etc/cc-jupyter/policy.toml` always counts; the variable `CMD_POLICY` can name a second file. Of
each member the stricter value counts, and no setting, option or command is weaker than it. A policy
that cannot be read stops every request: a rule that is silently ignored protects nobody.

A policy is a rule for honest users, not a sandbox: a notebook can run any code. Its budget counts
the spending that the history knows, at the prices that the user has set.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from cc_jupyter.config.validators import read_amount, read_switch
from cc_jupyter.core.errors import ConfigError, did_you_mean
from cc_jupyter.core.money import format_usd
from cc_jupyter.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from decimal import Decimal

_PATTERN = re.compile(r"(?:\[(?P<address>[^]]*:[^]]*)\]|(?P<name>[^:]*))(?::(?P<port>\d+))?")
"""A host with or without a port; an IPv6 address is in brackets."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Allowed(NamedTuple):
    """What one file allows."""

    patterns: tuple[str, ...]
    source: str
    """The file."""


Rules: TypeAlias = tuple[Allowed, ...]


class Policy(NamedTuple):
    """What all policy files allow together."""

    hosts: Rules = ()
    """For each file with this member, the hosts that may be asked; `local` is the local model."""
    models: Rules = ()
    """For each file with this member, the models that may be asked, as ids or patterns."""
    budget_usd: Decimal | None = None
    """What each user may spend in a day."""
    history: bool = True
    """Whether turns may be saved on disk."""
    zdr: bool = False
    """Whether every request asks for zero data retention."""
    sources: Mapping[str, str] = MappingProxyType({})
    """By member other than hosts and models: the file that its value comes from."""
    files: tuple[str, ...] = ()
    """The files that count."""

    def check_server(self, server: str) -> None:
        """Raise an error unless a server may be asked.

        Parameters
        ----------
        server
            The root of its API, or `local`.

        Raises
        ------
        ConfigError
            A policy does not allow it; nothing was sent.
        """
        for rule in self.hosts:
            if not any(_is_server(server, pattern) for pattern in rule.patterns):
                raise _refusal(rule, f"requests to {urlsplit(server).netloc or server}")

    def allows_model(self, model: str) -> bool:
        """Return whether a model may be asked."""
        return all(_is_model(model, rule) for rule in self.models)

    def check_model(self, model: str) -> None:
        """Raise an error unless a model may be asked.

        Raises
        ------
        ConfigError
            A policy does not allow it; nothing was sent.
        """
        for rule in self.models:
            if not _is_model(model, rule):
                raise _refusal(rule, f"the model {model}")

    def described(self) -> str:
        """Return what the policy says, in one line."""
        parts = [
            *(f"hosts {', '.join(rule.patterns)}" for rule in self.hosts),
            *(f"models {', '.join(rule.patterns)}" for rule in self.models),
        ]
        if self.budget_usd is not None:
            parts.append(f"{format_usd(self.budget_usd)} a day")
        if not self.history:
            parts.append("no history on disk")
        if self.zdr:
            parts.append("zero data retention")
        return f"{'; '.join(parts) or 'no limits'} ({', '.join(self.files)})"


def read_policy(paths: Iterable[Path]) -> Policy:
    """Return what some policy files say together: of each member the stricter value.

    Raises
    ------
    ConfigError
        A file is missing, cannot be read, has an unknown member or an invalid value, or allows
        nothing.
    """
    policy: dict[str, Any] = Policy()._asdict()
    sources: dict[str, str] = {}
    files = tuple(map(str, paths))
    for file in files:
        for name, value in _values(Path(file)).items():
            if name in {"hosts", "models"}:
                policy[name] = (*policy[name], Allowed(value, file))
                continue
            stricter = _STRICTER[name](policy[name], value)
            if stricter != policy[name] or name not in sources:
                sources[name] = file
            policy[name] = stricter
    return Policy(**{**policy, "sources": sources, "files": files})


def _refusal(rule: Allowed, what: str) -> ConfigError:
    return ConfigError(
        f"{rule.source} does not allow {what}; nothing was sent",
        hint=f"it allows {', '.join(rule.patterns)}; ask who administers this machine for others",
    )


def _values(path: Path) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415  few machines have a policy

    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(
            f"the policy {path} cannot be read: {reason}; nothing is sent without it",
            hint="ask who administers this machine, or correct CMD_POLICY",
        ) from None
    values = {}
    for name, raw in table.items():
        if name not in _READERS:
            raise ConfigError(
                f"the policy {path} has the unknown member {name}; nothing is sent under it",
                hint=did_you_mean(name, _READERS) or f"its members are {', '.join(_READERS)}",
            )
        try:
            values[name] = _READERS[name](raw)
        except ValueError as error:
            raise ConfigError(
                f"the policy {path}: {name} = {redact(repr(raw))} cannot be used; nothing is sent"
                " under it",
                hint=f"it must be {error}",
            ) from None
    return values


def _read_names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("a list of at least one name; leave it out to allow all")
    names = tuple(each.strip() if isinstance(each, str) else "" for each in value)
    if not all(names):
        raise ValueError("a list of names, none of them blank")
    return names


def _read_hosts(value: object) -> tuple[str, ...]:
    hosts = tuple(name.casefold() for name in _read_names(value))
    if any("/" in name or "@" in name or not _PATTERN.fullmatch(name) for name in hosts):
        raise ValueError("a list of hosts such as llm.example.org:4000 or [::1], without a path")
    return hosts


_READERS: Mapping[str, Callable[[object], object]] = {
    "hosts": _read_hosts,
    "models": _read_names,
    "budget_usd": read_amount,
    "history": read_switch,
    "zdr": read_switch,
}


def _lower(before: Decimal | None, value: Decimal) -> Decimal:
    return value if before is None else min(before, value)


_STRICTER: Mapping[str, Callable[..., object]] = {
    "budget_usd": _lower,
    "history": lambda before, value: before and value,
    "zdr": lambda before, value: before or value,
}


def _is_server(server: str, pattern: str) -> bool:
    """Return whether a pattern names a server; without a port it means any."""
    if server == "local":
        return fnmatchcase(server, pattern)
    url = urlsplit(server)
    parts = _PATTERN.fullmatch(pattern)
    host, port = url.hostname or "", url.port or _DEFAULT_PORTS.get(url.scheme)
    if parts is None or parts["port"] not in {None, str(port)}:
        return False
    # an address is in brackets, which would be a choice of characters in a pattern
    if parts["address"] is not None:
        return host == parts["address"]
    return fnmatchcase(host, parts["name"])


def _is_model(model: str, rule: Allowed) -> bool:
    return any(fnmatchcase(model, pattern) for pattern in rule.patterns)
