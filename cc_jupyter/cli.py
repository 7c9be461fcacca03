"""The `cc-jupyter` program: what must work in a shell, without a notebook."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cc_jupyter.core.errors import CcError, ConfigError
from cc_jupyter.core.paths import short_path
from cc_jupyter.core.terminal import safe_terminal
from cc_jupyter.core.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_CHECK_INTERVAL_S = 0.5
"""The interval between checks of a server in the foreground."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 0
    if options.command == "usage":
        return _usage(options.notebooks)
    commands: dict[str, Callable[[], None]] = {
        "setup": _setup,
        "start": lambda: _start(getattr(options, "port", 0)),
        "stop": _stop,
        "status": _status,
    }
    try:
        if options.command == "doctor":
            return _doctor()
        commands[options.action]()
    except CcError as error:
        print(f"cc-jupyter: {error}", file=sys.stderr)
        if error.hint is not None:
            print(safe_terminal(f"Hint: {error.hint}"), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("cc-jupyter: interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cc-jupyter",
        description="Language models in notebooks: the commands for a shell.",
    )
    parser.add_argument("--version", action="version", version=f"cc-jupyter {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    local = commands.add_parser(
        "local", help="manage the model on this machine, which needs no key"
    )
    actions = local.add_subparsers(dest="action", metavar="ACTION")
    local.set_defaults(action="status")
    actions.add_parser("setup", help="download the weights (once)")
    start = actions.add_parser("start", help="run the server in the foreground, for all kernels")
    start.add_argument("--port", type=int, default=0, help="default: any free port")
    actions.add_parser("stop", help="stop the server that `start` runs")
    actions.add_parser("status", help="show what is installed and running (the default)")
    commands.add_parser("doctor", help="check the environment of a request and suggest fixes")
    usage = commands.add_parser("usage", help="show the cost of saved notebooks from their outputs")
    usage.add_argument("notebooks", nargs="+", type=Path, metavar="NOTEBOOK")
    return parser


def _usage(paths: Sequence[Path]) -> int:
    """Add up the usage in notebooks; report unreadable ones and continue with the others."""
    from cc_jupyter.usage.notebook import notebook_usage  # noqa: PLC0415  as for local
    from cc_jupyter.usage.report import usage_table  # noqa: PLC0415  as for local

    rows, failed = [], 0
    for path in paths:
        try:
            found = notebook_usage(path)
        except CcError as error:
            print(f"cc-jupyter: {error}", file=sys.stderr)
            failed += 1
            continue
        name = short_path(path)
        rows += [replace(row, group=f"{name}  {row.group}") for row in found]
    if rows:
        table = usage_table("notebook and model", rows, caption="answers saved in notebooks")
        print(safe_terminal(str(table)))  # a foreign notebook may contain any text as a model name
    elif failed < len(paths):
        print("These notebooks contain no answers of cc_jupyter.")
    return int(failed > 0)


def _doctor() -> int:
    """Print the doctor's report; the exit status says whether a check failed."""
    from datetime import UTC, datetime  # noqa: PLC0415  as for local

    from cc_jupyter.client.transport import Transport  # noqa: PLC0415  as for local
    from cc_jupyter.commands.doctor import examine  # noqa: PLC0415  as for local
    from cc_jupyter.config.settings import load_settings  # noqa: PLC0415  as for local

    report = examine(
        load_settings, in_kernel=None, transport=Transport(), now=lambda: datetime.now(UTC)
    )
    print(report)
    return int(report.failed > 0)


def _setup() -> None:
    from cc_jupyter.client.local import model as local  # noqa: PLC0415  --version and --help stay fast

    local.setup(print)


def _start(port: int) -> None:
    """Serve until Ctrl-C or `stop`; both exit successfully."""
    from cc_jupyter.client.local import model as local  # noqa: PLC0415  as above

    other = local.registered()
    if other is not None:
        raise ConfigError(
            f"a local server already runs at {other.url}", hint="`cc-jupyter local stop` stops it"
        )
    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)
    server: local.LocalServer | None = None
    try:
        server = local.LocalServer.start(port)
        local.register(server)
        print(f"The local model ({local.DISPLAY_NAME}) listens at {server.url}")
        print("In a notebook, CMD_BASE_URL=local uses it. Press Ctrl-C to stop.", flush=True)
        while server.alive():
            time.sleep(_CHECK_INTERVAL_S)
        raise ConfigError("the local server stopped unexpectedly", hint="start it again")
    except KeyboardInterrupt:
        print("The local model has stopped.")
    finally:
        if server is not None:
            local.unregister()
            server.stop()


def _stop() -> None:
    from cc_jupyter.client.local import model as local  # noqa: PLC0415  as above

    print("The local model has stopped." if local.stop() else "No local server is running.")


def _status() -> None:
    from cc_jupyter.client.local import model as local  # noqa: PLC0415  as above

    status = local.status()
    engine = f"xllamacpp {status.engine}" if status.engine else "not installed"
    expected = f"missing: `cc-jupyter local setup` saves them as {short_path(local.weights_path())}"
    weights = short_path(status.weights) if status.weights else expected
    server = f"{status.server.url} (pid {status.server.pid})" if status.server else "not running"
    print(f"engine   {engine}\nweights  {weights}\nserver   {server}")


if __name__ == "__main__":
    sys.exit(main())
