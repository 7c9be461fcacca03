"""Prompts, messages and requests, independent of wire format and provider."""

from __future__ import annotations

import json
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, TypeAlias

from cc_jupyter.core.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping


class Image(Record):
    """One image: its bytes, or the URL where the provider finds it."""

    media_type: str
    """One of `prompt.images.MEDIA_TYPES`; empty for a URL."""
    data: bytes | None = field(repr=False)
    url: str | None
    name: str
    """The user's name for it: an expression, a file name, or host and path of a URL."""

    @property
    def marker(self) -> str:
        """The text that marks the image's place in the prompt."""
        return f"[image: {self.name}]"

    @property
    def described(self) -> str:
        """The description that users see."""
        if self.data is None:
            return f"{self.name} (URL)"
        return f"{self.name} ({self.media_type}, {len(self.data):,} bytes)"


Mode: TypeAlias = Literal["schema", "tool", "object", "words"]
"""By the wire format's JSON schema; by one forced tool; as any JSON object; in words only."""

_ANY_OBJECT = {"type": "object"}


class ResponseFormat(Record):
    """The form that an answer must have."""

    name: str
    """The name of the schema or tool in the request: letters, digits, `_`, `-`."""
    schema: Mapping[str, Any] = field(hash=False)
    """JSON schema; its root is an object."""
    mode: Mode = "schema"
    strict: bool = True
    """Whether every object in it is closed, as strict decoding requires."""
    recursive: bool = False
    """Whether it refers to itself, which only one of the wire formats accepts."""

    @property
    def instruction(self) -> str:
        """The request for the form, in words."""
        alone = "and nothing else: no explanation, no code fence."
        if self.schema == _ANY_OBJECT:
            return f"Answer with one JSON object {alone}"
        schema = json.dumps(self.schema, ensure_ascii=False)
        return f"Answer with one JSON object that fits the schema below, {alone}\n{schema}"

    @property
    def notice(self) -> str:
        """The notice, after a refusal, of what was sent in place of the schema."""
        if self.mode == "tool":
            return "the model accepts no JSON schema; sent again with the schema as a tool to call"
        if self.mode == "object":
            return "the model accepts no JSON schema; sent again for any JSON, the schema in words"
        return "the model accepts no JSON format; sent again with the format described in words"


Role: TypeAlias = Literal["user", "assistant"]
ApiPath: TypeAlias = Literal["/chat/completions", "/messages"]


class Message(NamedTuple):
    """A message of one side of the conversation."""

    role: Role
    text: str
    images: tuple[Image, ...] = ()


_ONE_ANSWER = (
    "a request gets one answer; -n 5 in a cell, or n=5 of cc_jupyter.compare, asks for several"
)
UNSHOWN_FIELDS = {
    **dict.fromkeys(
        (
            *("n", "best_of", "candidate_count", "num_completions", "num_return_sequences"),
            *("num_generations", "num_outputs", "n_choices", "num_choices"),
        ),
        _ONE_ANSWER,
    ),
    "logprobs": "probabilities of tokens are not shown; leave it out",
    "top_logprobs": "probabilities of tokens are not shown; leave it out",
    "prompt_logprobs": "probabilities of tokens are not shown; leave it out",
    "echo": "the prompt is in the cell already; leave it out",
    "prompt": "the text of the cell is the prompt",
    "input": "the text of the cell is the prompt",
    "instructions": "-s sets the system prompt",
    "background": "answers are shown as they arrive; leave it out",
    "stream_options": "token counts are always requested; leave it out",
    "audio": 'sound cannot be played; leave it out, and --param modalities=["text"] asks for text',
    "models": "-m names the model; one that answers in its place would be priced wrongly",
    "fallbacks": "-m names the model; one that answers in its place would be priced wrongly",
}
"""Fields of a request whose effect cannot be shown although it may be billed, with the remedy."""
_UNSHOWN = {name.replace("_", ""): remedy for name, remedy in UNSHOWN_FIELDS.items()}
_CONTAINERS = frozenset({"generationconfig", "extrabody", "options", "parameters", "config"})
"""Fields that hold further fields, as Gemini, Ollama and relays name them."""


def unshown_field(name: str, value: object) -> tuple[str, str] | None:
    """Return a field whose effect cannot be shown and the remedy; `None`: there is none.

    Relays also read `candidateCount`, and fields within an object such as `generation_config`.
    """
    folded = name.casefold().replace("_", "")
    if folded in _UNSHOWN:
        return name, _UNSHOWN[folded]
    for inner, inner_value in value.items() if isinstance(value, dict) else ():
        if folded in _CONTAINERS and (found := unshown_field(str(inner), inner_value)):
            return f"{name}.{found[0]}", found[1]
    return None


