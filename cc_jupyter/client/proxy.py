"""The way to an origin: direct or through a proxy, and whose certificates are trusted.

For https a proxy from the environment is used, by CONNECT only, so that it sees neither key nor
prompt; loopback and plain http never go through one.
"""

from __future__ import annotations

import functools
import ssl
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import httpcore

from cc_jupyter.config.base_url import is_loopback
from cc_jupyter.core.errors import ConfigError

if TYPE_CHECKING:
    from urllib.parse import SplitResult


KEEP_ALIVE_S = 120.0


def build_pool(origin: str, network: httpcore.NetworkBackend) -> httpcore.ConnectionPool:
    """Make a pool of one connection to `origin`.

    Raises
    ------
    ConfigError
        The proxy that the environment names cannot be used.
    """
    secure = origin.startswith("https://")
    common: dict[str, Any] = {
        "ssl_context": tls_context() if secure else None,
        "max_connections": 1,
        "keepalive_expiry": KEEP_ALIVE_S,
        "network_backend": network,
    }
    proxy = find_proxy(origin) if secure else None
    if proxy is None:
        return httpcore.ConnectionPool(**common)
    try:
        return _proxy_pool(urlsplit(proxy if "://" in proxy else f"http://{proxy}"), common)
    except (ValueError, RuntimeError) as error:  # RuntimeError: the package for SOCKS is missing
        raise ConfigError(
            f"the proxy from the environment cannot be used: {error}",
            hint="set https_proxy to http://host:port, or NO_PROXY to go without",
        ) from None


def find_proxy(origin: str) -> str | None:
    """Return the proxy that the environment names for an https origin, heeding NO_PROXY."""
    parts = urlsplit(origin)
    if is_loopback(parts.hostname or "") or urllib.request.proxy_bypass(parts.netloc):
        return None
    proxies = urllib.request.getproxies_environment()
    return proxies.get("https") or proxies.get("all")


@functools.cache
def tls_context() -> ssl.SSLContext:
    """Make the context once: it costs 18 ms. OpenSSL itself heeds SSL_CERT_FILE."""
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if not any((paths.cafile, paths.capath, context.get_ca_certs())):
        import certifi  # noqa: PLC0415  comes with httpcore, for Pythons without a system store

        context.load_verify_locations(certifi.where())
    return context


def _proxy_pool(proxy: SplitResult, common: dict[str, Any]) -> httpcore.ConnectionPool:
    if not proxy.hostname:
        raise ValueError("it names no host")
    try:
        port = proxy.port
    except ValueError:  # whose words repeat what stands there: it may be a password
        raise ValueError("its port is no number") from None
    url = httpcore.URL(scheme=proxy.scheme, host=proxy.hostname, port=port, target="/")
    auth = None
    if proxy.username is not None:
        auth = (unquote(proxy.username).encode(), unquote(proxy.password or "").encode())
    match proxy.scheme:
        case "http":
            return httpcore.HTTPProxy(url, auth, **common)
        case "https":
            return httpcore.HTTPProxy(url, auth, proxy_ssl_context=tls_context(), **common)
        case "socks5" | "socks5h":
            return httpcore.SOCKSProxy(url, auth, **common)
        case scheme:
            raise ValueError(f"it is {scheme}://, not http://")
