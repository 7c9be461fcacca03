"""Loading and unloading: light, silent, and taken back without a trace."""

from __future__ import annotations

import compileall
import json
from pathlib import Path

import pytest
from support.kernel_harness import Kernel
from support.kernel_notebook import MODEL, WIRES, Notebook
from support.private_environment import private_environment
from support.provider import ToolCall, answer

import cc_jupyter

pytestmark = pytest.mark.kernel

LOAD = "%load_ext cc_jupyter"
UNLOAD = "%unload_ext cc_jupyter"

WATCH = """
import sys, threading, json
def _watch(event, args):
    if event.startswith(("socket.", "subprocess.", "os.system", "urllib.")):
        _seen.append([event, repr(args)[:200]])
    elif event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        _seen.append([event, repr(args)[:200]])
    elif event in ("os.mkdir", "os.rename", "os.remove", "_thread.start_new_thread"):
        _seen.append([event, repr(args)[:200]])
_seen = []
_before = set(sys.modules)
_threads = threading.active_count()
_watching = [True]
sys.addaudithook(lambda event, args: _watch(event, args) if _watching[0] else None)
"""
REPORT = """
_watching[0] = False
import os
_main = [s for s in _seen if "hist" not in s[1]]
print(json.dumps([
    sorted(set(sys.modules) - _before), threading.active_count() - _threads, _main]))
"""


@pytest.fixture(scope="module")
def fresh_kernel(tmp_path_factory):
    """Return a kernel in which nothing was loaded yet; the first test to use it loads."""
    compileall.compile_dir(Path(cc_jupyter.__file__).parent, quiet=1)  # as an installation does
    folder = tmp_path_factory.mktemp("fresh")
    with Kernel(base=private_environment(folder), cwd=folder) as kernel:
        kernel.check("import json")
        yield kernel


def test_loading_is_silent_and_light(fresh_kernel):
    fresh_kernel.check(WATCH)
    run = fresh_kernel.check(LOAD)
    modules, threads, seen = json.loads(fresh_kernel.check(REPORT).streams)
    assert run.shown == []
    assert len(modules) < 40, modules
    assert len([name for name in modules if name.startswith("cc_jupyter")]) <= 12, modules
    heavy = {
        "httpx",
        "httpx_sse",
        "httpcore",
        "h11",
        "ipywidgets",
        "anyio",
        "rich",
        "pandas",
        "polars",
        "dask",
        "tomllib",
        "markdown_it",
    }
    assert not heavy & set(modules)
    assert {name for name in modules if not name.startswith(("cc_jupyter", "IPython."))} == set()
    assert threads == 0
    assert seen == []


def test_the_parser_of_markdown_is_imported_once_the_request_is_on_the_wire(tmp_path):
    with Notebook(tmp_path) as notebook:
        notebook.check(
            "import sys\n"
            "from cc_jupyter.core.events import Waiting\n"
            "from cc_jupyter.render.notebook import NotebookRenderer, Screen\n"
            "_renderer = NotebookRenderer(Screen(get_ipython()), label='m')\n"
            "_renderer.show(Waiting('connecting', 0.01))\n"
            "_seen = ['markdown_it' in sys.modules]\n"
            "_renderer.show(Waiting('first text', 0.02))\n"
            "_seen.append('markdown_it' in sys.modules)"
        )
        assert notebook.value("_seen") == [False, True]


AT_THE_WIRE = """
import sys
_loaded_at_connect = []
def _at_connect(event, args):
    if event == "socket.connect" and not _loaded_at_connect:
        ours = [vars(module) for name, module in list(sys.modules.items())
                if name.startswith("cc_jupyter.")]
        kinds = {kind for each in ours for kind in each.values() if isinstance(kind, type)}
        compiled = [kind for kind in kinds if "__dataclass_params__" in vars(kind)]
        _loaded_at_connect.append((sorted(sys.modules), len(compiled)))
sys.addaudithook(_at_connect)
"""
AFTER_THE_REQUEST = {
    *("client.answer_parts", "client.anthropic", "client.decoder", "client.errors.endings"),
    *("client.errors.error_body", "client.errors.provider_errors", "client.event_redaction"),
    *("client.local.server", "client.openai", "client.parsing", "client.reasoning_marks"),
    *("client.token_counts",),
    *("client.errors.retry_after", "commands", "conversation.records", "conversation.store"),
    *("core.display", "core.fences", "core.money", "core.reply", "frontend.handlers"),
    *("frontend.state", "models.pricing", "prompt.failed_cell", "prompt.formatters"),
    *("prompt.images", "prompt.json_schema", "prompt.output_types", "prompt.template"),
    *("prompt.tracebacks", "prompt.type_parser", "prompt.values", "render.markdown"),
    *("render.notebook", "render.plain", "render.usage_line", "session.budget_watcher"),
    *("session.dry_run", "session.status"),
}
"""What a first prompt needs only once it is sent, or not at all."""


