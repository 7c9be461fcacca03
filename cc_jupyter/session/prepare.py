"""From a prompt to a request that is ready to send.

`Preparer` decides the model, the endpoint, the key and the messages. Nothing here reserves or sends
anything, so a dry run and an estimate prepare as well.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from cc_jupyter.client.bodies.encode import DEFAULT_MAX_TOKENS, LARGEST_MAX_TOKENS
from cc_jupyter.client.bodies.image_limits import check_images
from cc_jupyter.client.bodies.structured_output import preferred_format, rules_out_forced_tool
from cc_jupyter.client.endpoint import find_endpoint, replay_endpoint
from cc_jupyter.client.local import MODEL_ID
from cc_jupyter.conversation.turns import Context, ends_in_calls
from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.messages import Message, Parameters, PromptSpec, Request
from cc_jupyter.core.text import new_id
from cc_jupyter.models.registry import LOCAL, ResolvedModel, chosen_model, settings_for
from cc_jupyter.usage.estimate import trim_to_window

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from cc_jupyter.cassettes.tape import Tape
    from cc_jupyter.client.bodies.structured_output import FormatMemory
    from cc_jupyter.client.endpoint import Endpoint
    from cc_jupyter.config.settings import Settings
    from cc_jupyter.conversation.document_order import CellOrder, DocumentOrder
    from cc_jupyter.conversation.history import History
    from cc_jupyter.conversation.records import TurnRecord
    from cc_jupyter.conversation.thread import Conversations, Thread
    from cc_jupyter.conversation.turns import Turn, TurnSlot
    from cc_jupyter.core.events import Usage
    from cc_jupyter.core.messages import TurnKey
    from cc_jupyter.core.money import Cost
    from cc_jupyter.core.reply import Reply
    from cc_jupyter.core.steps import ToolRunner
    from cc_jupyter.models.registry import Models
    from cc_jupyter.prompt.output_types import OutputType, ValidationProblem
    from cc_jupyter.session.run_limits import RunBudget
    from cc_jupyter.usage.estimate import Calibration


_CONTINUE_PROMPT = (
    "Your last message was cut off. Go on exactly where it ends, in the middle of a word if that is"
    " where it ends. Repeat nothing and say nothing about it."
)
"""Asks for the rest of an answer. Models refuse or ignore their own answer as the last message, so
both wire formats ask in words."""
_GO_ON_PROMPT = "Go on. Calls that were not run can be made again."
"""Asks for more after results, where a turn with tools has ended before its answer."""
_ANSWER_PROMPT = "Go on with the results so far, and answer: no function can be called now."
"""The same where no tools are offered."""


_COMPLETE = ("stop", "content_filter", "tool_call")
"""The stop reasons of an answer that needs no continuation."""
_SMALL_CHARS = 10_000


class OpenTurn(NamedTuple):
    """A turn with tools after its first step."""

    turn_id: str
    place: int | None
    slot: TurnSlot | None
    sent_at: datetime
    """When the first step was sent."""
    reply: Reply
    """The steps so far as one reply."""
    asked: str = ""
    """What `%cmd continue` says before the next answer."""
    continued_steps: int = 0
    """How many of the steps `%cmd continue` found; they do not count towards `--max-steps`."""


class PreparedRequest(NamedTuple):
    """A request with everything decided; nothing is reserved or sent."""

    spec: PromptSpec
    request: Request
    model: ResolvedModel
    endpoint: Endpoint
    settings: Settings
    thread: Thread | None
    """`None`: the turn belongs to no conversation."""
    context: Context = Context()
    """The earlier turns that are sent along."""
    page: CellOrder | None = None
    """The document order that determined the context; `None` for execution order."""
    place: int | None = None
    """The turn's place in its thread, if it has one already."""
    beginning: str = ""
    """The text so far of the answer to continue; empty for a new one."""
    sample: int | None = None
    """Its number among equal requests of its execution; `None`: numbered when it is sent."""
    grid: str | None = None
    """The id of the grid it belongs to; `None`: it is a single request."""
    blind: str | None = None
    """The letter of its column in a blind grid; `None`: nothing is hidden."""
    run_budget: RunBudget | None = None
    """What `--max-usd` leaves for the cell; shared by all its requests."""
    new_runner: Callable[[], ToolRunner] | None = None
    """Returns what answers the calls of one turn; `None`: the request offers no tools."""
    max_steps: int = 1
    """The most requests of a turn with tools."""
    live_tools: bool = False
    """Whether the functions of a replayed turn run, to compare their results."""
    open_turn: OpenTurn | None = None
    """The turn that this request continues after a step; `None`: it begins one."""

    @property
    def order(self) -> str:
        """The order of the conversation: `execution` or `document`."""
        return "execution" if self.page is None else "document"

    @property
    def zdr(self) -> bool:
        """Whether zero data retention is requested."""
        return self.spec.zdr or self.settings.zdr

    def cost(self, usage: Usage, sent_at: datetime) -> Cost:
        """Price a usage. The local model is free."""
        from cc_jupyter.core.money import NOTHING_BILLED  # noqa: PLC0415  the first cell loads little before it sends
        from cc_jupyter.models.pricing import price  # noqa: PLC0415  as above

        if self.endpoint.served_by == LOCAL:
            return NOTHING_BILLED
        entry = self.model.spec
        return price(
            entry,
            usage,
            sent_at,
            price_date=entry.price_date if entry else None,
            # with zero data retention the upstream may cost more than the list says
            estimated=self.zdr,
        )


