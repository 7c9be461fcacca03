r"""The `{{ expression }}` of a prompt: where it ends, what it gives, what goes wrong."""

from __future__ import annotations
import __future__

import sys
import time
import warnings

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cc_jupyter.core.errors import OptionError
from cc_jupyter.prompt.template import Expression, Literal, evaluate, parse_template, render
from cc_jupyter.prompt.values import Rendered, to_text


def fill(text: str, /, **names: object) -> str:
    return render(text, lambda expression: evaluate(expression, names, {}), to_text).text


def failure(text: str, /, **names: object) -> OptionError:
    with pytest.raises(OptionError) as caught:
        fill(text, **names)
    lines = caught.value._render_traceback_()
    assert all(len(each.splitlines()) == 1 and len(each) < 300 for each in lines)
    return caught.value


@pytest.mark.parametrize(
    ("text", "sources"),
    [
        ("{{x}}", ["x"]),
        ("{{ x }} and {{\ty\n}}", ["x", "y"]),
        ("{{x}}{{y}}", ["x", "y"]),
        ('{{ {"a": {"b": 1}}["a"] }}', ['{"a": {"b": 1}}["a"]']),
        ('{{ {"a": {"b": 1}}}} }}', ['{"a": {"b": 1}}']),
        ("{{{1}}}", ["{1}"]),
        ("{{ {1: {2}}}}", ["{1: {2}}"]),
        ('{{ "}}" }}', ['"}}"']),
        ("{{ '}}' + \"}}\" }}}}", ["'}}' + \"}}\""]),
        (r'{{ "a\"}}" }}', [r'"a\"}}"']),
        (r'{{ r"a\"}}" }}', [r'r"a\"}}"']),
        ('{{ """a "quoted" }}\n""" }}', ['"""a "quoted" }}\n"""']),
        ("{{ '''it's }}''' }}", ["'''it's }}'''"]),
        ("{{ '' + '' }}", ["'' + ''"]),
        ('{{ f"{x:{w}}}}" }}', ['f"{x:{w}}}}"']),
        ("{{ [i for i in {1, 2}] }}", ["[i for i in {1, 2}]"]),
        ("{{ (a\n + b) }}", ["(a\n + b)"]),
        ("{{ x # a note }} it's", ["x # a note"]),
        ("{{ (x # }}\n) }}", ["(x # }}\n)"]),
        ("{{ lambda: {} }}", ["lambda: {}"]),
        ("{{ x }} it's \"so }} {{ y }}", ["x", "y"]),
        ("{{ x }} }} }}", ["x"]),
    ],
)
def test_an_expression_ends_at_the_first_braces_before_which_it_compiles(text, sources):
    parts = parse_template(text)
    assert [part.source for part in parts if isinstance(part, Expression)] == sources


@pytest.mark.skipif(sys.version_info < (3, 12), reason="f-strings hold their own quotes since 3.12")
@pytest.mark.parametrize(
    "source", ['f"{d["}}"]}"', 'f"{d[\'"\']}"', 'f"{d["a"]}" + "}}"', "f'{d['\"']}' + f'{1}'"]
)
def test_an_f_string_may_hold_its_own_quotes(source):
    text = "{{ " + source + " }} it's {{ x }}"
    assert parse_template(text) == (Expression(source), Literal(" it's "), Expression("x"))


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        (r"\{{ x }}", "{{ x }}"),
        (r"a \{{ {{ x }}", "a {{ 1"),
        (r"{{ x }}\{{ x }}", "1{{ x }}"),
        (r"\{{{{ x }}", "{{1"),
        (r"\\{{ x }}", r"\{{ x }}"),
        (r"\{ x }", r"\{ x }"),
        ("{ x } }} {", "{ x } }} {"),
        ("{%{x}%}", "{%{x}%}"),
    ],
)
def test_a_backslash_sends_the_braces_and_single_braces_are_text(text, sent):
    assert fill(text, x=1) == sent


@given(st.text().filter(lambda text: "{{" not in text))
@example("{a} }} \\{ $x %s %d\t\u2028\u2029\x85\x00\r\n \N{PILE OF POO} \ud800 {")
def test_a_prompt_without_double_braces_is_untouched_to_the_letter(text):
    assert fill(text) == text


@given(st.text(), st.text(alphabet="{}\\x \n'\"#"))
def test_interpolated_once_a_value_with_braces_is_sent_to_the_letter(value, braces):
    for secret in (value, braces, "{{ secret }}", r"\{{ x }}", "}}{{ x }}"):
        assert fill("a{{ x }}b{{ x }}", x=secret, secret="s3cret") == f"a{secret}b{secret}"


