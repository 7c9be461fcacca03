"""Records one answer: its reply, its cost and its turn in the thread and the history."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from time import monotonic
from typing import TYPE_CHECKING, Any

from cc_jupyter.client.local import DISPLAY_NAME
from cc_jupyter.client.reply_builder import ReplyBuilder
from cc_jupyter.conversation.turns import Turn, TurnInputs
from cc_jupyter.core.errors import CassetteError, ProviderError, StatusError
from cc_jupyter.core.events import NO_USAGE, ReasoningDelta, Source, TextDelta
from cc_jupyter.core.messages import INTERRUPTED, Parameters, PromptTemplate
from cc_jupyter.core.redaction import MASK, SecretFilter, is_secret, masked, redact
from cc_jupyter.core.request_key import request_key
from cc_jupyter.core.text import pluralize
from cc_jupyter.models.registry import LOCAL
from cc_jupyter.session.prepare import OpenTurn
from cc_jupyter.usage.estimate import estimate_tokens

if TYPE_CHECKING:
    from datetime import datetime

    from cc_jupyter.cassettes.tape import Replay
    from cc_jupyter.client.client import RequestStream
    from cc_jupyter.conversation.history import History
    from cc_jupyter.conversation.records import TurnRecord
    from cc_jupyter.core.errors import CcError
    from cc_jupyter.core.events import StreamEvent, Usage
    from cc_jupyter.core.messages import PromptSpec, Request
    from cc_jupyter.core.money import Cost
    from cc_jupyter.core.reply import Reply
    from cc_jupyter.core.steps import CallRecord, Step
    from cc_jupyter.session.budget_guard import BudgetGuard
    from cc_jupyter.session.prepare import PreparedRequest
    from cc_jupyter.session.reservation import Reservation


REPLAY = "replay"
"""What `served_by` says of a replayed answer."""
PARTIAL_S = 1.5
"""How often a growing answer is saved, so that a crash loses at most two seconds of it."""
_LARGE_TOKENS = 2_000
"""A smaller prompt costs too little for a notice, however much it grew."""
_EXAMPLE_CHARS = 80
"""How much of a value is stored with the template of a prompt."""
_MAY_BE_BILLED = frozenset({504, 524})
"""A gateway gave up waiting for an upstream that may have done its work."""


class TurnRecorder:
    """Records one answer: builds the reply, prices it, saves the turn.

    Parameters
    ----------
    stream
        Sends the request; its events are added here.
    budget_guard
        Counts the cost of the reply.
    """

    reply: Reply
    """The recorded reply, with the steps before it; set by `save`."""
    step_reply: Reply
    """The reply to this request alone; set by `save`."""

    def __init__(
        self,
        prepared: PreparedRequest,
        reservation: Reservation,
        stream: RequestStream,
        history: History,
        budget_guard: BudgetGuard,
    ) -> None:
        self.stream = stream
        self._prepared = prepared
        self._place = reservation.place
        self._slot = reservation.slot
        self._budget_watchers = reservation.budget_watchers
        self._history = history
        self._budget_guard = budget_guard
        self._sent_at = history.now()
        self._open_turn = prepared.open_turn
        self._calls: tuple[CallRecord, ...] = ()
        self._with_steps = prepared.new_runner is not None or prepared.open_turn is not None
        self._turn_id = reservation.turn_id
        self._stale: list[int] = []
        self.builder = ReplyBuilder(beginning=prepared.beginning)
        if prepared.open_turn is None:
            self.builder.notices.extend(prepared.spec.notices)
        self._next_save_s = monotonic() + PARTIAL_S
        self._has_new_text = False
        self._first_arrived_s: float | None = None  # at the recording
        self._redacted_body = (b"", b"")  # as sent, and as saved
        self._keyed_body = b""  # the body with this key
        self._key = ""

    def add(self, event: StreamEvent) -> None:
        """Add the next event; save the text received every `PARTIAL_S` seconds.

        Raises
        ------
        StreamError
            The budget is used up; the builder holds what was received.
        """
        self.builder.add(event)
        if isinstance(event, TextDelta | ReasoningDelta):
            if self.stream.replay is None:
                for watcher in self._budget_watchers:
                    watcher.add(event.text, self.builder.usage)
            elif self._first_arrived_s is None:
                self._first_arrived_s = self.stream.arrived_s
        self._has_new_text = self._has_new_text or isinstance(event, TextDelta)
        # a later step would leave the costs of those before it out of a budget for a moment
        if self._open_turn is None and self._has_new_text and monotonic() >= self._next_save_s:
            self._has_new_text = False
            notice = self._write(self._estimated(self._build_reply()), finished=False)
            self.builder.notices += [notice] if notice else []
            self._next_save_s = monotonic() + PARTIAL_S

    def save(self) -> None:
        """Build the reply, price it and save the turn."""
        self._note_growth()
        self.step_reply = self._priced(self._build_reply())
        self.reply = reply = self._of_turn(self.step_reply)
        try:
            notices = (
                self._write(reply, finished=True),
                self._cache_notice(),
                self._recording_notice(),
                *(watcher.note(reply) for watcher in self._budget_watchers),
            )
            self.reply = reply = dataclasses.replace(
                reply, notices=(*reply.notices, *filter(None, notices))
            )
            if isinstance(reply.error, ProviderError) and (reply.text or reply.reasoning):
                reply.error.reply = reply
        finally:  # also after an interrupt: it was paid for
            # a turn with tools counts each step
            counted = self.step_reply if self._with_steps else self.reply
            self._budget_guard.settle(self._turn_id, counted, self._prepared.run_budget)

    @property
    def request(self) -> Request:
        """The request of this step."""
        return self._prepared.request

    @property
    def step(self) -> Step:
        """The request as a step of its turn."""
        return self.reply.steps[-1]

    def add_call(self, record: CallRecord) -> None:
        """Add the result of the next call of this step; `close_step` saves it."""
        self._calls = (*self._calls, self._without_secrets(record))
        self._update_step()

    def close_step(self, why: str) -> None:
        """Save the step; a call without a result gets one that says why: it was interrupted."""
        self._calls = self.step.closed(why or INTERRUPTED).calls
        self._save_again()

    def end_turn(
        self, *, error: CcError | KeyboardInterrupt | None = None, notice: str = ""
    ) -> None:
        """Save the turn as it ended after its last request."""
        if not hasattr(self, "reply"):  # it ended before the request did
            self.builder.fail(error or KeyboardInterrupt())
            self.save()
            return
        is_interrupt = isinstance(error, KeyboardInterrupt)
        self.reply = dataclasses.replace(
            self.reply,
            error=self.reply.error or error,
            stop_reason="interrupted" if is_interrupt else self.reply.stop_reason,
            notices=(*self.reply.notices, *([notice] if notice else ())),
        )
        self._save_again()

    def next_request(self) -> PreparedRequest:
        """Return the request after this step: the same one, with the answer and the results."""
        prepared = self._prepared
        request = prepared.request
        return prepared._replace(
            request=request._replace(messages=(*request.messages, *self.step.messages)),
            open_turn=OpenTurn(
                self._turn_id, self._place, self._slot, self._turn_sent_at, self.reply
            ),
        )

    def _without_secrets(self, record: CallRecord) -> CallRecord:
        """Return a call without the key, in case a function returned it."""
        secrets = self._prepared.endpoint.secrets

        def clean(text: str) -> str:
            cleaner = SecretFilter(secrets)
            return cleaner.feed(text) + cleaner.flush()

        content = tuple(
            clean(each) if isinstance(each, str) else each for each in record.result.content
        )
        return record._replace(
            result=record.result._replace(content=content),
            shown=clean(record.shown),
            source=clean(record.source),
            detail=clean(record.detail),
        )

    @property
    def _turn_sent_at(self) -> datetime:
        return self._sent_at if self._open_turn is None else self._open_turn.sent_at

    def _update_step(self) -> None:
        before = self._open_turn.reply.steps if self._open_turn else ()
        step = dataclasses.replace(self.step, calls=self._calls)
        self.reply = dataclasses.replace(
            self.reply, steps=(*before, step), tool_calls=step.open_calls
        )

    def _save_again(self) -> None:
        """Save the turn with what happened after its last request."""
        self._update_step()
        notice = self._write(self.reply, finished=True)
        if notice:
            self.reply = dataclasses.replace(self.reply, notices=(*self.reply.notices, notice))

    def _of_turn(self, reply: Reply) -> Reply:
        """Return a reply with the steps of its turn: texts of the last one, sums of all."""
        if not self._with_steps:
            return reply
        from cc_jupyter.session.tool_turns.records import reply_of_steps, step_of  # noqa: PLC0415  only tools need it

        body = self._body_to_save(self._prepared.endpoint.secrets)
        step = step_of(reply, self.builder.parts(), body)
        return reply_of_steps(reply, step, self._open_turn.reply if self._open_turn else None)

    def _priced(self, reply: Reply) -> Reply:
        """Return the reply with its cost; missing counts of a stopped answer are estimated."""
        if self._was_refused(reply.error):
            from cc_jupyter.core.money import NOTHING_BILLED  # noqa: PLC0415  only a refusal needs it

            usage = dataclasses.replace(NO_USAGE, input_tokens=0, output_tokens=0)
            return dataclasses.replace(reply, usage=usage, cost=NOTHING_BILLED)
        was_cut_off = isinstance(reply.error, KeyboardInterrupt) or (
            reply.error is not None and bool(self.builder.received_bytes)
        )
        if was_cut_off:
            return self._estimated(reply)
        return dataclasses.replace(reply, cost=self._cost(reply.usage))

    def _cost(self, usage: Usage) -> Cost:
        """Price a usage: a replayed one as of its recording, estimated if prices have changed."""
        replay = self.stream.replay
        if replay is None:
            return self._prepared.cost(usage, self._sent_at)
        recording = replay.recording
        if recording.served_by == LOCAL:
            from cc_jupyter.core.money import NOTHING_BILLED  # noqa: PLC0415  as in _priced

            return NOTHING_BILLED
        cost = self._prepared.cost(usage, recording.recorded_at)
        price_date = cost.price_date.isoformat() if cost.price_date else None
        has_changed = cost.origin == "reported" and price_date not in (None, recording.price_date)
        return dataclasses.replace(cost, origin="estimated") if has_changed else cost

    def _estimated(self, reply: Reply) -> Reply:
        """Return the reply with its cost so far; a growing answer is saved so for a crash."""
        usage = self._with_estimates(reply.usage)
        return dataclasses.replace(reply, usage=usage, cost=self._cost(usage))

    def _was_refused(self, error: BaseException | None) -> bool:
        """Return whether nothing can have been billed: refused, or never sent."""
        if isinstance(error, CassetteError):
            return True
        if isinstance(error, StatusError):
            return error.status not in _MAY_BE_BILLED
        return error is not None and self.stream.requests_sent == 0

    def _with_estimates(self, usage: Usage) -> Usage:
        """Fill in the counts that a stopped answer has not reported, as the screen estimates them.

        Providers report usage at the end of an answer.
        """
        request, calibration = self._prepared.request, self._budget_guard.calibration
        counts = {
            "input_tokens": estimate_tokens(request, calibration),
            "output_tokens": calibration.tokens(request.model, self.builder.received_bytes),
        }
        missing: dict[str, Any] = {
            name: count for name, count in counts.items() if getattr(usage, name) is None
        }
        return dataclasses.replace(usage, **missing, estimated=tuple(missing) or None)

    def _build_reply(self) -> Reply:
        """Return the reply as received so far, with its provenance."""
        from cc_jupyter.core.reply import Provenance  # noqa: PLC0415  the first cell loads little before it sends

        prepared = self._prepared
        replay = self.stream.replay
        served_by = prepared.endpoint.served_by if replay is None else replay.recording.served_by
        was_stopped = isinstance(self.builder.error, KeyboardInterrupt)
        timing = {} if replay is None or was_stopped else self._recorded_timing(replay)
        return dataclasses.replace(
            self.builder.build(prepared.model.id),
            **timing,
            provenance=Provenance(
                endpoint=prepared.request.endpoint,
                served_by=served_by if replay is None else REPLAY,
                served_model=DISPLAY_NAME if served_by == LOCAL else None,
                thread=prepared.thread.name if prepared.thread else None,
                turn=None if self._place is None else self._place + 1,
                turn_id=self._turn_id,
                order=prepared.order,
                request_sha256=self.stream.body_sha256,
                request_key=self._request_key(),
                sample=self.stream.sample,
                grid=prepared.grid,
                replayed_from=replay.cassette if replay else None,
                recorded_at=replay.recording.recorded_at if replay else None,
            ),
        )

    def _recorded_timing(self, replay: Replay) -> dict[str, Any]:
        """Return the times of the recording: the speed of a file is not the model's."""
        return {"time_to_first_token_s": self._first_arrived_s, "duration_s": replay.ended_s}

    def _request_key(self) -> str:
        body = self.stream.body
        if body is not self._keyed_body:
            self._keyed_body = body
            self._key = request_key(self._prepared.request.endpoint, body) if body else ""
        return self._key

    def _write(self, reply: Reply, *, finished: bool) -> str | None:
        """Write the turn to the thread and the history; return a notice for the user, if any."""
        prepared, spec = self._prepared, self._prepared.spec
        self._stale = []
        if finished and prepared.thread is not None and self._place is not None and self._has_place:
            turn = Turn(
                spec.prompt,
                reply.text,
                spec.system,
                spec.images,
                self._turn_id,
                TurnInputs(prepared.context.digest, spec),
                model=reply.model,
                options=self.stream.parameters,
                group=prepared.grid,
                failed=reply.error is not None,
                steps=tuple(step.closed() for step in reply.steps),
            )
            self._stale = prepared.thread.record(self._place, turn, prepared.page)
        return self._history.save(
            self._record(reply, finished=finished),
            prepared.thread,
            on_disk=prepared.settings.history,
            stale=self._stale,
        )

    def _recording_notice(self) -> str | None:
        """Return a notice if the answer could not be recorded."""
        problem = self.stream.record_problem
        return None if problem is None else f"not recorded: {problem}"

    def _cache_notice(self) -> str | None:
        """Return a notice if later turns lose the prompt cache, which ends at a change."""
        if not self._stale or self._prepared.request.endpoint != "/messages":
            return None
        return (
            f"the context of {pluralize(len(self._stale), 'later turn')} changed: the next prompt"
            " pays the full price for them, not the cache price"
        )

    @property
    def _has_place(self) -> bool:
        """Whether the turn still has its place, which a rewind may have removed."""
        slots, place = self._prepared.thread.slots if self._prepared.thread else (), self._place
        return place is not None and place < len(slots) and slots[place] is self._slot

    def _record(self, reply: Reply, *, finished: bool) -> TurnRecord:
        from cc_jupyter.conversation.records import TurnRecord  # noqa: PLC0415  the first cell loads little before it sends

        prepared, spec = self._prepared, self._prepared.spec
        secrets = prepared.endpoint.secrets
        body = self._body_to_save(secrets)
        thread, error = prepared.thread, reply.error
        return TurnRecord(
            id=self._turn_id,
            prompt=redact(spec.prompt, secrets),
            model=reply.model,
            endpoint=prepared.request.endpoint,
            sent_at=self._turn_sent_at,
            conversation_id=thread.id if thread else None,
            thread=thread.name if thread else None,
            position=self._place if self._has_place else None,
            parent_id=prepared.context.parent_id if thread else None,
            key=spec.turn_key,
            notebook=spec.turn_key.notebook if spec.turn_key else spec.notebook,
            system=None if spec.system is None else redact(spec.system, secrets),
            images=spec.images,
            answer=redact(reply.text, secrets),
            answer_images=reply.images,
            sources=tuple(
                Source(redact(source.title, secrets), redact(source.url, secrets))
                for source in reply.sources
            ),
            reasoning=redact(reply.reasoning, secrets),
            stop_reason=reply.stop_reason,
            stop_word=reply.stop_word,
            error=None if error is None else f"{type(error).__name__}: {error}",
            usage=reply.usage.reported,
            cost=_cost_to_save(reply),
            # the speed of a file is not the model's
            time_to_first_token_s=None if reply.replayed else reply.time_to_first_token_s,
            duration_s=reply.duration_s,
            served_by=reply.provenance.served_by,
            served_model=reply.provenance.served_model,
            notices=reply.notices,
            order=prepared.order,
            zdr=prepared.zdr,
            request_sha256=hashlib.sha256(body).hexdigest(),
            request_key=reply.provenance.request_key,
            sample=reply.provenance.sample,
            grid=reply.provenance.grid,
            replayed_from=reply.provenance.replayed_from,
            options=_redacted_parameters(self.stream.parameters, secrets),
            template=self._template,
            body=body or None,
            steps=self._steps_to_save(reply, secrets),
            finished=finished,
        )

    def _steps_to_save(self, reply: Reply, secrets: tuple[str, ...]) -> tuple[Step, ...]:
        if not reply.steps:
            return ()
        from cc_jupyter.core.steps.redacting import redacted_step  # noqa: PLC0415  only tools need it

        return tuple(redacted_step(step.closed(), secrets) for step in reply.steps)

    @functools.cached_property
    def _template(self) -> PromptTemplate | None:
        """The prompt as typed, without secrets; a growing answer is saved often."""
        return _redacted_template(self._prepared.spec, (self._prepared.endpoint.key.value,))

    def _body_to_save(self, secrets: tuple[str, ...]) -> bytes:
        """Return the request body without secrets; a growing answer is saved often."""
        sent, saved = self._redacted_body
        if sent is not self.stream.body:
            sent = self.stream.body
            saved = redact(sent.decode(), secrets).encode()
            self._redacted_body = (sent, saved)
        return saved

    def _note_growth(self) -> None:
        """Add a notice if the prompt is much larger than the last: history is billed each time."""
        thread, now_tokens = self._prepared.thread, self.builder.usage.input_tokens
        if thread is None or now_tokens is None or now_tokens < _LARGE_TOKENS:
            return
        earlier = (
            reply.usage.input_tokens
            for reply in reversed(self._budget_guard.replies)
            if reply.provenance.thread == thread.name and reply.usage.input_tokens
        )
        last_tokens = next(earlier, None)
        if last_tokens and now_tokens >= last_tokens * self._prepared.settings.large_prompt_factor:
            times = now_tokens / last_tokens
            self.builder.notices.append(f"the prompt is {times:.0f} times the last one")


