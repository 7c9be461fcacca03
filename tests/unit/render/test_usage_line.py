"""The line under an answer: every figure reported, estimated or unknown, never invented."""

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from importlib import resources

import pytest
from jsonschema import Draft202012Validator

from cc_jupyter.core.errors import StreamError
from cc_jupyter.core.events import Usage
from cc_jupyter.core.messages import ToolCall
from cc_jupyter.core.money import Cost
from cc_jupyter.core.reply import Provenance, Reply
from cc_jupyter.render.usage_line import metadata, usage_bundle, usage_line

WHOLE = Reply(
    text="Hello",
    reasoning="",
    model="deepseek/deepseek-v4-flash",
    stop_reason="stop",
    usage=Usage(1204, 312, 1024, None, 88),
    cost=Cost(Decimal("0.000217"), "reported", date(2026, 10, 8)),
    time_to_first_token_s=0.4,
    duration_s=0.4 + 312 / 210,
    provenance=Provenance("/chat/completions", "api", None, "default", 3, "0" * 64),
)


def test_the_line_of_the_contract():
    assert usage_line(WHOLE) == (
        "deepseek-v4-flash · in 1,204 (1,024 cached) · out 312 (88 reasoning) · $0.0002"
        " · 0.4 s to first token · 210 tok/s"
    )


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"usage": Usage()}, "in ? · out ?"),
        ({"usage": Usage(5, None)}, "in 5 · out ?"),
        ({"cost": Cost(None, "unknown", None)}, "· $? ·"),
        ({"cost": Cost(Decimal("0.0123"), "estimated", date(2026, 10, 8))}, "· ~$0.0123 ·"),
        (
            {"cost": Cost(Decimal("0.01"), "estimated", None, unpriced=("fast mode", "1 search"))},
            "· ~$0.0100 (not priced: fast mode, 1 search) ·",
        ),
        (
            {"cost": Cost(None, "unknown", None, unpriced=("9 cache-write tokens",))},
            "· $? (not priced: 9 cache-write tokens) ·",
        ),
        (
            {"cost": Cost(Decimal("0.02"), "reported", None, table_usd=Decimal("0.01"))},
            "· $0.0200 ·",
        ),
        (
            {"usage": Usage(1204, 31, estimated=("input_tokens", "output_tokens"))},
            "in ~1,204 · out ~31",
        ),
        ({"usage": Usage(1204, 31, estimated=("output_tokens",))}, "in 1,204 · out ~31"),
        ({"stop_reason": "length"}, "· cut at max_tokens"),
        (
            {"stop_reason": "length", "stop_word": "model_context_window_exceeded"},
            "· cut: the context window is full",
        ),
        ({"stop_reason": "content_filter"}, "· refused by the model or a filter"),
        ({"stop_reason": "unknown"}, "· ended for an unknown reason"),
        ({"stop_reason": "unknown", "stop_word": "eggs"}, "· ended for an unknown reason: eggs"),
        (
            {"stop_reason": "tool_call", "tool_calls": (ToolCall("call_0", "search", "{}"),)},
            "· asked for the tool search, not run",
        ),
        ({"stop_reason": "interrupted", "error": KeyboardInterrupt()}, "· interrupted"),
        ({"stop_reason": "error", "error": StreamError("cut")}, "· connection lost"),
        (
            {"stop_reason": "error", "error": StreamError("cut", code="network_error")},
            "· broken off: network_error",
        ),
        ({"stop_reason": "error", "error": StreamError("none"), "text": ""}, "· empty answer"),
        ({"text": "", "reasoning": "hm"}, "· reasoning only, no text"),
        ({"notices": ("`df` cut to 100 rows",)}, "· `df` cut to 100 rows"),
        ({"time_to_first_token_s": 0.042}, "· 42 ms to first token"),
    ],
)
def test_each_figure_and_each_end_is_named(change, part):
    assert part in usage_line(replace(WHOLE, **change))


def test_no_invented_figure_an_unknown_count_shows_as_a_question_mark():
    line = usage_line(replace(WHOLE, usage=Usage(), cost=Cost(None, "unknown", None)))
    assert "in ? · out ? · $?" in line
    assert "tok/s" not in line
    assert not any(f" {digit} " in line for digit in "0123456789")


def test_few_tokens_have_no_speed():
    assert "tok/s" not in usage_line(replace(WHOLE, usage=Usage(5, 9)))


