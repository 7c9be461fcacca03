"""Find stale answers, and the cells that have to run again to refresh them.

An answer is stale if a turn before it changed, or a variable that was inserted into its prompt.
Turns are compared by the digest of their context, variables by a digest of their text. Neither is
stored, so for an answer of an earlier session only the saved mark is known. Figures and images are
not compared, because drawing one takes long. Variables are read directly, so call this only while
no cell runs.

Nothing here runs a cell or sends anything: the front end asks for the plan and runs the cells.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from cc_jupyter.conversation.records import LedgerRow
from cc_jupyter.conversation.turns import context_digests
from cc_jupyter.core.errors import CcError
from cc_jupyter.core.messages import Parameters, PromptSpec, ValueLimits
from cc_jupyter.core.money import UNKNOWN_COST, Cost
from cc_jupyter.models.registry import LOCAL, chosen_model, settings_for
from cc_jupyter.prompt.template import MISSING, UNKNOWN, digest_of, look_up, plain_name
from cc_jupyter.prompt.values import to_text
from cc_jupyter.usage.ledger import total

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cc_jupyter.config.settings import Settings
    from cc_jupyter.conversation.document_order import CellOrder
    from cc_jupyter.conversation.thread import Thread
    from cc_jupyter.conversation.turns import Turn, TurnSlot
    from cc_jupyter.session.session import Session


UPSTREAM = "an earlier turn changed"
AGAIN = "an earlier cell runs again"


def differing_cells(threads: Iterable[Thread], page: CellOrder) -> frozenset[str]:
    """Return the cells whose earlier turns on the page differ from those in order of execution.

    They are marked with either setting, because what they would send depends on the order.
    """
    differing: set[str] = set()
    for thread in threads:
        slots = thread.snapshot()
        ran = list(context_digests(slots))
        for notebook in {slot.key.notebook for slot in slots if slot.key is not None}:
            row = page.places(slots, notebook)
            for place, digest in zip(row, context_digests(slots[at] for at in row), strict=True):
                key = slots[place].key
                if key is not None and digest != ran[place]:
                    differing.add(key.cell_id)
    return frozenset(differing)


@dataclass(frozen=True, slots=True)
class SlotOrder:
    """Places of a thread in order."""

    page: CellOrder | None
    """The document order; `None` for execution order."""
    places: list[int]
    own: frozenset[int]
    """The places to which this order applies; the others only lie between them."""


class Staleness:
    """Which answers are stale at one moment; create one for each query.

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
        """Return why the answer in a place is stale; empty if it is not, or there is none."""
        slots = thread.slots
        turn = slots[place].turn if place < len(slots) else None
        if turn is None:
            return ()
        is_same = turn.basis is None or turn.basis.upstream == self._upstream(thread, place)
        upstream = () if is_same and not slots[place].stale else (UPSTREAM,)
        return (*upstream, *self._values.changes(turn))

    def rows(self, thread: Thread) -> Iterator[SlotOrder]:
        """Yield the orders of a thread's places: that of each page, then that of execution."""
        slots = thread.slots
        left = set(range(len(slots)))
        for place, slot in enumerate(slots):
            page = self._session.preparer.page(slot.key, self.settings)
            if page is not None and slot.key is not None and place in left:
                places = page.places(slots, slot.key.notebook)
                left.difference_update(places)
                yield SlotOrder(page, places, frozenset(places))
        if left:
            yield SlotOrder(None, [*range(len(slots))], frozenset(left))

    def _upstream(self, thread: Thread, place: int) -> bytes | None:
        known = self._digests.get(thread.id)
        if known is None:
            known = self._digests[thread.id] = {}
            slots = thread.slots
            for row in self.rows(thread):
                digests = context_digests(slots[at] for at in row.places)
                for at, digest in zip(row.places, digests, strict=True):
                    if at in row.own:
                        known[at] = digest
        return known.get(place)


class _Values:
    """The present values of expressions, each formatted once."""

    def __init__(self, user_ns: Mapping[str, object]) -> None:
        self._user_ns = user_ns
        self._digests: dict[tuple[str, ValueLimits], str] = {}

    def changes(self, turn: Turn) -> Iterator[str]:
        """Yield which values in a turn's prompt have changed."""
        if turn.basis is None:
            return
        limits = turn.basis.question.value_limits
        for expression, digest in dict(turn.basis.question.values).items():
            value = look_up(expression, self._user_ns)
            name = plain_name(expression)
            if value is MISSING:
                yield f"`{expression if name in self._user_ns else name}` is gone"
            elif value is not UNKNOWN and self._digest(expression, value, limits) != digest:
                yield f"`{expression}` changed"

    def _digest(self, expression: str, value: object, limits: ValueLimits) -> str:
        """Return the digest of the text that would be sent; empty if it cannot be formatted."""
        known = (expression, limits)
        if known not in self._digests:
            try:
                digest = digest_of(to_text(value, expression, limits).text)
            except CcError:
                digest = ""
            self._digests[known] = digest
        return self._digests[known]


@dataclass(frozen=True, slots=True)
class RefreshStep:
    """A cell that has to run again."""

    cell_id: str
    thread: str
    """The thread of its first stale answer."""
    reasons: tuple[str, ...]
    """Why it is stale, in readable form."""
    expected: LedgerRow
    """The expected cost of all its requests, estimated as for budgets."""

    @property
    def cost(self) -> Cost:
        """The expected cost as one figure; unknown if that of any request is."""
        if self.expected.unknown_cost:
            return UNKNOWN_COST
        return Cost(self.expected.estimated_usd, "estimated", None)


