"""Settings in one order of precedence: session, environment, project, user, default.

Options on the line take precedence over all of these; the caller applies them. A `pyproject.toml`
may come with a cloned repository, so it can never decide where the key is sent: base URL, key names
and hosts are read only from the user's `config.toml` and the environment. For the safety settings
(`zdr`, `budget_usd`, `refuse_above_usd`, `history`, `max_retries`, `max_answer_mb`,
`concurrency`) it can only be stricter than the user's own files. Above all of them is an
administrator's policy (`config.policy`), which nothing loosens.
"""

from __future__ import annotations

import functools
import math
import operator
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cc_jupyter.config.base_url import DEFAULT_BASE_URL, api_root
from cc_jupyter.config.validators import (
    count_or_all,
    from_variable,
    number_reader,
    read_amount,
    read_cassette,
    read_hosts,
    read_names,
    read_project_cassette,
    read_switch,
    read_text,
    whole_reader,
    word_reader,
)
from cc_jupyter.core.errors import ConfigError, did_you_mean
from cc_jupyter.core.messages import ValueLimits
from cc_jupyter.core.paths import config_folder
from cc_jupyter.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from decimal import Decimal

    from cc_jupyter.config.custom_models import CustomModel
    from cc_jupyter.config.policy import Policy
    from cc_jupyter.config.validators import CassetteChoice


PROJECT_FILE = "pyproject.toml"
MACHINE_POLICY = Path("/etc/cc-jupyter/policy.toml")
POLICY_VARIABLE = "CMD_POLICY"
"""Names a second policy file."""
_EMPTY: Mapping[str, Any] = {}


class Settings(NamedTuple):
    """The settings for the next request, and the source of each value."""

    model: str | None = None
    """The model of the next request."""
    base_url: str = DEFAULT_BASE_URL
    """The server, or `local` for the model on this machine."""
    key_env: str | None = None
    """The environment variable that holds the key."""
    max_retries: int = 2
    """How often a request is sent again that failed before its answer began."""
    idle_timeout_s: float = 300.0
    """Read timeout between two bytes of an open stream."""
    max_answer_mb: float = 64.0
    """The most text of one answer, thinking and tool calls included; a longer one is ended."""
    zdr: bool = False
    """Zero data retention."""
    reasoning: bool = True
    """Whether the model's thinking is shown."""
    remote_images: bool = False
    """Whether web images in an answer are loaded; their server then learns the reader's address."""
    temperature: float | None = None
    """The randomness of answers, 0 to 2."""
    top_p: float | None = None
    """Sample only from the most likely tokens up to this share, 0 to 1."""
    max_tokens: int | None = None
    """The most tokens of an answer."""
    effort: str | None = None
    """The effort of reasoning, in the model's own words."""
    large_prompt_factor: float = 5.0
    """A notice appears when a prompt is this many times larger than the thread's last one."""
    table_rows: int | None = 100
    """The rows of a table in a prompt that are sent, from the first; `all` sends all."""
    table_columns: int | None = 50
    """The columns of a table in a prompt that are sent, from the first; `all` sends all."""
    max_text_chars: int = 400_000
    """The characters of a `str` in a prompt."""
    max_file_chars: int = 100_000
    """The characters of a file that a `Path` in a prompt names."""
    max_value_chars: int = 20_000
    """The characters of any other value in a prompt, whose text is generated."""
    trim: bool = False
    """Whether the oldest turns are left out when a thread outgrows the model's window."""
    budget_usd: Decimal | None = None
    """The spending limit of a session."""
    refuse_above_usd: Decimal | None = None
    """A cell that is estimated to cost more must name its limit; unset: one US dollar."""
    concurrency: int = 32
    """The most requests of a grid or of rows in flight at once; the local model answers one at a
    time."""
    give_up_after_s: float = 600.0
    """For how long a row waits for its turn after the provider has refused it as one too many."""
    order: str = "execution"
    """The context of a turn: the cells run before it, or with `document` the cells above it."""
    history: bool = True
    """Whether turns are saved on disk."""
    cassette: CassetteChoice | None = None
    """The cassette that answers are recorded in or replayed from."""
    allow_http: bool = False
    """Whether requests may use plain http to a host other than this machine."""
    alias: Mapping[str, str] = _EMPTY
    """Short names of models."""
    hosts: Mapping[str, Mapping[str, str]] = _EMPTY
    """By API root: `key_env`, the environment variable with the key for that host."""
    models: Mapping[str, CustomModel] = _EMPTY
    """By id: models the user added or corrected."""
    own_host: bool = False
    """Whether the base URL belongs to one model; only a key set for that model is sent to it."""
    sources: Mapping[str, str] = _EMPTY
    """By setting: the source of its value."""
    overruled: Mapping[str, str] = _EMPTY
    """By safety setting: the project file whose weaker value is ignored."""
    policy: Policy | None = None
    """What an administrator allows; `None`: there is no policy."""

    @property
    def api_root(self) -> str:
        """The API root of the base URL; not defined for the local model.

        Raises
        ------
        ConfigError
            The base URL cannot be used, or a policy does not allow its host.
        """
        root = api_root(self.base_url, allow_http=self.allow_http)
        self.check_server(root)
        return root

    def check_server(self, server: str) -> None:
        """Raise `ConfigError` if a policy does not allow the root of an API, or `local`."""
        if self.policy is not None:
            self.policy.check_server(server)

    def check_model(self, model: str) -> None:
        """Raise `ConfigError` if a policy does not allow a model."""
        if self.policy is not None:
            self.policy.check_model(model)

    def allows_model(self, model: str) -> bool:
        """Return whether a policy allows a model."""
        return self.policy is None or self.policy.allows_model(model)

    @property
    def value_limits(self) -> ValueLimits:
        """How much of a value in a prompt is sent."""
        return ValueLimits(
            table_rows=self.table_rows,
            table_columns=self.table_columns,
            text_chars=self.max_text_chars,
            file_chars=self.max_file_chars,
            value_chars=self.max_value_chars,
        )


