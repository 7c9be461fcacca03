"""marimo: `cc_jupyter.stream` feeds a chat in a page that a person types into."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect
from support import provider as scripted
from support.lab_harness import CHROMIUM, LAUNCH
from support.programs import free_port, wait_for_http

MARIMO = Path(sys.executable).with_name("marimo")
APP = """
import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo

    import cc_jupyter as cc

    def answer(messages, config):
        for event in cc.stream(messages[-1].content):
            if isinstance(event, cc.TextDelta):
                yield event.text

    chat = mo.ui.chat(answer)
    chat
    return
"""


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    return {**browser_type_launch_args, **LAUNCH}


pytestmark = pytest.mark.skipif(not MARIMO.exists(), reason="marimo is not installed")


def test_a_chat_shows_the_streamed_answer(provider, page, tmp_path):
    provider.always(scripted.openai_stream("Hello from the stream."))
    (tmp_path / "chat.py").write_text(APP, encoding="utf-8")
    port = free_port()
    environment = {
        **os.environ,
        "CMD_BASE_URL": provider.base_url,
        "CMD_API_KEY": scripted.KEY,
        "CMD_MODEL": "deepseek/deepseek-v4-flash",
        "CMD_JUPYTER_HOME": str(tmp_path / "home"),
    }
    options = ["--headless", "--no-token", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen([MARIMO, "run", "chat.py", *options], env=environment, cwd=tmp_path)
    try:
        wait_for_http(f"http://127.0.0.1:{port}/health")
        page.goto(f"http://127.0.0.1:{port}/")
        box = page.get_by_role("textbox").last
        box.click()
        page.keyboard.type("Hi")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Hello from the stream.")).to_be_visible(timeout=20_000)
        assert len(provider.posts) == 1
    finally:
        server.terminate()
        server.wait(timeout=10)
