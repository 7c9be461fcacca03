"""The pages of `%cmd help`, and what of them stands in the README: the tables of specs in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cc_jupyter.command_specs import BY_NAME, COMMANDS
from cc_jupyter.core.errors import OptionError, did_you_mean
from cc_jupyter.prompt.options import OPTIONS, option_help

if TYPE_CHECKING:
    from cc_jupyter.command_specs import CommandSpec

_HEAD = (("%%cmd [options] [-> NAME[: TYPE]]", "the text of the cell is the prompt"),)
_WIDEST = 38
"""Usages up to here stand beside what they mean; longer ones on a line above it."""


def help_text(topic: str = "") -> str:
    """Give the help: all commands a line each, the options, or more on one command.

    Raises
    ------
    OptionError
        There is no such command.
    """
    if not topic:
        rows = [*_HEAD, *((_usage(spec), spec.summary) for spec in COMMANDS)]
        return "\n".join(_line(usage, meaning) for usage, meaning in rows)
    if topic in ("options", "%%cmd"):
        return option_help()
    spec = BY_NAME.get(topic)
    if spec is None:
        known = [*BY_NAME, "options", *(name for each in OPTIONS for name in each.names)]
        raise OptionError(
            f"there is no help on {topic!r}",
            hint=did_you_mean(topic, known) or "%cmd help lists what there is",
        )
    return _on_command(spec)


def _on_command(spec: CommandSpec) -> str:
    parts = [_line(_usage(spec), spec.summary)]
    if spec.more:
        parts.append(_wrapped(spec.more))
    if "options" in spec.takes:
        parts.append(option_help())
    return "\n\n".join(parts)


def command_table_markdown() -> str:
    """Give the table of commands for the README."""
    lines = ["| command | what it does |", "| --- | --- |"]
    for spec in COMMANDS:
        usage = _usage(spec).replace("|", r"\|")
        lines.append(f"| `{usage}` | {spec.summary} |")
    return "\n".join(lines)


def _usage(spec: CommandSpec) -> str:
    return f"%cmd {spec.name} {spec.usage}".rstrip()


def _line(usage: str, meaning: str) -> str:
    if len(usage) > _WIDEST:
        return f"{usage}\n{'':{_WIDEST}}  {meaning}"
    return f"{usage:{_WIDEST}}  {meaning}"


def _wrapped(text: str) -> str:
    import textwrap  # noqa: PLC0415  a page of help is seldom asked for

    return textwrap.fill(text, 88)
