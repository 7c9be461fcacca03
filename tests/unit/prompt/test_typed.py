"""`-> x: TYPE` and `-f json`: which types, what is asked for, which answers fit."""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import datetime  # noqa: ICN001  the name a user's type has
import decimal
import enum
import json
import math
import subprocess
import sys
import time
import typing
import uuid
from typing import Annotated, Any, Literal, NamedTuple, NotRequired

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from support.provider.sample import sample

from cc_jupyter.core.errors import ConfigError, OptionError, StreamError
from cc_jupyter.core.messages import Message, Request
from cc_jupyter.core.reply import Reply
from cc_jupyter.prompt.output_types import (
    OutputType,
    ValidationProblem,
    json_output_type,
    may_repair,
    output_type_for,
)
from cc_jupyter.prompt.type_parser import parse_type

pydantic = pytest.importorskip("pydantic")
NONE = object()


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclasses.dataclass
class Person:
    """Somebody."""

    name: str
    age: int = 18
    tags: list[str] = dataclasses.field(default_factory=list)
    born: datetime.date | None = None


class Point(NamedTuple):
    x: int
    y: float


class Film(typing.TypedDict):
    title: str
    year: NotRequired[int]


class Shelf(typing.TypedDict, total=False):
    films: list[Film]


class Order(pydantic.BaseModel):
    """An order."""

    amount: Annotated[int, pydantic.Field(ge=1, description="How many.")]
    colour: Colour = Colour.RED
    buyer: Person | None = pydantic.Field(default=None, description="Who asked.")

    @pydantic.field_validator("amount")
    @classmethod
    def even(cls, amount: int) -> int:
        if amount % 2:
            raise ValueError("must be even")
        return amount


class Node(pydantic.BaseModel):
    value: int
    children: list[Node] = []  # noqa: RUF012  pydantic copies it


class Plain:
    pass


@dataclasses.dataclass
class Box:
    inside: Plain


NAMES = dict(globals())


def kind(source: str, **local_ns: object) -> object:
    return parse_type(source, NAMES, local_ns)


def capture(source: str) -> OutputType:
    return output_type_for(kind(source), source)


def problem(source: str, answer: str) -> ValidationProblem:
    with pytest.raises(ValidationProblem) as caught:
        capture(source).validate(answer)
    assert "\n" not in str(caught.value)
    return caught.value


def refusal(source: str, **local_ns: object) -> OptionError:
    with pytest.raises(OptionError) as caught:
        output_type_for(kind(source, **local_ns), source)
    lines = caught.value._render_traceback_()
    assert len(lines) == 2
    assert all(len(each.splitlines()) == 1 and len(each) < 300 for each in lines)
    return caught.value


# ── the type as it stands on the line


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("int", int),
        (" list[str] ", list[str]),
        ("dict[str, int]", dict[str, int]),
        ('Literal["a", "b"]', Literal["a", "b"]),
        ("Optional[int]", int | None),
        ("int | None", int | None),
        ("List[Any]", typing.List[Any]),  # noqa: UP006
        ("datetime.date", datetime.date),
        ("Colour", Colour),
        ('"Person"', Person),
        ('list["Person"]', list[Person]),
        ("Annotated[int, 3]", Annotated[int, 3]),
        ("dict[str, list[Node]]", dict[str, list[Node]]),
    ],
)
def test_a_type_is_evaluated_in_the_users_namespace_and_typing_needs_no_import(source, expected):
    user_ns = {name: NAMES[name] for name in ("datetime", "Colour", "Person", "Node")}
    assert parse_type(source, user_ns, {}) == expected


def test_locals_of_a_calling_function_are_seen_before_the_users_namespace():
    assert kind("Film", Film=int) is int


