"""What votes say: published values of the models, and sentences that state their assumption."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cc_jupyter.conversation.records import Ballot, BallotAnswer
from cc_jupyter.core.text import new_id
from cc_jupyter.experiments.votes.statistics import (
    advice,
    bradley_terry,
    comparisons,
    consistency,
    cost_words,
    most_wins,
    standings,
    votes_to_separate,
)

NOW = datetime(2026, 11, 30, tzinfo=UTC)
BASEBALL = {  # wins of the American League in 1987, and the fitted log strengths
    "Milwaukee": ([0, 7, 9, 7, 7, 9, 11], 1.58),
    "Detroit": ([6, 0, 7, 5, 11, 9, 9], 1.44),
    "Toronto": ([4, 6, 0, 7, 7, 8, 12], 1.29),
    "New York": ([6, 8, 6, 0, 6, 7, 10], 1.25),
    "Boston": ([6, 2, 6, 7, 0, 7, 12], 1.11),
    "Cleveland": ([4, 4, 5, 6, 6, 0, 6], 0.68),
    "Baltimore": ([2, 4, 1, 3, 1, 7, 0], 0.0),
}


def ballot(shown: str, choice: int | str, **fields) -> Ballot:
    """Return a vote on answers of one letter each; `A=B` gave equal texts, `A'` is called A too."""
    answers = []
    for group in shown.split():
        answers += [
            BallotAnswer("g", label.strip("'"), answer_sha256=f"text of {group}")
            for label in group.split("=")
        ]
    fields = {"id": new_id(), "voted_at": NOW, "prompt_id": "p", "seed": 1, **fields}
    return Ballot(answers=tuple(answers), choice=choice, **fields)


def records(*wins: tuple[str, int, int]) -> list[Ballot]:
    """Return votes: on these two answers, so many for the first, so many for the second."""
    return [
        ballot(shown, choice)
        for shown, first, second in wins
        for choice, count in ((0, first), (1, second))
        for _ in range(count)
    ]


def test_bradley_terry_has_the_published_strengths():
    """Agresti, "Categorical Data Analysis", 2nd edition, tables 10.10 and 10.11."""
    wins = [row for row, _ in BASEBALL.values()]
    strengths = bradley_terry(wins, prior=0)
    logs = [math.log(each / strengths[-1]) for each in strengths]
    assert logs == pytest.approx([log for _, log in BASEBALL.values()], abs=0.006)


def test_the_prior_is_half_a_win_each_way():
    first, second = bradley_terry([[0, 3], [0, 0]])
    assert first / (first + second) == pytest.approx(3.5 / 4)


@given(st.lists(st.integers(0, 30), min_size=6, max_size=6))
def test_the_order_of_contenders_does_not_matter(counts):
    ab, ba, ac, ca, bc, cb = counts
    forward = bradley_terry([[0, ab, ac], [ba, 0, bc], [ca, cb, 0]])
    backward = bradley_terry([[0, cb, ca], [bc, 0, ba], [ac, ab, 0]])
    assert forward == pytest.approx(backward[::-1], rel=1e-5)


@pytest.mark.parametrize(
    ("vote", "expected"),
    [
        (ballot("A B", 0), [("A", "B", 1)]),
        (ballot("A B C", 2), [("C", "A", 1), ("C", "B", 1)]),
        (ballot("A B", "tie"), [("A", "B", 0.5)]),
        (ballot("A B C", "tie"), [("A", "B", 0.5), ("A", "C", 0.5), ("B", "C", 0.5)]),
        (ballot("A B", "all bad"), []),
        (ballot("A B", "skip"), []),
        (ballot("A=B C", 0), [("A", "C", 1), ("B", "C", 1)]),
        (ballot("A=B C", 2), [("C", "A", 1), ("C", "B", 1)]),
        (ballot("A=B C", "tie"), [("A", "C", 0.5), ("B", "C", 0.5)]),
        (ballot("A B", 0, counts=False), []),
        (ballot("A A'", 0), []),  # two names of one model
        (ballot("B A", 1, swapped_of="1"), []),
    ],
)
def test_what_a_vote_compares(vote, expected):
    assert comparisons(vote) == expected


def test_two_contenders_have_their_share_with_a_wilson_interval():
    votes = [*records(("A B", 13, 3)), ballot("A B", "tie"), ballot("A B", "tie")]
    votes += [ballot("A B", "all bad"), ballot("A B", "skip")]
    ((first, second),) = standings(votes)
    assert first[:6] == ("A", 19, 13, 2, 3, 1)
    assert second[:6] == ("B", 19, 3, 2, 13, 1)
    assert first.rate == pytest.approx(14 / 18)
    assert first.interval == pytest.approx((0.5479, 0.9100), abs=5e-4)
    assert second.interval == pytest.approx((0.0900, 0.4521), abs=5e-4)


def test_more_contenders_have_a_bootstrap_interval_that_is_the_same_each_time():
    votes = records(("A B", 8, 4), ("B C", 7, 5), ("A C", 9, 3))
    ((first, second, third),) = standings(votes)
    assert [each.label for each in (first, second, third)] == ["A", "B", "C"]
    assert standings(votes) == [[first, second, third]]
    assert sum(each.rate for each in (first, second, third)) == pytest.approx(1.5)
    for each in (first, second, third):
        assert each.interval.low < each.rate < each.interval.high
        assert 0.1 < each.interval.high - each.interval.low < 0.5


def test_a_contender_that_never_lost_is_not_certain():
    ((first, *_),) = standings([ballot("A B C", 0) for _ in range(6)])
    assert first.label == "A"
    assert first.rate < 1
    assert first.interval.low < 0.8


def test_contenders_that_never_met_have_no_common_order():
    votes = records(("A B", 1, 0), ("C D", 2, 3))
    assert [[row.label for row in rows] for rows in standings(votes)] == [["D", "C"], ["A", "B"]]


def test_without_votes_there_is_nothing_to_say():
    assert standings([]) == []
    assert advice([], {}) is None
    assert most_wins([]) is None
    ((first, second),) = standings([ballot("A B", "all bad")])
    assert first.rate is second.rate is None
    ((alone,),) = standings([ballot("A A'", 1)])
    assert alone.rate is None


@pytest.mark.parametrize(
    ("votes", "winner"),
    [
        (records(("A B", 3, 2)), "A"),
        (records(("A B", 2, 2)), None),
        ([ballot("A B", "tie")], None),
        ([ballot("A=B C", 0)], None),
        ([ballot("A=B C", 0), ballot("A B", 1)], "B"),
        ([ballot("A B", 0), ballot("B A", 0, swapped_of="x"), ballot("B A", 0, counts=False)], "A"),
    ],
)
def test_the_winner_has_most_wins_and_a_tie_has_none(votes, winner):
    assert most_wins(votes) == winner


def repeated(first: int | str, second: int | str) -> list[Ballot]:
    return [ballot("A B", first, id=(key := new_id())), ballot("B A", second, swapped_of=key)]


def test_consistency_compares_answers_and_not_sides():
    pairs = [repeated(0, 1), repeated(0, 0), repeated("tie", "tie"), repeated("skip", 0)]
    assert str(consistency(each for pair in pairs for each in pair)) == "2 of 3"


@pytest.mark.parametrize(
    ("same", "other", "text"), [(4, 1, "4 of 5"), (9, 0, "9 of 9"), (9, 1, "9 of 10 (90 %)")]
)
def test_consistency_is_a_count_and_no_percentage_below_ten(same, other, text):
    pairs = [*(repeated(0, 1) for _ in range(same)), *(repeated(0, 0) for _ in range(other))]
    assert str(consistency(each for pair in pairs for each in pair)) == text


@pytest.mark.parametrize(
    ("share", "met", "more"),
    [
        (14, 18, 0),
        (10, 10, 0),
        (2, 2, 2),  # 4 of 4: 51 to 100 %
        (6, 10, 87),  # 3.8415 / (4 * 0.1 ** 2) = 96.04, so 97 comparisons
        (5, 10, None),
    ],
)
def test_the_votes_that_separate_two_contenders(share, met, more):
    assert votes_to_separate(share, met) == more


@pytest.mark.parametrize(
    ("cost", "other", "words"),
    [
        (0.001, 0.007, "at a seventh of the cost"),
        (0.5, 1.0, "at half of the cost"),
        (0.1, 1.0, "at a tenth of the cost"),
        (0.8, 1.0, "at 80 % of the cost"),
        (0.01, 1.0, "at 1 % of the cost"),
        (1.0, 1.05, "at about the same cost"),
        (3.0, 2.0, "at 1.5 times the cost"),
        (25.0, 1.0, "at 25 times the cost"),
        (0.0, 1.0, "for free"),
        (1.0, 0.0, "while the other is free"),
        (0.0, 0.0, ""),
        (None, 1.0, ""),
        (1.0, None, ""),
    ],
)
def test_costs_in_words(cost, other, words):
    assert cost_words(cost, other) == words


@pytest.mark.parametrize(
    ("votes", "sentence"),
    [
        (records(("A B", 6, 3)), None),
        (
            records(("A B", 14, 4)),
            (
                "A over B in 14 of 18 (55 to 91 %), at a seventh of the cost; these votes separate"
                " them"
            ),
        ),
        (
            records(("A B", 14, 4), ("B C", 10, 4), ("A C", 10, 0)),
            (
                "A over B in 14 of 18 (55 to 91 %), at a seventh of the cost; at this rate about"
                " 21 more votes would separate B and C"
            ),
        ),
        (
            [*records(("A B", 6, 3)), ballot("A B", "tie")],
            (
                "A over B in 6.5 of 10 (35 to 86 %, 1 tie as half a win each), at a seventh of the"
                " cost; at this rate about 33 more votes would separate A and B"
            ),
        ),
        (
            records(("A B", 5, 5)),
            (
                "A over B in 5 of 10 (24 to 76 %), at a seventh of the cost; at this rate not even"
                " 1,000 votes would separate A and B"
            ),
        ),
        (
            records(("A C", 9, 1), ("B C", 6, 4)),
            (
                "A before B by their votes against others, at a seventh of the cost; no vote"
                " compares A and B directly"
            ),
        ),
    ],
)
def test_the_advice_is_one_sentence_that_states_its_assumption(votes, sentence):
    assert advice(votes, {"A": 0.001, "B": 0.007, "C": None}) == sentence
