"""Text for a terminal: what would steer it is shown, not obeyed.

Model output, names of tools and files, and providers' words all end on terminals. An escape
sequence among them could write the clipboard (OSC 52), retitle the window or hide text, so every
sink that may be a terminal passes its text through `safe_terminal`.
"""

from __future__ import annotations

import re

_BREAKS = re.compile("[\t\n\v\f\r\x85\u2028\u2029]+")
_VISIBLE: dict[int, str] = {
    **{code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"},
    0x7F: "\u2421",
    **{code: f"\\x{code:02x}" for code in range(0x80, 0xA0)},
    **{code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))},
    **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),
}


def safe_terminal(text: str) -> str:
    """Return text that moves no cursor: control characters are shown, not obeyed.

    Newlines and tabs stay, CRLF becomes a newline. Marks that turn the writing direction are
    shown as well, lone surrogates become U+FFFD.
    """
    return text.replace("\r\n", "\n").translate(_VISIBLE)


def safe_line(text: str) -> str:
    """Return text as one line for a terminal: line breaks and tabs become blanks."""
    return safe_terminal(_BREAKS.sub(" ", text))
