"""What no request can carry: a prompt without words, and halves of characters."""

from __future__ import annotations

import re

from cc_jupyter.errors import OptionError

_SURROGATE = re.compile("[\ud800-\udfff]")


def check_prompt(text: str, *, where_to: str) -> None:
    """Refuse a prompt that cannot be sent; `where_to` says where an empty one should be written.

    Raises
    ------
    OptionError
        It is empty, or holds half a character.
    """
    if not text.strip():
        raise OptionError("the prompt is empty", hint=where_to)
    check_characters(text)


def check_characters(text: str) -> None:
    """Refuse a text that UTF-8 cannot write.

    Raises
    ------
    OptionError
        It holds half a character; the message says where.
    """
    found = _SURROGATE.search(text)
    if found is not None:
        raise OptionError(
            f"character {found.start():,} of the prompt is half a character"
            f" (U+{ord(found[0]):04X}), which cannot be sent",
            hint="it comes from broken text; str.encode('utf-8', 'replace') mends it",
        )
