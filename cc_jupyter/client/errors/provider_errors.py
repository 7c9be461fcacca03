"""Turns a refused request into one exception: what happened and what to do, in two lines.

`error_body` reads the words, `retry_after` the waits; here they are judged: by code, then by text,
then by status. A 500 that says "insufficient credits" is final, and a 402 about the upstream's
balance is not the user's. What to do depends on who answered: the default provider, another host,
or the server on this machine.

Sources of the texts: provider-api.md, section 14 (captures of 2026-08 to 2026-10); OpenAI, Claude,
Gemini, OpenRouter, Groq, Mistral, DeepSeek, Moonshot, Z.ai, MiniMax, DashScope and LiteLLM pages on
errors; Ollama, vLLM, SGLang, llama.cpp issues (all read 2026-11-30).
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cc_jupyter.client.errors.error_body import Envelope, parse_refusal
from cc_jupyter.client.errors.retry_after import in_words, reset_of, retry_after_s
from cc_jupyter.client.parsing import sanitize_message
from cc_jupyter.config.base_url import masked_url
from cc_jupyter.core.errors import (
    AuthError,
    CreditError,
    ModelError,
    PlanError,
    RateLimitError,
    StatusError,
)
from cc_jupyter.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


LONGEST_WAIT_S = 30.0
"""A provider that asks for a longer pause gets none: the user decides."""
_FIRST_BACKOFF_S = 0.5
_WINDOWS = {"fivehour": "five-hour", "weekly": "weekly", "daily": "daily"}
_CEILING = re.compile(r"max_tokens:?\s*(\d+)\s*>\s*(\d+)", re.IGNORECASE)
_REQUEST_IDS = ("x-trace-id", "request-id", "x-request-id", "cf-ray")
_API = "api"
_LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused request."""

    error: StatusError
    retryable: bool
    """Whether the same request may be sent again."""
    max_tokens_ceiling: int | None = None
    """The output ceiling the provider named: the request may be sent once more with it."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """One row of the table of refusals; the first match decides.

    `{model}` and `{server}`, who answered, are filled in.
    """

    error: type[StatusError]
    sentence: str
    hint: str
    elsewhere: str = ""
    """The hint where another host than the default provider answered; empty: the same."""
    codes: tuple[str, ...] = ()
    """Values of `code` or `type`, folded."""
    texts: re.Pattern[str] | None = None
    """Searched in the folded message."""
    statuses: tuple[int, ...] = ()
    """The only statuses it holds for; empty: all."""
    only_api: bool = False
    """Whether it holds for the default provider only."""
    unless_wait: bool = False
    """Whether a named wait makes it a passing limit, and the rule does not hold."""


def _any_of(*texts: str) -> re.Pattern[str]:
    return re.compile("|".join(texts))


_NAMED = r"(?:\s?['\"`][^'\"`]{1,200}['\"`]|[ /:=]{1,3}\S{1,200}(?: \S{1,40}){0,2})?"
_NO_MODEL = _any_of(
    rf"\bmodels?{_NAMED},? (?:was |is |does )?not (?:found|exist|supported|available)\b",
    r"\bmodel not exist",
    r"\bunsupported model\b",
    rf"\bmodel{_NAMED} is not (?:loaded|deployed|a chat model)\b",
    r"\binvalid model\b",
    r"\bunknown model\b",
    r"\bno such model\b",
    r"not a valid model id",
    r"\bunable to access model\b",
    r"\bno endpoints found (?:for|matching)\b",
    r"\bmodel identifier is invalid",
    r"\bapi deployment for this resource does not exist",
    r"^model: \S+$",  # Anthropic names it and says no more
)
_NO_LONGER = _any_of(
    rf"\bmodel{_NAMED},? (?:has been|was|is) (?:deprecated|decommissioned|retired|removed"
    r"|shut down|discontinued|sunset)\b",
    r"\breached (?:its )?end[- ]of[- ]life\b",
)
_TOO_LONG = _any_of(
    r"prompt is too long",
    r"input is too long",
    r"exceeds? the (?:model's )?(?:maximum )?context (?:window|length|size|limit)",
    r"exceeds? context limit",
    r"context length exceeded",
    r"contextwindowexceeded",
    r"exceeds the available context size",  # the local model's engine
    r"maximum context length",
    r"maximum (?:prompt|model|input) length",
    r"model's context length",
    r"context length is only",
    r"exceeds max length",
    r"exceeds the maximum number of tokens",
    r"exceeded model token limit",
    r"input tokens exceed",
    r"range of input length should be",
    r"exceeds? (?:the )?context window",
    r"greater than the context length",
    r"too large for model with \d+ maximum context",
    r"reduce the length of the (?:messages|prompt|input)",
    r"`inputs` tokens \+ `max new tokens` must be",
    r"must have less than \d+ tokens",
    r"(?:prompt|input) tokens?\b.{0,30} exceeds? (?:the )?max",
)
_BROKE = _any_of(
    r"insufficient (?:credits?|balance|funds|quota)",
    r"\bbalance is insufficient",
    r"\bno resource package",
    r"\bplease recharge",
    r"credit balance is too low",
    r"\bno (?:more |remaining )?credits? (?:left|remaining|available)\b",
    r"\b(?:out of|run out of|purchase (?:more |additional )?|add (?:more )?) ?credits\b",
    r"\bcredits? (?:are |is |have been |has been |have )?(?:exhausted|used up|depleted|run out)\b",
    r"\bnegative balance\b",
    r"(?:account|good) standing",
    r"account (?:is )?(?:suspended|overdue)",
    r"余额不足",
)
_TOO_MUCH_AT_ONCE = _any_of(r"request too large", r"input or output tokens must be reduced")
_QUOTA = _any_of(r"exceeded your current quota", r"quota exceeded", r"out of quota")
_BUDGET = _any_of(
    r"budget has been exceeded",
    r"exceeded ?budget",
    r"over budget",
    r"exceededtokenbudget",
    r"\b(?:run |ran )?out of (?:its |your )?(?:\w+ )?budget\b",
    r"\bbudget (?:is |was )?(?:exhausted|exceeded|used up|reached|limit)\b",
    r"\bspend(?:ing)? (?:limit|cap)\b",
)
_LONGER = "--new or --once sends it without the conversation; a smaller --max-tokens makes room"
_KEY_HINT = "create a key in Command Code Studio, then %cmd login or CMD_API_KEY"
_KEY_ELSEWHERE = "%cmd status shows which key is sent there; {server} must know it"
_CREDIT_HINT = "top up in Command Code Studio, or choose a free model: %cmd models free"
_CREDIT_ELSEWHERE = "top up the account at {server}, or choose another model"
_OTHER_MODEL = "choose another model: %cmd models"
_RULES = (
    _Rule(
        PlanError,
        "this account's plan does not include the Provider API",
        "choose a plan with Provider API access in Command Code Studio",
        "see the plan of the account at {server}",
        codes=("upgrade required",),
        texts=_any_of("upgrade required"),
    ),
    _Rule(
        PlanError,
        "this account's plan does not include {model}",
        "choose another model (%cmd models), or a plan that includes it",
        codes=("model not in plan",),
        texts=_any_of("model not in plan"),
    ),
    _Rule(
        CreditError,
        "the spending cap set by the organisation is reached",
        "ask who administers the organisation",
        codes=("usage exceeded",),
    ),
    _Rule(
        CreditError,
        "the budget of this key or account is used up",
        "ask who administers the organisation",
        "ask who administers {server}, or use another key",
        codes=("budget exceeded", "budget limit", "spend limit", "billing hard limit reached"),
        texts=_any_of(_BUDGET.pattern, "hard limit has been reached", "key limit exceeded"),
    ),
    _Rule(
        CreditError,
        "the allowance for premium models is used up",
        "choose another model (%cmd models), or top up in Command Code Studio",
        codes=("premium credits exhausted",),
        texts=_any_of("premium credits exhausted"),
    ),
    _Rule(
        CreditError,
        "the account cannot pay for an answer of this length",
        "--max-tokens N allows a shorter one; or top up",
        texts=_any_of(r"can only afford", r"fewer max tokens"),
    ),
    _Rule(
        StatusError,
        "the provider's own upstream for {model} is out of order",
        "this is not your balance; try later or choose another model",
        texts=_any_of("insufficient balance"),
        only_api=True,
    ),
    _Rule(
        CreditError,
        "the account is out of credits",
        _CREDIT_HINT,
        _CREDIT_ELSEWHERE,
        codes=(
            "insufficient credits",
            "insufficient quota",
            "insufficient balance",
            "billing not active",
            "arrearage",
            "accountoverdueerror",
            "exceeded current quota error",
        ),
        texts=_BROKE,
    ),
    _Rule(
        CreditError,
        "the quota of the account is used up",
        _CREDIT_HINT,
        _CREDIT_ELSEWHERE,
        texts=_QUOTA,
        unless_wait=True,
    ),
    _Rule(
        ModelError,
        "no upstream of {model} guarantees zero data retention",
        "choose another model; the request was not repeated without --zdr",
        codes=("cmd zdr no providers",),
        texts=_any_of("cmd zdr no providers"),
    ),
    _Rule(
        ModelError,
        "{model} is not served on the endpoint it was sent to",
        "%cmd models --refresh updates which endpoint serves it",
        texts=_any_of("must be called via", "not supported on this endpoint"),
    ),
    _Rule(
        ModelError,
        "{model} is listed but out of order",
        f"try later, or {_OTHER_MODEL}",
        texts=_any_of("no available providers match"),
    ),
    _Rule(
        PlanError,
        "this key may not use {model}",
        "choose a model that it may use (%cmd models), or use another key",
        codes=("key model access denied", "team model access denied"),
        texts=_any_of(
            r"not allowed to access model",
            r"does not have access to (?:the )?model",
            r"can only access models",
            r"may only use (?:the )?models?\b",
        ),
    ),
    _Rule(
        StatusError,
        "the prompt is longer than the context window of {model}",
        _LONGER,
        codes=("context length exceeded", "string above max length"),
        texts=_TOO_LONG,
    ),
    _Rule(
        StatusError,
        "the request is larger than the account's limit per minute",
        "shorten the prompt (--new leaves the conversation out), or lower --max-tokens",
        texts=_TOO_MUCH_AT_ONCE,
    ),
    _Rule(
        ModelError,
        "{server} no longer has the model {model}",
        _OTHER_MODEL,
        codes=("model decommissioned", "model deprecated", "model retired"),
        texts=_NO_LONGER,
        statuses=(400, 403, 404, 410, 422),
    ),
    _Rule(
        ModelError,
        "{server} does not know the model {model}",
        "%cmd models lists those it has",
        codes=(
            "unsupported model",
            "model not found",
            "model not available",
            "deploymentnotfound",
            "deployment not found",
            "invalid model",
            "modelnotfound",
        ),
        texts=_NO_MODEL,
        statuses=(400, 403, 404, 422),
    ),
    _Rule(
        AuthError,
        "{server} refused the key",
        _KEY_HINT,
        _KEY_ELSEWHERE,
        codes=("authentication error", "invalid api key", "invalidapikey"),
        texts=_any_of(
            "invalid 'authorization' header",
            "invalid api key",
            "incorrect api key",
            "api key not valid",
            "no auth credentials",
        ),
    ),
    _Rule(
        StatusError,
        "the prompt was refused by {server}'s moderation",
        "change the prompt, or choose another model",
        codes=("content policy violation", "datainspectionfailed", "content filter"),
        texts=_any_of(
            r"requires moderation", r"content management policy", r"content policy violation"
        ),
        statuses=(400, 403, 422, 451),
    ),
)
_PATH_HINT = "check the base URL (CMD_BASE_URL)"
_BY_STATUS: dict[int, _Rule] = {
    401: _Rule(AuthError, "{server} refused the key", _KEY_HINT, _KEY_ELSEWHERE),
    402: _Rule(CreditError, "the account is out of credits", _CREDIT_HINT, _CREDIT_ELSEWHERE),
    403: _Rule(
        PlanError, "{server} does not permit this", "%cmd status shows key and model in use"
    ),
    404: _Rule(StatusError, "the server has no such path", _PATH_HINT),
    405: _Rule(StatusError, "the server has no such path", _PATH_HINT),
    408: _Rule(StatusError, "the request timed out at {server}", "run the cell again"),
    413: _Rule(
        StatusError,
        "the request is too large",
        "about 50 MB is the most the provider takes",
        "send fewer or smaller images, or leave the conversation out: --new",
    ),
    429: _Rule(RateLimitError, "too many requests, or the model is busy", "wait a little"),
}
_PER_DAY = re.compile(r"\bper[- ]day\b|\b(?:rpd|tpd)\b|\bdaily (?:limit|quota|cap)\b")
_USED_UP = re.compile(r"usage limit for your plan|usage limit (?:has been )?reached")


@dataclass(frozen=True, slots=True)
class _Verdict:
    error: type[StatusError]
    sentence: str
    hint: str
    retryable: bool = False
    is_unknown_model: bool = False


@dataclass(frozen=True, slots=True)
class _Answered:
    """Who refused what: the words that fill in the sentences."""

    model: str = "the model"
    served_by: str = ""
    """`api`, `local`, or the host; empty where that is not known."""

    def verdict(self, rule: _Rule, *, retryable: bool = False) -> _Verdict:
        """Return the rule's verdict in words that fit who answered."""
        hint = rule.hint if self.served_by == _API else rule.elsewhere or rule.hint
        if self.served_by == _LOCAL and rule.error is AuthError:
            hint = "%cmd local stop ends the server; the next cell starts it with a new key"
        return _Verdict(
            rule.error,
            self._filled(rule.sentence),
            self._filled(hint),
            retryable=retryable,
            is_unknown_model=rule.texts is _NO_MODEL,
        )

    def holds(self, rule: _Rule, status: int | None, *, waits: bool) -> bool:
        """Return whether a rule that matches may decide."""
        return (
            (not rule.statuses or status is None or status in rule.statuses)
            and (not rule.only_api or self.served_by == _API)
            and not (rule.unless_wait and waits)
        )

    def _filled(self, text: str) -> str:
        known = {_API: "the provider", _LOCAL: "the local server", "": "the provider"}
        server = known.get(self.served_by, self.served_by)
        return text.format(model=self.model, server=server)


