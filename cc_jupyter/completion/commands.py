"""Completes `%cmd` lines: the command, its words, its flags and their values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cc_jupyter.commands.registry import BY_NAME, COMMANDS
from cc_jupyter.completion.offers import Candidate, Offer, models, prefixed, ranked
from cc_jupyter.completion.options import OptionLine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cc_jupyter.commands.registry import CommandSpec
    from cc_jupyter.completion.offers import Names

_EXPORTS = (".md", ".json", ".ipynb")


def on_command(line: str, column: int, names: Names) -> Offer:
    """Complete what stands behind `%cmd`."""
    command, before = _first_word(line[:column])
    if before is None:
        return Offer(command, prefixed(command, (each.name for each in COMMANDS), "command"))
    spec = BY_NAME.get(command)
    if spec is None:
        return Offer()
    start = column - len(before)
    if spec.takes == ("options",):
        filled = command == "ask"  # the others take what is typed as it stands
        return OptionLine(line[start:], len(before), names, ask=True, filled=filled).offer()
    if "file" in spec.takes:
        path = re.sub(r"\A(?:--\S+[ \t]+)*", "", before)  # it may hold blanks
        if not path.startswith("-"):
            return _on_path(path, names)
    return _on_words(spec, before, names)


def _first_word(text: str) -> tuple[str, str | None]:
    """Give the command and what stands behind it; `None`: the cursor is still in it."""
    end = next((at for at, letter in enumerate(text) if letter.isspace()), None)
    return (text, None) if end is None else (text[:end], text[end:].lstrip())


def _on_path(path: str, names: Names) -> Offer:
    quote = path[:1] if path[:1] in ("'", '"') else ""
    found = names.files(path.removeprefix(quote), _EXPORTS)
    return Offer(path, [Candidate(quote + each, "file") for each in found])


def _on_words(spec: CommandSpec, before: str, names: Names) -> Offer:
    """Complete a word of a command that splits its line at blanks and knows no quotes."""
    words = before.split()
    fragment = words.pop() if before[-1:].strip() else ""
    if fragment.startswith("-"):
        return Offer(fragment, prefixed(fragment, _flags(spec, words), "option"))
    values = spec.flags.get(words[-1]) if words else None
    if values is not None:
        found = (
            _of_kind(values, fragment, names)
            if isinstance(values, str)
            else prefixed(fragment, values, "value")
        )
        return Offer(fragment, found)
    plain = [word for at, word in enumerate(words) if not _is_flag(spec, words, at)]
    found = [*_positional(spec, plain, fragment, names)]
    if not fragment:
        found += prefixed(fragment, _flags(spec, words), "option")
    # what holds a blank could not be read back
    return Offer(fragment, [each for each in found if not re.search(r"\s", each.text)])


def _flags(spec: CommandSpec, given: list[str]) -> list[str]:
    return [flag for flag in spec.flags if flag not in given]


def _is_flag(spec: CommandSpec, words: list[str], at: int) -> bool:
    """Tell whether a word is a flag or the value of one."""
    return words[at] in spec.flags or (at > 0 and spec.flags.get(words[at - 1]) is not None)


def _positional(
    spec: CommandSpec, words: list[str], fragment: str, names: Names
) -> Iterator[Candidate]:
    place = len(words)
    kind = spec.takes[min(place, len(spec.takes) - 1)] if spec.takes else None
    repeats = kind == "filter"
    if place == 0 or repeats:
        new = (word for word in spec.words if word not in words)
        yield from prefixed(fragment, new, "value")
    if kind is None or (place >= len(spec.takes) and not repeats):
        return
    if not repeats and place > 0 and words[0] in spec.words and words[0] != kind:
        return  # `forget turn` wants no thread
    for each in _of_kind(kind, fragment, names):
        if each.text not in spec.words:
            yield each


def _of_kind(kind: str, fragment: str, names: Names) -> list[Candidate]:
    match kind:
        case "model":
            return models(fragment, names)
        case "filter":
            return ranked(fragment, [(each, name, "model") for each, name in names.models()])
        case "thread":
            return ranked(fragment, [(each, "", "thread") for each in names.threads()])
        case "alias":
            return ranked(fragment, [(each, "", "alias") for each in names.aliases()])
        case "topic":
            return prefixed(fragment, [*BY_NAME, "options"], "command")
        case _:
            return []
