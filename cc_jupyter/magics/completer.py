"""Connect completion to IPython: the only part of completion that `%load_ext` loads.

Anywhere else, a Tab costs one search for `%cmd`; models and threads are loaded by the first Tab on
a `%cmd` line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion, context_matcher

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from IPython.core.completer import CompletionContext, SimpleMatcherResult
    from IPython.core.interactiveshell import InteractiveShell

    from cc_jupyter.magics.completion.names import Candidate, Completions, NameSource


_MEANING_CHARS = 60
"""The menu of a front end is as wide as its widest line."""
_PRIORITY = 1_000
"""IPython's own matchers have 0; the first matcher can suppress the others."""


class CmdCompleter:
    """Completes `%cmd` lines and `%%cmd` cells in one shell.

    Parameters
    ----------
    choices, profile
        Settings of the session and of the IPython profile.
    """

    def __init__(
        self, shell: InteractiveShell, choices: Mapping[str, Any], profile: Mapping[str, Any]
    ) -> None:
        self._sources = (shell, choices, profile)
        self._names: NameSource | None = None

    @context_matcher(identifier="cc_jupyter", priority=_PRIORITY)  # type: ignore[untyped-decorator]  # IPython's
    def matches(self, context: CompletionContext) -> SimpleMatcherResult:
        """Return our completions on a `%cmd` line, and suppress IPython's own there."""
        found = self._complete(context) if "%cmd" in context.full_text else None
        if found is None:
            return {"completions": []}
        texts = [SimpleCompletion(each.text, type=_type(each)) for each in found.candidates]
        return {
            "completions": texts or _NoCompletions(),
            "matched_fragment": found.fragment,
            "suppress": True,
            "ordered": True,
        }

    def _complete(self, context: CompletionContext) -> Completions | None:
        # imported by the first Tab on one of our lines, so that loading the extension stays light
        from cc_jupyter.core.errors import CcError  # noqa: PLC0415  as above
        from cc_jupyter.magics.completion import complete  # noqa: PLC0415  as above
        from cc_jupyter.magics.completion.names import Completions, NameSource  # noqa: PLC0415  as above

        self._names = self._names or NameSource(*self._sources)
        cell, line, column = context.full_text, context.cursor_line, context.cursor_position
        try:
            return complete(cell, line, column, self._names)
        except CcError:  # a broken settings or models file: the next cell reports it
            return Completions()

    def add(self) -> None:
        """Add the matcher to the shell."""
        self._sources[0].Completer.custom_matchers.append(self.matches)

    @staticmethod
    def remove(shell: InteractiveShell) -> None:
        """Remove our matchers from the shell."""
        matchers = shell.Completer.custom_matchers
        matchers[:] = [
            each
            for each in matchers
            if not isinstance(getattr(each, "__self__", None), CmdCompleter)
        ]


def _type(candidate: Candidate) -> str:
    """Return what the menu of a front end shows beside a text: its meaning, if it has one."""
    from cc_jupyter.commands.registry import BY_NAME  # noqa: PLC0415  the first Tab loads it
    from cc_jupyter.core.text import excerpt  # noqa: PLC0415  as above
    from cc_jupyter.prompt.options import OPTIONS  # noqa: PLC0415  as above

    match candidate.kind:
        case "option":
            meanings = {name: spec.help for spec in OPTIONS for name in spec.names}
        case "command":
            meanings = {name: spec.summary for name, spec in BY_NAME.items()}
        case _:
            return candidate.kind
    return excerpt(meanings.get(candidate.text, candidate.kind), _MEANING_CHARS)


class _NoCompletions(Sequence[SimpleCompletion]):
    """A result without completions. IPython ignores an empty list and asks other matchers."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[SimpleCompletion]:
        return iter(())

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401  nothing is returned
        raise IndexError(index)
