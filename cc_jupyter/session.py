"""The pipeline: a question becomes a plan, the plan a request, its events an answer that is kept.

Nothing here parses options or knows cells; nothing below here knows a conversation.
"""

from __future__ import annotations

import dataclasses
import functools
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cc_jupyter.answer_format import KnownForms
from cc_jupyter.catalog import load_catalog
from cc_jupyter.conversation import Conversations, Turn
from cc_jupyter.cost import Cost, price
from cc_jupyter.errors import ModelError, ProviderError
from cc_jupyter.exchange import Exchange, Limits
from cc_jupyter.interrupt import InterruptGuard
from cc_jupyter.models import LOCAL, Models, chosen_model
from cc_jupyter.plan import Plan, Question, build_request, check_sight
from cc_jupyter.reply import Provenance, Reply, ReplyBuilder
from cc_jupyter.settings import Settings, load_settings
from cc_jupyter.target import find_target
from cc_jupyter.transport import Transport
from cc_jupyter.wire.figures import IMPOSSIBLE

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from cc_jupyter.events import StreamEvent, Usage
    from cc_jupyter.messages import Request
    from cc_jupyter.render import Renderer
    from cc_jupyter.target import Target
    from cc_jupyter.typed import ValidationProblem


_LARGE_TOKENS = 2_000
"""A prompt below this costs too little to be mentioned, however much it grew."""


