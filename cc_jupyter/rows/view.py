"""A run over rows on a page or in a terminal: one line while it runs, a summary at the end.

The final output is HTML without scripts or widgets, with inline styles only, and a text that says
the same. Labels, errors and answers are foreign text and go through the door for such.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from cc_jupyter.core.escaping import page_html
from cc_jupyter.core.money import format_usd
from cc_jupyter.core.terminal import safe_line
from cc_jupyter.core.text import excerpt, pluralize

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.rows.progress import Progress
    from cc_jupyter.session.live_output import RunOutput


_INTERVAL_S = 0.25
"""At most four updates a second."""
_LINE_INTERVAL_S = 10.0
"""How often a front end that cannot redraw an output gets a line."""
_LABEL_CHARS = 30
_ERROR_CHARS = 200
_ANSWER_CHARS = 80
_MINUTE_S = 60
_HOUR_S = 3600
_SMALL = "font-size: 85%; overflow-wrap: break-word; margin: 2px 0"
_CELL = "text-align: left; vertical-align: top; padding: 2px 8px; overflow-wrap: anywhere"
_FINAL_BYTES = 1_500


class RowProgressView:
    """Shows a run; called on the cell's thread only.

    Parameters
    ----------
    output
        Where it is shown.
    name
        The variable that gets the result; `None`: there is none.
    now
        Returns the time in seconds.
    """

    def __init__(
        self, output: RunOutput, name: str | None, *, now: Callable[[], float] = monotonic
    ) -> None:
        self._output = output
        self._name = name
        self._now = now
        self._drawn_s: float | None = None
        self._line_s = now()
        self._shown = ""
        output.expect(_FINAL_BYTES)

    def draw(self, progress: Progress) -> None:
        """Draw the line if it is time and it has changed."""
        now_s = self._now()
        if now_s - self._line_s >= _LINE_INTERVAL_S:
            self._line_s = now_s
            self._output.line(running_line(progress))
        if self._drawn_s is not None and now_s - self._drawn_s < _INTERVAL_S:
            return
        if not self._output.is_due():
            return
        line = running_line(progress)
        if line == self._shown:
            return
        self._drawn_s, self._shown = now_s, line
        first = first_line(progress)
        self._output.show(
            {
                "text/html": f"<div>{page_html(first)}</div><div>{page_html(line)}</div>",
                "text/plain": f"{first}\n{line}",
            }
        )

    def finish(self, progress: Progress) -> None:
        """Replace the line by the summary."""
        self._output.finish(final_bundle(progress, self._name), {})


def first_line(progress: Progress) -> str:
    """Return what is known before anything is sent: rows, equal ones, stored ones."""
    parts = [pluralize(progress.rows, "row")]
    if progress.preview_of is not None:
        parts[0] = f"preview of {parts[0]} of {progress.preview_of:,}"
    if progress.equal:
        parts.append(f"{progress.equal:,} equal to others and not sent again")
    if progress.cached:
        parts.append(f"{progress.cached:,} answered before{_when(progress)}")
    if progress.recorded:
        parts.append(f"{progress.recorded:,} from the cassette")
    parts.append(f"{pluralize(progress.requests - progress.recorded, 'request')} to send")
    return " · ".join(parts)


def running_line(progress: Progress) -> str:
    """Return how far it is, how fast, and what it costs."""
    parts = [f"{progress.ended:,} of {progress.requests:,} done"]
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    if progress.waiting:
        parts.append(f"{progress.waiting:,} wait for the rate limit")
    if progress.ended:
        parts.append(f"{progress.requests_per_s:,.1f} rows/s")
        tokens = (progress.input_tokens + progress.output_tokens) / (progress.elapsed_s or 1)
        parts.append(f"{tokens:,.0f} tokens/s")
    parts.append(_money(progress, is_running=True))
    if (left_s := progress.left_s) is not None and progress.ended:
        parts.append(f"{duration(left_s)} left")
    return " · ".join(parts)


def summary_line(progress: Progress) -> str:
    """Return what came of the run."""
    answered = progress.done + progress.cached
    parts = [f"{answered:,} of {progress.requests + progress.cached:,} requests answered"]
    if progress.cached:
        parts.append(f"{progress.cached:,} of them before{_when(progress)}")
    if progress.equal:
        parts.append(f"{pluralize(progress.equal, 'equal row')} not sent again")
    if progress.failed:
        reasons = ", ".join(
            f"{reason} {count:,}" for reason, count in progress.reasons.most_common()
        )
        parts.append(f"{progress.failed:,} failed ({reasons})")
    if progress.refusals:
        parts.append(f"refused as too many {progress.refusals:,} times")
    tokens = f"{progress.input_tokens:,} in, {progress.output_tokens:,} out"
    parts += [tokens, _money(progress, is_running=False), duration(progress.elapsed_s)]
    return " · ".join(parts)


def final_bundle(progress: Progress, name: str | None) -> dict[str, str]:
    """Return the summary as an output."""
    title = pluralize(progress.rows, "row")
    if progress.preview_of is not None:
        title = f"preview: {progress.rows:,} of {pluralize(progress.preview_of, 'row')}"
    if name:
        title = f"{title} \N{RIGHTWARDS ARROW} {name}"
    notes = [safe_line(note) for note in (*progress.notices, *_after(progress))]
    failures = [
        (excerpt(safe_line(str(label)), _LABEL_CHARS), excerpt(safe_line(str(error)), _ERROR_CHARS))
        for label, error in progress.examples
    ]
    shown = [
        (excerpt(safe_line(str(label)), _LABEL_CHARS), excerpt(safe_line(text), _ANSWER_CHARS))
        for label, text in progress.shown
    ]
    summary = summary_line(progress)
    lines = [f"{title}: {summary}", *(f"  {label}: {text}" for label, text in shown)]
    lines += [f"  row {label}: {error}" for label, error in failures]
    html = f"<div><strong>{page_html(title)}</strong> {page_html(summary)}</div>"
    if shown:
        html += _table([("row", "answer"), *shown])
    if failures:
        html += _table([("row", "why it failed"), *failures])
    html += "".join(f'<div style="{_SMALL}">{page_html(note)}</div>' for note in notes)
    return {"text/html": f"<div>{html}</div>", "text/plain": "\n".join([*lines, *notes])}


def duration(value_s: float) -> str:
    """Return a duration for reading: `12 s`, `3:05 min`, `2:10 h`."""
    whole_s = round(value_s)
    if whole_s < _MINUTE_S:
        return f"{value_s:.1f} s" if whole_s < 10 else f"{whole_s} s"  # noqa: PLR2004  a digit more
    if whole_s < _HOUR_S:
        return f"{whole_s // 60}:{whole_s % 60:02} min"
    return f"{whole_s // 3600}:{whole_s % 3600 // 60:02} h"


def _money(progress: Progress, *, is_running: bool) -> str:
    """Return what is spent, and what all is expected to cost."""
    spent = format_usd(progress.spent_usd)
    if progress.replayed:
        was = format_usd(progress.replayed_usd)
        spent = f"{progress.replayed:,} replayed for $0 (was {was})"
        if progress.replayed < progress.done:
            spent += f" · {format_usd(progress.spent_usd)}"
    elif progress.is_local:
        return "free (local model)"
    if progress.unknown_cost:
        spent = f"{spent} and {pluralize(progress.unknown_cost, 'request')} of unknown cost"
    expected = progress.projected_usd
    if expected is None or (not is_running and progress.preview_of is None):
        return spent
    interval = progress.projected_interval_usd
    between = "" if interval is None else f" ({' to '.join(map(format_usd, interval))})"
    what = "all rows" if progress.preview_of is not None else "all"
    return f"{spent} of {format_usd(expected, estimated=True)}{between} for {what}"


def _after(progress: Progress) -> list[str]:
    """Return how to go on."""
    notes = [progress.stopped] if progress.stopped else []
    if progress.is_interrupted:
        notes.append(
            "interrupted: what has finished is kept; run it again to send the other"
            f" {progress.left:,}"
        )
    elif progress.preview_of is not None:
        notes.append("the full run sends only the rest: leave the preview out")
    elif progress.failed:
        notes.append(progress.advice)
    if progress.unsaved:
        notes.append(progress.unsaved)
    if progress.is_local and not progress.replayed:
        notes.append("a rehearsal on the local model: any other model is sent all rows")
    if progress.is_kept_here_only and not progress.replayed:
        notes.append("the history is off: finished rows are kept in this kernel only")
    return notes


def _when(progress: Progress) -> str:
    """Return when the stored answers came."""
    since, until = progress.cached_since, progress.cached_until
    if since is None or until is None:
        return ""
    first, last = since.astimezone().date(), until.astimezone().date()
    return f", on {first}" if first == last else f", {first} to {last}"


def _table(rows: list[tuple[str, str]]) -> str:
    head, *body = rows
    cells = "".join(f'<th style="{_CELL}">{page_html(each)}</th>' for each in head)
    lines = "".join(
        "<tr>" + "".join(f'<td style="{_CELL}">{page_html(each)}</td>' for each in row) + "</tr>"
        for row in body
    )
    return (
        '<div style="overflow-x: auto; max-width: 100%" tabindex="0"><table><thead><tr>'
        f"{cells}</tr></thead><tbody>{lines}</tbody></table></div>"
    )
