"""What every measurement needs: the provider in a separate process, kernels, one clock.

All times are `time.perf_counter`, which is CLOCK_MONOTONIC on Linux: the same in every process of
the machine, and the same as the `time.monotonic` of the kernel harness. Three points are taken:

- *start*: IPython's `pre_run_cell` in the kernel, before the cell's text is even transformed;
- *wire*: the provider has read the request's last byte, or hands a step to its socket;
- *front end*: this process has taken a message from the iopub socket and parsed it.

CPU of the kernel is `time.process_time` (all threads) from *start* of a cell to *start* of the
next one, so that what the iopub thread sends late is counted, too; an empty cell costs some 2 ms.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import controls
import httpx
from support.kernel_harness import CellRun, Kernel
from support.provider import KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

LISTED_MODEL = "deepseek/deepseek-v4-flash"
LISTED_CLAUDE = "claude-sonnet-5"
_TESTS = Path(__file__).resolve().parents[1] / "tests"
_PATIENCE_S = 5.0
_FOREIGN = ("CMD_", "COMMAND_CODE_", "COMMANDCODE_", "PYTHONDONTWRITEBYTECODE")
"""Variables the kernels do not inherit; a user's imports are compiled once."""


@dataclass(frozen=True)
class Measured:
    """One executed cell."""

    run: CellRun
    start_s: float
    cpu_s: float
    request: Mapping[str, Any]
    """The last `POST`, as the provider recorded it."""

    @property
    def idle_s(self) -> float:
        """When the front end saw the idle status."""
        return self.run.arrived_s[-1]

    @property
    def to_wire_s(self) -> float:
        """From the start of the cell until the provider has its request."""
        return float(self.request["received_s"]) - self.start_s

    @property
    def wire_to_idle_s(self) -> float:
        """From the provider's receipt of the request to the idle kernel."""
        return self.idle_s - float(self.request["received_s"])

    def first_output_s(self) -> float:
        """Return when the first output was there."""
        shown = ("display_data", "stream")
        pairs = zip(self.run.messages, self.run.arrived_s, strict=True)
        return next(at for message, at in pairs if message["msg_type"] in shown)

    def first_text_sent_s(self, model: str) -> float:
        """Return when the provider sent the first text: after the role chunk, or three events."""
        return float(self.request["sent_s"][3 if model.startswith("claude-") else 1])


class Lab:
    """A provider and kernels that use it, as a context manager that cleans up."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        folder = self._stack.enter_context(tempfile.TemporaryDirectory())
        self.folder = Path(folder)
        self._provider = subprocess.Popen(
            [sys.executable, str(_TESTS / "support" / "provider"), "--until-stdin-ends"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._stack.callback(self._stop_provider)
        assert self._provider.stdout is not None
        self.url = self._provider.stdout.readline().strip()
        self._root = self.url.removesuffix("/provider")
        self._client = self._stack.enter_context(httpx.Client(trust_env=False, timeout=30))
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def kernel(self, *setup: str) -> Kernel:
        """Return a new kernel with its clock running; enter it or `keep` it."""
        return _Clocked(self._environment(), self.folder, (controls.CLOCK, *setup))

    def plain_kernel(self) -> Kernel:
        """Return a kernel with the plain cell and without us, for the life of the lab."""
        return self.keep(self.kernel(controls.plain(self.url, KEY)))

    def our_kernel(self) -> Kernel:
        """Return a kernel with the extension loaded, for the life of the lab."""
        return self.keep(self.kernel("%load_ext cc_jupyter"))

    def keep(self, kernel: Kernel) -> Kernel:
        """Enter a kernel that lives as long as the lab."""
        return self._stack.enter_context(kernel)

    def measure(self, kernel: Kernel, code: str) -> Measured:
        """Run a cell that must succeed, alone at the provider."""
        self.clear()
        return self.finish(kernel, kernel.start(code))

    def finish(
        self, kernel: Kernel, request: str, run: CellRun | None = None, *, failing: bool = False
    ) -> Measured:
        """Collect the rest of a cell that was started after `clear`; `run` is its first part."""
        run = kernel.follow(request, run, limit_s=120)
        if not failing:
            assert run.status == "ok", run.error
        (start_s, cpu_s), (_, next_cpu_s) = json.loads(kernel.value("_marks_json()"))
        return Measured(run, start_s, next_cpu_s - cpu_s, self._last_post())

    def clear(self) -> None:
        """Clear the provider's requests and scripts, but not its list of models."""
        self._control("clear")

    def list_models(self, *models: str) -> None:
        """Let the provider list more models, since a listed model needs no request."""
        listed = self._client.get(f"{self.url}/v1/models").json()["data"]
        self._control("models", [*listed, *({"id": model} for model in models)])

    def always(self, **step: object) -> None:
        """Answer every request with a step of the provider."""
        self._control("always", {"steps": [step]})

    def _last_post(self) -> dict[str, Any]:
        """Return the last `POST` since `clear`, once its response is over."""
        deadline_s = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline_s:
            seen = self._client.get(f"{self._root}/_control/requests").json()["requests"]
            posts = [record for record in seen if record["method"] == "POST"]
            if posts and posts[-1]["ended_s"] is not None:
                return posts[-1]
            time.sleep(0.01)
        raise TimeoutError("no response of the provider ended")

    def _control(self, what: str, content: object = None) -> None:
        self._client.post(f"{self._root}/_control/{what}", json=content).raise_for_status()

    def _environment(self) -> dict[str, str]:
        """Return the environment of a user who has none of our files yet."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        return kept | {
            "HOME": str(self.folder),
            "IPYTHONDIR": str(self.folder / "ipython"),
            "CMD_JUPYTER_HOME": str(self.folder / "cc_jupyter"),
            "CMD_BASE_URL": self.url,
            "CMD_API_KEY": KEY,
            "PYTHONPATH": str(self.folder),
        }

    def _stop_provider(self) -> None:
        assert self._provider.stdin is not None
        self._provider.stdin.close()
        self._provider.wait(10)


class _Clocked(Kernel):
    """A kernel that records when each cell starts."""

    def __init__(self, env: dict[str, str], folder: Path, setup: tuple[str, ...]) -> None:
        super().__init__(base=env, cwd=folder)  # no pyproject.toml is above it
        self._setup = setup

    def __enter__(self) -> Self:
        super().__enter__()
        for code in self._setup:
            self.check(code)
        return self