def test_the_local_model_is_free_and_says_so():
    local = Provenance(served_by="local", served_model="SmolLM2-135M-Instruct")
    line = usage_line(replace(WHOLE, provenance=local))
    assert line.startswith("deepseek-v4-flash played by SmolLM2-135M-Instruct · ")
    assert "· $0 (local) ·" in line
    own = replace(WHOLE, model="smollm2-135m-instruct", provenance=local)
    assert usage_line(own).startswith("SmolLM2-135M-Instruct · ")


def test_the_line_is_real_text_and_escaped():
    bundle = usage_bundle(replace(WHOLE, model="a/<b>"))
    assert bundle["text/plain"].startswith("<b> · in 1,204")
    assert "&lt;b&gt; · in 1,204" in bundle["text/html"]


def test_a_notice_with_line_breaks_stays_one_line():
    assert "\n" not in usage_line(replace(WHOLE, notices=("a\nb",)))


@pytest.mark.parametrize(
    "reply",
    [
        WHOLE,
        replace(WHOLE, usage=Usage(), cost=Cost(None, "unknown", None)),
        replace(WHOLE, text="", stop_reason="error", error=StreamError("x")),
        replace(WHOLE, provenance=Provenance("/messages", "local", "S", None, None, "")),
        replace(WHOLE, time_to_first_token_s=None, cost=Cost(Decimal(0), "reported", None)),
        replace(WHOLE, cost=Cost(Decimal("1E-7"), "estimated", date(2026, 10, 8))),
        replace(WHOLE, provenance=Provenance("/messages", order="document")),
        replace(
            WHOLE,
            provenance=Provenance(
                "/messages",
                request_key="a" * 64,
                sample=3,
                grid="b" * 32,
                replayed_from="tapes/one.jsonl",
            ),
        ),
        replace(WHOLE, usage=Usage(5, 6, estimated=("output_tokens",))),
        replace(WHOLE, cost=Cost(Decimal("0.02"), "reported", None, Decimal("1E-7"))),
        replace(WHOLE, cost=Cost(None, "unknown", None, None, ("2 searches", "fast mode"))),
    ],
)
def test_the_metadata_follow_their_schema(reply):
    text = resources.files("cc_jupyter").joinpath("render/metadata_schema.json").read_text("utf-8")
    schema = json.loads(text)
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(metadata(reply)["cc_jupyter"])


def test_the_metadata_name_the_request_its_grid_and_where_it_was_replayed_from():
    provenance = Provenance(request_key="a" * 64, sample=3, grid="b" * 32, replayed_from="tape")
    found = metadata(replace(WHOLE, provenance=provenance))["cc_jupyter"]
    assert found["schema"] == 2
    assert (found["request_key"], found["sample"]) == ("a" * 64, 3)
    assert (found["grid"], found["replayed_from"]) == ("b" * 32, "tape")


def test_the_order_of_the_page_is_named_where_it_was_used_and_else_not():
    by_page = replace(WHOLE, provenance=replace(WHOLE.provenance, order="document"))
    assert "· document order" in usage_line(by_page)
    assert metadata(by_page)["cc_jupyter"]["order"] == "document"
    assert "order" not in usage_line(WHOLE)
    assert "order" not in metadata(WHOLE)["cc_jupyter"]


def test_an_unknown_cost_is_null_in_the_metadata_never_zero():
    about = metadata(replace(WHOLE, cost=Cost(None, "unknown", None)))["cc_jupyter"]
    assert about["cost"] == {"usd": None, "origin": "unknown", "price_date": None}
    assert about["usage"]["cache_write_tokens"] == {"tokens": None, "origin": "unknown"}


def test_the_metadata_hold_the_listed_price_beside_the_providers_cost():
    own = Cost(Decimal("0.02"), "reported", None, table_usd=Decimal("0.01"))
    assert metadata(replace(WHOLE, cost=own))["cc_jupyter"]["cost"] == {
        "usd": "0.02",
        "origin": "reported",
        "price_date": None,
        "table_usd": "0.01",
    }


def test_the_metadata_name_estimates_and_what_was_not_priced():
    part = replace(
        WHOLE,
        usage=Usage(5, 6, estimated=("output_tokens",)),
        cost=Cost(Decimal("0.02"), "estimated", None, unpriced=("fast mode",)),
    )
    about = metadata(part)["cc_jupyter"]
    assert about["usage"]["input_tokens"] == {"tokens": 5, "origin": "reported"}
    assert about["usage"]["output_tokens"] == {"tokens": 6, "origin": "estimated"}
    assert about["cost"]["unpriced"] == ["fast mode"]
