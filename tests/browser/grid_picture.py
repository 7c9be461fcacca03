"""Takes the README's picture of a grid: three models side by side.

The scripted provider answers, and says so: no model is judged by a picture.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from picture import THEMES, opened, save
from support.lab_harness import LAUNCH, running_lab
from support.private_environment import private_environment
from support.provider import KEY, Provider, anthropic_stream, openai_stream, tokens

MODELS = ("claude-haiku-5-5", "deepseek/deepseek-v4-flash", "deepseek/deepseek-v4-pro")
GRID = f"""%%cmd -m {",".join(MODELS)} --check "len(answer) < 200" -> g
Explain rain to a ten-year-old in two sentences."""
CELLS = ["%load_ext cc_jupyter", GRID, "g.summary()"]
TEXTS = {
    MODELS[0]: "This is the **scripted provider**, not a model. Rain is water that falls from"
    " clouds when their drops become too heavy to float.",
    MODELS[1]: "This is the **scripted provider**, not a model.\n\n1. The sun turns water into"
    " vapour.\n2. It cools down high in the sky, gathers in clouds and falls as rain.\n\nThat is"
    " more than two sentences, so the check fails.",
    MODELS[2]: "This is the **scripted provider**, not a model. Rain is the sky giving back the"
    " water that the sun took from rivers and seas.",
}
VIEWPORT = {"width": 1000, "height": 620}


def main() -> None:
    """Write the pictures into the folder on the command line."""
    pictures = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder, Provider() as provider:
        provider.always(answer)
        home = Path(folder)
        environment = private_environment(home) | {
            "CMD_BASE_URL": provider.base_url,
            "CMD_API_KEY": KEY,
            "CMD_MODEL": MODELS[1],
        }
        with running_lab(home, environment) as lab, sync_playwright() as playwright:
            browser = playwright.chromium.launch(**LAUNCH)
            page = browser.new_page(viewport=VIEWPORT, device_scale_factor=1.5)
            for suffix, theme in THEMES.items():
                notebook = opened(lab, page, theme, "comparing.ipynb", CELLS)
                notebook.run(1)
                notebook.run(2)
                notebook.select(1)
                page.locator(".jp-WindowedPanel-outer").evaluate("panel => panel.scrollTo(0, 0)")
                save(page, pictures / f"grid{suffix}.png")
            browser.close()


def answer(record):
    """Answer for a model, on the wire that is asked."""
    model = record.json["model"]
    stream = anthropic_stream if record.path.endswith("/messages") else openai_stream
    return stream(tokens(TEXTS[model]), pause_s=0.01)


if __name__ == "__main__":
    main()
