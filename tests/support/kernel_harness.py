"""A real IPython kernel in a process of its own, and what it says while a cell runs."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any, Self

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CELL_LIMIT_S = 30.0
_START_LIMIT_S = 60.0
_LOG_TAIL = 4000


@dataclass
class Output:
    """One output as a front end holds it in the end."""

    data: dict[str, str]
    metadata: dict[str, Any]
    display_id: str | None = None
    kind: str = "display_data"
    """`display_data`, `execute_result`, `stream` or `error`."""

    @property
    def text(self) -> str:
        """What a front end without any other format shows."""
        return self.data.get("text/plain", "")


@dataclass
class CellRun:
    """Everything one execution sent, and what a front end makes of it."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    arrived_s: list[float] = field(default_factory=list)
    """When each message came, by `time.monotonic`."""
    reply: dict[str, Any] = field(default_factory=dict)
    shown: list[Output] = field(default_factory=list)
    """What is left standing after updates and clears, in its order; streams in a row are one."""

    @property
    def outputs(self) -> list[Output]:
        """Displays and results left standing."""
        return [each for each in self.shown if each.kind in ("display_data", "execute_result")]

    @property
    def streams(self) -> str:
        """What was printed and still stands."""
        return "".join(each.text for each in self.shown if each.kind == "stream")

    @property
    def status(self) -> str:
        return str(self.reply["status"])

    @property
    def error(self) -> str:
        """What stands in the place of a traceback."""
        found = [message for message in self.messages if message["msg_type"] == "error"]
        return "\n".join(found[-1]["content"]["traceback"]) if found else ""

    @property
    def error_lines(self) -> list[str]:
        return self.error.splitlines()

    @property
    def error_name(self) -> str:
        return str(self.reply.get("ename", ""))

    @property
    def display_count(self) -> int:
        """How many outputs were made, whatever became of them."""
        return len(self.of_type("display_data")) + len(self.of_type("execute_result"))

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["msg_type"] == kind]

    @property
    def data_bytes(self) -> int:
        """Size of all content sent, as a front end receives it."""
        return sum(
            len(json.dumps(message["content"], ensure_ascii=False).encode())
            + len(json.dumps([message["header"], message["parent_header"]], default=str))
            for message in self.messages
        )

    @property
    def texts(self) -> list[str]:
        """The plain text of each display and result."""
        return [output.text for output in self.outputs]


class _Manager(KernelManager):
    """Starts what it is told to, whatever kernels are installed."""

    command: list[str]

    @property
    def kernel_spec(self) -> KernelSpec:
        return KernelSpec(argv=self.command, language="python", display_name="tests")


