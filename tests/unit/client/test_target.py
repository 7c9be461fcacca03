"""Base URLs and keys: where a request goes, with which key, and who never gets one."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from cc_jupyter.client.endpoint import find_endpoint, find_key
from cc_jupyter.config.base_url import DEFAULT_BASE_URL, api_root, is_provider, masked_url
from cc_jupyter.config.credentials import KEY_VARIABLES
from cc_jupyter.config.settings import Settings, load_settings
from cc_jupyter.core.errors import ConfigError
from cc_jupyter.core.paths import config_folder, data_folder

PROVIDER = "https://api.commandcode.ai/provider/v1"
STORED = "user_stored_0123456789"


def message(error: pytest.ExceptionInfo[ConfigError]) -> str:
    return f"{error.value} | {error.value.hint}"


def store(where: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a key into one of the places that are not the environment."""
    if where == "keyring":
        keyring = pytest.importorskip("keyring")
        monkeypatch.setattr(
            keyring, "get_password", lambda *name: value if name[0] == "cc-jupyter" else None
        )
        return
    path = data_folder() / "key"
    content = value
    if where == "login":
        path = Path.home() / ".commandcode" / "auth.json"
        content = json.dumps({"apiKey": value, "userId": "u", "other": [1]})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def source(settings: Settings = Settings(), root: str = PROVIDER, **asked: Any) -> str | None:  # noqa: B008  frozen
    key = find_key(settings, root, **asked)
    return key and key.source


# ── base URLs


