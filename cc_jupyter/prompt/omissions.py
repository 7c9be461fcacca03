"""Collect what the text of a value leaves out, and say it in words.

A value is written by several modules at several depths; all of them report to one `Omissions`, so
that text and notice agree. Counts of the same noun add up: of two tables with 500 rows each,
"200 of 1,000 rows" were sent.
"""

from __future__ import annotations

import re

from cc_jupyter.core.text import quote_expression, top_level_module

_DEFAULT_TEXT = re.compile(r"<[^\n]{1,300}? at 0x[0-9A-Fa-f]+>|alt\.\w+\(\.\.\.\)")
"""What `object.__repr__` returns, and what altair's charts do."""
_ABBREVIATING = {
    *("torch", "jax", "jaxlib", "tensorflow", "xarray", "cupy", "scipy", "dask", "sklearn"),
}
"""Libraries whose long values print with `...` in place of most of their content."""
_MAX_KINDS = 3
_CHART_CONVERTERS = {"plotly": "kaleido", "altair": "vl-convert-python"}


class Omissions:
    """What one value's text leaves out."""

    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}
        self._doubts: dict[str, None] = {}

    def add(self, shown: int, total: int, noun: str) -> str:
        """Record that `shown` of `total` were written, and return this cut in words."""
        count = self._counts.setdefault(noun, [0, 0])
        count[0] += shown
        count[1] += total
        return f"{shown:,} of {total:,} {noun}"

    def check(self, value: object, text: str) -> None:
        """Record if the text of a value says nothing about it, or is abbreviated by its class."""
        kind = type(value)
        library = top_level_module(kind)
        name = _with_article(kind)
        if _DEFAULT_TEXT.fullmatch(text):
            self._doubts[f"{name}, whose text says nothing about it; {_advice(value)}"] = None
        elif library in _CHART_CONVERTERS and hasattr(value, "to_dict"):
            self._doubts[f"{name}, which is sent as text; {_advice(value)}"] = None
        elif library in _ABBREVIATING and "..." in text:
            self._doubts[f"{name}, whose class abbreviates its text; send the part you mean"] = None

    def cuts(self) -> list[str]:
        """Return the counts in words, characters last."""
        counts = sorted(self._counts.items(), key=lambda count: count[0] == "characters")
        return [f"{shown:,} of {total:,} {noun}" for noun, (shown, total) in counts]

    def notices(self, expression: str, *, inside: bool) -> tuple[str, ...]:
        """Return the notices for the user; `inside`: the value is a container."""
        quoted = quote_expression(expression)
        cuts = self.cuts()
        notices = [f"{quoted} was cut: {', '.join(cuts)} sent"] if cuts else []
        verb = "contains" if inside else "is"
        doubts = [*self._doubts]
        notices += [f"{quoted} {verb} {doubt}" for doubt in doubts[:_MAX_KINDS]]
        if len(doubts) > _MAX_KINDS:
            notices.append(
                f"{quoted} contains {len(doubts) - _MAX_KINDS} more kinds of such values"
            )
        return tuple(notices)


def _with_article(kind: type) -> str:
    library = top_level_module(kind)
    own = library in {"builtins", "__main__"}
    name = kind.__qualname__ if own else f"{library}.{kind.__qualname__}"
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _advice(value: object) -> str:
    """Return how to send the content of a value whose text does not have it."""
    kind = type(value)
    if (converter := _CHART_CONVERTERS.get(top_level_module(kind))) is not None:
        return f"pip install {converter} to send it as an image"
    if kind.__name__ == "Styler":
        return "its attribute data is the table"
    if kind.__name__.endswith("GroupBy"):
        return "send a result of it, such as .size() or .mean()"
    if hasattr(kind, "__next__"):
        return "list(…) sends its items"
    return "send the attributes you mean"
