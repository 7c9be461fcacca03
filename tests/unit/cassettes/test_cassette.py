"""A cassette on disk: what is kept, what is refused, and several kernels at once."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from support.cassettes import key, recording

from cc_jupyter.cassettes import cassette as module
from cc_jupyter.cassettes.cassette import Cassette, CassetteFile
from cc_jupyter.cassettes.images import IMAGE_PREFIX
from cc_jupyter.cassettes.recording import to_line
from cc_jupyter.core.errors import CassetteError

TESTS = Path(__file__).parents[2]


@pytest.fixture
def file(tmp_path, monkeypatch) -> CassetteFile:
    """Return a cassette with three recordings."""
    monkeypatch.setenv("CMD_JUPYTER_HOME", str(tmp_path / "home"))
    made = CassetteFile(tmp_path / "demo.cassette.jsonl")
    for number in range(3):
        made.put(recording(number))
    return made


def test_recordings_are_found_again_in_the_order_of_first_use(file):
    assert file.names() == [(key(number), 0) for number in range(3)]
    assert CassetteFile(file.path).find(key(1), 0) == recording(1)
    assert file.find(key(1), 1) is None
    assert file.path.read_bytes() == b"".join(to_line(recording(n)) for n in range(3))


def test_an_equal_answer_leaves_its_line_byte_for_byte(file):
    before = file.path.read_bytes()
    later = dataclasses.replace(recording(1), price_date="2030-01-01")
    assert not file.put(later, stays=lambda old, new: old.responses == new.responses)
    assert file.path.read_bytes() == before


def test_a_changed_answer_takes_the_place_of_its_line(file):
    assert file.put(recording(1, "Goodbye, and more than before"))
    assert file.names() == [(key(number), 0) for number in range(3)]
    assert file.find(key(1), 0) == recording(1, "Goodbye, and more than before")
    assert CassetteFile(file.path).find(key(2), 0) == recording(2)
    assert {each.name for each in file.path.parent.iterdir()} == {"home", file.path.name}


def test_samples_of_one_request_are_apart(file):
    file.put(recording(0, "another", sample=1))
    assert file.find(key(0), 0) == recording(0)
    assert file.find(key(0), 1) == recording(0, "another", sample=1)
    assert Cassette(file.path).samples(key(0)) == [0, 1]


def test_what_another_process_writes_is_seen(file):
    other = CassetteFile(file.path)
    other.put(recording(7))
    assert file.find(key(7), 0) == recording(7)
    other.put(recording(0, "changed"))
    assert file.find(key(0), 0) == recording(0, "changed")
    file.path.unlink()
    assert (file.find(key(0), 0), file.names()) == (None, [])


@pytest.mark.parametrize("ending", ["no line end", "Windows", "blank lines"])
def test_what_editors_do_to_line_ends_changes_nothing(file, ending):
    text = file.path.read_bytes()
    changed = {
        "no line end": text.rstrip(b"\n"),
        "Windows": text.replace(b"\n", b"\r\n"),
        "blank lines": text.replace(b"\n", b"\n\n"),
    }
    file.path.write_bytes(changed[ending])
    reader = CassetteFile(file.path)
    assert reader.find(key(2), 0) == recording(2)
    reader.put(recording(3))
    reader.put(recording(1, "changed"))
    again = CassetteFile(file.path)
    assert [again.find(key(n), 0) for n in (0, 1, 2, 3)] == [
        recording(0),
        recording(1, "changed"),
        recording(2),
        recording(3),
    ]


def test_of_a_line_that_a_merge_has_doubled_the_last_counts(file):
    with file.path.open("ab") as added:
        added.write(to_line(recording(0, "theirs")))
    assert file.find(key(0), 0) == recording(0, "theirs")


BROKEN = {
    "cut": (lambda text: text[:-40], "line 3, is cut off"),
    "conflict": (lambda text: b"<<<<<<< HEAD\n" + text, "line 1, is a conflict mark of git"),
    "newer": (lambda text: text.replace(b'"schema":1', b'"schema":9', 1), "line 1, has format 9"),
    "another file": (lambda _: b"import this\n", "line 1, is no recording"),
}


@pytest.mark.parametrize(("damage", "said"), BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize(
    "use",
    [
        lambda path: CassetteFile(path).check_writable(),
        lambda path: CassetteFile(path).put(recording(0, "new")),
        lambda path: Cassette(path).find(key(0), 0),
        lambda path: Cassette(path).check_readable(),
    ],
)
def test_a_broken_file_is_one_clear_line_and_is_not_overwritten(file, damage, said, use):
    file.path.write_bytes(damage(file.path.read_bytes()))
    before = file.path.read_bytes()
    with pytest.raises(CassetteError, match=said) as caught:
        use(file.path)
    assert "\n" not in str(caught.value)
    assert file.path.read_bytes() == before


def test_a_line_that_is_broken_within_costs_no_other(file):
    text = file.path.read_bytes()
    file.path.write_bytes(text.replace(b'"sizes":[5]', b'"sizes":[5,,]', 1))
    with pytest.raises(CassetteError, match="line 1, cannot be read"):
        file.find(key(0), 0)
    assert file.find(key(1), 0) == recording(1)


def test_a_read_only_file_is_not_recorded_into(file):
    file.path.chmod(0o444)
    with pytest.raises(CassetteError, match="is read-only; nothing was sent"):
        file.check_writable()
    assert Cassette(file.path).find(key(0), 0) == recording(0)


def test_a_folder_is_replayed_from_and_not_recorded_into(file, tmp_path):
    CassetteFile(tmp_path / "z.cassette.jsonl").put(recording(9))
    both = Cassette(tmp_path)
    both.check_readable()
    assert (both.find(key(0), 0), both.find(key(9), 0)) == (recording(0), recording(9))
    with pytest.raises(CassetteError, match="is a folder; nothing was sent"):
        both.target.check_writable()
    with pytest.raises(CassetteError, match=r"contains no file \*\.cassette\.jsonl"):
        Cassette(tmp_path / "home").check_readable()


def test_a_link_is_read_and_never_replaced(file, tmp_path):
    link = tmp_path / "link.cassette.jsonl"
    link.symlink_to(file.path)
    assert Cassette(link).find(key(0), 0) == recording(0)
    with pytest.raises(CassetteError, match="is a link; nothing was sent"):
        CassetteFile(link).check_writable()


def test_a_missing_file_or_folder_is_named(tmp_path):
    with pytest.raises(CassetteError, match="there is no cassette"):
        Cassette(tmp_path / "none.cassette.jsonl").check_readable()
    with pytest.raises(CassetteError, match="does not exist; nothing was sent"):
        CassetteFile(tmp_path / "none" / "a.cassette.jsonl").check_writable()


WRITER = """
    import sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    from support.cassettes import recording
    from cc_jupyter.cassettes.cassette import CassetteFile

    file = CassetteFile(Path(sys.argv[1]))
    first = int(sys.argv[3])
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(first, first + 40):
        file.put(recording(number, "x" * 5000))
        file.put(recording(0, f"by {number}"))