def classify(  # noqa: PLR0913  a refusal is read from all of these
    status: int,
    headers: Mapping[str, str],
    raw: bytes,
    *,
    model: str,
    secrets: tuple[str, ...],
    now: datetime,
    served_by: str = _API,
) -> Refusal:
    """Read a response of any status but 200.

    Parameters
    ----------
    headers
        By lower-case name.
    raw
        The body, or its beginning.
    model
        The requested id, for the message.
    secrets
        Texts that must not appear in any message.
    now
        The current time, aware; the provider's times become seconds from it.
    served_by
        Who answered: `api`, `local`, or the host.
    """
    envelope = parse_refusal(raw, secrets)
    reset = reset_of(envelope, now)
    wait_s = retry_after_s(status, headers, envelope, reset, now)
    window = _window(status, envelope, wait_s)
    if window is not None:
        verdict = _window_used_up(window, reset, wait_s, now)
    else:
        verdict = _decide(status, headers, envelope, _Answered(model, served_by), wait_s)
    sentence = f"{verdict.sentence} ({status})"
    if envelope.message:
        sentence = f"{sentence}: {envelope.message}"
    request_id = envelope.request_id or next(filter(None, map(headers.get, _REQUEST_IDS)), None)
    error = verdict.error(
        redact(sentence, secrets),
        hint=verdict.hint,
        status=status,
        code=envelope.code or envelope.kind,
        provider_message=envelope.message,
        retry_after_s=wait_s,
        request_id=request_id and redact(request_id, secrets),
    )
    if isinstance(error, ModelError):
        error.is_unknown = verdict.is_unknown_model
    error.is_final = error.is_final or window is not None
    # OpenAI's and Anthropic's SDKs obey this header (read 2026-11-30)
    forbidden = headers.get("x-should-retry", "").strip().lower() == "false"
    return Refusal(error, verdict.retryable and not forbidden, _ceiling(status, envelope))


