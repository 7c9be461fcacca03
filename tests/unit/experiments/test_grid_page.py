"""The final view of a grid: what it says, how it is laid out, and that it is harmless."""

from __future__ import annotations

import dataclasses
import json
import re
from decimal import Decimal
from html import unescape
from html.parser import HTMLParser
from importlib import resources

import pytest
from jsonschema import Draft202012Validator
from support import grids
from support.attacks import ATTACKS
from support.grids import MODELS, grid, plan, prose, reply
from support.markdown_judges import FRAGMENTS, formulas

from cc_jupyter.core.errors import ModelError
from cc_jupyter.core.events import Source
from cc_jupyter.core.messages import Image, ResponseFormat
from cc_jupyter.core.money import UNKNOWN_COST, Cost
from cc_jupyter.core.reply import Provenance
from cc_jupyter.experiments.grid_page import grid_bundle, grid_metadata
from cc_jupyter.prompt.output_types import OutputType

TYPED = OutputType("list[int]", ResponseFormat("x", {}), read=lambda parsed: parsed)


class Reader(HTMLParser):
    """Reads a page: its text, its elements with their attributes, and what encloses what."""

    void = ("br", "hr", "img")

    def __init__(self, html):
        super().__init__()
        self.text, self.elements, self.open = [], [], []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)

    def tags(self, name):
        return [attributes for tag, attributes in self.elements if tag == name]


def shown(a_grid):
    """Return the view as HTML, as its visible text, and as plain text."""
    bundle = grid_bundle(a_grid)
    text = " ".join(" ".join(Reader(bundle["text/html"]).text).split())
    return bundle["text/html"], text, bundle["text/plain"]


def test_columns_are_in_the_order_of_the_plan_with_their_figures():
    _, text, plain = shown(grid(plan(), ["one", "two", "three"]))
    for view in (text, plain):
        places = [
            view.index(word)
            for pair in zip(MODELS, ["one", "two", "three"], strict=True)
            for word in pair
        ]
        assert places == sorted(places)
        unspaced = " ".join(view.split())
        assert "3 combinations · 3 answers · $" in unspaced
        assert "in 120 · out 40 · $" in unspaced
        assert "0.4 s to first token · 25 tok/s" in unspaced
    assert "$0.0012 listed" in plain
    assert plain.startswith("Grid: 3 combinations · 3 answers · $0.0036 listed · 4.2 s\n")


@pytest.mark.parametrize(
    ("cost", "word"),
    [
        (Cost(Decimal("0.5"), "reported", None), "$0.5000 reported"),
        (Cost(Decimal("0.5"), "estimated", None), "~$0.5000 estimated"),
        (UNKNOWN_COST, "$? unknown"),
    ],
)
def test_a_column_says_where_its_cost_comes_from(cost, word):
    _, _, plain = shown(grid(plan(model=("m",)), [reply("a", cost=cost)]))
    assert f" · {word} · " in plain


def test_samples_are_stacked_and_show_their_checks():
    a_plan = plan(samples=3, checks=("'yes' in answer", "f(answer)"), model=("m",))
    checks = (lambda text: "yes" in text, lambda text: None)
    html, text, plain = shown(grid(a_plan, ["yes", "no", "yes"], checks=checks))
    assert len(Reader(html).tags("details")) == 3
    for view in (text, plain):
        assert "✗ 2 of 3: 'yes' in answer" in view
        assert "? f(answer)" in view
        assert "sample 2 · out 40 · ✗? · ≠ differs" in view


def test_a_single_answer_has_no_sample_line():
    html, text, plain = shown(grid(plan(checks=("c",)), ["yes"], checks=(bool,)))
    assert not Reader(html).tags("details")
    assert "sample" not in text + plain
    assert "✓ c" in plain


def test_disagreement_is_a_sign_and_a_word_not_only_a_colour():
    html, text, plain = shown(grid(plan(), ["yes", "yes", "no"]))
    for view in (text, plain):
        assert "agreement 67 %: 2 of 3 answers equal the most frequent" in view
        assert view.count("≠ differs from the most frequent answer") == 1
        assert view.index("≠ differs") > view.index(MODELS[2])
    assert "cc-differs" in html


def test_nothing_is_said_of_agreement_where_nothing_can_be_compared():
    for view in shown(grid(plan(), [prose(60), prose(70)])):
        assert "agreement" not in view
        assert "≠" not in view


def test_differing_prompts_are_a_table_before_the_columns():
    a_grid = grid(plan(model=MODELS, topic=("rain", "sun")), ["a", "b", "a", "b", "a", "c"])
    html, text, plain = shown(a_grid)
    assert html.index("<table") < html.index('class="cc-column"')
    for view in (text, plain):
        assert "2 prompts; ≠ the answers to 1 of them differ" in view
        # the prompt on which they differ comes first
        assert view.index("b (2), c (1)") < view.index("a (3)") < view.index(MODELS[0])
        assert "topic: rain (prompt 1)" in view


def test_one_prompt_needs_no_table():
    html, _, _ = shown(grid(plan(), ["yes", "no"]))
    assert not Reader(html).tags("table")