class Parameters(Record):
    """The parameters of an answer; `None` and empty values are not sent."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    """The token limit of the answer, reasoning included."""
    stop: tuple[str, ...] = ()
    effort: str | None = None
    """The reasoning effort, in the model's own words (`low`, `high`, `max`, …)."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Other fields of the request body, as JSON values."""

    def to_json(self) -> dict[str, Any]:
        """Return the parameters that are sent, as JSON values."""
        given = {name: getattr(self, name) for name in self.__match_args__}
        given |= {"stop": [*self.stop], "extra": dict(self.extra)}
        return {name: value for name, value in given.items() if value not in (None, [], {})}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Self:
        """Return the parameters that `to_json` returned as JSON values."""
        return cls(**{**given, "stop": tuple(given.get("stop", ()))})


class Request(NamedTuple):
    """Everything that the body of one request depends on."""

    model: str
    endpoint: ApiPath
    messages: tuple[Message, ...]
    system: str | None = None
    parameters: Parameters = Parameters()
    answer_format: ResponseFormat | None = None
    """The form that the answer must have; `None`: any text."""
    shared_chars: int = 0
    """How many of the first characters of the prompt, and whether the system prompt, other requests
    of a run have too; 0: none that are known."""


class TurnKey(NamedTuple):
    """Identifies a turn, so that it is the same turn when its cell runs again."""

    notebook: str
    cell_id: str
    number: int
    """The number of the request within the cell's execution, from 0."""


class ValueLimits(NamedTuple):
    """How much of a value in `{{ }}` is sent."""

    table_rows: int | None = 100
    """The first rows of a table; `None`: all."""
    table_columns: int | None = 50
    """The first columns of a table; `None`: all."""
    text_chars: int = 400_000
    """Characters of a `str`, which is sent on purpose."""
    file_chars: int = 100_000
    """Characters of a file that a `Path` names."""
    value_chars: int = 20_000
    """Characters of any other value, whose text is generated."""
    table_chars: int | None = None
    """Characters of the tables in a value, if the user chose the number of rows for this prompt;
    `None`: tables count as other values do."""


class PromptTemplate(NamedTuple):
    """A prompt as typed, so that it can be saved and sent with other values."""

    text: str | None = None
    """With `{{ }}` not filled in; `None`: the text that was sent, which has nothing filled in."""
    options: Mapping[str, Any] = MappingProxyType({})
    """The options that belong to it, by their long names without dashes, as JSON values."""
    examples: tuple[tuple[str, str], ...] = ()
    """Each expression with the beginning of its text."""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"text": self.text, "options": dict(self.options), "examples": self.examples}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Self:
        """Return the template that `to_json` returned as JSON values."""
        examples = tuple((expression, text) for expression, text in given["examples"])
        return cls(given["text"], given["options"], examples)


class RenderedPrompt(NamedTuple):
    """The text of a prompt with its values filled in."""

    text: str
    notices: tuple[str, ...] = ()
    """Notices for the user: which values were cut, and which texts say nothing."""
    images: tuple[Image, ...] = ()
    """Images among the values; the text has a marker in place of each."""
    values: tuple[tuple[str, str], ...] = ()
    """Each expression with the digest of its text; values with images are left out."""
    examples: tuple[tuple[str, str], ...] = ()
    """Each expression with the beginning of its text."""


class PromptSpec(NamedTuple):
    """What the user asks for: the prompt with its options."""

    prompt: str
    """The exact text that is sent."""
    images: tuple[Image, ...] = ()
    model: str | None = None
    system: str | None = None
    """`None`: keep the thread's; empty: none from now on."""
    parameters: Parameters = Parameters()
    thread: str | None = None
    """`None`: the current thread."""
    new: bool = False
    once: bool = False
    key_env: str | None = None
    zdr: bool = False
    turn_key: TurnKey | None = None
    execution: object = None
    """Identifies the execution of the cell; `None` outside IPython."""
    notebook: str = ""
    """The notebook's path; also known where cells have no ids."""
    answer_format: ResponseFormat | None = None
    """The form that the answer must have; `None`: any text. `session.prepare` chooses the mode."""
    notices: tuple[str, ...] = ()
    """What the reader of the answer should know about the prompt (a value was cut)."""
    values: tuple[tuple[str, str], ...] = ()
    """Expressions that can be looked up again, each with the digest of its text."""
    value_limits: ValueLimits = ValueLimits()
    """The limits that these texts were made with."""
    template: PromptTemplate | None = None
    """`None`: it is unknown, because the prompt was not typed in a cell."""
