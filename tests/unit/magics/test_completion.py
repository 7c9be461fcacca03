"""What Tab offers for a text and a cursor, which stands at the `|`; names come from a list."""

from __future__ import annotations

import pytest
from support.grids import made_up_grid
from support.store.samples import conversation, turn

from cc_jupyter.commands.registry import COMMANDS
from cc_jupyter.conversation.store import open_store
from cc_jupyter.conversation.store.queries import thread_names
from cc_jupyter.magics.completion import complete
from cc_jupyter.magics.completion.names import Candidate, Completions, NameSource
from cc_jupyter.prompt.options import OPTIONS, parse_ask_line, parse_cell_line
from cc_jupyter.prompt.template import open_expression

FLASH = "deepseek/deepseek-v4-flash"
KIMI = "moonshotai/Kimi-K2.5"
HAIKU = "claude-haiku-4-5"
SPACED = "lab/my model"


class ListedNames:
    """Names as a test gives them; it remembers the expressions that it was asked about."""

    def __init__(self):
        self.asked = []

    def models(self):
        return [
            (FLASH, "DeepSeek V4 Flash"),
            (KIMI, "Kimi K2.5"),
            (HAIKU, "Claude Haiku 4.5"),
            ("flash-lite", "Lite"),
            ("maker/xflash:free", "Free one"),
            (SPACED, "Spaced"),
        ]

    def efforts(self, model):
        return {FLASH: ("low", "max"), None: ("off", "high")}.get(model, ())

    def aliases(self):
        return ["quick", "deep"]

    def threads(self):
        return ["default", "essay", "my essay"]

    def variables(self):
        return ["figure", "people"]

    def grids(self):
        return ["comparison", "g"]

    def rows(self):
        return ["labels", "scores"]

    def prompts(self):
        return ["summary", "tone", "./tone"]

    def types(self):
        return ["Person", "str", "int"]

    def key_variables(self):
        return ["OTHER_KEY"]

    def files(self, beginning, endings):
        every = ["a picture.png", "pairs.jsonl", "plots/", "p.png", "notes.md", "my notes.md"]
        return [
            each for each in every if each.startswith(beginning) and each.endswith((*endings, "/"))
        ]

    def python(self, before, after):
        self.asked.append((before, after))
        return Completions(before[-2:], [Candidate("people", "variable")])


@pytest.fixture
def names():
    return ListedNames()


def offered(text, names=None):
    """Return the fragment and the texts offered at the cursor; `None`: the place is not ours."""
    before, after = text.split("|")
    line, column = before.count("\n"), len(before.rpartition("\n")[2])
    offer = complete(before + after, line, column, names or ListedNames())
    if offer is None:
        return None
    assert before.endswith(offer.fragment)
    return offer.fragment, [each.text for each in offer.candidates]


def all_models():
    return [each for each, _ in ListedNames().models()]


# ── models


@pytest.mark.parametrize(
    ("text", "fragment", "expected"),
    [
        ("%cmd use kimi|", "kimi", [KIMI]),
        ("%cmd use KIMI|", "KIMI", [KIMI]),
        ("%cmd use K2.5|", "K2.5", [KIMI]),
        ("%cmd use v4-fl|", "v4-fl", [FLASH]),
        ("%cmd use deepseek/deepseek-v4|", "deepseek/deepseek-v4", [FLASH]),
        ("%cmd use maker/xflash:|", "maker/xflash:", ["maker/xflash:free"]),
        ("%cmd use lite|", "lite", ["flash-lite"]),
        ("%cmd use qui|", "qui", ["quick"]),
        ("%cmd use lo|", "lo", ["local"]),
        ("%cmd use nobody|", "nobody", []),
        ("%cmd alias fast kimi|", "kimi", [KIMI]),
        ("%%cmd -m kimi|", "kimi", [KIMI]),
        ("%%cmd -m=kimi|", "kimi", [KIMI]),
        ("%%cmd --model kimi|", "kimi", [KIMI]),
        ("%%cmd --model=kimi|", "kimi", [KIMI]),
        ("%%cmd --once -m kimi| --new", "kimi", [KIMI]),
        ("%cmd ask -m kimi|", "kimi", [KIMI]),
        ("%cmd continue -m kimi|", "kimi", [KIMI]),
        ("%cmd explain -m kimi|", "kimi", [KIMI]),
        ("%cmd models kimi|", "kimi", [KIMI]),
        ("%cmd pick kimi|", "kimi", [KIMI]),
    ],
)
def test_a_model_is_found_by_any_part_of_its_id(text, fragment, expected):
    assert offered(text) == (fragment, expected)


