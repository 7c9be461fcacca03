"""A page of JupyterLab as the kernel sees it: it opens a comm, asks, and gets answers.

Whatever goes either way is held against the protocol's schema, and nothing may be in an answer
that the schema does not name.
"""

from __future__ import annotations

import json
import time
import uuid
from importlib.metadata import version
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

import cc_jupyter

if TYPE_CHECKING:
    from support.kernel_harness import Kernel

SCHEMA = json.loads(
    (Path(cc_jupyter.__file__).parent / "frontend/comm_schema.json").read_text("utf-8")
)
TYPES: list[str] = [each["if"]["properties"]["type"]["const"] for each in SCHEMA["allOf"]]
REPLIES: dict[str, str] = {
    name: part["x-reply"] for name, part in SCHEMA["$defs"].items() if "x-reply" in part
}
"""What answers each question."""
_FIRST_WITH_SUBSHELLS = 7
"""The first version of ipykernel that has them."""
TOLD: dict[str, str] = {
    name: part["x-tells"] for name, part in SCHEMA["$defs"].items() if "x-tells" in part
}
"""What is told on a comm that listens, by what opens it."""

_LIMIT_S = 20.0


def closed(schema: Any) -> Any:
    """Return a schema that takes no member it does not name."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: closed(part) for name, part in schema.items()}
    is_object = made.get("type") == "object"
    if is_object and "metadata_schema.json" not in made.get("description", ""):
        made.setdefault("additionalProperties", False)
    return made


DOCUMENTED = Draft202012Validator(
    {**SCHEMA, "$defs": {name: closed(part) for name, part in SCHEMA["$defs"].items()}}
)
"""Takes what is documented, whole, and nothing else."""


class Page:
    """One comm with a kernel.

    Parameters
    ----------
    subshell
        The thread of the kernel that handles its messages; without one the main shell does.
    """

    def __init__(self, kernel: Kernel, subshell: str | None = None) -> None:
        self._kernel = kernel
        self._subshell = subshell
        self._id = uuid.uuid4().hex
        self._asked = 0
        self.is_closed = False
        """Whether the kernel has closed the comm."""
        self.printed = ""
        """What the kernel printed because of it."""

    def open(self, v: int = 1) -> dict[str, Any] | None:
        """Open the comm with a hello; gives the kernel's, or `None` where it says nothing."""
        hello = {"v": v, "type": "hello", "id": "hello-0", "body": {"version": "0.0.1"}}
        found = self._open(hello)
        return found[0] if found else None

    def listen(self, v: int = 1) -> None:
        """Open the comm only to listen."""
        assert self._open({"v": v, "type": "listen", "id": "listen-0", "body": {}}) == []

    def heard(self, messages: list[dict[str, Any]]) -> list[dict[str, Any] | None]:
        """Return what it was told among these messages: each time what was under way."""
        found = [
            message["content"]["data"]
            for message in messages
            if message["msg_type"] == "comm_msg" and message["content"]["comm_id"] == self._id
        ]
        for each in found:
            DOCUMENTED.validate(each)
            assert (each["type"], each["id"]) == (TOLD["listen"], "listen-0")
        return [each["body"]["running"] for each in found]

    def _open(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        content = {"comm_id": self._id, "target_name": "cc_jupyter", "data": data}
        return self._answers(self._send("comm_open", content))

    def send(self, data: Any) -> list[dict[str, Any]]:
        """Send any data; gives all that the kernel sent on the comm until it was done."""
        return self._answers(self._send("comm_msg", {"comm_id": self._id, "data": data}))

    def ask(self, kind: str, **body: Any) -> dict[str, Any]:
        """Ask something that is to be answered as the schema says; gives the answer's body."""
        found = self._ask(kind, body)
        assert found["type"] == REPLIES[kind], found
        answer: dict[str, Any] = found["body"]
        return answer

    def refused(self, kind: str, **body: Any) -> str:
        """Ask something that is to be refused; gives the sentence and its hint."""
        found = self._ask(kind, body)
        assert found["type"] == "error", found
        return " ".join(filter(None, (found["body"]["message"], found["body"]["hint"])))

    def close(self) -> None:
        """Close the comm, as a page does that goes away."""
        self._answers(self._send("comm_close", {"comm_id": self._id, "data": {}}))

    def _ask(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        self._asked += 1
        asked_id = f"{kind}-{self._asked}"
        found = self.send({"v": 1, "type": kind, "id": asked_id, "body": body})
        assert [each["id"] for each in found] == [asked_id], found
        DOCUMENTED.validate(found[0])
        assert self.printed == ""
        return found[0]

    def _send(self, kind: str, content: dict[str, Any]) -> str:
        client = self._kernel.client
        message = client.session.msg(kind, content)
        if self._subshell is not None:
            message["header"]["subshell_id"] = self._subshell
        client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def _answers(self, request: str) -> list[dict[str, Any]]:
        """Take what the kernel says until it is done with a request; keep the rest for others."""
        found, others, deadline_s = [], [], time.monotonic() + _LIMIT_S
        while True:
            message = self._next(deadline_s)
            if message["parent_header"].get("msg_id") != request:
                others.append(message)
            elif message["msg_type"] == "comm_msg":
                assert message["content"]["comm_id"] == self._id
                found.append(message["content"]["data"])
            elif message["msg_type"] == "comm_close":
                self.is_closed = True
            elif message["msg_type"] == "stream":
                self.printed += message["content"]["text"]
            elif message["content"].get("execution_state") == "idle":
                break
            else:
                assert message["msg_type"] == "status", message
        for message in others:  # a running cell's; its test still wants them
            self._kernel.unread.append(message)
        return found

    def _next(self, deadline_s: float) -> dict[str, Any]:
        try:
            message: dict[str, Any] = self._kernel.client.get_iopub_msg(
                timeout=max(0.1, deadline_s - time.monotonic())
            )
        except Empty:
            raise TimeoutError(f"the kernel gave no answer; {self._kernel.log}") from None
        return message


def make_subshell(kernel: Kernel) -> str:
    """Return the id of a new subshell of a kernel; skip the test if it can have none."""
    if int(version("ipykernel").partition(".")[0]) < _FIRST_WITH_SUBSHELLS:
        pytest.skip("ipykernel 6 has no subshells: what a page asks waits until the cell has ended")
    client = kernel.client
    message = client.session.msg("create_subshell_request", {})
    client.control_channel.send(message)
    while True:
        reply = client.get_control_msg(timeout=_LIMIT_S)
        if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
            return str(reply["content"]["subshell_id"])
