"""The comm target in a kernel that is not ipykernel: its manager may show and forget no targets."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from cc_jupyter.frontend.target import NAME, CommTarget


class Manager:
    """What xeus-python 0.19.0 offers."""

    def __init__(self) -> None:
        self.opened: dict[str, Any] = {}

    def register_target(self, name: str, opened: Any) -> None:
        self.opened[name] = opened


class Events:
    def __init__(self) -> None:
        self.registered: list[tuple[str, Any]] = []

    def register(self, name: str, function: Any) -> None:
        self.registered.append((name, function))

    def unregister(self, name: str, function: Any) -> None:
        self.registered.remove((name, function))


def test_a_target_that_cannot_be_unregistered_refuses_pages_once_it_is_removed():
    closed: list[bool] = []
    manager, events = Manager(), Events()
    shell: Any = SimpleNamespace(kernel=SimpleNamespace(comm_manager=manager), events=events)
    target = CommTarget(shell, lambda: closed.append(False))
    target.add()
    assert len(events.registered) == 2
    target.remove()
    assert events.registered == []
    manager.opened[NAME](SimpleNamespace(comm_id="1", close=lambda: closed.append(True)), {})
    assert closed == [True], "the comm is closed, and no session is made"
    target.remove()
    target.add()
    assert len(events.registered) == 2
