"""What commands have in common: how their words are read, and how turns read in a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.money import format_usd

if TYPE_CHECKING:
    from datetime import datetime

    from cc_jupyter.conversation.records import TurnRecord
    from cc_jupyter.conversation.thread import Thread


def one_name(command: str, rest: str) -> str:
    """Read the name of a thread."""
    names = rest.split()
    if len(names) != 1:
        raise OptionError(f"a thread has one name, not {rest!r}", hint=f"%cmd {command} NAME")
    return names[0]


def number(command: str, text: str) -> int:
    """Read the number of a turn or version, or how many."""
    if not text.strip().isdecimal() or int(text) < 1:
        raise OptionError(
            f"%cmd {command} takes a number from 1, not {text.strip()!r}",
            hint="%cmd history numbers the turns",
        )
    return int(text)


def has_flag(command: str, rest: str, flag: str) -> bool:
    """Return whether the one flag that a command knows is given."""
    if rest.strip() not in ("", flag):
        raise OptionError(f"%cmd {command} takes {flag} or nothing, not {rest!r}")
    return rest.strip() == flag


def nothing(command: str, rest: str) -> None:
    """Refuse words that a command does not take."""
    if rest:
        raise OptionError(f"%cmd {command} takes nothing, not {rest!r}")


def place_of(thread: Thread, turn: int | None) -> int:
    """Return the place of a turn by its number from 1, or of the last one with an answer."""
    slots = thread.slots
    if not slots:
        raise OptionError(
            f"the thread {thread.name} holds no turn yet",
            hint="ask something first, or bring a stored one back: %cmd thread NAME",
        )
    if turn is None:
        last = thread.last_place()
        return len(slots) - 1 if last is None else last
    if not 1 <= turn <= len(slots):
        raise OptionError(f"there is no turn {turn}", hint=f"the last one is {len(slots)}")
    return turn - 1


def cost_text(record: TurnRecord | None) -> str:
    """Return what a turn cost, as a table shows it."""
    if record is None:
        return ""
    if record.cost.usd is None:
        return "?"
    mark = "~" if record.cost.origin == "estimated" else ""
    return mark + format_usd(record.cost.usd)


def local_time(instant: datetime) -> str:
    """Return an instant by the clock on the wall."""
    return f"{instant.astimezone():%Y-%m-%d %H:%M}"
