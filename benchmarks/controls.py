"""The source of the measured cells: the plain cell and ours."""

from __future__ import annotations

CLOCK = """
import json as _json, time as _time
_marks = []
def _mark(*_):
    _marks.append((_time.perf_counter(), _time.process_time()))
def _marks_json():
    return _json.dumps(_marks[-2:])
get_ipython().events.register("pre_run_cell", _mark)
"""

_PLAIN = '''
import json, time
import httpx, httpx_sse
client = httpx.Client(base_url=URL + "/v1", trust_env=False, timeout=60,
                      headers={"Authorization": "Bearer " + KEY})

def text_of(event):
    """Return the text of one event of either dialect."""
    body = json.loads(event.data)
    if event.event != "message":
        return body["delta"].get("text") if event.event == "content_block_delta" else None
    return body["choices"][0]["delta"].get("content") if body["choices"] else None

def plain(model, prompt="Hello", every_s=0.033):
    """Send a request and print what was received, at most once in `every_s` seconds."""
    body = {"model": model, "messages": [{"role": "user", "content": prompt}], "stream": True}
    path = "/chat/completions"
    if model.startswith("claude-"):
        path, body["max_tokens"] = "/messages", 8192
    else:
        body["stream_options"] = {"include_usage": True}
    pending, due_s = [], 0.0
    with client.stream("POST", path, json=body) as response:
        for event in httpx_sse.EventSource(response).iter_sse():
            if event.data == "[DONE]":
                continue
            text = text_of(event)
            if not text:
                continue
            pending.append(text)
            now_s = time.monotonic()
            if now_s >= due_s:
                print("".join(pending), end="", flush=True)
                pending.clear()
                due_s = now_s + every_s
    print("".join(pending), end="", flush=True)
'''


def plain(url: str, key: str) -> str:
    """Return the definition of the plain cell: httpx, httpx-sse, json, print."""
    return f"URL, KEY = {url!r}, {key!r}\n{_PLAIN}"


def cmd(model: str, prompt: str = "Hello") -> str:
    """Return our cell; `--new`, so that the conversation does not grow from round to round."""
    return f"%%cmd --new -m {model}\n{prompt}"


def ask(model: str, prompt: str = "Hello") -> str:
    """Return our line, in a cell that also has other outputs."""
    return f"print('before')\n_ = None\n%cmd ask --new -m {model} {prompt}"
