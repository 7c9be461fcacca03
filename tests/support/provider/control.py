"""Control from another process, over `/_control/` of the same port.

| request | what it does |
|---|---|
| `POST play`, `play_models`, `always` | as the methods of that name; body `{"steps": [STEP, …]}` |
| `GET requests` | every request so far, `Record.to_json` each |
| `POST clear`, `drop_idle_connections` | as the methods of that name |
| `POST gate/NAME` | opens the gate that a `wait` step names |
| `POST models` | body: the new list of models |

A STEP is an object: `do` names a function of this package, the other members are its arguments,
such as `{"do": "openai_stream", "texts": ["Hel", "lo"], "pause_s": 0.01}` or `{"do": "cut"}`.
`{"do": "body", "base64": "…"}` gives bytes.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from . import script
from .chat import openai_json, openai_stream
from .claude import anthropic_json, anthropic_stream
from .refusals import error
from .reply import answer as speak
from .script import Playable, Script, http

if TYPE_CHECKING:
    from collections.abc import Callable

    from .record import Record
    from .server import Provider

PREFIX = "/_control/"
_STEPS: dict[str, Callable[..., Playable]] = {
    "answer": speak,
    "anthropic_json": anthropic_json,
    "anthropic_stream": anthropic_stream,
    "before_reading": script.before_reading,
    "body": script.body,
    "cut": script.cut,
    "end": script.end,
    "error": error,
    "hang": script.hang,
    "head": script.head,
    "http": script.http,
    "openai_json": openai_json,
    "openai_stream": openai_stream,
    "pause": script.pause,
    "raw": script.raw,
    "reset": script.reset,
    "sse": script.sse,
    "wait": script.wait,
}


def answer(provider: Provider, record: Record) -> Script:
    """Obey one control request."""
    try:
        result = _obey(provider, record)
    except (KeyError, TypeError, ValueError) as wrong:
        return http(400, {"error": f"{type(wrong).__name__}: {wrong}"})
    return http(200, result)


def _obey(provider: Provider, record: Record) -> dict[str, Any]:
    what, _, name = record.path.removeprefix(PREFIX).partition("/")
    match record.method, what:
        case "POST", "play" | "play_models" | "always":
            getattr(provider, what)(*map(_step, record.json["steps"]))
        case "GET", "requests":
            return {"requests": [seen.to_json() for seen in provider.requests]}
        case "POST", "clear" | "drop_idle_connections":
            getattr(provider, what)()
        case "POST", "gate":
            provider.gate(name).set()
        case "POST", "models":
            provider.models[:] = record.json
        case _:
            raise ValueError(f"nothing is known of {record.method} {record.path}")
    return {"done": what}


def _step(fields: dict[str, Any]) -> Playable:
    arguments = dict(fields)
    build = _STEPS[arguments.pop("do")]
    if "base64" in arguments:
        arguments["data"] = base64.b64decode(arguments.pop("base64"))
    return build(**arguments)
