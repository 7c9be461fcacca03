"""Checks the connection to the provider with the one free request: the list of models."""

from __future__ import annotations

import email.utils
import json
import os
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cc_jupyter.client.proxy import find_proxy, split_proxy
from cc_jupyter.client.transport import HttpRequest, ResponseEnd, ResponseStart
from cc_jupyter.commands.doctor.finding import Finding
from cc_jupyter.config.base_url import is_provider, masked_url
from cc_jupyter.core.errors import CcError, ConnectError
from cc_jupyter.core.text import pluralize
from cc_jupyter.core.version import __version__
from cc_jupyter.models.listing import cached_models
from cc_jupyter.models.registry import LOCAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.client.transport import Transport
    from cc_jupyter.config.settings import Settings


_TIMEOUT_S = 2.5
"""The time limit of the whole answer, so that offline users do not wait."""
_MAX_BYTES = 16 * 2**20
_CLOCK_TOLERANCE_S = 60.0
_PERIODS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


@dataclass(frozen=True, slots=True)
class _Answer:
    """The answer to the request, as far as it came."""

    head: ResponseStart | None
    at: datetime
    """When the head arrived, by this machine's clock."""
    body: bytes = b""
    error: CcError | None = None


def examine_network(
    settings: Settings, transport: Transport, now: Callable[[], datetime]
) -> tuple[list[str], list[Finding]]:
    """Request the list of models once; return their ids, and what the answer shows."""
    if settings.base_url == LOCAL:
        return [], [_local()]
    try:
        root = settings.api_root
    except CcError as error:
        return [], [Finding.failed("base URL", error)]
    answer = _request(transport, root, now)
    listed = _listed(answer)
    return listed, [
        _reached(root, answer),
        _models(root, len(listed), now),
        _clock(answer),
        _proxy(root),
        _tls(root, answer),
    ]


def _request(transport: Transport, root: str, now: Callable[[], datetime]) -> _Answer:
    headers = {"User-Agent": f"cc_jupyter/{__version__}", "Accept": "application/json"}
    call = HttpRequest("GET", f"{root}/models", headers, idle_timeout_s=_TIMEOUT_S)
    deadline_s = monotonic() + _TIMEOUT_S
    head, at, body = None, now(), bytearray()
    try:
        incoming = transport.send(call)
    except CcError as unusable:  # the proxy is
        return _Answer(None, at, error=unusable)
    try:
        while len(body) <= _MAX_BYTES:
            item = incoming.receive(max(0.0, deadline_s - monotonic()))
            match item:
                case ResponseStart():
                    head, at = item, now()
                case bytes():
                    body += item
                case ResponseEnd(error=None):
                    break
                case ResponseEnd(error=CcError() as error):
                    return _Answer(head, at, bytes(body), error)
                case ResponseEnd(error=error):
                    raise error or AssertionError("an end without a reason")
                case _:
                    host = urlsplit(root).netloc
                    late = ConnectError(
                        f"{host} did not answer within {_TIMEOUT_S:g} s",
                        hint="check the network, https_proxy and the base URL (CMD_BASE_URL)",
                    )
                    return _Answer(head, at, bytes(body), late)
        return _Answer(head, at, bytes(body))
    finally:
        incoming.close()


def _reached(root: str, answer: _Answer) -> Finding:
    if answer.head is None:
        error = answer.error or ConnectError(f"{masked_url(root)} did not answer")
        return Finding.failed("base URL", error)
    status = answer.head.status
    if status == HTTPStatus.OK:
        return Finding("base URL", "ok", f"{masked_url(root)} answers")
    found = f"{masked_url(root)} answers with {status}"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Finding("base URL", "look", found, "the server has a problem; try again later")
    if is_provider(root):
        return Finding("base URL", "fail", found, "check the base URL (CMD_BASE_URL)")
    to_do = "model names are sent unchecked; if prompts fail too, check the base URL (CMD_BASE_URL)"
    return Finding("base URL", "look", found, to_do)