def test_failures_stay_in_their_columns_with_what_was_received():
    texts = [
        "fine",
        reply("half an ans", error=grids.too_many()),
        reply("", error=KeyboardInterrupt()),
    ]
    _, text, plain = shown(grid(plan(), texts))
    for view in (text, plain):
        assert "3 combinations · 1 answer · 2 failed" in view
        problem = "✗ RateLimitError: too many requests: the limit is 5 a minute (wait a little)"
        assert view.index(MODELS[1]) < view.index(problem) < view.index("half an ans")
        assert view.index(MODELS[2]) < view.index("✗ interrupted")


def test_a_combination_that_cannot_be_sent_says_why_and_has_no_figures():
    error = ModelError("m takes no images", hint="choose another model")
    texts = ["a", "b", reply("", error=error)]
    _, _, plain = shown(grid(plan(error=error), texts))
    (column,) = re.findall(rf"=== 3 of 3: {MODELS[2]} ===\n(.*)", plain, re.DOTALL)
    assert column.strip() == "✗ ModelError: m takes no images (choose another model)"


def test_notices_and_unusual_endings_are_notes():
    texts = [
        reply("a", notices=("sent again after 429",)),
        reply("b", stop_reason="length"),
        reply(""),
    ]
    for view in shown(grid(plan(), texts))[1:]:
        assert "note: sent again after 429" in view
        assert "note: cut at its token limit" in view
        assert "note: no text" in view


def test_sources_and_images_of_an_answer_are_shown():
    image = Image("image/png", b"\x89PNG" + b"0" * 50, None, "i.png")
    source = Source("A page", "https://example.org/a")
    html, text, plain = shown(grid(plan(), [reply("a", images=(image,), sources=(source,))]))
    assert len([each for each in Reader(html).tags("img") if each["src"].startswith("data:")]) == 3
    assert "A page" in text
    assert "[i.png" in plain


def test_images_beyond_the_limit_are_lines():
    image = Image("image/png", b"0" * 2_000_000, None, "i.png")
    html, text, _ = shown(grid(plan(), [reply("a", images=(image,))]))
    assert not Reader(html).tags("img")
    assert "[i.png" in text


@pytest.mark.parametrize(
    ("value", "answer", "seen"),
    [
        ([1, 2], "[1, 2]", "[1, 2]"),
        ("positive", '{"value": "positive"}', "positive"),
        (list(range(60)), json.dumps(list(range(60))), "[\n  0,\n  1,"),
    ],
)
def test_typed_answers_show_their_value(value, answer, seen):
    html, _, plain = shown(grid(plan(output_type=TYPED), [answer], values=[value]))
    assert seen in plain
    assert f"{seen[:8]}" in unescape(html)
    assert '"value"' not in plain


# blind


def test_a_blind_grid_tells_nothing_apart():
    texts = [
        reply("first", notices=("gpt-6-mini was slow",)),
        reply("second"),
        reply("", error=ModelError("gpt-6-mini is overloaded")),
    ]
    a_grid = grid(plan(samples=2), texts, is_blind=True)
    html, text, plain = shown(a_grid)
    for view in (html, text, plain):
        for model in MODELS:
            assert model not in view
        for word in ("$0", "out 40", "first token", "tok/s", "overloaded", "slow", "listed"):
            assert word not in view
    assert re.findall(r"=== \d of 3: (\w) ===", plain) == ["A", "B", "C"]
    assert "✗ failed" in plain
    assert grid_bundle(a_grid)["text/html"] == html  # the same order each time


def test_the_order_of_a_blind_grid_is_not_that_of_the_plan():
    a_grid = grid(plan(model=tuple("abcdefgh")), [f"answer {n}" for n in range(8)], is_blind=True)
    order = re.findall(r"answer (\d)", shown(a_grid)[2])
    assert sorted(order) == list("01234567")
    assert order != sorted(order)


# the file


def test_eighteen_answers_of_500_words_are_small():
    bundle = grid_bundle(grid(plan(samples=6), [prose(500)]))
    assert bundle["text/plain"].count("sample") > 18
    assert len(json.dumps(bundle).encode()) < 250_000


def test_short_answers_are_unfolded_however_many_they_are():
    html, _, _ = shown(grid(plan(samples=60), ["yes"]))
    assert all("open" in each for each in Reader(html).tags("details"))


def test_two_hundred_answers_are_all_there_and_mostly_folded():
    a_grid = grid(plan(samples=50, model=tuple("abcd")), [f"{prose(300)} {n}!" for n in range(200)])
    html, _, plain = shown(a_grid)
    folds = Reader(html).tags("details")
    assert len(folds) == 200
    assert sum("open" in each for each in folds) == 4
    for number in range(200):
        assert f" {number}!" in plain
    assert len(json.dumps(grid_bundle(a_grid)).encode()) < 1_500_000


