"""Settings: who may set them, which source wins, what is rejected; a test per row of spec.md."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cc_jupyter.config.settings import Settings, load_settings
from cc_jupyter.core.errors import ConfigError
from cc_jupyter.core.messages import ValueLimits
from cc_jupyter.core.paths import config_folder

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def project(tmp_path: Path) -> Callable[[str], Path]:
    """Return what writes a `pyproject.toml`; it gives the folder, which has no other above it."""
    folder = tmp_path / "repository"

    def write(text: str) -> Path:
        folder.mkdir(exist_ok=True)
        (folder / "pyproject.toml").write_text(text, encoding="utf-8")
        return folder

    return write


@pytest.fixture
def config() -> Callable[[str], Path]:
    """Return what writes the user's own `config.toml`."""

    def write(text: str) -> Path:
        path = config_folder() / "config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def message(error: pytest.ExceptionInfo[ConfigError]) -> str:
    return f"{error.value} | {error.value.hint}"


# ── one order for every setting


SESSION, ENVIRONMENT, PROJECT, CONFIG, PROFILE = range(5)
LEVELS = ("session", "environment", "project", "config", "profile")


@pytest.mark.parametrize("present", range(1, 32))
def test_the_first_of_session_environment_project_config_profile_wins(
    present, project, config, monkeypatch, tmp_path
):
    given = [LEVELS[level] for level in range(5) if present >> level & 1]
    session = {"model": "session"} if "session" in given else {}
    profile = {"model": "profile"} if "profile" in given else {}
    if "environment" in given:
        monkeypatch.setenv("CMD_MODEL", "environment")
    folder = project(
        '[tool.cc_jupyter]\nmodel = "project"' if "project" in given else "[project]\nname = 'x'"
    )
    if "config" in given:
        config('model = "config"')
    assert load_settings(session, profile, folder).model == given[0]


def test_each_setting_says_where_it_came_from(project, config, monkeypatch):
    folder = project("[tool.cc_jupyter]\nmax_tokens = 5")
    path = config("max_retries = 1")
    monkeypatch.setenv("CMD_MODEL", "m")
    settings = load_settings({"temperature": 0.5}, {"effort": "low"}, folder)
    assert settings.sources == {
        "temperature": "this session",
        "model": "CMD_MODEL",
        "max_tokens": str(folder / "pyproject.toml"),
        "max_retries": str(path),
        "effort": "the IPython profile",
    }


def test_without_anything_the_defaults_hold(tmp_path):
    assert load_settings(folder=tmp_path) == Settings()
    assert Settings().base_url == "https://api.commandcode.ai/provider/v1"
    assert (Settings().max_retries, Settings().idle_timeout_s) == (2, 300.0)
    assert (Settings().zdr, Settings().allow_http, Settings().reasoning) == (False, False, True)
    assert Settings().model is None


def test_the_nearest_pyproject_counts_and_no_other(project):
    folder = project('[tool.cc_jupyter]\nmodel = "near"\n')
    (folder.parent / "pyproject.toml").write_text('[tool.cc_jupyter]\nmodel = "far"\neffort="x"\n')
    deeper = folder / "a" / "b"
    deeper.mkdir(parents=True)
    settings = load_settings(folder=deeper)
    assert (settings.model, settings.effort) == ("near", None)


def test_a_file_that_changes_is_read_again(config, tmp_path):
    config('model = "one"')
    assert load_settings(folder=tmp_path).model == "one"
    config('model = "another"')
    assert load_settings(folder=tmp_path).model == "another"


def test_an_equal_value_of_another_type_is_read_again(tmp_path):
    assert load_settings({"zdr": True}, folder=tmp_path).zdr is True
    with pytest.raises(ConfigError, match="zdr = 1 cannot be used"):
        load_settings({"zdr": 1}, folder=tmp_path)


def test_a_table_of_the_session_that_changes_is_read_again(tmp_path):
    session = {"alias": {"a": "gpt-5.5"}}
    assert load_settings(session, folder=tmp_path).alias == {"a": "gpt-5.5"}
    session["alias"]["a"] = 5
    with pytest.raises(ConfigError, match="alias cannot be used"):
        load_settings(session, folder=tmp_path)


