"""A blind vote where no widget can be shown: each ballot is a list with one line of input."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Literal, TypeAlias

from cc_jupyter.core.display import word_diff
from cc_jupyter.core.terminal import safe_terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.conversation.records import Choice
    from cc_jupyter.experiments.votes.ballots import BallotPaper
    from cc_jupyter.frontend.vote.voting import Outcome, Voting


_WORDS: dict[str, Choice] = {"0": "tie", "-": "all bad", "": "skip"}
_Entry: TypeAlias = "Choice | Literal['undo', 'note', 'diff', 'end']"
_LETTERS: dict[str, _Entry] = {"u": "undo", "n": "note", "d": "diff", "r": "end"}
_KEYS = "0 tie, - all bad, Enter skip, u undo, n note, d differences, r reveal and end"


def vote_in_terminal(voting: Voting, ask: Callable[[str], str]) -> Outcome:
    """Ask for a choice on each ballot and return the result; the end of input ends the vote.

    Parameters
    ----------
    ask
        Shows a question and returns the line typed, such as `input`.
    """
    note = ""
    shown: int | None = None
    while (paper := voting.paper) is not None:
        if shown != voting.place:
            print(_ballot(paper, voting.place, len(voting.vote.papers)))  # noqa: T201  a terminal
            shown = voting.place
        try:
            entry = _entry(ask(f"1-{len(paper.candidates)} best, {_KEYS}: "), paper)
        except EOFError:
            break
        match entry:
            case None:
                continue
            case "end":
                break
            case "undo":
                voting.undo()
            case "note":
                note = ask("Note: ").strip()
            case "diff":
                print(_differences(paper))  # noqa: T201
            case _:
                if notice := voting.cast(entry, note):
                    print(safe_terminal(notice))  # noqa: T201
                note = ""
    return voting.finish()


def _entry(line: str, paper: BallotPaper) -> _Entry | None:
    """Return what a line asks for; `None`: nothing that is known."""
    word = line.strip().casefold()
    if word.isdecimal() and 1 <= int(word) <= len(paper.candidates):
        return int(word) - 1
    return _WORDS[word] if word in _WORDS else _LETTERS.get(word)


def _ballot(paper: BallotPaper, place: int, count: int) -> str:
    lines = [f"\nBallot {place + 1} of {count}: {safe_terminal(paper.prompt)}"]
    for number, each in enumerate(paper.candidates, 1):
        mark = f" (names its maker, {each.maker}: does not count)" if each.maker else ""
        lines.append(f"\n{number}{mark}")
        lines.append(textwrap.indent(safe_terminal(each.text), "   "))
    return "\n".join(lines)


def _differences(paper: BallotPaper) -> str:
    """Return the word diff of each answer from the one before it."""
    texts = [each.text for each in paper.candidates]
    return "\n\n".join(
        f"{at} to {at + 1}: {safe_terminal(word_diff(texts[at - 1], texts[at]))}"
        for at in range(1, len(texts))
    )
