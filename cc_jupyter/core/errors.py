"""The exception tree: every failure a user can meet, grouped by what to do next.

CcError ─┬─ OptionError    the option line, the prompt or a `{{ }}` is wrong; nothing was sent
         │   └─ BudgetError   a budget does not allow the request; it was not sent
         ├─ ConfigError    a key, a model, a setting or a file is missing or unusable
         ├─ GridError      some requests of a grid failed; the others have answers
         ├─ StoreError     the history file cannot be read or written
         ├─ CheckError     a check of the answer is false; the answer is saved
         ├─ BrokenCheckError  a check raised, so it judges nothing; the answer is saved
         └─ ProviderError ─┬─ ConnectError     no answer at all
                           ├─ StatusError ─┬─ AuthError        the key is missing or wrong
                           │  (refused)    ├─ PlanError        the plan does not include this
                           │               ├─ CreditError      the credits are used up
                           │               ├─ RateLimitError   too many requests in this time
                           │               └─ ModelError       the model is unknown or unavailable
                           ├─ StreamError      the answer started and then failed
                           └─ CassetteError    a cassette has no such answer, or is unusable

A message is one sentence that says what happened and names the value; the hint says what to do.
"""

from __future__ import annotations

import linecache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from cc_jupyter.core.reply import Reply


class CcError(Exception):
    """Base class: `str(error)` is one sentence to show below a cell.

    Parameters
    ----------
    message
        What happened, with the value in question.
    hint
        What to do about it.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        """Return the sentence, with control characters shown: it may end on a terminal."""
        return _shown(super().__str__())

    def _render_traceback_(self) -> list[str]:
        """Return the lines IPython shows instead of a traceback; the cell still fails."""
        lines = [f"{type(self).__name__}: {self}"]
        if self.hint is not None:
            lines.append(f"Hint: {self.hint}")
        where = _user_line(self.__traceback__)
        if where is not None:
            lines.append(where)
        return [_shown(line) for line in lines]


class OptionError(CcError):
    """The option line, the prompt or an expression in it is wrong; nothing was sent."""


class BudgetError(OptionError):
    """What is left of a budget is not enough for the request; it was not sent."""


class ConfigError(CcError):
    """A key, a model, a setting or a file is missing or cannot be used."""


class StoreError(CcError):
    """The history file cannot be read or written."""


class CheckError(CcError):
    """A check of an answer is false. The answer is saved, and its name is bound."""

    reply: Reply | None = None
    """The answer; `None` for the checks of many answers."""


class BrokenCheckError(CcError):
    """A check raised, or its value is neither true nor false. The answer is saved."""

    reply: Reply | None = None
    """The answer; `None` for the checks of many answers."""


class GridError(CcError):
    """Some requests of a grid failed; `grid` has the answers of the others."""

    def __init__(self, message: str, *, hint: str | None = None, grid: object = None) -> None:
        super().__init__(message, hint=hint)
        self.grid = grid


class ProviderError(CcError):
    """The provider gave no usable answer.

    Parameters
    ----------
    message
        What happened, in our words.
    hint
        What to do about it.
    status
        HTTP status; `None` if there was no response.
    code
        The provider's own code or type, such as `unsupported_model`.
    provider_message
        What the provider wrote, without secrets.
    retry_after_s
        Seconds to wait before trying again, if the provider sent them.
    request_id
        The provider's id of the request, to quote to its support.
    """

    is_final = False
    """Whether asking another model is no use: the key or plan is refused, a quota is used up."""
    is_too_many = False
    """Whether there were only too many requests, so that this one may be sent again later."""

    def __init__(  # noqa: PLR0913  the fields are the contract of spec.md, section 5
        self,
        message: str,
        *,
        hint: str | None = None,
        status: int | None = None,
        code: str | None = None,
        provider_message: str | None = None,
        retry_after_s: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code
        self.message = provider_message
        self.retry_after_s = retry_after_s
        self.request_id = request_id
        self.reply: Reply | None = None
        """The part of the answer that was received, or `None`."""


class ConnectError(ProviderError):
    """No answer: host not found, connection refused, timed out, or closed before any byte."""


class StatusError(ProviderError):
    """The provider refused the request with a status of 300 or more."""


class AuthError(StatusError):
    """The key is missing or wrong."""

    is_final = True


class PlanError(StatusError):
    """The plan does not include the Provider API or this model."""

    is_final = True


class CreditError(StatusError):
    """The credits or the spending cap are used up."""

    is_final = True


class RateLimitError(StatusError):
    """Too many requests, or the plan's window is used up."""


class ModelError(StatusError):
    """The provider does not know the model, or not on this endpoint, or has no server for it."""

    is_unknown = False
    """Whether the server has no model of this name, so that a close one may be meant."""


class RowsError(CcError):
    """Rows of a run failed; `error.result` has all others.

    Parameters
    ----------
    result
        The result of the run: a frame, a series or a list.
    """

    def __init__(self, message: str, *, hint: str | None = None, result: object = None) -> None:
        super().__init__(message, hint=hint)
        self.result = result


class StreamError(ProviderError):
    """The answer started and then failed, or contained neither text nor reasoning."""


class CassetteError(ProviderError):
    """The cassette in use does not contain the request, or cannot be read or written."""


def _shown(text: str) -> str:
    from cc_jupyter.core.terminal import safe_terminal  # noqa: PLC0415  needed for shown errors only

    return safe_terminal(text)


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return a hint that names up to three close matches, or `None` when nothing is close.

    Names that begin with the word come before names that only resemble it.
    """
    by_folded = {name.casefold(): name for name in known}
    start = word.casefold()
    close = [folded for folded in by_folded if start and folded.startswith(start)][:3]
    if close:
        return f"did you mean {' or '.join(by_folded[folded] for folded in close)}?"
    from difflib import get_close_matches  # noqa: PLC0415  only a slip needs it

    close = get_close_matches(word.casefold(), by_folded, n=3, cutoff=0.6)
    if not close:
        close = [folded for folded in by_folded if word and word.casefold() in folded][:3]
    if not close:
        return None
    return f"did you mean {' or '.join(by_folded[folded] for folded in close)}?"


def _user_line(traceback: TracebackType | None) -> str | None:
    """Return the line of the user's code that raised; `None` for a cell that is only a magic."""
    found: str | None = None
    while traceback is not None:
        name = traceback.tb_frame.f_code.co_filename
        if "ipykernel_" in name or "ipython-input" in name or "<ipython" in name:
            lines = linecache.getlines(name)
            if len(lines) < 2:  # noqa: PLR2004  one line needs no number
                return None
            source = linecache.getline(name, traceback.tb_lineno).strip()
            shown = "" if "get_ipython().run_" in source else f": {source}"
            found = f"at line {traceback.tb_lineno} of the cell{shown}"
        traceback = traceback.tb_next
    return found


_SMALLER_IMAGE = (
    "make it smaller: image.thumbnail((1568, 1568)) with Pillow, or a lower dpi for a figure;"
    " models scale larger images down anyway"
)


def too_large(what: str, size_bytes: int, limit_bytes: int) -> OptionError:
    """Return the error for an input over its size limit, with both sizes and a remedy."""
    return OptionError(
        f"{what} is too large: {size_bytes / 1e6:,.1f} MB as sent, the limit is"
        f" {limit_bytes / 1e6:,.1f} MB",
        hint=_SMALLER_IMAGE,
    )
