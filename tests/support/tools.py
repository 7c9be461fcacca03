"""Turns with tools in a session, and the rules that a request after them must keep."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cc_jupyter.client.client import encode_body
from cc_jupyter.core.messages import PromptSpec, ToolSpec, ValueLimits
from cc_jupyter.render.base import NullRenderer
from cc_jupyter.session.in_flight import interruptible
from cc_jupyter.tools.consent import Consent
from cc_jupyter.tools.runner import Runner
from cc_jupyter.tools.tool import tool_for
from cc_jupyter.tools.tool_run import ToolRun
from cc_jupyter.tools.toolbox import Toolbox
from cc_jupyter.tools.trace_view import CellAsker, NullTrace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cc_jupyter.core.reply import Reply
    from cc_jupyter.core.steps import CallRecord
    from cc_jupyter.render.base import Renderer
    from cc_jupyter.session.prepare import PreparedRequest
    from cc_jupyter.session.session import Session

MODELS = {"/chat/completions": "deepseek/deepseek-v4-flash", "/messages": "claude-sonnet-5"}
_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def prepared_turn(
    session: Session,
    prompt: str,
    functions: Iterable[Callable[..., object]],
    *,
    allow: Iterable[str] | None = None,
    answers: Iterable[str] | None = None,
    max_steps: int = 8,
    **spec: Any,
) -> PreparedRequest:
    """Return a request that offers functions.

    Parameters
    ----------
    allow
        The names that need no question; by default all.
    answers
        What the user types, line by line; `None`: nobody can be asked.
    """
    toolbox = Toolbox(tool_for(each, each.__name__) for each in functions)
    allowed = toolbox.names if allow is None else tuple(allow)
    lines: Iterator[str] | None = None if answers is None else iter(answers)
    asker = None if lines is None else CellAsker(NullTrace, lambda _: next(lines))
    consent = Consent(allowed, asker)

    def new_runner() -> ToolRun:
        runner = Runner(ValueLimits(), interruptible=interruptible)
        return ToolRun(toolbox, consent, runner, NullTrace())

    prepared = session.prepare(PromptSpec(prompt, tools=_specs(toolbox), **spec))
    if not len(toolbox):
        return prepared
    return prepared._replace(new_runner=new_runner, max_steps=max_steps)


def continued_turn(
    session: Session,
    functions: Iterable[Callable[..., object]] = (),
    *,
    max_steps: int = 8,
    shown: list[CallRecord] | None = None,
    **spec: Any,
) -> Reply:
    """Continue the last turn as `%cmd continue` does, with allowed functions.

    Parameters
    ----------
    shown
        Takes the calls that the trace shows.
    """
    toolbox = Toolbox(tool_for(each, each.__name__) for each in functions)
    view = NullTrace()
    if shown is not None:
        view.finished = shown.append  # type: ignore[method-assign]

    def new_runner() -> ToolRun:
        runner = Runner(ValueLimits(), interruptible=interruptible)
        return ToolRun(toolbox, Consent(toolbox.names), runner, view)

    preparer = replace(session.preparer, new_runner=new_runner, max_steps=max_steps)
    given = PromptSpec("", tools=_specs(toolbox), **spec)
    prepared = preparer.prepare_continuation(given, session.settings())
    return session.run(prepared, NullRenderer())


def _specs(toolbox: Toolbox) -> tuple[ToolSpec, ...]:
    return tuple(ToolSpec(each.name, each.description, each.schema) for each in toolbox)


def run_turn(
    session: Session,
    prompt: str,
    functions: Iterable[Callable[..., object]] = (),
    renderer: Renderer | None = None,
    **options: Any,
) -> Reply:
    """Run a turn that offers functions, and return its reply."""
    prepared = prepared_turn(session, prompt, functions, **options)
    return session.run(prepared, renderer or NullRenderer())


def next_body(
    session: Session, model: str, prompt: str = "and now?", **spec: Any
) -> dict[str, Any]:
    """Return the body that the next prompt of the thread would send."""
    prepared = session.prepare(PromptSpec(prompt, model=model, **spec))
    body: dict[str, Any] = json.loads(encode_body(prepared.request))
    return body


def check_rules(body: dict[str, Any]) -> None:
    """Check that the messages of a body are valid by the vendors' rules (provider-api.md)."""
    (_check_messages if "max_tokens" in body else _check_chat)(body["messages"])
    if any("tool_use" in _kinds(each) for each in body["messages"]):
        assert body["tools"]


def _check_chat(messages: list[dict[str, Any]]) -> None:
    seen: set[str] = set()
    open_ids: list[str] = []
    for message in messages:
        if open_ids:
            assert message["role"] == "tool"
            assert message["tool_call_id"] == open_ids.pop(0)
            assert isinstance(message["content"], str)
            continue
        assert message["role"] in ("system", "user", "assistant")
        if message["role"] != "assistant":
            assert message["content"]
            continue
        assert message["content"] or message.get("tool_calls")
        for call in message.get("tool_calls", ()):
            assert call["type"] == "function"
            assert 0 < len(call["id"]) <= 40
            assert call["id"] not in seen
            assert _NAME.fullmatch(call["function"]["name"])
            assert isinstance(json.loads(call["function"]["arguments"]), dict)
            seen.add(call["id"])
            open_ids.append(call["id"])
    assert not open_ids
    assert messages[-1]["role"] in ("user", "tool")


def _check_messages(messages: list[dict[str, Any]]) -> None:
    seen: set[str] = set()
    open_ids: list[str] = []
    for at, message in enumerate(messages):
        assert message["role"] == ("user", "assistant")[at % 2], "the roles alternate"
        blocks = message["content"]
        if isinstance(blocks, str):
            blocks = [{"type": "text", "text": blocks}]
        assert blocks
        results = [each for each in blocks if each["type"] == "tool_result"]
        assert [each["tool_use_id"] for each in results] == open_ids
        assert blocks[: len(results)] == results, "results come first"
        open_ids = []
        for block in blocks:
            if block["type"] == "text":
                assert block["text"].strip()
            if block["type"] == "tool_use":
                assert message["role"] == "assistant"
                assert _ID.fullmatch(block["id"])
                assert block["id"] not in seen
                assert _NAME.fullmatch(block["name"])
                assert isinstance(block["input"], dict)
                seen.add(block["id"])
                open_ids.append(block["id"])
            if block["type"] == "thinking":
                assert block["signature"]
        if message["role"] == "assistant":
            assert blocks[-1]["type"] in ("text", "tool_use")
    assert not open_ids
    assert messages[-1]["role"] == "user"


def _kinds(message: dict[str, Any]) -> set[str]:
    blocks = message["content"]
    return {each["type"] for each in blocks} if isinstance(blocks, list) else set()
