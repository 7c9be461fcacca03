"""Votes as a table with its sentence of advice, and as preference pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cc_jupyter.core.display import FigureTable
from cc_jupyter.core.money import format_usd
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.text import pluralize
from cc_jupyter.experiments.votes.statistics import advice, comparisons, consistency, standings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from decimal import Decimal

    from cc_jupyter.conversation.records import Ballot, TurnRecord
    from cc_jupyter.core.display import Row
    from cc_jupyter.experiments.votes.statistics import Standing


_COLUMNS = (
    *("combination", "mode", "ballots", "wins", "ties", "losses", "all_bad"),
    *("preferred", "preferred_low", "preferred_high", "cost_usd", "cost_ratio"),
)
"""The columns of the data frame."""
_MODES = ("blind", "open")


def vote_table(
    ballots: Sequence[Ballot], costs_usd: Mapping[str, Decimal | None], *, note: str = ""
) -> FigureTable:
    """Return a row for each combination, those of open votes after those of blind ones.

    Parameters
    ----------
    costs_usd
        The mean cost of an answer, by the label of the combination.
    note
        What to add to the caption.
    """
    shown: list[Row] = []
    figures: list[Row] = []
    captions: list[str] = []
    by_mode = {mode: [each for each in ballots if each.mode == mode] for mode in _MODES}
    for mode, votes in by_mode.items():
        for rows in standings(votes):
            ratios = _cost_ratios(rows, costs_usd)
            for row in rows:
                cost, ratio = costs_usd.get(row.label), ratios[row.label]
                shown.append(_shown(row, mode, cost, ratio))
                figures.append(_figures(row, mode, cost, ratio))
        if votes:
            captions.append(_caption(mode, votes, costs_usd))
    if not by_mode["open"]:
        for line in shown:
            del line["grid"]
    caption = ". ".join(captions) or "no votes yet; %cmd vote opens a vote on a finished grid"
    return FigureTable(shown, figures, f"{caption}{note}", _COLUMNS)


def mean_costs(
    ballots: Iterable[Ballot], cost_of: Callable[[str], Decimal | None]
) -> dict[str, Decimal | None]:
    """Return the mean cost of the answers on ballots, by label; `None` if one is unknown.

    Parameters
    ----------
    cost_of
        Returns the cost of a turn by its id.
    """
    turns: dict[str, set[str]] = {}
    for ballot in ballots:
        for answer in ballot.answers:
            turns.setdefault(answer.label, set()).update(filter(None, [answer.turn_id]))
    means: dict[str, Decimal | None] = {}
    for label, turn_ids in turns.items():
        costs = [cost_of(turn_id) for turn_id in turn_ids]
        known = [cost for cost in costs if cost is not None]
        is_known = bool(costs) and len(known) == len(costs)
        means[label] = sum(known, start=known[0] * 0) / len(known) if is_known else None
    return means


def preference_pairs(
    ballots: Iterable[Ballot], turn_of: Callable[[str], TurnRecord | None]
) -> tuple[list[dict[str, Any]], int]:
    """Return a chosen and a rejected answer for each win, and how many wins have no text any more.

    Ties, skipped and repeated ballots and votes that do not count prefer nothing. Keys in the
    texts are redacted.
    """
    pairs: list[dict[str, Any]] = []
    missing = 0
    for ballot in ballots:
        if isinstance(ballot.choice, str) or not comparisons(ballot):
            continue
        chosen = ballot.answers[ballot.choice]
        others = {each.answer_sha256: each for each in reversed(ballot.answers)}
        del others[chosen.answer_sha256]
        for rejected in others.values():
            preferred, refused = (
                each.turn_id and turn_of(each.turn_id) for each in (chosen, rejected)
            )
            if not preferred or not refused:
                missing += 1
                continue
            pairs.append(
                {
                    "prompt": redact(preferred.prompt),
                    "system": preferred.system and redact(preferred.system),
                    "chosen": redact(preferred.answer),
                    "rejected": redact(refused.answer),
                    "chosen_combination": chosen.label,
                    "rejected_combination": rejected.label,
                    "mode": ballot.mode,
                    "note": ballot.note,
                    "voted_at": ballot.voted_at.isoformat(),
                    "grid": chosen.grid,
                }
            )
    return pairs, missing


def _cost_ratios(
    rows: Iterable[Standing], costs: Mapping[str, Decimal | None]
) -> dict[str, float | None]:
    """Return each cost as a multiple of the lowest one above zero."""
    own = {row.label: costs.get(row.label) for row in rows}
    least = min((cost for cost in own.values() if cost), default=None)
    return {
        label: None if cost is None or least is None else float(cost / least)
        for label, cost in own.items()
    }


def _shown(row: Standing, mode: str, cost: Decimal | None, ratio: float | None) -> Row:
    preferred = ""
    if row.rate is not None and row.interval is not None:
        low, high = row.interval
        preferred = f"{row.rate * 100:.0f} % ({low * 100:.0f} to {high * 100:.0f})"
    return {
        "combination": row.label,
        "grid": mode,
        "ballots": row.ballots,
        "wins": row.wins,
        "ties": row.ties,
        "losses": row.losses,
        "all bad": row.all_bad,
        "preferred": preferred,
        "cost": "?" if cost is None else format_usd(cost),
        "cost ratio": "?" if ratio is None else f"{ratio:.3g}",
    }


def _figures(row: Standing, mode: str, cost: Decimal | None, ratio: float | None) -> Row:
    low, high = row.interval or (None, None)
    values = (
        *(row.label, mode, row.ballots, row.wins, row.ties, row.losses, row.all_bad),
        *(row.rate, low, high, cost, ratio),
    )
    return dict(zip(_COLUMNS, values, strict=True))


def _caption(mode: str, ballots: Sequence[Ballot], costs_usd: Mapping[str, Decimal | None]) -> str:
    counted = [each for each in ballots if each.swapped_of is None and each.choice != "skip"]
    votes = [each for each in counted if each.counts]
    grids = {grid for each in ballots for grid in each.grids}
    parts = [f"{pluralize(len(votes), f'{mode} vote')} on {pluralize(len(grids), 'grid')}"]
    if uncounted := len(counted) - len(votes):
        verb = "does" if uncounted == 1 else "do"
        votes_text = pluralize(uncounted, "vote")
        parts.append(f"{votes_text} {verb} not count, because an answer names its maker")
    same = consistency(ballots)
    if same.repeats:
        parts.append(f"the same choice on {same} repeated ballots with swapped sides")
    costs = {label: None if cost is None else float(cost) for label, cost in costs_usd.items()}
    if sentence := advice(ballots, costs):
        parts.append(sentence)
    return "; ".join(parts)
