"""Draws an answer in a notebook: it grows, then stays as at most three outputs.

Sending the whole text again with each token is quadratic (a gigabyte for 97 kB, measured
2026-11-22). So finished Markdown blocks are *settled*: sent once and left alone; only the
unfinished block is sent again, at most once in a frame. The two layouts differ in whether the cell
is theirs to clear at the end. Every bundle has `text/plain`, since a front end without Markdown
would show nothing.

The frame rate falls with time and size, not with what the front end keeps up with, which a kernel
cannot know: its IOPub thread hands each message to ZeroMQ at once (at most one was ever waiting,
with no reader), and that socket never blocks and silently drops messages above 1,000.
"""

from __future__ import annotations

import html
import os
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.escaping import safe_terminal
from cc_jupyter.core.events import Notice, ReasoningDelta, TextDelta, Waiting
from cc_jupyter.render.base import stalled_line, waiting_line
from cc_jupyter.render.markdown import preload, safe_markdown
from cc_jupyter.render.markdown.stream import Blocks
from cc_jupyter.render.usage_line import metadata, seconds, usage_bundle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from IPython.core.interactiveshell import InteractiveShell

    from cc_jupyter.core.events import StreamEvent
    from cc_jupyter.core.reply import Reply


Bundle = dict[str, str]


class Screen:
    """Displays, updates and clears the outputs of the cell that runs.

    Parameters
    ----------
    markdown
        Whether answers are shown as Markdown, not only as the text they are.
    remote_images
        Whether images from the web stay images; else they are links.
    """

    def __init__(
        self, shell: InteractiveShell, *, markdown: bool = True, remote_images: bool = False
    ) -> None:
        self._markdown = markdown
        self._remote_images = remote_images
        self._publisher = shell.display_pub
        self._made = 0
        self._prefix = f"cc-{os.urandom(6).hex()}"
        self.sent_bytes = 0
        """How much was sent so far, to pace what follows."""

    def new(self, bundle: Bundle, metadata: Mapping[str, Any] | None = None) -> str:
        """Show a new output and give its display id."""
        self._made += 1
        display_id = f"{self._prefix}-{self._made}"
        self._send(display_id, bundle, metadata, update=False)
        return display_id

    def update(
        self, display_id: str, bundle: Bundle, metadata: Mapping[str, Any] | None = None
    ) -> None:
        """Put another content into an output."""
        self._send(display_id, bundle, metadata, update=True)

    def answer(self, *pieces: str) -> Bundle:
        """Return the bundle of an answer: its text, and Markdown that can do no harm.

        Several pieces are parsed each on its own.
        """
        plain = {"text/plain": safe_terminal("".join(pieces))}
        if not self._markdown:
            return plain
        shown = [safe_markdown(each, allow_remote_images=self._remote_images) for each in pieces]
        return {"text/markdown": "\n\n".join(shown), **plain}

    def clear(self, *, wait: bool) -> None:
        """Remove all outputs of the cell, at once or when the next one comes."""
        self._publisher.clear_output(wait=wait)  # type: ignore[no-untyped-call]  # IPython's own

    def _send(
        self, display_id: str, bundle: Bundle, metadata: Mapping[str, Any] | None, *, update: bool
    ) -> None:
        self.sent_bytes += sum(map(len, bundle.values()))
        self._publisher.publish(
            data=bundle,
            metadata=dict(metadata or {}),
            transient={"display_id": display_id},
            update=update,
        )


def reasoning_bundle(text: str, summary: str, *, unfolded: bool = False) -> Bundle:
    """Return a folded part, its text escaped; `summary` is what stays to be seen."""
    opened = " open" if unfolded else ""
    body = html.escape(safe_terminal(text))
    return {
        "text/html": (
            f"<details{opened}><summary>{html.escape(summary)}</summary>"
            f'<pre style="white-space: pre-wrap">{body}</pre></details>'
        ),
        "text/plain": f"[{summary}]\n{safe_terminal(text)}",
    }


FRAME_S = 0.033
_LONG_S = 10.0
"""From then on an answer is read, not watched, and is drawn less often."""
_LONG_FRAME_S = 0.1
_MOST_BYTES_A_SECOND = 150_000.0
_REASONING_TAIL = 2_000  # characters of thinking shown while it grows
_SMALL = 1_600  # an answer of up to so many characters is sent whole each frame


