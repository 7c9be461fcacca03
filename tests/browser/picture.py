"""Takes the README's pictures: JupyterLab, `%%cmd` cells, the local model's own answers.

`make picture` runs it: `streaming` while an answer comes, `answer` when some are there, each in the
light theme and in the dark one. Nothing in them is staged but the prompts and the width.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.lab_harness import LAUNCH, Lab, LabNotebook, running_lab
from support.private_environment import private_environment

from cc_jupyter.client.local import model as local

if TYPE_CHECKING:
    from playwright.sync_api import Page

STREAMING = [
    "%load_ext cc_jupyter",
    "%%cmd\nHow do I read a CSV file in Python? Show the code first, then explain it.",
    "",
]
ANSWERS = [
    "%load_ext cc_jupyter",
    "%%cmd\nIn one sentence: what is a Jupyter notebook?",
    "%%cmd -> code\nWrite a short Python function that adds two numbers.",
    "",
]
SHOWN_CHARACTERS = 330
"""So much of the streamed answer is there when its picture is taken."""
THEMES = {"": "JupyterLab Light", "-dark": "JupyterLab Dark"}
VIEWPORT = {"width": 960, "height": 560}
CHOOSE = "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })"


def main() -> None:
    """Write the pictures into the folder on the command line."""
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
            page = browser.new_page(viewport=VIEWPORT, device_scale_factor=1.5)
            for suffix, theme in THEMES.items():
                take_streaming(lab, page, theme, pictures / f"streaming{suffix}.png")
                take_answers(lab, page, theme, pictures / f"answer{suffix}.png")
            browser.close()


def opened(lab: Lab, page: Page, theme: str, name: str, cells: list[str]) -> LabNotebook:
    """Return a new notebook, alone on the screen, with the extension loaded."""
    lab.end_kernels()
    notebook = LabNotebook(lab, page, lab.write(name, cells))
    notebook.open()
    page.evaluate(CHOOSE, theme)
    expect(page.locator("body")).to_have_attribute("data-jp-theme-name", theme)
    if page.locator("#jp-left-stack").is_visible():
        notebook.command("application:toggle-left-area")
    notebook.run(0)
    return notebook


def take_streaming(lab: Lab, page: Page, theme: str, picture: Path) -> None:
    """Take an answer while it comes."""
    notebook = opened(lab, page, theme, "streaming.ipynb", STREAMING)
    notebook.start(1)
    page.wait_for_function(
        """most => [...document.querySelectorAll('.jp-OutputArea-output')]
             .reduce((sum, output) => sum + output.innerText.length, 0) >= most""",
        arg=SHOWN_CHARACTERS,
    )
    save(page, picture)
    notebook.wait_for_status("idle")


def take_answers(lab: Lab, page: Page, theme: str, picture: Path) -> None:
    """Take two answers that are there."""
    notebook = opened(lab, page, theme, "first-steps.ipynb", ANSWERS)
    for index in range(1, len(ANSWERS) - 1):
        notebook.run(index)
    notebook.select(len(ANSWERS) - 1)
    save(page, picture)


def save(page: Page, picture: Path) -> None:
    """Write what is on the screen, and say how large that is."""
    page.screenshot(path=picture)
    print(f"{picture.name}: {picture.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
