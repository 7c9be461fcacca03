"""Usage as providers report it: which tokens, what they cost, and what is left over."""

from __future__ import annotations

import json
from dataclasses import fields
from decimal import Decimal
from time import perf_counter

import pytest
from support.recordings import read_chunks

from cc_jupyter.client.decoder import AnswerReader
from cc_jupyter.client.token_counts import read_usage, read_usd, with_header_cost
from cc_jupyter.client.wire_formats import WIRE_FORMATS
from cc_jupyter.core.events import Error, Notice, Stop, TextDelta, Usage

CHAT = {"prompt_tokens": 9_000, "completion_tokens": 300, "total_tokens": 9_300}
CLAUDE = {"input_tokens": 1_000, "output_tokens": 300}
IMPOSSIBLE = "the provider reported impossible token counts"


def seen(usage: Usage) -> dict[str, object]:
    """Return what a usage says, without what it leaves open."""
    return {
        field.name: getattr(usage, field.name)
        for field in fields(usage)
        if field.name != "doubt" and getattr(usage, field.name)
    }


def counted(input_tokens=9_000, output_tokens=300, **others):
    return {"input_tokens": input_tokens, "output_tokens": output_tokens, **others}


def chat(prompt, completion, total=None, **members):
    report = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
    return report | members


def details(**members):
    return {"prompt_tokens_details": members}


def thought(**members):
    return {"completion_tokens_details": members}


READ, WRITTEN = {"cache_read_tokens": 4_000}, {"cache_write_tokens": 2_000}
HOUR = {**WRITTEN, "hour_cache_write_tokens": 1_500}
BY_AGE = {"ephemeral_5m_input_tokens": 500, "ephemeral_1h_input_tokens": 1_500}

PLACES = {
    # cached tokens
    "OpenAI": (details(cached_tokens=4_000), READ),
    "Moonshot": ({"cached_tokens": 4_000}, READ),
    "DeepSeek": ({"prompt_cache_hit_tokens": 4_000, "prompt_cache_miss_tokens": 5_000}, READ),
    "LiteLLM": ({"cache_read_input_tokens": 4_000, **details(cached_tokens=0)}, READ),
    "LiteLLM both": ({"cache_read_input_tokens": 4_000, **details(cached_tokens=4_000)}, READ),
    "read in details": (details(cache_read_tokens=4_000), READ),
    "Anthropic in details": (details(cache_read_input_tokens=4_000), READ),
    "Responses": ({"input_tokens_details": {"cached_tokens": 4_000}}, READ),
    # cache writes
    "OpenRouter": (details(cached_tokens=4_000, cache_write_tokens=2_000), READ | WRITTEN),
    "DashScope": (
        details(cache_creation_input_tokens=2_000, cache_type="ephemeral"),
        WRITTEN,
    ),
    "DashScope by age": (details(cache_creation={"ephemeral_5m_input_tokens": 2_000}), WRITTEN),
    "LiteLLM writes": ({"cache_creation_input_tokens": 2_000}, WRITTEN),
    "LiteLLM hour": (
        {
            "cache_creation_input_tokens": 2_000,
            **details(cache_creation_tokens=2_000, cache_creation_token_details=BY_AGE),
        },
        HOUR,
    ),
    "new-api": (
        {
            "claude_cache_creation_5_m_tokens": 500,
            "claude_cache_creation_1_h_tokens": 1_500,
            **details(cached_creation_tokens=2_000),
        },
        HOUR,
    ),
    "new-api zeros": ({"input_tokens": 0, "output_tokens": 0}, {}),
    # thinking
    "reasoning": (thought(reasoning_tokens=88), {"reasoning_tokens": 88}),
    "Perplexity reasoning": ({"reasoning_tokens": 88}, {"reasoning_tokens": 88}),
    "thinking": (thought(thinking_tokens=88), {"reasoning_tokens": 88}),
    # nothing to name
    "parts of the prompt": (details(text_tokens=8_000, image_tokens=1_000, audio_tokens=0), {}),
    "predictions": (thought(accepted_prediction_tokens=5, rejected_prediction_tokens=9), {}),
    "times": ({"queue_time": 0.01, "prompt_time": 1, "total_time": 2.5}, {}),
    "usual": ({"service_tier": "default", "speed": "standard", "inference_geo": "global"}, {}),
    "Groq": ({"service_tier": "on_demand"}, {}),
    "empty": ({"server_tool_use": {"web_search_requests": 0}, "num_sources_used": 0}, {}),
    "fetches are free": ({"server_tool_use": {"web_fetch_requests": 3}}, {}),
}