def test_a_deleted_working_directory_is_no_error(monkeypatch):
    def gone() -> Path:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "cwd", gone)
    assert load_settings().model is None


# ── which file may set what


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ('model = "m"', "model", "m"),
        ("max_retries = 0", "max_retries", 0),
        ("budget_usd = 0.1", "budget_usd", Decimal("0.1")),
        ("trim = true", "trim", True),
        ('history = "off"', "history", False),
        ("idle_timeout_s = 12", "idle_timeout_s", 12.0),
        ("zdr = true", "zdr", True),
        ("reasoning = false", "reasoning", False),
        ('reasoning = "off"', "reasoning", False),
        ("temperature = 0", "temperature", 0.0),
        ("top_p = 0.9", "top_p", 0.9),
        ("max_tokens = 100", "max_tokens", 100),
        ('effort = "high"', "effort", "high"),
        ("table_rows = 500", "table_rows", 500),
        ('table_rows = "all"', "table_rows", None),
        ('table_columns = " ALL "', "table_columns", None),
        ('table_columns = "70"', "table_columns", 70),
        ("max_text_chars = 1000", "max_text_chars", 1000),
        ("max_file_chars = 1000", "max_file_chars", 1000),
        ("max_value_chars = 1000", "max_value_chars", 1000),
    ],
)
def test_both_files_may_set_model_parameters_limits_and_display(line, name, value, project, config):
    folder = project(f"[tool.cc_jupyter]\n{line}")
    assert getattr(load_settings(folder=folder), name) == value
    project("")
    config(line)
    assert getattr(load_settings(folder=folder), name) == value


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ('base_url = "https://x/v1"', "base_url", "https://x/v1"),
        ('key_env = "MY_KEY"', "key_env", "MY_KEY"),
        ('[alias]\nfast = "a/b"', "alias", {"fast": "a/b"}),
        (
            '[hosts."https://x.example/api"]\nkey_env = "X_KEY"',
            "hosts",
            {"https://x.example/api/v1": {"key_env": "X_KEY"}},
        ),
    ],
)
def test_only_the_users_own_file_may_say_where_the_key_goes(line, name, value, project, config):
    config(line)
    folder = project("")
    assert getattr(load_settings(folder=folder), name) == value
    table = line.replace("[alias]", "[tool.cc_jupyter.alias]")
    table = table.replace("[hosts.", "[tool.cc_jupyter.hosts.")
    project(table if table != line else f"[tool.cc_jupyter]\n{line}")
    with pytest.raises(ConfigError) as error:
        load_settings(folder=folder)
    assert f"pyproject.toml may not set {name}" in message(error)
    assert "config.toml" in message(error)


@pytest.mark.parametrize("word", ["document", "execution", " Document "])
def test_the_order_of_a_conversation_is_the_users_choice_alone(word, project, config):
    folder = project("")
    assert load_settings(folder=folder).order == "execution"
    config(f'order = "{word}"')
    assert load_settings(folder=folder).order == word.strip().lower()
    project(f'[tool.cc_jupyter]\norder = "{word}"')
    with pytest.raises(ConfigError) as error:
        load_settings(folder=folder)
    assert "may not set order: a cloned repository could change what is sent" in message(error)


@pytest.mark.parametrize("value", ['"documents"', "1", "true", '""'])
def test_an_order_that_is_none_names_the_two(value, project, config):
    path = config(f"order = {value}")
    with pytest.raises(ConfigError) as error:
        load_settings(folder=project(""))
    assert f"{path}: order = " in message(error)
    assert "it must be execution or document" in message(error)


@pytest.mark.parametrize("place", ["project", "config"])
def test_no_file_may_allow_plain_http(place, project, config):
    folder = project("[tool.cc_jupyter]\nallow_http = true" if place == "project" else "")
    if place == "config":
        config("allow_http = true")
    with pytest.raises(ConfigError, match="may not set allow_http"):
        load_settings(folder=folder)


