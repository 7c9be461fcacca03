"""What is shipped: wheel and sdist have the built JupyterLab extension and need no Node.js."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from support import provider as scripted

import cc_jupyter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(cc_jupyter.__file__).parents[1]
FRONT = ROOT / "labextension"
BUILT = ROOT / "cc_jupyter/labextension"
SHIPPED = "share/jupyter/labextensions/cc-jupyter/"
MOST_BYTES = 110_000
FOLDERS = ("cc_jupyter", "labextension", "tools")
CHECKOUT = (*FOLDERS, "*.toml", "*.py", "*.md", "LICENSE", ".gitignore")
NOT_IN_GIT = shutil.ignore_patterns("node_modules", "lib", "__pycache__")

needs_build = pytest.mark.skipif(
    not (BUILT / "package.json").exists(),
    reason="the JupyterLab extension is not built; `make front-end` does it and needs node",
)


def without_node(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which no program but Python's own is found."""
    empty = tmp_path / "no-programs"
    empty.mkdir(parents=True, exist_ok=True)
    return {**os.environ, "PATH": str(empty), "PIP_NO_INDEX": "1", "PIP_NO_INPUT": "1"}


def run(command: Sequence[str | Path], **kwargs) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, text=True, capture_output=True, check=False, timeout=120, **kwargs
    )


