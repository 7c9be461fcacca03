"""A run over rows that is killed with -9, again and again: what was paid for is not paid again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

from support import provider as scripted
from support.plain_server import wait_until
from support.rows import prompt_of

_ROWS = 1_000
_CONCURRENCY = 16
_PROGRAM = f"""
import json, sys
import cc_jupyter
rows = [{{"text": str(number)}} for number in range({_ROWS})]
answers = cc_jupyter.map_rows(
    rows, "word {{{{ text }}}}", model="deepseek/deepseek-v4-flash", max_requests={_ROWS},
    concurrency={_CONCURRENCY},
)
print(json.dumps([row["answer"] for row in answers]))
"""


class FaultyProvider:
    """Answers with the prompt; one row in ten is refused, fails, is cut or slow at first."""

    def __init__(self):
        self.lock = threading.Lock()
        self.asked, self.paid, self.cut = Counter(), Counter(), set()
        self.now = self.highest = 0

    def wait_until_paid(self, count):
        wait_until(lambda: self.paid.total() >= count, 60)

    def __call__(self, record):
        prompt = prompt_of(record)
        with self.lock:
            self.now += 1
            self.highest = max(self.highest, self.now)
            self.asked[prompt] += 1
            is_first = self.asked[prompt] == 1
        number = int(prompt.split()[1])
        fault = number // 10 % 4 if number % 10 == 0 and is_first else None
        time.sleep(0.2 if fault == 3 else 0.01)
        with self.lock:
            self.now -= 1
            if fault == 0:
                return scripted.error(429, "slow down")(record)
            if fault == 1:
                return scripted.error(500, "broken")(record)
            self.paid[prompt] += 1
            answer = scripted.openai_stream([prompt])
            if fault == 2:
                self.cut.add(prompt)
                return (*answer[:3], scripted.cut())
        return answer


def test_killed_twice_all_rows_are_right_and_only_those_in_flight_are_paid_again(
    provider, monkeypatch
):
    faulty = FaultyProvider()
    provider.always(faulty)
    monkeypatch.setenv("CMD_BASE_URL", provider.base_url)
    monkeypatch.setenv("CMD_API_KEY", scripted.KEY)
    for kill_after in (300, 650):
        running = subprocess.Popen([sys.executable, "-c", _PROGRAM], stdout=subprocess.DEVNULL)
        faulty.wait_until_paid(kill_after)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    answers: list[str | None] = [None]
    for _ in range(4):  # cut answers are failures, which the next run sends again
        answers = json.loads(subprocess.check_output([sys.executable, "-c", _PROGRAM], timeout=120))
        if None not in answers:
            break
    assert answers == [f"word {number}" for number in range(_ROWS)]
    twice = {prompt for prompt, times in faulty.paid.items() if times > 1}
    in_flight = twice - faulty.cut
    assert len(in_flight) <= 2 * _CONCURRENCY, "those in flight at the two kills"
    assert max(faulty.paid.values()) <= 3
    assert faulty.highest <= 2 * _CONCURRENCY, "two kernels at most: one has just been killed"