def test_a_model_is_found_by_its_name():
    assert offered("%cmd use free o|") == ("o", [])  # a second word: `use` takes one
    assert offered('%%cmd -m "Haiku 4.5|') == ('"Haiku 4.5', [HAIKU])


def test_what_begins_with_the_fragment_comes_first_then_a_part_then_the_middle_of_a_word():
    assert offered("%cmd use flash|")[1] == ["flash-lite", FLASH, "maker/xflash:free"]
    assert offered("%cmd use deep|")[1] == ["deep", FLASH]


def test_without_a_fragment_all_models_are_offered_short_names_first():
    expected = ["quick", "deep", "local", *all_models()]
    assert offered("%%cmd -m |") == ("", [*expected[:-1], f'"{SPACED}"'])
    assert offered("%cmd use |") == ("", ["local", "quick", "deep", *all_models()[:-1], "--save"])


def test_a_name_with_a_blank_is_put_into_quotes_where_they_can_be_read():
    assert offered("%%cmd -m spaced|") == ("spaced", [f'"{SPACED}"'])
    assert offered('%%cmd -m "my mo|') == ('"my mo', [f'"{SPACED}"'])
    assert offered("%%cmd --thread=my|") == ("my", ['"my essay"'])
    assert offered("%cmd use my|") == ("my", [])
    assert offered("%cmd thread my|") == ("my", [])


@pytest.mark.parametrize("name", ['it"s', "it's", "a->b", "a b", "(open", "a=b", "{{ x }}"])
@pytest.mark.parametrize("line", ["%%cmd --thread ", "%cmd ask --thread "])
def test_what_is_inserted_is_read_back_as_the_name(name, line, names):
    names.threads = lambda: [name]
    fragment, texts = offered(f"{line}|", names)
    assert fragment == ""
    options, prompt = parse_ask_line(f"--thread {texts[0]} why?")
    if line.startswith("%%"):
        options, prompt = parse_cell_line(f"--thread {texts[0]}"), "why?"
    assert (options.thread, prompt) == (name, "why?")


def test_a_name_that_no_quotes_can_hold_is_not_offered(names):
    names.threads = lambda: ["""both ' and " """]
    assert offered("%%cmd --thread |", names) == ("", [])


# ── options and their values


def test_all_options_are_offered_by_their_long_names():
    fragment, texts = offered("%%cmd |")
    assert fragment == ""
    assert texts == [*(spec.names[-1] for spec in OPTIONS), "->"]
    assert offered("%cmd ask |") == ("", texts)


def test_a_dash_offers_the_short_names_too():
    fragment, texts = offered("%%cmd -|")
    assert fragment == "-"
    assert texts == [*(name for spec in OPTIONS for name in spec.names), "->"]


def test_an_option_that_was_given_is_not_offered_again_unless_it_may_be():
    texts = offered("%%cmd -m x --stop a --once |")[1]
    assert "--once" not in texts
    assert {"--model", "--system", "--stop", "--new"} <= set(texts)
    assert offered("%%cmd --once --onc|") == ("--onc", [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%%cmd --mod|", ("--mod", ["--model"])),
        (
            "%%cmd --t|",
            ("--t", ["--temperature", "--top-p", "--thread", "--table-rows", "--tools"]),
        ),
        ("%%cmd -f |", ("", ["md", "text", "code", "json"])),
        ("%%cmd --format=c|", ("c", ["code"])),
        ("%%cmd --table-rows |", ("", ["all"])),
        ("%%cmd --thread ess|", ("ess", ["essay", '"my essay"'])),
        ("%%cmd --key-env |", ("", ["OTHER_KEY"])),
        ("%%cmd -t |", ("", [])),
        ("%%cmd -t --th|", ("--th", ["--thread"])),
        ("%%cmd --param |", ("", [])),
    ],
)
def test_options_and_their_values(text, expected):
    assert offered(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%%cmd --effort |", ["off", "high"]),
        ("%%cmd --effort=h|", ["high"]),
        (f"%%cmd -m {FLASH} --effort |", ["low", "max"]),
        (f"%%cmd --model={FLASH} --effort m|", ["max"]),
        (f"%%cmd --effort | -m {FLASH}", ["low", "max"]),
        (f"%cmd ask -m '{FLASH}' --effort |", ["low", "max"]),
        ("%%cmd -m other --effort |", []),
    ],
)
def test_efforts_are_those_of_the_model_on_the_line_or_of_the_one_in_force(text, expected):
    assert offered(text)[1] == expected