@pytest.mark.parametrize(
    ("given", "root"),
    [
        ("https://api.commandcode.ai/provider", PROVIDER),
        ("https://api.commandcode.ai/provider/v1", PROVIDER),
        ("https://api.commandcode.ai/provider/v1/", PROVIDER),
        ("https://api.commandcode.ai/provider//", PROVIDER),
        (" https://api.commandcode.ai/provider\n", PROVIDER),
        ("HTTPS://API.CommandCode.AI/provider", PROVIDER),
        ("https://api.commandcode.ai:443/provider", PROVIDER),
        ("https://api.commandcode.ai:0443/provider", PROVIDER),
        ("https://api.commandcode.ai", "https://api.commandcode.ai/v1"),
        ("https://x.example:8443", "https://x.example:8443/v1"),
        ("https://x.example/v1/more", "https://x.example/v1/more/v1"),
        ("https://v1", "https://v1/v1"),
        ("https://x.example/av1", "https://x.example/av1/v1"),
        ("https://x.example./v1", "https://x.example./v1"),
        ("https://bücher.example/v1", "https://xn--bcher-kva.example/v1"),
        ("https://my_host:1/a%20b", "https://my_host:1/a%20b/v1"),
        ("http://127.0.0.1:80", "http://127.0.0.1/v1"),
        ("http://127.8.9.1:8000/v1", "http://127.8.9.1:8000/v1"),
        ("http://localhost:8000", "http://localhost:8000/v1"),
        ("http://LOCALHOST:8000", "http://localhost:8000/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
    ],
)
def test_a_base_url_leads_to_one_api_root(given, root):
    assert api_root(given) == root
    assert api_root(root) == root


@pytest.mark.parametrize(
    "given",
    [
        "",
        "   ",
        "api.commandcode.ai",
        "ftp://api.commandcode.ai",
        "file:///etc/passwd",
        "https://",
        "https:///v1",
        "https://x.example:port/",
        "https://x.example:99999/",
        "https://[::1/",
        "https://a..b/v1",
        "https://x example/v1",
        "https://x.example/a b",
        "https://x.exa\nmple/v1",
        "https://x.example/v\t1",
        "https://api.commandcode.ai\\.evil.com/v1",
        "https://api.commandcode.ai%2eevil.com/v1",
        "https://x.example/ä",
        "https://x.example/a\\b",
        f"https://{'a' * 64}.example/v1",
        "local/",
    ],
)
def test_what_is_no_address_is_refused_with_an_example(given):
    with pytest.raises(ConfigError) as error:
        api_root(given)
    assert "is not an http(s) address | example: https://" in message(error)


@pytest.mark.parametrize(
    "given",
    [
        "https://user:pa55word@api.commandcode.ai/v1",
        "https://pa55word@api.commandcode.ai/v1",
        "https://api.commandcode.ai@pa55word.example/v1",
        "https://api.commandcode.ai\\@pa55word.example/v1",
        "https://x.example/v1?key=pa55word",
        "https://x.example/v1#pa55word",
        "ftp://user:pa55word@x.example",
        "https://user:pa55word@x:port",
    ],
)
def test_a_password_in_a_base_url_is_refused_and_not_repeated(given):
    with pytest.raises(ConfigError) as error:
        api_root(given)
    assert "pa55word" not in message(error)


def test_a_key_in_place_of_a_base_url_is_not_repeated():
    with pytest.raises(ConfigError) as error:
        api_root("user_test_0123456789abcdef")
    assert "0123456789" not in message(error)


@pytest.mark.parametrize(
    "host",
    [
        "localhost.evil.com",
        "127.0.0.1.evil.com",
        "api.commandcode.ai",
        "10.0.0.1",
        "192.168.1.1:8000",
        "0.0.0.0",
        "[fe80::1]",
        "[::]",
        "evil.com",
        "localhost.",
        "mylocalhost",
        "2130706433",
        "127.1",
    ],
)
def test_plain_http_goes_to_this_machine_alone_unless_it_is_allowed(host):
    with pytest.raises(ConfigError) as error:
        api_root(f"http://{host}/v1")
    assert "over plain http" in message(error)
    assert "CMD_ALLOW_HTTP=1" in message(error)
    assert api_root(f"http://{host}/v1", allow_http=True) == f"http://{host}/v1"


@pytest.mark.parametrize(
    ("given", "own"),
    [
        ("https://api.commandcode.ai/provider", True),
        ("https://API.COMMANDCODE.AI:443/provider/", True),
        ("https://api.commandcode.ai/other", True),
        ("https://api.commandcode.ai:8443/provider", False),
        ("http://api.commandcode.ai/provider", False),
        ("https://api.commandcode.ai./provider", False),
        ("https://api.commandcode.ai.evil.com/provider", False),
        ("https://evil.com/api.commandcode.ai", False),
        ("https://xapi.commandcode.ai/", False),
        ("https://api-commandcode.ai/", False),
        ("https://commandcode.ai/", False),
        ("https://аpi.commandcode.ai/", False),  # noqa: RUF001  a Cyrillic letter
    ],
)
def test_the_providers_own_host_is_known_in_any_spelling_and_no_other_is(given, own):
    assert is_provider(api_root(given, allow_http=True)) is own


# ── which key


def test_keys_are_looked_for_in_the_order_of_the_specification(monkeypatch):
    places = ["MY_KEY", *KEY_VARIABLES]
    for name in places:
        monkeypatch.setenv(name, f"user_from_{name}_1")
    for where in ("keyring", "file", "login"):
        store(where, f"user_from_{where}_1", monkeypatch)
    assert source(key_env="MY_KEY") == "MY_KEY"
    found = []
    for name in KEY_VARIABLES:
        found.append(source())
        monkeypatch.delenv(name)
    found.append(source())
    monkeypatch.setattr("keyring.get_password", lambda *_: None)
    found.append(source())
    (data_folder() / "key").unlink()
    found.append(source())
    (Path.home() / ".commandcode" / "auth.json").unlink()
    assert found == [
        "CMD_API_KEY",
        "COMMAND_CODE_API_KEY",
        "COMMANDCODE_API_KEY",
        "the system keyring",
        "the key file",
        "the CLI's login",
    ]
    assert source() is None


def test_the_variable_named_for_a_host_comes_before_the_usual_ones(monkeypatch):
    monkeypatch.setenv("CMD_API_KEY", "user_usual_1")
    monkeypatch.setenv("OTHER_KEY", "other_1")
    settings = Settings(hosts={"https://x.example/v1": {"key_env": "OTHER_KEY"}})
    assert source(settings, "https://x.example/v1") == "OTHER_KEY"
    assert source(settings, "https://y.example/v1") == "CMD_API_KEY"
    assert source(settings) == "CMD_API_KEY"


@pytest.mark.parametrize("url", ["https://x.example", "HTTPS://X.example:443/v1/"])
def test_a_host_is_recognised_however_its_address_is_written(url, monkeypatch, tmp_path):
    monkeypatch.setenv("OTHER_KEY", "other_1")
    monkeypatch.setenv("CMD_BASE_URL", "https://x.example/v1")
    config = config_folder() / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'[hosts."{url}"]\nkey_env = "OTHER_KEY"', encoding="utf-8")
    target = find_endpoint(load_settings(folder=tmp_path))
    assert (target.key.source, target.served_by) == ("OTHER_KEY", "x.example")


@pytest.mark.parametrize("value", ["", "  ", "\n"])
def test_a_variable_that_was_named_must_hold_a_key(value, monkeypatch):
    monkeypatch.setenv("CMD_API_KEY", "user_usual_1")
    monkeypatch.setenv("MY_KEY", value)
    with pytest.raises(ConfigError, match=r"the variable MY_KEY.*empty or not set"):
        source(key_env="MY_KEY")


