"""Which answers no longer stand on what they were given, and why.

An answer is stale when what was said before it changed, or a variable that was put into its prompt.
Turns are compared by what this process noted when they were sent, variables by a digest of their
text; neither is on disk, so of an answer of an earlier session only its mark is known. Figures and
images are not compared, since to draw one takes long.

Values are looked at as they are: whoever asks does so while no cell runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cc_jupyter.conversation.turns import upstreams
from cc_jupyter.core.errors import CcError
from cc_jupyter.prompt.template import GONE, UNTOLD, digest_of, look_up, plain_name
from cc_jupyter.prompt.values import to_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cc_jupyter.conversation.document_order import Page
    from cc_jupyter.conversation.thread import Thread
    from cc_jupyter.conversation.turns import Turn
    from cc_jupyter.session import Session

UPSTREAM = "what was said before it changed"


@dataclass(frozen=True, slots=True)
class Row:
    """Places of a thread as they follow each other."""

    page: Page | None
    """Whose order it is; `None`: that of execution."""
    places: list[int]
    own: frozenset[int]
    """Those that go by this order; the others only stand between them."""


def stale_reasons(
    session: Session, user_ns: Mapping[str, object], thread: Thread, place: int
) -> tuple[str, ...]:
    """Say why the answer in a place is stale; nothing: it is not, or there is none."""
    return Staleness(session, user_ns).reasons(thread, place)


class Staleness:
    """What holds of the answers at one moment; made anew for each look.

    Parameters
    ----------
    user_ns
        The user's variables, as prompts see them.
    """

    def __init__(self, session: Session, user_ns: Mapping[str, object]) -> None:
        self._session = session
        self.settings = session.settings()
        self._values = _Values(user_ns)
        self._digests: dict[str, dict[int, bytes]] = {}

    def reasons(self, thread: Thread, place: int) -> tuple[str, ...]:
        """Say why the answer in a place is stale; nothing: it is not, or there is none."""
        slots = thread.slots
        turn = slots[place].turn if place < len(slots) else None
        if turn is None:
            return ()
        rests = turn.basis is None or turn.basis.upstream == self._upstream(thread, place)
        upstream = () if rests and not slots[place].stale else (UPSTREAM,)
        return (*upstream, *self._values.changes(turn))

    def rows(self, thread: Thread) -> Iterator[Row]:
        """Give the rows in which a thread's places stand, by the order that counts for each."""
        slots = thread.slots
        left = set(range(len(slots)))
        for place, slot in enumerate(slots):
            page = self._session.page(slot.key, self.settings)
            if page is not None and slot.key is not None and place in left:
                places = page.row(slots, slot.key.notebook)
                left.difference_update(places)
                yield Row(page, places, frozenset(places))
        if left:
            yield Row(None, [*range(len(slots))], frozenset(left))

    def _upstream(self, thread: Thread, place: int) -> bytes | None:
        known = self._digests.get(thread.id)
        if known is None:
            known = self._digests[thread.id] = {}
            slots = thread.slots
            for row in self.rows(thread):
                digests = upstreams(slots[at] for at in row.places)
                for at, digest in zip(row.places, digests, strict=True):
                    if at in row.own:
                        known[at] = digest
        return known.get(place)


class _Values:
    """What expressions give now, each written once."""

    def __init__(self, user_ns: Mapping[str, object]) -> None:
        self._user_ns = user_ns
        self._digests: dict[str, str] = {}

    def changes(self, turn: Turn) -> Iterator[str]:
        """Say which values in a turn's prompt are others now."""
        for expression, digest in dict(turn.basis.question.values if turn.basis else ()).items():
            value = look_up(expression, self._user_ns)
            name = plain_name(expression)
            if value is GONE:
                yield f"`{expression if name in self._user_ns else name}` is gone"
            elif value is not UNTOLD and self._digest(expression, value) != digest:
                yield f"`{expression}` changed"

    def _digest(self, expression: str, value: object) -> str:
        """Give the digest of the text that would go out; empty where none can be written."""
        if expression not in self._digests:
            try:
                digest = digest_of(to_text(value, expression).text)
            except CcError:
                digest = ""
            self._digests[expression] = digest
        return self._digests[expression]
