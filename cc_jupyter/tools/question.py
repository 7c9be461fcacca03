"""What the user reads before a call runs: the function, every argument in full, the answers.

Two forms with the same content: HTML without scripts, in inline styles that JupyterLab keeps in
untrusted notebooks, and plain text for terminals.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from cc_jupyter.core.escaping import page_html
from cc_jupyter.core.terminal import safe_line, safe_terminal
from cc_jupyter.tools.call_source import call_source
from cc_jupyter.tools.consent import MEANINGS

if TYPE_CHECKING:
    from cc_jupyter.tools.consent import Question

_BOX = "border: 1px solid rgba(128, 128, 128, 0.6); padding: 8px 10px; margin: 8px 0"
_SOURCE = "white-space: pre-wrap; overflow-wrap: anywhere; margin: 8px 0"
_SMALL = "font-size: 85%; overflow-wrap: break-word"


def question_html(question: Question) -> str:
    """Return a question for a page; all of it is escaped."""
    title, small, source, complaint = _parts(question)
    warning = f"<div><strong>{page_html(complaint)}</strong></div>" if complaint else ""
    keys = "<br>".join(f"<strong>{key}</strong> {page_html(meaning)}" for key, meaning in MEANINGS)
    return (
        f'<div role="group" aria-label="{html.escape(title)}" style="{_BOX}">'
        f"<div><strong>{page_html(title)}</strong></div>"
        f'<div style="{_SMALL}">{page_html(small)}</div>'
        f'<pre style="{_SOURCE}">{page_html(source)}</pre>'
        f'{warning}<div style="{_SMALL}">{keys}</div></div>'
    )


def question_text(question: Question) -> str:
    """Return a question as plain text, safe for terminals."""
    title, small, source, complaint = _parts(question)
    keys = "\n".join(f"  {key}  {meaning}" for key, meaning in MEANINGS)
    lines = [title, small, "", source, "", *([complaint] if complaint else []), keys]
    return safe_terminal("\n".join(lines))


def _parts(question: Question) -> tuple[str, str, str, str]:
    """Return the title, a line on the function and the place, the call, and a complaint."""
    tool, arguments = question.tool, question.arguments
    small = [
        f"{tool.name} in {tool.place}",
        *(["it changes nothing, says its decorator"] if tool.reads_only else []),
        str(question.place),
    ]
    source = safe_terminal(call_source(tool.name, arguments.given))
    if left := tool.defaults_left(arguments.given):
        defaults = call_source("", left)[1:-1].strip().rstrip(",")
        source += f"\n# by default: {safe_line(defaults)}"
    title = f"The model asks to run {tool.name}"
    if question.changed:
        title += ", with your arguments"
    return title, " · ".join(map(safe_line, small)), source, safe_terminal(question.complaint)