def test_evaluating_a_type_leaves_nothing_in_the_users_namespace():
    user_ns: dict[str, object] = {}
    parse_type("(n := int)", user_ns, {})
    assert user_ns == {}


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ("integr", "the type `integr` is unknown", "did you mean int"),
        ("string", "the type `string` is unknown", "did you mean str?"),
        ("Persn", "the type `Persn` is unknown", "did you mean Person?"),
        ("list[Persn]", "the name `Persn` in the type `list[Persn]` is unknown", "Person?"),
        ('list["Persn"]', "`Persn`", "Person?"),
        ("pd.DataFrame", "the name `pd`", "run the cell"),
        ("", "there is no type after the `:`", "for example"),
        ("list of int", "not a Python expression: invalid syntax", "options go before the `->`"),
        ("int -m gpt", "not a Python expression", "options go before the `->`"),
        ("int or str", "selects only one of the types", "int | str"),
        ("list[int or None]", "selects only one of the types", "int | str"),
        ("list(int)", "failed: TypeError", "nothing was sent"),
        ("42", "`42` is an int, not a type", "for example"),
        ("math.pi", "`math.pi` is a float, not a type", "for example"),
        ("None", "`None` is None, not a type", "leave out the type"),
        ("[int]", "`[int]` is a list, not a type", "list[…]"),
        ("(int, str)", "is a tuple, not a type", "tuple[…]"),
        ("{'a': int}", "is a dict, not a type", "dict[…]"),
        ("datetime", "`datetime` is a module, not a type", "datetime.datetime?"),
        ("print", "is a builtin_function_or_method, not a type", "for example"),
        ("lambda: int", "is a function, not a type", "for example"),
        ("Person('Ada')", "is a Person, not a type", "-> x: Person"),
        ("Literal", "not a type", "for example"),
        (
            "Literal[Colour.RED]",
            "JSON cannot represent Colour.RED",
            "Literal['red'], or the whole type Colour",
        ),
        ("Plain", "JSON cannot represent `Plain`: <class", "dataclasses"),
        ("list[42]", "JSON cannot represent `list[42]`: 42 is not supported", "dataclasses"),
        ("Box", "is not supported", "dataclasses"),
        ("type", "JSON cannot represent `type`", "dataclasses"),
    ],
)
def test_what_is_no_type_is_refused_before_anything_is_sent(source, message, hint):
    error = refusal(source)
    assert message in str(error)
    assert error.hint is not None
    assert hint in error.hint


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="pydantic takes typing's TypedDict there")
def test_a_typed_dict_that_refers_to_itself_is_refused_in_words():
    class Loop(typing.TypedDict):
        kids: list[Loop]

    assert "refers to itself" in str(refusal("Loop", Loop=Loop))


def test_without_pydantic_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydantic", None)
    with pytest.raises(ConfigError, match="`-> x: int` needs pydantic 2") as caught:
        output_type_for(int)
    assert "pip install 'cc-jupyter[typed]'" in (caught.value.hint or "")


