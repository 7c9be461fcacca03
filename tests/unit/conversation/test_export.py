"""Conversations as files: Markdown, JSON, a notebook; and two answers compared."""

from __future__ import annotations

import ast
import hashlib
import itertools
import json
import os
import stat
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import jsonschema
import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from markdown_it import MarkdownIt
from support.store.samples import conversation, turn

import cc_jupyter
from cc_jupyter.conversation.export import (
    export_json,
    export_markdown,
    export_notebook,
    write_export,
)
from cc_jupyter.conversation.records import SlotRecord
from cc_jupyter.core.display import word_diff
from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.events import Source
from cc_jupyter.core.messages import Image, Parameters
from cc_jupyter.core.money import Cost
from cc_jupyter.magics.input_transforms import PromptCell
from cc_jupyter.prompt.options import parse_cell_line
from cc_jupyter.prompt.template import evaluate, render
from cc_jupyter.prompt.values import Rendered
from cc_jupyter.usage.notebook import notebook_usage

SYSTEM = "be 'brief' and \"kind\"\nin two lines {{ not a value }}"
FIGURE = Image("image/png", b"p", None, "fig")
CODE = "first\n\n```python\nprint(1)\n```"
TURNS = [
    turn("one {{ x }} \\{{ y }}\n```\ncode\n```", CODE, system=SYSTEM),
    turn("two {{ z }}", "<script>alert(1)</script> second", images=(FIGURE,)),
    turn("three", "key user_0123456789abcdef", system=""),
]
OLD = turn("older", "an older answer")
RECORD = conversation((OLD, TURNS[0]), (TURNS[1],), (TURNS[2],))
RECORD = replace(
    RECORD, places=(*RECORD.places[:2], replace(RECORD.places[2], has_new_option=True))
)
BY_ID = {each.id: each for each in (*TURNS, OLD)}


def test_markdown_holds_prompts_and_answers_and_no_html():
    text = export_markdown(RECORD, BY_ID)
    assert "> one {{ x }}" in text
    assert "```python\nprint(1)\n```" in text
    assert "<script>" not in text
    assert "an older answer" not in text


def schema(name):
    return json.loads((Path(cc_jupyter.__file__).parent / name).read_text(encoding="utf-8"))


def test_a_version_that_is_not_there_does_not_shift_the_one_that_counts():
    without_first = {name: each for name, each in BY_ID.items() if name != OLD.id}
    place = json.loads(export_json(RECORD, without_first))["places"][0]
    assert place["versions"][place["active"]]["answer"] == CODE


def test_an_image_is_named_and_hashed_and_its_data_is_not_there():
    (image,) = json.loads(export_json(RECORD, BY_ID))["places"][1]["versions"][0]["images"]
    assert image == {
        "name": "fig",
        "media_type": "image/png",
        "sha256": hashlib.sha256(b"p").hexdigest(),
        "url": None,
    }


def test_json_is_as_its_schema_says_and_holds_every_version():
    document = json.loads(export_json(RECORD, BY_ID))
    jsonschema.Draft202012Validator.check_schema(schema("conversation/export_schema.json"))
    jsonschema.validate(document, schema("conversation/export_schema.json"))
    assert [len(place["versions"]) for place in document["places"]] == [2, 1, 1]
    assert document["places"][0]["versions"][1]["cost"]["usd"] == "0.0012"
    document["places"][0]["versions"][0]["cost"]["usd"] = 0.5
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema("conversation/export_schema.json"))


def sent_by(notebook_text):
    """Return what each prompt cell of an exported notebook sends: its options and its prompt."""
    notebook = nbformat.reads(notebook_text, as_version=4)
    nbformat.validate(notebook)
    assert notebook.cells[0].source == "%load_ext cc_jupyter"
    transformer = TransformerManager()
    PromptCell().add_to(transformer.cleanup_transforms)
    names: dict[str, object] = {}
    sent = []
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.source.startswith("system_"):
            exec(cell.source, names)
        if not cell.source.startswith("%%cmd"):
            continue
        call = ast.parse(transformer.transform_cell(cell.source)).body[0].value
        line, text = (ast.literal_eval(argument) for argument in call.args[1:])
        options, prompt = parse_cell_line(line), text.removesuffix("\n")  # as the magic does
        system = options.system
        if not options.raw:
            prompt, system = (filled(each, names) for each in (prompt, system))
        sent.append((options.model, options.new, system, prompt))
    return sent


