"""What a run over rows keeps: answers under their server and request, and the run's own record.

What was paid for is asked for again only if the answer broke off, or if the call says so.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

from cc_jupyter.conversation.records import FinishedRow, TurnRecord
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.reply import Provenance, Reply
from cc_jupyter.core.text import pluralize
from cc_jupyter.prompt.output_types import ValidationProblem
from cc_jupyter.rows.outcomes import RowOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from cc_jupyter.conversation.records import Reading
    from cc_jupyter.core.errors import CcError
    from cc_jupyter.core.messages import TurnKey
    from cc_jupyter.rows.money import RunMoney
    from cc_jupyter.rows.plan import RowPlan
    from cc_jupyter.rows.progress import Progress
    from cc_jupyter.session.session import Session


_ENDED: Final = ("stop", "length", "content_filter")
"""How an answer ends that is stored: by itself, not by an error or an interrupt."""
_SAVE_S = 0.4
"""While checks take their time, finished rows are written this often."""
_RUN_SAVE_S = 1.0
"""The run's own record, which counts for usage and budgets, is written this often."""
_REFRESH_S = 240.0
"""A reservation is renewed this often; it expires after 15 minutes."""
_FIND_AT_ONCE = 500
"""Stored rows that are read at once."""
_VALUES_KEPT = 10_000
"""Values of stored answers that are kept at once."""