def is_small(prepared: PreparedRequest) -> bool:
    """Return whether a request cannot cost what a cell may cost without saying so.

    No listed model takes more than 0.50 US dollars for it (a test multiplies the list). Where the
    user lowered `refuse_above_usd`, or set prices of a model, it is estimated.
    """
    request = prepared.request
    size_bytes = sum(len(message.text) for message in request.messages) + len(request.system or "")
    return (
        prepared.settings.refuse_above_usd is None
        and not prepared.settings.models
        and size_bytes < _SMALL_CHARS
        and prepared.spec.parameters.max_tokens is None
        and not any(message.all_images for message in request.messages)
        and not request.tools
    )


@dataclass(kw_only=True, slots=True, eq=False, repr=False)
class Preparer:
    """Turns prompts into prepared requests, with the parts of a session."""

    conversations: Conversations
    document_order: DocumentOrder
    history: History
    models: Models
    formats: FormatMemory
    """The response formats that models are known to accept."""
    calibration: Calibration
    """Estimates tokens, to keep a request within the model's context window."""
    tape: Callable[[Settings], Tape | None]
    """Returns the cassette in use."""
    new_runner: Callable[[], ToolRunner] | None = None
    """Returns what answers the calls of a turn; `None`: no tools are offered."""
    max_steps: int = 1
    live_tools: bool = False

    def page(self, key: TurnKey | None, settings: Settings) -> CellOrder | None:
        """Return the document order for a turn's thread; `None` for execution order."""
        return self.document_order.page(key) if settings.order == "document" else None

    def prepare(self, spec: PromptSpec, settings: Settings) -> PreparedRequest:
        """Decide the model, the endpoint, the key and the messages.

        Raises
        ------
        CcError
            Something is missing, unknown or unusable.
        """
        if spec.once:
            return self._prepare(spec, settings, None, None)
        thread = self.conversations.thread(spec.thread)
        page = self.page(spec.turn_key, settings)
        context = thread.context(spec.turn_key, starts_new_thread=spec.new, page=page)
        return self._prepare(spec, settings, thread, context)._replace(page=page)

    def resolve(
        self, name: str | None, key_env: str | None, settings: Settings
    ) -> tuple[ResolvedModel, Endpoint, Settings]:
        """Return the model, where its requests go, and the settings that count there.

        Raises
        ------
        CcError
            No model is chosen, it is unknown, its key is missing, or a policy does not allow it.
        """
        name = chosen_model(name, settings)
        settings = settings_for(name, settings)
        if name == LOCAL:
            name = MODEL_ID
        tape = self.tape(settings)
        if tape is None or tape.mode == "record":
            endpoint = find_endpoint(settings, key_env)
        else:  # a recorded answer needs no key
            endpoint = replay_endpoint(settings)
        if not endpoint.is_keyless and endpoint.served_by != LOCAL:
            settings.check_model(name)
        return self.models.find(name, endpoint, settings.models), endpoint, settings

    def prepare_continuation(self, spec: PromptSpec, settings: Settings) -> PreparedRequest:
        """Prepare to continue the last answer of a thread, in the same turn.

        Parameters
        ----------
        spec
            The thread, model and parameters; its prompt is ignored.

        Raises
        ------
        OptionError
            There is no answer, or it is complete, or it was asked for without tools and has some
            now.
        """
        thread = self.conversations.thread(spec.thread)
        place = thread.last_place()
        turn = None if place is None else thread.slots[place].turn
        if place is None or turn is None:
            raise OptionError(
                f"the thread {thread.name} has no answer to continue", hint="ask in a cell first"
            )
        record = self.history.record(turn.id)
        is_answered = not ends_in_calls(turn.steps)
        if record is not None and is_answered and record.stop_reason in _COMPLETE:
            raise OptionError(
                f"the last answer is complete ({record.stop_reason})",
                hint="ask for more in a new cell",
            )
        if spec.tools and not turn.steps:
            raise OptionError(
                "the last answer was asked for without tools, so it cannot continue with some",
                hint="ask with --tools in a new cell",
            )
        slot = thread.slots[place]
        page = self.page(slot.key, settings)
        before = thread.context_before(place, page)
        context, prompt = continuation_context(before, turn, offers_tools=bool(spec.tools))
        model = spec.model or (record.model if record else None)
        sent = spec._replace(prompt=prompt, model=model, images=())
        prepared = self._prepare(sent, settings, thread, context)
        saved = prepared.spec._replace(
            prompt=turn.prompt,
            images=turn.images,
            system=turn.system,
            turn_key=slot.key,
            template=record.template if record else None,
            values=turn.basis.question.values if turn.basis else (),
            value_limits=turn.basis.question.value_limits if turn.basis else spec.value_limits,
        )
        prepared = prepared._replace(
            spec=saved, place=place, beginning=turn.answer, context=before, page=page
        )
        if not turn.steps:
            return prepared._replace(new_runner=None)
        return self._continued(prepared, turn, record, slot)

    def _continued(
        self, prepared: PreparedRequest, turn: Turn, record: TurnRecord | None, slot: TurnSlot
    ) -> PreparedRequest:
        """Return a continuation that begins with the steps of its turn."""
        from cc_jupyter.session.tool_turns.records import paid_for  # noqa: PLC0415  only tools need it

        steps = turn.steps
        if record is not None:
            bodies = self.history.step_bodies(record)
            steps = tuple(
                dataclasses.replace(step, body=body)
                for step, body in zip(steps, bodies, strict=True)
            )
        notices = prepared.spec.notices
        earlier = paid_for(steps, prepared.model.id, text=turn.answer, notices=notices)
        asked = prepared.request.messages[-1].text
        open_turn = OpenTurn(
            new_id(), prepared.place, slot, self.history.now(), earlier, asked, len(steps)
        )
        beginning = "" if ends_in_calls(steps) else prepared.beginning
        return prepared._replace(beginning=beginning, open_turn=open_turn)

    def prepare_repair(
        self,
        prepared: PreparedRequest,
        output_type: OutputType,
        reply: Reply,
        problem: ValidationProblem,
    ) -> PreparedRequest:
        """Prepare to ask again, in the same turn, for an answer that fits its type."""
        request = output_type.repaired(prepared.request, reply, problem)
        request = self._with_known_format(request, prepared.endpoint)
        notices = (*prepared.spec.notices, output_type.repair_notice(problem))
        spec = prepared.spec._replace(notices=notices)
        turn = reply.provenance.turn
        place = None if turn is None else turn - 1
        open_turn = None
        if reply.steps:
            slots = prepared.thread.slots if prepared.thread else ()
            slot = None if place is None else slots[place]
            from cc_jupyter.session.tool_turns.records import paid_for  # noqa: PLC0415  only tools need it

            rounds = [step for step in reply.steps if step.calls]
            earlier = paid_for(rounds, reply.model, notices=spec.notices)
            open_turn = OpenTurn(new_id(), place, slot, self.history.now(), earlier)
        return prepared._replace(
            spec=spec,
            request=request,
            place=place,
            sample=reply.provenance.sample,
            open_turn=open_turn,
        )

    def _prepare(
        self, spec: PromptSpec, settings: Settings, thread: Thread | None, context: Context | None
    ) -> PreparedRequest:
        model, endpoint, settings = self.resolve(spec.model, spec.key_env, settings)
        request = build_request(spec, settings, model, context)
        window = model.spec.context_tokens if model.spec else None
        request, notice = trim_to_window(request, window, self.calibration, trim=settings.trim)
        if notice is not None:
            spec = spec._replace(notices=(*spec.notices, notice))
        check_image_support(request, endpoint, model)
        check_effort(spec.parameters.effort, model)
        request = self._with_known_format(request, endpoint)
        return PreparedRequest(
            spec,
            request,
            model,
            endpoint,
            settings,
            thread,
            context or Context(),
            new_runner=self.new_runner,
            max_steps=self.max_steps,
            live_tools=self.live_tools,
        )

    def with_known_format(self, prepared: PreparedRequest) -> PreparedRequest:
        """Return a request with the response format that the model is known by now to accept."""
        request = self._with_known_format(prepared.request, prepared.endpoint)
        return prepared._replace(request=request)

    def _with_known_format(self, request: Request, endpoint: Endpoint) -> Request:
        """Return the request with the response format that the model is known to accept."""
        response_format = self.formats.recall(
            endpoint.api_root, request.model, request.answer_format
        )
        return request._replace(answer_format=response_format)


