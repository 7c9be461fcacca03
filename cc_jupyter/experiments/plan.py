"""The plan of a grid: which combinations of options are sent, and how often."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cc_jupyter.client.client import encode_body
from cc_jupyter.core.errors import CcError, OptionError
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.text import excerpt, new_id
from cc_jupyter.experiments.varied_values import varied_values
from cc_jupyter.prompt.option_line.values import VARIED_FIELDS, check_varied_name
from cc_jupyter.prompt.options import GridOptions
from cc_jupyter.prompt.template import names_in, names_used

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from cc_jupyter.config.settings import Settings
    from cc_jupyter.core.messages import PromptSpec
    from cc_jupyter.core.request_key import SampleCounter
    from cc_jupyter.core.shell import RunningCell
    from cc_jupyter.prompt.builder import PromptBuilder
    from cc_jupyter.prompt.options import Axis, CellOptions
    from cc_jupyter.prompt.output_types import OutputType
    from cc_jupyter.session.prepare import PreparedRequest, Preparer


_MAX_COMBINATIONS = 500
"""Each is a column, with a prepared request in memory."""
_MAX_ANSWERS = 10_000
_SYSTEM_CHARS = 40
_NO_VALUES: Mapping[str, object] = {}


_NOT_IN_THE_PROMPT = frozenset(VARIED_FIELDS) - {"system"}


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
        labels = (option_label(name, value) for name, value in self.options.items())
        return self.redacted(" · ".join(labels))

    @property
    def prompt_label(self) -> str:
        """The varied values that the prompt depends on, on one line."""
        labels = (
            option_label(name, value)
            for name, value in self.options.items()
            if name not in _NOT_IN_THE_PROMPT
        )
        return self.redacted(" · ".join(labels))

    def redacted(self, text: str) -> str:
        """Return a text of the user's as outputs show it: without the key."""
        secrets = () if self.prepared is None else (self.prepared.endpoint.key.value,)
        return redact(text, secrets)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle it without its request, which holds the key and the conversation."""
        spec = self.spec._replace(execution=None)
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
    sample_numbers: tuple[int | None, ...] = ()
    """The number of each answer among equal requests of the execution, in the order of `cells`;
    `None`: it cannot be sent. Empty until `numbered`."""

    def __len__(self) -> int:
        """Return the number of answers asked for."""
        return len(self.combinations) * self.samples

    @property
    def cells(self) -> list[tuple[Combination, int]]:
        """Combination and sample number of each answer, in the order of the plan."""
        return [(each, sample) for each in self.combinations for sample in range(self.samples)]

    def numbered(self, samples: SampleCounter) -> Plan:
        """Return the plan with its sample numbers, counted now: it is about to be sent.

        Combinations whose requests are equal get numbers that follow each other.
        """
        digests = [_digest(each.prepared) for each in self.combinations]
        numbers = tuple(
            None
            if (digest := digests[each.index]) is None
            else samples.number(each.spec.execution, digest)
            for each, _ in self.cells
        )
        return dataclasses.replace(self, sample_numbers=numbers)

    @property
    def keys(self) -> frozenset[str]:
        """The keys that are sent, which no output may show."""
        prepared = (each.prepared for each in self.combinations)
        return frozenset(each.endpoint.key.value for each in prepared if each is not None)

    @property
    def varied_names(self) -> tuple[str, ...]:
        """The names of `--vary`, in the order of the plan."""
        return tuple(name for name in self.options if name not in VARIED_FIELDS)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle it without the reader of its type, which may be bound to this process."""
        output_type = self.output_type and dataclasses.replace(
            self.output_type, read=_reads_no_answers
        )
        return Plan, (
            *(self.id, self.combinations, self.samples, self.checks, output_type),
            *(dict(self.options), self.sample_numbers),
        )


def make_plan(  # noqa: PLR0913  the parts of a cell
    options: CellOptions,
    text: str,
    *,
    builder: PromptBuilder,
    cell: RunningCell,
    preparer: Preparer,
    settings: Settings,
    vary: Mapping[str, object] = _NO_VALUES,
) -> Plan:
    """Plan all combinations of a grid: fill in the prompts and prepare the requests; send nothing.

    All models are looked up before any value is filled in. What a model cannot take is an error of
    its combinations alone.

    Parameters
    ----------
    text
        The prompt as typed.
    vary
        The values of names from Python; their axes have no expression.

    Raises
    ------
    CcError
        A model is unknown, a name or value cannot be used, or no combination can be sent.
    """
    return _Planner(options, text, builder, cell, preparer, settings, vary).plan()


