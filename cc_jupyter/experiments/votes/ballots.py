"""The ballots of a vote: which answers of a grid are shown together, in which order, and again.

A ballot holds one answer per combination of one prompt, all with the same sample number. Where
several combinations gave the same text, it is shown once, and a vote for it is a vote for each of
them; a ballot on which all texts are equal is left out. Failed and empty answers are left out too.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from cc_jupyter.conversation.records import Ballot, BallotAnswer, prompt_digest, text_digest
from cc_jupyter.core.text import excerpt, new_id, pluralize
from cc_jupyter.models.catalog import load_catalog
from cc_jupyter.prompt.option_line.values import VARIED_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from cc_jupyter.conversation.records import Choice
    from cc_jupyter.experiments.grid import Grid, GridAnswer
    from cc_jupyter.experiments.plan import Combination


MAX_ANSWERS = 6
"""With more combinations of one prompt, a ballot holds two answers."""
_REPEAT_EVERY = 5
_MIN_REPEATS, _MIN_REPEATS_FROM = 2, 6
_SEED_BITS = 32
_COMMON_WORDS = frozenset({"glyph", "inkling", "meta", "muse", "step"})
"""Names of makers and models that any answer may contain; they count with the next word only."""
_MIN_NAME_CHARS = 4
"""The shortest name that is read from the id of a model without a catalog entry."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One answer on a ballot, which several combinations may have given."""

    text: str
    answers: tuple[BallotAnswer, ...]
    """One for each combination that gave this text."""
    maker: str = ""
    """The name of its maker, if the text contains it; such an answer does not count."""


@dataclass(frozen=True, slots=True)
class BallotPaper:
    """A ballot before the vote: the answers in the order shown."""

    prompt: str
    prompt_id: str
    candidates: tuple[Candidate, ...]
    repeats: int | None = None
    """The index of the ballot that this one repeats with sides swapped."""


@dataclass(frozen=True, slots=True)
class Vote:
    """All ballots of one vote on a grid."""

    grid: str
    """The id of the grid."""
    papers: tuple[BallotPaper, ...]
    seed: int
    """The seed of the order of ballots and answers."""
    mode: Literal["open", "blind"] = "blind"
    """Whether the grid was shown with models and prices before."""
    left_out: tuple[str, ...] = ()
    """What is not on any ballot and why, in words."""
    first_turns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """The turn of the first usable answer of each contender, by its label."""

    def record(
        self,
        place: int,
        choice: Choice,
        at: datetime,
        *,
        note: str = "",
        repeats: str | None = None,
    ) -> Ballot:
        """Return the vote on one ballot as the history stores it.

        An answer that names its maker is not in the record. If it was chosen, or fewer than two
        others were shown, the whole vote is recorded but does not count.

        Parameters
        ----------
        choice
            The index of the chosen candidate, or a word.
        repeats
            The id of the record that this one repeats with sides swapped.
        """
        paper = self.papers[place]
        shown = [each for each in paper.candidates if not each.maker]
        chosen = None if isinstance(choice, str) else paper.candidates[choice]
        counts = len(shown) > 1 and (chosen is None or not chosen.maker)
        if not counts:
            shown = list(paper.candidates)
        answers = [answer for each in shown for answer in each.answers]
        if chosen is not None:
            choice = answers.index(chosen.answers[0])
        return Ballot(
            id=new_id(),
            answers=tuple(answers),
            choice=choice,
            voted_at=at,
            prompt_id=paper.prompt_id,
            seed=self.seed,
            mode=self.mode,
            note=note,
            swapped_of=repeats,
            counts=counts,
        )


def new_seed() -> int:
    """Return a seed for the order of a vote."""
    return random.SystemRandom().getrandbits(_SEED_BITS)


