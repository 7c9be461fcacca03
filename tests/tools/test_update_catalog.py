"""A price table updates the catalog: shown first, written completely or not at all."""

from __future__ import annotations

import shutil
import stat
import tomllib
from pathlib import Path

import pytest
import tomlkit

from cc_jupyter.core.errors import ConfigError
from cc_jupyter.models import catalog as catalog_module
from cc_jupyter.models.catalog import load_catalog
from tools.update_catalog.__main__ import main
from tools.update_catalog.catalog_text import (
    CATALOG,
    as_json,
    comments_of,
    models_of,
    parse_catalog,
    replace_models,
)

TABLE = (Path(__file__).parent / "price_tables" / "2026-10-08.md").read_text(encoding="utf-8")
HEADINGS = "Model id | In | Out | Cache read | Cache write"


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """Return a copy of the catalog that comes with the package."""
    folder = tmp_path / "package"
    folder.mkdir()
    return Path(shutil.copy(CATALOG, folder / "catalog.toml"))


@pytest.fixture
def run(tmp_path, catalog, capsys):
    """Return a function that runs the tool on a table: status, printed lines, errors."""

    def run_it(table: str | bytes, *options: str) -> tuple[int, list[str], list[str]]:
        path = tmp_path / "table.md"
        path.write_bytes(table if isinstance(table, bytes) else table.encode())
        status = main([str(path), *options], catalog=catalog)
        printed = capsys.readouterr()
        return status, printed.out.splitlines(), printed.err.splitlines()

    return run_it


def changed(*replacements: tuple[str, str]) -> str:
    """Return the table with some of its text replaced; each piece occurs exactly once."""
    text = TABLE
    for before, after in replacements:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text


def row(model_id: str) -> str:
    (found,) = [line for line in TABLE.splitlines() if line.startswith(f"| `{model_id}` | ")][:1]
    return found


def small(*rows: str, headings: str = HEADINGS) -> str:
    rule = "|".join("---" for _ in headings.split("|"))
    return "\n".join([f"| {headings} |", f"|{rule}|", *(f"| {row} |" for row in rows), ""])


def differences(lines: list[str]) -> list[str]:
    """Return what is printed before the totals."""
    end = next(place for place, line in enumerate(lines) if " models: " in line)
    return lines[:end]


def entry(path: Path, model_id: str) -> dict[str, object]:
    makers = tomllib.loads(path.read_text(encoding="utf-8"))["makers"]
    (found,) = [maker["models"][model_id] for maker in makers if model_id in maker["models"]]
    return found


# ── the table of the shipped catalog


def test_the_table_of_the_shipped_catalog_makes_no_difference(run, catalog):
    status, lines, errors = run(TABLE)
    assert (status, errors) == (0, [])
    assert lines[0] == "87 models: 0 new, 0 removed, 0 changed, 87 unchanged"
    assert "kept (not in the table): peak_hours" in lines
    deals = "3 models (MiniMaxAI/MiniMax-M3, xiaomi/mimo-v2.5, xiaomi/mimo-v2.5-pro)"
    assert f"kept (not in the table): note of {deals}" in lines


@pytest.mark.parametrize("options", [(), ("--write",), ("--write", "--date", "2026-10-08")])
def test_without_a_difference_the_file_keeps_every_byte(options, run, catalog):
    before = catalog.read_bytes()
    status, lines, _ = run(TABLE, *options)
    assert status == 0
    assert catalog.read_bytes() == before == CATALOG.read_bytes()
    assert ("catalog.toml is unchanged" in lines) == ("--write" in options)


def test_lost_models_are_restored_byte_for_byte(run, catalog):
    """All figures come from the table: limits, levels, tiers and peak rates among them."""
    document = parse_catalog(CATALOG.read_text(encoding="utf-8"))
    bare = {"name": "?", "rates": ["1", "2"], "image": False}
    models = {
        name: found
        if "deal" in found.get("note", "")
        else bare | {"maker": found["maker"], "endpoint": found["endpoint"]}
        for name, found in models_of(document).items()
    }
    comments = comments_of(document)
    replace_models(document, models, comments)
    catalog.write_text(tomlkit.dumps(document), encoding="utf-8")
    assert len(catalog.read_bytes()) < len(CATALOG.read_bytes()) / 2
    status, lines, _ = run(TABLE, "--write", "--date", "2026-10-08")
    assert status == 0
    assert "87 models: 0 new, 0 removed, 84 changed, 3 unchanged" in lines
    assert catalog.read_bytes() == CATALOG.read_bytes()


