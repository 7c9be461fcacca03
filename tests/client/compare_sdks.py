"""What cc_jupyter and the official SDKs make of the same bytes.

`python tests/client/compare_sdks.py` plays every recording, some refusals and some broken
connections to the real `openai` and `anthropic` clients (no retries, short time-outs) and to
cc_jupyter, and writes the tables of `README.md`. A reply is compared by what a user can see: text,
thinking, calls, the reason for the end, tokens, and whether a broken answer is told from a whole
one.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import re
import sys
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import anthropic
import openai
from support import provider as scripted
from support.provider import KEY, Provider
from support.recordings import load_recordings, outcome_of

from cc_jupyter.client.client import Limits, RequestStream
from cc_jupyter.client.endpoint import Endpoint
from cc_jupyter.client.transport import Transport
from cc_jupyter.config.credentials import Key
from cc_jupyter.core.errors import CcError
from cc_jupyter.core.messages import Message, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from support.recordings import Outcome

README = Path(__file__).with_name("README.md")
MODELS = {"openai": "deepseek/deepseek-v4-flash", "anthropic": "claude-sonnet-5"}
HELLO: list[Any] = [{"role": "user", "content": "Hi"}]
LIMIT_S = 1.0


@dataclass
class Report:
    """What a client told of one answer."""

    text: str = ""
    reasoning: str = ""
    calls: list[list[str]] = field(default_factory=list)
    word: str | None = None
    tokens: tuple[int | None, int | None] | None = None
    raised: str | None = None


def ask_openai(provider: Provider) -> Report:
    """Stream as the SDK's documentation shows, but look twice before every index."""
    report = Report()
    calls: dict[Any, list[str]] = {}
    client = openai.OpenAI(
        base_url=provider.base_url + "/v1", api_key=KEY, max_retries=0, timeout=LIMIT_S
    )
    with client, telling(report):
        stream = client.chat.completions.create(
            model=MODELS["openai"],
            messages=HELLO,
            stream=True,
            stream_options={"include_usage": True},
        )
        first = None
        for chunk in stream:
            choices = [one for one in getattr(chunk, "choices", None) or [] if one]
            for choice in choices:
                first = choice.index if first is None else first
                if choice.index == first:
                    _read_choice(choice, report, calls)
            if usage := getattr(chunk, "usage", None):
                report.tokens = (usage.prompt_tokens, usage.completion_tokens)
    report.calls = list(calls.values())
    return report


def _read_choice(choice: Any, report: Report, calls: dict[Any, list[str]]) -> None:
    report.word = getattr(choice, "finish_reason", None) or report.word
    delta = getattr(choice, "delta", None)
    report.text += _text(delta, "content") + _text(delta, "refusal")
    report.reasoning += _text(delta, "reasoning") or _text(delta, "reasoning_content")
    pieces = getattr(delta, "tool_calls", None)
    for piece in pieces if isinstance(pieces, list) else []:
        if function := getattr(piece, "function", None):
            _read_call(function, calls.setdefault(getattr(piece, "index", None), ["", ""]))
    if function := getattr(delta, "function_call", None):
        _read_call(function, calls.setdefault("the only one", ["", ""]))


def _read_call(function: Any, known: list[str]) -> None:
    known[0] += _text(function, "name")
    known[1] += _text(function, "arguments")


def _text(holder: Any, name: str) -> str:
    value = getattr(holder, name, None)
    return value if isinstance(value, str) else ""


def ask_anthropic(provider: Provider) -> Report:
    """Stream by the SDK's own helper, which accumulates the message."""
    report = Report()
    client = anthropic.Anthropic(
        base_url=provider.base_url, api_key=KEY, max_retries=0, timeout=LIMIT_S
    )
    with (
        client,
        telling(report),
        client.messages.stream(model=MODELS["anthropic"], max_tokens=100, messages=HELLO) as stream,
    ):
        try:
            for _ in stream:
                pass
        finally:
            with contextlib.suppress(AssertionError):
                _read_message(stream.current_message_snapshot, report)
    return report


def _read_message(message: Any, report: Report) -> None:
    for block in message.content:
        match block.type:
            case "text":
                report.text += block.text
            case "thinking":
                report.reasoning += block.thinking
            case "tool_use":
                report.calls.append([block.name, json.dumps(block.input)])
    report.word = message.stop_reason
    if message.usage is not None:
        usage = message.usage
        cached = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
        prompt = usage.input_tokens
        report.tokens = (None if prompt is None else prompt + cached, usage.output_tokens)


