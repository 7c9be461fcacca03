"""Run the provider as a program: it prints its base URL and serves until it is stopped."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

if not __package__:  # started by its path: this folder must not hide modules of Python
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from support.provider import KEY, MODELS, ODD_MODELS, Provider


def main() -> None:
    """Serve until SIGTERM, Ctrl-C, or the end of standard input where that is asked for."""
    parser = argparse.ArgumentParser(prog="provider", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--key", default=KEY, help="the one key that is accepted")
    parser.add_argument("--pause-s", type=float, default=0.0, help="between unscripted deltas")
    parser.add_argument("--odd-models", action="store_true", help="list odd entries too")
    parser.add_argument(
        "--until-stdin-ends", action="store_true", help="stop with the process that started this"
    )
    options = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if options.until_stdin_ends:
        threading.Thread(target=_stop_with_stdin, args=(stop,), daemon=True).start()
    models = MODELS + ODD_MODELS if options.odd_models else MODELS
    with Provider(
        key=options.key, models=models, pause_s=options.pause_s, port=options.port
    ) as provider:
        print(provider.base_url, flush=True)
        stop.wait()


def _stop_with_stdin(stop: threading.Event) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    stop.set()


if __name__ == "__main__":
    main()
