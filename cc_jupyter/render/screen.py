"""The outputs of a running cell: the few messages a kernel sends to every front end.

Every bundle carries `text/plain`, since a front end without Markdown would else show nothing.
"""

from __future__ import annotations

import html
import os
from typing import TYPE_CHECKING, Any

from cc_jupyter.render.safe import safe_markdown, safe_terminal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from IPython.core.interactiveshell import InteractiveShell

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

    def answer(self, text: str) -> Bundle:
        """Give the bundle of an answer: the text itself, and Markdown that can do no harm."""
        plain = {"text/plain": safe_terminal(text)}
        if not self._markdown:
            return plain
        shown = safe_markdown(text, allow_remote_images=self._remote_images)
        return {"text/markdown": shown, **plain}

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
    """Give a folded part, its text escaped; `summary` is what stays to be seen."""
    opened = " open" if unfolded else ""
    body = html.escape(safe_terminal(text))
    return {
        "text/html": (
            f"<details{opened}><summary>{html.escape(summary)}</summary>"
            f'<pre style="white-space: pre-wrap">{body}</pre></details>'
        ),
        "text/plain": f"[{summary}]\n{safe_terminal(text)}",
    }