def filled(text, names):
    return render(
        text, lambda expression: evaluate(expression, names, {}), lambda value, _: Rendered(value)
    ).text


def test_a_notebook_says_it_all_again():
    assert sent_by(export_notebook(RECORD, BY_ID)) == [
        ("m", False, SYSTEM, TURNS[0].prompt),
        ("m", False, None, "two {{ z }}"),
        ("m", True, "", "three"),
    ]
    assert "not in this file: fig (image/png, 1 bytes)" in export_notebook(RECORD, BY_ID)


@pytest.mark.parametrize(
    "system",
    [
        "be brief",
        "don't -> stop",
        'say "yes" to {{ x }}',
        "C:\\",
        "-m other --new",
        "a\u2028b",
        "a\rb",
        "ends\n",
        "'both' \"quotes\"",
    ],
)
@pytest.mark.parametrize(
    "prompt", ["p {{ x }} \\{{ y }} {z} $HOME", "two\nlines\n\n", "  \n a\r\nb", ">>> 1"]
)
def test_system_and_prompt_come_back_to_the_letter(system, prompt):
    one = turn(prompt, "a", system=system)
    text = export_notebook(conversation((one,)), {one.id: one})
    assert sent_by(text) == [("m", False, system, prompt)]


def test_prompts_are_raw_wherever_the_line_can_hold_the_system_prompt():
    one = turn("{{ x }}", "a", system="don't")
    (cell,) = json.loads(export_notebook(conversation((one,)), {one.id: one}))["cells"][1:]
    assert cell["source"] == '%%cmd -m m -s "don\'t" --raw\n{{ x }}'


def test_a_new_start_whose_cell_has_no_answer_is_not_lost():
    """What stood before it is not sent with the turns behind it, so it must not be afterwards."""
    failed = SlotRecord(None, has_new_option=True)
    places = (RECORD.places[0], failed, RECORD.places[1])
    text = export_notebook(replace(RECORD, places=places), BY_ID)
    assert [new for _, new, _, _ in sent_by(text)] == [False, True]


def test_what_the_local_model_answered_goes_to_it_again():
    one = turn("p", "a", model="any/name", served_by="local", served_model="A Small One")
    text = export_notebook(conversation((one,)), {one.id: one})
    assert [model for model, *_ in sent_by(text)] == ["local"]
    assert "served by A Small One" in text


def test_saved_answers_say_who_gave_them_and_what_they_cost(tmp_path):
    one = turn("p", "a", position=4, thread="t", request_sha256="0" * 64)
    write_export(tmp_path / "n.ipynb", conversation((one,)), {one.id: one})
    notebook = json.loads((tmp_path / "n.ipynb").read_text("utf-8"))
    about = notebook["cells"][1]["outputs"][0]["metadata"]["cc_jupyter"]
    jsonschema.validate(about, schema("render/metadata_schema.json"))
    assert about["turn"] == 5
    (row,) = notebook_usage(tmp_path / "n.ipynb")
    assert (row.group, row.requests, row.reported_usd) == ("m", 1, one.cost.usd)


def test_every_format_names_the_request_and_its_sample(tmp_path):
    """So that an exported answer can be found in a cassette, and compared with others."""
    key, grid = "a" * 64, "b" * 32
    one = turn(
        "p",
        "a",
        request_key=key,
        sample=3,
        grid=grid,
        replayed_from="tape",
        options=Parameters(temperature=0.5, stop=("END",), extra={"seed": 7}),
    )
    kept, turns = conversation((one,)), {one.id: one}
    exported = json.loads(export_json(kept, turns))
    jsonschema.validate(exported, schema("conversation/export_schema.json"))
    (version,) = exported["places"][0]["versions"]
    assert exported["schema"] == 3
    assert (version["request_key"], version["sample"]) == (key, 3)
    assert (version["grid"], version["replayed_from"]) == (grid, "tape")
    assert version["options"] == {"temperature": 0.5, "stop": ["END"], "extra": {"seed": 7}}
    notebook = json.loads(export_notebook(kept, turns))
    about = notebook["cells"][1]["outputs"][0]["metadata"]["cc_jupyter"]
    jsonschema.validate(about, schema("render/metadata_schema.json"))
    assert (about["request_key"], about["sample"], about["grid"]) == (key, 3, grid)
    markdown = export_markdown(kept, turns)
    assert f"(request_key {key}, sample 3)" in markdown
    assert key not in MarkdownIt().render(markdown)


