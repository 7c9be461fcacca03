"""Notebook 7: the same answer, the same order of outputs, the same file."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from support.lab_harness import LabNotebook
from support.provider import openai_stream, wait

pytestmark = pytest.mark.browser


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
