"""`%cmd versions`: a version is its prompt, its options and its answer together."""

from __future__ import annotations

import types
from decimal import Decimal

import pytest
from support.store.samples import turn

from cc_jupyter.commands.threads import ThreadCommands, differing_options
from cc_jupyter.conversation.records import turn_from_record
from cc_jupyter.conversation.turns import Turn
from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.messages import Parameters, TurnKey
from cc_jupyter.core.money import Cost
from cc_jupyter.session.session import Session

FIRST, SECOND = "1" * 32, "2" * 32
LONG = "Read this text closely and then answer: "


@pytest.fixture
def session():
    opened = Session()
    yield opened
    opened.transport.close()
    opened.history.close()


@pytest.fixture
def commands(session):
    return ThreadCommands(session, types.SimpleNamespace(notebook="n"))


def put(session, *records):
    """Record turns as the answers of one cell."""
    thread = session.conversations.thread()
    place = thread.open_slot(TurnKey("n", "a", 0))
    for each in records:
        thread.record(place, turn_from_record(each))
        session.history.save(each, thread, on_disk=True)
    return thread


def column(table, name):
    return [row[name] for row in table]


def test_each_version_shows_what_distinguishes_it(session, commands):
    put(
        session,
        turn("the dog", "der Hund", model="a/x", options=Parameters(max_tokens=9), system="German"),
        turn(
            "the cat",
            "le chat",
            model="b/y",
            options=Parameters(temperature=0.5, max_tokens=9),
            system="French",
            cost=Cost(Decimal("0.5"), "estimated", None),
        ),
    )
    shown = commands.versions()
    assert list(shown[0]) == [
        *("version", "active", "grid", "model", "options", "prompt", "answer", "cost", "ended"),
        "sent",
    ]
    assert column(shown, "version") == [1, 2]
    assert column(shown, "active") == ["", "yes"]
    assert column(shown, "model") == ["a/x", "b/y"]
    assert column(shown, "options") == ["system: German", "t 0.5 · system: French"]
    assert column(shown, "prompt") == ["the dog", ""]
    assert column(shown, "answer") == ["der Hund", "le chat"]
    assert column(shown, "cost") == ["$0.0012", "~$0.5000"]
    assert column(shown, "grid") == [None, None]
    assert column(commands.versions(1, use=1), "prompt") == ["", "the cat"]


def test_grids_are_shown_as_groups_and_each_member_can_be_used(session, commands):
    records = [
        turn("Why?", "old"),
        *(turn("Why?", f"a{number}", grid=FIRST) for number in range(2)),
        *(turn("Why?", f"b{number}", grid=SECOND) for number in range(2)),
        turn("Why?", "half", grid=SECOND, error="StreamError: cut"),
        turn("Why?", "", grid=SECOND, error="RateLimitError: too many"),
    ]
    thread = put(session, *records)
    thread.arrange(0, [records[4].id, records[3].id])
    shown = commands.versions()
    assert column(shown, "grid") == [None, 1, 1, 2, 2, 2, 2]
    assert column(shown, "answer") == ["old", "a0", "a1", "b1", "b0", "half", ""]
    assert column(shown, "active").index("yes") == 3
    for version in (1, 3, 5, 6):
        assert column(commands.versions(1, use=version), "active").index("yes") == version - 1
    with pytest.raises(OptionError, match="has no version 7 with an answer"):
        commands.versions(1, use=7)


def test_a_restart_finds_versions_as_they_were(session, commands):
    records = [
        turn(f"{topic}?", topic, grid=FIRST, model=topic, options=Parameters(temperature=number))
        for number, topic in enumerate(("rain", "snow", "hail"))
    ]
    thread = put(session, *records)
    thread.arrange(0, [each.id for each in reversed(records)])
    session.history.save_thread(thread, on_disk=True)
    before = commands.versions(1, use=2)
    restarted = Session()
    again = ThreadCommands(restarted, types.SimpleNamespace(notebook="n"))
    again.thread("default")
    assert again.versions() == before
    assert column(before, "options") == ["t 2", "t 1", "t 0"]
    assert column(before, "active") == ["", "yes", ""]
    turns = restarted.history.grid_turns(FIRST, on_disk=True)
    assert [each.id for each in turns] == [each.id for each in records]
    assert restarted.history.grid_turns(FIRST, on_disk=False) == []
    assert restarted.history.grid_turns(SECOND, on_disk=True) == []
    restarted.transport.close()
    restarted.history.close()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([Parameters(temperature=0), Parameters(temperature=1.0)], ["t 0", "t 1"]),
        ([Parameters(top_p=0.9), Parameters()], ["top-p 0.9", ""]),
        ([Parameters(max_tokens=5), Parameters(max_tokens=5)], ["", ""]),
        ([Parameters(effort="low"), Parameters(effort="max")], ["effort: low", "effort: max"]),
        (
            [Parameters(extra={"seed": 1, "k": 2}), Parameters(extra={"seed": 3, "k": 2})],
            ["seed: 1", "seed: 3"],
        ),
        ([Parameters(stop=("a",)), Parameters()], ["stop: ['a']", ""]),
        ([None, Parameters(temperature=1)], ["?", ""]),
        ([None, None], ["?", "?"]),
        ([], []),
    ],
)
def test_only_options_that_differ_are_named(given, expected):
    assert differing_options([Turn("p", "a", options=each) for each in given]) == expected


def test_a_system_prompt_that_was_removed_is_named():
    turns = [Turn("p", "a", system, options=Parameters()) for system in ("brief", "", None)]
    assert differing_options(turns) == ["system: brief", "system: none", ""]


def test_two_long_prompts_are_shown_where_they_differ(session, commands):
    texts = [LONG * 3 + f"what is {topic}, and why?" for topic in ("rain", "snow")]
    put(session, *(turn(text, "x", grid=FIRST) for text in texts))
    assert column(commands.versions(), "prompt") == ["", "…answer: what is snow, and why?"]
