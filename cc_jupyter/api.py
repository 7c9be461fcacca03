"""The Python API: `ask` and `stream` use the same pipeline as the magics, without a display."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Literal

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.events import StreamEvent, Waiting
from cc_jupyter.core.messages import MAX_STEPS, Parameters, PromptSpec, unshown_field
from cc_jupyter.core.text import check_characters, check_prompt
from cc_jupyter.render.base import NullRenderer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
    from os import PathLike

    from IPython.core.interactiveshell import InteractiveShell

    from cc_jupyter.core.reply import Reply
    from cc_jupyter.experiments.grid import Grid
    from cc_jupyter.session.execution import ExecutionContext
    from cc_jupyter.session.prepare import PreparedRequest
    from cc_jupyter.session.session import Session

_TOOL_OPTIONS = ("tools", "allow", "max_steps")
_RESERVED_FIELDS = ("model", "messages", "stream", "system")


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
    tools: Sequence[Callable[..., object]] = (),
    allow: str | Sequence[str] = (),
    max_steps: int | None = None,
) -> Reply:
    """Ask a model and return its whole answer; nothing is displayed.

    Parameters
    ----------
    prompt
        Sent unchanged; `{{ }}` is plain text here.
    system
        The system prompt; in a thread it applies from this turn on.
    param
        Other fields of the request body, as JSON values.
    thread
        The conversation to continue; without one, no earlier turns are sent.
    new
        Start a new conversation in this thread.
    key_env, api_key_env
        The environment variable that holds the key; both names mean the same.
    tools, allow
        Functions that the model may call, and the names of those that run: nobody is asked.
    max_steps
        The most requests of a call with tools; by default 8.

    Raises
    ------
    OptionError, ConfigError
        An option or setting is invalid or missing; nothing was sent.
    ProviderError
        The request was rejected, or the answer broke off; `error.reply` is the part received.
    KeyboardInterrupt
        The call was interrupted; the connection is closed.
    """
    options = {k: v for k, v in locals().items() if k != "prompt"}
    reply = _session().run(_prepare_with_tools(prompt, options), NullRenderer())
    if isinstance(reply.error, KeyboardInterrupt):
        raise reply.error.with_traceback(None)  # show only the user's frames
    if reply.error is not None:
        raise reply.error
    return dataclasses.replace(reply, display=_display)


def compare(  # noqa: PLR0913  experiments.md, section 2
    prompt: str,
    *,
    models: Sequence[str] = (),
    temperatures: Sequence[float] = (),
    systems: Sequence[str] = (),
    vary: Mapping[str, object] | None = None,
    n: int = 1,
    checks: Sequence[str] = (),
    max_usd: float | str | None = None,
    max_requests: int | None = None,
    **options: Any,  # noqa: ANN401  those of `ask`
) -> Grid:
    """Ask for the answers of all combinations at once; an answer that failed has an error.

    Nothing is displayed. Takes the other options of `ask` too, except those of a conversation.

    Parameters
    ----------
    prompt
        Sent unchanged, or with the varied names filled in: `{{ topic }}`.
    models, temperatures, systems
        All combinations are sent; by default the current model with its settings.
    vary
        By name: an iterable of values, or a dict whose keys are their labels.
    n
        How many answers each combination gives.
    checks
        Expressions over `answer`, `value`, `reply`, `usage`, `cost_usd` and the caller's names.
    max_usd, max_requests
        What the whole call may cost and send; what would exceed it is not sent.

    Raises
    ------
    OptionError, ConfigError
        An option cannot be used, or the call may cost too much; nothing was sent.
    KeyboardInterrupt
        The call was interrupted; what had ended is in the history.
    """
    from cc_jupyter.experiments.compare import Comparison  # noqa: PLC0415  naming `compare` loads no HTTP

    _check_prompt(prompt, options.get("system"))
    without = ("model", "temperature", "thread", "new", *_TOOL_OPTIONS)
    _check_names("compare", options, without=without)
    take = _taker(options)
    caller = sys._getframe(1)  # noqa: SLF001  as pandas' `query`
    session = _session()
    comparison = Comparison(
        prompt, models, temperatures, systems, vary or {}, n, checks, max_usd, max_requests
    )
    return comparison.run(
        session,
        session.settings(**take("base_url", "max_retries")),
        _execution_context(),
        _parameters(take),
        names={**caller.f_globals, **caller.f_locals},
        **_keys(take),
        **take("system", "zdr"),
    )


def stream(prompt: str, **options: Any) -> Iterator[StreamEvent]:  # noqa: ANN401  those of `ask`
    """Ask a model and yield the events of its answer as they arrive.

    Takes the options of `ask`. The last event is a `Stop` or an `Error`; closing the iterator
    closes the connection.

    Raises
    ------
    OptionError, ConfigError
        An option or setting is invalid or missing; nothing was sent. Raised by this call, not by
        the iterator.
    ProviderError
        The request was rejected; raised by the iterator.
    """
    _check_names("stream", options, without=_TOOL_OPTIONS)
    return _events(_session().stream(_prepare(prompt, **options)))


@contextmanager
def cassette(
    path: str | PathLike[str] = "",
    mode: Literal["record", "replay", "auto", "off"] = "auto",
    *,
    speed: float | None = None,
) -> Iterator[None]:
    """Record the answers of a block in a cassette, or replay them, in every thread.

    Parameters
    ----------
    path
        A file, or a folder whose cassettes are replayed; by default the file next to the notebook.
    mode
        `record` sends every request and keeps its latest answer. `replay` answers from the cassette
        alone: it needs no key and sends nothing. `auto` replays what is recorded, and sends and
        records the rest. `off` uses no cassette.
    speed
        How fast answers are replayed: 1 as recorded, 2 twice as fast; by default at once.

    Raises
    ------
    OptionError
        The mode or the speed cannot be used.
    CassetteError
        The cassette cannot be read or written.
    ConfigError
        A path is needed.
    """
    from cc_jupyter.session.tapes import cassette_in_use, chosen  # noqa: PLC0415  naming `ask` loads no settings

    with cassette_in_use(_session(), chosen(mode, os.fspath(path), speed)):
        yield


def _events(events: Generator[StreamEvent, None, None]) -> Iterator[StreamEvent]:
    with closing(events):
        for event in events:
            if not isinstance(event, Waiting):
                yield event


def _prepare(prompt: str, **options: Any) -> PreparedRequest:  # noqa: ANN401  those of `ask`
    _check_prompt(prompt, options.get("system"))
    take = _taker(options)
    session, cell = _session(), _execution_context()
    settings = session.settings(**take("base_url", "max_retries"))
    spec = PromptSpec(
        prompt,
        parameters=_parameters(take),
        once=options.get("thread") is None,
        # a cell that runs again replaces its turns
        turn_key=None if cell is None else cell.count_request(),
        execution=None if cell is None else cell.token,
        notebook="" if cell is None else cell.notebook,
        tools=options.get("specs", ()),
        **_keys(take),
        **take("model", "system", "thread", "new", "zdr"),
    )
    return session.prepare(spec, settings)


def _prepare_with_tools(prompt: str, options: Mapping[str, Any]) -> PreparedRequest:
    """Prepare a request that may offer functions of the caller's."""
    tools, allow, max_steps = (options[name] for name in _TOOL_OPTIONS)
    others = {name: value for name, value in options.items() if name not in _TOOL_OPTIONS}
    if not tools:
        if allow or max_steps:
            raise OptionError("`allow` and `max_steps` need functions", hint="add tools=[…]")
        return _prepare(prompt, **others)
    from cc_jupyter.magics.cell_tools import functions_as_tools  # noqa: PLC0415  only tools need it

    if max_steps is not None and max_steps < 1:
        raise OptionError(f"`max_steps` must be at least 1, not {max_steps}")
    names = (allow,) if isinstance(allow, str) else tuple(allow)
    settings = _session().settings()
    given = functions_as_tools(tools, names, settings.value_limits)
    prepared = _prepare(prompt, **others, specs=given.specs)
    return prepared._replace(new_runner=given.new_run, max_steps=max_steps or MAX_STEPS)