@pytest.mark.parametrize(
    ("text", "fragment", "expected"),
    [
        (f"%%cmd -m {FLASH},kimi|", "kimi", [KIMI]),
        (f"%%cmd -m={FLASH},kimi|", "kimi", [KIMI]),
        ("%%cmd -m quick,dee|", "dee", ["deep", FLASH]),
        (f"%%cmd -m quick,{FLASH},dee|", "dee", ["deep"]),
        ("%%cmd -m kimi,spaced|", "spaced", []),
        ('%%cmd -m "quick,spaced|', "spaced", [SPACED]),
        ('%%cmd -m "quick,qu|', "qu", []),
        (f"%cmd ask -m {FLASH},kimi|", "kimi", [KIMI]),
        ("%%cmd --effort off,|", "", ["high"]),
        (f"%%cmd -m {FLASH},{KIMI} --effort low,|", "", ["max"]),
        (f"%%cmd -m {KIMI} -m {FLASH} --effort l|", "l", ["low"]),
        ("%%cmd -t 0,|", "0,", []),
    ],
)
def test_a_list_is_completed_after_each_comma_without_what_it_has(text, fragment, expected):
    assert offered(text) == (fragment, expected)


def test_after_a_comma_all_models_that_need_no_quotes_are_offered():
    expected = ["deep", "local", *all_models()[:-1]]
    assert offered("%%cmd -m quick,|") == ("", expected)


@pytest.mark.parametrize(
    ("text", "fragment", "expected"),
    [
        ("%%cmd --vary |\nabout {{ topic }}", "", ["topic="]),
        ("%%cmd --vary t|\n{{ f(topic, tone) }} {{ x }}", "t", ["tone=", "topic="]),
        ("%%cmd --vary |\n{{ topic", "", []),
        ("%%cmd --vary |\nhello", "", []),
        ("%cmd ask --vary |", "", []),
    ],
)
def test_the_names_of_the_prompt_can_be_varied(text, fragment, expected):
    assert offered(text) == (fragment, expected)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("%%cmd --vary topic=pe|", "pe"),
        ("%%cmd --vary=topic=pe|", "pe"),
        ('%%cmd --vary topic="[pe|', "[pe"),
        ("%%cmd --check pe|", "pe"),
        ("%%cmd --check len(pe|", "len(pe"),
        ("%%cmd --check 'len(answer) < pe|", "len(answer) < pe"),
        ("%%cmd --check answer.pe|", "answer.pe"),
        ("%cmd ask --check=pe|", "pe"),
    ],
)
def test_an_expression_of_an_option_is_python(text, asked, names):
    assert offered(text, names) == ("pe", ["people"])
    assert names.asked == [(asked, "")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%%cmd --check an|", ("an", ["answer", "people"])),
        ("%%cmd --check 'len(us|", ("us", ["usage", "people"])),
        ("%%cmd --check 'value > 3 and co|", ("co", ["cost_usd", "people"])),
    ],
)
def test_the_names_of_an_answer_come_first_in_a_check(text, expected):
    assert offered(text) == expected


def test_an_image_is_a_file_or_a_name(names):
    assert offered("%%cmd -i p|") == ("p", ["plots/", "p.png", "people"])
    assert offered("%%cmd -i a|") == ("a", ['"a picture.png"'])
    assert offered('%%cmd -i "a pic|') == ('"a pic', ['"a picture.png"'])
    assert offered('%%cmd -i "fig|') == ('"fig', [])
    assert offered("%%cmd -i people.ag|", names) == ("ag", ["people"])
    assert names.asked == [("people.ag", "")]


