"""Takes the README's pictures: JupyterLab, `%%cmd` cells, the local model's own answers.

`make picture` runs it: `streaming.png` while an answer comes, `answer.png` when it is there.
Nothing in the pictures is staged but the prompts and the width.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

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
STREAMED = 2
"""The cell that is watched while its answer comes."""
VIEWPORT = {"width": 960, "height": 560}


def main() -> None:
    """Write the pictures into the folder on the command line."""
    folder_of_pictures = Path(sys.argv[1]).resolve()
    streaming, answer = (folder_of_pictures / f"{name}.png" for name in ("streaming", "answer"))
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
            for index in range(STREAMED):
                notebook.run(index)
            notebook.start(STREAMED)
            expect(notebook.outputs(STREAMED).first).to_contain_text("def")
            page.screenshot(path=streaming)
            notebook.wait_for_status("idle")
            notebook.select(len(CELLS) - 1)
            page.screenshot(path=answer)
            browser.close()
    for picture in (streaming, answer):
        print(f"{picture.name}: {picture.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
