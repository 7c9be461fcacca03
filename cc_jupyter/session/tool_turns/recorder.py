"""Records one step of a turn with tools.

A step of a conversation's turn saves the turn after each answer and each round. A row of a table
has steps as well, and no turn.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.messages import INTERRUPTED
from cc_jupyter.core.redaction import SecretFilter
from cc_jupyter.session.answer_recorder import AnswerRecorder
from cc_jupyter.session.prepare import OpenTurn
from cc_jupyter.session.recorder import TurnRecorder
from cc_jupyter.session.tool_turns.records import reply_of_steps, step_of

if TYPE_CHECKING:
    from datetime import datetime

    from cc_jupyter.conversation.turns import TurnSlot
    from cc_jupyter.core.errors import CcError
    from cc_jupyter.core.messages import Request
    from cc_jupyter.core.reply import Reply
    from cc_jupyter.core.steps import CallRecord, Step
    from cc_jupyter.session.prepare import PreparedRequest


class StepRecorder(AnswerRecorder):
    """Records one request of a turn, and the calls that its answer asks for; saves nothing."""

    _slot: TurnSlot | None = None

    def __init__(self, prepared: PreparedRequest, *arguments: Any, **options: Any) -> None:  # noqa: ANN401  those of the next recorder
        super().__init__(prepared, *arguments, **options)
        self._open_turn = prepared.open_turn
        self._calls: tuple[CallRecord, ...] = ()
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
        step = step_of(reply, self.builder.parts(), self._step_body())
        return reply_of_steps(reply, step, self._open_turn.reply if self._open_turn else None)

    def add_call(self, record: CallRecord) -> None:
        """Add the result of the next call of this step."""
        self._calls = (*self._calls, self._without_secrets(record))
        self._update_step()

    def close_step(self, why: str) -> None:
        """Close the step; a call without a result gets one that says why: it was interrupted."""
        self._calls = self.step.closed(why or INTERRUPTED).calls
        self._save_again()

    def end_turn(
        self, *, error: CcError | KeyboardInterrupt | None = None, notice: str = ""
    ) -> None:
        """End the turn after its last request."""
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
                self._turn_id, self._place, self._slot, self.turn_sent_at, self.reply
            ),
        )

    def _step_body(self) -> bytes:
        """Return the body that was sent, as it is stored; empty: it is not."""
        return b""

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
        """Take in what happened after the request."""
        self._update_step()


class TurnStepRecorder(StepRecorder, TurnRecorder):
    """Records one request of a turn that belongs to the history, which is saved with each step."""

    def __init__(self, prepared: PreparedRequest, *arguments: Any) -> None:  # noqa: ANN401  those of `TurnRecorder`
        super().__init__(prepared, *arguments)
        # a later step would leave the costs of those before it out of a budget for a moment
        self.saves_parts = prepared.open_turn is None

    def _step_body(self) -> bytes:
        return self._body_to_save(self._prepared.endpoint.secrets)

    def _save_again(self) -> None:
        """Save the turn with what happened after its last request."""
        super()._save_again()
        notice = self._write(self.reply, finished=True)
        if notice:
            self.reply = dataclasses.replace(self.reply, notices=(*self.reply.notices, notice))
