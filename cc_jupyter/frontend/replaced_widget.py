"""A widget that plain text replaces when it is done.

A saved notebook contains no widget, so every display of one also has a plain form.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from anywidget import AnyWidget
from IPython.display import display
from traitlets import Dict, TraitError

from cc_jupyter.core.errors import CcError
from cc_jupyter.core.text import describe

WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
_THEME = Path(__file__).with_name("widget_theme.css")


def style_sheet(path: Path) -> str:
    """Return a widget's style sheet with the colours of the theme, which all widgets share."""
    return f"{_THEME.read_text(encoding='utf-8')}\n{path.read_text(encoding='utf-8')}"


class ReplacedWidget(AnyWidget):
    """A widget with a board of news for the browser, and a plain form that replaces it."""

    _board = Dict(help="What is shown, except for large tables: small, sent often.").tag(sync=True)

    def __init__(self, **traits: Any) -> None:  # noqa: ANN401  checked by the traits
        self._displays: list[Any] = []
        super().__init__(**traits)
        self.on_msg(self._receive)

    def _plain(self) -> dict[str, str]:
        """Return the plain form."""
        raise NotImplementedError

    def _act(self, content: dict[str, Any]) -> None:
        """Handle a message from the browser; those of a later version are ignored."""
        raise NotImplementedError

    def _ipython_display_(self) -> None:
        """Show the widget, and its plain form for saved notebooks and other front ends."""
        handle = display(self._bundle(), raw=True, display_id=True)  # type: ignore[no-untyped-call]
        if handle is not None:  # Python without IPython has no displays
            self._displays.append(handle)

    def _repr_mimebundle_(self, **_options: object) -> tuple[dict[str, Any], dict[str, Any]]:
        return self._bundle(), {}

    def _bundle(self) -> dict[str, Any]:
        """Return the widget and its plain form, or only the plain form once it is closed."""
        if self.comm is None:
            return dict(self._plain())
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        return {WIDGET_MIME: view, **self._plain()}

    def close(self) -> None:
        """Remove the widget from the screen; its displays then show the plain form."""
        if self._displays and not sys.is_finalizing():
            self._settle(self._plain())
        super().close()

    def _settle(self, bundle: dict[str, str]) -> None:
        """Replace the widget with its plain form wherever it is shown."""
        displays, self._displays = self._displays, []
        for handle in displays:
            handle.update(bundle, raw=True)

    def _receive(self, _widget: object, content: dict[str, Any], _buffers: object) -> None:
        """Handle a message from the browser; show errors in the widget."""
        try:
            self._act(content)
        except (CcError, TraitError) as error:
            hint = getattr(error, "hint", None)
            self._change_board(busy=False, said=f"{error}" + (f" ({hint})" if hint else ""))
        except Exception as error:  # a bug: shown here, its traceback goes to the kernel's log
            self._change_board(busy=False, said=describe(error))
            raise

    def _change_board(self, **news: object) -> None:
        self._board = {**self._board, **news}
