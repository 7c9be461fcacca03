"""Write the reference pages of the documentation from the tables that the program itself uses."""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cc_jupyter
from cc_jupyter.commands.registry import COMMANDS
from cc_jupyter.config.settings import SettingFact, Settings, setting_facts
from cc_jupyter.prompt.options import option_table_markdown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PACKAGE = Path(cc_jupyter.__file__).parent
ENVIRONMENT = {
    "CMD_API_KEY": "the key; `COMMAND_CODE_API_KEY` and `COMMANDCODE_API_KEY` are read after it",
    "CMD_POLICY": "a policy file that counts next to `/etc/cc-jupyter/policy.toml`",
    "CMD_JUPYTER_HOME": "one folder for all files of this package: settings, data and cache",
    "HTTPS_PROXY": "the proxy for https; also `ALL_PROXY`, and both in small letters",
    "NO_PROXY": "hosts that are reached without a proxy, separated by commas or blanks",
    "SSL_CERT_FILE": "the certificates to trust, as one file; `SSL_CERT_DIR`: as a folder",
}
"""Variables that are no setting."""
SCHEMAS = {
    "The metadata of an output": "render/metadata_schema.json",
    "An exported conversation": "conversation/export_schema.json",
    "A line of a cassette": "cassettes/cassette_schema.json",
    "The protocol between the kernel and JupyterLab": "frontend/comm_schema.json",
}


def write_reference(folder: Path) -> None:
    """Write all reference pages into a folder."""
    folder.mkdir(exist_ok=True)
    pages = {
        "options.md": _options,
        "commands.md": _commands,
        "settings.md": _settings,
        "environment.md": _environment,
        "python.md": _python,
        "files.md": _files,
    }
    for name, page in pages.items():
        (folder / name).write_text("\n".join(page()) + "\n", encoding="utf-8")


def _options() -> Iterator[str]:
    yield "# Options\n"
    yield "The first line of a cell, `%%cmd [@NAME] [options] [-> NAME]`, and the same options for"
    yield "`%cmd ask`.\n"
    yield option_table_markdown()


def _commands() -> Iterator[str]:
    yield "# Commands\n"
    yield "`%cmd help COMMAND` shows the same in a notebook."
    for spec in COMMANDS:
        yield f"\n## {spec.name}\n"
        yield f"`{f'%cmd {spec.name} {spec.usage}'.rstrip()}`\n"
        yield f"{_sentence(spec.summary)}\n"
        if spec.details:
            yield f"{_prose(spec.details)}\n"
        if spec.example:
            yield f"```text\n{spec.example}\n```"


def _settings() -> Iterator[str]:
    meanings = _field_docs(Settings)
    yield "# Settings\n"
    yield "The first of these that has a value wins: `%cmd use` or `%config CmdMagics.NAME`; the"
    yield "environment variable; `[tool.cc_jupyter]` in the nearest `pyproject.toml`; `config.toml`"
    yield "in your config folder; the IPython profile. Options of a cell come before all of them,"
    yield "and a policy ([deployments](../deployments.md)) above them.\n"
    yield "Where a project's file can only make a setting stricter, the last column says so.\n"
    yield "| setting | meaning | default | variable | files |"
    yield "| --- | --- | --- | --- | --- |"
    for fact in setting_facts():
        variable = f"`{fact.variable}`" if fact.variable else ""
        cells = (f"`{fact.name}`", _prose(meanings[fact.name]), _default(fact.default), variable)
        yield f"| {' | '.join(cells)} | {_places(fact)} |"


def _default(value: object) -> str:
    if value is None or value == {}:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int):
        return f"`{value:_}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _places(fact: SettingFact) -> str:
    """Return the files that may set it."""
    if not fact.in_config:
        return "none"
    if not fact.in_project:
        return "`config.toml`"
    return "both; a project's only stricter" if fact.is_safe else "both"


def _environment() -> Iterator[str]:
    by_variable = {fact.variable: fact.name for fact in setting_facts() if fact.variable}
    yield "# Environment variables\n"
    yield "| variable | what it does |"
    yield "| --- | --- |"
    for variable, name in by_variable.items():
        yield f"| `{variable}` | the setting [`{name}`](settings.md) |"
    for variable, meaning in ENVIRONMENT.items():
        yield f"| `{variable}` | {meaning} |"


def _python() -> Iterator[str]:
    yield "# Python\n"
    yield "`import cc_jupyter as cc`; each name is loaded when it is first used."
    values: dict[str, Any] = {name: getattr(cc_jupyter, name) for name in cc_jupyter.__all__}
    kinds: dict[str, list[Any]] = {
        "Functions": [each for each in values.values() if inspect.isfunction(each)],
        "Values and events": [
            each
            for each in values.values()
            if inspect.isclass(each) and not issubclass(each, Exception)
        ],
        "Errors": [
            each
            for each in values.values()
            if inspect.isclass(each) and issubclass(each, Exception)
        ],
    }
    for title, members in kinds.items():
        yield f"\n## {title}"
        for value in members:
            home = f"cc_jupyter.{value.__name__}"
            yield f"\n### {value.__name__}\n\n```{{eval-rst}}"
            if title == "Functions":
                yield f".. autofunction:: {home}"
            elif title == "Errors":  # the signature says nothing to those who catch it
                yield f".. autoexception:: {home}()\n   :members:"
            else:
                yield f".. autoclass:: {home}\n   :members:"
            yield "```"


def _files() -> Iterator[str]:
    yield "# File formats\n"
    yield "Each format has a JSON schema, and the tests validate real files against it."
    for title, path in SCHEMAS.items():
        schema: Mapping[str, Any] = json.loads((PACKAGE / path).read_text(encoding="utf-8"))
        yield f"\n## {title}\n"
        if description := schema.get("description"):
            yield f"{description}\n"
        yield f"```json\n{json.dumps(schema, indent=2, ensure_ascii=False)}\n```"


def _field_docs(kind: type) -> dict[str, str]:
    """Return the docstrings below the fields of a class."""
    source = textwrap.dedent(inspect.getsource(kind))
    (definition,) = ast.parse(source).body
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    docs = {}
    for field, after in itertools.pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            docs[field.target.id] = " ".join(str(after.value.value).split())
    missing = [fact.name for fact in setting_facts() if fact.name not in docs]
    if missing:
        raise ValueError(f"settings without a docstring: {', '.join(missing)}")
    return docs


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{_prose(text[1:])}."


def _prose(text: str) -> str:
    """Return a text of the help as Markdown: nothing in it is markup."""
    return text.replace("<", "&lt;").replace("|", r"\|").replace("*", r"\*")
