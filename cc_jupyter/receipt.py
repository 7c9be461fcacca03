"""The methods paragraph of a paper: which models answered, how much, and what it cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cc_jupyter.core.display import Page
from cc_jupyter.core.text import counted
from cc_jupyter.core.version import __version__
from cc_jupyter.money import format_sum, total

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from cc_jupyter.conversation.records import LedgerRow


def receipt(  # noqa: PLR0913  what a methods paragraph names
    rows: Sequence[LedgerRow],
    servers: Sequence[LedgerRow],
    *,
    period: str,
    price_date: date,
    threads: int,
    now: datetime,
) -> Page:
    """Write the paragraph.

    Parameters
    ----------
    rows
        One for each model.
    servers
        One for each that answered: `api`, `local`, or a host.
    period
        What the rows add up, in words.
    threads
        How many conversations the requests belonged to.
    """
    whole = total(rows)
    if not whole.requests:
        return Page(f"Nothing was sent ({period}; written {now:%Y-%m-%d}).")
    models = "; ".join(_model(row) for row in rows)
    unknown = ""
    if whole.unknown_tokens:
        unknown = f" (of {counted(whole.unknown_tokens, 'request')} the tokens are unknown)"
    return Page(
        f"Language models were asked with cc_jupyter {__version__} ({period}; written"
        f" {now:%Y-%m-%d}), served by {', '.join(map(_server, servers))}:"
        f" {counted(whole.requests, 'request')} in {counted(threads, 'conversation')},"
        f" of which {whole.failed:,} failed and {whole.interrupted:,} were interrupted."
        f" Models: {models}."
        f" Together {whole.input_tokens:,} prompt tokens ({whole.cache_read_tokens:,} read from"
        f" a cache) and {whole.output_tokens:,} completion tokens{unknown}, as the providers"
        f" reported them. Cost by the price list of {price_date}: {format_sum(whole)}."
    )


def _server(row: LedgerRow) -> str:
    names = {"api": "the Command Code Provider API", "local": "a local model"}
    return f"{names.get(row.group, row.group)} ({counted(row.requests, 'request')})"


def _model(row: LedgerRow) -> str:
    return (
        f"{row.group} ({counted(row.requests, 'request')}, {row.input_tokens:,} tokens in,"
        f" {row.output_tokens:,} out, {format_sum(row)})"
    )
