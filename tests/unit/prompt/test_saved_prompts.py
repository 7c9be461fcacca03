"""Saved prompts: what a file can say, whose file counts, and what a stranger's file cannot do."""

from __future__ import annotations

import os
import stat
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cc_jupyter.commands.prompts import for_project
from cc_jupyter.core.errors import CcError, ConfigError, OptionError
from cc_jupyter.core.messages import Parameters
from cc_jupyter.prompt.options import SavedPrompt, parse_ask_line, parse_cell_line, saved_options
from cc_jupyter.prompt.saved.files import SavedPrompts, check_names
from cc_jupyter.prompt.saved.front_matter import PromptFile, is_plain_type, parse_prompt_file
from cc_jupyter.prompt.template import Literal, escaped, names_needed, parse_template

WHERE = "prompts/tone.md"


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Return the user's folder of prompts and the project's; the project is the working folder."""
    project = tmp_path / "project"
    (project / "prompts").mkdir(parents=True)
    (project / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    monkeypatch.setenv("CMD_JUPYTER_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(project)
    own = tmp_path / "home" / "data" / "prompts"
    own.mkdir(parents=True)
    return own, project / "prompts"


def read(content, *, is_project=False):
    return parse_prompt_file(content, WHERE, is_project=is_project).to_prompt("tone")


def front(*lines, text="hello"):
    return "\n".join(["+++", *lines, "+++", "", text, ""])


def problem_of(content, *, is_project=False):
    with pytest.raises(ConfigError) as caught:
        read(content, is_project=is_project)
    assert caught.value.hint
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "text", "line"),
    [
        ("hello\n", "hello", ""),
        ("hello", "hello", ""),
        ("hello\n\n", "hello\n", ""),
        ("+++\n+++\nhello\n", "hello", ""),
        ("+++\r\nmodel = 'a'\r\n+++\r\n\r\none\r\ntwo\r\n", "one\ntwo", "-m a"),
        ("\ufeff+++\nmodel = 'a'\n+++\n\nhello\n".removeprefix("\ufeff"), "hello", "-m a"),
        (front('model = "a"', "temperature = 0.2"), "hello", "-m a -t 0.2"),
        (front("temperature = 1", "max-tokens = 50"), "hello", "-t 1 --max-tokens 50"),
        (front('stop = ["END", "# 2"]'), "hello", "--stop END --stop '# 2'"),
        (front('system = """one\ntwo"""'), "hello", '-s "one\ntwo"'),
        (front('model = ["a", "b"]', "samples = 3"), "hello", "-m a,b -n 3"),
        (front('model = "a,b"', "until-pass = true", 'check = ["1 < 2"]'), "hello", None),
        (front('vary = ["x=xs", "y=[1, 2]"]'), "hello", '--vary x=xs --vary "y=[1, 2]"'),
        (front('param = ["seed=7"]', "zdr = true"), "hello", "--param seed=7 --zdr"),
        (
            front('image = "a b.png"', 'table-rows = "all"'),
            "hello",
            '-i "a b.png" --table-rows all',
        ),
    ],
)
def test_a_file_says_what_the_line_would(content, text, line):
    saved = read(content)
    assert saved.text == text
    if line is None:
        line = '-m a,b --until-pass --check "1 < 2"'
    options = parse_cell_line("@tone", lambda _: saved)
    assert options.saved is saved
    expected = parse_cell_line(line)
    assert {**vars_of(options), "saved": None} == vars_of(expected)


def vars_of(options):
    return options._asdict()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("@tone", {"model": "a", "temperature": 0.2, "type": "int", "name": None}),
        ("@tone -m b", {"model": "b", "temperature": 0.2}),
        ("-t 1 @tone", {"model": "a", "temperature": 1.0}),
        ("@tone -> n", {"type": "int", "name": "n"}),
        ("@tone -> n: str", {"type": "str", "name": "n"}),
        ("@tone --param seed=2", {"extra": {"user": "me", "seed": 2}}),
        ("@tone --check 2>1", {"check": ("2>1",)}),
        ("@tone -s ''", {"system": ""}),
    ],
)
def test_options_on_the_line_override_those_of_the_file(line, expected):
    lines = ('model = "a"', "temperature = 0.2", 'type = "int"', 'check = "1 < 2"')
    more = ("param = ['seed=1', 'user=\"me\"']", 'system = "brief"')
    options = parse_cell_line(line, lambda _: read(front(*lines, *more)))
    found = {
        name: getattr(options if hasattr(options, name) else options.parameters, name)
        for name in expected
    }
    assert found == expected


@pytest.mark.parametrize(
    ("line", "text", "model"),
    [
        ("@tone", "", None),
        ("@tone and more", "and more", None),
        ("@tone -m a -- -x", "-x", "a"),
        ("-m a @tone don't", "don't", "a"),
        ("@alice hello", "@alice hello", None),
        ("-m a @alice hello", "@alice hello", "a"),
        ("-- @tone", "@tone", None),
        ("hello @tone", "hello @tone", None),
        ("@tone @tone", "@tone", None),
        ("@", "@", None),
        ("@ tone", "@ tone", None),
    ],
)
def test_only_a_saved_prompt_is_one_in_ask(line, text, model):
    saved = SavedPrompt("tone", "hi")
    found = {"tone": saved}
    options, rest = parse_ask_line(line, find_prompt=found.get)
    assert (rest, options.model) == (text, model)
    is_text = line.startswith(("-- ", "hello")) or "@tone" not in line
    assert (options.saved is None) is is_text
    assert options.saved is None or options.saved.name == "tone" or line.startswith("@ ")


def test_two_saved_prompts_and_a_word_without_prompts_are_errors():
    with pytest.raises(OptionError, match="second saved prompt"):
        parse_cell_line("@a @b", lambda name: SavedPrompt(name, "hi"))
    with pytest.raises(OptionError, match="`@a` is not an option"):
        parse_cell_line("@a")


def test_the_text_of_the_cell_is_added_below():
    saved = SavedPrompt("tone", "hi")
    assert saved.followed_by("and you?") == "hi\n\nand you?"
    assert saved.followed_by(" \n") == "hi"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "there is no prompt in it"),
        ("+++\n+++\n\n", "there is no prompt in it"),
        ("+++\nmodel = 'a'\nhello\n", "line 1: the front matter is never closed"),
        (front("model = a"), "line 2: the front matter is not TOML: Invalid value"),
        (front('model = "a"', "", "<<<<<<< HEAD"), "line 4: the front matter is not TOML"),
        (front("model = 'a'", "model = 'b'"), "line 3: the front matter is not TOML"),
        (front('x = "'), "the front matter is not TOML"),
        (front("x = " + "[" * 20_000), "front matter"),
        (front("", "modle = 'a'"), "line 3: `modle` is not an option"),
        (front("top_p = 1"), "line 2: `top_p` is not an option"),
        (front("base_url = 'https://evil.example'"), "line 2: `base_url` is not an option"),
        (front("help = true"), "line 2: `help` is not an option"),
        (front("temperature = 3"), "line 2: `--temperature` takes a number from 0 to 2, not `3`"),
        (front("temperature = true"), "line 2: `--temperature` takes a text or a number"),
        (front("temperature = {a = 1}"), "line 2: `--temperature` takes a text or a number"),
        (front("temperature = []"), "line 2: `--temperature` does not take the list []"),
        (front("max-tokens = 1.5"), "line 2: `--max-tokens` takes a whole number"),
        (front("format = ['md', 'text']"), "line 2: `--format` does not take the list"),
        (front("zdr = 1"), "line 2: `--zdr` takes true"),
        (front("check = 'len('"), "line 2: `len(` of `--check` is not a Python expression"),
        (front("type = 3"), "line 2: `type` is not a type in quotes"),
        (front("variables = 3"), "line 2: `variables` is not a table"),
        (front("[variables]", "topic = 3"), "line 3: `topic` in [variables] is not a name with"),
        (front("[extra]", "a = 1"), "line 2: `extra` is not an option"),
        (front(text="{{ topic"), "is never closed"),
        (front(text="{{ 1 + }}"), "is not a Python expression"),
    ],
)
def test_a_broken_file_is_named_with_its_line(content, problem):
    assert problem_of(content).startswith(WHERE)
    assert problem in problem_of(content)


PROJECT_MAY = [
    *('model = "a"', 'system = "be {{ kind }}"', "temperature = 0.5", "top-p = 1"),
    *("max-tokens = 10", 'stop = ["a", "b"]', 'effort = "low"', 'format = "json"'),
    *('type = "list[int] | None"', "type = \"Literal['a', -1]\"", 'type = "tuple[str, ...]"'),
    *('[variables]\ntopic = "{{ evil() }}"', '[origin]\nanything = "at all"'),
]


@pytest.mark.parametrize("line", PROJECT_MAY)
def test_a_projects_prompt_can_set_what_is_data(line):
    assert read(front(line, text="about {{ topic }}"), is_project=True).text == "about {{ topic }}"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (front(text="{{ open('/etc/passwd').read() }}"), "is not the name of a variable"),
        (front(text="{{ os.environ }}"), "is not the name of a variable"),
        (front(text="{{ data['key'] }}"), "is not the name of a variable"),
        (front(text="{{ In }}"), "is not the name of a variable"),
        (front(text="{{ _ih }}"), "is not the name of a variable"),
        (front(text="{{ \uff29n }}"), "is not the name of a variable"),
        (front(text="{{ (x := 1) }}"), "is not the name of a variable"),
        (front('system = "{{ f() }}"'), "line 2: `{{ f() }}` is not the name of a variable"),
        (front('check = "exec(answer)"'), "line 2: a project's prompt cannot set `check`"),
        (front('vary = "x=f()"'), "line 2: a project's prompt cannot set `vary`"),
        (front('image = "~/.ssh/id_rsa"'), "line 2: a project's prompt cannot set `image`"),
        (front('param = "user=1"'), "line 2: a project's prompt cannot set `param`"),
        (front('key-env = "AWS_KEY"'), "line 2: a project's prompt cannot set `key-env`"),
        (front('key_env = "AWS_KEY"'), "line 2: a project's prompt cannot set `key_env`"),
        (front('base_url = "https://x"'), "line 2: a project's prompt cannot set `base_url`"),
        (front('allow = "shell"'), "line 2: a project's prompt cannot set `allow`"),
        (front('tools = ["f"]'), "line 2: a project's prompt cannot set `tools`"),
        (front('thread = "private"'), "line 2: a project's prompt cannot set `thread`"),
        (front("samples = 500"), "line 2: a project's prompt cannot set `samples`"),
        (front("max-usd = 500"), "line 2: a project's prompt cannot set `max-usd`"),
        (front('model = ["a", "b"]'), "line 2: a project's prompt takes one `model`"),
        (front('model = "a,b"'), "line 2: a project's prompt takes one `model`"),
        (front("temperature = [0, 1]"), "line 2: a project's prompt takes one `temperature`"),
        (front('system = ["a", "b"]'), "line 2: a project's prompt takes one `system`"),
        (front('type = "Person"'), "line 2: a project's prompt cannot use the type `Person`"),
        (front("type = \"__import__('os').getcwd()\""), "cannot use the type"),
        (front("type = \"list['f()']\""), "cannot use the type"),
        (front('type = "[int][f()]"'), "cannot use the type"),
        (front('type = "(lambda: int)()"'), "cannot use the type"),
        (front('type = "int if f() else str"'), "cannot use the type"),
        (front('type = "Literal[f()]"'), "cannot use the type"),
    ],
)
def test_a_projects_prompt_cannot_act(content, problem):
    assert problem in problem_of(content, is_project=True)
    assert problem_of(content, is_project=True).startswith(WHERE)


@pytest.mark.parametrize("source", [None, 3, "", "int +", "x" * 2_000, "list[" * 400])
def test_what_is_no_type_is_not_plain(source):
    assert not is_plain_type(source)


def test_the_users_own_prompt_counts_and_the_projects_can_be_named(folders):
    own, project = folders
    (own / "tone.md").write_text("own")
    (project / "tone.md").write_text("theirs")
    (project / "other.md").write_text("other")
    (project / "notes.txt").write_text("no prompt")
    (project / ".hidden.md").write_text("no prompt")
    prompts = SavedPrompts()
    assert prompts.load("tone").text == "own"
    assert prompts.load("tone").notice == "@tone is your own prompt; the project's is @./tone"
    assert prompts.load("./tone").text == "theirs"
    assert prompts.load("other").text == "other"
    assert prompts.load("other").notice is None
    assert prompts.names() == ["tone", "other", "./tone"]
    assert [each.name for each in prompts.entries()] == ["tone", "other", "./tone"]


def test_without_a_project_file_the_folder_is_beside_the_notebook(tmp_path, monkeypatch):
    monkeypatch.setenv("CMD_JUPYTER_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    prompts = SavedPrompts(str(tmp_path / "work" / "a.ipynb"))
    assert prompts.folder(is_project=True) == tmp_path / "work" / "prompts"
    assert SavedPrompts().folder(is_project=True) == tmp_path / "prompts"


@pytest.mark.parametrize(
    ("name", "problem", "hint"),
    [
        ("tnoe", "there is no saved prompt @tnoe", "did you mean tone?"),
        ("./tone", "there is no saved prompt @./tone in the project", "did you mean tone?"),
        ("xyz", "there is no saved prompt @xyz", "%cmd prompts lists them"),
        ("", "is not the name", "letters"),
        ("../tone", "is not the name", "letters"),
        ("./../tone", "is not the name", "letters"),
        ("/etc/passwd", "is not the name", "letters"),
        (".tone", "is not the name", "letters"),
        ("tone.md", "is not the name", "letters"),
        ("a\\b", "is not the name", "letters"),
        ("x" * 200, "is not the name", "letters"),
        ("a\x00b", "is not the name", "letters"),
    ],
)
def test_a_name_that_is_not_there_is_an_error_that_helps(folders, name, problem, hint):
    own, _ = folders
    (own / "tone.md").write_text("own")
    prompts = SavedPrompts()
    assert prompts.find(name) is None
    for act in (prompts.load, prompts.remove):
        with pytest.raises(OptionError, match=problem) as caught:
            act(name)
        assert hint in (caught.value.hint or "")


def _fifo(path, _):
    os.mkfifo(path)


HOSTILE = {
    "link": (lambda path, secret: path.symlink_to(secret), "is a symbolic link"),
    "dangling link": (lambda path, _: path.symlink_to("nothing"), "is a symbolic link"),
    "folder": (lambda path, _: path.mkdir(), "is not a file"),
    "pipe": (_fifo, "is not a file"),
    "not text": (lambda path, _: path.write_bytes(b"a\n\xff"), "line 2: it is not UTF-8 text"),
    "too large": (lambda path, _: path.write_bytes(b"x" * 10_000_001), "is larger than 10 MB"),
    "broken": (lambda path, _: path.write_text(front("model = ")), "line 2: the front matter"),
}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes, and links need a right")
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_file_that_is_no_prompt_is_refused_and_the_list_says_so(folders, tmp_path, kind):
    _, project = folders
    secret = tmp_path / "secret.md"
    secret.write_text("the secret")
    make, problem = HOSTILE[kind]
    make(project / "bad.md", secret)
    (project / "good.md").write_text("good")
    prompts = SavedPrompts()
    with pytest.raises(ConfigError, match=problem):
        prompts.load("bad")
    bad, good = prompts.entries()
    assert problem in bad.problem
    assert (bad.file, good.file.text) == (None, "good")


@pytest.mark.skipif(os.name == "nt", reason="links need a right on Windows")
def test_a_linked_folder_of_a_project_is_neither_read_nor_written(folders, tmp_path):
    _, project = folders
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "tone.md").write_text("private")
    project.rmdir()
    project.symlink_to(outside)
    prompts = SavedPrompts()
    for act in (prompts.load, prompts.remove):
        with pytest.raises(ConfigError, match="is a symbolic link"):
            act("tone")
    with pytest.raises(ConfigError, match="is a symbolic link"):
        prompts.write("new", PromptFile("hi"), is_project=True, overwrite=True)
    assert [each.name for each in outside.iterdir()] == ["tone.md"]


def test_saving_is_private_and_replaces_only_on_request(folders):
    own, project = folders
    prompts = SavedPrompts()
    path = prompts.write("tone", PromptFile("one"), is_project=False, overwrite=False)
    assert path == own / "tone.md"
    if os.name != "nt":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(OptionError, match="there is a saved prompt @tone already") as caught:
        prompts.write("tone", PromptFile("two"), is_project=False, overwrite=False)
    assert "--overwrite" in (caught.value.hint or "")
    assert prompts.load("tone").text == "one"
    prompts.write("tone", PromptFile("two"), is_project=False, overwrite=True)
    assert prompts.load("tone").text == "two"
    assert (
        prompts.write("tone", PromptFile("3"), is_project=True, overwrite=False).parent == project
    )
    assert prompts.remove("./tone") == project / "tone.md"
    assert prompts.remove("tone") == own / "tone.md"
    assert prompts.names() == []
    with pytest.raises(OptionError, match="is not the name"):
        prompts.write("../up", PromptFile("x"), is_project=False, overwrite=True)


@settings(max_examples=200)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r")).filter(
        str.strip
    ),
    system=st.text(st.characters(exclude_categories=["Cs"])),
    example=st.text(st.characters()),
)
def test_a_file_is_read_as_it_was_written(text, system, example):
    text = escaped(text)
    file = PromptFile(text, {"system": system, "temperature": 0.1}, {"größe": example}, {"turn": 3})
    content = file.to_text()
    read_back = parse_prompt_file(content, WHERE, is_project=False)
    assert (read_back.text, dict(read_back.options)) == (text, dict(file.options))
    assert read_back.origin == {"turn": 3}
    tomllib.loads(content.split("\n+++\n")[0].removeprefix("+++\n"))


@given(st.text("{}\\ab"))
def test_an_escaped_text_is_sent_exactly(text):
    parts = parse_template(escaped(text))
    assert all(isinstance(each, Literal) for each in parts)
    assert "".join(each.text for each in parts) == text


@pytest.mark.parametrize(
    "line",
    [
        "-m a -t 0 --top-p 0.5 --max-tokens 9 --stop a --stop 'b c' --effort low -f json",
        "--check 'len(answer) < 9' -i 'a b.png' --table-rows all --zdr --key-env MY_KEY",
        """-s '' --param seed=7 --param user='"é"'""",
        "-s 'say \"{{ x }}\"' --table-rows 5 -> n: list[int]",
    ],
)
def test_the_options_of_a_cell_are_read_back(line):
    options = parse_cell_line(line)
    file = PromptFile("hi", saved_options(options))
    saved = parse_prompt_file(file.to_text(), WHERE, is_project=False).to_prompt("x")
    found = vars_of(parse_cell_line("@x", lambda _: saved))
    assert found | {"saved": None, "name": options.name} == vars_of(options)


def test_what_belongs_to_the_cell_is_not_saved():
    line = "-m a --thread plan --new --dry-run --quiet --max-usd 1 --max-requests 3 --raw -s {{x}}"
    assert saved_options(parse_cell_line(line)) == {"model": "a", "system": r"\{{x}}"}
    assert parse_cell_line("").parameters == Parameters()


def test_a_project_gets_what_it_may_have_and_the_rest_is_named():
    options = {"model": "a", "check": ["1 < 2"], "type": "Person", "image": ["x.png"]}
    file, left_out = for_project(PromptFile("{{ topic }}", options))
    assert file.options == {"model": "a"}
    assert left_out == ["--check", "-> NAME: Person", "--image"]
    with pytest.raises(OptionError, match=r"df.head\(\)"):
        for_project(PromptFile("{{ df.head() }}"))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("none", {}),
        (r"\{{ x }}", {}),
        ("{{ topic }} {{ topic.upper() }}", {"topic": "topic"}),
        ("{{ len(rows) }} {{ rows }}", {"rows": "len(rows)"}),
        ("{{ [x for x in xs] }}", {"xs": "[x for x in xs]"}),
        ("{{ sorted(a, key=lambda b: b.c) }}", {"a": "sorted(a, key=lambda b: b.c)"}),
        ("{{ (n := 3) }}", {}),
    ],
)
def test_the_names_that_a_prompt_needs(text, names):
    assert names_needed(text) == names


def test_a_missing_name_is_an_error_that_lists_all_that_the_prompt_needs():
    saved = read(
        front('system = "be {{ kind }}"', "[variables]", 'topic = "rain"', text="{{ topic }}")
    )
    check_names(saved, {"topic", "kind"})
    with pytest.raises(CcError) as caught:
        check_names(saved, {"topic"})
    assert str(caught.value) == (
        "the saved prompt @tone needs topic (such as rain), kind; kind is not defined"
    )
    assert caught.value.hint == "define kind in a cell and run this cell again"
