"""From what a function returned or raised to what the model reads of it.

The rules and limits are those of `{{ }}`, with two exceptions. A text is limited as other values
are, since nobody chose to send it whole. A `Path` sends its name: the user did not ask for the
contents of the file.
"""

from __future__ import annotations

import io
import re
import traceback
from collections.abc import Iterator, Sized
from itertools import islice
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple

from cc_jupyter.core.errors import CcError
from cc_jupyter.core.messages import ValueLimits
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.text import describe, excerpt, pluralize, quote_expression
from cc_jupyter.prompt.tables import frame_kind
from cc_jupyter.prompt.tracebacks import MESSAGE_LIMIT, is_own_frame
from cc_jupyter.prompt.values import to_text

if TYPE_CHECKING:
    from types import TracebackType

    from cc_jupyter.core.messages import Image

MAX_ITEMS = 1_000
"""Of a generator: it may never end, so no more are taken."""
_MAX_TRACEBACK_CHARS = 20_000
_SHORT_CHARS = 60
_CUT = re.compile(r"\n… \[cut: (?P<what>.+)\]\Z")
_CHARACTERS = re.compile(r"(?P<sent>[\d,]+) of (?P<total>[\d,]+) characters")
_SURROGATE = re.compile("[\ud800-\udfff]")
_KB = 1_000


class Content(NamedTuple):
    """What the model reads of one call, and what the trace says about it."""

    text: str
    images: tuple[Image, ...] = ()
    is_error: bool = False
    summary: str = ""
    """The result in a few words."""
    cut: str = ""
    """How much was sent, if that is not all: `sent 1.2 of 34 kB`."""
    notes: tuple[str, ...] = ()
    """For the user: what the text does not say."""
    traceback: str = ""


def result_content(name: str, value: object, limits: ValueLimits = ValueLimits()) -> Content:  # noqa: B008  a constant
    """Return what the model reads of a function's result.

    Parameters
    ----------
    name
        The name of the tool.
    """
    items_left = False
    if isinstance(value, Iterator) and not isinstance(value, io.IOBase):
        value, items_left = taken_items(value)
    shown = str(value) if isinstance(value, PurePath) else value
    expression = f"{name}()"
    chars = min(limits.text_chars, limits.value_chars)
    try:
        rendered = to_text(shown, expression, limits._replace(text_chars=chars))
    except CcError as error:
        text = f"{name} ran, but its result cannot be sent: {error}"
        return Content(text, is_error=True, summary=excerpt(str(error)), traceback=str(error))
    text = _SURROGATE.sub("\ufffd", rendered.text)
    notes = tuple(
        notice.replace(quote_expression(expression), "the result")
        for notice in rendered.notices
        if " was cut: " not in notice
    )
    if items_left:
        text += f"\n… [only the first {MAX_ITEMS:,} items were taken]"
        notes = (*notes, f"only the first {MAX_ITEMS:,} items were taken")
    return Content(
        text or "(an empty text)",
        rendered.images,
        summary=_summary(shown, rendered.images),
        cut=_cut(rendered.text, shown),
        notes=notes,
    )


def taken_items(items: Iterator[object]) -> tuple[list[object], bool]:
    """Return the first items of an iterator, and whether there are more."""
    taken = list(islice(items, MAX_ITEMS + 1))
    close = getattr(items, "close", None)
    if callable(close):
        close()
    return taken[:MAX_ITEMS], len(taken) > MAX_ITEMS


def error_content(error: BaseException) -> Content:
    """Return what the model reads of an exception: its type and message."""
    kind = type(error).__qualname__
    try:
        message = redact(str(error))
    except Exception:  # noqa: BLE001  the user's class may raise anything
        message = ""
    text = f"{kind}: {message}" if message else kind
    if len(text) > MESSAGE_LIMIT:
        text = f"{text[:MESSAGE_LIMIT]}… [cut: {MESSAGE_LIMIT:,} of {len(text):,} characters]"
    return Content(
        _SURROGATE.sub("\ufffd", text),
        is_error=True,
        summary=excerpt(text),
        traceback=_traceback(error),
    )


def _traceback(error: BaseException) -> str:
    try:
        trace = _user_part(error.__traceback__)
        text = "".join(traceback.format_exception(type(error), error, trace))
    except Exception:  # noqa: BLE001  the user's class may raise anything
        text = describe(error)
    text = redact(text).rstrip("\n")
    return text if len(text) <= _MAX_TRACEBACK_CHARS else f"…{text[-_MAX_TRACEBACK_CHARS:]}"


def _user_part(trace: TracebackType | None) -> TracebackType | None:
    """Return the traceback from the user's function on."""
    while trace is not None and is_own_frame(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace


def _summary(value: object, images: tuple[Image, ...]) -> str:
    """Return a result in a few words."""
    if images:
        return pluralize(len(images), "image")
    if frame_kind(value) is not None and isinstance(value, Sized):
        return pluralize(len(value), "row")
    if isinstance(value, str):
        fits = len(value) <= _SHORT_CHARS and value.isprintable()
        return f'"{value}"' if fits else f"{size_text(_size(value))} of text"
    if isinstance(value, dict | list | tuple | set | frozenset):
        return pluralize(len(value), "key" if isinstance(value, dict) else "item")
    if value is None or isinstance(value, bool | int | float | complex):
        return excerpt(repr(value))
    return f"a {type(value).__name__}"


def _cut(text: str, value: object) -> str:
    """Return how much of a result is sent; empty: all of it."""
    found = _CUT.search(text)
    if found is None:
        return ""
    counts = _CHARACTERS.fullmatch(found["what"])
    if counts is None or not isinstance(value, str):
        return f"sent {found['what']}"
    sent = int(counts["sent"].replace(",", ""))
    return f"sent {size_text(_size(value[:sent]), unit=False)} of {size_text(_size(value))}"


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def size_text(size_bytes: int, *, unit: bool = True) -> str:
    """Return a size in kB, small ones with one decimal."""
    size_kb = size_bytes / _KB
    number = f"{size_kb:,.0f}" if size_kb >= 10 else f"{size_kb:.1f}"  # noqa: PLR2004  two digits
    return f"{number} kB" if unit else number
