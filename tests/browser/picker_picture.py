"""Takes the README's pictures of the model picker: JupyterLab, light and dark.

It shows the package's own price table, and a list of models from the scripted provider; nothing is
asked of a model.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from browser.picture import THEMES, opened, save
from support.lab_harness import LAUNCH, running_lab
from support.private_environment import private_environment
from support.provider import KEY, Provider

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from support.lab_harness import Lab

CELLS = ["%load_ext cc_jupyter", "%cmd pick"]
VIEWPORT = {"width": 1000, "height": 860}


def main() -> None:
    """Write the pictures into the folder on the command line."""
    pictures = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder, Provider() as provider:
        home = Path(folder)
        environment = private_environment(home) | {
            "CMD_BASE_URL": provider.base_url,
            "CMD_API_KEY": KEY,
            "CMD_MODEL": "deepseek/deepseek-v4-flash",
        }
        with running_lab(home / "lab", environment) as lab, sync_playwright() as playwright:
            browser = playwright.chromium.launch(**LAUNCH)
            page = browser.new_page(viewport=VIEWPORT, device_scale_factor=1.5)
            for suffix, theme in THEMES.items():
                take_picker(lab, page, theme, pictures / f"picker{suffix}.png")
            browser.close()


def take_picker(lab: Lab, page: Page, theme: str, picture: Path) -> None:
    """Take the picker while a model is being looked for."""
    notebook = opened(lab, page, theme, "choosing.ipynb", CELLS)
    notebook.run(1)
    form = page.locator(".cc-picker .cc-form")
    expect(form).to_have_attribute("aria-busy", "false")
    expect(page.locator(".cc-option").first).to_be_visible()
    page.locator(".cc-picker").get_by_role("button", name="image", exact=True).click()
    page.get_by_role("combobox", name="Search models").fill("flash")
    page.keyboard.press("ArrowDown")
    # which the kernel writes
    expect(page.locator(".cc-picker code")).to_contain_text("glm-5.3-flash")
    save(page, picture)


if __name__ == "__main__":
    main()