def _taker(options: Mapping[str, Any]) -> Callable[..., dict[str, Any]]:
    """Return a function that picks the given ones among the options of these names."""
    return lambda *names: {name: options[name] for name in names if options.get(name) is not None}


def _parameters(take: Callable[..., dict[str, Any]]) -> Parameters:
    given = take("stop", "param")
    stop = given.get("stop", ())
    return Parameters(
        **take("temperature", "top_p", "max_tokens", "effort"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        extra=_extra(given.get("param", {})),
    )


def _keys(take: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    keys = take("key_env", "api_key_env")
    return {"key_env": keys.get("key_env") or keys.get("api_key_env")}


def _check_names(function: str, options: Mapping[str, Any], without: Sequence[str] = ()) -> None:
    known = [name for name in ask.__kwdefaults__ or {} if name not in without]
    for name in options:
        if name not in known:
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")


def _check_prompt(prompt: object, system: str | None) -> None:
    if not isinstance(prompt, str):
        raise OptionError(f"the prompt must be a string, not {prompt!r:.60}")
    check_prompt(prompt, where_to="give it as the first argument")
    check_characters(system or "")


def _extra(param: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in _RESERVED_FIELDS:
        if name in param:
            raise OptionError(f"`param` cannot set `{name}`", hint="use its own argument")
    for name, value in param.items():
        if (unshown := unshown_field(name, value)) is not None:
            raise OptionError(f"`param` cannot set `{unshown[0]}`", hint=unshown[1])
    try:
        json.dumps(dict(param), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise OptionError(f"`param` is not valid JSON: {error}") from error
    return param


def _shell() -> InteractiveShell | None:
    """Return the running IPython, if there is one."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython  # noqa: PLC0415  plain programs do not load it

    shell: InteractiveShell | None = get_ipython()
    return shell


def _session() -> Session:
    """Return the session of the magics, which has the settings of `%config` and the profile."""
    shell = _shell()
    magics = shell.magics_manager.registry.get("CmdMagics") if shell is not None else None
    if magics is None:
        from cc_jupyter.session.session import shared_session  # noqa: PLC0415  naming `ask` loads no HTTP

        session = shared_session()
        session.notebook = _notebook
    else:
        session = magics.cells.session
    return session


def _notebook() -> str:
    cell = _execution_context()
    return "" if cell is None else cell.notebook


def _execution_context() -> ExecutionContext | None:
    """Return the running execution of IPython; `None` in a plain program."""
    shell = _shell()
    if shell is None:
        return None
    from cc_jupyter.session.execution import execution_context  # noqa: PLC0415  naming `ask` loads no HTTP

    return execution_context(shell)


def _display(reply: Reply) -> None:
    cell = _execution_context()
    if cell is not None:
        cell.show_again(reply)
