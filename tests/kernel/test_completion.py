"""Tab through a real kernel's `complete_request`, and in a terminal; the cursor is the `|`."""

from __future__ import annotations

import sys

import pexpect
import pytest
from support.kernel_notebook import CLAUDE, MODEL, Notebook
from support.private_environment import private_environment
from support.provider import KEY, answer
from support.provider import script as scripted

pytestmark = pytest.mark.kernel

LOAD = "%load_ext cc_jupyter"
UNLOAD = "%unload_ext cc_jupyter"
ESSAYS = 1_000
LISTED = 100


@pytest.fixture
def fresh_notebook(tmp_path):
    """Return a notebook with a kernel of its own, in which nothing was completed yet."""
    with Notebook(tmp_path) as opened:
        yield opened


class Completed:
    """What a front end gets for a Tab."""

    def __init__(self, code, reply):
        assert reply["status"] == "ok", reply
        self.matches = reply["matches"]
        self.start, self.end = reply["cursor_start"], reply["cursor_end"]
        self.replaced = code[self.start : self.end]
        typed = reply["metadata"].get("_jupyter_types_experimental", [])
        self.kinds = {each["text"]: each["type"] for each in typed}

    def __eq__(self, other):
        return (self.replaced, self.matches) == other

    __hash__ = None

    def __repr__(self):
        return repr((self.replaced, self.matches))


def tab(notebook, text):
    """Press Tab at the `|`."""
    code, cursor = text.replace("|", "", 1), text.index("|")
    client = notebook.kernel.client
    reply = client.complete(code, cursor, reply=True, timeout=30)["content"]
    return Completed(code, reply)


def show_models(notebook, models):
    """Let the provider list these, and the user see them."""
    notebook.provider.play_models(scripted.http(200, {"object": "list", "data": models}))
    notebook.check("%cmd models --refresh")


def inserted(notebook, text, choice=0):
    """Return the cell after one of the matches was chosen."""
    code, found = text.replace("|", "", 1), tab(notebook, text)
    return code[: found.start] + found.matches[choice] + code[found.end :]


# ── where


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%cmd us|", ("us", ["use", "usage"])),
        ("r = %cmd us|", ("us", ["use", "usage"])),
        ("x = 1\nfor i in []:\n    %cmd us|\nprint(x)", ("us", ["use", "usage"])),
        ("💥 = 1; é = 2\n%cmd us|", ("us", ["use", "usage"])),
        ("%cmd usage --by d|", ("d", ["day"])),
        ("%%cmd --mod|\nhello", ("--mod", ["--model"])),
        ("\n\n%%cmd --mod|\nhello", ("--mod", ["--model"])),
        ("%%cmd -s '💥 é' --mod|\nhello", ("--mod", ["--model"])),
        ("%%cmd --mod| --once\nhello", ("--mod", ["--model"])),
        ("%%cmd -f c|\nhello", ("c", ["code"])),
        ("%%cmd -m haiku-5|\nhello", ("haiku-5", ["claude-haiku-5-5"])),
        ("%%cmd -m=haiku-5|\nhello", ("haiku-5", ["claude-haiku-5-5"])),
        ("%%cmd --model HAIKU-5|\nhello", ("HAIKU-5", ["claude-haiku-5-5"])),
        ("%cmd ask --model haiku-5| why?", ("haiku-5", ["claude-haiku-5-5"])),
        ("%cmd use moonshotai/Kimi-K2.5|", ("moonshotai/Kimi-K2.5", ["moonshotai/Kimi-K2.5"])),
    ],
)
def test_a_tab_offers_what_fits_and_replaces_all_that_was_typed(notebook, text, expected):
    assert tab(notebook, text) == expected


def test_the_whole_id_stands_there_after_a_choice(notebook):
    assert inserted(notebook, "%%cmd -m haiku-5| --once\nhi") == (
        "%%cmd -m claude-haiku-5-5 --once\nhi"
    )
    assert inserted(notebook, "💥 = %cmd ask -m kimi-k2.5| why?") == (
        "💥 = %cmd ask -m moonshotai/Kimi-K2.5 why?"
    )


