"""The server program of the local model: a child process, so a native crash affects only it.

It reads one JSON line from stdin (`weights`, `port`, `key`, `name`), writes one with its `url`, and
serves until stdin ends or its parent is gone. It imports nothing from this package, so that it can
be run by path from any working directory. If it cannot start, the reason is on stderr.
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

from cc_jupyter.client.local import CONTEXT_TOKENS

_START_LIMIT_S = 120.0
"""Far more than a slow disk without a cache needs to read the weights."""
_THREADS = 4
"""The maximum; one core is left for the kernel and the browser. The engine's threads wait for each
other at every step: 2 on two busy cores gave 2 to 10 tokens/s, 1 gave 18 to 34."""
_PARENT_CHECK_S = 0.5


def main() -> None:
    """Serve until the parent ends."""
    # Ctrl-C and the kernel's interrupt are meant for the parent
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answer = os.dup(1)
    os.dup2(2, 1)  # the engine's output must not mix with our one line
    # runs in a C thread, so it fires even if the engine hangs while holding the interpreter lock
    faulthandler.dump_traceback_later(_START_LIMIT_S, exit=True)
    parent = os.getppid()
    options = json.loads(sys.stdin.buffer.readline())
    server = _serve(**options)
    faulthandler.cancel_dump_traceback_later()
    os.write(answer, json.dumps({"url": f"{server.listening_address}/provider"}).encode() + b"\n")
    os.close(answer)
    _silence()
    _wait_for_the_end(parent)
    os._exit(0)  # there is nothing to save, and the engine may be in the middle of an answer


def _serve(*, weights: str, port: int, key: str, name: str) -> Any:  # noqa: ANN401  untyped engine
    """Start the engine and wait until it listens.

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
    params.warmup = params.fit_params = False  # they cost 0.3 s at the start and gain nothing
    # without these two, a model this small repeats itself; a request may override them
    params.sampling.temp = 0.2
    params.sampling.penalty_repeat = 1.1
    return engine.Server(params)


def _threads() -> int:
    """Return the best number of threads for the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min(_THREADS, cores - 1))


def _silence() -> None:
    """Discard the engine's further output, so that no terminal shows it and no file grows."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _wait_for_the_end(parent: int) -> None:
    """Return when stdin ends or the parent process changes.

    Both are needed: a forked copy of a killed parent keeps the pipe open, and Windows never changes
    a process's parent.
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
