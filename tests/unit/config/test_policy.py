"""An administrator's policy: what it forbids, how files combine, what a broken one stops."""

from __future__ import annotations

import errno
import os
from decimal import Decimal
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import pytest
from support import provider as scripted

from cc_jupyter.client.endpoint import find_endpoint, keyless_target, replay_endpoint
from cc_jupyter.config import settings as settings_module
from cc_jupyter.config.settings import load_settings
from cc_jupyter.core.errors import BudgetError, ConfigError
from cc_jupyter.core.messages import PromptSpec
from cc_jupyter.models.registry import ModelList, allowed_models
from cc_jupyter.render.base import NullRenderer
from cc_jupyter.session.session import Session
from cc_jupyter.session.status import current_status

MODEL = "deepseek/deepseek-v4-flash"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Return what writes the policy of this machine."""
    return _writer(
        tmp_path / "etc.toml",
        lambda path: monkeypatch.setattr(settings_module, "MACHINE_POLICY", path),
    )


@pytest.fixture
def named(tmp_path, monkeypatch):
    """Return what writes the policy that `CMD_POLICY` names."""
    return _writer(
        tmp_path / "named.toml", lambda path: monkeypatch.setenv("CMD_POLICY", str(path))
    )


def _writer(path, announce):
    def write(text: str) -> Path:
        path.write_text(text, encoding="utf-8")
        announce(path)
        return path

    return write


@pytest.fixture
def session(provider, monkeypatch):
    monkeypatch.setenv("CMD_BASE_URL", provider.base_url)
    monkeypatch.setenv("CMD_API_KEY", scripted.KEY)
    provider.always(scripted.openai_stream("Hello.", usage=scripted.Tokens(1_000, 50)))
    opened = Session()
    yield opened
    opened.transport.close()
    opened.history.close()


def ask(session: Session, prompt: str = "Hello", model: str = MODEL):
    prepared = session.prepare(PromptSpec(prompt, model=model, once=True, notebook="a.ipynb"))
    reply = session.run(prepared, NullRenderer())
    if reply.error is not None:
        raise reply.error
    return reply


def test_without_a_policy_everything_is_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr(settings_module, "MACHINE_POLICY", tmp_path / "none.toml")
    settings = load_settings()
    assert settings.policy is None
    settings.check_server("https://anywhere.example.org/v1")
    settings.check_model("any/model")


@pytest.mark.parametrize(
    ("allowed", "server", "is_allowed"),
    [
        ("gateway.example.org", "https://gateway.example.org/v1", True),
        ("gateway.example.org", "https://gateway.example.org:4000/v1", True),
        ("gateway.example.org:4000", "https://gateway.example.org:4000/v1", True),
        ("gateway.example.org:4000", "https://gateway.example.org:4001/v1", False),
        ("gateway.example.org:4000", "https://gateway.example.org/v1", False),
        ("gateway.example.org:443", "https://gateway.example.org/v1", True),
        ("gateway.example.org:443", "http://gateway.example.org/v1", False),
        ("gateway.example.org:80", "http://gateway.example.org/v1", True),
        ("Gateway.Example.org", "https://gateway.example.org/v1", True),
        ("*.example.org", "https://a.b.example.org:1/v1", True),
        ("*.example.org:8080", "https://a.example.org:8080/v1", True),
        ("*.example.org", "https://example.org/v1", False),
        ("example.org", "https://example.org.evil.net/v1", False),
        ("127.0.0.1", "http://127.0.0.1:8123/v1", True),
        ("[::1]", "http://[::1]:8123/v1", True),
        ("[::1]:8123", "http://[::1]:8123/v1", True),
        ("[::1]:8124", "http://[::1]:8123/v1", False),
        ("[::2]", "http://[::1]/v1", False),
        ("[ab].example.org", "https://a.example.org/v1", True),
        ("local", "local", True),
        ("*", "local", True),
        ("local", "https://api.commandcode.ai/provider/v1", False),
    ],
)
def test_a_host_is_allowed_by_its_name_and_port(machine, allowed, server, is_allowed):
    path = machine(f'hosts = ["{allowed}"]')
    settings = load_settings()
    if is_allowed:
        settings.check_server(server)
        return
    with pytest.raises(ConfigError) as refused:
        settings.check_server(server)
    host = urlsplit(server).netloc
    assert str(refused.value) == f"{path} does not allow requests to {host}; nothing was sent"
    assert allowed.casefold() in refused.value.hint


def test_no_request_goes_to_another_host_whatever_names_it(machine, monkeypatch):
    machine('hosts = ["gateway.example.org"]')
    monkeypatch.setenv("CMD_API_KEY", scripted.KEY)
    by_session = load_settings({"base_url": "https://elsewhere.example.org/v1"})
    for find in (find_endpoint, keyless_target):
        for settings in (load_settings(), by_session, load_settings({"base_url": "local"})):
            with pytest.raises(ConfigError, match="does not allow requests to"):
                find(settings) if settings.base_url != "local" else find_endpoint(settings)
    allowed = load_settings({"base_url": "https://gateway.example.org/v1"})
    assert find_endpoint(allowed).api_root == "https://gateway.example.org/v1"


def test_a_recorded_answer_is_no_request(machine):
    machine('hosts = ["gateway.example.org"]')
    assert replay_endpoint(load_settings()).is_keyless


def test_only_allowed_models_are_listed_and_asked(machine, session, provider):
    path = machine('models = ["deepseek/*"]')
    assert ask(session).text == "Hello."
    with pytest.raises(ConfigError) as refused:
        ask(session, model="claude-fable-5")
    assert str(refused.value) == f"{path} does not allow the model claude-fable-5; nothing was sent"
    assert refused.value.hint.startswith("it allows deepseek/*;")
    assert len(provider.posts) == 1
    listed = allowed_models(load_settings(), ModelList({}, 0.0))
    assert listed
    assert all(name.startswith("deepseek/") for name in listed)


def test_history_and_retention_cannot_be_loosened(machine, monkeypatch):
    path = machine('history = "off"\nzdr = true')
    monkeypatch.setenv("CMD_HISTORY", "on")
    settings = load_settings({"history": True, "zdr": False})
    assert settings.history is False
    assert settings.zdr is True
    assert settings.sources["history"] == settings.sources["zdr"] == str(path)


def test_a_policy_does_not_loosen_what_the_user_chose(machine):
    machine('history = "on"\nzdr = false')
    settings = load_settings({"history": False, "zdr": True})
    assert settings.history is False
    assert settings.zdr is True


def test_of_two_files_the_stricter_value_of_each_member_counts(machine, named):
    first = machine('hosts = ["*.example.org"]\nbudget_usd = 5\nhistory = false')
    second = named('hosts = ["a.*"]\nmodels = ["claude-*"]\nbudget_usd = 2\nhistory = true')
    policy = load_settings().policy
    policy.check_server("https://a.example.org/v1")
    for host, path in (("b.example.org", second), ("a.example.net", first)):
        with pytest.raises(ConfigError, match=f"{path} does not allow requests to {host}"):
            policy.check_server(f"https://{host}/v1")
    assert policy.budget_usd == Decimal(2)
    assert policy.history is False
    assert policy.sources["budget_usd"] == str(second)
    assert policy.sources["history"] == str(first)
    assert policy.described() == (
        "hosts *.example.org; hosts a.*; models claude-*; $2.00 a day; no history on disk"
        f" ({first}, {second})"
    )


def test_the_budget_of_a_policy_counts_beside_that_of_the_user(machine, session, provider):
    path = machine("budget_usd = 0.001")
    session.budget_guard.is_off = True  # as after `%cmd budget off`
    ask(session)
    with pytest.raises(BudgetError) as refused:
        ask(session, "word " * 40_000)
    assert "per day spent so far; nothing was sent" in str(refused.value)
    assert str(path) in refused.value.hint
    assert "%cmd budget" not in refused.value.hint
    assert len(provider.posts) == 1


def test_status_says_what_the_policy_is(machine, session):
    path = machine('hosts = ["127.0.0.1"]\nbudget_usd = 5\nhistory = false\nzdr = true')
    assert current_status(session)["policy"] == (
        f"hosts 127.0.0.1; $5.00 a day; no history on disk; zero data retention ({path})"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("host = ['a']", ("unknown member host", "did you mean hosts?")),
        ("[tool]\nx = 1", ("unknown member tool", "its members are hosts, models")),
        ("hosts = 'a'", ("hosts = 'a'", "a list of at least one name")),
        ("hosts = []", ("hosts = []", "leave it out to allow all")),
        ("hosts = ['https://a/v1']", ("hosts = ", "without a path")),
        ("hosts = ['::1']", ("hosts = ", "[::1]")),
        ("models = ['a', ' ']", ("models = ", "none of them blank")),
        ("budget_usd = -1", ("budget_usd = -1", "an amount in US dollars")),
        ("history = 'maybe'", ("history = 'maybe'", "on or off")),
        ("zdr = true\nzdr = false", ("cannot be read", "who administers")),
        ("zdr = ", ("cannot be read", "who administers")),
    ],
)
def test_a_policy_that_cannot_be_followed_stops_every_request(
    machine, session, provider, text, expected
):
    path = machine(text)
    with pytest.raises(ConfigError) as refused:
        ask(session)
    shown = f"{refused.value} | {refused.value.hint}"
    assert str(path) in shown
    for part in expected:
        assert part in shown
    assert provider.requests == []


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_a_file_that_is_named_and_cannot_be_read_stops_every_request(tmp_path, monkeypatch, kind):
    path = tmp_path if kind == "folder" else tmp_path / "missing.toml"
    monkeypatch.setenv("CMD_POLICY", str(path))
    with pytest.raises(ConfigError, match=f"the policy {path} cannot be read"):
        load_settings()


@pytest.mark.parametrize("kind", ["a broken link", "a folder of others", "a file for a folder"])
def test_a_machine_policy_that_cannot_be_reached_stops_every_request(
    tmp_path, monkeypatch, session, provider, kind
):
    path = tmp_path / "etc" / "policy.toml"
    if kind == "a file for a folder":
        path.parent.write_text("", encoding="utf-8")
    else:
        path.parent.mkdir()
    if kind == "a broken link":
        path.symlink_to("nowhere.toml")
    monkeypatch.setattr(settings_module, "MACHINE_POLICY", path)
    if kind == "a folder of others":  # the tests may run as root, who may read everything
        monkeypatch.setattr(settings_module, "MACHINE_POLICY", Forbidden(path))
    with pytest.raises(ConfigError, match=f"the policy {path} cannot be read"):
        ask(session)
    assert provider.requests == []


class Forbidden(type(Path())):  # type: ignore[misc]  3.11 has a class for each system
    """A path in a folder that this user may not enter."""

    def _refuse(self, *args: object, **options: object) -> NoReturn:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    lstat = stat = open = read_text = _refuse


def test_a_policy_that_changes_counts_at_the_next_request(machine, session):
    machine('models = ["claude-*"]')
    with pytest.raises(ConfigError):
        ask(session)
    machine('models = ["claude-*", "deepseek/*"]')
    assert ask(session).text == "Hello."
