"""How long a notebook of 300 cells takes to open in JupyterLab, with our extension and without."""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from figures import Figure
from playwright.sync_api import sync_playwright
from support.lab_harness import CELL_LIMIT_MS, CHROMIUM, LAUNCH, VIEWPORT, running_lab
from support.private_environment import private_environment

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from support.lab_harness import Lab

_CELLS = 300
_PROMPT = "%%cmd -m deepseek/deepseek-v4-flash\nSay **{0}** in one word, for {{{{ x }}}}.\n\n- once"
_PYTHON = "def f_{0}(x):\n    return x + {0}\n\n\nf_{0}({0})"
_OFF = {"disabledExtensions": {"cc-jupyter": True}}
_WATCH = f"""
const look = () => {{
  const panel = window.jupyterapp?.shell.currentWidget;
  const cells = panel?.content?.widgets;
  const kernel = panel?.sessionContext?.session?.kernel;
  const drawn = document.querySelectorAll('.jp-Notebook .jp-Cell .cm-content').length > 3;
  if (cells?.length === {_CELLS} && drawn && kernel?.connectionStatus === 'connected') {{
    window.openedAfterMs = performance.now();
  }} else {{
    requestAnimationFrame(look);
  }}
}};
requestAnimationFrame(look);
"""


def run(*, quick: bool) -> list[Figure]:
    """Open the same notebook in turn in two JupyterLabs, one with the extension disabled."""
    if CHROMIUM is None:
        return []
    rounds = 3 if quick else 12
    with ExitStack() as stack:
        labs = [_lab(stack, off=off) for off in (False, True)]
        browser = stack.enter_context(sync_playwright()).chromium.launch(**LAUNCH)
        for lab in labs:
            _opened_s(browser, lab)  # the first one fills the disk's cache
        taken: list[list[tuple[float, float]]] = [[], []]
        for round_ in range(rounds):
            for which in (0, 1) if round_ % 2 else (1, 0):
                taken[which].append(_opened_s(browser, labs[which]))
        browser.close()
    ours, control = taken
    remark = "the same JupyterLab, our extension off; at most 5 % more"
    return [
        Figure(
            f"opening {_CELLS} cells: {what}",
            "s",
            [each[place] for each in ours],
            [each[place] for each in control],
            remark=remark,
        )
        for place, what in enumerate(("until it can be read and run", "main thread until then"))
    ]


def _lab(stack: ExitStack, *, off: bool) -> Lab:
    home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    if off:
        page = home / "config" / "labconfig" / "page_config.json"
        page.parent.mkdir(parents=True)
        page.write_text(json.dumps(_OFF), encoding="utf-8")
    lab = stack.enter_context(running_lab(home, private_environment(home)))
    lab.write("many.ipynb", [(_PYTHON, _PROMPT)[n % 3 == 0].format(n) for n in range(_CELLS)])
    return lab


def _opened_s(browser: Browser, lab: Lab) -> tuple[float, float]:
    """Return the seconds until the page is ready, and those its main thread was busy."""
    page = browser.new_page(viewport=VIEWPORT)
    page.add_init_script(_WATCH)
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable")
    page.goto(f"{lab.url}{lab.page}{quote('many.ipynb')}?reset&token={lab.token}")
    page.wait_for_function("window.openedAfterMs", timeout=2 * CELL_LIMIT_MS)
    opened_s = page.evaluate("window.openedAfterMs") / 1000
    metrics = devtools.send("Performance.getMetrics")["metrics"]
    busy_s = next(each["value"] for each in metrics if each["name"] == "TaskDuration")
    page.close()
    lab.end_kernels()
    return opened_s, busy_s
