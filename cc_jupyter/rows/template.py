"""The prompt of a run over rows, compiled once and filled in for each row."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.text import check_characters
from cc_jupyter.prompt.template import (
    Expression,
    evaluate,
    names_in,
    parse_template,
)
from cc_jupyter.prompt.values import to_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cc_jupyter.core.messages import Image, ValueLimits
    from cc_jupyter.prompt.template import Part


class FilledRow(NamedTuple):
    """What is sent for one row."""

    text: str
    system: str | None
    images: tuple[Image, ...] = ()
    stem: str = ""
    """The text before the last value, which rows may share; empty if there is one value."""
    notices: tuple[str, ...] = ()
    """What was cut, and which texts say nothing."""


class RowTemplate:
    """Fills in the prompt for one row after the other.

    Parameters
    ----------
    raw
        Whether `{{ }}` is sent as it is.
    images
        URLs, files or expressions, evaluated for each row.
    user_ns, local_ns
        The names that come after those of the row; local ones first.

    Raises
    ------
    OptionError
        A `{{` is not closed, or its content is not an expression.
    """

    def __init__(  # noqa: PLR0913  the parts of a prompt
        self,
        text: str,
        system: str | None,
        limits: ValueLimits,
        *,
        raw: bool,
        images: Sequence[str],
        user_ns: Mapping[str, object],
        local_ns: Mapping[str, object],
    ) -> None:
        self._text = _parts(text, raw=raw)
        self._system = None if system is None else _parts(system, raw=raw)
        self._images = tuple(images)
        self._limits = limits
        self._names = {**user_ns, **local_ns}
        values = [part for part in self._text if isinstance(part, Expression)]
        self._has_stem = len(values) > 1
        self.used = frozenset[str]().union(
            *(
                names_in(part.source)
                for part in (*self._text, *(self._system or ()))
                if isinstance(part, Expression)
            ),
            *map(names_in, images),
        )
        """The names that the prompt uses, whoever has them."""
        first = self._text[0] if self._text else None
        self.shared_chars = 0 if first is None or isinstance(first, Expression) else len(first.text)
        """How many characters all rows begin with."""

    @property
    def is_plain(self) -> bool:
        """Whether rows differ in the text of their prompt alone."""
        return not self._images and not any(
            isinstance(part, Expression) for part in self._system or ()
        )

    def fill(self, names: Mapping[str, object]) -> FilledRow:
        """Return what is sent for a row.

        Parameters
        ----------
        names
            The names of the row, which come first.

        Raises
        ------
        OptionError
            An expression failed, or its value cannot be sent.
        """
        notices: list[str] = []
        images: list[Image] = []
        text, stem = self._filled(self._text, names, notices, images)
        system = None
        if self._system is not None:
            in_system: list[Image] = []
            system, _ = self._filled(self._system, names, notices, in_system)
            if in_system:
                raise OptionError(
                    f"a system prompt cannot contain an image: {in_system[0].described}",
                    hint="put it in the prompt, or pass it with -i",
                )
        if self._images:
            images = [*self._loaded(names), *images]
        return FilledRow(
            text, system, tuple(images), stem if self._has_stem else "", tuple(notices)
        )

    def _filled(
        self,
        parts: Sequence[Part],
        names: Mapping[str, object],
        notices: list[str],
        images: list[Image],
    ) -> tuple[str, str]:
        """Return the filled text, and its beginning up to the last value."""
        pieces: list[str] = []
        stem_pieces = 0
        for part in parts:
            if not isinstance(part, Expression):
                pieces.append(part.text)
                continue
            stem_pieces = len(pieces)
            value = self._value(part.source, names)
            if type(value) is str and len(value) <= self._limits.text_chars:
                pieces.append(value)  # as `to_text` returns it, at a tenth of the time
                continue
            rendered = to_text(value, part.source, self._limits)
            pieces.append(rendered.text)
            notices += rendered.notices
            images += rendered.images
        text = "".join(pieces)
        check_characters(text)
        return text, "".join(pieces[:stem_pieces]) if self._has_stem else ""

    def _value(self, source: str, names: Mapping[str, object]) -> object:
        if source in names:  # a plain name, as most are
            return names[source]
        return evaluate(source, self._names, names)

    def _loaded(self, names: Mapping[str, object]) -> list[Image]:
        from cc_jupyter.prompt.images import load_image, working_folder  # noqa: PLC0415  only `-i` needs it

        folder = working_folder()
        return [
            load_image(each, lambda source: self._value(source, names), folder)
            for each in self._images
        ]


def _parts(text: str, *, raw: bool) -> tuple[Part, ...]:
    from cc_jupyter.prompt.template import Literal  # noqa: PLC0415  another name than typing's

    return (Literal(text),) if raw else parse_template(text)