def test_a_menu_says_what_each_thing_is(notebook):
    notebook.check("from_me = 1")
    kinds = tab(notebook, "%cmd us|").kinds
    assert kinds["use"].startswith("select the model for this session")
    assert kinds["usage"].startswith("show tokens and costs by model")
    assert tab(notebook, "%%cmd --onc|").kinds == {
        "--once": "send without the conversation and do not add to it"
    }
    assert tab(notebook, "%cmd use haiku-5|").kinds == {"claude-haiku-5-5": "model"}
    assert tab(notebook, "%%cmd -i from_m|").kinds == {"from_me": "instance"}


def test_models_of_the_providers_list_are_offered_once_it_was_shown(fresh_notebook):
    notebook = fresh_notebook
    assert tab(notebook, "%cmd use listed-only|").matches == []
    show_models(notebook, [{"id": "maker/listed-only", "name": "Of the list"}])
    assert tab(notebook, "%cmd use listed-only|") == ("listed-only", ["maker/listed-only"])


def test_efforts_are_those_that_the_model_takes(notebook):
    in_force = tab(notebook, "%%cmd --effort |\nhi").matches
    of_claude = tab(notebook, f"%%cmd -m {CLAUDE} --effort |\nhi").matches
    assert in_force
    assert of_claude
    assert in_force != of_claude
    notebook.check(f"%cmd use {CLAUDE}")
    assert tab(notebook, "%%cmd --effort |\nhi").matches == of_claude


def test_an_alias_is_offered_and_stands_for_its_model(notebook):
    folder = notebook.folder / "cc_jupyter" / "config"
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.toml"
    config.write_text(f'[alias]\nquick = "{CLAUDE}"\n')
    try:
        assert tab(notebook, "%%cmd -m qui|\nhi") == ("qui", ["quick"])
        with_alias = tab(notebook, "%%cmd -m quick --effort |\nhi").matches
        assert with_alias == tab(notebook, f"%%cmd -m {CLAUDE} --effort |\nhi").matches
        config.write_text("this is = no toml")
        assert tab(notebook, "%%cmd -m qui|\nhi").matches == []
        assert tab(notebook, "%cmd use haiku-5|") == ("haiku-5", ["claude-haiku-5-5"])
    finally:
        config.unlink()


def test_threads_of_this_session_and_of_the_history_are_offered(notebook):
    notebook.check("%%cmd --thread essay-one\nhello")
    notebook.check("%cmd new essay-two")
    assert set(tab(notebook, "%cmd thread essay|").matches) == {"essay-one", "essay-two"}
    notebook.kernel.check("_afresh()")  # what is in memory is gone, what is on disk is not
    assert tab(notebook, "%cmd thread essay|") == ("essay", ["essay-one"])
    notebook.check("%%cmd --thread essay-three\nhello")
    assert tab(notebook, "%%cmd --thread ONE|\nhi") == ("ONE", ["essay-one"])
    assert tab(notebook, "%cmd thread three|") == ("three", ["essay-three"])


def test_the_completion_of_old_front_ends_is_the_same(notebook):
    """They ask IPython for a line alone."""
    asked = "get_ipython().complete('', '%cmd ask -m haiku-5', 19)"
    assert notebook.value(asked) == ["haiku-5", ["claude-haiku-5-5"]]


# ── expressions


def test_names_attributes_and_keys_are_offered_in_braces(notebook):
    notebook.check(
        "class Person:\n    colour = 1\n    column = 2\n"
        "person, alpha_beta = Person(), 1\nd = {'key one': 1, 'kind': 2}"
    )
    assert tab(notebook, "%%cmd\n💥 hello {{ alpha|") == ("alpha", ["alpha_beta"])
    assert [inserted(notebook, "%%cmd -m x\na\n\n{{ person.col| }}", at) for at in (0, 1)] == [
        "%%cmd -m x\na\n\n{{ person.colour }}",
        "%%cmd -m x\na\n\n{{ person.column }}",
    ]
    assert inserted(notebook, "r = %cmd ask {{ person.colo|") == "r = %cmd ask {{ person.colour"
    assert inserted(notebook, "%%cmd\n{{ str(person.colo|)") == "%%cmd\n{{ str(person.colour)"
    assert tab(notebook, '%%cmd\n{{ d["ke|"] }}') == ("ke", ["key one"])
    assert inserted(notebook, '%%cmd\n{{ d["ke|"] }}') == '%%cmd\n{{ d["key one"] }}'
    assert tab(notebook, '%%cmd -s "you are {{ alpha|\nhi') == ("alpha", ["alpha_beta"])
    assert tab(notebook, "%%cmd -> who: Per|\nhi") == ("Per", ["Person"])