def test_the_type_behind_the_arrow(names):
    assert offered("%%cmd -> |") == ("", [])
    assert offered("%%cmd -> ans|") == ("", [])
    assert offered("%%cmd -> answer: |") == ("", ["Person", "str", "int"])
    assert offered("%%cmd -m x -> answer: list[Pe|") == ("Pe", ["Person"])
    assert offered("%cmd ask -m x -> answer: list[Pe|") == ("Pe", ["Person"])
    assert offered("%cmd ask -> answer: int -- Pe|") == ("", [])
    offered("%%cmd -> answer: module.Pe|", names)
    assert names.asked == [("module.Pe", "")]


# ── commands


def test_commands():
    assert offered("%cmd |") == ("", [spec.name for spec in COMMANDS])
    assert offered("%cmd us|") == ("us", ["use", "usage"])
    assert offered("r = %cmd as|") == ("as", ["ask"])
    assert offered("    %cmd as|") == ("as", ["ask"])
    assert offered("%cmd nothing |") == ("", [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%cmd local |", ["setup", "start", "stop", "status"]),
        ("%cmd local setup |", []),
        ("%cmd usage |", ["--by", "--since", "--notebook", "--plot"]),
        ("%cmd usage --by |", ["model", "thread", "notebook", "day", "cell"]),
        ("%cmd usage --by model --s|", ["--since"]),
        ("%cmd usage --by model |", ["--since", "--notebook", "--plot"]),
        ("%cmd budget 1 --per d|", ["day"]),
        ("%cmd thread ess|", ["essay"]),
        ("%cmd thread essay |", ["--from"]),
        ("%cmd forget |", ["turn", "thread", "rows", "everything"]),
        ("%cmd forget rows |", ["labels", "scores", "all"]),
        ("%cmd forget rows sc|", ["scores"]),
        ("%cmd forget thread ess|", ["essay"]),
        ("%cmd forget turn |", []),
        ("%cmd alias |", ["quick", "deep", "--remove"]),
        ("%cmd help us|", ["use", "usage"]),
        ("%cmd help opt|", ["options"]),
        ("%cmd models free ch|", ["cheap", "chat"]),
        ("%cmd search ess|", []),
        ("%cmd use kimi --save |", ["project"]),
        ("%cmd vote |", ["comparison", "g", "--pairs"]),
        ("%cmd vote g --|", ["--pairs"]),
        ("%cmd reveal co|", ["comparison"]),
        ("%cmd votes |", ["--export"]),
        ("%cmd votes --export pai|", ["pairs.jsonl"]),
        ("%cmd export n|", ["notes.md"]),
        ("%cmd export my n|", ["my notes.md"]),
        ("%cmd export 'n|", ["'notes.md"]),
        ("%cmd export --overwrite n|", ["notes.md"]),
        ("%cmd export --|", ["--overwrite"]),
    ],
)
def test_words_and_flags_of_commands(text, expected):
    found = offered(text)[1]
    if text.startswith("%cmd models"):
        found = [each for each in found if each not in all_models()]
    assert found == expected


@pytest.mark.parametrize("spec", COMMANDS, ids=lambda spec: spec.name)
def test_every_command_can_be_completed_to_its_last_word(spec):
    assert spec.name in offered(f"%cmd {spec.name[:1]}|")[1]
    first = offered(f"%cmd {spec.name} |")[1]
    assert {word for argument in spec.positional[:1] for word in argument.words} <= set(first)
    assert set(offered(f"%cmd {spec.name} --|")[1]) >= set(spec.options)
    for name, option in spec.options.items():
        if option.kind == "choice":
            assert offered(f"%cmd {spec.name} {name} |")[1] == list(option.words)


