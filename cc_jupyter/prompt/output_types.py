"""Asks for typed answers, `-> x: TYPE` and `-f json`, and turns an answer into a value.

Finding the JSON is lenient: it may be alone, in a code fence or surrounded by text. Nothing is
repaired: truncated or broken JSON is rejected, and a part is never taken for the whole.

Checking is strict, so that a type can be relied on: `"yes"` is not a bool and `"3"` is not an int.
Only conversions that JSON makes necessary are allowed: it has no dates, no tuples and one kind of
number. pydantic does the checking; it is an optional extra, imported when the first type is used.

An answer that does not fit is sent back once with the error; the session does the sending.
"""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.errors import ConfigError, OptionError, StreamError
from cc_jupyter.core.fences import fenced_blocks
from cc_jupyter.core.messages import Message, ResponseFormat
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.text import describe, excerpt
from cc_jupyter.prompt.json_schema import close, drop_unset, is_object, wrap

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import TypeAdapter, ValidationError

    from cc_jupyter.core.messages import Request
    from cc_jupyter.core.reply import Reply


_DECODER = json.JSONDecoder(strict=False)  # models write line breaks into strings
# an object begins anywhere, an array only a line: `[1]` in a sentence is a footnote; what cannot
# go on as JSON is text about braces
_START = re.compile(
    r'\{(?=\s*["}])|^[ \t]*\[(?=\s*(?:["\[{\]\d-]|true\b|false\b|null\b))', re.MULTILINE
)


def find_json(answer: str) -> list[Any]:
    """Return the JSON values of an answer: all of it, else those in fences, else those in the text.

    In running text only objects and arrays count.
    """
    text = answer.strip().removeprefix("\ufeff")
    found = _decoded(text)
    if not found:
        fenced = dict.fromkeys(block.code for block in fenced_blocks(text) if block.is_closed)
        found = [value for code in fenced for value in _decoded(code.strip())]
    return found or _inside(text)


def complaint(answer: str) -> str:
    """Say why an answer in which nothing was found is no JSON."""
    begin = re.search(r"[{\[]", answer)
    if begin is None:
        return "there is no JSON in it"
    try:
        _DECODER.raw_decode(answer, begin.start())
    except json.JSONDecodeError as error:
        if error.pos >= len(answer.rstrip()) or error.msg.startswith("Unterminated"):
            return "the JSON breaks off"
        return f"not JSON: {error.msg} at character {error.pos + 1:,}"
    except (ValueError, RecursionError):
        return "the JSON cannot be read"
    return "the JSON cannot be told from the text around it"


def _decoded(text: str) -> list[Any]:
    try:
        return [_DECODER.decode(text)]
    except (ValueError, RecursionError):
        return []


def _inside(text: str) -> list[Any]:
    found: dict[str, Any] = {}
    position = 0
    while start := _START.search(text, position):
        place = start.end() - 1
        try:
            value, position = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError):
            return []  # broken or cut: what is whole inside it is only a part
        found[text[place:position]] = value
    return list(found.values())


