"""Write Markdown in the canonical form, without a kernel: a whole answer, a live block."""

from __future__ import annotations

from time import process_time
from typing import TYPE_CHECKING

from figures import Figure, in_turn

from cc_jupyter.core.collector import paused_collector
from cc_jupyter.render.markdown import parser, safe_html, safe_markdown

if TYPE_CHECKING:
    from collections.abc import Callable

_ANSWER, _LIVE = 100_000, 2_000  # characters
_CONTROL = "parsing alone"
_SAMPLE = r"""## Which plan costs less?

The small plan costs $5 a month and the large one $6; with **taxes** it is `price * 1.2`, see
[the list](https://shop.example/plans_(all)). In short, \( p = 1.2\,c \), or for $n$ months:

\[
p_n = 1.2 \sum_{i=1}^{n} c_i
\]

1. Install it, `$HOME/bin` must be in the path:
   ```bash
   echo "$HOME/bin:$PATH" && test -d "$HOME/bin" < /dev/null
   ```
2. Compare them:
   - *small*: one user, ~5 GB
   - *large*: ten users, ~50 GB

| plan | price | users |
|:-----|------:|------:|
| small | $5 | 1 |
| large | $6 | 10 |

> Note: both plans end <after> a year, unless you renew them.
"""


def run(*, quick: bool) -> list[Figure]:
    """Measure."""
    rounds = 3 if quick else 15
    answer = (_SAMPLE * (_ANSWER // len(_SAMPLE) + 1))[:_ANSWER]
    live = (_SAMPLE * (_LIVE // len(_SAMPLE) + 1))[:_LIVE]
    return [
        *_texts(rounds, "an answer of 100 kB", answer, must_ms=300),
        *_texts(rounds, "a live block of 2 kB", live, must_ms=5),
    ]


def _texts(rounds: int, name: str, text: str, *, must_ms: float) -> list[Figure]:
    written, page, parsed = in_turn(
        rounds,
        lambda: _taken_ms(lambda: safe_markdown(text)),
        lambda: _taken_ms(lambda: safe_html(text)),
        lambda: _taken_ms(lambda: _parse(text)),
    )
    size = len(text.encode())
    growth = [(size + len(safe_markdown(text).encode())) / size]
    return [
        Figure(f"{name}: canonical Markdown", "ms", written, parsed, must_ms, remark=_CONTROL),
        Figure(f"{name}: HTML", "ms", page, parsed, must_ms, remark=_CONTROL),
        Figure(f"{name}: text and Markdown / text", "x", growth, [1.0], 4, remark="the text"),
    ]


def _taken_ms(work: Callable[[], object]) -> float:
    start_s = process_time()
    work()
    return 1e3 * (process_time() - start_s)


def _parse(text: str) -> object:
    with paused_collector():
        return parser.parse(text)