def test_what_older_releases_did_not_record_is_exported_as_unknown():
    one = turn("p", "a")
    exported = json.loads(export_json(conversation((one,)), {one.id: one}))
    (version,) = exported["places"][0]["versions"]
    names = ("options", "request_key", "sample", "grid", "replayed_from")
    assert [version[name] for name in names] == [None] * 5
    assert "request_key" not in export_markdown(conversation((one,)), {one.id: one})


def test_an_export_is_whole_and_overwrites_nothing(tmp_path):
    folder = tmp_path / "exports"
    folder.mkdir()
    path = folder / "thread.md"
    write_export(path, RECORD, BY_ID)
    assert "user_0123456789abcdef" not in path.read_text()
    with pytest.raises(OptionError, match="exists"):
        write_export(path, RECORD, BY_ID)
    write_export(path, RECORD, BY_ID, overwrite=True)
    with pytest.raises(OptionError, match="does not end in a known file extension") as caught:
        write_export(tmp_path / "thread.docx", RECORD, BY_ID)
    assert ".md, .json or .ipynb" in caught.value.hint
    with pytest.raises(OptionError, match="cannot be written"):
        write_export(tmp_path / "nowhere" / "thread.md", RECORD, BY_ID)
    assert [each.name for each in folder.iterdir()] == ["thread.md"]


KEY = "user_0123456789abcdef"
LEAKS = [
    f"my key:\n{KEY}",
    f"\t{KEY}\tand",
    f'curl -H "Authorization: Bearer {KEY}" \\\n  https://host',
    f"Bearer {KEY}\nnext line",
]


@pytest.mark.parametrize("text", LEAKS)
@pytest.mark.parametrize("ending", [".md", ".json", ".ipynb"])
def test_no_key_is_exported_and_the_file_stays_whole(tmp_path, text, ending):
    """House rule 7: also where an escape of JSON stands before the key or behind it."""
    one = turn(
        text,
        text,
        system=text,
        reasoning=text,
        error=text,
        images=(Image("", None, text, KEY),),
    )
    path = tmp_path / f"thread{ending}"
    write_export(path, conversation((one,), name=f"t {KEY}"), {one.id: one})
    written = path.read_text(encoding="utf-8")
    assert KEY not in written
    assert "[key]" in written
    if ending == ".json":
        (place,) = json.loads(written)["places"]
        assert place["versions"][0]["answer"] == text.replace(KEY, "[key]")
    if ending == ".ipynb":
        nbformat.validate(nbformat.reads(written, as_version=4))


@pytest.mark.parametrize("name", ["t.md", "t.json", "t.ipynb", "T.MD"])
def test_half_a_character_does_not_stop_an_export(tmp_path, name):
    one = turn("p", "cut \ud83d")
    write_export(tmp_path / name, conversation((one,)), {one.id: one})
    assert "cut \ufffd" in (tmp_path / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "answer",
    [
        "x\n```python\nprint(",
        "~~~~\n```\n~~~\n",
        "1. one\n   ```sh\n   ls",
        "- ```py\n  x",
        "> ```\n> quoted",
        "> ```\n> quoted\n\nafter",
        "```` md\n```\n```",
        "closed\n```\nx\n```",
        "no ``` fence",
        "``` not ` one",
    ],
)
def test_an_answer_cut_amid_code_does_not_swallow_what_follows(answer):
    turns = [turn("```\nan open fence", answer, stop_reason="interrupted"), turn("q", "z")]
    text = export_markdown(
        conversation(*((each,) for each in turns)), {each.id: each for each in turns}
    )
    tokens = MarkdownIt().parse(text)
    headings = [
        after.content
        for before, after in itertools.pairwise(tokens)
        if before.type == "heading_open" and before.level == 0
    ]
    assert headings == ["t", "1", "2"]
    assert any("ended: interrupted" in each.content for each in tokens if each.type == "inline")


