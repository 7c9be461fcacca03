"""The widget of a blind vote: ballots in the browser, their choices in the kernel.

The browser's half is `widget.js`. It gets answers as HTML in the order of the ballots and nothing
that tells their models; it goes on to the next ballot at once and sends each choice, which the
kernel saves when no cell runs. The result is static HTML, which replaces the widget as soon as the
keys go back to the notebook: until then a key pressed once too often does nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from traitlets import List

from cc_jupyter.core.display import word_diff
from cc_jupyter.core.text import pluralize
from cc_jupyter.frontend.replaced_widget import ReplacedWidget, style_sheet
from cc_jupyter.render.markdown import safe_html

if TYPE_CHECKING:
    from cc_jupyter.conversation.records import Choice
    from cc_jupyter.frontend.vote.voting import Outcome, Voting


_HERE = Path(__file__).parent
_WORDS = ("tie", "all bad", "skip")


class VoteWidget(ReplacedWidget):
    """Vote on the ballots of a grid by keyboard or mouse."""

    _esm = _HERE / "widget.js"
    _css = style_sheet(_HERE / "widget.css")

    _answers: List[Any] = List(help="Each text once, as HTML.").tag(sync=True)
    _ballots: List[Any] = List(help="Prompts, indexes of answers, and marks.").tag(sync=True)

    def __init__(self, voting: Voting, cell_id: str) -> None:
        self._voting = voting
        self._outcome: Outcome | None = None
        super().__init__()
        places: dict[str, int] = {}
        self._ballots = [
            {
                "prompt": paper.prompt,
                "answers": [places.setdefault(each.text, len(places)) for each in paper.candidates],
                "marks": [each.maker for each in paper.candidates],
            }
            for paper in voting.vote.papers
        ]
        self._answers = [safe_html(text) for text in places]
        self._board = {
            "at": 0,
            "seen": 0,
            "said": _left_out(voting.vote.left_out),
            "outcome": None,
            "cell_id": cell_id,
            "id": self.model_id,
        }

    def __repr__(self) -> str:
        """Return the state of the vote, for notebooks that cannot show the widget."""
        return self._plain()["text/plain"]

    def _plain(self) -> dict[str, str]:
        if self._outcome is not None:
            return self._outcome.bundle()
        count = pluralize(len(self._voting.vote.papers), "ballot")
        text = f"A vote on {count} was open; run the cell to vote, %cmd votes shows all votes"
        return {"text/plain": text, "text/html": f"<p>{text}</p>"}

    def _bundle(self) -> dict[str, Any]:
        return self._plain() if self._outcome is not None else super()._bundle()

    def _act(self, content: dict[str, Any]) -> None:
        seen = content.get("seen", self._board["seen"])
        match content.get("type"):
            case "cast":
                self._cast(content)
                self._change_board(at=self._voting.place, seen=seen)
            case "undo":
                try:
                    self._voting.undo()
                finally:  # the browser has gone back already
                    self._change_board(at=self._voting.place, seen=seen)
            case "diff":
                self._send_diff(int(content["first"]), int(content["second"]))
                self._change_board(seen=seen)
            case "end":
                self._end()
            case "settle":
                if self._outcome is not None:
                    self._settle(self._outcome.bundle())
            case _:  # a message of a later version
                pass

    def _cast(self, content: dict[str, Any]) -> None:
        """Save a choice; one on another ballot than the next comes from a second view."""
        paper = self._voting.paper
        if self._outcome is not None or paper is None or content.get("place") != self._voting.place:
            return
        choice = content.get("choice")
        if choice in _WORDS or (isinstance(choice, int) and 0 <= choice < len(paper.candidates)):
            notice = self._voting.cast(cast("Choice", choice), str(content.get("note") or ""))
            self._change_board(said=notice)

    def _send_diff(self, first: int, second: int) -> None:
        paper = self._voting.paper
        if paper is not None:
            texts = (paper.candidates[at].text for at in (first, second))
            shown = word_diff(*texts)._repr_html_()
            self.send({"type": "diff", "place": self._voting.place, "html": shown})

    def _end(self) -> None:
        if self._outcome is None:
            self._outcome = self._voting.finish()
        bundle = self._outcome.bundle()
        self._change_board(outcome={"bundle": bundle}, said="")


def _left_out(reasons: tuple[str, ...]) -> str:
    return f"left out: {', '.join(reasons)}" if reasons else ""