def test_json_without_a_type_needs_no_pydantic():
    code = (
        "import sys; sys.modules['pydantic'] = None;"
        "from cc_jupyter.prompt.output_types import json_output_type;"
        "assert json_output_type().validate('{\"a\": 1}') == {'a': 1}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_loading_the_module_does_not_load_pydantic():
    code = "import cc_jupyter.prompt.output_types, sys; assert 'pydantic' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# ── the schema

VALUE_OF = {"type": "object", "required": ["value"], "additionalProperties": False}
PERSON = {
    "type": "object",
    "description": "Somebody.",
    "properties": {
        "name": {"type": "string"},
        "age": {
            "anyOf": [{"type": "integer"}, {"type": "null"}],
            "description": "null for the default, 18",
        },
        "tags": {
            "anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}],
            "description": "null if it is not known",
        },
        "born": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
    },
    "required": ["name", "age", "tags", "born"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("int", {"type": "integer"}),
        ("bool", {"type": "boolean"}),
        ("list[str]", {"type": "array", "items": {"type": "string"}}),
        ('Literal["a", "b"]', {"type": "string", "enum": ["a", "b"]}),
        ('Literal["a"]', {"type": "string", "enum": ["a"]}),
        ("Colour", {"type": "string", "enum": ["red", "blue"]}),
        ("int | None", {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        ("datetime.datetime", {"type": "string", "format": "date-time"}),
        (
            "Annotated[int, pydantic.Field(gt=3, description='A number.')]",
            {"type": "integer", "description": "A number. (exclusiveMinimum: 3)"},
        ),
        (
            "tuple[int, str]",
            {
                "type": "array",
                "items": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
                "description": "minItems: 2; maxItems: 2; items in this order: integer, string",
            },
        ),
        ("list[Person]", {"type": "array", "items": PERSON}),
    ],
)
def test_what_is_no_object_is_asked_for_in_the_value_of_one(source, value):
    asked = capture(source)
    assert asked.form.schema == {**VALUE_OF, "properties": {"value": value}}
    assert asked.form.strict
    assert asked.wrapped


def test_a_dataclass_is_asked_for_with_all_fields_and_null_for_what_has_a_default():
    asked = capture("Person")
    assert asked.form.schema == PERSON
    assert asked.form.name == "Person"


def test_a_pydantic_model_keeps_descriptions_and_its_limits_become_words():
    assert capture("Order").form.schema == {
        "type": "object",
        "description": "An order.",
        "properties": {
            "amount": {"type": "integer", "description": "How many. (minimum: 1)"},
            "colour": {
                "anyOf": [{"type": "string", "enum": ["red", "blue"]}, {"type": "null"}],
                "description": 'null for the default, "red"',
            },
            "buyer": {"anyOf": [PERSON, {"type": "null"}], "description": "Who asked."},
        },
        "required": ["amount", "colour", "buyer"],
        "additionalProperties": False,
    }


def test_a_typed_dict_of_typing_works_on_every_python_also_inside_other_types():
    film = {
        "type": "object",
        "properties": {
            "title": {"type": "string"},
            "year": {
                "anyOf": [{"type": "integer"}, {"type": "null"}],
                "description": "null if it is not known",
            },
        },
        "required": ["title", "year"],
        "additionalProperties": False,
    }
    films = {"type": "array", "items": film}
    nullable = {"anyOf": [films, {"type": "null"}], "description": "null if it is not known"}
    assert capture("Film").form.schema == film
    assert capture("list[Film]").form.schema["properties"]["value"] == films
    assert capture("Shelf").form.schema["properties"]["films"] == nullable


def test_a_recursive_model_keeps_its_references_and_says_that_it_is_recursive():
    node = {
        "type": "object",
        "properties": {
            "value": {"type": "integer"},
            "children": {
                "anyOf": [
                    {"type": "array", "items": {"$ref": "#/$defs/Node"}},
                    {"type": "null"},
                ],
                "description": "null for the default, []",
            },
        },
        "required": ["value", "children"],
        "additionalProperties": False,
    }
    asked = capture("Node")
    assert asked.form.schema == {**node, "$defs": {"Node": node}}
    assert asked.form.recursive
    assert not asked.wrapped


@pytest.mark.parametrize(
    "source", ["dict[str, int]", "dict", "list[dict[str, Any]]", "Any", "list"]
)
def test_what_has_no_fixed_keys_or_types_is_asked_for_without_strictness(source):
    asked = capture(source)
    assert asked.form.schema["type"] == "object"
    assert not asked.form.strict


def test_many_references_stay_references_so_that_the_schema_does_not_explode():
    kinds: list[Any] = [pydantic.create_model("M0", n=(int, ...))]
    for level in range(1, 12):
        below = kinds[-1]
        kinds.append(pydantic.create_model(f"M{level}", a=(below, ...), b=(below, ...)))
    asked = output_type_for(kinds[-1])
    assert len(json.dumps(asked.form.schema)) < 10_000
    assert not asked.form.recursive


TYPES = [
    *("int", "float", "str", "bool", "list[str]", "list[int]", "dict[str, int]", "dict[int, str]"),
    *('Literal["a", "b"]', "Literal[1, 'a', None]", "Optional[int]", "int | str", "Any", "dict"),
    *("Colour", "Level", "Person", "Film", "Shelf", "Order", "Node", "Point", "list[Node]"),
    *("Person | Film", "list[Person | None]", "tuple[int, str]", "tuple[int, ...]", "set[int]"),
    *("datetime.date", "datetime.datetime", "datetime.timedelta", "decimal.Decimal", "uuid.UUID"),
    *("dict[str, list[Film]]", "Annotated[int, pydantic.Field(ge=2)]", "bytes"),
]
KNOWN_WORDS = {
    *("type", "description", "enum", "anyOf", "items", "properties", "required"),
    *("additionalProperties", "format", "$ref", "$defs"),
}


@pytest.mark.parametrize("source", TYPES)
def test_every_schema_keeps_to_what_strict_decoding_takes_on_both_wires(source):
    asked = capture(source)
    Draft202012Validator.check_schema(asked.form.schema)
    assert asked.form.schema["type"] == "object"
    for part in _parts(asked.form.schema):
        assert set(part) <= KNOWN_WORDS
        if part.get("type") == "object":
            assert part["required"] == list(part["properties"])
        if asked.form.strict:
            assert part.keys() & {"type", "enum", "anyOf", "$ref"}
            assert part.get("type") != "object" or part["additionalProperties"] is False


def _parts(schema: dict[str, Any]) -> list[dict[str, Any]]:
    below = [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]
    below += [*schema.get("$defs", {}).values()]
    below += [schema[name] for name in ("items", "additionalProperties") if schema.get(name)]
    return [schema, *(part for each in below if isinstance(each, dict) for part in _parts(each))]


@pytest.mark.parametrize(
    "source", [each for each in TYPES if "timedelta" not in each and "UUID" not in each]
)
def test_what_a_server_makes_by_the_schema_fits_the_type(source):
    text = "6" if source == "dict[int, str]" else "some text"
    asked = capture(source)
    answer = sample(asked.form.schema, text)
    if source in ("dict[int, str]", "dict"):
        answer = {"6": "six"}  # the sampler knows no keys
    if source == "Order":
        answer["amount"] = 4
    if source in ("tuple[int, str]", "Point"):
        answer["value"][1] = "b" if source.startswith("tuple") else 0.5
    asked.validate(json.dumps(answer))


# ── answers that fit


@pytest.mark.parametrize(
    ("source", "answer", "value"),
    [
        ("int", '{"value": 42}', 42),
        ("int", "42", 42),
        ("int", " 42\n", 42),
        ("int", "3.0", 3),
        ("int", '{"value": -3.0}', -3),
        ("list[int]", "[1, 2.0]", [1, 2]),
        ("int | str", "3.0", 3),
        ("int | str", '"3.0"', "3.0"),
        ("float", "3", 3.0),
        ("float | int", "3.0", 3.0),
        ("float", "1e3", 1000.0),
        ("bool", "true", True),
        ("str", '{"value": "42"}', "42"),
        ("str", '"42"', "42"),
        ("str", "42", "42"),
        ("str", "It is warm.", "It is warm."),
        ("str", 'It is {"a": 1}.', 'It is {"a": 1}.'),
        ("str", '{"value": "line\nbreak"}', "line\nbreak"),
        ("str | None", "null", None),
        ('Literal["yes", "no"]', "yes", "yes"),
        ("Colour", "blue", Colour.BLUE),
        ("Colour", '"blue"', Colour.BLUE),
        ("Level", "2", Level.HIGH),
        ("datetime.date", "2026-10-08", datetime.date(2026, 10, 8)),
        ("datetime.date", '{"value": "2026-10-08T00:00:00Z"}', datetime.date(2026, 10, 8)),
        ("datetime.datetime", "2026-10-08", datetime.datetime(2026, 10, 8)),  # noqa: DTZ001
        ("datetime.timedelta", '"P1DT2H"', datetime.timedelta(days=1, hours=2)),
        ("decimal.Decimal", "1.10", decimal.Decimal("1.1")),
        ("decimal.Decimal", '"1.10"', decimal.Decimal("1.10")),
        ("list[str]", '["a", "b"]', ["a", "b"]),
        ("list[str]", '```json\n{"value": ["a"]}\n```', ["a"]),
        ("list[str]", '```\n["a"]\n```', ["a"]),
        ("list[str]", 'Here you are:\n["a"]\nAnything else?', ["a"]),
        ("list[str]", 'As [1] says: {"value": ["a"]}', ["a"]),
        ("tuple[int, str]", '[1, "a"]', (1, "a")),
        ("set[int]", "[1, 2]", {1, 2}),
        ("dict[str, int]", '{"a": 1, "b": 2}', {"a": 1, "b": 2}),
        ("dict[str, int]", '{"value": 1}', {"value": 1}),
        ("dict[int, str]", '{"1": "a"}', {1: "a"}),
        ("Any", '{"value": [1, {"a": null}]}', [1, {"a": None}]),
        ("Any", '{"value": 1, "unit": "m"}', {"value": 1, "unit": "m"}),
        ("Point", "[1, 2]", Point(1, 2.0)),
        ("Point", '{"x": 1, "y": 2.5}', Point(1, 2.5)),
        ("Person", '{"name": "Ada"}', Person("Ada")),
        ("Person", '{"name": "Ada", "age": null, "tags": null, "born": null}', Person("Ada")),
        ("Person", '{"name": "Ada", "age": 36.0}', Person("Ada", 36)),
        ("Person", '{"name": "Ada", "shoe": 39}', Person("Ada")),
        (
            "Person",
            'Sure! {"name": "Ada", "born": "1815-12-10"} is she.',
            Person("Ada", born=datetime.date(1815, 12, 10)),
        ),
        ("list[Person]", '{"value": [{"name": "A", "age": null}]}', [Person("A")]),
        ("Person | None", '{"value": {"name": "A", "age": null}}', Person("A")),
        ("Film", '{"title": "M", "year": 1931}', {"title": "M", "year": 1931}),
        ("Film", '{"title": "M", "year": null}', {"title": "M"}),
        ("Order", '{"amount": 2, "colour": "blue"}', Order(amount=2, colour=Colour.BLUE)),
        ("Order", '{"amount": 2, "colour": null, "buyer": null}', Order(amount=2)),
        ("Node", '{"value": 1}', Node(value=1)),
        ("Node", '{"value": 1, "children": [{"value": 2, "children": null}]}', NONE),
        ("Node | None", '{"value": {"value": 1}}', Node(value=1)),
        ("Node | None", '{"value": 1}', Node(value=1)),
    ],
)
def test_an_answer_that_fits_becomes_the_value(source, answer, value):
    if value is NONE:
        value = Node(value=1, children=[Node(value=2)])
    got = capture(source).validate(answer)
    assert got == value
    assert type(got) is type(value)


# ── answers that do not


@pytest.mark.parametrize(
    ("source", "answer", "said"),
    [
        ("bool", "yes", 'valid boolean, not "yes"'),
        ("bool", '{"value": "true"}', "valid boolean"),
        ("bool", "1", "valid boolean, not 1"),
        ("int", '{"value": "3"}', 'valid integer, not "3"'),
        ("int", "3.5", "valid integer, not 3.5"),
        ("int", "true", "valid integer, not true"),
        ("int", "The answer is 42.", "valid integer"),
        ("int", '{"answer": 42}', "valid integer, not an object"),
        ("int | bool", "3.0", "valid"),
        ("float", '"3"', "valid number"),
        ("str", '{"value": 3}', "valid string, not 3"),
        ("str", '{"text": "hello"}', "valid string"),
        ("str", '{"value": "hel', "the JSON is cut off"),
        ('Literal["yes", "no"]', "maybe", "'yes' or 'no'"),
        ("Colour", "green", "'red' or 'blue'"),
        ("datetime.date", "1700000000", "valid date"),
        ("datetime.date", '"1700000000"', "valid date"),
        ("datetime.date", "2026-10-08T12:00:00Z", "zero time"),
        ("list[int]", "[1, 2.5]", "[1]: "),
        ("list[int]", "[1, null]", "[1]: input should be a valid integer, not null"),
        ("list[str]", "a, b", 'valid array, not "a, b"'),
        ("list[str]", '["a", "b"', "the JSON is cut off"),
        ("list[Person]", '[{"name": "A"}, {"name": "B"}', "the JSON is cut off"),
        ("Person", '{"person": {"name": "Ada"}, "x": ', "the JSON is cut off"),
        ("Person", '```json\n{"name": "Ada",\n```', "not JSON"),
        ("Person", "{'name': 'Ada'}", "not JSON: Expecting property name"),
        ("Person", '{"age": 3}', "name: field required"),
        ("Person", '{"name": null}', "name: input should be a valid string, not null"),
        (
            "Person",
            '{"name": "A", "age": "ten"}',
            'age: input should be a valid integer, not "ten"',
        ),
        ("list[Person]", '[{"name": "A", "tags": [1]}]', "[0].tags[0]: "),
        ("Person", "Ada, 36", "it contains no JSON"),
        ("Person", "42", "not 42"),
        ("Person", '{"name": "A"} or {"name": "B"}', "it contains 2 values that fit"),
        ("dict[str, int]", '{"a": null}', "a: input should be a valid integer, not null"),
        ("Order", '{"amount": 3}', "amount: value error, must be even, not 3"),
        ("Order", '{"amount": 0}', "amount: input should be greater than or equal to 1, not 0"),
        (
            "tuple[int, str]",
            '[1, "a", 2]',
            "tuple should have at most 2 items after validation, not 3",
        ),
        ("Film", '{"year": 1931}', "title: field required"),
        ("int", "", "the answer is empty"),
        ("int", " \n", "the answer is empty"),
        ("list[list[int]]", "[" * 100_000, "the JSON cannot be parsed"),
    ],
)
def test_an_answer_that_does_not_fit_is_a_problem_with_its_place(source, answer, said):
    assert said in str(problem(source, answer))


def test_the_same_value_said_twice_is_one_value():
    assert capture("Film").validate('{"title": "M"}\nThat is: {"title": "M"}') == {"title": "M"}


def test_many_things_that_are_wrong_are_counted_after_the_fifth():
    wrong = problem("list[int]", json.dumps(["a"] * 8))
    assert len(wrong.details) == 8
    assert str(wrong).endswith("; 3 more")


def test_a_key_in_an_answer_is_not_repeated_in_the_problem():
    assert "user_abc123def456" not in str(problem("int", '"user_abc123def456"'))


@pytest.mark.parametrize(
    "piece",
    ["{ and [ and {x} ", "{\n", "[\n", '{"a":', "```\n", "```json\n{\n", "{ ", "`", "[\n[1],\n"],
)
def test_a_long_answer_without_json_is_read_in_linear_time(piece):
    begin_s = time.monotonic()
    assert problem("Person", piece * 50_000)
    assert time.monotonic() - begin_s < 2  # a quadratic reading takes minutes


# ── one repair, or an error


def reply_of(text: str, stop_reason: str = "stop") -> Reply:
    return Reply(text=text, reasoning="", model="m", stop_reason=stop_reason)


def test_the_repair_sends_the_answer_back_with_what_is_wrong_and_the_schema():
    asked = capture("Person")
    request = Request("m", "/chat/completions", (Message("user", "Who?"),), system="Be brief.")
    wrong = problem("Person", '{"age": "ten"}')
    repaired = asked.repaired(request, reply_of('{"age": "ten"}'), wrong)
    assert [m.role for m in repaired.messages] == ["user", "assistant", "user"]
    assert repaired.messages[0] == Message("user", "Who?")
    assert repaired.messages[1].text == '{"age": "ten"}'
    asking = repaired.messages[2].text
    assert "- name: field required" in asking
    assert '- age: input should be a valid integer, not "ten"' in asking
    assert json.dumps(asked.form.schema) in asking
    assert repaired.system == "Be brief."


def test_the_repair_is_announced_in_one_line():
    said = capture("int").repair_notice(problem("int", "ten"))
    assert said == (
        'the answer was not int (input should be a valid integer, not "ten"); asked once more'
    )


@pytest.mark.parametrize(
    ("text", "stop_reason", "max_retries", "may"),
    [
        ("ten", "stop", 2, True),
        ("ten", "unknown", 1, True),
        ("ten", "stop", 0, False),
        ("ten", "length", 2, False),
        ("no", "content_filter", 2, False),
        ("", "stop", 2, False),
    ],
)
def test_an_answer_is_sent_back_only_where_repeats_are_allowed_and_can_help(
    text, stop_reason, max_retries, may
):
    assert may_repair(reply_of(text, stop_reason), max_retries) is may


@pytest.mark.parametrize(
    ("stop_reason", "hint"),
    [
        ("stop", "the raw text is in _cmd.text"),
        ("length", "it was cut at its token limit, see --max-tokens; the raw text is in _cmd.text"),
        ("content_filter", "the model refused or was filtered; the raw text is in _cmd.text"),
    ],
)
def test_the_error_of_a_misfit_keeps_the_reply_and_says_where_its_text_is(stop_reason, hint):
    reply = reply_of("ten", stop_reason)
    error = capture("int").error(problem("int", "ten"), reply)
    assert isinstance(error, StreamError)
    assert str(error) == 'the answer is not int: input should be a valid integer, not "ten"'
    assert error.hint == hint
    assert error.reply is reply


# ── shown


@pytest.mark.parametrize(
    ("source", "answer", "shown"),
    [
        ("list[int]", '{"value":[1]}', "[\n  1\n]"),
        ("dict[str, int]", '{"value":1}', '{\n  "value": 1\n}'),
        ("Film", '```json\n{"title":"Ä"}\n```', '{\n  "title": "Ä"\n}'),
        ("int", "ten", "ten"),
        ("Film", "{broken", "{broken"),
    ],
)
def test_an_answer_is_shown_as_indented_json_without_its_wrapping(source, answer, shown):
    assert capture(source).shown(answer) == shown


# ── -f json


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ('{"a": [1, 2.0, null]}', {"a": [1, 2.0, None]}),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('Here:\n{"a": 1}', {"a": 1}),
        ("{}", {}),
    ],
)
def test_json_takes_any_object(answer, value):
    assert json_output_type().validate(answer) == value


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("[1]", "a list and not an object"),
        ("42", "a number and not an object"),
        ('"a"', "a string and not an object"),
        ("null", "null and not an object"),
        ("words", "it contains no JSON"),
        ('{"a": 1', "the JSON is cut off"),
        ('{"a": 1} {"b": 2}', "2 values that fit"),
    ],
)
def test_json_takes_nothing_but_an_object(answer, said):
    with pytest.raises(ValidationProblem) as caught:
        json_output_type().validate(answer)
    assert said in str(caught.value)