def _cost_to_save(reply: Reply) -> Cost:
    """Return the cost for the ledger: a replayed answer costs $0, and is listed at its price."""
    if not reply.replayed:
        return reply.cost
    return dataclasses.replace(
        reply.billed, price_date=reply.cost.price_date, table_usd=reply.cost.usd
    )


def _redacted_parameters(parameters: Parameters, secrets: tuple[str, ...]) -> Parameters:
    text = json.dumps(parameters.to_json(), ensure_ascii=False)
    return Parameters.from_json(json.loads(redact(text, secrets)))


def _redacted_template(spec: PromptSpec, secrets: tuple[str, ...]) -> PromptTemplate | None:
    """Return the prompt as typed, with the model that was asked."""
    template = spec.template
    if template is None:
        return None
    options = template.options if spec.model is None else {**template.options, "model": spec.model}
    text = json.dumps(template._replace(options=options).to_json(), ensure_ascii=False)
    examples = [(source, _example(source, value, secrets)) for source, value in template.examples]
    return PromptTemplate.from_json({**json.loads(redact(text, secrets)), "examples": examples})


def _example(expression: str, text: str, secrets: tuple[str, ...]) -> str:
    """Return the beginning of a value; it is cut last, so that no part of a key is left."""
    return MASK if is_secret(expression, text) else masked(text, secrets)[:_EXAMPLE_CHARS]
