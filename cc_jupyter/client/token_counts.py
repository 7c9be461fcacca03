"""Reported token counts, read so that none is invented and none that cannot be true passes.

Every report of one answer is a running total: its members overwrite those before it and are never
added up. A figure that cannot be true is not repaired into one that looks true: what is negative
or no number counts as not reported, a part larger than its whole is cut to it, and the reader of
the answer is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cc_jupyter.client.parsing import count
from cc_jupyter.core.events import Notice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cc_jupyter.core.events import Usage


class CountReader:
    """Reads the counts of one report and notes whether one of them cannot be true."""

    def __init__(self) -> None:
        self.impossible = False

    def count(self, value: object) -> int | None:
        """Return a count; `None` for one that is not reported, or not possible."""
        tokens = count(value)
        self.impossible |= tokens is None and value is not None
        return tokens

    def part(self, value: object, whole: int | None) -> int | None:
        """Return a count that is a share of `whole`, never more than it."""
        tokens = self.count(value)
        if tokens is None or whole is None or tokens <= whole:
            return tokens
        self.impossible = True
        return whole


class UsageReader:
    """The reports of one answer, folded into the last word on its tokens.

    Parameters
    ----------
    read
        How this wire's members become a `Usage`.
    prompt, output
        The members that count the prompt, and the one that counts the answer.
    """

    def __init__(
        self,
        read: Callable[[dict[str, Any], CountReader], Usage],
        prompt: tuple[str, ...],
        output: str,
    ) -> None:
        self._read = read
        self._prompt = prompt
        self._output = output
        self._members: dict[str, Any] = {}
        self._impossible = False

    def report(self, usage: object) -> Iterator[Usage]:
        """Take a report and give the totals; one that says nothing gives nothing."""
        if not isinstance(usage, dict):
            return
        said = self._said(usage)
        if said.keys().isdisjoint((*self._prompt, self._output)):
            return
        self._members |= said
        tally = CountReader()
        yield self._read(self._members, tally)
        self._impossible = tally.impossible

    def rest(self) -> Iterator[Notice]:
        """Say so if the last report cannot be true."""
        if self._impossible:
            yield Notice("the provider reported impossible token counts", is_usage_doubtful=True)

    def _said(self, usage: dict[str, Any]) -> dict[str, Any]:
        """Leave out what says nothing: `null`, and zeros sent until something is known.

        No prompt has 0 tokens, so such a report knows nothing of it, and a 0 beside it is none.
        """
        said = {name: value for name, value in usage.items() if value is not None}
        prompt = [said[name] for name in self._prompt if name in said]
        if prompt and not any(prompt):
            unknown = {*self._prompt, *(() if said.get(self._output) else (self._output,))}
            said = {name: value for name, value in said.items() if name not in unknown}
        return said
