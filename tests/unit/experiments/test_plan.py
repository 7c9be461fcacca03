"""The plan of a grid: combinations, prompts, errors of single columns, sample numbers."""

from __future__ import annotations

import random
from decimal import Decimal
from types import SimpleNamespace

import pytest
from support import provider as scripted
from support.plain_server import reader_threads, wait_until

from cc_jupyter.client.endpoint import Endpoint
from cc_jupyter.config.credentials import Key
from cc_jupyter.core.errors import ConfigError, OptionError
from cc_jupyter.core.messages import TurnKey
from cc_jupyter.core.request_key import SampleCounter
from cc_jupyter.experiments.plan import make_plan
from cc_jupyter.experiments.plan_preview import preview
from cc_jupyter.prompt.builder import PromptBuilder
from cc_jupyter.prompt.options import Axis, CellOptions, GridOptions, parse_cell_line
from cc_jupyter.session import prepare as prepare_module
from cc_jupyter.session.run_limits import RunLimits
from cc_jupyter.session.session import Session

FLASH = "deepseek/deepseek-v4-flash"
HAIKU = "claude-haiku-5-5"
OPUS = "claude-opus-5"


class Cell:
    """The running cell, as the session knows it."""

    notebook = "work/a.ipynb"
    token = "execution 1"

    def turn_key(self):
        return TurnKey(self.notebook, "c1", 0)


@pytest.fixture
def session(provider, monkeypatch):
    monkeypatch.setenv("CMD_BASE_URL", provider.base_url)
    monkeypatch.setenv("CMD_API_KEY", scripted.KEY)
    monkeypatch.setenv("CMD_MODEL", FLASH)
    opened = Session()
    yield opened
    opened.transport.close()
    opened.history.close()
    wait_until(lambda: not reader_threads())
    assert [each.path for each in provider.requests if each.method == "POST"] == []


def plan(session, line, text="hello", vary=None, **names):
    """Return the plan of a cell in a namespace of these names."""
    shell = SimpleNamespace(user_ns=names, history_manager=None)
    return make_plan(
        parse_cell_line(line) if isinstance(line, str) else line,
        text,
        builder=PromptBuilder(shell, names),
        cell=Cell(),
        preparer=session.preparer,
        settings=session.settings(),
        vary=vary or {},
    )


def labels(made):
    return [each.label for each in made.combinations]


def prompts(made):
    return [each.spec.prompt for each in made.combinations]


@pytest.mark.parametrize(
    ("line", "expected", "samples"),
    [
        ("-n 3", [""], 3),
        (f"-m {FLASH},{HAIKU}", [FLASH, HAIKU], 1),
        (
            f"-m {HAIKU},{FLASH} -t 0,1 -n 2",
            [f"{HAIKU} · t 0", f"{HAIKU} · t 1", f"{FLASH} · t 0", f"{FLASH} · t 1"],
            2,
        ),
        (f"-t 0.5 -m {FLASH} --max-tokens 9,8", ["max-tokens 9", "max-tokens 8"], 1),
        ("--top-p 0.1,1 --effort off,high", None, 1),
        ("-s '' -s 'be  brief'", ["system: none", "system: be brief"], 1),
        (
            '--vary topic=["rain","snow"] -t 0,1',
            ["topic: rain · t 0", "topic: rain · t 1", "topic: snow · t 0", "topic: snow · t 1"],
            1,
        ),
        ("--vary topic={'a':1,'b':2}", ["topic: a", "topic: b"], 1),
        ("--vary topic=[1]", ["topic: 1"], 1),
    ],
)
def test_all_combinations_are_planned_in_the_order_of_the_line(session, line, expected, samples):
    made = plan(session, line, "about {{ topic }}", topic="the user's own")
    if expected is not None:
        assert labels(made) == expected
    assert len(made) == len(made.combinations) * samples
    assert made.samples == samples
    assert [each.index for each in made.combinations] == list(range(len(made.combinations)))
    assert {each.spec.turn_key for each in made.combinations} == {Cell().turn_key()}
    assert all(each.prepared is not None for each in made.combinations)
    assert len(made.id) == 32
    assert made.sample_numbers == ()


