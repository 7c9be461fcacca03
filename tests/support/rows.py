"""Runs over rows for tests: rows, an answer that tells them apart, and a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cc_jupyter.rows.calls import RowCall, RowsEnded, run_call
from cc_jupyter.rows.progress import NullRowView
from cc_jupyter.rows.python_call import row_call
from support import provider as scripted

if TYPE_CHECKING:
    from cc_jupyter.session.session import Session

MODEL = "deepseek/deepseek-v4-flash"
PROMPT = "word {{ text }}"


def texts(count: int) -> list[dict[str, object]]:
    """Return rows with different texts."""
    return [{"text": str(number)} for number in range(count)]


def prompt_of(record: Any) -> str:
    """Return the prompt of a request."""
    return str(record.json["messages"][-1]["content"])


def echo(record: Any) -> Any:
    """Answer with the prompt."""
    return scripted.openai_stream([prompt_of(record)])


def called(session: Session, prompt: str = PROMPT, **given: Any) -> RowCall:
    """Return the call with these arguments of `map_rows`; `names` are the user's."""
    names, name = given.pop("names", {}), given.pop("name", None)
    system = given.pop("system", None)
    limits = session.settings().value_limits
    return row_call(
        prompt,
        {"model": MODEL, **given},
        system=system,
        user_ns=names,
        value_limits=limits,
        name=name,
    )


def run(
    session: Session, data: object, prompt: str = PROMPT, view: Any = None, **given: Any
) -> RowsEnded:
    """Run a prompt over rows; nothing that failed is raised."""
    call = called(session, prompt, **given)
    return run_call(session, data, call, view or NullRowView())


def raised(session: Session, data: object, prompt: str = PROMPT, **given: Any) -> BaseException:
    """Run a prompt over rows, and return what the caller must know."""
    call = called(session, prompt, **given)
    ended = run_call(session, data, call, NullRowView())
    with pytest.raises(BaseException) as caught:
        ended.raise_failures(call)
    return caught.value