def test_the_users_own_names_come_before_those_of_python(notebook):
    notebook.check("prior = 1")
    assert tab(notebook, "%%cmd\n{{ pri|").matches == ["prior", "print"]


def test_magics_are_not_offered_in_braces(notebook):
    assert "%timeit" in tab(notebook, "timei|").matches
    assert tab(notebook, "%%cmd\n{{ timei|").matches == []


def test_nothing_is_offered_in_prose(notebook):
    notebook.check("alpha_beta = 1")
    for text in (
        "%%cmd\nalpha|",
        "%%cmd\nprint|",
        "%%cmd\n{{ alpha_beta }} alpha|",
        "%%cmd --raw\n{{ alpha|",
        "%%cmd\n%cmd us|",
        "%%cmd\nimport o|",
        "%cmd ask alpha|",
        "%%cmd -t |\nhi",
    ):
        assert tab(notebook, text).matches == [], text


def test_completing_runs_no_code_of_the_user(notebook):
    notebook.check(
        "ran = []\n"
        "class Lazy:\n"
        "    @property\n    def value(self):\n        ran.append('value'); return self\n"
        "def call():\n    ran.append('call')\n"
        "lazy = Lazy()"
    )
    tab(notebook, "%%cmd\n{{ lazy.va|")
    tab(notebook, "%%cmd\n{{ call().x|")
    tab(notebook, "%%cmd -i call().x|\nhi")
    assert notebook.value("ran") == []


# ── what it leaves alone

OTHERS = (
    "pri|",
    "import sys\nsys.vers|",
    "%load_e|",
    "%%tim|",
    "d = {}\nd.ke|",
    "open('|",
    "%%time\npri|",
    "print('%cmd us|')",
)


def test_all_other_lines_are_completed_as_without_us(notebook):
    notebook.restart()  # IPython gives 500 names at most, and every cell has one
    with_us = [(tab(notebook, text).replaced, tab(notebook, text).matches) for text in OTHERS]
    notebook.check(UNLOAD)
    without = [(tab(notebook, text).replaced, tab(notebook, text).matches) for text in OTHERS]
    assert [(fragment, without_ours(found)) for fragment, found in with_us] == [
        (fragment, without_ours(found)) for fragment, found in without
    ]
    assert any(found for _, found in without)


def without_ours(matches):
    """Leave out the magics themselves and the cells, which IPython offers by their names."""
    return [each for each in matches if each.lstrip("%") != "cmd" and not each.startswith("_i")]


def test_unloading_takes_completion_back(notebook):
    count = "len(get_ipython().Completer.custom_matchers)"
    assert notebook.value(count) == 1
    notebook.check("import cc_jupyter; cc_jupyter.load_ipython_extension(get_ipython())")
    assert notebook.value(count) == 1
    notebook.check(UNLOAD)
    assert notebook.value(count) == 0
    assert "usage" not in tab(notebook, "%cmd us|").matches
    assert "print" in tab(notebook, "%%cmd\npri|").matches
    notebook.check(LOAD)
    assert tab(notebook, "%cmd us|") == ("us", ["use", "usage"])


def test_a_matcher_of_the_users_own_stays(notebook):
    notebook.check("def mine(text):\n    return ['mine']\n")
    notebook.check("get_ipython().Completer.custom_matchers.append(mine)")
    notebook.check(UNLOAD)
    assert notebook.value("[m.__name__ for m in get_ipython().Completer.custom_matchers]") == [
        "mine"
    ]
    notebook.check("get_ipython().Completer.custom_matchers.remove(mine)")


# ── what it costs

