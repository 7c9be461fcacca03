"""Complete `%cmd` lines and `%%cmd` cells from the cell and the cursor alone.

The grammar is that of `prompt.options`; the words are its options and the commands of
`commands.registry`. Names of models, threads, files and variables come from a `NameSource`. Outside
`{{ }}` a prompt is prose and has no completions.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cc_jupyter.commands.registry import BY_NAME, COMMANDS
from cc_jupyter.core.errors import OptionError
from cc_jupyter.magics.completion.names import (
    Candidate,
    Completions,
    NameSource,
    models,
    prefixed,
    ranked,
)
from cc_jupyter.prompt.option_line.words import ARROW, is_quoted, next_word, skip_blanks, unquoted
from cc_jupyter.prompt.options import OPTIONS
from cc_jupyter.prompt.template import names_used, open_expression

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cc_jupyter.commands.arguments import Argument, CommandSpec
    from cc_jupyter.prompt.option_line.words import Word
    from cc_jupyter.prompt.options import OptionSpec


_CELL = re.compile(r"[ \t]*%%cmd(?:[ \t]+|$)")
_LINE = re.compile(r"(?:[^'\"#%]*=)?[ \t]*%cmd[ \t]+")
_OPTIONS = {name: spec for spec in OPTIONS for name in spec.names}
_CASSETTE_SUFFIXES = (".jsonl",)
_EXPORT_SUFFIXES = (".md", ".json", ".ipynb")
_PAIRS_SUFFIXES = (".jsonl",)
_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".svg")
_CHECK_NAMES = ("answer", "value", "reply", "usage", "cost_usd")
"""The names of an answer that a check can use."""
_MAX_EXPRESSION_CHARS = 10_000
"""An expression that starts further back is not found."""


def complete(cell: str, line: int, column: int, names: NameSource) -> Completions | None:
    """Return the completions at the cursor; `None`: the line is not one of ours.

    Parameters
    ----------
    cell
        The whole cell.
    line, column
        The position of the cursor, from 0; only a newline ends a line.
    """
    lines = cell.split("\n")
    first = next((number for number, text in enumerate(lines) if text.strip()), 0)
    text = lines[line]
    head = _CELL.match(lines[first])
    if head is not None and line > first:
        if any(word.text == "--raw" for word in split_words(f"{lines[first][head.end() :]} ")[0]):
            return Completions()
        before = "\n".join([*lines[first + 1 : line], text[:column]])
        return in_prompt(before, text[column:], names)
    if head is not None and line == first and head[0][-1].isspace() and column >= head.end():
        prompt = "\n".join(lines[first + 1 :])
        return OptionLine(text[head.end() :], column - head.end(), names, prompt=prompt).complete()
    found = _LINE.match(text)
    if head is not None or found is None or column < found.end():
        return None
    return on_command(text[found.end() :], column - found.end(), names)


def on_command(line: str, column: int, names: NameSource) -> Completions:
    """Complete the text after `%cmd`."""
    command, before = _first_word(line[:column])
    if before is None:
        return Completions(command, prefixed(command, (each.name for each in COMMANDS), "command"))
    spec = BY_NAME.get(command)
    if spec is None:
        return Completions()
    start = column - len(before)
    kinds = [argument.kind for argument in spec.positional]
    if "options" in kinds:
        is_template = command == "ask"  # the other commands take the text as typed
        rest = line[start:]
        return OptionLine(rest, len(before), names, is_template=is_template).complete()
    if "file" in kinds:
        words = rf"(?:[^-\s]\S*[ \t]+){{{kinds.index('file')}}}"  # the arguments before it
        found = re.match(rf"(?:--\S+[ \t]+)*{words}(?P<path>.*)", before)  # it may contain blanks
        if found is not None and not found["path"].startswith("-"):
            suffixes = _CASSETTE_SUFFIXES if command == "cassette" else _EXPORT_SUFFIXES
            return _on_path(found["path"], names, suffixes)
    return _on_words(spec, before, names)


def _first_word(text: str) -> tuple[str, str | None]:
    """Return the command and the text after it; `None`: the cursor is still in the command."""
    end = next((at for at, letter in enumerate(text) if letter.isspace()), None)
    return (text, None) if end is None else (text[:end], text[end:].lstrip())


def _on_path(path: str, names: NameSource, suffixes: tuple[str, ...]) -> Completions:
    quote = path[:1] if path[:1] in ("'", '"') else ""
    found = names.files(path.removeprefix(quote), suffixes)
    return Completions(path, [Candidate(quote + each, "file") for each in found])


def _on_words(spec: CommandSpec, before: str, names: NameSource) -> Completions:
    """Complete a word of a command whose line is split at blanks, without quotes."""
    words = before.split()
    fragment = words.pop() if before[-1:].strip() else ""
    options = [name for name in spec.options if name not in words]
    if fragment.startswith("-"):
        return Completions(fragment, prefixed(fragment, options, "option"))
    pending = spec.options.get(words[-1]) if words else None
    if pending is not None and pending.kind != "switch":
        found = _candidates(pending, fragment, names)
    else:
        found = _positional(spec, words, fragment, names)
        if not fragment:
            found += prefixed(fragment, options, "option")
    # a word with a blank would be parsed as two words
    return Completions(fragment, [each for each in found if not re.search(r"\s", each.text)])


def _positional(
    spec: CommandSpec, words: list[str], fragment: str, names: NameSource
) -> list[Candidate]:
    given = [word for at, word in enumerate(words) if not _is_option(spec, words, at)]
    expected = spec.positional
    if expected and expected[-1].kind == "filter":
        found = _candidates(expected[-1], fragment, names)
        return [each for each in found if each.text not in given]
    if len(given) >= len(expected):
        return []
    argument = expected[len(given)]
    if given and expected[0].kind == "choice" and given[0] != argument.kind:
        return _of_kind(given[0], fragment, names)  # `forget turn` takes no thread
    return _candidates(argument, fragment, names)


def _is_option(spec: CommandSpec, words: list[str], at: int) -> bool:
    """Return whether a word is an option or the value of one."""
    before = spec.options.get(words[at - 1]) if at > 0 else None
    return words[at] in spec.options or (before is not None and before.kind != "switch")


def _candidates(argument: Argument, fragment: str, names: NameSource) -> list[Candidate]:
    """Return the words that an argument knows, then the names of its kind."""
    known = prefixed(fragment, argument.words, "value")
    named = _of_kind(argument.kind, fragment, names)
    return [*known, *(each for each in named if each.text not in argument.words)]


def _of_kind(kind: str, fragment: str, names: NameSource) -> list[Candidate]:
    if kind == "model":
        return models(fragment, names)
    known: Iterable[tuple[str, str, str]]
    match kind:
        case "filter":
            known = [(each, name, "model") for each, name in names.models()]
        case "thread":
            known = [(each, "", "thread") for each in names.threads()]
        case "rows":
            known = [(each, "", "rows") for each in (*names.rows(), "all")]
        case "alias":
            known = [(each, "", "alias") for each in names.aliases()]
        case "grid":
            known = [(each, "", "instance") for each in names.grids()]
        case "file":
            return [Candidate(each, "file") for each in names.files(fragment, _PAIRS_SUFFIXES)]
        case "prompt":
            return prefixed(fragment, names.prompts(), "prompt")
        case "topic":
            return prefixed(fragment, [*BY_NAME, "options"], "command")
        case _:
            return []
    return ranked(fragment, known)


class OptionLine:
    """Complete the options before a prompt.

    Parameters
    ----------
    line, column
        The text after `%%cmd` or the command, and the cursor in it.
    prompt
        The prompt below the line; `None`: it follows on the same line.
    is_template
        Whether `{{ }}` in the prompt is filled in.
    """

    def __init__(
        self,
        line: str,
        column: int,
        names: NameSource,
        *,
        prompt: str | None = None,
        is_template: bool = True,
    ) -> None:
        self._line = line
        self._ask = prompt is None
        self._prompt_below = prompt or ""
        self._before, self._after = line[:column], line[column:]
        self._names = names
        self._is_template = is_template
        self._given: set[str] = set()
        self._has_prompt = False

    def complete(self) -> Completions:
        """Return the completions at the cursor."""
        words, start = split_words(self._before, arrow=not self._ask)
        pending: OptionSpec | None = None
        for at, word in enumerate(words):
            name, equals, _ = word.text.partition("=")
            spec = _OPTIONS.get(name)
            if word.text == ARROW:
                end = next((each for each in words[at:] if each.text == "--"), None)
                if self._ask and end is not None:
                    return self._prompt(self._before[end.end :])
                return self._type_name(self._before[word.end :])
            if spec is not None:
                self._given.add(spec.field)
                pending = spec if spec.metavar is not None and not equals else None
            elif pending is not None:
                pending = None  # this word is the value
            elif self._is_saved_prompt(word.text):
                self._has_prompt = True
            elif self._ask:
                return self._prompt(self._before[word.start :])
        return self._at_fragment(self._before[start:], pending)

    def _at_fragment(self, fragment: str, pending: OptionSpec | None) -> Completions:
        name, equals, value = fragment.partition("=")
        if equals and name in _OPTIONS:
            return self._value(_OPTIONS[name], value)
        if pending is not None and not fragment.startswith("-"):
            return self._value(pending, fragment)
        if fragment.startswith("@") and self._is_template and not self._has_prompt:
            saved = (f"@{each}" for each in self._names.prompts())
            return Completions(fragment, prefixed(fragment, saved, "prompt"))
        if fragment and not fragment.startswith("-"):
            return self._prompt(fragment) if self._ask else Completions()
        found = prefixed(fragment, self._options(fragment), "option")
        return Completions(fragment, found)

    def _is_saved_prompt(self, word: str) -> bool:
        """Return whether a word is a saved prompt, which options may follow."""
        if not word.startswith("@") or not self._is_template:
            return False
        return not self._ask or word.removeprefix("@") in self._names.prompts()

    def _options(self, fragment: str) -> list[str]:
        """Return the options that can still be used; short ones only after a dash."""
        free = [each for each in OPTIONS if each.repeatable or each.field not in self._given]
        names = [name for each in free for name in (each.names if fragment else each.names[-1:])]
        return [*names, ARROW]

    def _prompt(self, text: str) -> Completions:
        if not self._is_template or "raw" in self._given:
            return Completions()
        return in_prompt(text, self._after, self._names)

    def _type_name(self, text: str) -> Completions:
        """Complete the TYPE of `-> NAME: TYPE`."""
        _, colon, kind = text.partition(":")
        fragment = re.split(r"[^\w.]", kind)[-1]
        if not colon:
            return Completions()
        if "." in fragment:
            return self._names.python(fragment, "")
        return Completions(fragment, prefixed(fragment, self._names.types(), "class"))

    def _value(self, spec: OptionSpec, typed: str) -> Completions:
        names, fragment = self._names, _without_quotes(typed)
        found: list[Candidate] = []
        match spec.field:
            case "model" | "effort":
                return self._in_list(typed, spec)
            case "thread":
                found = ranked(fragment, [(each, "", "thread") for each in names.threads()])
            case "key_env":
                found = prefixed(fragment, names.key_variables(), "value")
            case "image":
                return self._image(typed, fragment)
            case "system":
                return in_prompt(typed, self._after, names)
            case "vary" | "check":
                return self._expression(typed, spec)
            case _:
                found = prefixed(fragment, spec.choices, "value")
        return Completions(typed, list(self._quoted(found)))

    def _in_list(self, typed: str, spec: OptionSpec) -> Completions:
        """Complete the last value of a comma-separated list, without those it has."""
        before, comma, part = typed.rpartition(",")
        if not comma:
            part = _without_quotes(typed)
        found = models(part, self._names) if spec.field == "model" else self._efforts(part)
        if not comma:
            return Completions(typed, list(self._quoted(found)))
        given = _without_quotes(before).split(",")
        # a list is one word, whose quotes are around all of it
        is_quoted_list = typed[0] in ("'", '"')
        free = [
            each
            for each in found
            if each.text not in given and (is_quoted_list or [each] == list(self._quoted([each])))
        ]
        return Completions(part, free)

    def _efforts(self, part: str) -> list[Candidate]:
        """Return the efforts that any of the models on the line accepts."""
        chosen: list[str | None] = [*self._models()] or [None]
        known = (each for model in chosen for each in self._names.efforts(model))
        return prefixed(part, dict.fromkeys(known), "value")

    def _expression(self, typed: str, spec: OptionSpec) -> Completions:
        """Complete the EXPR of `--check`, or NAME=EXPR of `--vary` from the names of the prompt."""
        if spec.field == "check":
            return _python(_without_quotes(typed), self._after, self._names, _CHECK_NAMES)
        name, equals, expression = typed.partition("=")
        if equals:
            return _python(_without_quotes(expression), self._after, self._names)
        used = (f"{each}=" for each in _names_of(self._prompt_below))
        return Completions(name, prefixed(name, used, "value"))

    def _image(self, typed: str, fragment: str) -> Completions:
        files = [Candidate(each, "file") for each in self._names.files(fragment, _IMAGE_SUFFIXES)]
        found = list(self._quoted(files))
        if typed == fragment:  # an expression has no quotes around it
            found += prefixed(fragment, self._names.variables(), "instance")
        if found or not re.search(r"[.\[(]", typed):
            return Completions(typed, found)
        return self._names.python(typed, self._after)

    def _quoted(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """Yield the candidates, quoted where needed; skip those that no quote can hold."""
        for each in candidates:
            for quote in ("", '"', "'"):
                text = f"{quote}{each.text}{quote}"
                if _reads_back(text, each.text, arrow=not self._ask):
                    yield Candidate(text, each.kind)
                    break

    def _models(self) -> list[str]:
        """Return the models given in the line, before or after the cursor."""
        found: list[str] = []
        words, _ = split_words(f"{self._line} ", arrow=not self._ask)
        for word, following in zip(words, [*words[1:], None], strict=True):
            name, equals, value = word.text.partition("=")
            if name in _OPTIONS and _OPTIONS[name].field == "model":
                given = value if equals else (following.text if following is not None else "")
                found += unquoted(given).split(",")
        return [each for each in found if each]


def _names_of(prompt: str) -> list[str]:
    """Return the names in the expressions of a prompt; none while one of them is unfinished."""
    try:
        return sorted(names_used(prompt))
    except OptionError:
        return []


def _python(before: str, after: str, names: NameSource, known: Sequence[str] = ()) -> Completions:
    """Complete a Python expression; `known` are names that only it has."""
    fragment = re.split(r"[^\w.]", before)[-1]
    own = [] if "." in fragment else prefixed(fragment, known, "variable")
    found = names.python(before, after)
    if not own:
        return found
    others = found.candidates if found.fragment == fragment else ()
    return Completions(fragment, [*own, *(each for each in others if each.text not in known)])


def split_words(text: str, *, arrow: bool = True) -> tuple[list[Word], int]:
    """Return the complete words, and the start of the unfinished word at the end of the text."""
    words: list[Word] = []
    position = 0
    while True:
        try:
            word = next_word(text, position, arrow=arrow)
        except OptionError:  # its quote or bracket is still open
            return words, skip_blanks(text, position)
        if word is None:
            return words, len(text)
        if word.end == len(text) and word.text != ARROW:
            return words, word.start
        words.append(word)
        position = word.end


def _without_quotes(typed: str) -> str:
    """Return a value without its quotes; the closing one may be missing."""
    if is_quoted(typed):
        return unquoted(typed)
    return typed[1:] if typed[:1] in ("'", '"') else typed


def _reads_back(text: str, value: str, *, arrow: bool) -> bool:
    try:
        word = next_word(text, 0, arrow=arrow)
    except OptionError:
        return False
    return word is not None and (word.text, word.value) == (text, value)


def in_prompt(before: str, after: str, names: NameSource) -> Completions:
    """Complete the expression at the cursor; prose has no completions."""
    expression = open_expression(before[-_MAX_EXPRESSION_CHARS:])
    if expression is None:
        return Completions()
    return names.python(expression.lstrip(), after.partition("}}")[0])
