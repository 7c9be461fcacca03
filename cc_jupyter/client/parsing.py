"""Reads JSON that may hold anything, and text as it arrives: split surrogates, thinking tags."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cc_jupyter.core.events import ReasoningDelta, TextDelta

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cc_jupyter.core.events import StreamEvent


_BLANKS = " \t\r\n"
_MOST_TOKENS = 10**12
_JSON = json.JSONDecoder(strict=False)  # control characters in strings are met in the wild


def parse_json(text: str) -> Any:  # noqa: ANN401  JSON off the wire
    """Read a JSON document.

    Raises
    ------
    ValueError
        It is none, or nested too deeply to be read.
    """
    try:
        text = text.strip(_BLANKS)  # which `raw_decode` leaves to us, and `decode` does slowly
        value, end = _JSON.raw_decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if end != len(text):
        raise ValueError("more than one document")
    return value


def member(body: object, *path: str) -> Any:  # noqa: ANN401  JSON off the wire
    """Follow `path` into JSON objects; `None` as soon as one of them is missing."""
    for name in path:
        if not isinstance(body, dict):
            return None
        body = body.get(name)
    return body


def as_text(value: object) -> str:
    """Return a text; what was sent as JSON where text belongs is written as such."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False) if value else ""
    except RecursionError:
        return ""


def count(value: object) -> int | None:
    """Return a reported count, or `None` for anything that cannot be one."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS:
        return value
    return None


def with_extra(body: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Add the user's own fields; where both are objects their members are joined."""
    joined = dict(body)
    for name, value in extra.items():
        before = joined.get(name)
        both = isinstance(before, dict) and isinstance(value, dict)
        joined[name] = before | value if both else value
    return joined


Kind: TypeAlias = Literal["text", "reasoning"]

_SURROGATE = re.compile("[\ud800-\udfff]")
_OPEN, _CLOSE = "<think>", "</think>"
_MOST_BLANKS = 64
"""Before a first `<think>`; what begins with more is text."""
_MARKUP = re.compile(r"<\s*(?:!doctype|\?xml|html|head|body|script)\b", re.IGNORECASE)
_MOST_CHARACTERS = 500
_MOST_READ = 20 * _MOST_CHARACTERS


class TextAssembler:
    """Text and thinking of one answer: characters made whole, the two told apart.

    Parameters
    ----------
    think_tags
        Whether a model behind this wire may write `<think>…</think>` into its text.
    """

    def __init__(self, *, think_tags: bool) -> None:
        self._text = SurrogateJoiner()
        self._reasoning = SurrogateJoiner()
        self._think = ThinkSplitter() if think_tags else None
        self.came = False
        """Whether there was any."""

    def text(self, piece: str) -> Iterable[StreamEvent]:
        """Take the next piece of text, not empty."""
        self.came = True
        text = self._text.mend(piece)
        if not text:
            return ()
        if self._think is None or self._think.settled:
            return (TextDelta(text),)
        return _deltas(self._think.split(text))

    def reasoning(self, piece: str) -> Iterable[StreamEvent]:
        """Take the next piece of thinking that came as such, not empty."""
        self.came = True
        text = self._reasoning.mend(piece)
        return (ReasoningDelta(text),) if text else ()

    def rest(self) -> Iterator[StreamEvent]:
        """Return what waited for the rest of a character or a tag."""
        if thought := self._reasoning.flush():
            yield ReasoningDelta(thought)
        if half := self._text.flush():
            yield from (
                (TextDelta(half),) if self._think is None else _deltas(self._think.split(half))
            )
        if self._think is not None:
            yield from _deltas(self._think.flush())


