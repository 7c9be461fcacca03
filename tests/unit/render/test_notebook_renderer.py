"""What the notebook's screen sends: few messages, bounded bytes, nothing lost."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cc_jupyter.core.errors import StreamError
from cc_jupyter.core.events import Notice, ReasoningDelta, TextDelta, Waiting
from cc_jupyter.core.reply import Reply
from cc_jupyter.render import notebook
from cc_jupyter.render.notebook import NotebookRenderer, Screen


class Publisher:
    """Keeps the outputs of a cell as a front end does, and counts what was sent."""

    def __init__(self):
        self.outputs = {}
        self.messages = []
        self.log = []
        self.wait = False

    def publish(self, *, data, metadata, transient, update):
        assert "text/plain" in data
        self.messages.append(sum(map(len, data.values())))
        self.log.append(("update" if update else "display", transient["display_id"], data))
        if self.wait:
            self.outputs.clear()
            self.wait = False
        assert update == (transient["display_id"] in self.outputs)
        self.outputs[transient["display_id"]] = (data, metadata)

    def clear_output(self, *, wait):
        self.messages.append(0)
        self.log.append(("clear", None, wait))
        self.wait = wait
        if not wait:
            self.outputs.clear()

    @property
    def texts(self):
        return [data["text/plain"] for data, _ in self.outputs.values()]


class Shell:
    def __init__(self):
        self.display_pub = Publisher()


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(notebook, "monotonic", lambda: now[0])
    return now


def play(events, *, owns_cell, clock, step_s=0.005, reply=None, reasoning=True):
    shell = Shell()
    renderer = NotebookRenderer(Screen(shell), label="m", owns_cell=owns_cell, reasoning=reasoning)
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    thought = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    for event in events:
        renderer.show(event)
        clock[0] += step_s
    renderer.finish(reply or Reply(text, thought, "m", "stop"))
    return shell.display_pub


PARAGRAPHS = [f"word{n} " if n % 50 else "\n\n" for n in range(1, 4000)]
SHAPES = {
    "paragraphs": PARAGRAPHS,
    "one long line": [f"word{n} " for n in range(4000)],
    "one long word": ["abcdef"] * 4000,
    "a code block": ["```python\n", *[f"x = {n}\n" for n in range(4000)], "```\n"],
    "a list": [f"- item {n}\n" for n in range(3000)],
}


@pytest.mark.parametrize("owns_cell", [True, False], ids=["whole cell", "among others"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_end_holds_the_whole_text_and_the_usage_line(shape, owns_cell, clock):
    pieces = SHAPES[shape]
    board = play([TextDelta(piece) for piece in pieces], owns_cell=owns_cell, clock=clock)
    assert board.texts[0] == "".join(pieces)
    assert len(board.texts) == 2
    assert board.texts[1].startswith("m · in ?")


@pytest.mark.parametrize("owns_cell", [True, False], ids=["whole cell", "among others"])
@pytest.mark.parametrize("shape", SHAPES)
def test_traffic_grows_linearly_with_the_text(shape, owns_cell, clock):
    pieces = SHAPES[shape]
    sizes = []
    for length in (len(pieces) // 4, len(pieces)):
        events = [TextDelta(piece) for piece in pieces[:length]]
        board = play(events, owns_cell=owns_cell, clock=clock)
        sizes.append(sum(board.messages))
    assert sizes[1] < 6 * sizes[0]


def test_no_more_frames_than_their_time_allows(clock):
    board = play([TextDelta("a ")] * 2000, owns_cell=True, clock=clock)
    assert len(board.messages) <= 2000 * 0.005 / notebook.FRAME_S + 5


def test_the_first_text_is_drawn_at_once(clock):
    shell = Shell()
    renderer = NotebookRenderer(Screen(shell), label="m", owns_cell=True)
    renderer.show(ReasoningDelta("hm"))
    renderer.show(TextDelta("H"))
    assert "H" in shell.display_pub.texts


def test_the_tail_comes_out_without_more_data(clock):
    shell = Shell()
    renderer = NotebookRenderer(Screen(shell), label="m", owns_cell=True)
    renderer.show(TextDelta("One"))
    renderer.show(TextDelta(" two"))
    assert shell.display_pub.texts == ["One"]
    clock[0] += notebook.FRAME_S
    renderer.show(Waiting("more text", 0.04))
    assert shell.display_pub.texts == ["One two"]


@pytest.mark.parametrize("owns_cell", [True, False])
def test_reasoning_comes_first_and_is_folded_in_the_end(owns_cell, clock):
    events = [ReasoningDelta("<b>hm"), TextDelta("Yes.")]
    board = play(events, owns_cell=owns_cell, clock=clock)
    first, _ = next(iter(board.outputs.values()))
    assert first["text/html"].startswith("<details><summary>Thought for")
    assert "&lt;b&gt;hm" in first["text/html"]
    assert board.texts[1] == "Yes."


def test_reasoning_off_leaves_it_out(clock):
    events = [ReasoningDelta("hm"), TextDelta("Yes.")]
    board = play(events, owns_cell=True, clock=clock, reasoning=False)
    assert len(board.texts) == 2


def test_long_reasoning_is_sent_in_bounded_pieces(clock):
    events = [ReasoningDelta("thinking ")] * 20_000
    board = play(events, owns_cell=True, clock=clock)
    assert max(board.messages[:-3]) < 6_000


@pytest.mark.parametrize("owns_cell", [True, False])
def test_an_answer_within_300_ms_needs_no_word_of_waiting(owns_cell, clock):
    events = [*[Waiting("first text", n * 0.036) for n in range(8)], TextDelta("Hi")]
    board = play(events, owns_cell=owns_cell, clock=clock, step_s=0.036)
    assert len(board.messages) == (4 if owns_cell else 3)


@pytest.mark.parametrize("owns_cell", [True, False])
def test_a_waiting_cell_says_so_once_a_second_and_the_text_takes_its_place(owns_cell, clock):
    waits = [Waiting("first text", n * 0.036) for n in range(139)]  # five seconds
    shell = Shell()
    renderer = NotebookRenderer(Screen(shell), label="m", owns_cell=owns_cell)
    for event in waits:
        renderer.show(event)
        clock[0] += 0.036
    assert shell.display_pub.texts == ["*m · 5 s · waiting for the first text*"]
    assert len(shell.display_pub.messages) <= 7
    renderer.show(TextDelta("Hi"))
    assert shell.display_pub.texts == ["Hi"]


def test_a_stalled_answer_says_for_how_long_and_goes_on(clock):
    shell = Shell()
    renderer = NotebookRenderer(Screen(shell), label="m", owns_cell=True)
    renderer.show(TextDelta("So far"))
    clock[0] += 40
    renderer.show(Waiting("more text", 40.2))
    assert shell.display_pub.texts == ["So far\n\n*no data for 40 s*"]
    renderer.show(TextDelta(" so good"))
    assert shell.display_pub.texts == ["So far so good"]


@pytest.mark.parametrize("owns_cell", [True, False])
def test_thinking_is_named_with_its_time_also_where_it_is_not_shown(owns_cell, clock):
    for reasoning in (True, False):
        shell = Shell()
        renderer = NotebookRenderer(
            Screen(shell), label="m", owns_cell=owns_cell, reasoning=reasoning
        )
        for _ in range(140):  # five seconds
            renderer.show(ReasoningDelta("hm "))
            clock[0] += 0.036
        (shown,) = shell.display_pub.texts
        assert "m · 5 s · thinking" in shown
        assert ("hm" in shown) == reasoning
        assert reasoning or len(shell.display_pub.messages) <= 7
        renderer.show(TextDelta("Hi"))
        assert shell.display_pub.texts[-1] == "Hi"


def test_a_stall_while_it_thinks_is_told_beside_the_thoughts(clock):
    shell = Shell()
    renderer = NotebookRenderer(Screen(shell), label="m", owns_cell=True)
    renderer.show(ReasoningDelta("hm"))
    clock[0] += 12
    renderer.show(Waiting("more text", 12.1))
    assert shell.display_pub.texts == ["[m · 12 s · thinking · no data for 12 s]\nhm"]


def as_a_front_end_that_is_late_with_updates(log, late):
    """Return what stands in the end where updates overtake nothing of their own output only.

    VS Code applies updates apart from new outputs and drops those whose output is not there.
    `late` says for each how many messages go before it; where one output has two, the last wins.
    """
    queued = []
    for place, (kind, display_id, content) in enumerate(log):
        delay = late[place % len(late)] if kind == "update" else 0
        before = max((at for at, message in queued if message[1] == display_id), default=0)
        queued.append((max(place + delay, before), (kind, display_id, content)))
    queued.sort(key=lambda each: each[0])
    board, clearing = {}, False
    for _, (kind, display_id, content) in queued:
        if kind == "clear":
            clearing = content
            if not content:
                board.clear()
        elif kind == "display":
            if clearing:
                board.clear()
            clearing = False
            board[display_id] = content
        elif display_id in board:
            board[display_id] = content
    return list(board.values())


@pytest.mark.parametrize("owns_cell", [True, False], ids=["whole cell", "among others"])
def test_the_end_is_the_same_where_updates_come_late_or_out_of_order(owns_cell):
    @settings(max_examples=50)  # a busy machine takes its time
    @given(st.lists(st.integers(0, 30), min_size=1, max_size=40))
    def check(late):
        with pytest.MonkeyPatch.context() as patch:
            now = [100.0]
            patch.setattr(notebook, "monotonic", lambda: now[0])
            now[0] += 1
            waits = [Waiting("first text", n * 0.3) for n in range(5)]
            thoughts = [ReasoningDelta("hm ")] * 20
            texts = [TextDelta(piece) for piece in PARAGRAPHS[:900]]
            board = play([*waits, *thoughts, *texts], owns_cell=owns_cell, clock=now)
        wanted = [data for data, _ in board.outputs.values()]
        assert as_a_front_end_that_is_late_with_updates(board.log, late) == wanted
        assert [kind for kind, *_ in board.log].count("update") > 20

    check()


def test_after_a_cell_was_cleared_nothing_of_before_is_updated(clock):
    board = play([TextDelta(piece) for piece in PARAGRAPHS], owns_cell=True, clock=clock)
    kinds = [kind for kind, *_ in board.log]
    assert kinds[kinds.index("clear") :] == ["clear", "display", "display"]


@pytest.mark.parametrize("owns_cell", [True, False])
def test_a_retry_is_visible_while_it_waits(owns_cell, clock):
    board = play(
        [Notice("busy; sent again after 0.5 s (try 1 of 2)"), TextDelta("Hi")],
        owns_cell=owns_cell,
        clock=clock,
    )
    assert board.messages[0] > 0
    assert board.texts[0] == "Hi"


@pytest.mark.parametrize("owns_cell", [True, False])
def test_a_refused_request_leaves_no_answer_and_no_usage_line(owns_cell, clock):
    refused = Reply("", "", "m", "error", error=StreamError("refused"))
    board = play([], owns_cell=owns_cell, clock=clock, reply=refused)
    assert board.texts == []


def test_a_long_answer_is_drawn_less_often(clock):
    def drawn(tokens):
        return len(play([TextDelta("a ")] * tokens, owns_cell=True, clock=clock).messages)

    ten_seconds, twenty_seconds = drawn(2000), drawn(4000)
    assert twenty_seconds < 1.5 * ten_seconds


@pytest.mark.parametrize("owns_cell", [True, False])
def test_an_answer_that_does_not_count_is_folded_and_one_with_more_notices_is_drawn_again(
    clock, owns_cell
):
    shell = Shell()
    renderer = NotebookRenderer(Screen(shell), label="m", owns_cell=owns_cell)
    renderer.show(TextDelta("**long** <b>answer"))
    reply = Reply("**long** <b>answer", "", "m", "stop")
    renderer.finish(reply)
    renderer.revise(dataclasses.replace(reply, notices=("m passed",)))
    assert shell.display_pub.texts[0] == "**long** <b>answer"
    assert shell.display_pub.texts[1].endswith("m passed")
    renderer.revise(reply, "m did not\npass: <too long>")
    (folded, _), (usage, _) = shell.display_pub.outputs.values()
    assert folded["text/plain"] == "[m did not pass: <too long>]\n**long** <b>answer"
    assert "<summary>m did not pass: &lt;too long&gt;</summary>" in folded["text/html"]
    assert "&lt;b&gt;answer" in folded["text/html"]
    assert "passed" not in usage["text/plain"]


def test_a_refused_request_is_replaced_by_the_line_that_says_so(clock):
    shell = Shell()
    renderer = NotebookRenderer(Screen(shell), label="m")
    reply = Reply("", "", "m", "error", error=StreamError("busy"))
    renderer.finish(reply)
    renderer.revise(reply, "m did not pass: busy")
    assert shell.display_pub.texts == ["[m did not pass: busy]"]
