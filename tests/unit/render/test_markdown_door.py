r"""One door for a model's text: formulas are formulas, prices are prices, code is the model's."""

from __future__ import annotations

import random
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it.token import Token
from support.markdown_judges import RENDERERS, formulas, harm, visible

from cc_jupyter.render.markdown import canonical, page, parser, safe_html, safe_markdown
from cc_jupyter.render.markdown.tokens import UnknownTokenError

TYPESETTING = [name for name in RENDERERS if name != "VS Code"]

NO_FORMULA = [
    "A costs $5 and B costs $6.",
    "- A: $5\n- B: $6",
    "| a | b |\n|---|---|\n| $5 | $6 |\n| $7.50 | US$8 |",
    "It is \\$5 or \\$6, and $5-$10.",
    "**$5** and **$6**",
    "$5/month, then $6/month",
    "between ($5) and ($6)",
    "Set $HOME, $PATH and $USER.",
    "echo $HOME/bin:$PATH, ${HOME} and $$ and $$.",
    "$HOME/$USER/x and $A$B",
    "The regex ^a$|^b$ and (x|y)$|(z)$ and ^\\d+$",
    "`$x$` and `$HOME` and `$PATH`",
    "```bash\necho $HOME $PATH\n```",
    "- a\n  ```bash\n  echo $HOME $PATH $$\n  ```\n- it costs $5",
    "> ```bash\n> echo $HOME\n> ```\n> it costs $5",
    "a stray \\( and \\[ and \\begin{align} here",
    "stray \\(x\n\nand stray y\\)",
    "see \\ref{a} and \\eqref{b} and \\\\server\\share",
    "\\begin{document} x \\end{document}",
    "`\\begin{align}` starts and `\\end{align}` ends",
    "`\\(x\\)` and `\\[y\\]`",
    "`$$` and then `$$`",
    "`` `$ `` and $x` $",
    "https://x.example/$a$b",
    "[a$](https://x.example/) and [b$](https://y.example/$z$)",
    "$x {$ and $y }$",
    "$ x $ and $x $ and $ x$",
    "&#36;x&#36; and \\\\$x\\\\$",
    "$x\n\ny$",
    "$$x\n\ny$$",
]
ONE_FORMULA = [
    ("$x_1$", "$x_1$"),
    ("so $E = mc^2$.", "$E = mc^2$"),
    ("the $n$th element", "$n$"),
    ("其中$x$是", "$x$"),
    ("\\(x_1\\)", "$x_1$"),
    ("\\( x_1 \\)", "$x_1$"),
    ("\\\\(x_1\\\\)", "$x_1$"),
    ("\\[x_1\\]", "$$x_1$$"),
    ("text \\[x_1\\] text", "$$x_1$$"),
    ("Text:\n\\[\nx\n= y\n- z\n\\]\ntext", "$$\nx\n= y\n- z\n$$"),
    ("$$x_1$$", "$$x_1$$"),
    ("$$\nx_1 \\\\\ny\n$$", "$$\nx_1 \\\\\ny\n$$"),
    ("- a\n\n  \\[\n  x_1\n  \\]\n\n- b", "$$x_1$$"),
    ("> \\[\n> x_1\n> y\n> \\]", "$$x_1 y $$"),
    ("| a |\n|---|\n| \\(x_1\\) |", "$x_1$"),
    ("| a |\n|---|\n| $\\|x\\|$ |", "$\\vert x\\vert $"),
    ("# Head \\(x_1\\)", "$x_1$"),
    ("**\\(x_1\\)** and $5", "$x_1$"),
    ("[\\(x_1\\)](https://x.example/)", "$x_1$"),
    ("it costs \\(\\$5 + x\\), that is $6", "$\\$5 + x$"),
    ("\\begin{align}\na &= b \\\\\nc &= d\n\\end{align}", None),
    ("Use `$HOME` and $x_1$ and `$PATH`.", "$x_1$"),
    ("- ```\n  echo $HOME\n  ```\n- $x_1$", "$x_1$"),
    ("> ```\n> echo $HOME\n> ```\n> $x_1$", "$x_1$"),
    ("`\\begin{align}` and $x_1$", "$x_1$"),
    ("\\(a < b\\)", "$a < b$"),
    ("\\(a<b\\)", "$a< b$"),
]