def _models(root: str, number: int, now: Callable[[], datetime]) -> Finding:
    fetched_s = cached_models(root).fetched_at_s
    age = "no list is cached yet"
    if fetched_s:
        age = f"the cached list is {_period(now().timestamp() - fetched_s)} old"
    if number:
        return Finding("models", "ok", f"{pluralize(number, 'model')} listed; {age}")
    return Finding("models", "look", f"no list of models received; {age}", "see base URL")


def _listed(answer: _Answer) -> list[str]:
    """Return the ids of the models in the answer; none, if it is not a list of models."""
    if answer.head is None or answer.head.status != HTTPStatus.OK:
        return []
    try:
        return [str(entry["id"]) for entry in json.loads(answer.body)["data"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []


def _clock(answer: _Answer) -> Finding:
    """Compare the clocks: peak prices and the resets of rate limits use this machine's clock."""
    if answer.head is None:
        return Finding("clock", "skipped", "no answer to compare the clock with")
    try:
        server = email.utils.parsedate_to_datetime(answer.head.headers.get("date", ""))
    except ValueError:
        return Finding("clock", "skipped", "the server does not send its time")
    server = server if server.tzinfo is not None else server.replace(tzinfo=UTC)
    offset_s = (answer.at - server).total_seconds()
    if abs(offset_s) <= _CLOCK_TOLERANCE_S:
        return Finding("clock", "ok", "agrees with the server's clock to the minute")
    direction = "ahead of" if offset_s > 0 else "behind"
    found = f"{_period(abs(offset_s))} {direction} the server's clock"
    to_do = "set this machine's clock: peak prices and waiting times depend on it"
    return Finding("clock", "look", found, to_do)


def _period(seconds: float) -> str:
    """Return a length of time in its largest unit."""
    for unit_s, name in _PERIODS:
        if seconds >= unit_s:
            return pluralize(int(seconds // unit_s), name)
    return "less than a second"


def _proxy(root: str) -> Finding:
    if not root.startswith("https://"):
        return Finding("proxy", "ok", "none: plain http never uses a proxy")
    proxy = find_proxy(root)
    if proxy is None:
        named = "the environment sets one, but not for this host" if _named() else "none"
        return Finding("proxy", "ok", named)
    try:
        parts = split_proxy(proxy)
    except ValueError as error:
        to_do = "set https_proxy to http://host:port, or NO_PROXY to connect directly"
        return Finding(
            "proxy", "fail", f"the proxy in the environment cannot be parsed: {error}", to_do
        )
    login = " with a name and a password" if parts.username is not None else ""
    address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return Finding("proxy", "ok", f"{address}{login}, from the environment")


def _named() -> bool:
    proxies = urllib.request.getproxies_environment()
    return bool(proxies.get("https") or proxies.get("all"))


def _tls(root: str, answer: _Answer) -> Finding:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        place = os.environ.get(name)
        if place and not _readable(Path(place), folder=name == "SSL_CERT_DIR"):
            to_do = f"set {name} to the certificates of your proxy, or unset it"
            return Finding("TLS", "fail", f"{name} is {place}, which cannot be read", to_do)
    certificates = _certificates()
    own = f", with {certificates}" if certificates else ""
    if not root.startswith("https://"):
        return Finding("TLS", "ok", "none: the base URL is plain http")
    if answer.head is not None:
        return Finding("TLS", "ok", f"the server's certificate is valid{own}")
    if answer.error is not None and "certificate" in str(answer.error):
        return Finding.failed("TLS", answer.error)
    return Finding("TLS", "skipped", f"no connection to check it with{own}")


def _certificates() -> str | None:
    names = (name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name))
    return next(names, None)


def _readable(path: Path, *, folder: bool) -> bool:
    return (path.is_dir() if folder else path.is_file()) and os.access(path, os.R_OK)


def _local() -> Finding:
    from cc_jupyter.client.local import model as local  # noqa: PLC0415  most sessions use no local model

    status = local.status()
    if not status.engine:
        to_do = "pip install 'cc-jupyter[local]'"
        return Finding("base URL", "fail", "the local model; its engine is not installed", to_do)
    if not status.weights:
        found = "the local model; its weights are not downloaded"
        return Finding("base URL", "look", found, "%cmd local setup")
    state = f"runs at {status.server.url}" if status.server else "starts with the first request"
    return Finding("base URL", "ok", f"the local model {state}")
