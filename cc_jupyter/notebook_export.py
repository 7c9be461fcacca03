"""A conversation as a notebook that says it all again when it is run, built by hand.

The format is nbformat 4.5; the answers stand in it as saved outputs, with who served them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.redaction import redact
from cc_jupyter.exported_turns import USAGE_FIELDS, about, cost_json, turns_said
from cc_jupyter.render.sanitize import safe_markdown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cc_jupyter.records import ConversationRecord, TurnRecord

_METADATA_SCHEMA = 1
"""Of `metadata_schema.json`, which documents what a saved output carries."""


def export_notebook(conversation: ConversationRecord, turns: Mapping[str, TurnRecord]) -> str:
    """Give a notebook that says it all again when it is run, with the answers it got."""
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
    """Give what the output carried where the answer came, so that it says who served it."""
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