def test_each_combination_has_its_options_in_its_request(session):
    made = plan(session, f"-m {FLASH},{HAIKU} -t 0,1 --max-tokens 7 -s x -s y --check ok -> g: int")
    assert made.options == {
        "model": (FLASH, HAIKU),
        "temperature": (0.0, 1.0),
        "system": ("x", "y"),
    }
    assert made.checks == ("ok",)
    assert made.output_type is not None
    for each in made.combinations:
        request = each.prepared.request
        assert request.model == each.options["model"]
        assert request.parameters.temperature == each.options["temperature"]
        assert request.parameters.max_tokens == 7
        assert request.system == each.options["system"]
        assert request.answer_format is not None


@pytest.mark.parametrize(
    ("line", "levels"),
    [
        (f"-m {FLASH} --effort turbo -n 2", "off, high, max"),
        (f"-m {FLASH},{HAIKU} --effort turbo", "off, high, max"),
        (f"-m {HAIKU} --effort turbo -n 2", "low, medium, high, xhigh, max"),
    ],
)
def test_an_effort_that_the_model_does_not_have_is_refused_with_its_levels(session, line, levels):
    with pytest.raises(OptionError, match="has no effort 'turbo'") as caught:
        plan(session, line)
    assert caught.value.hint == f"its levels are {levels}"


def test_an_effort_that_the_model_does_not_have_fails_in_its_column_only(session):
    good, wrong = plan(session, f"-m {FLASH} --effort high,turbo").combinations
    assert good.error is None
    assert str(wrong.error) == f"{FLASH} has no effort 'turbo'"


def test_a_model_of_unknown_levels_takes_any_effort(session):
    made = plan(session, "-m vendor/never-listed --effort turbo -n 2")
    assert {each.prepared.request.parameters.effort for each in made.combinations} == {"turbo"}


def test_a_varied_name_comes_before_the_users_and_the_functions(session):
    made = plan(
        session,
        "--vary topic=topics --vary n=range(2) -s 'as {{ n }}' ",
        "{{ topic.upper() }} and {{ other }}",
        topic="mine",
        n=9,
        other="kept",
        topics=["rain", "snow"],
    )
    assert prompts(made) == ["RAIN and kept"] * 2 + ["SNOW and kept"] * 2
    assert [each.spec.system for each in made.combinations] == ["as 0", "as 1"] * 2
    # only the user's own names are looked up again
    assert {expression for each in made.combinations for expression, _ in each.spec.values} == {
        "other"
    }


def test_values_from_python_need_no_expression(session):
    options = CellOptions(grid=GridOptions((Axis("topic"),)))
    made = plan(session, options, "{{ topic }}", vary={"topic": iter(["a", "b"])})
    assert prompts(made) == ["a", "b"]
    assert made.options == {"topic": ("a", "b")}


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        ({"model": ["a"]}, "`vary['model']` has the name of an option"),
        ({"x": ["a"]}, "`vary['x']` changes nothing"),
        ({"topic": []}, "`vary['topic']` has no values"),
        ({"topic": "rain"}, "`vary['topic']` needs several values"),
    ],
)
def test_wrong_values_from_python_are_named_as_python_has_them(session, vary, message):
    options = CellOptions(grid=GridOptions(tuple(Axis(name) for name in vary)))
    with pytest.raises(OptionError) as caught:
        plan(session, options, "{{ topic }} {{ model }}", vary=vary)
    assert message in str(caught.value)


def test_models_are_asked_the_same_even_if_the_prompt_is_random(session):
    made = plan(
        session,
        f"-m {FLASH},{HAIKU} -t 0,1 --vary topic=[1,2] -s '{{{{ dice() }}}}' -s b",
        "{{ dice() }} {{ dice() }} {{ topic }}",
        dice=random.random,
    )
    by_topic = {
        topic: {each.spec.prompt for each in made.combinations if each.options["topic"] == topic}
        for topic in ("1", "2")
    }
    assert [len(each) for each in by_topic.values()] == [1, 1]
    first, second = next(iter(by_topic["1"])).split()[:2]
    assert first != second
    assert len({each.spec.system for each in made.combinations}) == 2