def test_the_first_cell_sends_before_it_loads_what_the_answer_needs(tmp_path):
    with Notebook(tmp_path) as notebook:
        notebook.check(AT_THE_WIRE)
        notebook.check("%%cmd\nhello")
        ((modules, dataclasses),) = notebook.value("_loaded_at_connect")
        assert notebook.value("'cc_jupyter.render.notebook' in sys.modules") is True
        assert notebook.value("{'ipywidgets', 'anywidget'} & set(sys.modules) == set()") is True
    ours = {name.removeprefix("cc_jupyter.") for name in modules if name.startswith("cc_jupyter.")}
    assert "client.transport" in ours
    assert ours & AFTER_THE_REQUEST == set()
    assert len(ours) <= 75, sorted(ours)
    assert dataclasses <= 4
    unwanted = {"difflib", "markdown_it", "pydantic", "statistics", "tomllib"}
    if "parso" in modules:  # IPython 8 loads it, and it loads difflib
        unwanted.remove("difflib")
    assert unwanted & set(modules) == set()


OF_TOOLS = (
    *("cc_jupyter.tools", "cc_jupyter.session.tool_turns", "cc_jupyter.client.tool_rounds"),
    *(
        "cc_jupyter.core.steps",
        "cc_jupyter.conversation.store.steps",
        "cc_jupyter.magics.cell_tools",
    ),
    *("cc_jupyter.commands.trace", "pydantic", "pydantic_core"),
)
"""What only tools need, with all that is in it."""
COUNT_CALLS = f"""
import sys, threading
OF_TOOLS = {OF_TOOLS!r}

def belongs(module):
    return any(module == each or module.startswith(each + ".") for each in OF_TOOLS)

def count(frame, event, argument):
    module = frame.f_globals.get("__name__", "")
    if event == "call" and module.startswith(("cc_jupyter.", "pydantic")):
        calls.append((module, frame.f_code.co_name))

calls = []
threading.setprofile(count)
sys.setprofile(count)
"""
STOP_COUNTING = """
sys.setprofile(None)
threading.setprofile(None)
counted, ours = len(calls), [each for each in calls if belongs(each[0])]
"""


def test_a_cell_without_tools_loads_and_calls_nothing_of_tools(tmp_path):
    with Notebook(tmp_path) as notebook:
        notebook.check(COUNT_CALLS)
        for model in WIRES.values():  # the first cell, and one that is warm
            notebook.check(f"%%cmd -m {model}\nhello")
            notebook.check(f"%%cmd -m {model}\nand now?")
        notebook.check(STOP_COUNTING)
        assert notebook.value("counted > 1_000") is True
        assert notebook.value("ours") == []
        assert notebook.value("[each for each in sys.modules if belongs(each)]") == []

        notebook.check("def lookup(city: str) -> str:\n    return city")
        for model in WIRES.values():
            notebook.provider.play(answer("", calls=[ToolCall("lookup", {"city": "Rome"})]))
            notebook.provider.play(answer("Done."))
            tools = "--tools lookup --allow lookup --thread tools"
            notebook.check(f"{COUNT_CALLS}\n%cmd ask -m {model} {tools} Who?")
            notebook.check(STOP_COUNTING)
            assert notebook.value("len(ours) > 10") is True  # the counting works
            notebook.check(COUNT_CALLS)
            notebook.check(f"%%cmd -m {model} --thread plain\nhello")
            notebook.check(STOP_COUNTING)
            assert notebook.value("counted > 100") is True
            assert notebook.value("ours") == []


def test_loading_makes_no_file(tmp_path):
    environment = private_environment(tmp_path)
    (tmp_path / "work").mkdir()
    with Kernel(base=environment, cwd=tmp_path / "work") as kernel:
        before = _files(tmp_path)
        kernel.check(LOAD)
        kernel.check(UNLOAD)
        made = _files(tmp_path) - before
    assert {
        path for path in made if "ipython" not in path.parts and "runtime" not in path.parts
    } == (set())


def _files(folder):
    return set(folder.rglob("*"))


