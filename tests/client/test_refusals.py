"""A refused request becomes one exception: section 14 of provider-api.md, row by row."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cc_jupyter.client.errors.provider_errors import Refusal, classify
from cc_jupyter.core.errors import (
    AuthError,
    CreditError,
    ModelError,
    PlanError,
    RateLimitError,
    StatusError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NOW = datetime(2026, 10, 8, 12, 0, tzinfo=UTC)
KEY = "an-odd-key-without-any-prefix-7"
MODEL = "deepseek/deepseek-v4-flash"
HTML = "<html><head><title>502 Bad Gateway</title></head><body>cloudflare</body></html>"


def refuse(status: int, body: object = "", headers: Mapping[str, str] | None = None) -> Refusal:
    raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else None
    raw = json.dumps(body).encode() if raw is None else raw
    return classify(status, headers or {}, raw, model=MODEL, secrets=(KEY,), now=NOW)


def chat(message: str, code: object = None, type_: str = "invalid_request_error", **more: Any):
    return {"error": {"message": message, "type": type_, "code": code, "param": None, **more}}


def claude(message: str, type_: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": type_, "message": message}}


@dataclass(frozen=True)
class Row:
    """A row of section 14: what came, and what must be made of it."""

    status: int
    body: object
    error: type[StatusError]
    sentence: str
    """How the message begins."""
    code: str | None = None
    hint: str | None = None
    """What the hint holds."""
    retryable: bool = False


UNKNOWN = f"the provider does not know the model {MODEL} (400)"
ENDPOINT = f"{MODEL} is not served on the endpoint it was sent to (400)"
REFUSED = "the provider refused the request (400)"
LONG = f"the prompt is longer than the context window of {MODEL} (400)"
CREDITS = "the account is out of credits"
KEY_REFUSED = "the provider refused the key (401)"
BUSY = "too many requests, or the model is busy (429)"
FIVE_HOURS = "the five-hour window of the plan is used up (429)"
FAILED = "the provider failed"
OVER_CEILING = "max_tokens: 99999 > 64000, which is the maximum allowed number of output tokens"
WINDOW = {"window": "fiveHour", "reset": int(NOW.timestamp()) + 7500}
PLAN_TEXT = "You hit the usage limit for your plan. It resets at 2026-10-08T14:05:00Z."

SECTION_14 = {
    "400 unsupported_model, the id is unknown": Row(
        400, chat("Model 'x' is not supported", "unsupported_model"), ModelError, UNKNOWN,
        "unsupported_model", "%cmd models",
    ),
    "400 unsupported_model on messages, where the type is the code": Row(
        400, claude("Model 'x' is not supported", "unsupported_model"), ModelError, UNKNOWN,
        "unsupported_model", "%cmd models",
    ),
    "400 unsupported_model, must be called via /provider/v1/messages": Row(
        400, chat("Model 'x' must be called via /provider/v1/messages", "unsupported_model"),
        ModelError, ENDPOINT, "unsupported_model", "--refresh",
    ),
    "400 unsupported_model, is not supported on this endpoint": Row(
        400, claude("Model 'x' is not supported on this endpoint", "unsupported_model"),
        ModelError, ENDPOINT, "unsupported_model", "--refresh",
    ),
    "400 invalid_request_error, the body is invalid": Row(
        400, chat("messages: expected a list"), StatusError, f"{REFUSED}: messages: expected",
        "invalid_request_error",
    ),
    "400 max_tokens over the ceiling": Row(
        400, chat(OVER_CEILING), StatusError, f"{REFUSED}: max_tokens: 99999 > 64000",
        "invalid_request_error",
    ),
    "400 prompt is too long": Row(
        400, claude("prompt is too long: 9 tokens > 8", "invalid_request_error"), StatusError,
        LONG, "invalid_request_error", "--new",
    ),
    "400 exceeds the model's context window": Row(
        400, chat("Your input exceeds the model's context window"), StatusError, LONG,
        "invalid_request_error", "--once",
    ),
    "400 No available providers match": Row(
        400, chat("No available providers match your request"), ModelError,
        f"{MODEL} is listed but out of order (400)", "invalid_request_error", "later",
    ),
    "400 insufficient credits, by its text": Row(
        400, chat("You have Insufficient Credits"), CreditError, f"{CREDITS} (400)",
        "invalid_request_error", "top up",
    ),
    "402 INSUFFICIENT_CREDITS": Row(
        402, chat("Please top up", "INSUFFICIENT_CREDITS"), CreditError, f"{CREDITS} (402)",
        "INSUFFICIENT_CREDITS", "top up",
    ),
    "403 insufficient credits": Row(
        403, claude("insufficient_credits", "permission_error"), CreditError, f"{CREDITS} (403)",
        "permission_error", "top up",
    ),
    "402 without a word": Row(402, "", CreditError, f"{CREDITS} (402)", None, "top up"),
    "402 Insufficient Balance is the upstream's, not the user's": Row(
        402, chat("Insufficient Balance"), StatusError,
        f"the provider's own upstream for {MODEL} is out of order (402)",
        "invalid_request_error", "not your balance",
    ),
    "401 authentication_error": Row(
        401, claude("invalid x-api-key", "authentication_error"), AuthError, KEY_REFUSED,
        "authentication_error", "create a key",
    ),
    "401 Invalid 'Authorization' header": Row(
        401, chat("Invalid 'Authorization' header"), AuthError, KEY_REFUSED,
        "invalid_request_error", "create a key",
    ),
    "403 upgrade_required": Row(
        403, chat("Upgrade to use the API", "upgrade_required", "permission_error"), PlanError,
        "this account's plan does not include the Provider API (403)", "upgrade_required",
        "a plan with Provider API access",
    ),
    "403 MODEL_NOT_IN_PLAN before the message": Row(
        403, chat("MODEL_NOT_IN_PLAN: not yours", None, "permission_error"), PlanError,
        f"this account's plan does not include {MODEL} (403): not yours", "MODEL_NOT_IN_PLAN",
        "another model",
    ),
    "403 permission_error": Row(
        403, claude("Not allowed", "permission_error"), PlanError,
        "the provider does not permit this (403): Not allowed", "permission_error",
        "%cmd status",
    ),
    "403 USAGE_EXCEEDED": Row(
        403, chat("USAGE_EXCEEDED: cap"), CreditError,
        "the spending cap set by the organisation is reached (403)", "USAGE_EXCEEDED",
        "organisation",
    ),
    "403 PREMIUM_CREDITS_EXHAUSTED": Row(
        403, chat("Used up", "PREMIUM_CREDITS_EXHAUSTED"), CreditError,
        "the allowance for premium models is used up (403)", "PREMIUM_CREDITS_EXHAUSTED",
        "another model",
    ),
    "403 of a firewall": Row(403, HTML, StatusError, "access was refused (403)", None, "firewall"),
    "404": Row(404, "", StatusError, "the server has no such path (404)", None, "base URL"),
    "405": Row(405, "", StatusError, "the server has no such path (405)", None, "base URL"),
    "408": Row(408, "", StatusError, "the request timed out at the provider (408)", None, "again",
               retryable=True),
    "413 without JSON": Row(
        413, HTML, StatusError, "the request is too large (413)", None, "50 MB"
    ),
    "422 cmd_zdr_no_providers": Row(
        422, chat("None", "cmd_zdr_no_providers"), ModelError,
        f"no upstream of {MODEL} guarantees zero data retention (422)", "cmd_zdr_no_providers",
        "not repeated without --zdr",
    ),
    "422 CMD_ZDR_NO_PROVIDERS in upper case": Row(
        422, chat("CMD_ZDR_NO_PROVIDERS: none"), ModelError,
        f"no upstream of {MODEL} guarantees zero data retention (422)", "CMD_ZDR_NO_PROVIDERS",
        "--zdr",
    ),
    "429 rate_limit_error without a window": Row(
        429, claude("Slow down", "rate_limit_error"), RateLimitError, BUSY, "rate_limit_error",
        "wait", retryable=True,
    ),
    "429 upstream busy, as captured": Row(
        429, chat("Upstream model provider is temporarily unavailable", None, "rate_limit_error"),
        RateLimitError, BUSY, "rate_limit_error", "wait", retryable=True,
    ),
    "429 RATE_LIMITED with a window": Row(
        429, chat("Limit", "RATE_LIMITED", rateLimit=WINDOW), RateLimitError, FIVE_HOURS,
        "RATE_LIMITED", "it resets at ",
    ),
    "429 usage limit for your plan": Row(
        429, chat(PLAN_TEXT), RateLimitError, "the usage window of the plan is used up (429)",
        "invalid_request_error", "it resets at ",
    ),
    "500 server_error": Row(
        500, chat("Boom", None, "server_error"), StatusError, f"{FAILED} (500): Boom",
        "server_error", "again", retryable=True,
    ),
    "502 of a proxy, in HTML": Row(
        502, HTML, StatusError, f"{FAILED} (502)", None, "again", retryable=True
    ),
    "503 overloaded_error": Row(
        503, chat("Overloaded", None, "overloaded_error"), StatusError,
        f"{FAILED} (503): Overloaded", "overloaded_error", "again", retryable=True,
    ),
    "504 empty": Row(504, "", StatusError, f"{FAILED} (504)", None, "again", retryable=True),
    "520 of a proxy": Row(520, HTML, StatusError, f"{FAILED} (520)", None, retryable=True),
    "527": Row(527, "", StatusError, f"{FAILED} (527)", None, retryable=True),
    "529 overloaded_error": Row(
        529, claude("Overloaded", "overloaded_error"), StatusError, f"{FAILED} (529): Overloaded",
        "overloaded_error", "again", retryable=True,
    ),
    "500 that says insufficient credits is final": Row(
        500, chat("upstream said: insufficient credits"), CreditError, f"{CREDITS} (500)",
        "invalid_request_error", "top up",
    ),
    "a status nobody knows": Row(418, "", StatusError, "the provider refused the request (418)"),
    "a redirect is not followed": Row(
        307, "", StatusError, "the server redirects to https://example.org/v1 (307)", None,
        "nothing was sent there",
    ),
    "a success without an answer": Row(204, "", StatusError, "the server sent no answer (204)"),
}  # fmt: skip

DEVIATIONS = {
    "code missing": Row(
        400, {"error": {"message": "Bad"}}, StatusError, f"{REFUSED}: Bad"
    ),
    "param an object": Row(
        400, chat("No available providers match", param={"modelId": "x"}), ModelError,
        f"{MODEL} is listed but out of order (400)", "invalid_request_error",
    ),
    "code a number": Row(400, chat("Bad", 1214), StatusError, f"{REFUSED}: Bad", "1214"),
    "the OpenAI envelope on messages, the reverse on chat": Row(
        429, claude("Slow", "rate_limit_error"), RateLimitError, BUSY, "rate_limit_error",
        retryable=True,
    ),
    "a bare message and type": Row(
        400, {"message": "Bad", "type": "bad_request"}, StatusError, f"{REFUSED}: Bad",
        "bad_request",
    ),
    "error a plain string": Row(400, {"error": "Bad"}, StatusError, f"{REFUSED}: Bad"),
    "error a plain string beside a code": Row(
        400, {"error": "Bad", "code": "E_1"}, StatusError, f"{REFUSED}: Bad", "E_1"
    ),
    "an envelope in a list": Row(
        503, [{"error": {"code": 503, "message": "Overloaded"}}], StatusError,
        f"{FAILED} (503): Overloaded", "503", retryable=True,
    ),
    "detail in place of a message": Row(404, {"detail": "Not Found"}, StatusError,
        "the server has no such path (404): Not Found"),
    "a message that is itself JSON": Row(
        400, chat(json.dumps(chat("Inner"))), StatusError, f"{REFUSED}: Inner",
        "invalid_request_error",
    ),
    "a message that only looks like JSON": Row(
        400, {"error": {"message": "{not json"}}, StatusError, f"{REFUSED}: {{not json"
    ),
    "plain prose": Row(
        400, "Invalid input: expected number, received undefined at max_tokens", StatusError,
        f"{REFUSED}: Invalid input: expected number",
    ),
    "a JSON string": Row(400, '"Bad"', StatusError, f"{REFUSED}: Bad"),
    "HTML": Row(400, HTML, StatusError, REFUSED),
    "HTML in the message": Row(
        502, chat(f"upstream: {HTML}"), StatusError, f"{FAILED} (502)", "invalid_request_error",
        retryable=True,
    ),
    "an empty body": Row(400, "", StatusError, REFUSED),
    "an empty object, list, null, number": Row(400, "null", StatusError, REFUSED),
    "bytes that are no text": Row(400, b"\x1f\x8b\x08\xff\xfe", StatusError, REFUSED),
    "nested too deeply": Row(400, '{"a":' * 99_999, StatusError, f"{REFUSED}: "),
    "a business code before the message": Row(
        403, chat("MODEL_NOT_IN_PLAN: x", "forbidden"), PlanError,
        f"this account's plan does not include {MODEL} (403)", "MODEL_NOT_IN_PLAN",
    ),
    "a word in capitals that is no code": Row(
        400, {"error": {"message": "WARNING: x"}}, StatusError, f"{REFUSED}: WARNING: x"
    ),
    "control characters, which steer terminals": Row(
        400, {"error": {"message": "a\x1b[2J\u202eb\ud800"}}, StatusError, f"{REFUSED}: a[2Jb"
    ),
}  # fmt: skip


def check(row: Row) -> None:
    refusal = refuse(row.status, row.body, {"location": "https://example.org/v1?token=x"})
    error = refusal.error
    assert type(error) is row.error
    assert str(error).startswith(row.sentence)
    assert (error.status, error.code) == (row.status, row.code)
    assert (row.hint or "") in error.hint
    assert refusal.retryable is row.retryable
    lines = error._render_traceback_()
    assert len(lines) == 2
    assert all(line.isprintable() and len(line) < 800 and "<html" not in line for line in lines)


@pytest.mark.parametrize("row", SECTION_14.values(), ids=SECTION_14)
def test_section_14(row):
    check(row)


@pytest.mark.parametrize("row", DEVIATIONS.values(), ids=DEVIATIONS)
def test_section_14_deviation(row):
    check(row)


def test_the_sentence_shows_what_to_do_in_two_lines():
    error = refuse(401, claude("invalid x-api-key", "authentication_error")).error
    assert error._render_traceback_() == [
        "AuthError: the provider refused the key (401): invalid x-api-key",
        "Hint: create a key in Command Code Studio, then %cmd login or CMD_API_KEY",
    ]


def test_a_named_ceiling_is_offered_for_one_repair():
    assert refuse(400, chat(OVER_CEILING)).max_tokens_ceiling == 64_000
    assert refuse(400, chat("max_tokens: 5 > 9")).max_tokens_ceiling is None
    assert refuse(400, chat("max_tokens: 5 > 0")).max_tokens_ceiling is None
    assert refuse(500, chat(OVER_CEILING)).max_tokens_ceiling is None
    assert refuse(400, chat("max_tokens: " + "9" * 5000 + " > 7")).max_tokens_ceiling is None


# ── when to come back


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "0", "retry-after": "9"}, 0.0),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "Thu, 08 Oct 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Thu, 08 Oct 2026 14:00:30 +0200"}, 30.0),
        ({"retry-after": "Thu, 08 Oct 2026 12:00:30"}, 30.0),
        ({"retry-after": "Thu, 08 Oct 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "86400"}, 86_400.0),
        ({"retry-after": "1e300"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "in a while"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Thu, 08 Oct 9999 12:00:30 GMT"}, None),
        ({"retry-after": "Thu, 08 Oct 99999999999999999999 12:00:30 GMT"}, None),
        ({"retry-after": "9" * 400}, None),
        ({}, None),
    ],
    ids=str,
)
def test_retry_after_in_every_form(headers, seconds):
    assert refuse(503, "", headers).error.retry_after_s == seconds


def test_a_window_says_when_it_resets_if_no_header_does():
    refusal = refuse(429, chat("", "RATE_LIMITED", rateLimit=WINDOW), {"retry-after": "rubbish"})
    assert refusal.error.retry_after_s == 7500.0
    assert refuse(429, chat(PLAN_TEXT)).error.retry_after_s == 7500.0


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process cannot be set here")
@pytest.mark.parametrize(
    ("reset_s", "hint"),
    [
        (7500, "it resets at 16:05 local time"),
        (12 * 3600, "it resets on 2026-10-09 at 02:00 local time"),
        (-60, "it has just been reset; run the cell again"),
    ],
)
def test_a_window_resets_by_the_clock_on_the_readers_wall(berlin, reset_s, hint):
    window = {"window": "weekly", "reset": NOW.timestamp() + reset_s}
    assert refuse(429, chat("", "RATE_LIMITED", rateLimit=window)).error.hint == hint


@pytest.mark.parametrize(
    "reset", [10**400, 1e300, -1e300, float("nan"), "soon", None, True, [], {}, 253402300799]
)
def test_a_window_with_a_rubbish_reset_is_still_a_window(reset):
    window = {"window": "fiveHour", "reset": reset}
    refusal = refuse(429, chat("", "RATE_LIMITED", rateLimit=window))
    assert str(refusal.error) == FIVE_HOURS
    assert refusal.error.retry_after_s is None
    assert refusal.error.hint == "it resets by itself; %cmd models lists other models"
    assert not refusal.retryable


def test_a_window_of_a_new_name_does_not_break_the_sentence():
    window = {"window": "{evil} {0}", "reset": None}
    error = refuse(429, chat("", "RATE_LIMITED", rateLimit=window)).error
    assert str(error) == "the usage window of the plan is used up (429)"


@pytest.mark.parametrize(
    "text",
    ["usage limit for your plan, resets at 2026-13-45T99:99:99Z", "usage limit for your plan"],
)
def test_a_window_named_in_words_only(text):
    error = refuse(429, chat(text)).error
    assert type(error) is RateLimitError
    assert error.retry_after_s is None


# ── whose request it was, and no secrets


@pytest.mark.parametrize(
    ("body", "headers", "request_id"),
    [
        (chat("x"), {"x-trace-id": "4bf9"}, "4bf9"),
        (chat("x"), {"cf-ray": "8a-FRA"}, "8a-FRA"),
        (chat("x"), {"cf-ray": "8a-FRA", "x-trace-id": "4bf9"}, "4bf9"),
        (claude("x", "api_error") | {"request_id": "req_1"}, {"x-trace-id": "4bf9"}, "req_1"),
        (chat("x"), {}, None),
    ],
)
def test_the_request_id_is_kept(body, headers, request_id):
    assert refuse(500, body, headers).error.request_id == request_id


@pytest.mark.parametrize("status", [307, 400, 401, 403, 429, 500])
@pytest.mark.parametrize(
    "secret", [KEY, "Bearer abc.def.123", "user_0123456789abcdef", "sk-ant-0123456789abcdef"]
)
def test_no_key_is_in_any_message(status, secret):
    echo = chat(f"key {secret} is bad", f"code {secret}") | {"request_id": f"req {secret}"}
    error = refuse(status, echo, {"location": f"https://x.org/{secret}"}).error
    shown = (str(error), error.message, error.code, error.request_id, repr(error), error.hint)
    assert not any(secret in (text or "") for text in shown)
    assert "[key]" in f"{error.message}{error}"


def test_a_long_message_is_cut():
    error = refuse(400, chat("x" * 100_000)).error
    assert error.message == "x" * 499 + "…"


def test_a_long_message_is_not_cut_inside_a_key():
    for filler in (450, 480, 495, 499, 500):
        error = refuse(400, chat("x" * filler + f" {KEY} is bad")).error
        assert not any(KEY[:size] in error.message for size in range(4, len(KEY)))
        assert len(error.message) <= 500
    compact = json.dumps({"weird": ["y" * 470, KEY, "z" * 900]}, separators=(",", ":"))
    assert KEY[:4] not in refuse(400, compact).error.message


# ── anything at all

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
_MEMBERS = st.sampled_from(["message", "code", "type", "rateLimit", "statusCode", "request_id"])
_ENVELOPES = st.dictionaries(
    st.sampled_from(["error", "message", "type", "code", "detail", "rateLimit", "request_id"]),
    _JSON | st.dictionaries(_MEMBERS, _JSON),
)


@settings(max_examples=60)
@given(
    status=st.integers(100, 999),
    body=st.binary() | _ENVELOPES.map(lambda body: json.dumps(body).encode()),
    retry_after=st.text(),
)
def test_any_refusal_becomes_an_error_fit_to_show(status, body, retry_after):
    refusal = refuse(status, body, {"retry-after": retry_after, "location": retry_after})
    error = refusal.error
    for line in error._render_traceback_():
        line.encode()
        assert "\n" not in line
    assert error.retry_after_s is None or 0 <= error.retry_after_s <= 401 * 86_400


@given(
    st.datetimes(
        datetime(1000, 1, 1),  # noqa: DTZ001  the strategy adds the zone
        datetime(9998, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    )
)
def test_any_http_date_is_read_or_left_alone(at):
    seconds = refuse(503, "", {"retry-after": f"{at:%a, %d %b %Y %H:%M:%S} GMT"}).error
    wait = at.replace(microsecond=0) - NOW
    if wait <= timedelta(0):
        assert seconds.retry_after_s == 0.0
    elif wait <= timedelta(days=400):
        assert seconds.retry_after_s == wait.total_seconds()
    else:
        assert seconds.retry_after_s is None