def test_json_is_shown_indented():
    assert json_output_type().shown('{"a":{"b":1}}') == '{\n  "a": {\n    "b": 1\n  }\n}'


# ── round trips

_TEXT = st.text(st.characters(codec="utf-8"))
_NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
_DATES = st.dates(min_value=datetime.date(1000, 1, 1))
_PEOPLE = st.builds(Person, _TEXT, st.integers(), st.lists(_TEXT, max_size=3), st.none() | _DATES)
_NODES = st.recursive(
    st.builds(Node, value=st.integers()),
    lambda below: st.builds(Node, value=st.integers(), children=st.lists(below, max_size=3)),
    max_leaves=8,
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | _NUMBERS | _TEXT,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(_TEXT, below, max_size=3),
    max_leaves=10,
)
ROUND_TRIPS = {
    "int": st.integers(),
    "float": _NUMBERS,
    "str": _TEXT,
    "bool": st.booleans(),
    "list[str]": st.lists(_TEXT),
    "dict[str, int]": st.dictionaries(_TEXT, st.integers()),
    "dict[int, str]": st.dictionaries(st.integers(), _TEXT),
    "tuple[int, str] | None": st.none() | st.tuples(st.integers(), _TEXT),
    "Colour": st.sampled_from(Colour),
    "datetime.date": _DATES,
    "list[Person]": st.lists(_PEOPLE, max_size=3),
    "Person": _PEOPLE,
    "Film": st.fixed_dictionaries({"title": _TEXT}, optional={"year": st.integers()}),
    "Node": _NODES,
    "uuid.UUID": st.uuids(allow_nil=False),
    "Any": _JSON,
}