@pytest.mark.parametrize("renderer", TYPESETTING)
@pytest.mark.parametrize("text", NO_FORMULA)
def test_prices_shell_variables_and_regular_expressions_are_no_formulas(text, renderer):
    written = safe_markdown(text)
    assert formulas(RENDERERS[renderer](written)) == []
    assert formulas(safe_html(text)) == []
    shown, _ = visible(RENDERERS[renderer](written))
    assert shown == visible(safe_html(text))[0]


@pytest.mark.parametrize("renderer", TYPESETTING)
@pytest.mark.parametrize(("text", "formula"), ONE_FORMULA)
def test_each_notation_of_mathematics_is_one_formula(text, formula, renderer):
    found = formulas(RENDERERS[renderer](safe_markdown(text)))
    assert len(found) == len(formulas(safe_html(text))) == 1
    if formula is not None:
        assert "".join(found[0].split()) == "".join(formula.split())


@pytest.mark.parametrize("signs", ["$", "$$", "\\(", "\\["])
def test_two_formulas_side_by_side_stay_two(signs):
    end = {"\\(": "\\)", "\\[": "\\]"}.get(signs, signs)
    text = f"{signs}x{end} {signs}y{end}"
    for name in TYPESETTING:
        assert len(formulas(RENDERERS[name](safe_markdown(text)))) == 2


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (
            "1. Take:\n\\[ F = m a \\]\nwhere:\n\\( m \\) = mass\n2. Solve it.",
            "1. Take:\n\n   $$F = m a$$\n\n   where:\n   $m$ = mass\n\n2. Solve it.",
        ),
        ("- a\n\\[\nx\n= y\n\\]\n- b", "- a\n\n  $$\n  x\n  = y\n  $$\n\n- b"),
        ("1. a\n\\[\nx\n- y\n\\]\n2. b", "1. a\n\n$$\nx\n- y\n$$\n\n2. b"),
        ("- a\n\n\\[ x \\]\n\n- b", "- a\n\n$$x$$\n\n- b"),
    ],
    ids=["one line", "several lines", "lines like items", "after a blank line"],
)
def test_a_formula_right_below_an_items_text_does_not_end_the_list(text, written):
    assert safe_markdown(text) == written
    for name in TYPESETTING:
        html = RENDERERS[name](written)
        assert visible(html) == visible(safe_html(text))
        assert len(formulas(html)) == len(formulas(safe_html(text)))


@pytest.mark.parametrize(
    "text",
    [
        "- **R* (rate of growth):**\n  - 3 a year",
        "**Distance to B*:**\nnear",
        "__a_ b:__ c",
        "***a* b** c *d*",
        "# *a*\\*",
        "| **a* b:** | *c*\\* |\n|---|---|\n| **d* e:** | f |",
        "[**a* b:**](https://x.example/) **c* d:**",
    ],
)
def test_a_mark_too_many_at_the_end_of_emphasis_shows_as_in_the_original(text):
    for name, render in RENDERERS.items():
        assert visible(render(safe_markdown(text))) == visible(render(text)), name


CODE = 'if a<b && c>d: print("&lt; $x$ `y` \\\\n")'
PLACES = {
    "alone": f"```py\n{CODE}\n```",
    "right under a list line": f"- item\n  ```py\n  {CODE}\n  ```\n- item\n  ```\n  {CODE}\n  ```",
    "right under a paragraph": f"text\n```py\n{CODE}\n```\ntext",
    "indented": f"text\n\n    {CODE}\n\ntext",
    "deep in lists": f"1. a\n   - b\n     1. c\n        ```py\n        {CODE}\n        ```\n",
    "beside a marker": f"- ```py\n  {CODE}\n  ```\n- b",
    "after an odd fence": f"- a\n```\n{CODE}\n```\n\n~~~\n{CODE}\n~~~",
    "in a quote": "> text\n>\n> ```py\n> if a<b && c>d: x\n> ```\n> text",
    "in a quote, with a variable": "> ```\n> $HOME <x>\n> ```\n> $x$\n>\n> > ```\n> > $Y\n> > ```",
    "in a quote in an item": "- a\n  > ```\n  > echo $HOME <x>\n  > ```\n  > b",
    "with backticks": "````\n```\n<x>\n```\n````",
    "with blank lines": "- a\n\n  ```\n  x\n\n\n    <y>\n  ```",
    "with a formula around": "$x$\n```\n$y <z>\n```\n$x$",
}


