"""One measurement of `rows_dask`: `rows_dask_process.py WORKERS ROWS CONCURRENCY PAUSE_S`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic

from distributed import Client, LocalCluster

import cc_jupyter as cc

_SERVER = Path(__file__).resolve().parent / "rows_server.py"
_MODEL = "deepseek/deepseek-v4-flash"


def main() -> None:
    """Map a warm-up, then the rows; print the rows a second."""
    workers, rows, concurrency = map(int, sys.argv[1:4])
    with (
        subprocess.Popen([sys.executable, str(_SERVER), sys.argv[4]], stdout=-1) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        assert server.stdout is not None
        port = int(server.stdout.readline())
        os.environ |= {
            "CMD_JUPYTER_HOME": folder,
            "CMD_BASE_URL": f"http://127.0.0.1:{port}/provider",
            "CMD_API_KEY": "no-key",
        }
        try:
            rows_per_s = _measured(workers, rows, concurrency)
        finally:
            server.terminate()
    print(json.dumps({"rows_per_s": rows_per_s}))


def _measured(workers: int, rows: int, concurrency: int) -> float:
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(workers)
        _map("warm up", 2 * concurrency, concurrency, client)
        started_s = monotonic()
        _map("row", rows, concurrency, client)
        return rows / (monotonic() - started_s)


def _map(word: str, rows: int, concurrency: int, client: object) -> None:
    found = cc.map_rows(
        [{"text": f"{word} {number}"} for number in range(rows)],
        "{{ text }}",
        model=_MODEL,
        concurrency=concurrency,
        max_usd=10,
        executor=client,
    )
    assert all(each["answer"] for each in found)


if __name__ == "__main__":
    main()
