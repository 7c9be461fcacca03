"""The calls of a turn as lines: `1 ✓ lookup(city="Rome") → 3 rows · 12 ms`.

On a page each line unfolds into the whole call, the result as it was sent, and what else there is
to know, such as a traceback. The plain text has the lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.escaping import page_html
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.terminal import safe_line, safe_terminal
from cc_jupyter.core.text import excerpt, pluralize
from cc_jupyter.render.usage_line import seconds
from cc_jupyter.tools.call_source import read_arguments, short_call
from cc_jupyter.tools.question import question_html, question_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cc_jupyter.core.display import Row
    from cc_jupyter.core.steps import CallRecord, Step
    from cc_jupyter.tools.consent import Question

_MARKS = {"ok": "✓", "error": "✗", "interrupted": "✗", "running": "…"}
_NOT_RUN = "\N{EN DASH}"
_LINE_CHARS = 120
_MANY_CALLS = 12
"""With more calls than this the lines are folded too."""
_MAX_CHARS = 100_000
"""Of all details together; more would make a saved notebook slow to open."""
_MIN_CHARS = 400
_PRE = "white-space: pre-wrap; overflow-wrap: anywhere; margin: 2px 0 8px 16px"
_SUMMARY = "cursor: pointer; overflow-wrap: anywhere"


class RunningCall(NamedTuple):
    """A call that has no result yet."""

    source: str
    """As Python source."""
    state: str = "running"
    """What it is doing."""


def trace_line(number: int, record: CallRecord) -> str:
    """Return a call on one line."""
    mark = _MARKS.get(record.state, _NOT_RUN)
    parts = [f"{number} {mark} {_short(record.source or record.call.name)} → {record.shown}"]
    if record.duration_s and record.state not in ("refused", "not run"):
        parts.append(_duration(record.duration_s))
    parts += ["replayed"] if record.replayed else []
    return safe_line(redact(" · ".join(parts)))


def trace_bundle(
    records: Sequence[CallRecord],
    running: RunningCall | None = None,
    question: Question | None = None,
    *,
    max_chars: int = _MAX_CHARS,
) -> dict[str, str]:
    """Return the trace as an output.

    Parameters
    ----------
    running
        The call that is running.
    question
        The call that the user is asked about; it is below the others, in full.
    max_chars
        How much the details may show together.
    """
    lines = [trace_line(number, each) for number, each in enumerate(records, start=1)]
    chars = max(_MIN_CHARS if max_chars else 0, max_chars // max(1, len(records)))
    pages = [_details(line, each, chars) for line, each in zip(lines, records, strict=True)]
    if len(records) > _MANY_CALLS:
        summary = page_html(_summary(records))
        pages = [
            f'<details><summary style="{_SUMMARY}">{summary}</summary>{"".join(pages)}</details>'
        ]
        lines = [_summary(records), *lines]
    if running is not None:
        state = safe_line(
            redact(f"{len(records) + 1} … {_short(running.source)} · {running.state}")
        )
        pages.append(f"<div>{page_html(state)}</div>")
        lines.append(state)
    if question is not None:
        pages.append(question_html(question))
        lines.append(question_text(question))
    return {"text/html": "".join(pages), "text/plain": "\n".join(lines)}


def trace_rows(steps: Iterable[Step]) -> list[Row]:
    """Return a row for each call of a turn."""
    rows: list[Row] = []
    for number, step in enumerate(steps, start=1):
        for record in step.calls:
            rows.append(
                {
                    "call": len(rows) + 1,
                    "step": number,
                    "tool": record.call.name,
                    "state": record.state,
                    "arguments": record.call.arguments_json,
                    "ran": record.source,
                    "result": record.result.text,
                    "shown": record.shown,
                    "seconds": round(record.duration_s, 6),
                    "replayed": record.replayed,
                    "detail": record.detail,
                }
            )
    return rows


def _details(line: str, record: CallRecord, chars: int) -> str:
    """Return a line that unfolds into what is behind it."""
    parts = [
        ("call", record.source),
        ("result, as the model reads it", record.result.text),
        ("notes", record.detail),
    ]
    shown = "".join(
        f"<div><small>{name}</small></div>"
        f'<pre style="{_PRE}">{page_html(_limited(safe_terminal(redact(text)), chars))}</pre>'
        for name, text in parts
        if text
    )
    return f'<details><summary style="{_SUMMARY}">{page_html(line)}</summary>{shown}</details>'


def _limited(text: str, chars: int) -> str:
    if len(text) <= chars:
        return text
    return f"{text[:chars]}… [{chars:,} of {len(text):,} characters; %cmd trace has the rest]"


def _summary(records: Sequence[CallRecord]) -> str:
    """Return how many calls there were, and how they ended."""
    counts: dict[str, int] = {}
    for record in records:
        counts[record.state] = counts.get(record.state, 0) + 1
    states = ", ".join(f"{count:,} {state}" for state, count in counts.items())
    total_s = sum(record.duration_s for record in records)
    return f"{pluralize(len(records), 'call')}: {states} · {_duration(total_s)}"


def _short(source: str) -> str:
    """Return a call on one line, with long arguments cut."""
    if len(source) <= _LINE_CHARS and "\n" not in source:
        return source
    name, _, rest = source.partition("(")
    try:
        line = short_call(name, read_arguments(rest.rstrip().removesuffix(")")))
    except OptionError:
        line = safe_line(source[: 2 * _LINE_CHARS])
    return excerpt(line, _LINE_CHARS)


def _duration(duration_s: float) -> str:
    """Return a time in milliseconds below one second."""
    return f"{1000 * duration_s:.0f} ms" if duration_s < 1 else seconds(duration_s)
