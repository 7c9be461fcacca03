"""The request key and the numbers of samples (experiments.md, section 1)."""

from __future__ import annotations

import hashlib
import json

import pytest

from cc_jupyter.client.client import encode_body
from cc_jupyter.core.messages import Message, Parameters, Request
from cc_jupyter.core.request_key import KeyTemplate, SampleCounter, request_key

CHAT, MESSAGES = "/chat/completions", "/messages"
BODY = {"model": "m", "messages": [{"role": "user", "content": "hällo"}], "temperature": 0}


def test_the_key_is_the_sha_256_of_canonical_json():
    body = '{"endpoint":"/x","body":{}}'
    canonical = json.dumps(json.loads(body), sort_keys=True, separators=(",", ":"))
    assert request_key("/x", b"{}") == hashlib.sha256(canonical.encode()).hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        dict(reversed(BODY.items())),
        {**BODY, "stream": True},
        {**BODY, "stream_options": {"include_usage": True}},
        {
            **BODY,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "hällo", "cache_control": {"type": "ephemeral"}}
                    ],
                }
            ],
        },
    ],
    ids=["order", "stream", "stream options", "cache marker"],
)
def test_transport_and_cache_do_not_change_the_key(other):
    assert request_key(CHAT, other) == request_key(CHAT, BODY)
    assert request_key(CHAT, json.dumps(other).encode()) == request_key(CHAT, BODY)


@pytest.mark.parametrize(
    "other", [{**BODY, "temperature": 1}, {**BODY, "messages": []}, {**BODY, "model": "n"}]
)
def test_what_is_asked_changes_the_key(other):
    assert request_key(CHAT, other) != request_key(CHAT, BODY)


def test_the_endpoint_is_part_of_the_key():
    assert request_key(CHAT, BODY) != request_key(MESSAGES, BODY)


def test_the_key_of_a_real_body_ignores_what_marks_the_cache():
    thread = (Message("user", "a"), Message("assistant", "b"), Message("user", "c"))
    body = json.loads(
        encode_body(Request("m", MESSAGES, thread, "be brief", Parameters(max_tokens=9)))
    )
    assert "cache_control" in json.dumps(body)
    plain = {
        **body,
        "system": "be brief",
        "messages": [{"role": each.role, "content": each.text} for each in thread],
    }
    assert request_key(MESSAGES, body) == request_key(MESSAGES, plain)


def test_equal_requests_are_numbered_and_each_execution_starts_again():
    counter = SampleCounter()
    assert [counter.number("first", "a") for _ in range(3)] == [0, 1, 2]
    assert counter.number("first", "b") == 0
    assert counter.number("second", "a") == 0
    assert counter.number("first", "a") == 3


def test_outside_ipython_counting_never_starts_again():
    counter = SampleCounter()
    for execution in range(50):
        counter.number(execution, "a")
        counter.number(None, "a")
    assert counter.number(None, "a") == 50


@pytest.mark.parametrize(
    "prompt", ["plain", "", 'quotes " and \\', "ü \u2028 \x00 \n", "{{ x }}", "a" * 9_999]
)
@pytest.mark.parametrize("endpoint", [CHAT, MESSAGES])
def test_a_template_has_the_keys_of_the_requests_it_stands_for(endpoint, prompt):
    def body(text):
        parameters = Parameters(temperature=0.5)
        request = Request("m", endpoint, (Message("user", text),), "be brief", parameters)
        return json.loads(encode_body(request))

    template = KeyTemplate(endpoint, body)
    assert template.digest(prompt).hex() == request_key(endpoint, body(prompt))


@pytest.mark.parametrize("shared_chars", [1, 5, 9])
def test_where_the_shared_part_of_a_prompt_ends_is_not_part_of_the_key(shared_chars):
    request = Request("m", MESSAGES, (Message("user", "the guide"),))
    split = request._replace(shared_chars=shared_chars)
    assert encode_body(split) != encode_body(request)
    assert request_key(MESSAGES, encode_body(split)) == request_key(MESSAGES, encode_body(request))
