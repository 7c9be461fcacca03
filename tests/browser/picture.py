"""Takes the README's picture: JupyterLab, a `%%cmd` cell, the local model's own answer.

`make picture` runs it. Nothing in the picture is staged but the prompt and the width.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from lab_harness import LAUNCH, LabNotebook, running_lab
from private_environment import private_environment

from cc_jupyter import local

CELLS = [
    "%load_ext cc_jupyter",
    "%%cmd\nIn one sentence: what is a Jupyter notebook?",
    "%%cmd -> code\nWrite a short Python function that adds two numbers.",
    "",
]
SHOWN = range(3)
"""The cells that are run; the last one only takes the cursor away from them."""
VIEWPORT = {"width": 960, "height": 560}


def main() -> None:
    """Write the picture to the path on the command line."""
    target = Path(sys.argv[1]).resolve()
    target.parent.mkdir(exist_ok=True)
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
            notebook = LabNotebook(lab, page, lab.write("first-steps.ipynb", CELLS))
            notebook.open()
            notebook.command("application:toggle-left-area")
            for index in SHOWN:
                notebook.run(index)
            notebook.select(len(CELLS) - 1)
            page.screenshot(path=target)
            browser.close()
    print(f"{target.name}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