WATCH = """
import sys
_seen, _watching = [], [True]
def _watch(event, args):
    if _watching[0] and event.startswith(("socket.connect", "sqlite3.connect", "subprocess.")):
        _seen.append(event)
    elif _watching[0] and event == "open" and "cc_jupyter" in str(args[0]):
        _seen.append("open " + str(args[0]).rpartition("/")[2])
sys.addaudithook(_watch)
"""
MAKE = f"""
import datetime
from cc_jupyter.conversation.thread import Thread
from cc_jupyter.conversation.turns import TurnSlot, Turn
from cc_jupyter.session.session import shared_session
session = shared_session()
path = session.history.store.path
with session.history.store._file.writing() as connection:
    for number in range({ESSAYS}):
        values = (f"c{{number}}", f"essay-{{number}}", "n", "2026-11-27T12:00:00+00:00", None)
        connection.execute("INSERT INTO conversation VALUES (?, ?, ?, ?, ?)", values)
        connection.execute(
            "INSERT INTO place SELECT ?, 0, NULL, NULL, NULL, 0, 0, 0, id FROM turn LIMIT 1",
            (f"c{{number}}",),
        )
"""


def test_a_hundred_models_and_a_thousand_threads_are_read_once(fresh_notebook):
    notebook = fresh_notebook
    ids = [f"maker-{at % 7}/listed-{at}" for at in range(LISTED)]
    show_models(notebook, [{"id": each, "name": f"Of {each}"} for each in ids])
    notebook.check("%%cmd --thread first\nhello")
    notebook.check(MAKE)
    tab(notebook, "%cmd use listed|")  # loads what is needed, as the first Tab does
    notebook.forget()
    notebook.check(WATCH)
    assert len(tab(notebook, "%cmd thread essay|").matches) == 500  # IPython shows no more
    assert len(tab(notebook, "%cmd use listed|").matches) == LISTED
    assert tab(notebook, "%cmd thread essay-77|").matches[0] == "essay-77"
    assert len(tab(notebook, "%%cmd -m listed-9|\nhi").matches) == 11
    seen = notebook.value("[_watching.clear(), _watching.append(False), _seen][2]")
    assert seen.count("sqlite3.connect") == 1
    assert [each for each in seen if each.startswith(("socket", "subprocess"))] == []
    assert [each for each in seen if "models-" in each] == []
    assert notebook.provider.requests == []


def test_completing_sends_nothing_and_loads_neither_network_nor_widgets(fresh_notebook):
    notebook = fresh_notebook
    notebook.check("import sys\nalpha_beta = 1")
    for text in (
        "%cmd |",
        "%cmd use flash|",
        "%%cmd --effort |\nhi",
        "%%cmd -m |\nhi",
        "%%cmd\n{{ alpha|",
        "%%cmd -i |\nhi",
    ):
        assert tab(notebook, text).matches, text
    assert tab(notebook, "%cmd thread |").matches == ["--from"]
    loaded = notebook.value("sorted(sys.modules)")
    heavy = {"httpx", "httpx_sse", "httpcore", "ipywidgets", "anywidget"}
    assert not (heavy | {"cc_jupyter.session.session"}) & set(loaded)
    assert notebook.provider.requests == []
    assert not list(notebook.folder.glob("cc_jupyter/**/*.db"))


def test_a_tab_elsewhere_loads_nothing_of_ours(fresh_notebook):
    fresh_notebook.check("import sys")
    assert tab(fresh_notebook, "sys.vers|").matches
    assert tab(fresh_notebook, "x = 1\npri|").matches
    assert fresh_notebook.value("'cc_jupyter.magics.completion' in sys.modules") is False
    assert tab(fresh_notebook, "%cmd us|").matches
    assert fresh_notebook.value("'cc_jupyter.magics.completion' in sys.modules") is True


COUNT_JEDI = """
from IPython.core.completer import IPCompleter
_asked, _matches = [], IPCompleter._jedi_matches
IPCompleter._jedi_matches = lambda *args, **more: _asked.append(1) or _matches(*args, **more)
alpha_beta = 1
"""


