"""Decides for each request whether a cassette answers it or the provider does."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

from cc_jupyter.cassettes.diff import nearest_request
from cc_jupyter.cassettes.images import named_by_hash
from cc_jupyter.cassettes.recording import Recording
from cc_jupyter.cassettes.secrets import without_secrets
from cc_jupyter.core.errors import CassetteError
from cc_jupyter.core.paths import short_path
from cc_jupyter.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Any

    from cc_jupyter.cassettes.cassette import Cassette
    from cc_jupyter.cassettes.diff import NearestRequest
    from cc_jupyter.cassettes.recording import RecordedResponse


_COMPARED = 20_000
"""Recordings that a burst of misses is compared with; each takes 0.1 ms or more (2026-11-30)."""
_BURST_S = 5.0
"""Misses that follow each other within this time are one burst, such as the rows of a table."""


Mode: TypeAlias = Literal["record", "replay", "auto", "off"]
MODES: tuple[Mode, ...] = get_args(Mode)


class Asked(NamedTuple):
    """A request as a cassette knows it."""

    request_key: str
    sample: int
    endpoint: str
    body: bytes
    """The body as sent: JSON, or empty."""
    attempt: int = 0
    """How often this sample was sent before, after a refusal or a failed connection."""
    waited_s: float | None = None
    """The pause before this attempt."""
    price_date: str | None = None
    served_by: str = "api"
    can_send: bool = True
    """Whether it may go to the provider: there is a key for it, or it needs none."""


class Replay(NamedTuple):
    """A recorded response that takes the place of a request."""

    recording: Recording
    response: RecordedResponse
    speed: float | None
    """How fast: 1 as recorded, 2 twice as fast; `None`: at once."""
    answered_at: datetime
    """When the response had arrived; times that it names count from then."""
    next_wait_s: float | None
    """The recorded pause before the next attempt; `None`: there was none."""
    cassette: str
    """The name of the file or folder."""
    began_s: float = 0.0
    """When it was sent, in seconds from the first attempt on."""

    @property
    def ended_s(self) -> float:
        """When it had arrived, in seconds from the first attempt on."""
        return self.began_s + self.response.ended_ms / 1000


@dataclass(slots=True)
class Tape:
    """A cassette in use.

    Parameters
    ----------
    same_answer
        Whether two recordings decode to the same answer; the older line then stays unchanged.
    is_answered
        Whether a recording holds a complete answer, so that `auto` need not send it again.
    """

    mode: Mode
    cassette: Cassette
    same_answer: Callable[[Recording, Recording], bool]
    is_answered: Callable[[Recording], bool]
    speed: float | None = None
    last_miss: Asked | None = None
    """The last request that was not recorded, for `%cmd cassette diff`."""
    _attempts: dict[tuple[str, int], tuple[datetime, tuple[RecordedResponse, ...]]] = field(
        default_factory=dict
    )
    """The failed attempts of samples that are being sent, and when the first was sent."""
    _answered: dict[tuple[str, int, datetime], bool] = field(default_factory=dict)
    _has_said_read_only: bool = False
    _compared: int = 0
    """Recordings that this burst of misses was compared with."""
    _missed_s: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self) -> None:
        """Check that the cassette can be used.

        Raises
        ------
        CassetteError
            There is nothing to replay, or nothing can be recorded.
        """
        if self.mode == "replay":
            self.cassette.check_readable()
        else:
            self.cassette.target.check_writable(may_be_read_only=self.mode == "auto")

    @property
    def read_only_path(self) -> Path | None:
        """In `auto` the read-only file or folder, so that new answers are not recorded."""
        return self.cassette.target.read_only_path if self.mode == "auto" else None

    def read_only_notice(self) -> str | None:
        """Return that the file is read-only, so that no new answer is recorded; once."""
        locked = self.read_only_path
        with self._lock:
            if locked is None or self._has_said_read_only:
                return None
            self._has_said_read_only = True
        return f"{short_path(locked)} is read-only"

    def has(self, request_key: str, sample: int) -> bool:
        """Return whether a request needs no provider.

        Raises
        ------
        CassetteError
            The cassette cannot be read.
        """
        if self.mode != "auto":
            return self.mode == "replay"
        recording = self.cassette.find(request_key, sample)
        return recording is not None and self._is_answered(recording)

    def find(self, asked: Asked) -> Replay | None:
        """Return the recorded response to a request; `None`: send it and record the answer.

        Raises
        ------
        CassetteError
            In `replay` it is not recorded; or the cassette cannot be used.
        """
        recording = None if self.mode == "record" else self._found(asked)
        if recording is not None:
            return self._replay(recording, asked.attempt)
        if self.mode == "replay":
            self.cassette.check_readable()
        if self.mode == "replay" or not asked.can_send:
            with self._lock:
                self.last_miss = asked
            raise self._miss(asked)
        self.check()
        return None

    def _replay(self, recording: Recording, attempt: int) -> Replay:
        attempt = min(attempt, len(recording.responses) - 1)
        past = recording.responses[: attempt + 1]
        passed_s = sum(each.ended_ms / 1000 + (each.waited_s or 0) for each in past)
        began_s = passed_s - past[-1].ended_ms / 1000
        later = recording.responses[attempt + 1 : attempt + 2]
        return Replay(
            recording,
            past[-1],
            self.speed,
            recording.recorded_at + timedelta(seconds=passed_s),
            later[0].waited_s if later else None,
            self.cassette.path.name,
            began_s,
        )

    def record(
        self,
        asked: Asked,
        response: RecordedResponse,
        secrets: Sequence[str],
        sent_at: datetime,
    ) -> None:
        """Save what one attempt brought, after the earlier ones of its sample.

        Parameters
        ----------
        secrets
            Texts that the file must not contain; the response is free of them already.
        sent_at
            When this attempt was sent; aware, UTC.

        Raises
        ------
        CassetteError
            The cassette cannot be written. That it is read-only in `auto` is said once.
        """
        if self.read_only_path is not None:
            if (notice := self.read_only_notice()) is not None:
                raise CassetteError(notice)
            return
        name = (asked.request_key, asked.sample)
        with self._lock:
            first_at, earlier = self._attempts.pop(name, (sent_at, ()))
            if not asked.attempt:
                first_at, earlier = sent_at, ()
            responses = (*earlier, response)
            if response.status != 200:  # noqa: PLR2004  the one answer
                self._attempts[name] = first_at, responses
        body, images = _body_to_save(asked.body, secrets)
        recording = Recording(
            asked.request_key,
            asked.sample,
            asked.endpoint,
            body,
            responses,
            first_at,
            asked.price_date,
            asked.served_by,
        )
        self.cassette.target.put(recording, self._stays, images)

    def nearest(self, asked: Asked) -> NearestRequest | None:
        """Return the recorded request that is nearest to one; `None` if there is none."""
        body, _ = _body_to_save(asked.body, ())
        return nearest_request(asked.endpoint, body, self.cassette.requests())

    def _is_answered(self, recording: Recording) -> bool:
        """Return whether a recording holds a complete answer, which is decoded once."""
        name = (recording.request_key, recording.sample, recording.recorded_at)
        with self._lock:
            if name not in self._answered:
                self._answered[name] = self.is_answered(recording)
            return self._answered[name]

    def _stays(self, old: Recording, new: Recording) -> bool:
        """Return whether an older recording stays: it says the same, or the new one says less."""
        count = len(old.responses)
        if count < len(new.responses) and new.responses[:count] == old.responses:
            return False  # the same sample, sent again
        if new.last.status != 200 and self._is_answered(old):  # noqa: PLR2004
            return True
        return self.same_answer(old, new)

    def _found(self, asked: Asked) -> Recording | None:
        """Return the recording that answers; in `auto` a failed one is sent again."""
        recording = self.cassette.find(asked.request_key, asked.sample)
        may_send = self.mode == "auto" and asked.can_send
        if recording is not None and may_send and not self._is_answered(recording):
            return None
        return recording

    def _miss(self, asked: Asked) -> CassetteError:
        where = self.cassette.shown
        if samples := self.cassette.samples(asked.request_key):
            numbers = ", ".join(map(str, samples[:8])) + (" …" if len(samples) > 8 else "")  # noqa: PLR2004
            plural = "sample" if len(samples) == 1 else "samples"
            message = (
                f"{where} has no sample {asked.sample} of this request, only {plural} {numbers}"
            )
            return CassetteError(message, hint="%cmd cassette auto records what is missing")
        if not self._may_compare():
            return CassetteError(
                f"{where} does not contain this request",
                hint="%cmd cassette diff shows what differs, %cmd cassette auto records it",
            )
        near = self.nearest(asked)
        if near is None:
            return CassetteError(
                f"{where} does not contain this request, nor any other",
                hint="%cmd cassette auto records it",
            )
        return CassetteError(
            f"{where} does not contain this request; the nearest one {near.summary}",
            hint="%cmd cassette diff shows what differs, %cmd cassette auto records it",
        )

    def _may_compare(self) -> bool:
        """Return whether the nearest request is looked for, which takes long for many misses."""
        with self._lock:
            now_s = monotonic()
            if now_s - self._missed_s > _BURST_S:
                self._compared = 0
            self._missed_s = now_s
            may = self._compared < _COMPARED
            self._compared += may and self.cassette.recorded_answers
            return may


def _body_to_save(body: bytes, secrets: Sequence[str]) -> tuple[Any, dict[str, bytes]]:
    """Return a request body as JSON value without secrets, and its large images."""
    try:
        value, images = named_by_hash(json.loads(body or b"null"))
    except ValueError:
        value, images = body.decode("utf-8", "replace"), {}
    text = json.dumps(value, ensure_ascii=False)
    clean = redact(without_secrets(text, secrets))
    try:
        return json.loads(clean), images
    except ValueError:  # a secret that spanned the syntax
        return clean, images