@pytest.mark.parametrize(("members", "expected"), PLACES.values(), ids=PLACES)
def test_tokens_of_a_kind_are_found_wherever_they_stand(members, expected):
    usage, remarks = read_usage(CHAT | members)
    assert seen(usage) == counted(**expected)
    assert (usage.doubt, remarks) == (None, ())


ANTHROPIC = {
    "plain": ({}, counted(1_000)),
    "cache": (
        {"cache_read_input_tokens": 4_000, "cache_creation_input_tokens": 2_000},
        counted(7_000, **READ, **WRITTEN),
    ),
    "by age only": ({"cache_creation": BY_AGE}, counted(3_000, **HOUR)),
    "by age and sum": (
        {"cache_creation_input_tokens": 2_000, "cache_creation": BY_AGE},
        counted(3_000, **HOUR),
    ),
    "five minutes": (
        {"cache_creation": {"ephemeral_5m_input_tokens": 2_000, "ephemeral_1h_input_tokens": 0}},
        counted(3_000, **WRITTEN),
    ),
    "thinking": (
        {"output_tokens_details": {"thinking_tokens": 88}},
        counted(1_000, reasoning_tokens=88),
    ),
    "standard": ({"service_tier": "standard", "inference_geo": "not_available"}, counted(1_000)),
    "Responses names count the cache in": (
        {"input_tokens_details": {"cached_tokens": 400}, "total_tokens": 1_300},
        counted(1_000, cache_read_tokens=400),
    ),
}


@pytest.mark.parametrize(("members", "expected"), ANTHROPIC.values(), ids=ANTHROPIC)
def test_anthropics_names_leave_the_cache_out_of_the_input(members, expected):
    usage, remarks = read_usage(CLAUDE | members)
    assert seen(usage) == expected
    assert remarks == ()


def test_a_relay_may_count_the_cache_beside_the_prompt():
    """BerriAI/litellm#15056: Anthropic's counts under OpenAI's names."""
    report = {
        "completion_tokens": 467,
        "prompt_tokens": 31,
        "total_tokens": 498,
        "prompt_tokens_details": {"cached_tokens": 0},
        "cache_creation_input_tokens": 1_253,
        "cache_read_input_tokens": 0,
    }
    usage, remarks = read_usage(report)
    assert seen(usage) == counted(1_284, 467, cache_write_tokens=1_253)
    assert remarks == ()


