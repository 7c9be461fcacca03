"""A kernel that runs the cells of one notebook, in the environment of the tests."""

from __future__ import annotations

import ast
import json
import re
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jupyter_client.blocking.client import BlockingKernelClient


_START_LIMIT_S = 60
_POLL_S = 1.0
"""How often a silent kernel is looked at: it may have died."""
_LOG_TAIL = 2_000
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class KernelDiedError(Exception):
    """The kernel has ended while a cell ran."""


@dataclass(slots=True)
class Execution:
    """How a cell ended, and what it shows."""

    error_name: str = ""
    """Empty: it succeeded."""
    error: str = ""
    outputs: list[tuple[str | None, str]] = field(default_factory=list)
    """Display id and plain text."""

    @property
    def text(self) -> str:
        """The outputs as plain text."""
        return "\n".join(text.rstrip("\n") for _, text in self.outputs if text.strip())


class _KernelManager(KernelManager):
    """Starts kernels in the environment of the tests, whatever kernel the notebook names."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """Python's own kernel, in this environment."""
        return KernelSpec(
            argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            language="python",
            display_name="prompt tests",
        )


class NotebookKernel:
    """Start it, run cells, stop it."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._files = tempfile.TemporaryDirectory(prefix="cc-jupyter-test-")
        self.folder = self._files.name
        """A folder for files that are removed when the kernel ends."""
        self._log = Path(self.folder) / "log"
        self._manager = _KernelManager(connection_file=f"{self.folder}/kernel.json")
        quiet = {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        with self._log.open("wb") as log:
            self._manager.start_kernel(
                extra_arguments=["--HistoryManager.enabled=False"],
                env={**environment, **quiet},
                cwd=str(folder),
                stdout=log,
                stderr=log,
            )
        self._client: BlockingKernelClient = self._manager.client()
        self._client.start_channels()
        try:
            self._client.wait_for_ready(timeout=_START_LIMIT_S)
        except RuntimeError as error:
            message = f"the kernel did not start: {error}\n{self._log_tail()}"
            self.stop()
            raise KernelDiedError(message) from None

    def run(self, source: str, cell_id: str) -> Execution:
        """Run a cell to its end.

        Raises
        ------
        KernelDiedError
            The kernel has ended.
        """
        ended = Execution()
        reply = self._execute(source, ended, cell_id=cell_id)
        if reply["status"] != "ok":
            ended.error_name = str(reply.get("ename", reply["status"]))
            lines = reply.get("traceback") or [f"{ended.error_name}: {reply.get('evalue', '')}"]
            ended.error = _COLOUR.sub("", "\n".join(lines))
        return ended

    def call(self, function: str, **arguments: object) -> Any:  # noqa: ANN401  any JSON value
        """Call a function of `testing.in_kernel`, which returns JSON, and return its value.

        Nothing becomes a name of the notebook's.

        Raises
        ------
        KernelDiedError
            The kernel has ended, or cannot import this package.
        """
        module = "__import__('cc_jupyter.testing.in_kernel', fromlist=['_'])"
        given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        asked = {"value": f"{module}.{function}({given})"}
        value = self._execute("", Execution(), asked)["user_expressions"]["value"]
        if value["status"] != "ok":
            raise KernelDiedError(f"{value['ename']}: {value['evalue']}")
        return json.loads(ast.literal_eval(value["data"]["text/plain"]))

    def stop(self) -> None:
        """End the kernel."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._manager.cleanup_resources()
        self._files.cleanup()

    def _execute(
        self,
        code: str,
        ended: Execution,
        expressions: Mapping[str, str] | None = None,
        *,
        cell_id: str | None = None,
    ) -> dict[str, Any]:
        content = {
            "code": code,
            "silent": expressions is not None,
            "store_history": expressions is None,
            "user_expressions": dict(expressions or {}),
            "allow_stdin": False,
            "stop_on_error": False,
        }
        message = self._client.session.msg("execute_request", content)
        if cell_id is not None:
            message["metadata"]["cellId"] = cell_id  # a cell that runs again replaces its turn
        self._client.shell_channel.send(message)
        request = message["header"]["msg_id"]
        while True:
            kind, content = self._next("get_iopub_msg", request)
            if kind == "status" and content["execution_state"] == "idle":
                break
            _take(kind, content, ended.outputs)
        return self._next("get_shell_msg", request)[1]

    def _next(self, receive: str, request: str) -> tuple[str, dict[str, Any]]:
        """Return type and content of the next message that answers a request."""
        while True:
            try:
                message = getattr(self._client, receive)(timeout=_POLL_S)
            except Empty:
                if not self._manager.is_alive():
                    raise KernelDiedError(f"the kernel has ended\n{self._log_tail()}") from None
                continue
            if message["parent_header"].get("msg_id") == request:
                return str(message["msg_type"]), message["content"]

    def _log_tail(self) -> str:
        return self._log.read_text("utf-8", "replace")[-_LOG_TAIL:]


def _take(kind: str, content: dict[str, Any], outputs: list[tuple[str | None, str]]) -> None:
    """Add what a message shows, as a front end does."""
    display_id = content.get("transient", {}).get("display_id")
    if kind == "stream":
        if outputs and outputs[-1][0] == "stream":
            outputs[-1] = ("stream", outputs[-1][1] + content["text"])
        else:
            outputs.append(("stream", content["text"]))
    elif kind == "clear_output":
        outputs.clear()
    elif kind in ("display_data", "execute_result"):
        outputs.append((display_id, str(content["data"].get("text/plain", ""))))
    elif kind == "update_display_data":
        text = str(content["data"].get("text/plain", ""))
        outputs[:] = [(each, text if each == display_id else old) for each, old in outputs]
