"""Whatever stops a turn with tools, and wherever, the next request is valid on both wires.

Valid means: by the rules in `support.tools`, and by the types of both official SDKs.
"""

from __future__ import annotations

import json
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from anthropic.types import MessageParam
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionMessageParam
from pydantic import TypeAdapter
from support import provider as scripted
from support.provider import ToolCall, answer
from support.tools import MODELS, check_rules, continued_turn, next_body, run_turn

from cc_jupyter.client.errors import provider_errors
from cc_jupyter.conversation.thread import Conversations
from cc_jupyter.core.errors import CcError
from cc_jupyter.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterable

MESSAGES = {
    "/chat/completions": TypeAdapter(ChatCompletionMessageParam),
    "/messages": TypeAdapter(MessageParam),
}
NAMES = st.sampled_from(["lookup", "lookup", "lookup", "unknown tool!", ""])
ARGUMENTS = st.sampled_from(
    [
        '{"city": "Rome"}',
        "",
        "{}",
        '{"city": 3}',
        '{"city": "Ro',
        "[1]",
        '"x"',
        "NaN",
        '{"a": 1e999}',
    ]
)
CALLS = st.lists(st.builds(ToolCall, NAMES, ARGUMENTS, st.sampled_from(["a", "b", "f.x:0", ""])))
ROUNDS = st.lists(
    st.tuples(
        st.sampled_from(["", "Let me look.", " \n"]), st.booleans(), CALLS.map(lambda c: c[:3])
    ),
    min_size=1,
    max_size=4,
)
ENDS = st.sampled_from(["stop", "cut", "error", "429", "content_filter", "length"])
LINES = st.lists(st.sampled_from(["y", "s", "f", "n", "", "q", "x"]), max_size=8)


class Stopper:
    """A renderer that raises one interrupt, at the n-th thing that happens."""

    def __init__(self, at: int | None) -> None:
        self.left = at

    def tick(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                signal.raise_signal(signal.SIGINT)

    def show(self, _: object) -> None:
        self.tick()

    def pause(self) -> None:
        self.tick()

    def finish(self, _: object) -> None:
        self.tick()


def end_of(kind: str) -> Iterable[Any]:
    """Return what the provider plays last."""
    if kind == "429":
        return [scripted.http(429, {"error": {"message": "busy", "type": "rate_limit_error"}})] * 3
    if kind == "error":
        return [scripted.http(400, {"error": {"message": "no", "type": "invalid_request_error"}})]
    if kind == "cut":
        return [answer(["Half of ", "an ans"], reasoning="hm", finish=None)]
    return [answer("Done.", finish=kind)]


@pytest.fixture
def session(provider, monkeypatch):
    monkeypatch.setenv("CMD_BASE_URL", provider.base_url)
    monkeypatch.setenv("CMD_API_KEY", scripted.KEY)
    monkeypatch.setenv("CMD_HISTORY", "off")
    monkeypatch.setattr(provider_errors, "_FIRST_BACKOFF_S", 0.001)
    opened = Session()
    yield opened
    opened.transport.close()


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    model=st.sampled_from([*MODELS.values()]),
    rounds=ROUNDS,
    end=ENDS,
    stop_at=st.none() | st.integers(1, 60),
    lines=st.none() | LINES,
    allows=st.booleans(),
    max_steps=st.integers(1, 5),
    continues=st.integers(0, 2),
)
def test_the_next_request_is_valid_whatever_ended_the_turn(  # noqa: PLR0917  all that ends one
    session, provider, model, rounds, end, stop_at, lines, allows, max_steps, continues
):
    session.conversations = Conversations()
    provider.clear()
    stopper = Stopper(stop_at)
    ran: list[str] = []

    def lookup(city: str) -> str:
        stopper.tick()
        ran.append(city)
        return f"nobody in {city}"

    for text, thinks, calls in rounds:
        provider.play(answer(text, reasoning="hm" if thinks else (), calls=calls))
    for each in end_of(end):
        provider.play(each)
    answers = None if lines is None else [*lines, "q"]
    with suppress(KeyboardInterrupt, CcError):  # before anything was sent
        run_turn(
            session,
            "who?",
            [lookup],
            stopper,
            model=model,
            allow=["lookup"] if allows else (),
            answers=answers,
            max_steps=max_steps,
        )
    for _ in range(continues):
        with suppress(KeyboardInterrupt, CcError):  # it is complete
            continued_turn(session, [lookup] if allows else (), model=model, max_steps=max_steps)
    if not allows and not {"y", "s", "f"} & {*(lines or ())}:
        assert ran == []
    for record in provider.requests:
        check_rules(record.json)
    for other in (model, *MODELS.values()):
        body = next_body(session, other)
        check_rules(body)
        endpoint = next(each for each, one in MODELS.items() if one == other)
        for message in body["messages"]:
            MESSAGES[endpoint].validate_json(json.dumps(message))
