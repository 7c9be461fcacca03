"""Export a conversation: Markdown for people, JSON for programs, a notebook to run again.

Every format contains the active turns, with keys redacted. The notebook (nbformat 4.5) sends every
prompt again when it runs; its saved outputs contain the recorded answers and their models.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.events import USAGE_FIELDS, Source
from cc_jupyter.core.paths import replace_file
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.steps.redacting import redacted_step
from cc_jupyter.render.answer_extras import image_bundles, shown_text
from cc_jupyter.render.markdown import safe_markdown
from cc_jupyter.render.usage_line import metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cc_jupyter.conversation.records import ConversationRecord, SlotRecord, TurnRecord
    from cc_jupyter.core.steps import Step


SCHEMA_VERSION = 3
"""The version of `export_schema.json`, which documents the JSON format."""
_LINE_END = re.compile(r"\r\n|\r|\n")


def active_turns(
    conversation: ConversationRecord, turns: Mapping[str, TurnRecord]
) -> list[tuple[TurnRecord, bool]]:
    """Return the active turns, redacted, and whether each starts a new thread.

    If the slot that starts a new thread has no answer, the next turn starts it.
    """
    starts, active = False, []
    for place in conversation.places:
        starts = starts or place.follows_new or place.has_new_option
        turn = turns.get(place.versions[place.active]) if place.active >= 0 else None
        if turn is not None:
            active.append((redacted(turn), starts))
            starts = False
    return active


def redacted(turn: TurnRecord) -> TurnRecord:
    """Return a turn with keys redacted.

    Redact before encoding: an escaped line break in JSON ends in a letter, so a key after it would
    look like part of a word.
    """
    return replace(
        turn,
        prompt=redact(turn.prompt),
        answer=redact(turn.answer),
        sources=tuple(Source(redact(source.title), redact(source.url)) for source in turn.sources),
        reasoning=redact(turn.reasoning),
        thread=None if turn.thread is None else redact(turn.thread),
        system=None if turn.system is None else redact(turn.system),
        error=None if turn.error is None else redact(turn.error),
        steps=tuple(redacted_step(step) for step in turn.steps),
        images=tuple(
            replace(
                image, name=redact(image.name), url=None if image.url is None else redact(image.url)
            )
            for image in turn.images
        ),
    )


def about(turn: TurnRecord) -> str:
    """Describe which model answered, when, and how the answer ended."""
    served = "" if turn.served_by == "api" else f", served by {turn.served_model or turn.served_by}"
    ended = "" if turn.stop_reason == "stop" else f", ended: {turn.stop_reason}"
    return f"{turn.model}{served}, {turn.sent_at:%Y-%m-%d %H:%M} UTC{ended}"


def export_notebook(conversation: ConversationRecord, turns: Mapping[str, TurnRecord]) -> str:
    """Return a notebook with the recorded answers that sends the prompts again when it runs."""
    cells = [_code_cell("load", "%load_ext cc_jupyter")]
    for turn, starts_new_thread in active_turns(conversation, turns):
        cells += _cells(turn, starts_new_thread=starts_new_thread)
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


def _cells(turn: TurnRecord, *, starts_new_thread: bool) -> list[dict[str, Any]]:
    model = "local" if turn.served_by == "local" else turn.model
    cells, words = [], ["%%cmd", "-m", model, *(["--new"] if starts_new_thread else [])]
    if turn.images:
        named = "; ".join(image.described for image in turn.images)
        note = f"The next prompt had images that are not in this file: {named}"
        cells.append(
            {"cell_type": "markdown", "id": f"i{turn.id[:12]}", "metadata": {}, "source": note}
        )
    prompt = turn.prompt
    system = None if turn.system is None else _quote_option(turn.system)
    if turn.system is not None and system is None:
        name = f"system_{turn.id[:6]}"
        cells.append(_code_cell(f"s{turn.id[:12]}", f"{name} = {turn.system!r}"))
        words += ["-s", f'"{{{{ {name} }}}}"']
        prompt = prompt.replace("{{", "\\{{")  # without --raw, braces are filled in
    else:
        words += ["--raw"] if system is None else ["-s", system, "--raw"]
    if prompt.endswith("\n"):
        prompt += "\n"  # the last line break of a cell is not sent
    source = f"{' '.join(words)}\n{prompt}"
    cells.append(_code_cell(f"t{turn.id[:12]}", source, _outputs(turn)))
    return cells


def _quote_option(text: str) -> str | None:
    """Quote a text for the option line; `None` if it contains both quotes or a line break."""
    if len(f"{text}.".splitlines()) > 1:  # IPython splits lines as `splitlines` does
        return None
    return next((f"{quote}{text}{quote}" for quote in "'\"" if quote not in text), None)


def _outputs(turn: TurnRecord) -> list[dict[str, Any]]:
    shown = shown_text(turn.answer, turn.answer_images, turn.sources)
    if not shown:
        return []
    answer = {"text/markdown": safe_markdown(shown), "text/plain": shown}
    caption = {"text/plain": f"{about(turn)} · replayed from the history"}
    return [
        {"output_type": "display_data", "metadata": metadata(turn.reply), "data": answer},
        *(
            {"output_type": "display_data", "metadata": {}, "data": bundle}
            for bundle in image_bundles(turn.answer_images)
        ),
        {"output_type": "display_data", "metadata": {}, "data": caption},
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


def write_export(
    path: str | Path,
    conversation: ConversationRecord,
    turns: Mapping[str, TurnRecord],
    *,
    overwrite: bool = False,
) -> None:
    """Write a conversation to a file atomically; the extension selects the format.

    Raises
    ------
    OptionError
        The extension is unknown, the file exists, or it cannot be written.
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
            f"{target.name} does not end in a known file extension",
            hint="use .md, .json or .ipynb",
        )
    text = re.sub("[\ud800-\udfff]", "\ufffd", form(conversation, turns))  # not in UTF-8
    try:
        if os.path.lexists(target) and not overwrite:
            raise OptionError(
                f"{target} already exists", hint="%cmd export PATH --overwrite replaces it"
            )
        # as readable as any file the user writes, or as the file that it replaces
        with replace_file(target, mode=0o666, keep_mode=True) as file:
            file.write(text.encode())  # bytes: line endings stay the same on every system
    except OSError as error:
        raise OptionError(f"{target} cannot be written: {error.strerror}") from None


