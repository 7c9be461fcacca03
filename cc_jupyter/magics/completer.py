"""The place where IPython asks for completions: all that `%load_ext` loads of them.

A Tab elsewhere costs a search for four letters; what knows models and threads is loaded by the
first Tab on a line of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion, context_matcher

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from IPython.core.completer import CompletionContext, SimpleMatcherResult
    from IPython.core.interactiveshell import InteractiveShell

    from cc_jupyter.magics.completion.names import Completions, NameSource


_FIRST = 1_000
"""IPython's own matchers have 0; what comes first can keep the others from running."""


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
        self._shell = shell
        self._choices = choices
        self._profile = profile
        self._names: NameSource | None = None

    @context_matcher(identifier="cc_jupyter", priority=_FIRST)  # type: ignore[untyped-decorator]  # IPython's
    def matches(self, context: CompletionContext) -> SimpleMatcherResult:
        """Return what fits, and then keep IPython's own suggestions out of it."""
        offer = self._offer(context) if "%cmd" in context.full_text else None
        if offer is None:
            return {"completions": []}
        found = [SimpleCompletion(each.text, type=each.kind) for each in offer.candidates]
        return {
            "completions": found or _Nothing(),
            "matched_fragment": offer.fragment,
            "suppress": True,
            "ordered": True,
        }

    def _offer(self, context: CompletionContext) -> Completions | None:
        from cc_jupyter.core.errors import CcError  # noqa: PLC0415  as above
        from cc_jupyter.magics.completion import complete  # noqa: PLC0415  loading is light
        from cc_jupyter.magics.completion.names import Completions  # noqa: PLC0415  loading is light

        cell, line, column = context.full_text, context.cursor_line, context.cursor_position
        try:
            return complete(cell, line, column, self._known())
        except CcError:  # a broken file of settings or models: the cell that needs it says so
            return Completions()

    def _known(self) -> NameSource:
        if self._names is None:
            from cc_jupyter.magics.completion.names import KnownNames  # noqa: PLC0415  as above

            self._names = KnownNames(self._shell, self._choices, self._profile)
        return self._names

    def add(self) -> None:
        """Take part in the completion of this shell."""
        self._shell.Completer.custom_matchers.append(self.matches)

    @staticmethod
    def remove(shell: InteractiveShell) -> None:
        """Take every one of ours out again."""
        matchers = shell.Completer.custom_matchers
        matchers[:] = [
            each
            for each in matchers
            if not isinstance(getattr(each, "__self__", None), CmdCompleter)
        ]


class _Nothing(Sequence[SimpleCompletion]):
    """An answer without a completion. IPython takes an empty list for no answer, and goes on."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[SimpleCompletion]:
        return iter(())

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401  there is none, of whatever kind
        raise IndexError(index)
