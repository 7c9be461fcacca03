"""The browser protocol as its schema has it: documented, exemplified, on both sides the same."""

from __future__ import annotations

import copy
import json
import runpy
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from support.comm_page import DOCUMENTED, REPLIES, SCHEMA, TOLD, TYPES

from cc_jupyter.frontend.handlers import Handlers
from cc_jupyter.frontend.protocol import PROTOCOL
from cc_jupyter.session.session import Session

ROOT = Path(__file__).parents[3]
EXAMPLES = {
    path.stem: json.loads(path.read_text("utf-8"))
    for path in sorted((ROOT / "tests" / "comm").glob("*.json"))
}
LENIENT = Draft202012Validator(SCHEMA)

example = pytest.mark.parametrize("kind", EXAMPLES)


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["v"]["const"] == PROTOCOL


def test_every_message_has_an_example():
    assert set(EXAMPLES) == set(TYPES)


def test_every_question_is_answered_by_a_message_and_every_message_has_its_part():
    answers = set(REPLIES.values()) | {"error"}
    told = {*TOLD, *TOLD.values()}
    assert set(TYPES) == set(REPLIES) | answers | told
    assert answers - {"hello"} == set(TYPES) - set(REPLIES) - told


def test_every_part_says_what_it_is():
    for name, part in SCHEMA["$defs"].items():
        assert part["description"].endswith("."), name


@example
def test_an_example_is_what_the_schema_says_and_nothing_else(kind):
    assert EXAMPLES[kind]["type"] == kind
    DOCUMENTED.validate(EXAMPLES[kind])


@example
def test_a_message_of_a_newer_side_is_still_one(kind):
    newer = copy.deepcopy(EXAMPLES[kind])
    newer["body"]["what_comes_later"] = True
    newer["also"] = 1
    LENIENT.validate(newer)
    LENIENT.validate({**newer, "type": "what_comes_later"})


@example
def test_no_member_of_a_message_may_be_missing_that_is_required(kind):
    for name in SCHEMA["$defs"][kind].get("required", ()):
        broken = copy.deepcopy(EXAMPLES[kind])
        del broken["body"][name]
        assert not LENIENT.is_valid(broken), name
    for name in ("v", "type", "id", "body"):
        broken = {key: value for key, value in EXAMPLES[kind].items() if key != name}
        assert not LENIENT.is_valid(broken), name


@example
def test_no_member_of_a_message_may_be_of_another_kind(kind):
    for name in SCHEMA["$defs"][kind].get("required", ()):
        broken = copy.deepcopy(EXAMPLES[kind])
        broken["body"][name] = {"neither": ["text", "nor number"]}
        if name != "cells" or kind == "set_order":
            assert not LENIENT.is_valid(broken), name


def test_the_kernel_answers_every_question_there_is():
    class Shell:
        user_ns: dict[str, object] = {}  # noqa: RUF012  a stand-in

    handlers = Handlers(Shell(), Session(), lambda: False)
    assert handlers.types == set(REPLIES) - {"hello"}


def test_the_types_of_the_browser_are_those_of_the_schema():
    script = ROOT / "labextension" / "scripts" / "generate_protocol.py"
    generated = runpy.run_path(str(script))["generated"]()
    written = (ROOT / "labextension" / "src" / "kernel" / "protocol.ts").read_text("utf-8")
    assert written == generated, "run: python labextension/scripts/generate_protocol.py"
