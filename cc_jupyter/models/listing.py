"""The provider's list of models, `GET /models`: free, without a key, and without prices.

Source: provider-api.md, section 4. The last good list is cached on disk for each base URL, so that
requests are rare and being offline is not an error. Unusable entries are dropped one by one, so
that no malformed list reaches a table, an option line or a terminal.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from cc_jupyter.config.base_url import masked_url
from cc_jupyter.core.errors import ConfigError, ConnectError
from cc_jupyter.core.messages import ApiPath
from cc_jupyter.core.paths import cache_folder, make_private, write_private
from cc_jupyter.core.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cc_jupyter.client.transport import Transport


_TIMEOUT_S = 10.0
_FRESH_S = 3600.0
_MAX_BYTES = 16 * 2**20
_MAX_ID_CHARS = 300
_MAX_NAME_CHARS = 80
_MAX_DIGITS = 18
_MAX_TIME_S = 32_000_000_000
"""About the year 3000; not every platform can show later times."""
_ENDPOINTS: tuple[ApiPath, ...] = get_args(ApiPath)


class ListedModel(NamedTuple):
    """One model as the provider lists it."""

    id: str
    name: str
    context_tokens: int | None
    """`None` if the list does not have it."""
    endpoints: tuple[ApiPath, ...]
    """Those this package supports; empty if the list has none."""


class ModelList(NamedTuple):
    """The models a base URL serves."""

    models: dict[str, ListedModel]
    fetched_at_s: float
    """When it was fetched, in seconds since 1970; 0 if never."""

    @property
    def is_fresh(self) -> bool:
        """Whether it is recent enough to show without fetching it again."""
        return 0 <= time.time() - self.fetched_at_s <= _FRESH_S


def cached_models(api_root: str) -> ModelList:
    """Return the last good list of an API root from disk, without a request; it may be empty."""
    try:
        saved = _parsed(_path(api_root).read_bytes())
        fetched_at_s = saved["fetched_at_s"]
        if not 0 <= fetched_at_s <= _MAX_TIME_S:  # `nan` is in no range
            return ModelList({}, 0.0)
        return ModelList(_read(saved["data"]), float(fetched_at_s))
    except (OSError, ValueError, KeyError, TypeError):  # none yet, or not ours
        return ModelList({}, 0.0)


def fetch_models(transport: Transport, api_root: str) -> ModelList:
    """Fetch the provider's list and cache it on disk.

    Raises
    ------
    ConnectError
        The provider did not answer, or not with a list of models.
    """
    # completion reads cached lists and must not load the transport
    from cc_jupyter.client.transport import HttpRequest, fetch  # noqa: PLC0415  as above

    headers = {"User-Agent": f"cc_jupyter/{__version__}", "Accept": "application/json"}
    call = HttpRequest("GET", f"{api_root}/models", headers, idle_timeout_s=_TIMEOUT_S)
    status, raw = fetch(transport, call, timeout_s=_TIMEOUT_S, most_bytes=_MAX_BYTES)
    models = _read(_data(raw)) if status == HTTPStatus.OK else {}
    if not models:  # an empty list must not replace a good one
        raise ConnectError(
            f"{masked_url(api_root)}/models returned no list of models ({status})",
            hint="check the base URL (CMD_BASE_URL)",
            status=status,
        )
    now_s = time.time()
    _save(_path(api_root), {"fetched_at_s": now_s, "data": list(map(_entry, models.values()))})
    return ModelList(models, now_s)


def _data(raw: bytes) -> object:
    """Return the entries; some hosts send them as a bare list."""
    try:
        document = _parsed(raw)
    except ValueError:
        return None
    return document.get("data") if isinstance(document, dict) else document


def _parsed(raw: bytes) -> Any:  # noqa: ANN401  any JSON
    """Parse JSON that may have invalid characters in strings and any number of digits in numbers.

    Raises
    ------
    ValueError
        It is not JSON, or nested too deeply.
    """
    text = raw.decode(json.detect_encoding(raw), "replace")
    try:
        return json.loads(text, strict=False, parse_int=_whole)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _whole(digits: str) -> int | None:
    """Return an integer, or `None` if it is too long; Python refuses some thousand digits."""
    return int(digits) if len(digits) <= _MAX_DIGITS else None


def _read(data: object) -> dict[str, ListedModel]:
    """Return the usable entries by id; of duplicates, the first."""
    from cc_jupyter.client.parsing import count  # noqa: PLC0415  the first cell loads little before it sends

    models: dict[str, ListedModel] = {}
    for entry in data if isinstance(data, list) else []:
        model_id = entry.get("id") if isinstance(entry, dict) else None
        if not isinstance(model_id, str) or not _is_usable(model_id) or model_id in models:
            continue
        paths = _paths(entry.get("supported_endpoints"))
        endpoints = tuple(_known(paths))
        if paths and not endpoints:
            continue
        models[model_id] = ListedModel(
            model_id,
            _name(entry.get("name")) or model_id,
            count(entry.get("context_length")) or None,
            endpoints,
        )
    return models


def _is_usable(model_id: str) -> bool:
    """Return whether an id can be typed and displayed: printable, and no replacement character."""
    return (
        bool(model_id.strip())
        and len(model_id) <= _MAX_ID_CHARS
        and model_id.isprintable()
        and "\ufffd" not in model_id
    )


def _name(given: object) -> str:
    """Return a name on one line, without control characters for terminals or text direction."""
    if not isinstance(given, str):
        return ""
    name = "".join(filter(str.isprintable, " ".join(given[: 10 * _MAX_NAME_CHARS].split())))
    return name if len(name) <= _MAX_NAME_CHARS else f"{name[: _MAX_NAME_CHARS - 1].rstrip()}…"


def _paths(given: object) -> list[str]:
    """Return the paths an entry names; anything but strings is ignored."""
    named = given if isinstance(given, list) else [given]
    return [path.strip().rstrip("/") for path in named if isinstance(path, str) and path.strip()]


def _known(paths: list[str]) -> Iterable[ApiPath]:
    """Yield the supported paths; a preceding `/v1` and full URLs are accepted too."""
    for endpoint in _ENDPOINTS:
        if any(path.endswith(endpoint) for path in paths):
            yield endpoint


def _entry(model: ListedModel) -> dict[str, object]:
    """Return a model in the provider's format, without unused fields."""
    return {
        "id": model.id,
        "name": None if model.name == model.id else model.name,
        "context_length": model.context_tokens,
        "supported_endpoints": model.endpoints,
    }


def _path(api_root: str) -> Path:
    name = hashlib.sha256(api_root.encode()).hexdigest()[:16]
    return cache_folder() / f"models-{name}.json"


def _save(path: Path, content: object) -> None:
    """Replace the file atomically; if that fails, the list is fetched again next time."""
    with contextlib.suppress(OSError, ConfigError):
        make_private(path.parent)
        write_private(path, json.dumps(content))
