"""An administrator's policy: what nobody on this machine may loosen.

`/etc/cc-jupyter/policy.toml` always counts; the variable `CMD_POLICY` can name a second file. Of
each member the stricter value counts, and no setting, option or command is weaker than it. A policy
that cannot be read stops every request: a rule that is silently ignored protects nobody.

A policy is a rule for honest users, not a sandbox: a notebook can run any code.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from cc_jupyter.config.validators import read_amount, read_switch
from cc_jupyter.core.errors import ConfigError, did_you_mean
from cc_jupyter.core.money import format_usd
from cc_jupyter.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from decimal import Decimal
    from pathlib import Path


Patterns: TypeAlias = tuple[str, ...]

_PORT = re.compile(r"(?<=[^:]):\d+$|(?<=\]):\d+$")


class Policy(NamedTuple):
    """What all policy files allow together."""

    hosts: tuple[Patterns, ...] = ()
    """For each file with this member, the hosts that may be asked; `local` is the local model."""
    models: tuple[Patterns, ...] = ()
    """For each file with this member, the models that may be asked, as ids or patterns."""
    budget_usd: Decimal | None = None
    """What each user may spend in a day."""
    history: bool = True
    """Whether turns may be saved on disk."""
    zdr: bool = False
    """Whether every request asks for zero data retention."""
    sources: Mapping[str, str] = MappingProxyType({})
    """By member: the file that its value comes from."""

    def check_host(self, host: str) -> None:
        """Raise an error unless a host may be asked.

        Parameters
        ----------
        host
            A host with its port, as in a URL, or `local`.

        Raises
        ------
        ConfigError
            A policy does not allow it; nothing was sent.
        """
        for patterns in self.hosts:
            if not any(_is_host(host, pattern) for pattern in patterns):
                raise self._refusal("hosts", f"requests to {host}", patterns)

    def allows_model(self, model: str) -> bool:
        """Return whether a model may be asked."""
        return all(any(fnmatchcase(model, each) for each in patterns) for patterns in self.models)

    def check_model(self, model: str) -> None:
        """Raise an error unless a model may be asked.

        Raises
        ------
        ConfigError
            A policy does not allow it; nothing was sent.
        """
        for patterns in self.models:
            if not any(fnmatchcase(model, pattern) for pattern in patterns):
                raise self._refusal("models", f"the model {model}", patterns)

    def _refusal(self, member: str, what: str, allowed: Patterns) -> ConfigError:
        return ConfigError(
            f"{self.sources[member]} does not allow {what}; nothing was sent",
            hint=f"it allows {', '.join(allowed)}; ask who administers this machine for others",
        )

    def described(self) -> str:
        """Return what the policy says, in one line."""
        parts = [
            *(f"hosts {', '.join(patterns)}" for patterns in self.hosts),
            *(f"models {', '.join(patterns)}" for patterns in self.models),
        ]
        if self.budget_usd is not None:
            parts.append(f"{format_usd(self.budget_usd)} a day")
        if not self.history:
            parts.append("no history on disk")
        if self.zdr:
            parts.append("zero data retention")
        files = ", ".join(dict.fromkeys(self.sources.values()))
        return f"{'; '.join(parts) or 'no limits'} ({files})"


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
    for path in paths:
        for name, value in _values(path).items():
            stricter = _STRICTER[name](policy[name], value)
            if stricter != policy[name] or name not in sources:
                sources[name] = str(path)
            policy[name] = stricter
    return Policy(**{**policy, "sources": sources})


def _values(path: Path) -> dict[str, object]:
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


def _read_names(value: object) -> Patterns:
    if not isinstance(value, list) or not value:
        raise ValueError("a list of at least one name; leave it out to allow all")
    names = tuple(each.strip() if isinstance(each, str) else "" for each in value)
    if not all(names):
        raise ValueError("a list of names, none of them blank")
    return names


def _read_hosts(value: object) -> tuple[Patterns, ...]:
    hosts = tuple(name.casefold() for name in _read_names(value))
    if any("/" in name or "@" in name for name in hosts):
        raise ValueError("a list of hosts such as gateway.example.org:4000, without a path")
    return (hosts,)


def _read_models(value: object) -> tuple[Patterns, ...]:
    return (_read_names(value),)


_READERS: Mapping[str, Callable[[object], object]] = {
    "hosts": _read_hosts,
    "models": _read_models,
    "budget_usd": read_amount,
    "history": read_switch,
    "zdr": read_switch,
}


def _lower(before: Decimal | None, value: Decimal) -> Decimal:
    return value if before is None else min(before, value)


_STRICTER: Mapping[str, Callable[..., object]] = {
    "hosts": lambda before, value: before + value,
    "models": lambda before, value: before + value,
    "budget_usd": _lower,
    "history": lambda before, value: before and value,
    "zdr": lambda before, value: before or value,
}


def _is_host(host: str, pattern: str) -> bool:
    """Return whether a pattern names a host; without a port it means any."""
    if not _PORT.search(pattern):
        host = _PORT.sub("", host)
    return fnmatchcase(host.casefold(), pattern)
