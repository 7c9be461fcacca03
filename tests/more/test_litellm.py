"""LiteLLM as a gateway: streaming, reported tokens and errors come through it unchanged.

It runs in an environment of its own, `.venv-litellm`, since it pins other people's versions. Its
answer to a used-up budget is played in `tests/client/test_error_bodies.py`.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support import provider as scripted
from support.programs import free_port, wait_for_http

import cc_jupyter as cc

LITELLM = Path(__file__).parents[2] / ".venv-litellm" / "bin" / "litellm"
KEY = "sk-gateway-1234567890"
MODEL = "deepseek/deepseek-v4-flash"
CONFIG = """
model_list:
  - model_name: {model}
    litellm_params:
      model: openai/{model}
      api_base: {base_url}
      api_key: {key}
litellm_settings:
  num_retries: 0
  telemetry: false
general_settings:
  master_key: {gateway_key}
"""

pytestmark = pytest.mark.skipif(not LITELLM.exists(), reason="LiteLLM is not installed")


@pytest.fixture(scope="module")
def upstream():
    with scripted.Provider() as started:
        yield started


@pytest.fixture(scope="module")
def gateway(upstream, tmp_path_factory):
    folder = tmp_path_factory.mktemp("litellm")
    config = CONFIG.format(
        model=MODEL, base_url=upstream.base_url, key=upstream.key, gateway_key=KEY
    )
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    port = free_port()
    server = subprocess.Popen(
        [LITELLM, "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)],
        env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_http(f"http://127.0.0.1:{port}/health/liveliness", timeout_s=120)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=20)


@pytest.fixture
def through(gateway, upstream, monkeypatch):
    """Return the provider behind the gateway, which all requests go through."""
    monkeypatch.setenv("CMD_BASE_URL", gateway)
    monkeypatch.setenv("CMD_API_KEY", KEY)
    monkeypatch.setenv("CMD_MODEL", MODEL)
    upstream.clear()
    return upstream


def test_an_answer_streams_with_its_reported_tokens(through):
    through.always(scripted.openai_stream("Hello from behind.", usage=scripted.Tokens(11, 7)))
    events = list(cc.stream("Hi"))
    assert "".join(each.text for each in events if isinstance(each, cc.TextDelta)) == (
        "Hello from behind."
    )
    reply = cc.ask("Hi")
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (11, 7)
    assert through.posts[-1].headers["authorization"] == f"Bearer {through.key}"


def test_a_model_that_it_does_not_serve_is_named(through):
    with pytest.raises(cc.CcError, match="does not know the model deepseek/unknown"):
        cc.ask("Hi", model="deepseek/unknown")
    assert through.posts == []


def test_a_refusal_of_the_provider_comes_through(through):
    through.always(scripted.error(429, "slow down"))
    with pytest.raises(cc.RateLimitError):
        cc.ask("Hi", max_retries=0)


def test_a_wrong_key_is_refused_by_the_gateway(through, monkeypatch):
    monkeypatch.setenv("CMD_API_KEY", "sk-wrong")
    with pytest.raises(cc.ProviderError):
        cc.ask("Hi")
    assert through.posts == []
