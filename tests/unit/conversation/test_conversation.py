"""Conversations: what is sent before a prompt, in whatever order and however often cells run."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from cc_jupyter.conversation.thread import Conversations, Thread
from cc_jupyter.conversation.turns import Context, Turn
from cc_jupyter.core.messages import Message, TurnKey


def key(cell: str, number: int = 0, notebook: str = "n") -> TurnKey:
    return TurnKey(notebook, cell, number)


def run(
    thread: Thread,
    cell: str | None,
    *,
    answer: str | None = None,
    system: str | None = None,
    new: bool = False,
) -> Context:
    """Run a cell that says its own name; give what was sent before it."""
    turn_key = None if cell is None else key(cell)
    past = thread.context(turn_key, starts_new_thread=new)
    place = thread.open_slot(turn_key, starts_new_thread=new)
    said = answer if answer is not None else f"{cell}!"
    thread.record(place, Turn(cell or "?", said, system))
    return past


def texts(past: Context) -> list[str]:
    return [message.text for message in past.messages]


def stale(thread: Thread) -> list[int]:
    return [place for place, slot in enumerate(thread.slots) if slot.stale]


# ── the rules of spec.md, section 2


def test_cells_continue_in_the_order_in_which_they_first_ran():
    thread = Thread("t")
    assert texts(run(thread, "b")) == []
    assert texts(run(thread, "a")) == ["b", "b!"]
    assert texts(run(thread, "c")) == ["b", "b!", "a", "a!"]


def test_a_cell_run_again_replaces_its_turn_and_sends_what_stood_before_it():
    thread = Thread("t")
    for cell in "abc":
        run(thread, cell)
    assert texts(run(thread, "b", answer="B2")) == ["a", "a!"]
    assert len(thread.slots) == 3
    assert [turn.answer for turn in thread.slots[1].versions] == ["b!", "B2"]
    assert texts(run(thread, "d")) == ["a", "a!", "b", "B2", "c", "c!"]


def test_later_turns_stay_and_are_marked_stale():
    thread = Thread("t")
    for cell in "abc":
        run(thread, cell)
    assert stale(thread) == []
    run(thread, "a", answer="A2")
    assert stale(thread) == [1, 2]
    run(thread, "b")
    assert stale(thread) == [2]
    run(thread, "c")
    assert stale(thread) == []


def test_a_turn_that_is_left_out_is_not_sent_and_can_be_brought_back():
    thread = Thread("t")
    for cell in "abc":
        run(thread, cell)
    left = thread.slots[1].turn
    thread.leave_out(1)
    assert stale(thread) == [1]
    assert texts(run(thread, "c")) == ["a", "a!"]
    assert stale(thread) == []
    thread.bring_back(key("b"), left)
    assert texts(run(thread, "d")) == ["a", "a!", "c", "c!", "b", "b!"]
    thread.bring_back(key("c"), thread.slots[1].versions[0])
    assert len(thread.slots[1].versions) == 2


def test_what_follows_a_left_out_beginning_still_begins_there():
    thread = Thread("t")
    run(thread, "a")
    thread.start_over()
    run(thread, "b")
    run(thread, "c")
    thread.leave_out(1)
    assert texts(run(thread, "d")) == ["c", "c!"]


def test_a_turn_without_text_keeps_the_old_version_active():
    thread = Thread("t")
    for cell in "ab":
        run(thread, cell)
    run(thread, "a", answer="")
    assert thread.slots[0].turn == Turn("a", "a!")
    assert len(thread.slots[0].versions) == 2
    assert stale(thread) == []
    assert texts(run(thread, "c")) == ["a", "a!", "b", "b!"]


def test_an_empty_answer_is_never_sent_and_a_partial_one_is_sent_as_it_is():
    thread = Thread("t")
    run(thread, "empty", answer="")
    run(thread, "partial", answer="half a sen")
    assert texts(run(thread, "next")) == ["partial", "half a sen"]


def test_a_place_that_got_its_first_text_late_makes_what_follows_stale():
    thread = Thread("t")
    run(thread, "a", answer="")
    run(thread, "b")
    run(thread, "a")
    assert stale(thread) == [1]
    assert texts(run(thread, "c")) == ["a", "a!", "b", "b!"]


def test_without_a_cell_id_every_execution_appends():
    thread = Thread("t")
    for _ in range(3):
        run(thread, None)
    assert len(thread.slots) == 3


def test_each_request_of_an_execution_has_its_own_turn():
    thread = Thread("t")
    for number in (0, 1, 0, 1):
        place = thread.open_slot(key("loop", number))
        thread.record(place, Turn(f"q{number}", "x"))
    assert [len(slot.versions) for slot in thread.slots] == [2, 2]


def test_the_same_cell_id_in_two_notebooks_is_two_turns():
    thread = Thread("t")
    for notebook in ("one", "two"):
        thread.record(thread.open_slot(key("a", 0, notebook)), Turn("q", "x"))
    assert len(thread.slots) == 2


def test_new_starts_a_new_conversation_from_its_cell_on():
    thread = Thread("t")
    for cell in "ab":
        run(thread, cell)
    assert run(thread, "c", new=True) == Context()
    assert texts(run(thread, "d")) == ["c", "c!"]
    assert texts(run(thread, "b", answer="B2")) == ["a", "a!"]
    assert stale(thread) == []  # another conversation begins between them


def test_new_for_the_whole_thread_holds_from_the_next_turn_on():
    thread = Thread("t")
    run(thread, "a")
    thread.start_over()
    assert texts(run(thread, "a", answer="A2")) == []
    assert run(thread, "b") == Context()
    assert texts(run(thread, "c")) == ["b", "b!"]
    assert texts(run(thread, "b")) == []


@pytest.mark.parametrize(
    ("systems", "sent"),
    [
        ([None, None], None),
        (["be brief", None], "be brief"),
        (["be brief", "be long"], "be long"),
        (["be brief", ""], None),
        ([None, "be long", "", None], None),
        (["", "be long", None], "be long"),
    ],
)
def test_a_system_prompt_holds_from_its_turn_on_until_another(systems, sent):
    thread = Thread("t")
    for number, system in enumerate(systems):
        run(thread, str(number), system=system)
    assert thread.context(None).system == sent


def test_a_system_prompt_of_a_later_turn_is_not_sent_with_an_earlier_one():
    thread = Thread("t")
    run(thread, "a", system="first")
    run(thread, "b", system="second")
    assert run(thread, "a").system is None
    assert run(thread, "b").system is None  # `a` now says nothing
    assert run(thread, "c").system is None


def test_a_turn_says_who_spoke():
    thread = Thread("t")
    run(thread, "a")
    assert thread.context(None).messages == (Message("user", "a"), Message("assistant", "a!"))


def test_asking_for_the_past_reserves_nothing():
    thread = Thread("t")
    for _ in range(3):
        thread.context(key("a"))
    assert thread.slots == ()


def test_threads_are_made_when_first_named_and_keep_apart():
    conversations = Conversations()
    assert conversations.thread().name == "default"
    run(conversations.thread("other"), "a")
    assert conversations.thread("other") is conversations.thread("other")
    assert conversations.thread().slots == ()
    assert conversations.names == ("default", "other")
    conversations.current = "other"
    assert conversations.thread().name == "other"


# ── at the same time


def test_many_threads_of_python_may_ask_in_one_conversation():
    thread = Thread("t")
    ready = threading.Barrier(8)

    def work(worker: int) -> None:
        ready.wait()
        for number in range(50):
            turn_key = key(f"{worker}-{number}")
            before = thread.context(turn_key).messages
            assert len(before) % 2 == 0
            place = thread.open_slot(turn_key)
            thread.record(place, Turn(f"{worker}-{number}", "x"))
            assert thread.slots[place].key == turn_key

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len(thread.slots) == 400
    assert all(slot.turn and slot.turn.prompt == slot.key.cell_id for slot in thread.slots)


def test_two_runs_of_one_cell_at_once_share_its_place():
    thread = Thread("t")
    with ThreadPoolExecutor(8) as pool:
        places = list(pool.map(lambda _: thread.open_slot(key("a")), range(64)))
    assert set(places) == {0}
    assert len(thread.slots) == 1


# ── against a plain model


@dataclass
class Cell:
    """One place as the plain model sees it."""

    name: str
    said: tuple[str, str, str | None] | None = None
    after: bool = False
    new: bool = False
    stale: bool = False
    versions: int = 0

    @property
    def anew(self) -> bool:
        return self.after or self.new


@dataclass
class Plain:
    """The rules again, as short as they can be put, over a list of cells."""

    cells: list[Cell] = field(default_factory=list[Cell])
    next_anew: bool = False

    def copy(self) -> Plain:
        return Plain([replace(cell) for cell in self.cells], next_anew=self.next_anew)

    def rewind(self, number: int) -> None:
        while self.cells and number:
            number -= self.cells.pop().said is not None
        while self.cells and self.cells[-1].said is None:
            self.cells.pop()

    def answer(self, place: int, said: tuple[str, str, str | None]) -> None:
        cell = self.cells[place]
        cell.versions += 1
        if not said[1]:
            return
        cell.said, cell.stale = said, False
        for later in self.cells[place + 1 :]:
            if later.anew:
                break
            later.stale = later.said is not None

    def place(self, name: str) -> int:
        names = [cell.name for cell in self.cells]
        return names.index(name) if name in names else len(names)

    def past(self, name: str, *, new: bool) -> tuple[list[str], str | None]:
        place = self.place(name)
        if new or (place == len(self.cells) and self.next_anew):
            return [], None
        said: list[str] = []
        system = None
        if place < len(self.cells) and self.cells[place].after:
            return [], None
        for cell in self.cells[:place]:
            if cell.anew:
                said, system = [], None
            if cell.said is not None:
                said += cell.said[:2]
                system = cell.said[2] if cell.said[2] is not None else system
        return said, system or None


NAMES = st.sampled_from("abcdef")
ANSWERS = st.sampled_from(["", "", "x", "y", "half a sen"])
SYSTEMS = st.sampled_from([None, None, "", "be brief", "be long"])


class AnyNotebook(RuleBasedStateMachine):
    """Runs cells in any order, several at once, and compares what each would send."""

    running = Bundle("running")

    def __init__(self) -> None:
        super().__init__()
        self.thread = Thread("t")
        self.plain = Plain()
        self.count = 0

    @rule(target=running, name=NAMES, new=st.booleans())
    def begin(self, name, new):
        past = self.thread.context(key(name), starts_new_thread=new)
        assert (texts(past), past.system) == self.plain.past(name, new=new)
        place = self.thread.open_slot(key(name), starts_new_thread=new)
        assert place == self.plain.place(name)
        if place == len(self.plain.cells):
            self.plain.cells.append(Cell(name, after=self.plain.next_anew))
            self.plain.next_anew = False
        self.plain.cells[place].new = new
        return place

    @rule(place=running, answer=ANSWERS, system=SYSTEMS)
    def end(self, place, answer, system):
        self.count += 1
        prompt = f"prompt {self.count}"
        self.thread.record(place, Turn(prompt, answer, system))
        self.plain.answer(place, (prompt, answer, system))

    @rule(target=running, name=NAMES, answer=ANSWERS, system=SYSTEMS)
    def run_whole(self, name, answer, system):
        place = self.begin(name, new=False)
        self.end(place, answer, system)
        return multiple()

    @rule()
    def start_anew(self):
        self.thread.start_over()
        self.plain.next_anew = True

    @invariant()
    def every_place_is_as_the_plain_model_has_it(self):
        assert [
            (slot.key.cell_id, slot.stale, len(slot.versions), slot.starts_new_thread)
            for slot in self.thread.slots
        ] == [(cell.name, cell.stale, cell.versions, cell.anew) for cell in self.plain.cells]

    @invariant()
    def every_cell_would_send_what_the_plain_model_says(self):
        for name in "abcdefg":
            past = self.thread.context(key(name))
            assert (texts(past), past.system) == self.plain.past(name, new=False)
            assert "" not in texts(past)


TestAnyNotebook = AnyNotebook.TestCase
TestAnyNotebook.settings = settings(max_examples=60, stateful_step_count=30)


class AnyExploration(RuleBasedStateMachine):
    """Runs, runs again, forks, rewinds and switches in any order; each thread is like its model."""

    def __init__(self) -> None:
        super().__init__()
        self.conversations = Conversations()
        self.plain = {"default": Plain()}
        self.count = 0

    @property
    def here(self) -> Plain:
        return self.plain[self.conversations.current]

    @rule(name=NAMES, answer=ANSWERS, system=SYSTEMS, new=st.booleans())
    def run_a_cell(self, name, answer, system, new):
        thread, plain = self.conversations.thread(), self.here
        past = thread.context(key(name), starts_new_thread=new)
        assert (texts(past), past.system) == plain.past(name, new=new)
        place = thread.open_slot(key(name), starts_new_thread=new)
        if place == len(plain.cells):
            plain.cells.append(Cell(name, after=plain.next_anew))
            plain.next_anew = False
        plain.cells[place].new = new
        self.count += 1
        said = (f"prompt {self.count}", answer, system)
        thread.record(place, Turn(*said))
        plain.answer(place, said)

    @rule(number=st.integers(1, 4))
    def rewind(self, number):
        self.conversations.thread().rewind(number)
        self.here.rewind(number)

    @rule()
    def fork(self):
        name = f"fork {len(self.plain)}"
        self.plain[name] = self.here.copy()
        self.conversations.fork(name)

    @rule(data=st.data())
    def switch(self, data):
        self.conversations.current = data.draw(st.sampled_from(sorted(self.plain)))

    @rule()
    def start_anew(self):
        self.conversations.thread().start_over()
        self.here.next_anew = True

    @invariant()
    def every_thread_would_send_what_its_model_says(self):
        for name, plain in self.plain.items():
            thread = self.conversations.thread(name)
            assert [
                (slot.key.cell_id, slot.stale, len(slot.versions)) for slot in thread.slots
            ] == [(cell.name, cell.stale, cell.versions) for cell in plain.cells]
            for cell in "abcg":
                past = thread.context(key(cell))
                assert (texts(past), past.system) == plain.past(cell, new=False)
                assert len(past.messages) == 2 * len(past.turns)


TestAnyExploration = AnyExploration.TestCase
TestAnyExploration.settings = settings(max_examples=60, stateful_step_count=30)
