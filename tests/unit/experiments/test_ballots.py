"""The ballots of a grid: who meets whom, in which order, and what is left out."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import combinations

import pytest
from support.grids import FLASH, HAIKU, made_up_grid

from cc_jupyter.experiments.votes.ballots import BallotPaper, Vote, contender_labels, make_vote
from cc_jupyter.experiments.votes.statistics import comparisons

NOW = datetime(2026, 11, 30, tzinfo=UTC)
MODELS = (HAIKU, FLASH, "gpt-5.5")


def labels(paper: BallotPaper) -> list[str]:
    return [answer.label for each in paper.candidates for answer in each.answers]


def first_time(vote: Vote) -> list[BallotPaper]:
    return [paper for paper in vote.papers if paper.repeats is None]


def test_a_ballot_holds_one_sample_of_each_combination():
    vote = make_vote(made_up_grid(model=MODELS, samples=3), seed=1)
    assert len(vote.papers) == 3
    for paper in vote.papers:
        assert sorted(labels(paper)) == sorted(MODELS)
        assert len({each.text.partition(".")[2] for each in paper.candidates}) == 1


def test_only_answers_to_one_prompt_meet_and_votes_on_all_prompts_add_up():
    grid = made_up_grid(model=(HAIKU, FLASH), prompts=("About rain", "About snow"))
    vote = make_vote(grid, seed=1)
    assert sorted(paper.prompt for paper in vote.papers) == ["About rain", "About snow"]
    assert {tuple(sorted(labels(paper))) for paper in vote.papers} == {(HAIKU, FLASH)}


def test_system_prompts_are_compared_and_their_label_is_short():
    grid = made_up_grid(system=("Be brief. " * 20, "Be kind."))
    (paper,) = make_vote(grid, seed=1).papers
    assert all(label.startswith(f"{FLASH} · system: Be ") for label in labels(paper))
    assert all(len(label) < 110 for label in labels(paper))


def test_a_label_has_the_model_also_where_only_a_parameter_varies():
    grid = made_up_grid(temperature=(0.0, 1.0))
    assert [*contender_labels(grid.plan.combinations).values()] == [
        f"{FLASH} · t 0",
        f"{FLASH} · t 1",
    ]


@pytest.mark.parametrize(("count", "pairs"), [(3, True), (6, True), (7, False), (8, False)])
def test_two_at_a_time_every_pair_meets_once_and_all_are_compared_equally_often(count, pairs):
    grid = made_up_grid(temperature=[at / 10 for at in range(count)])
    vote = make_vote(grid, pairs=pairs, seed=5)
    met = Counter(frozenset(labels(paper)) for paper in first_time(vote))
    assert set(met.values()) == {1}
    assert len(met) == count * (count - 1) // 2
    half = Counter(label for paper in first_time(vote)[: count // 2] for label in labels(paper))
    assert set(half.values()) == {1}


def test_up_to_six_combinations_are_on_one_ballot():
    (paper,) = make_vote(made_up_grid(temperature=[at / 10 for at in range(6)]), seed=1).papers
    assert len(paper.candidates) == 6


@pytest.mark.parametrize(
    ("ballots", "repeats"), [(1, 0), (4, 0), (5, 1), (6, 2), (9, 2), (10, 2), (15, 3), (50, 10)]
)
def test_one_ballot_in_five_comes_back_with_its_sides_swapped(ballots, repeats):
    for seed in range(20):
        vote = make_vote(made_up_grid(samples=ballots), seed=seed)
        again = [(at, paper) for at, paper in enumerate(vote.papers) if paper.repeats is not None]
        assert len(vote.papers) == ballots + repeats
        assert len(again) == repeats
        assert len({paper.repeats for _, paper in again}) == repeats
        for at, paper in again:
            assert paper.candidates == vote.papers[paper.repeats].candidates[::-1]
            assert at - paper.repeats > 1


def test_the_seed_decides_on_the_order_and_nothing_else_does():
    grid = made_up_grid(model=MODELS, samples=8)
    assert make_vote(grid, seed=3) == make_vote(grid, seed=3)
    assert make_vote(grid, seed=3).papers != make_vote(grid, seed=4).papers
    sides = Counter(labels(paper)[0] for paper in make_vote(grid, seed=3).papers)
    assert len(sides) > 1


def test_equal_answers_are_one_and_a_vote_for_it_counts_for_each_combination():
    grid = made_up_grid(
        lambda each, _: "It scatters." if each.index < 2 else "Rayleigh.", model=MODELS
    )
    vote = make_vote(grid, seed=1)
    (paper,) = vote.papers
    assert len(paper.candidates) == 2
    choice = next(at for at, each in enumerate(paper.candidates) if len(each.answers) == 2)
    found = comparisons(vote.record(0, choice, NOW))
    assert {(each.first, each.second) for each in found} == {(HAIKU, MODELS[2]), (FLASH, MODELS[2])}


def test_a_ballot_of_equal_answers_is_left_out():
    vote = make_vote(made_up_grid(lambda _, sample: "same " * (1 - sample), samples=2), seed=1)
    assert vote.papers == ()
    assert vote.left_out == ("1 ballot with equal answers", "2 failed or empty answers")


def test_failed_answers_are_left_out():
    grid = made_up_grid(lambda each, _: None if each.index else "Fine.", model=MODELS)
    assert make_vote(grid, seed=1).papers == ()
    grid = made_up_grid(lambda each, _: f"Fine {each.index}." if each.index else None, model=MODELS)
    vote = make_vote(grid, seed=1)
    assert sorted(labels(vote.papers[0])) == sorted(MODELS[1:])
    assert vote.left_out == ("1 failed or empty answer",)
    assert [*vote.first_turns] == [FLASH, MODELS[2]]


@pytest.mark.parametrize(
    ("text", "prompt", "maker"),
    [
        ("As an AI made by Anthropic, I think so.", "Why?", "Anthropic"),
        ("I am claude, hello.", "Why?", "claude"),
        ("I am Claude3.", "Why?", "Claude"),
        ("Like DeepSeek, I think so.", "Why?", ""),  # another's name tells nothing
        ("Claude is one.", "Name three models, such as Claude.", ""),
        ("Claudette says so.", "Why?", ""),
    ],
)
def test_an_answer_that_names_its_maker_is_marked(text, prompt, maker):
    grid = made_up_grid(
        lambda each, _: f"Fine {each.index}" if each.index else text, prompts=(prompt,)
    )
    (paper,) = make_vote(grid, seed=1).papers
    assert {each.text: each.maker for each in paper.candidates} == {text: maker, "Fine 1": ""}


@pytest.mark.parametrize("text", ["Step 1: look up.", "Take a step.", "A meta remark."])
def test_common_words_are_no_names(text):
    models = ("stepfun/Step-3.5-Flash", "meta/muse-spark-1.1")
    grid = made_up_grid(lambda each, _: f"{text} {each.index}", model=models)
    assert not any(each.maker for each in make_vote(grid, seed=1).papers[0].candidates)


def test_a_marked_answer_does_not_count_and_the_others_do():
    grid = made_up_grid(
        lambda each, _: "I am Claude." if each.index == 0 else f"Fine {each.index}", model=MODELS
    )
    vote = make_vote(grid, seed=1)
    candidates = vote.papers[0].candidates
    marked = next(at for at, each in enumerate(candidates) if each.maker)
    chosen = vote.record(0, marked, NOW)
    assert not chosen.counts
    assert chosen.answers[chosen.choice].label == HAIKU
    for other in {0, 1, 2} - {marked}:
        (found,) = comparisons(vote.record(0, other, NOW))
        assert found.first == candidates[other].answers[0].label
        assert HAIKU not in found


def test_a_vote_between_a_marked_and_one_other_answer_does_not_count():
    grid = made_up_grid(lambda each, _: "I am Claude." if each.index == 0 else "Fine.")
    vote = make_vote(grid, seed=1)
    for choice in (0, 1, "tie"):
        record = vote.record(0, choice, NOW)
        assert not record.counts
        assert len(record.answers) == 2


def test_a_record_says_how_the_grid_was_shown():
    grid = made_up_grid(is_blind=False)
    assert make_vote(grid, seed=1).record(0, 0, NOW).mode == "open"
    grid = made_up_grid()
    assert make_vote(grid, seed=1).record(0, 0, NOW).mode == "blind"
    grid.revealed.reveal()
    assert make_vote(grid, seed=1).record(0, 0, NOW).mode == "open"


def test_a_grid_is_revealed_once():
    grid, calls = made_up_grid(), []
    grid.revealed.connect(lambda: calls.append(1))
    assert not grid.revealed
    grid.revealed.reveal()
    grid.revealed.reveal()
    assert grid.revealed
    assert calls == [1]


def test_all_pairs_of_a_ballot_are_compared_by_a_tie():
    vote = make_vote(made_up_grid(model=MODELS), seed=1)
    found = {frozenset(each[:2]) for each in comparisons(vote.record(0, "tie", NOW))}
    assert found == {frozenset(pair) for pair in combinations(MODELS, 2)}
