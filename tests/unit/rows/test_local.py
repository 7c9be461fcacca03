"""A rehearsal on the local model: free, and its rows are taken for no other model."""

from __future__ import annotations

import pytest
from support import provider as scripted
from support.rows import MODEL, echo, run, texts

from cc_jupyter.client.endpoint import Endpoint, Key
from cc_jupyter.rows.view import final_bundle, running_line


@pytest.fixture
def local(monkeypatch):
    """Return the provider that answers as the local model does."""
    with scripted.Provider() as server:
        server.always(scripted.openai_stream(["rehearsed"]))
        endpoint = Endpoint(f"{server.base_url}/v1", Key(scripted.KEY, "test"), "local")
        monkeypatch.setattr("cc_jupyter.client.endpoint._local_target", lambda: endpoint)
        yield server


def shown(ended):
    return final_bundle(ended.run.progress, "r")["text/plain"]


def test_a_rehearsal_is_free_and_its_rows_are_not_taken_for_the_real_model(
    open_session, provider, local
):
    provider.always(echo)
    rehearsed = run(open_session(), texts(4), model="local")
    assert [row["answer"] for row in rehearsed.result] == ["rehearsed"] * 4
    assert "free (local model)" in shown(rehearsed)
    assert "free (local model)" in running_line(rehearsed.run.progress)
    assert "$" not in shown(rehearsed)
    assert "any other model is sent all rows" in shown(rehearsed)
    assert {row["cost_usd"] for row in rehearsed.result.meta} == {0}
    assert provider.posts == []
    real = run(open_session(), texts(4), model=MODEL)
    assert [row["answer"] for row in real.result] == [f"word {number}" for number in range(4)]
    assert real.run.progress.cached == 0
    assert "local" not in shown(real)
    again = run(open_session(), texts(4), model="local")
    assert again.run.progress.cached == 4
    assert (len(local.posts), len(provider.posts)) == (4, 4)


def test_a_preview_on_the_local_model_projects_no_bill(session, local):
    ended = run(session, texts(20), model="local", preview=5)
    assert "free (local model)" in shown(ended)
    assert "for all rows" not in shown(ended)
    assert len(local.posts) == 5


def test_answers_of_the_wrong_type_say_what_asks_for_them_again(session, provider, local):
    ended = run(session, texts(2), model="local", into=int)
    assert "2 failed (wrong type 2)" in shown(ended)
    assert '--retry type, retry="type" in Python, asks again' in shown(ended)
    assert "run it again" not in shown(ended)
    before = len(local.posts)
    run(session, texts(2), model="local", into=int)
    assert len(local.posts) == before
