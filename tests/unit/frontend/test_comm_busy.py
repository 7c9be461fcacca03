"""A kernel that answers beside a running cell is called busy again, and never once it is idle."""

from __future__ import annotations

import asyncio

import pytest

from cc_jupyter.frontend.kernel_status import RunningCell


class FakeKernel:
    """Stands for ipykernel's: one session, one cell's request, and a list of what was sent."""

    iopub_socket = "iopub"

    def __init__(self) -> None:
        self.session = self
        self.sent: list[object] = []

    def get_parent(self) -> dict[str, str]:
        return {"request": "of the cell"}

    def send(self, socket, kind, content, *, parent, ident):
        self.sent.append((socket, kind, content, parent))


@pytest.fixture
def kernel():
    return FakeKernel()


def handled(kernel, *steps):
    """Do these things while a message is handled; gives what was sent before its own `idle`."""

    async def handle() -> int:
        for step in steps:
            step()
        return len(kernel.sent)

    async def dispatch() -> int:
        before = await handle()
        await asyncio.sleep(0)
        return before

    return asyncio.run(dispatch())


def test_it_is_said_once_after_the_message_and_for_the_cell(kernel):
    cell = RunningCell(kernel)
    cell.begins(None)
    assert handled(kernel, cell.repeat_busy) == 0
    said = {"execution_state": "busy"}
    assert kernel.sent == [("iopub", "status", said, {"request": "of the cell"})]


def test_between_cells_nothing_is_said(kernel):
    cell = RunningCell(kernel)
    handled(kernel, cell.repeat_busy)
    cell.begins(None)
    cell.ends(None)
    handled(kernel, cell.repeat_busy)
    assert (kernel.sent, cell.runs) == ([], False)


def test_a_cell_that_ends_meanwhile_stays_ended(kernel):
    cell = RunningCell(kernel)
    cell.begins(None)
    handled(kernel, cell.repeat_busy, lambda: cell.ends(None))
    assert kernel.sent == []
