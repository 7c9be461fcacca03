"""Turns with tools in a cassette: results are replayed, whatever they are, and nothing runs."""

from __future__ import annotations

import random
from io import BytesIO

import pandas as pd
import pytest
from PIL import Image
from support import provider as scripted
from support.provider import ToolCall, answer
from support.tools import MODELS, prepared_turn, run_turn

from cc_jupyter.cassettes.cassette import Cassette
from cc_jupyter.core.errors import CassetteError
from cc_jupyter.render.base import NullRenderer
from cc_jupyter.session.session import Session
from cc_jupyter.session.tapes import cassette_in_use, chosen

BOTH = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


@pytest.fixture
def session(provider, monkeypatch):
    monkeypatch.setenv("CMD_BASE_URL", provider.base_url)
    monkeypatch.setenv("CMD_API_KEY", scripted.KEY)
    opened = Session()
    yield opened
    opened.transport.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "t.cassette.jsonl"


ran: list[object] = []


@pytest.fixture(autouse=True)
def _nothing_ran():
    ran.clear()


def lookup(city: str) -> list[str]:
    """Return the customers of a city."""
    ran.append(city)
    return ["Ada", "Bob"]


def play(provider, *answers):
    for each in answers:
        provider.play(each)


def call(name="lookup", arguments=None, id="call_0001"):  # noqa: A002  the wire's
    return ToolCall(name, {"city": "Rome"} if arguments is None else arguments, id=id)


def noise(seed: int, size: int) -> Image.Image:
    return Image.frombytes("RGB", (size, size), random.Random(seed).randbytes(3 * size * size))


def picture() -> Image.Image:
    """Return a small image."""
    ran.append("picture")
    return noise(1, 4)


def photo() -> Image.Image:
    """Return an image that has a file of its own next to the cassette."""
    ran.append("photo")
    return noise(2, 200)


def two() -> list[object]:
    """Return a text between two images."""
    ran.append("two")
    return [noise(3, 4), "and", noise(4, 4)]


def record() -> dict[str, object]:
    """Return a structured result."""
    ran.append("record")
    return {"city": "Rome", "owes": [1, 2.5, None]}


def table() -> pd.DataFrame:
    """Return a frame."""
    ran.append("table")
    return pd.DataFrame({"city": ["Rome"], "owes": [3]})


def fails() -> str:
    """Raise."""
    ran.append("fails")
    raise KeyError("Rome")


FUNCTIONS = (picture, photo, two, record, table, fails)


def rounds(*names):
    """Return an answer that calls each function once, then one more call, then the end."""
    calls = [ToolCall(name, {}, f"c{at}") for at, name in enumerate(names)]
    again = answer("", calls=[ToolCall("table", {}, "again")])
    return [answer("Look.", calls=calls), again, answer("Two.")]


def recorded(session, provider, path, model, *names):
    """Record a turn and return its reply."""
    play(provider, *rounds(*names))
    with cassette_in_use(session, chosen("record", str(path), None)):
        reply = run_turn(session, "who?", FUNCTIONS, model=model)
    assert reply.error is None
    ran.clear()
    return reply


def replayed(session, path, model, functions=FUNCTIONS, *, mode="replay", live_tools=False):
    """Replay the turn and return its reply."""
    allow = None if live_tools else ()
    with cassette_in_use(session, chosen(mode, str(path), None)):
        prepared = prepared_turn(session, "who?", functions, model=model, new=True, allow=allow)
        return session.run(prepared._replace(live_tools=live_tools), NullRenderer())


def sent(reply):
    """Return what the model got for each call, without the names of images."""
    return [
        [each if isinstance(each, str) else (each.media_type, each.data) for each in content]
        for step in reply.steps
        for content in [record.result.content for record in step.calls]
    ]


@BOTH
@pytest.mark.parametrize(
    "names",
    [("picture",), ("photo",), ("two",), ("record", "table"), tuple(f.__name__ for f in FUNCTIONS)],
    ids="+".join,
)
def test_results_that_are_not_text_are_replayed_too(session, provider, path, model, names):
    first = recorded(session, provider, path, model, *names)
    reply = replayed(session, path, model)
    assert (reply.error, reply.text, ran, len(provider.requests)) == (None, "Two.", [], 3)
    assert sent(reply) == sent(first)
    assert all(record.replayed for step in reply.steps for record in step.calls)


@BOTH
def test_a_missing_image_is_named_and_nothing_runs(session, provider, path, model):
    recorded(session, provider, path, model, "photo")
    (image,) = path.with_name("t.cassette.images").iterdir()
    image.write_bytes(b"another one")
    for mode in ("replay", "auto"):
        reply = replayed(session, path, model, mode=mode)
        assert isinstance(reply.error, CassetteError)
        assert image.name in str(reply.error)
        assert "restore the file" in reply.error.hint
        assert (reply.text, ran, len(provider.requests)) == ("Look.", [], 3)
        assert reply.steps[0].calls[0].result.text == "not run: no recorded result"


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", f"{'0' * 64}.png/../a", ""])
def test_a_cassette_names_no_file_but_its_images(path, name):
    (path.parent / "secret.png").write_bytes(b"secret")
    with pytest.raises(CassetteError, match="missing or was changed"):
        Cassette(path).image(name)