@pytest.mark.parametrize("source", ROUND_TRIPS)
def test_every_value_comes_back_from_its_json_however_that_is_wrapped(source):
    asked = capture(source)
    adapter = pydantic.TypeAdapter(kind(source))
    strategy = ROUND_TRIPS[source]

    @settings(max_examples=60)
    @given(strategy)
    def round_trip(value: Any) -> None:
        plain = json.loads(adapter.dump_json(value))
        sent = json.dumps({"value": plain} if asked.wrapped else plain, ensure_ascii=False)
        for answer in (sent, f"```json\n{sent}\n```", f"Here it is:\n\n{sent}\n\nDone."):
            back = asked.validate(answer)
            assert back == value
            assert type(back) is type(value)

    round_trip()


ANY_KINDS = (json_output_type(), *map(capture, ("Person", "list[int]", "str", "Node | None")))


@settings(max_examples=200)
@given(st.text(alphabet='{}[]",:`\n a1\\-.tf'))
def test_no_answer_whatever_makes_anything_but_a_value_or_a_problem(answer):
    for asked in ANY_KINDS:
        with contextlib.suppress(ValidationProblem):
            asked.validate(answer)
        asked.shown(answer)


def test_infinity_and_nan_are_no_worse_than_python_makes_them():
    assert math.isnan(capture("float").validate("NaN"))  # type: ignore[arg-type]


