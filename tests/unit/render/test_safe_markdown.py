r"""Model output is text: what reaches a page can do no harm, and code stays to the letter.

The judges are renderers that let raw HTML through: nbconvert's own, markdown-it as in VS Code, and
JupyterLab's, which cuts formulas out before marked reads the rest and puts them back after.
"""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.markdown_judges import (
    FRAGMENTS,
    IMG,
    RENDERERS,
    SCRIPT,
    harm,
    harm_of,
    visible,
)

from cc_jupyter.core.terminal import safe_terminal
from cc_jupyter.render.markdown import safe_html, safe_markdown
from cc_jupyter.render.markdown.stream import Blocks

TAGS = [
    SCRIPT,
    IMG,
    f"text {IMG} text",
    f"# {IMG}",
    f"- {IMG}",
    f"> {IMG}",
    f"| a |\n|---|\n| {IMG} |",
    f"**{IMG}**",
    f"[{IMG}](https://x.example)",
    f"<!-- -->{SCRIPT}",
    "<!--\n\ntext",
    "<!DOCTYPE html>",
    "<?php echo 1 ?>",
    f"<![CDATA[>{SCRIPT}]]>",
    "</p>",
    "<svg/onload=alert(1)>",
    "<ScRiPt>alert(1)</sCrIpT>",
    "<iframe src=javascript:alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<base href=//evil.example>",
    "<style>*{display:none}</style>",
    "<form action=//evil.example><input name=x></form>",
    "<x onclick=alert(1)\nid=y>",
    f"\\{SCRIPT}",
    f"\\\\{SCRIPT}",
    f"&lt;b>{IMG}",
    f"term\n: {IMG}",
    f"\x0b{SCRIPT}\u2028{IMG}",
    f"a\r{SCRIPT}\r\n{IMG}",
]
CODE_THAT_IS_NONE = [
    f"`` ` ``{SCRIPT}",
    f"\\`{SCRIPT}\\`",
    f"\\``a`{SCRIPT}`",
    f"`` a `{SCRIPT}`",
    f"a ` b\n` {SCRIPT} `",
    f"a `\n\n` {SCRIPT} `",
    f"- a ` b {SCRIPT}\n- c ` d",
    f"- a\n      `\n\n  `{SCRIPT}`",
    f"| a | b |\n|---|---|\n| ` | {SCRIPT} | ` |",
    f"| a | b |\n|---|---|\n| ` | ` `{SCRIPT}` |",
    f"h\n:-\n`{IMG}|x`",
    f"[a](https://x.example/`) ` `{SCRIPT}`",
    f"[a](<`> `b`) `{SCRIPT}`",
    f'[a](b "`") ` `{SCRIPT}`',
    f"<`x@c.example> `{SCRIPT}`",
    f"https://x.example/`{SCRIPT}`",
    f"~~a `~~ {SCRIPT}`",
    f"~``{SCRIPT}``",
    f"*``{SCRIPT}*``",
    f"[`{SCRIPT}`\n`",
    f"$`$ ` `{SCRIPT}`",
    f"`\\begin{{x}}` \\end{{x}}`{SCRIPT}`",
    f"`a\x0b{SCRIPT}`\n: d",
    f"- ```\n{SCRIPT}\n```",
    f"- ```\n  x\n  ```\n  {SCRIPT}",
    f"- ```\n  x\n\n{SCRIPT}",
    f"- a\n  ```\n{SCRIPT}\n  ```",
    f"- a\n  ```\nb\n  {SCRIPT}",
    f"- a\n  ```\n  b\n\n{SCRIPT}\n  ```",
    f"-   a\n  ```\n  b\n\n  {SCRIPT}\n  ```",
    f"- a\n```\n```\n    ```\n{SCRIPT}",
    f"- --\n    ```\n  {SCRIPT}",
    f"1.\n   ```\n{SCRIPT}",
    f"> ```\n{SCRIPT}",
    f"> ```\n> a\n\n```\n```\n{SCRIPT}",
    f"para\n    ```\n    {SCRIPT}",
    f"    code\n ```\n{SCRIPT}",
    f"\t```\n\t{SCRIPT}",
    f"```\ncode\n```\n{SCRIPT}",
    f"```\ncode\n```  \n{SCRIPT}",
    f"```\ncode\n`````\n{SCRIPT}",
    f"```\ncode\n```~\n{SCRIPT}",
    f"```\ncode\n```\t\n{SCRIPT}",
    f"```a`b\n{SCRIPT}\n```",
    f"~~~\n```\n~~~\n{SCRIPT}",
    f"````\n```\n````\n{SCRIPT}",
    f"```\r{SCRIPT}\r```\r{SCRIPT}",
    f'[x]: /u "\n```\n"\n{SCRIPT}\n```',
    f"[a\n```\nb]: /u\n{SCRIPT}\n```",
    f"text\n```\na\n---\n{SCRIPT}\n```",
    f"term\n: def\n```\na\n\n{SCRIPT}\n```",
    f"text\n```\n{SCRIPT}\n: x\n```",
    f"a | b\n--|--\n```x | y\n{SCRIPT}\n```",
    f"I pay $$ to\n\n```\n{SCRIPT}\n$$\n```",
    f"$$\n```\n$$\n\n```\n```\n{SCRIPT}",
    f"Use `$$`:\n\n```\n{SCRIPT}\n$$\n```",
    f"\\begin{{x}}\n\n```\n{SCRIPT}\n\\end{{x}}\n```",
    f"```mermaid\n{SCRIPT}\n```",
    f"```MerMaid\nA --> B\n    ```\n```x\n{IMG}",
]
LINKS = [
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x]( javascript:alert(1))",
    "[x](\njavascript:alert(1))",
    "[x](<javascript:alert(1)>)",
    "[x](java\tscript:alert(1))",
    "[x](java\\script:alert(1))",
    "[x](\\javascript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](&#x6A;avascript:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](javascript\u00a0:alert(1))",
    "[x](\x01javascript:alert(1))",
    '[x](javascript:alert(1) "https://x.example")',
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](file:///etc/passwd)",
    "[x](command:workbench.action.quit)",
    '[a]](b "[c](javascript:alert(1))")',
    "[x][y]\n\n[y]: javascript:alert(1)",
    "[y]\n\n[y]: <javascript:alert(1)>",
    "[y]\n\n[y]:\njavascript:alert(1)",
    "[y]\n\n> [y]: javascript:alert(1)",
    "[y]\n\n- [Y]: javascript:alert(1)",
    "[y z]\n\n[y\nz]: javascript:alert(1)",
    "![y]: javascript:alert(1)\n\n[image: y]",
    "<javascript:alert(1)>",
    "![x](javascript:alert(1))",
    "![x](data:image/svg+xml;base64,PHN2Zz4=)",
    "![x](data:text/html,x)",
    "![beacon](https://evil.example/p.png)",
    "!![beacon](https://evil.example/p.png)",
    "\\\\![beacon](https://evil.example/p.png)",
    "![beacon](//evil.example/p.png)",
    "![beacon](/\\evil.example/p.png)",
    "![beacon](<https://evil.example/p.png>)",
    "![beacon][ref]\n\n[ref]: https://evil.example/p.png",
    "![ref][]\n\n[ref]: https://evil.example/p.png",
    "![ref]\n\n[ref]: https://evil.example/p.png",
    "[![beacon](https://evil.example/p.png)](https://x.example)",
    "![a ![b](https://evil.example/b.png)](https://evil.example/a.png)",
]
ATTACKS = [*TAGS, *CODE_THAT_IS_NONE, *LINKS]

