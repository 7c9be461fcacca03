"""How each wire format offers tools."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cc_jupyter.core.messages import Request, ToolSpec


_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_-]+")
_NAME_CHARS = 64


def openai_tools(tools: Sequence[ToolSpec]) -> list[dict[str, Any]]:
    """Return the `tools` of a `/chat/completions` body."""
    return [
        {
            "type": "function",
            "function": {"name": tool.name}
            | ({"description": tool.description} if tool.description else {})
            | {"parameters": tool.schema},
        }
        for tool in tools
    ]


def anthropic_tools(request: Request) -> dict[str, Any]:
    """Return the fields of a `/messages` body that offer tools.

    A request with calls in its messages must define tools (LiteLLM, `modify_params`; AWS Bedrock,
    "toolConfig"; read 2026-11-30), even if it offers none: those of the calls are defined then, and
    none of them may be called.
    """
    if request.tools:
        return {
            "tools": [
                {"name": tool.name}
                | ({"description": tool.description} if tool.description else {})
                | {"input_schema": tool.schema}
                for tool in request.tools
            ]
        }
    calls = (call for message in request.messages for call in message.calls)
    names = dict.fromkeys(name_to_send(call.name) for call in calls)
    if not names:
        return {}
    tools = [{"name": name, "input_schema": {"type": "object"}} for name in names]
    return {"tools": tools, "tool_choice": {"type": "none"}}


def name_to_send(name: str) -> str:
    """Return the name of a called tool as both wire formats accept it: models invent names."""
    return _NOT_IN_A_NAME.sub("_", name)[:_NAME_CHARS] or "unknown"
