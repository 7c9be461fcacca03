"""Lets a prompt end in a question mark: `%cmd ask why?` is sent, not taken for help.

IPython reads any line that ends in `?` as a request for help, and the cell stays green (tried on
IPython 9.18). Its documented way out is a token transformer that runs before its own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Self

from IPython.core.inputtransformer2 import TokenTransformBase

if TYPE_CHECKING:
    from tokenize import TokenInfo

_ASK = re.compile(
    r"^(?P<indent>[ \t]*)(?P<target>[\w.\[\]'\" ,*]+=(?!=)\s*)?"
    r"%cmd[ \t]+(?P<ask>ask[ \t]+\S.*\?[ \t]*)$"
)


class AskLine(TokenTransformBase):
    """Finds a line `%cmd ask …?` or `name = %cmd ask …?` that is code, not part of a string."""

    priority = 0  # before IPython's help, which has 5

    @classmethod
    def find(cls, tokens_by_line: list[list[TokenInfo]]) -> Self | None:
        """Give the first such line; a line inside a string never starts a row of tokens."""
        for tokens in tokens_by_line:
            start = next((token for token in tokens if token.string.strip()), None)
            if start is not None and _ASK.match(start.line.partition("\n")[0]):
                return cls(start.start)
        return None

    def transform(self, lines: list[str]) -> list[str]:
        """Write the line as the call that IPython itself would make of it without the mark."""
        line = lines[self.start_line]
        found = _ASK.match(line.rstrip("\n"))
        assert found is not None  # noqa: S101  `find` matched this very line
        call = f"get_ipython().run_line_magic('cmd', {found['ask'].rstrip()!r})"
        new = f"{found['indent']}{found['target'] or ''}{call}\n"
        return [*lines[: self.start_line], new, *lines[self.start_line + 1 :]]