# Streams of items, keys of dictionaries, types that JSON cannot hold


@dataclasses.dataclass
class Series:
    numbers: typing.Iterable[int]
    names: dict[Literal[1, 2], str]


class Table(pydantic.BaseModel):
    rows: typing.Iterable[list[int]]
    colours: dict[Colour, str]


class Tree(pydantic.BaseModel):
    value: int
    kids: dict[Literal[1, 2], Tree] = {}  # noqa: RUF012  pydantic copies it


class Coordinates(enum.Enum):
    HOME = (1, 2)


class Own(enum.Enum):
    THING = object()


NAMES |= {**globals(), "abc": collections.abc}


@pytest.mark.parametrize(
    ("source", "answer", "expected"),
    [
        ("Iterable[int]", "[1, 2]", [1, 2]),
        ("Iterable", '[1, "a"]', [1, "a"]),
        ("Iterator[int]", "[1, 2]", [1, 2]),
        ("abc.Iterable[int]", "[1]", [1]),
        ("abc.Generator[int, None, None]", "[1]", [1]),
        ("abc.Collection[int]", "[1]", [1]),
        ("Sequence[int]", "[1]", [1]),
        ("list[Iterable[int]]", "[[1], [2]]", [[1], [2]]),
        ("dict[str, Iterable[Person]]", '{"a": [{"name": "Ann"}]}', {"a": [Person("Ann")]}),
        ("Iterable[int] | None", '{"value": [1]}', [1]),
    ],
)
def test_items_are_read_once_into_a_list(source, answer, expected):
    value = capture(source).validate(answer)
    assert value == expected
    assert value == expected  # it can be read again


