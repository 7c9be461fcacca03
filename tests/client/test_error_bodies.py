"""What a provider says went wrong reaches the user, in whatever shape it comes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from support.recordings import ENDPOINTS, events_of, outcome_of

from cc_jupyter.client.errors.provider_errors import LONGEST_WAIT_S, Refusal, classify, pause_s
from cc_jupyter.client.reply_builder import ReplyBuilder
from cc_jupyter.core.errors import (
    CreditError,
    ModelError,
    PlanError,
    RateLimitError,
    StatusError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = datetime(2026, 10, 8, 12, 0, tzinfo=UTC)
KEY = "an-odd-key-without-any-prefix-7"
MODEL = "some/model"


def refuse(
    status: int,
    body: object,
    headers: Mapping[str, str] | None = None,
    served_by: str = "api",
) -> Refusal:
    raw = body if isinstance(body, str) else json.dumps(body)
    return classify(
        status,
        headers or {},
        raw.encode(),
        model=MODEL,
        secrets=(KEY,),
        now=NOW,
        served_by=served_by,
    )


def error(message: str, **more: object) -> dict[str, object]:
    return {"error": {"message": message, **more}}


SHAPES = {
    "error.message": (error("Words"), "Words"),
    "error as text": ({"error": "Words"}, "Words"),
    "error in error": ({"error": {"error": {"message": "Words"}}}, "Words"),
    "error in error as text": ({"error": {"error": "Words"}}, "Words"),
    "bare message": ({"message": "Words"}, "Words"),
    "message as a list": ({"statusCode": 400, "message": ["a", "b"], "error": "Bad"}, "Bad: a; b"),
    "error beside a message": ({"error": "Bad Request", "message": "x is no y"},
                               "Bad Request: x is no y"),
    "msg": ({"code": 500, "msg": "Words", "success": False}, "Words"),
    "detail": ({"detail": "Words"}, "Words"),
    "detail of FastAPI": (
        {"detail": [{"loc": ["body", "messages", 0], "msg": "Field required", "type": "missing"}]},
        "body.messages.0: Field required",
    ),
    "two details of FastAPI": (
        {"detail": [{"loc": ["a"], "msg": "x"}, {"loc": ["b"], "msg": "y"}]}, "a: x; b: y"
    ),
    "detail as an object": ({"detail": {"message": "Words", "code": 7}}, "Words"),
    "detail that holds an error": ({"detail": {"error": {"message": "Words"}}}, "Words"),
    "errors as texts": ({"errors": ["a", "b"]}, "a; b"),
    "errors as objects": ({"errors": [{"message": "a"}, {"message": "b"}]}, "a; b"),
    "errors by field": (
        {"title": "Invalid", "errors": {"Model": ["The Model field is required."]}},
        "Invalid: Model: The Model field is required.",
    ),
    "errors by field alone": ({"errors": {"model": "required"}}, "model: required"),
    "base_resp": ({"base_resp": {"status_code": 1004, "status_msg": "login fail"}}, "login fail"),
    "metadata.raw as text": (
        error("Provider returned error", metadata={"raw": "Real cause"}),
        "Provider returned error: Real cause",
    ),
    "metadata.raw as JSON": (
        error("Provider returned error", metadata={"raw": '{"error":{"message":"Real cause"}}'}),
        "Provider returned error: Real cause",
    ),
    "title": ({"title": "Not Acceptable", "status": 406}, "Not Acceptable"),
    "title and detail": ({"title": "Bad", "detail": "x is missing"}, "Bad: x is missing"),
    "choices[0].error": ({"choices": [{"error": {"message": "Words", "code": 502}}]}, "Words"),
    "fault of Apigee": ({"fault": {"faultstring": "Words", "detail": {"errorcode": "x"}}}, "Words"),
    "error_description of OAuth": (
        {"error": "invalid_token", "error_description": "Expired"}, "invalid_token: Expired"
    ),
    "error_msg of Baidu": ({"error_code": 110, "error_msg": "Words"}, "Words"),
    "Message of AWS": ({"__type": "X", "Message": "Words"}, "Words"),
    "errorMessage": ({"errorMessage": "Words"}, "Words"),
    "in a list": ([{"error": {"message": "Words"}}], "Words"),
    "several in a list": ([{"message": "a"}, {"message": "b"}], "a; b"),
    "JSON in the message": (error(json.dumps(error("Words"))), "Words"),
    "JSON in the JSON in the message": (error(json.dumps(error(json.dumps(error("W"))))), "W"),
    "plain text": ("upstream connect error", "upstream connect error"),
    "plain text on lines": ("one\r\ntwo\n\tthree", "one two three"),
    "JSON text": ('"Words"', "Words"),
    "HTML with a title": (
        "<!DOCTYPE html><html><head><title>api.x | 502: Bad gateway</title></head></html>",
        "api.x | 502: Bad gateway",
    ),
    "HTML with a heading": ("<html><body><h1>403 Forbidden</h1></body></html>", "403 Forbidden"),
    "HTML with text only": (
        "<html><style>x{}</style><script>alert(1)</script><p>No &amp; no</p></html>", "No & no"
    ),
    "XML": ("<?xml version='1.0'?><Error><Code>Denied</Code></Error>", "Denied"),
    "prose before HTML": (error("upstream: <html><title>Oops</title>"), "upstream: Oops"),
    "unknown object": ({"weird": {"deep": ["why"]}}, '{"weird": {"deep": ["why"]}}'),
    "unknown object with a code": ({"code": 7, "why": "so"}, '{"code": 7, "why": "so"}'),
    "unknown list": ([[1, 2], [3]], "[[1, 2], [3]]"),
    "a number": ("42", "42"),
    "broken JSON": ('{"error": {"message": "cut', '{"error": {"message": "cut'),
    "null members": ({"error": None, "message": None, "detail": "Words"}, "Words"),
    "the same words twice": ({"message": "Words", "error": {"message": "Words"}}, "Words"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "words"), SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("status", [400, 418, 500])
def test_every_shape_of_a_body_says_its_words(status, body, words):
    shown = refuse(status, body).error
    assert shown.message == words
    assert str(shown).endswith(f"({status}): {words}")


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 529])
def test_every_class_of_error_shows_the_providers_sentence(status):
    assert str(refuse(status, error("A sentence nobody expects")).error).endswith(
        f"({status}): A sentence nobody expects"
    )


@pytest.mark.parametrize("body", ["", "{}", "[]", "null", '{"error": null}', '{"error": {}}'])
def test_an_empty_body_adds_no_words(body):
    assert str(refuse(400, body).error) == "the provider refused the request (400)"


@pytest.mark.parametrize(
    "body",
    [
        {"weird": f"before {KEY} after"},
        {"weird": {"deep": [KEY] * 200}},
        f"prose with {KEY} in it",
        f"<html><title>{KEY}</title></html>",
        {"detail": [{"loc": [KEY], "msg": "bad"}]},
        error("x", metadata={"raw": f"key {KEY}"}),
        {"base_resp": {"status_code": 1, "status_msg": KEY}},
    ],
    ids=str,
)
def test_no_shape_shows_a_key_or_more_than_one_bounded_line(body):
    shown = refuse(400, body).error
    assert KEY not in f"{shown}{shown.message}{shown.code}"
    assert "[key]" in str(shown)
    assert len(shown.message) <= 500
    assert shown.message.isprintable()


AT_200 = {
    "base_resp": ({"base_resp": {"status_code": 1008, "status_msg": "Words"}}, "1008"),
    "choices[].error": ({"choices": [{"error": {"message": "Words", "code": 502}}]}, "502"),
    "object error": ({"object": "error", "message": "Words", "code": 404}, "404"),
    "msg with a code": ({"code": 500, "msg": "Words", "success": False}, "500"),
    "success false": ({"success": False, "message": "Words"}, None),
    "errors": ({"errors": [{"message": "Words"}]}, None),
    "detail with a code": ({"detail": "Words", "error_code": "E7"}, "E7"),
    "an error type": ({"type": "ServerException", "message": "Words"}, "ServerException"),
    "error in error": ({"error": {"error": {"message": "Words"}}}, None),
}


@pytest.mark.parametrize(("body", "code"), AT_200.values(), ids=AT_200)
@pytest.mark.parametrize("wire", ENDPOINTS)
@pytest.mark.parametrize("form", ["data: {}\n\n", "{}\n\n", "event: error\ndata: {}\n\n"])
def test_an_error_within_a_stream_ends_it_and_keeps_the_text(wire, body, code, form):
    text = {"choices": [{"delta": {"content": "Hel"}}]}
    if wire == "anthropic":
        text = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hel"}}
    stream = f"data: {json.dumps(text)}\n\n" + form.replace("{}", json.dumps(body))
    outcome = outcome_of(events_of(ENDPOINTS[wire], [stream.encode()]))
    assert (outcome.text, outcome.stop, outcome.code) == ("Hel", "error", code)
    assert outcome.error.endswith(": Words")


@pytest.mark.parametrize(("body", "code"), AT_200.values(), ids=AT_200)
def test_an_error_in_place_of_a_stream_says_its_words(body, code):
    outcome = outcome_of(events_of("/chat/completions", [json.dumps(body).encode()]))
    assert (outcome.stop, outcome.code) == ("error", code)
    assert outcome.error.endswith(": Words")


@pytest.mark.parametrize(
    "body",
    [
        {"message": "in the queue"},
        {"type": "ping", "message": "still here"},
        {"type": "progress", "msg": "half", "code": 0},
        {"status": "ok", "message": "warm", "code": 200},
        {"base_resp": {"status_code": 0, "status_msg": "success"}},
        {"error": None, "code": None},
        {"choices": [], "message": "x", "code": "weird"},
    ],
    ids=str,
)
def test_a_message_that_reports_no_error_does_not_break_an_answer(body):
    end = {"choices": [{"delta": {"content": "Hello"}, "finish_reason": "stop"}]}
    stream = f"data: {json.dumps(body)}\n\ndata: {json.dumps(end)}\n\ndata: [DONE]\n\n"
    outcome = outcome_of(events_of("/chat/completions", [stream.encode()]))
    assert (outcome.text, outcome.stop) == ("Hello", "stop")


# Who must not be asked again, and what helps

OPENAI_QUOTA = "You exceeded your current quota, please check your plan and billing details."
TOO_LARGE = (
    "Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000,"
    " Requested 40000. The input or output tokens must be reduced in order to run successfully."
)
AFFORD = (
    "This request requires more credits, or fewer max_tokens. You requested up to 4096 tokens, but"
    " can only afford 1200."
)
ONLY_MODEL = (
    "key not allowed to access model. This key can only access models=['gpt-4']. Tried to access x"
)
BUDGET = "Budget has been exceeded! Current cost: 0.1, Max budget: 0.05"
FINAL = {
    "insufficient_quota": (429, error(OPENAI_QUOTA, code="insufficient_quota"), CreditError),
    "quota in words": (429, error(OPENAI_QUOTA), CreditError),
    "budget_exceeded of LiteLLM": (429, error(BUDGET, type="budget_exceeded"), CreditError),
    "budget of LiteLLM at 400": (400, error(BUDGET, code="400"), CreditError),
    "budget of LiteLLM at 401": (
        401, error("Authentication Error, ExceededTokenBudget: Current spend"), CreditError
    ),
    "hard limit": (
        400, error("Billing hard limit has been reached", code="billing_hard_limit_reached"),
        CreditError,
    ),
    "billing not active": (429, error("Your account is not active", code="billing_not_active"),
                           CreditError),
    "key limit of OpenRouter": (403, error("Key limit exceeded (total limit)."), CreditError),
    "afford of OpenRouter": (402, error(AFFORD, code=402), CreditError),
    "credit balance of Anthropic": (
        400, error("Your credit balance is too low to access the Anthropic API."), CreditError
    ),
    "recharge at Z.ai": (429, error("No resource package. Please recharge."), CreditError),
    "suspended at Moonshot": (
        429, error("Your account is suspended", type="exceeded_current_quota_error"), CreditError
    ),
    "arrears at DashScope": (400, {"code": "Arrearage", "message": "Access denied"}, CreditError),
    "balance at SiliconFlow": (
        403, {"code": 30001, "message": "Sorry, your account balance is insufficient"}, CreditError
    ),
    "request too large for the minute": (429, error(TOO_LARGE, code="rate_limit_exceeded"),
                                         StatusError),
    "request too large at Groq": (413, error(TOO_LARGE), StatusError),
    "requests per day": (
        429, error("Rate limit reached on requests per day (RPD): Limit 200, Used 200"),
        RateLimitError,
    ),
    "free models per day": (
        429, error("Rate limit exceeded: free-models-per-day."), RateLimitError
    ),
    "quota per day of Google": (
        429,
        error(
            OPENAI_QUOTA,
            details=[
                {"violations": [{"quotaId": "GenerateRequestsPerDayPerProject-FreeTier"}]},
                {"retryDelay": "7s"},
            ],
        ),
        RateLimitError,
    ),
    "usage limit of a subscription": (
        429, error("The usage limit has been reached", type="usage_limit_reached",
                   resets_at=NOW.timestamp() + 9000), RateLimitError,
    ),
    "a key for one model": (401, error(ONLY_MODEL, type="key_model_access_denied"), PlanError),
    "a project for one model": (
        403, error("Project `p` does not have access to model `gpt-4o`", code="model_not_found"),
        PlanError,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("status", "body", "kind"), FINAL.values(), ids=FINAL)
@pytest.mark.parametrize("host", ["api", "openrouter.ai"])
def test_what_no_repeat_can_help_is_not_sent_again(status, body, kind, host):
    refusal = refuse(status, body, served_by=host)
    assert type(refusal.error) is kind
    assert pause_s(refusal, 0) is None
    assert refusal.error.hint != "wait a little"
    said = body.get("error", body)
    assert said["message"] in str(refusal.error)


@pytest.mark.parametrize(
    ("status", "body", "hint"),
    [
        (402, error(AFFORD), "--max-tokens N allows a shorter one"),
        (401, error(ONLY_MODEL, type="key_model_access_denied"), "choose a model that it may use"),
        (429, error(TOO_LARGE), "shorten the prompt"),
        (413, "", "about 50 MB is the most the provider takes"),
        (400, error("maximum context length is 9"), "--new or --once"),
    ],
)
def test_the_hint_fits_the_failure(status, body, hint):
    assert hint in refuse(status, body).error.hint


@pytest.mark.parametrize("host", ["openrouter.ai", "localhost:11434", "local"])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, error("No auth credentials found")),
        (402, error("Insufficient credits")),
        (402, error("Insufficient Balance")),
        (403, error("upgrade_required")),
        (413, ""),
        (429, error(OPENAI_QUOTA)),
    ],
)
def test_a_hint_for_another_server_names_nothing_of_the_default_provider(host, status, body):
    shown = refuse(status, body, served_by=host).error
    assert "Studio" not in f"{shown}{shown.hint}"
    assert "50 MB" not in shown.hint
    assert "CMD_API_KEY" not in shown.hint


def test_an_empty_balance_is_the_users_own_at_every_other_host():
    assert type(refuse(402, error("Insufficient Balance")).error) is StatusError
    elsewhere = refuse(402, error("Insufficient Balance"), served_by="api.deepseek.com").error
    assert type(elsewhere) is CreditError
    assert elsewhere.hint == "top up the account at api.deepseek.com, or choose another model"


# The model is not there, or the prompt does not fit

NO_MODEL = {
    "Ollama": (404, error('model "x:7b" not found, try pulling it first', type="api_error")),
    "Ollama, older": (404, {"error": "model 'x' not found"}),
    "vLLM": (404, {"object": "error", "message": "The model `x` does not exist.", "code": 404}),
    "Azure": (404, error("The API deployment for this resource does not exist.",
                         code="DeploymentNotFound")),
    "OpenAI": (404, error("The model `x` does not exist or you do not have access to it.",
                          code="model_not_found")),
    "Anthropic": (404, {"type": "error", "error": {"type": "not_found_error",
                                                   "message": "model: claude-x"}}),
    "Gemini": (404, error("models/x is not found for API version v1main", code=404)),
    "Groq": (404, error("The model `x` does not exist", code="model_not_found")),
    "Mistral": (400, {"message": "Invalid model: x", "type": "invalid_model"}),
    "DeepSeek": (400, error("Model Not Exist")),
    "LiteLLM": (400, error("Invalid model name passed in model=x. Call `/v1/models`")),
    "OpenRouter": (400, error("x/y is not a valid model ID", code=400)),
    "OpenRouter, no endpoint": (404, error("No endpoints found for x/y.", code=404)),
    "Fireworks": (404, error("Model not found, inaccessible, and/or not deployed")),
    "SiliconFlow": (400, {"code": 20012, "message": "Model does not exist. Please check it."}),
    "Bedrock": (400, {"message": "The provided model identifier is invalid."}),
    "Together": (404, error("Unable to access model x", code="model_not_available")),
    "an id with an underscore": (404, error("model my_own_model not found")),
}  # fmt: skip


@pytest.mark.parametrize(("status", "body"), NO_MODEL.values(), ids=NO_MODEL)
def test_a_missing_model_is_the_models_error(status, body):
    shown = refuse(status, body, served_by="localhost:11434").error
    assert type(shown) is ModelError
    assert f"localhost:11434 does not know the model {MODEL} ({status})" in str(shown)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, "404 page not found"),
        (404, {"detail": "Not Found"}),
        (404, ""),
        (400, error("Unsupported parameter: 'max_tokens' is not supported with this model.")),
        (400, error("model temperature must be below 2")),
        (503, error("The model `x` is not available right now")),
    ],
    ids=str,
)
def test_other_refusals_are_not_blamed_on_the_model(status, body):
    assert type(refuse(status, body).error) is StatusError


OVERFLOWS = {
    "vLLM": "This model's maximum context length is 16384 tokens. However, you requested 122946"
            " tokens (112946 in the messages, 10000 in the completion).",
    "vLLM, newer": "You passed 4097 input tokens and requested 0 output tokens. However, the"
                   " model's context length is only 4096 tokens.",
    "vLLM, prompt": "The decoder prompt (length 40000) is longer than the maximum model length of"
                    " 32768.",
    "LiteLLM": "litellm.ContextWindowExceededError: OpenAIException - too many tokens",
    "LiteLLM, OpenAI": "Input tokens exceed the configured limit of 272000 tokens.",
    "SGLang": "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
    "Anthropic": "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
    "Gemini": "The input token count (1200000) exceeds the maximum number of tokens allowed",
    "xAI": "This model's maximum prompt length is 131072 but the request contains 150000 tokens.",
    "Mistral": "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768"
               " maximum context length",
    "Moonshot": "Invalid request: Your request exceeded model token limit: 8192",
    "Z.ai": "Prompt exceeds max length",
    "DashScope": "Range of input length should be [1, 30720]",
    "Ollama": "the input length exceeds the context length",
    "llama.cpp": "the request exceeds the available context size, try increasing it",
    "llama-cpp-python": "Requested tokens (2065) exceed context window of 1800",
    "LM Studio": "The number of tokens to keep is greater than the context length",
    "Groq": "Please reduce the length of the messages or completion.",
    "Bedrock": "Input is too long for requested model.",
    "TGI": "`inputs` tokens + `max_new_tokens` must be <= 4096.",
}  # fmt: skip


@pytest.mark.parametrize("message", OVERFLOWS.values(), ids=OVERFLOWS)
@pytest.mark.parametrize("status", [400, 413, 422, 500])
def test_an_overflow_is_recognised_whoever_reports_it(status, message):
    refusal = refuse(status, error(message))
    sentence = f"the prompt is longer than the context window of {MODEL} ({status})"
    assert str(refusal.error) == f"{sentence}: {message}"
    assert "--new" in refusal.error.hint
    assert not refusal.retryable


# How long to wait

WAITS = {
    "RetryInfo of Google": ({}, error("x", details=[{"@type": "RetryInfo", "retryDelay": "21s"}]),
                            21.0),
    "RetryInfo in seconds": ({}, error("x", details=[{"retryDelay": {"seconds": 5}}]), 5.0),
    "quota with a delay is a passing limit": (
        {}, error(OPENAI_QUOTA, details=[{"retryDelay": "21s"}]), 21.0
    ),
    "OpenAI in words": ({}, error("Limit reached. Please try again in 20s. Visit x"), 20.0),
    "OpenAI in milliseconds": ({}, error("Please try again in 6ms."), 0.006),
    "OpenAI in minutes": ({}, error("Please try again in 1m12s."), 72.0),
    "OpenAI in hours": ({}, error("try again in 1h2m3s"), 3723.0),
    "Groq": ({}, error("Please try again in 7.66s. Need more tokens?"), 7.66),
    "Gemini in words": ({}, error("Please retry in 11.479s."), 11.479),
    "Azure": ({}, error("Please retry after 26 seconds."), 26.0),
    "Moonshot": ({}, error("please try again after 1 seconds"), 1.0),
    "wait N seconds": ({}, error("Too fast: wait 15 seconds"), 15.0),
    "in minutes and seconds": ({}, error("Try again in 2 minutes and 5 seconds"), 125.0),
    "in days": ({}, error("resets in 3 days"), 259_200.0),
    "retry_after": ({}, error("x", retry_after=9), 9.0),
    "retryAfter": ({}, {"error": "x", "retryAfter": 9}, 9.0),
    "retry_after_ms": ({}, error("x", retry_after_ms=1500), 1.5),
    "metadata": ({}, error("x", metadata={"retry_after_seconds": 4}), 4.0),
    "resets_in_seconds": ({}, error("x", resets_in_seconds=40), 40.0),
    "the header before the words": ({"retry-after": "2"}, error("try again in 9s"), 2.0),
    "OpenAI's reset header": (
        {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s",
         "x-ratelimit-remaining-requests": "99", "x-ratelimit-reset-requests": "8h0m"},
        error("x"), 360.0,
    ),
    "Anthropic's reset header": (
        {"anthropic-ratelimit-requests-remaining": "0",
         "anthropic-ratelimit-requests-reset": "2026-10-08T12:00:25Z"}, error("x"), 25.0,
    ),
    "Anthropic's unified header": (
        {"anthropic-ratelimit-unified-reset": str(int(NOW.timestamp()) + 8)}, error("x"), 8.0
    ),
    "the later of two limits": (
        {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "3s",
         "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "9s"},
        error("x"), 9.0,
    ),
    "OpenRouter's milliseconds since 1970": (
        {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{NOW.timestamp() * 1000 + 5000:.0f}"},
        error("x"), 5.0,
    ),
    "seconds from now": ({"ratelimit-reset": "17"}, error("x"), 17.0),
    "a limit that is not used up": (
        {"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "6m0s"}, error("x"), None
    ),
    "no duration": ({}, error("try again in a while"), None),
    "a word that begins like a unit": ({}, error("try again in 12 monkeys"), None),
    "rubbish": ({}, error("x", retry_after="soon"), None),
    "a negative wait": ({}, error("x", retry_after=-3), None),
    "beyond a year": ({}, error("try again in 900 days"), None),
}  # fmt: skip


@pytest.mark.parametrize(("headers", "body", "wait_s"), WAITS.values(), ids=WAITS)
def test_a_wait_is_heard_wherever_it_is_named(headers, body, wait_s):
    refusal = refuse(429, body, headers)
    assert refusal.error.retry_after_s == pytest.approx(wait_s)
    assert type(refusal.error) is RateLimitError
    if wait_s is not None and wait_s <= LONGEST_WAIT_S:
        assert pause_s(refusal, 0) == pytest.approx(wait_s)
    elif wait_s is not None:
        assert pause_s(refusal, 0) is None
        assert "the provider asks to wait" in refusal.error.hint


@pytest.mark.parametrize(
    ("wait", "words"),
    [("41s", "41 s"), ("1m12s", "1 min 12 s"), ("2h5m", "2 h 5 min"), ("3 days", "3 days")],
)
def test_a_long_wait_is_named_as_people_say_it(wait, words):
    refusal = refuse(429, error(f"try again in {wait}"))
    assert pause_s(refusal, 0) is None
    assert refusal.error.hint == f"the provider asks to wait {words}; run the cell again then"


def test_reset_headers_say_nothing_about_a_failure_of_the_server():
    headers = {"x-ratelimit-reset-requests": "20s", "x-ratelimit-remaining-requests": "0"}
    assert refuse(500, error("x"), headers).error.retry_after_s is None


STREAM_WAITS = {
    "a duration": ({"message": "slow down", "retryDelay": "41s"}, 41),
    "seconds": ({"message": "slow down", "retry_after": 7}, 7),
    "milliseconds": ({"message": "slow down", "retry_after_ms": 1500}, 1.5),
    "words": ({"message": "Rate limit reached. Please try again in 1m12s."}, 72),
    "words with a fraction": ({"message": "Please retry in 4.5s"}, 4.5),
    "a detail": ({"message": "busy", "details": [{"retryDelay": "2.5s"}]}, 2.5),
    "metadata": ({"message": "busy", "metadata": {"retry_after_seconds": 9}}, 9),
    "no wait": ({"message": "busy"}, None),
    "an impossible wait": ({"message": "busy", "retry_after": -3}, None),
}


@pytest.mark.parametrize(("error", "wait_s"), STREAM_WAITS.values(), ids=STREAM_WAITS)
@pytest.mark.parametrize("after_text", [False, True])
@pytest.mark.parametrize("endpoint", ["/chat/completions", "/messages"])
def test_a_wait_named_within_a_stream_is_known(error, wait_s, after_text, endpoint):
    text = {
        "/chat/completions": {"choices": [{"delta": {"content": "Hel"}}]},
        "/messages": {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "H"}},
    }
    parts = [text[endpoint]] * after_text + [{"type": "error", "error": error}]
    body = "".join(f"data: {json.dumps(part)}\n\n" for part in parts)
    builder = ReplyBuilder()
    for event in events_of(endpoint, [body.encode()]):
        builder.add(event)
    raised = builder.build("m").error
    assert raised.retry_after_s == wait_s
    assert ("wait" in raised.hint) == (wait_s is not None)
