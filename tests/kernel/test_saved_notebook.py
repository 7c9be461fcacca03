"""What is left in the file, run by nbclient as by JupyterLab's Run All, papermill and CI."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import nbclient
import nbformat
import pytest
from nbconvert import HTMLExporter, MarkdownExporter
from support.kernel_notebook import MODEL
from support.private_environment import private_environment
from support.provider import KEY, ToolCall, answer, error, prose

pytestmark = pytest.mark.kernel


def execute(provider, folder, *cells):
    """Run a notebook from top to bottom; give it as it is saved, and the failure or `None`."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    environment = private_environment(folder) | {
        "CMD_BASE_URL": provider.base_url,
        "CMD_API_KEY": KEY,
        "CMD_MODEL": MODEL,
    }
    client = nbclient.NotebookClient(book, timeout=60, kernel_name="python3")
    failed = None
    try:
        client.execute(env=environment, cwd=str(folder))
    except nbclient.exceptions.CellExecutionError as error_:
        failed = error_
    text = nbformat.writes(book)
    return nbformat.reads(text, as_version=4), failed


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return a saved notebook with one cell of each kind, and its text."""
    from support.provider import Provider  # noqa: PLC0415  the fixture of this name is for one test

    with Provider() as provider:
        provider.play(answer("# Title\n\nThe *answer* with <b>tags</b>.", reasoning="I think so."))
        provider.play(answer("second"))
        provider.play(answer("third"))
        book, failed = execute(
            provider,
            tmp_path_factory.mktemp("saved"),
            "%load_ext cc_jupyter",
            "%%cmd -> first\nhello",
            "for word in ('a', 'b'):\n    print(word)\n    %cmd ask {{ word }}?",
            "print(len(first))",
            "%%cmd -m test/burst-1000@1ms\nhello",
        )
        sent = [post.json["messages"][-1]["content"] for post in provider.posts]
    assert failed is None
    assert sent == ["hello", "a?", "b?", "hello"]
    return book


def test_the_saved_notebook_is_readable_and_small(saved):
    nbformat.validate(saved)
    loading, first, loop, _, long = (cell.outputs for cell in saved.cells)
    assert loading == []
    assert [sorted(output.data) for output in first] == [
        ["text/html", "text/plain"],
        ["text/markdown", "text/plain"],
        ["text/html", "text/plain"],
    ]
    assert first[1].data["text/plain"] == "# Title\n\nThe *answer* with <b>tags</b>."
    assert first[1].metadata["cc_jupyter"]["schema"] == 2
    assert [output.output_type for output in loop] == ["stream", *["display_data"] * 2] * 2
    assert len(long) == 2
    text = long[0].data["text/plain"]
    assert len(json.dumps(long)) < 3 * len(text) + 2000
    assert "widgets" not in saved.metadata


def test_the_saved_notebook_holds_no_key(saved):
    assert KEY not in nbformat.writes(saved)


def test_every_saved_output_has_plain_text(saved):
    for cell in saved.cells:
        for output in cell.outputs:
            text = output.text if output.output_type == "stream" else output.data["text/plain"]
            assert text.strip()
            assert "object at 0x" not in text


def test_the_converted_notebook_reads_well(saved):
    page, _ = HTMLExporter().from_notebook_node(saved)
    assert re.search(r"<h1[^>]*>Title", page)
    assert "<em>answer</em>" in page
    assert "<b>tags</b>" not in page
    assert "deepseek-v4-flash · in" in page
    text, _ = MarkdownExporter().from_notebook_node(saved)
    assert "The *answer* with" in text


def test_failure_fails_the_cell_and_stops_the_run(provider, tmp_path):
    provider.play(answer("one"))
    provider.play(error(401))
    book, failed = execute(
        provider,
        tmp_path,
        "%load_ext cc_jupyter",
        "%%cmd\nfirst",
        "%%cmd -> value\nsecond",
        "%%cmd\nthird",
    )
    assert failed is not None
    assert failed.ename == "AuthError"
    assert len(provider.posts) == 2
    (output,) = book.cells[2].outputs
    assert output.output_type == "error"
    assert len("\n".join(output.traceback).splitlines()) == 2
    assert book.cells[3].outputs == []


def test_a_run_sends_exactly_what_the_notebook_says_each_time(provider, tmp_path):
    for number in range(2):
        for text in ("1", "2"):
            provider.play(answer(text))
        execute(
            provider,
            tmp_path / str(number),
            "%load_ext cc_jupyter",
            "%%cmd\none",
            "%%cmd\ntwo",
        )
    said = [[each["content"] for each in post.json["messages"]] for post in provider.posts]
    assert said == [["one"], ["one", "1", "two"]] * 2


def test_a_console_in_a_kernel_gets_printed_text(notebook):
    """`jupyter console` shows only the first state of a display; it can be asked for input."""
    notebook.provider.play(answer(["one ", "two ", "three"]))
    run = notebook.kernel.run("%%cmd\nhello", allow_stdin=True)
    assert run.status == "ok"
    assert run.streams.startswith("one two three\ndeepseek-v4-flash · in ")
    assert run.outputs == []
    assert not run.of_type("update_display_data")


HARD_WRAPPED = "".join(prose(5_000))
AS_MODELS_WRITE = re.sub(r"(?<=[a-z]) *\n(?=[a-z])", " ", HARD_WRAPPED)
"""A paragraph is one line; the hard-wrapped text has 34 characters a line with all its code."""


@pytest.mark.parametrize(
    ("text", "most"),
    [
        (AS_MODELS_WRITE, 2.7),
        (HARD_WRAPPED, 2.75),
        ("```python\n" + "total = step(total)\n" * 800 + "```\n", 4.0),
    ],
    ids=["5,000 tokens", "5,000 tokens in short lines", "code in short lines"],
)
def test_a_saved_answer_is_little_larger_than_its_text(provider, tmp_path, text, most):
    """The file holds the text twice, with a line of JSON for each of its lines."""
    provider.play(answer(text))
    book, failed = execute(provider, tmp_path, "%load_ext cc_jupyter", "%%cmd\nhello")
    assert failed is None
    lines = nbformat.writes(nbformat.v4.new_notebook(cells=[book.cells[1]]))
    assert len(lines.encode()) <= most * len(text.encode()) + 2_048


def papermill(provider, folder, *cells):
    """Run a notebook by papermill; give what it said and the notebook it wrote."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    book.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "P"}
    nbformat.write(book, folder / "in.ipynb")
    done = subprocess.run(
        [sys.executable, "-m", "papermill", "in.ipynb", "out.ipynb", "-p", "word", "apples"],
        cwd=folder,
        env=private_environment(folder)
        | {"CMD_BASE_URL": provider.base_url, "CMD_API_KEY": KEY, "CMD_MODEL": MODEL},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done, nbformat.read(folder / "out.ipynb", as_version=4)


def test_papermill_runs_prompts_with_its_parameters_and_keeps_code_answers(provider, tmp_path):
    provider.play(answer("```python\nx = 1\n```"))
    done, book = papermill(
        provider, tmp_path, "%load_ext cc_jupyter", "%%cmd -f code -> code\nabout {{ word }}"
    )
    assert done.returncode == 0, done.stderr
    assert provider.posts[-1].json["messages"][-1]["content"] == "about apples"
    answers = [out for cell in book.cells for out in cell.get("outputs", ()) if "data" in out]
    assert answers[0].data["text/plain"] == "```python\nx = 1\n```"
    assert answers[0].metadata["cc_jupyter"]["stop_reason"] == "stop"


def test_papermill_stops_at_a_prompt_that_fails(provider, tmp_path):
    provider.play(error(401))
    done, book = papermill(provider, tmp_path, "%load_ext cc_jupyter", "%%cmd\nhello", "after = 1")
    assert done.returncode != 0
    assert "AuthError" in done.stderr
    assert book.cells[-1].execution_count is None


TOOLS = """ran = []

def save(path: str) -> str:
    ran.append(path)
    return "saved"
"""


@pytest.mark.parametrize("allowed", [True, False], ids=["allowed", "not allowed"])
def test_a_tool_in_a_notebook_that_runs_by_itself_needs_to_be_allowed(allowed, provider, tmp_path):
    provider.play(answer("", calls=[ToolCall("save", {"path": "a.txt"})]))
    provider.play(answer("Done."))
    options = "--tools save --allow save" if allowed else "--tools save"
    cells = ("%load_ext cc_jupyter", TOOLS, f"%%cmd {options}\nSave it.", "print(ran)")
    book, failed = execute(provider, tmp_path, *cells)
    trace = book.cells[2].outputs[0].data
    if allowed:
        assert failed is None
        assert trace["text/plain"].startswith('1 ✓ save(path="a.txt") → "saved" · ')
        assert len(book.cells[2].outputs) == 3
        assert book.cells[3].outputs[0].text == "['a.txt']\n"
    else:
        assert "add --allow save to the cell" in str(failed)
        assert "refused: the call needs the user's consent" in trace["text/plain"]
        assert not book.cells[3].outputs  # papermill and CI stop here
    assert len(provider.posts) == 2
