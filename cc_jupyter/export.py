"""A conversation as a file: Markdown to read, JSON to compute with, a notebook to run."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cc_jupyter.errors import OptionError
from cc_jupyter.redact import redact
from cc_jupyter.render.safe import safe_markdown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cc_jupyter.records import ConversationRecord, TurnRecord

SCHEMA_VERSION = 1
"""Of `export_schema.json`, which documents the JSON form."""


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
    form = forms.get(target.suffix)
    if form is None:
        raise OptionError(
            f"{target.name} has no ending that says how to write it",
            hint="it may end in .md, .json or .ipynb",
        )
    text = redact(form(conversation, turns))
    part = target.with_name(f".{target.name}.part")
    try:
        if target.exists() and not overwrite:
            raise OptionError(f"{target} exists", hint="%cmd export PATH --overwrite replaces it")
        part.write_text(text, encoding="utf-8")
        os.replace(part, target)  # noqa: PTH105  in one step, also where the target is there
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise OptionError(f"{target} cannot be written: {error.strerror}") from None


def export_markdown(conversation: ConversationRecord, turns: Mapping[str, TurnRecord]) -> str:
    """Give what counts of a conversation to read: prompts quoted, answers as they are."""
    parts = [f"# {conversation.name}\n"]
    for number, turn in enumerate(_active(conversation, turns), 1):
        quoted = "\n".join(f"> {line}".rstrip() for line in turn.prompt.split("\n"))
        if turn.system is not None:
            parts.append(f"*System prompt:* {turn.system or '(none from here on)'}\n")
        parts.append(f"## {number}\n\n{quoted}\n")
        parts += [f"> *{image.described}*\n" for image in turn.images]
        parts.append(f"{safe_markdown(turn.answer)}\n")
        parts.append(f"*{_about(turn)}*\n")
    return "\n".join(parts)


def export_json(conversation: ConversationRecord, turns: Mapping[str, TurnRecord]) -> str:
    """Give every version of every turn; `export_schema.json` documents the form."""
    places = [
        {
            "cell_id": place.key.cell_id if place.key else None,
            "starts_anew": place.after_new or place.says_new,
            "stale": place.stale,
            "active": place.active if place.active >= 0 else None,
            "versions": [_turn_json(turns[each]) for each in place.versions if each in turns],
        }
        for place in conversation.places
    ]
    document = {
        "schema": SCHEMA_VERSION,
        "conversation": conversation.id,
        "name": conversation.name,
        "notebook": conversation.notebook,
        "forked_from": conversation.forked_from,
        "places": places,
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def export_notebook(conversation: ConversationRecord, turns: Mapping[str, TurnRecord]) -> str:
    """Give a notebook that says it all again when it is run, with the answers it got."""
    cells = [_code_cell("load", "%load_ext cc_jupyter")]
    anew = {
        place.versions[place.active]
        for place in conversation.places
        if place.active >= 0 and (place.after_new or place.says_new)
    }
    for turn in _active(conversation, turns):
        cells += _cells(turn, anew=turn.id in anew)
    document = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _cells(turn: TurnRecord, *, anew: bool) -> list[dict[str, Any]]:
    cells, words = [], ["%%cmd", "-m", turn.model, *(["--new"] if anew else [])]
    if turn.images:
        named = "; ".join(image.described for image in turn.images)
        note = f"The next prompt showed images that are not in this file: {named}"
        cells.append(
            {"cell_type": "markdown", "id": f"i{turn.id[:12]}", "metadata": {}, "source": note}
        )
    prompt = turn.prompt
    if turn.system:  # a variable, since a line holds no line break
        name = f"system_{turn.id[:6]}"
        cells.append(_code_cell(f"s{turn.id[:12]}", f"{name} = {turn.system!r}"))
        words += ["-s", f'"{{{{ {name} }}}}"']
        prompt = prompt.replace("{{", "\\{{")
    else:
        words += ["-s", "''"] if turn.system == "" else []
        words.append("--raw")
    outputs = []
    if turn.answer:
        data = {"text/markdown": safe_markdown(turn.answer), "text/plain": turn.answer}
        outputs.append({"output_type": "display_data", "metadata": {}, "data": data})
        said = {"text/plain": f"{_about(turn)} · replayed from the history"}
        outputs.append({"output_type": "display_data", "metadata": {}, "data": said})
    cells.append(_code_cell(f"t{turn.id[:12]}", f"{' '.join(words)}\n{prompt}", outputs))
    return cells


def _code_cell(
    cell_id: str, source: str, outputs: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": cell_id,
        "metadata": {},
        "outputs": outputs or [],
        "source": source,
    }


def _active(conversation: ConversationRecord, turns: Mapping[str, TurnRecord]) -> list[TurnRecord]:
    ids = [place.versions[place.active] for place in conversation.places if place.active >= 0]
    return [turns[each] for each in ids if each in turns]


def _about(turn: TurnRecord) -> str:
    served = "" if turn.served_by == "api" else f", served by {turn.served_model or turn.served_by}"
    ended = "" if turn.stop_reason == "stop" else f", ended: {turn.stop_reason}"
    return f"{turn.model}{served}, {turn.sent_at:%Y-%m-%d %H:%M} UTC{ended}"


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
        "usage": {
            "input_tokens": turn.usage.input_tokens,
            "output_tokens": turn.usage.output_tokens,
            "cache_read_tokens": turn.usage.cache_read_tokens,
            "cache_write_tokens": turn.usage.cache_write_tokens,
            "reasoning_tokens": turn.usage.reasoning_tokens,
        },
        "cost": {
            "usd": None if turn.cost.usd is None else f"{turn.cost.usd:f}",
            "origin": turn.cost.origin,
            "price_date": turn.cost.price_date.isoformat() if turn.cost.price_date else None,
        },
        "first_token_s": turn.time_to_first_token_s,
        "total_s": turn.duration_s,
    }