@pytest.mark.parametrize(
    ("line", "text", "message", "hint"),
    [
        ("--vary topic=[1]", "hello", "`--vary topic` changes nothing", "write {{ topic }}"),
        ("--vary topic=[1]", "topic", "`--vary topic` changes nothing", "write {{ topic }}"),
        ("--vary topic=[1]", r"\{{ topic }}", "`--vary topic` changes nothing", "write {{ topic"),
        ("--vary topic=[1]", "{{ x.topic }}", "`--vary topic` changes nothing", "write {{ topic"),
        ("--vary x=nothing", "{{ x }}", "`--vary x=nothing` failed: NameError", "separate cell"),
        ("--vary x=1/0", "{{ x }}", "`--vary x=1/0` failed: ZeroDivisionError", "separate cell"),
        ("--vary x='1'", "{{ x }}", "has one int", "such as [a, b]"),
        ("--vary x=[]", "{{ x }}", "`--vary x` has no values", "at least one"),
        ("--vary x=[1,0]", "{{ 1 / x }}", "`{{ 1 / x }}` failed", "separate cell"),
        ("--vary x=[1] -n 2", "{{ x", "is never closed", "close it"),
        (
            "--vary x=range(30) --vary y=range(30)",
            "{{ x }}{{ y }}",
            "900 combinations",
            "vary less",
        ),
        ("-n 10001", "hello", "a grid of 10,001 answers is too large", "fewer answers"),
        ("-n 2", "{{ nothing }}", "the name `nothing`", "run the cell"),
    ],
)
def test_what_cannot_be_planned_says_why(session, line, text, message, hint):
    with pytest.raises(OptionError) as caught:
        plan(session, line, text, x=SimpleNamespace(topic=1))
    assert message in str(caught.value)
    assert hint in caught.value.hint


def test_an_error_in_a_prompt_names_the_value(session):
    with pytest.raises(OptionError, match=r"ZeroDivisionError.* \(x: 0\)"):
        plan(session, "--vary x=[1,0] -t 0,1", "{{ 1 / x }}")


@pytest.mark.parametrize("line", ["--vary topic=[1,2]", "--vary topic=[1,2] -s b"])
def test_a_name_may_be_used_in_any_system_prompt(session, line):
    made = plan(session, f"{line} -s '{{{{ topic }}}}'")
    assert {"1", "2"} <= {each.spec.system for each in made.combinations}


def test_an_unknown_model_is_named_before_anything_is_evaluated(session, provider, monkeypatch):
    endpoint = Endpoint(f"{provider.base_url}/v1", Key(scripted.KEY, "test"), "api")
    monkeypatch.setattr(prepare_module, "find_endpoint", lambda *_: endpoint)
    seen = []
    with pytest.raises(OptionError) as caught:
        plan(session, f"-m {FLASH},claude-haiku-5-6 -n 2", "{{ f() }}", f=lambda: seen.append(1))
    assert "unknown model 'claude-haiku-5-6'; nothing was sent" in str(caught.value)
    assert HAIKU in caught.value.hint
    assert seen == []


def test_an_alias_and_its_model_are_the_same_model(session):
    session.choices["alias"] = {"quick": FLASH}
    with pytest.raises(OptionError, match=f"quick and {FLASH} are the same model"):
        plan(session, f"-m quick,{FLASH}")
    assert len(plan(session, f"-m quick,{HAIKU}")) == 2


def test_no_model_is_an_error_of_the_whole_grid(session, monkeypatch):
    monkeypatch.delenv("CMD_MODEL")
    with pytest.raises(ConfigError, match="no model is chosen"):
        plan(session, "-n 2")


PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00"
    b"\x1f\x15\xc4\x89"
)


def test_a_model_that_takes_no_image_has_an_error_and_the_others_are_sent(session):
    made = plan(session, f"-m {FLASH},{HAIKU} -n 2 -i picture", picture=PNG)
    first, second = made.combinations
    assert f"{FLASH} does not accept images" in str(first.error)
    assert first.prepared is None
    assert second.error is None
    assert second.prepared is not None
    assert len(made) == 4
    numbers = made.numbered(SampleCounter()).sample_numbers
    assert numbers == (None, None, 0, 1)
    shown = str(preview(made, session, RunLimits()))
    assert "1 combination cannot be sent" in shown
    assert f"cannot be sent: {FLASH} does not accept images" in shown
    assert "example, combination 2:" in shown