# ── prompts


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("%%cmd\nhello {{ pe|", ("pe", "")),
        ("%%cmd\nhello {{pe|", ("pe", "")),
        ("\n\n%%cmd -m x\nhello\n\n{{ a }} {{ pe|ople }} }} x", ("pe", "ople ")),
        ("%%cmd\n{{ d['}}'].pe| }}", ("d['}}'].pe", " ")),
        ('%%cmd\n{{ d["pe|', ('d["pe', "")),
        ("%%cmd\n{{ f(\n  pe|", ("f(\n  pe", "")),
        ("%%cmd\n{{ {'a': {'b': 1}}[pe|", ("{'a': {'b': 1}}[pe", "")),
        ("%%cmd\n{{ f(  # don't\n  pe|", ("f(  # don't\n  pe", "")),
        ("%%cmd\n{{ x  # don't }} and {{ pe|", ("pe", "")),
        ("%%cmd\n{{ broken' }} and {{ pe|", ("pe", "")),
        ("%%cmd\n{{ broken) }} {{ pe|", ("pe", "")),
        ("%%cmd\n\\{{ {{ pe|", ("pe", "")),
        ("%%cmd\n💥 {{ pe|", ("pe", "")),
        ("  %%cmd\n  {{ pe|", ("pe", "")),
        ("%cmd ask what is {{ pe|", ("pe", "")),
        ("%cmd ask {{ pe|", ("pe", "")),
        ("%cmd ask -- -x {{ pe|", ("pe", "")),
        ("%cmd ask -m kimi don't {{ pe|", ("pe", "")),
        ("r = %cmd ask what is {{ pe| }}", ("pe", " ")),
        ('%%cmd -s "you know {{ pe|', ("pe", "")),
        ("%%cmd -s {{ pe|", ("pe", "")),
    ],
)
def test_names_are_offered_in_an_open_expression(text, asked, names):
    assert offered(text, names) == ("pe", ["people"])
    assert names.asked == [asked]


@pytest.mark.parametrize(
    "text",
    [
        "%%cmd\npe|",
        "%%cmd\n{{ people }} pe|",
        "%%cmd\n\\{{ pe|",
        "%%cmd\n{ pe|",
        "%%cmd --raw\n{{ pe|",
        "%%cmd -m x --raw\n{{ pe|",
        "%%cmd\n%cmd us|",
        "%cmd ask pe|",
        "%cmd ask -m x pe|",
        "%cmd ask --raw {{ pe|",
        "%cmd ask don't -m pe|",
        "%cmd explain {{ pe|",
        "%cmd fix why {{ pe|",
        "%%cmd pe|",
    ],
)
def test_prose_is_left_alone(text, names):
    _, texts = offered(text, names)
    assert (texts, names.asked) == ([], [])


@pytest.mark.parametrize(
    "text",
    [
        "pe|",
        "%cmd|",
        "%cm|",
        "%%cmd|\nhello",
        "%%cm|d -m x\nhello",
        "|%cmd use x",
        "%c|md use x",
        "%cmds us|",
        "%%cmdx -m|",
        "%%time\npe|",
        "\n|\n%%cmd",
        "x = 1  # %cmd us|",
        "print('%cmd us|')",
        "print('a = %cmd us|')",
    ],
)
def test_other_places_are_left_to_ipython(text):
    assert offered(text) is None


def test_a_line_of_another_cell_magic_is_completed():
    assert offered("%%time\nx = 1\n%cmd us|\ny = 2") == ("us", ["use", "usage"])


def test_an_opening_far_back_is_not_looked_for(names):
    assert open_expression("{{ " + "x" * 20_000) is not None
    assert offered("%%cmd\n{{ " + "x" * 20_000 + " pe|", names) == ("", [])
    assert names.asked == []


# ── names from the disk


class Shell:
    """As much of a shell as knowing names takes."""

    def __init__(self, **names):
        self.user_ns = names
        self.user_ns_hidden = {"In": 1}


def known(choices=None, **names):
    return NameSource(Shell(**names), choices or {}, {})


def test_models_of_the_catalog_are_known_without_a_list_or_settings():
    ids = [each for each, _ in known().models()]
    assert FLASH in ids
    assert known({"model": FLASH}).efforts(None) == known().efforts(FLASH) != ()


def test_the_users_grids_are_known():
    grid = made_up_grid()
    assert known(g=grid, _1=grid, other=1).grids() == ["g"]


def test_an_alias_is_resolved_before_its_efforts_are_looked_up(isolated_home):
    write_config(isolated_home, f'[alias]\nquick = "{FLASH}"\n')
    assert known().aliases() == ["quick"]
    assert known().efforts("quick") == known().efforts(FLASH) != ()
    assert known({"model": "quick"}).efforts(None) == known().efforts(FLASH)


