"""xeus-python, a kernel that is not ipykernel, in its default mode: with IPython's shell.

Pages are left out: xeus-python 0.19.0 refuses every comm that a page opens, so the status bar, the
side panel and the marks of the JupyterLab extension need ipykernel.
"""

from __future__ import annotations

import pytest
from support.kernel_harness import Kernel
from support.kernel_notebook import halves
from support.private_environment import private_environment
from support.provider import KEY, Provider, answer, openai_stream, wait

pytest.importorskip("xeus_python_shell")

LAUNCHER = "xpython_launcher"


@pytest.fixture(scope="module")
def xeus_provider():
    with Provider() as started:
        yield started


@pytest.fixture(scope="module")
def running(xeus_provider, tmp_path_factory):
    environment = private_environment(tmp_path_factory.mktemp("xeus")) | {
        "CMD_BASE_URL": xeus_provider.base_url,
        "CMD_API_KEY": KEY,
        "CMD_MODEL": "deepseek/deepseek-v4-flash",
    }
    with Kernel(base=environment, launcher=LAUNCHER) as kernel:
        yield kernel


@pytest.fixture
def provider(xeus_provider):
    xeus_provider.clear()
    return xeus_provider


@pytest.fixture
def kernel(running):
    """Return a kernel with the extension."""
    assert running.check("%load_ext cc_jupyter").error == ""
    yield running
    running.check("%unload_ext cc_jupyter")


def test_it_is_the_kernel_of_xeus(kernel):
    assert kernel.value("type(get_ipython()).__module__") == "xeus_python_shell.shell"


def test_an_answer_streams_and_is_a_value(kernel, provider):
    provider.play(openai_stream(["one ", "two"]))
    run = kernel.check("%%cmd --new -> reply\nhello")
    assert run.texts[0] == "one two"
    assert "deepseek-v4-flash · in " in run.texts[1]
    assert kernel.value("reply") == "one two"
    provider.play(answer("again"))
    assert kernel.check("%cmd ask Is it?").texts[0] == "again"
    assert [each.json["messages"][-1]["content"] for each in provider.posts] == ["hello", "Is it?"]


def test_values_are_filled_in_and_a_prompt_continues_its_conversation(kernel, provider):
    provider.always(answer("fine"))
    kernel.check("stock = [('apples', 12)]")
    kernel.check("%%cmd --new\nSell {{ stock }}")
    kernel.check("%%cmd\nAnd now?")
    first, second = provider.posts
    assert "apples" in first.json["messages"][-1]["content"]
    assert len(second.json["messages"]) == 3


def test_an_interrupt_ends_an_answer_and_saves_its_text(kernel, provider):
    before, after = halves(openai_stream(["one ", "two ", "three"]), "three")
    provider.play(before, wait("never"), after)
    request = kernel.start("%%cmd --new\nhello")
    kernel.wait_for_output(request, "update_display_data")
    kernel.interrupt()
    run = kernel.collect(request)
    assert "the text received is saved" in run.error
    assert kernel.value("_cmd.text").strip() == "one two"


def test_completion_and_commands_work(kernel):
    found = kernel.client.complete("%cmd sta", 8, reply=True, timeout=30)["content"]
    assert found["matches"] == ["status"]
    assert "deepseek/deepseek-v4-flash" in kernel.check("%cmd status").texts[0]


def test_an_error_is_lines_without_a_traceback(kernel):
    run = kernel.run("%%cmd --temp hot\nhello")
    assert "--temp" in run.error + run.streams
    assert "Traceback" not in run.error + run.streams


def test_the_doctor_does_not_ask_for_ipykernel(kernel):
    assert "missing" not in kernel.check("%cmd doctor").texts[0].splitlines()[0]


def test_it_can_be_unloaded_and_loaded_again(kernel, provider):
    kernel.check("%unload_ext cc_jupyter")
    assert "not found" in kernel.run("%%cmd\nhello").streams
    kernel.check("%load_ext cc_jupyter")
    provider.play(answer("back"))
    assert kernel.check("%%cmd --new\nhello").texts[0] == "back"
