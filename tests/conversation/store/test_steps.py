"""The steps of turns with tools: stored whole, and forgotten with their turn."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

from support.store.samples import turn

from cc_jupyter.core.events import Usage
from cc_jupyter.core.messages import Image, Reasoning, ToolCall, ToolResult
from cc_jupyter.core.money import Cost
from cc_jupyter.core.steps import CallRecord, Step

SECRET = "zanzibar-4711"
FIGURE = Image("image/png", b"\x89PNG zanzibar", None, "fig")
CALL = ToolCall("c1", "lookup", '{"city": "Rome"}', '{"extra_content": {}}')
RESULT = ToolResult("c1", (SECRET, FIGURE), is_error=False)
RECORD = CallRecord(CALL, RESULT, "ok", "2 items", "lookup()", 0.25, "cut", replayed=True)
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": SECRET}]}).encode()
STEPS = (
    Step(
        "m",
        ("Look.", Reasoning("thinking", '{"signature": "c2ln"}'), CALL),
        (RECORD,),
        "hm",
        "tool_call",
        None,
        Usage(input_tokens=9, output_tokens=3),
        Cost(Decimal("0.0012"), "reported", None),
        0.1,
        0.5,
        "",
        "key",
        1,
        BODY,
    ),
    Step("m", ("Two.",), stop_reason="stop"),
)


def test_steps_come_back_as_they_were_and_bodies_on_request(store):
    given = turn("who?", "Two.", steps=STEPS)
    store.save(given, None, None)
    store.save(given, None, None)
    plain = turn("and now?")
    store.save(plain, None, None)
    found = store.turns([given.id, plain.id])
    assert found[given.id].steps == (replace(STEPS[0], body=None), STEPS[1])
    assert found[plain.id].steps == ()
    assert [json.loads(each) if each else None for each in store.step_bodies(given.id)] == [
        json.loads(BODY),
        None,
    ]


def test_a_forgotten_turn_leaves_nothing_of_its_steps(store):
    given = turn("who?", "Two.", steps=STEPS)
    store.save(given, None, None)
    assert store.forget_turn(given.id) == 1
    assert store.step_bodies(given.id) == []
    store.close()
    for path in store.path.parent.glob("history.db*"):
        data = path.read_bytes()
        assert SECRET.encode() not in data
        assert b"PNG zanzibar" not in data