def test_a_broken_settings_file_leaves_what_needs_none(isolated_home):
    write_config(isolated_home, "this is = no toml = at all")
    assert known().aliases() == []
    assert FLASH in [each for each, _ in known().models()]
    assert known().threads() == []


def write_config(home, text):
    folder = home.parent / "cc_jupyter" / "config"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(text)


@pytest.fixture
def stored():
    """Return the user's history, with one thread in it."""
    store = open_store()
    store.save(said := turn(), None, None)
    store.save_conversation(conversation((said,), name="essay"))
    yield store
    store.close()


def test_stored_threads_are_read_again_only_when_something_was_written(stored, monkeypatch):
    read = []

    def counted(path):
        read.append(path)
        return thread_names(path)

    monkeypatch.setattr("cc_jupyter.conversation.store.queries.thread_names", counted)
    names = known()
    assert [names.threads(), names.threads()] == [["essay"], ["essay"]]
    assert len(read) == 1
    stored.save(said := turn(), None, None)
    stored.save_conversation(conversation((said,), name="poem"))
    assert set(names.threads()) == {"essay", "poem"}
    assert len(read) == 2


def test_with_the_history_off_nothing_of_it_is_offered(stored, monkeypatch):
    assert known().threads() == ["essay"]
    monkeypatch.setenv("CMD_HISTORY", "off")
    assert known().threads() == []


def test_files_are_completed_below_folders_and_hidden_ones_on_request(tmp_path, monkeypatch):
    work = tmp_path / "work"
    (work / "plots").mkdir(parents=True)
    monkeypatch.chdir(work)
    for name in ("plots/a.png", "plots/b.PNG", "plots/c.txt", "plots/.d.png", "e.md"):
        (work / name).touch()
    assert known().files("", (".png",)) == ["plots/"]
    assert known().files("", (".md",)) == ["e.md", "plots/"]
    assert known().files("plots/", (".png",)) == ["plots/a.png", "plots/b.PNG"]
    assert known().files("plots/.", (".png",)) == ["plots/.d.png"]
    for nowhere in ("nowhere/", "~nobody/", "a\0b/", "e.md/"):
        assert known().files(nowhere, (".png",)) == []
    assert known().files(f"{work}/pl", (".png",)) == [f"{work}/plots/"]


def test_files_of_the_home_folder_keep_the_tilde(isolated_home):
    (isolated_home / "shot.png").touch()
    assert known().files("~/sh", (".png",)) == ["~/shot.png"]


def test_types_are_the_users_classes_and_a_few_of_python():
    class Person:
        pass

    types = known(Person=Person, figure=1, In=int, _hidden=int).types()
    assert types[0] == "Person"
    assert {"str", "int", "list"} <= set(types)
    assert not {"figure", "In", "_hidden"} & set(types)


def test_only_variables_that_look_like_keys_are_offered(monkeypatch):
    monkeypatch.setenv("MY_KEY", "secret")
    monkeypatch.setenv("MY_NAME", "x")
    offered_names = known().key_variables()
    assert "MY_KEY" in offered_names
    assert "MY_NAME" not in offered_names


@pytest.mark.parametrize(
    ("text", "fragment", "expected"),
    [
        ("%%cmd @|", "@", ["@summary", "@tone", "@./tone"]),
        ("%%cmd @t|", "@t", ["@tone"]),
        ("%%cmd @./|", "@./", ["@./tone"]),
        ("%%cmd -m a @su|", "@su", ["@summary"]),
        ("%%cmd @tone @su|", "", []),
        ("%%cmd @tone -m kimi|", "kimi", [KIMI]),
        ("%cmd ask @t|", "@t", ["@tone"]),
        ("%cmd ask @tone -m kimi|", "kimi", [KIMI]),
        ("%cmd ask @alice -m kimi|", "", []),
        ("%cmd ask @tone {{ peo|", "eo", ["people"]),
        ("%cmd explain @t|", "", []),
        ("%cmd save t|", "t", ["tone"]),
        ("%cmd save --pro|", "--pro", ["--project"]),
        ("%cmd prompts --remove |", "", ["summary", "tone", "./tone"]),
        ("%cmd prompts --remove ./|", "./", ["./tone"]),
    ],
)
def test_saved_prompts_are_offered_where_one_can_be(text, fragment, expected):
    assert offered(text) == (fragment, expected)
