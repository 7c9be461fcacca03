"""Many short requests with faults among them: what stays of threads, descriptors and memory.

Run by hand for the figures, `python tests/support/soak.py 1000`; a short one is in the suite.
The provider runs in a process of its own, so that only the client's side is measured.
"""

from __future__ import annotations

import gc
import json
import os
import random
import sys
import tempfile
import threading
import time
import tracemalloc
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil

from cc_jupyter.client.errors import provider_errors as retry
from cc_jupyter.core.events import TextDelta
from cc_jupyter.core.messages import PromptSpec
from cc_jupyter.render.base import NullRenderer
from cc_jupyter.session.session import Session
from support.provider import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(__file__).parent / "provider" / "__main__.py"
FAULT_SHARE = 0.1
HELLO = {"do": "openai_stream", "texts": ["Hel", "lo"]}
FAULTS: dict[str, list[dict[str, Any]]] = {
    "cut before any byte": [{"do": "cut"}],
    "reset before any byte": [{"do": "reset"}],
    "cut answer": [
        {"do": "sse", "data": {"choices": [{"delta": {"content": "Hel"}}]}},
        {"do": "cut"},
    ],
    "reset answer": [
        {"do": "sse", "data": {"choices": [{"delta": {"content": "Hel"}}]}},
        {"do": "reset"},
    ],
    "held after the end": [HELLO, {"do": "hang"}],
    "refused": [{"do": "error", "status": 400}],
    "out of order": [{"do": "error", "status": 503}],
    "HTML": [{"do": "error", "status": 502, "body": "<html></html>"}],
    "no HTTP": [{"do": "raw", "data": "hello\r\n\r\n"}, {"do": "cut"}],
    "silence": [{"do": "head"}, {"do": "hang"}],
    "left by the user": [
        {"do": "sse", "data": {"choices": [{"delta": {"content": "Hel"}}]}},
        {"do": "hang"},
    ],
}


@dataclass(frozen=True)
class Sample:
    """What this process holds at one moment."""

    requests: int
    threads: int
    descriptors: int
    traced_kb: float
    """By Python's own count of what it allocated."""
    resident_mb: float


@contextmanager
def provider_process() -> Iterator[str]:
    """Return the base URL of a provider in another process."""
    command = [sys.executable, str(PROGRAM), "--until-stdin-ends"]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        yield process.stdout.readline().strip()
        process.stdin.close()


def control(base_url: str, what: str, steps: list[dict[str, Any]] | None = None) -> None:
    root = base_url.rpartition("/")[0]
    body = json.dumps({"steps": steps or []}).encode()
    with urllib.request.urlopen(f"{root}/_control/{what}", body) as answer:
        answer.read()


def sample(requests: int) -> Sample:
    for _ in range(3):
        gc.collect()
    time.sleep(0.1)  # a reader that is just ending
    me = psutil.Process()
    return Sample(
        requests,
        threading.active_count(),
        me.num_fds(),
        tracemalloc.get_traced_memory()[0] / 1e3,
        me.memory_info().rss / 1e6,
    )


def one(session: Session, base_url: str, rng: random.Random) -> str:
    """Make one request; give what went wrong with it."""
    question = PromptSpec("hi", model="deepseek/deepseek-v4-flash", once=True)
    if rng.random() >= FAULT_SHARE:
        reply = session.run(session.prepare(question), NullRenderer())
        assert reply.error is None, reply.error
        return "nothing"
    fault = rng.choice(list(FAULTS))
    control(base_url, "play", FAULTS[fault])
    if fault != "left by the user":
        session.run(session.prepare(question), NullRenderer())
        return fault
    events = session.stream(session.prepare(question))
    for event in events:
        if isinstance(event, TextDelta):
            break
    events.close()
    return fault


def soak(count: int, seed: int, samples: int = 10) -> tuple[list[Sample], dict[str, int]]:
    """Make `count` requests after a warm-up; give samples on the way, and the faults there were."""
    retry._FIRST_BACKOFF_S, kept = 0.01, retry._FIRST_BACKOFF_S
    rng = random.Random(seed)
    seen: dict[str, int] = {}
    taken: list[Sample] = []
    session = Session()
    tracemalloc.start()
    try:
        with provider_process() as base_url:
            os.environ["CMD_BASE_URL"] = base_url
            for number in range(-count // 10, count + 1):
                if number >= 0 and number % (count // samples) == 0:
                    session.replies.clear()  # the ledger keeps every reply, as it should
                    control(base_url, "clear")
                    taken.append(sample(number))
                fault = one(session, base_url, rng)
                seen[fault] = seen.get(fault, 0) + 1
    finally:
        tracemalloc.stop()
        session.transport.close()
        retry._FIRST_BACKOFF_S = kept
    return taken, seen


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {
            "CMD_JUPYTER_HOME": home,
            "CMD_API_KEY": KEY,
            "CMD_IDLE_TIMEOUT_S": "1",
        }
        start_s = time.monotonic()
        taken, seen = soak(count, seed=20261123)
    print("requests  threads  descriptors  traced kB  resident MB")
    for at in taken:
        print(
            f"{at.requests:8}  {at.threads:7}  {at.descriptors:11}"
            f"  {at.traced_kb:9.0f}  {at.resident_mb:11.1f}"
        )
    faults = sum(seen.values()) - seen["nothing"]
    print(
        f"{sum(seen.values())} requests, {faults} with faults, {time.monotonic() - start_s:.1f} s"
    )
    print(", ".join(f"{name}: {number}" for name, number in sorted(seen.items())))


if __name__ == "__main__":
    main()
