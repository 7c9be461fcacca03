"""The pipeline: a question becomes a plan, the plan a request, its events an answer that is kept.

Nothing here parses options or knows cells; nothing below here knows a conversation.
"""

from __future__ import annotations

import dataclasses
import functools
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cc_jupyter.client.client import Limits, RequestStream
from cc_jupyter.client.endpoint import find_endpoint
from cc_jupyter.client.structured_output import FormatMemory
from cc_jupyter.client.transport import Transport
from cc_jupyter.config.settings import Settings, load_settings
from cc_jupyter.conversation.document_order import DocumentOrder
from cc_jupyter.conversation.history import History
from cc_jupyter.conversation.thread import Conversations
from cc_jupyter.conversation.turns import Context
from cc_jupyter.core.errors import ModelError, OptionError, ProviderError
from cc_jupyter.core.events import TextDelta
from cc_jupyter.models.registry import LOCAL, Models, chosen_model, settings_for
from cc_jupyter.prompt.output_types import ValidationProblem, may_repair
from cc_jupyter.session.budget_guard import Spending
from cc_jupyter.session.in_flight import InFlightRequests, InterruptGuard
from cc_jupyter.session.prepare import (
    PreparedRequest,
    build_request,
    check_image_support,
    continuation_context,
)
from cc_jupyter.session.recorder import TurnRecorder
from cc_jupyter.usage.estimate import trim_to_window

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

    from cc_jupyter.client.endpoint import Endpoint
    from cc_jupyter.conversation.document_order import CellOrder
    from cc_jupyter.conversation.thread import Thread
    from cc_jupyter.core.events import StreamEvent
    from cc_jupyter.core.messages import PromptSpec, Request, TurnKey
    from cc_jupyter.core.reply import Reply
    from cc_jupyter.prompt.output_types import OutputType
    from cc_jupyter.render.base import Renderer