STATE = """
_OURS = {"_OURS", "_state", "_bare", "_loaded"}
def _state():
    ip = get_ipython()
    itm = ip.input_transformer_manager
    import signal, sys
    return repr([
        sorted(ip.magics_manager.magics["line"]), sorted(ip.magics_manager.magics["cell"]),
        sorted(ip.magics_manager.registry),
        [type(c).__name__ for c in ip.configurables],
        itm.cleanup_transforms, itm.line_transforms, itm.token_transformers,
        {k: v for k, v in ip.events.callbacks.items()},
        sorted(n for n in ip.user_ns if n.strip("_i0123456789") and n not in _OURS),
        sorted(ip.Completer.custom_completers.__dict__) if ip.Completer.custom_completers else None,
        ip.custom_exceptions, sys.excepthook, sys.displayhook, signal.getsignal(signal.SIGINT),
        sorted(ip.kernel.comm_manager.targets) if hasattr(ip.kernel, "comm_manager") else None,
        type(ip).run_cell_magic, type(ip).showtraceback, ip.run_line_magic.__func__,
        [str(finder) for finder in sys.meta_path],
    ])
"""


def test_unloading_takes_back_all_that_loading_added(notebook):
    notebook.check(UNLOAD)
    notebook.check(STATE)
    notebook.check("_bare = _state()")
    notebook.check(LOAD)
    notebook.check("_loaded = _state()")
    notebook.check("%%cmd -> asked_for\nhello")
    notebook.check("r = %cmd ask why?")
    notebook.check(UNLOAD)
    assert notebook.value("_loaded == _bare") is False
    assert notebook.value("sorted(set(globals()) & {'_cmd', 'asked_for', 'r'})") == [
        *("_cmd", "asked_for", "r"),
    ]
    notebook.check("del _cmd, asked_for, r")
    bare, after = notebook.value("[_bare, _state()]")
    assert after == bare
    run = notebook.run("%%cmd\nhello")
    assert "Cell magic `%%cmd` not found" in run.streams + run.error


ACCESSORS = "[hasattr(each, 'cmd') for each in (pl.DataFrame, pl.Series, pd.DataFrame, pd.Series)]"


def test_frames_have_the_accessor_until_the_extension_is_unloaded(notebook):
    notebook.check("import polars as pl")
    notebook.check("%reload_ext cc_jupyter")
    notebook.check("import pandas as pd")
    assert notebook.value(ACCESSORS) == [True] * 4
    notebook.check("%reload_ext cc_jupyter\n%reload_ext cc_jupyter")
    notebook.check("import sys")
    assert notebook.value("sum('cc_jupyter' in type(f).__module__ for f in sys.meta_path)") == 1
    notebook.check(UNLOAD)
    assert notebook.value(ACCESSORS) == [False] * 4


def test_no_patching_of_ipython_and_its_classes(notebook):
    notebook.check(UNLOAD)
    notebook.check(
        "import IPython, IPython.core.interactiveshell as s, IPython.core.ultratb as u\n"
        "def _classes():\n"
        "    kinds = [type(get_ipython()), s.InteractiveShell, u.VerboseTB, u.FormattedTB,\n"
        "             type(get_ipython().display_pub), type(get_ipython().displayhook)]\n"
        "    return [{k: id(v) for k, v in vars(c).items()} for c in kinds]\n"
        "_bare = _classes()"
    )
    notebook.check(LOAD)
    notebook.check("%%cmd\nhello")
    notebook.fail("%%cmd -x\nhello", "OptionError")
    assert notebook.value("_classes() == _bare") is True
    assert notebook.value("get_ipython().custom_exceptions") == []


def test_the_user_sees_errors_of_their_own_code_as_before(notebook):
    notebook.check("%%cmd\nhello")
    run = notebook.fail("1 / 0", "ZeroDivisionError")
    assert "Traceback" in run.error


def test_loading_twice_says_so_and_changes_nothing(notebook):
    run = notebook.check(LOAD)
    assert "already loaded" in run.streams
    notebook.check("r = %cmd ask why?")
    assert len(notebook.posts) == 1
    count = "sum(type(c).__name__ == 'CmdMagics' for c in get_ipython().configurables)"
    assert notebook.value(count) == 1


def test_calling_the_loader_twice_changes_nothing(notebook):
    notebook.check("import cc_jupyter; cc_jupyter.load_ipython_extension(get_ipython())")
    count = "sum(type(c).__name__ == 'CmdMagics' for c in get_ipython().configurables)"
    assert notebook.value(count) == 1
    notebook.check("cc_jupyter.unload_ipython_extension(get_ipython())")
    assert notebook.value(count) == 0
    notebook.check("cc_jupyter.unload_ipython_extension(get_ipython())")
    notebook.check("cc_jupyter.load_ipython_extension(get_ipython())")
    assert notebook.value(count) == 1


def test_reloading_works(notebook):
    notebook.check("%reload_ext cc_jupyter")
    notebook.provider.play(answer("fine"))
    assert notebook.check("%%cmd\nhello").texts[0] == "fine"
    notebook.provider.play(answer("fine"))
    assert notebook.check("%cmd ask why?").texts[0] == "fine"
    assert notebook.prompt == "why?"


