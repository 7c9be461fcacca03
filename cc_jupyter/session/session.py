"""The pipeline: prepare a request, reserve what it needs, stream its answer, save the turn.

This module neither parses options nor knows about cells.
"""

from __future__ import annotations

import functools
import hashlib
import os
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from cc_jupyter.client.bodies.structured_output import FormatMemory
from cc_jupyter.client.client import Limits, RequestStream, encode_body
from cc_jupyter.client.endpoint import find_endpoint
from cc_jupyter.client.transport import Transport
from cc_jupyter.config.settings import Settings, load_settings
from cc_jupyter.conversation.document_order import DocumentOrder
from cc_jupyter.conversation.history import History
from cc_jupyter.conversation.thread import Conversations
from cc_jupyter.core.errors import ConfigError, ModelError, ProviderError
from cc_jupyter.core.events import TextDelta
from cc_jupyter.core.request_key import SampleCounter, request_key
from cc_jupyter.models.registry import Models
from cc_jupyter.session.budget_guard import BudgetGuard
from cc_jupyter.session.in_flight import InFlightRequests, InterruptGuard
from cc_jupyter.session.prepare import Preparer, is_small
from cc_jupyter.session.recorder import TurnRecorder
from cc_jupyter.session.rejected_keys import RejectedKeys
from cc_jupyter.session.reservation import reserved
from cc_jupyter.session.tapes import Tapes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from contextlib import AbstractContextManager
    from datetime import date
    from decimal import Decimal

    from cc_jupyter.cassettes.tape import Tape
    from cc_jupyter.client.client import AnswerStream
    from cc_jupyter.client.endpoint import Endpoint
    from cc_jupyter.conversation.hidden_grids import HiddenGrids
    from cc_jupyter.core.events import StreamEvent
    from cc_jupyter.core.messages import PromptSpec, Request
    from cc_jupyter.core.reply import Reply
    from cc_jupyter.prompt.output_types import OutputType
    from cc_jupyter.render.base import Renderer
    from cc_jupyter.session.answer_recorder import AnswerRecorder
    from cc_jupyter.session.prepare import PreparedRequest
    from cc_jupyter.session.tool_turns.recorder import StepRecorder


Recording: TypeAlias = "Callable[[PreparedRequest], AbstractContextManager[AnswerRecorder]]"
"""Opens what records the answer to a request: with its stream, and with the money it may cost."""
StepRecording: TypeAlias = "Callable[[PreparedRequest], AbstractContextManager[StepRecorder]]"
"""The same for one request of a turn with tools."""
_TAPE_S = 0.02
"""How long the choice of a cassette holds: a request asks for it several times."""


class OpenStream(Protocol):
    """Opens the stream of one request: `Session.open_stream`, or a pool of workers."""

    def __call__(  # noqa: PLR0913  what one request needs
        self,
        request: Request,
        endpoint: Endpoint,
        limits: Limits,
        *,
        zdr: bool,
        number: Callable[[str], int] | None = None,
        price_date: date | None = None,
    ) -> AnswerStream:
        """Return the stream of one request, which is sent at its first step."""


