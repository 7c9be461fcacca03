"""One JupyterLab, one Chromium and one scripted provider for all browser tests."""

from __future__ import annotations

import importlib.util
import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from support.lab_harness import (
    CHROMIUM,
    LAUNCH,
    VIEWPORT,
    Lab,
    LabNotebook,
    clear_page,
    running_lab,
)
from support.private_environment import private_environment
from support.provider import KEY, Provider

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page

MODEL = "deepseek/deepseek-v4-flash"
_FAILED = pytest.StashKey[bool]()
expect.set_options(timeout=15_000)  # the cores may be busy with other things


@pytest.hookimpl(trylast=True)  # pytest itself puts tests with parameters first
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run browser tests last: playwright keeps an event loop in this thread until the end."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport]:
    """Note whether a test failed, for the fixtures that end after it."""
    report = yield
    item.stash[_FAILED] = report.failed
    return report


@pytest.fixture(scope="session")
def lab_provider() -> Iterator[Provider]:
    with Provider() as started:
        yield started


@pytest.fixture
def provider(lab_provider: Provider) -> Provider:
    """Return the provider that the kernels of JupyterLab talk to, without scripts or records."""
    lab_provider.clear()
    return lab_provider


def kernel_environment(home: Path, provider: Provider) -> dict[str, str]:
    return private_environment(home) | {
        "CMD_BASE_URL": provider.base_url,
        "CMD_API_KEY": KEY,
        "CMD_MODEL": MODEL,
    }


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, lab_provider: Provider) -> Iterator[Lab]:
    home = tmp_path_factory.mktemp("lab")
    with running_lab(home, kernel_environment(home, lab_provider)) as started:
        yield started


@pytest.fixture(scope="session")
def notebook7_lab(
    tmp_path_factory: pytest.TempPathFactory, lab_provider: Provider
) -> Iterator[Lab]:
    if importlib.util.find_spec("notebook") is None:
        pytest.skip("Notebook 7 is not installed")
    home = tmp_path_factory.mktemp("notebook7")
    with running_lab(home, kernel_environment(home, lab_provider), classic=True) as started:
        yield started


@pytest.fixture
def notebook7(notebook7_lab: Lab, fresh_page: None) -> Iterator[Lab]:
    """Return a running Notebook 7, and a page that no JupyterLab was in."""
    yield notebook7_lab
    notebook7_lab.end_kernels()


class OpenPage:
    """The page of JupyterLab that the tests of this process share: to load it takes seconds."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self._page: Page | None = None

    def get(self) -> Page:
        if self._page is None or self._page.is_closed():
            self._page = self.context.new_page()
        return self._page

    def close(self) -> None:
        """Close it, with all other pages; the next test loads JupyterLab again."""
        for page in self.context.pages:
            page.close()

    def clear(self) -> None:
        """Leave JupyterLab as it is when it has been loaded, or close the page."""
        self.context.clear_permissions()
        for page in self.context.pages:
            if page is not self._page:
                page.close()
        page = self._page
        if page is not None and not page.is_closed() and not clear_page(page):
            page.close()


@pytest.fixture(scope="session")
def open_page(browser: Browser, browser_context_args: dict[str, Any]) -> Iterator[OpenPage]:
    context = browser.new_context(**browser_context_args)
    yield OpenPage(context)
    context.close()


@pytest.fixture
def fresh_page(open_page: OpenPage) -> Iterator[None]:
    """Have a page of its own for a test that reloads it, or leaves traces in it."""
    open_page.close()
    yield
    open_page.close()


@pytest.fixture
def context(open_page: OpenPage) -> BrowserContext:
    return open_page.context


@pytest.fixture
def page(request: pytest.FixtureRequest, open_page: OpenPage) -> Iterator[Page]:
    """Return the shared page; nothing is open in it. After a failure the next test gets another."""
    yield open_page.get()
    if request.node.stash.get(_FAILED, False):
        open_page.close()
    else:
        open_page.clear()


@pytest.fixture
def ended_kernels(lab: Lab) -> Iterator[None]:
    """End the kernels of a test once its notebooks are closed."""
    yield
    lab.end_kernels()


@pytest.fixture
def open_notebook(
    request: pytest.FixtureRequest, lab: Lab, ended_kernels: None, page: Page
) -> Callable[..., LabNotebook]:
    """Return a function that opens a notebook: the extension is loaded in its first cell, 0."""

    def open_(*cells: str) -> LabNotebook:
        name = re.sub(r"\W+", "_", request.node.name)
        notebook = LabNotebook(
            lab, page, lab.write(f"{name}.ipynb", ["%load_ext cc_jupyter", *cells])
        )
        notebook.show()
        notebook.run(0)
        return notebook

    return open_


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    return {**browser_type_launch_args, **LAUNCH}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "viewport": VIEWPORT}