HIDDEN = {
    # vercel/ai#12425 (xAI), CLIProxyAPI#5733: the total shows that thinking is beside
    "xAI": (
        {
            "prompt_tokens": 12,
            "completion_tokens": 1,
            "total_tokens": 399,
            **thought(reasoning_tokens=386),
        },
        counted(12, 387, reasoning_tokens=386),
        (),
    ),
    "relay of Gemini": (
        {
            "prompt_tokens": 21,
            "completion_tokens": 0,
            "total_tokens": 81,
            **thought(reasoning_tokens=60),
        },
        counted(21, 60, reasoning_tokens=60),
        (),
    ),
    # mozilla-ai/any-llm#1290, Clarifai/clarifai-python#978
    "any-llm": (
        chat(20, 198, 623),
        counted(20, 603),
        ("405 tokens are in the total only and count as output",),
    ),
    "Clarifai": (
        chat(20, 424, 1_016),
        counted(20, 996),
        ("572 tokens are in the total only and count as output",),
    ),
    "partly told": (
        {
            "prompt_tokens": 20,
            "completion_tokens": 200,
            "total_tokens": 620,
            **thought(reasoning_tokens=100),
        },
        counted(20, 600, reasoning_tokens=100),
        ("400 tokens are in the total only and count as output",),
    ),
    "xAI without a total": (
        chat(12, 1, **thought(reasoning_tokens=386)),
        counted(12, 387, reasoning_tokens=386),
        (IMPOSSIBLE,),
    ),
    "total too small": (
        chat(20, 200, 100),
        counted(20, 200),
        ("the provider's total contradicts its token counts",),
    ),
    "cached more than sent": (
        CHAT | details(cached_tokens=10_000),
        counted(cache_read_tokens=9_000),
        (IMPOSSIBLE,),
    ),
    "two places disagree": (
        CHAT | {"cached_tokens": 100, **details(cached_tokens=200)},
        counted(cache_read_tokens=200),
        (IMPOSSIBLE,),
    ),
    "no number": (CHAT | {"cached_tokens": "many"}, counted(), (IMPOSSIBLE,)),
    "negative": (
        {"prompt_tokens": -5, "completion_tokens": 3},
        {"output_tokens": 3},
        (IMPOSSIBLE,),
    ),
}


@pytest.mark.parametrize(("report", "expected", "remarks"), HIDDEN.values(), ids=HIDDEN)
def test_a_report_that_contradicts_itself_says_so(report, expected, remarks):
    usage, said = read_usage(report)
    assert seen(usage) == expected
    assert said == remarks
    assert usage.doubt == ("; ".join(remarks) or None)


