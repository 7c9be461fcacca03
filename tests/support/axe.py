"""Runs axe-core over parts of a page, in both of JupyterLab's themes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect

import cc_jupyter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

AXE = Path(cc_jupyter.__file__).parents[1] / "labextension/node_modules/axe-core/axe.min.js"
THEMES = ("JupyterLab Light", "JupyterLab Dark")
_CHOOSE = "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })"
_FAULTS = """async selectors => {
  const { violations } = await axe.run(
    { include: selectors.map(each => [each]) }, { resultTypes: ['violations'] });
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html)]);
}"""


def each_theme(page: Page) -> Iterator[str]:
    """Show the page in one theme after the other."""
    for theme in THEMES:
        page.evaluate(_CHOOSE, theme)
        expect(page.locator("body")).to_have_attribute("data-jp-theme-name", theme)
        yield theme


def serious_faults(page: Page, *selectors: str) -> list[object]:
    """Return what axe-core calls serious or critical in parts of a page, which must be there."""
    for selector in selectors:
        expect(page.locator(selector).locator("visible=true").first, selector).to_be_visible()
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[object] = page.evaluate(_FAULTS, list(selectors))
    return found
