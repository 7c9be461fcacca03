"""What stands under a cell in the end, and in the saved notebook."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest
from support.kernel_notebook import CLAUDE, MODEL, halves
from support.provider import (
    Tokens,
    answer,
    anthropic_stream,
    error,
    http,
    openai_stream,
    pause,
    sse,
    tokens,
)

import cc_jupyter
from cc_jupyter.core.request_key import request_key
from cc_jupyter.models.catalog import load_catalog

pytestmark = pytest.mark.kernel

SCHEMA = json.loads(
    Path(cc_jupyter.__file__).parent.joinpath("render/metadata_schema.json").read_text()
)
BOTH = pytest.mark.parametrize("model", [MODEL, CLAUDE])


def about(run):
    """Return the one `metadata.cc_jupyter` of a cell."""
    (found,) = [
        each.metadata["cc_jupyter"] for each in run.outputs if "cc_jupyter" in each.metadata
    ]
    return found


# ── which outputs


@BOTH
def test_at_most_three_outputs_reasoning_answer_and_usage_line_in_this_order(notebook, model):
    notebook.provider.play(answer("The *answer*.", reasoning=["I think ", "so."]))
    run = notebook.check(f"%%cmd -m {model}\nhello")
    assert [each.kind for each in run.shown] == ["display_data"] * 3
    thought, said, line = run.outputs
    assert set(thought.data) == {"text/html", "text/plain"}
    assert "I think so." in thought.text
    assert said.data == {"text/markdown": "The *answer*.", "text/plain": "The *answer*."}
    assert set(line.data) == {"text/html", "text/plain"}
    assert line.text.startswith(model.rpartition("/")[2] + " · in ")


@BOTH
def test_a_line_in_a_python_cell_shows_the_same_three(notebook, model):
    notebook.provider.play(answer("The *answer*.", reasoning=["I think ", "so."]))
    run = notebook.check(f"print('before')\nr = %cmd ask -m {model} hello?\nprint('after')")
    texts = [each.text for each in run.shown]
    assert texts[0] == "before\n"
    assert "I think so." in texts[1]
    assert texts[2] == "The *answer*."
    assert " · in " in texts[3]
    assert texts[4] == "after\n"
    assert about(run)["stop_reason"] == "stop"


def test_after_a_repeat_a_line_in_a_python_cell_shows_the_same_three(notebook):
    notebook.provider.play(error(503, headers={"retry-after-ms": "20"}))
    notebook.provider.play(answer("The *answer*.", reasoning=["I think ", "so."]))
    run = notebook.check("r = %cmd ask hello?")
    assert len(run.outputs) == 3
    assert "I think so." in run.texts[0]
    assert run.texts[1] == "The *answer*."
    assert "sent again" in run.texts[2]


def test_plain_text_is_always_there_in_every_output_while_it_streams_and_after(notebook):
    notebook.provider.play(answer(tokens("some text\n\n" * 200), reasoning="thinking"))
    run = notebook.check("%%cmd\nhello")
    messages = run.of_type("display_data") + run.of_type("update_display_data")
    assert len(messages) >= 3
    for message in messages:
        text = message["content"]["data"]["text/plain"]
        assert text
        assert "object at 0x" not in text
        assert "IPython.core.display" not in text
    assert run.texts[1] == "some text\n\n" * 200


def test_reasoning_is_folded_and_its_text_escaped(notebook):
    evil = '<script>alert(1)</script> </details> & "quotes" <img src=x onerror=alert(1)>'
    notebook.provider.play(answer("fine", reasoning=evil))
    (thought, _, _) = notebook.check("%%cmd\nhello").outputs
    html = thought.data["text/html"]
    assert html.startswith("<details><summary>")
    assert html.count("</details>") == 1
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert evil in thought.text


def test_reasoning_can_be_left_out(notebook):
    notebook.check("%config CmdMagics.reasoning = False")
    notebook.provider.play(answer("fine", reasoning="I think so."))
    run = notebook.check("%%cmd\nhello")
    assert run.texts[0] == "fine"
    assert len(run.outputs) == 2
    assert "I think so." not in json.dumps([m["content"] for m in run.messages])
    assert notebook.value("_cmd.reasoning") == "I think so."


def test_model_output_is_text_no_script_and_no_html_of_the_model_gets_through(notebook):
    evil = (
        "<script>alert(1)</script>\n\n<img src=x onerror=alert(1)>\n\n"
        "<style>body {display: none}</style> <iframe src='//evil'></iframe>\n\n"
        "`<b>code</b>`\n\n"
        "```html\n<script>fine()</script>\n```\n"
    )
    notebook.provider.play(answer(evil))
    run = notebook.check("%%cmd\nhello")
    for message in run.of_type("display_data") + run.of_type("update_display_data"):
        data = message["content"]["data"]
        assert "text/html" not in data or "onerror" not in data["text/html"]
        markdown, _, _ = data.get("text/markdown", "").partition("```html")
        for tag in ("<script", "<img", "<style", "<iframe"):
            assert tag not in markdown
    assert run.texts[0] == evil
    assert notebook.value("_cmd.text") == evil


def test_an_image_from_the_web_is_a_link_unless_the_user_allows_it(notebook):
    image = "![a view](https://far.example/a.png)"
    for allowed in (False, True):
        notebook.check(f"%config CmdMagics.remote_images = {allowed}")
        notebook.provider.play(answer(image))
        run = notebook.check("%%cmd --once\nhello")
        assert (image in run.outputs[0].data["text/markdown"]) == allowed
        assert "](https://far.example/a.png)" in run.outputs[0].data["text/markdown"]
        assert run.texts[0] == image


def test_nothing_from_the_model_is_executed_or_put_into_a_cell(notebook):
    notebook.provider.play(answer("```python\nraise SystemExit\n```\n%reset -f\n!rm -rf /"))
    run = notebook.check("x = 1\n%cmd ask code?")
    assert not run.reply["payload"]
    assert notebook.value("x") == 1


def test_escape_sequences_of_a_terminal_do_not_reach_a_terminal(notebook):
    notebook.provider.play(answer("red \x1b[31m and \x1b]0;title\x07 and \x9b2J text"))
    run = notebook.check("%%cmd\nhello")
    assert "\x1b" not in run.texts[0]
    assert "\x9b" not in run.texts[0]


def test_an_empty_bundle_is_never_sent(notebook):
    for script in (answer((), reasoning="hm"), answer((), calls=[{"name": "f"}])):
        notebook.provider.play(script)
        run = notebook.check("r = %cmd ask hello?")
        for message in run.of_type("display_data") + run.of_type("update_display_data"):
            assert message["content"]["data"]
        notebook.forget()


# ── the usage line


def test_the_usage_line_says_what_was_reported(notebook):
    usage = Tokens(1204, 312, cached=1024, reasoning=88)
    pieces = [f"word{n} " for n in range(30)]
    notebook.provider.play(openai_stream(pieces, reasoning="hm", usage=usage, pause_s=0.005))
    run = notebook.check("%%cmd\nhello")
    assert re.fullmatch(
        r"deepseek-v4-flash · in 1,204 \(1,024 cached\) · out 312 \(88 reasoning\)"
        r" · <?\$0\.\d{4} · [\d.]+ m?s to first token · [\d,]+ tok/s",
        run.texts[-1],
    )


@BOTH
def test_no_invented_figure_absent_usage_shows_as_a_question_mark(notebook, model):
    notebook.provider.play(answer(tokens("a long answer without any usage"), usage=None))
    run = notebook.check(f"%%cmd -m {model}\nhello")
    assert " · in ? · out ? · $? · " in run.texts[-1]
    assert "tok/s" not in run.texts[-1]
    assert "cached" not in run.texts[-1]
    found = about(run)
    assert found["usage"]["input_tokens"] == {"tokens": None, "origin": "unknown"}
    assert found["usage"]["output_tokens"] == {"tokens": None, "origin": "unknown"}
    assert found["cost"] == {"usd": None, "origin": "unknown", "price_date": None}
    assert notebook.value("[_cmd.usage.input_tokens, _cmd.cost_usd]") == [None, None]


def test_an_unknown_price_is_a_question_mark_and_not_nothing(notebook):
    run = notebook.check("%%cmd -m test/burst-20\nhello")
    assert re.search(r" · in \d+ · out 20 · \$\? · ", run.texts[-1])
    assert about(run)["cost"] == {"usd": None, "origin": "unknown", "price_date": None}
    assert about(run)["usage"]["output_tokens"] == {"tokens": 20, "origin": "reported"}


def test_a_price_that_is_missing_for_one_kind_of_tokens_makes_the_cost_unknown(notebook):
    usage = {"prompt_tokens": 100, "completion_tokens": 20}
    usage["prompt_tokens_details"] = {"cache_write_tokens": 50}
    notebook.provider.play(openai_stream("text", usage=usage))
    run = notebook.check("%%cmd\nhello")
    assert "$?" in run.texts[-1]


def test_no_price_is_in_words_where_nothing_was_counted_and_a_free_model_costs_nothing(notebook):
    run = notebook.check("%%cmd -m inclusionai/ling-3.1-flash:free\nhello")
    assert " · $0 · " in run.texts[-1]


def test_the_last_usage_wins_and_nothing_is_added_up(notebook):
    chunk = {"id": "x", "choices": []}
    script = openai_stream("text", usage=Tokens(10, 5), done=False)
    more = [
        sse(chunk | {"usage": {"prompt_tokens": n, "completion_tokens": m}})
        for n, m in ((10, 7), (12, 9))
    ]
    notebook.provider.play(script, more, sse("[DONE]"))
    run = notebook.check("%%cmd\nhello")
    assert " · in 12 · out 9 · " in run.texts[-1]
    notebook.provider.play(
        anthropic_stream("text", usage={"input_tokens": 20, "output_tokens": 40})
    )
    run = notebook.check(f"%%cmd -m {CLAUDE}\nhello")
    assert " · in 20 · out 40 · " in run.texts[-1]


@BOTH
def test_the_whole_prompt_is_counted_whatever_the_wire_counts(notebook, model):
    usage = Tokens(10_000, 200, cached=6_000, cache_write=1_000 if model == CLAUDE else 0)
    stream = anthropic_stream if model == CLAUDE else openai_stream
    notebook.provider.play(stream("text", usage=usage))
    run = notebook.check(f"%%cmd -m {model}\nhello")
    assert "in 10,000 (6,000 cached) · out 200 · $" in run.texts[-1]
    assert notebook.value("_cmd.usage.input_tokens") == 10_000
    assert notebook.value("_cmd.usage.cache_read_tokens") == 6_000


def test_speed_is_left_out_below_ten_tokens(notebook):
    notebook.provider.play(openai_stream(["a", "b"], usage=Tokens(5, 9), pause_s=0.01))
    assert "tok/s" not in notebook.check("%%cmd\nhello").texts[-1]
    notebook.provider.play(openai_stream(["a", "b"], usage=Tokens(5, 10), pause_s=0.01))
    assert "tok/s" in notebook.check("%%cmd\nhello").texts[-1]


def test_the_first_token_is_the_first_reasoning_too(notebook):
    before, after = halves(openai_stream(["the text"], reasoning=["hm"]), "the text")
    notebook.provider.play(before, pause(0.5), after)
    notebook.check("%%cmd\nhello")
    first_s, total_s = notebook.value("[_cmd.time_to_first_token_s, _cmd.duration_s]")
    assert first_s < 0.4
    assert total_s > 0.5


# ── the metadata


@BOTH
def test_the_metadata_is_as_specified(notebook, model):
    run = notebook.check(f"%%cmd -m {model}\nhello")
    found = about(run)
    jsonschema.validate(found, SCHEMA, format_checker=jsonschema.FormatChecker())
    assert list(found) == [
        *("schema", "model", "endpoint", "served_by", "usage", "cost", "timings"),
        *("thread", "turn", "turn_id", "stop_reason", "request_sha256"),
        *("request_key", "sample", "grid", "replayed_from"),
    ]
    assert "cc_jupyter" in run.outputs[0].metadata
    assert run.outputs[0].metadata.keys() == {"cc_jupyter"}
    record = notebook.posts[-1]
    assert found["schema"] == 2
    assert found["model"] == model
    assert record.path.endswith("/v1" + found["endpoint"])
    assert found["served_by"] == f"127.0.0.1:{notebook.provider.port}"
    assert found["request_sha256"] == hashlib.sha256(record.body).hexdigest()
    assert found["request_key"] == request_key(found["endpoint"], record.body)
    assert (found["sample"], found["grid"], found["replayed_from"]) == (0, None, None)
    assert re.fullmatch(r"0\.\d+", found["cost"]["usd"])
    assert found["cost"]["origin"] == "reported"
    assert 0 < found["timings"]["first_token_s"] <= found["timings"]["total_s"]


@pytest.mark.parametrize(
    ("script", "error_name"),
    [
        (answer("text", usage=None), None),
        (answer("text", finish="length"), None),
        (answer("text", finish="odd"), None),
        (answer((), reasoning="hm"), None),
        (answer((), calls=[{"name": "f"}]), None),
        (answer("half", finish=None), "StreamError"),
    ],
)
@pytest.mark.parametrize("line", ["%%cmd\nhello", "r = %cmd ask hello?"])
def test_the_metadata_is_valid_however_a_cell_ends(notebook, line, script, error_name):
    notebook.provider.play(script)
    run = notebook.run(line)
    assert run.error_name == (error_name or ""), run.error
    jsonschema.validate(about(run), SCHEMA)
    owner = next(each for each in run.outputs if each.metadata)
    has_text = bool(notebook.value("_cmd.text"))
    assert owner is (run.outputs[-2] if has_text else run.outputs[-1])


def test_the_cost_is_exact(notebook):
    notebook.provider.play(openai_stream("text", usage=Tokens(1_000_000, 1000, cached=400_000)))
    notebook.check("%%cmd -m Qwen/Qwen3.8-Flash\nhello")
    rates = load_catalog().models["Qwen/Qwen3.8-Flash"].rates_at(1_000_000, datetime.now(UTC))
    cost = 600_000 * rates.input + 400_000 * rates.cache_read + 1000 * rates.output
    assert Decimal(notebook.value("str(_cmd.cost_usd)")) == cost / 1_000_000 > 0
    assert notebook.value("type(_cmd.cost_usd).__name__") == "Decimal"


def test_every_demonstration_says_what_served_it(notebook):
    found = about(notebook.check("%%cmd\nhello"))
    assert found["served_by"] == f"127.0.0.1:{notebook.provider.port}"
    status = notebook.check("%cmd").texts[0]
    assert f"http://127.0.0.1:{notebook.provider.port}/" in status


# ── what is saved


def test_size_grows_with_the_text_and_not_with_the_updates(notebook):
    run = notebook.check("%%cmd -m test/burst-300@2ms\nhello")
    saved = json.dumps([[each.data, each.metadata] for each in run.outputs])
    assert len(run.outputs) == 2
    assert len(saved) < 3 * len(run.texts[0]) + 2000


def test_images_and_sources_stand_under_the_answer(notebook):
    image = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
    message = {
        "content": "A glacier [1].",
        "images": [{"image_url": {"url": f"data:image/png;base64,{image}"}}],
    }
    body = {
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "citations": ["https://example.org/glacier"],
    }
    notebook.provider.play(http(200, body))
    run = notebook.check("%%cmd -> x\nhello", "a")
    answered, pictured, usage = run.outputs
    assert (
        "1. [https&#58;//example.org/glacier](https://example.org/glacier)"
        in (answered.data["text/markdown"])
    )
    assert pictured.data["image/png"].strip() == image
    assert "in ?" in usage.text
    assert notebook.value("x") == "A glacier [1]."
    assert notebook.value("_cmd.sources[0].url") == "https://example.org/glacier"
    assert notebook.value("_cmd.images[0].media_type") == "image/png"


def test_thinking_that_is_only_closed_is_no_part_of_the_answer(notebook):
    notebook.provider.play(openai_stream(["Ada, ", "then.\n</th", "ink>\n\n", "Hello"]))
    run = notebook.check("%%cmd -> x\nhello", "a")
    assert notebook.value("x") == "Hello"
    assert notebook.value("_cmd.reasoning") == "Ada, then."
    assert "Ada" in run.texts[0]
    assert run.texts[1] == "Hello"
