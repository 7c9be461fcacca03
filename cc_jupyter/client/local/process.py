"""Start, configure and stop the child process of the local model.

This module handles pipes, process groups and the log of a dead child. `model` decides which server
is used; the child itself (`server.py`) imports nothing from this package.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from cc_jupyter.core.errors import ConfigError
from cc_jupyter.core.redaction import is_secret

if TYPE_CHECKING:
    from collections.abc import Mapping


_NEEDED_VARIABLES = frozenset(
    {
        "PATH",
        "HOME",
        "USER",
        "USERPROFILE",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TMPDIR",
        "TEMP",
        "TMP",
        "SYSTEMROOT",
        "SYSTEMDRIVE",
        "WINDIR",
        "COMSPEC",
        "PATHEXT",
        "NUMBER_OF_PROCESSORS",
        "PROCESSOR_ARCHITECTURE",
        "VIRTUAL_ENV",
    }
)
_NEEDED_PREFIXES = (
    *("LC_", "LD_", "DYLD_", "PYTHON", "CONDA_"),
    *("OMP_", "GGML_", "LLAMA_", "CUDA_", "HIP_", "ROCR_", "VK_"),
)
"""What a program, the interpreter's packages and the engine's libraries are found and set by."""
_PROGRAM = Path(__file__).with_name("server.py")
_STOP_LIMIT_S = 5.0
_LOG_LIMIT_BYTES = 65_536
_REASON_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Child:
    """A listening child. It ends when this process ends, for whatever reason."""

    url: str
    process: subprocess.Popen[bytes]

    def ended(self) -> bool:
        """Return whether the process has ended."""
        return self.process.poll() is not None

    def end(self) -> None:
        """Stop the process; kill it if it does not end in time."""
        _end(self.process)


def start_child(options: Mapping[str, str | int]) -> Child:
    """Start the server program with its options, and wait until it listens.

    Raises
    ------
    ConfigError
        The process died before it listened.
    """
    with tempfile.TemporaryFile() as log:
        process = _launch(log)
        try:
            return Child(_send_options(process, options, log), process)
        except BaseException:  # an interrupt too: no process stays behind
            _end(process)
            raise


def _launch(log: IO[bytes]) -> subprocess.Popen[bytes]:
    flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    flags |= getattr(subprocess, "CREATE_NO_WINDOW", 0)
    return subprocess.Popen(  # noqa: S603  our own program, no shell
        # by path: `-m` would look in the user's working directory first
        [sys.executable, "-P", str(_PROGRAM)],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env=environment(),
        # Ctrl-C and the kernel's interrupt go to whole process groups
        start_new_session=True,
        creationflags=flags,
    )


def environment() -> dict[str, str]:
    """Return what the engine needs of the environment; keys for providers are no part of it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.upper() in _NEEDED_VARIABLES or name.upper().startswith(_NEEDED_PREFIXES)
    }
    return {name: value for name, value in kept.items() if not is_secret(name, value)}


def _send_options(
    process: subprocess.Popen[bytes], options: Mapping[str, str | int], log: IO[bytes]
) -> str:
    """Send the options by pipe, so that no command line shows the key; return the server's URL."""
    with contextlib.suppress(OSError):  # it is already dead, so there is no answer
        cast("IO[bytes]", process.stdin).write(json.dumps(dict(options)).encode() + b"\n")
    with cast("IO[bytes]", process.stdout) as answers:
        answer = answers.readline()
    if answer.endswith(b"\n"):
        return str(json.loads(answer)["url"])
    code = process.wait(_STOP_LIMIT_S)
    log.seek(0)
    reason = _reason(log.read(_LOG_LIMIT_BYTES).decode(errors="replace"))
    raise ConfigError(
        f"the local model did not start: {reason or f'its process ended with code {code}'}",
        hint="run `cc-jupyter local setup`, which checks the weights, and try again",
    )


def _reason(log: str) -> str:
    """Return the most informative line of a child's log."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    # llama.cpp marks errors with a single E; the first one causes the others
    causes = [line.partition(" E ")[2].strip() for line in lines if " E " in line]
    return ([*causes[:1], *reversed(lines)] or [""])[0][:_REASON_LIMIT]


def _end(process: subprocess.Popen[bytes]) -> None:
    cast("IO[bytes]", process.stdin).close()
    try:
        process.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
