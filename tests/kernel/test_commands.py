"""`%cmd …`: where one stands, and what there is."""

from __future__ import annotations

import json

import pytest
from support.kernel_notebook import CLAUDE, MODEL
from support.provider import KEY, error

pytestmark = pytest.mark.kernel


def test_status_says_where_one_stands_and_never_the_key(notebook):
    run = notebook.check("%cmd")
    text = run.texts[0]
    assert MODEL in text
    assert f"{notebook.provider.base_url}/v1/chat/completions" in text
    assert "from CMD_API_KEY" in text
    assert "default" in text
    assert "$0 in 0 requests" in text
    assert KEY not in json.dumps([message["content"] for message in run.messages])
    assert notebook.provider.requests == []


def test_status_counts_what_was_spent(notebook):
    notebook.check("%%cmd\nhello")
    notebook.check("%%cmd -m test/burst-5\nhello")
    assert "in 2 requests, 1 of unknown cost" in notebook.check("%cmd status").texts[0]


def test_status_without_a_key_says_what_is_missing(notebook):
    notebook.check("import os; key = os.environ.pop('CMD_API_KEY')")
    text = notebook.check("%cmd").texts[0]
    notebook.check("os.environ['CMD_API_KEY'] = key")
    assert "there is no key" in text
    assert MODEL in text


def test_a_command_is_a_value_and_shows_itself_once(notebook):
    run = notebook.check("s = %cmd status")
    assert run.shown == []
    assert notebook.value("isinstance(s, dict)") is True
    assert notebook.value("s['model']") == MODEL
    (shown,) = notebook.check("s").outputs
    assert shown.kind == "execute_result"
    assert set(shown.data) == {"text/plain", "text/html"}
    (shown,) = notebook.check("%cmd status").outputs
    assert shown.kind == "execute_result"


def test_models_are_a_list_with_prices_and_their_day(notebook):
    run = notebook.check("%cmd models --refresh")
    (shown,) = run.outputs
    assert MODEL in shown.text
    assert "prices of 20" in shown.text
    assert "<table>" in shown.data["text/html"]
    assert [record.method for record in notebook.provider.requests] == ["GET"]
    assert "authorization" not in notebook.provider.requests[0].headers
    notebook.check("ms = %cmd models claude haiku")
    ids = notebook.value("list(ms['model'])")
    assert ids
    assert all("haiku" in model_id for model_id in ids)
    assert notebook.value("str(ms.loc[0, 'input_usd'] + 0)") == "1"  # a Decimal, to compute with


def test_models_shown_are_a_list_of_rows(notebook):
    notebook.check("%cmd models claude haiku")
    assert notebook.value("isinstance(_, list)") is True
    assert notebook.value("_[0]['maker']") == "Anthropic"


def test_models_are_asked_for_again_only_when_told(notebook):
    notebook.check("%cmd models --refresh")
    notebook.forget()
    notebook.check("%cmd models")
    assert notebook.provider.requests == []
    notebook.check("%cmd models --refresh")
    assert len(notebook.provider.requests) == 1


def test_models_are_shown_from_the_price_table_when_nobody_answers(notebook):
    notebook.check("import os; old = os.environ['CMD_BASE_URL']")
    notebook.check("os.environ['CMD_BASE_URL'] = 'http://127.0.0.1:9'")
    run = notebook.check("%cmd models")
    failing = notebook.fail("%cmd models --refresh", "ConnectError")
    notebook.check("os.environ['CMD_BASE_URL'] = old")
    assert MODEL in run.texts[0]
    assert "no list yet" in run.texts[0]
    assert len(failing.error_lines) <= 2


def test_free_models_cost_nothing(notebook):
    notebook.check("ms = %cmd models free")
    assert notebook.value("len(ms)") > 1
    assert notebook.value("set(ms['output_usd']) | set(ms['input_usd']) == {0}") is True


def test_no_models_is_an_empty_table(notebook):
    run = notebook.check("%cmd models no-such-thing-anywhere")
    assert "0 of" in run.texts[0]
    notebook.check("ms = %cmd models no-such-thing-anywhere")
    assert notebook.value("list(ms['model'])") == []


