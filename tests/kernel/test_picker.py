"""`%cmd pick` and `cc_jupyter.ModelPicker`: what a choice does, and what the notebook keeps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.comm_page import Page
from support.kernel_notebook import CLAUDE, MODEL, Notebook
from support.provider import Tokens, answer, error

from cc_jupyter.frontend.picker.rows import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.kernel

WIDGET = "application/vnd.jupyter.widget-view+json"
_SPY = """
from cc_jupyter.commands.models import ModelCommands
from cc_jupyter.commands.threads import ThreadCommands
called, originals = [], (ModelCommands.use, ThreadCommands.thread)

def use(self, model, *, save=None):
    called.append(["use", model, save])
    return originals[0](self, model, save=save)

def thread(self, name=None):
    called.append(["thread", name])
    return originals[1](self, name)

ModelCommands.use, ThreadCommands.thread = use, thread
"""


@pytest.fixture
def notebook(notebook: Notebook) -> Iterator[Notebook]:
    yield notebook
    for path in notebook.folder.glob("cc_jupyter/data/favourites.json"):
        path.unlink()
    for path in notebook.folder.glob("cc_jupyter/config/config.toml"):
        path.unlink()


def tell(notebook: Notebook, picker: str, content: dict[str, Any]) -> list[dict[str, Any]]:
    """Send what the browser would send; give all the kernel says to it."""
    client = notebook.kernel.client
    comm_id = notebook.value(f"{picker}.model_id")
    data = {"method": "custom", "content": content}
    message = client.session.msg("comm_msg", {"comm_id": comm_id, "data": data})
    client.shell_channel.send(message)
    said: list[dict[str, Any]] = []
    while not said or said[-1]["content"].get("execution_state") != "idle":
        heard = client.get_iopub_msg(timeout=20)
        if heard["parent_header"].get("msg_id") == message["header"]["msg_id"]:
            said.append(heard)
    return said


def boards(said: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the news that the browser got, in their order."""
    states = [each["content"]["data"].get("state", {}) for each in said if is_update(each)]
    return [state["_board"] for state in states if "_board" in state]


def is_update(message: dict[str, Any]) -> bool:
    data = message["content"].get("data", {})
    return message["msg_type"] == "comm_msg" and data.get("method") == "update"


def kept(said: list[dict[str, Any]]) -> dict[str, str]:
    """Return what the saved notebook has in the place of the widget."""
    (update,) = [each for each in said if each["msg_type"] == "update_display_data"]
    data: dict[str, str] = update["content"]["data"]
    return data


def opened(notebook: Notebook, words: str = "") -> None:
    notebook.check(f"picker = %cmd pick {words}", "cell-1")
    notebook.check("picker", "cell-2")


# ── the command


def test_the_picker_is_shown_and_its_plain_form_says_where_one_stands(notebook):
    run = notebook.check("%cmd pick", "cell-1")
    (shown,) = run.outputs
    assert set(shown.data) == {WIDGET, "text/plain", "text/html"}
    assert shown.text.startswith(f"Model of this notebook: {MODEL} (")
    assert "nothing was chosen" in shown.text
    assert "<script" not in shown.data["text/html"]
    assert notebook.provider.requests == []


def test_a_choice_holds_for_the_notebook_and_takes_the_place_of_the_widget(notebook):
    opened(notebook)
    said = tell(notebook, "picker", {"type": "use", "choice": {"value": CLAUDE}})
    data = kept(said)
    assert set(data) == {"text/plain", "text/html"}
    assert data["text/plain"].startswith(f"Model of this notebook: {CLAUDE} (chosen with %cmd pick")
    assert data["text/plain"].endswith(f"\n%cmd use {CLAUDE}")
    notebook.check("%%cmd\nhello")
    assert notebook.body["model"] == CLAUDE


def test_the_code_of_a_choice_stands_as_code_wherever_the_notebook_is_shown(notebook):
    opened(notebook)
    data = kept(tell(notebook, "picker", {"type": "use", "choice": {"value": CLAUDE}}))
    assert f"<pre><code>%cmd use {CLAUDE}</code></pre>" in data["text/html"]


def test_a_picker_that_has_ended_shows_its_plain_form_again(notebook):
    opened(notebook)
    first = kept(tell(notebook, "picker", {"type": "use", "choice": {"value": CLAUDE}}))
    (again,) = notebook.check("picker", "cell-3").outputs
    assert again.data == first


