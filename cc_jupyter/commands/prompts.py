"""The commands on saved prompts: `save` and `prompts`."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from cc_jupyter.commands.threads import ConversationCommands, cost_text, turn_record
from cc_jupyter.core.display import Table, TextOutput
from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.paths import short_path, without_user
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.text import excerpt
from cc_jupyter.prompt.saved.files import SavedPrompts, names_of
from cc_jupyter.prompt.saved.front_matter import (
    PROJECT_OPTIONS,
    PromptFile,
    check_plain,
    is_plain_type,
)
from cc_jupyter.prompt.template import escaped

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cc_jupyter.conversation.records import TurnRecord
    from cc_jupyter.prompt.saved.files import PromptEntry


class PromptCommands(ConversationCommands):
    """Save prompts, list them and delete them."""

    @property
    def by_name(self) -> dict[str, Callable[..., object]]:
        """The commands by name."""
        return {"save": self.save, "prompts": self.prompts}

    def save(
        self,
        name: str,
        turn: str | None = None,
        *,
        project: bool = False,
        no_examples: bool = False,
        overwrite: bool = False,
    ) -> TextOutput:
        """Save the prompt of a turn with its options."""
        name = name.removeprefix("@")
        record = turn_record(self._session, turn)
        if turn is None and record.grid is not None:
            record = self._active(record)
        file = prompt_file(record, with_examples=not no_examples)
        left_out: list[str] = []
        if project:
            file, left_out = for_project(file)
        path = self._prompts.write(name, file, is_project=project, overwrite=overwrite)
        return TextOutput(self._saved(name, path, file, left_out))

    def prompts(self, *, remove: str | None = None) -> Table | TextOutput:
        """List all saved prompts, or delete one."""
        if remove is not None:
            path = self._prompts.remove(remove.removeprefix("@"))
            return TextOutput(f"deleted {short_path(path)}")
        rows = [_row(each) for each in self._prompts.entries()]
        caption = "%%cmd @NAME sends a prompt; %cmd prompts --remove NAME deletes it"
        return Table(rows, caption if rows else "no prompt is saved yet; %cmd save NAME saves one")

    def _active(self, record: TurnRecord) -> TurnRecord:
        """Return the answer of a grid that the conversation continues from."""
        conversations = self._session.conversations
        if record.thread not in conversations.names or record.position is None:
            return record
        slots = conversations.thread(record.thread).slots
        turn = slots[record.position].turn if record.position < len(slots) else None
        if turn is None or turn.group != record.grid:
            return record
        return self._session.history.record(turn.id) or record

    @property
    def _prompts(self) -> SavedPrompts:
        return SavedPrompts(self._cell.notebook)

    def _saved(self, name: str, path: Path, file: PromptFile, left_out: list[str]) -> str:
        """Return what was saved, in words."""
        notes = [f"saved the prompt as @{name} in {short_path(path)}"]
        if needs := names_of(file):
            notes.append(f"it needs {', '.join(needs)}")
        if left_out:
            notes.append(
                f"left out, because a project's prompt cannot set it: {', '.join(left_out)}"
            )
        return "; ".join(notes)


def prompt_file(record: TurnRecord, *, with_examples: bool = True) -> PromptFile:
    """Return the prompt of a turn as typed, with its options; if that is unknown, as sent."""
    template = record.template
    text = None if template is None else template.text
    options: dict[str, Any] = {} if template is None else dict(template.options)
    if template is None and record.system is not None:
        options["system"] = escaped(record.system)
    file = PromptFile(escaped(record.prompt) if text is None else text, options)
    if not file.text.strip():
        raise OptionError("the turn has no prompt to save", hint="%cmd history lists the turns")
    values = dict(template.examples) if template is not None and with_examples else {}
    examples = {
        name: _example(name, source, values.get(source, ""))
        for name, source in names_of(file).items()
    }
    return PromptFile(file.text, options, examples, _origin(record))


def for_project(file: PromptFile) -> tuple[PromptFile, list[str]]:
    """Return a prompt as a project can have it, and the options that it cannot have.

    Raises
    ------
    OptionError
        One of its `{{ }}` contains more than a name.
    """
    check_plain(file.text)
    check_plain(str(file.options.get("system", "")))
    allowed = {
        name: value
        for name, value in file.options.items()
        if name in PROJECT_OPTIONS and (name != "type" or is_plain_type(value))
    }
    left_out = [
        f"-> NAME: {value}" if name == "type" else f"--{name}"
        for name, value in file.options.items()
        if name not in allowed
    ]
    return PromptFile(file.text, allowed, file.examples, file.origin), left_out


def _example(name: str, expression: str, text: str) -> str:
    return text if expression == name or not text else f"{expression} = {text}"


def _origin(record: TurnRecord) -> dict[str, Any]:
    """Return where a prompt comes from, without the user's name."""
    notebook = redact(without_user(PurePath(record.notebook).name))
    origin = {
        "notebook": notebook,
        "turn": None if record.position is None else record.position + 1,
        "model": record.model,
        "sent_at": record.sent_at.isoformat(timespec="seconds"),
        "cost": cost_text(record),
    }
    return {name: value for name, value in origin.items() if value not in (None, "")}


def _row(entry: PromptEntry) -> dict[str, Any]:
    file = entry.file
    return {
        "prompt": f"@{entry.name}",
        "from": "the project" if entry.is_project else "you",
        "begins": excerpt(file.text) if file else f"cannot be used: {entry.problem}",
        "needs": ", ".join(entry.needs),
        "options": option_summary(file) if file else "",
        "cost": entry.cost,
    }


def option_summary(file: PromptFile) -> str:
    """Return the options of a prompt on one line."""
    return " · ".join(
        f"{name} {excerpt(', '.join(map(str, value)) if isinstance(value, list) else str(value))}"
        for name, value in file.options.items()
    )
