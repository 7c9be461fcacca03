"""The pytest plugin: the options of `--cmd`, without which it does and imports nothing."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("cmd", "prompt tests in notebooks (cc_jupyter)")
    group.addoption(
        "--cmd",
        action="store_true",
        help="collect the notebooks named: each cell with a --check is a test; answers are replayed"
        " from the notebook's cassette",
    )
    group.addoption(
        "--cmd-live",
        action="store_true",
        help="send the requests instead of replaying them; needs a key and costs money",
    )
    group.addoption(
        "--cmd-n", metavar="N", help="run each test N times; needs --cmd-live (default: 1)"
    )
    group.addoption(
        "--cmd-min-pass",
        metavar="RATE",
        help="the share of answers that must pass, 0 to 1 (default: 1.0)",
    )
    group.addoption(
        "--cmd-max-usd",
        metavar="USD",
        help="send nothing that could make the whole run cost more; needs --cmd-live",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Load the rest if it is wanted."""
    options = ("--cmd-live", "--cmd-n", "--cmd-min-pass", "--cmd-max-usd")
    given = [each for each in options if config.getoption(each.lstrip("-").replace("-", "_"))]
    if config.getoption("cmd"):
        from cc_jupyter.testing.items import PromptTests  # noqa: PLC0415  inert without the flag

        config.pluginmanager.register(PromptTests(config), "cc_jupyter-tests")
    elif given:
        raise pytest.UsageError(f"{given[0]} needs --cmd: pytest --cmd NOTEBOOK {given[0]}")
