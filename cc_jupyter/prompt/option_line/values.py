"""Read the values of options."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from decimal import Decimal, InvalidOperation
from keyword import iskeyword
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.text import excerpt
from cc_jupyter.prompt.option_line.words import shown, unquoted

if TYPE_CHECKING:
    from collections.abc import Callable


VARIED_FIELDS = ("model", "system", "temperature", "top_p", "max_tokens", "effort")
"""The options of which a grid may have several values, by field."""
_SAMPLES = ("-n", "--samples")
_THOUSANDS = r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?"
_EXAMPLES = {
    **dict.fromkeys(("-m", "--model"), "claude-haiku-5-5,deepseek/deepseek-v4-flash"),
    **dict.fromkeys(("-t", "--temperature"), "0,1"),
    "--top-p": "0.5,1",
    "--max-tokens": "50,2000",
    "--effort": "low,high",
}


def read_text(option: str, text: str) -> str:
    """Return the text, which must not be empty."""
    if not text:
        raise OptionError(
            f"the value of `{option}` is empty", hint="add a value, or remove the option"
        )
    return text


def number_reader(highest: float) -> Callable[[str, str], float]:
    """Return a reader of numbers from 0 to `highest`."""

    def read_number(option: str, text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if 0 <= number <= highest:
            return number
        raise OptionError(
            f"`{option}` takes a number from 0 to {highest:g}, not {shown(text)}",
            hint=f"for example {option} 0.7",
        )

    return read_number


def read_count(option: str, text: str) -> int:
    """Return a whole number of at least 1."""
    _check_thousands(option, text)
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number >= 1:
        return number
    raise OptionError(
        f"`{option}` takes a whole number from 1 up, not {shown(text)}",
        hint=f"for example {option} {3 if option in _SAMPLES else 1000}",
    )


def read_usd(option: str, text: str) -> Decimal:
    """Return an amount of US dollars of at least 0."""
    _check_thousands(option, text)
    try:
        usd = Decimal(text)
    except InvalidOperation:
        usd = Decimal("NaN")
    if usd.is_finite() and usd >= 0:
        return usd
    raise OptionError(
        f"`{option}` takes an amount of US dollars from 0 up, not {shown(text)}",
        hint=f"for example {option} 0.50",
    )


def _check_thousands(option: str, text: str) -> None:
    if re.fullmatch(_THOUSANDS, text):
        raise OptionError(
            f"`{option}` takes a number without a thousands comma, not {shown(text)}",
            hint=f"write {option} {text.replace(',', '')}",
        )


def read_rows(option: str, text: str) -> int | Literal["all"]:
    """Return a number of rows, or `all`."""
    try:
        return "all" if text == "all" else read_count(option, text)
    except OptionError as error:
        raise OptionError(
            f"`{option}` takes a whole number from 1 up, or all, not {shown(text)}",
            hint=f"for example {option} 500",
        ) from error


def word_reader(*words: str) -> Callable[[str, str], str]:
    """Return a reader of one of these words."""

    def read_word(option: str, text: str) -> str:
        if text in words:
            return text
        raise OptionError(
            f"`{option}` cannot be {shown(text)}", hint=f"use one of {', '.join(words)}"
        )

    return read_word


def read_variable(option: str, text: str) -> str:
    """Return the name of an environment variable; the error does not repeat a possible key."""
    looks_like_a_key = redact(text) != text and not text.isupper()
    if re.fullmatch(r"[A-Za-z_]\w*", text, re.ASCII) and not looks_like_a_key:
        return text
    raise OptionError(
        f"the value of `{option}` is not the name of an environment variable",
        hint=f"name the variable that contains the key, never the key itself: {option} MY_KEY",
    )


def read_field(option: str, text: str) -> tuple[str, Any]:
    """Return the key and the JSON value of `KEY=JSON`."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise OptionError(
            f"`{option}` takes KEY=JSON, not {shown(text)}", hint=f"for example {option} seed=7"
        )
    if value.startswith("'"):
        value = unquoted(value)
    try:
        return key, json.loads(value, parse_float=_finite, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise OptionError(
            f"the value {shown(value)} of `{option}` {shown(key)} is not JSON",
            hint=f'text needs double quotes: {option} {excerpt(key)}="..."',
        ) from error


def read_expression(option: str, text: str) -> str:
    """Return a Python expression, which is not evaluated here."""
    from cc_jupyter.prompt.template import complaint  # noqa: PLC0415  a single answer needs no expression

    if not text.strip():
        raise OptionError(f"the expression of `{option}` is empty", hint=quote_hint(option))
    found = complaint(text)
    if found is None:
        return text
    raise OptionError(
        f"{shown(text)} of `{option}` is not a Python expression: {found}",
        hint=f"nothing was sent; {quote_hint(option)}",
    )


def quote_hint(option: str) -> str:
    """Return the hint that an expression with blanks needs quotes."""
    example = "len(answer) < 80" if option == "--check" else "NAME=[a, b] + more"
    return f'an expression with blanks needs quotes around it: {option} "{example}"'


def read_variation(option: str, text: str) -> tuple[str, str]:
    """Return the name and the expression of `NAME=EXPRESSION`."""
    name, equals, expression = text.partition("=")
    if not equals or not name.isidentifier() or iskeyword(name):
        raise OptionError(
            f"`{option}` takes NAME=EXPRESSION, not {shown(text)}",
            hint=f"use a name of the prompt, without blanks around =: {option} topic=topics",
        )
    name = unicodedata.normalize("NFKC", name)
    check_varied_name(f"{option} {name}", name)
    return name, read_expression(option, unquoted(expression))


def check_varied_name(variation: str, name: str) -> None:
    """Refuse to vary a name of the prompt that options have in the results.

    Parameters
    ----------
    variation
        How the user wrote it, such as `--vary topic`.
    """
    if name in VARIED_FIELDS:
        raise OptionError(
            f"`{variation}` has the name of an option, so the results could not tell them apart",
            hint="use another name in the prompt; lists of options are varied by the options"
            " themselves",
        )


def read_list(
    option: str, text: str, read: Callable[[str, str], object], *, numbers: bool
) -> list[object]:
    """Return the values of a comma-separated list; without a comma it has one.

    It may have brackets around it, which tell `[100,200]` from a number with a thousands comma.

    Raises
    ------
    OptionError
        A value is missing, invalid or in the list twice.
    """
    bracketed = text.startswith("[") and text.endswith("]")
    if "," not in text and not bracketed:
        return [read(option, text)]
    if numbers and re.fullmatch(_THOUSANDS, text):
        raise OptionError(
            f"{shown(text)} looks like a number with a thousands comma",
            hint=f"write {option} {text.replace(',', '')} for the number, or {option} [{text}] for"
            " the list",
        )
    texts = text.split(",")
    if bracketed:
        texts = [each.strip() for each in text[1:-1].split(",")]
    if not any(texts):
        raise OptionError(f"the list of `{option}` is empty", hint=_list_hint(option))
    if any(each != each.strip() for each in texts):
        raise blank_in_list(option, text)
    if "" in texts:
        raise OptionError(
            f"a value is missing in the list {shown(text)} of `{option}`", hint=_list_hint(option)
        )
    found: list[object] = []
    for each in texts:
        value = read(option, each)
        if value in found:
            raise same_value(option, texts[found.index(value)], each)
        found.append(value)
    return found


def blank_in_list(option: str, text: str) -> OptionError:
    """Return the error for a blank next to a comma."""
    return OptionError(
        f"there is a blank next to a comma in the list {shown(text)} of `{option}`",
        hint=_list_hint(option),
    )


def same_value(option: str, first: str, second: str) -> OptionError:
    """Return the error for a value that is given twice, perhaps in two spellings."""
    what = (
        f"`{option}` has {shown(first)} twice"
        if first == second
        else f"{shown(first)} and {shown(second)} are the same value of `{option}`"
    )
    return OptionError(what, hint="keep one of them; -n 2 asks for two answers each")


def _list_hint(option: str) -> str:
    return f"write the values with a comma and without blanks: {option} {_EXAMPLES[option]}"


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _refuse(text: str) -> NoReturn:
    raise ValueError(text)