LEFT_OVER = {
    "web search": (
        CLAUDE | {"server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 1}},
        ("3 web search requests",),
    ),
    "one search": (
        CHAT | {"server_tool_use": {"web_search_requests": 1}},
        ("1 web search request",),
    ),
    "code": (
        CLAUDE | {"server_tool_use": {"code_execution_requests": 2}},
        ("2 code execution requests",),
    ),
    "Perplexity": (
        CHAT | {"num_search_queries": 1, "citation_tokens": 4_000},
        ("1 search query", "4,000 citation tokens"),
    ),
    "xAI sources": (CHAT | {"num_sources_used": 7}, ("7 sources used",)),
    "xAI tools": (
        CHAT | {"server_side_tool_usage": {"SERVER_SIDE_TOOL_WEB_SEARCH": 2}},
        ("2 web search requests",),
    ),
    "DashScope": (CHAT | {"plugins": {"search": {"count": 2}}}, ("2 web search requests",)),
    "priority": (CLAUDE | {"service_tier": "priority"}, ("service tier priority",)),
    "flex": (CHAT | {"service_tier": "flex"}, ("service tier flex",)),
    "batch": (CLAUDE | {"service_tier": "batch"}, ("service tier batch",)),
    "fast": (CLAUDE | {"speed": "fast"}, ("fast mode",)),
    "place": (CLAUDE | {"inference_geo": "us"}, ("inference in us",)),
    "audio in": (CHAT | details(audio_tokens=20), ("20 prompt audio tokens",)),
    "audio out": (CHAT | thought(audio_tokens=20), ("20 completion audio tokens",)),
    "image out": (CHAT | thought(image_tokens=1_290), ("1,290 completion image tokens",)),
    "a kind to come": (CHAT | {"hologram_tokens": 5}, ("5 hologram tokens",)),
    "advisor": (
        CLAUDE
        | {
            "iterations": [
                {"type": "message", "input_tokens": 1_000, "output_tokens": 300},
                {"type": "advisor_message", "model": "m", "input_tokens": 8, "output_tokens": 9},
            ]
        },
        ("advisor_message",),
    ),
    "hostile": (
        CHAT | {"service_tier": "a\nb\x1b[31m" + "x" * 50},
        ("service tier a b[31m" + "x" * 33,),
    ),
    "too many": (
        CHAT | {"server_tool_use": {f"kind_{n}": 2 for n in range(20_000)}},
        tuple(f"2 kind {n} requests" for n in range(8)),
    ),
}


@pytest.mark.parametrize(("report", "names"), LEFT_OVER.values(), ids=LEFT_OVER)
def test_what_has_no_rate_is_named(report, names):
    assert read_usage(report)[0].unpriced == names


def test_compactions_of_the_context_are_billed_and_counted():
    """Claude platform, "Compaction": the sums of the report leave them out."""
    report = {
        "input_tokens": 23_000,
        "output_tokens": 1_000,
        "iterations": [
            {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3_500},
            {"type": "message", "input_tokens": 23_000, "output_tokens": 1_000},
        ],
    }
    usage, remarks = read_usage(report)
    assert seen(usage) == counted(203_000, 4_500, longest_prompt_tokens=180_000)
    assert remarks == ("including 180,000 tokens in and 3,500 out for compacting the context",)


def test_compactions_count_their_cache_too():
    entry = {"type": "compaction", "input_tokens": 10, "output_tokens": 5}
    report = CLAUDE | {
        "cache_read_input_tokens": 50,
        "iterations": [entry | {"cache_read_input_tokens": 100, "cache_creation": BY_AGE}, entry],
    }
    usage, _ = read_usage(report)
    assert seen(usage) == counted(
        1_050 + 2_110 + 10,
        310,
        cache_read_tokens=150,
        cache_write_tokens=2_000,
        hour_cache_write_tokens=1_500,
        longest_prompt_tokens=2_110,
    )


@pytest.mark.parametrize(
    "iterations", [None, [], "x", 3, {}, [None], [{"type": 5}], [{"type": []}]]
)
def test_iterations_that_say_nothing_change_nothing(iterations):
    usage, remarks = read_usage(CLAUDE | {"iterations": iterations})
    assert seen(usage) == counted(1_000)
    assert remarks == ()


COSTS = {
    "OpenRouter": ({"cost": 0.00095}, "0.00095"),
    "own key at OpenRouter": (
        {"cost": 0.001, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.019}},
        "0.020",
    ),
    "upstream is included": (
        {"cost": 0.02, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.019}},
        "0.02",
    ),
    "Perplexity": (
        {"cost": {"input_tokens_cost": 0.001, "request_cost": 0.005, "total_cost": 0.006}},
        "0.006",
    ),
    "total": ({"total_cost": 0.006}, "0.006"),
    "as text": ({"cost": "0.0000123"}, "0.0000123"),
    "xAI": ({"cost_in_usd_ticks": 37_756_000}, "0.0037756"),
    "DeepInfra": ({"estimated_cost": 2.68e-05}, "0.0000268"),
    "free": ({"cost": 0}, "0"),
    "an amount in an integer": ({"cost": 1}, "1"),
}


@pytest.mark.parametrize(("members", "usd"), COSTS.values(), ids=COSTS)
def test_the_providers_own_cost_is_read(members, usd):
    assert read_usage(CHAT | members)[0].provider_usd == Decimal(usd)


@pytest.mark.parametrize(
    "value",
    [None, True, False, "", "much", -1, "-0.1", [], {}, float("nan"), "inf", 1e9, "1e999999"],
)
def test_what_is_no_amount_is_no_cost(value):
    assert read_usd(value) is None
    assert read_usage(CHAT | {"cost": value})[0].provider_usd is None


def usage_of_stream(endpoint: str, *bodies: object) -> tuple[Usage | None, list[str]]:
    reader = AnswerReader(WIRE_FORMATS[endpoint].decoder())
    stream = "".join(f"data: {json.dumps(body)}\n\n" for body in bodies).encode()
    events = [*read_chunks(reader, [stream]), *reader.close()]
    reports = [event for event in events if isinstance(event, Usage)]
    notices = [event.text for event in events if isinstance(event, Notice)]
    return reports[-1] if reports else None, notices


