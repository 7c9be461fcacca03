"""The result of one check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

if TYPE_CHECKING:
    from cc_jupyter.core.errors import CcError


State: TypeAlias = Literal["ok", "look", "fail", "skipped"]
"""In order, possibly a problem, a problem, or not checked."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    check: str
    state: State
    found: str
    to_do: str = ""
    """The recommended action; empty if none is needed."""

    @classmethod
    def failed(cls, check: str, error: CcError) -> Self:
        """Return a failed check from an error and its hint."""
        return cls(check, "fail", str(error), error.hint or "")
