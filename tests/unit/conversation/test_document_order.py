"""Document order: what a cell sends after cells ran, moved, were deleted or copied."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cc_jupyter.conversation.document_order import CellOrder, DocumentOrder
from cc_jupyter.conversation.thread import Thread
from cc_jupyter.conversation.turns import Context, Turn, TurnInputs
from cc_jupyter.core.messages import PromptSpec, TurnKey
from cc_jupyter.session.staleness import differing_cells

NOTEBOOK = "/home/u/n.ipynb"


@dataclass
class Notebook:
    """Runs cells in one thread; each says its own name and is answered by it."""

    thread: Thread = field(default_factory=lambda: Thread("t"))
    order: DocumentOrder = field(default_factory=DocumentOrder)
    by_page: bool = True

    def key(self, cell: str, notebook: str = NOTEBOOK) -> TurnKey:
        return TurnKey(notebook, cell[0], int(cell[1:] or 0))

    def page(self, key: TurnKey) -> CellOrder | None:
        return self.order.page(key) if self.by_page else None

    def tell(self, cells: str, notebook: str = "n.ipynb") -> None:
        self.order.update(notebook, list(cells))

    def run(self, cell: str, *, new: bool = False, **said: str) -> str:
        """Run a cell; give the cells whose turns it sent, in order."""
        key = self.key(cell)
        page = self.page(key)
        past = self.thread.context(key, starts_new_thread=new, page=page)
        place = self.thread.open_slot(key, starts_new_thread=new)
        basis = TurnInputs(past.digest, PromptSpec(cell))
        turn = Turn(cell, said.get("answer", cell), said.get("system"), basis=basis)
        self.thread.record(place, turn, page)
        return names(past)

    @property
    def stale(self) -> str:
        found = (slot.key for slot in self.thread.slots if slot.stale)
        return "".join(sorted(key.cell_id for key in found if key))

    @property
    def differing(self) -> str:
        page = self.order.page_of("n.ipynb") or CellOrder({})
        return "".join(sorted(differing_cells([self.thread], page)))


def names(past: Context) -> str:
    return " ".join(turn.prompt for turn in past.turns)


CASES = {
    "what stands above is sent, whatever ran first": ("tell abc; c: ; a: ; b: a; c: a b",),
    "a cell put in between is sent by those below it": (
        "tell ac; a: ; c: a; tell abc; b: a; c: a b; a: ",
    ),
    "a cell that was moved takes its turn along": (
        "tell abc; a: ; b: a; c: a b; tell cab; c: ; b: c a; a: c",
    ),
    "a cell that was deleted is not sent": ("tell abc; a: ; b: a; c: a b; tell ac; c: a"),
    "a cell that came back is sent again": (
        "tell abc; a: ; b: a; tell ac; c: a; tell abc; c: a b",
    ),
    "a copied cell has a turn of its own once it ran": (
        "tell ab; a: ; b: a; tell axb; b: a; x: a; b: a x",
    ),
    "nothing told: as it ran": ("c: ; a: c; b: c a",),
    "a cell that is not on the page: as it ran": ("tell ab; b: ; a: ; z: b a; b: a"),
    "the last new above begins": ("tell abcd; a: ; b!: ; c: b; d: b c; a: ; d: b c"),
    "a new below begins nothing above": ("tell abc; c!: ; a: ; b: a; c!: ; c: a b"),
    "a new that was deleted begins nothing": ("tell abc; a: ; b!: ; c: b; tell ac; c: a"),
    "a new that moved down begins what is below it now": (
        "tell abcd; a: ; b!: ; c: b; tell acbd; c: a; d: b",
    ),
    "requests of one cell keep their numbers": (
        "tell ab; b: ; a0: ; a1: a0; a2: a0 a1; b: a0 a1 a2; a1: a0",
    ),
    "requests of one cell that moved go along": (
        "tell ab; a0: ; a1: a0; b: a0 a1; tell ba; b: ; a0: b; a1: b a0",
    ),
    "an id told twice counts where it stands first": ("tell aba; a: ; b: a; a: "),
}


@pytest.mark.parametrize("steps", CASES.values(), ids=CASES)
def test_what_each_cell_sends(steps):
    notebook = Notebook()
    for step in (steps if isinstance(steps, str) else "".join(steps)).split(";"):
        word = step.strip()
        if word.startswith("tell"):
            notebook.tell(word.removeprefix("tell "))
            continue
        cell, sent = (part.strip() for part in word.split(":"))
        assert notebook.run(cell.rstrip("!"), new=cell.endswith("!")) == sent, word


def test_with_the_other_setting_the_page_changes_nothing():
    notebook = Notebook(by_page=False)
    notebook.tell("abc")
    assert [notebook.run(cell) for cell in "cab"] == ["", "c", "c a"]


def test_turns_of_other_notebooks_and_without_a_cell_are_not_sent():
    notebook = Notebook()
    notebook.tell("ab")
    for key in (None, notebook.key("a", "/home/u/other.ipynb")):
        notebook.thread.record(notebook.thread.open_slot(key), Turn("elsewhere", "x"))
    assert notebook.run("a") == ""
    assert notebook.run("b") == "a"
    notebook.by_page = False
    assert notebook.run("c") == "elsewhere elsewhere a b"


def test_a_system_prompt_holds_for_what_is_below_it():
    notebook = Notebook()
    notebook.tell("abc")
    notebook.run("c", system="for c")
    notebook.run("a", system="for all")
    page = notebook.page(notebook.key("b"))
    assert notebook.thread.context(notebook.key("b"), page=page).system == "for all"
    assert notebook.thread.context(notebook.key("b")).system == "for all"
    notebook.run("b", system="")
    assert notebook.thread.context(notebook.key("c"), page=page).system is None


def test_a_thread_that_was_started_over_begins_with_the_next_cell_that_runs():
    notebook = Notebook()
    notebook.tell("abcd")
    notebook.run("a")
    notebook.thread.start_over()
    assert notebook.run("c") == ""
    assert notebook.run("d") == "c"
    assert notebook.run("b") == "a"


# ── what becomes stale


def test_what_is_below_becomes_stale_not_what_ran_later():
    notebook = Notebook()
    notebook.tell("abcd")
    for cell in "dcab":
        notebook.run(cell)
    assert notebook.stale == "cd"  # `a` and `b` came to stand above them
    for cell in "cd":
        notebook.run(cell)
    assert notebook.stale == ""
    notebook.run("b", answer="other")
    assert notebook.stale == "cd"
    notebook.run("d")
    assert notebook.stale == "c"


def test_turns_below_a_new_start_do_not_become_stale():
    notebook = Notebook()
    notebook.tell("abcd")
    for cell in "abcd":
        notebook.run(cell, new=cell == "c")
    notebook.run("a", answer="other")
    assert notebook.stale == "b"


def test_an_earlier_answer_that_counts_again_makes_stale_what_rests_on_another():
    notebook = Notebook()
    notebook.tell("ab")
    for cell in "aba":
        notebook.run(cell)
    assert notebook.stale == "b"
    page = notebook.page(notebook.key("a"))
    notebook.thread.choose(0, 0, page)
    assert notebook.stale == ""
    notebook.thread.choose(0, 1, page)
    assert notebook.stale == "b"


# ── where the two orders differ


@pytest.mark.parametrize(
    ("ran", "told", "differing"),
    [
        ("abc", "abc", ""),
        ("cab", "abc", "abc"),  # `c` is now after two, and they without it
        ("acb", "abc", "bc"),
        ("abc", "acb", "bc"),
        ("abc", "ac", "c"),  # `b` is deleted
        ("abc", "abcd", ""),  # `d` never ran
        ("abc", "axbc", ""),
        ("abc", "xyz", ""),
    ],
)
def test_cells_with_other_turns_before_them_are_named_with_either_setting(ran, told, differing):
    for by_page in (False, True):
        notebook = Notebook(by_page=by_page)
        for cell in ran:
            notebook.run(cell)
        notebook.tell(told)
        assert notebook.differing == differing


def test_turns_without_a_cell_make_the_orders_differ():
    notebook = Notebook()
    notebook.tell("ab")
    notebook.run("a")
    notebook.thread.record(notebook.thread.open_slot(None), Turn("line", "x"))
    notebook.run("b")
    assert notebook.differing == "b"


def test_a_new_start_hides_the_difference_before_it():
    notebook = Notebook()
    for cell in "bac":
        notebook.run(cell, new=cell == "c")
    notebook.tell("abc")
    assert notebook.differing == "ab"


# ── what is told


def test_a_reported_order_is_replaced_and_dropped_as_a_whole():
    order = DocumentOrder()
    assert order.cells("n") is None
    order.update("n", ["a", "b"])
    order.update("m", [])
    order.update("n", ["b"])
    assert (order.cells("n"), order.cells("m")) == (("b",), ())
    assert order.page(TurnKey("n", "a", 0)) is None
    order.forget("n")
    order.forget("never told")
    assert order.cells("n") is None
    assert order.page(TurnKey("n", "b", 0)) is None
    assert order.page(None) is None


def test_of_two_pages_with_one_cell_the_notebooks_own_counts_else_the_last_reported():
    order = DocumentOrder()
    order.update("here", ["a", "b"])
    order.update("there", ["b", "a"])
    assert list(order.page(TurnKey("here", "a", 0)).cells) == ["a", "b"]
    assert list(order.page(TurnKey("renamed", "a", 0)).cells) == ["b", "a"]
    order.update("here", ["a", "b"])
    assert list(order.page(TurnKey("renamed", "a", 0)).cells) == ["a", "b"]


def test_the_order_may_be_reported_while_cells_run():
    notebook, over = Notebook(), threading.Event()

    def tell():
        while not over.is_set():
            for told in ("abcdef", "fedcba", "ace", ""):
                notebook.tell(told)

    telling = threading.Thread(target=tell)
    telling.start()
    try:
        for _ in range(100):
            for cell in "abcdef":
                assert set(notebook.run(cell).split()) <= set("abcdef")
                assert set(notebook.differing) <= set("abcdef")
    finally:
        over.set()
        telling.join()
    assert len(notebook.thread.slots) == 6


# ── against a plain model


class AnyPage(RuleBasedStateMachine):
    """Runs, moves, deletes, copies cells; what each would send is what stands above it."""

    def __init__(self) -> None:
        super().__init__()
        self.notebook = Notebook()
        self.page = [*"abcde"]
        self.answers: dict[str, tuple[str, bool]] = {}
        self.asked: dict[str, list[str]] = {}
        self.count = 0
        self.tell()

    def tell(self):
        self.notebook.tell("".join(self.page))

    def above(self, cell):
        found: list[str] = []
        for each in self.page[: self.page.index(cell)]:
            if each in self.answers:
                found = [*([] if self.answers[each][1] else found), self.answers[each][0]]
        return found

    @rule(data=st.data(), new=st.booleans())
    def run(self, data, new):
        if not self.page:
            return
        cell = data.draw(st.sampled_from(self.page))
        before = [] if new else self.above(cell)
        key = self.notebook.key(cell)
        page = self.notebook.page(key)
        past = self.notebook.thread.context(key, starts_new_thread=new, page=page)
        assert [turn.answer for turn in past.turns] == before
        self.count += 1
        said = f"{cell}{self.count}"
        self.notebook.run(cell, new=new, answer=said)
        self.answers[cell] = (said, new)
        self.asked[cell] = before

    @rule(data=st.data())
    def move(self, data):
        self.page = data.draw(st.permutations(self.page))
        self.tell()

    @rule(data=st.data())
    def delete(self, data):
        if self.page:
            self.page.remove(data.draw(st.sampled_from(self.page)))
            self.tell()

    @rule(cell=st.sampled_from("abcdefgh"))
    def insert(self, cell):
        if cell not in self.page:
            self.page.insert(len(self.page) // 2, cell)
            self.tell()

    @invariant()
    def every_cell_rests_on_what_it_was_sent_with(self):
        for slot in self.notebook.thread.slots:
            cell = slot.key.cell_id
            if cell not in self.page:
                continue
            place = self.notebook.thread.slots.index(slot)
            page = self.notebook.page(slot.key)
            now = self.notebook.thread.context_before(place, page)
            before = [] if self.answers[cell][1] else self.above(cell)
            assert [turn.answer for turn in now.turns] == before
            rests = slot.turn.basis.upstream == now.digest
            assert rests == (self.asked[cell] == before)


TestAnyPage = AnyPage.TestCase
TestAnyPage.settings = settings(max_examples=60, stateful_step_count=30)
