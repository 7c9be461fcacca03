"""Plots that display themselves, with matplotlib if it is installed."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable


class Plot:
    """A plot that displays itself as an image; `figure` is matplotlib's, to change or save."""

    def __init__(self, figure: Any, description: str) -> None:  # noqa: ANN401  matplotlib may be missing
        self.figure = figure
        self._description = description

    def _repr_png_(self) -> bytes:
        written = io.BytesIO()
        # on white in every theme: the labels are dark
        self.figure.savefig(written, format="png", bbox_inches="tight", facecolor="white")
        return written.getvalue()

    def __repr__(self) -> str:
        return self._description


def drawn_plot(
    draw: Callable[[Any], str], *, size_inches: tuple[float, float], instead: str
) -> Plot:
    """Return a plot.

    Parameters
    ----------
    draw
        Draws into a figure, and returns a text that describes it.
    instead
        What shows the same without matplotlib; for the hint.

    Raises
    ------
    ConfigError
        matplotlib is not installed.
    """
    try:
        from matplotlib import style  # noqa: PLC0415  heavy and optional
        from matplotlib.figure import Figure  # noqa: PLC0415  as above
    except ImportError:
        raise ConfigError(
            "a plot needs matplotlib, which is not installed",
            hint=f"pip install matplotlib, or {instead}",
        ) from None
    with style.context("default"):  # the user's own style may draw white on white
        figure = Figure(figsize=size_inches, layout="constrained")
        return Plot(figure, draw(figure))
