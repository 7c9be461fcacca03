"""Tools in a kernel: what is asked, run, shown, sent and kept."""

from __future__ import annotations

import pytest
from support.kernel_notebook import WIRES
from support.provider import ToolCall, answer

pytestmark = pytest.mark.kernel

LOOKUP = '''
ran = []

def lookup(city: str) -> list[str]:
    """Return the customers in a city who have not paid."""
    ran.append(city)
    return ["Ada", "Bob"]
'''


@pytest.mark.parametrize("model", WIRES.values())
def test_an_allowed_tool_runs_and_its_result_is_in_the_next_request(notebook, model):
    notebook.check(LOOKUP)
    notebook.provider.play(
        answer("Let me look.", calls=[ToolCall("lookup", {"city": "Rome"})]), answer("Ada and Bob.")
    )
    run = notebook.check(f"%%cmd -m {model} --tools lookup --allow lookup -> who\nWho owes?")
    print([o.data for o in run.outputs], run.texts)
    import json

    print(json.dumps(notebook.body, indent=1))
    assert notebook.value("ran") == ["Rome"]
    assert notebook.value("who") == "Ada and Bob."
    assert len(notebook.posts) == 2
