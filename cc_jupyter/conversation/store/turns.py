"""Convert turns to rows and rows to turns.

Long texts and images are stored once, by hash, because a thread sends its context with every turn.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cc_jupyter.conversation.records import TurnRecord
from cc_jupyter.core.errors import StoreError
from cc_jupyter.core.events import MAX_TOKENS, USAGE_FIELDS, Source, Usage
from cc_jupyter.core.messages import Image, Parameters, PromptTemplate, TurnKey
from cc_jupyter.core.money import Cost

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence


_LONG_CHARS = 200  # longer texts are stored by hash
_MARK = "\x00sha256:"
_CHAIN = "\x00messages:"
"""Prefixes of references; a text that happens to start with one is stored by hash too."""


@dataclass(slots=True)
class Link:
    """A message, linked by hash to the one before it."""

    sha256: str
    data: bytes
    parts: dict[str, bytes]
    """Its long texts, by hash."""
    before: str | None
    """The hash of the link before it."""


@dataclass(slots=True)
class Folded:
    """A body with references to the texts that are stored once."""

    text: str = ""
    parts: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """Its long texts outside of messages, by hash."""
    chain: list[Link] = field(default_factory=list[Link])
    """Its messages; the body refers to the last link, which leads to all others."""


def fold_body(body: bytes) -> Folded:
    """Return a body with its messages and long texts replaced by references."""
    value, folded = json.loads(body), Folded()
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        folded.chain = _chain(value["messages"])
        if folded.chain:
            value["messages"] = []  # so that the order of the members is preserved
    value = _fold(value, folded.parts)
    if folded.chain:
        value["messages"] = _CHAIN + folded.chain[-1].sha256
    folded.text = _json(value)
    return folded


def unfold_body(connection: sqlite3.Connection, folded: str, sha256: str) -> bytes:
    """Return a body as it was sent.

    Raises
    ------
    StoreError
        It is not the body that was sent: the file was changed.
    """
    value = json.loads(folded)
    messages = value.get("messages") if isinstance(value, dict) else None
    if isinstance(messages, str) and messages.startswith(_CHAIN):
        value["messages"] = _messages(connection, messages.removeprefix(_CHAIN))
    body = _json(_unfold(connection, value)).encode()
    if sha256 and hashlib.sha256(body).hexdigest() != sha256:
        raise StoreError("the stored request is not the one that was sent")
    return body


def fold_images(images: tuple[Image, ...]) -> tuple[str, dict[str, bytes]]:
    """Return images as JSON without their bytes, and the bytes by hash."""
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
    """Return images with their bytes."""
    return tuple(
        Image(
            row["media_type"],
            _content(connection, row["sha256"]) if row["sha256"] else None,
            row["url"],
            row["name"],
        )
        for row in json.loads(folded)
    )


def save_contents(
    connection: sqlite3.Connection, turn_id: str, folded: Folded | None, images: dict[str, bytes]
) -> None:
    """Store contents and the references of a turn to them."""
    used = dict(images)
    if folded is not None:
        used |= folded.parts
        _save_chain(connection, folded.chain)
        if folded.chain:
            used[folded.chain[-1].sha256] = folded.chain[-1].data
    _save_parts(connection, used)
    connection.executemany(
        "INSERT INTO uses (turn_id, sha256) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(turn_id, sha256) for sha256 in used],
    )


def _save_chain(connection: sqlite3.Connection, chain: list[Link]) -> None:
    for link in reversed(chain):
        known = "SELECT 1 FROM content WHERE sha256 = ?"
        if connection.execute(known, (link.sha256,)).fetchone():
            return  # then all before it are stored too
        _save_parts(connection, link.parts | {link.sha256: link.data})
        needed = [*link.parts, *([link.before] if link.before else [])]
        connection.executemany(
            "INSERT INTO part (sha256, needs) VALUES (?, ?) ON CONFLICT DO NOTHING",
            [(link.sha256, sha256) for sha256 in needed],
        )


def _save_parts(connection: sqlite3.Connection, parts: dict[str, bytes]) -> None:
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
    if isinstance(value, str) and (len(value) > _LONG_CHARS or value.startswith((_MARK, _CHAIN))):
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


_SAME = (
    *("id", "conversation_id", "thread", "position", "parent_id", "notebook", "model"),
    *("endpoint", "system", "prompt", "answer", "reasoning", "stop_reason", "stop_word", "error"),
    *("duration_s", "served_by", "served_model", "request_sha256"),
    *("request_key", "sample", "grid", "blind", "replayed_from", "rows"),
)
"""Columns with the names of a turn's fields."""
_TOO_MANY = "a token count was implausibly large and is stored as unknown"
_BATCH = 500  # every build of SQLite accepts this many values