def test_what_goes_with_the_model_holds_too(notebook):
    opened(notebook)
    choice = {
        "value": MODEL,
        "temperature": 0.3,
        "max_tokens": 500,
        "effort": "high",
        "thread": "aside",
    }
    text = kept(tell(notebook, "picker", {"type": "use", "choice": choice}))["text/plain"]
    notebook.check("%%cmd\nhello")
    body = notebook.body
    assert (body["temperature"], body["reasoning_effort"]) == (0.3, "high")
    assert 500 in (body.get("max_tokens"), body.get("max_completion_tokens"))
    assert notebook.check("s = %cmd status").status == "ok"
    assert notebook.value("s['thread']") == "aside"
    # and the code says the same to a fresh kernel
    code = text.partition("\n")[2]
    notebook.afresh()
    notebook.check(code)
    notebook.check("%%cmd\nhello")
    assert notebook.body == body


def test_what_is_taken_back_in_the_picker_no_longer_holds(notebook):
    notebook.check("%config CmdMagics.temperature = 0.9")
    opened(notebook)
    assert notebook.value("picker.temperature") == 0.9
    tell(notebook, "picker", {"type": "use", "choice": {"value": MODEL, "temperature": None}})
    notebook.check("%%cmd\nhello")
    assert "temperature" not in notebook.body


def test_cancelling_leaves_everything_as_it_is(notebook):
    opened(notebook)
    notebook.check(f"picker.value = {CLAUDE!r}")
    text = kept(tell(notebook, "picker", {"type": "cancel"}))["text/plain"]
    assert text.startswith(f"Model of this notebook: {MODEL} (nothing was chosen)")
    notebook.check("%%cmd\nhello")
    assert notebook.body["model"] == MODEL


def test_a_default_is_written_into_the_users_own_settings(notebook):
    opened(notebook)
    text = kept(tell(notebook, "picker", {"type": "default", "choice": {"value": CLAUDE}}))
    (path,) = notebook.folder.glob("cc_jupyter/config/config.toml")
    assert f'model = "{CLAUDE}"' in path.read_text(encoding="utf-8")
    assert "saved in" in text["text/plain"]
    notebook.check("%%cmd\nhello")
    assert notebook.body["model"] == CLAUDE


def test_the_code_is_offered_to_the_front_end_as_cells(notebook):
    opened(notebook)
    choice = {"value": CLAUDE, "system": "Be brief."}
    said = tell(notebook, "picker", {"type": "write", "choice": choice})
    custom = [each["content"]["data"] for each in said if each["msg_type"] == "comm_msg"]
    (cells,) = [each["content"]["cells"] for each in custom if each["method"] == "custom"]
    assert cells == [f"%cmd use {CLAUDE}", '%%cmd -s "Be brief."\n']
    assert "the system prompt applies from its %%cmd line on" in kept(said)["text/plain"]
    notebook.check(cells[0])
    notebook.check(f"{cells[1]}hello")
    assert notebook.body["system"] == "Be brief."


def test_a_message_that_asks_for_nonsense_is_answered_in_words_and_changes_nothing(notebook):
    opened(notebook)
    said = tell(notebook, "picker", {"type": "use", "choice": {"value": "claude-sonet-5"}})
    assert "unknown model 'claude-sonet-5'; did you mean" in boards(said)[-1]["said"]
    assert not [each for each in said if each["msg_type"] == "update_display_data"]
    tell(notebook, "picker", {"type": "something of a later version"})
    notebook.check("%%cmd\nhello")
    assert notebook.body["model"] == MODEL


def test_words_choose_among_the_models(notebook):
    opened(notebook, "cheap image")
    rows = rows_of(notebook)
    assert rows
    assert all(row["image"] for row in rows)
    assert [row["cost"] for row in rows] == sorted(row["cost"] for row in rows)
    assert "models for “cheap image”" in notebook.value("picker._board['caption']")
    notebook.fail("%cmd pick >no", "OptionError", "cell-3")


def rows_of(notebook: Notebook, picker: str = "picker") -> list[dict[str, Any]]:
    rows = notebook.value(f"{picker}._table['rows']")
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def test_the_local_model_is_among_them(notebook):
    opened(notebook, "local")
    (row,) = [row for row in rows_of(notebook) if row["id"] == "local"]
    assert row["band"] == "free"


def test_prices_and_speeds_are_those_of_the_users_own_prompts(notebook):
    notebook.provider.play(answer("said " * 20, usage=Tokens(1_000_000, 100_000)))
    notebook.check("%%cmd\nhello")
    opened(notebook)
    rows = {row["id"]: row for row in rows_of(notebook)}
    assert rows[CLAUDE]["last"] == "~$3.00"
    assert "your last answer" in rows[MODEL]["speed"]
    assert rows[CLAUDE]["speed"] == ""


