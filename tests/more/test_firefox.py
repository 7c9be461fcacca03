"""Firefox: the extension loads, an answer streams into its cell, and the status bar counts it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from support.lab_harness import running_lab
from support.private_environment import private_environment
from support.programs import free_port
from support.provider import KEY, answer

if TYPE_CHECKING:
    from collections.abc import Iterator

marionette = pytest.importorskip(
    "marionette_driver.marionette", reason="marionette-driver, which drives Firefox, is not here"
)
wait = pytest.importorskip("marionette_driver.wait")

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
LIMIT_S = 90
QUIET = {
    "browser.startup.page": 0,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
}

pytestmark = [
    pytest.mark.skipif(FIREFOX is None, reason="Firefox is not installed"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket"),  # the client's own
]


class Page:
    """One page of a Firefox."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def open(self, url: str) -> None:
        self._client.navigate(url)

    def value(self, expression: str) -> Any:
        """Return the value of an expression in JavaScript."""
        return self._client.execute_script(f"return {expression};", sandbox=None)

    def wait_for(self, expression: str) -> None:
        """Wait until an expression is true."""
        wait.Wait(self._client, timeout=LIMIT_S).until(
            lambda _: self.value(expression), message=expression
        )

    def run(self, index: int) -> None:
        """Run a cell, as a click on its button does."""
        self.value(
            "(() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex ="
            f" {index}; void window.jupyterapp.commands.execute('notebook:run-cell'); }})()"
        )


@pytest.fixture
def firefox(tmp_path) -> Iterator[Page]:
    client = marionette.Marionette(
        host="127.0.0.1",
        port=free_port(),
        bin=FIREFOX,
        headless=True,
        prefs=QUIET,
        gecko_log=str(tmp_path / "firefox.log"),
        startup_timeout=LIMIT_S,
    )
    client.start_session()
    try:
        yield Page(client)
    finally:
        client.quit()


def test_an_answer_streams_into_a_cell_and_the_status_bar_counts_it(firefox, provider, tmp_path):
    provider.always(answer("Hello from **Firefox**."))
    environment = private_environment(tmp_path / "home") | {
        "CMD_BASE_URL": provider.base_url,
        "CMD_API_KEY": KEY,
        "CMD_MODEL": "deepseek/deepseek-v4-flash",
    }
    with running_lab(tmp_path / "lab", environment) as lab:
        path = lab.write("firefox.ipynb", ["%load_ext cc_jupyter", "%%cmd\nhello"])
        firefox.open(f"{lab.url}{lab.page}{quote(path.name)}?reset&token={lab.token}")
        firefox.wait_for(
            "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status"
            " === 'idle'"
        )
        firefox.run(0)
        firefox.wait_for(
            "(document.querySelector('.cc-status')?.innerText ?? '').includes('deepseek-v4-flash')"
        )
        firefox.run(1)
        outputs = (
            "[...document.querySelectorAll('.jp-OutputArea-output')]"
            ".map(each => each.innerText).join('|')"
        )
        usage = "[|][^|]*deepseek-v4-flash · in"
        firefox.wait_for(f"/Hello from Firefox[.][^|]*{usage}/.test({outputs})")
        assert len(provider.posts) == 1
        firefox.wait_for("/tok|[$]/.test(document.querySelector('.cc-status')?.innerText ?? '')")
