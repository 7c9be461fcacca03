"""A cassette on disk: one line for each recording, in order of first use.

Several processes may read and write it at once. A new recording is appended, a changed one
replaces the file in one step; a lock in the user's data folder admits one writer at a time and
says how far the file was complete before an append, so that a killed writer leaves no half line.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import stat
import sys
import threading
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from cc_jupyter.cassettes.images import IMAGE_PREFIX, save_images
from cc_jupyter.cassettes.recording import parse_line, quick_head, read_head, request_of, to_line
from cc_jupyter.core.errors import CassetteError
from cc_jupyter.core.paths import data_folder, make_private, replace_file, short_path
from cc_jupyter.core.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping
    from pathlib import Path

    from cc_jupyter.cassettes.recording import Recording


SUFFIX = ".cassette.jsonl"
_LOCK_TIMEOUT_S = 10.0
_LOCK_INTERVAL_S = 0.005
_REPLACE_TRIES = 40
"""On Windows a file that another process reads cannot be replaced; it reads for milliseconds."""


class _Place(NamedTuple):
    """Where a line is in the file."""

    offset: int
    size_bytes: int
    number: int


class RecordedRequest(NamedTuple):
    """The request of a recording, to compare with another."""

    request_key: str
    sample: int
    endpoint: str
    body: Any


@dataclass(slots=True)
class _Index:
    """The lines of a file, and the state of the file that they were read from."""

    places: dict[tuple[str, int], _Place]
    state: tuple[int, int, int]
    """inode, size in bytes, time of change in nanoseconds; all -1: there is no file."""
    lines: int
    end: int
    """Where the last whole line ends."""
    is_open: bool = False
    """Whether the last line has no line end, as some editors leave it."""


_NO_FILE = (-1, -1, -1)
_IMAGE_NAME = re.compile(r"[0-9a-f]{64}\.[a-z0-9]{1,8}")
_NO_IMAGES: Mapping[str, bytes] = {}


class CassetteFile:
    """One file of recordings; for use from any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._index = _Index({}, _NO_FILE, 0, 0)
        self._lock_path: Path | None = None

    def __contains__(self, name: tuple[str, int]) -> bool:
        """Return whether it has a recording of this key and sample."""
        return name in self._current().places

    def names(self) -> list[tuple[str, int]]:
        """Return key and sample of every recording, in the order of the file."""
        return list(self._current().places)

    def find(self, request_key: str, sample: int) -> Recording | None:
        """Return a recording; `None` if there is none.

        Raises
        ------
        CassetteError
            The file or the line cannot be read.
        """
        with self._lock:
            place = self._current().places.get((request_key, sample))
            if place is None:
                return None
            return parse_line(self._read(place), self._where(place.number))

    def requests(self, known: Container[str] = ()) -> Iterator[RecordedRequest]:
        """Yield the request of every recording; a broken line is left out.

        Parameters
        ----------
        known
            The request keys that are left out.
        """
        with self._lock:
            places = list(self._current().places.items())
        for (request_key, sample), place in places:
            if request_key in known:
                continue
            with contextlib.suppress(ValueError, KeyError, TypeError):
                yield RecordedRequest(request_key, sample, *request_of(self._read(place)))

    def missing_images(self) -> list[Path]:
        """Return the image files that recordings name and that are not there."""
        folder = self.images_folder
        names = {name for recorded in self.requests() for name in _image_names(recorded.body)}
        return [folder / name for name in sorted(names) if not (folder / name).is_file()]

    @property
    def images_folder(self) -> Path:
        """The folder of its large images, which may not exist."""
        return self.path.with_name(f"{self.path.name.removesuffix(SUFFIX)}.cassette.images")

    def check(self) -> None:
        """Read the heads of all lines.

        Raises
        ------
        CassetteError
            It is a folder, cannot be read, or a line is broken.
        """
        self._current()

    @property
    def read_only_path(self) -> Path | None:
        """The file, or the folder it would be made in, if it is read-only."""
        with self._explain("written"):
            mode = self.path.stat().st_mode if self.path.exists() else None
        if mode is None:
            return None if os.access(self.path.parent, os.W_OK) else self.path.parent
        may_write = mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)
        return None if may_write and os.access(self.path, os.W_OK) else self.path

    def check_writable(self, *, may_be_read_only: bool = False) -> None:
        """Check that a recording can be saved, before its request is sent.

        Parameters
        ----------
        may_be_read_only
            Whether nothing is saved in a read-only file.

        Raises
        ------
        CassetteError
            It is broken, read-only, a folder or a link, or its folder is missing.
        """
        shown = self._shown
        if self.path.is_symlink():
            raise CassetteError(
                f"{shown} is a link; nothing was sent", hint="name the file it leads to"
            )
        if self.path.is_dir():
            raise CassetteError(
                f"{shown} is a folder; nothing was sent",
                hint=f"name a file in it: {short_path(self.path / ('NAME' + SUFFIX))}",
            )
        self.check()
        folder = self.path.parent
        if not folder.is_dir():
            raise CassetteError(
                f"the folder {short_path(folder)} does not exist; nothing was sent",
                hint="create it, or name another path",
            )
        if not may_be_read_only and (locked := self.read_only_path) is not None:
            raise CassetteError(
                f"{short_path(locked)} is read-only; nothing was sent",
                hint="%cmd cassette replay uses it unchanged; or make it writable",
            )

    def put(
        self,
        recording: Recording,
        stays: Callable[[Recording, Recording], bool] = lambda old, new: old == new,
        images: Mapping[str, bytes] = _NO_IMAGES,
    ) -> bool:
        """Save a recording; return whether the file has changed.

        Parameters
        ----------
        stays
            Whether an older recording stays, byte for byte, in place of the new one.
        images
            The images that the recording names, by file name.

        Raises
        ------
        CassetteError
            The file cannot be written, or a line of it is broken; it is unchanged.
        """
        name = (recording.request_key, recording.sample)
        with self._lock, self._exclusive() as journal:
            index = self._current()
            place = index.places.get(name)
            if place is not None:
                old = parse_line(self._read(place), self._where(place.number))
                if stays(old, recording):
                    return False
            line = to_line(recording)
            with self._explain("written"):
                save_images(images, self.images_folder)
                if place is None:
                    self._append(line, index, journal)
                else:
                    self._rewrite(place, line, index)
            return True

    def _append(self, line: bytes, index: _Index, journal: IO[bytes]) -> None:
        """Write a line at the end; what a killed writer left there is overwritten."""
        start = b"\n" if index.is_open else b""
        _note(journal, index.end)
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(self.path, flags, 0o666), "wb", buffering=0) as file:
            file.seek(index.end)
            rest = memoryview(start + line)
            while rest:
                rest = rest[file.write(rest) :]
            file.truncate()
        _note(journal, None)
        head = read_head(line, self._where(index.lines + 1))
        index.places[head] = _Place(index.end + len(start), len(line), index.lines + 1)
        index.lines += 1
        index.end += len(start) + len(line)
        index.is_open = False
        index.state = self._state()

    def _rewrite(self, place: _Place, line: bytes, index: _Index) -> None:
        """Replace one line, in one step for every reader."""
        for tries in range(_REPLACE_TRIES):
            try:
                with (
                    self.path.open("rb") as old,
                    replace_file(self.path, mode=0o666, keep_mode=True) as new,
                ):
                    _copy(old, new, place.offset)
                    new.write(line)
                    old.seek(place.offset + place.size_bytes)
                    _copy(old, new, index.end - old.tell())
                    old.close()
            except PermissionError:
                if os.name != "nt" or tries + 1 == _REPLACE_TRIES:
                    raise
                time.sleep(_LOCK_INTERVAL_S)
            else:
                return

    def _current(self) -> _Index:
        """Return the index, read again as far as the file has changed."""
        with self._lock:
            while (state := self._state()) != self._index.state:
                index = self._scan(state)
                if index is not None:
                    self._index = index
            return self._index

    def _state(self) -> tuple[int, int, int]:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return _NO_FILE
        except OSError as error:
            raise self._unusable("read", error) from None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _scan(self, state: tuple[int, int, int]) -> _Index | None:
        """Read the heads of all lines, or of the new ones if the file has only grown.

        Returns `None` if the file changed meanwhile and must be read again.
        """
        old = self._index
        if state == _NO_FILE:
            return _Index({}, state, 0, 0)
        index = _Index({}, state, 0, 0)
        with self._explain("read"), self.path.open("rb") as file:
            has_grown = old.state[0] == state[0] and old.end <= state[1] and _has_last(file, old)
            if has_grown:
                index = _Index(dict(old.places), state, old.lines, old.end)
            file.seek(index.end)
            for line in file:
                number = index.lines + 1
                is_open = not line.endswith(b"\n")
                if is_open and self._is_half_written(index.end):
                    break
                if is_open and self._state() != state:
                    return None
                if not line.isspace():
                    head = quick_head(line) or read_head(line, self._where(number))
                    if is_open:
                        parse_line(line, self._where(number))  # or it is cut off
                    index.places[head] = _Place(index.end, len(line), number)
                    index.lines = number
                elif not has_grown:
                    index.lines = number
                index.end += len(line)
                index.is_open = is_open
        return index

    def _is_half_written(self, end: int) -> bool:
        """Return whether a writer is at work behind `end`, or was killed there."""
        with contextlib.suppress(OSError, ValueError):
            return int(self._journal().read_bytes() or b"-1") == end
        return False

    def _read(self, place: _Place) -> bytes:
        with self._explain("read"), self.path.open("rb") as file:
            file.seek(place.offset)
            return file.read(place.size_bytes)

    def _where(self, number: int) -> str:
        return f"{self._shown}, line {number},"

    @functools.cached_property
    def _shown(self) -> str:
        """The path as messages name it, for the place of each line that is read."""
        return short_path(self.path)

    @contextlib.contextmanager
    def _explain(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._unusable(what, error) from None

    def _unusable(self, what: str, error: OSError) -> CassetteError:
        shown = self._shown
        if self.path.is_dir():
            return CassetteError(f"{shown} is a folder, not a cassette", hint="name a file in it")
        return CassetteError(
            f"{shown} cannot be {what}: {error.strerror or error}",
            hint="check the path and its permissions",
        )

    def _journal(self) -> Path:
        if self._lock_path is None:
            name = hashlib.sha256(os.fsencode(self.path.resolve())).hexdigest()[:32]
            self._lock_path = data_folder() / "cassettes" / f"{name}.lock"
        return self._lock_path

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[IO[bytes]]:
        """Keep every other process from writing; yield the journal."""
        path = self._journal()
        make_private(path.parent)
        with self._explain("written"):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            deadline = time.monotonic() + _LOCK_TIMEOUT_S
            while not _try_lock(file.fileno()):
                if time.monotonic() > deadline:
                    raise CassetteError(
                        f"another kernel has been writing {self._shown} for"
                        f" {_LOCK_TIMEOUT_S:.0f} s",
                        hint="run the cell again, or record into a file of its own",
                    )
                time.sleep(_LOCK_INTERVAL_S)
            try:
                yield file
            finally:
                _unlock(file.fileno())


class Cassette:
    """The recordings at a path: one file, or all cassettes in a folder.

    Parameters
    ----------
    path
        A file, which need not exist, or a folder: every `*.cassette.jsonl` in it is read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files: dict[Path, CassetteFile] = {}
        self._lock = threading.Lock()

    @property
    def files(self) -> list[CassetteFile]:
        """The files, sorted by name."""
        is_folder = self.path.is_dir()
        paths = sorted(self.path.glob(f"*{SUFFIX}")) if is_folder else [self.path]
        with self._lock:
            self._files = {path: self._files.get(path) or CassetteFile(path) for path in paths}
            return list(self._files.values())

    @property
    def shown(self) -> str:
        """The path as messages name it: within the working folder its part from there."""
        with contextlib.suppress(ValueError, OSError):  # elsewhere, or the folder is gone
            return str(self.path.relative_to(self.path.cwd()))
        return short_path(self.path)

    @property
    def recorded_answers(self) -> int:
        """The number of recordings of all files."""
        return sum(len(file.names()) for file in self.files)

    def find(self, request_key: str, sample: int) -> Recording | None:
        """Return a recording of the first file that has it; `None` if there is none."""
        found = (file.find(request_key, sample) for file in self.files)
        return next(filter(None, found), None)

    def samples(self, request_key: str) -> list[int]:
        """Return the recorded samples of a request."""
        names = (name for file in self.files for name in file.names())
        return sorted({sample for key, sample in names if key == request_key})

    def keys(self) -> set[str]:
        """Return the keys of all recorded requests."""
        return {request_key for file in self.files for request_key, _ in file.names()}

    def requests(self, known: Container[str] = ()) -> Iterator[RecordedRequest]:
        """Yield the request of every recording, without those of the known keys."""
        for file in self.files:
            yield from file.requests(known)

    def image(self, name: str) -> bytes:
        """Return the bytes of a large image that a recording names.

        Raises
        ------
        CassetteError
            Its file is missing, or is another image.
        """
        folders = [file.images_folder for file in self.files]
        if _IMAGE_NAME.fullmatch(name):  # a cassette may come from anyone
            for folder in folders:
                with contextlib.suppress(OSError):
                    data = (folder / name).read_bytes()
                    if hashlib.sha256(data).hexdigest() == name.partition(".")[0]:
                        return data
        where = short_path((folders or [self.path])[0] / excerpt(name, 80))
        raise CassetteError(
            f"the recorded image {where} is missing or was changed",
            hint="restore the file, or record the cell again: %cmd cassette record",
        )

    def check_readable(self) -> None:
        """Check that there is something to replay.

        Raises
        ------
        CassetteError
            There is no file at the path, no cassette in the folder, or one is broken.
        """
        if not self.path.exists():
            raise CassetteError(
                f"there is no cassette {self.shown}",
                hint="%cmd cassette record makes one; %cmd cassette off sends to the provider",
            )
        files = self.files
        if not files:
            raise CassetteError(
                f"the folder {self.shown} contains no file *{SUFFIX}", hint="name another path"
            )
        for file in files:
            file.check()

    @property
    def target(self) -> CassetteFile:
        """The file that recordings are saved in."""
        with self._lock:
            return self._files.setdefault(self.path, CassetteFile(self.path))


def _has_last(file: IO[bytes], index: _Index) -> bool:
    """Return whether the last line of an index is still in its place, so that none has moved."""
    if not index.places or index.is_open:
        return False
    name, place = max(index.places.items(), key=lambda item: item[1].offset)
    file.seek(place.offset)
    line = file.read(place.size_bytes)
    start = b'{"request_key":"%b","sample":%d,' % (name[0].encode(), name[1])
    return place.offset + place.size_bytes == index.end and (
        line.startswith(start) and line.endswith(b"\n")
    )


def _image_names(body: object) -> Iterator[str]:
    """Yield the image files that a recorded body names."""
    if isinstance(body, str) and body.startswith(IMAGE_PREFIX):
        yield body.removeprefix(IMAGE_PREFIX)
    members = body.values() if isinstance(body, dict) else body if isinstance(body, list) else ()
    for member in members:
        yield from _image_names(member)


def _copy(source: IO[bytes], target: IO[bytes], size_bytes: int) -> None:
    while size_bytes > 0 and (chunk := source.read(min(size_bytes, 2**20))):
        target.write(chunk)
        size_bytes -= len(chunk)


def _note(journal: IO[bytes], end: int | None) -> None:
    """Write where the file is complete; `None`: it is complete as a whole."""
    journal.seek(0)
    journal.write(b"" if end is None else b"%020d" % end)
    journal.truncate()


if sys.platform == "win32":
    import msvcrt

    _LOCKED_BYTE = 2**30
    """Behind the content: Windows lets nobody else read a locked byte."""

    def _try_lock(descriptor: int) -> bool:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
