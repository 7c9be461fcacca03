"""`await amap(…)` and `await aask(…)` that are cancelled: what has ended stays, all else closes."""

from __future__ import annotations

import asyncio
import signal
import threading

import pytest
from support import provider as scripted
from support.plain_server import wait_until
from support.rows import MODEL, PROMPT, echo, prompt_of, texts

import cc_jupyter
from cc_jupyter.session import coroutines

ROWS = 12
ENDED = 5


@pytest.fixture
def slow(session, provider, monkeypatch):
    """Return a provider that answers five rows and holds on to all others."""
    monkeypatch.setattr("cc_jupyter.api._session", lambda: session)

    def answer(record):
        number = int(prompt_of(record).split()[1])
        return echo(record) if number < ENDED else (*echo(record)[:2], scripted.hang())

    provider.always(answer)
    return provider


def mapped():
    return cc_jupyter.amap(texts(ROWS), PROMPT, model=MODEL, concurrency=3)


def asked():
    return cc_jupyter.aask("word 9", model=MODEL)


async def cancelled(coroutine, ready):
    """Cancel a coroutine once something is so; return the error that it raises."""
    task = asyncio.ensure_future(coroutine)
    await asyncio.sleep(0)  # it starts its thread
    if not ready():
        await asyncio.to_thread(wait_until, ready)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    return caught.value


def are_closed(provider):
    """Return whether the provider has seen its clients leave all answers that it holds on to."""
    return all(
        record.client_left_s is not None
        for record in provider.posts
        if int(prompt_of(record).split()[1]) >= ENDED
    )


def test_cancelling_keeps_what_has_ended_and_the_next_call_sends_the_rest(slow):
    error = asyncio.run(cancelled(mapped(), lambda: len(slow.posts) >= ENDED + 3))
    wait_until(lambda: are_closed(slow))
    found = [row["answer"] for row in cc_jupyter.last_rows()]
    assert found == [*(f"word {number}" for number in range(ENDED)), *[None] * (ROWS - ENDED)]
    (note,) = error.__notes__
    assert note == ("cc_jupyter.last_rows() has 5 of 12 answers; run it again to send the other 7")
    sent = len(slow.posts)
    slow.always(echo)
    result = asyncio.run(mapped())
    assert [row["answer"] for row in result] == [f"word {number}" for number in range(ROWS)]
    assert len(slow.posts) - sent == ROWS - ENDED


@pytest.mark.parametrize(("make", "sent"), [(mapped, ENDED + 3), (asked, 1)])
def test_a_time_out_ends_all_requests(slow, make, sent):
    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(make(), 0.5)

    asyncio.run(main())
    wait_until(lambda: are_closed(slow))
    assert len(slow.posts) <= sent


@pytest.mark.parametrize("make", [mapped, asked])
def test_what_is_cancelled_before_it_has_begun_ends_at_once(slow, make):
    slow.always(scripted.hang())
    asyncio.run(cancelled(make(), lambda: True))
    wait_until(lambda: all(record.client_left_s is not None for record in slow.posts))


@pytest.mark.parametrize("make", [mapped, asked])
def test_an_interrupt_that_wakes_no_event_loop_cancels_it(slow, make):
    """ipykernel's handler leaves a callback in the loop of the cell, without waking it."""

    async def main():
        task = asyncio.ensure_future(make())
        loop = asyncio.get_running_loop()
        signal.signal(signal.SIGINT, lambda *_: loop.call_soon(task.cancel))

        def interrupt():
            wait_until(lambda: slow.posts)
            signal.raise_signal(signal.SIGINT)

        threading.Thread(target=interrupt).start()
        with pytest.raises(asyncio.CancelledError):
            await task

    before = signal.getsignal(signal.SIGINT)
    try:
        asyncio.run(asyncio.wait_for(main(), 30))
    finally:
        signal.signal(signal.SIGINT, before)
    wait_until(lambda: are_closed(slow))
    assert coroutines._turns == {}
