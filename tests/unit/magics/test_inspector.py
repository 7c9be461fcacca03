"""What Shift-Tab shows on our lines; the cursor stands at the `|`."""

from __future__ import annotations

import pytest

from cc_jupyter.magics.inspector import CmdInspector, help_at


def shown(text: str) -> str | None:
    return help_at(text.replace("|", ""), text.index("|"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%%cmd --te|mperature 0.3\nhello", "--temperature"),
        ("%%cmd -t|\nhello", "--temperature"),
        ("%%cmd --temperature 0.|3\nhello", "--temperature"),
        ("%%cmd --temperature=0.|3\nhello", "--temperature"),
        ("x = 1\ny = %cmd ask --onc|e hello", "--once"),
        ("%cmd use| kimi", "%cmd use MODEL"),
        ("%cmd use kim|i", "%cmd use MODEL"),
        ("for x in y:\n    %cmd rewi|nd 2", "%cmd rewind [N]"),
    ],
)
def test_the_help_of_the_option_or_command_at_the_cursor(text, expected):
    assert expected in (shown(text) or "")


@pytest.mark.parametrize(
    "text",
    [
        "%%c|md --temp 0.3\nhello",
        "%%cmd --temperature 0.3\nhel|lo --once",
        "%%cmd --temperature 0.3 plai|n",
        "%cmd usse| kimi",
        "len|([1])\n%cmd use kimi",
    ],
)
def test_everything_else_is_left_to_the_kernel(text):
    assert shown(text) is None


class Kernel:
    def do_inspect(self, code, cursor_pos, detail_level=0):
        return ("the kernel", code, cursor_pos, detail_level)


class Shell:
    def __init__(self):
        self.kernel = Kernel()


def test_the_kernel_is_wrapped_and_restored():
    shell = Shell()
    inspector = CmdInspector(shell)
    inspector.add()
    assert shell.kernel.do_inspect("%%cmd --once", 8)["data"]["text/plain"].startswith("--once")
    assert shell.kernel.do_inspect("len", 3, detail_level=1) == ("the kernel", "len", 3, 1)
    inspector.remove()
    assert vars(shell.kernel) == {}
