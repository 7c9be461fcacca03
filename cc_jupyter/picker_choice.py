"""What was chosen in the model picker: as code, so that a re-run needs no clicks, and as text.

The commands and settings are those a user types; nothing here runs them.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from cc_jupyter.conversation.thread import DEFAULT_THREAD

_VARIABLE = "system_prompt"
_PLAIN_ID = re.compile(r"[\w./:@+-]+")


@dataclass(frozen=True, slots=True)
class Choice:
    """A model and what goes with it; `None` and empty leave a thing as it is."""

    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    effort: str | None = None
    system: str = ""
    thread: str = ""


def code_cells(choice: Choice) -> list[str]:
    """Give the cells that make the same choice; none without a model.

    A system prompt belongs to a turn of its thread, so it comes in a `%%cmd` cell of its own, whose
    prompt is left to the user.
    """
    if choice.model is None:
        return []
    lines = [f"%cmd use {choice.model}"]
    if not _PLAIN_ID.fullmatch(choice.model):  # a list may hold anything, and this is code
        lines = [f"%config CmdMagics.model = {choice.model!r}"]
    for name in ("temperature", "max_tokens", "effort"):
        value = getattr(choice, name)
        if value is not None:
            lines.append(f"%config CmdMagics.{name} = {value!r}")
    if choice.thread not in ("", DEFAULT_THREAD):
        lines.append(f"%cmd thread {choice.thread}")
    if not choice.system:
        return ["\n".join(lines)]
    quoted = _quoted(choice.system)
    if quoted is None:  # an option line is one line, and takes `{{ }}` for an expression
        lines.append(f"{_VARIABLE} = {choice.system!r}")
        quoted = f'"{{{{ {_VARIABLE} }}}}"'
    return ["\n".join(lines), f"%%cmd -s {quoted}\n"]


def plain_form(headline: str, choice: Choice, remark: str) -> dict[str, str]:
    """Give what a saved notebook shows: no script, no widget, nothing that could be missing."""
    code = "\n\n".join(code_cells(choice))
    shown = f"<pre><code>{html.escape(code)}</code></pre>" if code else ""
    return {
        "text/plain": "\n".join(filter(None, (f"{headline} ({remark})", code))),
        "text/html": f"<div><strong>{html.escape(headline)}</strong>"
        f" <small>({html.escape(remark)})</small>{shown}</div>",
    }


def _quoted(text: str) -> str | None:
    """Give a text as a word of the option line; `None`: it cannot be one."""
    if "{{" in text or any(ord(char) < ord(" ") or char in "\x7f\x85\u2028\u2029" for char in text):
        return None
    return next((f"{quote}{text}{quote}" for quote in "\"'" if quote not in text), None)
