"""One recorded answer, and the line that holds it in a cassette.

`cassette_schema.json` next to this module describes the line. Key, sample and format version are
its first members, so that opening a cassette reads nothing else.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from cc_jupyter.core.errors import CassetteError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


SCHEMA_VERSION = 1
_HEAD = re.compile(
    rb'\{\s*"request_key"\s*:\s*"([0-9a-f]{64})"\s*,\s*"sample"\s*:\s*(\d{1,9})\s*,'
    rb'\s*"schema"\s*:\s*(\d{1,9})\s*[,}]'
)
_CONFLICT_MARKS = (b"<<<<<<<", b"=======", b">>>>>>>", b"|||||||")
_KEPT_HEADERS = re.compile(
    r"content-type|location|retry-after(-ms)?|x-should-retry|x-trace-id|request-id|x-request-id"
    r"|cf-ray|(x-|anthropic-)?rate-?limit-.*|(x-)?([a-z0-9]+-)*(response|request|total)-cost(-usd)?"
)
"""The headers that decide how a response is read: its type, waits, limits, ids and costs."""
_BROKEN_HINT = "restore the file, or delete that line to record it again"

_BLOCK_PIECES = 256
"""How many pieces of a body are escaped at once: what stays in the cache of a processor."""

Piece = tuple[int, bytes]
"""A piece of a body: the milliseconds since its request was sent, and its bytes."""


@dataclass(frozen=True, slots=True)
class RecordedResponse:
    """What one sending of a request brought."""

    status: int | None
    """`None`: no response began; `failure` says why."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name, the ones that matter."""
    body: tuple[Piece, ...] = ()
    """The body after content decoding, cut as it arrived, but never within a character."""
    ended_ms: int = 0
    """Milliseconds from sending to the end."""
    failure: tuple[str, str] | None = None
    """How the network cut it off: the exception's name and message; `None`: it was not cut."""
    was_left: bool = False
    """Whether we stopped reading before its end: an interrupt, or nothing more was expected."""
    waited_s: float | None = None
    """The pause before it was sent, if an earlier sending failed."""

    @property
    def content(self) -> bytes:
        """The whole body."""
        return b"".join(piece for _, piece in self.body)


@dataclass(frozen=True, slots=True)
class Recording:
    """One request and what came back, every repeated sending included."""

    request_key: str
    sample: int
    endpoint: str
    body: Any
    """The request body as JSON value, without secrets; large images are named by their hash."""
    responses: tuple[RecordedResponse, ...]
    recorded_at: datetime
    """Aware, UTC."""
    price_date: str | None = None
    """The date of the prices at that time; `None`: the model had none."""
    served_by: str = "api"
    """Who answered: `api`, `local`, or the host."""

    @property
    def last(self) -> RecordedResponse:
        """The response that was not repeated."""
        return self.responses[-1]


class LineHead(NamedTuple):
    """The first members of a line, which identify it."""

    request_key: str
    sample: int


def quick_head(line: bytes) -> LineHead | None:
    """Return the first members of a whole line; `None`: `read_head` says what is wrong with it."""
    found = _HEAD.match(line)
    if found is None or int(found[3]) > SCHEMA_VERSION or not line.endswith(b"}\n"):
        return None
    return LineHead(found[1].decode(), int(found[2]))


def read_head(line: bytes, where: str) -> LineHead:
    """Read the first members of a line and check that it is whole.

    Parameters
    ----------
    where
        File and number of the line, for the error.

    Raises
    ------
    CassetteError
        It is no line of a cassette, it is cut off, or a newer version has written it.
    """
    found = _HEAD.match(line)
    if found is None:
        if line.startswith(_CONFLICT_MARKS):
            raise CassetteError(
                f"{where} is a conflict mark of git",
                hint="keep the lines of both sides and delete the marks; nothing was sent",
            )
        raise CassetteError(f"{where} is no recording", hint=_BROKEN_HINT)
    if int(found[3]) > SCHEMA_VERSION:
        raise CassetteError(
            f"{where} has format {int(found[3])}; this version of cc_jupyter reads up to"
            f" {SCHEMA_VERSION}",
            hint="update cc_jupyter: pip install -U cc-jupyter",
        )
    if not (line.endswith(b"}\n") or line.rstrip().endswith(b"}")):
        raise CassetteError(f"{where} is cut off: the recording is incomplete", hint=_BROKEN_HINT)
    return LineHead(found[1].decode(), int(found[2]))


