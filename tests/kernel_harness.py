"""A real IPython kernel in a process of its own, and what it says while a cell runs."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from typing import Any, Self

from jupyter_client.manager import KernelManager

CELL_LIMIT_S = 30.0


@dataclass
class Output:
    """One output as a front end holds it in the end."""

    data: dict[str, str]
    metadata: dict[str, Any]
    display_id: str | None = None


@dataclass
class CellRun:
    """Everything one execution sent, and what a front end makes of it."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    arrived_s: list[float] = field(default_factory=list)
    """When each message came, by `time.monotonic`."""
    reply: dict[str, Any] = field(default_factory=dict)
    outputs: list[Output] = field(default_factory=list)
    """Displays and results left standing, after updates and clears."""
    streams: str = ""

    @property
    def status(self) -> str:
        return str(self.reply["status"])

    @property
    def error(self) -> str:
        """What stands in the place of a traceback."""
        found = [m for m in self.messages if m["msg_type"] == "error"]
        return "\n".join(found[-1]["content"]["traceback"]) if found else ""

    @property
    def error_name(self) -> str:
        return str(self.reply.get("ename", ""))

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["msg_type"] == kind]

    @property
    def data_bytes(self) -> int:
        """Size of all content sent, as a front end receives it."""
        import json  # noqa: PLC0415

        return sum(
            len(json.dumps(message["content"], ensure_ascii=False).encode())
            + len(json.dumps([message["header"], message["parent_header"]], default=str))
            for message in self.messages
        )

    @property
    def texts(self) -> list[str]:
        """The plain text of each output."""
        return [output.data.get("text/plain", "") for output in self.outputs]


class Kernel:
    """Start it, run cells, interrupt it, stop it."""

    def __init__(self, env: dict[str, str] | None = None) -> None:
        self._env = {**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1", **(env or {})}

    def __enter__(self) -> Self:
        self.manager = KernelManager(kernel_name="python3")
        self.manager.kernel_cmd = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        self.manager.start_kernel(env=self._env)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        return self

    def __exit__(self, *exc: object) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()

    def start(self, code: str, cell_id: str | None = None) -> str:
        """Send a cell without waiting for it; gives the message id for `collect`."""
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        message = self.client.session.msg("execute_request", content)
        if cell_id is not None:
            message["metadata"]["cellId"] = cell_id
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def run(self, code: str, cell_id: str | None = None, limit_s: float = CELL_LIMIT_S) -> CellRun:
        """Run a cell to its end."""
        return self.collect(self.start(code, cell_id), limit_s)

    def check(self, code: str) -> CellRun:
        """Run a cell that must succeed."""
        run = self.run(code)
        assert run.status == "ok", run.error
        return run

    def value(self, expression: str) -> str:
        """Give the printed form of an expression's value."""
        return self.check(f"print({expression}, end='')").streams

    def collect(self, request: str, limit_s: float = CELL_LIMIT_S) -> CellRun:
        """Take all messages of an execution until it is idle and has replied."""
        run = CellRun()
        deadline = time.monotonic() + limit_s
        board = _Board(run)
        while True:
            message = self.client.get_iopub_msg(timeout=max(0.1, deadline - time.monotonic()))
            if message["parent_header"].get("msg_id") != request:
                continue
            run.messages.append(message)
            run.arrived_s.append(time.monotonic())
            board.take(message)
            if message["content"].get("execution_state") == "idle":
                break
        while True:
            reply = self.client.get_shell_msg(timeout=max(0.1, deadline - time.monotonic()))
            if reply["parent_header"].get("msg_id") == request:
                run.reply = reply["content"]
                return run

    def wait_for_output(self, request: str, kind: str, limit_s: float = CELL_LIMIT_S) -> list[dict]:
        """Take messages of an execution until one of a kind has come; gives all of them."""
        deadline = time.monotonic() + limit_s
        taken = []
        while True:
            message = self.client.get_iopub_msg(timeout=max(0.1, deadline - time.monotonic()))
            if message["parent_header"].get("msg_id") == request:
                taken.append(message)
                if message["msg_type"] == kind:
                    return taken

    def interrupt(self) -> None:
        self.manager.interrupt_kernel()


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
                self._clear()
            return
        if kind in ("display_data", "execute_result", "stream", "error") and self._clear_at_next:
            self._clear_at_next = False
            self._clear()
        if kind == "stream":
            self._run.streams += content["text"]
        elif kind in ("display_data", "execute_result"):
            display_id = content.get("transient", {}).get("display_id")
            self._run.outputs.append(Output(content["data"], content["metadata"], display_id))
        elif kind == "update_display_data":
            for output in self._run.outputs:
                if output.display_id == content["transient"]["display_id"]:
                    output.data, output.metadata = content["data"], content["metadata"]

    def _clear(self) -> None:
        self._run.outputs.clear()
        self._run.streams = ""
