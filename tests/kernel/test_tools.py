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
    asked = answer("Let me look.", calls=[ToolCall("lookup", {"city": "Rome"})])
    notebook.provider.play(asked)
    notebook.provider.play(answer("Ada and Bob."))
    run = notebook.check(f"%%cmd -m {model} --tools lookup --allow lookup -> who\nWho owes?")
    assert notebook.value("ran") == ["Rome"]
    assert notebook.value("who") == "Ada and Bob."
    assert len(notebook.posts) == 2
    trace = next(each for each in run.texts if "lookup" in each)
    assert trace.startswith('1 \N{CHECK MARK} lookup(city="Rome") \N{RIGHTWARDS ARROW} 2 items')
    assert len(run.texts) == 3
    assert "Let me look." not in "".join(run.texts)
    assert notebook.value("[step.text for step in _cmd.steps]") == ["Let me look.", "Ada and Bob."]
    assert "lookup" in notebook.check("%cmd trace").texts[0]
    assert "tool_calls" not in notebook.check("%cmd sent --step 1").texts[0]
