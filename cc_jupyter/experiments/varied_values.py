"""The values of a name that a grid varies, each with its label."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from numbers import Number
from pathlib import PurePath

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.text import describe, excerpt, top_level_module
from cc_jupyter.prompt.tables import frame_kind
from cc_jupyter.prompt.variables import summarize

_MAX_VALUES = 500
"""A generator may be infinite."""
_SHORT_CHARS = 60
_SHOWN = (bool, int, float, Decimal, Fraction, date, time, timedelta, PurePath, type(None))
_TEXTS = (str, bytes, bytearray)


def varied_values(
    variation: str, given: object, secrets: Collection[str] = ()
) -> dict[str, object]:
    """Return the values of a name by label, in order; a generator is read once.

    The keys of a dict are labels. Any other value is labelled by its own text if it is short and
    plain, else by its type and size. No label contains a secret: it is shown and saved.

    Parameters
    ----------
    variation
        How the user wrote it, such as `--vary topic`.
    secrets
        Texts that no label may contain, such as the key.

    Raises
    ------
    OptionError
        It is one value, has too many, none, or the same one twice.
    """
    try:
        if isinstance(given, Mapping):
            return _labelled_by_key(variation, given, secrets)
        return _labelled(variation, _listed(variation, given), secrets)
    except OptionError:
        raise
    except Exception as error:  # the user's objects may raise anything
        raise OptionError(
            f"the values of `{variation}` cannot be listed: {describe(error)}",
            hint="nothing was sent; try list(…) of them in a separate cell",
        ) from error


def _labelled_by_key(
    variation: str, given: Mapping[object, object], secrets: Collection[str]
) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in islice(given.items(), _MAX_VALUES + 1):
        label = redact(" ".join(str(key).split()), secrets)
        if not label:
            raise OptionError(f"a label of `{variation}` is empty", hint="name each value")
        if label in found:
            raise OptionError(
                f"two values of `{variation}` have the label `{excerpt(label)}`",
                hint="use different keys",
            )
        found[label] = value
    _check_number(variation, len(found))
    return found


def _listed(variation: str, given: object) -> list[object]:
    kind = frame_kind(given)
    if isinstance(given, _TEXTS) or not isinstance(given, Iterable):
        raise OptionError(
            f"`{variation}` needs several values, but has one {type(given).__name__}",
            hint="use a list, such as [a, b], or a dict with labels",
        )
    if kind is not None and kind[1] != "Series":
        raise OptionError(
            f"`{variation}` is a {kind[1]}, whose values could be rows or columns",
            hint='name a column, such as df["text"]',
        )
    values = list(islice(given, _MAX_VALUES + 1))
    _check_number(variation, len(values))
    # the order of a set changes with each start of Python
    return sorted(values, key=_label) if isinstance(given, set | frozenset) else values


def _check_number(variation: str, number: int) -> None:
    if number == 0:
        raise OptionError(f"`{variation}` has no values", hint="a grid needs at least one")
    if number > _MAX_VALUES:
        raise OptionError(
            f"`{variation}` has more than {_MAX_VALUES} values",
            hint="vary fewer in one cell; itertools.islice takes the first of a long series",
        )


def _labelled(variation: str, values: list[object], secrets: Collection[str]) -> dict[str, object]:
    plain = [value for value in values if isinstance(value, str) or _is_plain(value)]
    for value in plain:
        if sum(type(each) is type(value) and each == value for each in plain) > 1:
            raise OptionError(
                f"`{variation}` has the value {excerpt(repr(value))} twice",
                hint="keep one of them; -n 2 asks for two answers each",
            )
    labels = [_label(value, secrets) for value in values]
    return dict(zip(_unique(labels), values, strict=True))


def _label(value: object, secrets: Collection[str] = ()) -> str:
    """Return a text for a value, on one line; a long one is cut."""
    if isinstance(value, str):
        return excerpt(redact(value, secrets), _SHORT_CHARS) or "(empty)"
    if _is_plain(value):
        return excerpt(redact(str(value), secrets), _SHORT_CHARS)
    return summarize(value)


def _is_plain(value: object) -> bool:
    """Return whether the text of a value says what it is; a number of numpy's is like Python's."""
    is_number = isinstance(value, Number) and top_level_module(type(value)) == "numpy"
    return is_number or isinstance(value, _SHOWN)


def _unique(labels: list[str]) -> Iterator[str]:
    """Yield the labels, with a number where several are equal."""
    seen: dict[str, int] = {}
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        yield f"{label} ({seen[label]})" if labels.count(label) > 1 else label
