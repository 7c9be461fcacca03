"""Cassettes: opening and replaying one, and what recording costs while an answer arrives.

Sessions run in this process, without a display. CPU time of this process is measured where other
work on the machine would decide on the wall time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from figures import Figure
from lab import LISTED_MODEL
from support import provider as scripted
from support.provider import KEY, Provider, prose

import cc_jupyter as cc
from cc_jupyter.cassettes.cassette import CassetteFile
from cc_jupyter.cassettes.recording import (
    RecordedResponse,
    Recording,
    cut_between_characters,
    to_line,
)
from cc_jupyter.cassettes.secrets import clean_pieces

if TYPE_CHECKING:
    from collections.abc import Iterator

_CELLS, _ANSWERS = 50, 1_000
_LINES, _LARGE_BYTES = 10_000, 200_000_000
_TOKENS = 20_000
_AT = datetime(2026, 11, 30, 10, tzinfo=UTC)


def run(*, quick: bool) -> list[Figure]:
    """Measure."""
    rounds = 1 if quick else 5
    with _home() as folder:
        return [
            *_opening(folder, rounds),
            *_recording(folder, rounds),
            *_replaying(folder, rounds),
        ]


@contextlib.contextmanager
def _home() -> Iterator[Path]:
    """Provide a folder for all files; the environment is as before afterwards."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["CMD_JUPYTER_HOME"] = str(folder / "home")
        try:
            yield folder
        finally:
            os.environ.clear()
            os.environ.update(before)


def _event(text: str) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    chunk = {
        "id": "gen-1790000000-0001",
        "object": "chat.completion.chunk",
        "created": 1790000000,
        "model": LISTED_MODEL,
        "choices": [choice],
    }
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode()


def _answer(number: int, texts: list[str]) -> Recording:
    body = {"model": LISTED_MODEL, "messages": [{"role": "user", "content": f"Ask {number}"}]}
    pieces = tuple((5 * at, _event(text)) for at, text in enumerate(texts))
    response = RecordedResponse(200, {"content-type": "text/event-stream"}, pieces, 5 * len(texts))
    key = hashlib.sha256(str(number).encode()).hexdigest()
    return Recording(key, 0, "/chat/completions", body, (response,), _AT)


def _opening(folder: Path, rounds: int) -> list[Figure]:
    small, large = folder / "small.cassette.jsonl", folder / "large.cassette.jsonl"
    small.write_bytes(b"".join(to_line(_answer(number, ["Yes."])) for number in range(_LINES)))
    line = to_line(_answer(0, prose(400)))
    with large.open("wb") as file:
        for number in range(_LARGE_BYTES // len(line)):
            file.write(line.replace(_answer(0, []).request_key.encode(), _key(number)))
    small_s, large_s = (_seconds(path, rounds) for path in (small, large))
    large.unlink()
    return [
        Figure(f"cassette of {_LINES:,} one-line answers opens", "s", small_s, must=0.5),
        Figure(f"cassette of {_LARGE_BYTES // 10**6} MB opens", "s", large_s, must=2),
    ]


def _key(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).hexdigest().encode()


def _seconds(path: Path, rounds: int) -> list[float]:
    taken = []
    for _ in range(rounds):
        start_s = time.perf_counter()
        CassetteFile(path).check()
        taken.append(time.perf_counter() - start_s)
    return taken


def _recording(folder: Path, rounds: int) -> list[Figure]:
    """Measure what is done for an answer after it has arrived, and the time a token adds."""
    answers_ms, tokens_us = [], []
    texts = prose(_TOKENS)
    short, long = _answer(0, ["Yes."]), _answer(0, texts)
    for number in range(rounds):
        file = CassetteFile(folder / f"recorded-{number}.cassette.jsonl")
        short_s = sum(_saving_s(file, short, each) for each in range(200)) / 200
        long_s = min(_saving_s(file, long, 1_000 + each) for each in range(3))
        answers_ms.append(1_000 * short_s)
        tokens_us.append(1e6 * (long_s - short_s) / _TOKENS)
    return [
        Figure("recording: CPU an answer", "ms", answers_ms, must=1),
        Figure("recording: CPU a token", "us", tokens_us, must=2),
    ]


def _saving_s(file: CassetteFile, answer: Recording, number: int) -> float:
    start_s = time.process_time()
    pieces = cut_between_characters(answer.last.body)
    body = tuple(clean_pieces(pieces, (KEY,), is_spread=False))
    response = dataclasses.replace(answer.last, body=body)
    key = _key(number).decode()
    file.put(dataclasses.replace(answer, request_key=key, responses=(response,)))
    return time.process_time() - start_s


def _replaying(folder: Path, rounds: int) -> list[Figure]:
    path = folder / "replayed.cassette.jsonl"
    os.environ["CMD_API_KEY"] = KEY
    with Provider() as provider:
        os.environ["CMD_BASE_URL"] = provider.base_url
        provider.always(*scripted.openai_stream("Yes, all of them."))
        with cc.cassette(path, "record"):
            _cells()
            _grid()
    del os.environ["CMD_API_KEY"]
    cells_s, grid_s = [], []
    for _ in range(rounds):
        for work, taken in ((_cells, cells_s), (_grid, grid_s)):
            with cc.cassette(path, "replay"):
                start_s = time.perf_counter()
                work()
                taken.append(time.perf_counter() - start_s)
    return [
        Figure(f"{_CELLS} prompts replayed", "s", cells_s, must=3),
        Figure(f"grid of {_ANSWERS:,} answers replayed", "s", grid_s, must=2),
    ]


def _cells() -> None:
    for number in range(_CELLS):
        reply = cc.ask(f"Prompt {number}", model=LISTED_MODEL)
        assert reply.text


def _grid() -> None:
    grid = cc.compare(
        "Compare", models=[LISTED_MODEL], temperatures=[0.0, 1.0], n=_ANSWERS // 2, max_usd=100
    )
    assert all(reply.error is None for reply in grid)
