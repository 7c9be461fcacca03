"""The cassette in use: which file, in which mode, for the notebook at hand."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from cc_jupyter.core.errors import ConfigError, OptionError
from cc_jupyter.core.request_key import SampleCounter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cc_jupyter.cassettes.tape import Mode, Tape
    from cc_jupyter.config.validators import CassetteChoice
    from cc_jupyter.session.session import Session


SUFFIX = ".cassette.jsonl"
_NOTEBOOK_SUFFIX = ".ipynb"


class Tapes:
    """The cassettes of a session; each is opened once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_choice: dict[CassetteChoice, Tape] = {}
        self._paths: dict[tuple[str, str], Path] = {}
        self.last: Tape | None = None
        """The tape that was asked last; `None`: no cassette was used yet."""
        self.is_live: bool | None = None
        """What a run of tests decides, whatever the notebook chooses: whether every request is
        sent (a cassette can still record it), or every answer replayed; `None`: the choice counts.
        """

    def tape(self, choice: CassetteChoice | None, notebook: str) -> Tape | None:
        """Return the tape for the next request; `None` if no cassette is in use.

        Raises
        ------
        ConfigError
            No path is chosen, and the notebook is not known.
        """
        if choice is None or choice.mode == "off":
            return None
        named = (choice.path, "" if choice.path else notebook)
        with self._lock:
            if named not in self._paths:
                # relative to the folder of its first use: a cell may change the working folder
                self._paths[named] = cassette_path(choice, notebook)
            choice = choice._replace(path=str(self._paths[named]))
            if choice not in self._by_choice:
                self._by_choice[choice] = _open(choice)
            self.last = self._by_choice[choice]
            return self.last

    def decide(self, choice: CassetteChoice | None) -> CassetteChoice | None:
        """Return the choice that counts for the next request, given the notebook's own."""
        if self.is_live is None:
            return choice
        if self.is_live:
            return choice if choice is not None and choice.mode == "record" else None
        if choice is None:
            from cc_jupyter.config.validators import CassetteChoice  # noqa: PLC0415  most sessions use no cassette

            return CassetteChoice("replay")
        return choice._replace(mode="replay")


def cassette_path(choice: CassetteChoice, notebook: str) -> Path:
    """Return the absolute path of a cassette; by default it is next to the notebook.

    Raises
    ------
    ConfigError
        No path is chosen, and the front end does not report the notebook.
    """
    if choice.path:
        return Path(choice.path).expanduser().absolute()
    path = Path(notebook)
    if path.suffix != _NOTEBOOK_SUFFIX:
        raise ConfigError(
            "the cassette needs a path: the front end does not say which notebook this is",
            hint=f"%cmd cassette {choice.mode} NAME{SUFFIX}, or CMD_CASSETTE={choice.mode}:PATH",
        )
    folder = path.parent if path.is_absolute() and path.parent.is_dir() else Path.cwd()
    return folder / f"{path.stem}{SUFFIX}"


def chosen(mode: str, path: str, speed: float | None) -> CassetteChoice:
    """Return a choice of cassette from its parts.

    Raises
    ------
    OptionError
        One of them cannot be used.
    """
    from cc_jupyter.config.validators import read_cassette  # noqa: PLC0415  most sessions use no cassette

    try:
        return read_cassette({"mode": mode, "path": path, "speed": speed})
    except ValueError as error:
        raise OptionError(f"the cassette cannot be used: it must be {error}") from None


@contextmanager
def cassette_in_use(session: Session, choice: CassetteChoice) -> Iterator[None]:
    """Use a cassette within a block, which asks for the same samples each time it runs.

    Raises
    ------
    CassetteError
        The cassette cannot be read or written.
    ConfigError
        A path is needed.
    """
    if choice.mode != "off":
        choice = choice._replace(path=str(cassette_path(choice, session.notebook())))
        tape = session.tapes.tape(choice, "")
        assert tape is not None  # noqa: S101  the mode is not off
        tape.check()
    before, samples = session.choices.get("cassette"), session.samples
    session.choices["cassette"] = choice
    session.samples = SampleCounter()
    try:
        yield
    finally:
        session.samples = samples
        if before is None:
            session.choices.pop("cassette", None)
        else:
            session.choices["cassette"] = before


def _open(choice: CassetteChoice) -> Tape:
    from cc_jupyter.cassettes.cassette import Cassette  # noqa: PLC0415  most sessions use no cassette
    from cc_jupyter.cassettes.tape import Tape  # noqa: PLC0415  as above
    from cc_jupyter.client.cassette_transport.answers import is_answered, same_answer  # noqa: PLC0415  as above

    cassette = Cassette(Path(choice.path))
    return Tape(cast("Mode", choice.mode), cassette, same_answer, is_answered, choice.speed)
