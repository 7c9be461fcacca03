"""Typed capture, `-> x: TYPE` and `-f json`: what to ask for, and how the answer becomes a value.

Lenient about how the JSON comes: in a fence, with words around it, without its wrapping. What it
is, `typed_reader` checks strictly. An answer that does not fit is sent back once, with what is
wrong; sending and counting are left to the session.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cc_jupyter.client.structured_output import strongest
from cc_jupyter.core.errors import StreamError
from cc_jupyter.core.messages import AnswerFormat, Message
from cc_jupyter.core.text import excerpt
from cc_jupyter.typed_reader import (
    MOST_DETAILS,
    ValidationProblem,
    is_wrapped,
    kind_of,
    reader_for,
)
from cc_jupyter.typed_schema import close, wrap
from cc_jupyter.typed_text import complaint, find_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.core.messages import Request
    from cc_jupyter.core.reply import Reply

_LONGEST_NAME = 64
_SHOWN = 160

__all__ = ["Capture", "ValidationProblem", "capture_for", "json_capture", "may_repair"]


@dataclass(frozen=True, slots=True)
class Capture:
    """What is asked of an answer that shall become a value."""

    label: str
    """The type, as messages name it."""
    form: AnswerFormat
    read: Callable[[Any], object]
    """Gives the value of parsed JSON, or raises `ValidationProblem`."""
    wrapped: bool = False
    """Whether the value is asked for in the member `value` of an object, but may come bare."""

    @property
    def name(self) -> str:
        """What the schema is called on the wire."""
        return self.form.name

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema that is asked for; its root is an object."""
        return dict(self.form.schema)

    @property
    def instruction(self) -> str:
        """Ask in words, for servers that take no schema."""
        return self.form.instruction

    def format_for(self, endpoint: str, *, thinking: bool = False) -> AnswerFormat:
        """Give what the request to this endpoint asks for."""
        return strongest(self.form, endpoint, thinking=thinking)

    def validate(self, answer: str) -> object:
        """Give the value of an answer.

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
        """Say that the model is asked once more."""
        return f"the answer was not {self.label} ({excerpt(str(problem), _SHOWN)}); asked once more"

    def repaired(self, request: Request, reply: Reply, problem: ValidationProblem) -> Request:
        """Give the request that asks for the correction of a reply to `request`."""
        said = Message("assistant", reply.text)
        asked = Message("user", self.repair_prompt(problem))
        return replace(request, messages=(*request.messages, said, asked))

    def error(self, problem: ValidationProblem, reply: Reply) -> StreamError:
        """Give the error of a cell whose answer does not fit; it holds the reply."""
        hint = "the raw text is in _cmd.text"
        if reply.stop_reason == "length":
            hint = f"it was cut at its limit, see --max-tokens; {hint}"
        elif reply.stop_reason == "content_filter":
            hint = f"the model refused or was filtered; {hint}"
        said = excerpt(str(problem), _SHOWN)
        error = StreamError(f"the answer is not {self.label}: {said}", hint=hint)
        error.reply = reply
        return error

    def shown(self, answer: str) -> str:
        """Give the JSON of an answer indented, without its wrapping; else the answer as it is."""
        found = find_json(answer)
        if len(found) != 1:
            return answer
        value = found[0]["value"] if self.wrapped and is_wrapped(found[0]) else found[0]
        try:
            return json.dumps(value, ensure_ascii=False, indent=2)
        except RecursionError:
            return answer


def may_repair(reply: Reply, max_retries: int) -> bool:
    """Tell whether asking once more is allowed, and can help: not if it was cut or refused."""
    ended = reply.stop_reason in ("stop", "unknown")
    return max_retries > 0 and ended and bool(reply.text.strip())


def json_capture() -> Capture:
    """Ask for any JSON object: `-f json`."""

    def read(value: Any) -> object:  # noqa: ANN401  any JSON
        if isinstance(value, dict):
            return value
        raise ValidationProblem(f"it is JSON, but {kind_of(value)} and not an object")

    form = AnswerFormat("answer", {"type": "object"}, mode="object", strict=False)
    return Capture("a JSON object", form, read)


def capture_for(annotation: object, label: str | None = None) -> Capture:
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
    form = AnswerFormat(
        _name(annotation), closed.schema, strict=closed.strict, recursive=closed.recursive
    )
    return Capture(label, form, reader.read, wrapped=reader.wrapped)


def _label(annotation: object) -> str:
    named = isinstance(annotation, type) and not getattr(annotation, "__args__", None)
    text = getattr(annotation, "__name__", "") if named else str(annotation)
    return excerpt(text.replace("typing.", "").replace("__main__.", ""))


def _name(annotation: object) -> str:
    """Give the class's own name where it tells the model something."""
    own = isinstance(annotation, type) and annotation.__module__ != "builtins"
    name = getattr(annotation, "__name__", "") if own else ""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:_LONGEST_NAME].strip("_-") or "answer"
