"""A grid while it runs: one output that is redrawn, and replaced by the final view.

Up to six combinations are columns with the last lines of their answers; more are rows of one line.
The tails are plain text: an answer that is still arriving is drawn often and read once. How long
they are follows from the room that the output leaves, so the bytes stay within their limit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from time import monotonic
from typing import TYPE_CHECKING

from cc_jupyter.core.escaping import page_html
from cc_jupyter.core.events import Notice, ReasoningDelta, TextDelta, Usage
from cc_jupyter.core.money import EXACT, Cost, format_usd
from cc_jupyter.core.terminal import safe_line, safe_terminal
from cc_jupyter.core.text import excerpt, pluralize
from cc_jupyter.experiments.figures import answer_replies, total_cost
from cc_jupyter.experiments.grid_columns import (
    FAILED,
    PASSED,
    column_name,
    failure_word,
    letters,
    shuffled,
)
from cc_jupyter.experiments.grid_page import grid_bundle, grid_metadata, shown_characters
from cc_jupyter.render.usage_line import seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cc_jupyter.core.events import StreamEvent
    from cc_jupyter.experiments.grid import Grid, GridAnswer
    from cc_jupyter.experiments.plan import Combination, Plan
    from cc_jupyter.session.live_output import RunOutput


_MAX_COLUMNS = 6
_MAX_ROWS = 30
"""More are counted; those that are at work come first."""
_TAIL_CHARACTERS = 600
_ROW_CHARACTERS = 100
_MIN_CHARACTERS = 30
"""Shown of each tail even if there is little room: the first words of an answer."""
_COLUMN_BYTES = 160
"""Of a column or a row without its tail."""
_BYTES_PER_TOKEN = 4
# the output is trusted while it runs, so the styles need not be repeated in each element
_STYLE = """<style>
.cc-live { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 240px), 1fr)); \
gap: 12px; margin: 8px 0 }
.cc-live > div { min-width: 0; border: 1px solid rgba(128, 128, 128, 0.4); padding: 8px 10px; \
overflow-wrap: break-word }
.cc-live > div > div + div { height: 7.5em; line-height: 1.5; display: flex; \
flex-direction: column; justify-content: end; overflow: hidden; white-space: pre-wrap }
.cc-live p { margin: 0 0 auto }
.cc-rows { overflow-x: auto } .cc-rows td { text-align: left !important; \
white-space: nowrap }
</style>"""


@dataclass(slots=True)
class _Progress:
    """One answer so far."""

    state: str = "waiting"
    started_s: float | None = None
    pieces: list[str] = field(default_factory=list)
    """The end of its text; joined when it is drawn."""
    text_bytes: int = 0
    usage: Usage | None = None
    finished: GridAnswer | None = None
    duration_s: float = 0.0

    @property
    def is_running(self) -> bool:
        return self.started_s is not None and self.finished is None

    def tail(self, characters: int) -> str:
        """Return the end of the text."""
        text = "".join(self.pieces)[-_TAIL_CHARACTERS:]
        self.pieces[:] = [text]
        return safe_terminal(text[-characters:]) if characters > 0 else ""


class GridView:
    """Shows a grid while it runs and at its end; called on the cell's thread only.

    Parameters
    ----------
    plan
        The plan that runs.
    output
        Where it is shown.
    before
        The grid whose failures are sent again; `None`: all of the plan is sent.
    is_blind
        Whether nothing may tell the models apart: then only the numbers of answers are shown.
    remote_images
        Whether images from the web stay images.
    now
        Returns the time in seconds.
    """

    def __init__(  # noqa: PLR0913  what is shown, where, and how
        self,
        plan: Plan,
        output: RunOutput,
        *,
        before: Grid | None = None,
        is_blind: bool = False,
        remote_images: bool = False,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._plan = plan
        self._output = output
        self._is_blind = is_blind
        self._remote_images = remote_images
        self._now = now
        self._started_s = now()
        self._cells = [_Progress() for _ in plan.cells]
        if before is not None:
            for cell, answer in zip(self._cells, before.answers, strict=True):
                cell.finished = None if answer.failed else answer
        self._names = [_name(plan, each, is_blind=is_blind) for each in plan.combinations]
        self._received_bytes = self._received_characters = 0
        self._shown_bytes = 0  # of the answers so far, those that the final view shows
        self._most_bytes = shown_characters(len(plan))
        self._is_dirty = True
        self._is_urgent = False
        self._clock = ""  # the elapsed time as last drawn

    def on_started(self, index: int) -> None:
        """Take note that a request is sent; `index` is its place in `Plan.cells`."""
        cell = self._cells[index]
        cell.state, cell.started_s = "sent", self._now()
        self._is_dirty = True

    def on_event(self, index: int, event: StreamEvent) -> None:
        """Take the next event of an answer."""
        cell = self._cells[index]
        match event:
            case TextDelta(text):
                if not cell.text_bytes:
                    self._is_urgent = True
                size = len(text.encode("utf-8", "replace"))
                cell.state = "writing"
                cell.pieces.append(text)
                self._shown_bytes += max(0, min(size, self._most_bytes - cell.text_bytes))
                cell.text_bytes += size
                self._received_bytes += size
                self._received_characters += len(text)
            case ReasoningDelta() if cell.state != "writing":
                cell.state = "thinking"
            case Usage():
                cell.usage = event
            case Notice(text):
                cell.state = excerpt(safe_line(text))
            case _:
                return
        self._is_dirty = True

    def on_finished(self, index: int, answer: GridAnswer) -> None:
        """Take a finished answer, or why there is none."""
        cell = self._cells[index]
        cell.finished = answer
        if cell.started_s is not None:
            cell.duration_s = self._now() - cell.started_s
        if not cell.text_bytes and answer.reply.text:  # replayed or repaired without events
            cell.pieces.append(answer.reply.text)
        self._is_dirty = True
        self._output.line(self._finished_line(answer))

    def draw(self) -> None:
        """Draw if it is time and something has changed."""
        # the final output holds each text twice: as HTML and as text
        self._output.expect(2 * self._shown_bytes)
        if not (self._is_dirty or self._clock_text() != self._clock):
            return
        if self._output.is_due(urgent=self._is_urgent):
            self._clock = self._clock_text()
            self._is_dirty = self._is_urgent = False
            self._output.show(self._bundle(self._output.room_bytes))

    def finish(self, grid: Grid) -> None:
        """Replace the live output by the final one, and again when a blind grid is revealed."""
        self._show_final(grid)
        if grid.hides_models:
            grid.revealed.connect(lambda: self._show_final(grid))

    def _show_final(self, grid: Grid) -> None:
        bundle = grid_bundle(grid, remote_images=self._remote_images)
        self._output.finish(bundle, grid_metadata(grid))

    @property
    def _bytes_per_character(self) -> float:
        """Of the answers so far; a few of their characters are escaped."""
        return 1.1 * self._received_bytes / max(1, self._received_characters) or 1.0

    def _finished_line(self, answer: GridAnswer) -> str:
        """Return a line for front ends that cannot redraw an output."""
        done = sum(cell.finished is not None for cell in self._cells)
        parts = [f"{done:,} of {len(self._cells):,}", self._names[answer.combination.index]]
        if self._plan.samples > 1:
            parts.append(f"sample {answer.sample + 1:,}")
        parts.append(failure_word(answer) if answer.failed else "done")
        if not self._is_blind:
            cost = total_cost(answer_replies([answer]))
            parts += [str(cost), seconds(answer.reply.duration_s)]
        return " · ".join(parts)

    def _bundle(self, room_bytes: int) -> dict[str, str]:
        line = self._status_line()
        shown = [f"<div>{page_html(line)}</div>"]
        if not self._is_blind and room_bytes:
            count = min(len(self._names), _MAX_ROWS)
            spare_bytes = room_bytes - len(_STYLE) - count * _COLUMN_BYTES
            characters = max(_MIN_CHARACTERS, int(spare_bytes / count / self._bytes_per_character))
            draw = self._columns_html if len(self._names) <= _MAX_COLUMNS else self._rows_html
            shown += [_STYLE, draw(characters)]
        return {"text/html": "".join(shown), "text/plain": line}

    def _status_line(self) -> str:
        """Return the numbers of answers, the cost so far, and the time it takes."""
        finished = [cell.finished for cell in self._cells if cell.finished is not None]
        unsendable = self._plan.samples * sum(
            each.error is not None for each in self._plan.combinations
        )
        failed = sum(answer.failed for answer in finished)
        running = sum(cell.is_running for cell in self._cells)
        waiting = len(self._cells) - len(finished) - running - unsendable
        parts = [
            f"{len(finished) - failed:,} of {len(self._cells):,} done",
            *([f"{failed + unsendable:,} failed"] if failed + unsendable else []),
            *([f"{running:,} running"] if running else []),
            *([f"{waiting:,} waiting"] if waiting else []),
        ]
        if not self._is_blind:
            parts.append(self._cost_text(range(len(self._cells))))
        parts.append(self._clock_text())
        if left_s := self._left_s():
            parts.append(f"about {_duration(left_s)} left")
        return " · ".join(filter(None, parts))

    def _clock_text(self) -> str:
        """Return the elapsed time, in steps that grow: each of them is an update."""
        elapsed_s = self._now() - self._started_s
        step_s = 1 if elapsed_s < 10 else 5 if elapsed_s < 60 else 30  # noqa: PLR2004  the steps
        return _duration(elapsed_s // step_s * step_s)

    def _left_s(self) -> float | None:
        """Estimate the time left from the answers that are done.

        `None`: none is, or those that run take more than twice as long, so that they tell nothing.
        """
        durations = [cell.duration_s for cell in self._cells if cell.duration_s]
        running = [cell for cell in self._cells if cell.is_running]
        if not durations or not running:
            return None
        usual_s = sum(durations) / len(durations)
        now_s = self._now()
        rest_s = max(usual_s - (now_s - (cell.started_s or now_s)) for cell in running)
        if rest_s < -usual_s:
            return None
        waiting = sum(
            cell.finished is None and cell.started_s is None and combination.error is None
            for cell, (combination, _) in zip(self._cells, self._plan.cells, strict=True)
        )
        return max(1.0, rest_s) + usual_s * waiting / len(running)

    def _places(self, combination: Combination) -> range:
        first = combination.index * self._plan.samples
        return range(first, first + self._plan.samples)

    def _columns_html(self, characters: int) -> str:
        columns = []
        for combination, name in zip(self._plan.combinations, self._names, strict=True):
            tail = page_html(self._tail(combination, min(characters, _TAIL_CHARACTERS)).strip("\n"))
            columns.append(
                f"<div><strong>{page_html(name)}</strong>"
                f"<div><small>{page_html(self._state_line(combination))}</small></div>"
                f"<div><p>{tail}</p></div></div>"
            )
        return f'<div class="cc-live">{"".join(columns)}</div>'

    def _rows_html(self, characters: int) -> str:
        """Return a row for each combination; those at work come first if there are too many."""
        combinations: Sequence[Combination] = self._plan.combinations
        if len(combinations) > _MAX_ROWS:
            ordered = sorted(combinations, key=lambda each: not self._is_at_work(each))
            combinations = sorted(ordered[:_MAX_ROWS], key=lambda each: each.index)
        rows = []
        for combination in combinations:
            tail = safe_line(self._tail(combination, min(characters, _ROW_CHARACTERS)))
            rows.append(
                f"<tr><td>{page_html(self._names[combination.index])}</td>"
                f"<td>{page_html(self._state_line(combination))}</td><td>{page_html(tail)}</td></tr>"
            )
        left_out = len(self._plan.combinations) - len(combinations)
        more = f"<div>and {pluralize(left_out, 'more combination')}</div>" if left_out else ""
        return f'<div class="cc-rows"><table>{"".join(rows)}</table></div>{more}'

    def _is_at_work(self, combination: Combination) -> bool:
        return any(self._cells[place].is_running for place in self._places(combination))

    def _tail(self, combination: Combination, characters: int) -> str:
        """Return the end of the sample that is arriving, or of the last one that has arrived."""
        cells = [self._cells[place] for place in self._places(combination)]
        with_text = [cell for cell in cells if cell.pieces]
        running = [cell for cell in with_text if cell.is_running]
        shown = running[:1] or with_text[-1:]
        return shown[0].tail(characters) if shown else ""

    def _state_line(self, combination: Combination) -> str:
        """Return what a combination is doing, its tokens and cost so far."""
        if combination.error is not None:
            return f"{FAILED} {excerpt(safe_line(str(combination.error)), 2 * _ROW_CHARACTERS)}"
        places = self._places(combination)
        cells = [self._cells[place] for place in places]
        finished = [cell.finished for cell in cells if cell.finished is not None]
        failed = [answer for answer in finished if answer.failed]
        if len(finished) < len(cells):
            running = [cell.state for cell in cells if cell.is_running]
            state = running[0] if running else "waiting"
        else:
            state = f"{PASSED} done" if not failed else f"{FAILED} {failure_word(failed[0])}"
        parts = [state]
        if len(cells) > 1:
            parts.append(f"{len(finished):,} of {len(cells):,}")
            parts += [f"{len(failed):,} failed"] if failed else []
        tokens = [self._output_tokens(cell) for cell in cells]
        if total := sum(count for count, _ in tokens):
            mark = "~" if any(is_estimated for _, is_estimated in tokens) else ""
            parts.append(f"{mark}{total:,} tok")
        parts.append(self._cost_text(places))
        return " · ".join(filter(None, parts))

    def _output_tokens(self, cell: _Progress) -> tuple[int, bool]:
        """Return the output tokens of an answer, and whether they are estimated."""
        usage = cell.usage if cell.finished is None else cell.finished.reply.usage
        if usage is not None and usage.output_tokens and cell.finished is not None:
            return usage.output_tokens, "output_tokens" in (usage.estimated or ())
        # a count that arrives early is that of the first piece
        known = (usage and usage.output_tokens) or 0
        return max(known, cell.text_bytes // _BYTES_PER_TOKEN), bool(cell.text_bytes)

    def _cost_text(self, places: range) -> str:
        """Return the cost so far; the answers that are arriving are estimated."""
        costs = [self._cost(place) for place in places]
        known = [cost for cost in costs if cost is not None and cost.usd is not None]
        if not known:
            return ""
        is_estimated = any(cost.origin == "estimated" for cost in known)
        with localcontext(EXACT):
            usd = sum((cost.usd for cost in known if cost.usd is not None), Decimal(0))
        unknown = any(cost is not None and cost.usd is None for cost in costs)
        return f"{format_usd(usd, estimated=is_estimated)}{' + $?' if unknown else ''}"

    def _cost(self, place: int) -> Cost | None:
        """Return the cost of an answer so far; `None`: nothing has arrived."""
        cell = self._cells[place]
        if cell.finished is not None:
            return cell.finished.reply.cost
        prepared = self._plan.combinations[place // self._plan.samples].prepared
        usage = cell.usage
        if prepared is None or usage is None or usage.input_tokens is None:
            return None
        tokens, is_estimated = self._output_tokens(cell)
        counts = Usage(
            usage.input_tokens,
            tokens,
            usage.cache_read_tokens,
            usage.cache_write_tokens,
            estimated=("output_tokens",) if is_estimated else None,
        )
        return prepared.cost(counts, datetime.now(UTC))


def _name(plan: Plan, combination: Combination, *, is_blind: bool) -> str:
    if not is_blind:
        return column_name(combination)
    return letters([each.index for each in shuffled(plan)].index(combination.index))


def _duration(value_s: float) -> str:
    """Return a duration in whole seconds or minutes."""
    minutes, rest_s = divmod(round(value_s), 60)
    if not minutes:
        return f"{rest_s} s"
    return f"{minutes} min {rest_s} s" if rest_s else f"{minutes} min"