@dataclass(frozen=True, slots=True)
class _Final:
    """The outputs that stay; `None` for those there are none of."""

    reasoning: Bundle | None
    answer: Bundle | None
    usage: Bundle | None
    about: Mapping[str, Any]
    """Metadata of the answer, or of the usage line when there is no text."""


class NotebookRenderer:
    """Shows one answer in the outputs of a cell.

    Parameters
    ----------
    screen
        The cell's outputs.
    label
        Whom one waits for, in a word.
    reasoning
        Whether to show the model's thinking.
    owns_cell
        Whether nothing but this answer is written to the cell, so that it may be cleared.
    """

    def __init__(
        self, screen: Screen, *, label: str, reasoning: bool = True, owns_cell: bool = False
    ) -> None:
        self._screen = screen
        self._label = label
        self._reasoning = reasoning
        self._layout = _OwnedCellLayout(screen) if owns_cell else _SharedCellLayout(screen)
        self._blocks = Blocks()
        self._live = ""  # the unfinished block as it was drawn last
        self._thoughts: list[str] = []
        self._thought_s: float | None = None  # how long the model thought before it wrote
        self._status = ""
        self._begun = False  # whether text has come
        self._dirty = False
        self._started_s = monotonic()
        self._first_s = 0.0  # when something of the answer was first drawn
        self._due_s = 0.0

    def show(self, event: StreamEvent) -> None:
        """Take the next event; draw at once for the first text, then once in a frame."""
        match event:
            case TextDelta(text):
                self._blocks.add(text)
                if not self._begun:
                    self._begin()
                self._dirty = True
            case ReasoningDelta(text) if self._reasoning and not self._begun:
                self._thoughts.append(text)
                self._dirty = True
            case ReasoningDelta() if not self._begun:  # not to be shown, but not to be kept quiet
                self._say(self._waiting_for("thinking"))
            case Notice(text) if not self._begun:
                self._say(text)
            case Waiting(phase):
                if phase == "first text":  # the request is on its way
                    preload()
                self._wait(event)
            case _:
                pass
        if self._dirty and monotonic() >= self._due_s:
            self._draw()

    def finish(self, reply: Reply) -> None:
        """Draw the final outputs."""
        thought = None
        if self._reasoning and reply.reasoning:
            thought = reasoning_bundle(reply.reasoning, self._summary(reply))
        shown = bool(reply.text or reply.reasoning or reply.error is None)
        final = _Final(
            reasoning=thought,
            answer=self._screen.answer(reply.text) if reply.text else None,
            usage=usage_bundle(reply) if shown else None,  # nothing stays of a refused request
            about=metadata(reply),
        )
        self._layout.end(final)

    def _begin(self) -> None:
        """Take the first text: it is drawn at once."""
        self._begun, self._due_s = True, 0.0
        if self._thoughts:
            self._thought_s = monotonic() - self._started_s

    def _wait(self, waiting: Waiting) -> None:
        """Say what one waits for, when that takes long; never more than once a second."""
        stalled = stalled_line(waiting)
        if self._begun:
            if stalled and stalled != self._status:
                self._layout.grow((), f"{self._live}\n\n*{stalled}*")
            self._status = stalled
        elif self._thoughts:
            self._think(stalled)
        else:
            self._say(self._waiting_for(waiting.phase))

    def _waiting_for(self, phase: str) -> str:
        return waiting_line(self._label, monotonic() - self._started_s, phase)

    def _say(self, status: str) -> None:
        if status and status != self._status:
            self._status = status
            self._layout.put("status", self._screen.answer(f"*{status}*"))

    def _think(self, stalled: str = "") -> None:
        """Show the end of the thinking so far, if that or how long it takes has changed."""
        summary = " · ".join(filter(None, [self._waiting_for("thinking") or "Thinking …", stalled]))
        if self._dirty or summary != self._status:
            self._dirty, self._status = False, summary
            tail = "".join(self._thoughts[-_REASONING_TAIL:])[-_REASONING_TAIL:]
            self._layout.put("reasoning", reasoning_bundle(tail, summary, unfolded=True))

    def _summary(self, reply: Reply) -> str:
        parts = ["Thought"]
        if self._thought_s is not None:
            parts = [f"Thought for {seconds(self._thought_s)}"]
        if reply.usage.reasoning_tokens is not None:
            parts.append(f"{reply.usage.reasoning_tokens:,} tokens")
        return " · ".join(parts)

    def _draw(self) -> None:
        before = self._screen.sent_bytes
        self._first_s = self._first_s or monotonic()
        if self._begun:
            frame = self._blocks.take()
            self._live = frame.live
            self._dirty = self._layout.grow(frame.settled, frame.live)
        else:
            self._think()
        pause_s = (self._screen.sent_bytes - before) / _MOST_BYTES_A_SECOND
        now_s = monotonic()
        frame_s = FRAME_S if now_s - self._first_s < _LONG_S else _LONG_FRAME_S
        self._due_s = now_s + max(frame_s, pause_s)


