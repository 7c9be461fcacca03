"""What would be sent, without sending it."""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING, Any

from cc_jupyter.cost import format_usd
from cc_jupyter.events import Usage
from cc_jupyter.exchange import encode_body
from cc_jupyter.plan import plan_cost
from cc_jupyter.redact import redact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cc_jupyter.plan import Plan
    from cc_jupyter.session import Session

_BYTES_PER_TOKEN = 4
"""A rule of thumb for English and code; the figure is marked as an estimate."""
_USUAL_ANSWER_TOKENS = 500
_LONG_DATA = 1_000
_BASE64 = re.compile(r"(?:data:image/[a-z]+;base64,)?[A-Za-z0-9+/]{200}")
_MOST_SHOWN = 20_000
"""Characters of a body on the screen, so that a notebook stays small."""


class DryRun(dict[str, Any]):
    """A request as it would go out; a dict to a program, a text to a person."""

    def __str__(self) -> str:
        lines = [
            f"{self['method']} {self['url']}",
            f"messages: {len(self['messages'])}, bytes: {self['body_bytes']:,}; nothing was sent",
            f"tokens: in ~{self['input_tokens']:,}, out ~{self['output_tokens']:,}{self._unseen}",
            f"cost: {self['cost']}{self._unseen}",
            *(_message_line(message) for message in self["messages"]),
            _cut(json.dumps(self["body"], ensure_ascii=False, indent=2)),
        ]
        return "\n".join(lines)

    @property
    def _unseen(self) -> str:
        return ", images not counted" if any(m["images"] for m in self["messages"]) else ""

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, ARG002, FBT001  IPython's
        printer.text(str(self))

    def _repr_html_(self) -> str:
        return f'<pre style="white-space: pre-wrap">{html.escape(str(self))}</pre>'


def dry_run(plan: Plan, session: Session) -> DryRun:
    """Describe the request of a plan, secrets removed, with estimated tokens and cost."""
    raw = encode_body(plan.request)
    request = plan.request
    parts = [_part("system", request.system)] if request.system else []
    parts += [
        _part(m.role, m.text, [image.described for image in m.images]) for m in request.messages
    ]
    usage = Usage(
        input_tokens=sum(part["tokens"] for part in parts),
        output_tokens=_answer_tokens(plan, session),
    )
    cost = plan_cost(plan, usage, session.now())
    return DryRun(
        method="POST",
        url=f"{plan.target.api_root}{request.endpoint}",
        model=request.model,
        messages=parts,
        body_bytes=len(raw),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost="$?" if cost.usd is None else f"~{format_usd(cost.usd)}",
        body=_redacted(json.loads(raw), plan.target.key.value),
    )


def _part(role: str, text: str, images: Sequence[str] = ()) -> dict[str, Any]:
    size = len(text.encode())
    tokens = -(-size // _BYTES_PER_TOKEN)
    return {"role": role, "bytes": size, "tokens": tokens, "images": list(images)}


def _message_line(message: dict[str, Any]) -> str:
    line = f"  {message['role']:<9} {message['bytes']:>9,} bytes  ~{message['tokens']:,} tokens"
    return " + ".join([line, *message["images"]])


def _cut(text: str) -> str:
    if len(text) <= _MOST_SHOWN:
        return text
    cut = f"cut: {_MOST_SHOWN:,} of {len(text):,} characters; all of it is in the value's 'body'"
    return f"{text[:_MOST_SHOWN]}\n… [{cut}]"


def _redacted(value: Any, key: str) -> Any:  # noqa: ANN401  any JSON
    if isinstance(value, str):
        text = redact(value, (key,))
        return text if len(text) < _LONG_DATA or not _BASE64.match(text) else _shortened(text)
    if isinstance(value, list):
        return [_redacted(item, key) for item in value]
    if isinstance(value, dict):
        return {name: _redacted(item, key) for name, item in value.items()}
    return value


def _shortened(data: str) -> str:
    return f"{data[:40]}… [{len(data):,} characters]"


def _answer_tokens(plan: Plan, session: Session) -> int:
    """Guess the length of the answer: what was asked for, else what this model usually gave."""
    asked = plan.question.parameters.max_tokens
    if asked is not None:
        return asked
    from statistics import median  # noqa: PLC0415  5 ms that the first cell must not cost

    past = [
        reply.usage.output_tokens
        for reply in session.spent
        if reply.model == plan.model.id and reply.usage.output_tokens is not None
    ]
    return round(median(past)) if past else _USUAL_ANSWER_TOKENS
