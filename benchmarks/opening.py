"""How long a notebook of 300 cells takes to open in JupyterLab, with our extension and without.

The main thread's time is CPU time, so that other programs do not count, and it is taken twice: when
the notebook can be read and run, and when the page has finished what it put off until later.
"""

from __future__ import annotations

import json
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from figures import Figure, split
from page import main_thread_s
from playwright.sync_api import sync_playwright
from support.lab_harness import CELL_LIMIT_MS, CHROMIUM, LAUNCH, VIEWPORT, running_lab
from support.private_environment import private_environment

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession
    from support.lab_harness import Lab

_CELLS = 300
_PROMPT = "%%cmd -m deepseek/deepseek-v4-flash\nSay **{0}** in one word, for {{{{ x }}}}.\n\n- once"
_PYTHON = "def f_{0}(x):\n    return x + {0}\n\n\nf_{0}({0})"
_TIMES = (
    "until it can be read and run",
    "main thread until then",
    "main thread until it is quiet",
)
_QUIET = 0.03
"""The share of a core below which the page has finished."""
_QUIET_LIMIT_S = 60.0
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
        taken: list[list[tuple[float, ...]]] = [[], []]
        for round_ in range(rounds):
            for which in (0, 1) if round_ % 2 else (1, 0):
                taken[which].append(_opened_s(browser, labs[which]))
        browser.close()
    ours, control = map(split, taken)
    remark = "the same JupyterLab, our extension off"
    name = f"opening {_CELLS} cells"
    above = [100 * (on / off - 1) for on, off in zip(ours[-1], control[-1], strict=True)]
    return [
        *(
            Figure(f"{name}: {what}", "s", mine, theirs, remark=remark)
            for what, mine, theirs in zip(_TIMES, ours, control, strict=True)
        ),
        Figure(f"{name}: main thread, above the extension off", "%", above, must=5),
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


def _opened_s(browser: Browser, lab: Lab) -> tuple[float, ...]:
    """Return the seconds that `_TIMES` names, for one page."""
    page = browser.new_page(viewport=VIEWPORT)
    page.add_init_script(_WATCH)
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(f"{lab.url}{lab.page}{quote('many.ipynb')}?reset&token={lab.token}")
    page.wait_for_function("window.openedAfterMs", timeout=2 * CELL_LIMIT_MS)
    opened_s = page.evaluate("window.openedAfterMs") / 1000
    readable_s = main_thread_s(devtools)
    quiet_s = _quiet_s(devtools)
    page.close()
    lab.end_kernels()
    return opened_s, readable_s, quiet_s


def _quiet_s(devtools: CDPSession) -> float:
    """Wait until the page is quiet; return what its main thread has used."""
    deadline_s = time.monotonic() + _QUIET_LIMIT_S
    used_s = main_thread_s(devtools)
    while time.monotonic() < deadline_s:
        time.sleep(1)
        before_s, used_s = used_s, main_thread_s(devtools)
        if used_s - before_s < _QUIET:
            return used_s
    raise TimeoutError("the page does not become quiet")
