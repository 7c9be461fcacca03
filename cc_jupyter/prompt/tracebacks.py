"""The user's own part of a traceback: frames in cells and files, not in libraries or our code."""

from __future__ import annotations

import linecache
import re
import sysconfig
import traceback
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from cc_jupyter.core import paths
from cc_jupyter.core.redaction import masked

if TYPE_CHECKING:
    from types import FrameType, TracebackType

    from cc_jupyter.prompt.omissions import Omissions


FRAME_LIMIT = 12
"""Maximum number of frames of one exception: the first two and the last ones (recursion)."""
CAUSE_LIMIT = 3
"""Maximum number of chained exceptions."""
MESSAGE_LIMIT = 2_000
"""Maximum number of characters of an exception's own text."""
_FIRST_FRAMES = 2

_CELL = re.compile(
    r"^<(?:ipython-input-|timed (?:exec|eval)>)"  # `timed`: under %%time
    r"|[/\\](?:ipykernel_\d+|xpython_\d+)[/\\]|[/\\]ipython-input-"
)
_PACKAGE = str(Path(__file__).parents[1])
_LIBRARIES = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), _PACKAGE)


@dataclass(frozen=True, slots=True)
class UserFrame:
    """One step of a traceback through the user's code."""

    filename: str
    line: int
    function: str
    """The qualified name; `<module>` is the cell or file itself."""
    frame: FrameType = field(repr=False)

    @property
    def place(self) -> str:
        """The place in words."""
        name = "cell" if is_cell(self.filename) else short_path(self.filename)
        inside = "" if self.function == "<module>" else f", in {self.function}"
        return f"{name}, line {self.line}{inside}"

    @property
    def source(self) -> str:
        """The line, stripped; empty: unknown."""
        linecache.checkcache(self.filename)
        return linecache.getline(self.filename, self.line).strip()


def is_cell(filename: str) -> bool:
    """Return whether code with this file name was typed into a cell."""
    return _CELL.search(filename) is not None


def is_timed(filename: str) -> bool:
    """Return whether code with this file name ran under `%%time`: all such cells share one name."""
    return filename.startswith("<timed ")


def is_user_file(filename: str) -> bool:
    """Return whether code with this file name is a cell or one of the user's files."""
    if is_cell(filename):
        return True
    path = PurePath(filename)
    if not path.is_absolute() or {"site-packages", "dist-packages"} & set(path.parts):
        return False  # code compiled by Cython or created by exec has no absolute name
    return not any(path.is_relative_to(library) for library in _LIBRARIES)


def is_own_frame(filename: str) -> bool:
    """Return whether code with this file name belongs to this package."""
    return PurePath(filename).is_relative_to(_PACKAGE)


def short_path(filename: str) -> str:
    """Return a path relative to the working or home folder, so that it does not name the user."""
    try:
        return str(Path(filename).relative_to(Path.cwd()))
    except (ValueError, OSError):  # outside the working folder, or it was deleted
        return paths.short_path(Path(filename))


def user_frames(trace: TracebackType | None) -> list[UserFrame]:
    """Return the user's frames of a traceback, outermost first.

    The line that IPython generates for a magic is left out. Below `%%time`, line numbers include
    its line, as the user sees them.
    """
    frames = [
        UserFrame(
            frame.f_code.co_filename,
            line + is_timed(frame.f_code.co_filename),
            frame.f_code.co_qualname,
            frame,
        )
        for frame, line in traceback.walk_tb(trace)
        if is_user_file(frame.f_code.co_filename)
    ]
    return [frame for frame in frames if "get_ipython().run_" not in frame.source]


def limited(frames: list[UserFrame]) -> tuple[list[UserFrame], int]:
    """Return the frames to describe, and the number left out in the middle."""
    left_out = max(0, len(frames) - FRAME_LIMIT)
    if not left_out:
        return frames, 0
    return [*frames[:_FIRST_FRAMES], *frames[_FIRST_FRAMES + left_out :]], left_out


def causes(error: BaseException) -> list[tuple[str, BaseException]]:
    """Return the causes of an exception, nearest first, each with its relation to the next."""
    found: list[tuple[str, BaseException]] = []
    seen = {id(error)}
    current: BaseException | None = error
    while current is not None and len(found) < CAUSE_LIMIT:
        cause, context = current.__cause__, current.__context__
        word = "caused by" if cause is not None else "raised while handling"
        current = cause if cause is not None or current.__suppress_context__ else context
        if current is None or id(current) in seen:
            break
        seen.add(id(current))
        found.append((word, current))
    if isinstance(error, BaseExceptionGroup):
        found += [("contains", each) for each in error.exceptions[:CAUSE_LIMIT]]
    return found


def cause_lines(error: BaseException) -> list[str]:
    """Return a line for each cause of an exception that says something new."""
    seen = {message_text(error)}
    lines = []
    for word, cause in causes(error):
        message = message_text(cause)
        place = "".join(
            f" (at {frame.place}: {frame.source})"
            for frame in user_frames(cause.__traceback__)[-1:]
        )
        if message not in seen:
            lines.append(f"{word} {message}{place}")
        seen.add(message)
    return lines


def message_text(error: BaseException) -> str:
    """Return class, message and notes of an exception, cut if they are long."""
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ not in {"builtins", "__main__"}:
        name = f"{kind.__module__}.{name}"
    try:
        # the text of a SyntaxError repeats its file name, which is meaningless for a cell
        message = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception:  # noqa: BLE001  if the text itself raises, the class is left
        message = "(its text cannot be shown)"
    text = "\n".join([message, *map(str, getattr(error, "__notes__", ()))])
    if len(text) > MESSAGE_LIMIT:
        text = f"{text[:MESSAGE_LIMIT]}… [cut: {MESSAGE_LIMIT:,} of {len(text):,} characters]"
    return f"{name}: {text}" if text else name


def error_text(value: object, omissions: Omissions) -> str | None:
    """Format an exception with the user's own frames and its causes; `None`: it is not one.

    The user did not choose these lines one by one, so secrets are removed.
    """
    if not isinstance(value, BaseException):
        return None
    frames = user_frames(value.__traceback__)
    shown, left_out = limited(frames)
    lines = [message_text(value)]
    for number, frame in enumerate(shown):
        if left_out and number == _FIRST_FRAMES:
            lines.append(f"  … {left_out:,} more frames")
        lines += [f"  at {frame.place}", *([f"    {frame.source}"] if frame.source else [])]
    lines += cause_lines(value)
    if left_out:
        omissions.add(len(shown), len(frames), "frames")
    return masked("\n".join(lines))
