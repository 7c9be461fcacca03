"""The provider's own list of models, `GET /models`: free, without a key, and without prices.

Source: provider-api.md, section 4. The last good list is kept on disk for each base URL, so that
asking again is rare and being offline is no error.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, get_args

from cc_jupyter import __version__
from cc_jupyter.errors import ConfigError, ConnectError
from cc_jupyter.folders import cache_folder, make_private
from cc_jupyter.messages import Endpoint
from cc_jupyter.transport import Call, Transport, fetch
from cc_jupyter.wire.body import count

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_TIMEOUT_S = 10.0
_MOST_BYTES = 16 * 2**20
_ENDPOINTS: tuple[Endpoint, ...] = get_args(Endpoint)


@dataclass(frozen=True, slots=True)
class ListedModel:
    """One model as the provider lists it."""

    id: str
    name: str
    context_tokens: int | None
    """`None`: not told."""
    endpoints: tuple[Endpoint, ...]
    """Those we speak; empty: the list does not say."""


@dataclass(frozen=True, slots=True)
class ModelList:
    """What a base URL serves."""

    models: dict[str, ListedModel]
    fetched_at_s: float
    """When the provider gave it, in seconds since 1970; 0: never."""


def cached_models(api_root: str) -> ModelList:
    """Give the last good list of `api_root` without asking anybody; it may be empty."""
    try:
        kept = json.loads(_path(api_root).read_text(encoding="utf-8"))
        return ModelList(_read(kept["data"]), float(kept["fetched_at_s"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # none yet, or not ours
        return ModelList({}, 0.0)


def fetch_models(transport: Transport, api_root: str) -> ModelList:
    """Ask the provider, and keep its list.

    Raises
    ------
    ConnectError
        It did not answer, or not with a list of models.
    """
    headers = {"User-Agent": f"cc_jupyter/{__version__}", "Accept": "application/json"}
    call = Call("GET", f"{api_root}/models", headers, idle_timeout_s=_TIMEOUT_S)
    status, raw = fetch(transport, call, timeout_s=_TIMEOUT_S, most_bytes=_MOST_BYTES)
    try:
        data = json.loads(raw)["data"] if status == HTTPStatus.OK else None
    except (ValueError, KeyError, TypeError, RecursionError):
        data = None
    models = _read(data)
    if not models:  # an empty list is no reason to forget a good one
        raise ConnectError(
            f"{api_root}/models gave no list of models ({status})",
            hint="check the base URL (CMD_BASE_URL)",
            status=status,
        )
    now_s = time.time()
    _keep(_path(api_root), {"fetched_at_s": now_s, "data": data})
    return ModelList(models, now_s)


def _read(data: object) -> dict[str, ListedModel]:
    """Take what can be used: first of duplicates, nothing without an id or an endpoint we speak."""
    models: dict[str, ListedModel] = {}
    for entry in data if isinstance(data, list) else []:
        model_id = entry.get("id") if isinstance(entry, dict) else None
        if not isinstance(model_id, str) or not model_id.strip() or model_id in models:
            continue
        given = entry.get("supported_endpoints")
        endpoints = tuple(_known(given)) if isinstance(given, list) else ()
        if given and not endpoints:
            continue
        name = entry.get("name")
        models[model_id] = ListedModel(
            model_id,
            name if isinstance(name, str) and name else model_id,
            count(entry.get("context_length")) or None,
            endpoints,
        )
    return models


def _known(given: Iterable[object]) -> Iterable[Endpoint]:
    """Read paths with `/v1` before them and full URLs, too."""
    for endpoint in _ENDPOINTS:
        if any(isinstance(path, str) and path.rstrip("/").endswith(endpoint) for path in given):
            yield endpoint


def _path(api_root: str) -> Path:
    name = hashlib.sha256(api_root.encode()).hexdigest()[:16]
    return cache_folder() / f"models-{name}.json"


def _keep(path: Path, content: object) -> None:
    """Replace the file in one step; a disk that refuses costs a question next time, no answer."""
    with contextlib.suppress(OSError, ConfigError):
        folder = make_private(path.parent)
        handle, fresh = tempfile.mkstemp(dir=folder, prefix=path.stem, suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(content, file)
            os.replace(fresh, path)  # noqa: PTH105  `mkstemp` gives a text
        except OSError:
            os.unlink(fresh)  # noqa: PTH108  as above
            raise
