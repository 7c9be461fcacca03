"""Run a cell or line: from its options and prompt, through the session, to variables."""

from __future__ import annotations

import dataclasses
import functools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.errors import CcError, OptionError, StreamError
from cc_jupyter.core.events import Notice
from cc_jupyter.core.messages import PromptSpec
from cc_jupyter.core.text import check_prompt
from cc_jupyter.prompt.builder import PromptBuilder
from cc_jupyter.prompt.options import CellOptions, option_help, parse_ask_line, parse_cell_line
from cc_jupyter.render.base import NullRenderer, PrettyJsonRenderer, Renderer
from cc_jupyter.render.usage_line import short_name
from cc_jupyter.session.execution import ReplyDisplay, execution_context
from cc_jupyter.session.in_flight import ignore_echo
from cc_jupyter.session.session import shared_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from IPython.core.interactiveshell import InteractiveShell

    from cc_jupyter.commands.registry import Commands
    from cc_jupyter.config.settings import Settings
    from cc_jupyter.core.display import TextOutput
    from cc_jupyter.core.reply import Reply
    from cc_jupyter.experiments.grid import Grid
    from cc_jupyter.experiments.plan import Plan
    from cc_jupyter.experiments.plan_preview import PlanPreview
    from cc_jupyter.magics.grid_cells import GridCells
    from cc_jupyter.prompt.output_types import OutputType
    from cc_jupyter.session.dry_run import DryRun
    from cc_jupyter.session.prepare import PreparedRequest

_WHERE_TO_WRITE = "write it below the %%cmd line, or after %cmd ask"
_NO_TEXT_HINTS = {
    "length": "--max-tokens N allows a longer answer",
    "content_filter": "change the prompt, or choose another model",
}


