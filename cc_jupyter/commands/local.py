"""`%cmd local`: the model on this machine, from within a notebook."""

from __future__ import annotations

from typing import Literal

from cc_jupyter.core.display import Card, TextOutput


def local(action: Literal["setup", "start", "stop", "status"] = "status") -> Card | TextOutput:
    """Set up, start or stop the local model, or report its status.

    Raises
    ------
    ConfigError
        The weights cannot be downloaded, or the server does not start.
    """
    from cc_jupyter.client.local import model  # noqa: PLC0415  most sessions use no local model

    if action == "setup":
        lines: list[str] = []
        model.setup(lines.append)
        return TextOutput("\n".join(lines))
    if action == "stop":
        return TextOutput("stopped" if model.stop() else "it was not running")
    if action == "start":
        model.running()
    status = model.status()
    return Card(
        {
            "model": model.DISPLAY_NAME,
            "engine": f"xllamacpp {status.engine}" if status.engine else "not installed",
            "weights": "ready" if status.weights else "missing: run %cmd local setup",
            "server": status.server.url if status.server else "starts with the first request",
        }
    )