def make_vote(grid: Grid, *, pairs: bool = False, seed: int) -> Vote:
    """Return the ballots of a grid, shuffled, some of them twice; there may be none.

    Parameters
    ----------
    pairs
        Show two answers at a time, even if a prompt has only a few combinations.
    seed
        Equal grids with an equal seed have equal ballots.
    """
    chance = random.Random(seed)  # noqa: S311  no secret depends on it
    labels = contender_labels(grid.plan.combinations)
    blocks: list[list[BallotPaper]] = []
    equal = 0
    for sample in range(grid.plan.samples):
        for combinations in _by_prompt(grid.plan.combinations).values():
            candidates = _candidates(grid, combinations, sample, labels)
            answers = sum(len(each.answers) for each in candidates)
            equal += len(candidates) == 1 and answers > 1
            by_twos = pairs or len(combinations) > MAX_ANSWERS
            for round_, shown in enumerate(_groups(candidates, by_twos=by_twos)):
                while len(blocks) <= round_:
                    blocks.append([])
                blocks[round_] += [_paper(combinations[0], group, chance) for group in shown]
    for block in blocks:
        chance.shuffle(block)
    papers = _with_repeats([paper for block in blocks for paper in block], chance)
    unusable = sum(not _is_usable(answer) for answer in grid.answers)
    left_out = []
    if equal:
        left_out.append(f"{pluralize(equal, 'ballot')} with equal answers")
    if unusable:
        left_out.append(f"{pluralize(unusable, 'failed or empty answer')}")
    mode: Literal["open", "blind"] = "blind" if grid.hides_models else "open"
    return Vote(grid.id, papers, seed, mode, tuple(left_out), _first_turns(grid, labels))


def contender_labels(combinations: Sequence[Combination]) -> dict[int, str]:
    """Return what each combination is called in votes, by its index.

    It starts with the model, so that votes on several grids add up. A value of `--vary` that
    changes the prompt is not part of it: the answers to each prompt are compared with each other.
    """
    compared = set(VARIED_FIELDS)
    for group in _by_prompt(combinations).values():
        for name in group[0].options:
            if len({repr(each.options.get(name)) for each in group}) > 1:
                compared.add(name)
    return {
        each.index: " · ".join([_model(each), *_option_labels(each, compared)])
        for each in combinations
    }


def _model(combination: Combination) -> str:
    if combination.prepared is not None:
        return combination.prepared.model.id
    return str(combination.options.get("model") or combination.spec.model or "?")


def _option_labels(combination: Combination, compared: set[str]) -> list[str]:
    options = {
        name: excerpt(value) if isinstance(value, str) else value
        for name, value in combination.options.items()
        if name != "model" and name in compared
    }
    label = dataclasses.replace(combination, options=options).label
    return [label] if label else []


def _by_prompt(combinations: Iterable[Combination]) -> dict[Any, list[Combination]]:
    """Return the combinations of each prompt; a system prompt is an option that is compared."""
    groups: dict[Any, list[Combination]] = {}
    for each in combinations:
        groups.setdefault((each.spec.prompt, each.spec.images), []).append(each)
    return groups


def _is_usable(answer: GridAnswer) -> bool:
    return not answer.failed and bool(answer.reply.text.strip())


def _candidates(
    grid: Grid, combinations: Sequence[Combination], sample: int, labels: Mapping[int, str]
) -> list[Candidate]:
    """Return the usable answers of one sample number, equal texts as one."""
    by_text: dict[str, Candidate] = {}
    for combination in combinations:
        answer = grid.answers_of(combination)[sample]
        if not _is_usable(answer):
            continue
        text = answer.reply.text.strip()
        stored = BallotAnswer(
            grid=grid.id,
            label=labels[combination.index],
            options={name: _json_value(value) for name, value in combination.options.items()},
            turn_id=answer.reply.provenance.turn_id or None,
            answer_sha256=text_digest(text),
        )
        found = by_text.get(text, Candidate(text, ()))
        maker = found.maker or named_maker(text, answer, combination.spec.prompt)
        by_text[text] = Candidate(text, (*found.answers, stored), maker)
    return list(by_text.values())