def stream_error_hint(code: str | None, message: str | None) -> tuple[str | None, bool]:
    """Return what to do about an error that came in place of, or within, an answer.

    The rules are those of refusals; `None` where none of them knows the code or the words. The
    second value is whether it is final (`ProviderError.is_final`).
    """
    answered = _Answered()
    envelope = Envelope(message, code)
    is_used_up = _window(0, envelope, None) is not None
    rule = _matching(envelope, None, answered, waits=False)
    if rule is None:
        return None, is_used_up
    return answered.verdict(rule).hint, is_used_up or rule.error.is_final


def backoff_s(tries: int) -> float:
    """Return a delay that doubles with each try, with jitter so that many cells spread out."""
    longest_s: float = min(_FIRST_BACKOFF_S * 2 ** min(tries, 10), LONGEST_WAIT_S)
    return longest_s * random.uniform(0.5, 1.0)  # noqa: S311  no secret


def pause_s(refusal: Refusal, tries: int) -> float | None:
    """Return the pause before the next try after a refusal; `None`: do not retry.

    A refusal that asks for too long a pause gets a hint to wait.
    """
    if not refusal.retryable:
        return None
    asked_s = refusal.error.retry_after_s
    if asked_s is None:
        return backoff_s(tries)
    if asked_s <= LONGEST_WAIT_S:
        return asked_s
    refusal.error.hint = _wait_hint(asked_s)
    return None


