"""What would be sent, without sending it."""

from __future__ import annotations

import html
import json
from statistics import median
from typing import TYPE_CHECKING, Any

from cc_jupyter.cost import format_usd
from cc_jupyter.events import Usage
from cc_jupyter.exchange import encode_body
from cc_jupyter.redact import redact

if TYPE_CHECKING:
    from cc_jupyter.session import Plan, Session

_BYTES_PER_TOKEN = 4
"""A rule of thumb for English and code; the figure is marked as an estimate."""
_USUAL_ANSWER_TOKENS = 500


class DryRun(dict[str, Any]):
    """A request as it would go out; a dict to a program, a text to a person."""

    def __str__(self) -> str:
        lines = [
            f"{self['method']} {self['url']}",
            f"messages: {len(self['messages'])}, bytes: {self['body_bytes']:,}; nothing was sent",
            f"tokens: in ~{self['input_tokens']:,}, out ~{self['output_tokens']:,}",
            f"cost: {self['cost']}",
            *(f"  {m['role']:<9} {m['bytes']:>9,} bytes" for m in self["messages"]),
            json.dumps(self["body"], ensure_ascii=False, indent=2),
        ]
        return "\n".join(lines)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, ARG002, FBT001  IPython's
        printer.text(str(self))

    def _repr_html_(self) -> str:
        return f'<pre style="white-space: pre-wrap">{html.escape(str(self))}</pre>'


def dry_run(plan: Plan, session: Session) -> DryRun:
    """Describe the request of a plan, secrets removed, with estimated tokens and cost."""
    raw = encode_body(plan.request)
    request = plan.request
    texts = [("system", request.system)] if request.system else []
    texts += [(message.role, message.text) for message in request.messages]
    messages = [{"role": role, "bytes": len(text.encode())} for role, text in texts]
    usage = Usage(
        input_tokens=-(-sum(len(text.encode()) for _, text in texts) // _BYTES_PER_TOKEN),
        output_tokens=_answer_tokens(plan, session),
    )
    cost = session.cost(plan, usage, session.now())
    return DryRun(
        method="POST",
        url=f"{plan.target.api_root}{request.endpoint}",
        model=request.model,
        messages=messages,
        body_bytes=len(raw),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost="$?" if cost.usd is None else f"~{format_usd(cost.usd)}",
        body=_redacted(json.loads(raw), plan.target.key.value),
    )


def _redacted(value: Any, key: str) -> Any:  # noqa: ANN401  any JSON
    if isinstance(value, str):
        return redact(value, (key,))
    if isinstance(value, list):
        return [_redacted(item, key) for item in value]
    if isinstance(value, dict):
        return {name: _redacted(item, key) for name, item in value.items()}
    return value


def _answer_tokens(plan: Plan, session: Session) -> int:
    """Guess the length of the answer: what was asked for, else what this model usually gave."""
    asked = plan.question.parameters.max_tokens
    if asked is not None:
        return asked
    past = [
        reply.usage.output_tokens
        for reply in session.spent
        if reply.model == plan.model.id and reply.usage.output_tokens is not None
    ]
    return round(median(past)) if past else _USUAL_ANSWER_TOKENS