def export_markdown(conversation: ConversationRecord, turns: Mapping[str, TurnRecord]) -> str:
    """Return the active turns as Markdown: prompts are quoted, answers are sanitized."""
    parts = [f"# {redact(conversation.name)}\n"]
    for number, (turn, _) in enumerate(active_turns(conversation, turns), 1):
        parts.append(f"## {number}\n")
        if turn.system is not None:
            parts.append(f"*System prompt{':*' if turn.system else ' from here on: none*'}\n")
        if turn.system:
            parts.append(f"{_quoted(turn.system)}\n\n*Prompt:*\n")
        parts.append(f"{_quoted(turn.prompt)}\n")
        parts += [f"> *{image.described}*\n" for image in turn.images]
        shown = shown_text(turn.answer, turn.answer_images, turn.sources)
        parts.append(f"{safe_markdown(shown)}\n")
        parts += [f"*{image.described}*\n" for image in turn.answer_images if image.data]
        parts.append(f"*{about(turn)}*\n")
        if turn.request_key:  # a link that nothing refers to: no reader shows it
            parts.append(f"[//]: # (request_key {turn.request_key}, sample {turn.sample})\n")
    return "\n".join(parts)


def export_json(conversation: ConversationRecord, turns: Mapping[str, TurnRecord]) -> str:
    """Return every version of every turn as JSON, as `export_schema.json` documents it."""
    places = [
        {
            "cell_id": place.key.cell_id if place.key else None,
            "starts_anew": place.follows_new or place.has_new_option,
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
    """Return the index of the active version among the available ones."""
    available = [each for each in place.versions if each in turns]
    active = place.versions[place.active] if place.active >= 0 else None
    return available.index(active) if active in available else None


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in _LINE_END.split(text))


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
        "answer_images": [image.described for image in turn.answer_images],
        "sources": [{"title": source.title, "url": source.url} for source in turn.sources],
        "reasoning": turn.reasoning,
        "stop_reason": turn.stop_reason,
        "error": turn.error,
        "usage": {name: getattr(turn.usage, name) for name in USAGE_FIELDS},
        "cost": turn.cost.to_json(),
        "first_token_s": turn.time_to_first_token_s,
        "total_s": turn.duration_s,
        "options": None if turn.options is None else turn.options.to_json(),
        "request_key": turn.request_key or None,
        "sample": turn.sample,
        "grid": turn.grid,
        "replayed_from": turn.replayed_from,
        "steps": [_step_json(step) for step in turn.steps],
    }


def _step_json(step: Step) -> dict[str, Any]:
    return {
        "model": step.model,
        "asked": step.asked or None,
        "text": step.text,
        "reasoning": step.reasoning,
        "stop_reason": step.stop_reason,
        "error": step.error,
        "usage": {name: getattr(step.usage, name) for name in USAGE_FIELDS},
        "cost": step.cost.to_json(),
        "first_token_s": step.time_to_first_token_s,
        "total_s": step.duration_s,
        "request_key": step.request_key or None,
        "sample": step.sample,
        "calls": [
            {
                "name": record.call.name,
                "arguments": record.call.arguments_json,
                "ran": record.source,
                "state": record.state,
                "result": record.result.text,
                "is_error": record.result.is_error,
                "duration_s": record.duration_s,
                "replayed": record.replayed,
            }
            for record in step.calls
        ],
    }
