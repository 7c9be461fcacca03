"""Notebook 7: the same answer, the same order of outputs, the same file."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from support.lab_harness import LabNotebook, running_lab
from support.private_environment import private_environment
from support.provider import KEY, openai_stream, wait

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.lab_harness import Lab

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        importlib.util.find_spec("notebook") is None, reason="Notebook 7 is not installed"
    ),
]


@pytest.fixture
def notebook7(tmp_path, lab_provider) -> Iterator[Lab]:
    environment = private_environment(tmp_path / "home") | {
        "CMD_BASE_URL": lab_provider.base_url,
        "CMD_API_KEY": KEY,
        "CMD_MODEL": "deepseek/deepseek-v4-flash",
    }
    with running_lab(tmp_path / "notebook7", environment, classic=True) as started:
        yield started
        started.end_kernels()


def test_an_answer_streams_and_stands_as_in_jupyterlab(notebook7, provider, page):
    path = notebook7.write("answer.ipynb", ["%load_ext cc_jupyter", "%%cmd\nhello"])
    notebook = LabNotebook(notebook7, page, path)
    notebook.open()
    notebook.run(0)
    said = ["First paragraph.", "\n\n", "Second one.", " The end."]
    script = openai_stream(said, reasoning=["Hm."])
    place = next(n for n, step in enumerate(script) if "First" in repr(step))
    provider.play(*script[: place + 1], wait("rest"), *script[place + 1 :])
    notebook.start(1)
    expect(notebook.cell(1)).to_contain_text("First paragraph.")
    provider.gate("rest").set()
    expect(notebook.cell(1)).to_contain_text("The end.")
    expect(notebook.cell(1)).to_contain_text("deepseek-v4-flash · in ")
    expect(notebook.outputs(1)).to_have_count(3)
    texts = [" ".join(text.split()) for text in notebook.outputs(1).all_inner_texts()]
    assert texts[0].startswith("Thought for")
    assert texts[1] == "First paragraph. Second one. The end."
