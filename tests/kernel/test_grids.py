"""Grid cells in a kernel: what a user sees, what is bound, what the conversation holds."""

from __future__ import annotations

import itertools

import pytest
from support import provider as scripted
from support.kernel_notebook import CLAUDE, MODEL, text_of
from support.plain_server import wait_until

OTHER = "deepseek/deepseek-v4-pro"
DOT = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADU"
    "lEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""A picture of one pixel."""


def model_of(record):
    return record.json["model"]


def prompt_of(record):
    return text_of(record.json["messages"][-1]["content"])


def saying(text):
    """Answer with `text(record)`, on the wire that is asked."""

    def answer(record):
        words = text(record)
        if record.path.endswith("/messages"):
            return scripted.anthropic_stream([words])
        return scripted.openai_stream([words])

    return answer


def failing(*models, status=429):
    """Refuse these models, and answer the others."""

    def answer(record):
        if model_of(record) in models:
            return scripted.error(status, "slow down")(record)
        return saying(model_of)(record)

    return answer


def inserted(run):
    payload = run.reply["payload"]
    return [item["text"] for item in payload if item["source"] == "set_next_input"]


@pytest.fixture
def grid(notebook):
    notebook.provider.always(saying(lambda r: f"{model_of(r)} at {r.json.get('temperature')}"))
    notebook.check("%config CmdMagics.max_retries = 0")
    return notebook


def test_all_combinations_are_sent_and_bound_in_the_order_of_the_plan(grid):
    run = grid.check(f"%%cmd -m {MODEL},{CLAUDE} -t 0,1 -n 2 -> g\nhello")
    sent = [(model_of(r), r.json["temperature"]) for r in grid.posts]
    assert sorted(sent) == sorted(list(itertools.product([MODEL, CLAUDE], [0, 1])) * 2)
    assert len(run.texts) == 1, "one output, whatever it showed before"
    plan = itertools.product([MODEL, CLAUDE], ["0.0", "1.0"], range(2))
    assert grid.value("[r.text for r in g]") == [f"{model} at {t}" for model, t, _ in plan]
    assert grid.value("[len(g), _cmd.text == g[0].text, _cmd.grid is not None]") == [8, True, True]
    assert grid.value("list(g.df.columns[:4])") == ["model", "temperature", "sample", "answer"]


def test_a_grid_is_one_turn_and_later_cells_continue_from_its_active_answer(grid):
    grid.check(f"%%cmd -m {MODEL},{OTHER}\nfirst")
    grid.check("%%cmd\nsecond")
    assert [each["content"] for each in grid.posts[-1].json["messages"]] == [
        "first",
        f"{MODEL} at None",
        "second",
    ]
    grid.check("%cmd versions 1 --use 2")
    grid.check("%%cmd\nthird")
    assert grid.posts[-1].json["messages"][1]["content"] == f"{OTHER} at None"


def test_a_single_request_with_samples_is_a_grid(grid):
    grid.check("%%cmd -n 1 -> g\nhello")
    assert grid.value("[type(g).__name__, len(g)]") == ["Grid", 1]


def test_names_vary_and_their_labels_are_columns(grid):
    grid.provider.always(saying(prompt_of))
    grid.check('%%cmd --vary topic={"wet": "rain", "hot": "sun"} -> g\nExplain {{ topic }}.')
    assert grid.value("[r.text for r in g]") == ["Explain rain.", "Explain sun."]
    assert grid.value("list(g.df.topic)") == ["wet", "hot"]


def test_system_prompts_vary(grid):
    grid.provider.always(saying(lambda r: r.json["messages"][0]["content"]))
    grid.check('%%cmd -s "be brief" -s "be kind" -> g\nhello')
    assert grid.value("[r.text for r in g]") == ["be brief", "be kind"]
    grid.provider.always(saying(lambda r: r.json["messages"][0]["content"]))
    grid.check("%%cmd -> answer\nnext")
    assert grid.value("answer") == "be brief", "with the system prompt of the active answer"


def test_what_fails_is_counted_bound_and_sent_again(grid):
    grid.provider.always(failing(OTHER))
    run = grid.fail(f"%%cmd -m {MODEL},{OTHER} -n 2 -> g\nhello", "GridError")
    assert "2 of 4 requests failed (429 twice); g has the 2 answers" in run.error
    assert "%cmd retry" in run.error
    assert "was not bound" not in run.error
    assert grid.value("[r.error is None for r in g]") == [True, True, False, False]
    grid.provider.always(saying(model_of))
    before = len(grid.posts)
    grid.check("%cmd retry")
    assert [model_of(r) for r in grid.posts[before:]] == [OTHER] * 2
    assert grid.value("[r.text for r in g]") == [MODEL, MODEL, OTHER, OTHER]
    assert grid.value("sorted({r.provenance.sample for r in g})") == [0, 1]
    run = grid.fail("%cmd retry", "OptionError")
    assert "complete" in run.error


def test_after_a_restart_the_cell_must_run_again(notebook):
    run = notebook.fail("%cmd retry", "OptionError")
    assert "run its cell" in run.error


def test_a_typed_grid_has_values(grid):
    answers = iter(["1", "2", "no number"])
    grid.provider.always(saying(lambda _: f'{{"value": {next(answers)}}}'))
    run = grid.fail("%%cmd -n 3 -> g: int\nhello", "GridError")
    assert "1 of 3" in run.error
    assert sorted(v for v in grid.value("[a.value for a in g.answers]") if v) == [1, 2]


