"""A burst: 20,000 tokens as fast as the provider can send them, and how the time grows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import controls
from figures import Figure, in_turn, median
from lab import Lab
from support.provider import prose

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from support.kernel_harness import Kernel

_MANY, _FEW = 20_000, 2_000
_KINDS = (
    ("chat", "test/burst-{}", controls.cmd),
    ("messages", "claude-test-burst-{}", controls.cmd),
    ("`%cmd ask`, chat", "test/burst-{}", controls.ask),
)


@dataclass(frozen=True)
class _Burst:
    idle_s: float
    cpu_s: float
    messages: int
    data_bytes: int


def run(*, quick: bool) -> list[Figure]:
    """Measure."""
    figures: list[Figure] = []
    with Lab() as lab:
        ids = [model.format(count) for _, model, _ in _KINDS[:2] for count in (_MANY, _FEW)]
        lab.list_models(*ids)
        ours, plain = lab.our_kernel(), lab.plain_kernel()
        for name, model, cell in _KINDS:
            many, few = model.format(_MANY), model.format(_FEW)
            mine_many, plain_many, mine_few, plain_few = in_turn(
                2 if quick else 9,
                _measure(lab, ours, cell(many), _MANY),
                _measure(lab, plain, f"plain({many!r})", _MANY),
                _measure(lab, ours, cell(few), _FEW),
                _measure(lab, plain, f"plain({few!r})", _FEW),
            )
            figures += _figures(name, (mine_many, mine_few), (plain_many, plain_few))
    return figures


def _measure(lab: Lab, kernel: Kernel, code: str, count: int) -> Callable[[], _Burst]:
    whole = "".join(prose(count))

    def measure() -> _Burst:
        cell = lab.measure(kernel, code)
        run = cell.run
        assert whole in (run.streams, *run.texts), "the text was changed on its way"
        return _Burst(cell.wire_to_idle_s, cell.cpu_s, len(run.messages), run.data_bytes)

    return measure


def _figures(
    kind: str, mine: Sequence[Sequence[_Burst]], theirs: Sequence[Sequence[_Burst]]
) -> list[Figure]:
    """Return the rows; `mine` and `theirs` have samples with many tokens, then with few."""
    text_bytes = len("".join(prose(_MANY)).encode())
    name = f"burst of 20k tokens ({kind})"

    def both(of: Callable[[_Burst], float]) -> tuple[list[float], list[float]]:
        return [*map(of, mine[0])], [*map(of, theirs[0])]

    def growth(of: Callable[[_Burst], float]) -> tuple[list[float], list[float]]:
        ours, plain = ([median([*map(of, row)]) for row in rows] for rows in (mine, theirs))
        return [ours[0] / ours[1]], [plain[0] / plain[1]]

    cpu = both(lambda burst: burst.cpu_s / _MANY * 1e6)
    data = both(lambda burst: burst.data_bytes / text_bytes)
    more = "the same: growth of {} from 2k to 20k tokens"
    return [
        Figure(f"{name}: wire to idle", "s", *both(lambda burst: burst.idle_s), 0.6, 0.3),
        Figure(f"{name}: kernel CPU a token", "us", *cpu, 20, 10),
        Figure(f"{name}: iopub messages", "", *both(lambda burst: burst.messages), 40, 15),
        Figure(f"{name}: iopub bytes / text", "x", *data, 6, 3.5),
        Figure(more.format("bytes"), "x", *growth(lambda burst: burst.data_bytes), 12, 10),
        Figure(more.format("CPU"), "x", *growth(lambda burst: burst.cpu_s), 12, 10),
    ]