# ── what is shown


def test_a_changed_figure_is_shown_with_the_old_one_and_the_new_one(run, catalog):
    before = row("gpt-5.4-mini")
    after = before.replace("| 400 000 | 0.75 | 4.5 |", "| 500,000 | 0.70 | 4.5 |")
    status, lines, _ = run(changed((before, after)))
    assert status == 0
    assert differences(lines) == [
        "changed  gpt-5.4-mini",
        "         context: 400,000 -> 500,000",
        "         rates: 0.75 / 4.5 / 0.075 / 0 -> 0.7 / 4.5 / 0.075 / 0",
    ]
    assert catalog.read_bytes() == CATALOG.read_bytes()  # shown only


def test_every_kind_of_field_is_compared(run):
    before = row("sakana/fugu-ultra")
    after = "| `sakana/fugu-ultra` | Fugu | M | ? | 5 | 30 | ? | — | 9 | auto | no | new; free |"
    _, lines, _ = run(changed((before, after)))
    assert differences(lines) == [
        "changed  sakana/fugu-ultra",
        "         name: Fugu Ultra -> Fugu",
        "         context: 1,000,000 -> —",
        "         max_output: 1,000,000 -> 9",
        "         rates: 5 / 30 / 0.5 -> 5 / 30",
        "         efforts: high xhigh -> —",
        "         reasons: — -> yes",
        "         image: yes -> no",
        "         zdr: no -> —",
        "         note: — -> new; free",
        "         endpoint: /chat/completions -> /messages",
    ]


def test_new_and_removed_models_are_shown(run):
    before = row("gpt-5.4")
    after = before.replace("gpt-5.4", "gpt-7").replace("GPT-5.4", "GPT-7")
    status, lines, _ = run(changed((before, after)))
    assert status == 0
    assert differences(lines) == [
        "new      gpt-7",
        "         name: GPT-7",
        "         context: 400,000",
        "         max_output: 128,000",
        "         rates: 2.5 / 15 / 0.25 / 0",
        "         efforts: low medium high xhigh",
        "         image: yes",
        "         maker: OpenAI",
        "         endpoint: /chat/completions",
        "removed  gpt-5.4",
    ]
    assert "87 models: 1 new, 1 removed, 0 changed, 86 unchanged" in lines


def test_changed_tiers_and_peak_rates_are_shown(run):
    _, lines, _ = run(
        changed(
            ("4 / 18 / 0.4 / 5 |", "to 500 000: 4 / 18 / 0.4; above: 8 / 36 |"),
            ("`deepseek-v4-pro` 1.32 / 3.96 / 0.044", "`deepseek-v4-pro` 1.4 / 3.96 / 0.044"),
        )
    )
    first = "to 272,000: 2 / 12 / 0.2 / 2.5"
    before, after = "above: 4 / 18 / 0.4 / 5", "to 500,000: 4 / 18 / 0.4; above: 8 / 36"
    assert differences(lines) == [
        "changed  gpt-5.6-terra",
        f"         tiers: {first}; {before} -> {first}; {after}",
        "changed  deepseek/deepseek-v4-pro",
        "         peak: 1.32 / 3.96 / 0.044 -> 1.4 / 3.96 / 0.044",
    ]


def test_tiers_that_end_are_shown(run):
    tiers = next(line for line in TABLE.splitlines() if line.startswith("| `gpt-6-sol` | 272"))
    before = row("gpt-6-sol")
    _, lines, _ = run(changed((f"{tiers}\n", ""), (before, before.replace("| tiers |", "|  |"))))
    assert differences(lines) == [
        "changed  gpt-6-sol",
        "         rates: — -> 2 / 10 / 0.2 / 2.5",
        "         tiers: to 272,000: 2 / 10 / 0.2 / 2.5; above: 4 / 15 / 0.4 / 5 -> —",
    ]