class Session:
    """Everything that lives as long as the process: connections, conversations, choices."""

    def __init__(self, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.transport = Transport()
        self.models = Models(self.transport)
        self.conversations = Conversations()
        self.choices: dict[str, Any] = {}
        """Settings of this session (`%cmd use`, `%config`); they come before all but options."""
        self.profile: dict[str, Any] = {}
        """Settings of the IPython profile; they come last."""
        self.spent: list[Reply] = []
        """Every reply that was metered, to say what the session cost."""
        self._forms = KnownForms()
        self._now = now

    def settings(self, **options: Any) -> Settings:  # noqa: ANN401  checked by the settings
        """Give the settings in force; `options` that are not `None` come first."""
        given = {name: value for name, value in options.items() if value is not None}
        return load_settings({**self.choices, **given}, self.profile)

    def plan(self, question: Question, settings: Settings | None = None) -> Plan:
        """Decide model, endpoint, key and what is sent with the prompt; send nothing.

        Raises
        ------
        CcError
            Something is missing, unknown or cannot be used.
        """
        settings = settings or self.settings()
        name = chosen_model(question.model, settings)
        if name == LOCAL:
            settings = dataclasses.replace(settings, base_url=LOCAL)
            name = _local_model_id()
        target = find_target(settings, question.key_env)
        model = self.models.find(name, target)
        thread = None if question.once else self.conversations.thread(question.thread)
        request = build_request(question, settings, model, thread)
        check_sight(request, target, model)
        return Plan(question, self._known(request, target), model, target, settings, thread)

    def repaired(self, plan: Plan, reply: Reply, problem: ValidationProblem) -> Plan:
        """Give the plan that asks once more for what `reply` should have been."""
        capture, turn = plan.question.capture, reply.provenance.turn
        if capture is None:
            raise ValueError("only a captured answer can be misfit")
        request = self._known(capture.repaired(plan.request, reply, problem), plan.target)
        notices = (*plan.question.notices, capture.repair_notice(problem))
        question = dataclasses.replace(plan.question, notices=notices)
        place = None if turn is None else turn - 1
        return dataclasses.replace(plan, question=question, request=request, place=place)

    def _known(self, request: Request, target: Target) -> Request:
        """Ask for the answer in the form that this model is known to take."""
        form = self._forms.recall(target.api_root, request.model, request.answer_format)
        return dataclasses.replace(request, answer_format=form)

    def run(self, plan: Plan, renderer: Renderer) -> Reply:
        """Send the request, show the answer as it comes, keep it.

        Gives the reply however it ended: the caller raises `reply.error`. An interrupt becomes
        an error of the reply, with all text kept and the connection closed.
        """
        exchange = self._exchange(plan)
        keeper = _Keeper(self, plan, exchange)
        with InterruptGuard(exchange.wake) as guard:
            try:
                with closing(iter(exchange)) as events:
                    for event in events:
                        keeper.builder.add(event)
                        renderer.show(event)
            except ProviderError as error:
                self._suggest(error, plan)
                keeper.builder.fail(error)
            except KeyboardInterrupt as interrupt:
                keeper.builder.fail(interrupt)
            except BaseException:  # a fault of ours, or of the screen, must not cost the answer
                keeper.keep()
                raise
            reply = keeper.keep()
            asked = plan.request.answer_format
            self._forms.learn(plan.target.api_root, plan.model.id, asked, exchange.answer_format)
            renderer.finish(reply)
        if guard.count and reply.error is None:  # it came after the last event: the answer is whole
            raise KeyboardInterrupt
        return reply

    def stream(self, plan: Plan) -> Generator[StreamEvent, None, None]:
        """Send the request and give its events; whatever way it is left, what came is kept.

        Raises
        ------
        ProviderError
            The request was refused; a broken answer ends in an `Error` event instead.
        """
        exchange = self._exchange(plan)
        keeper = _Keeper(self, plan, exchange)
        try:
            with closing(iter(exchange)) as events:
                for event in events:
                    keeper.builder.add(event)
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

    def _suggest(self, error: ProviderError, plan: Plan) -> None:
        """Name close matches where the provider does not know the model."""
        if isinstance(error, ModelError) and error.code == "unsupported_model":
            error.hint = self.models.close_to(plan.model.id, plan.target) or error.hint

    def _exchange(self, plan: Plan) -> Exchange:
        limits = Limits(plan.settings.max_retries, plan.settings.idle_timeout_s)
        return Exchange(self.transport, plan.request, plan.target, limits, zdr=plan.zdr)

    def cost(self, plan: Plan, usage: Usage, sent_at: datetime, *, doubtful: bool = False) -> Cost:
        """Price a usage, which may be doubtful; the local model is free."""
        if plan.target.served_by == LOCAL:
            return Cost(Decimal(0), "reported", None)
        catalog = load_catalog()
        return price(
            plan.model.spec,
            usage,
            sent_at,
            price_date=catalog.price_date,
            estimated=doubtful or plan.zdr,  # whose upstream may cost more than the list says
        )

    def now(self) -> datetime:
        """Give the instant, aware, in UTC."""
        return self._now()


@functools.cache
def shared_session() -> Session:
    """Give the session of this process: magics and Python calls share threads and connections."""
    return Session()


class _Keeper:
    """Holds what one request leaves behind: its place in the thread, its reply, its cost."""

    def __init__(self, session: Session, plan: Plan, exchange: Exchange) -> None:
        self._session = session
        self._plan = plan
        self._exchange = exchange
        self._sent_at = session.now()
        question, thread = plan.question, plan.thread
        self._place = plan.place
        if thread is not None and self._place is None:
            self._place = thread.reserve(question.turn_key, anew=question.new)
        self.builder = ReplyBuilder()
        self.builder.notices.extend(question.notices)

    def _mention_growth(self) -> None:
        """Say when a prompt is much larger than the one before it: history is billed each time."""
        thread, now_tokens = self._plan.thread, self.builder.usage.input_tokens
        if thread is None or now_tokens is None or now_tokens < _LARGE_TOKENS:
            return
        before = (
            reply.usage.input_tokens
            for reply in reversed(self._session.spent)
            if reply.provenance.thread == thread.name and reply.usage.input_tokens
        )
        last_tokens = next(before, None)
        if last_tokens and now_tokens >= last_tokens * self._plan.settings.large_prompt_factor:
            times = now_tokens / last_tokens
            self.builder.notices.append(f"the prompt is {times:.0f} times the last one")

    def keep(self) -> Reply:
        """Build the reply and record it."""
        plan, question = self._plan, self._plan.question
        self._mention_growth()
        reply = self.builder.build(plan.model.id)
        local = plan.target.served_by == LOCAL
        reply = dataclasses.replace(
            reply,
            cost=self._session.cost(
                plan, reply.usage, self._sent_at, doubtful=IMPOSSIBLE in reply.notices
            ),
            provenance=Provenance(
                endpoint=plan.request.endpoint,
                served_by=plan.target.served_by,
                served_model=_local_model_name() if local else None,
                thread=plan.thread.name if plan.thread else None,
                turn=None if self._place is None else self._place + 1,
                request_sha256=self._exchange.body_sha256,
            ),
        )
        if isinstance(reply.error, ProviderError) and (reply.text or reply.reasoning):
            reply.error.reply = reply
        if plan.thread is not None and self._place is not None:
            turn = Turn(question.prompt, reply.text, question.system, question.images)
            plan.thread.record(self._place, turn)
        self._session.spent.append(reply)
        return reply


def _local_model_id() -> str:
    from cc_jupyter.local import MODEL_ID  # noqa: PLC0415  most sessions use no local model

    return MODEL_ID


def _local_model_name() -> str:
    from cc_jupyter.local import DISPLAY_NAME  # noqa: PLC0415  most sessions use no local model

    return DISPLAY_NAME
