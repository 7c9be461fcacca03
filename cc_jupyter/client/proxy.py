"""The way to an origin: direct or through a proxy, and which certificates are trusted.

For https a proxy from the environment is used, by CONNECT only, so that it sees neither key nor
prompt; loopback and plain http never go through one. The environment is read for each request, so
what a notebook sets counts from the next one on.
"""

from __future__ import annotations

import base64
import functools
import importlib.util
import ipaddress
import os
import ssl
import sys
import urllib.request
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import httpx

from cc_jupyter.config.base_url import is_loopback
from cc_jupyter.core.errors import ConfigError
from cc_jupyter.core.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from urllib.parse import SplitResult


_KEEP_ALIVE_S = 120.0
_HTTPS_PORT = 443
_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
_HAS_OWN_TRUST_STORE = sys.platform in ("darwin", "win32")
"""Whether the system keeps certificates where OpenSSL does not look; elsewhere it reads them."""
_IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class Route(Record):
    """How an origin is reached at this moment; connections are reused on an equal route only."""

    origin: str
    proxy: str | None = field(default=None, repr=False)  # a password may be in it
    certificates: tuple[str | int, ...] = ()
    """The values of SSL_CERT_FILE and SSL_CERT_DIR, and when the file was last changed."""


def find_route(origin: str) -> Route:
    """Return the route to an origin by the environment as it is now."""
    if not origin.startswith("https://"):
        return Route(origin)
    cert_file = os.environ.get("SSL_CERT_FILE", "")
    try:
        changed_ns = os.stat(cert_file).st_mtime_ns if cert_file else 0  # noqa: PTH116  any text
    except (OSError, ValueError):
        changed_ns = 0
    certificates = (cert_file, os.environ.get("SSL_CERT_DIR", ""), changed_ns)
    return Route(origin, find_proxy(origin), certificates)


def open_transport(route: Route) -> httpx.HTTPTransport:
    """Make a transport of one connection along a route.

    Raises
    ------
    ConfigError
        The proxy or the certificates that the environment names cannot be used.
    """
    # for plain http an empty context: without one httpx loads certifi's certificates
    is_secure = route.origin.startswith("https://")
    context = _tls_context(*route.certificates) if is_secure else _empty_context()
    limits = httpx.Limits(
        max_connections=1, max_keepalive_connections=1, keepalive_expiry=_KEEP_ALIVE_S
    )
    proxy = None if route.proxy is None else _read_proxy(route.proxy, context)
    try:
        return httpx.HTTPTransport(verify=context, trust_env=False, limits=limits, proxy=proxy)
    except ImportError:
        raise _unusable_proxy(
            "SOCKS needs the package socksio (pip install 'cc-jupyter[socks]')"
        ) from None


def find_proxy(origin: str) -> str | None:
    """Return the proxy that the environment names for an https origin, unless NO_PROXY excepts it.

    Raises
    ------
    ValueError
        The origin is no address.
    """
    parts = urlsplit(origin)
    host = parts.hostname or ""
    proxies = urllib.request.getproxies_environment()
    if is_loopback(host) or is_excepted(host, parts.port or _HTTPS_PORT, proxies.get("no", "")):
        return None
    return proxies.get("https") or proxies.get("all")


def is_excepted(host: str, port: int, no_proxy: str) -> bool:
    """Return whether NO_PROXY names a host, in any of the forms that people write.

    These are `*`, `example.com`, `.example.com` and `*.example.com` (all three with every name
    below), an IPv4 or IPv6 address, bare or in brackets, a network such as `10.0.0.0/8`, and any
    host with a port. Commas and white space separate them.
    """
    host = host.lower().rstrip(".")
    return any(_names(entry, host, port) for entry in no_proxy.lower().replace(",", " ").split())


def _names(entry: str, host: str, port: int) -> bool:
    address = _address(host)
    if "/" in entry:
        return address is not None and _is_in_network(address, entry)
    if _address(entry) is None:  # else a bare IPv6 address, whose last part is no port
        name, colon, number = entry.rpartition(":")
        if colon and number.isdecimal():
            if int(number) != port:
                return False
            entry = name
    if entry == "*":
        return True
    if address is not None:
        return address == _address(entry.removeprefix("[").removesuffix("]"))
    domain = entry.removeprefix("*").removeprefix(".").rstrip(".")
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _address(text: str) -> _IPAddress | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _is_in_network(address: _IPAddress, entry: str) -> bool:
    try:
        return address in ipaddress.ip_network(
            entry.replace("[", "").replace("]", ""), strict=False
        )
    except ValueError:
        return False


