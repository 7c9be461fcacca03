"""The arguments of `map_rows`, read and checked as the options of a cell are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from cc_jupyter.core.errors import CcError, OptionError
from cc_jupyter.prompt.option_line.values import read_count, read_usd
from cc_jupyter.rows.calls import RowCall, read_retry
from cc_jupyter.rows.engine import OnError
from cc_jupyter.session.run_limits import RunLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


_Read = TypeVar("_Read")
_SWITCHES = ("fresh",)
_OPTION = re.compile(r"--(max-usd|max-requests|max-steps) ([0-9.]+)")


def row_call(prompt: str, given: Mapping[str, Any], **fields: Any) -> RowCall:  # noqa: ANN401  fields of `RowCall`
    """Return the call for the arguments of `map_rows`.

    Parameters
    ----------
    given
        By the name of the argument; those of the request itself are among `fields`.

    Raises
    ------
    OptionError
        An argument cannot be used; nothing was sent.
    """
    on_error = given.get("on_error", "keep")
    if on_error not in get_args(OnError):
        raise OptionError(
            f"`on_error` cannot be {on_error!r:.40}",
            hint=f"choose from {', '.join(get_args(OnError))}",
        )
    unique = given.get("unique")
    if unique not in (None, True, False):
        raise OptionError(f"`unique` is True or False, not {unique!r:.40}")
    for name in _SWITCHES:
        if given.get(name, False) not in (True, False):
            raise OptionError(f"`{name}` is True or False, not {given[name]!r:.40}")
    into = given.get("into")
    checks = given.get("check", ())
    return RowCall(
        prompt,
        into=into,
        output_type=None if into is None else _output_type(into),
        model=_model(given.get("model")),
        checks=(checks,) if isinstance(checks, str) else tuple(checks),
        preview=_count(given, "preview", 20),
        concurrency=_count(given, "concurrency", 32),
        limits=RunLimits(
            _read(given, "max_usd", read_usd, 0.5), _count(given, "max_requests", 100)
        ),
        on_error=on_error,
        unique=unique,
        fresh=bool(given.get("fresh")),
        retry=read_retry(given.get("retry", ())),
        executor=given.get("executor"),
        **fields,
    )


def in_python(error: CcError) -> CcError:
    """Return an error whose hint names arguments, not the options of a cell."""
    if error.hint is not None:
        error.hint = _OPTION.sub(_as_argument, error.hint)
    return error


def _as_argument(option: re.Match[str]) -> str:
    return f"{option[1].replace('-', '_')}={option[2]}"


def _output_type(into: object) -> Any:  # noqa: ANN401  an `OutputType`
    from cc_jupyter.prompt.output_types import output_type_for  # noqa: PLC0415  an answer as text does not need it

    if isinstance(into, str):
        raise OptionError(
            f"`into` takes a type, not the text {into!r:.40}",
            hint='for example into=int, or into=Literal["good", "bad"]',
        )
    return output_type_for(into)


def _model(given: object) -> str | None:
    if given is None or isinstance(given, str):
        return given
    raise OptionError(
        f"`model` takes one model, not {given!r:.60}",
        hint="rows are answered by one model; cc_jupyter.compare asks several",
    )


def _count(given: Mapping[str, Any], name: str, example: int) -> int | None:
    return _read(given, name, read_count, example)


def _read(
    given: Mapping[str, Any], name: str, read: Callable[[str, str], _Read], example: object
) -> _Read | None:
    value = given.get(name)
    if value is None:
        return None
    try:
        return read(name, str(value))
    except OptionError as error:
        error.hint = f"for example {name}={example}"
        raise
