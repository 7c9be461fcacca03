"""Adds the built JupyterLab extension to the wheel and the sdist.

Node is needed only to build the extension from its sources: an sdist and a wheel contain the
result, an editable install uses `cc_jupyter/labextension` (`make` builds and links it there), and
`pip install` from a git checkout without node installs everything except the extension.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUILT = "cc_jupyter/labextension"
SOURCES = "labextension"
SERVED_FROM = "share/jupyter/labextensions/cc-jupyter"


class FrontEndHook(BuildHookInterface[Any]):
    """Builds the extension if node and npm are installed, and warns if they are not."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the extension if it is missing or out of date, and add it to the distribution."""
        if version == "editable":
            return
        built = Path(self.root, BUILT)
        from_sdist = Path(self.root, "PKG-INFO").exists()  # its files have no meaningful times
        if not from_sdist and self._is_old(built / "package.json"):
            self._build(Path(self.root, SOURCES))
        if (built / "package.json").exists():
            build_data.setdefault("shared_data", {})[str(built)] = SERVED_FROM

    def _is_old(self, built: Path) -> bool:
        folder = Path(self.root, SOURCES)
        names = ("*.json", "*.js", "src/**/*", "style/**/*", "schema/**/*")
        sources = [path for name in names for path in folder.glob(name) if path.is_file()]
        return not built.exists() or any(is_newer(path, built) for path in sources)

    def _build(self, folder: Path) -> None:
        npm = shutil.which("npm") if shutil.which("node") else None
        if npm is None:
            self._skip_build(folder)
            return
        if is_newer(folder / "package-lock.json", folder / "node_modules/.package-lock.json"):
            subprocess.run([npm, "ci"], cwd=folder, check=True)  # noqa: S603  npm itself
        subprocess.run([npm, "run", "build"], cwd=folder, check=True)  # noqa: S603  npm itself

    def _skip_build(self, folder: Path) -> None:
        if self.target_name == "sdist":
            raise RuntimeError(
                f"node and npm are needed: an sdist contains the extension built in {folder}"
            )
        self.app.display_warning("node and npm not found: the JupyterLab extension is not rebuilt")


def is_newer(path: Path, than: Path) -> bool:
    """Return whether a file is newer than another one, or the other one does not exist."""
    return not than.exists() or path.stat().st_mtime > than.stat().st_mtime
