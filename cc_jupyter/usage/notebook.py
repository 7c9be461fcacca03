"""Add up the cost of saved notebooks from their output metadata, without kernel or history."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.events import USAGE_FIELDS, Usage
from cc_jupyter.core.money import Cost
from cc_jupyter.usage.ledger import request_row, total

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cc_jupyter.conversation.records import LedgerRow


_SCHEMAS = (1, 2)
"""The versions of `metadata_schema.json` in saved notebooks."""
_USD = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,40})?")
"""The pattern in `metadata_schema.json`, limited to plausible lengths."""


def notebook_usage(path: Path) -> list[LedgerRow]:
    """Return the sums for each model that answered in a notebook.

    Only answers that are still in the notebook count; earlier versions are unknown.

    Raises
    ------
    OptionError
        The file is not a notebook, or cannot be read.
    """
    try:
        notebook = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise OptionError(f"{path} cannot be read as a notebook: {error}") from None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise OptionError(
            f"{path} is not a notebook of format 4", hint="open and save it in Jupyter"
        )
    answers: defaultdict[str, list[LedgerRow]] = defaultdict(list)
    for provenance in _provenances(notebook["cells"]):
        answer = _row(provenance)
        answers[answer.group].append(answer)
    return [total(rows, model) for model, rows in answers.items()]


def _provenances(cells: list[Any]) -> Iterator[dict[str, Any]]:
    for cell in cells:
        outputs = cell.get("outputs") if isinstance(cell, dict) else None
        for output in outputs if isinstance(outputs, list) else ():
            metadata = output.get("metadata") if isinstance(output, dict) else None
            found = metadata.get("cc_jupyter") if isinstance(metadata, dict) else None
            if isinstance(found, dict) and found.get("schema") in _SCHEMAS:
                yield from _answers(found)


def _answers(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the answers that an output is about: one, or those of a grid."""
    answers = found.get("answers", [found])
    return [each for each in answers if isinstance(each, dict)] if isinstance(answers, list) else []


def _row(provenance: dict[str, Any]) -> LedgerRow:
    usage, cost, model = provenance.get("usage"), provenance.get("cost"), provenance.get("model")
    counts: dict[str, Any] = {name: _count(usage, name) for name in USAGE_FIELDS}
    estimated = isinstance(cost, dict) and cost.get("origin") == "estimated"
    return request_row(
        model if isinstance(model, str) and model else "?",
        Usage(**counts),
        Cost(_usd(cost), "estimated" if estimated else "reported", None),
        failed=provenance.get("stop_reason") == "error",
        interrupted=provenance.get("stop_reason") == "interrupted",
    )


def _count(usage: object, name: str) -> int | None:
    figure = usage.get(name) if isinstance(usage, dict) else None
    is_reported = isinstance(figure, dict) and figure.get("origin") != "estimated"
    tokens = figure.get("tokens") if isinstance(figure, dict) and is_reported else None
    return tokens if type(tokens) is int and tokens >= 0 else None


def _usd(cost: object) -> Decimal | None:
    """Return an amount; in any other format than ours it is unknown."""
    text = cost.get("usd") if isinstance(cost, dict) else None
    return Decimal(text) if isinstance(text, str) and _USD.fullmatch(text) else None
