"""The load on the browser: 5,000 tokens at 200/s in a real JupyterLab, compared with prints.

The main thread's time is CPU time: a task's wall time also counts what other programs do meanwhile.
"""

from __future__ import annotations

import base64
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import controls
from figures import Figure, split
from playwright.sync_api import sync_playwright
from support.lab_harness import CELL_LIMIT_MS, CHROMIUM, LAUNCH, VIEWPORT, LabNotebook, running_lab
from support.private_environment import private_environment
from support.provider import KEY, Provider

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession

_MODEL = "test/burst-5000@5ms"
_QUICK = "test/burst-400@5ms"
_LIMIT_MS = 4 * CELL_LIMIT_MS
_ROUNDS = 3
_BINARY = 2  # the opcode of a binary frame, which the protocol shows as base64
_WATCH = """
window.longTasks = [];
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) window.longTasks.push(entry.duration);
}).observe({type: 'longtask'});
"""
_ENDED = """i => {
  const cell = window.jupyterapp.shell.currentWidget.content.widgets[i].model;
  return cell.executionState !== 'running' && cell.executionCount !== null;
}"""


def run(*, quick: bool) -> list[Figure]:
    """Measure one answer of ours and one of the plain cell, each in its own page."""
    if CHROMIUM is None:
        return []
    model = _QUICK if quick else _MODEL
    with tempfile.TemporaryDirectory() as folder, Provider() as provider:
        home = Path(folder)
        environment = private_environment(home) | {
            "CMD_BASE_URL": provider.base_url,
            "CMD_API_KEY": KEY,
        }
        setup = f"%load_ext cc_jupyter\n{controls.plain(provider.base_url, KEY)}"
        cells = [setup, controls.cmd(model), f"plain({model!r})"]
        with running_lab(home, environment) as lab, sync_playwright() as playwright:
            browser = playwright.chromium.launch(**LAUNCH)
            taken: list[list[tuple[float, ...]]] = [[], []]
            for round_ in range(1 if quick else _ROUNDS):
                for cell in (1, 2):
                    page = browser.new_page(viewport=VIEWPORT)
                    name = f"page{round_}-{cell}.ipynb"
                    notebook = LabNotebook(lab, page, lab.write(name, cells))
                    taken[cell - 1].append(_measure(notebook, cell))
                    page.close()
                    lab.end_kernels()
            browser.close()
    ours, control = map(split, taken)
    name = f"browser, {model.partition('-')[2]} tokens"
    return [
        Figure(f"{name}: main thread", "s", ours[0], control[0], must=3, aim=2.3),
        Figure(f"{name}: long tasks", "", ours[1], control[1], must=0),
        Figure(f"{name}: received", "MB", ours[2], control[2], must=0.6, aim=0.4),
    ]


def _measure(notebook: LabNotebook, cell: int) -> tuple[float, float, float]:
    """Return what a page does while a cell runs.

    It is the CPU seconds of its main thread, its long tasks, and the megabytes it receives.
    """
    page = notebook.page
    page.add_init_script(_WATCH)
    notebook.open()
    notebook.run(0)
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    devtools.send("Network.enable")
    received: list[int] = []
    devtools.on(
        "Network.webSocketFrameReceived",
        lambda event: received.append(_size(event["response"])),
    )
    time.sleep(2)  # until the page has finished its own start-up
    page.evaluate("window.longTasks.length = 0")
    before = main_thread_s(devtools)
    received.clear()
    notebook.start(cell)
    page.wait_for_function(_ENDED, arg=cell, timeout=_LIMIT_MS, polling=500)
    notebook.wait_for_status("idle")
    after = main_thread_s(devtools)
    return after - before, page.evaluate("window.longTasks.length"), sum(received) / 1e6


def _size(frame: dict[str, Any]) -> int:
    """Return the bytes of a frame as they were sent."""
    payload = frame["payloadData"].encode()
    return len(base64.b64decode(payload) if frame["opcode"] == _BINARY else payload)


def main_thread_s(devtools: CDPSession) -> float:
    """Return the CPU seconds that the main thread of a page has used."""
    metrics = devtools.send("Performance.getMetrics")["metrics"]
    return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")