MOST_DETAILS = 5
_KINDS = (
    "int, float, str, bool, list[…], dict[str, …], Literal[…], Optional[…], dates, dataclasses,"
    " TypedDict, Enum and pydantic models can be asked for"
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_PROBLEM_CHARS = 160


class ValidationProblem(Exception):  # noqa: N818  not yet an error: the model is asked once more
    """An answer that is not of the type; `str(problem)` is one line."""

    def __init__(self, *details: str) -> None:
        shown = "; ".join(details[:MOST_DETAILS])
        more = len(details) - MOST_DETAILS
        super().__init__(f"{shown}; {more} more" if more > 0 else shown)
        self.details = details
        """One line for each thing that is wrong, with its place."""


class Reader:
    """Checks parsed JSON against one type."""

    def __init__(
        self, adapter: TypeAdapter[Any], schema: dict[str, Any], misfit: type[ValidationError]
    ) -> None:
        self._adapter = adapter
        self._misfit = misfit
        self.schema = schema
        self.wrapped = not is_object(schema)

    def read(self, value: Any) -> object:  # noqa: ANN401  any JSON
        """Return the value; a wrapped type may come bare."""
        if not (self.wrapped and is_wrapped(value)):
            return self._fit(value)
        try:
            return self._fit(value["value"])
        except ValidationProblem as problem:
            try:
                return self._fit(value)
            except ValidationProblem:
                raise problem from None

    def _fit(self, value: Any) -> object:  # noqa: ANN401
        try:
            try:
                return self._check(json.dumps(value))
            except ValidationProblem:
                return self._check(json.dumps(drop_unset(value, self.schema)))
        except RecursionError:
            raise ValidationProblem("it is nested too deeply") from None

    def _check(self, text: str) -> object:
        try:
            return self._adapter.validate_json(text, strict=True)
        except self._misfit as misfit:
            errors: list[Any] = misfit.errors(include_url=False, include_context=False)
        if all(map(_is_forgivable, errors)):
            try:
                return self._adapter.validate_json(text)
            except self._misfit as misfit:
                errors = misfit.errors(include_url=False, include_context=False)
        raise ValidationProblem(*map(_detail, errors))


def reader_for(annotation: Any, label: str) -> Reader:  # noqa: ANN401  types have no common type
    """Return the reader of a type; `label` names it in messages.

    Raises
    ------
    ConfigError
        pydantic is not installed.
    OptionError
        No JSON can hold such a value.
    """
    try:
        from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415  an extra
    except ImportError as error:
        raise ConfigError(
            f"`-> x: {label}` needs pydantic 2, which is not installed",
            hint="pip install 'cc-jupyter[typed]', then restart the kernel",
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a default that is no JSON is not sent, that is all
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(annotation)
            return Reader(adapter, adapter.json_schema(), ValidationError)
        except Exception as error:
            raise OptionError(
                f"no JSON can hold `{label}`: {_reason(error)}", hint=_KINDS
            ) from error


def _reason(error: Exception) -> str:
    """Say which part of a type pydantic does not know, or what else it says."""
    found = re.search(r"pydantic-core schema for (.+?)\. Set ", str(error), re.DOTALL)
    if found is not None:
        return f"nothing is known of {excerpt(found[1])}"
    return describe(error).partition(" For further information")[0]


def _is_forgivable(error: dict[str, Any]) -> bool:
    """Tell what only strictness refuses: `3.0` as an int, a day as a time or the other way."""
    given = error["input"]
    if error["type"] in ("int_type", "string_type"):  # both, where the type is `int | str`
        return isinstance(given, float) and given.is_integer()
    if error["type"] in ("date_parsing", "datetime_parsing"):
        return isinstance(given, str) and _DATE.match(given) is not None
    return False


def _detail(error: dict[str, Any]) -> str:
    """Say in one line what is wrong, and where."""
    place = "".join(f"[{at}]" if isinstance(at, int) else f".{at}" for at in error["loc"])
    said = f"{error['msg'][:1].lower()}{error['msg'][1:]}"
    given = error["input"]
    plain = not isinstance(given, (dict, list))
    if error["type"] != "missing" and (plain or error["type"].endswith("_type")):
        shown = json.dumps(given, ensure_ascii=False, default=str) if plain else kind_of(given)
        said = f"{said}, not {excerpt(redact(shown))}"
    said = excerpt(said, _PROBLEM_CHARS)
    return f"{excerpt(place.removeprefix('.'))}: {said}" if place else said


def kind_of(value: object) -> str:
    """Name the kind of a JSON value."""
    match value:
        case dict():
            return "an object"
        case list():
            return "a list"
        case str():
            return "a text"
        case bool() | None:
            return json.dumps(value)
        case _:
            return "a number"


def is_wrapped(value: object) -> bool:
    """Return whether a value comes in the member `value` of an object, as it was asked for."""
    return isinstance(value, dict) and value.keys() == {"value"}


_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class OutputType:
    """The type and schema that an answer must match."""

    label: str
    """The type, as messages name it."""
    form: ResponseFormat
    read: Callable[[Any], object]
    """Gives the value of parsed JSON, or raises `ValidationProblem`."""
    wrapped: bool = False
    """Whether the member `value` of an object is requested; a bare value is accepted too."""

    @property
    def name(self) -> str:
        """What the schema is called on the wire."""
        return self.form.name

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema sent with the request; its root is an object."""
        return dict(self.form.schema)

    @property
    def instruction(self) -> str:
        """Ask in words, for servers that take no schema."""
        return self.form.instruction

    def validate(self, answer: str) -> object:
        """Return the value of an answer.

        Raises
        ------
        ValidationProblem
            It holds no JSON, none that fits, or several that do.
        """
        if not answer.strip():
            raise ValidationProblem("the answer is empty")
        fitting: list[object] = []
        problem: ValidationProblem | None = None
        for found in find_json(answer):
            try:
                fitting.append(self.read(found))
            except ValidationProblem as misfit:
                problem = problem or misfit
        if len(fitting) > 1:
            raise ValidationProblem(f"{len(fitting)} values that fit stand in it, not one")
        if fitting:
            return fitting[0]
        bare = answer.strip()
        if self.wrapped and bare[0] not in '{["`':  # a word or a date without its quotes
            try:
                return self.read(bare)
            except ValidationProblem as misfit:
                problem = problem or misfit
        raise problem or ValidationProblem(complaint(answer))

    def repair_prompt(self, problem: ValidationProblem) -> str:
        """Ask for a corrected answer."""
        wrong = "\n".join(f"- {detail}" for detail in problem.details[:MOST_DETAILS])
        return f"That answer does not fit:\n{wrong}\nCorrect it. {self.instruction}"

    def repair_notice(self, problem: ValidationProblem) -> str:
        """Return the notice that the request is repeated once."""
        reason = excerpt(str(problem), _PROBLEM_CHARS)
        return f"the answer was not {self.label} ({reason}); asked once more"

    def repaired(self, request: Request, reply: Reply, problem: ValidationProblem) -> Request:
        """Return the request that asks for the correction of a reply to `request`."""
        said = Message("assistant", reply.text)
        asked = Message("user", self.repair_prompt(problem))
        return replace(request, messages=(*request.messages, said, asked))

    def error(self, problem: ValidationProblem, reply: Reply) -> StreamError:
        """Return the error of a cell whose answer does not fit; it holds the reply."""
        hint = "the raw text is in _cmd.text"
        if reply.stop_reason == "length":
            hint = f"it was cut at its limit, see --max-tokens; {hint}"
        elif reply.stop_reason == "content_filter":
            hint = f"the model refused or was filtered; {hint}"
        said = excerpt(str(problem), _PROBLEM_CHARS)
        error = StreamError(f"the answer is not {self.label}: {said}", hint=hint)
        error.reply = reply
        return error

    def shown(self, answer: str) -> str:
        """Return the JSON of an answer indented, without its wrapping; else the answer as it is."""
        found = find_json(answer)
        if len(found) != 1:
            return answer
        value = found[0]["value"] if self.wrapped and is_wrapped(found[0]) else found[0]
        try:
            return json.dumps(value, ensure_ascii=False, indent=2)
        except RecursionError:
            return answer


def may_repair(reply: Reply, max_retries: int) -> bool:
    """Return whether asking once more is allowed, and can help: not if it was cut or refused."""
    ended = reply.stop_reason in ("stop", "unknown")
    return max_retries > 0 and ended and bool(reply.text.strip())


def json_output_type() -> OutputType:
    """Ask for any JSON object: `-f json`."""

    def read(value: Any) -> object:  # noqa: ANN401  any JSON
        if isinstance(value, dict):
            return value
        raise ValidationProblem(f"it is JSON, but {kind_of(value)} and not an object")

    form = ResponseFormat("answer", {"type": "object"}, mode="object", strict=False)
    return OutputType("a JSON object", form, read)


def output_type_for(annotation: object, label: str | None = None) -> OutputType:
    """Ask for a value of a type.

    Parameters
    ----------
    annotation
        As `parse_type` gives it.
    label
        The type as the user wrote it.

    Raises
    ------
    ConfigError
        pydantic is not installed.
    OptionError
        No JSON can hold such a value.
    """
    label = excerpt(label) if label else _label(annotation)
    reader = reader_for(annotation, label)
    closed = close(wrap(reader.schema) if reader.wrapped else reader.schema)
    form = ResponseFormat(
        _name(annotation), closed.schema, strict=closed.strict, recursive=closed.recursive
    )
    return OutputType(label, form, reader.read, wrapped=reader.wrapped)


def _label(annotation: object) -> str:
    named = isinstance(annotation, type) and not getattr(annotation, "__args__", None)
    text = getattr(annotation, "__name__", "") if named else str(annotation)
    return excerpt(text.replace("typing.", "").replace("__main__.", ""))


def _name(annotation: object) -> str:
    """Return the class's own name where it tells the model something."""
    own = isinstance(annotation, type) and annotation.__module__ != "builtins"
    name = getattr(annotation, "__name__", "") if own else ""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:_LONGEST_NAME].strip("_-") or "answer"
