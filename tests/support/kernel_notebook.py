"""A notebook as a user has it: a kernel with the extension loaded, and a provider on loopback.

One kernel serves many tests; each finds it as after a restart. Its folders are its own, and its
working directory is empty: `workdir` shows what was written there.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Self

from support.kernel_harness import CELL_LIMIT_S, CellRun, Kernel
from support.private_environment import private_environment
from support.provider import KEY, Provider

if TYPE_CHECKING:
    from pathlib import Path

    from support.provider.record import Record
    from support.provider.script import Script

MODEL = "deepseek/deepseek-v4-flash"
CLAUDE = "claude-sonnet-5"
WIRES = {"/chat/completions": MODEL, "/messages": CLAUDE}
"""A listed model for each wire format."""

_LOAD = "%load_ext cc_jupyter"
_AFRESH = """
import os
def _afresh(environ=dict(os.environ)):  # no name of the user's, since the key is in it
    import os, sys
    os.environ.clear()
    os.environ.update(environ)
    shell = get_ipython()
    for name in set(shell.user_ns) - _KEPT - set(shell.user_ns_hidden):
        del shell.user_ns[name]
    shell.user_ns["_oh"].clear()
    for name in ("_", "__", "___"):  # a loop may have taken them
        shell.user_ns[name] = getattr(shell.displayhook, name)
    if "cc_jupyter" in shell.extension_manager.loaded:
        shell.extension_manager.unload_extension("cc_jupyter")
    if "cc_jupyter.session.session" in sys.modules:
        from cc_jupyter.conversation.thread import Conversations
        from cc_jupyter.session.session import shared_session
        session = shared_session()
        session.conversations = Conversations()
        session.document_order = type(session.document_order)()
        session.history.close()
        session.history = type(session.history)(session.now)
        session.choices, session.profile = {}, {}
        session.replies.clear()
        session.budget_guard.budget, session.budget_guard.is_off = None, False
    shell.config.pop("CmdMagics", None)  # `%config` tells it to the whole shell
    if _LOADED:
        shell.extension_manager.load_extension("cc_jupyter")

del os
_KEPT = {"_afresh", "_KEPT", "_LOADED", "_", "__", "___", *globals()}
"""


def halves(script: Script, text: str) -> tuple[Script, Script]:
    """Cut a script before the step that brings `text`."""
    place = next(
        number
        for number, step in enumerate(script)
        if text.encode() in b"".join(getattr(step, "pieces", ()))
    )
    return script[:place], script[place:]


def text_of(content: str | list[dict[str, Any]]) -> str:
    """Return the text of a message, whichever way it is written."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


class Notebook:
    """Runs cells, and knows what reached the provider.

    Parameters
    ----------
    folder
        An empty one; the notebook makes all its own in it.
    env
        More variables; an empty text takes one away.
    loaded
        Whether to begin with `%load_ext`.
    """

    def __init__(
        self, folder: Path, env: dict[str, str] | None = None, *, loaded: bool = True
    ) -> None:
        self.provider = Provider()
        self.folder = folder
        self.workdir = folder / "work"
        self.workdir.mkdir(parents=True)
        self._loaded = loaded
        self._env = {
            "CMD_BASE_URL": self.provider.base_url,
            "CMD_API_KEY": KEY,
            "CMD_MODEL": MODEL,
            **(env or {}),
        }

    def __enter__(self) -> Self:
        self.provider.start()
        self._open()
        return self

    def __exit__(self, *exc: object) -> None:
        self.kernel.__exit__()
        self.provider.close()

    def restart(self) -> None:
        """Start the kernel anew, with all that a real restart forgets."""
        self.kernel.__exit__()
        self._open()

    def afresh(self) -> None:
        """Make the kernel forget what a restart forgets, a hundred times faster."""
        try:
            while True:  # what a failed test left unread
                self.kernel.client.get_iopub_msg(timeout=0)
        except Exception:  # noqa: BLE001  an empty queue has a class of its own
            pass
        self.provider.clear()
        try:
            ended = self.kernel.run("_afresh()", limit_s=10).status
        except TimeoutError:
            ended = "lost"
        if ended != "ok":
            self.restart()
        kept = self.folder / "cc_jupyter" / "data"
        for path in (*kept.glob("history.db*"), *kept.glob("budgets.json")):
            path.unlink()

    def _open(self) -> None:
        env = {name: value for name, value in self._env.items() if value}
        self.kernel = Kernel(
            env,
            base=private_environment(self.folder),
            cwd=self.workdir,
            arguments=("--HistoryManager.hist_file=:memory:",),  # the disk takes half a second
        )
        self.kernel.__enter__()
        self.kernel.check(f"_LOADED = {self._loaded}\n{_AFRESH}")
        if self._loaded:
            self.kernel.check(_LOAD)

    # ── cells

    def run(self, code: str, cell_id: str | None = None, limit_s: float = CELL_LIMIT_S) -> CellRun:
        """Run a cell to its end, whichever it is."""
        return self.kernel.run(code, cell_id, limit_s)

    def check(self, code: str, cell_id: str | None = None) -> CellRun:
        """Run a cell that must succeed."""
        return self.kernel.check(code, cell_id)

    def fail(self, code: str, error: str, cell_id: str | None = None) -> CellRun:
        """Run a cell that must fail with an error of this class."""
        run = self.run(code, cell_id)
        assert (run.status, run.error_name) == ("error", error), run.error or run.texts
        return run

    def value(self, expression: str) -> Any:
        """Return the value of an expression in the kernel, which JSON can write."""
        return json.loads(self.kernel.value(f"__import__('json').dumps({expression})"))

    # ── the provider

    @property
    def posts(self) -> list[Record]:
        """The requests that would have cost money."""
        return self.provider.posts

    @property
    def body(self) -> dict[str, Any]:
        """The body of the last of them."""
        body: dict[str, Any] = self.posts[-1].json
        return body

    @property
    def prompt(self) -> str:
        """The last message of the last request."""
        return text_of(self.body["messages"][-1]["content"])

    @property
    def said(self) -> list[str]:
        """All messages of the last request, without a system prompt."""
        return [
            text_of(each["content"]) for each in self.body["messages"] if each["role"] != "system"
        ]

    def forget(self) -> None:
        """Forget the requests so far."""
        with contextlib.suppress(TimeoutError):
            for record in self.posts:
                record.wait_until_over(1.0)
        self.provider.clear()
