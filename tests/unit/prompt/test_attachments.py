"""Images that go with a prompt: where they come from, what is refused, how they are written."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from IPython.display import Image as DisplayedImage
from matplotlib.figure import Figure
from PIL import Image as PillowImage

from cc_jupyter.client.bodies.image_limits import (
    CHAT_IMAGE_BYTES,
    MESSAGES_IMAGE_BYTES,
    anthropic_image_part,
    check_images,
    encoded_bytes,
    message_content,
    openai_image_part,
)
from cc_jupyter.core.errors import ConfigError, OptionError
from cc_jupyter.core.messages import Image
from cc_jupyter.prompt import images as attachments
from cc_jupyter.prompt.images import load_image, media_type_of, to_image, working_folder
from cc_jupyter.prompt.template import evaluate
from cc_jupyter.prompt.values import to_text


def written(format_name: str, size: tuple[int, int] = (3, 2), mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    PillowImage.new(mode, size).save(buffer, format_name)
    return buffer.getvalue()


def opened(image: Image) -> PillowImage.Image:
    assert image.data is not None
    return PillowImage.open(io.BytesIO(image.data))


def never(source: str) -> object:
    pytest.fail(f"{source!r} was evaluated")


def load(source: str, folder: Path = Path("/nonexistent"), **names: Any) -> Image:
    return load_image(source, lambda text: evaluate(text, names, {}), folder)


# ── URLs


def test_an_https_url_is_sent_as_it_stands_and_never_fetched(tmp_path):
    url = "https://example.com/a/plot.png?signature=s3cr3t"
    image = load_image(url, never, tmp_path)
    assert image == Image("", None, url, "example.com/a/plot.png")
    assert "s3cr3t" not in image.marker + image.described


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a.png",
        "HTTP://example.com/a.png",
        "ftp://example.com/a.png",
        "file:///etc/passwd",
        "https:///a.png",
        "https://exa mple.com/a.png",
        "https://[/a.png",
    ],
)
def test_any_other_url_is_refused_and_not_evaluated(url, tmp_path):
    with pytest.raises(OptionError, match="only complete https URLs") as caught:
        load_image(url, never, tmp_path)
    assert "pass its path" in caught.value.hint


# ── files


@pytest.mark.parametrize(
    ("format_name", "media_type"),
    [
        ("PNG", "image/png"),
        ("JPEG", "image/jpeg"),
        ("WEBP", "image/webp"),
        ("GIF", "image/gif"),
    ],
)
def test_a_file_goes_out_to_the_byte_and_its_bytes_say_what_it_is(
    format_name, media_type, tmp_path
):
    (tmp_path / "wrong suffix.bmp").write_bytes(written(format_name))
    image = load_image("wrong suffix.bmp", never, tmp_path)
    assert image == Image(media_type, written(format_name), None, "wrong suffix.bmp")


def test_a_path_is_relative_to_the_folder_or_the_home_or_absolute(tmp_path, isolated_home):
    for folder, source in (
        (tmp_path, "a.png"),
        (isolated_home, "~/a.png"),
        (tmp_path, str(tmp_path / "a.png")),
    ):
        (folder / "a.png").write_bytes(written("PNG"))
        assert load_image(source, never, tmp_path).name == "a.png"


def test_an_existing_file_comes_before_an_expression_and_a_folder_after_it(tmp_path):
    (tmp_path / "fig").write_bytes(written("GIF"))
    assert load_image("fig", never, tmp_path).media_type == "image/gif"
    (tmp_path / "plots").mkdir()
    assert load("plots", tmp_path, plots=written("PNG")).media_type == "image/png"


@pytest.mark.parametrize("format_name", ["BMP", "TIFF", "ICO"])
def test_a_format_no_model_takes_becomes_png(format_name, tmp_path):
    (tmp_path / "scan").write_bytes(written(format_name, (32, 32)))
    image = load_image("scan", never, tmp_path)
    assert image.media_type == "image/png"
    assert opened(image).size == (32, 32)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "`x.png` is empty"),
        (b"hello", "`x.png` is not an image"),
        (b'<?xml version="1.0"?><svg/>', "`x.png` is SVG"),
        (b"<!DOCTYPE html><p>404", "`x.png` is a web page"),
        (b"%PDF-1.7", "`x.png` is PDF"),
        (b"\x00\x00\x00\x18ftypheic", "`x.png` is HEIC"),
        (b"RIFF....WAVE", "`x.png` is not an image"),
        (b"BMW is a car", "`x.png` looks like BMP but cannot be read"),
    ],
)
def test_what_is_no_image_that_can_be_sent_says_what_it_is_and_what_to_do(content, said, tmp_path):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(OptionError) as caught:
        load_image("x.png", never, tmp_path)
    assert str(caught.value).startswith(said)
    assert "save it as PNG" in caught.value.hint


def test_a_missing_file_names_a_close_one(tmp_path):
    (tmp_path / "sales.png").write_bytes(written("PNG"))
    with pytest.raises(OptionError, match=r"there is no file `sale.png`") as caught:
        load("sale.png", tmp_path)
    assert caught.value.hint == "did you mean sales.png?"
    with pytest.raises(OptionError, match=r"there is no file `zzzz.jpg`") as caught:
        load("zzzz.jpg", tmp_path)
    assert str(tmp_path) in caught.value.hint


def test_a_folder_is_no_image(tmp_path):
    (tmp_path / "plots").mkdir()
    with pytest.raises(OptionError, match=r"`./plots` is a folder"):
        load("./plots", tmp_path)


def test_a_huge_file_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail("it was read"))
    with (tmp_path / "huge.tif").open("wb") as file:
        file.truncate(300 * 1024 * 1024)
    with pytest.raises(OptionError, match=r"the file `huge.tif` is too large: 314.6 MB"):
        load("huge.tif", tmp_path)


# ── expressions


def figure() -> Figure:
    made = Figure()
    made.subplots().plot([1, 2])
    return made


PNG = written("PNG")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("x", figure()),
        ("x.axes[0]", figure()),
        ("x.axes[0].lines[0]", figure()),
        ("x", Figure().subplots(2, 2)),
        ("x.subfigures(1, 2)[0]", Figure()),
        ("x", PillowImage.new("RGB", (3, 2))),
        ("x", PNG),
        ("x", bytearray(PNG)),
        ("memoryview(x)", PNG),
        ("x", io.BytesIO(PNG)),
        ("x", DisplayedImage(data=PNG)),
        ("x['plot']", {"plot": PNG}),
    ],
)
def test_an_expression_gives_an_image_and_its_name(expression, value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = load(expression, x=value)
    assert image.media_type == "image/png"
    assert image.name == expression
    assert opened(image).size[0] > 1


def test_writing_a_figure_changes_neither_it_nor_the_backend():
    made = figure()
    before = (made.get_size_inches().tolist(), made.dpi, made.canvas, mpl.get_backend())
    load("x", x=made)
    assert (made.get_size_inches().tolist(), made.dpi, made.canvas, mpl.get_backend()) == before
    assert "matplotlib.pyplot" not in attachments.__dict__


@pytest.mark.parametrize(
    ("array", "corner"),
    [
        (np.full((2, 3), 255, "uint8"), 255),
        (np.full((2, 3, 1), 7, "uint8"), 7),
        (np.full((2, 3, 3), 255), (255, 255, 255)),
        (np.full((2, 3, 4), 0.5), (128, 128, 128, 128)),
        (np.ones((2, 3), "float32"), 255),
        (np.ones((2, 3), bool), 255),
        (np.full((2, 3), 200, "int64"), 200),
        (np.full((4, 6), 9, "uint8")[::2, ::2], 9),
    ],
)
def test_an_array_of_pixels_is_an_image(array, corner):
    shown = opened(load("x", x=array))
    assert shown.size == (3, 2)
    assert shown.getpixel((0, 0)) == corner


@pytest.mark.parametrize(
    ("array", "said", "hint"),
    [
        (np.zeros((3, 8, 8)), "an array of shape (3, 8, 8), which is not an image", "np.moveaxis"),
        (np.zeros(8), "an array of shape (8,), which is not an image", "height, width"),
        (np.zeros((0, 8)), "an array of shape (0, 8), which is not an image", "height, width"),
        (
            np.full((2, 2), 1.5),
            "range from 1.5 to 1.5; an image of float64 has values",
            "a.m",
        ),
        (
            np.full((2, 2), 300),
            "range from 300 to 300; an image of int64 has values",
            "a.min",
        ),
        (np.full((2, 2), np.nan), "range from nan to nan", "a.min()"),
        (np.zeros((2, 2), complex), "an array of complex128", "uint8"),
        (np.array([["a"]]), "an array of <U1", "uint8"),
    ],
)
def test_an_array_that_is_no_image_says_why_and_what_to_do(array, said, hint):
    with pytest.raises(OptionError) as caught:
        load("x", x=array)
    assert said in str(caught.value)
    assert hint in caught.value.hint


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "CMYK", "YCbCr", "F", "I;16", "La"])
def test_a_pillow_image_of_any_mode_can_be_sent(mode):
    assert opened(load("x", x=PillowImage.new(mode, (3, 2)))).size == (3, 2)


def test_a_photograph_is_sent_upright():
    photo = PillowImage.new("RGB", (3, 2))
    photo.getexif()[274] = 6  # turned by a quarter
    assert opened(load("x", x=photo)).size == (2, 3)


def test_a_pillow_image_too_large_as_png_is_sent_as_jpeg():
    noise = np.random.default_rng(1).integers(0, 256, (1300, 1300, 3), "uint8")
    image = load("x", x=noise)
    assert image.media_type == "image/jpeg"
    check_images([image], "/messages")


def test_what_shows_as_a_picture_in_a_notebook_is_one():
    class Formula:
        def _repr_png_(self) -> Any:
            return base64.b64encode(PNG).decode(), {"width": 3}

    assert load("x", x=Formula()).data == PNG


def test_a_value_that_names_a_file_or_a_url_stands_for_it_and_is_not_evaluated(tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    for value in ("a.png", Path("a.png"), tmp_path / "a.png"):
        assert load("x", tmp_path, x=value) == Image("image/png", PNG, None, "a.png")
    assert load("x", x="https://e.com/a.png").url == "https://e.com/a.png"
    assert load("x", x=DisplayedImage(url="https://e.com/a.png")).url == "https://e.com/a.png"
    with pytest.raises(OptionError, match="neither an https URL nor a file"):
        load("x", tmp_path, x="PNG", PNG=PNG)
    with pytest.raises(OptionError, match="only complete https URLs"):
        load("x", x=DisplayedImage(url="http://e.com/a.png"))


@pytest.mark.parametrize("value", [None, 7, object(), PillowImage, [PNG], {"a": 1}, sys])
def test_what_is_no_picture_says_what_is_one(value):
    with pytest.raises(OptionError, match=r"`x` is an? .*, not an image") as caught:
        load("x", x=value)
    assert "a figure, a Pillow image" in caught.value.hint


def test_an_expression_that_fails_says_why():
    with pytest.raises(OptionError, match="not a file, and as an expression it fails: Name") as one:
        load("figre", figure=1)
    assert one.value.hint == "did you mean figure?"
    with pytest.raises(OptionError, match="ZeroDivisionError: division by zero") as two:
        load("1/0")
    assert "an https URL, a path" in two.value.hint
    with pytest.raises(OptionError, match="SyntaxError"):
        load("my plot")


def test_an_object_that_fails_to_show_itself_says_so():
    class Broken:
        def _repr_png_(self) -> bytes:
            raise RuntimeError("no dot")

    with pytest.raises(OptionError, match="`x`, a Broken, cannot be converted to an image: Runt"):
        load("x", x=Broken())


def test_an_array_without_pillow_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ConfigError, match="needs Pillow, which is not installed") as caught:
        to_image(np.zeros((2, 2)), "x", Path())
    assert caught.value.hint.startswith("pip install pillow")


def test_bytes_and_files_need_no_library(tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    code = (
        "import sys; from pathlib import Path; from cc_jupyter.prompt.images import load_image\n"
        f"load_image('a.png', eval, Path({str(tmp_path)!r}))\n"
        "load_image('x', lambda _: b'GIF89a', Path())\n"
        "sys.exit(bool({'PIL', 'numpy', 'matplotlib', 'IPython'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("data", [b"", b"\x89PNG", b"RIFF", b"RIFF1234WEB", b"\xff\xd8"])
def test_half_a_magic_number_is_none(data):
    assert media_type_of(data) is None


# ── limits


def blob(size_bytes: int) -> Image:
    return Image("image/png", bytes(size_bytes), None, "big.png")


@pytest.mark.parametrize(
    ("size_bytes", "endpoint", "fits"),
    [
        (MESSAGES_IMAGE_BYTES * 3 // 4, "/messages", True),
        (MESSAGES_IMAGE_BYTES * 3 // 4 + 1, "/messages", False),
        (MESSAGES_IMAGE_BYTES, "/chat/completions", True),
        (CHAT_IMAGE_BYTES, "/chat/completions", True),
        (CHAT_IMAGE_BYTES + 1, "/chat/completions", False),
    ],
)
def test_each_endpoint_has_its_limit_of_one_image(size_bytes, endpoint, fits):
    if fits:
        check_images([blob(size_bytes)], endpoint)
        return
    with pytest.raises(OptionError, match=r"the image `big.png` is too large: [\d.]+ MB") as caught:
        check_images([blob(size_bytes)], endpoint)
    assert "make it smaller: image.thumbnail" in caught.value.hint


@pytest.mark.parametrize(("endpoint", "count"), [("/messages", 6), ("/chat/completions", 9)])
def test_all_images_together_have_a_limit(endpoint, count):
    images = [blob(3_700_000)] * count
    check_images(images, endpoint)
    with pytest.raises(OptionError, match=f"the total size of {count + 1} images is too large"):
        check_images([*images, blob(3_700_000)], endpoint)


def test_a_url_weighs_nothing():
    linked = Image("", None, "https://e.com/a.png", "e.com/a.png")
    assert encoded_bytes(linked) == 0
    check_images([linked] * 100, "/messages")


@pytest.mark.parametrize("size_bytes", [0, 1, 2, 3, 4, 1000])
def test_the_size_as_sent_is_the_length_of_the_base64(size_bytes):
    sent = anthropic_image_part(blob(size_bytes))["source"]["data"]
    assert encoded_bytes(blob(size_bytes)) == len(sent)


# ── on the wire (provider-api.md, section 12)

HELD = Image("image/png", b"\x89PNG", None, "fig")
LINKED = Image("", None, "https://e.com/a.png", "e.com/a.png")


def test_the_part_of_chat_completions_is_a_data_url_or_the_url():
    assert openai_image_part(HELD) == {
        "type": "image_url",
        "image_url": {"url": "data:image/png;base64,iVBORw=="},
    }
    assert openai_image_part(LINKED) == {
        "type": "image_url",
        "image_url": {"url": "https://e.com/a.png"},
    }


def test_the_part_of_messages_is_base64_or_the_url():
    assert anthropic_image_part(HELD) == {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="},
    }
    assert anthropic_image_part(LINKED) == {
        "type": "image",
        "source": {"type": "url", "url": "https://e.com/a.png"},
    }


def test_a_message_without_images_stays_text():
    assert message_content("hi", (), openai_image_part) == "hi"


def test_one_image_goes_before_the_text():
    assert message_content("What is [image: fig]?", (HELD,), anthropic_image_part) == [
        anthropic_image_part(HELD),
        {"type": "text", "text": "What is [image: fig]?"},
    ]


def test_several_images_are_announced_by_their_markers():
    assert message_content("Compare.", (HELD, LINKED), openai_image_part) == [
        {"type": "text", "text": "[image: fig]"},
        openai_image_part(HELD),
        {"type": "text", "text": "[image: e.com/a.png]"},
        openai_image_part(LINKED),
        {"type": "text", "text": "Compare."},
    ]


def test_the_repr_and_the_description_hold_no_bytes():
    assert "PNG" not in repr(HELD)
    assert HELD.described == "fig (image/png, 4 bytes)"
    assert LINKED.described == "e.com/a.png (URL)"


# Charts that need a converter, and a working folder that was deleted


def chart(library: str, method: str, result: bytes | Exception) -> object:
    def draw(_self: object, *given: object, **_named: object) -> bytes:
        if isinstance(result, Exception):
            raise result
        for target in given:
            target.write(result)  # altair writes, plotly returns
        return result

    space = {"__module__": f"{library}.graphs", method: draw}
    return type("Figure", (), space)()


CHARTS = [
    ("plotly", "to_image", "kaleido", "kaleido"),
    ("altair", "save", "vl_convert", "vl-convert-python"),
]


@pytest.mark.parametrize(("library", "method", "module", "package"), CHARTS)
def test_a_chart_without_its_converter_is_refused_in_one_clear_line(
    library, method, module, package, monkeypatch
):
    monkeypatch.setattr("cc_jupyter.prompt.images.find_spec", lambda _: None)
    with pytest.raises(ConfigError) as caught:
        to_image(chart(library, method, AssertionError()), "fig", Path())
    expected = f"`fig` is a chart of {library}, which needs {module} to become an image"
    assert str(caught.value) == f"{expected}; that is not installed"
    assert caught.value.hint == f"pip install {package}"


@pytest.mark.parametrize(("library", "method", "module", "package"), CHARTS)
def test_a_chart_with_its_converter_is_an_image(library, method, module, package, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "cc_jupyter.prompt.images.find_spec", lambda name: asked.append(name) or object()
    )
    image = to_image(chart(library, method, written("PNG")), "fig", Path())
    assert (image.data, image.name) == (written("PNG"), "fig")
    assert asked == [module]
    rendered = to_text([chart(library, method, written("PNG"))], "fig")
    assert rendered.text == "[[image: fig[0]]]"
    assert package not in str(rendered.notices)


def test_a_converter_that_fails_names_the_chart(monkeypatch, tmp_path):
    monkeypatch.setattr("cc_jupyter.prompt.images.find_spec", lambda _: object())
    broken = chart("plotly", "to_image", RuntimeError("no Chrome"))
    with pytest.raises(OptionError, match=r"`fig`, a Figure, cannot be converted .*no Chrome"):
        to_image(broken, "fig", tmp_path)


def test_without_a_working_folder_urls_and_absolute_paths_and_values_still_work(tmp_path):
    (tmp_path / "a.png").write_bytes(written("PNG"))
    for source in (str(tmp_path / "a.png"), "value"):
        assert load_image(source, lambda _: written("PNG"), None).data == written("PNG")
    assert load_image("https://example.org/a.png", never, None).url == "https://example.org/a.png"


@pytest.mark.parametrize("source", ["a.png", "./a", "pictures/a.jpg"])
def test_a_relative_path_in_a_deleted_folder_says_that_it_was_deleted(
    source, tmp_path, monkeypatch
):
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert working_folder() is None
    with pytest.raises(OptionError) as caught:
        load_image(source, no_such_name, working_folder())
    assert "there is no file" in str(caught.value)
    assert "the working folder was deleted" in (caught.value.hint or "")


def no_such_name(text: str) -> object:
    return evaluate(text, {}, {})
