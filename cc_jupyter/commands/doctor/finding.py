"""What one check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

if TYPE_CHECKING:
    from cc_jupyter.core.errors import CcError


State: TypeAlias = Literal["ok", "look", "fail", "skipped"]
"""Whether it is as it should be, may be in the way, is in the way, or could not be seen."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    check: str
    state: State
    found: str
    to_do: str = ""
    """Empty: nothing."""

    @classmethod
    def failed(cls, check: str, error: CcError) -> Self:
        """Make a line of an error, with its hint."""
        return cls(check, "fail", str(error), error.hint or "")