@contextlib.contextmanager
def telling(report: Report):
    """Note what a client raised: its own errors, and those that escaped it."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  what escapes an SDK is what is looked for
        text = " ".join(str(error).split())
        report.raised = f"{type(error).__name__}: {text}" if text else type(error).__name__


ASK: dict[str, Callable[[Provider], Report]] = {"openai": ask_openai, "anthropic": ask_anthropic}


def ask_cc_jupyter(provider: Provider, wire: str) -> Outcome | CcError:
    """Return the outcome, or the exception of a refused request."""
    transport = Transport()
    target = Endpoint(f"{provider.base_url}/v1", Key(KEY, "test"), "127.0.0.1")
    endpoint: Any = "/messages" if wire == "anthropic" else "/chat/completions"
    request = Request(MODELS[wire], endpoint, (Message("user", "Hi"),))
    try:
        limits = Limits(max_retries=0, idle_timeout_s=LIMIT_S)
        return outcome_of(RequestStream(transport, request, target, limits))
    except CcError as error:
        return error
    finally:
        transport.close()


# ── the cases


@dataclass(frozen=True)
class Case:
    """Something a server does."""

    name: str
    wire: str
    script: Any
    expected: Outcome | None = None
    """`None`: cc_jupyter's own report is shown and not judged."""


def recorded() -> Iterable[Case]:
    for one in load_recordings():
        kinds = {"json": "application/json", "html": "text/html", "txt": "text/plain"}
        content_type = kinds.get(one.name.rpartition(".")[2], "text/event-stream")
        script = (scripted.head(content_type=content_type), scripted.body(one.body))
        yield Case(one.name, one.wire, script, one.expected)


def connections() -> Iterable[Case]:
    """Return what only a connection can do: half an answer, and then something else."""
    for wire in MODELS:
        stream = {"openai": scripted.openai_stream, "anthropic": scripted.anthropic_stream}[wire]
        begun = stream(["Hel", "lo"])[: {"openai": 3, "anthropic": 5}[wire]]
        ended = stream(["Hel", "lo"], done=False)
        pause = scripted.pause(0.1)
        whole = stream(["Hel", "lo"])
        cases = {
            "cut amid the text": (*begun, pause, scripted.cut()),
            "reset amid the text": (*begun, pause, scripted.reset()),
            "body ended amid the text": (*begun, scripted.end()),
            "silence amid the text": (*begun, scripted.hang()),
            "reset after the reason": (*ended, pause, scripted.reset()),
            "line held after the reason": (*ended, scripted.hang()),
            "line held after the end": (*whole, scripted.hang()),
        }
        for name, script in cases.items():
            yield Case(f"{wire}: {name}", wire, script)


def refusals() -> Iterable[Case]:
    html = "<html><body><h1>502 Bad Gateway</h1></body></html>"
    window = {"window": "fiveHour", "reset": 4_102_444_800}
    limited = {"error": {"message": "Limit", "code": "RATE_LIMITED", "rateLimit": window}}
    odd = "Invalid input: expected number, received undefined at max_tokens"
    cases = {
        "401": scripted.error(401),
        "403 upgrade_required": scripted.error(403, "Upgrade", code="upgrade_required"),
        "400 as prose": scripted.error(400, body=odd, content_type="text/plain"),
        "400 insufficient credits": scripted.error(400, "insufficient credits"),
        "429 with a window": scripted.error(429, body=limited),
        "502 in HTML": scripted.error(502, body=html, content_type="text/html"),
        "503 empty": scripted.error(503, body=""),
    }
    for wire in MODELS:
        for name, answer in cases.items():
            yield Case(f"{wire}: {name}", wire, answer)


def redirected(wire: str) -> tuple[str, str]:
    """Tell who delivers the prompt to the place a 307 points to."""
    told = []
    for who in ("cc_jupyter", "sdk"):
        with Provider() as elsewhere, Provider() as provider:
            path = "messages" if wire == "anthropic" else "chat/completions"
            target = f"{elsewhere.base_url}/v1/{path}"
            provider.play(scripted.http(307, "", {"location": target}))
            if who == "sdk":
                ASK[wire](provider)
            else:
                ask_cc_jupyter(provider, wire)
            reached = [record for record in elsewhere.requests if b"Hi" in record.body]
            key = any(KEY in str(record.headers) for record in reached)
            told.append(
                f"prompt delivered there{', with the key' if key else ''}"
                if reached
                else "not followed"
            )
    return told[0], told[1]


# ── the verdict


