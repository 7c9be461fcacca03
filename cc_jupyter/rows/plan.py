"""Plan a run over rows: which requests it takes, which are equal, and how large they are.

The plan holds a few numbers for each row. Prompts are filled in once for the plan and once more
when a row is sent, so that a table of any length takes no more memory than its result.
"""

from __future__ import annotations

import hashlib
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from cc_jupyter.client.bodies.image_limits import check_images
from cc_jupyter.client.bodies.structured_output import preferred_format, rules_out_forced_tool
from cc_jupyter.client.local.weights import SMOLLM2
from cc_jupyter.client.wire_formats import WIRE_FORMATS
from cc_jupyter.core.errors import OptionError, did_you_mean
from cc_jupyter.core.messages import MAX_STEPS, Message, Parameters, PromptSpec
from cc_jupyter.core.request_key import KeyTemplate, request_key
from cc_jupyter.core.text import excerpt, pluralize
from cc_jupyter.models.registry import LOCAL
from cc_jupyter.session.prepare import reads_images
from cc_jupyter.usage.estimate import trim_to_window

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cc_jupyter.config.settings import Settings
    from cc_jupyter.core.messages import Request, ToolSpec
    from cc_jupyter.core.steps import ToolRunner
    from cc_jupyter.prompt.output_types import OutputType
    from cc_jupyter.rows.protocols import Table
    from cc_jupyter.rows.template import FilledRow, RowTemplate
    from cc_jupyter.session.prepare import PreparedRequest
    from cc_jupyter.session.session import Session


_MIN_SHARED_CHARS = 4_000
"""A shorter beginning is never cached: providers cache from about 1,024 tokens on."""
_ANY_ROW = "row"
"""The prompt of the request that all others are made from."""
_IMAGE_BYTES = 6_000
"""An image counts as so many bytes of text: 1,500 tokens."""


class RowTools(NamedTuple):
    """The functions that the model may call for each row, all of them allowed beforehand."""

    specs: tuple[ToolSpec, ...]
    new_runner: Callable[[], ToolRunner]
    """Returns what answers the calls of one row."""
    max_steps: int = MAX_STEPS
    """The most requests for one row."""
    live_tools: bool = False
    """Whether the functions of a replayed row run, to compare their results."""


class RowPrompt(NamedTuple):
    """What is asked of each row."""

    template: RowTemplate
    output_type: OutputType | None = None
    model: str | None = None
    parameters: Parameters = Parameters()
    key_env: str | None = None
    zdr: bool = False
    notebook: str = ""
    tools: RowTools | None = None
    """`None`: the model is offered none."""


@dataclass(slots=True, eq=False)
class RowPlan:
    """The requests of a run, in the order in which they are sent."""

    table: Table
    prompt: RowPrompt
    base: PreparedRequest | None
    """What all requests have in common; `None`: no row can be sent."""
    jobs: array[int] = field(default_factory=lambda: array("q"))
    """The rows that are sent; rows that equal one of them are not."""
    keys: list[bytes] = field(default_factory=list[bytes])
    """By job: the digest of its request."""
    samples: array[int] = field(default_factory=lambda: array("q"))
    """By job: its number among equal requests."""
    sizes: array[int] = field(default_factory=lambda: array("q"))
    """By job: the bytes of all its texts."""
    copies: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    """By row: the rows that get the same answer."""
    errors: dict[int, OptionError] = field(default_factory=dict[int, OptionError])
    """By row: why its prompt cannot be made."""
    notices: tuple[str, ...] = ()
    """What the reader should know about the prompts, each once."""

    @property
    def equal(self) -> int:
        """The number of rows that are not sent because they equal another."""
        return sum(map(len, self.copies.values()))

    @property
    def source(self) -> str:
        """Who answers, as finished rows are stored: the base URL, or the local weights."""
        if self.base is None:
            return ""
        endpoint = self.base.endpoint
        if endpoint.served_by == LOCAL:
            return f"local:{SMOLLM2.file_sha256}"
        return endpoint.api_root

    def fill(self, at: int) -> FilledRow:
        """Return what is sent for a row; raises `OptionError` as a template does."""
        return self.prompt.template.fill(self.table.names(at))

    def request(self, filled: FilledRow) -> Request:
        """Return the request for a row."""
        assert self.base is not None  # noqa: S101  there is a row to send
        return _request(self.base.request, filled)


