"""Judges of Markdown: renderers that let raw HTML through, and what they may put into a page.

nbconvert's own renderer (mistune), markdown-it as in VS Code, and JupyterLab's where Node and the
front end's packages are installed.
"""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

import markdown_it
from nbconvert.filters.markdown_mistune import markdown2html_mistune

from support import jupyterlab_markdown

VSCODE = markdown_it.MarkdownIt("js-default", {"html": True})
VSCODE.validateLink = lambda _: True
RENDERERS = {"nbconvert": markdown2html_mistune, "VS Code": VSCODE.render}
if jupyterlab_markdown.is_available():
    RENDERERS["JupyterLab"] = jupyterlab_markdown.render

SCRIPT = "<script>alert(1)</script>"
IMG = "<img src=x onerror=alert(1)>"
FRAGMENTS = [
    *("`", "``", "```\n", "```py\n", "~~~\n", "\n", "\n\n", "- ", "1. ", "> ", "    ", "  ", "| "),
    *("\\", "$", "$$", "<", "~", "*", "_", "[", "](", "!", "|-|-|\n", ": ", "\t", "\r", "---\n"),
    *("  ```\n", "   ```\n", "    ```\n", "\\begin{a}", "\\end{a}", "x", "https://x.example/"),
    *(SCRIPT, SCRIPT, IMG, "<x>", "[a](javascript:x)", "![a](https://x.example/p)", "<!--", "-->"),
    *("[r]: javascript:x\n", "[r]", "&#106;", "python", "a<b ", "mermaid", '" onclick=x '),
]
FRAGMENTS += [
    *("\\(", "\\)", "\\[", "\\]", "\\\\(", "\\\\)", "\\\\[", "\\\\]", "$x$", "$`", "`$", "$5 "),
    *("`\\begin{a}`", "`\\end{a}`", "`$$`", "\\begin{align}", "\\end{align}", "{", "}", "{a}", "%"),
    *(
        "@@0@@",
        "@@1@@",
        "&lt;",
        "&#60;",
        "&#x60;",
        "&nbsp;",
        "&#10;",
        "&#32;",
        "&",
        "`` ` ``",
        "`a`",
    ),
    *("~~", "__", "**", "***", "`*`", "\u2028", "\x0b", "\x0c", "\x1c", "\xa0", "* ", "+ ", "2. "),
    *(
        "# ",
        "===\n",
        "> - ",
        "- > ",
        "<https://x.example/`>",
        "<a@b.example>",
        "\\\n",
        "  \n",
        "![",
    ),
    *(
        "]:",
        "\\$",
        "\\`",
        "\\|",
        "\\\\",
        "1",
        ".",
        ">",
        "~~~\n",
        "````\n",
        "``````",
        "www.x.example/",
    ),
    *('[x]: https://x.example/ "t"\n', "http://", "- [ ] ", "&copy"),
]

ELEMENTS = {
    **dict.fromkeys(["p", "em", "strong", "del", "s", "blockquote", "hr", "br", "ul"], ""),
    **dict.fromkeys(["table", "thead", "tbody", "tr", "dl", "dt", "dd"], ""),
    **dict.fromkeys(["div", "span", "pre", "code", "li"], "class"),
    **dict.fromkeys(["h1", "h2", "h3", "h4", "h5", "h6"], "id"),
    **dict.fromkeys(["th", "td"], "style align"),
    "a": "href title class rel",
    "img": "src alt",
    "input": "class type checked disabled",
    "ol": "start",
}


class Judge(HTMLParser):
    """Collects from a page what no Markdown of ours may have put there."""

    def __init__(self) -> None:
        super().__init__()
        self.harm: list[str] = []

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            link = re.sub(r"[\x00-\x20]", "", value or "").lower()
            if name not in ELEMENTS.get(tag, "").split():
                self.harm.append(f"<{tag} {name}>")
            elif name == "src" and not link.startswith("data:image/png;base64,"):
                self.harm.append(f"image from {value}")
            elif name == "href" and re.match(r"(?!https?:|mailto:|tel:|ftp:)[\w+.-]+:", link):
                self.harm.append(f"link to {value}")
        if tag not in ELEMENTS:
            self.harm.append(f"<{tag}>")

    def handle_comment(self, data):
        self.harm.append("comment")

    handle_decl = handle_pi = unknown_decl = handle_comment


def harm(text):
    """Name what renderers that let raw HTML through would put into the page."""
    return [
        f"{name}: {each}" for name, render in RENDERERS.items() for each in harm_of(render(text))
    ]


def harm_of(html):
    """Name what a page holds that no Markdown of ours may have put there."""
    judge = Judge()
    judge.feed(html)
    judge.close()
    return judge.harm


class _Reader(HTMLParser):
    """Collects the text of a page, and that of its code."""

    def __init__(self):
        super().__init__()
        self.text = []
        self.code = []
        self._inside = 0

    def handle_starttag(self, tag, attrs):
        if tag in {"code", "pre"}:
            self._inside += 1
            self.code += [""] if self._inside == 1 else []

    def handle_endtag(self, tag):
        self._inside -= tag in {"code", "pre"}

    def handle_data(self, data):
        self.text.append(data)
        if self._inside:
            self.code[-1] += data


def visible(html):
    """Return the letters on a page without the blanks, and the code in order, with them."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    text = re.sub(r"[\s\xb6]+", "", "".join(reader.text))  # nbconvert adds a sign to headings
    return text, [code.strip("\n") for code in reader.code]


def formulas(html):
    """Return the formulas that MathJax finds in a page, as JupyterLab configures it (4.6.6).

    It reads the text between two tags at a time and leaves code alone.
    """
    found = []
    for text in re.split(
        r"<[^>]*>", re.sub(r"<(code|pre)\b.*?</\1>", "<code>", html, flags=re.DOTALL)
    ):
        found += [match[0] for match in _FORMULA.finditer(unescape(text))]
    return [formula for formula in found if not re.fullmatch(r"\\[\\$]", formula)]


_FORMULA = re.compile(
    r"\\[\\$]|\$\$.+?\$\$|\$(?:\\.|[^$\\])+\$|\\\(.+?\\\)|\\\[.+?\\\]"
    r"|\\begin\s*\{([^}]*)\}.*?\\end\s*\{\1\}|\\(?:eq)?ref\s*\{[^}]*\}",
    re.DOTALL,
)
