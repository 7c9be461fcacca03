"""What exactly went out for a turn, and the same as a script; keys are never in it."""

from __future__ import annotations

import json
import pprint
import shlex
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.display import Page
from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.redaction import redact

if TYPE_CHECKING:
    from cc_jupyter.conversation.records import TurnRecord

_END = "END_OF_BODY"
_ZDR = "x-cmd-zdr"
_NAMED = {
    "/chat/completions": ("model", "messages", "stream", "stream_options"),
    "/messages": ("model", "max_tokens", "messages", "system", "stream"),
}
"""What every release of the SDKs names; all other fields go into their `extra_body`."""


def show_sent(record: TurnRecord, body: bytes, url: str, form: str, *, zdr: bool = False) -> Page:
    """Give a request as `json`, or as a script that sends it again: `curl` or `python`.

    Without anything like a key in it, the body is the one that went out, to the letter.

    Parameters
    ----------
    zdr
        Whether zero data retention was asked for; then the scripts ask for it as well.

    Raises
    ------
    OptionError
        There is no such form of it, or what was kept is no request.
    """
    text, sent = _read(body)
    match form:
        case "json":
            return Page(json.dumps(sent, ensure_ascii=False, indent=2))
        case "curl":
            return Page(_curl(record, text, url, zdr=zdr))
        case "python":
            return Page(_python(record, sent, url, zdr=zdr))
        case _:
            raise OptionError(
                "the Command Code CLI has no documented call for a single request",
                hint="%cmd sent --as curl and --as python send it again",
            )


def _read(body: bytes) -> tuple[str, dict[str, Any]]:
    """Give a body as text and as what it says, both without keys."""
    try:
        text = body.decode()
        said = json.loads(text)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise OptionError(
            "what was kept of this request is not JSON", hint="%cmd history shows the turn"
        )
    clean: dict[str, Any] = _redacted(said)
    if clean != said:
        text = json.dumps(clean, ensure_ascii=False, separators=(",", ":"))
    return text, clean


def _redacted(value: Any) -> Any:  # noqa: ANN401  JSON
    """Take keys out of each text by itself: in the encoded one escapes hide where a key begins."""
    match value:
        case str():
            return redact(value)
        case list():
            return [_redacted(each) for each in value]
        case dict():
            return {redact(name): _redacted(each) for name, each in value.items()}
        case _:
            return value


def _curl(record: TurnRecord, text: str, url: str, *, zdr: bool) -> str:
    headers = [
        "Content-Type: application/json",
        *(["anthropic-version: 2023-06-01"] if record.endpoint == "/messages" else []),
        *([f"{_ZDR}: 1"] if zdr else []),
    ]
    # a body is one line of JSON: no line of it can be the end mark, and the line end that the
    # shell adds is the only one
    return "\n".join(
        [
            f"tr -d '\\n' <<'{_END}' | curl --no-buffer {shlex.quote(url)} \\",
            '  --header "Authorization: Bearer $CMD_API_KEY" \\',
            *(f"  --header {shlex.quote(header)} \\" for header in headers),
            "  --data-binary @-",
            text,
            _END,
        ]
    )


def _python(record: TurnRecord, body: dict[str, Any], url: str, *, zdr: bool) -> str:
    messages = record.endpoint == "/messages"
    names = _NAMED[record.endpoint]
    known = {name: value for name, value in body.items() if name in names}
    extra = {name: value for name, value in body.items() if name not in names}
    root = url.removesuffix(record.endpoint)
    if messages:
        make = [
            "client = anthropic.Anthropic(",
            '    auth_token=os.environ["CMD_API_KEY"],',
            f"    base_url={root.removesuffix('/v1')!r},",
            "    # no release may add the key of another provider from the environment",
            '    default_headers={"X-Api-Key": anthropic.Omit()},',
            ")",
        ]
        call, package = "client.messages.create", "anthropic"
    else:
        make = [f'client = openai.OpenAI(api_key=os.environ["CMD_API_KEY"], base_url={root!r})']
        call, package = "client.chat.completions.create", "openai"
    headers = f', extra_headers={{"{_ZDR}": "1"}}' if zdr else ""
    return "\n".join(
        [
            "import os",
            "",
            f"import {package}",
            "",
            *make,
            f"body = {pprint.pformat(known, sort_dicts=False, width=100)}",
            f"extra = {pprint.pformat(extra, sort_dicts=False, width=100)}",
            f"for event in {call}(**body, extra_body=extra{headers}):",
            "    print(event)",
        ]
    )