class CellRunner:
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
        self._cell = execution_context(shell)
        self.session = shared_session()
        self.session.choices = choices
        self.session.profile = profile
        self.session.notebook = lambda: self._cell.notebook

    @functools.cached_property
    def _commands(self) -> Commands:
        """The function of each command, except `ask`; the first `%cmd` loads them."""
        from cc_jupyter.commands.cassette import CassetteCommand  # noqa: PLC0415
        from cc_jupyter.commands.code import CodeCommands  # noqa: PLC0415
        from cc_jupyter.commands.history import HistoryCommands  # noqa: PLC0415
        from cc_jupyter.commands.local import local  # noqa: PLC0415
        from cc_jupyter.commands.login import LoginCommands  # noqa: PLC0415
        from cc_jupyter.commands.models import ModelCommands  # noqa: PLC0415
        from cc_jupyter.commands.registry import Commands, help_text  # noqa: PLC0415
        from cc_jupyter.commands.threads import ThreadCommands  # noqa: PLC0415
        from cc_jupyter.commands.usage import UsageCommands  # noqa: PLC0415
        from cc_jupyter.frontend.picker.command import PickCommand  # noqa: PLC0415
        from cc_jupyter.session.status import current_status  # noqa: PLC0415

        session, cell = self.session, self._cell
        models, threads = ModelCommands(session, cell), ThreadCommands(session, cell)
        history, usage = HistoryCommands(session, cell), UsageCommands(session, cell)
        code, login = CodeCommands(self._shell, self._ask_raw), LoginCommands(session, cell)
        functions: dict[str, Callable[..., object]] = {
            "continue": self._continue,
            "retry": lambda: self._grids.retry(),  # noqa: PLW0108  loaded when it is used
            "status": lambda: current_status(session),
            "models": models.models,
            "pick": PickCommand(session, cell, models, threads).pick,
            "use": models.use,
            "alias": models.alias,
            "local": local,
            "new": threads.new,
            "thread": threads.thread,
            "threads": threads.threads,
            "history": threads.history,
            "rewind": threads.rewind,
            "fork": threads.fork,
            "versions": threads.versions,
            "diff": threads.diff,
            "search": history.search,
            "export": history.export,
            "forget": history.forget,
            "usage": usage.usage,
            "budget": usage.budget,
            "receipt": usage.receipt,
            "insert": code.insert,
            "explain": code.explain,
            "fix": code.fix,
            "sent": usage.sent,
            "cassette": CassetteCommand(session).cassette,
            "login": login.login,
            "logout": login.logout,
            "doctor": login.doctor,
            "help": lambda topic="": _text_output(help_text(topic)),
        }
        return Commands(functions)

    def cell(self, line: str, text: str, local_ns: dict[str, object]) -> None:
        """Run a `%%cmd` cell."""
        options = parse_cell_line(line)
        if options.help:
            self._show(_text_output(option_help()))
            return
        with self._explain_failures(options.name):
            # IPython ends every cell with a newline
            self._run_cell(options, text.removesuffix("\n"), local_ns)

    def line(self, line: str, local_ns: dict[str, object]) -> object:
        """Run a `%cmd` line and return its result, which displays itself."""
        command = (line.split(None, 1) or [""])[0]
        rest = line.lstrip()[len(command) :]
        with self._explain_failures():
            if command == "ask":
                return self._ask(rest, local_ns)
            return self._commands.run(command, rest.strip())

    def _run_cell(self, options: CellOptions, text: str, local_ns: dict[str, object]) -> None:
        if options.dry_run:
            self._show(self._dry_run(options, text, local_ns))
            return
        if options.grid is not None:
            self._grid(options, text, local_ns)
            return
        prepared, output_type = self._prepare(options, text, local_ns)
        # an expression may print, so the cell may have more outputs than the answer
        evaluated = options.image or (not options.raw and "{{" in f"{text}{options.system}")
        owns_cell = not evaluated and self._cell.is_all_magic()
        value: object
        if output_type is not None:
            first = iter((owns_cell,))  # the answer of a second request appears below the first
            reply, value = self.session.ask_typed(
                prepared,
                output_type,
                lambda each: self._run(options, each, output_type, owns_cell=next(first, False)),
            )
        else:
            reply = self._run(options, prepared, owns_cell=owns_cell)
            value = self._text(options, reply)
        if options.name is not None:
            self._shell.user_ns[options.name] = value
        if options.format == "code":
            self._insert(reply)

    def _ask(
        self, line: str, local_ns: dict[str, object]
    ) -> Reply | Grid | DryRun | PlanPreview | TextOutput | None:
        options, text = parse_ask_line(line)
        if options.help:
            return _text_output(option_help())
        if options.dry_run:
            return self._dry_run(options, text, local_ns)
        if options.grid is not None:
            grid = self._grid(options, text, local_ns)
            return None if self._cell.is_statement() and not options.quiet else grid
        prepared, output_type = self._prepare(options, text, local_ns)
        reply = self._run(options, prepared, output_type)
        if options.format == "code":
            self._insert(reply)
        return reply

    def _dry_run(
        self, options: CellOptions, text: str, local_ns: dict[str, object]
    ) -> DryRun | PlanPreview:
        if options.grid is not None:
            from cc_jupyter.experiments.plan_preview import preview  # noqa: PLC0415  only `--dry-run` needs it

            return preview(self._plan(options, text, local_ns), self.session)
        from cc_jupyter.session.dry_run import dry_run  # noqa: PLC0415  only `--dry-run` needs it

        return dry_run(self._prepare(options, text, local_ns)[0], self.session)

    def _grid(self, options: CellOptions, text: str, local_ns: dict[str, object]) -> Grid:
        """Run a grid; its active answer continues the conversation."""
        grid = self._grids.run(
            options, text, lambda each, body: self._plan(each, body, local_ns), local_ns
        )
        if options.format == "code":
            self._insert(self._shell.user_ns["_cmd"])
        return grid

    @functools.cached_property
    def _grids(self) -> GridCells:
        from cc_jupyter.magics.grid_cells import GridCells  # noqa: PLC0415  a single answer does not need it

        return GridCells(self._shell, self.session, self._cell)

    def _plan(self, options: CellOptions, text: str, local_ns: dict[str, object]) -> Plan:
        """Return the plan of a grid, without sending anything."""
        from cc_jupyter.experiments.plan import make_plan  # noqa: PLC0415  a single answer does not need it

        check_prompt(text, where_to=_WHERE_TO_WRITE)
        settings = self.session.settings()
        return make_plan(
            options,
            text,
            builder=PromptBuilder(self._shell, local_ns, settings.value_limits),
            cell=self._cell,
            preparer=self.session.preparer,
            settings=settings,
        )

    def _ask_raw(self, prompt: str, line: str, notices: tuple[str, ...]) -> Reply:
        """Send a generated prompt unchanged, with the options and the text of a line."""
        options, text = parse_ask_line(line, one_answer=True)
        text = f"{prompt}\n\n{text}" if text.strip() else prompt
        options = dataclasses.replace(options, raw=True)
        settings = self.session.settings()
        spec, output_type = self._spec(options, text, {}, settings)
        spec = dataclasses.replace(spec, notices=spec.notices + notices)
        return self._run(options, self.session.prepare(spec, settings), output_type)

    def _continue(self, line: str = "") -> Reply:
        """Continue the last answer in the same turn; the cell shows the whole answer."""
        options, text = parse_ask_line(line, one_answer=True)
        if text.strip():
            raise OptionError(
                f"%cmd continue takes only options, not the text {text.strip()!r}",
                hint="ask for more in a new cell",
            )
        spec = PromptSpec(
            "",
            model=options.model,
            parameters=options.parameters,
            thread=options.thread,
            key_env=options.key_env,
        )
        settings = self.session.settings()
        return self._run(options, self.session.preparer.prepare_continuation(spec, settings))

    def _prepare(
        self, options: CellOptions, text: str, local_ns: dict[str, object]
    ) -> tuple[PreparedRequest, OutputType | None]:
        check_prompt(text, where_to=_WHERE_TO_WRITE)
        settings = self.session.settings()
        spec, output_type = self._spec(options, text, local_ns, settings)
        prepared = self.session.prepare(spec, settings)
        return self.session.limited(prepared, options.max_usd, options.max_requests), output_type

    def _spec(
        self, options: CellOptions, text: str, local_ns: dict[str, object], settings: Settings
    ) -> tuple[PromptSpec, OutputType | None]:
        builder = PromptBuilder(self._shell, local_ns, settings.value_limits)
        output_type = builder.output_type(options)
        return builder.prompt_spec(options, text, self._cell, output_type), output_type

    def _run(
        self,
        options: CellOptions,
        prepared: PreparedRequest,
        output_type: OutputType | None = None,
        *,
        owns_cell: bool = False,
    ) -> Reply:
        self._cell.count_request()
        renderer = self._renderer(options, prepared, output_type, owns_cell=owns_cell)
        replies = self.session.replies
        known = len(replies)
        try:
            reply = self._bind(options, self.session.run(prepared, renderer))
        except KeyboardInterrupt:
            if len(replies) > known:  # the interrupt came after the answer was complete
                self._bind(options, replies[-1])
            raise
        if reply.error is not None:
            raise reply.error
        return reply

    def _bind(self, options: CellOptions, reply: Reply) -> Reply:
        """Bind a reply to `_cmd`; it is not shown again in the execution that has shown it."""
        if not options.quiet:
            display = ReplyDisplay(self._cell, self._cell.token, "shown above")
        else:  # a bare line shows nothing; a variable shows the reply
            token = self._cell.token if self._cell.is_statement() else None
            display = ReplyDisplay(self._cell, token)
        reply = dataclasses.replace(reply, display=display)
        self._shell.user_ns["_cmd"] = reply
        return reply

    def _renderer(
        self,
        options: CellOptions,
        prepared: PreparedRequest,
        output_type: OutputType | None,
        *,
        owns_cell: bool,
    ) -> Renderer:
        if options.quiet:
            return NullRenderer()
        # what is cut is said before the answer is paid for, and again as long as the cell waits
        notices = prepared.spec.notices
        renderer = self._cell.renderer(
            " · ".join([short_name(prepared.model.id), *notices]),
            prepared.settings,
            markdown=options.format != "text" and output_type is None,
            owns_cell=owns_cell,
        )
        if notices:
            renderer.show(Notice(" · ".join(notices)))
        return renderer if output_type is None else PrettyJsonRenderer(renderer, output_type.shown)

    def _text(self, options: CellOptions, reply: Reply) -> str:
        """Return the answer's text.

        Raises
        ------
        StreamError
            It has none, and it should be bound to a variable.
        """
        if not reply.text and options.name is not None:
            from cc_jupyter.client.errors.endings import emptiness  # noqa: PLC0415  only an empty answer needs it

            why = emptiness(reply.stop_reason, reply.stop_word, reply.usage.output_tokens)
            if reply.reasoning or reply.usage.reasoning_tokens:
                why = "the answer has no text, only reasoning"
            raise StreamError(why, hint=_NO_TEXT_HINTS.get(reply.stop_reason, "run the cell again"))
        return reply.text

    def _insert(self, reply: Reply) -> None:
        """Insert the code of an answer as one new cell below, without running it."""
        from cc_jupyter.commands.code import one_cell  # noqa: PLC0415  only `-f code` needs it

        code = one_cell(reply.code)
        if code:
            self._shell.set_next_input(code)
        else:
            self._show(_text_output("the answer contains no code block; no cell was added"))

    @contextmanager
    def _explain_failures(self, name: str | None = None) -> Iterator[None]:
        """Complete an error's message: what was saved, and whether the variable was bound."""
        names = self._shell.user_ns
        before, bound_before = names.get("_cmd"), names.get(name)

        def unbound() -> str:
            if name is None or names.get(name) is not bound_before:
                return ""
            return f"{name} keeps its old value" if name in names else f"{name} was not bound"

        try:
            yield
        except CcError as error:
            error.hint = "; ".join(filter(None, (error.hint, unbound()))) or None
            raise
        except KeyboardInterrupt as interrupt:
            if self._cell.in_kernel:
                ignore_echo()
            saved = "" if names.get("_cmd") is before else "the text received is saved"
            notes = getattr(interrupt, "__notes__", ())
            text = "; ".join(filter(None, ("KeyboardInterrupt: stopped", saved, unbound(), *notes)))
            interrupt._render_traceback_ = lambda: [text]  # type: ignore[attr-defined]  # IPython's
            raise

    def _show(self, result: object) -> None:
        from IPython.display import display  # noqa: PLC0415  loaded in every kernel

        display(result)  # type: ignore[no-untyped-call]  # IPython's own


def _text_output(text: str) -> TextOutput:
    from cc_jupyter.core.display import TextOutput  # noqa: PLC0415  an answer does not need it

    return TextOutput(text)
