"""Usage reports: token counts, extras and costs, wherever a provider puts them.

One reader serves both wire formats, because relays send the members of one on the other. Every
report of an answer is a running total: its members overwrite earlier ones and are never added up.
A count that cannot be true is not repaired into one that looks true: a negative count or one that
is not a number counts as not reported, a part larger than its whole is cut to it, and a notice says
so. What was billed apart from the listed rates is named in `Usage.unpriced`.

Sources (read 2026-11-30): OpenAI, Anthropic, DeepSeek, Moonshot, DashScope and xAI API references;
OpenRouter "Usage accounting"; LiteLLM "Response headers"; xAI "Cost tracking" (10^10 ticks are one
US dollar); Claude platform "Compaction", "Fast mode", "Web search tool", "Prompt caching";
BerriAI/litellm#15056 (cache counts outside of `prompt_tokens`), vercel/ai#12425 and
mozilla-ai/any-llm#1290 (thinking that only the total counts).
"""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, TypeAlias

from cc_jupyter.client.parsing import count, member, sanitize_message
from cc_jupyter.core.events import Error, Notice, Stop, Usage
from cc_jupyter.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from cc_jupyter.core.events import StreamEvent


_Path: TypeAlias = tuple[str, ...]

_OUTPUT = ("completion_tokens", "output_tokens")
_BESIDE_INPUT = ("cache_read_input_tokens", "cache_creation_input_tokens")
"""Anthropic's names; they count tokens that `input_tokens` does not include."""
_PROMPT = ("prompt_tokens", "input_tokens", *_BESIDE_INPUT)
_DETAILS = ("prompt_tokens_details", "input_tokens_details")
_CACHE_READ: tuple[_Path, ...] = (
    ("cache_read_input_tokens",),  # Anthropic, LiteLLM
    ("cached_tokens",),  # Moonshot
    ("prompt_cache_hit_tokens",),  # DeepSeek
    ("cache_read_tokens",),
    *((details, "cached_tokens") for details in _DETAILS),
    *((details, "cache_read_tokens") for details in _DETAILS),
    *((details, "cache_read_input_tokens") for details in _DETAILS),
)
_CACHE_WRITE: tuple[_Path, ...] = (
    ("cache_creation_input_tokens",),  # Anthropic, LiteLLM
    ("cache_creation_tokens",),
    ("cache_write_tokens",),
    *((details, "cache_write_tokens") for details in _DETAILS),  # OpenRouter, OpenAI
    *((details, "cache_creation_tokens") for details in _DETAILS),  # LiteLLM
    *((details, "cache_creation_input_tokens") for details in _DETAILS),  # DashScope
    *((details, "cached_creation_tokens") for details in _DETAILS),  # new-api
)
_WRITES_BY_AGE: tuple[_Path, ...] = (
    ("cache_creation",),  # Anthropic
    *((details, "cache_creation") for details in _DETAILS),  # DashScope
    *((details, "cache_creation_token_details") for details in _DETAILS),  # LiteLLM
)
_FIVE_MINUTES: tuple[_Path, ...] = (
    *((*path, "ephemeral_5m_input_tokens") for path in _WRITES_BY_AGE),
    ("claude_cache_creation_5_m_tokens",),  # new-api
)
_ONE_HOUR: tuple[_Path, ...] = (
    *((*path, "ephemeral_1h_input_tokens") for path in _WRITES_BY_AGE),
    ("claude_cache_creation_1_h_tokens",),
)
_REASONING: tuple[_Path, ...] = (
    ("reasoning_tokens",),  # Perplexity
    ("completion_tokens_details", "reasoning_tokens"),
    ("output_tokens_details", "reasoning_tokens"),
    ("output_tokens_details", "thinking_tokens"),  # Anthropic
    ("completion_tokens_details", "thinking_tokens"),
)
_COSTS: tuple[_Path, ...] = (
    ("cost",),  # OpenRouter, Requesty, Vercel
    ("cost", "total_cost"),  # Perplexity
    ("cost", "total"),
    ("cost", "total_usd"),
    ("cost", "usd"),
    ("total_cost",),
    ("cost_usd",),
    ("total_cost_usd",),
    ("estimated_cost",),  # DeepInfra
)
_TICKS = "cost_in_usd_ticks"
_USD_PER_TICK = Decimal("1e-10")
_UPSTREAM_COST = ("cost_details", "upstream_inference_cost")
"""What the upstream charges a key of the user's own; OpenRouter's `cost` is then its fee only."""
_COST_MEMBERS = frozenset({_TICKS, *(path[0] for path in _COSTS)})
_COST_HEADER = r"(?:x-)?(?:[a-z0-9]+-)*(?:response|request|total)-cost(?:-usd)?"
_MOST_USD = 1_000_000
MESSAGE_MEMBERS = ("service_tier", "cost", "total_cost", _TICKS)
"""Members that also occur next to `usage`."""

