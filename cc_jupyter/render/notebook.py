"""Draw an answer in a notebook: it grows, and ends as at most three outputs.

Sending the whole text again with each token is quadratic (a gigabyte for 97 kB, measured
2026-11-22). Therefore finished Markdown blocks are *settled*: sent once and never again; only the
unfinished block is sent again, at most once per frame. The two layouts differ in whether the cell
can be cleared at the end. Every bundle has `text/plain`, since a front end without Markdown would
show nothing.

The frame rate falls with time and size. It cannot follow the speed of the front end, which a kernel
does not know: its IOPub thread passes each message to ZeroMQ at once (at most one was ever waiting,
with no reader), and that socket never blocks and silently drops messages above 1,000.
"""

from __future__ import annotations

import html
import os
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.events import Notice, ReasoningDelta, TextDelta, Waiting
from cc_jupyter.core.terminal import safe_line, safe_terminal
from cc_jupyter.render.answer_extras import image_bundles, shown_text
from cc_jupyter.render.base import stalled_line, waiting_line
from cc_jupyter.render.markdown import preload, safe_markdown
from cc_jupyter.render.markdown.reuse import WrittenPieces
from cc_jupyter.render.markdown.stream import Blocks
from cc_jupyter.render.usage_line import has_figures, metadata, seconds, usage_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from IPython.core.interactiveshell import InteractiveShell

    from cc_jupyter.core.events import StreamEvent
    from cc_jupyter.core.reply import Reply


Bundle = dict[str, str]