def test_a_system_prompt_of_several_lines_is_quoted_like_a_prompt():
    text = export_markdown(RECORD, BY_ID)
    assert "> be 'brief' and \"kind\"\n> in two lines" in text
    assert "*System prompt from here on: none*" in text


def test_a_place_without_an_answer_is_left_out():
    empty = replace(RECORD, places=(SlotRecord(None), *RECORD.places))
    assert export_markdown(empty, BY_ID) == export_markdown(RECORD, BY_ID)


# ── words compared


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("the red fox", "the blue fox", "the [-red-]{+blue+} fox"),
        ("same", "same", "same"),
        ("", "new", "{+new+}"),
        ("gone", "", "[-gone-]"),
    ],
)
def test_two_answers_are_compared_word_by_word(before, after, said):
    assert word_diff(before, after) == said


def test_a_word_diff_is_escaped_and_says_it_without_colour():
    shown = word_diff("<b>a</b>", "<i>a</i>")._repr_html_()
    assert "<b>" not in shown
    assert "<del" in shown
    assert "<ins" in shown


def test_long_texts_are_compared_by_lines():
    before = "".join(f"line {number} of many words here\n" for number in range(8_000))
    after = before.replace("line 77 ", "line seven ")
    assert word_diff(before, after).count("[-") == 1


KEY = "user_0123456789abcdef"


def test_images_and_sources_of_an_answer_are_in_every_form():
    record = turn(
        "one",
        "A glacier [1].",
        answer_images=(Image("image/png", b"\x89PNG", None, "image 1"),),
        sources=(
            Source("A page", "https://example.org/a"),
            Source("key user_0123456789abcdef", ""),
        ),
    )
    kept, turns = conversation((record,)), {record.id: record}
    markdown = export_markdown(kept, turns)
    assert "A glacier [1].\n\nSources:\n\n1. [A page](" in markdown
    assert "*image 1 (image/png, 4 bytes)*" in markdown
    document = json.loads(export_notebook(kept, turns))
    answer, image, _ = document["cells"][-1]["outputs"]
    assert "1. [A page]" in "".join(answer["data"]["text/markdown"])
    assert image["data"]["image/png"]
    exported = json.loads(export_json(kept, turns))
    jsonschema.validate(exported, schema("conversation/export_schema.json"))
    assert "https://example.org/a" in json.dumps(exported)
    for text in (markdown, json.dumps(document), json.dumps(exported)):
        assert KEY not in text


def test_a_cost_of_the_provider_is_exported_as_its_schema_says():
    own = Cost(Decimal("0.02"), "reported", None, Decimal("0.01"), ("fast mode",))
    record = turn("one", "two", cost=own)
    exported = json.loads(export_json(conversation((record,)), {record.id: record}))
    jsonschema.validate(exported, schema("conversation/export_schema.json"))
    assert '"table_usd": "0.01"' in json.dumps(exported)


@pytest.mark.skipif(sys.platform == "win32", reason="links and modes are POSIX's")
def test_an_export_follows_no_link_and_keeps_the_mode_of_the_file_it_replaces(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / ".notes.md.part").symlink_to(victim)
    os.mkfifo(tmp_path / ".hang.md.part")
    path = tmp_path / "notes.md"
    path.write_text("old")
    path.chmod(0o640)
    write_export(path, RECORD, BY_ID, overwrite=True)
    write_export(tmp_path / "hang.md", RECORD, BY_ID)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    link = tmp_path / "link.md"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(OptionError, match="exists"):
        write_export(link, RECORD, BY_ID)
    link.unlink()
    link.symlink_to(victim)
    write_export(link, RECORD, BY_ID, overwrite=True)
    assert victim.read_text() == "precious"
