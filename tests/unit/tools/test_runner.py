"""Running a function: what it returns, raises and prints, and how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from cc_jupyter import tool
from cc_jupyter.core.messages import ValueLimits
from cc_jupyter.magics.extension import _end_tool_threads
from cc_jupyter.session.in_flight import InterruptGuard, interruptible
from cc_jupyter.tools.helper_loop import HelperLoop, helper_loop
from cc_jupyter.tools.runner import Runner
from cc_jupyter.tools.signal_watcher import signal_watcher
from cc_jupyter.tools.tool import tool_for

STOP_LIMIT_S = 0.15
LIMITS = ValueLimits()


@pytest.fixture
def loop():
    with_loop = HelperLoop()
    yield with_loop
    with_loop.close()


@pytest.fixture
def blocked():
    return []


@pytest.fixture
def runner(loop, blocked):
    return Runner(LIMITS, on_blocked=blocked.append, loop=loop)


about_to_run = threading.Event()


def run(runner, function, **values):
    tool = tool_for(function, "f")  # the first one loads pydantic
    about_to_run.set()
    return runner.run(tool, values)


@contextmanager
def stopping(after_s, stop=None):
    """Interrupt a function that runs for a while, as the stop button does."""
    stopped_s = []
    about_to_run.clear()

    def act():
        about_to_run.wait()
        time.sleep(after_s)
        stopped_s.append(time.monotonic())
        (stop or (lambda: os.kill(os.getpid(), signal.SIGINT)))()

    thread = threading.Thread(target=act)
    thread.start()
    yield stopped_s
    thread.join()


def frame() -> pd.DataFrame:
    return pd.DataFrame({"name": ["a", "b", "c"], "open": [1, 2, 3]})


def figure() -> Figure:
    made = Figure(figsize=(1, 1))
    made.subplots().plot([1, 2])
    return made


def picture() -> Image.Image:
    return Image.new("RGB", (2, 2))


def nothing() -> None: ...
def empty() -> str:
    return ""


def path() -> Path:
    return Path("secret.txt")


def half() -> str:
    return "a\ud800b"


def endless():
    number = 0
    while True:
        yield number
        number += 1


def mapped():
    return map(str, [1, 2])


async def waits() -> str:
    await asyncio.sleep(0)
    return "waited"


async def endless_async():
    number = 0
    while True:
        yield number
        number += 1


def passes_a_coroutine_on():
    return waits()


@pytest.mark.parametrize(
    ("function", "text", "summary"),
    [
        (frame, "| name", "3 rows"),
        (figure, "[image: figure()]", "1 image"),
        (picture, "[image: picture()]", "1 image"),
        (nothing, "None", "None"),
        (empty, "(an empty text)", '""'),
        (path, "secret.txt", '"secret.txt"'),
        (half, "a\ufffdb", "0.0 kB of text"),
        (endless, "… [only the first 1,000 items were taken]", "1,000 items"),
        (mapped, "['1', '2']", "2 items"),
        (waits, "waited", '"waited"'),
        (endless_async, "… [only the first 1,000 items were taken]", "1,000 items"),
        (passes_a_coroutine_on, "waited", '"waited"'),
    ],
)
def test_a_result_is_what_the_model_reads_and_the_trace_says(runner, function, text, summary):
    outcome = run(runner, function)
    assert text in outcome.content.text
    assert outcome.content.summary == summary
    assert not outcome.content.is_error
    assert len(outcome.content.images) == ("image" in summary)


def test_fifty_megabytes_are_cut_at_the_limit_of_other_values(runner):
    def big() -> str:
        return "x" * 50_000_000

    content = run(runner, big).content
    assert content.cut == "sent 20 of 50,000 kB"
    assert len(content.text) < LIMITS.value_chars + 100
    assert content.text.endswith("… [cut: 20,000 of 50,000,000 characters]")


def test_a_long_table_says_how_many_rows_were_sent(runner):
    def table() -> pd.DataFrame:
        return pd.DataFrame({"n": range(5_000)})

    content = run(runner, table).content
    assert content.summary == "5,000 rows"
    assert content.cut == "sent 100 of 5,000 rows"


def test_a_result_whose_text_says_nothing_is_noted_for_the_user(runner):
    class Odd: ...

    def odd() -> Odd:
        return Odd()

    (note,) = run(runner, odd).content.notes
    assert note.startswith("the result is a")
    assert "whose text says nothing about it" in note


def raises() -> None:
    raise ValueError("no row for user_4711secretkey0815")


def leaves() -> None:
    raise SystemExit(3)


async def raises_later() -> None:
    await asyncio.sleep(0)
    raise KeyError("Rome")


class NoTextError(Exception):
    def __str__(self):
        raise RuntimeError


def raises_without_text() -> None:
    raise NoTextError


def has_no_text():
    class Broken:
        def __repr__(self):
            raise RuntimeError("broken")

    return Broken()


@pytest.mark.parametrize(
    ("function", "text", "inside"),
    [
        (raises, "ValueError: no row for [key]", "in raises"),
        (leaves, "SystemExit: 3", "in leaves"),
        (raises_later, "KeyError: 'Rome'", "in raises_later"),
        (raises_without_text, "NoTextError", "NoTextError"),
        (has_no_text, "has_no_text ran, but its result cannot be sent: ", "cannot be converted"),
    ],
)
def test_what_is_raised_goes_to_the_model_in_a_line_and_to_the_user_in_full(
    runner, function, text, inside
):
    content = run(runner, function).content
    assert content.is_error
    assert content.text.startswith(text)
    assert inside in content.traceback
    assert "cc_jupyter/tools" not in content.traceback
    assert "secretkey" not in content.traceback


def test_a_function_prints_and_sees_and_deletes_the_users_names(runner, capsys):
    names = {"left": 1}

    def delete() -> int:
        print("deleting")
        return names.pop("left")

    assert run(runner, delete).content.text == "1"
    assert names == {}
    assert capsys.readouterr().out == "deleting\n"


def deletes_itself() -> str:
    del globals()["deletes_itself"]
    return "gone"


def test_a_function_that_deletes_its_own_name_can_be_called_again(runner):
    itself = tool_for(deletes_itself, "deletes_itself")
    assert runner.run(itself, {}).content.text == "gone"
    assert "deletes_itself" not in globals()
    assert runner.run(itself, {}).content.text == "KeyError: 'deletes_itself'"


def test_a_function_runs_on_the_thread_of_the_cell_and_an_async_one_on_one_helper_thread(runner):
    def here() -> int:
        return threading.get_ident()

    async def there() -> int:
        return threading.get_ident()

    assert run(runner, here).content.text == str(threading.get_ident())
    first, second = run(runner, there).content.text, run(runner, there).content.text
    assert first == second
    assert first != str(threading.get_ident())


def test_an_async_function_runs_inside_a_running_loop(runner):
    async def cell() -> str:
        return run(runner, waits).content.text

    assert asyncio.run(cell()) == "waited"


def sleeps() -> None:
    time.sleep(30)


def spins() -> None:
    while True:
        pass


def catches_exceptions() -> None:
    while True:
        with suppress(Exception):
            time.sleep(0.01)


async def sleeps_async() -> None:
    await asyncio.sleep(30)


NEVER_RETURN = [sleeps, spins, catches_exceptions, sleeps_async]


@pytest.mark.parametrize("function", NEVER_RETURN)
def test_a_stop_ends_a_function_at_once(runner, blocked, function):
    with stopping(0.1) as stopped_s:
        outcome = run(runner, function)
    ended_s = time.monotonic()
    assert ended_s - stopped_s[0] < STOP_LIMIT_S
    assert outcome.is_stopped
    assert outcome.content.text == "[interrupted]"
    assert not outcome.still_runs
    assert blocked == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("function", NEVER_RETURN)
def test_a_stop_from_another_thread_ends_it_too(runner, function):
    with stopping(0.1, runner.stop) as stopped_s:
        outcome = run(runner, function)
    assert time.monotonic() - stopped_s[0] < STOP_LIMIT_S
    assert outcome.is_stopped
    assert not runner.stop()


def test_a_stop_holds_within_the_guard_of_a_request(loop):
    woken = []
    with InterruptGuard(lambda: woken.append(1)), stopping(0.1):
        outcome = run(Runner(LIMITS, interruptible=interruptible, loop=loop), spins)
    assert outcome.is_stopped
    assert woken == []


def test_a_stop_just_before_a_function_begins_keeps_it_from_running(runner):
    ran = []

    def note() -> None:
        ran.append(1)

    runner.is_stopped = lambda: True
    outcome = run(runner, note)
    assert outcome.is_stopped
    assert ran == []


def test_a_stop_that_the_function_catches_is_a_stop_all_the_same(runner):
    def stubborn() -> str:
        try:
            time.sleep(30)
        except KeyboardInterrupt:
            return "never mind"
        return "slept"

    with stopping(0.1):
        outcome = run(runner, stubborn)
    assert outcome.is_stopped
    assert outcome.content.text == "[interrupted]"


def test_a_function_that_does_not_end_at_a_stop_is_reported(runner, blocked):
    def blocks() -> None:
        for _ in range(3):
            try:
                time.sleep(0.2)
            except KeyboardInterrupt:
                time.sleep(0.4)

    with stopping(0.05) as stopped_s:
        outcome = run(runner, blocks)
    assert blocked == ["stop received, but it cannot be interrupted; waits for its return"]
    assert time.monotonic() - stopped_s[0] > STOP_LIMIT_S
    assert outcome.is_stopped


@pytest.mark.parametrize("function", NEVER_RETURN)
def test_a_timeout_ends_a_function(runner, blocked, function):
    limited = tool(timeout_s=0.2)(function)
    outcome = run(runner, limited)
    assert outcome.is_late
    assert not outcome.is_stopped
    assert outcome.content.text == "[its time limit of 0.2 s is over]"
    assert 0.2 <= outcome.duration_s < 0.6
    assert blocked == []
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


@pytest.mark.parametrize("function", [spins, catches_exceptions])
def test_a_timeout_ends_a_function_on_another_thread(runner, function):
    outcomes = []
    limited = tool(timeout_s=0.2)(function)
    thread = threading.Thread(target=lambda: outcomes.append(run(runner, limited)))
    thread.start()
    thread.join(10)
    assert outcomes[0].is_late


PROFILED = """
import sys, threading, time
from cc_jupyter.core.messages import ValueLimits
from cc_jupyter.tools.decorator import tool
from cc_jupyter.tools.runner import Runner
from cc_jupyter.tools.tool import tool_for

