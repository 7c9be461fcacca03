"""Reads the events of an answer that differ from an earlier one in nothing but their text.

A provider repeats everything around the text in every event, 150 to 300 characters for the five of
a token. Reading that JSON again takes four times as long as comparing it (1.9 against 0.4 us).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cc_jupyter.client.parsing import parse_json

if TYPE_CHECKING:
    from collections.abc import Callable

_PROBE = "probe"
_MOST_TRIES = 8
"""How often in a row a template may fit no later event before no more is tried."""


class TextTemplate:
    """Everything before and after the text of an event.

    Parameters
    ----------
    read_text
        Returns the text of an event's JSON if there is nothing else in it, otherwise an empty
        string.
    """

    def __init__(self, read_text: Callable[[dict[str, Any]], str]) -> None:
        self._read_text = read_text
        self._before = self._after = ""
        self._tries = _MOST_TRIES

    def text_in(self, data: str) -> str:
        """Return the text of an event that fits; empty for any other event."""
        before, after = self._before, self._after
        if not (after and data.startswith(before) and data.endswith(after)):
            return ""
        text = data[len(before) : -len(after)]
        if '"' in text or "\\" in text:
            try:
                text = str(parse_json(f'"{text}"'))
            except ValueError:  # the text ends earlier
                return ""
        self._tries = _MOST_TRIES
        return text

    def learn(self, data: str, text: str) -> None:
        """Take the template from an event that holds a text and nothing else."""
        self.forget()
        if not self._tries:
            return
        self._tries -= 1
        before, quoted, after = data.partition(f'"{text}"')
        # another member may have the same value
        if quoted and self._read_text(parse_json(f'{before}"{_PROBE}"{after}')) == _PROBE:
            self._before, self._after = f'{before}"', f'"{after}'

    def forget(self) -> None:
        """Fit no event until the next `learn`, which sees what has changed."""
        self._before = self._after = ""