def _read_models(value: object) -> Mapping[str, CustomModel]:
    from cc_jupyter.config.custom_models import read_custom_models  # noqa: PLC0415  rarely used

    return read_custom_models(value)


class _Setting(NamedTuple):
    read: Callable[[object], Any]
    variable: str | None = None
    from_text: Callable[[str], object] = str
    """Converts the text of a variable, since a variable has no types."""
    in_project: bool = True
    in_config: bool = True
    risk: str = "send your key elsewhere"
    """What a cloned repository could do with it; shown if a project file sets it."""
    is_stricter: Callable[[Any, Any], bool] | None = None
    """For a safety setting: whether the first value protects more than the second."""
    read_in_project: Callable[[object, Path], Any] | None = None
    """Checks the value in a project's file, which may set less; takes the file's path too."""


_MIN_IDLE_S = 0.001
_MIN_ANSWER_MB = 0.001
_SETTINGS: Mapping[str, _Setting] = {
    "model": _Setting(read_text, "CMD_MODEL"),
    "base_url": _Setting(read_text, "CMD_BASE_URL", in_project=False),
    "key_env": _Setting(read_text, in_project=False),
    "max_retries": _Setting(
        whole_reader(0), "CMD_MAX_RETRIES", from_variable, is_stricter=operator.lt
    ),
    "idle_timeout_s": _Setting(
        number_reader(_MIN_IDLE_S, math.inf), "CMD_IDLE_TIMEOUT_S", from_variable
    ),
    "max_answer_mb": _Setting(number_reader(_MIN_ANSWER_MB, math.inf), is_stricter=operator.lt),
    "zdr": _Setting(read_switch, "CMD_ZDR", is_stricter=operator.gt),
    "reasoning": _Setting(read_switch),
    "remote_images": _Setting(read_switch, in_project=False),
    "temperature": _Setting(number_reader(0, 2)),
    "top_p": _Setting(number_reader(0, 1)),
    "max_tokens": _Setting(whole_reader(1)),
    "effort": _Setting(read_text),
    "large_prompt_factor": _Setting(number_reader(1, math.inf)),
    "table_rows": _Setting(count_or_all),
    "table_columns": _Setting(count_or_all),
    "max_text_chars": _Setting(whole_reader(1)),
    "max_file_chars": _Setting(whole_reader(1)),
    "max_value_chars": _Setting(whole_reader(1)),
    "trim": _Setting(read_switch),
    "budget_usd": _Setting(read_amount, is_stricter=operator.lt),
    "refuse_above_usd": _Setting(read_amount, is_stricter=operator.lt),
    "concurrency": _Setting(whole_reader(1), is_stricter=operator.lt),
    "give_up_after_s": _Setting(number_reader(0, math.inf)),
    "order": _Setting(
        word_reader("execution", "document"), in_project=False, risk="change what is sent"
    ),
    "history": _Setting(read_switch, "CMD_HISTORY", is_stricter=operator.lt),
    "cassette": _Setting(read_cassette, "CMD_CASSETTE", read_in_project=read_project_cassette),
    "allow_http": _Setting(read_switch, "CMD_ALLOW_HTTP", in_project=False, in_config=False),
    "alias": _Setting(read_names, in_project=False),
    "hosts": _Setting(read_hosts, in_project=False),
    "models": _Setting(_read_models, in_project=False),
}