@given(st.text(alphabet="{}[]()\\x1 \n'\"#,"))
@settings(max_examples=300)
def test_the_end_found_is_the_first_that_compiles(rest):
    """The rule, word for word and slowly, against the one pass."""
    text = "{{" + rest
    first = None
    for place in range(2, len(text)):
        if text.startswith("}}", place) and compiles(text[2:place]):
            first = text[2:place].strip()
            break
    try:
        found = parse_template(text)[0]
    except OptionError:
        # the error may stand further on
        assert first is None or "{{" in text[2:]
    else:
        assert found == Expression(first)


def compiles(source: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(source.strip(), "<prompt>", "eval", dont_inherit=True)
        except (SyntaxError, ValueError):
            return False
    return True


# ── evaluating


def test_locals_of_the_calling_function_are_seen_first_even_inside_comprehensions():
    user, local = {"x": 1, "y": 2}, {"x": 10}
    assert evaluate("x + y", user, local) == 12
    assert evaluate("[x + i for i in range(y)]", user, local) == [10, 11]
    assert evaluate("(lambda: x)()", user, local) == 10


def test_an_expression_leaves_no_name_behind():
    user: dict[str, object] = {}
    assert evaluate("(z := 5) + len([w := 1])", user, {}) == 6
    assert user == {}


def test_our_own_future_imports_do_not_reach_the_expression():
    flags = evaluate("(lambda: 0).__code__.co_flags", {}, {})
    assert flags & __future__.annotations.compiler_flag == 0


def test_expressions_are_evaluated_in_order_each_time_they_stand_there():
    numbers = iter(range(5))
    assert fill("{{ next(n) }} {{ next(n) }} {{ next(n) }}", n=numbers) == "0 1 2"


def test_a_notice_of_a_cut_value_is_passed_on():
    given = render(
        "{{ a }}{{ b }}", str, lambda value, name: Rendered(str(value), (f"{name} cut",))
    )
    assert (given.text, given.notices) == ("ab", ("a cut", "b cut"))


def test_warnings_of_the_compiler_do_not_reach_the_user():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert fill(r'{{ "\d" }}{{ 1 if 1 is 1 else 2 }}') == r"\d1"
    assert caught == []


def test_warnings_of_the_user_s_own_code_do():
    def old() -> int:
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        return 1

    with pytest.warns(DeprecationWarning, match="old"):
        assert fill("{{ old() }}", old=old) == "1"


# ── what goes wrong


@pytest.mark.parametrize(
    ("text", "line", "names"),
    [
        ("{{ x", 1, "`{{ x`"),
        ("a\n\nb {{ x }\nc", 3, "`{{ x }`"),
        ("a\n{{ x\nb {{ y }}", 2, "`{{ x`"),
        ("{{", 1, "{{"),
    ],
)
def test_an_unclosed_expression_names_its_line(text, line, names):
    error = failure(text, x=1, y=2)
    assert "never closed" in str(error)
    assert f"line {line} " in str(error)
    assert names in str(error)
    assert r"\{{" in error.hint
    assert "--raw" in error.hint


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{{ x y }}", "`{{ x y }}`"),
        ("a\n{{ x + }} b }}", "`{{ x + }}` on line 2"),
        ("{{ }}", "it is empty"),
        ("{{}}", "it is empty"),
        ("{{ don't }}", "`{{ don't }}`"),
        ('{{ """a }}', "unterminated"),
        ('{{ {"a": {"b" 1}} }}', '`{{ {"a": {"b" 1}} }}`'),
        ("{{ a ] }}", "`{{ a ] }}`"),
        ("{{ (a } }}", "`{{ (a } }}`"),
        ("{{ a } }}", "`{{ a } }}`"),
        ("{{ x = 1 }}", "`{{ x = 1 }}`"),
        ("{{ import os }}", "`{{ import os }}`"),
        ("{{ await x }}", "`{{ await x }}`"),
        ("{{ yield x }}", "`{{ yield x }}`"),
        ("{{ a\0b }}", "null bytes"),
        ("{{ '\ud800' }}", "surrogates"),
        ("{{ " + "(" * 300 + ")" * 300 + " }}", "too many nested parentheses"),
        ("{{ " + "-" * 100_000 + "1 }}", "not a Python expression"),
    ],
)
def test_what_is_no_expression_is_named(text, names):
    error = failure(text, x=1)
    assert names in str(error)
    assert "not a Python expression" in str(error)
    assert r"\{{" in error.hint


