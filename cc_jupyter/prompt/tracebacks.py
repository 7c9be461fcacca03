"""The part of a traceback that is the user's own: cells and files, no library, nothing of ours."""

from __future__ import annotations

import linecache
import re
import sysconfig
import traceback
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from cc_jupyter.core.redaction import masked

if TYPE_CHECKING:
    from types import FrameType, TracebackType


FRAME_LIMIT = 12
"""The most frames of one exception: the first two and the last ones, as recursion makes many."""
CAUSE_LIMIT = 3
"""The most chained exceptions that are described."""
MESSAGE_LIMIT = 2_000
"""The most characters of an exception's own text."""
_FIRST_FRAMES = 2

_CELL = re.compile(
    r"^<(?:ipython-input-|timed (?:exec|eval)>)"  # the second: under %%time
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
    """Qualified; `<module>` is the cell or file itself."""
    frame: FrameType = field(repr=False)

    @property
    def place(self) -> str:
        """Where it is, in words."""
        name = "cell" if is_cell(self.filename) else short_path(self.filename)
        inside = "" if self.function == "<module>" else f", in {self.function}"
        return f"{name}, line {self.line}{inside}"

    @property
    def source(self) -> str:
        """The line, stripped; empty: not known."""
        linecache.checkcache(self.filename)
        return linecache.getline(self.filename, self.line).strip()


def is_cell(filename: str) -> bool:
    """Return whether code of this name was typed into a cell."""
    return _CELL.search(filename) is not None


def is_timed(filename: str) -> bool:
    """Return whether code of this name ran under `%%time`: all such cells share one name."""
    return filename.startswith("<timed ")


def is_user_file(filename: str) -> bool:
    """Return whether code of this name is a cell or a file of the user's own."""
    if is_cell(filename):
        return True
    path = PurePath(filename)
    if not path.is_absolute() or {"site-packages", "dist-packages"} & set(path.parts):
        return False  # what is compiled by Cython or made by exec has no absolute name
    return not any(path.is_relative_to(library) for library in _LIBRARIES)


def is_own_frame(filename: str) -> bool:
    """Return whether code of this name is of this package."""
    return PurePath(filename).is_relative_to(_PACKAGE)


def short_path(filename: str) -> str:
    """Return a path relative to the working or home folder, which names no user."""
    path = Path(filename)
    for find, shown in ((Path.cwd, Path()), (Path.home, Path("~"))):
        try:
            return str(shown / path.relative_to(find()))
        except (ValueError, OSError, RuntimeError):  # elsewhere, or no such folder is known
            continue
    return filename


def user_frames(trace: TracebackType | None) -> list[UserFrame]:
    """Return the user's frames of a traceback, outermost first.

    The line that IPython makes of a magic is not the user's. Lines below `%%time` are counted
    with it, as the user sees them.
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
    """Return the frames to describe, and how many in the middle are left out."""
    left_out = max(0, len(frames) - FRAME_LIMIT)
    if not left_out:
        return frames, 0
    return [*frames[:_FIRST_FRAMES], *frames[_FIRST_FRAMES + left_out :]], left_out


def causes(error: BaseException) -> list[tuple[str, BaseException]]:
    """Return the exceptions behind this one, nearest first, with how each led to the next."""
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
        found += [("holds", each) for each in error.exceptions[:CAUSE_LIMIT]]
    return found


def cause_lines(error: BaseException) -> list[str]:
    """Return a line for each exception behind this one that says something new."""
    said = {message_text(error)}
    lines = []
    for word, cause in causes(error):
        message = message_text(cause)
        place = "".join(
            f" (at {frame.place}: {frame.source})"
            for frame in user_frames(cause.__traceback__)[-1:]
        )
        if message not in said:
            lines.append(f"{word} {message}{place}")
        said.add(message)
    return lines


def message_text(error: BaseException) -> str:
    """Return class, message and notes of an exception, cut where they are long."""
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ not in {"builtins", "__main__"}:
        name = f"{kind.__module__}.{name}"
    try:
        # that of a SyntaxError repeats the name of its file, which for a cell says nothing
        message = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception:  # noqa: BLE001  an exception whose own text fails still has a class
        message = "(its text cannot be written)"
    text = "\n".join([message, *map(str, getattr(error, "__notes__", ()))])
    if len(text) > MESSAGE_LIMIT:
        text = f"{text[:MESSAGE_LIMIT]}… [cut: {MESSAGE_LIMIT:,} of {len(text):,} characters]"
    return f"{name}: {text}" if text else name


def error_text(value: object, _limit: int) -> tuple[str, list[str]] | None:
    """Write an exception with the user's own frames, its causes behind it; `None`: it is none.

    Nobody chose these lines one by one, so secrets are taken out.
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
    cuts = [f"{len(shown):,} of {len(frames):,} frames"] if left_out else []
    return masked("\n".join(lines)), cuts