class Kernel:
    """Start it, run cells, interrupt it, stop it.

    Parameters
    ----------
    env
        Variables of the kernel, over those of `base`.
    base
        The environment it starts from; by default that of this process.
    cwd
        Its working directory.
    arguments
        More of the command line.
    launcher
        The module that starts the kernel.
    """

    def __init__(
        self,
        env: Mapping[str, str] | None = None,
        *,
        base: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        arguments: tuple[str, ...] = (),
        launcher: str = "ipykernel_launcher",
    ) -> None:
        quiet = {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        self._env = {**(os.environ if base is None else base), **quiet, **(env or {})}
        self._cwd = cwd
        self._arguments = arguments
        self._launcher = launcher

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="kernel-")
        self._log = Path(self._folder.name) / "log"
        command = [sys.executable, "-m", self._launcher, "-f", "{connection_file}"]
        self.manager = _Manager(connection_file=f"{self._folder.name}/kernel.json")
        self.manager.command = [*command, *self._arguments]
        with self._log.open("wb") as log:
            self.manager.start_kernel(
                env=self._env, cwd=str(self._cwd or Path.cwd()), stdout=log, stderr=log
            )
        self.client = self.manager.client()
        self.unread: list[dict[str, Any]] = []
        self.client.start_channels()
        try:
            self.client.wait_for_ready(timeout=_START_LIMIT_S)
        except RuntimeError as error:
            log_text = self.log
            self.__exit__()
            raise RuntimeError(f"the kernel did not start:\n{log_text}") from error
        return self

    def __exit__(self, *exc: object) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()
        self._folder.cleanup()

    @property
    def log(self) -> str:
        """The end of what the kernel wrote to its own standard output and error."""
        return self._log.read_text(errors="replace")[-_LOG_TAIL:]

    def start(self, code: str, cell_id: str | None = None, *, allow_stdin: bool = False) -> str:
        """Send a cell without waiting for it; gives the message id for `collect`."""
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": allow_stdin,
            "stop_on_error": False,
        }
        message = self.client.session.msg("execute_request", content)
        if cell_id is not None:
            message["metadata"]["cellId"] = cell_id
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def run(
        self,
        code: str,
        cell_id: str | None = None,
        limit_s: float = CELL_LIMIT_S,
        *,
        allow_stdin: bool = False,
    ) -> CellRun:
        """Run a cell to its end."""
        return self.collect(self.start(code, cell_id, allow_stdin=allow_stdin), limit_s)

    def check(self, code: str, cell_id: str | None = None) -> CellRun:
        """Run a cell that must succeed."""
        run = self.run(code, cell_id)
        assert run.status == "ok", run.error
        return run

    def value(self, expression: str) -> str:
        """Return the printed form of an expression's value."""
        return self.check(f"print({expression}, end='')").streams

    def collect(self, request: str, limit_s: float = CELL_LIMIT_S) -> CellRun:
        """Take all messages of an execution until it is idle and has replied."""
        return self.follow(request, limit_s=limit_s)

    def follow(
        self,
        request: str,
        run: CellRun | None = None,
        *,
        until: Callable[[CellRun], bool] | None = None,
        limit_s: float = CELL_LIMIT_S,
    ) -> CellRun:
        """Take messages of an execution until `until` holds, or else until its end.

        Parameters
        ----------
        run
            What came so far, from an earlier call; it grows.
        """
        run = CellRun() if run is None else run
        deadline_s = time.monotonic() + limit_s
        board = _Board(run)
        while until is None or not until(run):
            message = self._unread(request) or self._next(
                self.client.get_iopub_msg, request, deadline_s
            )
            run.messages.append(message)
            run.arrived_s.append(time.monotonic())
            board.take(message)
            if message["content"].get("execution_state") == "idle":
                run.reply = self._next(self.client.get_shell_msg, request, deadline_s)["content"]
                break
        return run

    def wait_for_output(
        self, request: str, kind: str, limit_s: float = CELL_LIMIT_S
    ) -> list[dict[str, Any]]:
        """Take messages of an execution until one of a kind has come; gives all of them."""
        run = self.follow(request, until=lambda run: bool(run.of_type(kind)), limit_s=limit_s)
        return run.messages

    def interrupt(self) -> None:
        self.manager.interrupt_kernel()

    def _unread(self, request: str) -> dict[str, Any] | None:
        """Return the next message of an execution that came while somebody waited for another."""
        found = (m for m in self.unread if m["parent_header"].get("msg_id") == request)
        message = next(found, None)
        if message is not None:
            self.unread.remove(message)
        return message

    def _next(
        self, receive: Callable[..., dict[str, Any]], request: str, deadline_s: float
    ) -> dict[str, Any]:
        while True:
            try:
                message = receive(timeout=max(0.1, deadline_s - time.monotonic()))
            except Empty:
                raise TimeoutError(
                    f"the kernel said no more in time; its log:\n{self.log}"
                ) from None
            if message["parent_header"].get("msg_id") == request:
                return message


class _Board:
    """Applies display messages as every front end does."""

    def __init__(self, run: CellRun) -> None:
        self._run = run
        self._clear_at_next = False

    def take(self, message: dict[str, Any]) -> None:
        kind, content = message["msg_type"], message["content"]
        if kind == "clear_output":
            self._clear_at_next = content["wait"]
            if not content["wait"]:
                self._run.shown.clear()
        elif kind == "update_display_data":
            for output in self._run.shown:
                if output.display_id == content["transient"]["display_id"]:
                    output.data, output.metadata = content["data"], content["metadata"]
        elif kind in ("display_data", "execute_result", "stream", "error"):
            if self._clear_at_next:
                self._clear_at_next = False
                self._run.shown.clear()
            self._show(kind, content)

    def _show(self, kind: str, content: dict[str, Any]) -> None:
        shown = self._run.shown
        if kind == "stream" and shown and shown[-1].kind == "stream":
            shown[-1].data["text/plain"] += content["text"]
        elif kind == "stream":
            shown.append(Output({"text/plain": content["text"]}, {}, kind=kind))
        elif kind == "error":
            shown.append(Output({"text/plain": "\n".join(content["traceback"])}, {}, kind=kind))
        else:
            display_id = content.get("transient", {}).get("display_id")
            shown.append(Output(content["data"], content["metadata"], display_id, kind))
