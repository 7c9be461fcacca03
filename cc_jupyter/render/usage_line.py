"""The usage line under an answer, and the same figures as JSON in the output's metadata.

Each figure is reported, estimated (`~`) or unknown; an unknown count or cost is shown as `?`, since
a missing one would look like zero. Contract: spec.md, section 3.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.events import USAGE_FIELDS
from cc_jupyter.core.money import format_usd
from cc_jupyter.core.terminal import safe_line
from cc_jupyter.core.text import excerpt, pluralize, short_name

if TYPE_CHECKING:
    from cc_jupyter.core.events import Usage
    from cc_jupyter.core.reply import Reply


SCHEMA_VERSION = 2
"""The version of `metadata_schema.json`."""
_MIN_TOKENS_FOR_SPEED = 10
_MAX_TOOLS = 3
_MAX_CHARACTERS = 200
_ENDINGS = {
    "length": "cut at max_tokens, %cmd continue goes on",
    "content_filter": "refused by the model or a filter",
    "interrupted": "interrupted",
}


def usage_line(reply: Reply) -> str:
    """Return the usage line as plain text, always on one line."""
    usage = reply.usage
    figures = [
        _model(reply),
        f"in {_tokens(usage, 'input_tokens')}{_share(usage.cache_read_tokens, 'cached')}",
        f"out {_tokens(usage, 'output_tokens')}{_share(usage.reasoning_tokens, 'reasoning')}",
        _cost(reply),
        *_timing(reply),
        *_ending(reply),
        *(["document order"] if reply.provenance.order == "document" else []),
        *reply.notices,
    ]
    return " · ".join(safe_line(" ".join(figure.split())) for figure in figures)


def has_figures(reply: Reply) -> bool:
    """Return whether a reply gets a line: an answer, or an empty one that was billed."""
    billed = reply.usage.input_tokens or reply.usage.output_tokens
    return bool(reply.text or reply.reasoning or reply.images or billed or reply.error is None)


def usage_bundle(reply: Reply) -> dict[str, str]:
    """Return the line as an output; colour carries no meaning, and screen readers read it."""
    line = usage_line(reply)
    style = "color: var(--jp-ui-font-color2, inherit)"
    return {
        "text/html": f'<small style="{style}">{html.escape(line)}</small>',
        "text/plain": line,
    }


def metadata(reply: Reply) -> dict[str, Any]:
    """Return what a saved notebook stores about a reply in addition to its text."""
    provenance = reply.provenance
    return {
        "cc_jupyter": {
            "schema": SCHEMA_VERSION,
            "model": reply.model,
            "endpoint": provenance.endpoint,
            "served_by": provenance.served_by,
            "usage": {name: _count(reply.usage, name) for name in USAGE_FIELDS},
            "cost": reply.cost.to_json(),
            "timings": {
                "first_token_s": _rounded(reply.time_to_first_token_s),
                "total_s": _rounded(reply.duration_s),
            },
            "thread": provenance.thread,
            "turn": provenance.turn,
            "turn_id": provenance.turn_id,
            "stop_reason": reply.stop_reason,
            "request_sha256": provenance.request_sha256,
            "request_key": provenance.request_key,
            "sample": provenance.sample,
            "grid": provenance.grid,
            "replayed_from": provenance.replayed_from,
            # only if it is not the default
            **({"order": "document"} if provenance.order == "document" else {}),
        }
    }


def _count(usage: Usage, name: str) -> dict[str, Any]:
    tokens = getattr(usage, name)
    if tokens is None:
        return {"tokens": None, "origin": "unknown"}
    origin = "estimated" if name in (usage.estimated or ()) else "reported"
    return {"tokens": tokens, "origin": origin}


def _model(reply: Reply) -> str:
    served = reply.provenance.served_model
    if served is None:
        return short_name(reply.model)
    if served.casefold() == reply.model.casefold():
        return served
    return f"{short_name(reply.model)} played by {served}"


def _tokens(usage: Usage, name: str) -> str:
    tokens = getattr(usage, name)
    if tokens is None:
        return "?"
    return f"~{tokens:,}" if name in (usage.estimated or ()) else f"{tokens:,}"


def _share(tokens: int | None, name: str) -> str:
    return f" ({tokens:,} {name})" if tokens else ""


def _cost(reply: Reply) -> str:
    if reply.replayed:
        return _replayed_cost(reply)
    if reply.provenance.served_by == "local":
        return "$0 (local)"
    return _billed_cost(reply)


def _replayed_cost(reply: Reply) -> str:
    """Name the recording's date, and what the answer cost then; a local model's cost nothing."""
    recorded_at = reply.provenance.recorded_at
    on = f" on {recorded_at.astimezone().date().isoformat()}" if recorded_at else ""
    was = "local" if reply.provenance.served_model else f"was {_billed_cost(reply)}"
    return f"replayed · $0 ({was}{on})"


def _billed_cost(reply: Reply) -> str:
    usd, unpriced = reply.cost.usd, ", ".join(reply.cost.unpriced)
    is_estimated = reply.cost.origin == "estimated"
    shown = "$?" if usd is None else format_usd(usd, estimated=is_estimated)
    return f"{shown} (not priced: {unpriced})" if unpriced else shown


def _timing(reply: Reply) -> list[str]:
    first_s = reply.time_to_first_token_s
    if first_s is None or reply.replayed:
        return []
    speed = tokens_per_s(reply)
    shown = [f"{seconds(first_s)} to first token"]
    return shown if speed is None else [*shown, f"{speed:,.0f} tok/s"]


def tokens_per_s(reply: Reply) -> float | None:
    """Return the output tokens a second after the first one; `None`: unknown, or too few."""
    first_s, tokens = reply.time_to_first_token_s, reply.usage.output_tokens
    if first_s is None or tokens is None or tokens < _MIN_TOKENS_FOR_SPEED:
        return None
    streaming_s = reply.duration_s - first_s
    return tokens / streaming_s if streaming_s > 0 else None


def _ending(reply: Reply) -> list[str]:
    if reply.stop_reason == "stop":
        ends = []
    elif reply.stop_reason == "tool_call":
        ends = _tools(reply)
    elif reply.stop_reason == "unknown":
        word = f": {reply.stop_word}" if reply.stop_word else ""
        ends = [excerpt(f"ended for an unknown reason{word}", _MAX_CHARACTERS)]
    elif reply.stop_word == "model_context_window_exceeded":
        ends = ["cut: the context window is full"]
    elif reply.stop_reason == "error":
        ends = [_failure(reply)]
    else:
        ends = [_ENDINGS[reply.stop_reason]]
    has_nothing_else = not reply.text and not reply.images and reply.error is None
    if has_nothing_else and (reply.reasoning or reply.usage.reasoning_tokens):
        ends.append("reasoning only, no text")
    return ends


def _tools(reply: Reply) -> list[str]:
    """Name the first tools asked for, and count the others: a model may ask for thousands."""
    names = [excerpt(call.name) for call in reply.tool_calls[:_MAX_TOOLS]]
    ends = [f"asked for the tool {name}, not run" for name in names] or ["asked for a tool"]
    if others := len(reply.tool_calls) - len(names):
        ends.append(f"and for {pluralize(others, 'more tool')}, not run")
    return ends


def _failure(reply: Reply) -> str:
    """Name the provider's own error; an answer without one was cut or empty."""
    if code := getattr(reply.error, "code", None):
        return f"broken off: {code}"
    return "connection lost" if reply.text or reply.reasoning else "empty answer"


def seconds(value_s: float) -> str:
    """Return a duration for reading: `250 ms`, `1.2 s`."""
    return f"{value_s * 1000:.0f} ms" if value_s < 0.1 else f"{value_s:.1f} s"  # noqa: PLR2004


def _rounded(value_s: float | None) -> float | None:
    return None if value_s is None else round(value_s, 4)
