"""Records behave as frozen dataclasses with slots; these tests compare the two."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import dataclass, field

import pytest

from cc_jupyter.core.record import Record


class Point(Record):
    """A record with every kind of field."""

    x: int
    y: int = 2
    tags: list[str] = field(default_factory=list, hash=False)
    secret: str = field(default="s", repr=False)
    note: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class DataPoint:
    """The same as a dataclass."""

    x: int
    y: int = 2
    tags: list[str] = field(default_factory=list, hash=False)
    secret: str = field(default="s", repr=False)
    note: str = field(default="", compare=False)


CALLS = [
    ((1,), {}),
    ((1, 3), {}),
    ((1,), {"y": 3, "note": "n"}),
    ((), {"x": 1, "tags": ["a"]}),
    ((1, 2, ["a"], "t", "n"), {}),
]


@pytest.mark.parametrize(("values", "named"), CALLS)
def test_a_record_has_the_values_the_text_and_the_hash_of_a_dataclass(values, named):
    record, expected = Point(*values, **named), DataPoint(*values, **named)
    assert dataclasses.asdict(record) == dataclasses.asdict(expected)
    assert repr(record).removeprefix("Point") == repr(expected).removeprefix("DataPoint")
    assert hash(record) == hash(expected)
    assert Point.__match_args__ == DataPoint.__match_args__


@pytest.mark.parametrize(
    ("values", "named"), [((), {}), ((1,), {"x": 1}), ((1,), {"z": 1}), ((1,) * 6, {})]
)
def test_a_wrong_call_is_a_type_error_as_with_a_dataclass(values, named):
    for kind in (Point, DataPoint):
        with pytest.raises(TypeError):
            kind(*values, **named)


@pytest.mark.parametrize(
    ("other", "is_equal"),
    [
        (Point(1), True),
        (Point(1, note="n"), True),
        (Point(1, secret="t"), False),
        (Point(2), False),
        (DataPoint(1), False),
        (1, False),
    ],
)
def test_records_are_equal_if_their_type_and_compared_fields_are(other, is_equal):
    assert (Point(1) == other) is is_equal


def test_no_field_can_be_set_added_or_deleted():
    record = Point(1)
    for change in (
        lambda: setattr(record, "x", 2),
        lambda: setattr(record, "z", 2),
        lambda: delattr(record, "x"),
    ):
        with pytest.raises(dataclasses.FrozenInstanceError):
            change()
    assert record == Point(1)


def test_each_record_has_a_default_value_made_for_it():
    assert Point(1).tags is not Point(1).tags


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))]
)
def test_a_record_can_be_copied_and_pickled(copied):
    record = Point(1, 3, ["a"], "t", "n")
    assert dataclasses.asdict(copied(record)) == dataclasses.asdict(record)


def test_the_functions_of_dataclasses_accept_a_record():
    assert dataclasses.is_dataclass(Point)
    assert dataclasses.replace(Point(1, 3), y=4) == Point(1, 4)
    names = [each.name for each in dataclasses.fields(Point)]
    assert names == [each.name for each in dataclasses.fields(DataPoint)]