@pytest.mark.parametrize("place", PLACES)
def test_the_code_a_person_sees_is_the_models_in_every_renderer(place):
    text = PLACES[place]
    code = [
        token.content.strip("\n")
        for token in parser.parse(text)
        if token.type in {"fence", "code_block"}
    ]
    assert code
    for name, render in RENDERERS.items():
        html = render(safe_markdown(text))
        assert visible(html)[1] == code, name
        assert "&amp;lt;" not in html.replace("&amp;lt; $x$", "")
    assert visible(safe_html(text))[1] == code


def test_a_fence_in_an_item_in_a_quote_shows_its_lines_as_text_where_a_formula_may_begin():
    text = "> - a\n>   ```\n>   echo $HOME\n>     <x>\n>   ```\n>   b $x_1$"
    for name in TYPESETTING:
        html = RENDERERS[name](safe_markdown(text))
        assert visible(html)[0] == visible(safe_html(text))[0]
        assert formulas(html) == ["$x_1$"]


SHAPES = [
    "{}",
    "# {} #",
    "{}\n===",
    "- {}\n- {}\n  - {}",
    "3. {}\n\n   {}\n4. {}",
    "> {}\n> > {}\n\n{}",
    "| {} | {} |\n|:-:|--:|\n| {} | `{}` |",
    "```{}\n{}\n```".replace("```{}", "```py"),
    "    {}",
    "*{}* **{}** ~~{}~~ `{}` ***{}***",
    "[{}](https://x.example/) <b>{}</b> <!-- {} -->",
    "![{}](https://x.example/a.png)",
    "{}\n***\n{}  \n{}\\\n{}",
    "$5 {} $6 \\(x_1\\) {} \\[y\\] {}",
    "{} https://x.example/a_b {} www.x.example {}",
    "[ref] {}\n\n[ref]: https://x.example/",
    "[{}](javascript:x) ![{}](javascript:y)",
    "- [ ] {}\n- [x] {}",
    "* {}\n+ {}\n1) {}",
    "&lt;{}&gt; &copy; \\*{}\\* {}_{}_{}",
    "@@0@@ {} `\\begin{{x}}` {} `\\end{{x}}` {}",
    "{} ^[{}] [^{}] ~{}~ ={}= :{}:",
    "term\n: {}\n\n{} | {}\n-|",
]


@settings(max_examples=150)
@given(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=8), st.sampled_from(["\n\n", "\n"]))
def test_each_word_of_the_text_is_on_the_page_exactly_once(shapes, between):
    text = between.join(shapes)
    words = [f"w{number:03}" for number in range(text.count("{}"))]
    text = text.replace("{{", "{").replace("}}", "}")
    for word in words:
        text = text.replace("{}", word, 1)
    wanted, code = visible(_without_tasks(safe_html(text)))
    for name, render in {**RENDERERS, "ours": lambda _: safe_html(text)}.items():
        shown, its_code = visible(_without_tasks(render(safe_markdown(text))))
        counts = {word: shown.count(word) for word in words}
        assert counts == dict.fromkeys(words, 1), name
        if "x_1" not in text:  # VS Code's plain parser knows no formulas
            assert shown == wanted, name
            assert its_code == code or "`\\begin" in text, name


def _without_tasks(html):
    return re.sub(r"\[[ x]\]", "", html)  # others draw a box


def test_a_token_nobody_knows_is_an_error_here_and_escaped_text_in_the_product(monkeypatch):
    strange = Token("strange", "", 0, content="<b>")
    inline = Token("inline", "", 0, children=[strange])
    paragraph = [Token("paragraph_open", "p", 1), inline, Token("paragraph_close", "p", -1)]
    for write in (canonical.write, page.write):
        for tokens in ([strange], paragraph):
            with pytest.raises(UnknownTokenError, match="strange"):
                write(tokens, 10)
    monkeypatch.setattr(parser, "parse", lambda _: [strange])
    text = "a <b> $x$\n\n    c\n# d"
    assert harm(safe_markdown(text)) == []
    for html in (RENDERERS["nbconvert"](safe_markdown(text)), safe_html(text)):
        assert visible(html)[0] == "a<b>$x$c#d"
        assert formulas(html) == []


