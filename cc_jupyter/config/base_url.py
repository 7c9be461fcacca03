"""Base URLs in one normal form, so that two of them can be compared: that decides who gets a key.

`client.endpoint` decides which key goes where; this module only parses addresses.
"""

from __future__ import annotations

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
_TOKEN = re.compile(
    r"(?=[^/]*\d)(?=[^/]*[A-Za-z])[^/]{16,}|[^/]{40,}|\d{12,}"
    r"|[^/]*(?<![A-Za-z0-9])(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{10,}[^/]*"
)
"""A part of a path that is no word: long, with digits among its letters."""
_PATH = re.compile(r"[\x21-\x5b\x5d-\x7e]*")  # no blank, no backslash: servers differ on them


def api_root(base_url: str, *, allow_http: bool = False) -> str:
    """Return the root that endpoints are appended to: `X` and `X/v1` both lead to `X/v1`.

    Raises
    ------
    ConfigError
        It is no URL, carries a password or a query, or is plain http to another machine.
    """
    try:
        parts = urlsplit(base_url.strip())
        host, port = (parts.hostname or "").encode("idna").decode("ascii"), parts.port
    except ValueError:
        raise _no_address(base_url) from None
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigError(
            "the base URL carries a name, a password, a query or a fragment",
            hint="keep only scheme, host and path; the key has settings of its own",
        )
    readable = _HOST.fullmatch(host) and _PATH.fullmatch(parts.path)
    # `urlsplit` takes `[::1]` out of `[::1].evil.com`, where a resolver looks up the whole
    if "[" in parts.netloc and not _BRACKETED.fullmatch(parts.netloc):
        raise _no_address(base_url)
    if parts.scheme not in _DEFAULT_PORTS or not readable or _split_by_white_space(base_url):
        raise _no_address(base_url)
    if parts.scheme == "http" and not (allow_http or is_loopback(host)):
        raise ConfigError(
            f"the base URL goes to {host} by plain http, where anyone on the way reads the key",
            hint="use https; CMD_ALLOW_HTTP=1 permits it all the same",
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
    shown = [MASK if _TOKEN.fullmatch(part) else part for part in path]
    return "/".join([f"{scheme}{separator}{host}", *shown])


def is_provider(root: str) -> bool:
    """Return whether an API root is on the provider's own host, by https and its usual port."""
    return root.startswith(f"{_DEFAULT_ORIGIN}/")


def is_loopback(host: str) -> bool:
    """Return whether a host name, in lower case, can only mean this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split_by_white_space(base_url: str) -> bool:
    """Return whether the URL has inner white space; `urlsplit` drops it, so the host may change."""
    return len(base_url.split()) > 1


def _no_address(base_url: str) -> ConfigError:
    shown = "that was given" if "@" in base_url else repr(masked_url(base_url))
    return ConfigError(
        f"the base URL {shown} is no http(s) address",
        hint="an example: https://api.commandcode.ai/provider/v1",
    )