class SettingFact(NamedTuple):
    """What the documentation says of a setting, besides its meaning."""

    name: str
    variable: str | None
    default: object
    """Its value where nothing sets it; `None`: there is none."""
    in_config: bool
    in_project: bool
    is_safe: bool
    """Whether a project's file can only make it stricter."""


def setting_facts() -> tuple[SettingFact, ...]:
    """Return what the documentation says of each setting."""
    return tuple(
        SettingFact(
            name,
            each.variable,
            getattr(_DEFAULTS, name),
            each.in_config,
            each.in_project,
            each.is_stricter is not None,
        )
        for name, each in _SETTINGS.items()
    )


_DEFAULTS = Settings()
_VARIABLES = {name: each.variable for name, each in _SETTINGS.items() if each.variable is not None}
_MAX_LOADED = 8
_loaded: dict[object, Settings] = {}
"""Settings by all that they depend on: a prompt asks for them several times."""


class _File(NamedTuple):
    path: Path
    version: tuple[int, int] | None
    """The time of its last change and its size; `None`: there is no such file."""


def load_settings(
    session: Mapping[str, Any] = _EMPTY,
    profile: Mapping[str, Any] = _EMPTY,
    folder: Path | None = None,
) -> Settings:
    """Return the effective settings; files and values are read again only after a change.

    Parameters
    ----------
    session
        Values set by `%cmd use` and `%config`; they have the highest precedence.
    profile
        Values of the IPython profile; they have the lowest precedence.
    folder
        Where the search for `pyproject.toml` starts; by default the working directory.

    Raises
    ------
    ConfigError
        A file or variable has an unknown setting or an invalid value.
    """
    found = nearest_project(folder)
    project = None if found is None else _file(found)
    config = _file(config_folder() / "config.toml")
    policies = _policies()
    variables = _variables()
    # as text, because 1 and True are equal and a table may change
    inputs = (repr(session), repr(profile), variables, project, config, policies)
    settings = _loaded.get(inputs)
    if settings is None:
        levels = _levels(session, variables, project, config, profile)
        settings = _merged(levels, None if project is None else project.path)
        if policies:
            settings = _under_policy(settings, policies)
        if len(_loaded) >= _MAX_LOADED:
            _loaded.clear()
        _loaded[inputs] = settings
    return settings


def _merged(levels: Iterable[tuple[str, Mapping[str, Any]]], project: Path | None) -> Settings:
    """Return the settings of all levels; the first has the highest precedence."""
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    overruled: dict[str, str] = {}
    for source, level in levels:
        for name, raw in level.items():
            if raw is None or (name in values and sources[name] != str(project)):
                continue
            value = _read(name, raw, source, project if source == str(project) else None)
            if name in values:
                is_stricter = _SETTINGS[name].is_stricter
                if is_stricter is None or not is_stricter(value, values[name]):
                    continue
                overruled[name] = str(project)
            values[name] = value
            sources[name] = source
    return Settings(**values, sources=sources, overruled=overruled)


def _policies() -> tuple[_File, ...]:
    """Return the policy files that count: the machine's if there is one, and that of a variable."""
    named = os.environ.get(POLICY_VARIABLE, "").strip()
    paths = (
        *((MACHINE_POLICY,) if _may_exist(MACHINE_POLICY) else ()),
        *((Path(named),) if named else ()),
    )
    return tuple(map(_file, paths))