_OTHER_MEDIA: tuple[_Path, ...] = (
    ("prompt_tokens_details", "audio_tokens"),
    ("input_tokens_details", "audio_tokens"),
    ("completion_tokens_details", "audio_tokens"),
    ("completion_tokens_details", "image_tokens"),
    ("completion_tokens_details", "video_tokens"),
)
"""Shares of prompt and completion that have rates of their own; images in a prompt have none."""
_TOOL_USES = "(?:server|web|file|code)(?:_side)?_(?:tool|search|fetch|exec)[a-z_]{0,30}"
"""Members that count the uses of tools, as `server_tool_use` does; the name of the tool varies."""
_FREE_USES = frozenset({"web_fetch_requests"})
_PLUGIN_SEARCHES: _Path = ("plugins", "search", "count")  # DashScope
_KNOWN = frozenset(
    {
        *(path[0] for path in (*_CACHE_READ, *_CACHE_WRITE, *_FIVE_MINUTES, *_ONE_HOUR)),
        *(path[0] for path in _REASONING),
        *_PROMPT,
        *_OUTPUT,
        *("total_tokens", "prompt_cache_miss_tokens", "text_tokens", "image_tokens"),
        *("thinking_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens"),
    }
)
_BILLED_NAME = (
    r"[a-z][a-z0-9_]{0,40}_(?:tokens|requests|queries|used|calls|searches|images|results|units"
    r"|credits|characters)|(?:[a-z]{1,20}_)?(?:image|search|request|call|query)_count"
)
_PLAIN_NAME = "[a-z0-9_ ]{1,40}"
_USUAL = {
    "service_tier": frozenset({"default", "standard", "auto", "on_demand", "none", "null"}),
    "speed": frozenset({"standard", "normal", "default"}),
    "inference_geo": frozenset({"global", "not_available", "none", "null"}),
}
_UNUSUAL = {
    "service_tier": "service tier {}",
    "speed": "{} mode",
    "inference_geo": "inference in {}",
}
_LONGEST_WORD = 40
_MOST_NAMED = 8
_IMPOSSIBLE = "the provider reported impossible token counts"
_CONTRADICTION = "the provider's total contradicts its token counts"


class _Counts:
    """Reads the counts of one report and notes whether one of them cannot be true."""

    def __init__(self, report: dict[str, Any]) -> None:
        self._report = report
        self.impossible = False

    def count(self, value: object) -> int | None:
        """Return a count; `None` for one that is not reported, or not possible."""
        tokens = count(value)
        self.impossible |= tokens is None and value is not None
        return tokens

    def first(self, *names: str) -> int | None:
        """Return the first count that is not 0, else 0 if one was reported."""
        counts = [self.count(self._report.get(name)) for name in names]
        return next(filter(None, counts), 0 if 0 in counts else None)

    def largest(self, paths: Iterable[_Path]) -> int | None:
        """Return a count that occurs in several places; 0 is what relays fill in."""
        found: int | None = None
        for path in paths:
            value = self._report.get(path[0])
            if value is not None:
                for name in path[1:]:
                    value = value.get(name) if isinstance(value, dict) else None
            if value is None or (tokens := self.count(value)) is None:
                continue
            self.impossible |= bool(found and tokens) and found != tokens
            found = max(found or 0, tokens)
        return found

    def part(self, tokens: int | None, whole: int | None) -> int | None:
        """Return a count that is a share of `whole`, never more than it."""
        if tokens is None or whole is None or tokens <= whole:
            return tokens
        self.impossible = True
        return whole