@pytest.mark.parametrize(
    ("source", "answer", "place"),
    [
        ("Iterable[int]", '[1, "a"]', "[1]"),
        ("list[Iterator[int]]", '[[1], ["a"]]', "[1][0]"),
        ("Series", '{"numbers": ["a"], "names": {}}', "numbers[0]"),
        ("Table", '{"rows": [["a"]], "colours": {}}', "rows[0][0]"),
    ],
)
def test_items_are_checked_before_the_value_is_bound(source, answer, place):
    assert str(problem(source, answer)).startswith(f"{place}: input should be a valid integer")


def test_items_and_keys_in_fields_of_classes_are_read_too():
    series = capture("Series").validate('{"numbers": [1, 2], "names": {"1": "a"}}')
    assert series == Series([1, 2], {1: "a"})
    table = capture("Table").validate('{"rows": [[1]], "colours": {"red": "warm"}}')
    assert (table.rows, table.colours) == ([[1]], {Colour.RED: "warm"})
    tree = capture("Tree").validate('{"value": 1, "kids": {"2": {"value": 3}}}')
    assert tree.kids[2].value == 3


@pytest.mark.parametrize(
    ("source", "key", "expected"),
    [
        ("int", "1", 1),
        ("float", "1.5", 1.5),
        ("bool", "true", True),
        ("str", "1", "1"),
        ("Literal[1, 2]", "1", 1),
        ("Literal[1, 'a']", "a", "a"),
        ("Literal['1', 1]", "1", "1"),
        ("Literal[True]", "true", True),
        ("Optional[int]", "null", None),
        ("Optional[int]", "7", 7),
        ("Colour", "red", Colour.RED),
        ("Level", "2", Level.HIGH),
        ("datetime.date", "2026-01-02", datetime.date(2026, 1, 2)),
        ("datetime.datetime", "2026-01-02T03:04:05", datetime.datetime(2026, 1, 2, 3, 4, 5)),  # noqa: DTZ001
        ("decimal.Decimal", "1.50", decimal.Decimal("1.50")),
        (
            "uuid.UUID",
            "12345678123456781234567812345678",
            uuid.UUID(int=0x12345678 * (2**96 + 2**64 + 2**32 + 1)),
        ),
    ],
)
def test_the_keys_of_a_dict_are_read_from_their_text(source, key, expected):
    value = capture(f"dict[{source}, int]").validate(json.dumps({key: 5}))
    assert value == {expected: 5}
    assert [type(each) for each in value] == [type(expected)]