@dataclass(frozen=True, slots=True)
class _Planner:
    """The parts of a cell that a plan is made of."""

    options: CellOptions
    text: str
    builder: PromptBuilder
    cell: RunningCell
    preparer: Preparer
    settings: Settings
    vary: Mapping[str, object]

    def plan(self) -> Plan:
        """Return the plan."""
        grid = self.options.grid or GridOptions()
        secrets = self._check_models(grid)
        output_type = self.builder.output_type(self.options)
        _check_size(1, grid.samples)
        values: dict[str, Mapping[Any, object]] = {}
        for axis in grid.axes:
            values[axis.name] = self._values_of(axis, secrets)
            _check_size(math.prod(map(len, values.values())), grid.samples)
        combinations = []
        for index, labels in enumerate(itertools.product(*values.values())):
            chosen = dict(zip(values, labels, strict=True))
            named = {name: values[name][label] for name, label in chosen.items()}
            spec = self._spec(chosen, named, output_type)
            combinations.append(self._prepared(index, chosen, spec))
        _check_any(combinations)
        return Plan(
            id=new_id(),
            combinations=tuple(combinations),
            samples=grid.samples,
            checks=self.options.check,
            output_type=output_type,
            options={name: tuple(each) for name, each in values.items()},
        )

    def _check_models(self, grid: GridOptions) -> set[str]:
        """Look up every model, and return their keys; two names of one model are an error."""
        single = (self.options.model,)
        named = next((axis.values for axis in grid.axes if axis.name == "model"), single)
        found: dict[tuple[str, str], str] = {}
        keys = set()
        for name in named:
            model, endpoint, _ = self.preparer.resolve(name, self.options.key_env, self.settings)
            place = model.id, endpoint.api_root
            if place in found:
                raise OptionError(
                    f"{found[place]} and {name} are the same model",
                    hint="keep one of them; -n 2 asks for two answers each",
                )
            found[place] = name
            keys.add(endpoint.key.value)
        return keys

    def _values_of(self, axis: Axis, secrets: Collection[str]) -> Mapping[Any, object]:
        """Return the values of an axis by what the plan shows of them."""
        if axis.values:
            return {value: value for value in axis.values}
        if axis.expression is not None:
            variation = f"--vary {axis.name}"
            self._check_use(variation, axis.name)
            given = self.builder.values_of(axis.name, axis.expression)
            return varied_values(variation, given, secrets)
        variation = f"vary[{axis.name!r}]"
        check_varied_name(variation, axis.name)
        self._check_use(variation, axis.name)
        return varied_values(variation, self.vary[axis.name], secrets)

    def _check_use(self, variation: str, name: str) -> None:
        """Raise an error if no prompt, system prompt or image uses a varied name."""
        axes = self.options.grid.axes if self.options.grid else ()
        systems = next((each.values for each in axes if each.name == "system"), ())
        texts = (self.text, self.options.system or "", *systems)
        in_images = map(names_in, self.options.image)
        if name not in frozenset[str]().union(*map(names_used, texts), *in_images):
            raise OptionError(
                f"`{variation}` changes nothing: the prompt does not use the name",
                hint=f"write {{{{ {name} }}}} where its values belong",
            )

    def _spec(
        self,
        chosen: Mapping[str, Any],
        values: Mapping[str, object],
        output_type: OutputType | None,
    ) -> PromptSpec:
        """Return the prompt of one combination."""
        fields = {name: value for name, value in chosen.items() if name in VARIED_FIELDS}
        named = {name: value for name, value in values.items() if name not in VARIED_FIELDS}
        own = {name: fields.pop(name) for name in ("model", "system") if name in fields}
        parameters = dataclasses.replace(self.options.parameters, **fields)
        options = self.options._replace(**own, parameters=parameters)
        builder = self.builder.varied(named)
        try:
            return builder.prompt_spec(options, self.text, self.cell, output_type)
        except OptionError as error:
            if named:
                where = ", ".join(f"{name}: {excerpt(chosen[name])}" for name in named)
                error.args = (f"{error} ({where})", *error.args[1:])
            raise

    def _prepared(self, index: int, chosen: Mapping[str, Any], spec: PromptSpec) -> Combination:
        try:
            return Combination(index, chosen, spec, self.preparer.prepare(spec, self.settings))
        except OptionError as error:
            return Combination(index, chosen, spec, None, error)


def _check_size(combinations: int, samples: int) -> None:
    if combinations > _MAX_COMBINATIONS:
        raise OptionError(
            f"a grid of {combinations:,} combinations is too large; {_MAX_COMBINATIONS} is the"
            " most",
            hint="vary less in one cell",
        )
    if combinations * samples > _MAX_ANSWERS:
        raise OptionError(
            f"a grid of {combinations * samples:,} answers is too large; {_MAX_ANSWERS:,} is the"
            " most",
            hint="ask for fewer answers with -n",
        )


def _check_any(combinations: list[Combination]) -> None:
    """Raise an error if no combination can be sent."""
    errors = [each.error for each in combinations if each.error is not None]
    if not errors or len(errors) < len(combinations):
        return
    if len(set(map(str, errors))) > 1:
        count = len(combinations)
        raise OptionError(
            f"none of the {count} combinations can be sent; the first: {errors[0]}",
            hint=errors[0].hint,
        )
    raise errors[0]


def _digest(prepared: PreparedRequest | None) -> str | None:
    """Return what `client` numbers equal requests by."""
    if prepared is None:
        return None
    body = hashlib.sha256(encode_body(prepared.request)).hexdigest()
    return f"{prepared.request.endpoint} {body}"


def _reads_no_answers(parsed: object) -> object:
    """Stand in for the reader of an unpickled plan, whose answers have been read."""
    raise TypeError(f"an unpickled plan reads no answers: {parsed!r}")


_SHORT_NAMES = {"temperature": "t", "top_p": "top-p", "max_tokens": "max-tokens"}


def option_label(name: str, value: object) -> str:
    """Return an option as labels name it, such as `t 0.5` or `topic: rain`."""
    if name == "model":
        return str(value)
    if name in _SHORT_NAMES:
        shown = f"{value:g}" if isinstance(value, float) else str(value)
        return f"{_SHORT_NAMES[name]} {shown}"
    if name == "system":
        return f"system: {excerpt(str(value), _SYSTEM_CHARS) or 'none'}"
    return f"{name}: {value}"
