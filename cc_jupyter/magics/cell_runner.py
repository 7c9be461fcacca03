"""Run a cell or line: from its options and prompt, through the session, to variables."""

from __future__ import annotations

import dataclasses
import functools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from cc_jupyter.core.errors import CcError, OptionError, StreamError
from cc_jupyter.core.events import Notice
from cc_jupyter.core.messages import MAX_STEPS, PromptSpec
from cc_jupyter.core.text import check_prompt, short_name
from cc_jupyter.prompt.builder import PromptBuilder
from cc_jupyter.prompt.options import CellOptions, option_help, parse_ask_line, parse_cell_line
from cc_jupyter.render.base import NullRenderer, PrettyJsonRenderer, RevisableRenderer
from cc_jupyter.session.execution import ReplyDisplay, execution_context
from cc_jupyter.session.in_flight import ignore_echo
from cc_jupyter.session.session import shared_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from IPython.core.interactiveshell import InteractiveShell

    from cc_jupyter.commands.registry import Commands
    from cc_jupyter.config.settings import Settings
    from cc_jupyter.core.display import TextOutput
    from cc_jupyter.core.reply import Reply
    from cc_jupyter.core.steps import ToolRunner
    from cc_jupyter.experiments.checks import Checks
    from cc_jupyter.experiments.grid import Grid
    from cc_jupyter.experiments.plan import Plan
    from cc_jupyter.experiments.plan_preview import PlanPreview
    from cc_jupyter.magics.cell_tools import CellTools
    from cc_jupyter.magics.grid_cells import GridCells
    from cc_jupyter.prompt.options import SavedPrompt
    from cc_jupyter.prompt.output_types import OutputType
    from cc_jupyter.prompt.saved.files import SavedPrompts
    from cc_jupyter.session.dry_run import DryRun
    from cc_jupyter.session.prepare import PreparedRequest, Preparer

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
        from cc_jupyter.magics.command_functions import make_commands  # noqa: PLC0415  as above

        return make_commands(
            self._shell,
            self.session,
            self._cell,
            self._ask_raw,
            {
                "continue": self._continue,
                "retry": lambda: self._grids.retry(),  # noqa: PLW0108  loaded when it is used
            },
        )

    def cell(self, line: str, text: str, local_ns: dict[str, object]) -> None:
        """Run a `%%cmd` cell."""
        options = parse_cell_line(line, self._load_prompt)
        if options.help:
            self._show(_text_output(option_help()))
            return
        with self._explain_failures(options.name):
            # IPython ends every cell with a newline
            text = self._with_saved(options, text.removesuffix("\n"), local_ns)
            answered = self._run_cell(options, text, local_ns)
        if answered is not None:
            with self._explain_failures():  # the name is bound
                answered.judge()
                if options.format == "code":
                    self._insert(answered.reply)

    def line(self, line: str, local_ns: dict[str, object]) -> object:
        """Run a `%cmd` line and return its result, which displays itself."""
        command = (line.split(None, 1) or [""])[0]
        rest = line.lstrip()[len(command) :]
        if command == "ask":
            return self._ask(rest, local_ns)
        with self._explain_failures():
            return self._commands.run(command, rest.strip())

    def _run_cell(
        self, options: CellOptions, text: str, local_ns: dict[str, object]
    ) -> _Answered | None:
        """Ask, and bind the answer; `None`: nothing was asked."""
        if options.each is not None:
            self._rows(options, text, local_ns)
            return None
        if options.dry_run:
            self._show(self._dry_run(options, text, local_ns))
            return None
        if options.grid is not None:
            self._grid(options, text, local_ns)
            return None
        prepared, output_type = self._prepare(options, text, local_ns)
        checks = self._checks(options, prepared, local_ns)
        # an expression may print, so the cell may have more outputs than the answer
        evaluated = options.image or (not options.raw and "{{" in f"{text}{options.system}")
        owns_cell = not evaluated and not options.tools and self._cell.is_all_magic()
        if options.until_pass and checks is not None:
            answered = self._ask_in_turn(options, prepared, output_type, checks)
        elif output_type is not None:
            first = iter((owns_cell,))  # the answer of a second request appears below the first
            reply, value = self.session.ask_typed(
                prepared,
                output_type,
                lambda each: self._run(options, each, output_type, owns_cell=next(first, False)),
            )
            answered = _Answered(reply, value, checks)
        else:
            reply = self._run(options, prepared, owns_cell=owns_cell)
            answered = _Answered(reply, self._text(options, reply), checks)
        if options.name is not None:
            self._shell.user_ns[options.name] = answered.value
        return answered

    def _ask(
        self, line: str, local_ns: dict[str, object]
    ) -> Reply | Grid | DryRun | PlanPreview | TextOutput | None:
        options, text = parse_ask_line(line, find_prompt=self._find_prompt)
        if options.help:
            return _text_output(option_help())
        with self._explain_failures(options.name):
            text = self._with_saved(options, text, local_ns)
            if options.each is not None:
                result = self._rows(options, text, local_ns)
                return None if self._cell.is_statement() else result
            if options.dry_run:
                return self._dry_run(options, text, local_ns)
            if options.grid is not None:
                grid = self._grid(options, text, local_ns)
                return None if self._cell.is_statement() and not options.quiet else grid
            answered = self._answer_line(options, text, local_ns)
        with self._explain_failures():  # the name is bound
            answered.judge()
            if options.format == "code":
                self._insert(answered.reply)
        return answered.reply

    def _answer_line(
        self, options: CellOptions, text: str, local_ns: dict[str, object]
    ) -> _Answered:
        """Ask for one answer and bind it, if the line names a variable."""
        prepared, output_type = self._prepare(options, text, local_ns)
        checks = self._checks(options, prepared, local_ns)
        if options.until_pass and checks is not None:
            answered = self._ask_in_turn(options, prepared, output_type, checks)
        elif output_type is not None and (options.type or options.name) is not None:
            reply, value = self.session.ask_typed(
                prepared, output_type, lambda each: self._run(options, each, output_type)
            )
            answered = _Answered(reply, value, checks)
        else:
            reply = self._run(options, prepared, output_type)
            answered = _Answered(reply, self._text(options, reply), checks)
            if checks is not None and output_type is not None:
                answered = _Answered(reply, output_type.value_of(reply), checks)
        if options.name is not None:
            self._shell.user_ns[options.name] = answered.value
        return answered

    @property
    def _prompts(self) -> SavedPrompts:
        """The saved prompts of the user and of the project that is open now."""
        from cc_jupyter.prompt.saved.files import SavedPrompts  # noqa: PLC0415  few cells need it

        return SavedPrompts(self._cell.notebook)

    def _load_prompt(self, name: str) -> SavedPrompt:
        return self._prompts.load(name)

    def _find_prompt(self, name: str) -> SavedPrompt | None:
        return self._prompts.find(name)

    def _with_saved(self, options: CellOptions, text: str, local_ns: dict[str, object]) -> str:
        """Return the text of a cell below that of its saved prompt, whose names must be known."""
        if options.saved is None:
            return text
        from cc_jupyter.prompt.saved.files import check_names  # noqa: PLC0415  few cells need it

        if not options.raw and options.each is None:  # the columns of a table are names too
            axes = options.grid.axes if options.grid else ()
            varied = (each.name for each in axes if each.expression is not None)
            check_names(options.saved, {*self._shell.user_ns, *local_ns, *varied})
        return options.saved.followed_by(text)

    def _checks(
        self, options: CellOptions, prepared: PreparedRequest, local_ns: dict[str, object]
    ) -> Checks | None:
        """Compile the checks of a cell; `None`: there is nothing to evaluate."""
        if not options.check and not options.until_pass:
            return None
        from cc_jupyter.experiments.checks import Checks  # noqa: PLC0415  few cells have checks

        names = {} if local_ns is self._shell.user_ns else local_ns
        secrets = (prepared.endpoint.key.value,)
        return Checks(options.check, self._shell.user_ns, names, secrets=secrets)

    def _ask_in_turn(
        self,
        options: CellOptions,
        prepared: PreparedRequest,
        output_type: OutputType | None,
        checks: Checks,
    ) -> _Answered:
        """Ask the models of `--until-pass` in turn; `prepared` is the request to the first."""
        from cc_jupyter.experiments.until_pass import ask_until_pass  # noqa: PLC0415  few cells need it
        from cc_jupyter.session.run_limits import RunLimits  # noqa: PLC0415  as above

        outcome = ask_until_pass(
            self.session,
            self._in_turn(options, prepared),
            checks,
            output_type,
            show=_Tries(self, options, output_type),
            limits=RunLimits(options.max_usd, options.max_requests),
        )
        return _Answered(outcome.reply, outcome.value, None, outcome.error)

    def _in_turn(self, options: CellOptions, prepared: PreparedRequest) -> list[PreparedRequest]:
        """Return the same request to each of the models of `--until-pass`."""
        specs = [prepared.spec._replace(model=model) for model in options.models[1:]]
        others = [self.session.prepare(spec, prepared.settings) for spec in specs]
        new_runner, steps = prepared.new_runner, prepared.max_steps
        live = prepared.live_tools
        others = [
            each._replace(new_runner=new_runner, max_steps=steps, live_tools=live)
            for each in others
        ]
        return [prepared, *others]

    def _dry_run(
        self, options: CellOptions, text: str, local_ns: dict[str, object]
    ) -> DryRun | PlanPreview:
        if options.grid is not None:
            from cc_jupyter.experiments.plan_preview import preview  # noqa: PLC0415  only `--dry-run` needs it
            from cc_jupyter.session.run_limits import RunLimits  # noqa: PLC0415  few cells need it

            limits = RunLimits(options.max_usd, options.max_requests)
            plan = self._plan(options, text, local_ns)
            self._grids.checks(options, plan, local_ns)
            return preview(plan, self.session, limits)
        from cc_jupyter.session.dry_run import dry_run  # noqa: PLC0415  only `--dry-run` needs it

        prepared, _ = self._prepare(options, text, local_ns)
        self._checks(options, prepared, local_ns)
        if options.until_pass:
            others = ", ".join(each.model.id for each in self._in_turn(options, prepared)[1:])
            notices = (*prepared.spec.notices, f"until an answer passes, asked next: {others}")
            spec = prepared.spec._replace(notices=notices)
            prepared = prepared._replace(spec=spec)
        return dry_run(prepared, self.session)

    def _grid(self, options: CellOptions, text: str, local_ns: dict[str, object]) -> Grid:
        """Run a grid; its active answer continues the conversation."""
        grid = self._grids.run(
            options, text, lambda each, body: self._plan(each, body, local_ns), local_ns
        )
        if options.format == "code":
            self._insert(self._shell.user_ns["_cmd"])
        return grid

    def _rows(self, options: CellOptions, text: str, local_ns: dict[str, object]) -> Any:  # noqa: ANN401  of the library of the table
        """Run a prompt over the rows of a table."""
        from cc_jupyter.magics.row_cells import RowCells  # noqa: PLC0415  a single answer does not need it

        check_prompt(text, where_to=_WHERE_TO_WRITE)
        settings = self.session.settings()
        builder = PromptBuilder(self._shell, local_ns, settings.value_limits)
        tools = self._tools(options, local_ns, settings)
        given = None
        if tools is not None:
            given = tools.for_rows(options.max_steps, live_tools=options.live_tools)
        cells = RowCells(self._shell, self.session, self._cell, given)
        return cells.run(options, text, local_ns, builder, builder.value)

    @functools.cached_property
    def _grids(self) -> GridCells:
        from cc_jupyter.magics.grid_cells import GridCells  # noqa: PLC0415  a single answer does not need it

        return GridCells(self._shell, self.session, self._cell)

    def _plan(self, options: CellOptions, text: str, local_ns: dict[str, object]) -> Plan:
        """Return the plan of a grid, without sending anything."""
        from cc_jupyter.experiments.plan import make_plan  # noqa: PLC0415  a single answer does not need it

        check_prompt(text, where_to=_WHERE_TO_WRITE)
        settings = self.session.settings()
        tools = self._tools(options, local_ns, settings)
        specs = () if tools is None else tools.specs
        return make_plan(
            options,
            text,
            builder=PromptBuilder(self._shell, local_ns, settings.value_limits, tools=specs),
            cell=self._cell,
            preparer=self._preparer(options, tools),
            settings=settings,
        )

    def _ask_raw(self, prompt: str, line: str, notices: tuple[str, ...]) -> Reply:
        """Send a generated prompt unchanged, with the options and the text of a line.

        It is long and about one error, so it is not part of a thread unless the line names one.
        """
        options, text = parse_ask_line(line, one_answer=True)
        text = f"{prompt}\n\n{text}" if text.strip() else prompt
        aside = options.thread is None and not options.new
        options = options._replace(raw=True, once=aside)
        prepared, output_type = self._prepare(options, text, {}, notices)
        checks = self._checks(options, prepared, {})
        reply = self._run(options, prepared, output_type)
        _Answered(reply, reply.text, checks).judge()
        return reply

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
        tools = self._tools(options, {}, settings)
        if tools is not None:
            spec = spec._replace(tools=tools.specs)
        no_tools = functools.partial(self._run_without_tools, options, settings)
        new_runner = no_tools if tools is None else tools.new_run
        preparer = dataclasses.replace(self._preparer(options, tools), new_runner=new_runner)
        prepared = preparer.prepare_continuation(spec, settings)
        if prepared.new_runner is not None:
            prepared = self.session.limited(prepared, options.max_usd, options.max_requests)
        checks = self._checks(options, prepared, {})
        reply = self._run(options, prepared)
        _Answered(reply, reply.text, checks).judge()
        return reply

    def _prepare(
        self,
        options: CellOptions,
        text: str,
        local_ns: dict[str, object],
        notices: tuple[str, ...] = (),
    ) -> tuple[PreparedRequest, OutputType | None]:
        check_prompt(text, where_to=_WHERE_TO_WRITE)
        settings = self.session.settings()
        tools = self._tools(options, local_ns, settings)
        spec, output_type = self._spec(options, text, local_ns, settings, tools)
        spec = spec._replace(notices=spec.notices + notices)
        prepared = self._preparer(options, tools).prepare(spec, settings)
        return self.session.limited(prepared, options.max_usd, options.max_requests), output_type

    def _preparer(self, options: CellOptions, tools: CellTools | None) -> Preparer:
        preparer = self.session.preparer
        if tools is None:
            return preparer
        return dataclasses.replace(
            preparer,
            new_runner=tools.new_run,
            max_steps=options.max_steps or MAX_STEPS,
            live_tools=options.live_tools,
        )

    def _tools(
        self, options: CellOptions, local_ns: dict[str, object], settings: Settings
    ) -> CellTools | None:
        """Return the tools of a cell; `None`: it has none."""
        if not options.tools:
            return None
        from cc_jupyter.magics.cell_tools import CellTools, check_all_allowed, toolbox_of  # noqa: PLC0415  few cells have tools

        limits = settings.value_limits
        builder = PromptBuilder(self._shell, local_ns, limits)
        toolbox = toolbox_of(options.tools, builder.tool_of)
        is_run = options.grid is not None or options.each is not None
        if is_run:
            run = "rows run" if options.each is not None else "a grid runs"
            check_all_allowed(toolbox, options.allow, run=run)
        cell = None if options.quiet or is_run else self._cell
        return CellTools(toolbox, options.allow, limits, cell)

    def _run_without_tools(self, options: CellOptions, settings: Settings) -> ToolRunner:
        """Return what shows the calls of a turn that continues without tools."""
        from cc_jupyter.magics.cell_tools import without_tools  # noqa: PLC0415  few cells need it

        return without_tools(settings.value_limits, None if options.quiet else self._cell)

    def _spec(
        self,
        options: CellOptions,
        text: str,
        local_ns: dict[str, object],
        settings: Settings,
        tools: CellTools | None = None,
    ) -> tuple[PromptSpec, OutputType | None]:
        specs = () if tools is None else tools.specs
        builder = PromptBuilder(self._shell, local_ns, settings.value_limits, tools=specs)
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
        renderer = self._renderer(options, prepared, output_type, owns_cell=owns_cell)
        reply = self._send(options, prepared, renderer)
        if reply.error is not None:
            raise reply.error
        return reply

    def _send(
        self, options: CellOptions, prepared: PreparedRequest, renderer: RevisableRenderer
    ) -> Reply:
        """Send a request and bind its reply, however it ended."""
        self._cell.count_request()
        replies = self.session.replies
        known = len(replies)
        try:
            return self._bind(options, self.session.run(prepared, renderer))
        except KeyboardInterrupt:
            if len(replies) > known:  # the interrupt came after the answer was complete
                self._bind(options, replies[-1])
            raise

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
    ) -> RevisableRenderer:
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


