"""The tools of one cell, from `--tools` and `--allow`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from cc_jupyter.core.errors import OptionError, did_you_mean
from cc_jupyter.core.text import excerpt
from cc_jupyter.tools.tool import Tool, tool_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_EXAMPLE = "write names or expressions with commas between them: --tools lookup,save"


def split_expressions(text: str) -> list[str]:
    """Return the expressions of `--tools`, split at the commas outside brackets and quotes.

    Raises
    ------
    OptionError
        It is empty, has an empty place, or is not Python.
    """
    try:
        node = ast.parse(f"({text}\n,)", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = getattr(error, "msg", None) or str(error)
        shown = f"`{excerpt(text)}` is not a list of functions: {excerpt(reason)}"
        raise OptionError(shown if text.strip() else "--tools is empty", hint=_EXAMPLE) from None
    elements = node.elts if isinstance(node, ast.Tuple) else [node]
    if any(isinstance(each, ast.Starred) for each in elements):
        raise OptionError(
            f"`{excerpt(text)}` has a star", hint="a list of functions needs none: --tools my_tools"
        )
    return [ast.get_source_segment(f"({text}\n,)", each) or "" for each in elements]


class Toolbox:
    """Tools by name, in the order of `--tools`.

    Parameters
    ----------
    tools
        All of them.

    Raises
    ------
    OptionError
        Two different functions have one name, or one is given twice.
    """

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        for each in tools:
            other = self._tools.get(each.name)
            if other is not None and other.function is each.function:
                raise OptionError(f"the tool {each.name} is given twice", hint="keep one of them")
            if other is not None:
                raise OptionError(
                    f"`{excerpt(other.expression)}` and `{excerpt(each.expression)}` are both named"
                    f" {each.name}",
                    hint='@cc_jupyter.tool(name="…") gives one of them another name',
                )
            self._tools[each.name] = each

    def __len__(self) -> int:
        return len(self._tools)

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in order."""
        return tuple(self._tools)

    def get(self, name: str) -> Tool | None:
        """Return the tool of a name; `None`: there is none."""
        return self._tools.get(name)

    def unknown(self, name: str) -> str:
        """Return what the model reads when it calls a tool that does not exist."""
        shown = excerpt(name) or "an empty name"
        hint = did_you_mean(name, self._tools)
        meant = f" {hint[0].upper()}{hint[1:]}" if hint else ""
        return f"There is no tool named {shown}; nothing ran.{meant} The tools are: {_list(self)}."

    def allowed(self, names: Iterable[str]) -> frozenset[str]:
        """Return the names of `--allow`, each of which must be a tool.

        Raises
        ------
        OptionError
            There is no tool of this name.
        """
        found = frozenset(names)
        for name in sorted(found - self._tools.keys()):
            renamed = [each.name for each in self if each.expression == name]
            hint = f"its name is {renamed[0]}" if renamed else did_you_mean(name, self._tools)
            raise OptionError(
                f"--allow {excerpt(name)}: no tool has this name",
                hint=hint or f"the tools are {_list(self)}",
            )
        return found


def _list(toolbox: Toolbox) -> str:
    return ", ".join(toolbox.names) or "none"


def toolbox_for(expressions: Iterable[str], evaluate: Callable[[str], object]) -> Toolbox:
    """Return the tools that the expressions of `--tools` name; a list or tuple names several.

    Parameters
    ----------
    evaluate
        Returns the value of an expression.

    Raises
    ------
    OptionError
        An expression failed, or a value cannot be a tool.
    ConfigError
        pydantic is not installed.
    """
    tools: list[Tool] = []
    for expression in expressions:
        value = evaluate(expression)
        if isinstance(value, list | tuple):
            if not value:
                raise OptionError(f"`{excerpt(expression)}` is empty", hint=_EXAMPLE)
            tools += [tool_for(each, f"{expression}[{at}]") for at, each in enumerate(value)]
        else:
            tools.append(tool_for(value, expression))
    return Toolbox(tools)