HARMLESS = [
    "",
    "\n",
    "Just text.",
    "a < b and c > d",
    "I <3 you",
    "x <= y, 1 << 2, x <- 3, a <> b",
    "if a<5: b>3",
    "Tom & Jerry, R&D, &amp; &lt;b&gt; &copy;",
    "`List<String>` and `a<b>`",
    "`<div>`, `</div>`, `<br/>`, `<!-- x -->` and `<?php ?>`",
    "``a ` <b> `` and `c`",
    "`std::map<std::string, int>` or `Option<Box<dyn Fn()>>`",
    "**Note**: `std::vector<T*>`, `my_func<T>` and snake_case_names",
    "- `a<b>`\n- `c<d>`\n  - `e<f>`\n\n    - `g<h>`",
    "1. **`Foo<T>`**: text\n2. *`Bar<U>`*",
    "# `Vec<u8>` and more",
    "[`List<T>`](https://docs.example/list)",
    "`$HOME`, `$PATH` and `List<String>`",
    "`[a](javascript:x)` and `![a](https://x.example)`",
    "| Type | Example |\n|:---|---:|\n| `List<T>` | `new List<int>()` |\n| a \\| b | `Set<U>` |",
    "```cpp\n#include <stdio.h>\n```",
    "```html\n<div class='x'>\n  <script>f()</script>\n</div>\n```",
    "```html\n<!-- a -->\n\n<b>\n```\n",
    "Text:\n```ts\nconst a: Array<string> = [];\n```\nMore `Set<T>`.",
    "~~~xml\n<a/>\n~~~",
    "````markdown\n```html\n<b>\n```\n````",
    "```js title=x.js {1,3-4}\nx => <div/>\n```",
    "```\n![a](https://x.example/a.png) [b](javascript:x)\n```",
    "```bash\necho $HOME <in >out\n```\n\nDone.",
    "```diff\n@@ -1,2 +1,2 @@\n-<a>\n+<b>\n```",
    "```\n<b>",
    " ```\n <b>\n ```",
    "```\r\n<b>\r\n```\r\n",
    "1. one\n   ```java\n   List<String> a;\n   ```\n2. two",
    "1. one\n\n   ```java\n   List<String> a;\n\n   int b;\n   ```\n\n2. two\n",
    "1. one\n    ```java\n    List<String> a;\n    ```",
    "10. ten\n    ```ts\n    Array<string>\n    ```",
    "- a\n  - b\n    ```jsx\n    <App/>\n    ```\n  - c\n- d `Foo<Bar>`",
    "- a\n\n  ```go\n  \tx := <-c\n  ```\n\n- b\n\n```html\n<p>\n```",
    "1. **a**\n    - b\n\n        ```cpp\n        std::vector<int> v;\n        ```\n    - c\n",
    "1. ```bash\n   npm i <pkg>\n   ```\n2. ```bash\n   npm run <x>\n   ```",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "[docs](https://docs.python.org/3/library/re.html#re.compile)",
    '[docs](https://docs.python.org/3/ "The title")',
    "[wiki](https://en.wikipedia.org/wiki/Foo_(bar)) and [q](https://x.example/?a=1&b=%20c)",
    "[up](../a/b.ipynb), [here](#section), [root](/lab/tree/x.py), []()",
    "[mail](mailto:a@b.example), a@b.example, <a@b.example>, [tel](tel:+123)",
    "https://x.example/a?b=c and <https://x.example/a?b=c&d=e>, www.x.example",
    "[ref] and [text][ref]\n\n[ref]: https://x.example/a",
    '[ref]\n\n[ref]: https://x.example/a "Title"\n[other]: ../b.md',
    "![inline](data:image/png;base64,iVBORw0KGgo=)",
    "**bold** _it_ ~~no~~ `x` ***both***",
    "Formula $a^2 + b^2$ and $$\\int_0^1 x\\,dx$$ and \\(x\\), \\[y\\]",
    "$$\na < b\n$$",
    "$$\n\\begin{aligned}\na &= b \\\\[2pt]\nc &= d\n\\end{aligned}\n$$\n\nText `A<B>`.",
    "- item\n\n  $$\n  x_1\n  $$\n\n- item",
    "It costs $5 or $6, `Vec<u8>` not included.",
    "- [ ] todo `A<B>`\n- [x] done",
    "> quote `A<B>`\n> more\n>\n> - item",
    "Emoji 🎉 and U+2028 \u2028 and é, 中文 `列表<字>`",
    "# Head\n\ntext\n\n## Head\n\n---\n\nSetext\n======",
    "a[0]: x[int], dict[str, int]: [1, 2]",
    "Windows `C:\\Users\\x` and \\*stars\\* and a\\_b",
    "line one  \nline two\\\nline three",
    "Text with a `tab`\tand trailing space ",
    "term: definition\nother : thing",
    "1) one\n2) two\n\n* a\n+ b",
    "Footnote[^1] and hash@@tag",
]
SHOWN_OTHERWISE = {
    "$$\na < b\n$$",  # VS Code's plain parser, without its formulas, reads backslashes in them
    "Formula $a^2 + b^2$ and $$\\int_0^1 x\\,dx$$ and \\(x\\), \\[y\\]",
    "$$\n\\begin{aligned}\na &= b \\\\[2pt]\nc &= d\n\\end{aligned}\n$$\n\nText `A<B>`.",
    "- item\n\n  $$\n  x_1\n  $$\n\n- item",
    "``a ` <b> `` and `c`",  # two backticks: marked may end emphasis in such code
    "term: definition\nother : thing",
    "[ref] and [text][ref]\n\n[ref]: https://x.example/a",  # nbconvert shows unused definitions
    '[ref]\n\n[ref]: https://x.example/a "Title"\n[other]: ../b.md',
}
MADE = [
    ("<b>x</b>", "&lt;b>x&lt;/b>"),
    ("generic <T> outside", "generic &lt;T> outside"),
    ("\\<b> and \\\\<b>", "&lt;b> and &#92;&lt;b>"),
    ("[x](javascript:y)", "&#91;x&#93;(javascript:y)"),
    ("[x]: javascript:y", "&#91;x]: javascript:y"),
    ("![a cat](https://x.example/1.png)", "[image: a cat](https://x.example/1.png)"),
    ("![a][b] ![c][] ![d]", "!&#91;a]&#91;b] !&#91;c]&#91;] !&#91;d&#93;"),
    ("![a](plot.png)", "[image: a](plot.png)"),
    ("[![a](https://i.example/a.svg)](https://x.example)", "[image: a](https://x.example)"),
    ("\\![a](https://x.example)", "\\![a](https://x.example)"),
    ("$a<b$, $c</b$ and $f[x](y\\z)$", "$a< b$, $c< /b$ and $f[x] (y\\z)$"),
    ("$$\nx\n$$ b", "$$x$$\n\nb"),
    ("I pay $$ here", "I pay <span>&#36;</span><span>&#36;</span> here"),
    ('```x" onclick=y\nz\n```', "```x_ onclick=y\nz\n```"),
    ("> ```html\n> <b>\n> ```", "> ```html\n> <b>\n> ```"),
    (
        "costs $5\n```\n$x\n```\nand $6",
        "costs <span>&#36;</span>5\n\n```\n$x\n```\n\nand <span>&#36;</span>6",
    ),
    (
        'https://x.example/$" onmouseover=y $',
        '<https://x.example/><span>&#36;</span>" onmouseover=y <span>&#36;</span>',
    ),
    ("x @\\@0@@ y @@1 $z$", "x @&#64;0@&#64; y @&#64;1 $z$"),
    ("```mermaid\nA[<br/>] --> B\n```", "```mermaid\nA[&lt;br/>] --> B\n```"),
    ("a <b>\n \t\nb", "a &lt;b>\n\nb"),
    ("[data](data:image/png;base64,AAAA)", "&#91;data&#93;(data:image/png;base64,AAAA)"),
    ("a`b", "a&#96;b"),
    ("    <b>\n\ttab", "```\n<b>\ntab\n```"),
    ("~5 and ~6", "\\~5 and \\~6"),
    ("Hi!www.x.example", "Hi\\![www&#46;x.example](http://www.x.example)"),
    ("see www.x.example/a_b!", "see [www&#46;x.example/a_b](http://www.x.example/a_b)!"),
    ("a\u2028\x0b\x1b[1m", "a\u2028 \u241b[1m"),
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_model_output_is_text_no_html_of_the_model_survives(attack):
    assert harm(safe_markdown(attack)) == []
    assert harm_of(safe_html(attack)) == []


def test_the_tables_are_long_and_the_check_itself_finds_harm():
    assert len(ATTACKS) > 120
    assert len(HARMLESS) > 60
    assert sum(bool(harm(attack)) for attack in ATTACKS) > 80


@pytest.mark.parametrize("sample", HARMLESS)
def test_what_does_no_harm_shows_the_same_in_every_renderer(sample):
    written = safe_markdown(sample)
    assert harm(written) == []
    assert safe_markdown(written) == written or "<span>" in written
    for name, render in RENDERERS.items():
        if sample not in SHOWN_OTHERWISE:
            assert visible(render(written)) == visible(render(sample)), name


@pytest.mark.parametrize(("text", "made"), MADE)
def test_what_might_do_harm_shows_as_the_text_it_is(text, made):
    assert safe_markdown(text) == made
    assert safe_markdown(made) == made or "<span>" in made


def test_images_from_the_web_stay_if_they_are_allowed():
    text = "see ![a cat](https://cats.example/1.png) here"
    assert safe_markdown(text, allow_remote_images=True) == text
    assert '<img src="https://cats.example/1.png" alt="a cat">' in safe_html(
        text, allow_remote_images=True
    )
    quoted = '![" onerror="x](https://cats.example/1.png)'
    written = safe_markdown(quoted, allow_remote_images=True)
    assert {each.partition(": ")[2] for each in harm(written)} == {
        "image from https://cats.example/1.png"
    }


MIXTURES = st.lists(st.sampled_from(FRAGMENTS), max_size=25).map("".join)


@settings(max_examples=400)
@given(MIXTURES)
@example("[`<x>`]()<x>`")
@example("-\n  $$\ny\n  $$\n```\n<!s")
def test_no_mixture_of_marks_lets_an_element_through(text):
    assert harm(safe_markdown(text)) == []


@settings(max_examples=100)
@given(MIXTURES, st.integers(1, 60))
def test_twice_is_as_safe_as_once_and_so_is_each_settled_block(text, size):
    assert harm(safe_markdown(safe_markdown(text))) == []
    assert harm_of(safe_html(text)) == []
    blocks = Blocks()
    for start in range(0, len(text), size):
        blocks.add(text[start : start + size])
        frame = blocks.take()
        for piece in (*frame.settled, frame.live):
            assert harm(safe_markdown(piece)) == []


@settings(max_examples=300)
@given(st.text(alphabet="<>abs/!?&;:.@\\[]()$ \n\r-|*_#\"'=1", max_size=80))
def test_without_code_no_tag_can_start_anywhere(text):
    found = re.findall(r"<[A-Za-z/!?][^>]*>?", re.sub(r"(?s)```.*?```", "", safe_markdown(text)))
    allowed = r"</?span>|<[\w.+-]+@[\w.-]+>|<https?://[^\s<>\"]+>"
    assert all(re.fullmatch(allowed, tag) for tag in found)


@settings(max_examples=200)
@given(st.text(max_size=200), st.sampled_from(["```", "~~~~", "`````"]))
def test_fenced_code_stays_to_the_letter_whatever_it_is(code, fence):
    code = re.sub(r"`{3,}|~{3,}", "", re.sub(r"\r\n?", "\n", code)).replace("\0", "")
    assert safe_markdown(f"Text\n\n{fence}python\n{code}\n{fence}\n") == (
        f"Text\n\n```python\n{code}\n```"
    )


@given(st.text(st.characters(), max_size=300))
def test_any_text_is_taken(text):
    safe_markdown(text)
    safe_html(text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", safe_terminal(text))


UNITS = [
    *("[", "`", "<", "![", "<a", "](", "`<a", "``<a`", "\\", "\\<", "$", "$a$ ", "$$\n", "!"),
    *("<a\n\n", "```\n", "  ```\n", "    ```\n", "> ```\n", "- ```\n<a\n\n", "- a\n", "@@1"),
    *("[a](", "[a](https://a", "[a]: b\n", "https://", "<https://a", "\\begin{a}", "`\\begin`\n"),
    *("`$$`<\n\n", "://", "`a|<b`|", "[`<a`", "- a\n  ```\n  x\n  ```\n", ": a\n", " \n", "é<b"),
    *(
        "*a ",
        "_",
        "~~a",
        "\\(",
        "\\[\n",
        "\\(a`\\)",
        "\\begin{align}\n",
        "$$\n$",
        "|a",
        "www.",
        "(",
    ),
    *("&", "&a", "![a](b) ", "> ", "a\r", "|a|\n|-|\n", "\\[a\n", "`\\begin{align}`", "word "),
]


@pytest.mark.parametrize("unit", UNITS)
def test_the_time_grows_with_the_text_only(unit):
    def spent_s(length):
        text = (unit * length)[:length]
        start = time.process_time()
        safe_markdown(text)
        return time.process_time() - start

    assert spent_s(200_000) < 3


def test_the_time_does_not_grow_with_the_lengths_of_runs():
    start = time.process_time()
    safe_markdown("<b " + " ".join("`" * length for length in range(1, 700)))
    safe_markdown("\n".join("`" * length for length in range(3, 700)))
    assert time.process_time() - start < 3


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mred\x07\r\nb\tc", "a␛[31mred␇\nb\tc"),
        ("over\rwritten", "over␍written"),
        ("\x00\x7f\x9b31m", "␀␡\\x9b31m"),
        ("safe\u202etxt.exe\u2066", "safe\\u202etxt.exe\\u2066"),
        ("\ud800", "\ufffd"),
        ("é 中文 🎉 \u200f\u2028", "é 中文 🎉 \u200f\u2028"),
    ],
)
def test_a_terminal_shows_control_characters_and_obeys_none(text, shown):
    assert safe_terminal(text) == shown
