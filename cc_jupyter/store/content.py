"""Long texts and images, each kept once by its hash: a thread sends its past again and again."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from cc_jupyter.errors import StoreError
from cc_jupyter.images import Image

if TYPE_CHECKING:
    import sqlite3

_LONG = 200  # characters of a text that is kept by its hash
_MARK = "\x00sha256:"
"""Begins a reference; a text of the body's own that begins so is kept by hash too."""


def fold_body(body: bytes) -> tuple[str, dict[str, bytes]]:
    """Give a body with its long texts replaced by references, and those texts by hash."""
    parts: dict[str, bytes] = {}

    def fold(value: Any) -> Any:  # noqa: ANN401  any JSON
        if isinstance(value, str) and (len(value) > _LONG or value.startswith(_MARK)):
            data = value.encode()
            sha256 = hashlib.sha256(data).hexdigest()
            parts[sha256] = data
            return _MARK + sha256
        if isinstance(value, list):
            return [fold(item) for item in value]
        if isinstance(value, dict):
            return {name: fold(item) for name, item in value.items()}
        return value

    return _json(fold(json.loads(body))), parts


def unfold_body(connection: sqlite3.Connection, folded: str, sha256: str) -> bytes:
    """Give a body as it was sent.

    Raises
    ------
    StoreError
        It is not what was sent: the file was changed.
    """

    def unfold(value: Any) -> Any:  # noqa: ANN401  any JSON
        if isinstance(value, str) and value.startswith(_MARK):
            return _content(connection, value.removeprefix(_MARK)).decode()
        if isinstance(value, list):
            return [unfold(item) for item in value]
        if isinstance(value, dict):
            return {name: unfold(item) for name, item in value.items()}
        return value

    body = _json(unfold(json.loads(folded))).encode()
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


def keep(connection: sqlite3.Connection, turn_id: str, parts: dict[str, bytes]) -> None:
    """Keep contents, and that a turn uses them."""
    connection.executemany(
        "INSERT INTO content (sha256, data) VALUES (?, ?) ON CONFLICT DO NOTHING", parts.items()
    )
    connection.executemany(
        "INSERT INTO uses (turn_id, sha256) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(turn_id, sha256) for sha256 in parts],
    )


def _content(connection: sqlite3.Connection, sha256: str) -> bytes:
    row = connection.execute("SELECT data FROM content WHERE sha256 = ?", (sha256,)).fetchone()
    if row is None:
        raise StoreError("a part of this request is missing from the history")
    data: bytes = row[0]
    return data


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
