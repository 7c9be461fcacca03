"""Cuts a Python process off the network: put this folder first in PYTHONPATH.

Every process writes a line to the file SOCKET_LOG when it starts, and one for each attempt to
connect, to look up a name or to send a datagram, which fails. The sockets between a kernel and its
client are ZeroMQ's, which uses none of these.
"""

from __future__ import annotations

import os
import sys
from typing import Any

_REFUSED = frozenset(
    {
        *("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"),
        *("socket.sendto", "socket.sendmsg"),
    }
)


def _note(line: str) -> None:
    with open(os.environ["SOCKET_LOG"], "a", encoding="utf-8") as log:  # noqa: PTH123  starts every process
        log.write(f"{line}\n")


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _REFUSED:
        _note(f"{event} {arguments[1:]!r}")
        raise ConnectionRefusedError(f"the network is cut: {event}")


_note("started")
sys.addaudithook(_refuse)
