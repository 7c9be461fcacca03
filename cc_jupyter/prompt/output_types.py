"""Ask for typed answers, `-> x: TYPE` and `-f json`, and convert an answer to a value.

Finding the JSON is lenient: it may be alone, in a code fence or surrounded by text. Nothing is
repaired: truncated or broken JSON is rejected, and a part never counts as the whole.

Validation is strict, so that a type can be relied on: `"yes"` is not a bool and `"3"` is not an
int. Only conversions that JSON makes necessary are allowed: it has no dates, no tuples and one kind
of number. pydantic validates; it is an optional extra, imported when the first type is used.

An answer that does not fit is sent back once with the error; the session sends it.
"""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.errors import ConfigError, OptionError, StreamError
from cc_jupyter.core.fences import fenced_blocks
from cc_jupyter.core.messages import Message, ResponseFormat
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.text import describe, excerpt
from cc_jupyter.prompt.core_schema import ImpossibleTypeError, eager_validator
from cc_jupyter.prompt.json_schema import close, drop_unset, is_object, wrap

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import TypeAdapter, ValidationError
    from pydantic_core import SchemaValidator

    from cc_jupyter.core.messages import Request
    from cc_jupyter.core.reply import Reply


_DECODER = json.JSONDecoder(strict=False)  # models write line breaks into strings
# an object starts anywhere, an array only at the start of a line, since `[1]` in a sentence is a
# footnote; the lookahead rules out text about braces
_START = re.compile(
    r'\{(?=\s*["}])|^[ \t]*\[(?=\s*(?:["\[{\]\d-]|true\b|false\b|null\b))', re.MULTILINE
)


def find_json(answer: str) -> list[Any]:
    """Return the JSON values of an answer: all of it, else those in fences, else those in the text.

    In the text only objects and arrays count.
    """
    text = answer.strip().removeprefix("\ufeff")
    found = _decoded(text)
    if not found:
        fenced = dict.fromkeys(block.code for block in fenced_blocks(text) if block.is_closed)
        found = [value for code in fenced for value in _decoded(code.strip())]
    return found or _embedded(text)


def _json_problem(answer: str) -> str:
    """Return why no JSON was found in an answer."""
    start = re.search(r"[{\[]", answer)
    if start is None:
        return "it contains no JSON"
    try:
        _DECODER.raw_decode(answer, start.start())
    except json.JSONDecodeError as error:
        if error.pos >= len(answer.rstrip()) or error.msg.startswith("Unterminated"):
            return "the JSON is cut off"
        return f"not JSON: {error.msg} at character {error.pos + 1:,}"
    except (ValueError, RecursionError):
        return "the JSON cannot be parsed"
    return "the JSON cannot be separated from the text around it"


def _decoded(text: str) -> list[Any]:
    try:
        return [_DECODER.decode(text)]
    except (ValueError, RecursionError):
        return []


def _embedded(text: str) -> list[Any]:
    found: dict[str, Any] = {}
    position = 0
    while start := _START.search(text, position):
        begin = start.end() - 1
        try:
            value, position = _DECODER.raw_decode(text, begin)
        except (ValueError, RecursionError):
            return []  # broken or cut: a complete value inside it is only a part
        found[text[begin:position]] = value
    return list(found.values())


