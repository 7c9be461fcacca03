"""What went out, as scripts that send it again: to the byte by curl, as JSON by the SDKs."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from support.provider import KEY, answer
from support.store.samples import turn

from cc_jupyter.client.client import encode_body
from cc_jupyter.commands.usage import show_sent
from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.messages import Image, Message, Parameters, Request

MODELS = {"/chat/completions": "deepseek/deepseek-v4-flash", "/messages": "claude-sonnet-5"}
ODD = (
    "'one' \"two\" $HOME `id` $(id) \\ \\n %s {{ x }} \t \u2028 \x85 \x00 \x1b \U0001f600\r\n"
    'END_OF_BODY\nEOF\n\' """ \\'
)
ALL = Parameters(
    temperature=0.0, top_p=0.9, max_tokens=100, stop=("END",), extra={"seed": 7, "x": [None, 1.5]}
)
PICTURE = Image("image/png", bytes(range(256)) * 200, None, "fig")
CASES = {
    "odd characters": {"messages": (Message("user", ODD),), "system": ODD},
    "a conversation with every parameter": {
        "messages": (Message("user", "a"), Message("assistant", "b"), Message("user", "c")),
        "parameters": ALL,
    },
    "an image": {"messages": (Message("user", "see", (PICTURE,)),)},
}


def body_of(endpoint, **fields):
    return encode_body(Request(MODELS[endpoint], endpoint, **fields))


def shown(endpoint, body, form, root="http://127.0.0.1/v1", **options):
    record = turn(model=MODELS[endpoint], endpoint=endpoint)
    return str(show_sent(record, body, f"{root}{endpoint}", form, **options))


def run(provider, tmp_path, endpoint, body, form, **options):
    """Run the script against the provider; give the one request that it made."""
    script = tmp_path / "script"
    root = f"{provider.base_url}/v1"
    script.write_bytes(shown(endpoint, body, form, root, **options).encode())
    provider.play(answer("hello"))
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "CMD_API_KEY": KEY,
        "ANTHROPIC_API_KEY": "sk-of-another-provider-1",
    }
    done = subprocess.run(
        ["bash" if form == "curl" else sys.executable, str(script)],
        env=environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"hello" in done.stdout
    (request,) = provider.requests
    return request


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("endpoint", MODELS)
def test_curl_sends_the_same_bytes_again(provider, tmp_path, endpoint, case):
    body = body_of(endpoint, **CASES[case])
    request = run(provider, tmp_path, endpoint, body, "curl")
    assert request.body == body
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["content-type"] == "application/json"
    assert ("anthropic-version" in request.headers) == (endpoint == "/messages")
    assert "x-cmd-zdr" not in request.headers


def test_curl_sends_a_large_body_whole(provider, tmp_path):
    body = body_of("/chat/completions", messages=(Message("user", f"{ODD} " * 30_000),))
    assert len(body) > 2_000_000
    assert run(provider, tmp_path, "/chat/completions", body, "curl").body == body


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("endpoint", MODELS)
def test_the_sdk_sends_the_same_json_again(provider, tmp_path, endpoint, case):
    body = body_of(endpoint, **CASES[case])
    request = run(provider, tmp_path, endpoint, body, "python")
    assert json.loads(request.body) == json.loads(body)
    assert request.path.endswith(f"/v1{endpoint}")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert "x-api-key" not in request.headers


@pytest.mark.parametrize("form", ["curl", "python"])
@pytest.mark.parametrize("endpoint", MODELS)
def test_zero_data_retention_is_asked_for_again(provider, tmp_path, endpoint, form):
    body = body_of(endpoint, messages=(Message("user", "a"),))
    request = run(provider, tmp_path, endpoint, body, form, zdr=True)
    assert request.headers["x-cmd-zdr"] == "1"


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("endpoint", MODELS)
def test_json_is_the_whole_body(endpoint, case):
    body = body_of(endpoint, **CASES[case])
    assert json.loads(shown(endpoint, body, "json")) == json.loads(body)


@pytest.mark.parametrize("form", ["json", "curl", "python"])
@pytest.mark.parametrize(
    "text",
    [
        f"my key:\n{KEY}",
        f'curl -H "Authorization: Bearer {KEY}" \\\nhttps://host',
        f"\t{KEY}",
        f"Bearer {KEY}\nnext line",
    ],
)
def test_no_key_is_shown_and_what_is_shown_still_runs(form, text):
    """House rule 7: also where an escape of JSON stands before the key or behind it."""
    body = body_of("/chat/completions", messages=(Message("user", text),))
    script = shown("/chat/completions", body, form)
    assert KEY not in script
    assert "[key]" in script
    clean = json.loads(body) | {
        "messages": [{"role": "user", "content": text.replace(KEY, "[key]")}]
    }
    if form == "json":
        assert json.loads(script) == clean
    elif form == "curl":
        assert json.loads(script.splitlines()[-2]) == clean
    else:
        compile(script, "script", "exec")


def test_the_word_bearer_in_a_prompt_is_no_reason_to_fail():
    said = 'use -H "Authorization: Bearer $CMD_API_KEY" here'
    body = body_of("/chat/completions", messages=(Message("user", said),))
    content = json.loads(shown("/chat/completions", body, "json"))["messages"][0]["content"]
    assert content.endswith('" here')


@pytest.mark.parametrize("body", [b"", b'{"a', b"\xff", b"[]"])
def test_what_is_no_request_is_told(body):
    with pytest.raises(OptionError, match="is not JSON"):
        shown("/chat/completions", body, "json")
