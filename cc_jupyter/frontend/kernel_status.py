"""Repeats that the kernel is busy when a message during a cell made it look idle.

Around each message that it handles, a kernel reports busy and then idle. JupyterLab, Jupyter Server
and other clients take the last report as the kernel's status, whatever it was about: after one
question during a cell, they would show the kernel as idle until the cell ends.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any


class RunningCell:
    """The running cell, if there is one.

    Parameters
    ----------
    kernel
        The kernel of ipykernel.
    """

    def __init__(self, kernel: Any) -> None:  # noqa: ANN401  it has no types
        self._kernel = kernel
        self._lock = threading.Lock()
        self._request: dict[str, Any] | None = None

    @property
    def runs(self) -> bool:
        """Whether a cell is running; safe to call from any thread."""
        return self._request is not None

    def begins(self, _: object) -> None:
        """Record that a cell begins; call this in its thread."""
        self._request = self._kernel.get_parent()

    def ends(self, _: object) -> None:
        """Record that the cell has ended."""
        with self._lock:  # `_send_busy` sends before the cell's own `idle`, or not at all
            self._request = None

    def repeat_busy(self) -> None:
        """Report busy again once this thread has handled its current message."""
        if self.runs:
            asyncio.get_running_loop().call_soon(self._send_busy)

    def _send_busy(self) -> None:
        kernel = self._kernel
        with self._lock:
            if self._request is not None:
                status, request = {"execution_state": "busy"}, self._request
                kernel.session.send(
                    kernel.iopub_socket, "status", status, parent=request, ident=b"status"
                )
