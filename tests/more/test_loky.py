"""loky: its processes send rows, and those of a pool that broke are sent by the next one."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest
from support.provider import KEY, openai_stream

import cc_jupyter
from cc_jupyter.core.errors import RowsError

loky = pytest.importorskip("loky", reason="loky is not installed")

ROWS = [{"text": str(number)} for number in range(40)]


def ask(rows, **given):
    return cc_jupyter.map_rows(
        rows,
        "say {{ text }}",
        model="deepseek/deepseek-v4-flash",
        executor=loky.get_reusable_executor(max_workers=2),
        concurrency=8,
        **given,
    )


@pytest.fixture(autouse=True)
def pool(monkeypatch, provider):
    monkeypatch.setenv("CMD_BASE_URL", provider.base_url)
    monkeypatch.setenv("CMD_API_KEY", KEY)
    yield loky.get_reusable_executor(max_workers=2)
    loky.get_reusable_executor().shutdown(wait=True)


def test_its_processes_send_the_rows(provider):
    provider.always(openai_stream("yes"))
    assert [row["answer"] for row in ask(ROWS)] == ["yes"] * 40
    assert len(provider.posts) == 40


def test_a_pool_that_breaks_loses_no_finished_row(provider, pool):
    killed = []

    def kills_one(record):
        if len(provider.posts) == 20 and not killed:
            killed.append(next(iter(pool._processes)))  # all are busy: none could say its own
            os.kill(killed[0], signal.SIGKILL)
        return openai_stream("yes")

    provider.always(kills_one)
    with contextlib.suppress(RowsError):  # loky may end the other process too
        ask(ROWS)
    assert killed
    assert [row["answer"] for row in ask(ROWS)] == ["yes"] * 40
    assert len(provider.posts) <= 40 + 8, "more than those in flight were sent again"