def _wait_hint(seconds: float) -> str:
    """Return the hint for a wait that is too long to sit out."""
    return f"the provider asks to wait {in_words(seconds)}; run the cell again then"


def _decide(
    status: int,
    headers: Mapping[str, str],
    envelope: Envelope,
    answered: _Answered,
    wait_s: float | None,
) -> _Verdict:
    if status < 400:  # noqa: PLR2004  neither a refusal nor an answer
        return _unexpected_status(status, headers)
    is_wordless = envelope.is_page or not (envelope.message or envelope.code or envelope.kind)
    if not envelope.is_page:
        rule = _matching(envelope, status, answered, waits=wait_s is not None)
        if rule is not None:
            return answered.verdict(rule)
    if status >= 500:  # noqa: PLR2004  the class of failures
        failed = _Rule(StatusError, "{server} failed", "run the cell again in a while")
        return answered.verdict(failed, retryable=True)
    if status == 403 and is_wordless:  # noqa: PLR2004  none of the provider's shapes
        return _Verdict(StatusError, "access was refused", "a proxy or firewall may have answered")
    unknown = _Rule(StatusError, "{server} refused the request", "--dry-run shows what is sent")
    return answered.verdict(_BY_STATUS.get(status, unknown), retryable=status in (408, 429))


def _matching(
    envelope: Envelope, status: int | None, answered: _Answered, *, waits: bool
) -> _Rule | None:
    """Return the first rule that knows the code or the words."""
    names = {_fold(envelope.code), _fold(envelope.kind)}
    message = _fold(envelope.message)
    for rule in _RULES:
        known = not names.isdisjoint(rule.codes) or (rule.texts and rule.texts.search(message))
        if known and answered.holds(rule, status, waits=waits):
            return rule
    return None