@pytest.mark.parametrize(
    ("source", "key"),
    [("Literal[1, 2]", "3"), ("Colour", "green"), ("int", "a"), ("Literal[1]", "1.0.0")],
)
def test_a_key_that_is_none_of_them_is_named(source, key):
    assert key in str(problem(f"dict[{source}, int]", json.dumps({key: 5})))


def test_the_keys_of_an_enum_are_described_to_the_model():
    schema = capture("dict[Colour, int]").form.schema
    assert schema["description"] == 'propertyNames: {"enum": ["red", "blue"], "type": "string"}'


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (
            "dict[tuple[int, int], str]",
            "keys of a JSON object are text, and a key of this dict is a list",
        ),
        ("dict[frozenset[int], str]", "a key of this dict is a list"),
        ("list[dict[Point, str]]", "a key of this dict is"),
        ("dict[Order, str]", "a key of this dict is an object"),
        ("set[list[int]]", "a set cannot contain a list"),
        ("frozenset[dict[str, int]]", "a frozenset cannot contain a dict"),
        ("Coordinates", "the value of Coordinates.HOME is a tuple"),
        ("Own", "JSON cannot represent `Own`"),
        ("Literal[b'a']", "a Literal of bytes is not supported"),
        ("abc.Callable[[int], int]", "a callable is not supported"),
        ("list[type[int]]", "a class is not supported"),
        ("abc.AsyncIterator[int]", "is not supported"),
        ("range", "<class 'range'> is not supported"),
        ("type(json)", "<class 'module'> is not supported"),
    ],
)
def test_a_type_that_json_cannot_hold_is_refused_with_the_reason(source, reason):
    assert reason in str(refusal(source))


@pytest.mark.parametrize(
    ("source", "answer", "expected"),
    [
        ("dict[tuple[int, int] | str, int]", '{"a": 1}', {"a": 1}),
        ("set[list[int] | int]", "[1]", {1}),
        ("complex", '"1+2j"', 1 + 2j),
        ("bytes", '"ab"', b"ab"),
    ],
)
def test_a_type_of_which_json_can_hold_some_values_is_not_refused(source, answer, expected):
    assert capture(source).validate(answer) == expected
