"""`%cmd save`, `%%cmd @NAME` and `%cmd prompts`, as a user meets them."""

from __future__ import annotations

import stat

import pytest
from support.kernel_notebook import CLAUDE, MODEL
from support.provider import KEY, answer

pytestmark = pytest.mark.kernel


@pytest.fixture
def prompts(notebook):
    """Return the user's folder of prompts, which is empty, as is the project's."""
    notebook.check(
        "import os, pathlib, shutil\n"
        "own = pathlib.Path(os.environ['CMD_JUPYTER_HOME']) / 'data' / 'prompts'\n"
        "for _folder in (own, pathlib.Path('prompts')):\n"
        "    shutil.rmtree(_folder, ignore_errors=True)"
    )
    yield notebook.value("str(own)")
    notebook.check("import shutil\nshutil.rmtree('prompts', ignore_errors=True)")


def test_a_prompt_is_saved_as_typed_and_sent_with_other_values(notebook, prompts):
    notebook.check(f"topic, api_key = 'rain', {KEY!r}")
    notebook.provider.play(answer("wet"))
    line = f"%%cmd -m {CLAUDE} -t 0.5 -s 'be {{{{ topic }}}}' --check \"len(answer) < 9\" -> x"
    notebook.check(f"{line}\nabout {{{{ topic }}}} {{{{ topic.upper() }}}} {{{{ api_key }}}}")
    run = notebook.check("%cmd save weather")
    assert run.texts[0].startswith("saved the prompt as @weather in ")
    assert run.texts[0].endswith("; it needs topic, api_key")
    file = notebook.value("(own / 'weather.md').read_text()")
    head, _, text = file.partition("\n+++\n\n")
    assert text == "about {{ topic }} {{ topic.upper() }} {{ api_key }}\n"
    assert f'model = "{CLAUDE}"\nsystem = "be {{{{ topic }}}}"\ntemperature = 0.5\n' in head
    assert '[variables]\ntopic = "rain"\napi_key = "[key]"\n' in head
    assert KEY not in file
    mode = notebook.value("(own / 'weather.md').stat().st_mode")
    assert stat.S_IMODE(mode) == 0o600

    notebook.check("topic, api_key = 'snow', 'none'")
    notebook.provider.play(answer("cold"))
    notebook.check(f"%%cmd @weather -m {MODEL} --once -> y\nIn {{{{ topic }}}} words.\n")
    assert notebook.body["model"] == MODEL
    assert notebook.body["temperature"] == 0.5
    assert [each["content"] for each in notebook.body["messages"]] == [
        "be snow",
        "about snow SNOW none\n\nIn snow words.",
    ]
    assert notebook.value("y") == "cold"


def test_a_prompt_is_saved_after_a_restart_and_replaced_only_on_request(notebook, prompts):
    notebook.check("topic = 'rain'")
    notebook.provider.play(answer("wet"))
    notebook.check(f"%%cmd -m {MODEL}\nabout {{{{ topic }}}}")
    turn = notebook.value("_cmd.provenance.turn_id")
    notebook.restart()
    notebook.check(f"%cmd save weather {turn} --no-examples")
    run = notebook.fail(f"%cmd save weather {turn}", "OptionError")
    assert "there is a saved prompt @weather already" in run.error
    notebook.check(f"%cmd save weather {turn} --overwrite --no-examples")
    run = notebook.check("%cmd prompts")
    for word in ("@weather", "about {{ topic }}", "topic", MODEL):
        assert word in run.texts[0]
    assert "rain" not in run.texts[0]
    run = notebook.fail("%%cmd @weather", "OptionError")
    assert "the saved prompt @weather needs topic; topic is not defined" in run.error
    run = notebook.fail("%%cmd @wether", "OptionError")
    assert "there is no saved prompt @wether" in run.error_lines[0]
    assert "did you mean weather?" in run.error_lines[1]
    assert len(notebook.posts) == 1
    run = notebook.check("%cmd prompts --remove weather")
    assert run.texts[0].startswith("deleted ")
    notebook.fail("%%cmd @weather", "OptionError")


