"""`%cmd models`, `use` and `alias` in a real kernel, and the user's own entries at work."""

from __future__ import annotations

import pytest
from support.kernel_notebook import CLAUDE, MODEL
from support.provider import KEY

pytestmark = pytest.mark.kernel

_PROVIDER_LISTS_NOTHING_NEW = """
from cc_jupyter.config.base_url import DEFAULT_BASE_URL
from cc_jupyter.session.session import shared_session
shared_session().models._looked_up.add((DEFAULT_BASE_URL, "deepseek/deepsek-v4-flash"))
"""


@pytest.fixture
def settings_file(notebook):
    """Return the kernel's `config.toml`, which is gone again afterwards."""
    path = notebook.folder / "cc_jupyter" / "config" / "config.toml"
    path.unlink(missing_ok=True)
    yield path
    path.unlink(missing_ok=True)


# ── models


def test_the_table_shows_what_people_choose_by(notebook):
    run = notebook.check("%cmd models deepseek flash")
    head = run.texts[0].splitlines()[0]
    assert head.split() == [
        *("model", "name", "maker", "endpoint", "window", "in", "out", "cached"),
        *("image", "efforts", "note"),
    ]
    row = next(line for line in run.texts[0].splitlines() if line.startswith(f"{MODEL} "))
    assert "DeepSeek" in row
    assert "off high max" in row
    assert "costs more in peak hours" in row


@pytest.mark.parametrize("sort", ["--sort price", "--sort=price"])
def test_filter_words_and_sorting_go_together(notebook, sort):
    notebook.check(f"ms = %cmd models image >200k <$5 {sort}")
    prices = notebook.value("[float(usd) for usd in ms['output_usd']]")
    assert prices
    assert max(prices) <= 5
    assert notebook.value("bool((ms['context_tokens'] >= 200_000).all())") is True
    blended = notebook.value(
        "[float(3 * a + b) for a, b in zip(ms['input_usd'], ms['output_usd'])]"
    )
    assert blended == sorted(blended)


def test_a_word_that_finds_nothing_names_what_is_close(notebook):
    run = notebook.check("%cmd models deepseek/deepsek-v4-flash")
    assert "0 of" in run.texts[0]
    assert MODEL in run.texts[0]


@pytest.mark.parametrize(
    ("words", "close"),
    [("deepsek", "deepseek"), ("chep flash", "cheap"), ("Antropic", "Anthropic")],
)
def test_the_word_that_finds_nothing_is_corrected_be_it_a_maker_or_an_ability(
    notebook, words, close
):
    text = notebook.check(f"%cmd models {words}").texts[0]
    assert text.startswith("0 of")
    assert "did you mean " in text
    assert close in text


def test_what_is_not_known_of_a_model_is_a_question_mark(notebook):
    head, row, *_ = notebook.check("%cmd models mistral-large-4").texts[0].splitlines()
    assert row[head.index("window") :].split()[0] == "?"


@pytest.mark.parametrize(
    ("line", "said", "hint"),
    [
        ("--sort prise", "--sort takes name, price or window, not 'prise'", "did you mean price"),
        ("--sort", "--sort needs a value: name, price or window", "--sort price"),
        ("--refesh", "no option --refesh", "did you mean --refresh"),
        (">many", "is not a comparison", ">200k"),
    ],
)
def test_what_models_cannot_do_is_named(notebook, line, said, hint):
    run = notebook.fail(f"%cmd models {line}", "OptionError")
    assert said in run.error_lines[0]
    assert hint in run.error_lines[1]


# ── use


def test_use_holds_for_this_session_only(notebook, settings_file):
    notebook.check(f"%cmd use {CLAUDE}")
    assert not settings_file.exists()


def test_use_save_holds_for_later_sessions(notebook, settings_file):
    run = notebook.check(f"%cmd use {CLAUDE} --save")
    assert "config.toml" in run.texts[0]
    assert settings_file.read_text(encoding="utf-8") == f'model = "{CLAUDE}"\n'
    notebook.check("import os; del os.environ['CMD_MODEL']")
    notebook.check("%unload_ext cc_jupyter\n%load_ext cc_jupyter")
    notebook.check("%%cmd --once\nhello")
    assert notebook.body["model"] == CLAUDE


def test_use_save_project_writes_the_nearest_pyproject_and_no_other(notebook, settings_file):
    project = notebook.workdir / "pyproject.toml"
    project.write_text("# ours\n", encoding="utf-8")
    try:
        notebook.check(f"%cmd use {CLAUDE}")
        assert project.read_text(encoding="utf-8") == "# ours\n"
        run = notebook.check(f"%cmd use {CLAUDE} --save project")
        assert "pyproject.toml" in run.texts[0]
        assert "[tool.cc_jupyter]" in project.read_text(encoding="utf-8")
        assert CLAUDE in project.read_text(encoding="utf-8")
        assert not settings_file.exists()
    finally:
        project.unlink()


def test_use_save_project_without_one_says_what_to_do(notebook):
    run = notebook.fail(f"%cmd use {CLAUDE} --save project", "OptionError")
    assert "no pyproject.toml" in run.error_lines[0]
    assert "--save" in run.error_lines[1]


@pytest.mark.parametrize("line", ["", "a b", "--save", "--sav gpt-5.5", "gpt-5.5 --save projct"])
def test_use_takes_one_model(notebook, line):
    notebook.fail(f"%cmd use {line}", "OptionError")
    assert not notebook.posts


def test_an_option_that_use_has_not_is_named_with_one_it_has(notebook):
    run = notebook.fail(f"%cmd use --sve {CLAUDE}", "OptionError")
    assert "no option --sve" in run.error_lines[0]
    assert "did you mean --save" in run.error_lines[1]