class _Answered(NamedTuple):
    """The answer of a cell, which is bound."""

    reply: Reply
    value: object
    """The parsed value of a typed answer; the text of any other."""
    checks: Checks | None
    """What is still to be evaluated."""
    error: CcError | None = None
    """Why it did not pass, if that is known already."""

    def judge(self) -> None:
        """Evaluate the checks.

        Raises
        ------
        CheckError, BrokenCheckError
            One is false, or raised.
        """
        error = self.error
        if self.checks is not None:
            from cc_jupyter.experiments.checks import error_of  # noqa: PLC0415  few cells have checks

            error = error_of(self.checks.evaluate(self.reply, self.value), self.reply)
        if error is not None:
            raise error


class _Tries:
    """Sends and shows the tries of a cell with `--until-pass`."""

    def __init__(
        self, runner: CellRunner, options: CellOptions, output_type: OutputType | None
    ) -> None:
        self._runner = runner
        self._options = options
        self._output_type = output_type
        self._renderer: RevisableRenderer = NullRenderer()

    def run(self, prepared: PreparedRequest) -> Reply:
        """Send a request and show the answer; return it, however it ended."""
        # checks may print, so the cell may have more outputs than the answers
        self._renderer = self._runner._renderer(  # noqa: SLF001  a part of it
            self._options, prepared, self._output_type, owns_cell=False
        )
        return self._runner._send(self._options, prepared, self._renderer)  # noqa: SLF001

    def revise(self, reply: Reply, folded: str | None = None) -> Reply:
        """Show the last answer again with more notices, or folded; bind it to `_cmd`."""
        self._renderer.revise(reply, folded)
        return self._runner._bind(self._options, reply)  # noqa: SLF001

    def text(self, reply: Reply) -> str:
        """Return the text of an answer; raise `StreamError` if it needs one and has none."""
        return self._runner._text(self._options, reply)  # noqa: SLF001


def _text_output(text: str) -> TextOutput:
    from cc_jupyter.core.display import TextOutput  # noqa: PLC0415  an answer does not need it

    return TextOutput(text)