def make_plan(
    session: Session,
    table: Table,
    prompt: RowPrompt,
    *,
    unique: bool | None,
    settings: Settings | None = None,
) -> RowPlan:
    """Fill in all prompts once and return the plan; nothing is sent.

    Parameters
    ----------
    unique
        Whether equal rows are sent once; `None`: yes, unless all rows are equal.
    settings
        `None`: the effective ones.

    Raises
    ------
    OptionError, ConfigError
        The model, the key or an option cannot be used, no row has a prompt, or all rows are equal
        and `unique` does not say which is meant.
    """
    plan = RowPlan(table, prompt, None)
    planner = _Planner(session, plan, settings)
    for at in range(len(table)):
        planner.add(at)
    if plan.base is None and plan.errors:
        raise next(iter(plan.errors.values()))
    planner.finish(unique=unique)
    return plan


class _Planner:
    """Reads row after row."""

    def __init__(self, session: Session, plan: RowPlan, settings: Settings | None) -> None:
        self._session = session
        self._settings = settings
        self._plan = plan
        self._keys: KeyTemplate | None = None
        self._format_of_keys: Request | None = None
        self._system_bytes = 0
        self._row_keys: list[bytes] = []
        self._rows = array("q")
        self._sizes = array("q")
        self._stems: dict[str, int] = {}
        self._stem_of = array("q")
        self._notices: dict[str, None] = {}

    def add(self, at: int) -> None:
        """Fill in a row; one whose prompt cannot be made has failed."""
        plan = self._plan
        try:
            filled = plan.fill(at)
        except OptionError as error:
            cause = error.__cause__
            if isinstance(cause, NameError) and plan.base is None:  # no other row knows the name
                error.hint = did_you_mean(cause.name or "", plan.table.columns) or error.hint
                raise
            plan.errors[at] = error
            return
        if not filled.images and (not filled.text or filled.text.isspace()):
            plan.errors[at] = OptionError("the prompt of the row is empty")
            return
        if plan.base is None:
            self._begin(filled.system)
        if filled.images and (refusal := self._image_error(filled)) is not None:
            plan.errors[at] = refusal
            return
        if filled.notices:
            self._notices |= dict.fromkeys(filled.notices)
        self._rows.append(at)
        self._row_keys.append(self._digest(filled))
        is_text = not filled.system and not filled.images
        self._sizes.append(len(filled.text.encode()) if is_text else _size(filled))
        self._stem_of.append(self._stems.setdefault(filled.stem, len(self._stems)))

    def _image_error(self, filled: FilledRow) -> OptionError | None:
        """Return why no request can carry the images of a row; `None`: one can.

        Raises
        ------
        OptionError
            The model reads no images: no row can be sent.
        """
        base = self._plan.base
        assert base is not None  # noqa: S101  the first row has begun the plan
        if not reads_images(base.endpoint, base.model):
            raise OptionError(
                f"{base.model.id} does not accept images, and the prompt contains"
                f" {filled.images[0].described}; nothing was sent",
                hint="choose a model from %cmd models image",
            )
        try:
            check_images(filled.images, base.request.endpoint)
        except OptionError as error:
            return error
        return None

    def _begin(self, system: str | None) -> None:
        """Prepare a first request: it decides on the model, the endpoint and the key."""
        prompt = self._plan.prompt
        spec = PromptSpec(
            _ANY_ROW,
            model=prompt.model,
            system=system,
            parameters=prompt.parameters,
            once=True,
            key_env=prompt.key_env,
            zdr=prompt.zdr,
            notebook=prompt.notebook,
            answer_format=prompt.output_type.form if prompt.output_type else None,
            tools=prompt.tools.specs if prompt.tools else (),
        )
        base = self._session.prepare(spec, self._settings)
        if prompt.tools is not None:
            base = base._replace(
                new_runner=prompt.tools.new_runner,
                max_steps=prompt.tools.max_steps,
                live_tools=prompt.tools.live_tools,
            )
        self._plan.base = base
        # what a model was found to accept must not decide on the key: another kernel knows nothing
        form = spec.answer_format
        if form is not None:
            thinking = rules_out_forced_tool(base.request.parameters, spec.tools)
            form = preferred_format(form, base.request.endpoint, thinking=thinking)
        self._format_of_keys = base.request._replace(answer_format=form)
        if prompt.template.is_plain:
            self._keys = KeyTemplate(base.request.endpoint, self._body)

    def _body(self, text: str) -> Mapping[str, object]:
        assert self._format_of_keys is not None  # noqa: S101  set with the base
        request = self._format_of_keys._replace(messages=(Message("user", text),))
        return WIRE_FORMATS[request.endpoint].encode(request)

    def _digest(self, filled: FilledRow) -> bytes:
        """Return the digest of what is asked; the limit of steps decides on the answer too."""
        digest, tools = self._digest_of_request(filled), self._plan.prompt.tools
        if tools is None:
            return digest
        return hashlib.sha256(b"%b max_steps %d" % (digest, tools.max_steps)).digest()

    def _digest_of_request(self, filled: FilledRow) -> bytes:
        if self._keys is not None and not filled.images:
            return self._keys.digest(filled.text)
        assert self._format_of_keys is not None  # noqa: S101
        request = _request(self._format_of_keys, filled)
        body = WIRE_FORMATS[request.endpoint].encode(request)
        return bytes.fromhex(request_key(request.endpoint, body))

    def finish(self, *, unique: bool | None) -> None:
        """Find equal rows and put rows that begin equally next to each other."""
        plan, keys = self._plan, self._row_keys
        distinct = len(set(keys))
        if unique is None and len(keys) > 1 and distinct == 1:
            raise _all_equal(len(keys), plan.prompt.template, plan.table)
        order: Sequence[int] = range(len(keys))
        if 1 < len(self._stems) < len(keys):
            order = sorted(order, key=self._stem_of.__getitem__)
        elif distinct == len(keys):  # none equals another, as in most tables
            plan.jobs, plan.keys, plan.sizes = self._rows, keys, self._sizes
            plan.samples = array("q", bytes(8 * len(keys)))
            self._conclude()
            return
        first: dict[bytes, int] = {}
        counts: dict[bytes, int] = {}
        for place in order:
            key, row = keys[place], self._rows[place]
            if unique is not False and key in first:
                plan.copies.setdefault(first[key], []).append(row)
                continue
            first.setdefault(key, row)
            counts[key] = counts.get(key, -1) + 1
            plan.jobs.append(row)
            plan.keys.append(key)
            plan.samples.append(counts[key])
            plan.sizes.append(self._sizes[place])
        self._conclude()

    def _conclude(self) -> None:
        """Hand the notices over, and mark what all rows begin with for the provider's cache."""
        plan = self._plan
        plan.notices = tuple(self._notices)
        if plan.base is not None and len(plan.jobs) > 1:
            shared = plan.prompt.template.shared_chars
            if shared >= _MIN_SHARED_CHARS:
                request = plan.base.request._replace(shared_chars=shared)
                plan.base = plan.base._replace(request=request)