def test_a_key_given_in_place_of_a_name_is_not_repeated():
    with pytest.raises(ConfigError) as error:
        source(Settings(key_env="user_test_0123456789abcdef"))
    assert "0123456789" not in message(error)
    assert "never the key itself" in message(error)


# ── keys are trimmed, or refused with a reason


@pytest.mark.parametrize("given", ["user_a1", " user_a1", "user_a1\n", "\r\n\tuser_a1 \n"])
@pytest.mark.parametrize("where", ["environment", "keyring", "file", "login"])
def test_white_space_around_a_key_is_trimmed(given, where, monkeypatch):
    if where == "environment":
        monkeypatch.setenv("CMD_API_KEY", given)
    else:
        store(where, given, monkeypatch)
    key = find_key(Settings(), PROVIDER)
    assert key is not None
    assert key.value == "user_a1"


@pytest.mark.parametrize(
    "given",
    [
        "user_a1 b2",
        "user_a1\nb2",
        "user_a1\r\nX-Header: 1",
        "Bearer user_a1",
        "user_ä1",
        "user_a1\u200b",
        "user_a1\u2028b",
        "user_a1\x7fb",
        "user_a1\x1bb",
    ],
)
@pytest.mark.parametrize("where", ["environment", "keyring", "file", "login"])
def test_a_key_with_a_space_or_a_line_break_inside_is_refused_with_a_reason(
    given, where, monkeypatch
):
    if where == "environment":
        monkeypatch.setenv("CMD_API_KEY", given)
    else:
        store(where, given, monkeypatch)
    with pytest.raises(ConfigError) as error:
        find_key(Settings(), PROVIDER)
    assert "contains a space, a line break or a character no key has" in message(error)
    assert "nothing was sent" in message(error)
    assert "user_" not in message(error)


def test_a_key_file_may_begin_with_a_byte_order_mark(monkeypatch):
    store("file", "\ufeffuser_a1\r\n", monkeypatch)
    key = find_key(Settings(), PROVIDER)
    assert key is not None
    assert key.value == "user_a1"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no json",
        b"[]",
        b"null",
        b'"user_a1"',
        b'{"apiKey": null}',
        b'{"apiKey": ""}',
        b'{"apiKey": 3}',
        b'{"apiKey": {"key": "user_a1"}}',
        b'{"commandcode": "user_a1"}',
        b"\xff\xfe{}",
        b"[" * 100_000,
    ],
)
def test_a_login_file_of_any_other_shape_means_not_logged_in(content):
    path = Path.home() / ".commandcode" / "auth.json"
    path.parent.mkdir()
    path.write_bytes(content)
    assert source() is None
    assert path.read_bytes() == content


def test_a_keyring_that_is_locked_is_passed_over(monkeypatch):
    keyring = pytest.importorskip("keyring")

    def locked(*_: str) -> str:
        raise keyring.errors.KeyringLocked

    monkeypatch.setattr(keyring, "get_password", locked)
    store("file", STORED, monkeypatch)
    assert source() == "the key file"


# ── who gets the key


@pytest.mark.parametrize("where", ["keyring", "file", "login"])
@pytest.mark.parametrize(
    "root",
    [
        "https://x.example/v1",
        "https://api.commandcode.ai.evil.com/provider/v1",
        "https://api.commandcode.ai./provider/v1",
        "https://api.commandcode.ai:8443/provider/v1",
        "http://api.commandcode.ai/provider/v1",
        "http://localhost:8000/v1",
        "http://127.0.0.1.evil.com/v1",
    ],
)
def test_the_key_goes_to_one_host_only(where, root, monkeypatch):
    store(where, STORED, monkeypatch)
    assert find_key(Settings(), root) is None
    found = find_key(Settings(), api_root("HTTPS://API.commandcode.ai:443/provider/"))
    assert found is not None
    assert found.value == STORED
    settings = Settings(base_url=root, allow_http=True)
    with pytest.raises(ConfigError, match="there is no key for") as error:
        find_endpoint(settings)
    assert "key_env next to that host" in (error.value.hint or "")


@pytest.mark.parametrize("variable", KEY_VARIABLES)
def test_another_host_gets_a_key_from_the_environment(variable, monkeypatch):
    store("file", STORED, monkeypatch)
    monkeypatch.setenv(variable, "user_env_1")
    target = find_endpoint(Settings(base_url="http://localhost:8000"))
    assert target.key.value == "user_env_1"
    assert (target.api_root, target.served_by) == ("http://localhost:8000/v1", "localhost:8000")
    assert not target.is_default_host


