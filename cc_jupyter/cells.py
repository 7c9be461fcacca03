"""One cell or one line: options and prompt in, a question to the session, variables out."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

from cc_jupyter.commands import Commands
from cc_jupyter.dry_run import DryRun, dry_run
from cc_jupyter.errors import CcError, OptionError, StreamError
from cc_jupyter.options import CellOptions, option_help, parse_ask_line, parse_cell_line
from cc_jupyter.render import Renderer, Silent
from cc_jupyter.render.usage_line import short_name
from cc_jupyter.session import Plan, Question, shared_session
from cc_jupyter.shell import Cell
from cc_jupyter.tables import Page
from cc_jupyter.template import RenderedPrompt, evaluate, render
from cc_jupyter.values import to_text

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from cc_jupyter.reply import Reply

_SURROGATE = re.compile("[\ud800-\udfff]")


class Cells:
    """Runs `%%cmd` cells and `%cmd` lines in one shell.

    Parameters
    ----------
    choices
        Settings of the session; commands write to it, `%config` does too.
    profile
        Settings of the IPython profile.
    """

    def __init__(
        self, shell: InteractiveShell, choices: dict[str, Any], profile: dict[str, Any]
    ) -> None:
        self._shell = shell
        self._cell = Cell(shell)
        self.session = shared_session()
        self.session.choices = choices
        self.session.profile = profile
        self._commands = Commands(self.session)

    def cell(self, line: str, text: str, local_ns: dict[str, object]) -> None:
        """Run a `%%cmd` cell."""
        options = parse_cell_line(line)
        if options.help:
            self._show(Page(option_help()))
            return
        # IPython ends every cell with a newline of its own
        prompt = self._prompt(options, text.removesuffix("\n"), local_ns)
        plan = self._plan(options, prompt, local_ns)
        if options.dry_run:
            self._show(dry_run(plan, self.session))
            return
        # an expression may have printed; only a cell without one holds nothing but the answer
        alone = prompt.text == text.removesuffix("\n") and self._cell.is_all_magic()
        reply = self._run(options, plan, owns_cell=alone)
        if options.name is not None:
            self._bind(options.name, reply)

    def line(self, line: str, local_ns: dict[str, object]) -> object:
        """Run a `%cmd` line and give its result, which shows itself."""
        command = (line.split(None, 1) or [""])[0]
        rest = line.lstrip()[len(command) :]
        if command != "ask":
            return self._commands.run(command, rest.strip())
        return self._ask(rest, local_ns)

    def _ask(self, line: str, local_ns: dict[str, object]) -> Reply | DryRun | Page:
        options, text = parse_ask_line(line)
        if options.help:
            return Page(option_help())
        plan = self._plan(options, self._prompt(options, text, local_ns), local_ns)
        if options.dry_run:
            return dry_run(plan, self.session)
        shown_in = None if options.quiet else self._cell.token
        reply = self._run(options, plan, owns_cell=False)

        def display(reply: Reply) -> None:
            self._cell.show_again(reply, here=self._cell.token == shown_in)

        return dataclasses.replace(reply, display=display)

    def _prompt(
        self, options: CellOptions, text: str, local_ns: dict[str, object]
    ) -> RenderedPrompt:
        if not text.strip():
            raise OptionError("the prompt is empty", hint="write it below the %%cmd line")
        prompt = RenderedPrompt(text) if options.raw else self._filled(text, local_ns)
        found = _SURROGATE.search(prompt.text)
        if found is not None:
            raise OptionError(
                f"character {found.start():,} of the prompt is half a character"
                f" (U+{ord(found[0]):04X}), which cannot be sent",
                hint="it comes from broken text; str.encode('utf-8', 'replace') mends it",
            )
        return prompt

    def _filled(self, text: str, local_ns: dict[str, object]) -> RenderedPrompt:
        user_ns = dict(self._shell.user_ns)
        history = self._shell.history_manager
        if history is not None and user_ns.get("In") is history.input_hist_parsed:
            user_ns["In"] = history.input_hist_raw  # the cell as it was typed
        seen_first = {} if local_ns is self._shell.user_ns else local_ns
        return render(text, lambda source: evaluate(source, user_ns, seen_first), to_text)

    def _plan(
        self, options: CellOptions, prompt: RenderedPrompt, local_ns: dict[str, object]
    ) -> Plan:
        system = RenderedPrompt(options.system or "")
        if not options.raw:
            system = self._filled(system.text, local_ns)
        question = Question(
            prompt=prompt.text,
            model=options.model,
            system=None if options.system is None else system.text,
            parameters=options.parameters,
            thread=options.thread,
            new=options.new,
            once=options.once,
            key_env=options.key_env,
            zdr=options.zdr,
            turn_key=None if options.once else self._cell.next_turn_key(),
            notices=prompt.notices + system.notices,
        )
        return self.session.plan(question)

    def _run(self, options: CellOptions, plan: Plan, *, owns_cell: bool) -> Reply:
        reply = self.session.run(plan, self._renderer(options, plan, owns_cell=owns_cell))
        self._shell.user_ns["_cmd"] = reply
        if reply.error is not None:
            raise _worded(reply.error, options.name)
        return reply

    def _renderer(self, options: CellOptions, plan: Plan, *, owns_cell: bool) -> Renderer:
        if options.quiet:
            return Silent()
        return self._cell.renderer(
            short_name(plan.model.id),
            reasoning=plan.settings.reasoning,
            markdown=options.format != "text",
            owns_cell=owns_cell,
        )

    def _bind(self, name: str, reply: Reply) -> None:
        if not reply.text:
            raise StreamError(
                "the answer has no text, only reasoning", hint=_keeps(name, "run the cell again")
            )
        self._shell.user_ns[name] = reply.text

    def _show(self, result: object) -> None:
        from IPython.display import display  # noqa: PLC0415  loaded in every kernel

        display(result)  # type: ignore[no-untyped-call]  # IPython's own


def _worded(error: CcError | KeyboardInterrupt, name: str | None) -> BaseException:
    """Make an error ready for its cell: an interrupt in one line, a name's old value mentioned."""
    if isinstance(error, CcError):
        if name is not None:
            error.hint = _keeps(name, error.hint)
        return error
    kept = "KeyboardInterrupt: stopped; what came is kept" + (f", {name} is not" if name else "")
    error._render_traceback_ = lambda: [kept]  # type: ignore[attr-defined]  # IPython's hook
    return error


def _keeps(name: str, hint: str | None) -> str:
    said = f"{name} was not bound and keeps what it was"
    return f"{hint}; {said}" if hint else said
