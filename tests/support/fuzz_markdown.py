"""Look for Markdown that gets HTML past the door: `python fuzz_markdown.py [N [SEED]]`.

Mixes hostile fragments, renders each mixture with every judge and prints those that put an element,
a handler or an odd address into the page. Then it says for how many the control, the same mixture
without the door, does. The program fails if it found one.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from cc_jupyter.render.markdown import safe_html, safe_markdown
from support.markdown_judges import FRAGMENTS, RENDERERS, harm, harm_of

_LONGEST = 25
_CONTROL = 20  # one mixture in so many is rendered without the door as well


def main(count: int = 10_000, seed: int = 1) -> int:
    pick = random.Random(seed)
    hits = control = 0
    for number in range(count):
        text = "".join(pick.choices(FRAGMENTS, k=pick.randint(1, _LONGEST)))
        found = harm(safe_markdown(text)) + harm_of(safe_html(text))
        control += number % _CONTROL == 0 and _does_harm(text)
        if found:
            hits += 1
            print(repr(text), found, sep="\n    ")
    print(f"{count:,} mixtures, seed {seed}, {', '.join(RENDERERS)}: {hits} got past the door;")
    print(f"of {count // _CONTROL:,} without the door {control}")
    return bool(hits)


def _does_harm(text: str) -> bool:
    try:
        return bool(harm(text))
    except IndexError:  # nbconvert, at a fence whose language is an odd blank
        return False


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