def test_without_a_history_speeds_are_those_of_the_session(notebook):
    notebook.check("import os; os.environ['CMD_HISTORY'] = 'off'")
    notebook.check("%%cmd\nhello")
    opened(notebook)
    assert "your last answer" in {row["id"]: row for row in rows_of(notebook)}[MODEL]["speed"]
    assert not list(notebook.folder.glob("cc_jupyter/data/history.db"))


def test_the_line_the_page_and_the_picker_call_the_same_functions(notebook):
    notebook.check(_SPY)
    notebook.check("%reload_ext cc_jupyter")  # the commands are looked up once
    notebook.check(f"%cmd use {MODEL} --save")
    notebook.check("%cmd thread lines")
    page = Page(notebook.kernel)
    page.open()
    page.ask("set_model", model=CLAUDE, save=True)
    page.ask("set_thread", thread="page")
    opened(notebook)
    choice = {"value": MODEL, "thread": "picker"}
    tell(notebook, "picker", {"type": "default", "choice": choice})
    assert notebook.value("called") == [
        ["use", MODEL, "user"],
        ["thread", "lines"],
        ["use", CLAUDE, "user"],
        ["thread", "page"],
        ["use", MODEL, "user"],
        ["thread", "picker"],
    ]
    assert notebook.value("get_ipython().magics_manager.registry['CmdMagics'].model") == MODEL
    notebook.check("ModelCommands.use, ThreadCommands.thread = originals")
    notebook.check("%reload_ext cc_jupyter")


# ── the list of models


def test_refreshing_says_so_first_and_then_brings_the_list(notebook):
    opened(notebook)
    news = boards(tell(notebook, "picker", {"type": "refresh"}))
    assert [(each["busy"], each["said"]) for each in news] == [
        (True, "fetching the provider's list …"),
        (False, "the list is up to date"),
    ]
    assert "the provider's list of 20" in news[-1]["caption"]
    assert [record.method for record in notebook.provider.requests] == ["GET"]


def test_without_a_network_the_old_list_stays_and_says_how_old_it_is(notebook):
    opened(notebook)
    tell(notebook, "picker", {"type": "refresh"})
    before = rows_of(notebook)
    notebook.provider.play_models(error(503))
    last = boards(tell(notebook, "picker", {"type": "refresh"}))[-1]
    assert not last["busy"]
    assert "returned no list of models (503); the last known models are shown" in last["said"]
    assert "the provider's list of 20" in last["said"]
    assert rows_of(notebook) == before


def test_without_a_network_and_a_list_the_models_known_are_shown(notebook):
    notebook.check("import os; os.environ['CMD_BASE_URL'] = 'http://127.0.0.1:9'")
    opened(notebook)
    said = boards(tell(notebook, "picker", {"type": "ready"}))[-1]["said"]
    assert "the last known models are shown: no list of the provider yet" in said
    assert MODEL in {row["id"] for row in rows_of(notebook)}


@pytest.mark.parametrize("fetched_at_s", [0.0, 3.1e10])  # never, and by a clock that was wrong
def test_an_old_list_is_asked_for_once_when_the_widget_is_on_screen(notebook, fetched_at_s):
    opened(notebook)
    notebook.check(
        "import dataclasses\n"
        "models = picker._source._session.models\n"
        "root = next(iter(models._lists))\n"
        f"old = models._lists[root]._replace(fetched_at_s={fetched_at_s})\n"
        "models._lists[root] = old"
    )
    for _ in range(2):
        tell(notebook, "picker", {"type": "ready"})
    assert len(notebook.provider.requests) == 1


# ── favourites


def test_favourites_and_recent_models_are_kept_for_the_next_picker(notebook):
    opened(notebook)
    news = boards(tell(notebook, "picker", {"type": "favourite", "id": CLAUDE, "on": True}))
    assert news[-1]["marked"] == [CLAUDE]
    tell(notebook, "picker", {"type": "use", "choice": {"value": MODEL}})
    opened(notebook)
    board = notebook.value("picker._board")
    assert (board["marked"], board["recent"]) == ([CLAUDE], [MODEL])
    news = boards(tell(notebook, "picker", {"type": "favourite", "id": CLAUDE, "on": False}))
    assert news[-1]["marked"] == []


def test_a_broken_file_of_favourites_costs_no_choice(notebook):
    path = notebook.folder / "cc_jupyter" / "data" / "favourites.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("broken", encoding="utf-8")
    opened(notebook)
    said = boards(tell(notebook, "picker", {"type": "favourite", "id": CLAUDE, "on": True}))
    assert "favourites.json cannot be read" in said[-1]["said"]
    kept(tell(notebook, "picker", {"type": "use", "choice": {"value": CLAUDE}}))
    assert path.read_text(encoding="utf-8") == "broken"


