"""Other load on the machine, which causes most of the noise and is measured too."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

_LOOK_S = 3.0
_QUIET_CORES = 0.15


class Neighbours:
    """The CPU time of other processes since this object was created.

    Ours is what this process used and what its children did that have ended since.
    """

    def __init__(self) -> None:
        self._since_s = time.monotonic()
        self._busy_s = _busy_s()
        self._own_s = _own_s()

    def cores(self) -> float:
        """Return the number of cores that other processes used."""
        others_s = _busy_s() - self._busy_s - (_own_s() - self._own_s)
        return max(0.0, others_s / (time.monotonic() - self._since_s))


def wait_for_quiet(patience_s: float) -> None:
    """Wait until other processes are quiet, up to a time limit."""
    deadline_s = time.monotonic() + patience_s
    while time.monotonic() < deadline_s:
        neighbours = Neighbours()
        time.sleep(_LOOK_S)
        if neighbours.cores() < _QUIET_CORES:
            return


def _busy_s() -> float:
    """Return the busy time of all cores since boot, without waits for disks."""
    user, nice, system, _, _, irq, softirq, *_ = map(
        int, Path("/proc/stat").read_text(encoding="ascii").split()[1:11]
    )
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _own_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
