"""Cells with `--each` in a kernel: what a user sees, what is bound, what a stop leaves."""

from __future__ import annotations

import pytest
from support import provider as scripted
from support.kernel_notebook import MODEL
from support.plain_server import wait_until
from support.provider import ToolCall
from support.rows import echo, prompt_of

FRAME = "rows = [{'text': str(number)} for number in range(12)]"


@pytest.fixture
def rows(notebook):
    notebook.provider.always(echo)
    notebook.check(FRAME)
    return notebook


def shown(run):
    """Return the text of the last state of the cell's output."""
    return run.texts[-1]


def test_a_cell_answers_each_row_and_shows_one_output(rows):
    run = rows.check(f"%%cmd --each rows -m {MODEL} -> labels\nword {{{{ text }}}}")
    assert rows.value("[row['answer'] for row in labels][:3]") == ["word 0", "word 1", "word 2"]
    assert rows.value("_cmd.text").startswith("word ")
    assert len(run.outputs) == 1
    assert "12 rows" in shown(run)
    assert "12 of 12 requests answered" in shown(run)
    assert "$" in shown(run)
    again = rows.check(f"%%cmd --each rows -m {MODEL} -> labels\nword {{{{ text }}}}")
    assert len(rows.posts) == 12
    assert "12 of them before, on 20" in shown(again)


def test_a_typed_cell_over_a_frame_gives_a_frame_with_its_index(rows):
    rows.provider.always(scripted.openai_stream(['{"value": 7}']))
    rows.check("import pandas as pd; df = pd.DataFrame(rows, index=list('abcdefghijkl'))")
    rows.check(f"%%cmd --each df -m {MODEL} --concurrency 4 -> n: int\nword {{{{ text }}}}")
    assert rows.value("[*n.index[:2], str(n.value.dtype), int(n.value.sum())]") == [
        *("a", "b", "Int64", 84),
    ]
    assert rows.value("list(n.cmd.meta.columns)[0]") == "input_tokens"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--each rowz -> x", ["--each rowz", "rowz", "failed"]),
        ("--each 3.5 -> x", ["a float is not a table"]),
        ("--each rows --dry-run -> x", ["--preview 5"]),
        ("--each rows -> x: Nothing", ["Nothing"]),
    ],
)
def test_what_is_no_table_or_no_type_is_refused(rows, options, words):
    run = rows.run(f"%%cmd {options}\nword {{{{ text }}}}")
    assert all(word in run.error for word in words), run.error
    assert rows.posts == []


def test_failed_rows_are_missing_and_the_cell_is_green(rows):
    refused = scripted.error(400, "no such thing")
    rows.provider.always(
        lambda record: refused(record) if prompt_of(record) == "word 3" else echo(record)
    )
    run = rows.check(f"%%cmd --each rows -m {MODEL} -> labels\nword {{{{ text }}}}")
    assert rows.value("[labels[3]['answer'], labels[4]['answer']]") == [None, "word 4"]
    assert "1 failed (400 1)" in shown(run)
    assert "run it again to send what failed" in shown(run)
    rows.fail(
        f"%%cmd --each rows -m {MODEL} --on-error raise -> x\nword {{{{ text }}}}", "RowsError"
    )
    assert rows.value("x[4]['answer']") == "word 4"


def test_a_stopped_cell_keeps_what_has_ended_and_says_how_to_go_on(rows):
    rows.provider.always(
        lambda record: (
            echo(record)
            if int(prompt_of(record).split()[1]) < 5
            else (*echo(record)[:2], scripted.hang())
        )
    )
    kernel = rows.kernel
    request = kernel.start(
        f"%%cmd --each rows -m {MODEL} --concurrency 3 -> labels\nword {{{{ text }}}}"
    )
    wait_until(lambda: len(rows.posts) >= 8, 10)
    kernel.interrupt()
    run = kernel.follow(request)
    text = run.error
    assert "KeyboardInterrupt" in text
    assert "labels has 5 of 12 answers; run it again to send the other 7" in text
    rows.provider.always(echo)
    rows.check(f"%%cmd --each rows -m {MODEL} -> labels\nword {{{{ text }}}}")
    assert rows.value("[row['answer'] for row in labels]") == [f"word {n}" for n in range(12)]


def test_a_preview_shows_its_rows_and_projects_the_bill(rows):
    run = rows.check(f"%%cmd --each rows --preview 6 -m {MODEL} -> few\nword {{{{ text }}}}")
    assert rows.value("len(few)") == 6
    assert len(rows.posts) == 6
    assert "preview: 6 of 12 rows → few" in shown(run)
    assert "for all rows" in shown(run)
    assert "the full run sends only the rest" in shown(run)
    assert shown(run).count("word ") >= 6