def test_checks_are_columns_and_the_cell_stays_green(grid):
    grid.check(f"%%cmd -m {MODEL},{OTHER} --check \"'pro' in answer\" -> g\nhello")
    assert grid.value("g.df[\"'pro' in answer\"].tolist()") == [False, True]
    run = grid.fail(
        f"%%cmd -m {MODEL},{OTHER} --fail-on-check --check \"'pro' in answer\" -> g\nhello",
        "CheckError",
    )
    assert "1 of 2 answers failed a check" in run.error


@pytest.mark.parametrize("check", ["len(answer", "anser == 1"])
def test_a_check_that_cannot_run_sends_nothing(grid, check):
    grid.fail(f'%%cmd -n 2 --check "{check}" -> g\nhello', "OptionError")
    grid.fail(f'%%cmd -n 2 --check "{check}" --dry-run\nhello', "OptionError")
    assert not grid.posts


def test_an_interrupt_keeps_what_is_finished(grid):
    started = []

    def answer(record):
        started.append(record)
        if model_of(record) == MODEL:
            return scripted.openai_stream(["whole"])
        return (*scripted.openai_stream(["part"])[:3], scripted.hang())

    grid.provider.always(answer)
    request = grid.kernel.start(f"%%cmd -m {MODEL},{OTHER} -n 3 -> g\nhello")
    wait_until(lambda: len(started) == 6)
    grid.kernel.follow(request, until=lambda run: any("3 of 6 done" in text for text in run.texts))
    grid.kernel.interrupt()
    run = grid.kernel.collect(request)
    assert "KeyboardInterrupt: stopped" in run.error
    assert "3 of 6 answers" in run.error
    assert "%cmd retry" in run.error
    assert "was not bound" not in run.error
    assert grid.value("[r.text for r in g]") == ["whole"] * 3 + ["part"] * 3
    grid.provider.always(saying(model_of))
    grid.check("%cmd retry")
    assert grid.value("[r.text for r in g]") == ["whole"] * 3 + [OTHER] * 3


def test_a_costly_grid_is_refused_until_it_says_what_it_may_cost(grid):
    cell = f"%%cmd -m {MODEL},{OTHER} -n 500 --max-tokens 8000{{}} -> g\nhello"
    run = grid.fail(cell.format(""), "OptionError")
    assert "1,000 requests are estimated at" in run.error
    assert "--max-usd" in run.error
    assert not grid.posts


def test_code_of_the_active_answer_is_inserted(grid):
    grid.provider.always(saying(lambda r: f"```python\nm = '{model_of(r)}'\n```"))
    run = grid.check(f"%%cmd -m {OTHER},{MODEL} -f code\nhello")
    assert inserted(run) == [f"m = '{OTHER}'"]


def test_compare_shows_nothing_and_returns_a_grid(grid):
    run = grid.check(
        "import cc_jupyter as cc\nlimit = 3\n"
        f"g = cc.compare('Say {{{{ word }}}}', models=['{MODEL}', '{OTHER}'], temperatures=[0],"
        " vary={'word': ['a', 'b']}, n=1, checks=['len(answer) > limit'])"
    )
    assert not run.texts
    assert grid.value("[len(g), list(g.df.word), g.df['len(answer) > limit'].tolist()]") == [
        4,
        ["a", "b", "a", "b"],
        [True] * 4,
    ]
    assert grid.value("[_cmd if '_cmd' in globals() else None]") == [None]


def test_running_the_cell_again_is_a_new_group(grid):
    cell = f"%%cmd -m {MODEL},{OTHER} -> g\nhello"
    for _ in range(2):
        grid.check(cell, cell_id="c1")
    assert grid.value("len(get_ipython().run_line_magic('cmd', 'versions'))") == 4
    grid.check("%%cmd\nnext")
    assert len(grid.posts[-1].json["messages"]) == 3, "one turn"


def test_what_finished_before_the_kernel_was_killed_is_in_the_history(grid):
    def answer(record):
        if model_of(record) == MODEL:
            return saying(model_of)(record)
        return (*scripted.openai_stream(["part"])[:3], scripted.hang())

    grid.provider.always(answer)
    request = grid.kernel.start(f"%%cmd -m {MODEL},{OTHER} -n 2 -> g\nhello", "c1")
    grid.kernel.follow(request, until=lambda run: any("2 of 4 done" in t for t in run.texts))
    grid.restart()
    grid.provider.always(saying(model_of))
    grid.check("%cmd thread default")
    versions = grid.value("get_ipython().run_line_magic('cmd', 'versions')")
    assert [(row["model"], row["active"]) for row in versions if row["ended"] == "stop"] == [
        (MODEL, "yes"),
        (MODEL, ""),
    ]
    grid.check("%%cmd\nnext")
    assert grid.said == ["hello", MODEL, "next"]


def test_a_model_that_takes_no_images_says_so_in_its_column_and_the_others_run(grid):
    grid.check(f"import base64; dot = base64.b64decode({DOT!r})")
    run = grid.fail(f"%%cmd -m {CLAUDE},{MODEL} -i dot -> g\nhello", "GridError")
    assert "1 of 2 requests failed" in run.error
    assert "does not accept images" in run.texts[0]
    assert [model_of(record) for record in grid.posts] == [CLAUDE]
    assert grid.value("[r.error is None for r in g]") == [True, False]