def test_a_model_without_a_price_is_left_out_and_named(run):
    before = row("tencent/hy3-paid")
    _, lines, _ = run(changed((before, before.replace("| 0.14 |", "| ? |"))))
    assert differences(lines) == ["removed  tencent/hy3-paid"]
    assert "left out (no price in the table): 1 model (tencent/hy3-paid)" in lines


def test_a_note_that_ends_takes_its_comment_along(run):
    before = row("xiaomi/mimo-v2.5")
    _, lines, _ = run(changed((before, before.replace("| deal |", "|  |"))))
    assert differences(lines) == [
        "changed  xiaomi/mimo-v2.5",
        "         note: deal, no end date -> —",
    ]
    assert "dropped: the comment on xiaomi/mimo-v2.5, `list price 0.8 / 4 / 0.16`" in lines


# ── columns


def test_columns_are_found_by_their_headings(run):
    lines = []
    for line in TABLE.splitlines():
        cells = line.strip("|").split("|")
        if line.startswith("|") and len(cells) == 12:
            line = "|".join(["", *reversed(cells), " Beginner ", ""])  # noqa: PLW2901  the row, reversed
        lines.append(line)
    turned = "\n".join(lines).replace(" Beginner ", " Plan ", 1).replace(" Beginner ", "---", 1)
    status, shown, errors = run(turned.replace("| Img |", "| IMAGE |"))
    assert (status, errors) == (0, [])
    assert shown[0] == "87 models: 0 new, 0 removed, 0 changed, 87 unchanged"
    assert "columns ignored: Plan" in shown


def test_the_column_of_plans_is_never_written(run, catalog):
    table = small("a/b | 1 | 2 | — | — | Beginner", headings=f"{HEADINGS} | Plan")
    status, lines, _ = run(table, "--write", "--date", "2026-11-01")
    assert status == 0
    assert "columns ignored: Plan" in lines
    assert "Beginner" not in catalog.read_text(encoding="utf-8")


def test_what_no_column_says_stays_and_is_named(run, catalog):
    table = small("`xai/grok-4.5` | 3 | 6 | 0.5 | —", "`gpt-6-sol` | 2 | 10 | 0.2 | 2.5")
    _, lines, _ = run(table, "--write", "--date", "2026-11-01")
    assert [line for line in differences(lines) if not line.startswith("removed")] == [
        "changed  xai/grok-4.5",
        "         rates: 2 / 6 / 0.5 -> 3 / 6 / 0.5",
    ]
    kept = [line.partition(": ")[2] for line in lines if line.startswith("kept")]
    for key in ("name", "context", "max_output", "efforts", "image"):
        assert f"{key} of 2 models (xai/grok-4.5, gpt-6-sol)" in kept
    assert "zdr of 1 model (xai/grok-4.5)" in kept
    assert "tiers of 1 model (gpt-6-sol)" in kept
    assert entry(catalog, "xai/grok-4.5") == entry(CATALOG, "xai/grok-4.5") | {
        "rates": ["3", "6", "0.5"]
    }
    assert entry(catalog, "gpt-6-sol") == entry(CATALOG, "gpt-6-sol")


def test_many_preserved_models_are_counted(run):
    rows = [
        f"{name} | {' | '.join([*found['rates'], '—', '—'][:4])}"
        for maker in tomllib.loads(CATALOG.read_text(encoding="utf-8"))["makers"]
        for name, found in maker["models"].items()
        if "rates" in found
    ]
    _, lines, _ = run(small(*rows))
    (zdr,) = [line for line in lines if "zdr of" in line]
    assert "zdr of 19 models (xai/grok-4.5, " in zdr
    assert zdr.endswith(" and 14 more)")


@pytest.mark.parametrize(
    ("written", "tokens"),
    [
        ("1 048 576", 1_048_576),
        ("1\u2009048\u2009576", 1_048_576),
        ("1\u202f048\u202f576", 1_048_576),
        ("1\xa0048\xa0576", 1_048_576),
        ("1,048,576", 1_048_576),
        ("1_048_576", 1_048_576),
        ("1048576", 1_048_576),
        ("?", None),
        ("—", None),
        ("-", None),
        ("\u2013", None),
        ("", None),
    ],
)
def test_numbers_may_be_grouped_and_unknown_is_never_zero(written, tokens, run, catalog):
    table = small(f"a/b | 1 | 2 | — | ? | {written}", headings=f"{HEADINGS} | Context")
    status, _, errors = run(table, "--write", "--date", "2026-11-01")
    assert (status, errors) == (0, [])
    expected = {"name": "a/b", "rates": ["1", "2"], "image": False}
    assert entry(catalog, "a/b") == expected | ({} if tokens is None else {"context": tokens})


