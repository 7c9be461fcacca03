"""Images in rows: values of cells, `-i`, and one that cannot be sent."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from PIL import Image
from support import provider as scripted
from support.rows import called, raised, run

from cc_jupyter.core.errors import OptionError, RowsError
from cc_jupyter.rows.calls import run_call
from cc_jupyter.rows.progress import NullRowView
from cc_jupyter.rows.view import final_bundle

SEES = "gpt-5.4-mini"


def png(color):
    buffer = io.BytesIO()
    Image.new("RGB", (2, 2), color).save(buffer, "PNG")
    return buffer.getvalue()


RED, GREEN, BLUE = map(png, ("red", "green", "blue"))
NAMES = {RED: "red", GREEN: "green", BLUE: "blue"}
TOO_LARGE = RED + bytes(30_000_000)


def images_of(record):
    """Return the images of a request, as bytes."""
    parts = record.json["messages"][-1]["content"]
    if isinstance(parts, str):
        return []
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    return [base64.b64decode(url.partition(",")[2]) for url in urls]


def answers(ended):
    return ended.run.results.values  # noqa: PD011  not of pandas


@pytest.fixture
def seeing(session, provider):
    """Return a session whose model says which image it sees."""
    provider.always(
        lambda record: scripted.openai_stream([" ".join(NAMES[each] for each in images_of(record))])
    )
    return session


def with_option(session, data, *images):
    """Run a prompt with `-i` over rows."""
    call = called(session, "which?", model=SEES)._replace(images=images)
    return run_call(session, data, call, NullRowView())


@pytest.mark.parametrize(
    "prompt", ["{{ picture }}?", "{{ row.picture }}?", '{{ row["picture"] }}?']
)
@pytest.mark.parametrize("kind", ["pandas", "polars", "dicts"])
def test_a_column_of_images_goes_along(seeing, tmp_path, prompt, kind):
    file = tmp_path / "blue.png"
    file.write_bytes(BLUE)
    cells = {
        "pandas": [Image.open(io.BytesIO(RED)), GREEN, file],
        "polars": [RED, GREEN, BLUE],
        "dicts": [RED, file, file],
    }[kind]
    make = {"pandas": pd.DataFrame, "polars": pl.DataFrame}.get(kind)
    data = make({"picture": cells}) if make else [{"picture": each} for each in cells]
    ended = run(seeing, data, prompt, model=SEES)
    last = "blue" if kind == "dicts" else "green"
    assert answers(ended) == ["red", last, "blue"]


def test_the_option_takes_an_image_of_each_row_as_a_path_too(seeing, tmp_path):
    file = tmp_path / "blue.png"
    file.write_bytes(BLUE)
    data = [{"picture": each} for each in (RED, str(file), Path(file))]
    ended = with_option(seeing, data, "picture")
    assert answers(ended) == ["red", "blue", "blue"]
    assert ended.run.progress.equal == 1


def test_an_image_that_is_too_large_is_one_failed_row(seeing, provider):
    data = [{"picture": each} for each in (RED, TOO_LARGE, b"no image", BLUE)]
    ended = with_option(seeing, data, "picture")
    assert answers(ended) == ["red", None, None, "blue"]
    errors = [row["error"] for row in ended.result.meta]
    assert errors[1] == (
        "OptionError: the image `picture` is too large: 30.0 MB as sent, the limit is 21.0 MB"
    )
    assert errors[2] == "OptionError: `picture` is not an image"
    assert len(provider.posts) == 2
    progress = ended.run.progress
    assert (progress.failed, progress.ended, progress.left) == (2, 2, 0)
    assert (
        "change what cannot be sent and run it again" in final_bundle(progress, "x")["text/plain"]
    )


def test_no_image_that_can_be_sent_is_an_error_that_counts_every_row(seeing, provider):
    error = raised(seeing, [{"picture": TOO_LARGE}] * 3, "{{ picture }}?", model=SEES)
    assert isinstance(error, RowsError)
    assert "3 of 3 rows failed (cannot be sent 3)" in str(error)
    assert "has 0 of 3 answers" in str(error)
    assert error.hint.startswith("change what cannot be sent and run it again")
    assert provider.posts == []


def test_a_model_without_images_is_an_error_of_the_call(seeing, provider):
    with pytest.raises(OptionError, match="does not accept images") as caught:
        run(seeing, [{"picture": RED}, {"picture": GREEN}], "{{ picture }}?")
    assert caught.value.hint == "choose a model from %cmd models image"
    assert provider.posts == []


def test_a_column_that_the_row_does_not_have_has_a_close_match(seeing):
    with pytest.raises(OptionError, match="no column `pictur`; did you mean picture") as caught:
        run(seeing, [{"picture": RED}], "{{ row.pictur }}?", model=SEES)
    assert isinstance(caught.value.__cause__, AttributeError)


@pytest.mark.parametrize("system", [None, "Be brief. " * 1_000])
def test_an_image_and_the_system_prompt_count_once_in_the_estimate(seeing, system):
    plain = run(seeing, [{"text": "a"}], model=SEES, system=system).run.plan.sizes[0]
    data = [{"text": "a", "picture": RED}]
    seen = run(seeing, data, "word {{ text }} {{ picture }}", model=SEES, system=system)
    assert 5_000 < seen.run.plan.sizes[0] - plain < 7_000
    assert plain - len("word a") == len(system or "")