def test_jedi_is_not_asked_on_our_lines(fresh_notebook):
    fresh_notebook.check(COUNT_JEDI)
    tab(fresh_notebook, "%cmd use flash|")
    tab(fresh_notebook, "%%cmd\nprose|")
    tab(fresh_notebook, "%%cmd\n{{ alpha|")
    assert fresh_notebook.value("len(_asked)") == 0
    tab(fresh_notebook, "alpha|")
    assert fresh_notebook.value("len(_asked)") == 1


def test_a_locked_history_offers_the_threads_of_this_session_at_once(notebook):
    notebook.check("%%cmd --thread essay-one\nhello")
    notebook.check(
        "import sqlite3\n"
        "from cc_jupyter.session.session import shared_session\n"
        "path = shared_session().history.store.path\n"
        "shared_session().history.close()\n"
        "lock = sqlite3.connect(path, isolation_level=None)\n"
        "_ = lock.execute('PRAGMA locking_mode = EXCLUSIVE')\n"
        "_ = lock.execute('BEGIN EXCLUSIVE')"
    )
    try:
        found = tab(notebook, "%cmd thread essay|")
        assert (found.matches, notebook.kernel.log.count("Traceback")) == (["essay-one"], 0)
    finally:
        notebook.check("lock.close()")


# ── in a terminal


@pytest.fixture
def terminal(tmp_path, provider):
    """Return an IPython that draws as one types, with the extension loaded."""
    environment = private_environment(tmp_path) | {
        "CMD_BASE_URL": provider.base_url,
        "CMD_API_KEY": KEY,
        "CMD_MODEL": MODEL,
        "TERM": "xterm-256color",
        "PROMPT_TOOLKIT_NO_CPR": "1",
    }
    child = pexpect.spawn(
        sys.executable,
        ["-m", "IPython", "--no-banner", "--colors=NoColor", "--no-confirm-exit"],
        env=environment,
        cwd=str(tmp_path),
        encoding="utf-8",
        timeout=30,
        dimensions=(50, 120),
    )
    child.expect(r"In \[1\]:")
    child.send("%load_ext cc_jupyter\r")
    child.expect(r"In \[2\]:")
    yield child
    child.close(force=True)


def test_in_a_terminal_a_tab_finds_a_model_by_a_part_and_writes_its_whole_id(terminal, provider):
    terminal.send("%cmd use haiku-5\t")
    terminal.expect_exact("%cmd use claude-haiku-5-5")
    terminal.send("\r\r")  # the first one closes the menu
    terminal.expect(r"In \[3\]:")
    assert provider.requests == []
    provider.play(answer("The answer."))
    terminal.send("%cmd ask -m haiku-5\t")
    terminal.expect_exact("-m claude-haiku-5-5")
    terminal.send(" why?\r")
    terminal.expect("The answer.")
    assert [each.json["model"] for each in provider.posts] == ["claude-haiku-5-5"]


def test_in_a_terminal_the_menu_shows_all_that_fits_and_what_it_is(terminal, provider):
    terminal.send("%cmd use kimi-k2\t")
    terminal.expect_exact("moonshotai/Kimi-K2.5")
    terminal.expect_exact("moonshotai/Kimi-K2.6")
    terminal.send("\t")  # takes the first one
    terminal.expect_exact("moonshotai/Kimi-K2.5")
    terminal.expect_exact(" model ")
    terminal.send("\r\r")
    terminal.expect(r"In \[3\]:")
    terminal.send("%config CmdMagics.model\r")
    terminal.expect_exact("'moonshotai/Kimi-K2.5'")
    assert provider.requests == []


def test_in_a_terminal_the_body_of_a_cell_is_completed_in_braces(terminal, provider):
    provider.play(answer("The answer."))
    terminal.send("alpha_beta = 7\r")
    terminal.expect(r"In \[3\]:")
    terminal.send("%%cmd\r")
    terminal.expect(r"\.\.\.:")
    terminal.send("hello {{ alpha\t")
    terminal.expect_exact("_beta")  # it draws what is new
    terminal.send(" }}\r\r\r")
    terminal.expect_exact("The answer.")
    assert provider.posts[0].json["messages"][-1]["content"].strip() == "hello 7"