def continuation_context(
    context: Context, turn: Turn, *, offers_tools: bool = False
) -> tuple[Context, str]:
    """Return the context and the prompt that ask for the rest of an answer."""
    system = context.system if turn.system is None else turn.system
    prompt = _CONTINUE_PROMPT
    if ends_in_calls(turn.steps):
        prompt = _GO_ON_PROMPT if offers_tools else _ANSWER_PROMPT
    return Context((*context.messages, *turn.messages), system or None, context.turns), prompt


def build_request(
    spec: PromptSpec, settings: Settings, model: ResolvedModel, context: Context | None
) -> Request:
    """Return the request: the context of the thread, then the prompt."""
    before = context.messages if context else ()
    system = spec.system
    if system is None and context is not None:
        system = context.system
    parameters = _parameters(spec.parameters, settings, model)
    form = spec.answer_format
    if form is not None:
        thinking = rules_out_forced_tool(parameters, spec.tools)
        form = preferred_format(form, model.endpoint, thinking=thinking)
    return Request(
        model=model.id,
        endpoint=model.endpoint,
        messages=(*before, Message("user", spec.prompt, spec.images)),
        system=system or None,
        parameters=parameters,
        answer_format=form,
        tools=spec.tools,
    )


def check_image_support(request: Request, endpoint: Endpoint, model: ResolvedModel) -> None:
    """Raise an error for images that the model cannot read or that no request can carry."""
    images = [image for message in request.messages for image in message.all_images]
    if not images:
        return
    if not reads_images(endpoint, model):
        raise OptionError(
            f"{model.id} does not accept images, and this request contains {images[0].described}",
            hint="choose a model from %cmd models image; --new leaves earlier images out",
        )
    check_images(images, request.endpoint)


