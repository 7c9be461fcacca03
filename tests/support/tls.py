"""TLS in front of the scripted provider, and a proxy that knows CONNECT and nothing else."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import subprocess
import threading
from typing import TYPE_CHECKING

from support.plain_server import PlainServer

if TYPE_CHECKING:
    from pathlib import Path

HOST = "provider.test"
"""A name that only the certificate and the proxy know."""


def make_certificate(folder: Path, *names: str) -> Path:
    """Make a self-signed certificate and its key in one file; it is what clients must trust."""
    path = folder / f"{names[0]}.pem"
    subject = ["-subj", f"/CN={names[0]}", "-addext", f"subjectAltName={','.join(names_of(names))}"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    key = folder / "key.pem"
    command += ["-nodes", "-days", "2", "-keyout", str(key), "-out", str(path), *subject]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + key.read_text())
    return path


def names_of(names: tuple[str, ...]) -> list[str]:
    return [f"IP:{name}" if name[0].isdigit() else f"DNS:{name}" for name in names]


def pipe(left: socket.socket, right: socket.socket, seen: list[bytes] | None = None) -> None:
    """Carry bytes both ways until either side ends; then end both."""

    def carry(source: socket.socket, sink: socket.socket, log: list[bytes] | None) -> None:
        with contextlib.suppress(OSError, ValueError):
            while data := source.recv(65536):
                if log is not None:
                    log.append(data)
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(end, socket.SHUT_RDWR)

    back = threading.Thread(target=carry, args=(right, left, None), daemon=True)
    back.start()
    carry(left, right, seen)
    back.join()


class TlsFront(PlainServer):
    """Speaks TLS to clients and hands on to a port what they say."""

    def __init__(self, port: int, certificate: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

        def serve(connection: socket.socket) -> None:
            # the handshake's own socket takes over the descriptor; both must be closed
            with (
                context.wrap_socket(connection.dup(), server_side=True) as secured,
                socket.create_connection(("127.0.0.1", port)) as inner,
            ):
                inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                pipe(secured, inner)
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

        super().__init__(serve)


class ConnectProxy(PlainServer):
    """Opens ways to this machine's ports, whatever host is named, and notes all it sees."""

    def __init__(self, *, refuse: bytes = b"", login: str | None = None) -> None:
        self.heads: list[str] = []
        self.carried: list[bytes] = []
        self._refuse = refuse
        self._login = login and "Basic " + base64.b64encode(login.encode()).decode()
        super().__init__(self._tunnel)

    def _tunnel(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            data = connection.recv(65536)
            if not data:
                return
            head += data
        self.heads.append(head.decode("latin-1"))
        answer = self._refuse
        if self._login is not None and f"Proxy-Authorization: {self._login}" not in self.heads[-1]:
            answer = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n"
        if not answer and not head.startswith(b"CONNECT "):
            answer = b"HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n"
        if answer:
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)
            return
        port = int(head.split()[1].rpartition(b":")[2])
        with socket.create_connection(("127.0.0.1", port)) as inner:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            pipe(connection, inner, self.carried)
