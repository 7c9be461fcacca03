"""Images in a prompt: what is sent on each wire, and what is refused before sending."""

from __future__ import annotations

import base64

import pytest
from support.kernel_notebook import CLAUDE, MODEL

pytestmark = pytest.mark.kernel

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
SEES = "gpt-5.4-mini"


@pytest.fixture
def pixel(notebook):
    notebook.check(f"pixel = {PIXEL!r}")
    return base64.b64encode(PIXEL).decode()


def test_bytes_go_out_as_a_data_url_on_chat(notebook, pixel):
    notebook.check(f"%%cmd -m {SEES} -i pixel\nwhat is it?")
    parts = notebook.body["messages"][-1]["content"]
    assert {"type": "text", "text": "what is it?"} in parts
    assert f"data:image/png;base64,{pixel}" in str(parts)


def test_bytes_go_out_as_a_base64_source_on_messages(notebook, pixel):
    notebook.check(f"%%cmd -m {CLAUDE} -i pixel\nwhat is it?")
    parts = notebook.body["messages"][-1]["content"]
    source = {"type": "base64", "media_type": "image/png", "data": pixel}
    assert {"type": "image", "source": source} in parts


def test_a_file_and_a_url_are_images_too(notebook):
    file = notebook.folder / "pixel.dat"
    file.write_bytes(PIXEL)
    notebook.check(f"%%cmd -m {SEES} -i {file} -i https://example.org/cat.jpg\nwhat are they?")
    content = str(notebook.body["messages"][-1]["content"])
    assert "data:image/png;base64," in content
    assert "https://example.org/cat.jpg" in content


def test_an_image_among_the_values_goes_along_and_is_named_in_the_text(notebook, pixel):
    notebook.check(f"%%cmd -m {SEES}\nwhat is {{{{ pixel }}}}?")
    content = notebook.body["messages"][-1]["content"]
    assert "what is [image: pixel]?" in str(content)
    assert pixel in str(content)


def test_a_follow_up_still_shows_the_image(notebook, pixel):
    notebook.check(f"%%cmd -m {SEES} -i pixel\nwhat is it?")
    notebook.check(f"%%cmd -m {SEES}\nand its colour?")
    assert pixel in str(notebook.body["messages"][0]["content"])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"-m {MODEL} -i pixel", "does not accept images"),
        (f"-m {SEES} -i nothing", "nothing"),
        (f"-m {SEES} -i http://example.org/a.png", "http"),
        (f"-m {SEES} -i 5", "image"),
    ],
)
def test_what_cannot_be_seen_is_refused_before_sending(notebook, pixel, line, said):
    run = notebook.fail(f"%%cmd {line}\nwhat is it?", "OptionError")
    assert said in run.error
    assert notebook.posts == []


def test_a_dry_run_names_the_image_and_keeps_the_notebook_small(notebook):
    notebook.check(f"pixel = {PIXEL!r} + bytes(200_000)")
    run = notebook.check(f"%%cmd -m {SEES} -i pixel --dry-run\nwhat is it?")
    assert "pixel (image/png, 200," in run.texts[0]
    assert "images estimated" in run.texts[0]
    assert len(run.texts[0]) < 3_000
    assert notebook.posts == []
