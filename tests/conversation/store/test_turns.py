"""What is stored is restored unchanged: turns, bodies, images, conversations."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import json
import stat
import string
from datetime import UTC, timedelta
from decimal import Decimal, localcontext
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.store.samples import NOON, conversation, turn

import cc_jupyter
from cc_jupyter.conversation.records import SlotRecord
from cc_jupyter.core.errors import StoreError
from cc_jupyter.core.events import Source, Usage
from cc_jupyter.core.messages import Image, Parameters, PromptTemplate, TurnKey
from cc_jupyter.core.money import Cost

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
COUNT = st.none() | st.integers(0, 10**9)
TURNS = st.builds(
    turn,
    prompt=TEXT,
    answer=TEXT,
    reasoning=TEXT,
    system=st.none() | TEXT,
    error=st.none() | TEXT,
    thread=st.none() | TEXT,
    notebook=TEXT,
    key=st.none() | st.builds(TurnKey, TEXT, TEXT.filter(bool), st.integers(0, 99)),
    sent_at=st.datetimes(timezones=st.just(UTC)),
    usage=st.builds(Usage, COUNT, COUNT, COUNT, COUNT, COUNT),
    cost=st.builds(
        Cost,
        st.decimals(0, 10**6, allow_nan=False, places=12),
        st.sampled_from(["reported", "estimated"]),
        st.none() | st.dates(),
        st.none() | st.decimals(0, 10**6, allow_nan=False, places=12),
        st.lists(TEXT).map(tuple),
    ),
    answer_images=st.lists(
        st.builds(Image, st.just("image/png"), st.binary(min_size=1), st.none(), TEXT)
    ).map(tuple),
    sources=st.lists(st.builds(Source, TEXT, TEXT)).map(tuple),
    time_to_first_token_s=st.none() | st.floats(0, 10**6),
    notices=st.lists(TEXT).map(tuple),
    order=st.sampled_from(["execution", "document"]),
    zdr=st.booleans(),
    request_key=st.sampled_from(["", "e" * 64]),
    sample=st.none() | st.integers(0, 9_999),
    grid=st.none() | TEXT,
    replayed_from=st.none() | TEXT,
    options=st.none()
    | st.builds(
        Parameters,
        st.none() | st.floats(0, 2),
        st.none() | st.floats(0, 1),
        st.none() | st.integers(1, 10**9),
        st.lists(st.text()).map(tuple),
        st.none() | TEXT,
        st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.booleans())),
    ),
    template=st.none()
    | st.builds(
        PromptTemplate,
        st.none() | TEXT,
        st.dictionaries(st.text(), TEXT | st.floats(0, 2) | st.lists(TEXT) | st.just(True)),  # noqa: FBT003  a value
        st.lists(st.tuples(TEXT, TEXT)).map(tuple),
    ),
    finished=st.booleans(),
)


@settings(max_examples=150)
@given(TURNS)
def test_any_turn_comes_back_as_it_was(one_store, record):
    store = one_store
    store.save(record, None, None)
    assert store.turns([record.id]) == {record.id: record}
    assert store.turn(record.id[:12]) == record


def test_the_turns_of_a_grid_are_found(store):
    grid = [turn(grid="9" * 32, sample=number) for number in range(3)]
    for each in (turn(), grid[0], turn(grid="8" * 32), *grid[1:], turn()):
        store.save(each, None, None)
    assert store.grid_turns("9" * 32) == grid
    assert store.grid_turns("7" * 32) == []
    with store._file.reading() as raw:
        (plan,) = raw.execute("EXPLAIN QUERY PLAN SELECT * FROM turn WHERE grid = 'x'").fetchall()
    assert "turn_grid" in plan[-1]


def test_a_grid_writes_each_version_once_however_many_there_are(store):
    """Each answer of a grid saves its place, which already has hundreds of versions."""
    turns = [turn() for _ in range(200)]
    for each in turns:
        store.save(each, None, None)
    record = conversation((turns[0],))
    store.save_conversation(record)
    with store._file.reading() as raw:
        before = raw.total_changes
    for last in range(2, 201):
        ids = tuple(each.id for each in turns[:last])
        store.save_place(record.id, 0, dataclasses.replace(record.places[0], versions=ids))
    with store._file.reading() as raw:
        assert raw.total_changes - before == 2 * 199  # the place and one version
    shuffled = dataclasses.replace(record.places[0], versions=ids[::-1][:50])
    store.save_place(record.id, 0, shuffled)
    assert store.load_conversation(record.id).places[0].versions == shuffled.versions


def test_a_turn_saved_again_takes_its_own_place(store):
    first = turn(answer="hal", finished=False)
    whole = dataclasses.replace(first, answer="half and whole", finished=True)
    for record in (first, whole, whole):
        store.save(record, None, None)
    assert list(store.all_turns()) == [whole]
    assert [found.turn_id for found in store.search("whole")] == [whole.id]
    assert store.search("hal ") != []  # letter by letter
    assert [found.snippet for found in store.search("half")] == ["**half** and whole"]


LONG_TEXT = st.text(string.ascii_letters, min_size=1).map(lambda text: text * 201)
"""Texts so long that each is stored once; to draw every letter takes longer than to store them."""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT | LONG_TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)


@settings(max_examples=150)
@given(st.dictionaries(TEXT, JSON))
def test_any_body_comes_back_to_the_letter(one_store, value):
    store = one_store
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    record = turn(body=body, request_sha256=hashlib.sha256(body).hexdigest())
    store.save(record, None, None)
    assert store.body(record.id) == body


def test_a_text_that_looks_like_a_reference_comes_back_too(store):
    body = json.dumps({"x": "\x00sha256:" + "0" * 64}, separators=(",", ":")).encode()
    record = turn(body=body)
    store.save(record, None, None)
    assert store.body(record.id) == body


def test_a_history_sent_repeatedly_is_stored_once(store):
    said = [f"{number} " + "word " * 2_000 for number in range(30)]
    for number in range(30):
        body = json.dumps({"messages": said[: number + 1]}, separators=(",", ":")).encode()
        store.save(turn(body=body), None, None)
    store.close()
    # sent were 30 * 31 / 2 texts of 10 kB
    assert store.path.stat().st_size < 1_500_000


def test_a_body_that_was_changed_is_not_shown_as_sent(store):
    record = turn(body=b'{"a":1}', request_sha256="0" * 64)
    store.save(record, None, None)
    with pytest.raises(StoreError, match="not the one that was sent"):
        store.body(record.id)


def test_images_are_restored_and_stored_once(store):
    image = Image("image/png", b"\x89PNG" * 10_000, None, "fig")
    linked = Image("", None, "https://example.org/a.png", "a.png")
    records = [turn(images=(image, linked)) for _ in range(20)]
    for record in records:
        store.save(record, None, None)
    assert store.turns([records[3].id])[records[3].id].images == (image, linked)
    store.close()
    assert store.path.stat().st_size < 200_000


def test_a_conversation_comes_back_with_every_version(store):
    old, new, next_ = turn("q", "old"), turn("q", "new"), turn("r", "s")
    record = conversation((old, new), (next_,), name="poem")
    for each in (old, new, next_):
        store.save(each, None, None)
    store.save_conversation(record)
    assert store.load_conversation(record.id) == record
    (summary,) = store.threads("poem")
    assert (summary.turns, summary.first_prompt, summary.last_at) == (2, "q", NOON)
    assert store.threads("prose") == []


def test_a_conversation_that_was_rewound_has_fewer_places(store):
    turns = [turn(str(number)) for number in range(4)]
    for each in turns:
        store.save(each, None, None)
    record = conversation(*((each,) for each in turns))
    store.save_conversation(record)
    shorter = dataclasses.replace(record, places=record.places[:2])
    store.save_conversation(shorter)
    assert store.load_conversation(record.id) == shorter
    assert len(list(store.all_turns())) == 4


def test_one_place_is_written_without_the_others(store):
    first, second = turn("a"), turn("b", position=1)
    store.save(first, None, None)
    record = conversation((first,))
    store.save_conversation(record)
    place = SlotRecord(None, versions=(second.id,), active=0)
    store.save(second, dataclasses.replace(record, places=()), place)
    assert store.load_conversation(record.id).places == (*record.places, place)
    stale = dataclasses.replace(place, stale=True)
    store.save_place(record.id, 1, stale)
    assert store.load_conversation(record.id).places[1] == stale


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("glacier", 1),
        ("GLACIER moves", 1),
        ("glacier sea", 0),
        ('"quo" - * NEAR(a b) AND OR col:x ^', 0),
        ("lacie", 1),
        ("氷河", 1),
        ("***", 1),
        ("", 0),
        ("' OR 1=1 --", 0),
    ],
)
def test_a_search_takes_words_never_syntax(store, text, number):
    store.save(turn("how a glacier moves", "slowly *** 氷河が動く"), None, None)
    store.save(turn("what a sea is", "deep"), None, None)
    assert len(store.search(text)) == number


def test_the_newest_is_found_first_among_equals(store):
    ids = []
    for number in range(3):
        record = turn("the same words", sent_at=NOON + timedelta(hours=number))
        store.save(record, None, None)
        ids.insert(0, record.id)
    assert [found.turn_id for found in store.search("same")] == ids


def test_sums_are_exact_and_keep_the_unknown_apart(store):
    exact = Cost(Decimal("0.1000000001"), "reported", None)
    costs = [exact, exact, Cost(Decimal("0.2"), "estimated", None), Cost(None, "unknown", None)]
    for number, cost in enumerate(costs):
        store.save(turn(cost=cost, notebook="ab"[number % 2]), None, None)
    store.save(turn(error="AuthError: no", usage=Usage(), model="other"), None, None)
    store.save(turn(error="KeyboardInterrupt: ", stop_reason="interrupted"), None, None)
    rows = {row.group: row for row in store.ledger("model")}
    assert rows["m"].requests == 5
    assert rows["m"].reported_usd == Decimal("0.2000000002") + Decimal("0.0012")
    assert rows["m"].estimated_usd == Decimal("0.2")
    assert (rows["m"].unknown_cost, rows["m"].interrupted, rows["m"].failed) == (1, 1, 0)
    assert (rows["other"].failed, rows["other"].unknown_tokens) == (1, 1)
    assert store.spent(notebook="a").requests == 2
    assert store.spent(since=NOON + timedelta(seconds=1)).requests == 0
    assert [row.group for row in store.ledger("notebook")] == ["", "a", "b"]


def test_sums_do_not_depend_on_the_decimal_context_of_the_notebook(store):
    for _ in range(3):
        cost = Cost(Decimal("0.1234567891"), "reported", None)
        store.save(turn(cost=cost), None, None)
    with localcontext(prec=2):
        assert store.spent().reported_usd == Decimal("0.3703703673")


@pytest.mark.parametrize("tokens", [2**63, 10**30, -(2**70)])
def test_an_implausible_count_is_stored_as_unknown_with_a_notice(store, tokens):
    record = turn(usage=Usage(tokens, 20, 5), notices=("before",))
    store.save(record, None, None)
    (kept,) = store.all_turns()
    assert kept.usage == Usage(None, 20, 5)
    assert kept.notices == (
        "before",
        "a token count was implausibly large and is stored as unknown",
    )
    assert store.spent().unknown_tokens == 1


def test_the_largest_counts_can_be_added_up(store):
    for _ in range(50):
        store.save(turn(usage=Usage(10**12, 10**12)), None, None)
    assert store.spent().input_tokens == 50 * 10**12


def test_files_and_folder_are_private(store):
    store.save(turn(), None, None)
    folder = store.path.parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_only_the_store_knows_sql():
    root = Path(cc_jupyter.__file__).parent
    for path in root.rglob("*.py"):
        names = {
            alias.name
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
            if isinstance(node, ast.Import) or node.module == "sqlite3"
        }
        assert "sqlite3" not in names or path.parent.name == "store", path