def write_profile(folder, config):
    profile = folder / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_config.py").write_text(config)


@pytest.mark.parametrize("used_before", [True, False])
def test_a_name_of_ipython_itself_comes_back(tmp_path, used_before):
    """On Windows IPython has a `%%cmd` of its own; here its profile makes one."""
    write_profile(tmp_path, "c.ScriptMagics.script_magics = ['cmd', 'bash']\n")
    with Notebook(tmp_path, loaded=False) as notebook:
        script = "'ScriptMagics' in repr(get_ipython().find_cell_magic('cmd'))"
        if used_before:
            assert notebook.value(script) is True
        notebook.check(LOAD)
        notebook.check("%%cmd\nhello")
        assert notebook.prompt == "hello"
        notebook.run("%%bash\ntrue")  # now IPython makes all its magics of this kind
        notebook.check(UNLOAD)
        assert notebook.value(script) is True


# ── settings of the session


def test_config_and_use_the_later_wins(notebook):
    notebook.check(f"%config CmdMagics.model = {MODEL!r}")
    notebook.check("%%cmd\nhello")
    assert notebook.body["model"] == MODEL
    notebook.check("%cmd use claude-sonnet-5")
    notebook.check("%%cmd\nhello")
    assert notebook.body["model"] == "claude-sonnet-5"
    notebook.check(f"%config CmdMagics.model = {MODEL!r}")
    notebook.check("%%cmd\nhello")
    assert notebook.body["model"] == MODEL


def test_config_says_what_use_has_chosen(notebook):
    notebook.check("%cmd use claude-sonnet-5")
    run = notebook.check("%config CmdMagics.model")
    assert "claude-sonnet-5" in "".join(each.text for each in run.shown)


def test_an_option_on_the_line_comes_before_the_session(notebook):
    notebook.check("%cmd use claude-sonnet-5")
    notebook.check("%config CmdMagics.temperature = 0.1")
    notebook.check(f"%%cmd -m {MODEL} -t 0.9\nhello")
    assert (notebook.body["model"], notebook.body["temperature"]) == (MODEL, 0.9)
    notebook.check("%%cmd\nhello")
    assert (notebook.body["model"], notebook.body["temperature"]) == ("claude-sonnet-5", 0.1)


def test_the_session_comes_before_the_environment(notebook):
    notebook.check("%config CmdMagics.model = 'claude-sonnet-5'")
    notebook.check("%%cmd\nhello")
    assert notebook.body["model"] == "claude-sonnet-5"  # and not CMD_MODEL


def test_what_is_configured_holds_for_python_calls_too(notebook):
    notebook.check("%config CmdMagics.model = 'claude-sonnet-5'\nimport cc_jupyter as cc")
    notebook.check("reply = cc.ask('hello')")
    assert notebook.body["model"] == "claude-sonnet-5"


def test_an_unknown_trait_gets_the_warning_of_ipython(notebook):
    run = notebook.check("%config CmdMagics.modle = 'x'")
    assert "modle" in run.streams
    assert "Did you mean" in run.streams
    notebook.check("%%cmd\nhello")
    assert notebook.body["model"] == MODEL


def test_an_ill_typed_trait_is_an_error_of_ipython_and_the_next_cell_works(notebook):
    run = notebook.run("%config CmdMagics.max_retries = 'many'")
    assert "max_retries" in run.streams + run.error
    notebook.check("%%cmd\nhello")


def test_what_a_trait_accepts_but_nobody_can_use_fails_at_the_next_cell(notebook):
    notebook.check("%config CmdMagics.temperature = 99.0")
    run = notebook.fail("%%cmd\nhello", "ConfigError")
    assert "temperature = 99.0" in run.error_lines[0]
    assert len(run.error_lines) == 2
    assert not notebook.posts


def test_the_profile_comes_last(tmp_path):
    profile = tmp_path / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    config = (
        "c = get_config()\nc.CmdMagics.model = 'claude-sonnet-5'\nc.CmdMagics.max_tokens = 77\n"
    )
    (profile / "ipython_config.py").write_text(config)
    with Notebook(tmp_path, {"CMD_MODEL": ""}) as notebook:
        notebook.check("%%cmd\nhello")
        assert (notebook.body["model"], notebook.body["max_tokens"]) == ("claude-sonnet-5", 77)
        notebook.check(f"import os; os.environ['CMD_MODEL'] = {MODEL!r}")
        notebook.check("%%cmd\nhello")
        assert (notebook.body["model"], notebook.body["max_tokens"]) == (MODEL, 77)
        notebook.check("%cmd use claude-sonnet-5")
        notebook.check("%%cmd\nhello")
        assert notebook.body["model"] == "claude-sonnet-5"
