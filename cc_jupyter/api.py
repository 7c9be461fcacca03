"""The Python API: `ask` and `stream` use the same pipeline as the magics, without a display."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Literal

from cc_jupyter.core.errors import OptionError, RowsError
from cc_jupyter.core.events import StreamEvent, Waiting
from cc_jupyter.core.messages import MAX_STEPS, Parameters, PromptSpec, unshown_field
from cc_jupyter.core.text import check_characters, check_prompt
from cc_jupyter.render.base import NullRenderer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping, Sequence
    from os import PathLike
    from types import FrameType

    from IPython.core.interactiveshell import InteractiveShell

    from cc_jupyter.core.messages import ValueLimits
    from cc_jupyter.core.reply import Reply
    from cc_jupyter.experiments.grid import Grid
    from cc_jupyter.magics.cell_tools import CellTools
    from cc_jupyter.rows.progress import RowView
    from cc_jupyter.session.execution import ExecutionContext
    from cc_jupyter.session.in_flight import Interrupter, InterruptGuard
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
    allow: str | Callable[..., object] | Sequence[str | Callable[..., object]] = (),
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
        Functions that the model may call, and those that run, or their names: nobody is asked.
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


def map_rows(  # noqa: PLR0913  experiments.md, section 5
    data: Any,  # noqa: ANN401  of any library
    prompt: str,
    *,
    into: object | None = None,
    model: str | None = None,
    system: str | None = None,
    preview: int | None = None,
    check: str | Sequence[str] = (),
    concurrency: int | None = None,
    max_usd: float | str | None = None,
    max_requests: int | None = None,
    on_error: Literal["keep", "raise", "stop"] = "keep",
    unique: bool | None = None,
    fresh: bool = False,
    retry: str | Sequence[str] = (),
    executor: Any = None,  # noqa: ANN401  of concurrent.futures, or a Dask client
    **parameters: Any,  # noqa: ANN401  those of `ask`
) -> Any:  # noqa: ANN401  of the library of the data
    """Send a prompt for each row of a table; return the answers with the same index.

    Answers are stored as they arrive: run again, it sends only what is missing and what failed.
    Takes the other options of `ask` too, except those of a conversation;
    every function of `tools` must be allowed.

    Parameters
    ----------
    data
        A frame or series of pandas, polars or Dask, or an iterable of dicts.
    prompt
        `{{ }}` is filled in for each row, with `row`, `index`, the columns, then your names.
    into
        The type of the answers: one column for each of its fields. Without it, the text.
    preview
        Send only so many rows, drawn with a fixed seed, and project the bill.
    check
        Expressions that are evaluated for each answer: one column each.
    on_error
        `keep`: a row that fails is missing. `raise`: an error at the end. `stop`: at once.
    unique
        Send equal rows once; `False` sends each. Where all rows are equal, say which is meant.
    fresh, retry
        Send all rows again, or those whose answer ended so: `length`, `content_filter`, `type`.

    Raises
    ------
    OptionError, ConfigError
        An option cannot be used, or the call may cost too much; nothing was sent.
    RowsError
        Rows failed, as `on_error` says, or the run ended early; `error.result` has the others.
    KeyboardInterrupt
        The call was interrupted; `last_rows()` is what has ended.
    """
    options = {**locals(), **parameters}
    for name in ("data", "prompt", "parameters"):
        del options[name]
    return _map_rows(data, prompt, options, _caller_names())


def last_rows() -> Any:  # noqa: ANN401  of the library of the table
    """Return the result of the last run over rows, also of one that was interrupted.

    Raises
    ------
    OptionError
        There was none in this process.
    """
    from cc_jupyter.rows.calls import last_rows as last  # noqa: PLC0415  naming it loads no HTTP

    return last()


async def aask(prompt: str, **options: Any) -> Reply:  # noqa: ANN401  those of `ask`
    """Ask a model as `ask` does, without blocking the event loop; cancelling it interrupts it.

    Raises
    ------
    OptionError, ConfigError, ProviderError
        As `ask`.
    """
    from cc_jupyter.session.coroutines import in_thread  # noqa: PLC0415  naming it loads no HTTP
    from cc_jupyter.session.in_flight import Interrupter, InterruptGuard  # noqa: PLC0415  as above

    _check_names("aask", options)
    prepared, session = _prepare_with_tools(prompt, options), _session()
    control = Interrupter()

    def guard(wake: Callable[[], None]) -> InterruptGuard:
        made = InterruptGuard(wake)
        control.attach(made.interrupt)
        return made

    reply = await in_thread(lambda: session.run(prepared, NullRenderer(), guard), control.interrupt)
    if reply.error is not None:
        raise reply.error.with_traceback(None)
    return dataclasses.replace(reply, display=_display)


def amap(data: Any, prompt: str, **options: Any) -> Coroutine[Any, Any, Any]:  # noqa: ANN401  as `map_rows`
    """Send a prompt for each row as `map_rows` does, without blocking the event loop.

    Cancelling it interrupts it: `last_rows()` is what has ended.

    Raises
    ------
    OptionError, ConfigError, RowsError
        As `map_rows`.
    """
    return _amap(data, prompt, options, _caller_names())


async def _amap(
    data: object, prompt: str, options: Mapping[str, Any], names: Mapping[str, object]
) -> Any:  # noqa: ANN401  of the library of the data
    from cc_jupyter.session.coroutines import in_thread  # noqa: PLC0415  naming it loads no HTTP
    from cc_jupyter.session.in_flight import Interrupter  # noqa: PLC0415  as above

    control = Interrupter()
    return await in_thread(
        lambda: _map_rows(data, prompt, options, names, control), control.interrupt
    )


def _map_rows(
    data: object,
    prompt: str,
    options: Mapping[str, Any],
    names: Mapping[str, object],
    control: Interrupter | None = None,
) -> Any:  # noqa: ANN401  of the library of the data
    from cc_jupyter.rows.calls import run_call  # noqa: PLC0415  naming `map_rows` loads no HTTP
    from cc_jupyter.rows.python_call import in_python, row_call  # noqa: PLC0415  as above

    own = map_rows.__kwdefaults__ or {}
    of_request = {name: value for name, value in options.items() if name not in own}
    _check_prompt(prompt, options.get("system"))
    _check_names("map_rows", of_request, without=("thread", "new"))
    take, cell, session = _taker(options), _execution_context(), _session()
    settings = session.settings(**take("base_url", "max_retries"))
    tools = _tools(options, settings.value_limits, all_allowed_in="rows run")
    call = row_call(
        prompt,
        options,
        parameters=_parameters(take),
        value_limits=settings.value_limits,
        user_ns=names,
        notebook="" if cell is None else cell.notebook,
        turn_key=None if cell is None else cell.count_request(),
        settings=settings,
        control=control,
        tools=None if tools is None else tools.for_rows(options.get("max_steps")),
        **_keys(take),
        **take("system", "zdr"),
    )
    try:
        ended = run_call(session, data, call, _row_view(cell))
    except OptionError as error:
        raise in_python(error) from error.__cause__
    shell = _shell()
    if shell is not None and ended.reply is not None:
        shell.user_ns["_cmd"] = dataclasses.replace(ended.reply, display=_display)
    for message in ended.broken_checks:
        print(message)  # noqa: T201  as what a check prints
    try:
        ended.raise_failures(call)
    except RowsError as error:
        raise in_python(error) from error.__cause__
    return ended.result


def _row_view(cell: ExecutionContext | None) -> RowView:
    """Return where a run is shown: below the cell, or on a terminal."""
    from cc_jupyter.rows.progress import NullRowView  # noqa: PLC0415  naming `map_rows` loads no HTTP
    from cc_jupyter.rows.view import RowProgressView  # noqa: PLC0415  as above

    if cell is not None:
        return RowProgressView(cell.run_output(), None)
    if not sys.stderr.isatty():
        return NullRowView()
    from cc_jupyter.session.live_output import LineOutput  # noqa: PLC0415  as above

    return RowProgressView(LineOutput(sys.stderr), None)


def _caller_names() -> dict[str, object]:
    """Return the names that the caller sees, of whom the accessor is not one."""
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001  as pandas' `query`
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("cc_jupyter."):
        frame = frame.f_back
    return {} if frame is None else {**frame.f_globals, **frame.f_locals}


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
    others = {name: value for name, value in options.items() if name not in _TOOL_OPTIONS}
    given = _tools(options, _session().settings().value_limits)
    if given is None:
        return _prepare(prompt, **others)
    prepared = _prepare(prompt, **others, specs=given.specs)
    max_steps = options.get("max_steps") or MAX_STEPS
    return prepared._replace(new_runner=given.new_run, max_steps=max_steps)


def _tools(
    options: Mapping[str, Any], limits: ValueLimits, *, all_allowed_in: str | None = None
) -> CellTools | None:
    """Return the functions that a call offers; `None`: it offers none."""
    tools, allow, max_steps = (options.get(name) for name in _TOOL_OPTIONS)
    if not tools:
        if allow or max_steps:
            raise OptionError("`allow` and `max_steps` need functions", hint="add tools=[…]")
        return None
    from cc_jupyter.magics.cell_tools import functions_as_tools  # noqa: PLC0415  only tools need it

    if max_steps is not None and max_steps < 1:
        raise OptionError(f"`max_steps` must be at least 1, not {max_steps}")
    allowed = (allow,) if isinstance(allow, str) or callable(allow) else tuple(allow or ())
    return functions_as_tools(tools, allowed, limits, all_allowed_in=all_allowed_in)


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