def built(kind: str, source: Path, tmp_path: Path) -> Path:
    """Build a wheel or sdist of a folder without node."""
    out = tmp_path / kind
    done = run(
        [sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", out, source],
        env=without_node(tmp_path),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = out.iterdir()
    return file


@pytest.fixture
def checkout(tmp_path) -> Path:
    """Return the files of a git checkout, with nothing built in it."""
    folder = tmp_path / "checkout"
    for pattern in CHECKOUT:
        for path in ROOT.glob(pattern):
            if path.is_dir():
                shutil.copytree(path, folder / path.name, ignore=NOT_IN_GIT)
            else:
                folder.mkdir(exist_ok=True)
                shutil.copy(path, folder)
    shutil.rmtree(folder / "cc_jupyter/labextension", ignore_errors=True)
    return folder


@pytest.fixture
def built_checkout(checkout) -> Path:
    """Return a checkout in which `make front-end` was run."""
    shutil.copytree(BUILT, checkout / "cc_jupyter/labextension")
    (checkout / "cc_jupyter/labextension/package.json").touch()  # later than its sources
    return checkout


def test_there_is_one_version_number():
    package = json.loads((FRONT / "package.json").read_text("utf-8"))
    lock = json.loads((FRONT / "package-lock.json").read_text("utf-8"))
    assert package["version"] == cc_jupyter.__version__
    assert lock["version"] == lock["packages"][""]["version"] == cc_jupyter.__version__


def test_the_lock_names_no_host_to_download_from():
    lock = json.loads((FRONT / "package-lock.json").read_text("utf-8"))
    kept = {key for package in lock["packages"].values() for key in package}
    assert "integrity" in kept
    assert "resolved" not in kept


def test_the_lock_holds_what_every_platform_needs():
    """Otherwise `npm ci` refuses it: the registry did not have it all when the lock was made."""
    lock = json.loads((FRONT / "package-lock.json").read_text("utf-8"))["packages"]
    held = {place.rpartition("node_modules/")[2] for place in lock}
    for package in lock.values():
        assert package.get("optionalDependencies", {}).keys() <= held


def test_jupyterlab_finds_the_extension():
    (place,) = cc_jupyter._jupyter_labextension_paths()
    assert place == {"src": "labextension", "dest": "cc-jupyter"}
    settings = json.loads((FRONT / "package.json").read_text("utf-8"))["jupyterlab"]
    assert (FRONT / settings["outputDir"]).resolve() == ROOT / "cc_jupyter" / place["src"]


@needs_build
def test_the_extension_is_small():
    assert sum(path.stat().st_size for path in BUILT.rglob("*.js")) < MOST_BYTES


@needs_build
def test_wheel_and_sdist_hold_the_extension(built_checkout, tmp_path):
    sdist = built("sdist", built_checkout, tmp_path)
    with tarfile.open(sdist) as archive:
        names = archive.getnames()
        archive.extractall(tmp_path / "unpacked", filter="data")
    assert any(name.endswith("/labextension/src/app/index.ts") for name in names)
    assert any(name.endswith("/tools/update_catalog/__main__.py") for name in names)
    assert not any("node_modules" in name for name in names)
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    wheels = [built("wheel", each, tmp_path / each.name) for each in (built_checkout, unpacked)]
    for wheel in wheels:
        assert_holds_extension(wheel)
    assert wheels[0].read_bytes() == wheels[1].read_bytes(), "a wheel depends on where it is built"
    checked = run([sys.executable, "-m", "twine", "check", "--strict", sdist, wheels[0]])
    assert checked.returncode == 0, checked.stdout + checked.stderr


def assert_holds_extension(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        shipped = [name.partition(SHIPPED)[2] for name in names if SHIPPED in name]
        place = next(name for name in names if name.endswith(f"{SHIPPED}package.json"))
        package = json.loads(archive.read(place))
    assert {"package.json", "install.json", "schemas/cc-jupyter/plugin.json"} <= set(shipped)
    assert package["jupyterlab"]["_build"]["load"] in shipped
    assert "static/style.js" in shipped
    assert not [name for name in names if name.startswith("cc_jupyter/labextension")]  # not twice
    assert_holds_only_the_package(names)


def assert_holds_only_the_package(names: Sequence[str]) -> None:
    """Check that no tests and no developers' tools are installed."""
    version = f"cc_jupyter-{cc_jupyter.__version__}"
    folders = {name.partition("/")[0] for name in names}
    assert folders <= {"cc_jupyter", f"{version}.dist-info", f"{version}.data"}


def test_a_checkout_without_node_gives_a_wheel_without_the_extension(checkout, tmp_path):
    with zipfile.ZipFile(built("wheel", checkout, tmp_path)) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        needed = required(archive.read(metadata).decode())
    assert "cc_jupyter/magics/extension.py" in names
    assert {"httpx": "<0.29,>=0.28", "httpx-sse": "<0.5,>=0.4.3"}.items() <= needed.items()
    assert needed["httpcore"] == "<1.1,>=1.0.9"
    assert not [name for name in names if "labextension" in name]
    assert_holds_only_the_package(names)


def required(metadata: str) -> dict[str, str]:
    """Return what an installation brings, without extras, and in which versions."""
    lines = re.findall(r"^Requires-Dist: ([\w.-]+)([^;\n]*)$", metadata, re.MULTILINE)
    return dict(lines)


def test_the_conda_recipe_requires_what_the_wheel_requires():
    recipe = yaml.safe_load((ROOT / "conda/recipe.yaml").read_text("utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = {f"python {project['requires-python']}"}
    wanted |= {
        re.sub(r"(?<=[a-z0-9])(?=[<>=])", " ", each, count=1) for each in project["dependencies"]
    }
    assert set(recipe["requirements"]["run"]) == wanted
    assert recipe["context"]["version"] == cc_jupyter.__version__
    (entry,) = project["scripts"].items()
    assert recipe["build"]["python"]["entry_points"] == [" = ".join(entry)]


def test_every_bound_of_a_library_of_http_has_its_reason():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    for name in ("httpx", "httpx-sse", "httpcore"):
        assert re.search(rf'^  "{name}>=[\d.]+,<[\d.]+",? +# \w.+', text, re.MULTILINE), name


def test_an_sdist_without_the_extension_is_refused(checkout, tmp_path):
    done = run(
        [sys.executable, "-m", "build", "--sdist", "--no-isolation", checkout],
        env=without_node(tmp_path),
    )
    assert done.returncode != 0
    assert "Node.js and npm are required" in done.stdout + done.stderr


@pytest.fixture
def environment(tmp_path) -> Iterator[Path]:
    """Return a new environment's Python: it sees the tests' packages, but not the project."""
    folder = tmp_path / "environment"
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    (site,) = folder.glob("[Ll]ib/**/site-packages")
    outer = next(path for path in sys.path if path.endswith("site-packages"))
    (site / "outer.pth").write_text(f"{outer}\n", encoding="utf-8")
    return python


def install(wheel: Path, environment: Path, tmp_path: Path) -> None:
    """Install a wheel without a network and without node."""
    command = [environment, "-m", "pip", "install", "--no-deps", "--ignore-installed", wheel]
    done = run(command, env=without_node(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


@needs_build
def test_an_installed_wheel_needs_no_node_and_jupyterlab_finds_the_extension(
    built_checkout, environment, tmp_path
):
    wheel = built("wheel", built_checkout, tmp_path)
    install(wheel, environment, tmp_path)
    bare = without_node(tmp_path)
    listed = run([environment, "-m", "jupyterlab.labextensions", "list"], env=bare)
    said = re.sub(r"\x1b\[\d*m", "", listed.stdout + listed.stderr)
    assert re.search(rf"cc-jupyter v{cc_jupyter.__version__} enabled\s+OK", said), said
    assert str(environment.parents[1]) in said


def test_nothing_is_written_where_the_package_is_installed(
    checkout, environment, tmp_path, provider
):
    install(built("wheel", checkout, tmp_path), environment, tmp_path)
    (site,) = environment.parents[1].glob("[Ll]ib/**/site-packages")
    before = contents(site)
    with read_only(site):  # which does not keep root from writing, so the contents are compared
        done = run(
            [environment, "-c", SESSION],
            cwd=tmp_path,  # else the checkout's package is imported
            env={
                **without_node(tmp_path),
                "CMD_BASE_URL": provider.base_url,
                "CMD_API_KEY": scripted.KEY,
                "CMD_MODEL": "deepseek/deepseek-v4-flash",
            },
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"loaded from {site}" in done.stdout
    assert "- system prompt: none" in done.stdout  # of the scripted answer
    assert contents(site) == before


SESSION = """
from IPython.core.interactiveshell import InteractiveShell
import cc_jupyter
shell = InteractiveShell()
print("loaded from", cc_jupyter.__file__)
shell.run_line_magic("load_ext", "cc_jupyter")
shell.run_cell_magic("cmd", "", "Hello")
for line in ("doctor", "status", "models", "usage", "history", "save own", "sent"):
    shell.run_line_magic("cmd", line)
"""


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """Return the size and the time of change of each file."""
    found = {path: path.stat() for path in folder.rglob("*") if path.is_file()}
    return {str(path): (stat.st_size, stat.st_mtime_ns) for path, stat in found.items()}


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    modes = {path: path.stat().st_mode for path in (folder, *folder.rglob("*"))}
    try:
        for path, mode in modes.items():
            path.chmod(mode & ~0o222)
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


def test_an_editable_install_needs_no_node(checkout, environment, tmp_path):
    install = [environment, "-m", "pip", "install", "--no-deps", "--no-build-isolation"]
    done = run([*install, "--ignore-installed", "-e", checkout], env=without_node(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