def _may_exist(path: Path) -> bool:
    """Return whether there is a file, a link, or an obstacle such as a folder of other users.

    A policy that cannot be read must stop requests, not allow all of them.
    """
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def _under_policy(settings: Settings, policies: Iterable[_File]) -> Settings:
    """Return the settings with what a policy prescribes."""
    from cc_jupyter.config.policy import read_policy  # noqa: PLC0415  few machines have a policy

    policy = read_policy(each.path for each in policies)
    prescribed = (*(() if policy.history else ("history",)), *(("zdr",) if policy.zdr else ()))
    return settings._replace(
        history=settings.history and policy.history,
        zdr=settings.zdr or policy.zdr,
        policy=policy,
        sources={**settings.sources, **{name: policy.sources[name] for name in prescribed}},
    )


def _variables() -> tuple[tuple[str, str], ...]:
    """Return the settings that environment variables set, by name, as text."""
    found = ((name, os.environ.get(variable, "")) for name, variable in _VARIABLES.items())
    return tuple((name, text) for name, text in found if text.strip())


def _levels(
    session: Mapping[str, Any],
    variables: Iterable[tuple[str, str]],
    project: _File | None,
    config: _File,
    profile: Mapping[str, Any],
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield "this session", session
    for name, text in variables:
        yield _VARIABLES[name], {name: _SETTINGS[name].from_text(text)}
    if project is not None:
        tool = _toml(project).get("tool")
        table = tool.get("cc_jupyter", {}) if isinstance(tool, dict) else {}
        yield str(project.path), _checked(table, project.path, "in_project")
    yield str(config.path), _checked(_toml(config), config.path, "in_config")
    yield "the IPython profile", profile


def _read(name: str, raw: object, source: str, project: Path | None = None) -> object:
    setting = _SETTINGS[name]
    try:
        if project is not None and setting.read_in_project is not None:
            return setting.read_in_project(raw, project)
        return setting.read(raw)
    except ValueError as error:
        # a table is not shown: it may contain a misplaced key
        value = "" if isinstance(raw, dict) else f" = {redact(repr(raw))}"
        raise ConfigError(
            f"{source}: {name}{value} cannot be used", hint=f"it must be {error}"
        ) from None


def _checked(table: object, path: Path, where: str) -> Mapping[str, Any]:
    """Return the table; raise for names that are unknown or not allowed in this file."""
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: tool.cc_jupyter must be a table")
    if not table:
        return table
    permitted = [name for name, setting in _SETTINGS.items() if getattr(setting, where)]
    for name in table:
        if name in permitted:
            continue
        if name in _SETTINGS:
            raise ConfigError(
                f"{path} may not set {name}: a cloned repository could {_SETTINGS[name].risk}",
                hint=f"set it in the environment or in {config_folder() / 'config.toml'}",
            )
        raise ConfigError(
            f"{path}: unknown setting {name}",
            hint=did_you_mean(name, permitted) or f"known settings: {', '.join(permitted)}",
        )
    return table


def nearest_project(folder: Path | None = None) -> Path | None:
    """Return the nearest `pyproject.toml`, in a folder (by default the working one) or above it."""
    try:
        start = str(folder or os.getcwd())  # noqa: PTH109  each prompt asks; `Path.cwd` takes longer
    except FileNotFoundError:  # the working directory was deleted
        return None
    return next((path for path in _project_files(start) if path.is_file()), None)


@functools.lru_cache(maxsize=8)
def _project_files(start: str) -> tuple[Path, ...]:
    """Return where a project file may be, nearest first; each prompt looks there."""
    return tuple(place / PROJECT_FILE for place in (Path(start), *Path(start).parents))


def _file(path: Path) -> _File:
    try:
        stat = path.stat()
    except OSError:  # usually there is none
        return _File(path, None)
    return _File(path, (stat.st_mtime_ns, stat.st_size))


def _toml(file: _File) -> Mapping[str, Any]:
    return _EMPTY if file.version is None else _parsed(file.path, *file.version)


@functools.lru_cache(maxsize=8)
def _parsed(path: Path, mtime_ns: int, size: int) -> Mapping[str, Any]:  # noqa: ARG001  they identify the version in the cache
    import tomllib  # noqa: PLC0415  loading the extension reads no file

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