def prepared_row(session: Session, plan: RowPlan, filled: FilledRow) -> PreparedRequest:
    """Return the request for a row, ready to send.

    Raises
    ------
    OptionError
        It is too long for the model, or an image cannot be sent.
    """
    base = plan.base
    assert base is not None  # noqa: S101  there is a row to send
    request = plan.request(filled)
    window = base.model.spec.context_tokens if base.model.spec else None
    request, _ = trim_to_window(request, window, session.budget_guard.calibration, trim=False)
    prepared = base._replace(request=request)
    return session.preparer.with_known_format(prepared) if request.answer_format else prepared


def _request(base: Request, filled: FilledRow) -> Request:
    return base._replace(
        messages=(Message("user", filled.text, filled.images),), system=filled.system or None
    )


def _size(filled: FilledRow) -> int:
    images = sum(_IMAGE_BYTES for _ in filled.images)
    return len(filled.text.encode()) + len((filled.system or "").encode()) + images


def _all_equal(count: int, template: RowTemplate, table: Table) -> OptionError:
    used = sorted(template.used)
    known = ", ".join(excerpt(each) for each in table.columns[:5])
    why = "" if used else f": the prompt uses no column ({known})"
    return OptionError(
        f"all {pluralize(count, 'row')} ask the same{why}; nothing was sent",
        hint="name a column in {{ }}, or say which is meant: unique=True sends it once for all"
        " rows, unique=False once for each",
    )