@pytest.mark.parametrize("value", ["0", "-1", "true", "1.5", '"many"', '""', "[1]"])
def test_a_number_of_rows_that_is_none_says_what_can_be_written(value, project, config):
    path = config(f"table_rows = {value}")
    with pytest.raises(ConfigError) as error:
        load_settings(folder=project(""))
    assert f"{path}: table_rows = " in message(error)
    assert "it must be a whole number of at least 1, or all" in message(error)


def test_the_limits_of_values_are_those_of_the_settings():
    assert Settings().value_limits == ValueLimits()
    chosen = Settings(table_rows=None, table_columns=7, max_text_chars=6, max_value_chars=5)
    assert chosen.value_limits == ValueLimits(None, 7, text_chars=6, value_chars=5)


# ── what is wrong in a file is said, with file, key and close matches


@pytest.mark.parametrize(
    ("key", "match"),
    [("modle", "model"), ("idle_timeout", "idle_timeout_s"), ("max_retry", "max_retries")],
)
@pytest.mark.parametrize("place", ["project", "config"])
def test_an_unknown_key_names_file_key_and_close_matches(key, match, place, project, config):
    folder = project(f"[tool.cc_jupyter]\n{key} = 1" if place == "project" else "")
    path = folder / "pyproject.toml" if place == "project" else config(f"{key} = 1")
    with pytest.raises(ConfigError) as error:
        load_settings(folder=folder)
    assert str(path) in message(error)
    assert f"unknown setting {key}" in message(error)
    assert f"did you mean {match}" in message(error)


def test_an_unknown_key_without_a_close_match_names_the_known_ones(config, tmp_path):
    config('qqqq = "x"')
    with pytest.raises(ConfigError) as error:
        load_settings(folder=tmp_path)
    assert "known settings: model, base_url, key_env, max_retries" in message(error)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("model = 3", "model = 3 cannot be used | it must be a string that is not blank"),
        ('model = " "', "model = ' ' cannot be used"),
        ("budget_usd = -1", "budget_usd = -1 cannot be used | it must be an amount"),
        (
            'budget_usd = "much"',
            "budget_usd = 'much' cannot be used | it must be an amount in US dollars",
        ),
        ('max_retries = "2"', "max_retries = '2' cannot be used | it must be a whole number"),
        ("max_retries = -1", "max_retries = -1 cannot be used"),
        ("max_retries = 1.5", "max_retries = 1.5 cannot be used"),
        ("max_retries = true", "max_retries = True cannot be used"),
        ("idle_timeout_s = 0", "idle_timeout_s = 0 cannot be used | it must be a positive number"),
        ("idle_timeout_s = inf", "idle_timeout_s = inf cannot be used"),
        ("idle_timeout_s = nan", "idle_timeout_s = nan cannot be used"),
        ('idle_timeout_s = "300"', "idle_timeout_s = '300' cannot be used"),
        ("temperature = 2.1", "temperature = 2.1 cannot be used | it must be a number from 0 to 2"),
        ("top_p = false", "top_p = False cannot be used"),
        ("max_tokens = 0", "max_tokens = 0 cannot be used"),
        ("zdr = 1", "zdr = 1 cannot be used | it must be on or off"),
        ('reasoning = "maybe"', "reasoning = 'maybe' cannot be used"),
        ("model = ['a', 'b']", "model = ['a', 'b'] cannot be used"),
    ],
)
@pytest.mark.parametrize("place", ["project", "config"])
def test_an_ill_typed_setting_names_file_setting_and_type(line, said, place, project, config):
    folder = project(f"[tool.cc_jupyter]\n{line}" if place == "project" else "")
    path = folder / "pyproject.toml" if place == "project" else config(line)
    with pytest.raises(ConfigError) as error:
        load_settings(folder=folder)
    assert f"{path}: {said}" in message(error)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("alias = 3", "alias = 3 cannot be used"),
        ("[alias]\nfast = 3", "alias cannot be used | it must be a table of strings"),
        ('hosts = "x"', "hosts = 'x' cannot be used"),
        ('[hosts]\n"https://x" = "K"', "hosts cannot be used"),
        ('[hosts."https://x"]\nkeyenv = "K"', 'key_env = "NAME", not keyenv'),
        ('[hosts."https://x"]\nkey_env = 3', "hosts cannot be used"),
        (
            '[hosts."no address"]\nkey_env = "K"',
            "the base URL 'no address' is not an http(s) address",
        ),
    ],
)
def test_an_ill_typed_table_of_the_users_file_is_named(lines, said, config, tmp_path):
    path = config(lines)
    with pytest.raises(ConfigError) as error:
        load_settings(folder=tmp_path)
    assert str(path) in message(error)
    assert said in message(error)