class Screen:
    """Displays, updates and clears the outputs of the running cell.

    Parameters
    ----------
    markdown
        Whether answers are shown as Markdown; otherwise only as plain text.
    remote_images
        Whether images from the web stay images; otherwise they become links.
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
        """The number of bytes sent so far, which sets the pace."""

    def new(self, bundle: Bundle, metadata: Mapping[str, Any] | None = None) -> str:
        """Show a new output and return its display id."""
        self._made += 1
        display_id = f"{self._prefix}-{self._made}"
        self._send(display_id, bundle, metadata, update=False)
        return display_id

    def update(
        self, display_id: str, bundle: Bundle, metadata: Mapping[str, Any] | None = None
    ) -> None:
        """Replace the content of an output."""
        self._send(display_id, bundle, metadata, update=True)

    def answer(self, text: str) -> Bundle:
        """Return the bundle of an answer: the plain text, and safe Markdown."""
        return self._bundle(
            [text], lambda each: safe_markdown(each, allow_remote_images=self._remote_images)
        )

    def written_pieces(self) -> WrittenPieces:
        """Return what writes the pieces of one answer, and remembers them for the end."""
        return WrittenPieces(remote_images=self._remote_images)

    def settled(self, pieces: Sequence[str], written: WrittenPieces) -> Bundle:
        """Return the bundle of settled pieces, each parsed by itself."""
        return self._bundle(pieces, written.add)

    def finished(self, text: str, written: WrittenPieces) -> Bundle:
        """Return the bundle of a finished answer, of which some pieces are written already."""
        return self._bundle([text], written.whole)

    def _bundle(self, pieces: Sequence[str], write: Callable[[str], str]) -> Bundle:
        plain = {"text/plain": safe_terminal("".join(pieces))}
        if not self._markdown:
            return plain
        return {"text/markdown": "\n\n".join(map(write, pieces)), **plain}

    def clear(self, *, wait: bool) -> None:
        """Remove all outputs of the cell, at once or with the next output (`wait`)."""
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


def folded_bundle(text: str, summary: str, *, unfolded: bool = False) -> Bundle:
    """Return a folded section with escaped text; `summary` stays visible. No text: only that."""
    if not text:
        return {"text/html": html.escape(summary), "text/plain": f"[{summary}]"}
    opened = " open" if unfolded else ""
    body = html.escape(safe_terminal(text))
    return {
        "text/html": (
            f"<details{opened}><summary>{html.escape(summary)}</summary>"
            f'<pre style="white-space: pre-wrap">{body}</pre></details>'
        ),
        "text/plain": f"[{summary}]\n{safe_terminal(text)}",
    }


UNFINISHED: dict[str, Any] = {"cc_jupyter": {"unfinished": True}}
"""The metadata of each output until the answer is complete, so that half an answer in a saved
notebook can be recognized and completed."""
FRAME_S = 0.033
_LONG_S = 10.0
"""After this time an answer is drawn less often: people read it rather than watch it."""
_LONG_FRAME_S = 0.1
_MAX_BYTES_PER_S = 150_000.0
_REASONING_TAIL_CHARS = 2_000  # of reasoning shown while it grows
_SMALL_CHARS = 1_600  # an answer of up to this length is sent whole in each frame


@dataclass(frozen=True, slots=True)
class _Final:
    """The final outputs; `None`: there is no such output."""

    reasoning: Bundle | None
    answer: Bundle | None
    images: list[Bundle]
    usage: Bundle | None
    metadata: Mapping[str, Any]
    """Metadata of the answer, or of the usage line if there is no text."""


class NotebookRenderer:
    """Shows one answer in the outputs of a cell.

    Parameters
    ----------
    screen
        The cell's outputs.
    label
        The model's name while the cell waits.
    reasoning
        Whether to show the model's reasoning.
    owns_cell
        Whether the cell has no other outputs than this answer, so that it can be cleared.
    """

    def __init__(
        self, screen: Screen, *, label: str, reasoning: bool = True, owns_cell: bool = False
    ) -> None:
        self._screen = screen
        self._label = label
        self._reasoning = reasoning
        self._layout = _OwnedCellLayout(screen) if owns_cell else _SharedCellLayout(screen)
        self._blocks = Blocks()
        self._live = ""  # the unfinished block as last drawn
        self._thoughts: list[str] = []
        self._thought_s: float | None = None  # time of reasoning before the first text
        self._status = ""
        self._begun = False  # whether text has arrived
        self._dirty = False
        self._started_s = monotonic()
        self._first_s = 0.0  # when the answer was first drawn
        self._due_s = 0.0

    def show(self, event: StreamEvent) -> None:
        """Take the next event; draw the first text at once, then at most once per frame."""
        match event:
            case TextDelta(text):
                self._blocks.add(text)
                if not self._begun:
                    self._begin()
                self._dirty = True
            case ReasoningDelta(text) if self._reasoning and not self._begun:
                self._thoughts.append(text)
                self._dirty = True
            case ReasoningDelta() if not self._begun:  # not shown, but mentioned
                self._show_status(self._waiting_for("thinking"))
            case Notice(text) if not self._begun:
                self._show_status(text)
            case Waiting(phase):
                if phase == "first text":  # the request is on its way
                    preload()
                self._wait(event)
            case _:
                pass
        if self._dirty and monotonic() >= self._due_s:
            self._draw()

    def pause(self) -> None:
        """Draw what has arrived; the next text is a paragraph of its own."""
        if self._begun:
            self._blocks.add("\n\n")
            self._dirty = True
        while self._dirty:
            self._draw()

    def finish(self, reply: Reply) -> None:
        """Draw the final outputs."""
        thought = None
        if self._reasoning and reply.reasoning:
            thought = folded_bundle(reply.reasoning, self._summary(reply))
        text = shown_text(reply.text, reply.images, reply.sources)
        final = _Final(
            reasoning=thought,
            answer=self._screen.finished(text, self._layout.written) if text else None,
            images=image_bundles(reply.images),
            usage=usage_bundle(reply) if has_figures(reply) else None,  # a refused one has none
            metadata=metadata(reply),
        )
        self._layout.end(final)

    def revise(self, reply: Reply, folded: str | None = None) -> None:
        """Draw the final outputs again; an answer that does not count is folded."""
        if folded is None:
            self.finish(reply)
            return
        text = shown_text(reply.text, reply.images, reply.sources)
        final = _Final(
            reasoning=None,
            answer=folded_bundle(text, safe_line(folded)),
            images=[],
            usage=usage_bundle(reply) if has_figures(reply) else None,
            metadata=metadata(reply),
        )
        self._layout.end(final)

    def _begin(self) -> None:
        """Prepare for the first text, which is drawn at once."""
        self._begun, self._due_s = True, 0.0
        if self._thoughts:
            self._thought_s = monotonic() - self._started_s

    def _wait(self, waiting: Waiting) -> None:
        """Show what the cell waits for if that takes long, at most once a second."""
        stalled = stalled_line(waiting)
        if self._begun:
            if stalled and stalled != self._status:
                self._layout.grow((), f"{self._live}\n\n*{stalled}*")
            self._status = stalled
        elif self._thoughts:
            self._think(stalled)
        else:
            self._show_status(self._waiting_for(waiting.phase))

    def _waiting_for(self, phase: str) -> str:
        return waiting_line(self._label, monotonic() - self._started_s, phase)

    def _show_status(self, status: str) -> None:
        if status and status != self._status:
            self._status = status
            self._layout.put("status", self._screen.answer(f"*{status}*"))

    def _think(self, stalled: str = "") -> None:
        """Show the end of the reasoning so far, if it or its duration has changed."""
        summary = " · ".join(filter(None, [self._waiting_for("thinking") or "Thinking …", stalled]))
        if self._dirty or summary != self._status:
            self._dirty, self._status = False, summary
            tail = "".join(self._thoughts[-_REASONING_TAIL_CHARS:])[-_REASONING_TAIL_CHARS:]
            self._layout.put("reasoning", folded_bundle(tail, summary, unfolded=True))

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
        pause_s = (self._screen.sent_bytes - before) / _MAX_BYTES_PER_S
        now_s = monotonic()
        frame_s = FRAME_S if now_s - self._first_s < _LONG_S else _LONG_FRAME_S
        self._due_s = now_s + max(frame_s, pause_s)


class _Layout:
    """Named places in the cell, with one output each."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._ids: dict[str, str] = {}
        self.written = screen.written_pieces()
        """What is settled, as it was written."""

    def put(
        self, place: str, bundle: Bundle, metadata: Mapping[str, Any] | None = UNFINISHED
    ) -> None:
        """Show a bundle in a place; a new place is at the end of the cell."""
        if place not in self._ids and "status" in self._ids:
            self._ids[place] = self._ids.pop("status")  # replaces the status
        if place in self._ids:
            self._screen.update(self._ids[place], bundle, metadata)
        else:
            self._ids[place] = self._screen.new(bundle, metadata)

    def grow(self, settled: Sequence[str], live: str) -> bool:
        """Draw a frame: the pieces that are `settled` will not change any more, `live` may.

        Returns
        -------
        bool
            Whether `live` is left for the next frame.
        """
        raise NotImplementedError

    def end(self, final: _Final) -> None:
        """Draw the final outputs."""
        raise NotImplementedError


