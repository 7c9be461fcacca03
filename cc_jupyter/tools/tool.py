"""A tool: one function of the user's, as models see it and as it is called."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from cc_jupyter.core.text import excerpt
from cc_jupyter.prompt.output_types import MAX_DETAILS, ValidationProblem
from cc_jupyter.prompt.tracebacks import is_cell, short_path
from cc_jupyter.tools.decorator import check_name, tool_options
from cc_jupyter.tools.signature import Signature, call_arguments, signature_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class ArgumentsError(Exception):
    """The arguments of a call cannot be used; the text is for the model."""


class Arguments(NamedTuple):
    """Checked arguments of one call."""

    given: dict[str, Any]
    """As the model wrote them, as JSON values."""
    values: Mapping[str, object]
    """As the function gets them: dates, enums, dataclasses."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that a model may call."""

    name: str
    expression: str
    """How the user named it in `--tools`."""
    function: Callable[..., object]
    signature: Signature
    reads_only: bool = False
    timeout_s: float | None = None

    @property
    def description(self) -> str:
        """What the model reads about it."""
        return self.signature.description

    @property
    def schema(self) -> Mapping[str, Any]:
        """The JSON schema of its arguments, an object."""
        return self.signature.schema

    @property
    def is_async(self) -> bool:
        """Whether it was written with `async def`."""
        return inspect.iscoroutinefunction(self.function) or inspect.isasyncgenfunction(
            self.function
        )

    @property
    def code(self) -> object:
        """What runs: it changes with the function, as when a file is loaded again."""
        return getattr(inspect.unwrap(self.function), "__code__", None)

    @property
    def place(self) -> str:
        """The file, or the cell, and the line where it is defined."""
        code = getattr(inspect.unwrap(self.function), "__code__", None)
        if code is None:
            return "unknown place"
        name = "cell" if is_cell(code.co_filename) else short_path(code.co_filename)
        return f"{name}, line {code.co_firstlineno}"

    def defaults_left(self, given: Mapping[str, object]) -> dict[str, Any]:
        """Return the defaults of the parameters that a call leaves out, as JSON values."""
        properties = self.schema.get("properties", {})
        return {
            each.name: properties[each.name]["default"]
            for each in self.signature.parameters
            if each.name not in given and "default" in properties.get(each.name, {})
        }

    def arguments(self, text: str) -> Arguments:
        """Return the arguments in a model's JSON; an empty text means none.

        Raises
        ------
        ArgumentsError
            It is not JSON, or does not fit the signature.
        """
        try:
            given = json.loads(text, strict=False) if text.strip() else {}
        except (ValueError, RecursionError) as error:
            reason = str(error) if isinstance(error, ValueError) else "it is nested too deeply"
            raise ArgumentsError(self._complaint([f"not JSON: {reason}"])) from None
        if not isinstance(given, dict):
            raise ArgumentsError(self._complaint([f"not a JSON object: {excerpt(text)}"]))
        try:
            values: Any = self.signature.validator.read(given)
        except ValidationProblem as problem:
            raise ArgumentsError(self._complaint(problem.details)) from None
        return Arguments(given, values)

    def call(self, values: Mapping[str, object]) -> object:
        """Call the function."""
        by_position, by_name = call_arguments(self.signature.parameters, values)
        return self.function(*by_position, **by_name)

    def _complaint(self, details: list[str] | tuple[str, ...]) -> str:
        lines = "\n".join(f"- {detail}" for detail in details[:MAX_DETAILS])
        names = ", ".join(each.name for each in self.signature.parameters) or "none"
        return (
            f"{self.name} did not run: its arguments do not fit.\n{lines}\n"
            f"Its parameters: {names}. Correct the arguments and call it again."
        )


def tool_for(function: Any, expression: str) -> Tool:  # noqa: ANN401  any value of the user's
    """Return the tool of a function.

    Parameters
    ----------
    function
        The value of the expression.
    expression
        How the user named it.

    Raises
    ------
    OptionError
        The function cannot be a tool; the message says why.
    ConfigError
        pydantic is not installed.
    """
    signature = signature_of(function, expression)
    options = tool_options(function)
    name = options.name or function.__name__
    check_name(name)
    return Tool(name, expression, function, signature, options.reads_only, options.timeout_s)
