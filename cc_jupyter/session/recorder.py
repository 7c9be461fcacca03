"""Records one answer: its reply, its cost and its turn in the thread and the history."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from time import monotonic
from typing import TYPE_CHECKING

from cc_jupyter.conversation.turns import Turn, TurnInputs
from cc_jupyter.core.errors import ProviderError
from cc_jupyter.core.events import Source, TextDelta
from cc_jupyter.core.messages import Parameters, PromptTemplate
from cc_jupyter.core.redaction import MASK, is_secret, masked, redact
from cc_jupyter.core.text import pluralize
from cc_jupyter.session.answer_recorder import AnswerRecorder

if TYPE_CHECKING:
    from datetime import datetime

    from cc_jupyter.client.client import AnswerStream
    from cc_jupyter.conversation.history import History
    from cc_jupyter.conversation.records import TurnRecord
    from cc_jupyter.core.events import StreamEvent
    from cc_jupyter.core.messages import PromptSpec
    from cc_jupyter.core.money import Cost
    from cc_jupyter.core.reply import Reply
    from cc_jupyter.core.steps import Step
    from cc_jupyter.session.budget_guard import BudgetGuard
    from cc_jupyter.session.prepare import PreparedRequest
    from cc_jupyter.session.reservation import Reservation


PARTIAL_S = 1.5
"""How often a growing answer is saved, so that a crash loses at most two seconds of it."""
_LARGE_TOKENS = 2_000
"""A smaller prompt costs too little for a notice, however much it grew."""
_EXAMPLE_CHARS = 80
"""How much of a value is stored with the template of a prompt."""


class TurnRecorder(AnswerRecorder):
    """Records one answer: builds the reply, prices it, saves the turn.

    Parameters
    ----------
    stream
        Sends the request; its events are added here.
    budget_guard
        Counts the cost of the reply.
    """

    saves_parts = True
    """Whether a growing answer is saved."""

    def __init__(
        self,
        prepared: PreparedRequest,
        reservation: Reservation,
        stream: AnswerStream,
        history: History,
        budget_guard: BudgetGuard,
    ) -> None:
        super().__init__(
            prepared,
            stream,
            budget_guard,
            turn_id=reservation.turn_id,
            budget_watchers=reservation.budget_watchers,
            sent_at=history.now(),
            place=reservation.place,
        )
        self._slot = reservation.slot
        self._history = history
        self._stale: list[int] = []
        self._next_save_s = monotonic() + PARTIAL_S
        self._has_new_text = False
        self._redacted_body = (b"", b"")  # as sent, and as saved

    def add(self, event: StreamEvent) -> None:
        """Add the next event; save the text received every `PARTIAL_S` seconds.

        Raises
        ------
        StreamError
            The budget is used up; the builder holds what was received.
        """
        super().add(event)
        self._has_new_text = self._has_new_text or isinstance(event, TextDelta)
        if self._has_new_text and self.saves_parts and monotonic() >= self._next_save_s:
            self._has_new_text = False
            notice = self._write(self.estimated(self.build_reply()), finished=False)
            self.builder.notices += [notice] if notice else []
            self._next_save_s = monotonic() + PARTIAL_S

    def save(self) -> None:
        """Build the reply, price it and save the turn."""
        self._note_growth()
        self.own_reply = self.priced(self.build_reply())
        self.reply = reply = self.of_turn(self.own_reply)
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
            counted = self.own_reply if reply.steps else self.reply
            self._budget_guard.settle(self._turn_id, counted, self._prepared.run_budget)

    def of_turn(self, reply: Reply) -> Reply:
        """Return the reply of the whole turn; this request is all of it."""
        return reply

    @property
    def turn_sent_at(self) -> datetime:
        """When the first request of the turn was sent."""
        return self._sent_at

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
            sent_at=self.turn_sent_at,
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
            blind=prepared.blind,
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
