"""One output that is redrawn while something runs, and replaced by a static one at the end.

Nobody reads more than a few updates a second, and each is sent whole. So the number of updates in
a second is limited, and so are their bytes: everything sent is at most four times the final output
plus 100 kB. What draws asks for the room of its next update and shortens itself accordingly; as
the room shrinks, the updates also become rarer. Front ends that cannot redraw an output get lines
instead, and the final output once.
"""

from __future__ import annotations

import json
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from cc_jupyter.core.terminal import safe_line, safe_terminal
from cc_jupyter.render.notebook import UNFINISHED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TextIO


Bundle = dict[str, str]


class OutputScreen(Protocol):
    """Shows and updates outputs of the running cell; `render.notebook.Screen` is one."""

    def new(self, bundle: Bundle, metadata: Mapping[str, Any] | None = None) -> str:
        """Show a new output and return its display id."""

    def update(
        self, display_id: str, bundle: Bundle, metadata: Mapping[str, Any] | None = None
    ) -> None:
        """Replace the content of an output."""


class RunOutput(Protocol):
    """Where a run of many requests is shown."""

    def expect(self, final_bytes: int) -> None:
        """Take note of the least size that the final output will have."""

    def is_due(self, *, urgent: bool = False) -> bool:
        """Return whether an update may be shown now; an `urgent` one need not wait for its turn."""

    @property
    def room_bytes(self) -> int:
        """The size that the next update should not exceed."""

    def show(self, bundle: Bundle) -> None:
        """Show an update."""

    def line(self, text: str) -> None:
        """Report one finished answer where no update can be shown."""

    def finish(self, bundle: Bundle, metadata: Mapping[str, Any]) -> None:
        """Show the final output."""


MAX_UPDATES_PER_S = 10
"""In any second, with the final output."""
SPARE_BYTES = 100_000
"""Updates may use this in addition to three times the final output."""
_INTERVAL_S = 0.2
_URGENT_INTERVAL_S = 0.05
_MESSAGE_BYTES = 600
"""The header and the parent's header of a message."""
_UPDATES_AHEAD = 25
"""An update may use this part of the bytes that are left."""
_MAX_ROOM_BYTES = 16_000


class LiveOutput:
    """One output with a stable display id, limited in updates and bytes.

    Parameters
    ----------
    screen
        The cell's outputs.
    now
        Returns the time in seconds.
    keep
        Takes the final output, for a page that was reloaded in the meantime.
    """

    def __init__(
        self,
        screen: OutputScreen,
        *,
        now: Callable[[], float] = monotonic,
        keep: Callable[[Bundle, Mapping[str, Any]], None] = lambda *_: None,
    ) -> None:
        self._screen = screen
        self._now = now
        self._keep = keep
        self._display_id: str | None = None
        self._expected_bytes = 0
        self._last_bytes = 0
        self._times_s: deque[float] = deque(maxlen=MAX_UPDATES_PER_S - 1)
        self.sent_bytes = 0
        """The bytes of all messages so far."""
        self.updates = 0
        """The number of messages so far."""

    def expect(self, final_bytes: int) -> None:
        """Take note of the least size that the final output will have."""
        self._expected_bytes = max(self._expected_bytes, final_bytes)

    def is_due(self, *, urgent: bool = False) -> bool:
        """Return whether an update may be shown now."""
        if not self._times_s:
            return True
        if self._left_bytes <= self._last_bytes:
            return False
        now_s, is_full = self._now(), len(self._times_s) == self._times_s.maxlen
        if is_full and now_s - self._times_s[0] < 1:
            return False
        interval_s = _INTERVAL_S * max(1.0, self._last_bytes / max(1, self.room_bytes))
        return now_s - self._times_s[-1] >= (_URGENT_INTERVAL_S if urgent else interval_s)

    @property
    def room_bytes(self) -> int:
        """The size that the next update should not exceed; 0 if it is better left out."""
        return max(0, min(_MAX_ROOM_BYTES, self._left_bytes // _UPDATES_AHEAD))

    @property
    def _left_bytes(self) -> int:
        return 3 * self._expected_bytes + SPARE_BYTES - self.sent_bytes

    @property
    def display_id(self) -> str | None:
        """The id of the output; `None` before it is shown."""
        return self._display_id

    def show(self, bundle: Bundle, metadata: Mapping[str, Any] | None = None) -> None:
        """Show an update."""
        self._times_s.append(self._now())
        self._send(bundle, metadata or UNFINISHED)

    def line(self, text: str) -> None:
        """Do nothing: the updates show it."""

    def finish(self, bundle: Bundle, metadata: Mapping[str, Any]) -> None:
        """Replace the updates by the final output."""
        self._keep(bundle, metadata)
        self._send(bundle, metadata)

    def _send(self, bundle: Bundle, metadata: Mapping[str, Any] | None) -> None:
        content = json.dumps([bundle, metadata], ensure_ascii=False).encode("utf-8", "replace")
        self._last_bytes = len(content) + _MESSAGE_BYTES
        self.sent_bytes += self._last_bytes
        self.updates += 1
        if self._display_id is None:
            self._display_id = self._screen.new(bundle, metadata)
        else:
            self._screen.update(self._display_id, bundle, metadata)


class LineOutput:
    """A line for each finished answer and the final output once, as text.

    Parameters
    ----------
    out
        Where to print.
    """

    room_bytes = 0

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def expect(self, final_bytes: int) -> None:
        """Ignore the size: there are no updates."""

    def is_due(self, *, urgent: bool = False) -> bool:
        """Return that no update may be shown."""
        del urgent
        return False

    def show(self, bundle: Bundle) -> None:
        """Do nothing: lines are printed once and stay."""

    def line(self, text: str) -> None:
        """Print a line."""
        self._print(safe_line(text))

    def finish(self, bundle: Bundle, metadata: Mapping[str, Any]) -> None:
        """Print the text of the final output."""
        del metadata
        self._print(safe_terminal(bundle["text/plain"]))

    def _print(self, text: str) -> None:
        encoding = getattr(self._out, "encoding", None) or "utf-8"
        # a character that the terminal cannot show must not lose the answers
        self._out.write(f"{text}\n".encode(encoding, "replace").decode(encoding))
        self._out.flush()
