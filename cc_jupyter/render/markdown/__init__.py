"""The one door from a model's text to a screen: read once, written in a canonical form.

An output of one's own cell is trusted: JupyterLab puts raw HTML of its Markdown into the page and
runs the scripts in it, and the renderers (marked in JupyterLab, markdown-it in VS Code, mistune in
nbconvert) disagree on what is code, a formula or HTML. So the text is parsed here (`parser`) and
its tokens are written again, either as Markdown that all renderers read alike (`canonical`) or as
HTML (`page`). `stream` splits an answer that is still arriving into blocks, `reuse` puts the
finished answer together from them.

The parser is imported on first use, or by `preload` while a request is under way: it takes 50 ms.
A token that a writer does not know makes the whole text plain, escaped text.
"""

from __future__ import annotations

from cc_jupyter.core.collector import paused_collector


def safe_markdown(text: str, *, allow_remote_images: bool = False) -> str:
    """Return canonical Markdown that shows the same and can do no harm, wherever it is rendered.

    Parameters
    ----------
    allow_remote_images
        Whether images from the web stay images; loading one tells its server that it was read.
    """
    from cc_jupyter.render.markdown import canonical, parser, tokens  # noqa: PLC0415  see above

    with paused_collector():
        try:
            read = parser.parse(text)
            return canonical.write(read, len(text), remote_images=allow_remote_images)
        except tokens.UnknownTokenError:
            return canonical.write_plain(text)


def safe_html(text: str, *, allow_remote_images: bool = False) -> str:
    """Return the same as HTML, with the same treatment of links, images and formulas."""
    from cc_jupyter.render.markdown import page, parser, tokens  # noqa: PLC0415  see above

    with paused_collector():
        try:
            read = parser.parse(text)
            return page.write(read, len(text), remote_images=allow_remote_images)
        except tokens.UnknownTokenError:
            return page.write_plain(text)


def preload() -> None:
    """Import the parser now, while the cell waits for the network anyway."""
    from cc_jupyter.render.markdown import canonical, parser  # noqa: F401, PLC0415  see above