def test_a_file_in_a_cloned_repository_cannot_change_where_the_key_goes(monkeypatch, tmp_path):
    """Whatever a repository says, no request leaves for its host with a key."""
    monkeypatch.setenv("CMD_API_KEY", "user_env_1")
    for line in (
        'base_url = "https://evil.example"',
        'key_env = "AWS_SECRET_ACCESS_KEY"',
        "allow_http = true",
        'hosts = {"https://evil.example" = {key_env = "CMD_API_KEY"}}',
        'alias = {local = "x"}',
    ):
        (tmp_path / "pyproject.toml").write_text(f"[tool.cc_jupyter]\n{line}\n", encoding="utf-8")
        with pytest.raises(ConfigError, match=r"pyproject\.toml may not set"):
            find_endpoint(load_settings(folder=tmp_path))
    (tmp_path / "pyproject.toml").write_text('[tool.cc_jupyter]\nmodel = "m"\n', encoding="utf-8")
    for name in (".env", "config.toml", "key", "ipython_config.py", "auth.json"):
        (tmp_path / name).write_text('base_url = "https://evil.example"', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    target = find_endpoint(load_settings())
    assert target.api_root == DEFAULT_BASE_URL
    assert target.key.value == "user_env_1"


def test_without_a_key_the_error_says_what_to_do():
    with pytest.raises(ConfigError) as error:
        find_endpoint(Settings())
    assert "there is no key for the Provider API" in message(error)
    assert "CMD_API_KEY" in message(error)
    assert "%cmd use local" in message(error)


def test_the_key_is_in_no_repr_of_a_target(monkeypatch):
    monkeypatch.setenv("CMD_API_KEY", "odd-secret-letters")
    target = find_endpoint(Settings())
    assert "odd-secret-letters" not in f"{target!r} {target} {target.key!r}"
    assert "CMD_API_KEY" in repr(target.key)


def test_a_machine_without_keyring_has_no_key_there(tmp_path):
    """In a Python that cannot import `keyring` the other places are still read."""
    code = """
        import sys
        sys.modules["keyring"] = None
        import importlib.util
        find = importlib.util.find_spec
        importlib.util.find_spec = lambda name: None if name == "keyring" else find(name)
        from cc_jupyter.config.settings import Settings
        from cc_jupyter.client.endpoint import find_key
        print(find_key(Settings(), "https://api.commandcode.ai/provider/v1"))
    """
    run = [sys.executable, "-c", textwrap.dedent(code)]
    assert subprocess.check_output(run, text=True, timeout=30).strip() == "None"


# ── what an address may show

STRICT = [
    "https://[::1].evil.com/v1",
    "https://[::1]evil.com",
    "https://evil.com[::1]",
    "https://[::1]:80:90",
    "https://[::1",
    "https://::1]",
    "https://[127.0.0.1].evil.com",
    "https://[evil.com]",
    "https://[::1]@evil.com",
    "https://[::1%25eth0]",
    "https://[::1]\\.evil.com",
    "http://[::1].evil.com",
]


@pytest.mark.parametrize("given", STRICT)
def test_an_address_that_only_begins_like_one_is_refused(given):
    with pytest.raises(ConfigError):
        api_root(given)


@pytest.mark.parametrize(
    ("given", "root"),
    [
        ("http://[::1]", "http://[::1]/v1"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x/v1"),
        ("https://[2001:DB8::1]/v1", "https://[2001:db8::1]/v1"),
    ],
)
def test_an_address_in_brackets_is_read_as_before(given, root):
    assert api_root(given) == root


SECRET_PATHS = [
    "9f8e7d6c5b4a39281706",
    "user_0123456789abcdef",
    "sk-abc123DEF456ghi789",
    "c0ffee1234",
    "0123456789012345",
    "t-9f8e7d6c5b4a",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIi",
]


@pytest.mark.parametrize("secret", SECRET_PATHS)
def test_a_secret_in_the_path_is_masked(secret):
    assert masked_url(f"https://gate.example/{secret}/v1") == "https://gate.example/[key]/v1"
    assert masked_url(f"https://gate.example/x/{secret}") == "https://gate.example/x/[key]"
    shown = masked_url(f"https://gate.example/v1?token={secret}#{secret}")
    assert shown == "https://gate.example/v1"
    assert secret not in masked_url(f"https://{secret}:{secret}@gate.example/v1")


@pytest.mark.parametrize(
    "url",
    [
        DEFAULT_BASE_URL,
        "http://localhost:11434/v1",
        "https://openrouter.ai/api/v1",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "https://x.openai.azure.com/openai/deployments/gpt-4o",
        "https://api.z.ai/api/coding/paas/v4",
        "https://dashscope.aliyuncs.com/compatible-mode/v1",
    ],
)
def test_an_ordinary_path_is_shown(url):
    assert masked_url(url) == url
