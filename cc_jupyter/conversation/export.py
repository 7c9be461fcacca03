"""Exports a conversation: Markdown to read, JSON to compute with, a notebook to run.

Every form holds the active turns, without keys. The notebook is nbformat 4.5, built by hand: it
asks everything again when it runs, and has the answers as saved outputs, with the model that gave
them.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.paths import replace_file
from cc_jupyter.core.redaction import redact
from cc_jupyter.render.sanitize import safe_markdown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cc_jupyter.conversation.records import ConversationRecord, SlotRecord, TurnRecord
    from cc_jupyter.core.messages import Image


USAGE_FIELDS = (
    *("input_tokens", "output_tokens"),
    *("cache_read_tokens", "cache_write_tokens", "reasoning_tokens"),
)
"""The counts of a turn, as they are called in every JSON form."""


def turns_said(
    conversation: ConversationRecord, turns: Mapping[str, TurnRecord]
) -> list[tuple[TurnRecord, bool]]:
    """Return the turns that count, and whether each is the first after a new start.

    A place without an answer may be the one that started anew; the next turn then does.
    """
    anew, said = False, []
    for place in conversation.places:
        anew = anew or place.after_new or place.says_new
        turn = turns.get(place.versions[place.active]) if place.active >= 0 else None
        if turn is not None:
            said.append((redacted(turn), anew))
            anew = False
    return said


def redacted(turn: TurnRecord) -> TurnRecord:
    """Return a turn without keys.

    Before anything is encoded: in JSON a line break ends in a letter, and a key behind it looks
    like the end of a word.
    """
    return replace(
        turn,
        prompt=redact(turn.prompt),
        answer=redact(turn.answer),
        reasoning=redact(turn.reasoning),
        system=None if turn.system is None else redact(turn.system),
        error=None if turn.error is None else redact(turn.error),
        images=tuple(map(_redacted_image, turn.images)),
    )


def _redacted_image(image: Image) -> Image:
    url = None if image.url is None else redact(image.url)
    return replace(image, name=redact(image.name), url=url)


def about(turn: TurnRecord) -> str:
    """Say who answered, when, and how it ended."""
    served = "" if turn.served_by == "api" else f", served by {turn.served_model or turn.served_by}"
    ended = "" if turn.stop_reason == "stop" else f", ended: {turn.stop_reason}"
    return f"{turn.model}{served}, {turn.sent_at:%Y-%m-%d %H:%M} UTC{ended}"


def cost_json(turn: TurnRecord) -> dict[str, str | None]:
    """Return the cost in the JSON form that metadata and export share."""
    cost = turn.cost
    return {
        "usd": None if cost.usd is None else f"{cost.usd:f}",
        "origin": cost.origin,
        "price_date": cost.price_date.isoformat() if cost.price_date else None,
    }


_METADATA_SCHEMA = 1
"""Of `metadata_schema.json`, which documents what a saved output carries."""


def export_notebook(conversation: ConversationRecord, turns: Mapping[str, TurnRecord]) -> str:
    """Return a notebook that says it all again when it is run, with the answers it got."""
    cells = [_code_cell("load", "%load_ext cc_jupyter")]
    for turn, anew in turns_said(conversation, turns):
        cells += _cells(turn, anew=anew)
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
    model = "local" if turn.served_by == "local" else turn.model
    cells, words = [], ["%%cmd", "-m", model, *(["--new"] if anew else [])]
    if turn.images:
        named = "; ".join(image.described for image in turn.images)
        note = f"The next prompt showed images that are not in this file: {named}"
        cells.append(
            {"cell_type": "markdown", "id": f"i{turn.id[:12]}", "metadata": {}, "source": note}
        )
    prompt = turn.prompt
    system = None if turn.system is None else _on_the_line(turn.system)
    if turn.system is not None and system is None:
        name = f"system_{turn.id[:6]}"
        cells.append(_code_cell(f"s{turn.id[:12]}", f"{name} = {turn.system!r}"))
        words += ["-s", f'"{{{{ {name} }}}}"']
        prompt = prompt.replace("{{", "\\{{")  # values are filled in, so what looks like one is not
    else:
        words += ["--raw"] if system is None else ["-s", system, "--raw"]
    if prompt.endswith("\n"):
        prompt += "\n"  # the last one of a cell is not sent
    source = f"{' '.join(words)}\n{prompt}"
    cells.append(_code_cell(f"t{turn.id[:12]}", source, _outputs(turn)))
    return cells


def _on_the_line(text: str) -> str | None:
    """Quote a text as the option line reads it; `None`: it holds both quotes, or a line break."""
    if len(f"{text}.".splitlines()) > 1:  # IPython ends the line wherever `splitlines` does
        return None
    return next((f"{quote}{text}{quote}" for quote in "'\"" if quote not in text), None)


def _outputs(turn: TurnRecord) -> list[dict[str, Any]]:
    if not turn.answer:
        return []
    answer = {"text/markdown": safe_markdown(turn.answer), "text/plain": turn.answer}
    said = {"text/plain": f"{about(turn)} · replayed from the history"}
    return [
        {"output_type": "display_data", "metadata": _metadata(turn), "data": answer},
        {"output_type": "display_data", "metadata": {}, "data": said},
    ]


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


def _metadata(turn: TurnRecord) -> dict[str, Any]:
    """Return what the output carried where the answer came, so that it says who served it."""
    usage = {name: getattr(turn.usage, name) for name in USAGE_FIELDS}
    provenance = {
        "schema": _METADATA_SCHEMA,
        "model": turn.model,
        "endpoint": turn.endpoint,
        "served_by": turn.served_by,
        "usage": {
            name: {"tokens": tokens, "origin": "unknown" if tokens is None else "reported"}
            for name, tokens in usage.items()
        },
        "cost": cost_json(turn),
        "timings": {"first_token_s": turn.time_to_first_token_s, "total_s": turn.duration_s},
        "thread": None if turn.thread is None else redact(turn.thread),
        "turn": None if turn.position is None else turn.position + 1,
        "stop_reason": turn.stop_reason,
        "request_sha256": turn.request_sha256,
    }
    return {"cc_jupyter": provenance}


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
    try:
        if target.exists() and not overwrite:
            raise OptionError(f"{target} exists", hint="%cmd export PATH --overwrite replaces it")
        with replace_file(target, mode=0o666) as file:  # as readable as any file the user writes
            file.write(text.encode())  # as bytes: no system changes its line endings
    except OSError as error:
        raise OptionError(f"{target} cannot be written: {error.strerror}") from None


def export_markdown(conversation: ConversationRecord, turns: Mapping[str, TurnRecord]) -> str:
    """Return what counts of a conversation to read: prompts quoted, answers as they are."""
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
    """Return every version of every turn; `export_schema.json` documents the form."""
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


def _active(place: SlotRecord, turns: Mapping[str, TurnRecord]) -> int | None:
    """Return where the version that counts stands among those that are there."""
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
    """Return whether a line is no part of the quote or list item that a fence stands in."""
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