def instant_text(instant: datetime) -> str:
    """Return an aware instant as text that sorts in order of time."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def save_turn(connection: sqlite3.Connection, turn: TurnRecord) -> None:
    """Insert or update a turn."""
    images, parts = fold_images(turn.images)
    answer_images, answer_parts = fold_images(turn.answer_images)
    folded = None if turn.body is None else fold_body(turn.body)
    row = _row(turn, folded) | {"images": images, "answer_images": answer_images}
    old = connection.execute(
        "SELECT number, finished, prompt, answer FROM turn WHERE id = ?", (turn.id,)
    ).fetchone()
    if old is None:
        columns, values = ", ".join(row), ", ".join("?" * len(row))
        cursor = connection.execute(
            f"INSERT INTO turn ({columns}) VALUES ({values})",  # noqa: S608  our own names
            [*row.values()],
        )
        number = cursor.lastrowid
    else:
        number, indexed, prompt, answer = old
        if indexed and turn.rows is None:
            connection.execute(
                "INSERT INTO words (words, rowid, prompt, answer) VALUES ('delete', ?, ?, ?)",
                (number, prompt, answer),
            )
        changes = ", ".join(f"{name} = ?" for name in row)
        connection.execute(
            f"UPDATE turn SET {changes} WHERE number = ?",  # noqa: S608  as above
            [*row.values(), number],
        )
    # a growing answer is not indexed each time it is saved, and a run over rows never is
    if turn.finished and turn.rows is None:
        connection.execute(
            "INSERT INTO words (rowid, prompt, answer) VALUES (?, ?, ?)",
            (number, turn.prompt, turn.answer),
        )
    save_contents(connection, turn.id, folded, parts | answer_parts)


def load_turns(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, TurnRecord]:
    """Return turns by id; missing ones are left out."""
    found: dict[str, TurnRecord] = {}
    for start in range(0, len(ids), _BATCH):
        some = ids[start : start + _BATCH]
        marks = ", ".join("?" * len(some))
        for turn in select(connection, f"WHERE id IN ({marks})", some):
            found[turn.id] = turn
    return found


def select(
    connection: sqlite3.Connection,
    condition: str,
    values: Sequence[Any] | Mapping[str, Any] = (),
) -> Iterator[TurnRecord]:
    """Yield the turns that match one of our own conditions."""
    cursor = connection.execute(f"SELECT * FROM turn {condition}", values)  # noqa: S608  never a user's text
    names = [column[0] for column in cursor.description]
    for values_ in cursor.fetchall():
        yield _turn(connection, dict(zip(names, values_, strict=True)))


def _row(turn: TurnRecord, folded: Folded | None) -> dict[str, Any]:
    cost = turn.cost
    row = {name: getattr(turn, name) for name in _SAME}
    tokens = {name: getattr(turn.usage, name) for name in USAGE_FIELDS}
    row |= {name: count if _is_plausible(count) else None for name, count in tokens.items()}
    notices = (
        turn.notices if all(map(_is_plausible, tokens.values())) else (*turn.notices, _TOO_MANY)
    )
    row |= {
        "key_notebook": turn.key.notebook if turn.key else None,
        "cell_id": turn.key.cell_id if turn.key else None,
        "cell_number": turn.key.number if turn.key else None,
        "sent_at": instant_text(turn.sent_at),
        "sources": json.dumps([(source.title, source.url) for source in turn.sources]),
        "cost_usd": None if cost.usd is None else f"{cost.usd:f}",
        "cost_origin": cost.origin,
        "price_date": cost.price_date.isoformat() if cost.price_date else None,
        "table_usd": None if cost.table_usd is None else f"{cost.table_usd:f}",
        "unpriced": json.dumps(cost.unpriced),
        "first_token_s": turn.time_to_first_token_s,
        "notices": json.dumps(notices),
        "ordered_by": turn.order,
        "zdr": turn.zdr,
        "options": None if turn.options is None else json.dumps(turn.options.to_json()),
        "template": None if turn.template is None else json.dumps(turn.template.to_json()),
        "body": None if folded is None else folded.text,
        "body_bytes": None if turn.body is None else len(turn.body),
        "finished": turn.finished,
    }
    return row


def _is_plausible(tokens: int | None) -> bool:
    return tokens is None or abs(tokens) <= MAX_TOKENS


def _turn(connection: sqlite3.Connection, row: dict[str, Any]) -> TurnRecord:
    key = None
    if row["cell_id"] is not None:
        key = TurnKey(row["key_notebook"], row["cell_id"], row["cell_number"])
    price_date = date.fromisoformat(row["price_date"]) if row["price_date"] else None
    usd = None if row["cost_usd"] is None else Decimal(row["cost_usd"])
    table_usd = None if row["table_usd"] is None else Decimal(row["table_usd"])
    unpriced = tuple(json.loads(row["unpriced"]))
    options = None if row["options"] is None else json.loads(row["options"])
    template = None if row["template"] is None else json.loads(row["template"])
    return TurnRecord(
        **{name: row[name] for name in _SAME},
        key=key,
        sent_at=datetime.fromisoformat(row["sent_at"]),
        images=unfold_images(connection, row["images"]),
        answer_images=unfold_images(connection, row["answer_images"]),
        sources=tuple(Source(title, url) for title, url in json.loads(row["sources"])),
        usage=Usage(**{name: row[name] for name in USAGE_FIELDS}),
        cost=Cost(usd, row["cost_origin"], price_date, table_usd, unpriced),
        time_to_first_token_s=row["first_token_s"],
        notices=tuple(json.loads(row["notices"])),
        order=row["ordered_by"],
        zdr=bool(row["zdr"]),
        options=None if options is None else Parameters.from_json(options),
        template=None if template is None else PromptTemplate.from_json(template),
        finished=bool(row["finished"]),
    )