def split_proxy(proxy: str) -> SplitResult:
    """Split a proxy's address; one without a scheme means http.

    Raises
    ------
    ValueError
        It cannot be used. The text says why, and repeats nothing that may be a password.
    """
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        host = parts.hostname
    except ValueError:
        raise ValueError("it is no address") from None
    if "@" in f"{parts.path}{parts.query}{parts.fragment}":
        raise ValueError("write the characters /, ? and # of its password as %2F, %3F and %23")
    if not host or len(host.split()) != 1:
        raise ValueError("it names no host")
    try:
        parts.port  # noqa: B018  reading it checks it
    except ValueError:  # its text repeats the value, which may be a password
        raise ValueError("its port is no number") from None
    if parts.scheme not in _PROXY_SCHEMES:
        raise ValueError("it is neither http:// nor https:// nor socks5://")
    return parts


def proxy_secrets(*, with_names: bool = True) -> Iterator[str]:
    """Return the logins in the proxies of the environment, in the forms a server may repeat."""
    proxies = urllib.request.getproxies_environment()
    for proxy in filter(None, (proxies.get("https"), proxies.get("all"))):
        login = proxy.rpartition("@")[0].rpartition("://")[2]
        user, _, password = login.partition(":")
        plain = f"{unquote(user)}:{unquote(password)}"
        if password:
            yield from (base64.b64encode(plain.encode()).decode(), plain, login)
            yield from (password, unquote(password))
        if user and with_names:
            yield from (user, unquote(user))


def _read_proxy(proxy: str, context: ssl.SSLContext) -> httpx.Proxy:
    try:
        parts = split_proxy(proxy)
    except ValueError as error:
        raise _unusable_proxy(str(error)) from None
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    address = f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port is not None else "")
    login = None
    if parts.username is not None:
        login = (unquote(parts.username), unquote(parts.password or ""))
    own_tls = context if parts.scheme == "https" else None
    try:  # without the login: httpx repeats the address it cannot read
        return httpx.Proxy(address, auth=login, ssl_context=own_tls)
    except httpx.InvalidURL:
        raise _unusable_proxy("it names no host") from None


def _unusable_proxy(reason: str) -> ConfigError:
    return ConfigError(
        f"the proxy from the environment cannot be used: {reason}",
        hint="set https_proxy to http://host:port, or NO_PROXY to connect directly",
    )


@functools.cache
def _empty_context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@functools.lru_cache(maxsize=4)
def _tls_context(cert_file: str, cert_dir: str, _changed_ns: int) -> ssl.SSLContext:
    """Make the context once for what the environment names: it costs 18 ms (2026-11-22)."""
    context = _system_context()
    for name, place in (("SSL_CERT_FILE", cert_file), ("SSL_CERT_DIR", cert_dir)):
        if place:
            _trust(context, name, place)
    return context


def _trust(context: ssl.SSLContext, name: str, place: str) -> None:
    try:
        if name == "SSL_CERT_FILE":
            context.load_verify_locations(cafile=place)
        else:
            next(Path(place).iterdir(), None)  # OpenSSL itself does not look before it needs one
            context.load_verify_locations(capath=place)
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        no_pem = isinstance(error, ssl.SSLError)
        reason = "it holds no certificate in PEM form" if no_pem else _system_reason(error)
        raise ConfigError(
            f"{name} is {place}, which cannot be read: {reason}",
            hint=f"set {name} to your company's certificates, or unset it",
        ) from None


def _system_reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__


def _system_context() -> ssl.SSLContext:
    """Return a context that trusts what the system trusts."""
    if _HAS_OWN_TRUST_STORE and (context := _truststore_context()) is not None:
        return context
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if any((paths.cafile, paths.capath, context.get_ca_certs())):
        return context
    # a Python whose OpenSSL finds no certificates, as some portable builds
    if (system := _truststore_context()) is not None:
        return system
    import certifi  # noqa: PLC0415  comes with httpx

    context.load_verify_locations(certifi.where())
    return context


def certificate_hint() -> str:
    """Return what to do about a certificate that is not trusted here."""
    hint = "behind a company proxy, set SSL_CERT_FILE to its certificate"
    if _HAS_OWN_TRUST_STORE and importlib.util.find_spec("truststore") is None:
        hint += ", or trust what the system trusts: pip install 'cc-jupyter[system-trust]'"
    return hint


def _truststore_context() -> ssl.SSLContext | None:
    """Return a context on the system's own trust store, where `truststore` is installed."""
    try:
        import truststore  # noqa: PLC0415  an extra
    except ImportError:
        return None
    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
