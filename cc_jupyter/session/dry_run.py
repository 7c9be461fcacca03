"""Show what would be sent, without sending it."""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING, Any

from cc_jupyter.client.client import encode_body
from cc_jupyter.config.base_url import masked_url
from cc_jupyter.core.money import format_usd
from cc_jupyter.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cc_jupyter.core.messages import Image
    from cc_jupyter.session.prepare import PreparedRequest
    from cc_jupyter.session.session import Session


_LONG_DATA_CHARS = 1_000
_BASE64 = re.compile(r"(?:data:image/[a-z]+;base64,)?[A-Za-z0-9+/]{200}")
_SHOWN_CHARS = 20_000
"""Characters of the body to display, so that a saved notebook stays small."""


class DryRun(dict[str, Any]):
    """A request as it would be sent: a dict for programs that displays as text."""

    def __str__(self) -> str:
        lines = [
            f"{self['method']} {self['url']}",
            f"messages: {len(self['messages'])}, bytes: {self['body_bytes']:,}; nothing was sent",
            f"tokens: in ~{self['input_tokens']:,}, out ~{self['output_tokens']:,}{self._note}",
            f"cost: {self['cost']}{self._note}",
            *(f"notice: {notice}" for notice in self["notices"]),
            *(_message_line(message) for message in self["messages"]),
            _cut(json.dumps(self["body"], ensure_ascii=False, indent=2)),
        ]
        return "\n".join(lines)

    @property
    def _note(self) -> str:
        return ", images estimated" if any(m["images"] for m in self["messages"]) else ""

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, ARG002, FBT001  IPython's
        printer.text(str(self))

    def _repr_html_(self) -> str:
        # JupyterLab indents a <pre> that is not inside of something
        return f'<div><pre style="white-space: pre-wrap">{html.escape(str(self))}</pre></div>'


def dry_run(prepared: PreparedRequest, session: Session) -> DryRun:
    """Return a prepared request with estimated tokens and cost, secrets removed."""
    request = prepared.request
    raw = encode_body(request)
    calibration = session.budget_guard.calibration

    def part(role: str, text: str, images: Sequence[Image] = ()) -> dict[str, Any]:
        size = len(text.encode())
        tokens = calibration.tokens(request.model, size)
        described = [image.described for image in images]
        return {"role": role, "bytes": size, "tokens": tokens, "images": described}

    parts = [part("system", request.system)] if request.system else []
    parts += [part(m.role, m.text, m.images) for m in request.messages]
    usage = session.budget_guard.estimate(prepared)
    cost = prepared.cost(usage, session.now())
    return DryRun(
        method="POST",
        url=f"{masked_url(prepared.endpoint.api_root)}{request.endpoint}",
        model=request.model,
        messages=parts,
        notices=list(prepared.spec.notices),
        body_bytes=len(raw),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost="$?" if cost.usd is None else format_usd(cost.usd, estimated=True),
        body=_redacted(json.loads(raw), prepared.endpoint.secrets),
    )


def _message_line(message: dict[str, Any]) -> str:
    line = f"  {message['role']:<9} {message['bytes']:>9,} bytes  ~{message['tokens']:,} tokens"
    return " + ".join([line, *message["images"]])


def _cut(text: str) -> str:
    if len(text) <= _SHOWN_CHARS:
        return text
    note = f"cut: {_SHOWN_CHARS:,} of {len(text):,} characters; the value's 'body' has the rest"
    return f"{text[:_SHOWN_CHARS]}\n… [{note}]"


def _redacted(value: Any, secrets: tuple[str, ...]) -> Any:  # noqa: ANN401  any JSON
    if isinstance(value, str):
        text = redact(value, secrets)
        if len(text) < _LONG_DATA_CHARS or not _BASE64.match(text):
            return text
        return f"{text[:40]}… [{len(text):,} characters]"
    if isinstance(value, list):
        return [_redacted(item, secrets) for item in value]
    if isinstance(value, dict):
        return {name: _redacted(item, secrets) for name, item in value.items()}
    return value