TEXT = {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    ("bodies", "expected"),
    [
        ([{"choices": [], "usage": CHAT}], counted()),
        ([TEXT | {"usage": CHAT}], counted()),
        ([{"choices": [{"index": 0, "delta": {}, "usage": CHAT}]}], counted()),
        ([{"choices": [], "x_groq": {"id": "r", "usage": CHAT}}], counted()),
        (
            [TEXT | {"service_tier": "flex"}, {"choices": [], "usage": CHAT}],
            counted(unpriced=("service tier flex",)),
        ),
        (
            [{"choices": [], "usage": CHAT, "cost": 0.25}],
            counted(provider_usd=Decimal("0.25")),
        ),
        (
            [{"choices": [], "usage": CHAT, "cost": {"total_cost": 0.25}}],
            counted(provider_usd=Decimal("0.25")),
        ),
        ([{"choices": [], "usage": {"cost": 0.25}}], {"provider_usd": Decimal("0.25")}),
        ([{"choices": [], "usage": CLAUDE}], counted(1_000)),
    ],
)
def test_a_chat_stream_may_report_in_several_places(bodies, expected):
    usage, _ = usage_of_stream("/chat/completions", TEXT, *bodies)
    assert seen(usage) == expected


def test_a_messages_stream_reports_tiers_searches_and_compactions():
    start = {"input_tokens": 1_000, "output_tokens": 1, "service_tier": "priority"}
    end = {"output_tokens": 300, "server_tool_use": {"web_search_requests": 2}, "speed": "fast"}
    usage, notices = usage_of_stream(
        "/messages",
        {"type": "message_start", "message": {"usage": start}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": end},
        {"type": "message_stop"},
    )
    names = ("service tier priority", "2 web search requests", "fast mode")
    assert usage.input_tokens == 1_000
    assert sorted(usage.unpriced) == sorted(names)
    assert notices == []


@pytest.mark.parametrize(
    ("headers", "usd"),
    [
        ({"x-litellm-response-cost": "0.0125"}, "0.0125"),
        ({"X-LiteLLM-Response-Cost": "0.0125"}, "0.0125"),
        ({"x-gateway-request-cost-usd": "$0.5"}, "0.5"),
        ({"x-total-cost": "1e-05"}, "0.00001"),
        ({"x-litellm-response-cost": "0.0", "x-request-cost": "0.3"}, "0.3"),
    ],
)
@pytest.mark.parametrize("last", [Stop("stop"), Error("cut")])
def test_a_cost_in_a_header_is_the_providers_own(headers, usd, last):
    with_usage = [TextDelta("a"), Usage(9, 3), last]
    assert list(with_header_cost(headers, with_usage)) == [
        TextDelta("a"),
        Usage(9, 3, provider_usd=Decimal(usd)),
        last,
    ]
    without = list(with_header_cost(headers, [TextDelta("a"), last]))
    assert without == [TextDelta("a"), Usage(provider_usd=Decimal(usd)), last]


def test_a_cost_in_the_body_precedes_the_header():
    told = Usage(9, 3, provider_usd=Decimal("0.1"))
    assert list(with_header_cost({"x-litellm-response-cost": "0.2"}, [told])) == [told]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-litellm-response-cost": "0.0"},  # written before a stream begins
        {"x-litellm-response-cost": "None"},
        {"x-litellm-key-spend": "7.5"},
        {"x-cost-center": "12"},
        {"x-request-cost-limit": "12"},
    ],
)
def test_other_headers_are_no_cost(headers):
    events = [Usage(9, 3), Stop("stop")]
    assert list(with_header_cost(headers, events)) == events


def test_a_report_is_read_in_under_50_microseconds():
    reports = [
        CHAT
        | {"service_tier": "default"}
        | details(cached_tokens=4_000, audio_tokens=0)
        | thought(reasoning_tokens=88),
        CLAUDE | {"cache_creation": BY_AGE, "server_tool_use": {"web_search_requests": 3}},
        *(CHAT | members for members, _ in PLACES.values()),
    ]
    times_s = []
    for _ in range(50):
        start_s = perf_counter()
        for report in reports:
            read_usage(report)
        times_s.append((perf_counter() - start_s) / len(reports))
    assert min(times_s) < 50e-6
