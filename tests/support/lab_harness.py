"""A real JupyterLab with folders of its own, and a notebook in it as a person has it on screen."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import nbformat
from playwright.sync_api import TimeoutError as PageTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from playwright.sync_api import Locator, Page

LAB_VERSION = tuple(map(int, version("jupyterlab").split(".")[:2]))
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
LAUNCH = {
    "executable_path": CHROMIUM,
    "args": [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ],
}
VIEWPORT = {"width": 1280, "height": 900}
START_LIMIT_S = 120.0
LIMIT_MS = 90_000
"""How long a test waits for the page. With 25 processes on two cores, to load JupyterLab has taken
more than 30 s; a page that is right passes as soon as it can."""
_POLLING_MS = 50
_SETTINGS: dict[str, dict[str, Any]] = {
    "@jupyterlab/apputils-extension/notification.jupyterlab-settings": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
    "@jupyterlab/docmanager-extension/plugin.jupyterlab-settings": {"autosave": False},
}
_STATUS_IS = """status => {
  const widget = window.jupyterapp?.shell.currentWidget;
  const kernel = widget?.sessionContext?.session?.kernel;
  // a message beside a cell lets the kernel look idle for a moment, never the cell
  const runs = widget?.content?.widgets?.some(({ model }) => model.executionState === 'running');
  return kernel?.connectionStatus === 'connected' && kernel.status === status
      && !(runs && status === 'idle');
}"""
_SELECT = """index => {
  const { content } = window.jupyterapp.shell.currentWidget;
  content.activeCellIndex = index;
  content.deselectAll();
}"""
_RUN = "window.jupyterapp.commands.execute('notebook:run-cell')"
_STATE = """() => {
  const widget = window.jupyterapp?.shell.currentWidget;
  const kernel = widget?.sessionContext?.session?.kernel;
  return {
    path: widget?.context?.path,
    kernel: kernel && [kernel.connectionStatus, kernel.status],
    waitsForInput: widget?.sessionContext?.pendingInput,
    cells: widget?.content?.widgets?.map(
      ({ model }) => [model.executionState, model.executionCount]
    ),
    dialogs: [...document.querySelectorAll('.jp-Dialog')].map(dialog => dialog.innerText),
    focus: document.activeElement?.className,
  };
}"""
_CLEAR = """async theme => {
  const { commands, restored, shell } = window.jupyterapp;
  if (!commands.hasCommand('filebrowser:activate')) return false;  // Notebook 7
  await restored;
  const launcher = widget => widget.node.querySelector('.jp-Launcher') !== null;
  for (const widget of [...shell.widgets('main')].filter(each => !launcher(each))) {
    if (widget.context) widget.context.model.dirty = false;  // or it asks whether to save
    widget.close();
  }
  if (document.body.dataset.jpThemeName !== theme) {
    await commands.execute('apputils:change-theme', { theme });
  }
  await commands.execute('filebrowser:activate');
  // an empty page opens a launcher after a moment: it must not come before the next notebook
  const clean = () => [...shell.widgets('main')].length === 1
    && shell.currentWidget !== null && launcher(shell.currentWidget)
    && !document.querySelector('.jp-Dialog, .jp-NotebookPanel, .cc-chooser')
    && document.body.dataset.jpThemeName === theme;
  for (let tries = 0; !clean() && tries < 40; tries++) {
    await new Promise(resolve => setTimeout(resolve, 25));
  }
  return clean();
}"""
_FIRST_THEME = "JupyterLab Light"


def clear_page(page: Page) -> bool:
    """Close all that is open in a page of JupyterLab; tell whether it is as it was once loaded."""
    if not page.evaluate("'jupyterapp' in window"):
        return False
    page.set_viewport_size(VIEWPORT)
    page.mouse.move(0, 0)
    cleared: bool = page.evaluate(_CLEAR, _FIRST_THEME)
    return cleared


@dataclass
class Lab:
    """A running JupyterLab."""

    url: str
    token: str
    root: Path
    """The folder it shows."""
    log: Path
    page: str = "lab/tree/"
    """Where it shows a notebook."""

    def write(self, name: str, cells: list[str]) -> Path:
        """Put a notebook with these code cells into the folder."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source) for source in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        )
        path = self.root / name
        nbformat.write(notebook, path)
        return path

    def call(self, method: str, path: str) -> Any:
        """Ask its REST interface."""
        request = urllib.request.Request(
            f"{self.url}api/{path}", method=method, headers={"Authorization": f"token {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            content = response.read()
        return json.loads(content) if content else None

    def end_kernels(self) -> None:
        """End every kernel, so that the next test finds none."""
        for session in self.call("GET", "sessions"):
            self.call("DELETE", f"sessions/{session['id']}")


@contextlib.contextmanager
def running_lab(
    home: Path, environment: Mapping[str, str], *, classic: bool = False
) -> Iterator[Lab]:
    """Start a JupyterLab whose folders are all in `home`; its kernels inherit `environment`.

    Parameters
    ----------
    classic
        Start Notebook 7 in its place.
    """
    root, runtime, log = home / "work", home / "runtime", home / "jupyter.log"
    root.mkdir(parents=True)
    for name, value in _SETTINGS.items():
        path = home / "settings" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value), encoding="utf-8")
    folders = {
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    token = f"t{os.urandom(8).hex()}"
    with log.open("wb") as out:
        server = subprocess.Popen(
            _command(root, token, classic=classic),
            env={**environment, **folders},
            cwd=home,  # jupyter-collaboration writes into the working directory
            stdout=out,
            stderr=out,
        )
    try:
        page = "notebooks/" if classic else "lab/tree/"
        yield Lab(_wait_ready(server, runtime, token, log), token, root, log, page)
    finally:
        server.terminate()
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _command(root: Path, token: str, *, classic: bool) -> list[str]:
    module, app = ("notebook", "JupyterNotebookApp") if classic else ("jupyterlab", "LabApp")
    command = [
        *(sys.executable, "-m", module, "--no-browser", "--ip=127.0.0.1", "--port=0"),
        f"--ServerApp.root_dir={root}",
        f"--IdentityProvider.token={token}",
        "--LabApp.news_url=",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        f"--{app}.expose_app_in_browser=True",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    return command


def _wait_ready(server: subprocess.Popen[bytes], runtime: Path, token: str, log: Path) -> str:
    """Return the URL once it answers; the port is read from its own file, never guessed."""
    info_file = runtime / f"jpserver-{server.pid}.json"
    deadline_s = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline_s and server.poll() is None:
        with contextlib.suppress(OSError, ValueError):
            url = str(json.loads(info_file.read_text(encoding="utf-8"))["url"])
            request = urllib.request.Request(
                f"{url}api/status", headers={"Authorization": f"token {token}"}
            )
            with urllib.request.urlopen(request, timeout=5):
                return url
        time.sleep(0.05)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text(errors='replace')[-4000:]}")


class LabNotebook:
    """A notebook open in the browser."""

    def __init__(self, lab: Lab, page: Page, path: Path) -> None:
        self._lab = lab
        self.page = page
        self.path = path

    def show(self) -> None:
        """Open it in the JupyterLab of the page, or load one, and wait for the kernel."""
        if not self.page.evaluate("'jupyterapp' in window"):
            self.open()
            return
        self.page.evaluate(
            "path => void window.jupyterapp.commands.execute('docmanager:open', { path })",
            self.path.name,
        )
        self._wait_until(
            "path => window.jupyterapp.shell.currentWidget?.context?.path === path", self.path.name
        )
        self.wait_for_status("idle")

    def open(self) -> None:
        """Load the page and wait for the kernel."""
        self.load()
        self.wait_for_status("idle")

    def load(self) -> None:
        """Load the page without waiting for the kernel, which may be busy."""
        name = quote(self.path.name)
        where = f"{self._lab.url}{self._lab.page}{name}?reset&token={self._lab.token}"
        self.page.goto(where)

    def wait_for_status(self, status: str) -> None:
        """Wait until the kernel is `idle` or `busy`."""
        self._wait_until(_STATUS_IS, status)

    def select(self, index: int) -> None:
        """Make a cell the active one."""
        self.page.evaluate(_SELECT, index)

    def start(self, index: int) -> None:
        """Run a cell without waiting for its end.

        In one step: JupyterLab removes an answered line to type in after half a second, and its
        cell then becomes the active one.
        """
        self.page.evaluate(f"index => {{ ({_SELECT})(index); void {_RUN}; }}", index)

    def run(self, index: int) -> None:
        """Run a cell to its end."""
        before = self.prompt(index)
        self.start(index)
        self._wait_until(
            """([index, before]) => {
              const cell = window.jupyterapp.shell.currentWidget.content.widgets[index].model;
              return cell.executionState !== 'running' && cell.executionCount !== null
                  && cell.executionCount !== before;
            }""",
            [index, before],
        )
        self.wait_for_status("idle")

    def _wait_until(self, condition: str, arg: object) -> None:
        """Wait until a function of the page returns true.

        Asked in each frame, as is the default, it makes the page draw all the time: 0.09 to 0.19 s
        of CPU for each second of waiting, against 0.02 to 0.03 s (blank page, 2026-11-30).
        """
        try:
            self.page.wait_for_function(condition, arg=arg, timeout=LIMIT_MS, polling=_POLLING_MS)
        except PageTimeoutError as error:
            error.add_note(f"The page: {self.page.evaluate(_STATE)}")
            raise

    def prompt(self, index: int) -> int | None:
        """Return the execution count of a cell."""
        count: int | None = self.page.evaluate(
            "i => window.jupyterapp.shell.currentWidget.content.widgets[i].model.executionCount",
            index,
        )
        return count

    def command(self, name: str) -> None:
        """Run one of JupyterLab's commands, as its menus do, and wait until it is done."""
        self.page.evaluate("name => window.jupyterapp.commands.execute(name)", name)

    def cell(self, index: int) -> Locator:
        """Return a cell as it is on screen."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def outputs(self, index: int) -> Locator:
        """Return the outputs of a cell as they are on screen."""
        return self.cell(index).locator(".jp-OutputArea-output")

    def saved(self) -> Any:
        """Save, and give what is in the file."""
        self.command("docmanager:save")
        return nbformat.read(self.path, as_version=4)

    def screenshot(self, path: Path, first: int, last: int, margin: int = 12) -> None:
        """Take a picture of the cells from `first` to `last`, as they are on screen."""
        boxes = [self.cell(index).bounding_box() for index in (first, last)]
        top, bottom = boxes
        assert top is not None
        assert bottom is not None
        self.page.screenshot(
            path=path,
            clip={
                "x": top["x"],
                "y": top["y"] - margin,
                "width": top["width"],
                "height": bottom["y"] + bottom["height"] - top["y"] + 2 * margin,
            },
        )


def settled(page: Page, check: Callable[[], None], limit_s: float = 60.0) -> None:
    """Run a check until it passes: a page that has changed is laid out some frames later."""
    end_s = time.monotonic() + limit_s
    while True:
        try:
            check()
        except AssertionError:
            if time.monotonic() > end_s:
                raise
            page.wait_for_timeout(100)
        else:
            return
