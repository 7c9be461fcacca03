"""What one request leaves behind: its place in the thread, its reply, its cost, its turn."""

from __future__ import annotations

import dataclasses
import hashlib
from time import monotonic
from typing import TYPE_CHECKING

from cc_jupyter.client.reply_builder import ReplyBuilder
from cc_jupyter.client.token_counts import IMPOSSIBLE
from cc_jupyter.conversation.records import TurnRecord
from cc_jupyter.conversation.turns import Turn, TurnInputs
from cc_jupyter.core.errors import ProviderError
from cc_jupyter.core.events import ReasoningDelta, TextDelta
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.reply import Provenance, Reply
from cc_jupyter.core.text import new_id, pluralize
from cc_jupyter.models.registry import LOCAL
from cc_jupyter.session.prepare import plan_cost

if TYPE_CHECKING:
    from cc_jupyter.client.client import RequestStream
    from cc_jupyter.conversation.history import History
    from cc_jupyter.conversation.turns import TurnSlot
    from cc_jupyter.core.events import StreamEvent
    from cc_jupyter.session.budget_guard import BudgetWatcher
    from cc_jupyter.session.prepare import PreparedRequest


PARTIAL_S = 1.5
"""How often a growing answer is written down: a crash costs at most two seconds of it."""
_LARGE_TOKENS = 2_000
"""A prompt below this costs too little to be mentioned, however much it grew."""


