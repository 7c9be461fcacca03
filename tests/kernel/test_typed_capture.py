"""`-> NAME: TYPE` and `-f json`: from the cell to the variable."""

from __future__ import annotations

import json

import pytest
from support.provider import answer, error

pytestmark = pytest.mark.kernel

pytest.importorskip("pydantic")
UNSUPPORTED = error(400, "This response_format type is unavailable now")
CLAUDE = "-m claude-sonnet-5"
SPENT = "len(__import__('cc_jupyter.session.session').session.session.shared_session().replies)"


def test_the_name_holds_a_value_of_the_type(notebook):
    notebook.provider.play(answer('{"value": [1, 2]}'))
    run = notebook.check("%%cmd -> numbers: list[int]\nhello")
    assert notebook.value("numbers") == [1, 2]
    assert run.texts[0] == "[\n  1,\n  2\n]"
    schema = notebook.body["response_format"]["json_schema"]
    assert schema["strict"] is True
    assert schema["schema"]["properties"]["value"]["items"] == {"type": "integer"}


def test_a_type_defined_in_the_notebook_is_asked_for(notebook):
    notebook.check("from dataclasses import dataclass\n@dataclass\nclass City:\n    name: str")
    notebook.provider.play(answer('{"name": "Rome"}'))
    notebook.check("%%cmd -> city: City\nhello")
    assert notebook.value("city.name") == "Rome"
    assert notebook.body["response_format"]["json_schema"]["name"] == "City"


def test_claude_is_asked_by_its_output_config_beside_the_effort(notebook):
    notebook.provider.play(answer('{"value": 3}'))
    notebook.check(f"%%cmd {CLAUDE} --effort low -> n: int\nhello")
    assert notebook.value("n") == 3
    assert notebook.body["output_config"].keys() == {"effort", "format"}


def test_a_wrong_type_is_refused_before_anything_is_sent(notebook):
    run = notebook.fail("%%cmd -> n: integr\nhello", "OptionError")
    assert "did you mean int" in run.error
    assert not notebook.posts


def test_an_answer_that_does_not_fit_is_sent_back_once_visibly_and_metered(notebook):
    notebook.check(f"spent = {SPENT}")
    notebook.provider.play(answer("about ten"))
    notebook.provider.play(answer("10"))
    run = notebook.check("%%cmd -> n: int\nhow many?")
    assert notebook.value("n") == 10
    assert len(notebook.posts) == 2
    said = [m["content"] for m in notebook.posts[1].json["messages"]]
    assert said[:2] == ["how many?", "about ten"]
    assert "asked once more" in "".join(run.texts)
    assert notebook.value(f"{SPENT} - spent") == 2


def test_the_conversation_goes_on_with_the_corrected_answer_only(notebook):
    notebook.provider.play(answer("about ten"))
    notebook.provider.play(answer("10"))
    notebook.check("%%cmd -> n: int\nhow many?")
    notebook.check("%%cmd\nand now?")
    said = [m["content"] for m in notebook.body["messages"]]
    assert said == ["how many?", "10", "and now?"]


def test_a_second_misfit_fails_the_cell_and_keeps_the_raw_text_and_the_old_value(notebook):
    notebook.check("n = 'old'")
    notebook.provider.play(answer("about ten"))
    notebook.provider.play(answer("nearly ten"))
    run = notebook.fail("%%cmd -> n: int\nhow many?", "StreamError")
    assert len(notebook.posts) == 2
    assert run.error_lines[0].startswith("StreamError: the answer is not int: ")
    assert run.error_lines[1].endswith("the raw text is in _cmd.text; n keeps its old value")
    assert notebook.value("[n, _cmd.text]") == ["old", "nearly ten"]


def test_without_retries_nothing_is_sent_a_second_time(notebook):
    notebook.check("import os; os.environ['CMD_MAX_RETRIES'] = '0'")
    notebook.provider.play(answer("about ten"))
    notebook.fail("%%cmd -> n: int\nhow many?", "StreamError")
    notebook.provider.play(UNSUPPORTED)
    notebook.fail("%%cmd -> n: int\nhow many?", "StatusError")
    notebook.check("del os.environ['CMD_MAX_RETRIES']")
    assert len(notebook.posts) == 2


def test_a_refused_schema_is_asked_for_in_words_once_visibly_and_remembered(notebook):
    notebook.provider.play(UNSUPPORTED)
    notebook.provider.play(answer('{"value": 3}'))
    run = notebook.check("%%cmd -> n: int\nhow many?")
    assert notebook.value("n") == 3
    assert notebook.body["response_format"] == {"type": "json_object"}
    assert "fits the schema below" in notebook.body["messages"][0]["content"]
    assert "accepts no JSON schema" in "".join(run.texts)
    notebook.provider.play(answer('{"value": 4}'))
    notebook.check("%%cmd -> n: int\nhow many?")
    assert len(notebook.posts) == 3
    assert notebook.body["response_format"] == {"type": "json_object"}


def test_claude_without_output_config_is_forced_to_call_one_tool(notebook):
    refused = error(400, "output_config.format: Extra inputs are not permitted")
    call = {"name": "answer", "arguments": json.dumps({"value": 3})}
    notebook.provider.play(refused)
    notebook.provider.play(answer((), calls=[call]))
    notebook.check(f"%%cmd {CLAUDE} -> n: int\nhow many?")
    assert notebook.value("n") == 3
    assert notebook.body["tool_choice"] == {"type": "tool", "name": "answer"}
    assert "output_config" not in notebook.body
    assert notebook.value("[_cmd.text, _cmd.stop_reason]") == ['{"value": 3}', "stop"]


def test_at_most_one_fallback_and_one_repair(notebook):
    notebook.provider.play(UNSUPPORTED)
    notebook.provider.play(answer("ten"))
    notebook.provider.play(answer("10"))
    notebook.check("%%cmd -> n: float\nhow many?")
    assert notebook.value("n") == 10.0
    notebook.provider.play(UNSUPPORTED)
    notebook.provider.play(UNSUPPORTED)
    notebook.fail("%%cmd -> n: list[float]\nhow many?", "StatusError")
    assert len(notebook.posts) == 5


def test_json_shows_an_object_indented_and_binds_it(notebook):
    notebook.provider.play(answer('{"a":{"b":1}}'))
    run = notebook.check("%%cmd -f json -> found\nhello")
    assert notebook.value("found") == {"a": {"b": 1}}
    assert run.texts[0] == json.dumps({"a": {"b": 1}}, indent=2)
    assert notebook.body["response_format"] == {"type": "json_object"}
    assert "JSON" in notebook.body["messages"][0]["content"]


def test_a_cut_answer_is_not_sent_back(notebook):
    notebook.provider.play(answer('{"value": [1, 2', finish="length"))
    run = notebook.fail("%%cmd -> n: list[int]\nhow many?", "StreamError")
    assert "the JSON is cut off" in run.error
    assert "--max-tokens" in run.error
    assert len(notebook.posts) == 1
