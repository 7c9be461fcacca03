"""The plan of a grid: which combinations of options are sent, and how often."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cc_jupyter.core.errors import CcError
    from cc_jupyter.core.messages import PromptSpec
    from cc_jupyter.prompt.output_types import OutputType
    from cc_jupyter.session.prepare import PreparedRequest


OPTION_FIELDS = ("model", "temperature", "top_p", "max_tokens", "effort", "system")
"""The options that can vary; all other names in a plan are those of `--vary`."""
_NOT_IN_THE_PROMPT = frozenset(OPTION_FIELDS) - {"system"}


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
    def prompt_label(self) -> str:
        """The varied values that the prompt depends on, on one line."""
        return " · ".join(
            _labelled(name, value)
            for name, value in self.options.items()
            if name not in _NOT_IN_THE_PROMPT
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle it without its request, which holds the key and the conversation."""
        spec = replace(self.spec, execution=None)
        return Combination, (self.index, dict(self.options), spec, None, self.error)

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

    @property
    def varied_names(self) -> tuple[str, ...]:
        """The names of `--vary`, in the order of the plan."""
        return tuple(name for name in self.options if name not in OPTION_FIELDS)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle it without the reader of its type, which may be bound to this process."""
        output_type = self.output_type and replace(self.output_type, read=_reads_no_answers)
        return Plan, (
            *(self.id, self.combinations, self.samples, self.checks, output_type),
            dict(self.options),
        )


def _reads_no_answers(parsed: object) -> object:
    """Stand in for the reader of an unpickled plan, whose answers have been read."""
    raise TypeError(f"an unpickled plan reads no answers: {parsed!r}")


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
