"""That a cell runs: said anew where a message beside it made the kernel look idle.

Around each message that it handles a kernel says that it is busy, then idle. JupyterLab, Jupyter
Server and whoever else follows it take what they heard last for the kernel's status, whatever it
was about: after one question beside a cell they would call the kernel idle until the cell ends.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any


class RunningCell:
    """The cell that runs, if one does.

    Parameters
    ----------
    kernel
        ipykernel's.
    """

    def __init__(self, kernel: Any) -> None:  # noqa: ANN401  has no types
        self._kernel = kernel
        self._lock = threading.Lock()
        self._request: dict[str, Any] | None = None

    @property
    def runs(self) -> bool:
        """Whether a cell runs; any thread may ask."""
        return self._request is not None

    def begins(self, _: object) -> None:
        """Take note that a cell begins; to be called in its thread."""
        self._request = self._kernel.get_parent()

    def ends(self, _: object) -> None:
        """Take note that it has ended."""
        with self._lock:  # what `_say` sends comes before the cell's own `idle`, or not at all
            self._request = None

    def say_again(self) -> None:
        """Have it said when the message that is being handled in this thread is done with."""
        if self.runs:
            asyncio.get_running_loop().call_soon(self._say)

    def _say(self) -> None:
        kernel = self._kernel
        with self._lock:
            if self._request is not None:
                said, request = {"execution_state": "busy"}, self._request
                kernel.session.send(
                    kernel.iopub_socket, "status", said, parent=request, ident=b"status"
                )
