"""Long texts and images, each kept once by its hash: a thread sends its past again and again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.errors import StoreError
from cc_jupyter.core.messages import Image

if TYPE_CHECKING:
    import sqlite3

_LONG = 200  # characters of a text that is kept by its hash
_MARK = "\x00sha256:"
_CHAIN = "\x00messages:"
"""Begin references; a text of the body's own that begins so is kept by hash too."""


@dataclass(slots=True)
class Link:
    """A message, with those before it by the hash of the last of them."""

    sha256: str
    data: bytes
    parts: dict[str, bytes]
    """Its long texts, by hash."""
    before: str | None


@dataclass(slots=True)
class Folded:
    """A body with references in place of what is kept once."""

    text: str = ""
    parts: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """Its long texts outside of messages, by hash."""
    chain: list[Link] = field(default_factory=list[Link])
    """Its messages: each body sends the messages of the last one again, and this names them all."""


def fold_body(body: bytes) -> Folded:
    """Give a body with its messages and long texts replaced by references."""
    value, folded = json.loads(body), Folded()
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        folded.chain = _chain(value["messages"])
        if folded.chain:
            value["messages"] = []  # its place among the members stays
    kept = _fold(value, folded.parts)
    if folded.chain:
        kept["messages"] = _CHAIN + folded.chain[-1].sha256
    folded.text = _json(kept)
    return folded


def unfold_body(connection: sqlite3.Connection, folded: str, sha256: str) -> bytes:
    """Give a body as it was sent.

    Raises
    ------
    StoreError
        It is not what was sent: the file was changed.
    """
    value = json.loads(folded)
    messages = value.get("messages") if isinstance(value, dict) else None
    if isinstance(messages, str) and messages.startswith(_CHAIN):
        value["messages"] = _messages(connection, messages.removeprefix(_CHAIN))
    body = _json(_unfold(connection, value)).encode()
    if sha256 and hashlib.sha256(body).hexdigest() != sha256:
        raise StoreError("the request that is kept is not the one that was sent")
    return body


def fold_images(images: tuple[Image, ...]) -> tuple[str, dict[str, bytes]]:
    """Give images as JSON without their bytes, and those by hash."""
    parts = {hashlib.sha256(each.data).hexdigest(): each.data for each in images if each.data}
    rows = [
        {
            "media_type": each.media_type,
            "sha256": hashlib.sha256(each.data).hexdigest() if each.data else None,
            "url": each.url,
            "name": each.name,
        }
        for each in images
    ]
    return _json(rows), parts


def unfold_images(connection: sqlite3.Connection, folded: str) -> tuple[Image, ...]:
    """Give images with their bytes."""
    return tuple(
        Image(
            row["media_type"],
            _content(connection, row["sha256"]) if row["sha256"] else None,
            row["url"],
            row["name"],
        )
        for row in json.loads(folded)
    )


def keep(
    connection: sqlite3.Connection, turn_id: str, folded: Folded | None, images: dict[str, bytes]
) -> None:
    """Keep contents, and that a turn uses them."""
    used = dict(images)
    if folded is not None:
        used |= folded.parts
        _keep_chain(connection, folded.chain)
        if folded.chain:
            used[folded.chain[-1].sha256] = folded.chain[-1].data
    _keep_parts(connection, used)
    connection.executemany(
        "INSERT INTO uses (turn_id, sha256) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(turn_id, sha256) for sha256 in used],
    )


def _keep_chain(connection: sqlite3.Connection, chain: list[Link]) -> None:
    for link in reversed(chain):
        known = "SELECT 1 FROM content WHERE sha256 = ?"
        if connection.execute(known, (link.sha256,)).fetchone():
            return  # and so are all before it
        _keep_parts(connection, link.parts | {link.sha256: link.data})
        needed = [*link.parts, *([link.before] if link.before else [])]
        connection.executemany(
            "INSERT INTO part (sha256, needs) VALUES (?, ?) ON CONFLICT DO NOTHING",
            [(link.sha256, sha256) for sha256 in needed],
        )


def _keep_parts(connection: sqlite3.Connection, parts: dict[str, bytes]) -> None:
    connection.executemany(
        "INSERT INTO content (sha256, data) VALUES (?, ?) ON CONFLICT DO NOTHING", parts.items()
    )


def _chain(messages: list[Any]) -> list[Link]:
    chain: list[Link] = []
    before: str | None = None
    for message in messages:
        parts: dict[str, bytes] = {}
        data = _json(["\x00link", before, _fold(message, parts)]).encode()
        chain.append(Link(hashlib.sha256(data).hexdigest(), data, parts, before))
        before = chain[-1].sha256
    return chain


def _messages(connection: sqlite3.Connection, sha256: str | None) -> list[Any]:
    messages: list[Any] = []
    while sha256 is not None:
        _, sha256, message = json.loads(_content(connection, sha256))
        messages.append(message)
    return messages[::-1]


def _fold(value: Any, parts: dict[str, bytes]) -> Any:  # noqa: ANN401  any JSON
    if isinstance(value, str) and (len(value) > _LONG or value.startswith((_MARK, _CHAIN))):
        data = value.encode()
        sha256 = hashlib.sha256(data).hexdigest()
        parts[sha256] = data
        return _MARK + sha256
    if isinstance(value, list):
        return [_fold(item, parts) for item in value]
    if isinstance(value, dict):
        return {name: _fold(item, parts) for name, item in value.items()}
    return value


def _unfold(connection: sqlite3.Connection, value: Any) -> Any:  # noqa: ANN401  any JSON
    if isinstance(value, str) and value.startswith(_MARK):
        return _content(connection, value.removeprefix(_MARK)).decode()
    if isinstance(value, list):
        return [_unfold(connection, item) for item in value]
    if isinstance(value, dict):
        return {name: _unfold(connection, item) for name, item in value.items()}
    return value


def _content(connection: sqlite3.Connection, sha256: str) -> bytes:
    row = connection.execute("SELECT data FROM content WHERE sha256 = ?", (sha256,)).fetchone()
    if row is None:
        raise StoreError("a part of this request is missing from the history")
    data: bytes = row[0]
    return data


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