def test_a_thousand_long_answers_are_cut_and_say_so():
    a_grid = grid(plan(samples=1_000, model=("m",)), [prose(2_000)])
    bundle = grid_bundle(a_grid)
    assert len(json.dumps(bundle).encode()) < 2_500_000
    assert re.search(
        r"cut: 400 of [\d,]{6} characters; the Grid has the rest", bundle["text/plain"]
    )


def test_the_layout_needs_no_style_sheet():
    html = grid_bundle(grid(plan(samples=2, topic=("a", "b")), ["yes", "no"]))["text/html"]
    without = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    styles = [
        attributes["style"] for _, attributes in Reader(without).elements if "style" in attributes
    ]
    assert any("display: grid" in style for style in styles)
    assert any("overflow-x: auto" in style for style in styles)
    assert not any(re.search(r"var\(|url\(|expression|position", style) for style in styles)
    assert html.count("<style>") == 1
    assert "<script" not in html


def test_every_answer_can_scroll_inside_its_column():
    html = grid_bundle(grid(plan(), ["```\n" + "x" * 500 + "\n```"]))["text/html"]
    answers = [each for each in Reader(html).tags("div") if each.get("class") == "cc-answer"]
    assert len(answers) == 3
    assert all("overflow-x: auto" in each["style"] for each in answers)


def test_the_metadata_name_the_grid_its_turns_and_the_figures_of_each_answer():
    unsent = dataclasses.replace(reply("", error=KeyboardInterrupt()), provenance=Provenance())
    a_grid = grid(plan(), [reply("a", turn="t1"), unsent, reply("b", turn="t2")])
    first = dataclasses.replace(a_grid.answers[0], earlier=(reply("not a number"),))
    a_grid = dataclasses.replace(a_grid, answers=(first, *a_grid.answers[1:]))
    found = grid_metadata(a_grid)["cc_jupyter"]
    text = resources.files("cc_jupyter").joinpath("render/metadata_schema.json").read_text("utf-8")
    Draft202012Validator(json.loads(text)).validate(found)
    assert found["grid"] == grids.GRID_ID
    assert found["turns"] == ["t1", None, "t2"]
    assert [each["cost"]["usd"] for each in found["answers"]] == ["0.0012"] * 3


def test_an_answer_that_did_not_fit_its_type_is_part_of_the_cost():
    a_grid = grid(plan(model=("m",), output_type=TYPED), ["[1]"], values=[[1]])
    answer = dataclasses.replace(a_grid.answers[0], earlier=(reply("one"),))
    a_grid = dataclasses.replace(a_grid, answers=(answer,))
    assert "in 240 · out 80 · $0.0024 listed" in grid_bundle(a_grid)["text/plain"]
    assert repr(a_grid).endswith(", $0.0024>")


# harm


ALLOWED = {
    *("style", "div", "strong", "details", "summary", "p", "em", "del", "s", "blockquote", "hr"),
    *("br", "ul", "ol", "li", "pre", "code", "h1", "h2", "h3", "h4", "h5", "h6", "a", "span"),
    *("table", "thead", "tbody", "tr", "th", "td", "img"),
}
ATTRIBUTES = {
    "class",
    "style",
    "tabindex",
    "role",
    "open",
    "href",
    "title",
    "rel",
    "start",
    "scope",
    "src",
    "alt",
}


def assert_harmless(html):
    page = Reader(html)
    for tag, attributes in page.elements:
        assert tag in ALLOWED, tag
        assert set(attributes) <= ATTRIBUTES, attributes
        assert attributes.get("tabindex", "0") == "0"  # what scrolls; no other order of focus
        href = re.sub(r"[\x00-\x20]", "", attributes.get("href") or "").lower()
        assert not re.match(r"(?!https?:|mailto:|tel:|ftp:)[\w+.-]+:", href), href
        assert (attributes.get("src") or "data:image/").startswith("data:image/")
        style = attributes.get("style") or ""
        assert not re.search(r"url\(|expression|javascript|position", style), style
    assert len(page.tags("style")) == 1


HOSTILE = {**ATTACKS, **{f"fragment {n}": text for n, text in enumerate(FRAGMENTS)}}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_harmless_wherever_it_stands(text):
    a_plan = plan(
        samples=2, checks=(text,), model=(text, "m"), topic=(text, "x"), system=(text, "y")
    )
    texts = [
        text,
        reply("a", error=ModelError(text, hint=text), notices=(text,)),
        reply("b", notices=(text,), sources=(Source(text, text),)),
    ]
    for a_grid in (
        grid(a_plan, texts, checks=(bool,)),
        grid(plan(output_type=TYPED, model=(text, "m")), [text], values=[text, [text]]),
        grid(a_plan, texts, checks=(bool,), is_blind=True),
    ):
        assert_harmless(grid_bundle(a_grid)["text/html"])
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", grid_bundle(a_grid)["text/plain"])


def test_prices_are_no_formulas_and_formulas_are():
    a_plan = plan(checks=("cost_usd < $5",), model=("$x$", "costs $5 and $6"))
    a_grid = grid(a_plan, ["It is $x_1$.", "no, $5 or $6"], checks=(bool,))
    assert formulas(grid_bundle(a_grid)["text/html"]) == ["$x_1$"]