class TurnRecorder:
    """Follows one answer from sending to its end.

    Parameters
    ----------
    spent
        The replies of the session so far; the new one is added.
    guard
        Holds the budget, if there is one.
    """

    def __init__(
        self,
        plan: PreparedRequest,
        exchange: RequestStream,
        history: History,
        spent: list[Reply],
        guard: BudgetWatcher | None,
    ) -> None:
        self._plan = plan
        self._exchange = exchange
        self._history = history
        self._spent = spent
        self._sent_at = history.now()
        self._guard = guard
        self._turn_id = new_id()
        question, thread = plan.question, plan.thread
        self._place = plan.place
        self._slot: TurnSlot | None = None
        self._stale: list[int] = []
        if thread is not None:
            if self._place is None:
                self._place = thread.reserve(question.turn_key, anew=question.new)
            self._slot = thread.slots[self._place]
        self.builder = ReplyBuilder(beginning=plan.beginning)
        self.builder.notices.extend(question.notices)
        self._due_s = monotonic() + PARTIAL_S
        self._grown = False

    def add(self, event: StreamEvent) -> None:
        """Take the next event; now and then write down what has come.

        Raises
        ------
        StreamError
            The budget is used up; what came is in the builder.
        """
        self.builder.add(event)
        if self._guard is not None and isinstance(event, TextDelta | ReasoningDelta):
            self._guard.add(event.text, self.builder.usage)
        self._grown = self._grown or isinstance(event, TextDelta)
        if self._grown and monotonic() >= self._due_s:
            self._grown = False
            reply = self._provenance(self.builder.build(self._plan.model.id))
            notice = self._write(reply, finished=False)
            self.builder.notices += [notice] if notice else []
            self._due_s = monotonic() + PARTIAL_S

    def keep(self) -> Reply:
        """Build the reply and record it."""
        self._mention_growth()
        reply = self._provenance(self.builder.build(self._plan.model.id))
        doubtful = IMPOSSIBLE in reply.notices
        cost = plan_cost(self._plan, reply.usage, self._sent_at, doubtful=doubtful)
        reply = dataclasses.replace(reply, cost=cost)
        notices = (
            self._write(reply, finished=True),
            self._uncached(),
            self._guard.note(reply) if self._guard is not None else None,
        )
        reply = dataclasses.replace(reply, notices=(*reply.notices, *filter(None, notices)))
        if isinstance(reply.error, ProviderError) and (reply.text or reply.reasoning):
            reply.error.reply = reply
        self._spent.append(reply)
        return reply

    def _provenance(self, reply: Reply) -> Reply:
        plan = self._plan
        local = plan.target.served_by == LOCAL
        return dataclasses.replace(
            reply,
            provenance=Provenance(
                endpoint=plan.request.endpoint,
                served_by=plan.target.served_by,
                served_model=_local_model_name() if local else None,
                thread=plan.thread.name if plan.thread else None,
                turn=None if self._place is None else self._place + 1,
                turn_id=self._turn_id,
                order=plan.order,
                request_sha256=self._exchange.body_sha256,
            ),
        )

    def _write(self, reply: Reply, *, finished: bool) -> str | None:
        """Put the turn into thread and history; give what the user should know of it."""
        plan, question = self._plan, self._plan.question
        stale: list[int] = []
        if finished and plan.thread is not None and self._place is not None and self._stands:
            turn = Turn(
                question.prompt,
                reply.text,
                question.system,
                question.images,
                self._turn_id,
                TurnInputs(plan.past.digest, question),
            )
            stale = plan.thread.record(self._place, turn, plan.page)
        self._stale = stale
        return self._history.keep(
            self._record(reply, finished=finished),
            plan.thread,
            on_disk=plan.settings.history,
            stale=stale,
        )

    def _uncached(self) -> str | None:
        """Say where the cache that a thread pays by is lost: what is above an edit stays in it."""
        if not self._stale or self._plan.request.endpoint != "/messages":
            return None
        return (
            f"{pluralize(len(self._stale), 'later turn')} now stand on a changed text: the next"
            " prompt bills them whole, not from the cache"
        )

    @property
    def _stands(self) -> bool:
        """Whether the turn still has its place: a rewind may have taken it meanwhile."""
        slots, place = self._plan.thread.slots if self._plan.thread else (), self._place
        return place is not None and place < len(slots) and slots[place] is self._slot

    def _record(self, reply: Reply, *, finished: bool) -> TurnRecord:
        plan, question = self._plan, self._plan.question
        secrets = (plan.target.key.value,)
        body = self._exchange.body
        kept = redact(body.decode(), secrets).encode()
        thread, error = plan.thread, reply.error
        return TurnRecord(
            id=self._turn_id,
            prompt=redact(question.prompt, secrets),
            model=reply.model,
            endpoint=plan.request.endpoint,
            sent_at=self._sent_at,
            conversation_id=thread.id if thread else None,
            thread=thread.name if thread else None,
            position=self._place if self._stands else None,
            parent_id=plan.past.parent_id if thread else None,
            key=question.turn_key,
            notebook=question.turn_key.notebook if question.turn_key else question.notebook,
            system=None if question.system is None else redact(question.system, secrets),
            images=question.images,
            answer=redact(reply.text, secrets),
            reasoning=redact(reply.reasoning, secrets),
            stop_reason=reply.stop_reason,
            stop_word=reply.stop_word,
            error=None if error is None else f"{type(error).__name__}: {error}",
            usage=reply.usage,
            cost=reply.cost,
            time_to_first_token_s=reply.time_to_first_token_s,
            duration_s=reply.duration_s,
            served_by=reply.provenance.served_by,
            served_model=reply.provenance.served_model,
            notices=reply.notices,
            order=plan.order,
            zdr=plan.zdr,
            request_sha256=hashlib.sha256(kept).hexdigest(),
            body=kept or None,
            finished=finished,
        )

    def _mention_growth(self) -> None:
        """Say when a prompt is much larger than the one before it: history is billed each time."""
        thread, now_tokens = self._plan.thread, self.builder.usage.input_tokens
        if thread is None or now_tokens is None or now_tokens < _LARGE_TOKENS:
            return
        before = (
            reply.usage.input_tokens
            for reply in reversed(self._spent)
            if reply.provenance.thread == thread.name and reply.usage.input_tokens
        )
        last_tokens = next(before, None)
        if last_tokens and now_tokens >= last_tokens * self._plan.settings.large_prompt_factor:
            times = now_tokens / last_tokens
            self.builder.notices.append(f"the prompt is {times:.0f} times the last one")


def _local_model_name() -> str:
    from cc_jupyter.client.local.model import DISPLAY_NAME  # noqa: PLC0415  most sessions use no local model

    return DISPLAY_NAME