class SurrogateJoiner:
    r"""Joins surrogate halves that JSON escapes brought in, also over the cut of two deltas.

    `"\ud83d"` and `"\ude00"` in two events are one emoji; a half without its other is replaced,
    since no UTF-8 file, socket or screen takes it.
    """

    def __init__(self) -> None:
        self._held = ""

    def mend(self, text: str) -> str:
        """Return `text` with whole characters only; a last high half waits for the next call."""
        if not self._held and (text.isascii() or not _SURROGATE.search(text)):
            return text
        text = self._held + text
        self._held = ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._held = text[:-1], text[-1]
        return replace_surrogates(text)

    def flush(self) -> str:
        """Return what is still held: nothing, or a replacement for half a character."""
        held, self._held = self._held, ""
        return replace_surrogates(held)


class ThinkSplitter:
    """Tells thinking from answer where a model writes `<think>…</think>` into its text.

    Only a tag that opens the answer counts; one in the middle of it is text about tags. Line ends
    after a tag belong to the tag. Thinking that is never closed is thinking to the end.
    """

    def __init__(self) -> None:
        self.settled = False
        """Whether all that follows is answer."""
        self._inside = False
        self._after_tag = False  # line ends are dropped
        self._held = ""

    def split(self, text: str) -> Iterator[tuple[Kind, str]]:
        """Return the pieces of `text` by kind; what may be a tag cut in two waits."""
        if self.settled:
            yield "text", text
            return
        self._held += text
        if not self._inside and not self._after_tag and not self._opens():
            return
        if self._inside:
            yield from self._thinking()
        if not self._inside:
            yield from self._answer()

    def flush(self) -> Iterator[tuple[Kind, str]]:
        """Return what waited for the rest of a tag."""
        if self._held:
            yield ("reasoning" if self._inside else "text"), self._held
            self._held = ""

    def _opens(self) -> bool:
        """Decide whether a tag opens the answer; false while that cannot be told."""
        start = self._held.lstrip()
        if len(self._held) - len(start) <= _MOST_BLANKS:
            if start.startswith(_OPEN):
                self._inside = self._after_tag = True
                self._held = start.removeprefix(_OPEN)
                return True
            if _OPEN.startswith(start):
                return False
        return True

    def _thinking(self) -> Iterator[tuple[Kind, str]]:
        self._drop_line_ends()
        thinking, tag, rest = self._held.partition(_CLOSE)
        if tag:
            self._inside, self._after_tag = False, True
        else:
            keep = _overlap(thinking, _CLOSE)
            thinking, rest = thinking[: len(thinking) - keep], thinking[len(thinking) - keep :]
        self._held = rest
        if thinking:
            yield "reasoning", thinking

    def _answer(self) -> Iterator[tuple[Kind, str]]:
        self._drop_line_ends()
        if self._held:
            self.settled = True
            yield "text", self._held
            self._held = ""

    def _drop_line_ends(self) -> None:
        if self._after_tag and self._held:
            self._held = self._held.lstrip("\r\n")
            self._after_tag = not self._held


def replace_surrogates(text: str) -> str:
    """Join surrogate pairs and replace halves."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def sanitize_message(text: str) -> str | None:
    """Make foreign words fit to stand in a message: one line, at most 500 characters, no markup.

    `None` when nothing is left. Control characters are dropped, since they steer terminals.
    """
    text = text[:_MOST_READ]
    if _MARKUP.search(text):
        return None
    line = "".join(filter(str.isprintable, " ".join(text.split())))
    if len(line) > _MOST_CHARACTERS:  # between words: half a key could not be redacted any more
        end = line.rfind(" ", 0, _MOST_CHARACTERS - 1)
        line = line[: end + 1 or _MOST_CHARACTERS - 1] + "…"
    return line or None


def _deltas(pieces: Iterable[tuple[Kind, str]]) -> Iterator[StreamEvent]:
    for kind, text in pieces:
        yield TextDelta(text) if kind == "text" else ReasoningDelta(text)


def _overlap(text: str, tag: str) -> int:
    """Count how many characters of `tag` may have begun at the end of `text`."""
    return next((n for n in range(len(tag) - 1, 0, -1) if text.endswith(tag[:n])), 0)
