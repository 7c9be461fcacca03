"""Completion: from the request to the kernel's reply, compared with a kernel without us."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING

from figures import Figure, in_turn
from lab import LISTED_MODEL, Lab
from support.store.samples import conversation, turn

from cc_jupyter.conversation.store import FILE, Store

if TYPE_CHECKING:
    from support.kernel_harness import Kernel

_MODELS = 100
_THREADS = 1_000
_MUST_MS, _AIM_MS = 20, 5
_WITHOUT = "without the extension"
_NAMES = "alpha_one, alpha_two, beta = 1, 2, {'one': 1}"
_TABS = (
    ("a model", "%cmd use listed-7"),
    ("all models", "%%cmd -m "),
    ("a thread", "%%cmd --thread essay-77"),
    ("a command", "%cmd us"),
    ("an option", "%%cmd --mo"),
    ("an effort", f"%%cmd -m {LISTED_MODEL} --effort "),
    ("a name in braces", "%%cmd\nSay something of {{ alpha"),
    ("prose", "%%cmd\nSay something of alpha"),
)
_ELSEWHERE = "alpha"


def run(*, quick: bool) -> list[Figure]:
    """Measure."""
    rounds = 10 if quick else 100
    with Lab() as lab:
        lab.list_models(*(f"maker-{at % 7}/listed-{at}" for at in range(_MODELS)))
        ours, bare = lab.our_kernel(), lab.keep(lab.kernel())
        for kernel in (ours, bare):
            kernel.check(_NAMES)
        ours.check("%cmd models --refresh")
        store = _filled(ours)
        figures = [_warm(what, text, ours, bare, rounds) for what, text in _TABS]
        figures.append(_after_a_turn(store, ours, bare, rounds))
        figures.append(_elsewhere(ours, bare, rounds))
        figures.append(_first(lab, 3 if quick else 9))
        store.close()
    return figures


def _warm(what: str, text: str, ours: Kernel, bare: Kernel, rounds: int) -> Figure:
    mine, theirs = in_turn(rounds, lambda: _tab_ms(ours, text), lambda: _tab_ms(bare, text))
    return _figure(f"Tab on {what}", mine, theirs)


def _after_a_turn(store: Store, ours: Kernel, bare: Kernel, rounds: int) -> Figure:
    """Measure a completion of a thread just after another one was written."""

    def ours_ms() -> float:
        _add(store, "essay-new")
        return _tab_ms(ours, "%cmd thread essay-new")

    mine, theirs = in_turn(rounds, ours_ms, lambda: _tab_ms(bare, "%cmd thread essay-new"))
    return _figure("Tab on a thread, the history just written", mine, theirs)


def _elsewhere(ours: Kernel, bare: Kernel, rounds: int) -> Figure:
    mine, theirs = in_turn(
        rounds, lambda: _tab_ms(ours, _ELSEWHERE), lambda: _tab_ms(bare, _ELSEWHERE)
    )
    return Figure("Tab on a line of Python", "ms", mine, theirs, remark=_WITHOUT)


def _first(lab: Lab, rounds: int) -> Figure:
    """Measure the first completion of a kernel, which loads what it needs."""

    def first_ms(*setup: str) -> float:
        with lab.kernel(*setup) as kernel:
            return _tab_ms(kernel, "%cmd use listed-7")

    mine, theirs = in_turn(rounds, lambda: first_ms("%load_ext cc_jupyter"), first_ms)
    return Figure("the first Tab of a kernel, on a model", "ms", mine, theirs, remark=_WITHOUT)


def _figure(name: str, mine: list[float], theirs: list[float]) -> Figure:
    return Figure(name, "ms", mine, theirs, _MUST_MS, _AIM_MS, _MUST_MS, _AIM_MS, remark=_WITHOUT)


def _tab_ms(kernel: Kernel, text: str) -> float:
    start_s = time.perf_counter()
    reply = kernel.client.complete(text, len(text), reply=True, timeout=60)
    took_s = time.perf_counter() - start_s
    assert reply["content"]["status"] == "ok"
    return 1000 * took_s


def _filled(kernel: Kernel) -> Store:
    """Return the history that the kernel sees, filled with threads."""
    folder = kernel.value("__import__('cc_jupyter.core.paths').folders.data_folder()")
    store = Store(Path(folder) / FILE)
    for number in range(_THREADS):
        _add(store, f"essay-{number}")
    return store


def _add(store: Store, name: str) -> None:
    said = [turn(f"question {at}", "answer " * 100) for at in range(3)]
    for each in said:
        store.save(each, None, None)
    record = conversation(*((each,) for each in said), name=name)
    store.save_conversation(dataclasses.replace(record, notebook="essays.ipynb"))