# ── where there is no widget


def test_without_a_cell_that_could_show_it_there_is_the_table_and_the_command(notebook):
    run = notebook.check("%cmd pick haiku")
    (shown,) = run.outputs
    assert WIDGET not in shown.data
    assert "claude-haiku-5-5" in shown.text
    assert f"%cmd use MODEL selects a model (now: {MODEL})" in shown.text


def test_nothing_but_the_picker_loads_widgets(notebook):
    notebook.restart()
    loaded = "[m for m in ('anywidget', 'ipywidgets') if m in __import__('sys').modules]"
    notebook.check("%cmd models haiku")
    notebook.check("%cmd pick haiku")
    assert notebook.value(loaded) == []
    notebook.check("p = %cmd pick haiku", "cell-1")
    assert notebook.value(loaded) == ["anywidget", "ipywidgets"]


# ── the Python object


def made(notebook: Notebook, arguments: str = "") -> None:
    notebook.check(f"import cc_jupyter as cc; picker = cc.ModelPicker({arguments})")


def test_the_value_is_a_models_id_and_can_be_observed(notebook):
    made(notebook, "filter='cheap image'")
    assert notebook.value("picker.value") is None
    notebook.check("seen = []; picker.observe(lambda change: seen.append(change.new), 'value')")
    notebook.check(f"picker.value = {CLAUDE!r}")
    assert notebook.value("seen") == [CLAUDE]
    assert notebook.value("repr(picker)") == f"ModelPicker(value={CLAUDE!r})"


def test_an_alias_means_its_model(notebook):
    notebook.check(f"%cmd alias best {CLAUDE}")
    made(notebook, "value='best'")
    assert notebook.value("picker.value") == CLAUDE


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("value='claude-sonet-5'", "did you mean claude-sonnet-5"),
        (f"value={MODEL!r}, effort='hihg'", "did you mean high"),
        (f"value={CLAUDE!r}, temperature=1.5", "it goes from 0 to 1"),
        (f"value={CLAUDE!r}, max_tokens=10**9", "it goes from 1 to "),
        ("thread='two words'", "has no blanks"),
        ("filtr='cheap'", "has no 'filtr'; did you mean filter"),
    ],
)
def test_what_a_model_does_not_take_is_an_error_in_words(notebook, arguments, said):
    run = notebook.fail(f"import cc_jupyter as cc; cc.ModelPicker({arguments})", "TraitError")
    assert said in run.error_lines[-1]


def test_another_model_drops_what_it_does_not_take(notebook):
    made(notebook, f"value={MODEL!r}, temperature=1.5, effort='off', max_tokens=300_000")
    notebook.check(f"picker.value = {CLAUDE!r}")
    got = notebook.value("[picker.temperature, picker.effort, picker.max_tokens]")
    assert got == [1.0, None, 128_000]


def test_choosing_in_a_layout_of_ones_own_changes_nothing_else(notebook):
    made(notebook)
    notebook.check("import ipywidgets; box = ipywidgets.VBox([picker, ipywidgets.Label('x')]); box")
    notebook.check(f"picker.value = {CLAUDE!r}")
    tell(notebook, "picker", {"type": "use", "choice": {"value": CLAUDE}})
    notebook.check("%%cmd\nhello")
    assert notebook.body["model"] == MODEL


def test_closing_it_leaves_what_was_chosen(notebook):
    made(notebook)
    notebook.check("picker", "cell-1")
    notebook.check(f"picker.value = {CLAUDE!r}")
    run = notebook.check("picker.close()")
    (update,) = run.of_type("update_display_data")
    assert set(update["content"]["data"]) == {"text/plain", "text/html"}
    assert update["content"]["data"]["text/plain"].startswith(f"Model: {CLAUDE} (")
    (again,) = notebook.check("picker", "cell-2").outputs
    assert again.data == update["content"]["data"]


def test_the_state_sent_is_small(notebook):
    run = notebook.check("%cmd pick", "cell-1")
    (opening,) = run.of_type("comm_open")[-1:]
    state = opening["content"]["data"]["state"]
    sizes = {name: len(json.dumps(state[name])) for name in ("_esm", "_css")}
    assert sum(sizes.values()) < 40_000
    tables = [each for each in run.messages if is_update(each)]
    assert len([each for each in tables if "_table" in each["content"]["data"]["state"]]) == 1
    assert run.data_bytes < 120_000
