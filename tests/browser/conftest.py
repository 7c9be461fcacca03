"""One JupyterLab, one Chromium and one scripted provider for all browser tests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from support.lab_harness import CHROMIUM, LAUNCH, VIEWPORT, Lab, LabNotebook, running_lab
from support.private_environment import private_environment
from support.provider import KEY, Provider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page

MODEL = "deepseek/deepseek-v4-flash"
expect.set_options(timeout=15_000)  # the cores may be busy with other things


@pytest.hookimpl(trylast=True)  # pytest itself puts tests with parameters first
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run browser tests last: playwright keeps an event loop in this thread until the end."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.fixture(scope="session")
def lab_provider() -> Iterator[Provider]:
    with Provider() as started:
        yield started


@pytest.fixture
def provider(lab_provider: Provider) -> Provider:
    """Give the provider that the kernels of JupyterLab talk to, without scripts or records."""
    lab_provider.clear()
    return lab_provider


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, lab_provider: Provider) -> Iterator[Lab]:
    home = tmp_path_factory.mktemp("lab")
    environment = private_environment(home) | {
        "CMD_BASE_URL": lab_provider.base_url,
        "CMD_API_KEY": KEY,
        "CMD_MODEL": MODEL,
    }
    with running_lab(home, environment) as started:
        yield started


@pytest.fixture
def open_notebook(
    request: pytest.FixtureRequest, lab: Lab, page: Page
) -> Iterator[Callable[[str], LabNotebook]]:
    """Give a function that opens a notebook: the extension is loaded in its first cell, 0."""

    def open_(*cells: str) -> LabNotebook:
        name = re.sub(r"\W+", "_", request.node.name)
        notebook = LabNotebook(
            lab, page, lab.write(f"{name}.ipynb", ["%load_ext cc_jupyter", *cells])
        )
        notebook.open()
        notebook.run(0)
        return notebook

    yield open_
    page.close()
    lab.end_kernels()


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    return {**browser_type_launch_args, **LAUNCH}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "viewport": VIEWPORT}
