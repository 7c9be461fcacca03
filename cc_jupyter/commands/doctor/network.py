"""The way to the provider, seen by the one question that is free: the list of models."""

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
from urllib.parse import unquote, urlsplit

from cc_jupyter.client.transport import HttpRequest, ResponseEnd, ResponseStart
from cc_jupyter.commands.doctor.finding import Finding
from cc_jupyter.config.base_url import api_root, is_provider, masked_url
from cc_jupyter.core.errors import CcError, ConnectError
from cc_jupyter.core.text import pluralize
from cc_jupyter.core.version import __version__
from cc_jupyter.models.listing import cached_models
from cc_jupyter.models.registry import LOCAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from urllib.parse import SplitResult

    from cc_jupyter.client.transport import Transport
    from cc_jupyter.config.settings import Settings


_TIMEOUT_S = 2.5
"""For all of the answer: whoever is offline waits no longer."""
_MOST_BYTES = 16 * 2**20
_CLOCK_S = 60.0
_PERIODS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of the question."""

    head: ResponseStart | None
    at: datetime
    """When the head came, by this machine's clock."""
    body: bytes = b""
    error: CcError | None = None


def examine_network(
    settings: Settings, transport: Transport, now: Callable[[], datetime]
) -> list[Finding]:
    """Ask for the list of models once, and say what the answer tells."""
    if settings.base_url == LOCAL:
        return [_local()]
    try:
        root = api_root(settings.base_url, allow_http=settings.allow_http)
    except CcError as error:
        return [Finding.failed("base URL", error)]
    answer = _ask(transport, root, now)
    return [
        _reached(root, answer),
        _models(root, answer, now),
        _clock(answer),
        _proxy(root),
        _tls(root, answer),
    ]


def _ask(transport: Transport, root: str, now: Callable[[], datetime]) -> _Answer:
    headers = {"User-Agent": f"cc_jupyter/{__version__}", "Accept": "application/json"}
    call = HttpRequest("GET", f"{root}/models", headers, idle_timeout_s=_TIMEOUT_S)
    deadline_s = monotonic() + _TIMEOUT_S
    head, at, body = None, now(), bytearray()
    try:
        incoming = transport.send(call)
    except CcError as unusable:  # the proxy is
        return _Answer(None, at, error=unusable)
    try:
        while len(body) <= _MOST_BYTES:
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
        error = answer.error or ConnectError(f"{masked_url(root)} gave no answer")
        return Finding.failed("base URL", error)
    status = answer.head.status
    if status == HTTPStatus.OK:
        return Finding("base URL", "ok", f"{masked_url(root)} answers")
    found = f"{masked_url(root)} answers with {status}"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Finding("base URL", "look", found, "the server has trouble; try again in a while")
    if is_provider(root):
        return Finding("base URL", "fail", found, "check the base URL (CMD_BASE_URL)")
    to_do = "models are then taken as they are named; if answers fail, too, check CMD_BASE_URL"
    return Finding("base URL", "look", found, to_do)


def _models(root: str, answer: _Answer, now: Callable[[], datetime]) -> Finding:
    fetched_s = cached_models(root).fetched_at_s
    age = "no list is kept yet"
    if fetched_s:
        age = f"the list that is kept is {_period(now().timestamp() - fetched_s)} old"
    number = _listed(answer)
    if number:
        return Finding("models", "ok", f"{pluralize(number, 'model')} listed; {age}")
    return Finding("models", "look", f"no list of models received; {age}", "see base URL")


def _listed(answer: _Answer) -> int:
    if answer.head is None or answer.head.status != HTTPStatus.OK:
        return 0
    try:
        data = json.loads(answer.body)["data"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return 0
    return len(data) if isinstance(data, list) else 0


def _clock(answer: _Answer) -> Finding:
    """Compare the clocks: prices of peak hours and resets of windows go by this machine's."""
    if answer.head is None:
        return Finding("clock", "skipped", "no answer to compare it with")
    told = answer.head.headers.get("date", "")
    try:
        theirs = email.utils.parsedate_to_datetime(told)
    except ValueError:
        return Finding("clock", "skipped", "the server does not send its time")
    theirs = theirs if theirs.tzinfo is not None else theirs.replace(tzinfo=UTC)
    off_s = (answer.at - theirs).total_seconds()
    if abs(off_s) <= _CLOCK_S:
        return Finding("clock", "ok", "agrees with the server's to the minute")
    found = f"{_period(abs(off_s))} {'ahead of' if off_s > 0 else 'behind'} the server's"
    to_do = "set this machine's clock: prices by the hour and waiting times go by it"
    return Finding("clock", "look", found, to_do)


def _period(seconds: float) -> str:
    """Return a length of time in its largest unit."""
    for unit_s, name in _PERIODS:
        if seconds >= unit_s:
            return pluralize(int(seconds // unit_s), name)
    return "less than a second"


# ── proxy and certificates


def _proxy(root: str) -> Finding:
    from cc_jupyter.client.proxy import find_proxy  # noqa: PLC0415  with it comes httpcore

    if not root.startswith("https://"):
        return Finding("proxy", "ok", "none: plain http never goes through one")
    proxy = find_proxy(root)
    if proxy is None:
        named = "the environment names one, but not for this host" if _named() else "none"
        return Finding("proxy", "ok", named)
    address = _address(proxy)
    if address is None:
        to_do = "set https_proxy to http://host:port, or NO_PROXY to go without"
        return Finding("proxy", "fail", "the one in the environment cannot be read", to_do)
    return Finding("proxy", "ok", f"{address}, from the environment")


def _named() -> list[str]:
    proxies = urllib.request.getproxies_environment()
    return [proxies[name] for name in ("https", "all") if proxies.get(name)]


def _split(proxy: str) -> SplitResult:
    return urlsplit(proxy if "://" in proxy else f"http://{proxy}")


def _address(proxy: str) -> str | None:
    """Return scheme, host and port; `None` where a password cannot be told from the rest."""
    try:
        parts = _split(proxy)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or "@" in f"{parts.path}{parts.query}{parts.fragment}":
        return None
    with_name = " with a name and a password" if parts.username is not None else ""
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{with_name}"


def proxy_secrets() -> Iterator[str]:
    """Return the names and passwords in the proxies of the environment."""
    for proxy in _named():
        before, _, _ = proxy.rpartition("@")
        user, _, password = before.rpartition("://")[2].partition(":")
        yield from filter(None, (user, password, unquote(user), unquote(password)))


def _tls(root: str, answer: _Answer) -> Finding:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        place = os.environ.get(name)
        if place and not _readable(Path(place), folder=name == "SSL_CERT_DIR"):
            to_do = f"let {name} name the certificates of your proxy, or unset it"
            return Finding("TLS", "fail", f"{name} is {place}, which cannot be read", to_do)
    certificates = _certificates()
    own = f", with {certificates}" if certificates else ""
    if not root.startswith("https://"):
        return Finding("TLS", "ok", "none: the base URL is plain http")
    if answer.head is not None:
        return Finding("TLS", "ok", f"the server's certificate is good{own}")
    if answer.error is not None and "certificate" in str(answer.error):
        return Finding.failed("TLS", answer.error)
    return Finding("TLS", "skipped", f"no connection to see it by{own}")


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
        return Finding("base URL", "fail", "the local model, whose engine is not installed", to_do)
    if not status.weights:
        found = "the local model, whose weights are not there"
        return Finding("base URL", "look", found, "%cmd local setup")
    where = f"it runs at {status.server.url}" if status.server else "it starts when it is asked"
    return Finding("base URL", "ok", f"the local model; {where}")
