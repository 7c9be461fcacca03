"""Work with language models in a notebook: `%%cmd` cells for the Command Code Provider API.

Load it with `%load_ext cc_jupyter`; `ask` and `stream` are the same in Python. Importing this
package loads nothing else: each public name is loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from cc_jupyter.api import aask, amap, ask, cassette, compare, last_rows, map_rows, stream
    from cc_jupyter.core.errors import (
        AuthError,
        BrokenCheckError,
        BudgetError,
        CassetteError,
        CcError,
        CheckError,
        ConfigError,
        ConnectError,
        CreditError,
        GridError,
        ModelError,
        OptionError,
        PlanError,
        ProviderError,
        RateLimitError,
        RowsError,
        StatusError,
        StoreError,
        StreamError,
    )
    from cc_jupyter.core.events import (
        Error,
        Notice,
        OutputImage,
        ReasoningDelta,
        Source,
        Stop,
        TextDelta,
        ToolCallDelta,
        Usage,
    )
    from cc_jupyter.core.reply import Reply
    from cc_jupyter.core.version import __version__ as __version__
    from cc_jupyter.experiments.grid import Grid
    from cc_jupyter.frontend.picker.widget import ModelPicker

_MODULES = {
    "api": ("aask", "amap", "ask", "cassette", "compare", "last_rows", "map_rows", "stream"),
    "core.errors": (
        *("CcError", "OptionError", "ConfigError", "StoreError", "ProviderError", "ConnectError"),
        *("StatusError", "AuthError", "PlanError", "CreditError", "RateLimitError", "ModelError"),
        *("StreamError", "CheckError", "BrokenCheckError", "BudgetError", "GridError"),
        *("CassetteError", "RowsError"),
    ),
    "core.events": (
        *("TextDelta", "ReasoningDelta", "ToolCallDelta", "OutputImage", "Source", "Usage"),
        *("Notice", "Stop", "Error"),
    ),
    "core.reply": ("Reply",),
    "core.version": ("__version__",),
    "experiments.grid": ("Grid",),
    "frontend.picker.widget": ("ModelPicker",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "AuthError",
    "BrokenCheckError",
    "BudgetError",
    "CassetteError",
    "CcError",
    "CheckError",
    "ConfigError",
    "ConnectError",
    "CreditError",
    "Error",
    "Grid",
    "GridError",
    "ModelError",
    "ModelPicker",
    "Notice",
    "OptionError",
    "OutputImage",
    "PlanError",
    "ProviderError",
    "RateLimitError",
    "ReasoningDelta",
    "Reply",
    "RowsError",
    "Source",
    "StatusError",
    "Stop",
    "StoreError",
    "StreamError",
    "TextDelta",
    "ToolCallDelta",
    "Usage",
    "aask",
    "amap",
    "ask",
    "cassette",
    "compare",
    "last_rows",
    "map_rows",
    "stream",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415  importing the package loads nothing

    return getattr(import_module(f"cc_jupyter.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Add `%cmd` and `%%cmd`: silent, without network, files or threads."""
    from cc_jupyter.magics.extension import load  # noqa: PLC0415  importing the package loads nothing

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Remove everything that loading added."""
    from cc_jupyter.magics.extension import unload  # noqa: PLC0415  importing the package loads nothing

    unload(shell)


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Return the location of the built JupyterLab extension, for `jupyter labextension develop`."""
    return [{"src": "labextension", "dest": "cc-jupyter"}]