class RowKeeper:
    """Stores what one run brings, and finds what earlier ones have brought.

    Parameters
    ----------
    name
        The name of the result, under which its rows are stored.
    retry
        Stored answers that ended so are asked for again.
    progress
        Gets what cannot be written.
    turn_key
        The cell that runs it.
    """

    def __init__(  # noqa: PLR0913  what is kept, and where
        self,
        session: Session,
        plan: RowPlan,
        run_id: str,
        progress: Progress,
        *,
        name: str,
        retry: frozenset[str],
        turn_key: TurnKey | None,
    ) -> None:
        self._session = session
        self._plan = plan
        self._run_id = run_id
        self._progress = progress
        self._name = name
        self._retry = retry
        self._turn_key = turn_key
        settings = session.settings() if plan.base is None else plan.base.settings
        self.on_disk = settings.history
        """Whether anything may be written."""
        self._to_save: list[FinishedRow] = []
        self._saved_s = self._run_saved_s = self._refreshed_s = monotonic()
        self._started_at = session.now()
        self._values: dict[str, object] = {}
        """Values of stored texts: many rows of a table have the same answer."""

    def stored(self, jobs: Sequence[int]) -> Iterator[tuple[int, RowOutcome | None]]:
        """Yield each job with the stored answer that can be taken; `None`: there is none.

        They come in the order of their keys: so the history is read from one end to the other.

        Raises
        ------
        StoreError, ConfigError
            The history cannot be read.
        """
        self.flush()
        plan, rows = self._plan, self._session.history.rows
        is_on_disk = self.on_disk and self._session.history.is_on_disk
        source, ordered = plan.source, sorted(jobs, key=plan.keys.__getitem__)
        for start in range(0, len(ordered), _FIND_AT_ONCE):
            some = ordered[start : start + _FIND_AT_ONCE]
            places = [(plan.keys[job], plan.samples[job]) for job in some]
            found = rows.find(source, places, on_disk=is_on_disk)
            for job, place in zip(some, places, strict=True):
                row = found.get(place)
                yield job, None if row is None else self.outcome_of(row)

    def outcome_of(self, row: FinishedRow) -> RowOutcome | None:
        """Return what a stored answer comes to; `None`: the row is asked for again."""
        output_type, retry = self._plan.prompt.output_type, self._retry
        has_failed = row.reading == "failed"
        if row.stop_reason not in _ENDED or row.stop_reason in retry:
            return None
        if has_failed and "type" in retry:
            return None
        error: CcError | None = None
        value: object = row.text
        if output_type is not None:
            try:
                value = self._value(row.text)
            except ValidationProblem as problem:
                if not has_failed:
                    return None
                error = output_type.error(problem, Reply(row.text, "", row.model, row.stop_reason))
                error.hint = 'retry="type" asks for it again'
                value = None
        return RowOutcome(
            row.text,
            value,
            error,
            row.model,
            row.stop_reason,
            row.usage,
            row.cost,
            from_cache=True,
            answered_at=row.answered_at,
            request_key=row.request_key.hex(),
        )

    def _value(self, text: str) -> object:
        """Return the value of a stored answer; plain ones are read once for each text."""
        output_type = self._plan.prompt.output_type
        assert output_type is not None  # noqa: S101  the caller knows
        if text in self._values:
            return self._values[text]
        value = output_type.validate(text)
        if type(value) in (str, int, float, bool) and len(self._values) < _VALUES_KEPT:
            self._values[text] = value
        return value

    def keep(
        self,
        job: int,
        reply: Reply,
        reading: Reading,
        at: datetime | None,
    ) -> None:
        """Put the answer to a job among those to be stored, if it ended as a stored one must."""
        if reply.stop_reason not in _ENDED or reply.replayed:
            return
        assert self._plan.base is not None  # noqa: S101  it was sent
        secrets = self._plan.base.endpoint.secrets
        self._to_save.append(
            FinishedRow(
                self._plan.keys[job],
                self._plan.samples[job],
                redact(reply.text, secrets),
                at or self._session.now(),
                reply.model,
                reply.stop_reason,
                reading,
                reply.usage.reported,
                reply.cost,
                self._run_id,
                self._name,
            )
        )

    def save_if_due(self, money: RunMoney | None) -> None:
        """Write what is due: finished rows while checks take their time, and the run's record."""
        now_s = monotonic()
        if self._to_save and now_s - self._saved_s >= _SAVE_S:
            self.save()
        if money is not None and now_s - self._run_saved_s >= _RUN_SAVE_S:
            self.save_run(money, is_finished=False)
            if now_s - self._refreshed_s >= _REFRESH_S:
                self._refreshed_s = now_s
                money.refresh()

    def save(self) -> None:
        """Write finished rows; one whose write fails stays in memory, and the run goes on."""
        if not self._to_save:
            return
        rows, self._to_save = self._to_save, []
        self._saved_s = monotonic()
        held = self._session.history.rows
        self._note_unsaved(held.save(self._plan.source, rows, on_disk=self.on_disk))

    def flush(self) -> None:
        """Write what could not be written before, also of earlier runs."""
        if self.on_disk:
            self._note_unsaved(self._session.history.rows.flush())

    def _note_unsaved(self, problem: str | None) -> None:
        """Take note of why finished rows are not written; `None`: all are."""
        self._progress.unsaved = None
        if problem is not None:
            count = pluralize(self._session.history.rows.unsaved, "finished row")
            self._progress.unsaved = (
                f"{count} could not be saved: {problem}; this kernel has them. Run it again once"
                " that is over: they are saved, not sent again"
            )

    def save_run(self, money: RunMoney, *, is_finished: bool, is_interrupted: bool = False) -> None:
        """Write the record of the run: one entry in usage and budgets, outside search."""
        base = self._plan.base
        assert base is not None  # noqa: S101  something was sent
        self._run_saved_s = monotonic()
        key, cost, usage = self._turn_key, money.cost, money.usage
        reply = Reply(
            "",
            "",
            base.model.id,
            "interrupted" if is_interrupted else "stop",
            usage,
            cost,
            duration_s=self._progress.elapsed_s,
            provenance=Provenance(
                base.request.endpoint, base.endpoint.served_by, turn_id=self._run_id
            ),
        )
        sent = money.requests
        named = f" -> {self._name}" if self._name else ""
        record = TurnRecord(
            id=self._run_id,
            prompt=f"{pluralize(len(self._plan.table), 'row')}{named}",
            model=base.model.id,
            endpoint=base.request.endpoint,
            sent_at=self._started_at,
            key=key,
            notebook=base.spec.notebook,
            stop_reason=reply.stop_reason,
            usage=usage,
            cost=cost,
            duration_s=reply.duration_s,
            served_by=base.endpoint.served_by,
            zdr=base.zdr,
            rows=sent,
            finished=is_finished,
        )
        if is_finished:
            self._session.budget_guard.settle(self._run_id, reply, is_single=False)
            if not sent:  # nothing was billed and nothing refused
                self._session.budget_guard.release(self._run_id)
                return
        elif not sent:
            return
        notice = self._session.history.save(record, None, on_disk=self.on_disk)
        if notice is not None and notice not in self._progress.notices:
            self._progress.notices.append(notice)
