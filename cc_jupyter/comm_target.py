"""The comm target `cc_jupyter`: where a front end's extension finds the kernel's side.

Loading the extension registers it and no more; what answers is loaded when a comm opens. A shell
without comms, as in a terminal, has no target.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from cc_jupyter.comm import Comm, CommLink
    from cc_jupyter.magics import CmdMagics

NAME = "cc_jupyter"


class CommTarget:
    """The target of one shell and the comms that are open: one for each page that shows it.

    Parameters
    ----------
    magics
        What the comms speak for; its `cells` are asked for when the first of them opens.
    """

    def __init__(self, shell: InteractiveShell, magics: CmdMagics) -> None:
        self._shell = shell
        self._magics = magics
        self._links: dict[str, CommLink] = {}
        self._lock = threading.Lock()
        self._busy = False

    def add(self) -> None:
        """Register the target, if the shell has comms."""
        manager = self._manager()
        if manager is not None:
            manager.register_target(NAME, self._opened)
            self._shell.events.register("pre_run_cell", self._begins)
            self._shell.events.register("post_run_cell", self._ends)

    def remove(self) -> None:
        """Take the target back and close what is open."""
        manager = self._manager()
        if manager is not None and manager.targets.get(NAME) == self._opened:
            manager.unregister_target(NAME, self._opened)
            self._shell.events.unregister("pre_run_cell", self._begins)
            self._shell.events.unregister("post_run_cell", self._ends)
        with self._lock:
            links = list(self._links.values())
            self._links.clear()
        for link in links:
            link.close()

    def _opened(self, comm: Comm, message: dict[str, Any]) -> None:
        from cc_jupyter.comm import CommLink  # noqa: PLC0415  loading the extension is light

        with self._lock:
            link = CommLink(comm, self._shell, self._magics, lambda: self._busy, self._closed)
            self._links[comm.comm_id] = link
        link.take(message)

    def _closed(self, comm_id: str) -> None:
        with self._lock:
            self._links.pop(comm_id, None)

    def _begins(self, _: object) -> None:
        self._busy = True

    def _ends(self, _: object) -> None:
        self._busy = False

    def _manager(self) -> Any:  # noqa: ANN401  ipykernel's, where there is one
        return getattr(getattr(self._shell, "kernel", None), "comm_manager", None)
