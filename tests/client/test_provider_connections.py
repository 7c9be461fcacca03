"""The scripted provider on the socket: what is cut, held, kept and seen, and by whom."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
import warnings
from pathlib import Path
from subprocess import PIPE, Popen
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from support import provider as scripted
from support.provider import KEY, Provider

if TYPE_CHECKING:
    from collections.abc import Iterator

CHAT = "/v1/chat/completions"
PROGRAM = Path(scripted.__file__).with_name("__main__.py")
BODY = {
    "model": "deepseek/deepseek-v4-flash",
    "stream": True,
    "messages": [{"role": "user", "content": "Hi"}],
}


@pytest.fixture
def client(provider: Provider) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=provider.base_url, headers=headers, trust_env=False) as opened:
        yield opened


def post(client: httpx.Client) -> httpx.Response:
    return client.post(CHAT, json=BODY)


# ── connections that are kept


def test_a_connection_is_used_again(provider, client):
    provider.play(scripted.answer("one"))
    provider.play(scripted.error(503))
    for _ in range(3):
        post(client)
    assert [record.connection for record in provider.requests] == [1, 1, 1]
    assert [record.status for record in provider.requests] == [200, 503, 200]


def test_a_body_that_ends_with_its_connection_is_not_kept(provider, client):
    provider.play(scripted.openai_stream("one", framing="close"))
    assert "[DONE]" in post(client).text
    post(client)
    assert [record.connection for record in provider.requests] == [1, 2]


def test_a_kept_connection_can_be_hung_up_on_before_the_first_byte(provider, client):
    post(client)
    provider.play(scripted.cut())
    with pytest.raises(httpx.RemoteProtocolError):
        post(client)
    post(client)
    assert [record.connection for record in provider.requests] == [1, 1, 2]


def test_a_stream_can_promise_to_stay_and_close_after_its_end(provider, client):
    provider.play(scripted.answer("one"), scripted.end(), scripted.cut())
    response = post(client)
    assert "connection" not in response.headers
    assert "[DONE]" in response.text
    provider.requests[0].wait_until_over()
    post(client)
    assert [record.connection for record in provider.requests] == [1, 2]


def test_idle_connections_can_be_dropped(provider, client):
    post(client)
    provider.drop_idle_connections()
    assert provider.open_connections == 0
    post(client)
    assert provider.requests[-1].connection == 2


# ── answers that break off


def test_cut_ends_the_answer_in_the_middle(provider, client):
    provider.play(scripted.openai_stream(["Hel", "lo"], finish=None)[:3], scripted.cut())
    with client.stream("POST", CHAT, json=BODY) as response:
        came = []
        with pytest.raises(httpx.RemoteProtocolError):
            came.extend(response.iter_raw())
    assert b"Hel" in b"".join(came)
    provider.requests[0].wait_until_over()
    assert provider.requests[0].client_left_s is None


def test_reset_is_a_tcp_reset(provider, client):
    provider.play(scripted.openai_stream("Hi")[:3], scripted.reset())
    with client.stream("POST", CHAT, json=BODY) as response, pytest.raises(httpx.ReadError):
        response.read()


def test_hang_holds_the_answer_open_and_sees_the_client_leave(provider, client):
    provider.play(scripted.openai_stream(["Hel"])[:3], scripted.hang())
    with client.stream("POST", CHAT, json=BODY) as response:
        came = response.iter_raw()
        assert b"Hel" in next(came) + next(came)
        record = provider.requests[0]
        assert record.ended_s is None
        left_s = time.perf_counter()
    record.wait_until_over()
    assert record.client_left_s is not None
    assert record.client_left_s - left_s < 0.1
    assert record.ended_s >= record.client_left_s


def test_a_client_that_leaves_a_fast_or_a_blocked_stream_is_seen(provider):
    for model in ("test/burst-9999@1ms", "test/burst-200000"):
        body = json.dumps(BODY | {"model": model})
        request = (
            f"POST /provider{CHAT} HTTP/1.1\r\nauthorization: Bearer {KEY}\r\n"
            f"content-length: {len(body)}\r\n\r\n{body}"
        )
        with socket.create_connection(("127.0.0.1", provider.port)) as sock:
            sock.sendall(request.encode())
            assert sock.recv(100).startswith(b"HTTP/1.1 200 OK")
            left_s = time.perf_counter()
        record = provider.requests[-1]
        record.wait_until_over()
        assert record.client_left_s is not None
        assert record.client_left_s - left_s < 0.1


def test_a_request_can_be_refused_without_being_read(provider, client):
    provider.play(scripted.before_reading(), scripted.error(413))
    response = client.post(CHAT, content=b"x" * 3_000_000)
    assert response.status_code == 413
    record = provider.requests[0]
    assert (record.method, record.path, record.body) == ("POST", "/provider" + CHAT, b"")
    provider.play(scripted.before_reading(), scripted.reset())
    with pytest.raises(httpx.TransportError):  # which one depends on who is faster
        post(client)


def test_what_is_no_http_goes_out_to_the_letter(provider, client):
    provider.play(scripted.raw("SSH-2.0-OpenSSH_9.9\r\n"), scripted.cut())
    with pytest.raises(httpx.RemoteProtocolError):
        post(client)


def test_a_recording_is_played_in_pieces_of_any_size(provider, client):
    recording = ': made up\n\ndata: {"a":"\u2028ü"}\r\n\r\ndata: [DONE]\n\n'.encode()
    for size in (1, 2, 7, 1000):
        provider.play(scripted.pieces(recording, size))
        response = post(client)
        assert response.content == recording
        assert response.headers["content-type"].startswith("text/event-stream")
        assert len(provider.requests[-1].sent_s) == -(-len(recording) // size)


# ── time


def test_pauses_and_events_hold_the_answer_back(provider, client):
    opened = threading.Event()
    one, two, three = (scripted.body(text) for text in ("one", "two", "three"))
    provider.play(one, scripted.pause(0.05), two, scripted.wait(opened), three)
    with client.stream("POST", CHAT, json=BODY) as response:
        pieces = response.iter_raw()
        assert [next(pieces), next(pieces)] == [b"one", b"two"]
        time.sleep(0.05)
        assert len(provider.requests[0].sent_s) == 2
        opened.set()
        assert list(pieces) == [b"three"]
    first_s, second_s, third_s = provider.requests[0].sent_s
    assert second_s - first_s >= 0.049
    assert third_s - second_s >= 0.049


# ── what is seen


def test_a_request_is_kept_to_the_letter(provider, client):
    before_s = time.perf_counter()
    client.post(CHAT + "?a=1", content='{"x": "ü"}'.encode(), headers={"X-Odd": "Yes"})
    record = provider.requests[0]
    record.wait_until_over()
    assert (record.method, record.path) == ("POST", "/provider" + CHAT)
    assert (record.body, record.json) == ('{"x": "ü"}'.encode(), {"x": "ü"})
    assert record.headers["x-odd"] == "Yes"
    assert b"X-Odd: Yes" in record.raw_head
    assert before_s < record.received_s < record.ended_s < time.perf_counter()
    provider.clear()
    assert provider.requests == []


def test_chunked_and_announced_requests_are_read(provider, client):
    data = json.dumps(BODY).encode()
    client.post(CHAT, content=iter([data[:10], data[10:]]))
    client.post(CHAT, content=data, headers={"expect": "100-continue"})
    assert [record.json for record in provider.requests] == [BODY, BODY]


def test_scripts_are_played_in_order_then_what_is_always_said(provider, client):
    provider.always(lambda record: scripted.openai_json(record.json["model"], model="z"))
    provider.play(scripted.http(500, "<html>", content_type="text/html"))
    provider.play_models(scripted.http(307, "", {"location": "http://example.org/"}))
    assert post(client).text == "<html>"
    assert post(client).json()["choices"][0]["message"]["content"] == BODY["model"]
    assert client.get("/v1/models").status_code == 307
    assert client.get("/v1/models").status_code == 200
    assert provider.queued == 0


# ── life


def test_closing_leaves_no_thread_and_no_socket_and_wakes_every_wait():
    before = threading.active_count()
    with warnings.catch_warnings(), Provider() as started, httpx.Client(trust_env=False) as client:
        warnings.simplefilter("error", ResourceWarning)
        client.get(started.base_url + "/v1/models")
        started.play(scripted.head(), scripted.hang())
        with client.stream("POST", started.base_url + CHAT, json=BODY):
            started.close()
            assert started.requests[-1].client_left_s is None
    assert started.open_connections == 0
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", started.port))


def test_a_program_of_its_own_is_scripted_over_its_port():
    command = [sys.executable, str(PROGRAM), "--until-stdin-ends"]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as program:
        base_url = program.stdout.readline().strip()
        control = base_url.removesuffix("/provider") + "/_control/"
        with httpx.Client(trust_env=False) as client:
            steps: list[dict[str, Any]] = [
                {"do": "openai_stream", "texts": ["Hel", "lo"], "pause_s": 0.001},
                {"do": "wait", "event": "go"},
                {"do": "body", "base64": "IQ=="},
            ]
            bad = client.post(control + "play", json={"steps": [{"do": "dance"}]})
            assert (bad.status_code, bad.json()) == (400, {"error": "KeyError: 'dance'"})
            assert client.post(control + "play", json={"steps": steps}).status_code == 200
            client.post(control + "gate/go")
            assert client.post(base_url + CHAT, json=BODY).text.endswith("[DONE]\n\n!")
            seen = client.get(control + "requests").json()["requests"]
            assert [record["json"] for record in seen] == [BODY]
            client.post(control + "clear")
            assert client.get(control + "requests").json() == {"requests": []}
        program.stdin.close()
        assert program.wait(10) == 0


# ── what conftest holds for every test


def test_no_test_reaches_another_machine():
    with pytest.raises(pytest.fail.Exception, match=r"192\.0\.2\.1"):
        socket.create_connection(("192.0.2.1", 80))
    with pytest.raises(pytest.fail.Exception, match=r"example\.org"):
        httpx.get("http://example.org/", trust_env=False)


def test_no_test_sees_the_keys_or_the_home_of_its_user(tmp_path):
    assert Path.home().is_relative_to(tmp_path)
    assert Path(os.environ["IPYTHONDIR"]).is_relative_to(tmp_path)
    assert [name for name in os.environ if name.startswith("CMD_")] == ["CMD_JUPYTER_HOME"]
