"""From a function to a tool: what the model reads, and which functions cannot be one."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import functools
import json
import sys
from typing import Annotated, Literal

import pytest

from cc_jupyter import tool
from cc_jupyter.core.errors import ConfigError, OptionError
from cc_jupyter.tools.tool import ArgumentsError, tool_for
from cc_jupyter.tools.toolbox import Toolbox, split_expressions, toolbox_for


class Plan(enum.Enum):
    FREE = "free"
    PAID = "paid"


@dataclasses.dataclass
class Place:
    city: str
    country: str = "IT"


def lookup(
    city: str,
    limit: int = 10,
    plan: Plan = Plan.FREE,
    since: dt.date | None = None,
    title: Annotated[str, "A title."] = "q",
) -> list[str]:
    """Find customers.

    Only those who have an account.

    Parameters
    ----------
    city : str
        The city,
        in English.
    limit
        How many at most.

    Returns
    -------
    Their names.
    """
    return [city, limit, plan, since, title]


def made(function, expression="f"):
    return tool_for(function, expression)


def test_name_docstring_and_annotations_become_the_schema():
    found = made(lookup, "lookup")
    assert found.name == "lookup"
    assert found.description == (
        "Find customers.\n\nOnly those who have an account.\n\nReturns\n-------\nTheir names."
    )
    properties = found.schema["properties"]
    assert properties["city"] == {"type": "string", "description": "The city, in English."}
    assert properties["limit"] == {
        "type": "integer",
        "description": "How many at most.",
        "default": 10,
    }
    assert properties["plan"] == {"type": "string", "enum": ["free", "paid"], "default": "free"}
    assert properties["title"]["description"] == "A title."
    assert found.schema["required"] == ["city"]
    assert found.schema["additionalProperties"] is False
    json.dumps(found.schema)


def test_classes_are_written_into_the_schema_without_references_and_titles():
    def f(place: Place, others: list[Place]) -> None: ...

    text = json.dumps(made(f).schema)
    assert "$ref" not in text
    assert "$defs" not in text
    assert '"title"' not in text
    assert text.count('"country"') == 2


def test_a_parameter_may_be_named_title_or_like_a_method_of_pydantic():
    def f(title: str, schema: str, model_config: int, _private: int = 1) -> None: ...

    assert list(made(f).schema["properties"]) == ["title", "schema", "model_config", "_private"]


def test_a_recursive_type_keeps_its_references():
    from pydantic import BaseModel  # noqa: PLC0415  only here

    class Node(BaseModel):
        children: list[Node]

    Node.model_rebuild(_types_namespace={"Node": Node})

    def f(node) -> None: ...

    f.__annotations__ = {"node": Node}
    assert "$defs" in made(f).schema


@pytest.mark.parametrize(
    ("docstring", "description", "parameter"),
    [
        ("Do it.", "Do it.", None),
        ("", "", None),
        ("Do it.\n\nArgs:\n    a: The a,\n        all.\n    b (int): B.", "Do it.", "The a, all."),
        ("Do it.\n\nArguments:\n    a (str, optional): The a.\n", "Do it.", "The a."),
        ("Do it.\n\n:param a: The a.\n:param int b: B.", "Do it.", "The a."),
        ("Do it.\n\nParameters\n----------\na, b\n    Both.", "Do it.", "Both."),
        ("Do it.\n\nArgs: none of them matter.", "Do it.\n\nArgs: none of them matter.", None),
        (
            "Do it.\n\nArgs:\n    a: A.\n\nReturns:\n    Rows.",
            "Do it.\n\nReturns:\n    Rows.",
            "A.",
        ),
    ],
)  # fmt: skip
def test_docstrings_describe_parameters_where_they_are_easily_read(
    docstring, description, parameter
):
    def f(a: str, b: int) -> None: ...

    f.__doc__ = docstring
    found = made(f)
    assert found.description == description
    assert found.schema["properties"]["a"].get("description") == parameter


def no_annotation(a, b: int) -> None: ...
def variadic(a: int, *rest: int) -> None: ...
def keywords(**options: int) -> None: ...
def odd_default(a: int = object()) -> None: ...
def infinite_default(a: float = float("inf")) -> None: ...
def odd_type(connection: object, socket: ConfigError) -> None: ...
def unknown_type(a: Nowhere) -> None: ...  # noqa: F821
def no_longer(a: int) -> None: ...


no_longer.__name__ = "läufer"


class Methods:
    def find(self, a: int) -> None: ...

    def __call__(self, a: int) -> None: ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (no_annotation, "the tool no_annotation has no annotation for a"),
        (variadic, "the tool variadic takes *rest, which no schema can describe"),
        (keywords, "the tool keywords takes **options, which no schema can describe"),
        (odd_default, "the tool odd_default: JSON cannot represent the default of a, <object"),
        (infinite_default, "JSON cannot represent the default of a, inf"),
        (odd_type, "the tool odd_type: JSON cannot represent `socket: ConfigError`"),
        (unknown_type, "the annotations of the tool unknown_type cannot be read: NameError"),
        (no_longer, "'läufer' cannot be the name of a tool"),
        (lambda a: a, "the tool `f` is a lambda, which has neither a name nor annotations"),
        (Methods().find, "the tool `f` is a method, not a function of yours"),
        (Methods, "the tool `f` is a class, not a function of yours"),
        (Methods(), "the tool `f` is of type Methods, not a function"),
        (functools.partial(lookup, city="Rome"), "the tool `f` is a functools.partial"),
        (len, "the tool `f` is a builtin function, which has no annotations"),
        (str.upper, "the tool `f` is a function written in C"),
        (json, "the tool `f` is a module, not a function of yours"),
        (3, "the tool `f` is of type int, not a function"),
        (None, "the tool `f` is of type NoneType, not a function"),
    ],
)
def test_what_cannot_be_a_tool_says_why_and_what_to_do(function, message):
    with pytest.raises(OptionError) as error:
        made(function)
    assert message in str(error.value)
    assert error.value.hint


def test_without_pydantic_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydantic", None)
    with pytest.raises(ConfigError) as error:
        made(lookup)
    assert error.value.hint == "pip install 'cc-jupyter[typed]', then restart the kernel"


def test_the_decorator_adds_what_annotations_cannot_say_and_leaves_the_function_alone():
    @tool(reads_only=True, name="find-customers", timeout_s=2.5)
    def find(city: str) -> str:
        return city

    found = made(find)
    assert (found.name, found.reads_only, found.timeout_s) == ("find-customers", True, 2.5)
    assert find("Rome") == "Rome"
    assert tool(lookup) is lookup
    assert made(lookup).timeout_s is None


@pytest.mark.parametrize("name", ["", "a b", "größe", "x" * 65, "a.b", 3])
def test_a_name_that_a_wire_format_refuses_is_refused_at_once(name):
    with pytest.raises(OptionError, match="cannot be the name of a tool"):
        tool(name=name)


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf"), "5", True])
def test_a_timeout_is_a_number_of_seconds(timeout_s):
    with pytest.raises(OptionError, match="timeout_s must be a number of seconds above 0"):
        tool(timeout_s=timeout_s)


def test_the_decorator_refuses_what_has_no_attributes():
    with pytest.raises(OptionError, match="cannot be a tool"):
        tool(3)


def test_the_place_is_the_file_and_the_line():
    line = lookup.__code__.co_firstlineno
    assert made(lookup).place.endswith(f"test_tool.py, line {line}")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("  ", {}),
        ("{}", {}),
        ('{"n": 3}', {"n": 3}),
        ('{"n": 3.0}', {"n": 3}),
        ('{"day": "2026-11-30"}', {"day": dt.date(2026, 11, 30)}),
        ('{"plan": "paid"}', {"plan": Plan.PAID}),
        ('{"place": {"city": "Rome"}}', {"place": Place("Rome")}),
        ('{"word": "a\nb"}', {"word": "a\nb"}),
    ],
)  # fmt: skip
def test_arguments_are_read_as_the_annotations_say(text, values):
    def f(
        n: int = 0,
        day: dt.date | None = None,
        plan: Plan = Plan.FREE,
        place: Place | None = None,
        word: Literal["a\nb", "c"] = "c",
    ) -> None: ...

    f.__annotations__ |= {
        "n": int, "day": dt.date | None, "plan": Plan, "place": Place | None,
        "word": Literal["a\nb", "c"],
    }  # fmt: skip
    assert made(f).arguments(text).values == values


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "not JSON: "),
        ('{"city": "Rome"', "not JSON: "),
        ("[1]", "not a JSON object: [1]"),
        ("null", "not a JSON object: null"),
        ("[" * 100_000, "not JSON: "),
        ("{}", "city: field required"),
        ('{"city": 3}', "city: input should be a valid string, not 3"),
        ('{"city": "Rome", "limit": "3"}', 'limit: input should be a valid integer, not "3"'),
        ('{"city": "Rome", "limit": true}', "limit: input should be a valid integer"),
        ('{"city": "Rome", "town": "x"}', "town: extra inputs are not permitted"),
        ('{"city": "Rome", "plan": "gold"}', "plan: input should be 'free' or 'paid'"),
        ('{"city": "\\ud800"}', "did not run"),
    ],
)
def test_arguments_that_do_not_fit_are_explained_to_the_model(text, complaint):
    with pytest.raises(ArgumentsError) as error:
        made(lookup).arguments(text)
    assert str(error.value).startswith("lookup did not run: its arguments do not fit.\n- ")
    assert complaint in str(error.value)
    assert "Its parameters: city, limit, plan, since, title." in str(error.value)


def test_a_function_gets_its_own_defaults_and_positional_parameters():
    def f(a: int, b: int = 2, c: int = 3, /, d: int = 4, *, e: int = 5) -> tuple[int, ...]:
        return a, b, c, d, e

    found = made(f)
    assert found.call(found.arguments('{"a": 1}').values) == (1, 2, 3, 4, 5)
    assert found.call(found.arguments('{"c": 7, "a": 1, "e": 9}').values) == (1, 2, 7, 4, 9)
    assert found.defaults_left({"a": 1, "d": 3}) == {"b": 2, "c": 3, "e": 5}


@pytest.mark.parametrize(
    ("text", "expressions"),
    [
        ("lookup", ["lookup"]),
        ("lookup,save", ["lookup", "save"]),
        (" a , b[1, 2] , f(x, 'y,z')", ["a", "b[1, 2]", "f(x, 'y,z')"]),
        ("tools", ["tools"]),
        ("ö,b", ["ö", "b"]),
    ],
)
def test_tools_are_split_at_the_outer_commas(text, expressions):
    assert split_expressions(text) == expressions


@pytest.mark.parametrize("text", ["", " ", ",", "a,,b", "a b", "*a", "a)", "a,b,", "a=1"])
def test_a_list_that_is_not_python_is_refused(text):
    with pytest.raises(OptionError) as error:
        split_expressions(text)
    assert error.value.hint


def test_a_list_of_functions_names_several_tools():
    names = {"both": [lookup, tool(name="twice")(lambda_free)], "one": odd_free}
    box = toolbox_for(["both", "one"], names.__getitem__)
    assert box.names == ("lookup", "twice", "odd_free")
    assert [each.expression for each in box] == ["both[0]", "both[1]", "one"]
    assert len(box) == 3


def lambda_free(a: int) -> int:
    return a


def odd_free(a: int) -> int:
    return a


def test_two_functions_of_one_name_and_one_function_twice_are_refused():
    def other(city: str) -> None: ...

    other.__name__ = "lookup"
    with pytest.raises(OptionError, match="`a` and `b` are both named lookup"):
        Toolbox([made(lookup, "a"), made(other, "b")])
    with pytest.raises(OptionError, match="the tool lookup is given twice"):
        Toolbox([made(lookup, "a"), made(lookup, "b")])
    with pytest.raises(OptionError, match="`empty` is empty"):
        toolbox_for(["empty"], lambda _: [])


def test_an_unknown_tool_is_answered_with_close_names():
    box = Toolbox([made(lookup), made(odd_free)])
    assert box.get("lokup") is None
    assert box.unknown("lokup") == (
        "There is no tool named lokup; nothing ran. Did you mean lookup?"
        " The tools are: lookup, odd_free."
    )
    assert "an empty name" in box.unknown("")


def test_only_tools_can_be_allowed():
    box = Toolbox([made(lookup, "find"), made(odd_free)])
    assert box.allowed(["lookup"]) == {"lookup"}
    with pytest.raises(OptionError) as error:
        box.allowed(["lookup", "od_free"])
    assert "--allow od_free: no tool has this name" in str(error.value)
    assert error.value.hint == "did you mean odd_free?"
    with pytest.raises(OptionError) as error:
        box.allowed(["find"])
    assert error.value.hint == "its name is lookup"
