"""What a page shows at the edge of a grid cell, its combinations in the panel, and the sums."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest

from cc_jupyter.conversation.records import TurnRecord
from cc_jupyter.conversation.turns import Turn
from cc_jupyter.core.errors import CcError, OptionError
from cc_jupyter.core.events import Usage
from cc_jupyter.core.messages import Parameters
from cc_jupyter.core.money import Cost
from cc_jupyter.core.paths import config_folder
from cc_jupyter.frontend.conversations import combinations
from cc_jupyter.frontend.grid_estimate import CellPlace, estimate_grid
from cc_jupyter.frontend.state import StateReader
from cc_jupyter.session.session import Session

MODEL = "deepseek/deepseek-v4-flash"
CLAUDE = "claude-haiku-5-5"
CELL = CellPlace("n.ipynb", "c1")


@pytest.fixture
def session(monkeypatch):
    monkeypatch.setenv("CMD_API_KEY", "user_key_that_is_never_sent")
    monkeypatch.setenv("CMD_MODEL", MODEL)
    opened = Session()
    yield opened
    opened.transport.close()
    opened.history.close()


def usd(shown):
    return Decimal(shown.removeprefix("~$"))


@pytest.mark.parametrize(
    ("line", "requests"),
    [
        ("-n 3", 3),
        (f"-m {MODEL},{CLAUDE}", 2),
        (f"-m {MODEL},{CLAUDE},deepseek/deepseek-v4-pro -t 0,1 -n 3 -> g", 18),
        ("-t 0,1 --vary topic=names_that_nobody_has", 2),
        ("-s one -s 'two, too' --max-tokens 1000,2000", 4),
        ("-n 2 -i no_such_file.png -> g: NoSuchType", 2),
        ("-n 2 --thread half-ty", 2),
        ("-n 2 --once", 2),
    ],
)
def test_all_that_would_be_sent_is_counted_and_nothing_is_evaluated(session, line, requests):
    found = estimate_grid(session, CELL, line, "Explain {{ 1 / 0 }} and {{ topic }}.")
    assert found["requests"] == requests
    assert usd(found["cost"]) > 0
    assert found["needs"] == ""
    assert session.conversations.names in ((), ("default",))  # no thread was opened
    assert session.history.records() == []


def test_more_answers_and_longer_prompts_cost_more(session):
    def cost(line, text="hello"):
        return usd(estimate_grid(session, CELL, line, text)["cost"])

    two, four = cost("-n 2 --max-tokens 50000"), cost("-n 4 --max-tokens 50000")
    assert four == pytest.approx(
        2 * two, rel=Decimal("0.01")
    )  # shown rounded, at peak rates or others
    assert cost("-n 2", "many words " * 5_000) > cost("-n 2")


def test_what_would_be_refused_says_what_it_needs(session):
    line = f"-m {CLAUDE} -n 1000"
    text = "word " * 60_000
    needs = estimate_grid(session, CELL, line, text)["needs"]
    assert needs.startswith("add --max-usd ")
    assert estimate_grid(session, CELL, f"{line} {needs[4:]}", text)["needs"] == ""
    # how many requests that would be is not known
    assert estimate_grid(session, CELL, f"{line} --vary t=ts", text)["needs"] == ""


def test_an_unknown_price_is_left_out_and_said(session):
    config = config_folder() / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text('[models."made/up"]\ncontext = 1000\n', encoding="utf-8")
    found = estimate_grid(session, CELL, f"-m made/up,{MODEL}", "hello")
    assert found["cost"].endswith(" + ?")
    assert estimate_grid(session, CELL, "-m made/up -n 2", "hello")["cost"] == ""
    assert estimate_grid(session, CELL, "-m made/up -n 51", "hello")["needs"] == (
        "add --max-requests 51"
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "no grid"),
        ("-m a,,b", "missing"),
        ("-n 0", "-n"),
        (f"-m {MODEL},deepseek-v4-fl", "in no list"),
        ("-n 10001", "10,000|10001"),
    ],
)
def test_a_line_that_cannot_run_has_no_estimate(session, line, said):
    with pytest.raises(CcError, match=said):
        estimate_grid(session, CELL, line, "hello")


def test_without_a_key_there_is_no_estimate(session, monkeypatch):
    monkeypatch.delenv("CMD_API_KEY")
    with pytest.raises(CcError):
        estimate_grid(session, CELL, "-n 2", "hello")


def test_the_versions_of_a_grid_are_grouped_by_what_was_asked():
    def turn(model, degrees, prompt="Explain rain.", group="g2"):
        parameters = Parameters(temperature=degrees)
        return Turn(prompt, "an answer", model=model, options=parameters, group=group)

    versions = [
        turn("a", 0.0, group="g1"),
        *(turn("a", 0.0), turn("a", 0.0), turn("a", 1.0)),
        *(turn("b", 0.0), turn("b", 0.0), turn("b", 1.0)),
    ]
    assert combinations(versions, "g2") == [
        {"model": "a", "differs": "t 0", "versions": [2, 3]},
        {"model": "a", "differs": "t 1", "versions": [4]},
        {"model": "b", "differs": "t 0", "versions": [5, 6]},
        {"model": "b", "differs": "t 1", "versions": [7]},
    ]
    assert combinations(versions, None) == []


def test_prompts_that_differ_show_where_and_hold_no_key():
    key = "user_" + "a1b2" * 8
    start = "Explain to a child of ten, in two sentences, without a list and without jargon, "
    versions = [
        Turn(f"{start}what {topic} is.", "x", model="a", group="g")
        for topic in ("rain", f"snow {key}")
    ]
    shown = [each["differs"] for each in combinations(versions, "g")]
    assert "rain" in shown[0]
    assert "snow" in shown[1]
    assert key not in shown[1]


class RunningGrid:
    """A store in which the answers of a grid are saved right after the first question."""

    def __init__(self, session):
        self.session = session
        self.store = session.history.store
        self.asked = 0

    def __getattr__(self, name):
        return getattr(self.store, name)

    def spent(self, **period):
        self.asked += 1
        found = self.store.spent(**period)
        for _ in range(18 if self.asked == 1 else 0):
            record = TurnRecord(
                id=f"{len(self.session.history.records()):032x}",
                prompt="hello",
                model=MODEL,
                endpoint="/chat/completions",
                sent_at=datetime.now(UTC),
                notebook=CELL.notebook,
                usage=Usage(10, 5),
                cost=Cost(Decimal("0.001"), "reported", None),
            )
            self.session.history.save(record, None, on_disk=True)
        return found


def test_answers_that_are_saved_while_the_sums_are_read_stay_in_them(session, monkeypatch):
    store = RunningGrid(session)
    monkeypatch.setattr(type(session.history), "store", store)
    state = StateReader(session, SimpleNamespace(notebook=CELL.notebook), {}, lambda: True)
    state.sums(session.settings())
    assert store.asked > 0
    whole, scope = state.sums(session.settings())
    assert (scope, whole.requests, whole.input_tokens) == ("notebook", 18, 180)


def test_a_cell_that_is_no_grid_says_so(session):
    with pytest.raises(OptionError, match="no grid"):
        estimate_grid(session, CELL, "-t 0.5", "hello")