class _Layout:
    """Named places in the cell, each one output."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._ids: dict[str, str] = {}

    def put(self, place: str, bundle: Bundle, about: Mapping[str, Any] | None = None) -> None:
        """Show something in a place, made at the end of the cell when it is new."""
        if place not in self._ids and "status" in self._ids:
            self._ids[place] = self._ids.pop("status")  # what was waited for takes its place
        if place in self._ids:
            self._screen.update(self._ids[place], bundle, about)
        else:
            self._ids[place] = self._screen.new(bundle, about)

    def grow(self, settled: Sequence[str], live: str) -> bool:
        """Draw a frame: the pieces that are `settled` will not change any more, `live` may.

        Gives whether `live` is left for the next frame.
        """
        raise NotImplementedError

    def end(self, final: _Final) -> None:
        """Draw what stays."""
        raise NotImplementedError


class _OwnedCellLayout(_Layout):
    """The cell holds nothing else: each settled piece is an output, and the end replaces all."""

    def grow(self, settled: Sequence[str], live: str) -> bool:
        if settled:
            self.put("live", self._screen.answer(*settled))
            del self._ids["live"]  # it stands; what follows is an output of its own
            return bool(live)  # one message a frame: a front end draws each of them
        if live:
            self.put("live", self._screen.answer(live))
        return False

    def end(self, final: _Final) -> None:
        outputs = [part for part in (final.reasoning, final.answer, final.usage) if part]
        if self._screen.sent_bytes:
            self._screen.clear(wait=bool(outputs))
        owner = final.answer or final.usage
        for bundle in outputs:
            self._screen.new(bundle, final.about if bundle is owner else None)


class _SharedCellLayout(_Layout):
    """Other outputs stand in the cell and stay: two outputs of our own, updated in place.

    The first holds what is settled and is sent again only when it has grown by an eighth, the
    second what has come since; in the end the first is the whole answer, the second its usage.
    """

    def __init__(self, screen: Screen) -> None:
        super().__init__(screen)
        self._small: list[str] | None = []  # all that is settled, while that is little
        self._main: list[Bundle] = []
        self._main_length = 0
        self._since: list[Bundle] = []
        self._since_length = 0

    def grow(self, settled: Sequence[str], live: str) -> bool:
        if settled:
            self._since.append(self._screen.answer(*settled))
            self._since_length += sum(map(len, settled))
        if self._small is not None:
            self._small += settled
            if self._since_length + len(live) <= _SMALL:
                self.put("main", self._screen.answer("".join((*self._small, live))))
                return False
            self._small = None
        if self._since_length > max(_SMALL // 2, self._main_length // 8):
            self._main += self._since
            self._main_length += self._since_length
            self._since, self._since_length = [], 0
            self.put("main", _joined(self._main))
        self.put("tail", _joined([*self._since, *([self._screen.answer(live)] if live else [])]))
        return False

    def end(self, final: _Final) -> None:
        if final.reasoning:
            self.put("reasoning", final.reasoning)
        if final.answer:
            self.put("main", final.answer, final.about)
        if final.usage:
            self.put("tail", final.usage, None if final.answer else final.about)
        elif "status" in self._ids:  # it was refused: what was waited for did not come
            self.put("status", self._screen.answer("*no answer*"))


def _joined(bundles: Sequence[Bundle]) -> Bundle:
    """Put what was made of several pieces into one output."""
    joined = {"text/plain": "".join(each["text/plain"] for each in bundles)}
    if all("text/markdown" in each for each in bundles):
        joined["text/markdown"] = "\n\n".join(each["text/markdown"] for each in bundles)
    return joined
