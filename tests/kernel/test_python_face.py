"""`cc_jupyter.ask` and `stream`: the same path, without a screen."""

from __future__ import annotations

import pytest
from support.kernel_notebook import CLAUDE, MODEL
from support.provider import answer, error, openai_stream

pytestmark = pytest.mark.kernel


@pytest.fixture
def python(notebook):
    notebook.check("import cc_jupyter as cc")
    return notebook


def test_a_call_shows_nothing_and_leaves_the_last_reply_and_the_thread_alone(python):
    python.check("%%cmd\nfirst")
    before = python.value("id(_cmd)")
    python.provider.play(answer("the text", reasoning="hm"))
    run = python.check("r = cc.ask('hello {{ x }}')")
    assert run.shown == []
    assert python.said == ["hello {{ x }}"]
    assert python.value("id(_cmd)") == before
    python.check("%%cmd\nsecond")
    assert python.said[::2] == ["first", "second"]


def test_a_reply_has_what_the_documentation_says(python):
    text = "Look:\n\n```python\nprint(1)\n```\n\nand\n\n```\nplain\n```\n"
    python.provider.play(answer(text, reasoning="hm"))
    python.check("r = cc.ask('hello')")
    assert python.value("[r.text, str(r), r.reasoning]") == [text, text, "hm"]
    assert python.value("r.code") == ["print(1)\n", "plain\n"]
    assert python.value("[r.model, r.stop_reason, r.error]") == [MODEL, "stop", None]
    usage = "input_tokens output_tokens cache_read_tokens cache_write_tokens reasoning_tokens"
    assert python.value(f"[getattr(r.usage, n) is not ... for n in {usage.split()}]") == [True] * 5
    assert python.value("[type(r.cost_usd).__name__, type(r.usage.input_tokens).__name__]") == [
        "Decimal",
        "int",
    ]
    assert python.value("0 < r.time_to_first_token_s <= r.duration_s") is True


def test_money_is_decimal_tokens_are_int_and_times_are_seconds(python):
    python.check("r = cc.ask('hello')\nimport dataclasses, decimal, datetime")
    counts = "[v for v in dataclasses.asdict(r.usage).values() if v is not None]"
    assert python.value(f"{{type(v).__name__ for v in {counts}}} == {{'int'}}") is True
    assert python.value("type(r.cost_usd) is decimal.Decimal") is True
    names = "[f.name for f in dataclasses.fields(r) if isinstance(getattr(r, f.name), float)]"
    assert python.value(names) == ["time_to_first_token_s", "duration_s"]
    python.check(
        "from cc_jupyter.session.session import shared_session\nnow = shared_session().now()"
    )
    assert python.value("now.utcoffset() == datetime.timedelta(0)") is True


def test_a_reply_renders_as_markdown(python):
    python.provider.play(answer("**bold**"))
    (shown,) = python.check("cc.ask('hello')").outputs
    assert shown.data == {"text/markdown": "**bold**", "text/plain": "**bold**"}


def test_options_have_their_long_names(python):
    python.check(
        f"r = cc.ask('hello', model={CLAUDE!r}, system='be brief', temperature=0.2, top_p=0.5,"
        " max_tokens=50, stop=['END'], effort='low', param={'metadata': {'a': 1}}, zdr=True)"
    )
    body = python.body
    assert body["model"] == CLAUDE
    assert body["system"] == "be brief"
    assert (body["temperature"], body["top_p"], body["max_tokens"]) == (0.2, 0.5, 50)
    assert body["stop_sequences"] == ["END"]
    assert body["output_config"] == {"effort": "low"}
    assert body["metadata"] == {"a": 1}
    assert python.posts[-1].headers["x-cmd-zdr"] == "1"


def test_base_url_key_and_repeats_can_be_given(python):
    python.check("import os; os.environ['OTHER_KEY'] = 'user_other_key_12345'")
    python.provider.play(error(500))
    run = python.fail(
        f"cc.ask('hello', base_url='{python.provider.base_url}/v1', api_key_env='OTHER_KEY',"
        " max_retries=0)",
        "StatusError",
    )
    assert python.posts[-1].headers["authorization"] == "Bearer user_other_key_12345"
    assert len(python.posts) == 1
    assert "user_other_key_12345" not in run.error


