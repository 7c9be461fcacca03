"""`%cmd cassette` in a notebook: what is saved is the same, live and replayed, without a key."""

from __future__ import annotations

import copy
import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest
from support.kernel_notebook import MODEL
from support.provider import KEY, answer, cut, error, http, openai_stream

from cc_jupyter.core.spellings import spellings

if TYPE_CHECKING:
    from support.kernel_harness import CellRun

pytestmark = pytest.mark.kernel

_TIME = re.compile(r"Thought for [0-9.]+ m?s")
_FIGURES = re.compile(
    r" · (?:replayed · \$0 \(was [<~]*\$[0-9.]+ on [0-9-]+\)|[<~]*\$[0-9.]+)"
    r"(?: · [0-9.]+ m?s to first token)?(?: · [0-9,]+ tok/s)?"
)
"""What a usage line says of money and time."""
TEXT = openai_stream(["# Ti", "tle\n\nSome **bold**", " words.\n"], reasoning=["Let me", " think"])
CELLS: dict[str, tuple[str, list[Any]]] = {
    "an answer": ("%%cmd\nhello", [TEXT]),
    "a conversation": ("%%cmd\ngo on", [answer("And so on")]),
    "a typed answer": ("%%cmd --once -> n: int\nhow many?", [answer('{"value": 3}')]),
    "a repaired answer": (
        "%%cmd --once -> n: int\nhow many, in words?",
        [answer("three"), answer('{"value": 3}')],
    ),
    "sent again": (
        "%%cmd --once\nbusy?",
        [http(429, "busy", {"retry-after": "0.02"}, content_type="text/plain"), answer("no")],
    ),
    "cut": ("%%cmd --once\nbreak", [(*TEXT[:4], cut())]),
    "refused": ("%%cmd --once\nrefuse", [error(403, "not in your plan", code="upgrade_required")]),
    "a grid": ("%%cmd -t 0,1 -n 2 -> g\ncompare", [answer("same")] * 4),
}


def saved(run: CellRun) -> list[Any]:
    """Return the outputs of a cell as a notebook saves them, without times, ids and replay."""
    outputs = []
    for each in run.outputs:
        metadata = copy.deepcopy(each.metadata)
        ours = metadata.get("cc_jupyter", {})
        for part in (ours, *ours.get("answers", ())):
            for name in ("timings", "served_by", "replayed_from", "grid", "turns", "turn_id", "id"):
                part.pop(name, None)
        is_usage_line = " · in " in each.text and " · out " in each.text
        is_grid = "cc-grid" in each.data.get("text/html", "")
        data: Any = {kind: _TIME.sub("Thought", text) for kind, text in each.data.items()}
        if is_usage_line:
            data = _FIGURES.sub("", each.text)
        elif is_grid:
            data = "a grid"
        outputs.append((data, metadata))
    return [*outputs, run.error_name, run.error.partition("\n")[0] if run.error else ""]


def test_a_notebook_is_replayed_without_a_key_as_it_was_recorded(notebook):
    path = notebook.folder / "session.cassette.jsonl"
    path.unlink(missing_ok=True)
    said = notebook.check(f"%cmd cassette record {path}").texts[-1]
    assert "session.cassette.jsonl (0 recorded answers)" in said
    live = {}
    for name, (cell, scripts) in CELLS.items():
        for script in scripts:
            notebook.provider.play(script)
        live[name] = notebook.run(cell, f"cell-{name}")
    sent = len(notebook.posts)
    text = path.read_text("utf-8")
    assert spellings(KEY).replace(text, "[key]") == text
    recorded = len(text.splitlines())
    notebook.run("_afresh()")
    notebook.check("import os; del os.environ['CMD_API_KEY']")
    said = notebook.check(f"%cmd cassette replay {path}").texts[-1]
    assert f"({recorded} recorded answers)" in said
    for name, (cell, _) in CELLS.items():
        replayed = notebook.run(cell, f"cell-{name}")
        assert saved(replayed) == saved(live[name]), name
    assert notebook.value("n") == 3
    assert notebook.value("[reply.replayed for reply in g]") == [True] * 4
    assert len(notebook.posts) == sent
    assert "$0 in " in notebook.check("%cmd status").texts[-1]
    if os.name != "nt":
        assert path.stat().st_mode & 0o077 == 0o044


def test_the_line_says_replayed_and_a_miss_is_one_line_that_says_how_to_go_on(notebook):
    path = notebook.folder / "line.cassette.jsonl"
    path.unlink(missing_ok=True)
    notebook.provider.play(answer("said"))
    notebook.check(f"%cmd cassette auto {path}")
    notebook.check("%%cmd --once\nTell me about glaciers")
    line = notebook.check("%%cmd --once\nTell me about glaciers").texts[-1]
    assert "replayed · $0 (was " in line
    notebook.check(f"%cmd cassette replay {path}")
    run = notebook.fail("%%cmd --once\nTell me about  glaciers", "CassetteError")
    assert "line.cassette.jsonl does not contain this request; the nearest one" in run.error
    assert "differs in message 1 (user) (white space only)" in run.error
    assert len(run.error_lines) == 2
    shown = notebook.check("%cmd cassette diff").texts[-1]
    assert shown == "message 1 (user): Tell me about[- -]{+  +}glaciers"
    assert notebook.check("%cmd cassette").texts[-1].startswith("mode")
    notebook.check("%cmd cassette off")
    assert len(notebook.posts) == 1


def test_without_a_path_the_error_says_how(notebook):
    run = notebook.fail("%cmd cassette record", "ConfigError")
    assert "the cassette needs a path" in run.error
    assert "%cmd cassette record NAME.cassette.jsonl" in run.error


def test_the_block_works_in_a_cell_and_keeps_its_samples(notebook):
    path = notebook.folder / "block.cassette.jsonl"
    path.unlink(missing_ok=True)
    for word in ("one", "two"):
        notebook.provider.play(answer(word))
    code = f"""
import cc_jupyter as cc
with cc.cassette({str(path)!r}, "{{}}"):
    words = [str(cc.ask("a word", model={MODEL!r})) for _ in range(2)]
"""
    notebook.check(code.format("record"))
    notebook.check("words = None")
    notebook.check(code.format("replay"))
    assert notebook.value("words") == ["one", "two"]
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [line["sample"] for line in lines] == [0, 1]
