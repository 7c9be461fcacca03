"""Builds the reply to one request from its events, and prices it; it saves nothing."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from cc_jupyter.client.local import DISPLAY_NAME
from cc_jupyter.client.reply_builder import ReplyBuilder
from cc_jupyter.core.errors import CassetteError, StatusError
from cc_jupyter.core.events import NO_USAGE, ReasoningDelta, TextDelta
from cc_jupyter.core.request_key import request_key
from cc_jupyter.models.registry import LOCAL
from cc_jupyter.usage.estimate import estimate_tokens

if TYPE_CHECKING:
    from datetime import datetime

    from cc_jupyter.cassettes.tape import Replay
    from cc_jupyter.client.client import AnswerStream
    from cc_jupyter.core.events import StreamEvent, Usage
    from cc_jupyter.core.money import Cost
    from cc_jupyter.core.reply import Reply
    from cc_jupyter.session.budget_guard import BudgetGuard
    from cc_jupyter.session.budget_watcher import BudgetWatcher
    from cc_jupyter.session.prepare import PreparedRequest


REPLAY = "replay"
"""What `served_by` says of a replayed answer."""
_MAY_BE_BILLED = frozenset({504, 524})
"""A gateway gave up waiting for an upstream that may have done its work."""


class AnswerRecorder:
    """Records one answer: builds its reply and prices it; `save` is the end.

    Parameters
    ----------
    stream
        Sends the request; its events are added here.
    budget_guard
        Has the estimates of tokens.
    turn_id
        The id of the answer, or of the run that it is a part of.
    place
        The place of the turn in its thread; `None` if it belongs to none.
    """

    reply: Reply
    """The recorded reply; set by `save`."""

    def __init__(  # noqa: PLR0913  what one answer needs
        self,
        prepared: PreparedRequest,
        stream: AnswerStream,
        budget_guard: BudgetGuard,
        *,
        turn_id: str,
        budget_watchers: tuple[BudgetWatcher, ...],
        sent_at: datetime,
        place: int | None = None,
    ) -> None:
        self.stream = stream
        self._prepared = prepared
        self._budget_guard = budget_guard
        self._turn_id = turn_id
        self._budget_watchers = budget_watchers
        self._sent_at = sent_at
        self._place = place
        self.builder = ReplyBuilder(stream.clock, beginning=prepared.beginning)
        self.builder.notices.extend(prepared.spec.notices)
        self._first_arrived_s: float | None = None  # at the recording
        self._keyed_body = b""  # the body with this key
        self._key = ""

    def add(self, event: StreamEvent) -> None:
        """Add the next event.

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

    def save(self) -> None:
        """Build the reply and price it."""
        self.reply = self.priced(self.build_reply())

    def priced(self, reply: Reply) -> Reply:
        """Return the reply with its cost; missing counts of a stopped answer are estimated."""
        if self._was_refused(reply.error):
            from cc_jupyter.core.money import NOTHING_BILLED  # noqa: PLC0415  only a refusal needs it

            usage = dataclasses.replace(NO_USAGE, input_tokens=0, output_tokens=0)
            return dataclasses.replace(reply, usage=usage, cost=NOTHING_BILLED)
        was_cut_off = isinstance(reply.error, KeyboardInterrupt) or (
            reply.error is not None and bool(self.builder.received_bytes)
        )
        if was_cut_off:
            return self.estimated(reply)
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

    def estimated(self, reply: Reply) -> Reply:
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

    def build_reply(self) -> Reply:
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
