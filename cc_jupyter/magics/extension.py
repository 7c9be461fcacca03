"""Define `%cmd` and `%%cmd`, which pass on a line or a cell, and load them into a shell.

`%load_ext` imports only this module; the first cell that needs the rest loads it.
"""

from __future__ import annotations

import re
import sys
import threading
from typing import TYPE_CHECKING, Any

from IPython.core.magic import (
    Magics,
    line_cell_magic,
    magics_class,
    needs_local_scope,
    no_var_expand,
)
from traitlets import Bool, Float, Int, Unicode, Union

from cc_jupyter.frontend.target import CommTarget
from cc_jupyter.magics.completer import CmdCompleter
from cc_jupyter.magics.input_transforms import AskLine, PromptCell
from cc_jupyter.magics.inspector import CmdInspector
from cc_jupyter.rows import accessors

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    from cc_jupyter.magics.cell_runner import CellRunner


_HELP = re.compile(r"\s*(?:\w+\s*=\s*)?%cmd\s+ask\s.*\?\s*")
"""A prompt on a line that IPython reads as a request for help."""


@magics_class
class CmdMagics(Magics):
    """Ask a language model; see `%cmd help`.

    The traits are settings of this session: `%config CmdMagics.x = …` takes precedence over
    environment and files, which take precedence over the IPython profile.
    """

    model = Unicode(None, allow_none=True, help="The model to ask: an id or an alias.").tag(
        config=True
    )
    temperature = Float(None, allow_none=True, help="Randomness, 0 to 2.").tag(config=True)
    top_p = Float(None, allow_none=True, help="Nucleus sampling, 0 to 1.").tag(config=True)
    max_tokens = Int(None, allow_none=True, help="Longest answer, in tokens.").tag(config=True)
    effort = Unicode(None, allow_none=True, help="Reasoning effort.").tag(config=True)
    reasoning = Bool(None, allow_none=True, help="Show the model's thinking.").tag(config=True)
    remote_images = Bool(
        None, allow_none=True, help="Load images from the web; their servers can see it."
    ).tag(config=True)
    max_retries = Int(None, allow_none=True, help="How often to retry.").tag(config=True)
    idle_timeout_s = Float(None, allow_none=True, help="Read timeout in seconds.").tag(config=True)
    table_rows = Union(
        [Int(), Unicode()],
        default_value=None,
        allow_none=True,
        help="Rows of a table in a prompt: a number, or `all`.",
    ).tag(config=True)
    table_columns = Union(
        [Int(), Unicode()],
        default_value=None,
        allow_none=True,
        help="Columns of a table in a prompt: a number, or `all`.",
    ).tag(config=True)
    max_text_chars = Int(None, allow_none=True, help="Characters of a str in a prompt.").tag(
        config=True
    )
    max_file_chars = Int(None, allow_none=True, help="Characters of a file in a prompt.").tag(
        config=True
    )
    max_value_chars = Int(None, allow_none=True, help="Characters of other values.").tag(
        config=True
    )
    max_answer_mb = Float(None, allow_none=True, help="Longest answer, in MB of text.").tag(
        config=True
    )
    zdr = Bool(None, allow_none=True, help="Ask for zero data retention.").tag(config=True)
    order = Unicode(
        None,
        allow_none=True,
        help="The order of turns: `execution` or `document`.",
    ).tag(config=True)

    def __init__(self, shell: InteractiveShell) -> None:
        self.choices = _Choices(self)
        self._ipython = shell
        super().__init__(shell)
        self.profile = {name: value for name, value in self._values().items() if value is not None}
        self.replaced: dict[str, Any] = {}
        """The magics that ours replaced, by kind: on Windows IPython has a `%%cmd` too."""
        self.comm_target = CommTarget(shell, lambda: self.cells.session)
        self.inspector = CmdInspector(shell)
        self._cells: CellRunner | None = None
        self._lock = threading.Lock()

    def update_config(self, config: Config) -> None:
        """Record what `%config` sets, even to the value it already has."""
        super().update_config(config)
        values = self._values()
        for name in config.get(type(self).__name__, {}):
            if name in values:
                self.choices[name] = values[name]

    @no_var_expand
    @needs_local_scope
    @line_cell_magic
    def cmd(
        self, line: str, cell: str | None = None, local_ns: dict[str, object] | None = None
    ) -> object:
        """Ask a language model; the text of the cell is the prompt. See `%cmd help`."""
        if cell is None:
            return self.cells.line(line, local_ns or {})
        self.cells.cell(line, cell, local_ns or {})
        return None

    @property
    def cells(self) -> CellRunner:
        """The cell runner, loaded on first use."""
        with self._lock:  # a front end may ask while the first cell runs
            if self._cells is None:
                from cc_jupyter.core.collector import lasting_imports  # noqa: PLC0415  loading the extension is light

                with lasting_imports():
                    from cc_jupyter.magics.cell_runner import CellRunner  # noqa: PLC0415  as above

                self._cells = CellRunner(self._ipython, self.choices, self.profile)
            return self._cells

    def _values(self) -> dict[str, Any]:
        return self.trait_values(config=True)


