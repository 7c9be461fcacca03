"""Records one step of a turn with tools: the turn is saved after each answer and each round."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.messages import INTERRUPTED
from cc_jupyter.core.redaction import SecretFilter
from cc_jupyter.session.prepare import OpenTurn
from cc_jupyter.session.recorder import TurnRecorder
from cc_jupyter.session.tool_turns.records import reply_of_steps, step_of

if TYPE_CHECKING:
    from datetime import datetime

    from cc_jupyter.core.errors import CcError
    from cc_jupyter.core.messages import Request
    from cc_jupyter.core.reply import Reply
    from cc_jupyter.core.steps import CallRecord, Step
    from cc_jupyter.session.prepare import PreparedRequest


class StepRecorder(TurnRecorder):
    """Records one request of a turn, and the calls that its answer asks for."""

    def __init__(self, prepared: PreparedRequest, *arguments: Any) -> None:  # noqa: ANN401  those of `TurnRecorder`
        super().__init__(prepared, *arguments)
        self._open_turn = prepared.open_turn
        self._calls: tuple[CallRecord, ...] = ()
        # a later step would leave the costs of those before it out of a budget for a moment
        self.saves_parts = prepared.open_turn is None
        if prepared.open_turn is not None:  # its first step has them
            self.builder.notices.clear()

    @property
    def request(self) -> Request:
        """The request of this step."""
        return self._prepared.request

    @property
    def step(self) -> Step:
        """The request as a step of its turn."""
        return self.reply.steps[-1]

    @property
    def turn_sent_at(self) -> datetime:
        """When the first request of the turn was sent."""
        return self._sent_at if self._open_turn is None else self._open_turn.sent_at

    def of_turn(self, reply: Reply) -> Reply:
        """Return the reply with the steps of its turn: texts of the last one, sums of all."""
        body = self._body_to_save(self._prepared.endpoint.secrets)
        before = self._open_turn
        step = step_of(reply, self.builder.parts(), body, before.asked if before else "")
        return reply_of_steps(reply, step, before.reply if before else None)

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
            beginning="",
            request=request._replace(messages=(*request.messages, *self.step.messages)),
            open_turn=OpenTurn(
                self._turn_id, self._place, self._slot, self.turn_sent_at, self.reply
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
