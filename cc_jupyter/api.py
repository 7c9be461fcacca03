"""The Python face: the same path as the magics, without a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cc_jupyter.errors import OptionError
from cc_jupyter.events import StreamEvent, Waiting
from cc_jupyter.messages import Parameters
from cc_jupyter.render import Silent
from cc_jupyter.session import Plan, Question, shared_session

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cc_jupyter.reply import Reply


def ask(  # noqa: PLR0913  the options of spec.md, section 5
    prompt: str,
    *,
    model: str | None = None,
    system: str | None = None,
    temperature: float | None = None,
    top_p: float | None = None,
    max_tokens: int | None = None,
    stop: str | Sequence[str] = (),
    effort: str | None = None,
    param: Mapping[str, Any] | None = None,
    thread: str | None = None,
    new: bool = False,
    zdr: bool = False,
    key_env: str | None = None,
    base_url: str | None = None,
    api_key_env: str | None = None,
    max_retries: int | None = None,
) -> Reply:
    """Ask a model and give its whole answer; nothing is shown.

    Parameters
    ----------
    prompt
        Sent to the letter; `{{ }}` is text here.
    system
        The system prompt; in a thread it holds from this turn on.
    param
        Other fields of the body, as JSON values.
    thread
        The conversation to join; without one nothing is remembered.
    new
        Start that conversation anew.
    key_env, api_key_env
        The variable that holds the key, never the key itself; two names for one thing.

    Raises
    ------
    OptionError, ConfigError
        Something is wrong or missing; nothing was sent.
    ProviderError
        The request was refused, or the answer broke off: `error.reply` is the part that came.
    KeyboardInterrupt
        It was interrupted; the connection is closed.
    """
    options = {k: v for k, v in locals().items() if k != "prompt"}
    session = shared_session()
    reply = session.run(_plan(prompt, **options), Silent())
    if reply.error is not None:
        raise reply.error
    return reply


def stream(prompt: str, **options: Any) -> Iterator[StreamEvent]:  # noqa: ANN401  those of `ask`
    """Ask a model and give the events of its answer as they come.

    Takes the options of `ask`. The last event is a `Stop` or an `Error`; closing the iterator
    closes the connection.

    Raises
    ------
    OptionError, ConfigError
        Something is wrong or missing; nothing was sent. Raised by this call, not by the iterator.
    ProviderError
        The request was refused; raised by the iterator.
    """
    plan = _plan(prompt, **options)
    events = shared_session().stream(plan)
    return (event for event in events if not isinstance(event, Waiting))


def _plan(prompt: str, **options: Any) -> Plan:  # noqa: ANN401  those of `ask`
    if not isinstance(prompt, str) or not prompt.strip():
        raise OptionError(f"the prompt must be a text that is not empty, not {prompt!r:.60}")
    given = {name: value for name, value in options.items() if value is not None}
    fields = {
        name: given.pop(name)
        for name in ("temperature", "top_p", "max_tokens", "effort")
        if name in given
    }
    stop = given.pop("stop", ())
    key_env = given.pop("key_env", None) or given.pop("api_key_env", None)
    given.pop("api_key_env", None)
    session = shared_session()
    settings = session.settings(
        **{name: given.pop(name) for name in ("base_url", "max_retries") if name in given}
    )
    parameters = Parameters(
        **fields,
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        extra=given.pop("param", {}),
    )
    thread = given.pop("thread", None)
    question = Question(
        prompt, parameters=parameters, thread=thread, once=thread is None, key_env=key_env, **given
    )
    return session.plan(question, settings)