def verdict(report: Report, expected: Outcome) -> str:
    """Say in what the SDK's report is less than what must come out; empty: in nothing."""
    if expected.error is not None:
        return _of_a_broken_one(report, expected)
    if report.raised:
        return "raised for a whole answer"
    wrong = [
        name
        for name, said, right in (
            ("text", report.text, expected.text),
            ("thinking", report.reasoning, expected.reasoning),
            ("calls", len(report.calls), len(expected.calls)),
            ("arguments", _arguments(report.calls), _arguments(expected.calls)),
            ("tokens", report.tokens or (None, None), _tokens(expected)),
        )
        if said != right
    ]
    if expected.word and not report.word:
        wrong.append("reason")
    return f"wrong {', '.join(wrong)}" if wrong else ""


def _of_a_broken_one(report: Report, expected: Outcome) -> str:
    lost = "" if report.text == expected.text else "text lost"
    if report.raised:
        return lost
    return "silent, looks whole" if report.word else "silent, no reason given"


def _tokens(outcome: Outcome) -> tuple[int | None, int | None]:
    return outcome.usage.get("input"), outcome.usage.get("output")


def _arguments(calls: Iterable[Any]) -> list[str]:
    return [arguments.replace(" ", "").replace("{}", "") for _, arguments in calls]


# ── the tables


def shown(outcome: Outcome | CcError) -> str:
    if not isinstance(outcome, CcError) and outcome.error is None:
        return _cell(outcome.text, outcome.word or outcome.stop, _tokens(outcome), None)
    if isinstance(outcome, CcError):
        return _cell("", None, (None, None), f"{type(outcome).__name__}: {outcome}")
    return _cell(outcome.text, None, _tokens(outcome), f"StreamError: {outcome.error}")


def shown_report(report: Report) -> str:
    return _cell(report.text, report.word, report.tokens or (None, None), report.raised)


def _cell(text: str, word: str | None, tokens: tuple[Any, Any], raised: str | None) -> str:
    parts = [f"`{ascii(text)[1:-1][:24]}`" if text else "no text"]
    if raised is None:
        parts.append(word or "no reason")
    if tokens != (None, None):
        parts.append("/".join("?" if n is None else str(n) for n in tokens))
    if raised is not None:
        parts.append(f"**{raised[:90]}{'…' if len(raised) > 90 else ''}**")
    cell = " · ".join(parts).replace("|", "\\|").replace("<", "\\<").replace("\n", " ")
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1", cell)


def play(case: Case) -> tuple[Outcome | CcError, Report]:
    with Provider() as provider:
        provider.play(case.script)
        ours = ask_cc_jupyter(provider, case.wire)
    with Provider() as provider:
        provider.play(case.script)
        return ours, ASK[case.wire](provider)


def tables() -> Iterable[str]:
    count: Counter[tuple[str, bool]] = Counter()
    for wire in MODELS:
        yield f"### Recordings, `{wire}` {importlib.metadata.version(wire)}\n"
        yield f"| recording | cc_jupyter | `{wire}` SDK | what the SDK's report lacks |"
        yield "|---|---|---|---|"
        for case in recorded():
            if case.wire == wire and case.expected is not None:
                ours, report = play(case)
                assert ours == case.expected, (case.name, ours)
                said = verdict(report, case.expected)
                count[wire, not said] += 1
                name = case.name.partition("-")[2]
                yield f"| {name} | {shown(ours)} | {shown_report(report)} | {said} |"
        good, bad = count[wire, True], count[wire, False]
        yield f"\nThe `{wire}` SDK reports {good} of {good + bad} correctly.\n"
    yield "### Connections and refusals\n"
    yield "| what the server does | cc_jupyter | the wire's SDK |"
    yield "|---|---|---|"
    for case in (*connections(), *refusals()):
        ours, report = play(case)
        yield f"| {case.name} | {shown(ours)} | {shown_report(report)} |"
    for wire in MODELS:
        yield f"| {wire}: 307 to another host | {' | '.join(redirected(wire))} |"


def main() -> None:
    """Play everything and write the tables."""
    warnings.simplefilter("ignore")  # pydantic's, about answers that are not as documented
    head, mark, _ = README.read_text("utf-8").partition("<!-- written by compare_sdks.py -->\n")
    libraries = ("httpx", "httpx-sse", "httpx2")  # the SDKs stand on the last
    shown = [f"{name} {importlib.metadata.version(name)}" for name in libraries]
    versions = ", ".join([*shown, f"Python {sys.version.split()[0]}"])
    README.write_text(f"{head}{mark}\n" + "\n".join(tables()) + f"\n\n({versions}.)\n", "utf-8")


if __name__ == "__main__":
    main()