@pytest.mark.parametrize(
    ("written", "price"),
    [
        ("0.15", "0.15"),
        ("$0.15", "0.15"),
        ("0.150", "0.15"),
        ("10.0", "10"),
        ("0", "0"),
        ("007", "7"),
    ],
)
def test_prices_keep_every_digit(written, price, run, catalog):
    run(small(f"a/b | {written} | 2 | — | —"), "--write", "--date", "2026-11-01")
    assert entry(catalog, "a/b")["rates"] == [price, "2"]


# ── unreadable input


HY4 = row("tencent/hy4-preview")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("| 0.834 |", "| 0,834 |", "In: `0,834` is not a price"),
        ("| 0.834 |", "| 1,250 |", "In: `1,250` is not a price"),
        ("| 0.834 |", "| -1 |", "In: `-1` is not a price"),
        ("| 0.834 |", "| nan |", "In: `nan` is not a price"),
        ("| 0.834 |", "| 1e3 |", "In: `1e3` is not a price"),
        ("| 2.501 |", "| about 2 |", "Out: `about 2` is not a price"),
        ("| 0.042 |", "| \u0663 |", "Cache read: `\u0663` is not a price"),
        ("| 0.042 | — |", "| ? | 1 |", "Cache read: `?` is unknown, but"),
        ("| 1 048 576 |", "| 1M |", "Context: `1M` is not a number of tokens"),
        ("| 1 048 576 |", "| 0 |", "Context: `0` is not a number of tokens"),
        ("| 1 048 576 |", "| 1 04 |", "Context: `1 04` is not a number of tokens"),
        ("| 1 048 576 |", "| 0,048 |", "Context: `0,048` is not a number of tokens"),
        ("| 1 048 576 |", "| 9999999999 |", "Context: `9999999999` is not a number of tokens"),
        ("| C |", "| X |", "Wire: `X` is not a wire format"),
        ("| low medium high |", "| Low! |", "Efforts: `Low!` is not a list of levels"),
        ("| no |", "| maybe |", "Img: `maybe` is neither yes nor no"),
    ],
)
def test_an_unreadable_cell_is_named_with_its_row_and_column(before, after, said, run, catalog):
    assert HY4.count(before) == 1
    place = TABLE.splitlines().index(HY4) + 1
    table = changed((HY4, HY4.replace(before, after)))
    status, lines, errors = run(table, "--write", "--date", "2026-11-01")
    assert (status, lines) == (1, [])
    assert f"line {place} (`tencent/hy4-preview`), column {said}" in errors[0]
    assert errors[1].startswith("Hint: ")
    assert catalog.read_bytes() == CATALOG.read_bytes()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("", "the file contains no price table"),
        ("# Prices\n\n- gpt: 3", "the file contains no price table"),
        (small(), "the file contains no price table"),
        (small("a | 1 | 2", headings="Model | In | Out"), "has no column Cache read"),
        (small("a | 1 | 2 | 3"), "has 4 cells, but the heading of its table has 5"),
        (small("a | 1 | 2 | 3 | 4 | 5"), "line 3 (a) has 6 cells"),
        (small(" | 1 | 2 | 3 | 4"), "column Model id: `` is not a model id"),
        (small("a b | 1 | 2 | 3 | 4"), "column Model id: `a b` is not a model id"),
        (small('"a" | 1 | 2 | 3 | 4'), "is not a model id"),
        (small("a | 1 | 2 | 3 | 4", "`a` | 1 | 2 | 3 | 4"), "line 4 (`a`), column Model id"),
        (small("a\x1b[2J | 1 | 2 | 3 | 4"), "line 3: 'a\\x1b[2J' contains a control character"),
        (small("a\u202eb | 1 | 2 | 3 | 4"), "contains a control character"),
        (small("a | 1 | 2 | 3 | 4 | 5", headings=f"{HEADINGS} | Input"), "mean the same"),
        (b"| Model id |\xff", "it is not UTF-8"),
    ],
)
def test_a_file_without_a_usable_table_is_an_error(table, said, run, catalog):
    status, lines, errors = run(table, "--write", "--date", "2026-11-01")
    assert (status, lines) == (1, [])
    assert said in errors[0]
    assert errors[1].startswith("Hint: ")
    assert catalog.read_bytes() == CATALOG.read_bytes()


