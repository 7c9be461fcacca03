"""Answer Shift-Tab on our lines: the help of the option or the command at the cursor.

A kernel looks at the Python name at the cursor, and `--temp` is none. So the kernel's own method is
wrapped, and asked about everything that is not ours.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


_LINE = re.compile(r"[ \t]*%%?cmd(?=\s|$)|(?:[^'\"#%]*=)?[ \t]*%cmd(?=\s|$)")
_METHOD = "do_inspect"


class CmdInspector:
    """Wraps `do_inspect` of a kernel; a shell without a kernel has nothing to wrap.

    Neither has xeus-python, which answers an inspection without a method of this name.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        kernel = getattr(shell, "kernel", None)
        self._kernel = kernel if hasattr(kernel, _METHOD) else None

    def add(self) -> None:
        """Wrap the kernel's method."""
        if self._kernel is not None:
            setattr(self._kernel, _METHOD, self.inspect)

    def remove(self) -> None:
        """Restore the kernel's method, unless somebody else has wrapped ours."""
        if self._kernel is not None and vars(self._kernel).get(_METHOD) == self.inspect:
            delattr(self._kernel, _METHOD)

    def inspect(self, code: str, cursor_pos: int, *args: Any, **options: Any) -> Any:  # noqa: ANN401  the kernel's
        """Return the reply to an `inspect_request`."""
        text = help_at(code, cursor_pos) if "%cmd" in code else None
        if text is None:
            kernel: Any = type(self._kernel)
            return kernel.do_inspect(self._kernel, code, cursor_pos, *args, **options)
        return {"status": "ok", "found": True, "data": {"text/plain": text}, "metadata": {}}


def help_at(code: str, cursor_pos: int) -> str | None:
    """Return the help on the option or command at a position; `None`: there is none."""
    from cc_jupyter.commands.registry import BY_NAME, help_text  # noqa: PLC0415  loading is light
    from cc_jupyter.prompt.options import OPTIONS  # noqa: PLC0415  as above

    start = code.rfind("\n", 0, cursor_pos) + 1
    line = code[start:].partition("\n")[0]
    head = _LINE.match(line)
    if head is None:
        return None
    words = [(each.start(), each[0]) for each in re.finditer(r"\S+", line)]
    before = [word for at, word in words if at <= cursor_pos - start]
    if not before or cursor_pos - start < head.end():
        return None  # IPython has the help of the magics themselves
    options = {name: spec for spec in OPTIONS for name in spec.names}
    for word in (before[-1], *before[-2:-1]):  # an option, or the one whose value this is
        spec = options.get(word.partition("=")[0])
        if spec is not None and (word == before[-1] or spec.metavar is not None):
            return f"{spec.usage}\n\n{spec.help}"
    command = re.split(r"\s+", line[head.end() :].strip())[0]
    is_line = not head[0].lstrip().startswith("%%")
    return help_text(command) if is_line and command in BY_NAME else None