def parse_line(line: bytes, where: str) -> Recording:
    """Read a whole line.

    Raises
    ------
    CassetteError
        It is broken, or a newer version has written it.
    """
    head = read_head(line, where)
    try:
        data = json.loads(line)
        recorded_at = datetime.fromisoformat(data["recorded_at"])
        return Recording(
            head.request_key,
            head.sample,
            data["request"]["endpoint"],
            data["request"]["body"],
            tuple(map(_response_from_json, data["responses"])),
            recorded_at if recorded_at.tzinfo else recorded_at.replace(tzinfo=UTC),
            data.get("price_date"),
            data.get("served_by", "api"),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        what = f"{type(error).__name__}: {error}"
        raise CassetteError(f"{where} cannot be read ({what:.80})", hint=_BROKEN_HINT) from None


def request_of(line: bytes) -> tuple[str, Any]:
    """Return endpoint and body of a line's request, without reading its responses.

    Raises
    ------
    ValueError
        The line is broken.
    """
    text = line.decode("utf-8", "replace")
    start = text.index('"request":') + len('"request":')
    request, _ = json.JSONDecoder().raw_decode(text, start + (text[start] == " "))
    return request["endpoint"], request["body"]


def to_line(recording: Recording) -> bytes:
    """Return the line of a recording, its end included."""
    return b"".join(_line_parts(recording))  # once: a body can be large


def _line_parts(recording: Recording) -> Iterator[bytes]:
    members = {
        "request_key": recording.request_key,
        "sample": recording.sample,
        "schema": SCHEMA_VERSION,
        "recorded_at": recording.recorded_at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "price_date": recording.price_date,
        "served_by": recording.served_by,
        "request": {"endpoint": recording.endpoint, "body": recording.body},
    }
    yield _encoded(members)[:-1]
    yield b',"responses":['
    for number, response in enumerate(recording.responses):
        if number:
            yield b","
        yield from _response_parts(response)
    yield b"]}\n"


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that a recording keeps, by lower-case name."""
    by_name = {name.lower(): value for name, value in headers.items()}
    return {name: value for name, value in by_name.items() if _KEPT_HEADERS.fullmatch(name)}


def cut_between_characters(pieces: Sequence[Piece]) -> list[Piece]:
    """Move the first bytes of a character that a cut divides to the piece that completes it.

    No event of a stream ends within a character, so each piece still completes the same events.
    """
    whole = list(pieces)
    held = b""
    for number, (at_ms, data) in enumerate(pieces):
        if held or data[-1:] >= b"\x80":  # not ASCII
            piece = held + data
            cut = _start_of_open_character(piece)
            whole[number] = at_ms, piece[:cut]
            held = piece[cut:]
    if held:
        at_ms, last = whole.pop()
        whole.append((at_ms, last + held))
    return whole


def _start_of_open_character(piece: bytes) -> int:
    """Return where a character begins that the end of the piece cuts, else the piece's length."""
    for back in range(1, min(4, len(piece) + 1)):
        byte = piece[-back]
        if 0xC0 <= byte <= 0xF4:  # noqa: PLR2004  the first byte of a character
            length = 2 + (byte >= 0xE0) + (byte >= 0xF0)  # noqa: PLR2004  of UTF-8
            return len(piece) - back if length > back else len(piece)
        if byte < 0x80:  # noqa: PLR2004  ASCII
            break
    return len(piece)


def _response_parts(response: RecordedResponse) -> Iterator[bytes]:
    members: dict[str, Any] = {"status": response.status}
    if response.waited_s is not None:
        members["waited_s"] = response.waited_s
    if response.headers:
        members["headers"] = dict(response.headers)
    members["ended_ms"] = response.ended_ms
    if response.failure is not None:
        kind, message = response.failure
        members["failure"] = {"type": kind, "message": message}
    if response.was_left:
        members["was_left"] = True
    body, sizes = _body_parts(response.body)
    members |= {"at_ms": [at_ms for at_ms, _ in response.body], "sizes": sizes}
    yield _encoded(members)[:-1]
    yield b',"body":'
    yield from body
    yield b"}"


def _response_from_json(data: dict[str, Any]) -> RecordedResponse:
    failure = data.get("failure")
    return RecordedResponse(
        data["status"],
        data.get("headers", {}),
        tuple(_body_from_json(data)),
        data.get("ended_ms", 0),
        None if failure is None else (str(failure["type"]), str(failure["message"])),
        data.get("was_left", False),
        data.get("waited_s"),
    )


def _body_parts(body: Sequence[Piece]) -> tuple[list[bytes], list[int]]:
    """Return the body as JSON, and the size of each piece: characters, or bytes in base64."""
    pieces = [piece for _, piece in body]
    try:
        sizes = [len(piece) if piece.isascii() else len(piece.decode()) for piece in pieces]
    except UnicodeDecodeError:
        content = base64.b64encode(b"".join(pieces)).decode()
        return [_encoded({"base64": content})], list(map(len, pieces))
    blocks = (pieces[at : at + _BLOCK_PIECES] for at in range(0, len(pieces), _BLOCK_PIECES))
    # JSON escapes ASCII characters only, and a text of single bytes is the fastest to escape
    escaped = (_json(b"".join(block).decode("latin-1"))[1:-1] for block in blocks)
    return [b'"', *(text.encode("latin-1") for text in escaped), b'"'], sizes


def _body_from_json(data: dict[str, Any]) -> Iterator[Piece]:
    body = data["body"]
    whole = body if isinstance(body, str) else base64.b64decode(body["base64"], validate=True)
    if sum(data["sizes"]) != len(whole):
        raise ValueError("the sizes do not add up to the body")
    at = 0
    for at_ms, size in zip(data["at_ms"], data["sizes"], strict=True):
        piece = whole[at : at + size]
        yield int(at_ms), piece.encode() if isinstance(piece, str) else piece
        at += size


def _encoded(value: Any) -> bytes:  # noqa: ANN401  any JSON value
    return _json(value).encode("utf-8", "backslashreplace")


def _json(value: Any) -> str:  # noqa: ANN401  any JSON value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