def test_a_missing_file_is_an_error(tmp_path, catalog, capsys):
    assert main([str(tmp_path / "none.md")], catalog=catalog) == 1
    assert "cannot be read: No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("replacements", "said"),
    [
        (
            [("| `gpt-6-sol` | 272 000 |", "| `gpt-9` | 272 000 |")],
            "column Model: `gpt-9` is not in the price table",
        ),
        (
            [("| `gpt-6-sol` | 272 000 |", "| `gpt-6-sol` | ? |")],
            "column Up to: `?` is not a limit",
        ),
        (
            [("to 256 000: 0.1 / 0.4", "to 16 000: 0.1 / 0.4")],
            "is not a list of rising tiers",
        ),
        ([("above: 0.2 / 0.8", "to 999 000: 0.2 / 0.8")], "is not a list of rising tiers"),
        ([("20 / 75 / 2 / 25", "20, 75")], "column Above: `20, 75` is not a price"),
        ([("20 / 75 / 2 / 25", "?")], "column Above: `?` is not a list of rates"),
        (
            [("`-v4.1-flash-fast` 0.32", "`-flash` 0.32")],
            "peak rates: `-flash` matches the end of",
        ),
        ([("`-v4.1-flash-fast` 0.32 /", "`-v4.1-flash-fast` a /")], "is not a list of peak rates"),
        (
            [("| `gpt-6-sol` | 272 000 | 2 / 10", "| `gpt-6-sol` | 272 000 | 3 / 10")],
            "has the rates 2 / 10 / 0.2 / 2.5, but its first tier has 3 / 10 / 0.2 / 2.5",
        ),
    ],
)
def test_impossible_tiers_and_peak_rates_are_an_error(replacements, said, run):
    status, lines, errors = run(changed(*replacements))
    assert (status, lines) == (1, [])
    assert said in errors[0]


def test_old_tiers_and_peak_rates_never_remain_next_to_new_rates(run):
    tiers = TABLE[TABLE.index("| Model | Up to") : TABLE.index("Peak hours")]
    peaks = TABLE[TABLE.index("Peak in/out/read") :]
    assert run(changed((tiers, ""), (peaks, "")))[0] == 0  # the same rates: kept
    for model_id, price, what in (
        ("gpt-6-sol", "| 2 | 10 |", "tiers"),
        ("deepseek/deepseek-v4-pro", "| 0.66 | 1.98 |", "peak rates"),
    ):
        before = row(model_id)
        after = before.replace(price, "| 0.5 | 1 |")
        assert after != before
        status, _, errors = run(changed((tiers, ""), (peaks, ""), (before, after)))
        assert status == 1
        assert f"(`{model_id}`) has {what}, but the file does not list them" in errors[0]


def test_a_new_model_with_tiers_needs_the_table_of_tiers(run):
    table = small("a/b | 1 | 2 | — | — | tiers", headings=f"{HEADINGS} | Notes")
    status, _, errors = run(table)
    assert status == 1
    assert "(a/b) has tiers, but the file does not list them" in errors[0]
    assert "table of tiers" in errors[1]


# ── writing


