"""Compare models and options from Python: the same pipeline as a grid cell, without a display."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from cc_jupyter.core.errors import OptionError
from cc_jupyter.experiments.checks import Checks
from cc_jupyter.experiments.plan import make_plan
from cc_jupyter.experiments.run_grid import NullGridView, run_grid
from cc_jupyter.prompt.builder import PromptBuilder
from cc_jupyter.prompt.option_line.values import number_reader, read_count, read_text, read_usd
from cc_jupyter.prompt.options import Axis, CellOptions, GridOptions
from cc_jupyter.session.run_limits import RunLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from cc_jupyter.config.settings import Settings
    from cc_jupyter.core.messages import Parameters, TurnKey
    from cc_jupyter.core.shell import RunningCell
    from cc_jupyter.experiments.grid import Grid
    from cc_jupyter.session.session import Session


_Read = TypeVar("_Read")


@dataclass(slots=True)
class _PlainShell:
    """Stands in for IPython: the prompt sees the varied names only."""

    user_ns: dict[str, Any] = field(default_factory=dict)
    history_manager: Any = None

    def set_next_input(self, s: str, replace: bool = False) -> None:  # noqa: FBT001, FBT002  IPython's
        """Add no cell: there is no notebook."""


@dataclass(frozen=True, slots=True)
class _PlainProgram:
    """Stands in for the running cell of a plain program."""

    notebook: str = ""
    token: object = None

    def turn_key(self) -> TurnKey | None:
        """Return no key: there are no cells."""
        return None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What `compare` is asked to send."""

    prompt: str
    models: Sequence[str] = ()
    temperatures: Sequence[float] = ()
    systems: Sequence[str] = ()
    vary: Mapping[str, object] = field(default_factory=dict)
    samples: int = 1
    checks: Sequence[str] = ()
    max_usd: object = None
    max_requests: int | None = None

    def run(
        self,
        session: Session,
        settings: Settings,
        cell: RunningCell | None,
        parameters: Parameters,
        *,
        names: Mapping[str, object],
        **options: Any,  # noqa: ANN401  fields of `CellOptions`
    ) -> Grid:
        """Send all combinations and return the grid; failed answers have an error.

        Parameters
        ----------
        names
            The names that checks may use besides those of the answer.

        Raises
        ------
        OptionError, ConfigError
            Something cannot be used, or it may cost too much; nothing was sent.
        KeyboardInterrupt
            The call was interrupted; the answers that came are in the history.
        """
        samples = _read("n", self.samples, read_count, example=3)
        grid = GridOptions(self._axes(), samples=samples)
        checks = Checks(self.checks, dict(names), {})
        given = CellOptions(
            **options,
            parameters=parameters,
            once=True,
            raw=not self.vary,
            check=checks.expressions,
            grid=grid,
        )
        plan = make_plan(
            given,
            self.prompt,
            builder=PromptBuilder(_PlainShell(), {}, settings.value_limits),
            cell=cell or _PlainProgram(),
            preparer=session.preparer,
            settings=settings,
            vary=self.vary,
        )
        run = run_grid(
            session,
            plan,
            NullGridView(),
            self._limits,
            checker=checks.passed,
        )
        if run.is_interrupted:
            interrupt = KeyboardInterrupt()
            for note in run.interrupt_notes:
                interrupt.add_note(note)
            raise interrupt
        return run.grid

    @property
    def _limits(self) -> RunLimits:
        usd, count = self.max_usd, self.max_requests
        return RunLimits(
            None if usd is None else _read("max_usd", usd, read_usd, example=0.5),
            None if count is None else _read("max_requests", count, read_count, example=100),
        )

    def _axes(self) -> tuple[Axis, ...]:
        given = (
            _axis("model", "models", self.models, lambda each: read_text("models", each)),
            _axis("system", "systems", self.systems, lambda each: each),
            _axis(
                "temperature",
                "temperatures",
                self.temperatures,
                lambda each: _read("temperatures", each, number_reader(2), example=[0, 0.7]),
            ),
            *(Axis(name) for name in self.vary),
        )
        return tuple(axis for axis in given if axis is not None)


def _read(
    argument: str, value: object, read: Callable[[str, str], _Read], *, example: object
) -> _Read:
    """Return the value of an argument as an option is read; the hint is Python."""
    try:
        return read(argument, str(value))
    except OptionError as error:
        error.hint = f"for example {argument}={example}"
        raise


def _axis(
    field_name: str, argument: str, values: Iterable[Any], read: Callable[[Any], object]
) -> Axis | None:
    """Return the axis of a list of values; `None`: nothing is varied."""
    if isinstance(values, str):
        raise OptionError(
            f"`{argument}` takes a list, not the text {values!r:.60}",
            hint=f"for example {argument}=[{values!r:.40}]",
        )
    found = tuple(read(each) for each in values)
    for at, value in enumerate(found):
        if value in found[:at]:
            raise OptionError(
                f"`{argument}` has {value!r:.60} twice", hint="n=2 asks for two answers each"
            )
    return Axis(field_name, found) if found else None
