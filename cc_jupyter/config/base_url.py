"""Normalize base URLs, so that two of them can be compared.

The comparison decides which host gets which key (`client.endpoint`); this module only parses.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from urllib.parse import urlsplit

from cc_jupyter.core.errors import ConfigError
from cc_jupyter.core.redaction import MASK, redact

DEFAULT_BASE_URL = "https://api.commandcode.ai/provider/v1"
_DEFAULT_ORIGIN = "https://api.commandcode.ai"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")
_BRACKETED = re.compile(r"\[[0-9a-fA-F:.]+\](?::\d*)?")
_LONG_PART = (
    r"(?=[^/]*\d)(?=[^/]*[A-Za-z])[^/]{16,}|[^/]{40,}|\d{12,}"
    r"|[^/]*(?<![A-Za-z0-9])(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{10,}[^/]*"
)
"""A part of a path that is not a word: long, with digits among its letters."""
_PATH = re.compile(r"[\x21-\x5b\x5d-\x7e]*")  # no space or backslash: servers disagree on them


@functools.lru_cache(maxsize=16)
def api_root(base_url: str, *, allow_http: bool = False) -> str:
    """Return the root that API paths are appended to; `X` and `X/v1` both become `X/v1`.

    Raises
    ------
    ConfigError
        It is not a URL, contains a password or a query, or is plain http to another machine.
    """
    try:
        parts = urlsplit(base_url.strip())
        host, port = (parts.hostname or "").encode("idna").decode("ascii"), parts.port
    except ValueError:
        raise _not_an_address(base_url) from None
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigError(
            "the base URL contains a user name, a password, a query or a fragment",
            hint="use only scheme, host and path; set the key with %cmd login or CMD_API_KEY",
        )
    readable = _HOST.fullmatch(host) and _PATH.fullmatch(parts.path)
    # `urlsplit` takes `[::1]` out of `[::1].evil.com`, where a resolver looks up the whole
    if "[" in parts.netloc and not _BRACKETED.fullmatch(parts.netloc):
        raise _not_an_address(base_url)
    if parts.scheme not in _DEFAULT_PORTS or not readable or _has_white_space(base_url):
        raise _not_an_address(base_url)
    if parts.scheme == "http" and not (allow_http or is_loopback(host)):
        raise ConfigError(
            f"the base URL sends the key to {host} over plain http, where others can read it",
            hint="use https, or allow it with CMD_ALLOW_HTTP=1",
        )
    netloc = f"[{host}]" if ":" in host else host
    if port is not None and port != _DEFAULT_PORTS[parts.scheme]:
        netloc += f":{port}"
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{netloc}{path if path.endswith('/v1') else f'{path}/v1'}"


def masked_url(url: str) -> str:
    """Return an address as it may be shown: what may be a secret in its path becomes `[key]`.

    Gateways are addressed by paths that hold a token. A part of the path with digits and letters
    that is too long for a word or a version is taken for one.
    """
    scheme, separator, rest = redact(url).partition("://")
    host, *path = rest.split("?", 1)[0].split("#", 1)[0].split("/")
    host = host.rpartition("@")[2]
    shown = [MASK if re.fullmatch(_LONG_PART, part) else part for part in path]
    return "/".join([f"{scheme}{separator}{host}", *shown])


def is_provider(root: str) -> bool:
    """Return whether an API root is on the provider's own host, over https and the default port."""
    return root.startswith(f"{_DEFAULT_ORIGIN}/")


def is_loopback(host: str) -> bool:
    """Return whether a lower-case host name can only mean this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _has_white_space(base_url: str) -> bool:
    """Return whether the URL contains white space; `urlsplit` drops it, so the host may change."""
    return len(base_url.split()) > 1


def _not_an_address(base_url: str) -> ConfigError:
    shown = "" if "@" in base_url else f" {masked_url(base_url)!r}"
    return ConfigError(
        f"the base URL{shown} is not an http(s) address",
        hint="example: https://api.commandcode.ai/provider/v1",
    )