"""


def start(file, first):
    command = [sys.executable, "-c", textwrap.dedent(WRITER), file.path, TESTS, str(first)]
    writer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert writer.stdout.readline() == "ready\n"
    return writer


def test_two_kernels_write_one_file_at_once_and_lose_nothing(file):
    writers = [start(file, first) for first in (100, 200)]
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.wait(60) for writer in writers] == [0, 0]
    for writer in writers:
        writer.stdin.close()
        writer.stdout.close()
    assert len(CassetteFile(file.path).names()) == 3 + 2 * 40
    assert file.find(key(239), 0) == recording(239, "x" * 5000)


def test_a_killed_writer_leaves_a_file_that_opens(file):
    writer = start(file, 100)
    writer.stdin.write("go\n")
    writer.stdin.flush()
    deadline = time.monotonic() + 20
    while len(CassetteFile(file.path).names()) < 10 and time.monotonic() < deadline:
        time.sleep(0.005)
    writer.send_signal(signal.SIGKILL)
    writer.wait(10)
    writer.stdin.close()
    writer.stdout.close()
    again = CassetteFile(file.path)
    assert len(again.names()) >= 10
    again.put(recording(999))
    assert CassetteFile(file.path).find(key(999), 0) == recording(999)


def test_half_a_line_of_a_killed_writer_is_ignored_and_overwritten(file, monkeypatch):
    real = os.fdopen

    class Dying:
        """Writes half of what it is given, and dies."""

        def __init__(self, inner):
            self._inner = inner

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self._inner.close()

        def write(self, data):
            self._inner.write(data[: len(data) // 2])
            raise KeyboardInterrupt

        def __getattr__(self, name):
            return getattr(self._inner, name)

    before = file.path.read_bytes()
    monkeypatch.setattr(
        module.os,
        "fdopen",
        lambda fd, mode, **more: (Dying if mode == "wb" else lambda it: it)(real(fd, mode, **more)),
    )
    with pytest.raises(KeyboardInterrupt):
        file.put(recording(5))
    monkeypatch.undo()
    os.environ["CMD_JUPYTER_HOME"] = str(file.path.parent / "home")
    assert len(file.path.read_bytes()) > len(before)
    assert CassetteFile(file.path).names() == [(key(number), 0) for number in range(3)]
    CassetteFile(file.path).put(recording(6))
    assert file.path.read_bytes() == before + to_line(recording(6))


def test_a_missing_image_is_named(file):
    name = f"{'0' * 64}.png"
    body = {
        "messages": [{"role": "user", "content": [{"image_url": {"url": IMAGE_PREFIX + name}}]}]
    }
    file.put(recording(4, **body), images={name: b"pixels"})
    image = file.images_folder / name
    assert (image.read_bytes(), file.missing_images()) == (b"pixels", [])
    image.unlink()
    assert file.missing_images() == [image]
    assert file.find(key(4), 0) == recording(4, **body)