def test_what_is_written_is_read_as_the_catalog(run, catalog, monkeypatch):
    before = row("gpt-5.4")
    after = before.replace("gpt-5.4", "newmaker/x-1").replace("GPT-5.4", 'X "1" \\ü')
    status, lines, _ = run(
        changed((before, after), ("20 / 75 / 2 / 25", "21 / 75 / 2 / 25")),
        *("--write", "--date", "2026-11-01", "--source", "a page"),
    )
    assert status == 0
    assert lines[-3].startswith('source = "commandcode.ai/')
    assert lines[-3].endswith('" -> "a page"')
    assert lines[-2:] == [
        "price_date = 2026-10-08 -> 2026-11-01",
        "catalog.toml is updated",
    ]
    monkeypatch.setattr(catalog_module, "_FILE", catalog.with_suffix(".json"))
    load_catalog.cache_clear()
    try:
        found = load_catalog()
    finally:
        monkeypatch.undo()
        load_catalog.cache_clear()
    assert (found.source, str(found.price_date)) == ("a page", "2026-11-01")
    assert len(found.models) == 87
    assert (found.models["newmaker/x-1"].maker, found.models["newmaker/x-1"].name) == (
        "newmaker",
        'X "1" \\ü',
    )
    assert "gpt-5.4" not in found.models
    astra = found.models["gpt-6-astra"]
    assert [str(tier.rates.input) for tier in astra.tiers] == ["10", "21"]
    other = ("gpt-6-astra", "newmaker/x-1")
    assert all(entry(catalog, name) == entry(CATALOG, name) for name in found.models.keys() - other)


def test_the_package_reads_the_values_of_the_file_that_people_edit():
    """After an edit by hand: `make prices` with the last table and its date writes the other."""
    expected = as_json(CATALOG.read_text(encoding="utf-8"))
    assert CATALOG.with_suffix(".json").read_text(encoding="utf-8") == expected


def test_only_the_changed_lines_of_the_file_change(run, catalog):
    before = row("gpt-5.4-mini")
    run(changed((before, before.replace("0.75", "0.7"))), "--write", "--date", "2026-11-01")
    old = CATALOG.read_text(encoding="utf-8").splitlines()
    new = catalog.read_text(encoding="utf-8").splitlines()
    assert [(a, b) for a, b in zip(old, new, strict=True) if a != b] == [
        ("price_date = 2026-10-08", "price_date = 2026-11-01"),
        *((line, line.replace('"0.75"', '"0.7"')) for line in old if '"gpt-5.4-mini"' in line),
    ]
    run(TABLE, "--write", "--date", "2026-10-08")
    assert catalog.read_bytes() == CATALOG.read_bytes()


def test_a_changed_catalog_is_written_only_with_a_date(run, catalog):
    before = row("gpt-5.4-mini")
    status, _, errors = run(changed((before, before.replace("0.75", "0.7"))), "--write")
    assert status == 1
    assert errors == [
        "update_catalog: nothing was written: the date of these prices is missing",
        "Hint: add --date YYYY-MM-DD",
    ]
    assert catalog.read_bytes() == CATALOG.read_bytes()


def test_an_invalid_date_is_refused(run, catalog, capsys):
    with pytest.raises(SystemExit):
        run(TABLE, "--write", "--date", "2026-13-01")
    assert "invalid" in capsys.readouterr().err
    assert catalog.read_bytes() == CATALOG.read_bytes()


def test_a_table_confirmed_on_a_later_day_changes_only_the_date(run, catalog):
    run(TABLE, "--write", "--date", "2026-11-01")
    expected = CATALOG.read_text(encoding="utf-8").replace("= 2026-10-08\n", "= 2026-11-01\n")
    assert catalog.read_text(encoding="utf-8") == expected


def test_a_model_on_another_endpoint_gets_a_block_after_those_of_its_maker(run, catalog):
    before = row("claude-opus-5")
    after = before.replace("| M |", "| C R |")
    run(changed((before, after)), "--write", "--date", "2026-11-01")
    makers = tomllib.loads(catalog.read_text(encoding="utf-8"))["makers"]
    assert [(maker["name"], maker["endpoints"], len(maker["models"])) for maker in makers[:3]] == [
        ("Anthropic", ["/messages"], 10),
        ("Anthropic", ["/chat/completions"], 1),
        ("OpenAI", ["/chat/completions"], 11),
    ]
    head = 'name = "Anthropic"\nendpoints = ["/chat/completions"]\n[makers.models]\n'
    assert f"\n\n[[makers]]\n{head}" in catalog.read_text(encoding="utf-8")
    run(TABLE, "--write", "--date", "2026-10-08")


