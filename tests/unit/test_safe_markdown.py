"""Model output is text: what reaches a page can do no harm, and code stays to the letter."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cc_jupyter.render.safe import safe_markdown, safe_terminal

mistune = pytest.importorskip("mistune")
RENDER = mistune.create_markdown(
    escape=False, plugins=["table", "strikethrough", "url", "task_lists"]
)

SCRIPT = "<script>alert(1)</script>"
IMG = "<img src=x onerror=alert(1)>"
ATTACKS = [
    SCRIPT,
    IMG,
    f"text {IMG} text",
    f"`` ` ``{SCRIPT}",
    f"\\`{SCRIPT}\\`",
    f"a ` b\n` {SCRIPT} `",
    f"- a ` b {SCRIPT}\n- c ` d",
    f"| a | b |\n|---|---|\n| ` | {SCRIPT} | ` |",
    f"- ```\n{SCRIPT}\n```",
    f"- a\n  ```\n{SCRIPT}\n  ```",
    f"> ```\n{SCRIPT}",
    f"para\n    ```\n    {SCRIPT}",
    f"```\ncode\n```\n{SCRIPT}",
    f"~~~\n```\n~~~\n{SCRIPT}",
    f"````\n```\n````\n{SCRIPT}",
    f"<!-- -->{SCRIPT}",
    f"<![CDATA[>{SCRIPT}]]>",
    "<svg/onload=alert(1)>",
    "<iframe src=javascript:alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x]( javascript:alert(1))",
    "[x](<javascript:alert(1)>)",
    "[x](java\tscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](&#x6A;avascript:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](file:///etc/passwd)",
    "[x][y]\n\n[y]: javascript:alert(1)",
    "[y]\n\n[y]: <javascript:alert(1)>",
    "<javascript:alert(1)>",
    "![x](javascript:alert(1))",
    "![x](data:image/svg+xml;base64,PHN2Zz4=)",
    "![beacon](https://evil.example/p.png)",
    "![beacon](//evil.example/p.png)",
    "![beacon][ref]\n\n[ref]: https://evil.example/p.png",
    "![ref]\n\n[ref]: https://evil.example/p.png",
    "[![beacon](https://evil.example/p.png)](https://x.example)",
]
HARMLESS = [
    "a < b and c > d",
    "I <3 you",
    "x <= y, 1 << 2",
    "`List<String>` and `a<b>`",
    "```cpp\n#include <stdio.h>\n```",
    "```html\n<div class='x'>\n  <script>f()</script>\n</div>\n```",
    "~~~xml\n<a/>\n~~~",
    "1. one\n   ```java\n   List<String> a;\n   ```",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "[docs](https://docs.python.org/3/)",
    "[mail](mailto:a@b.example)",
    "**bold** _it_ ~~no~~ `x`",
    "Formula $a^2 + b^2$ and $$\\int_0^1 x\\,dx$$",
    "- [ ] todo\n- [x] done",
    "> quote\n> more",
    "Emoji 🎉 and U+2028 \u2028 and é",
    "# Head\n\ntext",
]
_ELEMENT = re.compile(r"<\s*/?\s*([a-zA-Z][\w-]*)([^>]*)>")
_PLAIN = {
    *("p", "a", "em", "strong", "del", "code", "pre", "ul", "ol", "li", "br", "hr", "input"),
    *(
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "blockquote",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    ),
}


def harm(text):
    """Name what a renderer that lets raw HTML through would put into the page."""
    page = RENDER(text)
    for found in _ELEMENT.finditer(page):
        name, attributes = found[1].lower(), found[2].lower()
        if name not in _PLAIN:
            return found[0]
        if re.search(r"\bon\w+\s*=", attributes):
            return found[0]
        link = re.search(r'(?:href|src)\s*=\s*"([^"]*)', attributes)
        if link and re.match(r"\s*(?:javascript|vbscript|data|file)\s*:", link[1]):
            return found[0]
    return None


@pytest.mark.parametrize("attack", ATTACKS)
def test_model_output_is_text_no_html_of_the_model_survives(attack):
    assert harm(safe_markdown(attack)) is None


def test_the_check_itself_finds_harm():
    found = [attack for attack in ATTACKS if harm(attack)]
    assert len(found) > len(ATTACKS) // 2


@pytest.mark.parametrize("sample", HARMLESS)
def test_what_does_no_harm_stays_to_the_letter(sample):
    assert safe_markdown(sample) == sample


def test_an_image_from_the_web_becomes_a_link():
    text = "see ![a cat](https://cats.example/1.png) here"
    assert safe_markdown(text) == "see [image: a cat](https://cats.example/1.png) here"
    assert safe_markdown(text, allow_remote_images=True) == text


FRAGMENTS = [
    *("`", "``", "```", "~~~", "\n", "\n\n", "- ", "1. ", "> ", "    ", "  ", "| ", "\\", "$", "<"),
    *(SCRIPT, IMG, "[a](javascript:x)", "![a](https://x.example/p)", "[r]: javascript:x", "text "),
    *("&#106;", "[x]", "<!--", "-->", "\t", "python", "a<b "),
]


@settings(deadline=None, max_examples=600)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=25).map("".join))
def test_no_mixture_of_marks_lets_an_element_through(text):
    assert harm(safe_markdown(text)) is None


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_taken(text):
    safe_markdown(text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", safe_terminal(text))


def test_escape_codes_of_a_terminal_are_shown_not_obeyed():
    assert safe_terminal("a\x1b[31mred\x07\r\nb\tc") == "a␛[31mred␇\nb\tc"