def _json_value(value: object) -> object:
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def named_maker(text: str, answer: GridAnswer, prompt: str) -> str:
    """Return the name of the answer's maker or model that its text contains; empty if none.

    A name that the prompt contains too does not tell who answered.
    """
    for name in _names(answer):
        pattern = rf"(?<![A-Za-z]){re.escape(name)}(?![A-Za-z])"
        found = re.search(pattern, text, re.IGNORECASE)
        if found and not re.search(pattern, prompt, re.IGNORECASE):
            return found[0]
    return ""


def _names(answer: GridAnswer) -> Iterator[str]:
    """Yield the names of the answer's maker and of its family of models."""
    for model_id in filter(None, (answer.reply.model, answer.reply.provenance.served_model)):
        entry = load_catalog().models.get(model_id)
        names = [entry.maker, entry.name] if entry else [model_id.rpartition("/")[2]]
        for name in names:
            family = re.match(r"[A-Za-z.]+", name)
            if family is None or (not entry and len(family[0]) < _MIN_NAME_CHARS):
                continue
            if family[0].lower() not in _COMMON_WORDS:
                yield family[0]
            elif " " in name:
                yield " ".join(name.split()[:2])


def _groups(
    candidates: Sequence[Candidate], *, by_twos: bool
) -> Iterator[list[tuple[Candidate, ...]]]:
    """Yield the ballots of one prompt and sample in rounds.

    With two answers at a time, each round shows every answer once, so that a vote that ends early
    has compared all of them about equally often (the circle method for round-robin tournaments).
    """
    if len(candidates) < 2:  # noqa: PLR2004  nothing to choose between
        return
    if not by_twos:
        yield [tuple(candidates)]
        return
    places: list[Candidate | None] = [*candidates, *([None] if len(candidates) % 2 else [])]
    half = len(places) // 2
    for _ in range(len(places) - 1):
        opposite = zip(places[:half], reversed(places[half:]), strict=True)
        yield [(a, b) for a, b in opposite if a is not None and b is not None]
        places.insert(1, places.pop())


def _paper(
    combination: Combination, candidates: Sequence[Candidate], chance: random.Random
) -> BallotPaper:
    shuffled = chance.sample(candidates, len(candidates))
    spec = combination.spec
    return BallotPaper(spec.prompt, prompt_digest(spec.prompt, None), tuple(shuffled))


def _with_repeats(papers: Sequence[BallotPaper], chance: random.Random) -> tuple[BallotPaper, ...]:
    """Add one ballot in five again with its sides swapped, never right after the first time."""
    count = len(papers)
    repeats = count // _REPEAT_EVERY
    if count >= _MIN_REPEATS_FROM:
        repeats = max(repeats, _MIN_REPEATS)
    bounds = [round(at * count / repeats) for at in range(repeats + 1)] if repeats else []
    due: dict[int, list[int]] = {}
    for start, end in itertools.pairwise(bounds):
        original = chance.randrange(start, max(start + 1, end - 1))
        due.setdefault(min(original + chance.randint(2, 4), count - 1), []).append(original)
    shown: list[BallotPaper] = []
    places: list[int] = []
    for at, paper in enumerate(papers):
        places.append(len(shown))
        shown.append(paper)
        for original in due.get(at, ()):
            again = papers[original]
            swapped = tuple(reversed(again.candidates))
            shown.append(dataclasses.replace(again, candidates=swapped, repeats=places[original]))
    return tuple(shown)


def _first_turns(grid: Grid, labels: Mapping[int, str]) -> dict[str, str]:
    turns: dict[str, str] = {}
    for answer in grid.answers:
        turn_id = answer.reply.provenance.turn_id
        if turn_id and _is_usable(answer):
            turns.setdefault(labels[answer.combination.index], turn_id)
    return turns
