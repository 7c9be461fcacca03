"""A model at 200 tokens a second: the cost of displaying it, and the lag of the screen.

The lag of a token is the time from the provider's send to the first message after which the front
end holds as many visible characters as the answer has up to that token. Blank space is not
counted, since Markdown blocks may lose some at their ends.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import controls
from figures import Figure, in_turn
from lab import Lab, Measured
from support.kernel_harness import CellRun, _Board
from support.provider import prose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from support.kernel_harness import Kernel

_BLANK = re.compile(r"\s+")
_WIRES = (("chat", "test/burst-{}@5ms"), ("messages", "claude-test-burst-{}@5ms"))


@dataclass(frozen=True)
class _Paced:
    messages_a_second: float
    bytes_to_text: float
    lags_ms: list[float]


def run(*, quick: bool) -> list[Figure]:
    """Measure."""
    figures = []
    count = 400 if quick else 2_000
    with Lab() as lab:
        lab.list_models(*(model.format(count) for _, model in _WIRES))
        ours, plain = lab.our_kernel(), lab.plain_kernel()
        for wire, form in _WIRES:
            model = form.format(count)
            mine, theirs = in_turn(
                1 if quick else 3,
                _measure(lab, ours, controls.cmd(model), model, count),
                _measure(lab, plain, f"plain({model!r})", model, count),
            )
            figures += _figures(f"paced {count:,} tokens, 5 ms apart ({wire})", mine, theirs)
    return figures


def _figures(name: str, mine: Sequence[_Paced], theirs: Sequence[_Paced]) -> list[Figure]:
    def all_lags(samples: Sequence[_Paced]) -> list[float]:
        return [lag for sample in samples for lag in sample.lags_ms]

    def both(of: Callable[[_Paced], float]) -> tuple[list[float], list[float]]:
        return [*map(of, mine)], [*map(of, theirs)]

    messages = both(lambda paced: paced.messages_a_second)
    data = both(lambda paced: paced.bytes_to_text)
    return [
        Figure(f"{name}: iopub messages a second", "/s", *messages, 31),
        Figure(f"{name}: iopub bytes / text", "x", *data, 60, 40),
        Figure(f"{name}: lag", "ms", all_lags(mine), all_lags(theirs), 20, 17, 40, 34),
    ]


def _measure(lab: Lab, kernel: Kernel, code: str, model: str, count: int) -> Callable[[], _Paced]:
    def measure() -> _Paced:
        cell = lab.measure(kernel, code)
        tokens = prose(count)
        sent_s = _sent_s(cell, model, count)
        return _Paced(
            len(cell.run.messages) / (sent_s[-1] - sent_s[0]),
            cell.run.data_bytes / len("".join(tokens).encode()),
            [*_lags_ms(cell.run, tokens, sent_s)],
        )

    return measure


def _sent_s(cell: Measured, model: str, count: int) -> list[float]:
    before = cell.request["sent_s"].index(cell.first_text_sent_s(model))
    return cell.request["sent_s"][before : before + count]


def _lags_ms(run: CellRun, tokens: list[str], sent_s: list[float]) -> Iterator[float]:
    due = accumulate(_visible(token) for token in tokens)
    shown, arrived_s = zip(*_shown(run), strict=True)
    for token, needed, at_s in zip(tokens, due, sent_s, strict=True):
        if _visible(token):
            yield 1000 * (arrived_s[bisect_left(shown, needed)] - at_s)


def _shown(run: CellRun) -> Iterator[tuple[int, float]]:
    """Return how much of the answer was on the screen after each message, and when."""
    replayed = CellRun()
    board = _Board(replayed)
    most = 0
    for message, at_s in zip(run.messages, run.arrived_s, strict=True):
        board.take(message)
        most = max(most, sum(map(_visible, (replayed.streams, *replayed.texts))))
        yield most, at_s


def _visible(text: str) -> int:
    return len(_BLANK.sub("", text))