@tool(timeout_s=0.01)
def late() -> None:
    while True:
        pass

def quick() -> str:
    return "x"

def work():
    for function in (quick, late, quick):
        Runner(ValueLimits()).run(tool_for(function, "f"), {})
        sys.setprofile(lambda *_: None)
        quick()
        sys.setprofile(None)

work()
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


def test_a_profiler_works_after_a_tool_has_run():
    done = subprocess.run([sys.executable, "-c", PROFILED], timeout=60, check=False)
    assert done.returncode == 0


def test_a_program_that_uses_the_timer_keeps_it(runner):
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        outcome = run(runner, tool(timeout_s=0.4)(spins))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert outcome.is_late
    assert rung == [1]


def test_an_async_function_that_blocks_its_loop_is_still_running_and_the_next_one_is_not(
    runner, loop
):
    go_on = threading.Event()

    @tool(timeout_s=0.1)
    async def blocks() -> None:
        go_on.wait(10)

    outcome = run(runner, blocks)
    assert outcome.still_runs
    assert outcome.content.text == "[its time limit of 0.1 s is over, and it is still running]"
    assert run(runner, waits).content.text == "waited"
    go_on.set()


def test_a_function_faster_than_its_timeout_is_left_alone(runner):
    @tool(timeout_s=30)
    def quick() -> int:
        return 1

    started_s = time.monotonic()
    assert run(runner, quick).content.text == "1"
    assert time.monotonic() - started_s < 1