class _OwnedCellLayout(_Layout):
    """The cell has no other outputs: each settled piece is an output, the end replaces them all."""

    def grow(self, settled: Sequence[str], live: str) -> bool:
        if settled:
            self.put("live", self._screen.settled(settled, self.written))
            del self._ids["live"]  # it is final; the next piece is a new output
            return bool(live)  # one message per frame, since a front end draws each of them
        if live:
            self.put("live", self._screen.answer(live))
        return False

    def end(self, final: _Final) -> None:
        parts = (final.reasoning, final.answer, *final.images, final.usage)
        outputs = [part for part in parts if part]
        if self._screen.sent_bytes:
            self._screen.clear(wait=bool(outputs))
        owner = final.answer or final.usage
        for bundle in outputs:
            self._screen.new(bundle, final.metadata if bundle is owner else None)


class _SharedCellLayout(_Layout):
    """The cell has other outputs, which stay: the answer has two outputs, updated in place.

    The first contains the settled text and is sent again only when it has grown by an eighth; the
    second contains the text since then. At the end the first is the whole answer, the second its
    usage.
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
            self._since.append(self._screen.settled(settled, self.written))
            self._since_length += sum(map(len, settled))
        if self._small is not None:
            self._small += settled
            if self._since_length + len(live) <= _SMALL_CHARS:
                self.put("main", self._screen.answer("".join((*self._small, live))))
                return False
            self._small = None
        if self._since_length > max(_SMALL_CHARS // 2, self._main_length // 8):
            self._main += self._since
            self._main_length += self._since_length
            self._since, self._since_length = [], 0
            self.put("main", _joined(self._main))
        self.put("tail", _joined([*self._since, *([self._screen.answer(live)] if live else [])]))
        return False

    def end(self, final: _Final) -> None:
        if final.reasoning:
            self.put("reasoning", final.reasoning, None)
        if final.answer:
            self.put("main", final.answer, final.metadata)
        for number, image in enumerate(final.images):
            self.put(f"image {number}", image, None)
        if final.usage:
            self.put("tail", final.usage, None if final.answer else final.metadata)
        elif "status" in self._ids:  # the request was refused
            self.put("status", self._screen.answer("*no answer*"), None)


def _joined(bundles: Sequence[Bundle]) -> Bundle:
    """Put what was made of several pieces into one output."""
    joined = {"text/plain": "".join(each["text/plain"] for each in bundles)}
    if all("text/markdown" in each for each in bundles):
        joined["text/markdown"] = "\n\n".join(each["text/markdown"] for each in bundles)
    return joined
