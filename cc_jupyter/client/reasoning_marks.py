"""Separates thinking from the answer where a model marks it within its text.

`ReasoningSplitter` works as the text arrives, for marks that open the answer. Where the opening
mark is missing, because a chat template put it into the prompt, only the closing mark shows that
what came before was thinking: `split_unopened` separates such an answer when it is built.

Sources (read 2026-11-30): DeepSeek, Qwen and GLM write `<think>`; Mistral's Magistral `[THINK]`;
MiniMax `<mm:think>`; Seed `<seed:think>`; Kimi-VL `◁think▷`; LongCat `<longcat_think>`; Apertus
`<|inner_prefix|>`; Command A `<|START_THINKING|>`; gpt-oss the channels of OpenAI's
harmony format (openai/harmony, "Channels"; ml-explore/mlx-lm#1867), also with its special tokens
removed (Augustas11/macprovider#743). Closing marks without opening ones: obsidian-copilot#2153,
perplexityai/api-discussion#177, paiml/aprender#3930.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator


Kind: TypeAlias = Literal["text", "reasoning"]

_PAIRS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<mm:think>": "</mm:think>",
    "<seed:think>": "</seed:think>",
    "[THINK]": "[/THINK]",
    "◁think▷": "◁/think▷",
    "<longcat_think>": "</longcat_think>",
    "<|inner_prefix|>": "<|inner_suffix|>",
    "<|START_THINKING|>": "<|END_THINKING|>",
    "<|begin_of_thought|>": "<|end_of_thought|>",
}
_ROLE = "<|start|>assistant"
_FINAL = "<|channel|>final<|message|>"
_FINALS = (f"<|end|>{_ROLE}{_FINAL}", f"<|end|>{_FINAL}", f"{_ROLE}{_FINAL}", _FINAL)
"""How the answer begins in the harmony format; everything before it is thinking."""
_CHANNELS = tuple(
    f"{role}<|channel|>{channel}<|message|>"
    for role in (_ROLE, "")
    for channel in ("analysis", "commentary")
)
_ENDS = ("<|return|>", "<|end|>")
_OPENINGS: dict[str, tuple[str, ...]] = {
    **{opening: (closing,) for opening, closing in _PAIRS.items()},
    **dict.fromkeys(_CHANNELS, _FINALS),
    **dict.fromkeys((f"{_ROLE}{_FINAL}", _FINAL), ()),
}
"""By the mark that opens an answer: the marks that end the thinking; none where it is the answer
that begins."""
_LONGEST_OPENING = max(map(len, _OPENINGS))
_HARMONY = (
    r"(?:<\|end\|>)?(?:<\|start\|>assistant)?<\|channel\|>\w+[^<]{0,80}<\|message\|>"
    r"|<\|end\|>(?:<\|start\|>assistant)?|<\|start\|>assistant"
)
_BARE_ANALYSIS = r"\s{0,64}analysis(?=[A-Z\"'])"
_BARE_FINAL = "assistantfinal"
_MOST_BLANKS = 64
"""Before an opening mark; what begins with more is text."""
_MOST_TRIES = 8
"""How many closing marks of a kind are looked at before they count as text about marks."""
_QUOTES = "`'\"“\u2018«(<"


class ReasoningSplitter:
    """Separates thinking from the answer as the text arrives.

    Only a mark that opens the answer counts; one in the middle of it is text about marks. Line ends
    after a mark belong to the mark. Thinking that is never closed is thinking to the end.
    """

    def __init__(self) -> None:
        self.settled = False
        """Whether everything that follows is answer."""
        self._closings: tuple[str, ...] = ()  # inside thinking: the marks that end it
        self._ends: tuple[str, ...] = ()  # marks that may end the answer
        self._opened = False
        self._after_mark = False  # line ends are dropped
        self._held = ""

    def split(self, text: str) -> Iterator[tuple[Kind, str]]:
        """Return the pieces of `text` by kind; what may be a mark cut in two waits."""
        if self.settled:
            yield "text", text
            return
        self._held += text
        if not self._opened and not self._opens():
            return
        if self._closings:
            yield from self._thinking()
        if not self._closings:
            yield from self._answer()

    def flush(self) -> Iterator[tuple[Kind, str]]:
        """Return what waited for the rest of a mark."""
        held, self._held = self._held, ""
        if self._ends and held in self._ends:
            return
        if held:
            yield ("reasoning" if self._closings else "text"), held

    def _opens(self) -> bool:
        """Decide whether a mark opens the answer; false while that is undecided."""
        start = self._held.lstrip()
        if len(self._held) - len(start) <= _MOST_BLANKS:
            for opening, closings in _OPENINGS.items():
                if start.startswith(opening):
                    self._opened = self._after_mark = True
                    self._closings = closings
                    self._ends = () if opening in _PAIRS else _ENDS
                    self._held = start.removeprefix(opening)
                    return True
            if len(start) < _LONGEST_OPENING and any(
                opening.startswith(start) for opening in _OPENINGS
            ):
                return False
        self._opened = True
        return True

    def _thinking(self) -> Iterator[tuple[Kind, str]]:
        self._drop_line_ends()
        places = [
            (place, -len(mark), mark)
            for mark in self._closings
            if (place := self._held.find(mark)) >= 0
        ]
        if places:
            place, _, mark = min(places)
            thinking, rest = self._held[:place], self._held[place + len(mark) :]
            self._closings, self._after_mark = (), True
        else:
            keep = max(_overlap(self._held, mark) for mark in self._closings)
            thinking, rest = _cut(self._held, keep)
        self._held = rest
        if thinking:
            yield "reasoning", thinking

    def _answer(self) -> Iterator[tuple[Kind, str]]:
        self._drop_line_ends()
        if self._ends:
            keep = max(_overlap(self._held, mark, whole=True) for mark in self._ends)
            text, self._held = _cut(self._held, keep)
        else:
            text, self._held = self._held, ""
            self.settled = bool(text)
        if text:
            yield "text", text

    def _drop_line_ends(self) -> None:
        if self._after_mark and self._held:
            self._held = self._held.lstrip("\r\n")
            self._after_mark = not self._held


def split_unopened(text: str) -> tuple[str, str]:
    """Return thinking and answer of a text whose thinking has a closing mark only.

    A mark in code, in quotes or within a sentence is text about marks, as is one that follows its
    opening mark, and any in JSON.
    """
    if text.lstrip()[:1] in ("{", '"') or not _may_hold_mark(text):
        return "", text
    before, mark, after = text.partition(_FINAL)
    if mark and not _is_code(before):
        return without_channels(before), _without_end(after)
    if (bare := re.match(_BARE_ANALYSIS, text)) and _BARE_FINAL in text:
        thinking, _, answer = text[bare.end() :].partition(_BARE_FINAL)
        return thinking.strip(), answer.lstrip("\r\n")
    places = [
        (place, closing)
        for opening, closing in _PAIRS.items()
        if (place := _closes_at(text, opening, closing)) is not None
    ]
    if not places:
        return "", text
    place, closing = min(places)
    return text[:place].strip("\r\n"), text[place + len(closing) :].lstrip("\r\n")


def without_channels(thinking: str) -> str:
    """Return thinking with a paragraph break in place of each mark of the harmony format."""
    return re.sub(_HARMONY, "\n\n", thinking).strip() if "<|" in thinking else thinking


def _may_hold_mark(text: str) -> bool:
    return (
        _FINAL in text or _BARE_FINAL in text or any(closing in text for closing in _PAIRS.values())
    )


def _closes_at(text: str, opening: str, closing: str) -> int | None:
    """Return where a closing mark without an opening one ends the thinking."""
    place = -1
    for _ in range(_MOST_TRIES):
        place = text.find(closing, place + 1)
        if place < 0 or opening in text[:place]:
            return None
        if _ends_thinking(text[:place], text[place + len(closing) :]):
            return place
    return None


def _ends_thinking(before: str, after: str) -> bool:
    last = before[-1:]
    if _is_code(before) or (last and last in _QUOTES):
        return False
    return not last or last in "\r\n" or not last.isspace() or after[:2] in ("\n\n", "\r\n")


def _is_code(before: str) -> bool:
    """Return whether code is open at the end of a text."""
    lines = before.splitlines()
    fences = sum(line.lstrip().startswith(("```", "~~~")) for line in lines)
    inline = lines[-1].count("`") if lines and not before.endswith(("\n", "\r")) else 0
    return bool(fences % 2 or inline % 2)


def _without_end(answer: str) -> str:
    for end in _ENDS:
        answer = answer.removesuffix(end)
    return answer.lstrip("\r\n")


def _cut(text: str, keep: int) -> tuple[str, str]:
    return text[: len(text) - keep], text[len(text) - keep :]


def _overlap(text: str, mark: str, *, whole: bool = False) -> int:
    """Count how many characters of `mark` may have begun at the end of `text`."""
    longest = len(mark) if whole else len(mark) - 1
    return next((n for n in range(longest, 0, -1) if text.endswith(mark[:n])), 0)