def read_usage(
    report: dict[str, Any], clean: Callable[[str], str] = redact
) -> tuple[Usage, tuple[str, ...]]:
    """Read one report, with what the user should know about it.

    Parameters
    ----------
    clean
        Removes secrets from a text of the provider's, before it is cut.
    """
    tokens, remarks = _read_tokens(report)
    unpriced = _unpriced(report, clean)
    doubt = "; ".join(remarks) or None
    if iterations := report.get("iterations"):
        remarks += _add_compactions(tokens, iterations)
        unpriced = (*unpriced, *_other_iterations(iterations, clean))[:_MOST_NAMED]
    usd = _provider_usd(report)
    return Usage(**tokens, unpriced=unpriced or None, provider_usd=usd, doubt=doubt), remarks


def _read_tokens(report: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Read the counts by field of `Usage`, and say which of them cannot be true."""
    counts = _Counts(report)
    read, written = counts.largest(_CACHE_READ), counts.largest(_CACHE_WRITE)
    hour, five = counts.largest(_ONE_HOUR), counts.largest(_FIVE_MINUTES)
    if hour or five:
        written = max(written or 0, (hour or 0) + (five or 0))
    prompt = _whole_prompt(report, counts, (read or 0) + (written or 0))
    reasoning = counts.largest(_REASONING)
    output = counts.first(*_OUTPUT)
    output, remarks = _whole_output(report, counts, prompt, output, reasoning)
    read = counts.part(read, prompt)
    written = counts.part(written, None if prompt is None else prompt - (read or 0))
    tokens = {
        "input_tokens": prompt,
        "output_tokens": output,
        "cache_read_tokens": read,
        "cache_write_tokens": written,
        "reasoning_tokens": counts.part(reasoning, output),
        "hour_cache_write_tokens": counts.part(hour, written) or None,
    }
    return tokens, (*remarks, _IMPOSSIBLE) if counts.impossible else remarks


def _whole_prompt(report: dict[str, Any], counts: _Counts, cached: int) -> int | None:
    """Count the whole prompt: Anthropic's `input_tokens` leaves out cache reads and writes.

    So does `prompt_tokens` where a relay also passes Anthropic's counts on (litellm#15056);
    the counts show it, since a share cannot be larger than its whole.
    """
    prompt = counts.count(report.get("prompt_tokens"))
    named = sum(count(report.get(name)) or 0 for name in _BESIDE_INPUT)
    if prompt:
        output = count(report.get("completion_tokens"))
        total = count(report.get("total_tokens"))
        summed = output is not None and named and total == prompt + output + named
        return prompt + named if named > prompt or summed else prompt
    tokens = counts.count(report.get("input_tokens"))
    if tokens is None:
        return prompt
    is_share = isinstance(report.get("input_tokens_details"), dict)
    return tokens if is_share else tokens + cached


def _whole_output(
    report: dict[str, Any],
    counts: _Counts,
    prompt: int | None,
    output: int | None,
    reasoning: int | None,
) -> tuple[int | None, tuple[str, ...]]:
    """Count the whole output, thinking included that only the total counts.

    xAI counts thinking in addition to the completion (vercel/ai#12425), Gemini's relays only in
    the total (any-llm#1290).
    """
    if not prompt or output is None:
        return output, ()
    total = counts.count(report.get("total_tokens"))
    left = 0 if total is None else total - prompt - output
    if left > 0 and left == reasoning:
        return output + left, ()
    if left > 0:
        return output + left, (f"{left:,} tokens are in the total only and count as output",)
    if left < 0 and total != (count(report.get("prompt_tokens")) or 0) + output:
        return output, (_CONTRADICTION,)
    if reasoning and reasoning > output and "completion_tokens" in report:  # xAI without its total
        return output + reasoning, (_IMPOSSIBLE,)
    return output, ()


def _add_compactions(tokens: dict[str, Any], iterations: object) -> tuple[str, ...]:
    """Add the compactions of the context, which the counts of a report leave out."""
    parts = [
        _read_tokens(entry)[0]
        for entry in _entries(iterations)
        if entry.get("type") == "compaction"
    ]
    prompt = tokens["input_tokens"]
    if not parts or prompt is None:
        return ()
    prompts = [part["input_tokens"] or 0 for part in parts]
    outputs = [part["output_tokens"] or 0 for part in parts]
    for name, count_ in tokens.items():
        known = [part[name] or 0 for part in parts if part[name] is not None]
        if known and (count_ is not None or name != "output_tokens"):
            tokens[name] = sum(known, count_ or 0)
    tokens["longest_prompt_tokens"] = max(prompt, *prompts)
    compacted = f"{sum(prompts):,} tokens in and {sum(outputs):,} out for compacting the context"
    return (f"including {compacted}",)


def _other_iterations(iterations: object, clean: Callable[[str], str]) -> list[str]:
    """Name the iterations of other models, such as an advisor: they have rates of their own."""
    kinds = {entry["type"] for entry in _entries(iterations)}
    words = (_word(kind, clean) for kind in kinds - {"compaction", "message"})
    return sorted(filter(None, words))


def _entries(iterations: object) -> Iterator[dict[str, Any]]:
    for entry in iterations if isinstance(iterations, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("type"), str):
            yield entry


def _unpriced(report: dict[str, Any], clean: Callable[[str], str]) -> tuple[str, ...]:
    """Name what is billed apart from tokens, or at rates that no list here has."""
    named = [
        _amount(tokens, " ".join((path[0].partition("_")[0], path[-1])), clean)
        for path in _OTHER_MEDIA
        if isinstance(details := report.get(path[0]), dict)
        and (tokens := count(details.get(path[-1])))
    ]
    if searches := count(member(report, *_PLUGIN_SEARCHES)):
        named.append(_amount(searches, "web_search_requests", clean))
    for name, value in report.items():
        if name in _USUAL:
            word = _word(value, clean)
            if word is not None and word.casefold() not in _USUAL[name]:
                named.append(_UNUSUAL[name].format(word))
        elif isinstance(value, dict) and re.fullmatch(_TOOL_USES, name):
            named += [
                _amount(times, use if "_" in use else f"{name}_{use}", clean)
                for use, each in value.items()
                if use not in _FREE_USES and (times := count(each))
            ]
        elif name not in _KNOWN and re.fullmatch(_BILLED_NAME, name) and (amount := count(value)):
            named.append(_amount(amount, name, clean))
    return tuple(dict.fromkeys(named))[:_MOST_NAMED]


def _amount(amount: int, name: str, clean: Callable[[str], str]) -> str:
    """Write an amount with the name of its member: `2 web search requests`."""
    name = name.casefold()
    if not re.fullmatch(_PLAIN_NAME, name):
        name = _word(name, clean) or "uses"
    words = name.replace("_", " ").removeprefix("num ").removeprefix("number of ")
    if words.endswith(" count"):
        words = f"{words.removesuffix(' count')}s"
    words = words.removeprefix("server side tool ")
    words = words if words.endswith(("s", "used")) else f"{words} requests"
    if amount == 1:
        words = f"{words[:-3]}y" if words.endswith("ies") else words.removesuffix("s")
    return f"{amount:,} {words}"


def _word(value: object, clean: Callable[[str], str]) -> str | None:
    """Make a foreign word fit for a message: one line, short."""
    word = sanitize_message(clean(value)) if isinstance(value, str) else None
    return None if word is None else word[:_LONGEST_WORD]


def _provider_usd(report: dict[str, Any]) -> Decimal | None:
    """Read the provider's own cost."""
    if report.keys().isdisjoint(_COST_MEMBERS):
        return None
    ticks = read_usd(report.get(_TICKS), _USD_PER_TICK)
    if ticks is not None:
        return ticks
    costs = (read_usd(member(report, *path)) for path in _COSTS)
    usd = next((cost for cost in costs if cost is not None), None)
    upstream = read_usd(member(report, *_UPSTREAM_COST)) if report.get("is_byok") is True else None
    return usd if usd is None or upstream is None else usd + upstream


def read_usd(value: object, unit: Decimal = Decimal(1)) -> Decimal | None:
    """Read an amount as JSON or a header spells it; `None` for anything that cannot be one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        usd = Decimal(str(value).strip().removeprefix("$")) * unit
    except InvalidOperation:
        return None
    return usd if usd.is_finite() and 0 <= usd <= _MOST_USD else None


class UsageReader:
    """Folds the reports of one answer into its final usage.

    Parameters
    ----------
    clean
        Removes secrets from a text of the provider's, before it is cut.
    """

    def __init__(self, clean: Callable[[str], str] = redact) -> None:
        self._clean = clean
        self._members: dict[str, Any] = {}
        self._remarks: tuple[str, ...] = ()

    def report(self, usage: object, message: Mapping[str, Any] | None = None) -> Iterator[Usage]:
        """Add a report and yield the totals; a report without a count or cost yields nothing.

        Parameters
        ----------
        message
            The object around the report, which may have its tier and cost.
        """
        reported = self._reported(usage) if isinstance(usage, dict) else {}
        for name in MESSAGE_MEMBERS if message else ():
            if message and (value := message.get(name)) is not None:
                reported.setdefault(name, value)
        if not reported:
            return
        self._members |= reported
        if reported.keys().isdisjoint((*_PROMPT, *_OUTPUT, *_COST_MEMBERS)):
            return
        totals, self._remarks = read_usage(self._members, self._clean)
        yield totals

    def rest(self) -> Iterator[Notice]:
        """Yield what the user should know about the last report."""
        yield from map(Notice, self._remarks)

    def _reported(self, usage: dict[str, Any]) -> dict[str, Any]:
        """Leave out `null`, and the zeros that are sent until something is known.

        No prompt has 0 tokens, so such a report has no counts, and its other zeros are none either.
        """
        reported = {name: value for name, value in usage.items() if value is not None}
        prompt = [reported[name] for name in _PROMPT if name in reported]
        if prompt and not any(prompt):
            outputs = {name for name in _OUTPUT if not reported.get(name)}
            unknown = {*_PROMPT, *outputs}
            reported = {name: value for name, value in reported.items() if name not in unknown}
        return reported


def with_header_cost(
    headers: Mapping[str, str], events: Iterable[StreamEvent]
) -> Iterator[StreamEvent]:
    """Add the cost that a response header names to the usage of an answer.

    LiteLLM and company gateways send it. A 0 there says nothing: the head of a stream is written
    before the cost is known.
    """
    named = (value for name, value in headers.items() if re.fullmatch(_COST_HEADER, name.lower()))
    usd = next(filter(None, map(read_usd, named)), None)
    if usd is None:
        yield from events
        return
    is_told = False
    for event in events:
        if isinstance(event, Usage):
            is_told = True
            yield event if event.provider_usd is not None else replace(event, provider_usd=usd)
            continue
        if isinstance(event, Stop | Error) and not is_told:
            yield Usage(provider_usd=usd)
        yield event
