"""The plan of a grid: which combinations of options are sent, and how often."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cc_jupyter.core.errors import CcError
    from cc_jupyter.core.messages import PromptSpec
    from cc_jupyter.prompt.output_types import OutputType
    from cc_jupyter.session.prepare import PreparedRequest


@dataclass(frozen=True, slots=True)
class Combination:
    """One combination of the varied options; a column of the grid."""

    index: int
    """Its place in the plan, from 0."""
    options: Mapping[str, Any]
    """The varied options in the order of the plan, by field name (`model`, `temperature`, `top_p`,
    `max_tokens`, `effort`, `system`) or by the name of `--vary`; the values of the latter are
    labels. Empty if nothing varies."""
    spec: PromptSpec
    prepared: PreparedRequest | None
    """What is sent for each sample; `None`: it cannot be sent."""
    error: CcError | None = None
    """Why it cannot be sent; its column says so, and the others run."""

    @property
    def label(self) -> str:
        """The varied values on one line, such as `claude-haiku-5-5 · t 0 · topic: rain`."""
        return " · ".join(_labelled(name, value) for name, value in self.options.items())

    @property
    def prompt_id(self) -> tuple[str, str | None]:
        """What was asked: combinations with the same prompt can be compared."""
        return self.spec.prompt, self.spec.system


@dataclass(frozen=True, slots=True)
class Plan:
    """All combinations of a grid, each with the same number of samples."""

    id: str
    """The grid's id, 32 hexadecimal digits."""
    combinations: tuple[Combination, ...]
    samples: int = 1
    checks: tuple[str, ...] = ()
    """The expressions of `--check`, as written."""
    output_type: OutputType | None = None
    """The type of the answers; `None`: text."""
    options: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """The varied options with all their values, in the order of the plan."""

    def __len__(self) -> int:
        """Return the number of answers asked for."""
        return len(self.combinations) * self.samples

    @property
    def cells(self) -> list[tuple[Combination, int]]:
        """Combination and sample number of each answer, in the order of the plan."""
        return [(each, sample) for each in self.combinations for sample in range(self.samples)]


_SHORT_NAMES = {"temperature": "t", "top_p": "top-p", "max_tokens": "max-tokens"}


def _labelled(name: str, value: object) -> str:
    if name == "model":
        return str(value)
    if name in _SHORT_NAMES:
        return (
            f"{_SHORT_NAMES[name]} {value:g}"
            if isinstance(value, float)
            else f"{_SHORT_NAMES[name]} {value}"
        )
    return f"{name}: {value}"