@dataclass(frozen=True, slots=True)
class RefreshPlan:
    """The cells that have to run again, in their order."""

    steps: tuple[RefreshStep, ...] = ()

    @property
    def total(self) -> LedgerRow:
        """The expected cost of all steps; unknown costs are counted. `format_sum` formats it.

        The cost of a cell that reads what an earlier cell binds is known only after that has run.
        """
        return total((step.expected for step in self.steps), "refresh")


def refresh_plan(session: Session, user_ns: Mapping[str, object], notebook: str) -> RefreshPlan:
    """Return the stale cells of a notebook in the order in which they have to run.

    That is the order of their threads: top to bottom with `order = "document"`, else the order in
    which they first ran. Turns after a stale answer in its thread have to run as well. Cells that
    are no longer on the page are left out.

    Parameters
    ----------
    notebook
        The path that the front end reported with its page, or the kernel's name for it.
    """
    return _Refresh(session, Staleness(session, user_ns), notebook).plan()


class _Refresh:
    """Builds one refresh plan."""

    def __init__(self, session: Session, staleness: Staleness, notebook: str) -> None:
        self._session = session
        self._staleness = staleness
        self._settings = staleness.settings
        self._notebook = notebook
        cells = session.document_order.cells(notebook)
        self._cells = None if cells is None else frozenset(cells)
        names = session.conversations.names
        self._threads = [session.conversations.thread(name) for name in names]
        self._found: dict[str, _Found] = {}
        self._known: dict[str, bool] = {}

    def plan(self) -> RefreshPlan:
        """Return the plan."""
        for thread in self._threads:
            for row in self._staleness.rows(thread):
                self._search(thread, row)
        order = sorted(self._found.items(), key=lambda each: each[1].rank)
        return RefreshPlan(
            tuple(
                RefreshStep(cell_id, found.thread, tuple(found.reasons), self._expected(cell_id))
                for cell_id, found in order
            )
        )

    def _search(self, thread: Thread, row: SlotOrder) -> None:
        """Find the stale cells of a row, and those that will be stale once these have run."""
        slots, is_after_stale, rank = thread.slots, False, 0.0
        for place in row.places:
            slot = slots[place]
            is_after_stale = is_after_stale and not slot.starts_new_thread
            rank = max(rank, self._rank(slot, row.page))
            if place not in row.own or slot.key is None or not self._is_here(slot):
                continue
            reasons = self._staleness.reasons(thread, place)
            if not reasons and is_after_stale and slot.turn is not None:
                reasons = (AGAIN,)
            if reasons:
                is_after_stale = True
                found = _Found(rank, thread.name)
                found = self._found.setdefault(slot.key.cell_id, found)
                found.rank = min(found.rank, rank)
                found.reasons.update(dict.fromkeys(reasons))

    def _is_here(self, slot: TurnSlot) -> bool:
        """Return whether a turn's cell is one of the notebook's."""
        if slot.key is None:
            return False
        if self._cells is None:
            return slot.key.notebook == self._notebook
        return slot.key.cell_id in self._cells

    def _rank(self, slot: TurnSlot, page: CellOrder | None) -> float:
        """Return the sort key of a cell: its place on the page, else when it first ran."""
        if page is not None and slot.key is not None:
            return page.cells[slot.key.cell_id]
        record = self._session.history.record(slot.versions[0].id) if slot.versions else None
        return record.sent_at.timestamp() if record else 0.0

    def _expected(self, cell_id: str) -> LedgerRow:
        """Add up the expected cost of all requests of a cell."""
        return total(
            _ledger_row(self._expected_cost(self._spec(thread, slot, slot.turn)))
            for thread in self._threads
            for slot in thread.slots
            if slot.turn is not None
            and slot.key is not None
            and slot.key.cell_id == cell_id
            and self._is_here(slot)
        )

    def _spec(self, thread: Thread, slot: TurnSlot, turn: Turn) -> PromptSpec:
        """Return the prompt of a turn; for one of another process, what its record has."""
        if turn.basis is not None:
            spec = turn.basis.question
        else:
            record = self._session.history.record(turn.id)
            spec = PromptSpec(
                turn.prompt,
                images=turn.images,
                model=record.model if record else None,
                system=turn.system,
                parameters=turn.options or Parameters(),
                zdr=record.zdr if record else False,
            )
        return spec._replace(
            thread=thread.name, turn_key=slot.key, new=slot.has_new_option, notices=()
        )

    def _expected_cost(self, spec: PromptSpec) -> Cost:
        session = self._session
        try:
            model = chosen_model(spec.model, self._settings)
            settings = settings_for(model, self._settings)
            if settings.base_url == LOCAL:  # preparing a request would start the server
                return Cost(Decimal(0), "estimated", None)
            if not self._is_known(model, settings):
                return UNKNOWN_COST
            prepared = session.prepare(spec, self._settings)
        except CcError:  # running the cell shows the error
            return UNKNOWN_COST
        return prepared.cost(session.budget_guard.estimate(prepared), session.now())

    def _is_known(self, model: str, settings: Settings) -> bool:
        """Return whether a list has a model; for any other, the provider would be queried."""
        if model not in self._known:
            self._known[model] = model in self._session.models.known(settings)
        return self._known[model]


def _ledger_row(cost: Cost) -> LedgerRow:
    if cost.usd is None:
        return LedgerRow("", requests=1, unknown_cost=1)
    return LedgerRow("", requests=1, estimated_usd=cost.usd)


@dataclass(slots=True)
class _Found:
    rank: float
    thread: str
    reasons: dict[str, None] = field(default_factory=dict)
