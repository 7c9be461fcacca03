"""`%cmd cassette`: record answers in a file next to the notebook, and replay them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cc_jupyter.config.validators import CassetteChoice
from cc_jupyter.core.display import Card, TextOutput, WordDiff
from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.paths import short_path
from cc_jupyter.core.text import pluralize
from cc_jupyter.session.tapes import cassette_path

if TYPE_CHECKING:
    from cc_jupyter.cassettes.diff import NearestRequest
    from cc_jupyter.session.session import Session


_MODES = {
    "record": "every request is sent, and its answer is recorded in",
    "replay": "every answer comes from",
    "auto": "recorded answers come from, and new ones are recorded in",
}


class CassetteCommand:
    """The command and what it needs."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def cassette(
        self, action: str | None = None, path: str = "", speed: int | None = None
    ) -> Card | TextOutput | WordDiff:
        """Choose a cassette, show the one in use, or show why the last request missed.

        Raises
        ------
        CassetteError
            The file cannot be used.
        ConfigError
            A path is needed.
        OptionError
            There is nothing to compare, or an argument does not belong here.
        """
        if action in (None, "diff", "off") and (path or speed is not None):
            raise OptionError(
                f"%cmd cassette {action or ''} takes no path and no speed".replace("  ", " "),
                hint="for example: %cmd cassette record",
            )
        if action is None:
            return self._status()
        if action == "diff":
            return self._diff()
        if action == "off":
            self._session.choices["cassette"] = CassetteChoice("off")
            return TextOutput("cassette off: requests are sent, nothing is recorded")
        return self._choose(action, path, speed)

    def _choose(self, mode: str, path: str, speed: int | None) -> TextOutput:
        choice = CassetteChoice(mode, path, speed)
        choice = choice._replace(path=str(cassette_path(choice, self._session.notebook())))
        tape = self._session.tapes.tape(choice, "")
        assert tape is not None  # noqa: S101  the mode is not off
        tape.check()
        self._session.choices["cassette"] = choice
        count = tape.cassette.recorded_answers
        where = f"{tape.cassette.shown} ({pluralize(count, 'recorded answer')})"
        if (notice := tape.read_only_notice()) is not None:
            return TextOutput(
                f"recorded answers come from {where}; {notice}, new ones are not saved"
            )
        return TextOutput(f"{_MODES[mode]} {where}")

    def _status(self) -> Card:
        tape = self._session.tape()
        if tape is None:
            return Card({"mode": "off", "next": "%cmd cassette record [PATH]"})
        files = tape.cassette.files
        missing = [path for file in files for path in file.missing_images()]
        card = Card(
            {
                "mode": tape.mode,
                "cassette": tape.cassette.shown,
                "recorded answers": tape.cassette.recorded_answers,
            }
        )
        if tape.speed is not None:
            card["speed"] = f"{tape.speed:g} times as recorded"
        if missing:
            names = ", ".join(short_path(path) for path in missing[:3])
            card["missing images"] = f"{names}{' …' if len(missing) > 3 else ''}"  # noqa: PLR2004
        return card

    def _diff(self) -> WordDiff:
        tape = self._session.tapes.last
        asked = None if tape is None else tape.last_miss
        if tape is None or asked is None:
            raise OptionError(
                "every request of this session was recorded; there is nothing to compare",
                hint="it compares the last request that a cassette did not contain",
            )
        nearest = tape.nearest(asked)
        if nearest is None:
            raise OptionError(f"{tape.cassette.shown} contains no request to compare with")
        if not nearest.differences:
            raise OptionError(
                f"the request itself is recorded; only its sample {asked.sample} is missing",
                hint="%cmd cassette auto records it",
            )
        return difference_text(nearest)


def difference_text(nearest: NearestRequest) -> WordDiff:
    """Return what differs from the nearest recorded request, word by word."""
    pieces: list[tuple[str, str]] = []
    for each in nearest.differences:
        pieces += [("=", f"{each.name}: "), *each.words.pieces, ("=", "\n")]
    return WordDiff.of(pieces[:-1])
