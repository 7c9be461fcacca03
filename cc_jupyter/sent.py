"""What exactly went out for a turn, and the same as a script; keys are never in it."""

from __future__ import annotations

import json
import pprint
import shlex
from typing import TYPE_CHECKING, Any

from cc_jupyter.errors import OptionError
from cc_jupyter.redact import redact
from cc_jupyter.tables import Page

if TYPE_CHECKING:
    from cc_jupyter.records import TurnRecord

_END = "END_OF_BODY"
_NAMED = {
    "/chat/completions": ("model", "messages", "stream", "stream_options"),
    "/messages": ("model", "max_tokens", "messages", "system", "stream"),
}
"""What every release of the SDKs names; all other fields go into their `extra_body`."""


def show_sent(record: TurnRecord, body: bytes, url: str, form: str) -> Page:
    """Give a request as `json`, or as a script that sends it again: `curl` or `python`.

    Raises
    ------
    OptionError
        There is no such form of it.
    """
    text = redact(body.decode())
    match form:
        case "json":
            return Page(json.dumps(json.loads(text), ensure_ascii=False, indent=2))
        case "curl":
            return Page(_curl(record, text, url))
        case "python":
            return Page(_python(record, json.loads(text), url))
        case _:
            raise OptionError(
                "the Command Code CLI has no documented call for a single request",
                hint="%cmd sent --as curl and --as python send it again",
            )


def _curl(record: TurnRecord, text: str, url: str) -> str:
    headers = ["Content-Type: application/json"]
    if record.endpoint == "/messages":
        headers.append("anthropic-version: 2023-06-01")
    # a body is one line of JSON, so no line of it can be the end mark
    return "\n".join(
        [
            f"curl --no-buffer {shlex.quote(url)} \\",
            '  --header "Authorization: Bearer $CMD_API_KEY" \\',
            *(f"  --header {shlex.quote(header)} \\" for header in headers),
            f"  --data-binary @- <<'{_END}'",
            text,
            _END,
        ]
    )


def _python(record: TurnRecord, body: dict[str, Any], url: str) -> str:
    messages = record.endpoint == "/messages"
    names = _NAMED[record.endpoint]
    known = {name: value for name, value in body.items() if name in names}
    extra = {name: value for name, value in body.items() if name not in names}
    root = url.removesuffix(record.endpoint)
    if messages:
        make = (
            "client = anthropic.Anthropic("
            f'auth_token=os.environ["CMD_API_KEY"], base_url={root.removesuffix("/v1")!r})'
        )
        call, package = "client.messages.create", "anthropic"
    else:
        make = f'client = openai.OpenAI(api_key=os.environ["CMD_API_KEY"], base_url={root!r})'
        call, package = "client.chat.completions.create", "openai"
    return "\n".join(
        [
            "import os",
            "",
            f"import {package}",
            "",
            make,
            f"body = {pprint.pformat(known, sort_dicts=False, width=100)}",
            f"extra = {pprint.pformat(extra, sort_dicts=False, width=100)}",
            f"for event in {call}(**body, extra_body=extra):",
            "    print(event)",
        ]
    )
