"""One writer for every file: whole or not at all, and nothing in the folder leads it astray."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cc_jupyter.core.errors import ConfigError
from cc_jupyter.core.paths import cache_folder, config_folder, data_folder, replace_file

posix = pytest.mark.skipif(sys.platform == "win32", reason="links and modes are POSIX's")


def write(path, text="new", **options):
    with replace_file(path, **options) as file:
        file.write(text.encode())


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from cc_jupyter.core.paths import replace_file
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
try:
    with replace_file(Path(sys.argv[1])) as file:
        file.write(b"more than there is room for")  # it stays in the buffer
        raise LookupError
except LookupError:
    print("the error of the block")
"""


@posix
def test_on_a_full_disk_the_error_of_the_block_is_raised_and_no_second_file_stays(tmp_path):
    path = tmp_path / "here" / "notes.md"
    path.parent.mkdir()
    path.write_text("old")
    command = [sys.executable, "-c", FULL_DISK, path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "the error of the block\n", done.stderr
    assert [each.name for each in path.parent.iterdir()] == ["notes.md"]
    assert path.read_text() == "old"


def test_a_file_is_replaced_in_one_step_and_nothing_stays_beside_it(tmp_path):
    path = tmp_path / "here" / "notes.md"
    path.parent.mkdir()
    path.write_text("old")
    with replace_file(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert [each.name for each in path.parent.iterdir()] == ["notes.md"]


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt(), ValueError("no")])
def test_a_failure_leaves_the_old_file_and_no_second_one(tmp_path, error):
    path = tmp_path / "here" / "notes.md"
    path.parent.mkdir()
    path.write_text("old")

    def fail():
        with replace_file(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert path.read_text() == "old"
    assert [each.name for each in path.parent.iterdir()] == ["notes.md"]


@posix
def test_a_link_is_replaced_and_its_target_is_not_touched(tmp_path):
    target = tmp_path / "precious"
    target.write_text("precious")
    for name, to in (("notes.md", target), ("dangling.md", tmp_path / "nowhere")):
        (tmp_path / name).symlink_to(to)
        write(tmp_path / name)
        assert not (tmp_path / name).is_symlink()
        assert (tmp_path / name).read_text() == "new"
    assert target.read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


@posix
@pytest.mark.parametrize("trap", ["link", "fifo", "folder", "file"])
def test_what_a_repository_lays_in_the_way_is_neither_followed_nor_destroyed(
    tmp_path, monkeypatch, trap
):
    # the worst case: the random name is guessed
    monkeypatch.setattr(os, "urandom", bytes)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    in_the_way = tmp_path / f".cc_jupyter-{'00' * 8}.part"
    match trap:
        case "link":
            in_the_way.symlink_to(victim)
        case "fifo":
            os.mkfifo(in_the_way)
        case "folder":
            in_the_way.mkdir()
        case "file":
            in_the_way.write_text("somebody else's")
    with pytest.raises(FileExistsError):
        write(tmp_path / "notes.md")
    assert victim.read_text() == "precious"
    assert os.path.lexists(in_the_way)
    assert not (tmp_path / "notes.md").exists()


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o664, 0o755])
def test_the_mode_of_a_replaced_file_is_kept_where_that_is_asked_for(tmp_path, mode):
    path = tmp_path / "notes.md"
    path.write_text("old")
    path.chmod(mode)
    write(path, mode=0o666, keep_mode=True)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@posix
def test_a_link_passes_on_no_mode(tmp_path):
    target = tmp_path / "open"
    target.write_text("x")
    target.chmod(0o777)
    path = tmp_path / "notes.md"
    path.symlink_to(target)
    write(path, keep_mode=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("folder", [config_folder, data_folder, cache_folder])
@pytest.mark.parametrize("home", [".", "settings", "./x", "../x", "a/b"])
def test_a_relative_home_is_refused(monkeypatch, folder, home):
    monkeypatch.setenv("CMD_JUPYTER_HOME", home)
    with pytest.raises(ConfigError, match="must be an absolute path") as error:
        folder()
    assert str(Path(home).resolve()) in (error.value.hint or "")


@pytest.mark.parametrize("home", ["~/x", "/x"])
def test_an_absolute_home_is_used(monkeypatch, home):
    monkeypatch.setenv("CMD_JUPYTER_HOME", home)
    assert config_folder() == (config_folder().parent / "config")
    assert config_folder().is_absolute()