def test_a_failure_raises_with_what_came(python):
    python.provider.play(openai_stream(["half"])[:-3])
    python.check(
        "try:\n    cc.ask('hello')\nexcept cc.ProviderError as caught:\n    error = caught"
    )
    assert python.value("[type(error).__name__, error.reply.text, error.status]") == [
        "StreamError",
        "half",
        None,
    ]


def test_a_refusal_has_status_code_and_message(python):
    python.provider.play(error(429, "slow down", headers={"retry-after": "60"}))
    python.check("try:\n    cc.ask('hello')\nexcept cc.RateLimitError as caught:\n    e = caught")
    assert python.value("[e.status, e.code, e.message, e.retry_after_s, e.reply]") == [
        429,
        "rate_limit_error",
        "slow down",
        60.0,
        None,
    ]
    assert python.value("bool(e.request_id)") is True


def test_an_uncaught_failure_says_the_line_of_the_user(python):
    python.provider.play(error(401))
    run = python.fail("x = 1\n\ncc.ask('hello')\n", "AuthError")
    assert run.error_lines[-1] == "at line 3 of the cell: cc.ask('hello')"
    assert len(run.error_lines) <= 3


def test_the_stream_gives_the_exported_events_and_ends_with_one_stop(python):
    python.provider.play(answer(["one", " two"], reasoning="hm"))
    python.check("events = list(cc.stream('hello'))")
    kinds = python.value("[type(e).__name__ for e in events]")
    assert kinds.count("Stop") == 1
    assert kinds[-1] == "Stop"
    assert set(kinds) <= {"TextDelta", "ReasoningDelta", "Usage", "Stop"}
    assert python.value("''.join(e.text for e in events if isinstance(e, cc.TextDelta))") == (
        "one two"
    )
    assert python.value("all(hasattr(cc, type(e).__name__) for e in events)") is True


def test_a_broken_stream_ends_with_an_error_event(python):
    python.provider.play(openai_stream(["half"])[:-3])
    python.check("events = list(cc.stream('hello'))")
    assert python.value("[type(e).__name__ for e in events][-1]") == "Error"


def test_a_refused_stream_raises(python):
    python.provider.play(error(401))
    python.fail("list(cc.stream('hello'))", "AuthError")


@pytest.mark.parametrize(
    ("call", "ename", "said"),
    [
        ("cc.ask('')", "OptionError", "the prompt is empty"),
        ("cc.ask(' \\n')", "OptionError", "the prompt is empty"),
        ("cc.ask(5)", "OptionError", "the prompt must be a string, not 5"),
        ("cc.ask('a\\ud800')", "OptionError", "character 1 of the prompt is half a character"),
        ("cc.ask('a', system='\\ud800')", "OptionError", "half a character"),
        ("cc.ask('a', param={'stream': False})", "OptionError", "`param` cannot set `stream`"),
        ("cc.ask('a', param={'n': 5})", "OptionError", "`param` cannot set `n`"),
        ("cc.ask('a', param={'x': object()})", "OptionError", "`param` is not valid JSON"),
        ("cc.ask('a', base_url='http://example.com')", "ConfigError", "plain http"),
        ("cc.ask('a', max_retries=-1)", "ConfigError", "max_retries"),
        ("cc.ask('a', api_key_env='NOPE')", "ConfigError", "NOPE"),
        ("cc.ask('a', modle='x')", "TypeError", "modle"),
        ("cc.stream('a', modle='x')", "TypeError", "modle"),
        ("cc.stream('')", "OptionError", "the prompt is empty"),
    ],
)
def test_a_wrong_call_is_told_and_nothing_is_sent(python, call, ename, said):
    run = python.fail(call, ename)
    assert said in run.error
    assert python.provider.requests == []


def test_threads_of_python_may_ask_at_the_same_time(python):
    python.check(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(8) as pool:\n"
        "    rs = list(pool.map(lambda n: cc.ask(f'number {n}'), range(16)))"
    )
    assert python.value("[f'number {n}' in r.text for n, r in enumerate(rs)]") == [True] * 16
    assert len(python.posts) == 16


def test_a_connection_is_kept_for_the_next_call(python):
    python.check("for n in range(3): cc.ask('hello')")
    assert len({record.connection for record in python.posts}) == 1
    python.provider.drop_idle_connections()
    python.check("r = cc.ask('hello')")  # it dies before any byte: sent again, silently
    assert python.value("r.notices") == []