def test_ask_sends_a_saved_prompt_and_any_other_word_as_text(notebook, prompts):
    notebook.check("own.mkdir(parents=True, exist_ok=True)")
    text = f"+++\\nmodel = '{MODEL}'\\ntype = 'int'\\n+++\\n\\nhow many"
    notebook.check(f"(own / 'count.md').write_text({text!r}.encode().decode('unicode_escape'))")
    notebook.provider.play(answer('{"value": 3}'))
    notebook.check("r = %cmd ask @count --once ducks?")
    assert notebook.said == ["how many\n\nducks?"]
    notebook.provider.play(answer("no number"))
    notebook.provider.play(answer("still none"))
    notebook.fail("%cmd ask @count --once ducks?", "StreamError")
    notebook.provider.play(answer("hello"))
    notebook.check(f"%cmd ask -m {MODEL} --once @alice are you there?")
    assert notebook.said == ["@alice are you there?"]


def test_a_projects_file_is_data_and_nothing_is_sent_if_it_is_more(notebook, prompts):
    notebook.check("pathlib.Path('prompts').mkdir()\nran = []\ntopic = 'rain'")
    hostile = {
        "runs": "+++\n+++\n{{ ran.append(1) }}",
        "checks": '+++\ncheck = "ran.append(1)"\n+++\nhi',
        "types": '+++\ntype = "ran.append(1)"\n+++\nhi',
        "sends": '+++\nbase_url = "https://evil.example"\n+++\nhi',
        "keys": '+++\nkey-env = "HOME"\n+++\nhi',
        "allows": '+++\nallow = "shell"\n+++\nhi',
        "reads": '+++\nimage = "/etc/passwd"\n+++\nhi',
    }
    for name, text in hostile.items():
        notebook.check(f"size = pathlib.Path('prompts/{name}.md').write_text({text!r})")
        run = notebook.fail(f"%%cmd -m {MODEL} @{name}", "ConfigError")
        assert f"{name}.md" in run.error_lines[0]
        assert len(run.error_lines) <= 2
    assert notebook.value("ran") == []
    assert not notebook.posts
    assert "cannot be used" in notebook.check("%cmd prompts").texts[0]

    good = f'+++\nmodel = "{MODEL}"\n+++\nabout {{{{ topic }}}}'
    notebook.check(f"size = pathlib.Path('prompts/good.md').write_text({good!r})")
    notebook.provider.play(answer("wet"))
    notebook.check("%%cmd @good --once\nand {{ len(topic) }}")
    assert notebook.said == ["about rain\n\nand 4"]


def test_saving_for_a_project_names_the_file_and_what_it_leaves_out(notebook, prompts):
    notebook.provider.play(answer("wet"))
    notebook.check(f"%%cmd -m {MODEL} --check 'len(answer) < 9' --once\nrain?")
    run = notebook.check("%cmd save weather --project")
    assert "/prompts/weather.md" in run.texts[0]
    assert "left out, because a project's prompt cannot set it: --check" in run.texts[0]
    notebook.check("%cmd save weather")
    notebook.provider.play(answer("wet"))
    run = notebook.check("%%cmd @weather --once")
    assert "@weather is your own prompt; the project's is @./weather" in " ".join(run.texts)


def test_the_active_answer_of_a_grid_is_saved(notebook, prompts):
    notebook.check("topics = ['rain', 'snow']")
    notebook.provider.always(answer("wet"))
    notebook.check(f"%%cmd -m {MODEL} -t 0,1 --vary topic=topics -> g\n{{{{ topic }}}}?")
    notebook.check("%cmd save weather")
    file = notebook.value("(own / 'weather.md').read_text()")
    assert f'model = "{MODEL}"\ntemperature = 0.0\n' in file
    assert 'topic = "rain"' in file
    assert file.endswith("\n{{ topic }}?\n")
