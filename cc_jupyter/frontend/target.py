"""The comm target `cc_jupyter`, on which a front end's extension connects to the kernel.

Loading the extension only registers it; the modules that answer are loaded when a comm opens. A
shell without comms, as in a terminal, has no target.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from cc_jupyter.frontend.kernel_status import RunningCell

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from cc_jupyter.frontend.comm import CommServer, Listener
    from cc_jupyter.frontend.protocol import Comm
    from cc_jupyter.session.session import Session


NAME = "cc_jupyter"
MAX_LISTENERS = 8
"""A page may leave without closing its comm, so the oldest listener is closed for a newer one."""


class CommTarget:
    """The target of one shell and its open comms: two for each page that shows the notebook.

    Parameters
    ----------
    session
        Returns the session; called when the first comm opens, because it loads many modules.
    """

    def __init__(self, shell: InteractiveShell, session: Callable[[], Session]) -> None:
        self._shell = shell
        self._session = session
        self._links: dict[str, CommServer] = {}
        self._listeners: dict[str, Listener] = {}  # oldest first
        self._lock = threading.Lock()
        self._cell = RunningCell(getattr(shell, "kernel", None))
        self._is_added = False

    def add(self) -> None:
        """Register the target, if the shell has comms."""
        manager = self._manager()
        if manager is not None:
            manager.register_target(NAME, self._opened)
            self._is_added = True
            self._shell.events.register("pre_run_cell", self._cell.begins)
            self._shell.events.register("post_run_cell", self._cell.ends)

    def remove(self) -> None:
        """Unregister the target and close all comms."""
        manager = self._manager()
        # xeus-python's manager shows no targets and keeps them all; there `_opened` refuses
        targets = getattr(manager, "targets", None)
        if self._is_added and (targets is None or targets.get(NAME) == self._opened):
            if targets is not None:
                manager.unregister_target(NAME, self._opened)
            self._shell.events.unregister("pre_run_cell", self._cell.begins)
            self._shell.events.unregister("post_run_cell", self._cell.ends)
            self._cell.ends(None)  # no event reports the end of the cell that unloads us
        self._is_added = False
        with self._lock:
            links: list[CommServer | Listener] = [*self._listeners.values(), *self._links.values()]
            self._listeners.clear()
            self._links.clear()
        for link in links:
            link.close()

    def _opened(self, comm: Comm, message: dict[str, Any]) -> None:
        from cc_jupyter.frontend.comm import (  # noqa: PLC0415  loading the extension is light
            CommServer,
            listen_id,
        )
        from cc_jupyter.frontend.handlers import Handlers  # noqa: PLC0415  as above

        if not self._is_added:
            comm.close()
            return
        listens = listen_id(message)
        if listens is not None:
            self._listen(comm, listens)
            return
        with self._lock:
            handlers = Handlers(self._shell, self._session(), lambda: self._cell.runs)
            link = CommServer(comm, handlers, self._cell, self._closed)
            self._links[comm.comm_id] = link
        link.receive(message)

    def _listen(self, comm: Comm, listen_id: str) -> None:
        from cc_jupyter.frontend.comm import Listener  # noqa: PLC0415  as above

        self._cell.repeat_busy()
        session = self._session()
        with self._lock:
            self._listeners[comm.comm_id] = Listener(comm, listen_id, session, self._closed)
            names = list(self._listeners)[:-MAX_LISTENERS]
            oldest = [self._listeners.pop(name) for name in names]
        for listener in oldest:
            listener.close()

    def _closed(self, comm_id: str) -> None:
        with self._lock:
            self._links.pop(comm_id, None)
            self._listeners.pop(comm_id, None)
        self._cell.repeat_busy()

    def _manager(self) -> Any:  # noqa: ANN401  ipykernel's, where there is one
        return getattr(getattr(self._shell, "kernel", None), "comm_manager", None)
