"""The program that serves the local model: a child process, so that a native crash stays there.

It reads one JSON line from stdin (`weights`, `port`, `key`, `name`), writes one with its `url`, and
serves until stdin ends or its parent is gone. It imports nothing of this package, so that it can
be run by its path, from any working directory. Why it failed to start stands on stderr.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import signal
import sys
import threading
from typing import Any

_START_LIMIT_S = 120.0
"""A cold, slow disk reads the weights in far less."""
CONTEXT_TOKENS = 4096
"""8192 works too, but takes 92 MB more and half a minute to read a full prompt."""
_THREADS = 4
"""At most; and one core stays free for the kernel and the browser. The engine's threads wait for
each other at every step: 2 on two busy cores gave 2 to 10 tokens/s, 1 gave 18 to 34."""
_PARENT_CHECK_S = 0.5


def main() -> None:
    """Serve until the parent goes."""
    # Ctrl-C and the kernel's interrupt are meant for the parent
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answer = os.dup(1)
    os.dup2(2, 1)  # what the engine prints must not mix with our one line
    # a thread of the C runtime: it fires even if the engine hangs and holds the interpreter
    faulthandler.dump_traceback_later(_START_LIMIT_S, exit=True)
    parent = os.getppid()
    orders = json.loads(sys.stdin.buffer.readline())
    server = _serve(**orders)
    faulthandler.cancel_dump_traceback_later()
    os.write(answer, json.dumps({"url": f"{server.listening_address}/provider"}).encode() + b"\n")
    os.close(answer)
    _silence()
    _wait_for_the_end(parent)
    os._exit(0)  # nothing is left to save, and the engine may be in the middle of an answer


def _serve(*, weights: str, port: int, key: str, name: str) -> Any:  # noqa: ANN401  untyped engine
    """Start the engine; it listens when this returns.

    Source: `local-model.md`, and https://github.com/xorbitsai/xllamacpp, read 2026-11-22.
    """
    engine = importlib.import_module("xllamacpp")
    params = engine.CommonParams()
    params.model.path = weights
    params.model_alias = {name}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.api_prefix = "/provider"
    params.api_keys = [key]
    params.offline = True
    params.ui = False
    params.endpoint_slots = False  # it would show the prompts of other kernels
    params.verbosity = 1  # errors only
    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = 1
    params.cache_ram_mib = 0  # else up to 8 GB of old prompts
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = _threads()
    params.warmup = params.fit_params = False  # 0.3 s of the start, and nothing gained
    # a model this small goes round in circles without these two; a request may set its own
    params.sampling.temp = 0.2
    params.sampling.penalty_repeat = 1.1
    return engine.Server(params)


def _threads() -> int:
    """Count the threads that serve best on the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min(_THREADS, cores - 1))


def _silence() -> None:
    """Send what the engine still prints nowhere: no terminal, and no file that grows."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _wait_for_the_end(parent: int) -> None:
    """Return when stdin ends or another process has become the parent.

    Both are needed: a forked copy of a killed parent keeps the pipe open, and Windows never
    changes a process's parent.
    """
    closed = threading.Event()

    def read() -> None:
        while os.read(0, 4096):
            pass
        closed.set()

    threading.Thread(target=read, daemon=True).start()
    while not closed.wait(_PARENT_CHECK_S):
        if os.getppid() != parent:
            return


if __name__ == "__main__":
    main()