class Session:
    """The state of the process: connections, conversations, choices."""

    def __init__(self, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.tapes = Tapes()
        """The cassettes that were used."""
        self._tape: tuple[object, Tape | None, float] = (None, None, 0.0)
        self.notebook: Callable[[], str] = lambda: ""
        """Returns the path of the running notebook; empty if it is not known."""
        self.transport = Transport(tape=self.tape)
        self.models = Models(self.transport)
        self.conversations = Conversations()
        self.document_order = DocumentOrder()
        """The order of cells on the page, as far as a front end reported it."""
        self.in_flight = InFlightRequests()
        self.choices: dict[str, Any] = {}
        """Settings of this session (`%cmd use`, `%config`); only options take precedence."""
        self.profile: dict[str, Any] = {}
        """Settings of the IPython profile; all others take precedence."""
        self.replies: list[Reply] = []
        """The replies to all requests of the session, from which its cost is added up."""
        self.samples = SampleCounter()
        """Numbers equal requests of an execution."""
        self._formats = FormatMemory()
        self.now = now
        """Returns the current time, aware, in UTC."""
        self.started_at = now()
        """When the session began; aware, UTC."""
        self.rejected_keys = RejectedKeys(now)
        """The keys that servers rejected in this session."""
        self.history = History(now)
        self.budget_guard = BudgetGuard(lambda: self.history, self.replies, now, self.is_replayed)

    @functools.cached_property
    def hidden_grids(self) -> HiddenGrids:
        """The blind grids that are not revealed yet: no list shows their models."""
        from cc_jupyter.conversation.hidden_grids import HiddenGrids  # noqa: PLC0415  the first cell needs none

        return HiddenGrids(lambda: self.history)

    def settings(self, **options: Any) -> Settings:  # noqa: ANN401  checked by the settings
        """Return the effective settings; `options` that are not `None` take precedence."""
        given = {name: value for name, value in options.items() if value is not None}
        return load_settings({**self.choices, **given}, self.profile)

    def tape(self, settings: Settings | None = None) -> Tape | None:
        """Return the cassette in use; `None` if there is none.

        Parameters
        ----------
        settings
            The settings the caller has read; by default the effective ones.

        Raises
        ------
        ConfigError
            A setting cannot be used, or the cassette needs a path.
        """
        named = (self.choices.get("cassette"), os.environ.get("CMD_CASSETTE"), self.notebook())
        known, tape, until_s = self._tape
        if settings is None:
            if known == named and monotonic() < until_s:
                return tape
            settings = self.settings()
        tape = self.tapes.tape(self.tapes.decide(settings.cassette), self.notebook())
        self._tape = (named, tape, monotonic() + _TAPE_S)
        return tape

    def is_replayed(self, prepared: PreparedRequest) -> bool:
        """Return whether a cassette answers a request; one without a number is the first."""
        tape = self.tape()
        if tape is None or tape.mode != "auto":  # the key decides only in `auto`
            return tape is not None and tape.mode == "replay"
        key = request_key(prepared.request.endpoint, encode_body(prepared.request))
        return tape.has(key, prepared.sample or 0)

    @property
    def preparer(self) -> Preparer:
        """Prepares requests with the current parts of the session."""
        return Preparer(
            conversations=self.conversations,
            document_order=self.document_order,
            history=self.history,
            models=self.models,
            formats=self._formats,
            calibration=self.budget_guard.calibration,
            tape=self.tape,
        )

    def prepare(self, spec: PromptSpec, settings: Settings | None = None) -> PreparedRequest:
        """Decide everything about a request; reserve and send nothing.

        Parameters
        ----------
        settings
            The settings the caller has read; by default the effective ones.

        Raises
        ------
        CcError
            Something is missing, unknown or unusable.
        """
        return self.preparer.prepare(spec, settings or self.settings())

    def limited(
        self, prepared: PreparedRequest, max_usd: Decimal | None, max_requests: int | None
    ) -> PreparedRequest:
        """Return a single request within what its cell may cost; a run of one.

        Raises
        ------
        OptionError
            It is estimated to cost more than a cell may without saying so.
        """
        if max_usd is None and max_requests is None and is_small(prepared):
            return prepared
        from cc_jupyter.session.run_limits import (  # noqa: PLC0415  few cells need it
            RunLimits,
            check_run,
            estimate_run,
            open_ended_budget,
        )

        estimate = estimate_run([prepared], self.budget_guard, self.now())
        limits = RunLimits(max_usd, max_requests)
        budget = check_run(estimate, limits, prepared.settings.refuse_above_usd)
        if budget is None and prepared.new_runner is not None:
            budget = open_ended_budget(prepared.settings.refuse_above_usd)
        return prepared._replace(run_budget=budget)

    def run(
        self,
        prepared: PreparedRequest,
        renderer: Renderer,
        guard: Callable[[Callable[[], None]], InterruptGuard] | None = None,
        recording: Recording | None = None,
    ) -> Reply:
        """Send the request, show the answer as it arrives and save the turn.

        Returns the reply however it ended: the caller raises `reply.error`. An interrupt becomes
        the reply's error; the text received is saved and the connection is closed.

        Parameters
        ----------
        guard
            Makes what guards the request against interrupts from what wakes it; by default it
            guards against those of this process.
        recording
            Opens what records the answer, in place of a turn in the history.

        Raises
        ------
        OptionError
            The estimated cost exceeds the budget; nothing was sent.
        KeyboardInterrupt
            An interrupt came after the last event; the answer is complete and saved.
        """
        if prepared.new_runner is not None:
            from cc_jupyter.session.tool_turns.loop import ToolLoop  # noqa: PLC0415  only tools need it

            return ToolLoop(self, prepared, prepared.new_runner(), renderer).run(guard)
        with (
            (recording or self._recorder)(prepared) as recorder,
            (guard or InterruptGuard)(recorder.stream.wake) as interrupts,
            self._tracked(prepared, recorder, interrupts.interrupt),
        ):
            self._send(prepared, recorder, renderer)
            reply = recorder.reply
            renderer.finish(reply)
        if interrupts.count and reply.error is None:
            raise KeyboardInterrupt
        return reply

    def send_step(
        self,
        prepared: PreparedRequest,
        renderer: Renderer,
        begin: Callable[[StepRecorder], Callable[[], None]],
        recording: StepRecording | None = None,
    ) -> StepRecorder:
        """Send one request of a turn with tools, show its answer and save the turn so far.

        Parameters
        ----------
        begin
            Called before the request is sent; returns what interrupts it.
        recording
            Opens what records the answer, in place of a turn in the history.

        Raises
        ------
        OptionError
            The estimated cost exceeds the budget; the request was not sent.
        """
        with (
            (recording or self._step_recorder)(prepared) as recorder,
            self._tracked(prepared, recorder, begin(recorder)),
        ):
            self._send(prepared, recorder, renderer)
        return recorder

    def _send(
        self, prepared: PreparedRequest, recorder: AnswerRecorder, renderer: Renderer
    ) -> None:
        """Send a request and show its events; how it ended is in the recorder's reply."""
        if prepared.beginning:
            renderer.show(TextDelta(prepared.beginning))
        try:
            with self._recorded(prepared, recorder) as events:
                for event in events:
                    renderer.show(event)
        except (ProviderError, KeyboardInterrupt) as error:
            if error is not recorder.builder.error:  # not how the answer ended
                raise
        if recorder.reply.error is None:
            self.budget_guard.learn(prepared, recorder.own_reply.usage)
        sent, accepted = prepared.request.answer_format, recorder.stream.answer_format
        self._formats.learn(prepared.endpoint.api_root, prepared.model.id, sent, accepted)

    def stream(self, prepared: PreparedRequest) -> Generator[StreamEvent, None, None]:
        """Send the request and yield its events; the turn is saved however the loop is left.

        Raises
        ------
        OptionError
            The estimated cost exceeds the budget; nothing was sent.
        ProviderError
            The request was refused; a broken answer ends in an `Error` event instead.
        """
        with (
            self._recorder(prepared) as recorder,
            self._tracked(prepared, recorder, recorder.stream.wake),
            self._recorded(prepared, recorder) as events,
        ):
            yield from events

    def ask_typed(
        self,
        prepared: PreparedRequest,
        output_type: OutputType,
        run: Callable[[PreparedRequest], Reply],
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
        from cc_jupyter.prompt.output_types import ValidationProblem, may_repair  # noqa: PLC0415  only `--type` needs it

        reply = run(prepared)
        try:
            return reply, output_type.validate(reply.text)
        except ValidationProblem as problem:
            if not may_repair(reply, prepared.settings.max_retries):
                raise output_type.error(problem, reply) from None
            repair = self.preparer.prepare_repair(prepared, output_type, reply, problem)
        reply = run(repair)
        return reply, output_type.value_of(reply)

    @contextmanager
    def _recorder(self, prepared: PreparedRequest) -> Iterator[TurnRecorder]:
        """Reserve what the request needs; its stream sends it at the first step."""
        prepared = self.with_key(prepared)
        with reserved(prepared, self.budget_guard) as reservation:
            stream = self.stream_of(prepared)
            yield TurnRecorder(prepared, reservation, stream, self.history, self.budget_guard)

    @contextmanager
    def _step_recorder(self, prepared: PreparedRequest) -> Iterator[StepRecorder]:
        """Reserve what one request of a turn with tools needs."""
        from cc_jupyter.session.tool_turns.recorder import TurnStepRecorder  # noqa: PLC0415  only tools need it

        prepared = self.with_key(prepared)
        with reserved(prepared, self.budget_guard) as reservation:
            stream = self.stream_of(prepared)
            yield TurnStepRecorder(prepared, reservation, stream, self.history, self.budget_guard)

    def stream_of(
        self,
        prepared: PreparedRequest,
        *,
        gives_up_on_429: bool = False,
        open_stream: OpenStream | None = None,
    ) -> AnswerStream:
        """Return the stream of a prepared request, which is sent at its first step.

        Parameters
        ----------
        gives_up_on_429
            Whether a refusal for too many requests ends it: who runs many requests decides when
            to send it again.
        open_stream
            Opens the stream in place of `Session.open_stream`, to have a worker send it.
        """
        settings = prepared.settings
        return (open_stream or self.open_stream)(
            prepared.request,
            prepared.endpoint,
            Limits(
                settings.max_retries,
                settings.idle_timeout_s,
                settings.max_answer_mb,
                gives_up_on_429=gives_up_on_429,
            ),
            zdr=prepared.zdr,
            number=functools.partial(self._number, prepared),
            price_date=prepared.model.spec.price_date if prepared.model.spec else None,
        )

    def with_key(self, prepared: PreparedRequest) -> PreparedRequest:
        """Return the request with its key if it must be sent; a recorded answer needs none.

        Without a key, `auto` is `replay`: the request is looked up and misses.
        """
        if not prepared.endpoint.is_keyless:
            return prepared
        tape = self.tape()
        if tape is not None and tape.mode == "auto":
            digest = hashlib.sha256(encode_body(prepared.request)).hexdigest()
            sample = self._number(prepared, f"{prepared.request.endpoint} {digest}")
            prepared = prepared._replace(sample=sample)
            if self.is_replayed(prepared):
                return prepared
        elif tape is not None and tape.mode == "replay":
            return prepared
        try:
            endpoint = find_endpoint(prepared.settings, prepared.spec.key_env)
            prepared.settings.check_model(prepared.model.id)
        except ConfigError:
            if tape is None or tape.mode != "auto":
                raise
            return prepared
        return prepared._replace(endpoint=endpoint)

    def open_stream(  # noqa: PLR0913  what one request needs
        self,
        request: Request,
        endpoint: Endpoint,
        limits: Limits,
        *,
        zdr: bool,
        number: Callable[[str], int] | None = None,
        price_date: date | None = None,
    ) -> RequestStream:
        """Return the stream of one request, which is sent at its first step.

        Every request to a model goes through here.
        """
        return RequestStream(
            self.transport,
            request,
            endpoint,
            limits,
            zdr=zdr,
            number=number,
            price_date=price_date,
        )

    def _number(self, prepared: PreparedRequest, digest: str) -> int:
        if prepared.sample is not None:
            return prepared.sample
        return self.samples.number(prepared.spec.execution, digest)

    @contextmanager
    def _recorded(
        self, prepared: PreparedRequest, recorder: AnswerRecorder
    ) -> Iterator[Iterator[StreamEvent]]:
        """Provide the events of an answer, recorded as they pass; always save the turn.

        An error of the provider and an interrupt become the reply's error and are raised again. Any
        other error, such as one of the screen, must not cost the answer: it is saved as received.
        """
        try:
            with closing(iter(recorder.stream)) as events:
                yield self._passing(events, recorder)
            self.rejected_keys.learn(prepared.endpoint, None)
        except ProviderError as error:
            self.rejected_keys.learn(prepared.endpoint, error)
            self._suggest_models(error, prepared)
            recorder.builder.fail(error)
            raise
        except KeyboardInterrupt as interrupt:
            recorder.builder.fail(interrupt)
            raise
        except GeneratorExit:
            recorder.builder.fail(KeyboardInterrupt())
            raise
        finally:
            recorder.save()

    def _passing(
        self, events: Iterator[StreamEvent], recorder: AnswerRecorder
    ) -> Iterator[StreamEvent]:
        for event in events:
            recorder.add(event)
            self.in_flight.beat()
            yield event

    def _suggest_models(self, error: ProviderError, prepared: PreparedRequest) -> None:
        """Name close matches if the provider does not know the model."""
        if isinstance(error, ModelError) and error.is_unknown:
            custom = prepared.settings.models
            close = self.models.close_to(prepared.model.id, prepared.endpoint, custom)
            error.hint = close or error.hint

    def _tracked(
        self, prepared: PreparedRequest, recorder: AnswerRecorder, interrupt: Callable[[], None]
    ) -> AbstractContextManager[None]:
        key, thread = prepared.spec.turn_key, prepared.thread
        return self.in_flight.during(
            recorder.builder,
            interrupt,
            cell_id=key.cell_id if key else None,
            thread=thread.name if thread else None,
            model=prepared.model.id,
        )


@functools.cache
def shared_session() -> Session:
    """Return the session of this process, shared by the magics and calls from Python."""
    return Session()
