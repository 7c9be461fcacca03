"""What saved notebooks cost, from the metadata of their outputs alone: no kernel, no history."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from cc_jupyter.errors import OptionError
from cc_jupyter.records import LedgerRow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TOKENS = (
    *("input_tokens", "output_tokens", "cache_read_tokens"),
    *("cache_write_tokens", "reasoning_tokens"),
)


def notebook_usage(path: Path) -> list[LedgerRow]:
    """Give a row for each model that answered in a notebook, by its outputs' metadata.

    Only the answers that still stand in the notebook are known, not the versions before them.

    Raises
    ------
    OptionError
        It is no notebook, or cannot be read.
    """
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise OptionError(f"{path} cannot be read as a notebook: {error}") from None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise OptionError(f"{path} is no notebook of format 4", hint="open and save it once")
    rows: defaultdict[str, LedgerRow] = defaultdict(lambda: LedgerRow(""))
    for about in _abouts(notebook["cells"]):
        model = str(about.get("model"))
        rows[model] = _added(replace(rows[model], group=model), about)
    return list(rows.values())


def _abouts(cells: list[Any]) -> Iterator[dict[str, Any]]:
    for cell in cells:
        outputs = cell.get("outputs") if isinstance(cell, dict) else None
        for output in outputs if isinstance(outputs, list) else ():
            metadata = output.get("metadata") if isinstance(output, dict) else None
            about = metadata.get("cc_jupyter") if isinstance(metadata, dict) else None
            if isinstance(about, dict) and about.get("schema") == 1:
                yield about


def _added(row: LedgerRow, about: dict[str, Any]) -> LedgerRow:
    usage, cost = about.get("usage"), about.get("cost")
    counts = {name: _count(usage, name) for name in _TOKENS}
    usd = _usd(cost)
    estimated = isinstance(cost, dict) and cost.get("origin") == "estimated"
    interrupted = about.get("stop_reason") == "interrupted"
    return replace(
        row,
        requests=row.requests + 1,
        failed=row.failed + (about.get("stop_reason") == "error"),
        interrupted=row.interrupted + interrupted,
        unknown_tokens=row.unknown_tokens
        + (counts["input_tokens"] is None or counts["output_tokens"] is None),
        reported_usd=row.reported_usd + (Decimal(0) if usd is None or estimated else usd),
        estimated_usd=row.estimated_usd + (usd if usd is not None and estimated else Decimal(0)),
        unknown_cost=row.unknown_cost + (usd is None),
        **{name: getattr(row, name) + (count or 0) for name, count in counts.items()},
    )


def _count(usage: object, name: str) -> int | None:
    figure = usage.get(name) if isinstance(usage, dict) else None
    tokens = figure.get("tokens") if isinstance(figure, dict) else None
    return tokens if isinstance(tokens, int) and not isinstance(tokens, bool) else None


def _usd(cost: object) -> Decimal | None:
    text = cost.get("usd") if isinstance(cost, dict) else None
    try:
        usd = Decimal(text) if isinstance(text, str) else None
    except InvalidOperation:
        return None
    return usd if usd is not None and usd.is_finite() else None
