"""Takes the README's picture of a prompt over the rows of a table.

The scripted provider answers by a word of the review: no model is judged by a picture.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from picture import THEMES, opened, save
from support.lab_harness import LAUNCH, running_lab
from support.private_environment import private_environment
from support.provider import KEY, Provider, openai_stream

MOODS = {"soup": "positive", "late": "negative", "chairs": "mixed"}
TABLE = """import pandas as pd
texts = ["Lovely soup.", "Cold, and two hours late.", "It was food. I liked the chairs."]
numbered = [f"Table {{n}}: {{texts[n % 3]}}" for n in range({0}, {0} + 400)]
reviews = pd.DataFrame({{"text": numbered}})"""
PREVIEW = """%%cmd --each reviews --preview 6 -> some: Literal["positive", "negative", "mixed"]
Which mood is this review? {{ text }}"""
ROWS = PREVIEW.replace("--preview 6 -> some", "-> labels")
CELLS = ["%load_ext cc_jupyter", TABLE, PREVIEW, ROWS, 'labels["value"].value_counts()']
VIEWPORT = {"width": 1000, "height": 720}


def main() -> None:
    """Write the pictures into the folder on the command line."""
    pictures = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder, Provider() as provider:
        provider.always(answer)
        home = Path(folder)
        environment = private_environment(home) | {
            "CMD_BASE_URL": provider.base_url,
            "CMD_API_KEY": KEY,
            "CMD_MODEL": "deepseek/deepseek-v4-flash",
        }
        with running_lab(home, environment) as lab, sync_playwright() as playwright:
            browser = playwright.chromium.launch(**LAUNCH)
            page = browser.new_page(viewport=VIEWPORT, device_scale_factor=1.5)
            for number, (suffix, theme) in enumerate(THEMES.items()):
                table = TABLE.format(1 + 400 * number)  # what is answered is not sent again
                cells = [CELLS[0], table, *CELLS[2:]]
                notebook = opened(lab, page, theme, "rows.ipynb", cells)
                for cell in range(1, len(CELLS)):
                    notebook.run(cell)
                notebook.select(3)
                page.locator(".jp-WindowedPanel-outer").evaluate("panel => panel.scrollTo(0, 0)")
                save(page, pictures / f"rows{suffix}.png")
            browser.close()


def answer(record):
    """Answer for a review."""
    review = record.json["messages"][-1]["content"]
    mood = next(mood for word, mood in MOODS.items() if word in review)
    return openai_stream([json.dumps({"value": mood})])


if __name__ == "__main__":
    main()
