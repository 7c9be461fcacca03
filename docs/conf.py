"""Build the documentation site: `make docs`.

Everything comes from this checkout and from packages: no theme, font or script is fetched. The
notebooks are pages with the outputs that are saved in them; none is executed here.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

from cc_jupyter.core.version import __version__  # noqa: E402  found by the line above
from tools.reference_pages import write_reference  # noqa: E402

project = "cc_jupyter"
author = "the cc_jupyter authors"
release = version = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "alabaster"  # ships with Sphinx
html_theme_options = {
    "description": "Language models in a notebook",
    "fixed_sidebar": True,
    "font_family": "system-ui, sans-serif",
    "page_width": "1100px",
}
html_static_path = ["_static"]
html_show_sphinx = False
smartquotes = False  # `--option` keeps its dashes

nb_execution_mode = "off"
nb_mime_priority_overrides = [("html", "text/markdown", 0), ("html", "text/html", 1)]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
suppress_warnings = [
    "mystnb.unknown_mime_type",  # an output's own data, next to its text
    "misc.highlighting_failure",  # a `%%cmd` cell is a prompt, not Python
]

autodoc_typehints = "description"
autodoc_member_order = "bysource"
napoleon_google_docstring = False


def _write_pages() -> None:
    """Write the pages that are made from the program, and copy the notebooks and the changelog."""
    write_reference(HERE / "reference")
    pages = HERE / "notebooks"
    shutil.rmtree(pages, ignore_errors=True)
    shutil.copytree(ROOT / "notebooks", pages, ignore=shutil.ignore_patterns("*.py", "*.jsonl"))
    (HERE / "changelog.md").write_text(
        (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), encoding="utf-8"
    )


_write_pages()


def _link_notebooks(app: Sphinx, name: str, source: list[str]) -> None:  # noqa: ARG001  as Sphinx calls it
    """Let a guide's links to notebooks lead to their pages; in the checkout they lead to files."""
    source[0] = re.sub(
        r"\]\(\.\./\.\./notebooks/([\w-]+\.ipynb)\)", r"](../notebooks/\1)", source[0]
    )


def setup(app: Sphinx) -> None:
    """Connect what Sphinx calls while it reads the pages."""
    app.connect("source-read", _link_notebooks)
