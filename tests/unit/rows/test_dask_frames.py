"""Rows of Dask frames, computed by this process: prompts by partition, and a Dask result."""

from __future__ import annotations

import threading
from typing import Literal

import dask.dataframe as dd
import pandas as pd
import pytest
from support.provider import KEY, ToolCall, answer, openai_stream
from support.rows_runs import MODEL, asked

import cc_jupyter.rows.accessors
from cc_jupyter import map_rows
from cc_jupyter.core.errors import ConfigError, OptionError
from cc_jupyter.session.session import shared_session


@pytest.fixture(autouse=True)
def kernel(monkeypatch, provider):
    monkeypatch.setenv("CMD_BASE_URL", provider.base_url)
    monkeypatch.setenv("CMD_API_KEY", KEY)
    shared_session.cache_clear()
    cc_jupyter.rows.accessors.register()
    yield
    cc_jupyter.rows.accessors.unregister()
    shared_session.cache_clear()


@pytest.fixture
def frame():
    texts = [f"text {number}" for number in range(10)]
    data = pd.DataFrame({"text": texts, "size": range(10)}, index=range(100, 110))
    return dd.from_pandas(data, npartitions=3)


def echo(record):
    return openai_stream(f"<{asked(record)}>")


def test_a_frame_is_mapped_at_once_into_a_frame_of_dask(provider, frame):
    provider.always(echo)
    tone = "kind"
    result = frame.cmd.map("{{ tone }}: {{ text }} of {{ size * 2 }}", model=MODEL)
    assert len(provider.posts) == 10
    assert isinstance(result, dd.DataFrame)
    assert result.divisions == frame.divisions
    assert result.npartitions == frame.npartitions
    computed = result.compute()
    assert list(computed.index) == list(range(100, 110))
    assert computed["answer"].tolist() == [
        f"<{tone}: text {number} of {number * 2}>" for number in range(10)
    ]
    result.compute()
    assert len(provider.posts) == 10


def test_rows_of_a_frame_call_functions_of_this_process(provider, frame):
    def lookup(text: str) -> str:
        return text.upper()

    def one_round(record):
        last = record.json["messages"][-1]
        if last["role"] == "tool":
            return answer(last["content"])(record)
        return answer("", calls=[ToolCall("lookup", {"text": last["content"]})])(record)

    provider.always(one_round)
    result = frame.cmd.map("{{ text }}", model=MODEL, tools=[lookup], allow=[lookup])
    assert result.cmd.meta["error"].dropna().tolist() == []
    assert result.compute()["answer"].tolist() == [f"TEXT {number}" for number in range(10)]
    assert result.cmd.meta["calls"].tolist() == [1] * 10


def test_types_checks_and_meta_are_those_of_any_table(provider, frame):
    provider.always(openai_stream('{"value": "good"}'))
    result = frame.cmd.map("{{ text }}", into=Literal["good", "bad"], check="size < 4", model=MODEL)
    computed = result.compute()
    assert result.dtypes["value"] == computed.dtypes["value"] == "category"
    assert computed["value"].tolist() == ["good"] * 10
    assert computed["size < 4"].tolist() == [True] * 4 + [False] * 6
    meta = result.cmd.meta
    assert list(meta.index) == list(range(100, 110))
    assert meta["attempts"].tolist() == [1] * 10


def test_a_series_gives_a_series(provider, frame):
    provider.always(openai_stream('{"value": 7}'))
    result = frame["text"].cmd.map("{{ value }}", into=int, model=MODEL)
    assert isinstance(result, dd.Series)
    assert result.compute().tolist() == [7] * 10
    assert result.name == "text"


def test_it_resumes_as_any_table_does(provider, frame):
    provider.always(echo)
    frame.cmd.map("{{ text }}", model=MODEL)
    provider.clear()
    provider.always(echo)
    again = map_rows(frame, "{{ text }}", model=MODEL)
    assert not provider.posts
    assert again.compute()["answer"].tolist() == [f"<text {number}>" for number in range(10)]
    assert again.cmd.meta["from_cache"].all()


def test_a_preview_has_only_its_rows(provider, frame):
    provider.always(echo)
    result = frame.cmd.map("{{ text }}", preview=4, model=MODEL)
    computed = result.compute()
    assert len(computed) == len(provider.posts) == 4
    numbers = [int(answer.strip("<>").split()[1]) for answer in computed["answer"]]
    assert list(computed.index) == [100 + number for number in numbers]


def test_a_name_that_cannot_travel_is_named_before_anything_is_sent(provider, frame):
    lock = threading.Lock()
    assert lock
    with pytest.raises(OptionError) as raised:
        frame.cmd.map("{{ text }} {{ lock }}", model=MODEL)
    assert str(raised.value).startswith(
        "`lock`, which the prompt uses, cannot be sent to the Dask workers: cannot pickle"
    )
    assert not provider.posts


def test_names_that_are_not_used_need_not_travel(provider, frame):
    provider.always(echo)
    lock = threading.Lock()
    frame.cmd.map("{{ text }}", model=MODEL)
    assert lock
    assert len(provider.posts) == 10


def test_an_unknown_name_has_a_close_match(provider, frame):
    with pytest.raises(OptionError, match="txt") as raised:
        frame.cmd.map("{{ txt }}", model=MODEL)
    assert raised.value.hint == "did you mean text?"
    assert not provider.posts


def test_rows_whose_prompt_cannot_be_made_are_missing(provider, frame):
    provider.always(echo)
    result = frame.cmd.map("{{ 1 // (size - 3) }}", model=MODEL)
    computed = result.compute()
    assert computed["answer"].isna().tolist() == [number == 3 for number in range(10)]
    assert "ZeroDivisionError" in result.cmd.meta.loc[103, "error"]


def test_a_frame_that_cannot_be_computed_is_named(provider):
    def broken(part):
        raise RuntimeError("the file is gone")

    data = dd.from_pandas(pd.DataFrame({"text": ["a", "b"]}), npartitions=1)
    broken_frame = data.map_partitions(broken, meta=data._meta)
    with pytest.raises(ConfigError, match="RuntimeError: the file is gone"):
        broken_frame.cmd.map("{{ text }}", model=MODEL)
    assert not provider.posts


def test_empty_partitions_keep_their_place(provider, frame):
    provider.always(echo)
    few = frame[frame["size"] > 7]
    result = few.cmd.map("{{ text }}", model=MODEL)
    assert result.npartitions == 3
    assert result.compute()["answer"].tolist() == ["<text 8>", "<text 9>"]
