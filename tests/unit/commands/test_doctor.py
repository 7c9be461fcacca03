"""The doctor: each line says ok or what to do, nothing crashes it, and no secret is in it."""

from __future__ import annotations

import email.utils
import getpass
import json
import os
import subprocess
import sys
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from support import provider as scripted
from support.provider import KEY, MODELS

from cc_jupyter import __version__
from cc_jupyter.cli import main
from cc_jupyter.client.transport import Transport
from cc_jupyter.commands.doctor import Report, environment, examine
from cc_jupyter.commands.login import LoginCommands
from cc_jupyter.config import base_url
from cc_jupyter.config.credentials import Key, save_in_file
from cc_jupyter.config.settings import load_settings
from cc_jupyter.core.errors import ConfigError
from cc_jupyter.core.messages import PromptSpec
from cc_jupyter.core.paths import cache_folder, config_folder, data_folder
from cc_jupyter.models.listing import fetch_models
from cc_jupyter.render.base import NullRenderer
from cc_jupyter.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = datetime(2027, 1, 2, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[3]
NOWHERE = "http://127.0.0.1:1"
POSIX = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")


@pytest.fixture
def transport() -> Iterator[Transport]:
    opened = Transport()
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def on_loopback(monkeypatch, provider, tmp_path):
    """Let every test begin where all is well."""
    for name in ("VSCODE_PID", "COLAB_RELEASE_TAG", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CMD_BASE_URL", provider.base_url)
    monkeypatch.setenv("CMD_API_KEY", KEY)
    monkeypatch.setenv("CMD_MODEL", "deepseek/deepseek-v4-flash")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    for name in ("ENV_JUPYTER_PATH", "SYSTEM_JUPYTER_PATH"):  # the extension may be installed there
        monkeypatch.setattr(f"jupyter_core.paths.{name}", [])


def report(transport: Transport, *, in_kernel: bool | None = True) -> Report:
    return examine(load_settings, in_kernel=in_kernel, transport=transport, now=lambda: NOON)


def lines(transport: Transport, **given: Any) -> dict[str, dict[str, str]]:
    return {row["check"]: row for row in report(transport, **given)}


def line(transport: Transport, check: str, **given: Any) -> tuple[str, str, str]:
    row = lines(transport, **given)[check]
    return row["state"], row["found"], row["what to do"]


def models_at(when: str | None) -> list[Any]:
    headers = {} if when is None else {"date": when}
    return [scripted.http(200, {"data": list(MODELS)}, headers)]


# ── as a whole


def test_where_all_is_well_nothing_is_to_be_done(transport):
    rows = report(transport)
    assert [row["check"] for row in rows if row["what to do"]] == ["JupyterLab extension"]
    assert rows.failed == 0
    assert "0 failed, 1 to look at" in rows.caption


def test_every_line_is_ok_or_says_what_to_do(transport, monkeypatch):
    monkeypatch.setenv("CMD_BASE_URL", NOWHERE)
    monkeypatch.delenv("CMD_API_KEY")
    monkeypatch.delenv("CMD_MODEL")
    rows = report(transport)
    assert {row["state"] for row in rows} == {"ok", "look", "fail", "skipped"}
    for row in rows:
        assert bool(row["what to do"]) == (row["state"] in ("look", "fail")), row


def test_one_question_is_asked_and_it_is_the_free_one_without_a_key(transport, provider):
    report(transport)
    (request,) = provider.requests
    assert (request.method, request.path) == ("GET", "/provider/v1/models")
    assert KEY not in request.raw_head.decode()


def test_nothing_is_written(transport, tmp_path):
    report(transport)
    home = Path(os.environ["CMD_JUPYTER_HOME"])
    assert not home.exists()
    assert [each.name for each in tmp_path.iterdir()] == ["home"]


def test_in_a_terminal_it_reads_as_lines(transport):
    text = str(report(transport))
    assert f"ok       versions              cc_jupyter {__version__} · Python 3." in text
    assert "  -> for its extra features: pip install cc-jupyter" in text
    assert "safe to paste into an issue" in text.splitlines()[-1]


def test_in_a_notebook_it_is_a_table(transport):
    shown = report(transport)._repr_html_()
    assert shown.count("<tr>") == len(report(transport)) + 1
    assert '<td style="text-align: left">versions</td>' in shown


# ── safe to paste


def test_no_key_and_no_user_name_is_in_the_report(transport, monkeypatch, tmp_path):
    home = tmp_path / "home"
    monkeypatch.setenv("LOGNAME", "annabel")
    assert getpass.getuser() == "annabel"
    places = home / "annabel" / "user_key_like_0123456789"
    monkeypatch.setenv("CMD_JUPYTER_HOME", str(places))
    monkeypatch.setenv("SSL_CERT_FILE", "/srv/annabel/pa55word/sk-0123456789abcdef.pem")
    monkeypatch.setenv("https_proxy", "http://proxyname:pa55word@proxy.example:8080")
    monkeypatch.setenv("CMD_API_KEY", "odd-letters-of-a-key")
    monkeypatch.setenv("CMD_BASE_URL", "https://localhost:1/odd-letters-of-a-key")
    config_folder().mkdir(parents=True)
    (config_folder() / "config.toml").write_text("max_retries = 3\n", encoding="utf-8")
    save_in_file(Key("another-odd-key", "the prompt"))
    rows = report(transport)
    everything = json.dumps(rows) + str(rows) + rows._repr_html_() + repr(rows)
    for secret in (
        "odd-letters-of-a-key",
        "another-odd-key",
        "pa55",
        "proxyname",
        "annabel",
        "0123456789",
        str(home),
    ):
        assert secret not in everything, secret
    assert "~" in everything
    assert "[key]" in everything


def test_the_password_of_a_proxy_is_left_out(transport, monkeypatch):
    monkeypatch.setattr("cc_jupyter.commands.doctor.network._request", nobody)
    monkeypatch.setenv("CMD_BASE_URL", "https://api.example/v1")
    for proxy, state, shown in (
        ("http://anna:pa55@proxy.example:8080", "ok", "http://proxy.example:8080 with a name"),
        ("proxy.example:8080", "ok", "http://proxy.example:8080, from the environment"),
        ("http://anna:pa/ss55@proxy.example:1", "fail", "cannot be parsed"),
        ("http://anna:55/pa55@proxy.example:1", "fail", "cannot be parsed"),
        ("http://proxy.example:pa55", "fail", "cannot be parsed"),
    ):
        monkeypatch.setenv("https_proxy", proxy)
        told = line(transport, "proxy")
        assert told[0] == state
        assert shown in told[1]
        assert "pa55" not in str(told)
        assert "anna" not in str(told)
    monkeypatch.setenv("no_proxy", "api.example")
    assert "not for this host" in line(transport, "proxy")[1]


def nobody(*_: object) -> Any:
    from cc_jupyter.commands.doctor.network import _Answer  # noqa: PLC0415  its only use

    return _Answer(None, NOON)


def test_what_moves_a_cursor_is_left_out(transport, monkeypatch):
    monkeypatch.setenv("CMD_MODEL", "m\x1b[2J")
    assert "\x1b" not in str(report(transport))


# ── single checks


@pytest.mark.parametrize(
    ("in_kernel", "variable", "name"),
    [
        (True, "VSCODE_PID", "VS Code"),
        (True, "COLAB_RELEASE_TAG", "Colab"),
        (True, "JPY_SESSION_NAME", "JupyterLab, Notebook"),
        (True, "OTHER", "its front end is unknown"),
        (False, "VSCODE_PID", "IPython in a terminal"),
        (None, "VSCODE_PID", "a shell, without IPython"),
    ],
)
def test_the_front_end_is_named_as_far_as_it_tells(
    in_kernel, variable, name, transport, monkeypatch
):
    monkeypatch.setenv(variable, "1")
    assert name in line(transport, "front end", in_kernel=in_kernel)[1]


def test_a_missing_key_is_a_failure_and_its_source_is_told(transport, monkeypatch):
    assert line(transport, "key") == ("ok", "from CMD_API_KEY", "")
    monkeypatch.delenv("CMD_API_KEY")
    save_in_file(Key("user_stored_1", "the prompt"))
    state, found, to_do = line(transport, "key")
    assert state == "fail"
    assert "the key from the key file is sent only to api.commandcode.ai" in found
    assert "set CMD_API_KEY" in to_do
    monkeypatch.setenv("CMD_BASE_URL", "https://api.commandcode.ai/provider")
    monkeypatch.setattr("cc_jupyter.commands.doctor.network._request", nobody)
    assert line(transport, "key") == ("ok", "from the key file", "")
    (data_folder() / "key").unlink()
    assert line(transport, "key")[0] == "fail"
    assert "%cmd login" in line(transport, "key")[2]


def test_a_model_that_the_server_does_not_list_is_pointed_out(transport, provider, monkeypatch):
    assert line(transport, "model") == ("ok", "deepseek/deepseek-v4-flash", "")
    monkeypatch.setenv("CMD_MODEL", "deepseek/deepseek-v4-flsh")
    state, found, to_do = line(transport, "model")
    assert state == "look"  # another host may serve more than it lists
    assert f"deepseek/deepseek-v4-flsh is not among the {len(MODELS)} models" in found
    assert "did you mean deepseek/deepseek-v4-flash" in to_do
    monkeypatch.setattr(base_url, "_DEFAULT_ORIGIN", provider.base_url.removesuffix("/provider"))
    assert line(transport, "model")[0] == "fail"


@pytest.mark.parametrize(
    ("config", "model"),
    [
        ("", "local"),
        ('[models."mine"]\nbase_url = "http://127.0.0.1:1"\n', "mine"),
        ('alias = {fast = "deepseek/deepseek-v4-flash"}\n', "fast"),
    ],
)
def test_a_model_that_another_server_has_or_an_alias_is_no_problem(
    transport, monkeypatch, config, model
):
    config_folder().mkdir(parents=True)
    (config_folder() / "config.toml").write_text(config, encoding="utf-8")
    monkeypatch.setenv("CMD_MODEL", model)
    assert line(transport, "model")[0] == "ok"


def test_without_a_list_no_model_is_judged(transport, provider, monkeypatch):
    monkeypatch.setenv("CMD_MODEL", "never/listed")
    provider.play_models(scripted.http(503, "no"))
    assert line(transport, "model")[0] == "ok"


@pytest.fixture
def session(provider, monkeypatch) -> Iterator[Session]:
    """Return a session whose server counts as the provider itself."""
    monkeypatch.setattr(base_url, "_DEFAULT_ORIGIN", provider.base_url.removesuffix("/provider"))
    opened = Session(now=lambda: NOON)
    yield opened
    opened.transport.close()
    opened.history.close()


def ask(session):
    session.run(session.prepare(PromptSpec("hi", once=True)), NullRenderer())


def examined(session, **given) -> dict[str, dict[str, str]]:
    cell = SimpleNamespace(in_kernel=True)
    return {row["check"]: row for row in LoginCommands(session, cell).doctor(**given)}


def test_a_key_that_the_server_rejected_is_a_failure_until_it_is_accepted(session, provider):
    ask(session)
    assert examined(session)["key"]["state"] == "ok"
    provider.play(scripted.error(401))
    ask(session)
    found = examined(session)["key"]
    assert found["state"] == "fail"
    host = provider.base_url.removeprefix("http://").removesuffix("/provider")
    at = f"{NOON.astimezone():%H:%M}"
    assert found["found"] == f"from CMD_API_KEY; {host} rejected it at {at}"
    assert "%cmd login" in found["what to do"]
    provider.play(scripted.error(503))  # says nothing about the key
    assert examined(session, check=True)["key"]["state"] == "fail"
    ask(session)
    assert examined(session)["key"]["state"] == "ok"


def test_another_key_is_not_the_one_that_was_rejected(session, provider, monkeypatch):
    provider.play(scripted.error(401))
    ask(session)
    monkeypatch.setenv("CMD_API_KEY", "user_another_0123456789")
    assert examined(session)["key"]["state"] == "ok"


def test_the_key_is_tested_with_one_free_request_only_if_asked(session, provider):
    assert "key check" not in examined(session)
    assert [each.path for each in provider.requests if each.method == "POST"] == []
    found = examined(session, check=True)["key check"]
    assert found["state"] == "ok"
    (post,) = (each for each in provider.requests if each.method == "POST")
    assert post.json["model"].endswith(":free")
    assert post.headers["authorization"] == f"Bearer {KEY}"
    assert f"the provider accepts it (checked with {post.json['model']})" in found["found"]


@pytest.mark.parametrize(
    ("status", "key", "check"), [(401, "fail", "fail"), (503, "ok", "look"), (429, "ok", "look")]
)
def test_a_test_of_the_key_that_fails_says_why(session, provider, status, key, check):
    provider.play(scripted.error(status))
    found = examined(session, check=True)
    assert (found["key"]["state"], found["key check"]["state"]) == (key, check)
    assert found["key check"]["found"]
    assert KEY not in json.dumps(found)


def test_no_key_is_tested_at_another_host(session, provider, monkeypatch):
    monkeypatch.setattr(base_url, "_DEFAULT_ORIGIN", "https://elsewhere.example")
    assert examined(session, check=True)["key check"]["state"] == "skipped"
    assert [each.path for each in provider.requests if each.method == "POST"] == []


def test_the_caption_offers_the_test_of_the_key(session):
    commands = LoginCommands(session, SimpleNamespace(in_kernel=True))
    assert "%cmd doctor --check tests the key" in commands.doctor().caption
    assert "--check" not in commands.doctor(check=True).caption


def test_a_broken_configuration_is_a_line_and_the_others_still_stand(transport, provider):
    config_folder().mkdir(parents=True)
    (config_folder() / "config.toml").write_text("modle = 3\n", encoding="utf-8")
    told = lines(transport)
    assert told["settings"]["state"] == "fail"
    assert "unknown setting modle" in told["settings"]["found"]
    assert "did you mean model" in told["settings"]["what to do"]
    assert told["versions"]["state"] == "ok"
    assert told["base URL"]["state"] == "skipped"
    assert provider.requests == []  # where they would go is not known


def test_a_base_url_that_is_none_is_told_once(transport, monkeypatch):
    monkeypatch.setenv("CMD_BASE_URL", "ftp://x.example")
    told = lines(transport)
    assert told["base URL"]["state"] == "fail"
    assert "is not an http(s) address" in told["base URL"]["found"]
    assert told["key"]["state"] == "skipped"


def test_a_server_that_is_not_there_is_a_failure(transport, monkeypatch):
    monkeypatch.setenv("CMD_BASE_URL", NOWHERE)
    state, found, to_do = line(transport, "base URL")
    assert (state, found) == ("fail", "no connection to 127.0.0.1:1: Connection refused")
    assert "check the network" in to_do


def test_a_server_that_says_nothing_is_not_waited_for(transport, provider, monkeypatch):
    monkeypatch.setattr("cc_jupyter.commands.doctor.network._TIMEOUT_S", 0.2)
    provider.play_models(scripted.hang())
    state, found, _ = line(transport, "base URL")
    assert state == "fail"
    assert "did not answer within 0.2 s" in found or "sent nothing for 0.2 s" in found


@pytest.mark.parametrize(
    ("status", "state", "to_do"),
    [(503, "look", "try again"), (404, "look", "check the base URL"), (302, "look", "CMD_BASE")],
)
def test_an_answer_of_another_status_is_told(status, state, to_do, transport, provider):
    provider.play_models(scripted.http(status, "no"))
    found = line(transport, "base URL")
    assert found[0] == state
    assert f"answers with {status}" in found[1]
    assert to_do in found[2]


def test_the_age_of_the_list_that_is_kept_is_told(transport, provider):
    assert line(transport, "models")[1] == f"{len(MODELS)} models listed; no list is cached yet"
    fetch_models(transport, f"{provider.base_url}/v1")
    (path,) = cache_folder().iterdir()
    kept = json.loads(path.read_text(encoding="utf-8"))
    kept["fetched_at_s"] = (NOON - timedelta(hours=3, minutes=5)).timestamp()
    path.write_text(json.dumps(kept), encoding="utf-8")
    assert line(transport, "models")[1].endswith("the cached list is 3 hours old")
    provider.play_models(scripted.http(200, "no list"))
    state, found, to_do = line(transport, "models")
    assert (state, to_do) == ("look", "see base URL")
    assert found == "no list of models received; the cached list is 3 hours old"


@pytest.mark.parametrize(
    ("off_s", "state", "found"),
    [
        (0, "ok", "agrees with the server's"),
        (59, "ok", "agrees with the server's"),
        (-60, "ok", "agrees with the server's"),
        (61, "look", "1 minute behind the server's"),
        (-7200, "look", "2 hours ahead of the server's"),
        (3 * 86400, "look", "3 days behind"),
    ],
)
def test_a_clock_that_is_off_is_told(off_s, state, found, transport, provider):
    their = email.utils.format_datetime(NOON + timedelta(seconds=off_s), usegmt=True)
    provider.play_models(*models_at(their))
    told = line(transport, "clock")
    assert told[0] == state
    assert found in told[1]


@pytest.mark.parametrize("told", ["", "yesterday", "Sat, 99 Foo 2027 12:00:00 GMT"])
def test_without_the_servers_time_the_clock_is_not_judged(told, transport, provider):
    provider.play_models(*models_at(told))
    assert line(transport, "clock")[0] == "skipped"


def test_certificates_that_are_not_there_are_a_failure(transport, monkeypatch, tmp_path):
    assert line(transport, "TLS")[0] == "ok"
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    state, found, to_do = line(transport, "TLS")
    assert state == "fail"
    assert "none.pem, which cannot be read" in found
    assert "unset it" in to_do
    (tmp_path / "none.pem").write_text("", encoding="utf-8")
    assert line(transport, "TLS")[0] == "ok"


@POSIX
def test_folders_and_files_that_others_may_read_are_told(transport):
    save_in_file(Key("user_stored_1", "the prompt"))
    assert line(transport, "key file")[0] == "ok"
    assert line(transport, "data folder")[0] == "ok"
    data_folder().chmod(0o755)
    (data_folder() / "key").chmod(0o644)
    (data_folder() / "history.db").write_bytes(b"")
    (data_folder() / "history.db").chmod(0o640)
    told = lines(transport)
    for check, way in (
        ("data folder", "chmod 700"),
        ("key file", "chmod 600"),
        ("history", "chmod 600"),
    ):
        assert told[check]["state"] == "look"
        assert told[check]["what to do"].startswith(way)
    assert told["config folder"]["state"] == "ok"


def test_a_file_in_the_place_of_a_folder_is_a_failure(transport):
    cache_folder().parent.mkdir(parents=True)
    cache_folder().write_text("in the way", encoding="utf-8")
    state, found, to_do = line(transport, "cache folder")
    assert state == "fail"
    assert "is not a folder" in found
    assert "CMD_JUPYTER_HOME" in to_do


@pytest.mark.parametrize("home", ["here", "./here", "../here", "a/b c"])
def test_a_relative_home_is_one_clear_line(transport, monkeypatch, home):
    monkeypatch.setenv("CMD_JUPYTER_HOME", home)
    with pytest.raises(ConfigError) as error:
        report(transport)
    assert str(error.value) == f"CMD_JUPYTER_HOME must be an absolute path, not {home!r}"
    assert error.value.hint.startswith("set it to '/")


def test_a_history_that_is_none_is_told_and_left_as_it_is(transport, monkeypatch):
    data_folder().mkdir(parents=True, mode=0o700)
    path = data_folder() / "history.db"
    path.write_bytes(b"this is no database")
    state, found, to_do = line(transport, "history")
    assert state == "look"
    assert "is not a history file" in found
    assert "renames it" in to_do
    assert path.read_bytes() == b"this is no database"
    monkeypatch.setenv("CMD_HISTORY", "off")
    assert line(transport, "history") == ("ok", "off; nothing is stored on disk", "")


def test_the_extension_of_jupyterlab_is_found_where_jupyterlab_looks(transport, tmp_path):
    assert "everything works without it" in line(transport, "JupyterLab extension")[1]
    place = tmp_path / "jupyter" / "labextensions" / "cc-jupyter"
    place.mkdir(parents=True)
    for version, state in ((__version__, "ok"), ("0.0.1", "look"), (None, "look")):
        content = "{" if version is None else json.dumps({"version": version})
        (place / "package.json").write_text(content, encoding="utf-8")
        assert line(transport, "JupyterLab extension")[0] == state


@pytest.mark.parametrize(
    ("lab", "state"), [("4.0.13", "look"), ("4.1.8", "look"), ("4.2.0", "ok"), ("5.0.0a1", "ok")]
)
def test_a_jupyterlab_that_is_too_old_for_the_extension_is_named(
    lab, state, transport, tmp_path, monkeypatch
):
    place = tmp_path / "jupyter" / "labextensions" / "cc-jupyter"
    place.mkdir(parents=True)
    (place / "package.json").write_text(json.dumps({"version": __version__}), encoding="utf-8")
    version = environment._version
    monkeypatch.setattr(
        environment, "_version", lambda name: lab if name == "jupyterlab" else version(name)
    )
    found = line(transport, "JupyterLab extension")
    assert found[0] == state
    assert (f"JupyterLab {lab} is too old for it" in found[1]) == (state == "look")
    assert ("pip install -U 'cc-jupyter[lab]'" in found[2]) == (state == "look")


def test_the_oldest_jupyterlab_is_the_one_that_is_required():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    oldest = ".".join(map(str, environment._OLDEST_LAB))
    assert project["optional-dependencies"]["lab"] == [f"jupyterlab>={oldest}"]


def test_the_local_model_needs_neither_key_nor_network(transport, monkeypatch, provider):
    monkeypatch.setenv("CMD_BASE_URL", "local")
    told = lines(transport)
    assert told["key"]["found"] == "the local model needs no key"
    assert "local model" in told["base URL"]["found"]
    assert provider.requests == []


# ── in a shell


def test_the_program_prints_the_same_and_its_status_says_whether_a_check_failed(
    capsys, monkeypatch
):
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "front end" in shown
    assert "0 failed" in shown
    assert KEY not in shown
    monkeypatch.setenv("CMD_BASE_URL", NOWHERE)
    assert main(["doctor"]) == 1
    assert "1 failed" in capsys.readouterr().out


def test_it_needs_no_ipython():
    code = """
import sys
from cc_jupyter.cli import main
main(["doctor"])
heavy = {"IPython", "ipywidgets", "anywidget", "pandas"} & set(sys.modules)
sys.exit(f"imported: {heavy}" if heavy else 0)
"""
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