class Session:
    """Everything that lives as long as the process: connections, conversations, choices."""

    def __init__(self, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.transport = Transport()
        self.models = Models(self.transport)
        self.conversations = Conversations()
        self.document_order = DocumentOrder()
        """The order of cells on the page, as far as a front end told it."""
        self.in_flight = InFlightRequests()
        """The requests under way."""
        self.choices: dict[str, Any] = {}
        """Settings of this session (`%cmd use`, `%config`); they come before all but options."""
        self.profile: dict[str, Any] = {}
        """Settings of the IPython profile; they come last."""
        self.spent: list[Reply] = []
        """Every reply that was metered, to say what the session cost."""
        self._forms = FormatMemory()
        self._now = now
        self.started_at = now()
        """When the session began; aware, UTC."""
        self.history = History(now)
        self.spending = Spending(lambda: self.history, self.spent, now)

    def settings(self, **options: Any) -> Settings:  # noqa: ANN401  checked by the settings
        """Return the settings in force; `options` that are not `None` come first."""
        given = {name: value for name, value in options.items() if value is not None}
        return load_settings({**self.choices, **given}, self.profile)

    def plan(self, question: PromptSpec, settings: Settings | None = None) -> PreparedRequest:
        """Decide model, endpoint, key and what is sent with the prompt; send nothing.

        Raises
        ------
        CcError
            Something is missing, unknown or cannot be used.
        """
        settings = settings or self.settings()
        thread = None if question.once else self.conversations.thread(question.thread)
        page = self.page(question.turn_key, settings) if thread else None
        past = thread.past(question.turn_key, anew=question.new, page=page) if thread else None
        return dataclasses.replace(self._plan(question, settings, thread, past), page=page)

    def page(self, key: TurnKey | None, settings: Settings | None = None) -> CellOrder | None:
        """Return the page whose order counts for a turn; `None`: the order of execution does."""
        if (settings or self.settings()).order != "document":
            return None
        return self.document_order.page(key)

    def continued(self, question: PromptSpec) -> PreparedRequest:
        """Plan to carry the last answer of a thread on, in the same turn.

        Parameters
        ----------
        question
            Which thread, model and parameters; its prompt does not matter.

        Raises
        ------
        OptionError
            There is no answer, or it ended by itself.
        """
        thread = self.conversations.thread(question.thread)
        place = thread.last_place()
        turn = None if place is None else thread.slots[place].turn
        if place is None or turn is None:
            raise OptionError(
                f"the thread {thread.name} holds no answer yet",
                hint="there is nothing to go on with",
            )
        record = self.history.record(turn.id)
        if record is not None and record.stop_reason in ("stop", "content_filter", "tool_call"):
            raise OptionError(
                f"the last answer ended by itself ({record.stop_reason})",
                hint="ask for more in a new cell",
            )
        settings, key = self.settings(), thread.slots[place].key
        page = self.page(key, settings)
        before = thread.past_of(place, page)
        past, words = continuation_context(before, turn)
        model = question.model or (record.model if record else None)
        asked = dataclasses.replace(question, prompt=words, model=model, images=())
        plan = self._plan(asked, settings, thread, past)
        said = dataclasses.replace(
            asked,
            prompt=turn.prompt,
            images=turn.images,
            system=turn.system,
            turn_key=key,
            values=turn.basis.question.values if turn.basis else (),
        )
        return dataclasses.replace(
            plan, question=said, place=place, beginning=turn.answer, past=before, page=page
        )

    def _plan(
        self, question: PromptSpec, settings: Settings, thread: Thread | None, past: Context | None
    ) -> PreparedRequest:
        name = chosen_model(question.model, settings)
        settings = settings_for(name, settings)
        if name == LOCAL:
            name = _local_model_id()
        target = find_endpoint(settings, question.key_env)
        model = self.models.find(name, target, settings.models)
        request = build_request(question, settings, model, past)
        window = model.spec.context_tokens if model.spec else None
        request, notice = trim_to_window(
            request, window, self.spending.calibration, trim=settings.trim
        )
        if notice is not None:
            question = dataclasses.replace(question, notices=(*question.notices, notice))
        check_image_support(request, target, model)
        return PreparedRequest(
            question,
            self._known(request, target),
            model,
            target,
            settings,
            thread,
            past or Context(),
        )

    def _known(self, request: Request, target: Endpoint) -> Request:
        """Ask for the answer in the form that this model is known to take."""
        form = self._forms.recall(target.api_root, request.model, request.answer_format)
        return dataclasses.replace(request, answer_format=form)

    def run(self, plan: PreparedRequest, renderer: Renderer) -> Reply:
        """Send the request, show the answer as it comes, keep it.

        Gives the reply however it ended: the caller raises `reply.error`. An interrupt becomes
        an error of the reply, with all text kept and the connection closed.
        """
        exchange = self._exchange(plan)
        keeper = self._keeper(plan, exchange)
        if plan.beginning:
            renderer.show(TextDelta(plan.beginning))
        with (
            InterruptGuard(exchange.wake) as guard,
            self._under_way(plan, keeper, guard.interrupt),
        ):
            try:
                with closing(iter(exchange)) as events:
                    for event in events:
                        keeper.add(event)
                        renderer.show(event)
                        self.in_flight.beat()
            except ProviderError as error:
                self._suggest(error, plan)
                keeper.builder.fail(error)
            except KeyboardInterrupt as interrupt:
                keeper.builder.fail(interrupt)
            except BaseException:  # a fault of ours, or of the screen, must not cost the answer
                keeper.keep()
                raise
            reply = keeper.keep()
            if reply.error is None:
                self.spending.learn(plan, reply.usage)
            asked = plan.request.answer_format
            self._forms.learn(plan.target.api_root, plan.model.id, asked, exchange.answer_format)
            renderer.finish(reply)
        if guard.count and reply.error is None:  # it came after the last event: the answer is whole
            raise KeyboardInterrupt
        return reply

    def ask_typed(
        self, plan: PreparedRequest, capture: OutputType, run: Callable[[PreparedRequest], Reply]
    ) -> tuple[Reply, object]:
        """Run a request whose answer has a type; ask once more if the answer does not fit.

        Parameters
        ----------
        run
            Runs a prepared request and returns its reply, or raises its error.

        Raises
        ------
        StreamError
            Neither answer fits; `error.reply` is the last one.
        """
        reply = run(plan)
        try:
            return reply, capture.validate(reply.text)
        except ValidationProblem as problem:
            if not may_repair(reply, plan.settings.max_retries):
                raise capture.error(problem, reply) from None
            again = self._repair_plan(plan, capture, reply, problem)
        reply = run(again)
        try:
            return reply, capture.validate(reply.text)
        except ValidationProblem as problem:
            raise capture.error(problem, reply) from None

    def _repair_plan(
        self, plan: PreparedRequest, capture: OutputType, reply: Reply, problem: ValidationProblem
    ) -> PreparedRequest:
        request = self._known(capture.repaired(plan.request, reply, problem), plan.target)
        notices = (*plan.question.notices, capture.repair_notice(problem))
        question = dataclasses.replace(plan.question, notices=notices)
        turn = reply.provenance.turn
        place = None if turn is None else turn - 1
        return dataclasses.replace(plan, question=question, request=request, place=place)

    def stream(self, plan: PreparedRequest) -> Generator[StreamEvent, None, None]:
        """Send the request and give its events; whatever way it is left, what came is kept.

        Raises
        ------
        ProviderError
            The request was refused; a broken answer ends in an `Error` event instead.
        """
        exchange = self._exchange(plan)
        keeper = self._keeper(plan, exchange)
        try:
            with (
                self._under_way(plan, keeper, exchange.wake),
                closing(iter(exchange)) as events,
            ):
                for event in events:
                    keeper.add(event)
                    self.in_flight.beat()
                    yield event
        except ProviderError as error:
            self._suggest(error, plan)
            keeper.builder.fail(error)
            raise
        except (KeyboardInterrupt, GeneratorExit):
            keeper.builder.fail(KeyboardInterrupt())
            raise
        finally:
            keeper.keep()

    def _suggest(self, error: ProviderError, plan: PreparedRequest) -> None:
        """Name close matches where the provider does not know the model."""
        if isinstance(error, ModelError) and error.code == "unsupported_model":
            own = plan.settings.models
            error.hint = self.models.close_to(plan.model.id, plan.target, own) or error.hint

    def _exchange(self, plan: PreparedRequest) -> RequestStream:
        limits = Limits(plan.settings.max_retries, plan.settings.idle_timeout_s)
        return RequestStream(self.transport, plan.request, plan.target, limits, zdr=plan.zdr)

    def _keeper(self, plan: PreparedRequest, exchange: RequestStream) -> TurnRecorder:
        return TurnRecorder(plan, exchange, self.history, self.spent, self.spending.guard(plan))

    def _under_way(
        self, plan: PreparedRequest, keeper: TurnRecorder, interrupt: Callable[[], None]
    ) -> AbstractContextManager[None]:
        key, thread = plan.question.turn_key, plan.thread
        return self.in_flight.during(
            keeper.builder,
            interrupt,
            cell_id=key.cell_id if key else None,
            thread=thread.name if thread else None,
            model=plan.model.id,
        )

    def now(self) -> datetime:
        """Return the instant, aware, in UTC."""
        return self._now()


@functools.cache
def shared_session() -> Session:
    """Return the session of this process: magics and Python calls share threads and connections."""
    return Session()


def _local_model_id() -> str:
    from cc_jupyter.client.local.model import MODEL_ID  # noqa: PLC0415  most sessions use no local model

    return MODEL_ID