def test_nothing_is_evaluated_when_the_prompt_does_not_parse():
    seen: list[int] = []
    failure("{{ seen.append(1) }} {{ x y }}", seen=seen)
    assert seen == []


def test_an_unknown_name_is_named_with_a_close_match():
    error = failure("{{ coutries }}", countries=1, _countries=2)
    assert str(error) == "the name `coutries` in `{{ coutries }}` is unknown"
    assert error.hint.startswith("did you mean countries?")
    assert isinstance(error.__cause__, NameError)


def test_an_unknown_name_without_a_close_match_says_what_to_do():
    error = failure("{{ q }}", countries=1)
    assert "run the cell" in error.hint
    assert r"\{{" in error.hint


def test_an_unknown_name_inside_a_comprehension_is_the_prompt_s():
    assert "`rwos`" in str(failure("{{ [r for r in rwos] }}", rows=[1]))
    assert "`rr`" in str(failure("{{ [rr for r in rows] }}", rows=[1]))


def test_an_unknown_name_inside_a_function_is_the_function_s_failure():
    def broken():
        return missing  # noqa: F821

    error = failure("{{ broken() }}", broken=broken)
    assert str(error).startswith("`{{ broken() }}` failed: NameError: name 'missing'")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{{ 1 / 0 }}", "`{{ 1 / 0 }}` failed: ZeroDivisionError: division by zero"),
        ("{{ d['b'] }}", "`{{ d['b'] }}` failed: KeyError: 'b'"),
        ("{{ {{1}} }}", "unhashable"),
        ("{{ (_ for _ in ()).throw(NameError) }}", "failed: NameError"),
        ("{{ (_ for _ in ()).throw(ValueError('a\\nb')) }}", "ValueError: a b"),
    ],
)
def test_a_failing_expression_names_itself_and_its_exception(text, says):
    error = failure(text, d={})
    assert says in str(error)
    assert isinstance(error.__cause__, Exception)
    assert "nothing was sent" in error.hint


def test_an_exception_whose_own_text_fails_is_named_by_its_class():
    class MuteError(Exception):
        def __str__(self):
            raise RuntimeError

    def fail():
        raise MuteError

    assert str(failure("{{ fail() }}", fail=fail)) == "`{{ fail() }}` failed: MuteError"


def test_a_key_in_the_text_of_an_exception_is_removed():
    def fail():
        raise ValueError("bad key sk-abcdefghij0123456789")

    assert "abcdefghij" not in str(failure("{{ fail() }}", fail=fail))


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_passes(kind):
    def stop():
        raise kind

    with pytest.raises(kind):
        fill("{{ stop() }}", stop=stop)


# ── size


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{ x } $y " * 1_200_000, id="single braces"),
        pytest.param("{{ x }}" + "}}" * 5_000_000, id="closing braces"),
        pytest.param("}}" * 5_000_000 + "{{ x }}", id="closing braces first"),
        pytest.param("{{ '" + "}}" * 2_000_000 + "' }}", id="closing braces in a string"),
        pytest.param(r"\{{" * 1_000_000, id="escaped braces"),
        pytest.param("{{ x }} it's " * 5_000, id="many expressions"),
        pytest.param("{{ {1: {2: {3: '}}'}}} }} it's " * 2_000, id="many nested expressions"),
    ],
)
def test_ten_megabytes_are_parsed_in_one_pass(text):
    begin = time.process_time()
    parse_template(text)
    assert time.process_time() - begin < 10


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{{ " + "{ x " * 2_500_000, id="opening braces"),
        pytest.param("{{ '" + "}}" * 5_000_000, id="an open string"),
        pytest.param("{{ '''" + "}}'" * 3_000_000, id="an open long string"),
        pytest.param("{{ (" + "}}" * 5_000_000, id="an open bracket"),
        pytest.param("{{ x y " + " }}" * 3_000_000, id="no expression"),
        pytest.param("{{" * 5_000_000, id="nothing but braces"),
        pytest.param("{{ " + "'a' " * 2_500_000, id="strings"),
        pytest.param("{{ " + "}" * 10_000_000, id="nothing but closing braces"),
    ],
)
def test_ten_megabytes_are_refused_in_one_pass(text):
    begin = time.process_time()
    failure(text)
    assert time.process_time() - begin < 10
