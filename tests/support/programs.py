"""Start other people's servers on loopback and wait until they answer."""

from __future__ import annotations

import socket
import time
import urllib.error
import urllib.request


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_for_http(url: str, timeout_s: float = 60.0) -> None:
    """Wait until a server answers; raise `TimeoutError` if it does not."""
    end_s = time.monotonic() + timeout_s
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except (OSError, urllib.error.URLError):
            if time.monotonic() > end_s:
                raise TimeoutError(url) from None
            time.sleep(0.2)
        else:
            return