def test_a_key_put_where_its_name_belongs_is_not_repeated(config, tmp_path):
    config('[hosts."https://x"]\nkey = "odd-secret-letters"')
    with pytest.raises(ConfigError) as error:
        load_settings(folder=tmp_path)
    assert "odd-secret-letters" not in message(error)


@pytest.mark.parametrize(
    "text", ["model = ", "[tool.cc_jupyter]\nmodel = 'a'\nmodel = 'b'", "\udcff"]
)
def test_a_file_that_is_no_toml_is_named(text, project, config):
    folder = project("")
    path = folder / "pyproject.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match=r"pyproject\.toml cannot be read"):
        load_settings(folder=folder)


@pytest.mark.parametrize("text", ["tool = 3", "[tool]\ncc_jupyter = 3", "tool.cc_jupyter = []"])
def test_a_tool_table_of_another_shape_is_no_traceback(text, project):
    folder = project(text)
    if "cc_jupyter" in text:
        with pytest.raises(ConfigError, match=r"tool\.cc_jupyter must be a table"):
            load_settings(folder=folder)
    else:
        assert load_settings(folder=folder) == Settings()


def test_other_tools_in_pyproject_are_none_of_our_business(project):
    folder = project("[tool.other]\nmodel = 3\nkey_env = 'X'\n[project]\nname = 'x'")
    assert load_settings(folder=folder) == Settings()


# ── the environment


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ("CMD_BASE_URL=https://x", "base_url", "https://x"),
        ("CMD_BASE_URL= local ", "base_url", "local"),
        ("CMD_MODEL=a/b:free", "model", "a/b:free"),
        ("CMD_MODEL=123", "model", "123"),
        ("CMD_MAX_RETRIES=0", "max_retries", 0),
        ("CMD_MAX_RETRIES= 5 ", "max_retries", 5),
        ("CMD_IDLE_TIMEOUT_S=2.5", "idle_timeout_s", 2.5),
        ("CMD_IDLE_TIMEOUT_S=600", "idle_timeout_s", 600.0),
        ("CMD_ALLOW_HTTP=1", "allow_http", True),
        ("CMD_ALLOW_HTTP=0", "allow_http", False),
        ("CMD_ZDR=1", "zdr", True),
        ("CMD_ZDR=off", "zdr", False),
        ("CMD_ZDR=TRUE", "zdr", True),
        ("CMD_MAX_RETRIES=", "max_retries", 2),
        ("CMD_ZDR=  ", "zdr", False),
    ],
)
def test_a_variable_sets_what_it_names(given, name, value, monkeypatch, tmp_path):
    variable, _, text = given.partition("=")
    monkeypatch.setenv(variable, text)
    assert getattr(load_settings(folder=tmp_path), name) == value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("CMD_MAX_RETRIES", "two"),
        ("CMD_MAX_RETRIES", "-1"),
        ("CMD_MAX_RETRIES", "1.5"),
        ("CMD_IDLE_TIMEOUT_S", "5 minutes"),
        ("CMD_IDLE_TIMEOUT_S", "0"),
        ("CMD_IDLE_TIMEOUT_S", "nan"),
        ("CMD_IDLE_TIMEOUT_S", "inf"),
        ("CMD_ZDR", "yes please"),
        ("CMD_ALLOW_HTTP", "2"),
    ],
)
def test_an_ill_typed_variable_names_itself_and_its_value(variable, text, monkeypatch, tmp_path):
    monkeypatch.setenv(variable, text)
    with pytest.raises(ConfigError) as error:
        load_settings(folder=tmp_path)
    assert message(error).startswith(f"{variable}: ")
    assert text in message(error)


