"""What is said: the request, whatever wire format and provider it goes to."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Image:
    """One image: its bytes, or the URL where the provider finds it."""

    media_type: str
    """One of `pictures.MEDIA_TYPES`; empty for a URL."""
    data: bytes | None = field(repr=False)
    url: str | None
    name: str
    """What the user called it: an expression, a file's name, host and path of a URL."""

    @property
    def marker(self) -> str:
        """What stands in the text where the image is meant."""
        return f"[image: {self.name}]"

    @property
    def described(self) -> str:
        """What a person is told of it."""
        if self.data is None:
            return f"{self.name} (URL)"
        return f"{self.name} ({self.media_type}, {len(self.data):,} bytes)"


Mode: TypeAlias = Literal["schema", "tool", "object", "words"]
"""By the wire's own schema; by one forced tool; as any JSON object; in words only."""

_ANY_OBJECT = {"type": "object"}


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """The form an answer shall have."""

    name: str
    """What the schema, or the tool, is called on the wire: letters, digits, `_`, `-`."""
    schema: Mapping[str, Any] = field(hash=False)
    """JSON schema; its root is an object."""
    mode: Mode = "schema"
    strict: bool = True
    """Whether every object in it is closed, as strict decoding demands."""
    recursive: bool = False
    """Whether it refers to itself, which only one of the wires takes."""

    @property
    def instruction(self) -> str:
        """Ask for the form in words."""
        alone = "and nothing else: no explanation, no code fence."
        if self.schema == _ANY_OBJECT:
            return f"Answer with one JSON object {alone}"
        schema = json.dumps(self.schema, ensure_ascii=False)
        return f"Answer with one JSON object that fits the schema below, {alone}\n{schema}"

    @property
    def notice(self) -> str:
        """Say, after a refusal, what the request was sent with in place of the schema."""
        if self.mode == "tool":
            return "the model takes no JSON schema; sent again with the schema as a tool to call"
        if self.mode == "object":
            return "the model takes no JSON schema; sent again for any JSON, the schema in words"
        return "the model takes no JSON format; sent again with the format asked for in words"


Role: TypeAlias = Literal["user", "assistant"]
ApiPath: TypeAlias = Literal["/chat/completions", "/messages"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn's half."""

    role: Role
    text: str
    images: tuple[Image, ...] = ()


_ONE_ANSWER = (
    "a prompt gets one answer; run the cell again for another, %cmd versions lists them all"
)
UNSHOWN_FIELDS = {
    **dict.fromkeys(
        ("n", "best_of", "candidate_count", "num_completions", "num_return_sequences"), _ONE_ANSWER
    ),
    "logprobs": "probabilities of tokens are not shown; leave it out",
    "top_logprobs": "probabilities of tokens are not shown; leave it out",
    "prompt_logprobs": "probabilities of tokens are not shown; leave it out",
    "echo": "the prompt stands in the cell already; leave it out",
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


@dataclass(frozen=True, slots=True)
class Parameters:
    """What steers the answer; `None` and empty are not sent."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    """The most tokens the answer may have, reasoning included."""
    stop: tuple[str, ...] = ()
    effort: str | None = None
    """How hard to think, in the model's own words (`low`, `high`, `max`, …)."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Any other field of the body, as JSON values."""


@dataclass(frozen=True, slots=True)
class Request:
    """Everything that decides the body of one request."""

    model: str
    endpoint: ApiPath
    messages: tuple[Message, ...]
    system: str | None = None
    parameters: Parameters = Parameters()
    answer_format: ResponseFormat | None = None
    """The form the answer shall have; `None`: any text."""


@dataclass(frozen=True, slots=True)
class TurnKey:
    """What makes a turn the same turn when its cell runs again."""

    notebook: str
    cell_id: str
    number: int
    """Which request of the cell's execution it is, from 0."""


@dataclass(frozen=True, slots=True)
class PromptSpec:
    """What the user asks, as the options and the prompt say it."""

    prompt: str
    """To the letter as it goes out."""
    images: tuple[Image, ...] = ()
    model: str | None = None
    system: str | None = None
    """`None`: as the thread has it; empty: none from now on."""
    parameters: Parameters = field(default_factory=Parameters)
    thread: str | None = None
    """`None`: the current one."""
    new: bool = False
    once: bool = False
    key_env: str | None = None
    zdr: bool = False
    turn_key: TurnKey | None = None
    notebook: str = ""
    """Where it is asked; known also where cells have no ids."""
    answer_format: ResponseFormat | None = None
    """The form the answer must have; `None`: any text. `session.prepare` decides how to ask."""
    notices: tuple[str, ...] = ()
    """What the reader of the answer should know about the prompt (a value was cut)."""
    values: tuple[tuple[str, str], ...] = ()
    """Expressions that can be looked up again, each with the digest of the text it gave."""
