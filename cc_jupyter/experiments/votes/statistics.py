"""What votes say: who is preferred, how sure that is, and how consistently the voter chose.

Two contenders are compared by their share of wins with a Wilson interval, more by the
Bradley-Terry model. Skipped ballots and those on which all answers are bad compare nothing. A
repeated ballot only shows consistency. Votes on grids that were shown openly must be counted apart
from blind ones, which is up to the caller.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, NamedTuple

from cc_jupyter.core.text import pluralize
from cc_jupyter.experiments.statistics import (
    Z_95,
    Interval,
    percentile_interval,
    wilson_interval,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cc_jupyter.conversation.records import Ballot


MIN_BALLOTS_FOR_ADVICE = 10
_MIN_FOR_PERCENTAGE = 10
"""A count of fewer is not shown as a percentage."""
_PRIOR_WINS = 0.5
"""Of each contender against each other: without it, one that never loses is infinitely strong."""
_RESAMPLES = 1_000
_SEED = 20_261_130
_MAX_STEPS = 1_000
_TOLERANCE = 1e-9
_TOLERANCE_RESAMPLED = 1e-5
_MOST_VOTES = 1_000
"""If a difference needs more votes than this, there is practically none."""
_TIE = 0.5
_LARGE_RATIO = 9.95
"""From here on a ratio is shown without decimals."""
_FRACTIONS = dict(
    enumerate(
        ("half", "a third", "a quarter", "a fifth", "a sixth", "a seventh", "an eighth", "a ninth"),
        start=2,
    )
) | {10: "a tenth"}


class Comparison(NamedTuple):
    """Two contenders that a vote compares."""

    first: str
    second: str
    share: float
    """1 if the first one wins, 0.5 for a tie."""


class Standing(NamedTuple):
    """The record of one contender."""

    label: str
    ballots: int
    """The ballots that count on which it was shown."""
    wins: int
    ties: int
    losses: int
    all_bad: int
    rate: float | None
    """How often it is preferred: its share of wins against the other one, or, with several others,
    the mean probability of being preferred to each of them. `None`: nothing was compared."""
    interval: Interval | None


class Consistency(NamedTuple):
    """How often a repeated ballot, with its sides swapped, had the same choice."""

    same: int
    repeats: int

    def __str__(self) -> str:
        """Return a count; from ten repeats on, also the percentage."""
        text = f"{self.same} of {self.repeats}"
        if self.repeats < _MIN_FOR_PERCENTAGE:
            return text
        return f"{text} ({self.same / self.repeats:.0%})".replace("%", " %")


def comparisons(ballot: Ballot) -> list[Comparison]:
    """Return what a vote compares.

    Equal answers are not compared with each other, and neither are answers with one label: two
    names of a model may mean the same one.
    """
    if not _is_counted(ballot) or ballot.choice in ("skip", "all bad"):
        return []
    answers = [(answer.label, answer.answer_sha256) for answer in ballot.answers]
    if isinstance(ballot.choice, str):
        return [
            Comparison(label, other, _TIE)
            for (label, text), (other, other_text) in combinations(answers, 2)
            if text != other_text and label != other
        ]
    best = ballot.answers[ballot.choice].answer_sha256
    losers = [label for label, text in answers if text != best]
    winners = [label for label, text in answers if text == best]
    pairs = ((label, other) for label in winners for other in losers)
    return [Comparison(label, other, 1.0) for label, other in pairs if label != other]


def standings(ballots: Iterable[Ballot]) -> list[list[Standing]]:
    """Return the record of each contender, the most preferred one first.

    Contenders that were never on a ballot together, not even through others, have no common order:
    each group of connected ones is a list, the one with the most ballots first.
    """
    counted = [ballot for ballot in ballots if _is_counted(ballot) and ballot.choice != "skip"]
    groups: list[tuple[int, list[Standing]]] = []
    for labels in _connected(counted):
        own = [ballot for ballot in counted if ballot.answers[0].label in labels]
        rates = _rates(sorted(labels), [comparisons(ballot) for ballot in own])
        rows = [_standing(label, own, rates[label]) for label in sorted(labels)]
        rows.sort(key=lambda row: -1.0 if row.rate is None else row.rate, reverse=True)
        groups.append((len(own), rows))
    groups.sort(key=lambda group: group[0], reverse=True)
    return [rows for _, rows in groups]


def most_wins(ballots: Sequence[Ballot]) -> str | None:
    """Return the contender that was chosen most often; `None`: several, or none."""
    wins: defaultdict[str, int] = defaultdict(int)
    for ballot in ballots:
        if not _is_counted(ballot) or isinstance(ballot.choice, str):
            continue
        best = ballot.answers[ballot.choice].answer_sha256
        for label in {each.label for each in ballot.answers if each.answer_sha256 == best}:
            wins[label] += 1
    most = max(wins.values(), default=0)
    leaders = [label for label, count in wins.items() if count == most]
    return leaders[0] if len(leaders) == 1 else None


def consistency(ballots: Iterable[Ballot]) -> Consistency:
    """Return how often repeated ballots had the same choice; skipped ones are left out."""
    by_id = {ballot.id: ballot for ballot in ballots}
    results = [
        _choice(by_id[ballot.swapped_of]) == _choice(ballot)
        for ballot in by_id.values()
        if ballot.swapped_of in by_id
        and "skip" not in (ballot.choice, by_id[ballot.swapped_of].choice)
    ]
    return Consistency(sum(results), len(results))


def bradley_terry(
    wins: Sequence[Sequence[float]],
    *,
    prior: float = _PRIOR_WINS,
    start: Sequence[float] | None = None,
    tolerance: float = _TOLERANCE,
) -> list[float]:
    """Return the strengths of contenders, with 1 as their geometric mean.

    The first is preferred to the second with probability `a / (a + b)`. Source: Hunter, "MM
    algorithms for generalized Bradley-Terry models", Annals of Statistics 32 (2004).

    Parameters
    ----------
    wins
        `wins[i][j]` is how often contender `i` was preferred to `j`; a tie is half a win for each.
    prior
        Wins that each contender has against each other one before the first vote.
    start
        Strengths to start from, which saves steps.
    """
    others = [[j for j in range(len(wins)) if j != i] for i in range(len(wins))]
    total = [sum(wins[i][j] + prior for j in others[i]) for i in range(len(wins))]
    met = [
        [wins[i][j] + wins[j][i] + 2 * prior for j in range(len(wins))] for i in range(len(wins))
    ]
    strengths = list(start) if start is not None else [1.0] * len(wins)
    for _ in range(_MAX_STEPS):
        new = [
            total[i] / sum(met[i][j] / (strengths[i] + strengths[j]) for j in others[i])
            for i in range(len(wins))
        ]
        mean = math.exp(sum(map(math.log, new)) / len(new))
        new = [each / mean for each in new]
        change = max(abs(a - b) / b for a, b in zip(new, strengths, strict=True))
        strengths = new
        if change < tolerance:
            break
    return strengths


def advice(ballots: Sequence[Ballot], costs_usd: Mapping[str, float | None]) -> str | None:
    """Return a sentence on what the votes decide and how many more would decide the rest.

    `None`: there are fewer than ten ballots, or they compare nothing.

    Parameters
    ----------
    costs_usd
        The mean cost of an answer of each contender; `None` or missing: unknown.
    """
    rows = [row for row in next(iter(standings(ballots)), []) if row.rate is not None]
    labels = {row.label for row in rows}
    found = [comparisons(ballot) for ballot in ballots if ballot.answers[0].label in labels]
    compared = [each for each in found if each]
    if len(compared) < MIN_BALLOTS_FOR_ADVICE or len(rows) < 2:  # noqa: PLR2004  two are compared
        return None
    leader, second = rows[0].label, rows[1].label
    parts = [_record(leader, second, compared)]
    if cost := cost_words(costs_usd.get(leader), costs_usd.get(second)):
        parts.append(f", {cost}")
    parts.append(_outlook([row.label for row in rows], compared))
    return "".join(parts)


def votes_to_separate(share: float, met: int) -> int | None:
    """Return how many more comparisons would separate two contenders at the present rate.

    They are separated when the 95 % Wilson interval of the share excludes one half, which is so
    from `z² / (4 (rate - 1/2)²)` comparisons on. `None`: at this rate never.

    Parameters
    ----------
    share
        Wins of one of them; a tie is half a win.
    met
        The comparisons so far, at least one.
    """
    distance = abs(share / met - 0.5)
    if not distance:
        return None
    return max(0, math.floor(Z_95**2 / (4 * distance**2)) + 1 - met)


def cost_words(cost: float | None, other: float | None) -> str:
    """Return one cost in terms of another, such as `at a seventh of the cost`; empty if unknown."""
    if cost is None or other is None or (not cost and not other):
        return ""
    if not other or not cost:
        return "for free" if not cost else "while the other is free"
    ratio = cost / other
    if 0.9 <= ratio <= 1.1:  # noqa: PLR2004  nobody decides by a tenth
        return "at about the same cost"
    if ratio > 1:
        return f"at {ratio:,.{1 if ratio < _LARGE_RATIO else 0}f} times the cost"
    whole = round(1 / ratio)
    if whole in _FRACTIONS and abs(1 / ratio - whole) <= 0.1 * whole:
        return f"at {_FRACTIONS[whole]} of the cost"
    return f"at {ratio:.0%} of the cost".replace("%", " %")


def _is_counted(ballot: Ballot) -> bool:
    return ballot.counts and ballot.swapped_of is None


def _choice(ballot: Ballot) -> str:
    if isinstance(ballot.choice, str):
        return ballot.choice
    return ballot.answers[ballot.choice].answer_sha256


def _connected(ballots: Iterable[Ballot]) -> list[set[str]]:
    """Return the contenders in groups that were on ballots with each other."""
    groups: list[set[str]] = []
    for ballot in ballots:
        joined = {answer.label for answer in ballot.answers}
        apart = []
        for group in groups:
            if group & joined:
                joined |= group
            else:
                apart.append(group)
        groups = [*apart, joined]
    return groups


def _standing(
    label: str, ballots: Sequence[Ballot], rate: tuple[float, Interval] | None
) -> Standing:
    shown = wins = ties = losses = all_bad = 0
    for ballot in ballots:
        own = next((each for each in ballot.answers if each.label == label), None)
        if own is None:
            continue
        shown += 1
        if isinstance(ballot.choice, str):
            ties += ballot.choice == "tie"
            all_bad += ballot.choice == "all bad"
        elif ballot.answers[ballot.choice].answer_sha256 == own.answer_sha256:
            wins += 1
        else:
            losses += 1
    return Standing(label, shown, wins, ties, losses, all_bad, *(rate or (None, None)))


def _rates(
    labels: Sequence[str], by_ballot: Sequence[Sequence[Comparison]]
) -> dict[str, tuple[float, Interval] | None]:
    """Return rate and interval of each contender of one group; `None`: nothing was compared."""
    by_ballot = [each for each in by_ballot if each]
    if not by_ballot:
        return dict.fromkeys(labels)
    shares = {label: _share(label, by_ballot) for label in labels}
    if len(labels) == 2:  # noqa: PLR2004  the share itself; more need a model
        return {
            label: (won / met, wilson_interval(won, met)) if met else None
            for label, (won, met) in shares.items()
        }
    place = {label: at for at, label in enumerate(labels)}
    strengths = bradley_terry(_wins(place, by_ballot))
    point = _preferred(strengths)
    chance = random.Random(_SEED)  # noqa: S311  no secret depends on it
    drawn: list[list[float]] = []
    for _ in range(_RESAMPLES):
        resampled = chance.choices(by_ballot, k=len(by_ballot))
        drawn.append(
            _preferred(
                bradley_terry(
                    _wins(place, resampled), start=strengths, tolerance=_TOLERANCE_RESAMPLED
                )
            )
        )
    rates: dict[str, tuple[float, Interval] | None] = {}
    for label, (won, met) in shares.items():
        if not met:
            rates[label] = None
        elif won in (0, met):  # a record without an exception has no spread to resample
            rates[label] = point[place[label]], wilson_interval(won, met)
        else:
            ordered = sorted(rate[place[label]] for rate in drawn)
            rates[label] = point[place[label]], percentile_interval(ordered)
    return rates


def _share(label: str, by_ballot: Iterable[Iterable[Comparison]]) -> tuple[float, int]:
    """Return the wins of a contender, ties as half of one, and its comparisons."""
    won, met = 0.0, 0
    for found in by_ballot:
        for each in found:
            if label in (each.first, each.second):
                met += 1
                won += each.share if each.first == label else 1 - each.share
    return won, met


def _wins(place: Mapping[str, int], by_ballot: Iterable[Iterable[Comparison]]) -> list[list[float]]:
    wins = [[0.0] * len(place) for _ in place]
    for found in by_ballot:
        for first, second, share in found:
            wins[place[first]][place[second]] += share
            wins[place[second]][place[first]] += 1 - share
    return wins


def _preferred(strengths: Sequence[float]) -> list[float]:
    """Return the mean probability of each contender of being preferred to each other one."""
    others = len(strengths) - 1
    return [(sum(own / (own + each) for each in strengths) - 0.5) / others for own in strengths]


def _head_to_head(
    first: str, second: str, by_ballot: Iterable[Iterable[Comparison]]
) -> tuple[float, int, int]:
    """Return the wins of the first, the comparisons, and the ties among them."""
    pair = {first, second}
    met = [each for found in by_ballot for each in found if {each.first, each.second} == pair]
    won = sum(each.share if each.first == first else 1 - each.share for each in met)
    return won, len(met), sum(each.share == _TIE for each in met)


def _record(leader: str, second: str, compared: Sequence[Sequence[Comparison]]) -> str:
    won, met, ties = _head_to_head(leader, second, compared)
    if not met:
        return f"{leader} before {second} by their votes against others"
    interval = " to ".join(f"{each * 100:.0f}" for each in wilson_interval(won, met))
    note = f", {pluralize(ties, 'tie')} as half a win each" if ties else ""
    return f"{leader} over {second} in {won:g} of {met} ({interval} %{note})"


def _outlook(labels: Sequence[str], compared: Sequence[Sequence[Comparison]]) -> str:
    """Return how many more votes would separate the first neighbours that are not separated."""
    for first, second in pairwise(labels):
        won, met, _ = _head_to_head(first, second, compared)
        if not met:
            return f"; no vote compares {first} and {second} directly"
        more = votes_to_separate(won, met)
        if more == 0:
            continue
        votes = math.inf if more is None else math.ceil(more * len(compared) / met)
        if votes > _MOST_VOTES:
            return (
                f"; at this rate not even {_MOST_VOTES:,} votes would separate {first} and {second}"
            )
        count = pluralize(int(votes), "more vote")
        return f"; at this rate about {count} would separate {first} and {second}"
    return "; these votes separate them"
