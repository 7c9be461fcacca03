"""One measurement of `rows` in a process of its own: `rows_process.py WHAT ROWS`; prints JSON."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import httpx
import httpx_sse
import pandas as pd

import cc_jupyter
from cc_jupyter.core.messages import ValueLimits
from cc_jupyter.prompt.output_types import output_type_for
from cc_jupyter.rows.frames.tables import table_of
from cc_jupyter.rows.plan import RowPrompt, make_plan
from cc_jupyter.rows.template import RowTemplate
from cc_jupyter.session.session import shared_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CONCURRENCY = 100
_PAUSE_S = 0.2
_MODEL = "deepseek/deepseek-v4-flash"
_PROMPT = "Is this review positive or negative? {{ text }}"


def main() -> None:
    """Measure and print."""
    what, rows = sys.argv[1], int(sys.argv[2])
    measure: dict[str, Callable[[int], dict[str, float]]] = {
        "control": _control,
        "ours": _ours,
        "resume": _resume,
        "memory": _memory,
    }
    print(json.dumps(measure[what](rows)))


@contextlib.contextmanager
def _server(pause_s: float = _PAUSE_S) -> Iterator[int]:
    command = [sys.executable, str(Path(__file__).with_name("rows_server.py")), str(pause_s)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        tempfile.TemporaryDirectory() as home,
    ):
        assert server.stdout is not None
        port = int(server.stdout.readline())
        os.environ |= {
            "HOME": home,
            "CMD_JUPYTER_HOME": home,
            "CMD_BASE_URL": f"http://127.0.0.1:{port}",
            "CMD_API_KEY": f"user_{'k' * 30}",
        }
        try:
            yield port
        finally:
            server.kill()


def _texts(rows: int) -> list[dict[str, object]]:
    return [{"text": f"The review number {number} says it was fine."} for number in range(rows)]


def _map(data: object, **given: Any) -> Any:
    return cc_jupyter.map_rows(
        data,
        _PROMPT,
        into=Literal["positive", "negative"],
        model=_MODEL,
        concurrency=_CONCURRENCY,
        max_usd=100,
        **given,
    )


def _ours(rows: int) -> dict[str, float]:
    data = _texts(rows)
    with _server():
        _map(data[:1])  # loads what it needs
        start_s = time.perf_counter()
        result = _map(data)
        took_s = time.perf_counter() - start_s
    assert {row["value"] for row in result} == {"positive"}
    return {"rows_per_s": rows / took_s}


def _control(rows: int) -> dict[str, float]:
    """Send the same with a bare pool of threads over one transport."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=_CONCURRENCY)
    transport = httpx.HTTPTransport(limits=limits)
    with _server() as port:
        url = f"http://127.0.0.1:{port}/v1/chat/completions"

        def one(row: dict[str, object]) -> str:
            body = {
                "model": "m",
                "messages": [{"role": "user", "content": f"Is it positive? {row['text']}"}],
                "stream": True,
            }
            request = httpx.Request(
                "POST",
                url,
                json=body,
                headers={"Authorization": "Bearer key"},
                extensions={"timeout": {"read": 60, "connect": 10}},
            )
            response = transport.handle_request(request)
            pieces = []
            try:
                assert isinstance(response.stream, httpx.SyncByteStream)
                whole = httpx.Response(
                    response.status_code, headers=response.headers, stream=response.stream
                )
                for event in httpx_sse.EventSource(whole).iter_sse():
                    if event.data != "[DONE]":
                        choices = json.loads(event.data)["choices"]
                        pieces += [each["delta"].get("content") or "" for each in choices]
            finally:
                response.close()
            return "".join(pieces)

        start_s = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(_CONCURRENCY) as pool:
            answers = list(pool.map(one, _texts(rows)))
        took_s = time.perf_counter() - start_s
    assert set(answers) == {'{"value": "positive"}'}
    return {"rows_per_s": rows / took_s}


def _resume(rows: int) -> dict[str, float]:

    data = pd.DataFrame(_texts(rows))
    with _server(pause_s=0.0):
        first = _map(data[:1])
        del first
        session = shared_session()
        keys = _keys(data)
        (stored,) = session.history.store.find_rows(os.environ["CMD_BASE_URL"] + "/v1", keys[:1])
        finished = (stored._replace(request_key=key) for key in keys)
        session.history.store.save_rows(os.environ["CMD_BASE_URL"] + "/v1", finished)
        start_s = time.perf_counter()
        result = _map(data)
        took_s = time.perf_counter() - start_s
        assert len(result) == rows
        assert bool(result.cmd.meta.from_cache.all())
    return {"resume_s": took_s}


def _keys(data: Any) -> list[bytes]:
    """Return the keys of the requests of a table, as a preview of no rows plans them."""

    template = RowTemplate(
        _PROMPT, None, ValueLimits(), raw=False, images=(), user_ns={}, local_ns={}
    )
    prompt = RowPrompt(template, output_type_for(Literal["positive", "negative"]), _MODEL)
    return make_plan(shared_session(), table_of(data), prompt, unique=None).keys


def _memory(rows: int) -> dict[str, float]:
    """Measure by how much the memory that is freed at the end grows with the table."""
    with _server(pause_s=0.01):
        _map(_texts(200))
        tracemalloc.start()
        few, many = _transient_bytes(rows // 5), _transient_bytes(rows)
    return {"bytes_per_row": max(0.0, (many - few) / (rows - rows // 5))}


def _transient_bytes(rows: int) -> int:
    data = [{"text": f"{rows} {row['text']}"} for row in _texts(rows)]
    tracemalloc.reset_peak()
    result = _map(data)
    now_bytes, peak_bytes = tracemalloc.get_traced_memory()
    assert len(result) == rows
    return peak_bytes - now_bytes


if __name__ == "__main__":
    main()