def test_use_chooses_the_model_of_the_session(notebook):
    run = notebook.check(f"%cmd use {CLAUDE}")
    assert CLAUDE in run.texts[0]
    assert "this session" in run.texts[0]
    notebook.check("%%cmd\nhello")
    assert notebook.body["model"] == CLAUDE


@pytest.mark.parametrize(
    ("code", "said", "hint"),
    [
        ("%cmd modles", "unknown command 'modles'", "did you mean models"),
        ("%cmd aks hello", "unknown command 'aks'", "did you mean ask"),
        ("%cmd xyzzy", "unknown command 'xyzzy'", "the commands are: ask, "),
        ("%cmd use", "%cmd use needs a model", "%cmd use local"),
        ("%cmd use a b", "%cmd use takes MODEL [--save [project]], not 'a b'", "%cmd use local"),
        ("%cmd new a b", "%cmd new takes [NAME], not 'a b'", ""),
        ("%cmd status x", "%cmd status takes no arguments, not 'x'", ""),
        ("%cmd models --fresh", "%cmd models has no option --fresh", "--refresh"),
        ("%cmd help modls", "there is no help on 'modls'", "did you mean models"),
    ],
)
def test_a_wrong_command_names_the_right_one(notebook, code, said, hint):
    run = notebook.fail(code, "OptionError")
    assert said in run.error_lines[0]
    assert hint in run.error
    assert len(run.error_lines) <= 2
    assert notebook.provider.requests == []


@pytest.mark.parametrize("topic", ["", " ask", " models", " use", " new", " options"])
def test_help_is_text(notebook, topic):
    (shown,) = notebook.check(f"%cmd help{topic}").outputs
    assert shown.text.startswith("%")
    assert "\\n" not in shown.text


def test_a_failed_listing_costs_nothing_and_is_told(notebook):
    notebook.provider.play_models(error(500))
    run = notebook.fail("%cmd models --refresh", "ConnectError")
    assert "returned no list of models (500)" in run.error_lines[0]


def test_no_request_the_user_did_not_ask_for(notebook):
    for code in (
        "%reload_ext cc_jupyter",
        "%cmd",
        "%cmd help",
        "%cmd new",
        f"%cmd use {MODEL}",
        "%%cmd --dry-run\nhello",
        "%%cmd -h",
        "%cmd?",
        "x = 1",
    ):
        notebook.check(code)
    notebook.check("%config IPCompleter.use_jedi = False")  # it takes seconds when first used
    for typed in ("%cmd mod", "%%cmd --mo"):
        notebook.kernel.client.complete(typed, reply=True, timeout=20)
    notebook.kernel.client.inspect("%cmd", reply=True, timeout=20)
    assert notebook.provider.requests == []
    notebook.check("%cmd models --refresh")
    notebook.run("%%cmd -m not/listed-anywhere\nhello")
    assert [record.method for record in notebook.provider.requests][:2] == ["GET", "GET"]
    assert len(notebook.posts) == 1


# ── help is written once


@pytest.mark.parametrize("asked", ["%cmd", "%%cmd"])
def test_a_question_mark_shows_all_commands_and_options(notebook, asked):
    client = notebook.kernel.client
    client.inspect(asked, len(asked))
    reply = client.get_shell_msg(timeout=30)["content"]
    assert reply["found"]
    shown = reply["data"]["text/plain"]
    page = notebook.check("%cmd help").texts[0]
    options = notebook.check("%cmd help options").texts[0]
    assert page.splitlines()[3].strip() in shown
    assert options.splitlines()[-1] in shown


def test_help_on_a_command_says_more_than_its_line(notebook):
    page = notebook.check("%cmd help models").texts[0]
    assert page.startswith("%cmd models [WORDS]")
    assert ">200k" in page


def test_every_command_there_is_has_its_help_and_every_help_its_command(notebook):
    notebook.check("import cc_jupyter.commands.registry as _specs")
    notebook.check("_magics = get_ipython().magics_manager.registry['CmdMagics']")
    there = set(notebook.value("[*_magics.cells._commands.by_name, 'ask']"))
    assert there == set(notebook.value("list(_specs.BY_NAME)"))