MAX_DETAILS = 5
_SUPPORTED_TYPES = (
    "use int, float, str, bool, list[…], dict[str, …], Literal[…], Optional[…], dates, dataclasses,"
    " TypedDict, Enum or pydantic models"
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_PROBLEM_CHARS = 160


class ValidationProblem(Exception):  # noqa: N818  not an error yet: the model is asked once more
    """An answer that does not match the type; `str(problem)` is one line."""

    def __init__(self, *details: str) -> None:
        shown = "; ".join(details[:MAX_DETAILS])
        more = len(details) - MAX_DETAILS
        super().__init__(f"{shown}; {more} more" if more > 0 else shown)
        self.details = details
        """One line for each problem, with its place in the answer."""


class Validator:
    """Validates parsed JSON against one type."""

    def __init__(
        self, validator: SchemaValidator, schema: dict[str, Any], error: type[ValidationError]
    ) -> None:
        self._validator = validator
        self._error = error
        self.schema = schema
        self.wrapped = not is_object(schema)

    def read(self, value: Any) -> object:  # noqa: ANN401  any JSON
        """Return the value; a wrapped type may come without its wrapping."""
        if not (self.wrapped and _is_wrapped(value)):
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
            return self._validator.validate_json(text, strict=True)
        except self._error as error:
            errors: list[Any] = error.errors(include_url=False, include_context=False)
        if all(map(_is_forgivable, errors)):
            try:
                return self._validator.validate_json(text)
            except self._error as error:
                errors = error.errors(include_url=False, include_context=False)
        raise ValidationProblem(*map(_detail, errors))


def validator_for(annotation: Any, label: str) -> Validator:  # noqa: ANN401  any type
    """Return the validator of a type; `label` names it in messages.

    Raises
    ------
    ConfigError
        pydantic is not installed.
    OptionError
        JSON cannot represent the type.
    """
    try:
        from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415  an extra
    except ImportError as error:
        raise ConfigError(
            f"`-> x: {label}` needs pydantic 2, which is not installed",
            hint="pip install 'cc-jupyter[typed]', then restart the kernel",
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a default without a JSON form, which is not sent
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(annotation)
            schema = adapter.json_schema()
            return Validator(eager_validator(adapter), schema, ValidationError)
        except Exception as error:  # the user's classes may raise anything
            raise OptionError(
                f"JSON cannot represent `{label}`: {_reason(error)}", hint=_SUPPORTED_TYPES
            ) from error


def _reason(error: Exception) -> str:
    """Return which part of a type pydantic does not support, or its message."""
    if isinstance(error, ImpossibleTypeError):
        return str(error)
    found = re.search(r"pydantic-core schema for (.+?)\. Set ", str(error), re.DOTALL)
    if found is not None:
        return f"{excerpt(found[1])} is not supported"
    found = re.search(r"for core_schema\.(\w+)Schema(?: \((.+)\))?", str(error))
    if found is not None:
        return f"{excerpt(found[2] or f'a {found[1].lower()}')} is not supported"
    return describe(error).partition(" For further information")[0]


def _is_forgivable(error: dict[str, Any]) -> bool:
    """Return whether only strictness refuses a value: `3.0` as an int, a date as a datetime."""
    value = error["input"]
    if error["type"] in ("int_type", "string_type"):  # both, if the type is `int | str`
        return isinstance(value, float) and value.is_integer()
    if error["type"] in ("date_parsing", "datetime_parsing"):
        return isinstance(value, str) and _DATE.match(value) is not None
    return False


def _detail(error: dict[str, Any]) -> str:
    """Return in one line what is wrong, and where."""
    place = "".join(f"[{at}]" if isinstance(at, int) else f".{at}" for at in error["loc"])
    message = f"{error['msg'][:1].lower()}{error['msg'][1:]}"
    value = error["input"]
    plain = not isinstance(value, (dict, list))
    if error["type"] != "missing" and (plain or error["type"].endswith("_type")):
        shown = json.dumps(value, ensure_ascii=False, default=str) if plain else _json_type(value)
        message = f"{message}, not {excerpt(redact(shown))}"
    message = excerpt(message, _PROBLEM_CHARS)
    return f"{excerpt(place.removeprefix('.'))}: {message}" if place else message


def _json_type(value: object) -> str:
    """Return the type of a JSON value, with its article."""
    match value:
        case dict():
            return "an object"
        case list():
            return "a list"
        case str():
            return "a string"
        case bool() | None:
            return json.dumps(value)
        case _:
            return "a number"


def _is_wrapped(value: object) -> bool:
    """Return whether a value is the only property, `value`, of an object, as requested."""
    return isinstance(value, dict) and value.keys() == {"value"}


_MAX_NAME_CHARS = 64


@dataclass(frozen=True, slots=True)
class OutputType:
    """The type and schema that an answer must match."""

    label: str
    """The name of the type in messages."""
    form: ResponseFormat
    read: Callable[[Any], object]
    """Returns the value of parsed JSON, or raises `ValidationProblem`."""
    wrapped: bool = False
    """Whether the request is for an object with the property `value`; the bare value also fits."""

    def validate(self, answer: str) -> object:
        """Return the value of an answer.

        Raises
        ------
        ValidationProblem
            The answer contains no JSON, none that fits, or several values that do.
        """
        if not answer.strip():
            raise ValidationProblem("the answer is empty")
        fitting: list[object] = []
        problem: ValidationProblem | None = None
        for found in find_json(answer):
            try:
                fitting.append(self.read(found))
            except ValidationProblem as error:
                problem = problem or error
        if len(fitting) > 1:
            raise ValidationProblem(f"it contains {len(fitting)} values that fit, not one")
        if fitting:
            return fitting[0]
        bare = answer.strip()
        if self.wrapped and bare[0] not in '{["`':  # a word or a date without quotes
            try:
                return self.read(bare)
            except ValidationProblem as error:
                problem = problem or error
        raise problem or ValidationProblem(_json_problem(answer))

    def value_of(self, reply: Reply) -> object:
        """Return the value of a reply.

        Raises
        ------
        StreamError
            It does not fit; the error contains the reply.
        """
        try:
            return self.validate(reply.text)
        except ValidationProblem as problem:
            raise self.error(problem, reply) from None

    def repair_prompt(self, problem: ValidationProblem) -> str:
        """Return the prompt that asks for a corrected answer."""
        details = "\n".join(f"- {detail}" for detail in problem.details[:MAX_DETAILS])
        return f"That answer does not fit:\n{details}\nCorrect it. {self.form.instruction}"

    def repair_notice(self, problem: ValidationProblem) -> str:
        """Return the notice that the request was repeated once."""
        reason = excerpt(str(problem), _PROBLEM_CHARS)
        return f"the answer was not {self.label} ({reason}); asked once more"

    def repaired(self, request: Request, reply: Reply, problem: ValidationProblem) -> Request:
        """Return the request that asks for a correction of the reply to `request`."""
        of_steps = tuple(message for step in reply.steps for message in step.messages)
        answer = of_steps or (Message("assistant", reply.text),)
        repair = Message("user", self.repair_prompt(problem))
        return request._replace(messages=(*request.messages, *answer, repair))

    def error(self, problem: ValidationProblem, reply: Reply) -> StreamError:
        """Return the error for an answer that does not fit; it contains the reply."""
        hint = "the raw text is in _cmd.text"
        if reply.stop_reason == "length":
            hint = f"it was cut at its token limit, see --max-tokens; {hint}"
        elif reply.stop_reason == "content_filter":
            hint = f"the model refused or was filtered; {hint}"
        reason = excerpt(str(problem), _PROBLEM_CHARS)
        error = StreamError(f"the answer is not {self.label}: {reason}", hint=hint)
        error.reply = reply
        return error

    def shown(self, answer: str) -> str:
        """Return the JSON of an answer, indented and unwrapped; other answers are unchanged."""
        found = find_json(answer)
        if len(found) != 1:
            return answer
        value = found[0]["value"] if self.wrapped and _is_wrapped(found[0]) else found[0]
        try:
            return json.dumps(value, ensure_ascii=False, indent=2)
        except RecursionError:
            return answer


def may_repair(reply: Reply, max_retries: int) -> bool:
    """Return whether asking again is allowed and can help: not after a cut or refused answer."""
    ended = reply.stop_reason in ("stop", "unknown")
    return max_retries > 0 and ended and bool(reply.text.strip())


def json_output_type() -> OutputType:
    """Return the output type of `-f json`: any JSON object."""

    def read(value: Any) -> object:  # noqa: ANN401  any JSON
        if isinstance(value, dict):
            return value
        raise ValidationProblem(f"it is JSON, but {_json_type(value)} and not an object")

    form = ResponseFormat("answer", {"type": "object"}, mode="object", strict=False)
    return OutputType("a JSON object", form, read)


def output_type_for(annotation: object, label: str | None = None) -> OutputType:
    """Return the output type for a Python type.

    Parameters
    ----------
    annotation
        The result of `parse_type`.
    label
        The type as the user wrote it.

    Raises
    ------
    ConfigError
        pydantic is not installed.
    OptionError
        JSON cannot represent the type.
    """
    label = excerpt(label) if label else _label(annotation)
    validator = validator_for(annotation, label)
    closed = close(wrap(validator.schema) if validator.wrapped else validator.schema)
    form = ResponseFormat(
        _name(annotation), closed.schema, strict=closed.strict, recursive=closed.recursive
    )
    return OutputType(label, form, validator.read, wrapped=validator.wrapped)


def _label(annotation: object) -> str:
    named = isinstance(annotation, type) and not getattr(annotation, "__args__", None)
    text = getattr(annotation, "__name__", "") if named else str(annotation)
    return excerpt(text.replace("typing.", "").replace("__main__.", ""))


def _name(annotation: object) -> str:
    """Return the class name, if it is informative to the model."""
    own = isinstance(annotation, type) and annotation.__module__ != "builtins"
    name = getattr(annotation, "__name__", "") if own else ""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:_MAX_NAME_CHARS].strip("_-") or "answer"
