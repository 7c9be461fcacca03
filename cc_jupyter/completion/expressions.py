"""Completes the expressions of a prompt as IPython completes code, by a completer of our own.

IPython's own would also offer magics and files, and run jedi, which takes longer than a Tab may;
it keeps what it was last asked, too. Ours is one of the same class that looks at live objects only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.completer import IPCompleter, provisionalcompleter, rectify_completions

from cc_jupyter.completion.offers import Candidate, Offer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from IPython.core.completer import Completion
    from IPython.core.interactiveshell import InteractiveShell

_NOT_FOR_EXPRESSIONS = [
    "IPCompleter.magic_matcher",
    "IPCompleter.file_matcher",
    "IPCompleter.magic_config_matcher",
    "IPCompleter.magic_color_matcher",
    "IPCompleter.custom_completer_matcher",
]


class Expressions:
    """Gives what fits in an expression over the user's namespace."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._completer: IPCompleter | None = None

    def offer(self, before: str, after: str) -> Offer:
        """Give attributes, keys or names; the user's own names come first.

        Parameters
        ----------
        before, after
            The expression on both sides of the cursor.
        """
        if before.rfind("[") <= before.rfind("]"):
            after = ""  # only a key that is closed already must know; IPython 8 stumbles over it
        with provisionalcompleter():
            found = self._ours().completions(before + after, len(before))
            fitting: list[Completion] = list(rectify_completions(before + after, found))
        if not fitting:
            return Offer()
        fragment = before[fitting[0].start :]
        dotted = fragment.startswith(".") and all(each.text.startswith(".") for each in fitting)
        own = set(self.own_names())
        fitting.sort(key=lambda each: each.text not in own)
        return Offer(
            fragment[dotted:],
            [Candidate(each.text[dotted:], _kind(each)) for each in fitting],
        )

    def own_names(self) -> Iterator[str]:
        """Give the names of the user's own, without those that IPython has put there."""
        namespace, hidden = self._shell.user_ns, self._shell.user_ns_hidden
        for name in list(namespace):
            if not name.startswith("_") and name not in hidden:
                yield name

    def _ours(self) -> IPCompleter:
        theirs = self._shell.Completer
        if self._completer is None:
            self._completer = IPCompleter(  # type: ignore[no-untyped-call]  # IPython's
                shell=self._shell,
                parent=self._shell,
                use_jedi=False,
                backslash_combining_completions=False,
            )
            self._completer.disable_matchers += _NOT_FOR_EXPRESSIONS
        self._completer.namespace = theirs.namespace
        self._completer.global_namespace = theirs.global_namespace
        return self._completer


def _kind(completion: Completion) -> str:
    """Say what a completion is; of a name IPython 8 does not."""
    kind = completion.type
    return "instance" if kind in (None, "", "<unknown>") else str(kind)