@pytest.mark.parametrize("variable", ["CMD_ANYTHING", "CMD_TEMPERATURE", "CMD_API_KEYS"])
def test_unknown_variables_of_our_prefix_are_ignored(variable, monkeypatch, tmp_path):
    monkeypatch.setenv(variable, "whatever")
    assert load_settings(folder=tmp_path) == Settings()


def test_what_a_trait_accepts_and_we_cannot_use_fails_with_its_source(tmp_path):
    with pytest.raises(ConfigError, match="this session: temperature = 7"):
        load_settings({"temperature": 7.0}, folder=tmp_path)
    with pytest.raises(ConfigError, match="the IPython profile: max_retries = -1"):
        load_settings({}, {"max_retries": -1}, tmp_path)


# ── a project may be stricter than the user, never looser

SAFETY = {
    "zdr lifted": ("zdr = false", "zdr = true", "zdr", True, True),
    "zdr asked for": ("zdr = true", "zdr = false", "zdr", True, False),
    "budget raised": ("budget_usd = 100", "budget_usd = 5", "budget_usd", Decimal(5), True),
    "budget lowered": ("budget_usd = 1", "budget_usd = 5", "budget_usd", Decimal(1), False),
    "the same budget": ("budget_usd = 5", "budget_usd = 5", "budget_usd", Decimal(5), False),
    "history switched on": ("history = true", "history = false", "history", False, True),
    "history switched off": ("history = false", "history = true", "history", False, False),
    "more retries": ("max_retries = 9", "max_retries = 0", "max_retries", 0, True),
    "fewer retries": ("max_retries = 0", "max_retries = 9", "max_retries", 0, False),
}


@pytest.mark.parametrize("case", SAFETY.values(), ids=SAFETY)
@pytest.mark.parametrize("level", ["config", "profile"])
def test_the_stricter_of_project_and_user_wins(project, config, case, level):
    theirs, own, name, value, overruled = case
    folder = project(f"[tool.cc_jupyter]\n{theirs}\n")
    profile = {}
    if level == "config":
        config(own)
    else:
        key, _, text = own.partition(" = ")
        profile = {key: {"true": True, "false": False}.get(text, text if "usd" in key else None)}
        profile[key] = int(text) if profile[key] is None else profile[key]
    settings = load_settings(profile=profile, folder=folder)
    assert getattr(settings, name) == value
    file = str(folder / "pyproject.toml")
    assert (settings.sources[name] == file) is not overruled
    assert settings.overruled == ({name: file} if overruled else {})


@pytest.mark.parametrize(
    ("line", "name"), [("zdr = true", "zdr"), ("budget_usd = 1", "budget_usd")]
)
def test_a_project_may_be_strict_where_the_user_says_nothing(project, line, name):
    settings = load_settings(folder=project(f"[tool.cc_jupyter]\n{line}\n"))
    assert settings.sources[name].endswith("pyproject.toml")
    assert settings.overruled == {}


def test_what_the_user_says_for_this_session_comes_before_a_strict_project(project, monkeypatch):
    folder = project("[tool.cc_jupyter]\nzdr = true\nmax_retries = 0\n")
    monkeypatch.setenv("CMD_MAX_RETRIES", "3")
    settings = load_settings({"zdr": False}, folder=folder)
    assert (settings.zdr, settings.max_retries) == (False, 3)


def test_other_settings_of_a_project_keep_their_place(project, config):
    config("max_tokens = 5")
    folder = project("[tool.cc_jupyter]\nmax_tokens = 900\n")
    assert load_settings(folder=folder).max_tokens == 900