def test_a_model_is_chosen_and_named_before_there_is_a_key(notebook, settings_file):
    notebook.check("import os; os.environ.pop('CMD_API_KEY'); os.environ['CMD_BASE_URL'] = ''")
    run = notebook.check(f"%cmd alias fast {CLAUDE}")
    assert CLAUDE in run.texts[0]
    run = notebook.check("%cmd use fast --save")
    assert "there is no key" in run.texts[0]  # said, and no reason to refuse
    assert 'model = "fast"' in settings_file.read_text(encoding="utf-8")
    notebook.check(_PROVIDER_LISTS_NOTHING_NEW)
    run = notebook.fail("%cmd use deepseek/deepsek-v4-flash", "OptionError")
    assert MODEL in run.error_lines[1]


def test_a_mistyped_model_costs_nothing_and_is_not_kept(notebook, settings_file):
    notebook.check("import os; os.environ['CMD_BASE_URL'] = ''")  # the provider's own, which
    notebook.check(_PROVIDER_LISTS_NOTHING_NEW)  # has been asked already
    run = notebook.fail("%cmd use deepseek/deepsek-v4-flash --save", "OptionError")
    assert MODEL in run.error_lines[1]
    assert not settings_file.exists()
    assert not notebook.posts


def test_another_host_may_serve_what_nobody_lists_and_a_close_match_is_named(notebook):
    run = notebook.check("%cmd use deepseek/deepsek-v4-flash")
    note = next(line for line in run.texts[0].splitlines() if line.startswith("note"))
    assert "it is in no list" in note
    assert f"did you mean {MODEL}" in note
    assert not notebook.posts


# ── alias


def test_an_alias_is_kept_and_works_wherever_a_model_is_named(notebook, settings_file):
    run = notebook.check(f"%cmd alias fast {CLAUDE}")
    assert "config.toml" in run.texts[0]
    notebook.check("%%cmd -m fast --once\nhello")
    assert notebook.body["model"] == CLAUDE
    notebook.check("%cmd use fast")
    notebook.check("%%cmd --once\nhello")
    assert notebook.body["model"] == CLAUDE
    assert CLAUDE in notebook.check("%cmd alias fast").texts[0]
    assert "fast" in notebook.check("%cmd alias").texts[0]


def test_an_alias_is_taken_away_again(notebook, settings_file):
    notebook.check(f"%cmd alias fast {CLAUDE}")
    notebook.check("%cmd alias fast --remove")
    run = notebook.fail("%cmd alias fast", "OptionError")
    assert "there is no alias 'fast'" in run.error_lines[0]


def test_an_alias_is_taken_away_in_either_order_and_its_use_as_the_model_is_said(
    notebook, settings_file
):
    notebook.check(f"%cmd alias fast {CLAUDE}")
    notebook.check("%cmd use fast")
    run = notebook.check("%cmd alias --remove fast")
    assert "this session still names fast as the model" in run.texts[0]
    run = notebook.fail("%cmd alias --remove", "OptionError")
    assert "takes one name, not none" in run.error_lines[0]


def test_there_are_no_aliases_that_nobody_made(notebook, settings_file):
    assert notebook.check("%cmd alias").texts[0].splitlines() == [
        "%cmd alias NAME MODEL defines an alias, --remove removes it"
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"local {MODEL}", "'local' cannot be an alias"),
        (f"-m {MODEL}", "%cmd alias has no option -m"),
        (f"a,b {MODEL}", "'a,b' cannot be an alias"),
        (f"{CLAUDE} {MODEL}", "is the id of a model"),
        (f"fast {MODEL} {CLAUDE}", "%cmd alias takes [NAME [MODEL|--remove]]"),
    ],
)
def test_what_cannot_be_an_alias_is_named_and_not_kept(notebook, settings_file, line, said):
    run = notebook.fail(f"%cmd alias {line}", "OptionError")
    assert said in run.error_lines[0]
    assert not settings_file.exists()


# ── the user's own entries


def test_a_model_of_a_gateway_of_its_own_goes_there_with_its_own_key(notebook, settings_file):
    settings_file.parent.mkdir(parents=True, exist_ok=True)
    other = notebook.provider.base_url.replace("127.0.0.1", "localhost")
    settings_file.write_text(
        f'[models."claude-sonnet-5"]\nbase_url = "{other}"\nkey_env = "GATE"\nrates = [1, 2]\n',
        encoding="utf-8",
    )
    keys = f"os.environ.update(GATE={KEY!r}, CMD_API_KEY='user_not_for_gates_1')"
    notebook.check(f"import os; {keys}")
    run = notebook.check("%%cmd -m claude-sonnet-5 --once\nhello")
    assert notebook.body["model"] == "claude-sonnet-5"
    assert notebook.posts[-1].headers["authorization"] == f"Bearer {KEY}"
    assert "$" in run.texts[-1]
    assert notebook.value("_cmd.cost_usd is not None") is True
    table = notebook.check("%cmd models mine").texts[0]
    assert CLAUDE in table
    assert "served by localhost" in table
    assert KEY not in table


def test_a_mistake_in_an_entry_is_named(notebook, settings_file):
    settings_file.parent.mkdir(parents=True, exist_ok=True)
    settings_file.write_text('[models."my/llama"]\nratse = [1, 2]\n', encoding="utf-8")
    run = notebook.fail("%%cmd\nhello", "ConfigError")
    assert "config.toml: models" in run.error_lines[0]
    assert "did you mean rates" in run.error_lines[1]
    assert not notebook.posts
