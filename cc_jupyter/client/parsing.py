"""Reads JSON that may hold anything, and text as it arrives: split surrogates, thinking marks."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Literal

from cc_jupyter.client.reasoning_marks import ReasoningSplitter
from cc_jupyter.core.events import MAX_TOKENS, ReasoningDelta, TextDelta

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cc_jupyter.client.reasoning_marks import Kind
    from cc_jupyter.core.events import StreamEvent


_BLANKS = " \t\r\n"
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
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_TOKENS:
        return value
    return None


_SURROGATE = re.compile("[\ud800-\udfff]")
_SENTENCE_ENDS = tuple(".!?:\u2026\u3002\uff01\uff1f\uff1a")  # the last four: Chinese, Japanese
_MARKUP = re.compile(r"<\s*(?:!doctype|\?xml|html|head|body|script)\b", re.IGNORECASE)
_MOST_CHARACTERS = 500
_MOST_READ = 20 * _MOST_CHARACTERS
_PROBE = "probe"
_MOST_TRIES = 8
"""How often in a row a template may fit no later event before no more is tried."""


class TextAssembler:
    """Text and thinking of one answer: with whole characters, and separated.

    Parameters
    ----------
    has_reasoning_marks
        Whether a model behind this wire may mark thinking within its text.
    """

    def __init__(self, *, has_reasoning_marks: bool) -> None:
        self._text = SurrogateJoiner()
        self._reasoning = SurrogateJoiner()
        self._think = ReasoningSplitter() if has_reasoning_marks else None
        self.came = False
        """Whether there was any."""
        self._last = ""  # the last two characters of the text
        self._stood_between: Literal["block", "reasoning"] | None = None

    @property
    def is_continued(self) -> bool:
        """Whether the next piece of text continues the last, with nothing between them."""
        return self._stood_between is None

    def text(self, piece: str) -> Iterable[StreamEvent]:
        """Take the next piece of text, not empty."""
        self.came = True
        if self._stood_between:
            piece = self._break_before(piece) + piece
        self._last = (self._last + piece[-2:])[-2:]
        text = self._text.mend(piece)
        if not text:
            return ()
        if self._think is None or self._think.settled:
            return (TextDelta(text),)
        return _deltas(self._think.split(text))

    def reasoning(self, piece: str) -> Iterable[StreamEvent]:
        """Take the next piece of thinking that came as such, not empty."""
        self.came = True
        if self._last:
            self._stood_between = self._stood_between or "reasoning"
        text = self._reasoning.mend(piece)
        return (ReasoningDelta(text),) if text else ()

    def block_between(self) -> None:
        """Note that something else, such as a tool call, came between two texts."""
        if self._last:
            self._stood_between = "block"

    def _break_before(self, piece: str) -> str:
        """Return the paragraph break that is missing before `piece`.

        Thinking between two pieces of one sentence is no block: some relays mix the two.
        """
        stood_between, self._stood_between = self._stood_between, None
        is_glued = self._last[-1:] in _SENTENCE_ENDS and not piece[:1].isspace()
        if stood_between == "reasoning" and not is_glued:
            return ""
        before = len(self._last) - len(self._last.rstrip("\n"))
        after = len(piece) - len(piece.lstrip("\n"))
        return "\n" * max(0, 2 - before - after)

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


class TextTemplate:
    """Reads the events of an answer that differ from an earlier one in nothing but their text.

    A provider repeats everything around the text in every event, 150 to 300 characters for the five
    of a token. Reading that JSON again takes four times as long as comparing it (1.9 and 0.4 us).

    Parameters
    ----------
    read_text
        Returns the text of an event's JSON if there is nothing else in it, otherwise an empty
        string.
    """

    def __init__(self, read_text: Callable[[dict[str, Any]], str]) -> None:
        self._read_text = read_text
        self._before = self._after = ""
        self._tries = _MOST_TRIES

    def text_in(self, data: str) -> str:
        """Return the text of an event that fits; empty for any other event."""
        before, after = self._before, self._after
        if not (after and data.startswith(before) and data.endswith(after)):
            return ""
        text = data[len(before) : -len(after)]
        if '"' in text or "\\" in text:
            try:
                text = str(parse_json(f'"{text}"'))
            except ValueError:  # the text ends earlier
                return ""
        self._tries = _MOST_TRIES
        return text

    def learn(self, data: str, text: str) -> None:
        """Take the template from an event that holds a text and nothing else."""
        self.forget()
        if not self._tries:
            return
        self._tries -= 1
        before, quoted, after = data.partition(f'"{text}"')
        try:
            found = self._read_text(parse_json(f'{before}"{_PROBE}"{after}')) if quoted else ""
        except ValueError:  # the text is a colon or a comma: `":"` is also between two strings
            return
        if found == _PROBE:  # else another member has the same value
            self._before, self._after = f'{before}"', f'"{after}'

    def forget(self) -> None:
        """Fit no event until the next `learn`, which sees what has changed."""
        self._before = self._after = ""


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
