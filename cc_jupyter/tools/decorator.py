"""The optional decorator `@cc_jupyter.tool`: what a function's name and annotations cannot say.

It marks the function and returns it unchanged, so that the user's code calls it as before.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NamedTuple, TypeVar, overload

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable

_Function = TypeVar("_Function", bound="Callable[..., object]")
_ATTRIBUTE = "__cc_jupyter_tool__"
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""What both wire formats accept as the name of a tool (OpenAI and Anthropic API references, read
2026-11-30)."""


class ToolOptions(NamedTuple):
    """What the user says of a tool."""

    name: str | None = None
    """The name that the model calls; `None`: the function's."""
    reads_only: bool = False
    """Whether it changes nothing, which the question before a call mentions."""
    timeout_s: float | None = None
    """How long one call may take; `None`: as long as it needs."""


@overload
def tool(function: _Function, /) -> _Function: ...


@overload
def tool(
    *, reads_only: bool = False, name: str | None = None, timeout_s: float | None = None
) -> Callable[[_Function], _Function]: ...


def tool(
    function: _Function | None = None,
    /,
    *,
    reads_only: bool = False,
    name: str | None = None,
    timeout_s: float | None = None,
) -> _Function | Callable[[_Function], _Function]:
    """Describe a function that models may call with `--tools`, as a decorator.

    The function stays as it is. Functions without the decorator are tools too.

    Parameters
    ----------
    reads_only
        Whether it changes nothing; the question before a call says so. It does not replace consent.
    name
        The name that the model calls, if it is not the function's.
    timeout_s
        How many seconds one call may take.

    Raises
    ------
    OptionError
        The name or the timeout cannot be used, or the decorated object is not a function.
    """
    if name is not None:
        check_name(name)
    if timeout_s is not None and not _is_duration(timeout_s):
        raise OptionError(
            f"timeout_s must be a number of seconds above 0, not {excerpt(repr(timeout_s))}",
            hint="leave it out for no time limit",
        )
    options = ToolOptions(name, reads_only, timeout_s)

    def mark(marked: _Function) -> _Function:
        try:
            setattr(marked, _ATTRIBUTE, options)
        except (AttributeError, TypeError):
            raise OptionError(
                f"{excerpt(repr(marked))} cannot be a tool",
                hint="write @cc_jupyter.tool above a function that begins with def",
            ) from None
        return marked

    return mark if function is None else mark(function)


def tool_options(function: object) -> ToolOptions:
    """Return what the decorator says of a function; the defaults if it has none."""
    options = getattr(function, _ATTRIBUTE, None)
    return options if isinstance(options, ToolOptions) else ToolOptions()


def check_name(name: object) -> None:
    """Refuse the name of a tool that a wire format does not accept.

    Raises
    ------
    OptionError
        It is empty, too long, or has other characters.
    """
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise OptionError(
            f"{excerpt(repr(name))} cannot be the name of a tool",
            hint="a name has 1 to 64 letters a-z and A-Z, digits, _ and -;"
            ' @cc_jupyter.tool(name="…") sets another one',
        )


def _is_duration(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value > 0  # type: ignore[arg-type, operator]