def test_ten_calls_add_less_than_twenty_milliseconds(runner):
    def quick(n: int) -> int:
        return n

    made = tool_for(quick, "quick")
    runner.run(made, {"n": 1})
    rounds = []
    for _ in range(5):
        started_s = time.perf_counter()
        for _ in range(10):
            runner.run(made, {"n": 1})
        rounds.append(time.perf_counter() - started_s)
    assert min(rounds) < 0.02


CODE = """
import os, signal, threading, time
from cc_jupyter.core.messages import ValueLimits
from cc_jupyter.tools.runner import Runner
from cc_jupyter.tools.signal_watcher import signal_watcher
from cc_jupyter.tools.tool import tool_for
import asyncio

def sleeps() -> None:
    time.sleep(30)

made = tool_for(sleeps, "sleeps")

async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lambda: print("usr1"))
    threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
    threading.Timer(0.4, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    print(Runner(ValueLimits()).run(made, {}).is_stopped)
    await asyncio.sleep(0.1)

asyncio.new_event_loop().run_until_complete(main())  # `run` has a handler of its own
"""


def test_an_event_loop_on_the_cells_thread_gets_its_signals_after_the_call():
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("True\nusr1\n", "")


def test_unloading_ends_the_threads_of_tools():
    helper_loop.run(waits).wait()
    with signal_watcher.watching(lambda: None):
        pass
    _end_tool_threads()
    deadline_s = time.monotonic() + 5
    while (left := own_threads()) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert left == []


def own_threads():
    names = ("cc_jupyter async tools", "cc_jupyter tool watcher")
    threads = [each for each in threading.enumerate() if each.name in names]
    return [each for each in threads if each.is_alive()]
