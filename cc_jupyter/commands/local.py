"""`%cmd local`: the model on this machine, from within a notebook."""

from __future__ import annotations

from cc_jupyter.core.display import Card, TextOutput
from cc_jupyter.core.errors import OptionError, did_you_mean

_ACTIONS = ("setup", "start", "stop", "status")


def local_command(rest: str) -> Card | TextOutput:
    """Set up, start or stop the local model, or report its status.

    Raises
    ------
    OptionError
        There is no such action.
    ConfigError
        The weights cannot be fetched, or the server does not start.
    """
    from cc_jupyter.client.local import model as local  # noqa: PLC0415  most sessions use no local model

    if rest not in ("", *_ACTIONS):
        hint = did_you_mean(rest, _ACTIONS) or f"there are: {', '.join(_ACTIONS)}"
        raise OptionError(f"%cmd local cannot {rest!r}", hint=hint)
    if rest == "setup":
        lines: list[str] = []
        local.setup(lines.append)
        return TextOutput("\n".join(lines))
    if rest == "stop":
        return TextOutput("stopped" if local.stop() else "it was not running")
    if rest == "start":
        local.running()
    status = local.status()
    return Card(
        {
            "model": local.DISPLAY_NAME,
            "engine": f"xllamacpp {status.engine}" if status.engine else "not installed",
            "weights": "ready" if status.weights else "missing: %cmd local setup",
            "server": status.server.url if status.server else "starts with the first request",
        }
    )