def _unexpected_status(status: int, headers: Mapping[str, str]) -> _Verdict:
    if status < 300:  # noqa: PLR2004  the class of success
        return _Verdict(StatusError, "the server sent no answer", "run the cell again")
    return _Verdict(
        StatusError,
        f"the server redirects to {_redirect_target(headers)}",
        "nothing was sent there; check the base URL (CMD_BASE_URL)",
    )


def _redirect_target(headers: Mapping[str, str]) -> str:
    """Return where a redirect leads, without what may be a secret in it."""
    target = headers.get("location", "").partition("?")[0].partition("#")[0]
    if target.startswith("//"):
        target = f"https:{target}"
    return sanitize_message(masked_url(target)) or "elsewhere"


def _window(status: int, envelope: Envelope, wait_s: float | None) -> str | None:
    """Return the name of the window that is used up; `None`: the refusal is about something else.

    A limit per day is a window too, unless the provider asks for a short wait.
    """
    message = _fold(envelope.message)
    if envelope.window:
        return envelope.window
    if _USED_UP.search(message):
        return "usage"
    is_short = wait_s is not None and wait_s <= LONGEST_WAIT_S
    return "daily" if status == 429 and not is_short and _PER_DAY.search(message) else None  # noqa: PLR2004


def _window_used_up(
    window: str, reset: datetime | None, wait_s: float | None, now: datetime
) -> _Verdict:
    name = _WINDOWS.get(window.casefold(), "usage")
    sentence = f"the {name} window of the plan is used up"
    hint = _reset_hint(reset, now)
    if reset is None and wait_s is not None and wait_s > LONGEST_WAIT_S:
        hint = _wait_hint(wait_s)
    return _Verdict(RateLimitError, sentence, hint)


def _reset_hint(reset: datetime | None, now: datetime) -> str:
    """Return a hint that says when a window resets, in local time."""
    if reset is None:
        return "it resets by itself; %cmd models lists other models"
    if reset <= now:
        return "it has just been reset; run the cell again"
    local = reset.astimezone()
    today = local.date() == now.astimezone().date()
    at = f"at {local:%H:%M}" if today else f"on {local:%Y-%m-%d at %H:%M}"
    return f"it resets {at} local time"


def _ceiling(status: int, envelope: Envelope) -> int | None:
    if status != 400:  # noqa: PLR2004  the only status this was seen with
        return None
    found = _CEILING.search(envelope.message or "")
    return int(found[2]) if found and 0 < int(found[2]) < int(found[1]) else None


def _fold(words: str | None) -> str:
    return (words or "").casefold().replace("_", " ")