def test_rows_are_in_no_thread_and_can_be_forgotten(rows):
    rows.check(f"%%cmd --each rows -m {MODEL} -> labels\nword {{{{ text }}}}")
    assert rows.value("len(get_ipython().run_line_magic('cmd', 'history'))") == 0
    assert "labels" in rows.check("%cmd forget rows").texts[-1]
    assert "deleted 12 finished rows" in rows.check("%cmd forget rows labels").texts[-1]
    rows.check(f"%%cmd --each rows -m {MODEL} -> labels\nword {{{{ text }}}}")
    assert len(rows.posts) == 24


def test_python_sees_the_names_of_the_cell_and_waits_in_coroutines(rows):
    rows.check("import cc_jupyter as cc\nsuffix = '!'")
    rows.check(f"a = cc.map_rows(rows, 'word {{{{ text }}}}{{{{ suffix }}}}', model='{MODEL}')")
    rows.check(f"b = await cc.amap(rows, 'word {{{{ text }}}}{{{{ suffix }}}}', model='{MODEL}')")
    assert rows.value("[row['answer'] for row in a] == [row['answer'] for row in b]") is True
    assert rows.value("[a[0]['answer'], len(cc.last_rows())]") == ["word 0!", 12]
    assert len(rows.posts) == 12
    assert rows.check(f"print(await cc.aask('hello', model='{MODEL}'))").streams == "hello\n"


def test_an_interrupt_ends_what_a_cell_awaits_in_one_line(rows):
    def is_slow(record):
        return int(prompt_of(record).split()[1]) >= 5

    rows.provider.always(
        lambda record: (*echo(record)[:2], scripted.hang()) if is_slow(record) else echo(record)
    )
    rows.check("import cc_jupyter as cc")
    kernel = rows.kernel
    options = f"model='{MODEL}', concurrency=3"
    request = kernel.start(f"a = await cc.amap(rows, 'word {{{{ text }}}}', {options})")
    wait_until(lambda: len(rows.posts) == 8, 10)
    kernel.interrupt()
    run = kernel.follow(request)
    assert run.error_name == "CancelledError"
    assert len(run.error_lines) == 1
    words = "cc_jupyter.last_rows() has 5 of 12 answers; run it again to send the other 7"
    assert words in run.error
    held = [record for record in rows.posts if is_slow(record)]
    wait_until(lambda: all(record.client_left_s is not None for record in held), 10)


def look_up_first(record):
    """Ask for a call that names the row, and answer with what it returns."""
    last = record.json["messages"][-1]
    if last["role"] == "tool":
        return scripted.answer(last["content"])(record)
    return scripted.answer("", calls=[ToolCall("lookup", {"key": prompt_of(record)})])(record)


def test_a_cell_and_map_call_allowed_functions_for_each_row(rows):
    rows.provider.always(look_up_first)
    rows.check(
        "import threading\nhome, threads = threading.get_ident(), set()\n"
        "def lookup(key: str) -> str:\n    'Look up a key.'\n"
        "    threads.add(threading.get_ident())\n    return key.upper()"
    )
    run = rows.check(
        f"%%cmd --each rows -m {MODEL} --tools lookup --allow lookup -> found\nword {{{{ text }}}}"
    )
    assert len(run.outputs) == 1
    assert "12 of 12 requests answered" in shown(run)
    assert rows.value("[row['answer'] for row in found][:2]") == ["WORD 0", "WORD 1"]
    assert rows.value("threads == {home}") is True
    assert rows.value("[len(step.calls) for step in _cmd.steps]") == [1, 0]
    assert rows.value("found.meta[0]['calls']") == 1
    rows.check("import cc_jupyter as cc")
    ask = f"rows, 'word {{{{ text }}}}', model={MODEL!r}, tools=[lookup]"
    rows.check(f"again = cc.map_rows({ask}, allow=[lookup])")
    assert rows.value("[dict(row) for row in again] == [dict(row) for row in found]") is True
    assert len(rows.posts) == 24, "the same rows with the same tools"
    rows.check(f"other = await cc.amap({ask}, allow='lookup', max_steps=3)")
    assert rows.value("[row['answer'] for row in other][:1]") == ["WORD 0"]
    assert len(rows.posts) == 48
    rows.check("one = await cc.aask('a word', tools=[lookup], allow=[lookup])")
    assert rows.value("(one.text, len(one.steps))") == ["A WORD", 2]
    run = rows.fail(f"cc.map_rows({ask})", "OptionError")
    assert "lookup would ask first" in run.error
    assert "allow=['lookup']" in run.error
    run = rows.fail("%%cmd --each rows --tools lookup -> x\n{{ text }}", "OptionError")
    assert "rows run allowed tools only, and lookup would ask first; nothing was sent" in run.error
    assert "add --allow lookup" in run.error
    assert len(rows.posts) == 50
