"""Loading: `%load_ext` in new kernels, and the first request of a session."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import controls
from figures import Figure, in_turn, split
from lab import LISTED_MODEL, Lab
from support.provider import KEY

if TYPE_CHECKING:
    from support.kernel_harness import Kernel

_STUB = """
from IPython.core.magic import Magics, cell_magic, magics_class

@magics_class
class Stub(Magics):
    @cell_magic
    def stub(self, line, cell):
        print(cell)

def load_ipython_extension(shell):
    shell.register_magics(Stub)
"""
_LOAD = """
import gc, os, sys, time
def _resident():
    with open("/proc/self/statm") as figures:
        return int(figures.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
gc.collect()
_before, _mb, _start_s = set(sys.modules), _resident(), time.perf_counter()
get_ipython().run_line_magic("load_ext", {name!r})
_loaded_s = time.perf_counter() - _start_s
_loaded = (_loaded_s, len(set(sys.modules) - _before), _resident() - _mb)
"""


def run(*, quick: bool) -> list[Figure]:
    """Measure."""
    with Lab() as lab:
        (lab.folder / "bench_stub.py").write_text(_STUB)
        ours, stub, plain = in_turn(
            3 if quick else 9, lambda: _ours(lab), lambda: _stub(lab), lambda: _plain(lab)
        )
    load_s, modules, mb, first_s = split(ours)
    stub_s, stub_modules, stub_mb = split(stub)
    (plain_s,) = split(plain)
    stub_says = "a stub extension"
    return [
        Figure("`%load_ext`", "ms", _ms(load_s), _ms(stub_s), 50, 15, remark=stub_says),
        Figure("new modules of `%load_ext`", "", modules, stub_modules, 40, 15, remark=stub_says),
        Figure("memory of `%load_ext`", "MB", mb, stub_mb, 3, 1, remark=stub_says),
        Figure("load + first cell to the wire", "ms", _ms(first_s), _ms(plain_s)),
        Figure(
            "the same against the plain cell", "x", _ratios(first_s, plain_s), must=1.3, aim=1.1
        ),
    ]


def _ours(lab: Lab) -> tuple[float, ...]:
    with lab.kernel() as kernel:
        loaded = _load(kernel, "cc_jupyter")
        cell = lab.measure(kernel, controls.cmd(LISTED_MODEL))
        return (*loaded, loaded[0] + cell.to_wire_s)


def _stub(lab: Lab) -> tuple[float, ...]:
    with lab.kernel() as kernel:
        return _load(kernel, "bench_stub")


def _plain(lab: Lab) -> tuple[float, ...]:
    """Import, client and request in the first cell of a kernel."""
    with lab.kernel() as kernel:
        code = f"{controls.plain(lab.url, KEY)}\nplain({LISTED_MODEL!r})"
        return (lab.measure(kernel, code).to_wire_s,)


def _load(kernel: Kernel, name: str) -> tuple[float, ...]:
    kernel.check(_LOAD.format(name=name))
    return tuple(json.loads(kernel.value("_json.dumps(_loaded)")))


def _ratios(samples_s: list[float], control_s: list[float]) -> list[float]:
    """Compare each round with the control of the same round."""
    return [ours / plain for ours, plain in zip(samples_s, control_s, strict=True)]


def _ms(samples_s: list[float]) -> list[float]:
    return [1000 * sample for sample in samples_s]
