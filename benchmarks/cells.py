"""One cell in a running session: the time to the request and to the first text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import controls
from figures import Figure, in_turn, split
from lab import LISTED_CLAUDE, LISTED_MODEL, Lab

if TYPE_CHECKING:
    from support.kernel_harness import Kernel

_FIRST = "first token sent to first output"
_TEXTS = ["Some", " words", " that", " come", " one", " by", " one", "."]
_PAUSE_S = 0.01
"""Between deltas, the first one included: as in practice, it comes well after the role chunk."""


def run(*, quick: bool) -> list[Figure]:
    """Measure."""
    figures = []
    with Lab() as lab:
        ours, plain = lab.our_kernel(), lab.plain_kernel()
        for wire, model in (("chat", LISTED_MODEL), ("messages", LISTED_CLAUDE)):
            mine, theirs = in_turn(
                10 if quick else 60,
                lambda m=model: _cell(lab, ours, controls.cmd(m), m),
                lambda m=model: _cell(lab, plain, f"plain({m!r})", m),
            )
            wire_ms, shown_ms = zip(split(mine), split(theirs), strict=True)
            figures += [
                Figure(f"warm cell to the wire ({wire})", "ms", *wire_ms, 3, 2.6, 12, 5),
                Figure(f"{_FIRST} ({wire})", "ms", *shown_ms, 2.5, 1.6, 6, 3),
            ]
    return figures


def _cell(lab: Lab, kernel: Kernel, code: str, model: str) -> tuple[float, float]:
    lab.clear()
    lab.always(do="answer", texts=_TEXTS, pause_s=_PAUSE_S)
    cell = lab.finish(kernel, kernel.start(code))
    shown_s = cell.first_output_s() - cell.first_text_sent_s(model)
    return 1000 * cell.to_wire_s, 1000 * shown_s
