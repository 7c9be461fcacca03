"""A conversation as a file: Markdown to read, JSON to compute with, a notebook to run."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.redaction import redact
from cc_jupyter.exported_turns import USAGE_FIELDS, about, cost_json, redacted, turns_said
from cc_jupyter.notebook_export import export_notebook
from cc_jupyter.render.sanitize import safe_markdown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cc_jupyter.records import ConversationRecord, PlaceRecord, TurnRecord

SCHEMA_VERSION = 1
"""Of `export_schema.json`, which documents the JSON form."""
_LINE_END = re.compile(r"\r\n|\r|\n")
_OPENING = re.compile(
    r"(?P<before>(?:[ \t>]|[-*+][ \t]|\d{1,9}[.)][ \t])*+)(?:(?P<run>`{3,})[^`]*|(?P<wave>~{3,}).*)"
)
_CLOSING = re.compile(r"[ \t>]*+(?P<run>`{3,}|~{3,})[ \t]*+")
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


def write_export(
    path: str | Path,
    conversation: ConversationRecord,
    turns: Mapping[str, TurnRecord],
    *,
    overwrite: bool = False,
) -> None:
    """Write a conversation into a file, whole or not at all; its ending says in which form.

    Raises
    ------
    OptionError
        The ending is unknown, the file is there already, or it cannot be written.
    """
    target = Path(path).expanduser()
    forms: dict[str, Callable[[ConversationRecord, Mapping[str, TurnRecord]], str]] = {
        ".md": export_markdown,
        ".json": export_json,
        ".ipynb": export_notebook,
    }
    form = forms.get(target.suffix.lower())
    if form is None:
        raise OptionError(
            f"{target.name} has no ending that says how to write it",
            hint="it may end in .md, .json or .ipynb",
        )
    text = _HALF_CHARACTER.sub("\ufffd", form(conversation, turns))  # UTF-8 has none
    part = target.with_name(f".{target.name}.part")
    try:
        if target.exists() and not overwrite:
            raise OptionError(f"{target} exists", hint="%cmd export PATH --overwrite replaces it")
        part.write_bytes(text.encode())  # as bytes: no system changes the ends of its lines
        os.replace(part, target)  # noqa: PTH105  in one step, also where the target is there
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise OptionError(f"{target} cannot be written: {error.strerror}") from None


def export_markdown(conversation: ConversationRecord, turns: Mapping[str, TurnRecord]) -> str:
    """Give what counts of a conversation to read: prompts quoted, answers as they are."""
    parts = [f"# {redact(conversation.name)}\n"]
    for number, (turn, _) in enumerate(turns_said(conversation, turns), 1):
        parts.append(f"## {number}\n")
        if turn.system is not None:
            parts.append(f"*System prompt{':*' if turn.system else ' from here on: none*'}\n")
        if turn.system:
            parts.append(f"{_quoted(turn.system)}\n\n*Prompt:*\n")
        parts.append(f"{_quoted(turn.prompt)}\n")
        parts += [f"> *{image.described}*\n" for image in turn.images]
        parts.append(f"{_closed(safe_markdown(turn.answer))}\n")
        parts.append(f"*{about(turn)}*\n")
    return "\n".join(parts)


def export_json(conversation: ConversationRecord, turns: Mapping[str, TurnRecord]) -> str:
    """Give every version of every turn; `export_schema.json` documents the form."""
    places = [
        {
            "cell_id": place.key.cell_id if place.key else None,
            "starts_anew": place.after_new or place.says_new,
            "stale": place.stale,
            "active": _active(place, turns),
            "versions": [
                _turn_json(redacted(turns[each])) for each in place.versions if each in turns
            ],
        }
        for place in conversation.places
    ]
    document = {
        "schema": SCHEMA_VERSION,
        "conversation": conversation.id,
        "name": redact(conversation.name),
        "notebook": redact(conversation.notebook),
        "forked_from": conversation.forked_from,
        "places": places,
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _active(place: PlaceRecord, turns: Mapping[str, TurnRecord]) -> int | None:
    """Give where the version that counts stands among those that are there."""
    there = [each for each in place.versions if each in turns]
    active = place.versions[place.active] if place.active >= 0 else None
    return there.index(active) if active in there else None


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in _LINE_END.split(text))


def _closed(answer: str) -> str:
    """End the fence that an answer, cut in the middle of code, left open."""
    run = prefix = ""
    in_item = False
    for line in _LINE_END.split(answer):
        if run and _leaves(line, prefix, in_item=in_item):
            run = ""
        if run:
            closing = _CLOSING.fullmatch(line)
            run = "" if closing and closing["run"].startswith(run) else run
        elif opening := _OPENING.fullmatch(line):
            run, before = opening["run"] or opening["wave"], opening["before"]
            prefix = re.sub(r"[^>\s]", " ", before)
            in_item = bool(before.strip(" \t>"))
    if not run:
        return answer
    return f"{answer}{'' if answer.endswith((chr(10), chr(13))) else chr(10)}{prefix}{run}"


def _leaves(line: str, prefix: str, *, in_item: bool) -> bool:
    """Tell whether a line is no part of the quote or list item that a fence stands in."""
    if ">" in prefix:
        return not line.lstrip().startswith(">")
    indent = len(line) - len(line.lstrip())
    return in_item and bool(line.strip()) and indent < len(prefix)


def _turn_json(turn: TurnRecord) -> dict[str, Any]:
    return {
        "id": turn.id,
        "parent": turn.parent_id,
        "sent_at": turn.sent_at.isoformat(),
        "model": turn.model,
        "endpoint": turn.endpoint,
        "served_by": turn.served_by,
        "system": turn.system,
        "prompt": turn.prompt,
        "images": [
            {
                "name": image.name,
                "media_type": image.media_type or None,
                "sha256": hashlib.sha256(image.data).hexdigest() if image.data else None,
                "url": image.url,
            }
            for image in turn.images
        ],
        "answer": turn.answer,
        "reasoning": turn.reasoning,
        "stop_reason": turn.stop_reason,
        "error": turn.error,
        "usage": {name: getattr(turn.usage, name) for name in USAGE_FIELDS},
        "cost": cost_json(turn),
        "first_token_s": turn.time_to_first_token_s,
        "total_s": turn.duration_s,
    }
