"""A cassette in use: by command, block or setting; where it is, and what the screen says."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from support import provider as scripted
from support.plain_server import MODEL, reader_threads, wait_until

import cc_jupyter
from cc_jupyter import api
from cc_jupyter.commands.cassette import CassetteCommand
from cc_jupyter.commands.usage import UsageCommands
from cc_jupyter.config.validators import CassetteChoice
from cc_jupyter.core.errors import CassetteError, ConfigError, ConnectError, OptionError
from cc_jupyter.core.events import Usage
from cc_jupyter.core.messages import PromptSpec
from cc_jupyter.core.money import UNKNOWN_COST, Cost
from cc_jupyter.core.reply import Provenance, Reply
from cc_jupyter.render.usage_line import metadata, usage_line
from cc_jupyter.session.dry_run import dry_run
from cc_jupyter.session.session import Session
from cc_jupyter.session.status import current_status
from cc_jupyter.session.tapes import cassette_path

HELLO = scripted.openai_stream("Hello")


@pytest.fixture
def session(provider, monkeypatch, tmp_path):
    monkeypatch.setenv("CMD_BASE_URL", provider.base_url)
    monkeypatch.setenv("CMD_API_KEY", scripted.KEY)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    opened = Session()
    monkeypatch.setattr(api, "_session", lambda: opened)
    yield opened
    wait_until(lambda: not reader_threads())


def ask(prompt: str = "Hi", **options) -> Reply:
    return cc_jupyter.ask(prompt, **({"model": MODEL} | options))


def test_a_block_records_and_replays_and_the_next_one_starts_over(session, provider, monkeypatch):
    provider.play(*scripted.openai_stream("one"))
    provider.play(*scripted.openai_stream("two"))
    with cc_jupyter.cassette("demo.cassette.jsonl"):
        assert [str(ask()), str(ask())] == ["one", "two"]
    monkeypatch.delenv("CMD_API_KEY")
    for _ in range(2):
        with cc_jupyter.cassette("demo.cassette.jsonl", "replay"):
            replies = [ask(), ask()]
            assert [str(reply) for reply in replies] == ["one", "two"]
            assert all(reply.replayed for reply in replies)
    assert session.tape() is None
    assert len(provider.posts) == 2


def test_a_block_ends_as_it_began_also_after_an_error(session):
    session.choices["cassette"] = CassetteChoice("off")
    with pytest.raises(ZeroDivisionError), cc_jupyter.cassette("demo.cassette.jsonl"):
        _ = 1 / 0
    assert session.choices["cassette"] == CassetteChoice("off")


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (("none.cassette.jsonl", "replay"), CassetteError, "there is no cassette"),
        (("none.cassette.jsonl", "play"), OptionError, "it must be record, replay, auto or off"),
        (("none/a.cassette.jsonl", "record"), CassetteError, "does not exist"),
        (("",), ConfigError, "the cassette needs a path"),
    ],
)
def test_a_block_that_cannot_work_fails_before_it_begins(session, arguments, error, said):
    with pytest.raises(error, match=said), cc_jupyter.cassette(*arguments):
        pytest.fail("the block ran")


@pytest.mark.parametrize(
    ("notebook", "name"),
    [("{work}/deep/study.ipynb", "deep/study"), ("study.ipynb", "study"), ("gone/x.ipynb", "x")],
)
def test_by_default_it_is_next_to_the_notebook(session, tmp_path, notebook, name):
    work = tmp_path / "work"
    (work / "deep").mkdir()
    path = cassette_path(CassetteChoice("record"), notebook.format(work=work))
    assert path == work / f"{name}.cassette.jsonl"


@pytest.mark.parametrize("notebook", ["", "console-1"])
def test_where_the_notebook_is_not_known_a_path_is_needed(session, notebook):
    with pytest.raises(ConfigError, match="needs a path") as caught:
        cassette_path(CassetteChoice("record"), notebook)
    assert "%cmd cassette record NAME.cassette.jsonl" in caught.value.hint


def test_the_command_names_the_file_it_writes(session, provider, tmp_path):
    provider.always(*HELLO)
    session.notebook = lambda: str(tmp_path / "work" / "study.ipynb")
    command = CassetteCommand(session).cassette
    path = tmp_path / "work" / "study.cassette.jsonl"
    said = command("record")
    assert said.endswith("study.cassette.jsonl (0 recorded answers)")
    assert not path.exists()  # nothing is recorded yet
    ask()
    ask("Hello")
    assert "study.cassette.jsonl (2 recorded answers)" in command("replay")
    assert command()["mode"] == "replay"
    assert command()["recorded answers"] == 2
    assert current_status(session)["cassette"].startswith("replay")
    assert command("off").startswith("cassette off")
    assert command() == {"mode": "off", "next": "%cmd cassette record [PATH]"}
    assert len(provider.posts) == 2


def test_the_command_shows_why_the_last_request_missed(session, provider):
    provider.play(*HELLO)
    command = CassetteCommand(session).cassette
    with pytest.raises(OptionError, match="nothing to compare"):
        command("diff")
    command("record", "demo.cassette.jsonl")
    ask("Tell me about glaciers", temperature=0.2)
    command("replay", "demo.cassette.jsonl")
    with pytest.raises(CassetteError, match="does not contain this request"):
        ask("Tell me about volcanoes", temperature=0.5)
    assert command("diff") == (
        "message 1 (user): Tell me about [-glaciers-]{+volcanoes+}\ntemperature: 0.[-2-]{+5+}"
    )


def test_of_a_sample_that_is_missing_there_is_nothing_to_compare(session, provider):
    provider.play(*HELLO)
    command = CassetteCommand(session).cassette
    command("record", "demo.cassette.jsonl")
    ask()
    command("replay", "demo.cassette.jsonl")
    with pytest.raises(CassetteError, match="has no sample 1 of this request, only sample 0"):
        ask()
    with pytest.raises(OptionError, match="the request itself is recorded"):
        command("diff")


@pytest.mark.parametrize("arguments", [("off", "x"), ("diff", "x"), (None, "", 2)])
def test_the_command_takes_a_path_only_where_one_belongs(session, arguments):
    with pytest.raises(OptionError, match="takes no path and no speed"):
        CassetteCommand(session).cassette(*arguments)


def test_a_missing_image_is_named_by_the_command(session, tmp_path, provider):
    provider.play(*HELLO)
    command = CassetteCommand(session).cassette
    command("record", "demo.cassette.jsonl")
    ask()
    path = tmp_path / "work" / "demo.cassette.jsonl"
    line = path.read_text("utf-8")
    path.write_text(line.replace('"Hi"', f'"cassette-image:{"0" * 64}.png"'), "utf-8")
    assert command()["missing images"].endswith(f"demo.cassette.images/{'0' * 64}.png")


def test_the_status_needs_no_key_in_replay(session, provider, monkeypatch):
    provider.play(*HELLO)
    with cc_jupyter.cassette("demo.cassette.jsonl"):
        ask()
    monkeypatch.delenv("CMD_API_KEY")
    session.choices["model"] = MODEL
    assert "missing" in current_status(session)
    with cc_jupyter.cassette("demo.cassette.jsonl", "replay"):
        card = current_status(session)
        ask()
    assert session.replies[-1].replayed
    assert "missing" not in card
    assert card["key"] == "none needed: answers are replayed"


def test_the_list_of_models_is_the_last_one_known(session, provider):
    """Nothing is sent in `replay`, not even what is free."""
    provider.play(*HELLO)
    with cc_jupyter.cassette("demo.cassette.jsonl"):
        ask()
    asked = len(provider.requests)
    with (
        cc_jupyter.cassette("demo.cassette.jsonl", "replay"),
        pytest.raises(ConnectError, match=r"was not sent: the cassette .* answers every request"),
    ):
        session.models.refresh(session.settings().api_root)
    assert len(provider.requests) == asked


AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
REPLY = Reply(
    "Hello",
    "",
    MODEL,
    "stop",
    usage=Usage(1204, 312),
    cost=Cost(Decimal("0.0031"), "reported", None),
    time_to_first_token_s=0.4,
    duration_s=2.0,
    provenance=Provenance(
        "/chat/completions", "replay", replayed_from="demo.cassette.jsonl", recorded_at=AT
    ),
)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "replayed · $0 (was $0.0031 on 2026-11-30)"),
        ({"cost": UNKNOWN_COST}, "replayed · $0 (was $? on 2026-11-30)"),
        (
            {"cost": Cost(Decimal("0.0031"), "estimated", None)},
            "replayed · $0 (was ~$0.0031 on 2026-11-30)",
        ),
        (
            {"provenance": dataclasses.replace(REPLY.provenance, served_model="Tiny 1B")},
            "replayed · $0 (local on 2026-11-30)",
        ),
    ],
)
def test_the_usage_line_says_replayed_and_what_it_was(changes, said):
    line = usage_line(dataclasses.replace(REPLY, **changes))
    assert line.endswith(f" · in 1,204 · out 312 · {said}")
    assert "tok/s" not in line


def test_the_saved_output_says_where_it_was_replayed_from():
    saved = json.loads(json.dumps(metadata(REPLY)))["cc_jupyter"]
    assert (saved["served_by"], saved["replayed_from"]) == ("replay", "demo.cassette.jsonl")
    assert saved["cost"]["usd"] == "0.0031"
    assert (REPLY.replayed, REPLY.cost_usd, REPLY.billed.usd) == (True, Decimal("0.0031"), 0)


@pytest.mark.parametrize("base_url", [None, "local"])
def test_replayed_without_a_key_a_dry_run_and_what_was_sent_are_shown(
    session, provider, monkeypatch, base_url
):
    with cc_jupyter.cassette("demo.cassette.jsonl", "record"):
        ask()
    monkeypatch.delenv("CMD_API_KEY")
    if base_url:
        monkeypatch.setenv("CMD_BASE_URL", base_url)
    with cc_jupyter.cassette("demo.cassette.jsonl", "replay"):
        spec = PromptSpec("Hi", model=MODEL, once=True)
        assert dry_run(session.prepare(spec), session)["body"]["model"] == MODEL
        assert ask().replayed
        assert str(UsageCommands(session, None).sent(as_="curl")).count("| curl ") == 1