def test_the_file_keeps_its_mode_and_no_temporary_file_remains(run, catalog):
    catalog.chmod(0o640)
    run(TABLE, "--write", "--date", "2026-11-01")
    assert stat.S_IMODE(catalog.stat().st_mode) == 0o640
    assert {path.name for path in catalog.parent.iterdir()} == {"catalog.toml", "catalog.json"}


def test_a_failed_write_leaves_the_old_file_intact(run, catalog, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copymode", full)
    with pytest.raises(OSError, match="No space"):
        run(TABLE, "--write", "--date", "2026-11-01")
    assert catalog.read_bytes() == CATALOG.read_bytes()
    assert list(catalog.parent.iterdir()) == [catalog]


WORD = ('\n"gpt-5.5" = {', '\n# a word\n"gpt-5.5" = {')
SPACES = ('"gpt-5.5" = { name', '"gpt-5.5" = {  name')
INSIDE = ('rates = ["5", "30", "0.5", "0"]', 'rates = [\n  "5", # a word\n  "30", "0.5", "0"]')
UNKNOWN = ('"gpt-5.5" = {', '"gpt-5.5" = { price = 3,')
NOT_OURS = "update_catalog: gpt-5.5 would change, but this tool did not write its present entry"


def with_another_layout(catalog: Path, before: str, after: str) -> str:
    text = CATALOG.read_text(encoding="utf-8")
    assert text.count(before) == 1
    catalog.write_text(text.replace(before, after), encoding="utf-8")
    return text.replace(before, after)


@pytest.mark.parametrize("layout", [WORD, SPACES, INSIDE])
def test_comments_and_formatting_of_other_entries_survive(layout, run, catalog):
    text = with_another_layout(catalog, *layout)
    before = row("gpt-5.4-mini")
    table = changed((before, before.replace("| 0.75 |", "| 0.7 |")))
    assert run(table, "--write", "--date", "2026-11-01")[0] == 0
    expected = text.replace("= 2026-10-08\n", "= 2026-11-01\n").replace('["0.75", ', '["0.7", ')
    assert catalog.read_text(encoding="utf-8") == expected


@pytest.mark.parametrize("layout", [SPACES, INSIDE, UNKNOWN])
@pytest.mark.parametrize("prices", ["| 6 | 30 |", "| ? | ? |"])
def test_an_entry_in_another_layout_is_not_overwritten(layout, prices, run, catalog):
    text = with_another_layout(catalog, *layout)
    before = row("gpt-5.5")
    table = changed((before, before.replace("| 5 | 30 |", prices)))
    status, lines, errors = run(table, "--write", "--date", "2026-11-01")
    assert (status, lines) == (1, [])
    assert errors[0] == NOT_OURS
    assert errors[1].startswith("Hint: ")
    assert catalog.read_text(encoding="utf-8") == text


def test_an_entry_with_an_unknown_key_is_not_overwritten(run, catalog):
    text = with_another_layout(catalog, *UNKNOWN)
    status, _, errors = run(TABLE, "--write", "--date", "2026-11-01")
    assert status == 1
    assert errors[0] == NOT_OURS
    assert catalog.read_text(encoding="utf-8") == text


def test_comments_in_a_block_without_models_are_not_lost(run, catalog):
    only = '\n"sakana/fugu-ultra"'
    text = with_another_layout(catalog, only, f"\n# a word{only}")
    status, _, errors = run(changed((f"{row('sakana/fugu-ultra')}\n", "")), "--write")
    assert status == 1
    assert "Sakana has no models left at /chat/completions, but comments in its block" in errors[0]
    assert catalog.read_text(encoding="utf-8") == text


HEAD = 'source = ""\nprice_date = 2026-10-08\n'
BLOCK = '[[makers]]\nname = "a"\nendpoints = []\n[makers.models]\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[makers", "Unexpected end of file"),
        ("makers = 3", "source, price_date and"),
        (HEAD + "makers = []", "source, price_date and"),
        (HEAD + BLOCK * 2, "two blocks have the same maker"),
        (HEAD + f'{BLOCK}"b" = {{}}\n' * 2, "a model appears twice"),
    ],
)
def test_a_catalog_that_cannot_be_edited_is_an_error(text, reason):
    with pytest.raises(ConfigError, match=f"the current catalog cannot be read: {reason}"):
        parse_catalog(text)
