"""A grid: 18 streams at 50 tokens a second in one cell, beside a bare pool of threads."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import controls
from figures import Figure, in_turn
from lab import Lab
from support.provider import prose

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab import Measured
    from support.kernel_harness import CellRun, Kernel

_TOKENS = 500
_STREAMS = 18
_MODELS = tuple(f"test/burst-{_TOKENS + number}@20ms" for number in range(3))
_ANSWERS = tuple(f"test/burst-{670 + number}" for number in range(3))
"""Of 500 words: three quarters of a word are a token."""
_SAMPLES = _STREAMS // len(_MODELS)
_SHOWN = ("display_data", "update_display_data")

_POOL = """
import concurrent.futures, json, httpx, httpx_sse
transport = httpx.HTTPTransport(limits=httpx.Limits(max_connections=None))

def one(model):
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "stream": True,
            "stream_options": {"include_usage": True}}
    request = httpx.Request("POST", URL + "/v1/chat/completions", json=body,
                            headers={"Authorization": "Bearer " + KEY},
                            extensions={"timeout": {"read": 60, "connect": 10}})
    response = transport.handle_request(request)
    pieces = []
    try:
        for event in httpx_sse.EventSource(httpx.Response(
                response.status_code, headers=response.headers, stream=response.stream)).iter_sse():
            if event.data != "[DONE]":
                for choice in json.loads(event.data)["choices"]:
                    pieces.append(choice["delta"].get("content") or "")
    finally:
        response.close()
    return "".join(pieces)

def pool(models, samples):
    with concurrent.futures.ThreadPoolExecutor(len(models) * samples) as executor:
        return list(executor.map(one, [each for each in models for _ in range(samples)]))
"""


def run(*, quick: bool) -> list[Figure]:
    """Measure."""
    rounds = 2 if quick else 7
    with Lab() as lab:
        lab.list_models(*_MODELS, *_ANSWERS)
        ours, plain = lab.our_kernel(), lab.plain_kernel()
        plain.check(_POOL)
        cell = f"%%cmd --new -m {','.join(_MODELS)} -n {_SAMPLES} -> g\nHello"
        mine, theirs, single = in_turn(
            rounds,
            lambda: lab.measure(ours, cell),
            lambda: lab.measure(plain, f"answers = pool({_MODELS!r}, {_SAMPLES})"),
            lambda: lab.measure(ours, controls.cmd(_MODELS[0])),
        )
        long = f"%%cmd --new -m {','.join(_ANSWERS)} -n {_SAMPLES} -> g\nHello"
        final_bytes = [_final_bytes(lab.measure(ours, long).run) for _ in range(rounds)]
        stopped_ms = [_interrupt_ms(lab, ours, cell) for _ in range(rounds)]
    tokens = _SAMPLES * sum(_TOKENS + number for number in range(3))
    return [
        *_figures(mine, theirs, single, tokens),
        Figure("a final output of 18 answers of 500 words", "kB", final_bytes, must=250),
        Figure("grid: interrupt to idle", "ms", stopped_ms, must=150),
    ]


def _figures(
    mine: list[Measured], theirs: list[Measured], single: list[Measured], tokens: int
) -> list[Figure]:
    name = f"grid, {_STREAMS} streams at 50 tokens/s"
    wall = [_wall_s(each) for each in mine], [_wall_s(each) for each in theirs]
    cpu = [each.cpu_s / tokens * 1e6 for each in mine]
    one = [each.cpu_s / _TOKENS * 1e6 for each in single]
    stream = "one stream of ours"
    ratio = [our_us / one_us for our_us, one_us in zip(cpu, one, strict=True)]
    within = [_bytes_of(each.run) / _allowed_bytes(each.run) for each in mine]
    return [
        Figure(f"{name}: updates in the busiest second", "", _each(mine, _busiest), must=10, aim=5),
        Figure("the same: bytes / (4 x final + 100 kB)", "x", within, must=1),
        Figure("the same: bytes / final bytes", "x", _each(mine, _growth)),
        Figure("the same: kernel CPU a token", "us", cpu, one, remark=stream),
        Figure("the same: CPU a token / that of one stream", "x", ratio, must=1.5, aim=1.2),
        Figure("the same: wall time", "s", *wall, remark="threads, httpx, httpx-sse, no view"),
        Figure(
            "the same: wall time / control",
            "x",
            [ours / bare for ours, bare in zip(*wall, strict=True)],
            must=1.15,
        ),
        Figure(
            "the same: first tokens sent to columns shown", "ms", _each(mine, _lag_ms), must=150
        ),
    ]


def _each(mine: list[Measured], of: Callable[[Any], float]) -> list[float]:
    return [of(each) for each in mine]


def _wall_s(cell: Measured) -> float:
    return cell.idle_s - cell.start_s


def _updates(run: CellRun) -> list[tuple[float, dict[str, Any]]]:
    pairs = zip(run.arrived_s, run.messages, strict=True)
    return [(at_s, message) for at_s, message in pairs if message["msg_type"] in _SHOWN]


def _busiest(cell: Measured) -> float:
    """Return the most updates in any second."""
    times = [at_s for at_s, _ in _updates(cell.run)]
    return max(sum(start <= other < start + 1 for other in times) for start in times)


def _size(message: dict[str, Any]) -> int:
    return len(json.dumps(message["content"], ensure_ascii=False).encode())


def _bytes_of(run: CellRun) -> int:
    return sum(_size(message) for _, message in _updates(run))


def _allowed_bytes(run: CellRun) -> int:
    return 4 * _size(_updates(run)[-1][1]) + 100_000


def _growth(cell: Measured) -> float:
    return _bytes_of(cell.run) / _size(_updates(cell.run)[-1][1])


def _final_bytes(run: CellRun) -> float:
    return _size(_updates(run)[-1][1]) / 1000


def _lag_ms(cell: Measured) -> float:
    """Return the time from the first token of the last stream to a view with all columns' text."""
    sent_s = float(cell.request["sent_s"][1])
    word = prose(1)[0].strip()
    shown_s = next(
        at_s
        for at_s, message in _updates(cell.run)
        if message["content"]["data"].get("text/html", "").count(word) >= len(_MODELS)
    )
    return max(0.0, 1000 * (shown_s - sent_s))


def _interrupt_ms(lab: Lab, kernel: Kernel, code: str) -> float:
    """Stop a grid two seconds after its start; all streams are in the middle."""
    lab.clear()
    request = kernel.start(code)
    run = kernel.follow(request, until=lambda run: bool(run.outputs))
    time.sleep(2)
    at_s = time.perf_counter()
    kernel.interrupt()
    cell = lab.finish(kernel, request, run, failing=True)
    return 1000 * (cell.idle_s - at_s)