class _Choices(dict[str, Any]):
    """The settings of this session; `%config CmdMagics.model` shows the selected model."""

    def __init__(self, magics: CmdMagics) -> None:
        super().__init__()
        self._magics = magics

    def __setitem__(self, name: str, value: Any) -> None:  # noqa: ANN401  of any setting
        super().__setitem__(name, value)
        if name == "model":
            self._magics.model = value


def _full_help() -> str:
    """Return the help of `%cmd?` and `%%cmd?`, which IPython gets by `getdoc`."""
    from cc_jupyter.commands.registry import help_text  # noqa: PLC0415  loading the extension is light

    return f"{help_text()}\n\n{help_text('options')}"


CmdMagics.cmd.getdoc = _full_help  # type: ignore[union-attr]  # IPython's hook


def load(shell: InteractiveShell) -> None:
    """Add the magics, input transforms and completion; loading again changes nothing."""
    if _loaded(shell) is not None:
        return
    magics, table = CmdMagics(shell), shell.magics_manager.magics
    magics.replaced = {kind: table[kind]["cmd"] for kind in table if "cmd" in table[kind]}
    shell.register_magics(magics)
    manager = shell.input_transformer_manager
    manager.token_transformers.append(AskLine)
    PromptCell().add_to(manager.cleanup_transforms)
    CmdCompleter(shell, magics.choices, magics.profile).add()
    magics.inspector.add()
    magics.comm_target.add()
    accessors.register()
    _refuse_help(shell)


def _refuse_help(shell: InteractiveShell) -> None:
    """Raise if IPython has read a `%cmd ask …?` of the cell that loads the extension as help.

    IPython transforms a whole cell before it runs the first line. Without an error, the prompt
    would not be sent and the cell would succeed.
    """
    from IPython.core.error import UsageError  # noqa: PLC0415  loading the extension is light

    history = shell.history_manager
    typed = history.input_hist_raw[-1] if history is not None and shell.execution_count else ""
    prompt = next((line for line in typed.splitlines() if _HELP.fullmatch(line)), None)
    if prompt is not None:
        raise UsageError(
            f"`{prompt.strip():.80}` was not sent: the cell loads the extension, so IPython has"
            " read the line as a request for help. The extension is loaded now: run the cell again"
        )


def unload(shell: InteractiveShell) -> None:
    """Remove what `load` added and restore what it replaced."""
    magics = _loaded(shell)
    if magics is None:
        return
    manager = shell.magics_manager
    for table in manager.magics.values():
        table.pop("cmd", None)
    for kind, replaced in magics.replaced.items():
        manager.magics[kind]["cmd"] = replaced
    manager.registry.pop("CmdMagics", None)
    configurables: list[Any] = shell.configurables  # IPython puts every magic class there
    configurables.remove(magics)
    CmdCompleter.remove(shell)
    magics.inspector.remove()
    magics.comm_target.remove()
    accessors.unregister()
    transforms = shell.input_transformer_manager
    transforms.token_transformers[:] = [
        each for each in transforms.token_transformers if each is not AskLine
    ]
    transforms.cleanup_transforms[:] = [
        each for each in transforms.cleanup_transforms if not isinstance(each, PromptCell)
    ]
    manager.magics["cell"].update(_script_magic(shell))
    _end_tool_threads()


def _end_tool_threads() -> None:
    """End the threads that tools have started; without tools their modules are not loaded."""
    if "cc_jupyter.tools.runner" in sys.modules:
        from cc_jupyter.tools.helper_loop import helper_loop  # noqa: PLC0415  loaded already
        from cc_jupyter.tools.signal_watcher import signal_watcher  # noqa: PLC0415  as above

        helper_loop.close()
        signal_watcher.close()


def _loaded(shell: InteractiveShell) -> CmdMagics | None:
    found = shell.magics_manager.registry.get("CmdMagics")
    return found if isinstance(found, CmdMagics) else None


def _script_magic(shell: InteractiveShell) -> dict[str, Any]:
    """Return IPython's own `%%cmd` if it exists yet: IPython creates it on first use."""
    scripts = shell.magics_manager.registry.get("ScriptMagics")
    cells = {} if scripts is None else scripts.magics.get("cell", {})
    return {"cmd": cells["cmd"]} if "cmd" in cells else {}
