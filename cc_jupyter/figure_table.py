"""A table to read that is a DataFrame to compute with, where pandas is."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from cc_jupyter.errors import ConfigError
from cc_jupyter.tables import Row, Table

if TYPE_CHECKING:
    from collections.abc import Sequence


class FigureTable(Table):
    """Rows to read; `figures` are the same with money as `Decimal` and unknowns as `None`."""

    def __init__(
        self,
        rows: list[Row],
        figures: list[Row],
        caption: str,
        columns: Sequence[str] | None = None,
    ) -> None:
        super().__init__(rows, caption)
        self.figures = figures
        self._columns = columns
        """Those of `figures`, which may be empty; `None`: as its first row has them."""

    def to_dataframe(self) -> Any:  # noqa: ANN401  pandas is not always there
        """Give a pandas DataFrame with every figure in a column of its own.

        Raises
        ------
        ConfigError
            pandas is not installed.
        """
        try:
            import pandas as pd  # noqa: PLC0415  half a second, and only where it is wanted
        except ImportError:
            raise ConfigError(
                "a DataFrame needs pandas", hint="pip install pandas; the table itself is a list"
            ) from None
        columns = None if self._columns is None else list(self._columns)
        return pd.DataFrame(self.figures, columns=columns)

    def for_cell(self, *, shown: bool) -> Any:  # noqa: ANN401  as above
        """Give what a command returns: the table where it is `shown`, else figures to work with."""
        if shown or importlib.util.find_spec("pandas") is None:
            return self
        return self.to_dataframe()