@pytest.mark.parametrize(
    "text",
    [
        "> " * 200 + "deepest",
        "".join(f"{'  ' * depth}- level{depth}z\n" for depth in range(200)),
        "".join(f"{'   ' * depth}1. > level{depth}z\n" for depth in range(150)),
        "- " * 200 + "deepest\n\nafter",
        "*a **" * 300 + "deepest",
        "[" * 300 + "deepest" + "](https://x.example/)" * 300,
        "![" * 900 + "deepest" + "](https://x.example/)" * 900,
    ],
    ids=["quotes", "lists", "both", "one line", "emphasis", "links", "images"],
)
def test_what_is_nested_deep_is_not_dropped(text):
    start = time.process_time()
    shown = visible(safe_html(text))[0]
    written = safe_markdown(text)
    assert time.process_time() - start < 3
    for word in set(re.findall(r"level\d+z|deepest|after", text)):
        assert len(re.findall(word, shown)) == 1
        assert len(re.findall(word, written)) == 1
    assert harm(written) == []


def test_a_paragraph_with_very_many_marks_is_plain_text():
    text = "*a " * 40_000 + "*b*"
    start = time.process_time()
    assert "<em>" not in safe_html(text)
    assert time.process_time() - start < 2


def test_a_definition_used_without_end_does_not_blow_up_the_text():
    text = f"[a]: https://x.example/{'y' * 10_000}\n\n" + "[a] " * 900
    for written in (safe_markdown(text), safe_html(text)):
        assert len(written) < 10 * len(text)
        assert written.count("a") >= 900


SAMPLE = """# Prices $5 and $6

Text with `code <b>`, **bold**, [a link](https://x.example/a_(b) "T") and \\(x_1\\):

\\[
x < y
\\]

1. one
   ```py
   if a<b: <script>alert(1)</script>
   ```
2. two <img src=x onerror=alert(1)>
   > quote `$HOME`
   > ```
   > echo $HOME </pre><script>
   > ```

| a | b |
|:--|--:|
| `x|y` <svg/onload=alert(1)> | $7 |

![image](https://x.example/p.png) <!-- comment --> [x](javascript:alert(1))
"""


def test_a_stream_may_be_cut_anywhere():
    for end in range(len(SAMPLE)):
        assert harm(safe_markdown(SAMPLE[:end])) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\0b", "a\ufffdb"),
        ("a\rb\r\rc", "a\nb\n\nc"),
        ("`a\0b`", "`a\ufffdb`"),
        ("safe\u202etxt", "safe\u202etxt"),
        ("`" * 5_000 + "\nx\n" + "`" * 5_000, "```\nx\n```"),
        ("word " * 200_000, ("word " * 200_000).rstrip()),
        ("~~~\n" + "`" * 5_000 + "\n~~~", "`" * 5_001 + "\n" + "`" * 5_000 + "\n" + "`" * 5_001),
    ],
    ids=["NUL", "CR", "NUL in code", "direction", "long fence", "one line", "ticks in code"],
)
def test_odd_input_is_shown(text, shown):
    assert safe_markdown(text) == shown


def test_it_is_fast_enough_for_each_frame_and_the_end_and_adds_little():
    safe_markdown(SAMPLE)
    text = (SAMPLE * (100_000 // len(SAMPLE) + 1))[:100_000]

    def best_s(text):
        times = []
        for _ in range(5):
            start = time.process_time()
            written = safe_markdown(text)
            times.append(time.process_time() - start)
        assert len(written) + len(text) <= 4 * len(text)
        return min(times)

    assert best_s(text) < 0.3
    assert best_s(text[:2_000]) < 0.01  # measured: 3.6 ms, and 0.7 ms for plain prose


WORDS = [
    "a",
    "b:",
    "c.",
    "1.",
    "2)",
    "+",
    "-",
    "#",
    "=",
    "(x)",
    "“q”",
    "naïve",
    "5",
    "!",
    "x.y",
    "%",
]
WORDS += [
    "\n",
    "\n\n",
    "  ",
    "\xa0",
    "\x0b",
    "www.x",
    "http:",
    "//",
    "*",
    "_",
    "`",
    "<",
    "&",
    "$",
    "|",
]


@pytest.mark.parametrize("seed", range(200))
def test_a_text_without_marks_is_written_as_if_it_had_been_read(seed, monkeypatch):
    pick = random.Random(seed)
    text = " ".join(pick.choices(WORDS[: pick.choice([22, len(WORDS)])], k=pick.randint(1, 15)))
    written, page_written = safe_markdown(text), safe_html(text)
    monkeypatch.setattr(parser, "_is_unmarked", lambda _: False)
    assert (safe_markdown(text), safe_html(text)) == (written, page_written)