@BOTH
def test_without_recorded_results_a_replay_runs_nothing_and_says_so(session, provider, path, model):
    recorded(session, provider, path, model, "record")
    first_line = path.read_bytes().splitlines(keepends=True)[0]
    path.write_bytes(first_line)
    reply = replayed(session, path, model, live_tools=True)
    assert isinstance(reply.error, CassetteError)
    assert "no results for the calls" in str(reply.error)
    assert "auto" in reply.error.hint
    assert (reply.text, ran, len(provider.requests)) == ("Look.", [], 3)


@BOTH
@pytest.mark.parametrize("seed", [2, 5])
def test_live_tools_compare_images_by_their_bytes(session, provider, path, model, seed):
    recorded(session, provider, path, model, "photo", "picture")

    def now() -> Image.Image:
        ran.append("photo")
        return noise(seed, 200)

    now.__name__, now.__doc__ = "photo", photo.__doc__
    functions = [now if each is photo else each for each in FUNCTIONS]
    reply = replayed(session, path, model, functions, live_tools=True)
    assert (reply.error, reply.text) == (None, "Two.")
    assert ran == ["photo", "picture", "table"]
    differs = seed != 2
    records = reply.steps[0].calls
    assert ["differs" in record.shown for record in records] == [differs, False]
    assert ("with other images" in records[0].detail) is differs
    assert any("photo answers differently" in notice for notice in reply.notices) is differs
    data = next(each for each in records[0].result.content if not isinstance(each, str)).data
    assert Image.open(BytesIO(data)).tobytes() == noise(2, 200).tobytes()  # the recorded one


@BOTH
def test_a_replayed_turn_runs_no_function_and_needs_no_key(
    session, provider, model, tmp_path, monkeypatch
):
    path = tmp_path / "t.cassette.jsonl"
    calls = [call(), call(id="b", arguments={"city": "Pisa"})]
    play(provider, answer("Look.", calls=calls), answer("Two."))
    with cassette_in_use(session, chosen("record", str(path), None)):
        sent = run_turn(session, "who?", [lookup], model=model)
    ran.clear()
    monkeypatch.delenv("CMD_API_KEY")
    with cassette_in_use(session, chosen("replay", str(path), None)):
        reply = run_turn(session, "who?", [lookup], model=model, new=True, allow=())
    assert (reply.error, reply.text, ran, len(provider.requests)) == (None, "Two.", [], 2)
    assert [each.replayed for each in reply.steps[0].calls] == [True, True]
    results = [each.result.content for each in sent.steps[0].calls]
    assert [each.result.content for each in reply.steps[0].calls] == results
    assert reply.billed.usd == 0
    assert reply.cost_usd == sent.cost_usd


@BOTH
def test_results_count_as_recorded_while_their_request_is_in_the_cassette(
    session, provider, model, tmp_path
):
    path = tmp_path / "t.cassette.jsonl"
    play(provider, answer("Look.", calls=[call()]), answer("Two."), answer("Three."))
    with cassette_in_use(session, chosen("auto", str(path), None)):
        for execution in ("first", "second"):
            reply = run_turn(session, "who?", [lookup], model=model, once=True, execution=execution)
            assert (reply.text, ran, len(provider.requests)) == ("Two.", ["Rome"], 2)
        first, _ = path.read_text().splitlines()
        path.write_text(f"{first}\n")
        reply = run_turn(session, "who?", [lookup], model=model, once=True, execution="third")
    assert (reply.text, ran, len(provider.requests)) == ("Three.", ["Rome", "Rome"], 3)


@BOTH
@pytest.mark.parametrize("answers", [["Ada", "Bob"], ["Eve"]])
def test_live_tools_run_and_say_where_they_differ(session, provider, model, tmp_path, answers):
    path = tmp_path / "t.cassette.jsonl"
    play(provider, answer("Look.", calls=[call()]), answer("Two."))
    with cassette_in_use(session, chosen("record", str(path), None)):
        run_turn(session, "who?", [lookup], model=model)

    def lookup_now(city):
        ran.append(city)
        return answers

    lookup_now.__annotations__ = lookup.__annotations__
    lookup_now.__doc__, lookup_now.__name__ = lookup.__doc__, "lookup"
    ran.clear()
    with cassette_in_use(session, chosen("replay", str(path), None)):
        prepared = prepared_turn(session, "who?", [lookup_now], model=model, new=True)
        reply = session.run(prepared._replace(live_tools=True), NullRenderer())
    assert (reply.error, reply.text, ran) == (None, "Two.", ["Rome"])
    differs = answers == ["Eve"]
    assert any("differently" in notice for notice in reply.notices) is differs
    assert ("differs" in reply.steps[0].calls[0].shown) is differs
