"""Takes the README's moving picture: a prompt, its answer, a version undone, a fork in the panel.

`make picture` runs it. What moves is JupyterLab as it is, answered by the local model; only the
lines under the picture are put there.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from browser.picture import opened
from support.lab_harness import LAUNCH, LabNotebook, running_lab
from support.private_environment import private_environment

from cc_jupyter.client.local import model as local

if TYPE_CHECKING:
    from playwright.sync_api import Page

VIEWPORT = {"width": 980, "height": 560}
CELLS = [
    "%load_ext cc_jupyter",
    "%%cmd -t 1 --max-tokens 60\nIn two sentences: what is a **notebook**?",
    "",
]
_LINE_PX = 30
_COLORS = 96
_SLOW_MS, _FAST_MS = 2600, 400
IDLE = """() => window.jupyterapp.shell.currentWidget.content.widgets[1].model.executionState
    !== 'running'"""


class Film:
    """Pictures with a line of text each, and how long each is to be seen."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._frames: list[Image.Image] = []
        self._shown_ms: list[int] = []

    def take(self, line: str, shown_ms: int = _SLOW_MS) -> None:
        """Take the page as it is."""
        shot = Image.open(io.BytesIO(self._page.screenshot())).convert("RGB")
        frame = Image.new("RGB", (shot.width, shot.height + _LINE_PX), "#1f2933")
        frame.paste(shot, (0, 0))
        font = ImageFont.load_default(size=16)
        ImageDraw.Draw(frame).text((14, shot.height + 5), line, "#ffffff", font)
        self._frames.append(frame)
        self._shown_ms.append(shown_ms)

    def save(self, path: Path) -> None:
        """Write the moving picture."""
        first, *others = [
            frame.quantize(_COLORS, dither=Image.Dither.NONE) for frame in self._frames
        ]
        first.save(
            path,
            save_all=True,
            append_images=others,
            duration=self._shown_ms,
            loop=0,
            optimize=True,
        )


def main() -> None:
    """Write the picture into the folder on the command line."""
    pictures = Path(sys.argv[1]).resolve()
    weights = local.weights_path()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        environment = private_environment(home) | {"CMD_BASE_URL": "local"}
        cache = Path(environment["CMD_JUPYTER_HOME"]) / "cache"
        cache.mkdir(parents=True)
        (cache / weights.name).symlink_to(weights)
        with running_lab(home, environment) as lab, sync_playwright() as playwright:
            browser = playwright.chromium.launch(**LAUNCH)
            page = browser.new_page(viewport=VIEWPORT)
            take_tour(opened(lab, page, "JupyterLab Light", "tour.ipynb", CELLS), Film(page)).save(
                pictures / "tour.gif"
            )
            browser.close()


def take_tour(notebook: LabNotebook, film: Film) -> Film:
    """Do what the README says, one step after the other."""
    page = notebook.page
    notebook.select(1)
    film.take("1  A cell that begins with %%cmd is a prompt, and looks like one.")
    for answer in (1, 2):
        notebook.start(1)
        status = page.locator(".cc-status")
        line = "2  The answer streams in, and the status bar counts."
        while not page.evaluate(IDLE):
            page.wait_for_timeout(400)
            film.take(line if answer == 1 else "3  Run again: another answer.", _FAST_MS)
        expect(status).to_contain_text("out")
        page.wait_for_timeout(800)
        line = "2  Under it stands what it took, here and for the notebook."
        film.take(line if answer == 1 else "3  Another answer. Worse?")
    press(notebook, 1, "p")
    page.wait_for_timeout(800)
    film.take("4  One key, P, brings the one before back: here, in the thread and in the file.")
    notebook.command("cc-jupyter:show-panel")
    page.wait_for_timeout(1200)
    film.take("5  The panel shows the conversation as a tree; from each turn you can fork.")
    tree = page.locator("#cc-jupyter-panel")
    turn = tree.get_by_role("treeitem").nth(1)
    turn.click()
    tree.get_by_role("button", name="Fork from here…", exact=True).first.click()
    page.locator(".jp-Dialog input").fill("bolder")
    film.take("5  The panel shows the conversation as a tree; from each turn you can fork.")
    page.locator(".jp-Dialog .jp-mod-accept").click()
    page.wait_for_timeout(1200)
    film.take("6  The next cell goes on in the fork; what was said is shared, and costs nothing.")
    return film


def press(notebook: LabNotebook, index: int, key: str) -> None:
    """Press a key at a cell, in command mode."""
    notebook.select(index)
    notebook.page.evaluate(
        """() => {
          const { content } = window.jupyterapp.shell.currentWidget;
          content.mode = 'command';
          content.activate();
        }"""
    )
    notebook.page.keyboard.press(key)


if __name__ == "__main__":
    main()