def test_if_no_combination_can_be_sent_the_plan_fails(session):
    with pytest.raises(OptionError, match=f"^{FLASH} does not accept images"):
        plan(session, f"-m {FLASH} -n 2 -i picture", picture=PNG)
    with pytest.raises(OptionError, match="none of the 2 combinations can be sent; the first: "):
        plan(session, f"-m {FLASH},deepseek/deepseek-v4-pro -i picture", picture=PNG)


def test_equal_requests_are_numbered_one_after_the_other(session):
    counter = SampleCounter()
    made = plan(session, "--vary x={'a':1,'b':1,'c':2} -n 2", "{{ x }}")
    assert made.numbered(counter).sample_numbers == (0, 1, 2, 3, 0, 1)
    assert made.numbered(counter).sample_numbers == (4, 5, 6, 7, 2, 3)
    assert made.numbered(SampleCounter()).sample_numbers == (0, 1, 2, 3, 0, 1)


def test_the_preview_has_the_whole_bill_and_one_body(session):
    made = plan(session, f"-m {FLASH},{HAIKU} -t 0,1 -n 3 --max-tokens 100", "word " * 800)
    shown = preview(made, session, RunLimits())
    assert shown["requests"] == 12
    assert shown["output_tokens"] == 1_200
    assert shown["input_tokens"] == 12 * 1_000
    rows = shown["combinations"]
    assert [row["label"] for row in rows] == labels(made)
    assert all(row["output_tokens"] == 300 for row in rows)
    assert all(isinstance(row["cost_usd"], Decimal) for row in rows)
    assert shown["example"]["model"] == FLASH
    lines = str(shown).splitlines()
    assert lines[0] == "grid of 12 requests (4 combinations, 3 samples each); nothing was sent"
    assert lines[1] == "tokens: in ~12,000, out ~1,200"
    assert lines[2].startswith("cost: ~$")
    assert lines[3].startswith(f"1  {FLASH} · t 0  in ~3,000, out ~300 tokens  ~$")
    assert lines[7] == "example, combination 1:"
    assert scripted.KEY not in str(shown)
    assert "<pre" in shown._repr_html_()


def test_unknown_prices_are_counted_apart(session):
    shown = preview(plan(session, f"-m {FLASH},lab/model -n 5"), session, RunLimits())
    assert shown["cost"].startswith("~$")
    assert shown["cost"].endswith(", and 5 requests without a known price")
    assert preview(plan(session, "-m lab/a,lab/b"), session, RunLimits())["cost"] == "$?"


@pytest.mark.parametrize(
    ("line", "limits", "refused"),
    [
        (f"-m {FLASH} -n 60", RunLimits(), None),
        ("-m lab/model -n 50", RunLimits(), None),
        ("-m lab/model -n 60", RunLimits(), "60 requests without a known price would be sent"),
        ("-m lab/model -n 60", RunLimits(max_requests=60), None),
        (f"-m {FLASH},lab/model -n 2", RunLimits(max_usd=Decimal(1)), "2 requests have no known"),
        (f"-m {FLASH},lab/model -n 2", RunLimits(Decimal(1), 4), None),
        (f"-m {FLASH} -n 60", RunLimits(max_requests=59), "--max-requests is 59"),
        (f"-m {OPUS} -n 300", RunLimits(), "(refuse_above_usd)"),
        (f"-m {OPUS} -n 300", RunLimits(max_usd=Decimal(9)), None),
    ],
)
def test_the_preview_says_what_would_be_refused(session, line, limits, refused):
    shown = preview(plan(session, line, "word " * 9_000), session, limits)
    if refused is None:
        assert shown["refused"] is None
        assert "would be refused" not in str(shown)
    else:
        assert refused in shown["refused"]
        assert f"would be refused: {shown['refused']}" in str(shown)
        assert "add --max-" in str(shown)


def test_a_long_plan_stays_readable_and_its_markup_is_text(session):
    made = plan(session, "--vary x=range(300)", "{{ x }} <b>")
    shown = preview(made, session, RunLimits())
    assert len(str(shown)) < 10_000
    assert "… 250 more; the value's 'combinations' has all" in str(shown)
    assert len(shown["combinations"]) == 300
    assert "<b>" not in shown._repr_html_()
