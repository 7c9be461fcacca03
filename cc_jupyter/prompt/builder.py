"""Build the prompt specification from a cell: its options, values, images and output type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.messages import PromptSpec, PromptTemplate, RenderedPrompt, ValueLimits
from cc_jupyter.core.text import check_characters, describe, excerpt
from cc_jupyter.prompt.options import saved_options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cc_jupyter.core.messages import Image, ToolSpec
    from cc_jupyter.core.shell import RunningCell, Shell
    from cc_jupyter.prompt.options import CellOptions
    from cc_jupyter.prompt.output_types import OutputType
    from cc_jupyter.prompt.values import Rendered


_T = TypeVar("_T")
_NOTHING_VARIED: Mapping[str, object] = {}
_DEFAULT_LIMITS = ValueLimits()


class PromptBuilder:
    """Builds the prompt of one request from the user's namespace; sends nothing.

    Parameters
    ----------
    local_ns
        The names of the calling function, looked up first; the user's namespace if there is none.
    limits
        How much of a value is sent, by the settings; the option line may raise it.
    varied
        Names that a grid varies, with their values here; they come before all others.
    filled
        Texts and images that the builders of a grid share, by source and by the values they use.
    tools
        The functions that the model may call.
    """

    def __init__(  # noqa: PLR0913  what a prompt is built from
        self,
        shell: Shell,
        local_ns: dict[str, object],
        limits: ValueLimits = _DEFAULT_LIMITS,
        *,
        varied: Mapping[str, object] = _NOTHING_VARIED,
        filled: dict[object, Any] | None = None,
        tools: tuple[ToolSpec, ...] = (),
    ) -> None:
        self._shell = shell
        self._limits = limits
        self._user_ns = dict(shell.user_ns)
        history = shell.history_manager
        if history is not None and self._user_ns.get("In") is history.input_hist_parsed:
            self._user_ns["In"] = history.input_hist_raw  # the cell as it was typed
        self._local_ns = {**({} if local_ns is shell.user_ns else local_ns), **varied}
        self._varied = varied
        self._tools = tools
        self._filled: dict[object, Any] = {} if filled is None else filled

    def varied(self, values: Mapping[str, object]) -> PromptBuilder:
        """Return a builder in which these names have these values, whatever the user's names are.

        What uses none of them is evaluated once for all these builders, so that all combinations of
        a grid send the same.
        """
        return PromptBuilder(
            self._shell,
            self._local_ns,
            self._limits,
            varied=values,
            filled=self._filled,
            tools=self._tools,
        )

    def values_of(self, name: str, expression: str) -> object:
        """Return the value of the expression of `--vary`.

        Raises
        ------
        OptionError
            It failed; chained from its exception.
        """
        try:
            return self._value(expression)
        except OptionError as error:
            cause = error.__cause__ or error
            raise OptionError(
                f"`--vary {name}={excerpt(expression)}` failed: {describe(cause)}",
                hint="nothing was sent; try the expression in a separate cell",
            ) from cause

    def tool_of(self, expression: str) -> object:
        """Return the value of an expression of `--tools`.

        Raises
        ------
        OptionError
            The expression failed; chained from its exception.
        """
        try:
            return self._value(expression)
        except OptionError as error:
            cause = error.__cause__ or error
            raise OptionError(
                f"`--tools {excerpt(expression)}` failed: {describe(cause)}",
                hint="nothing was sent; define the function in a cell above",
            ) from cause

    def prompt_spec(
        self,
        options: CellOptions,
        text: str,
        cell: RunningCell,
        output_type: OutputType | None = None,
    ) -> PromptSpec:
        """Return the prompt specification; `output_type` is the type of the answer.

        Raises
        ------
        OptionError
            A name, a value or an image cannot be used.
        """
        limits = _limits_for(options, self._limits)
        prompt = self._fill(text, limits, raw=options.raw)
        system = self._fill(options.system or "", limits, raw=options.raw)
        if system.images:
            raise OptionError(
                f"a system prompt cannot contain an image: {system.images[0].described}",
                hint="put it in the prompt, or pass it with -i",
            )
        return PromptSpec(
            prompt=prompt.text,
            images=(*self._images(options), *prompt.images),
            model=options.model,
            system=None if options.system is None else system.text,
            parameters=options.parameters,
            thread=options.thread,
            new=options.new,
            once=options.once,
            key_env=options.key_env,
            zdr=options.zdr,
            turn_key=None if options.once else cell.turn_key(),
            execution=cell.token,
            notebook=cell.notebook,
            answer_format=None if output_type is None else output_type.form,
            tools=self._tools,
            notices=(*prompt.notices, *system.notices, *filter(None, [_notice(options)])),
            values=self._reusable_values(prompt.values + system.values, options.name),
            value_limits=limits,
            template=PromptTemplate(
                None if options.raw or "{{" not in text else text,
                saved_options(options),
                prompt.examples + system.examples,
            ),
        )

    def _fill(self, text: str, limits: ValueLimits, *, raw: bool) -> RenderedPrompt:
        """Fill in the values and check that the text can be sent."""
        has_values = not raw and "{{" in text
        rendered = self._rendered(text, limits) if has_values else RenderedPrompt(text)
        check_characters(rendered.text)
        return rendered

    def _rendered(self, text: str, limits: ValueLimits) -> RenderedPrompt:
        from cc_jupyter.prompt.template import names_used, render  # noqa: PLC0415  only `{{ }}` needs it
        from cc_jupyter.prompt.values import to_text  # noqa: PLC0415  as above

        def write(value: object, expression: str) -> Rendered:
            return to_text(value, expression, limits)

        used = names_used(text) if self._varied else frozenset[str]()
        return self._once(text, used, lambda: render(text, self._value, write))

    def _once(self, source: object, used: frozenset[str], fill: Callable[[], _T]) -> _T:
        """Return what `fill` returns, called once for each source and the varied values it uses."""
        # the values live as long as the builders, so an id is of one value
        values = tuple((name, id(value)) for name, value in self._varied.items() if name in used)
        key = source, values
        if key not in self._filled:
            self._filled[key] = fill()
        found: _T = self._filled[key]
        return found

    def _images(self, options: CellOptions) -> list[Image]:
        if not options.image:
            return []
        from cc_jupyter.prompt.template import names_in  # noqa: PLC0415  only `-i` needs it

        used = frozenset[str]().union(*map(names_in, options.image))
        return self._once(options.image, used, lambda: self._loaded(options))

    def _loaded(self, options: CellOptions) -> list[Image]:
        from cc_jupyter.prompt.images import load_image, working_folder  # noqa: PLC0415  only `-i` needs it

        folder = working_folder()
        return [load_image(each, self._value, folder) for each in options.image]

    def _reusable_values(
        self, values: tuple[tuple[str, str], ...], bound: str | None
    ) -> tuple[tuple[str, str], ...]:
        """Return the values that can be looked up again: plain ones of the user's namespace.

        The variable that the cell itself binds is left out: it changes when the cell ends.
        """
        if not values:
            return ()
        from cc_jupyter.prompt.template import plain_name  # noqa: PLC0415  only `{{ }}` needs it

        return tuple(
            (expression, digest)
            for expression, digest in values
            if (name := plain_name(expression)) is not None
            and name != bound
            and name in self._user_ns
            and name not in self._local_ns
        )

    def output_type(self, options: CellOptions) -> OutputType | None:
        """Return the type of the answer; `None`: plain text.

        Raises
        ------
        OptionError
            The type is unknown, has no JSON form, or contradicts the format.
        """
        return self.annotation(options)[1]

    def annotation(self, options: CellOptions) -> tuple[object | None, OutputType | None]:
        """Return the type of the answer as Python has it, and as it is asked for.

        Raises
        ------
        OptionError
            As `output_type`.
        """
        if options.type is None and options.format != "json":
            return None, None
        from cc_jupyter.prompt.output_types import json_output_type, output_type_for  # noqa: PLC0415  an answer as text does not need it

        if options.type is not None:
            if options.format == "code":
                raise OptionError(
                    f"`-f code` returns code, not {options.type}", hint="keep one of the two"
                )
            from cc_jupyter.prompt.type_parser import parse_type  # noqa: PLC0415  only `--type` needs it

            annotation = parse_type(options.type, self._user_ns, self._local_ns)
            return annotation, output_type_for(annotation, options.type)
        return dict, json_output_type()

    def limits(self, options: CellOptions) -> ValueLimits:
        """Return how much of a value is sent for this prompt."""
        return _limits_for(options, self._limits)

    def value(self, expression: str) -> object:
        """Return the value of an expression; raises `OptionError`, chained from its exception."""
        return self._value(expression)

    def _value(self, expression: str) -> object:
        from cc_jupyter.prompt.template import evaluate  # noqa: PLC0415  only an expression needs it

        return evaluate(expression, self._user_ns, self._local_ns)


def _notice(options: CellOptions) -> str | None:
    return None if options.saved is None else options.saved.notice


def _limits_for(options: CellOptions, limits: ValueLimits) -> ValueLimits:
    """Return the limits of one prompt: tables that the option line asks for may be long."""
    if options.table_rows is None:
        return limits
    rows = None if options.table_rows == "all" else options.table_rows
    return limits._replace(table_rows=rows, table_chars=limits.text_chars)