def reads_images(endpoint: Endpoint, model: ResolvedModel) -> bool:
    """Return whether a model accepts images; one that is not in the catalog may."""
    is_text_only = model.spec is not None and not model.spec.image_input
    return not is_text_only and endpoint.served_by != LOCAL


def check_effort(effort: str | None, model: ResolvedModel) -> None:
    """Raise an error for an effort that is not a level of the model; unknown models take any."""
    levels = model.spec.efforts if model.spec else ()
    if effort is None or not levels or effort in levels:
        return
    raise OptionError(
        f"{model.id} has no effort {effort!r}",
        hint=f"its levels are {', '.join(levels)}",
    )


def _parameters(given: Parameters, settings: Settings, model: ResolvedModel) -> Parameters:
    """Fill in the settings and the output limit that `/messages` requires."""
    filled = {
        name: getattr(settings, name)
        for name in ("temperature", "top_p", "max_tokens", "effort")
        if getattr(given, name) is None and getattr(settings, name) is not None
    }
    parameters = dataclasses.replace(given, **filled)
    if parameters.max_tokens is None and model.endpoint == "/messages":
        ceiling = model.spec.max_output_tokens if model.spec else None
        limit = min(ceiling, LARGEST_MAX_TOKENS) if ceiling else DEFAULT_MAX_TOKENS
        parameters = dataclasses.replace(parameters, max_tokens=limit)
    return parameters
