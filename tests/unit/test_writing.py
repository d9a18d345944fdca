from __future__ import annotations

import contextlib
import errno
import os
import resource
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from placer.core.errors import MeasuringError, UsageError
from placer.files.writing import check_writable, write_atomically

BIG = b"x" * 200_000
NOBODY = 65534


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Drop root for a moment: permissions mean nothing to it."""
    if os.geteuid() != 0:
        yield
        return
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@contextlib.contextmanager
def file_size_limit(n_bytes: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that other users can reach, unlike tmp_path."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a small file system with the given options; skip where that is not allowed."""
    point = tmp_path / "mounted"
    point.mkdir()

    def mount(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(point)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"cannot mount a file system here: {done.stderr.strip()}")
        return point

    try:
        yield mount
    finally:
        if point.is_mount():
            subprocess.run(["umount", str(point)], check=True)


def test_writes_bytes_and_text_and_leaves_nothing_else(tmp_path: Path) -> None:
    write_atomically(str(tmp_path / "a.json"), b"\x00\xff")
    write_atomically(str(tmp_path / "b.txt"), "µs\n")
    assert (tmp_path / "a.json").read_bytes() == b"\x00\xff"
    assert (tmp_path / "b.txt").read_bytes() == "µs\n".encode()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.txt"]


def test_what_a_killed_program_left_is_removed_an_hour_later(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\nfrom placer.files import writing\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "writing.write_atomically(sys.argv[1], 'half')"
    )
    for name in ("a.json", "b.json"):
        subprocess.run([sys.executable, "-c", program, str(tmp_path / name)], check=False)
    left = set(tmp_path.iterdir())
    assert len(left) == 2
    write_atomically(str(tmp_path / "a.json"), "whole")
    assert left < set(tmp_path.iterdir())  # it may still be written
    for path in left:
        os.utime(path, (0, path.stat().st_mtime - 3700))
    write_atomically(str(tmp_path / "a.json"), "whole")
    assert len(left & set(tmp_path.iterdir())) == 1  # of the other file


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals cannot wait here")
@pytest.mark.parametrize("write", [check_writable, lambda path: write_atomically(path, "new")])
def test_an_interrupt_in_the_middle_leaves_nothing_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[str], None]
) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")
    opened = Path.open

    def interrupted(self: Path, *arguments: Any, **options: Any) -> Any:
        stream = opened(self, *arguments, **options)
        signal.raise_signal(signal.SIGINT)
        return stream

    monkeypatch.setattr(Path, "open", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(str(path))
    monkeypatch.undo()
    assert [one.name for one in tmp_path.iterdir()] == ["report.json"]
    assert path.read_text() == ("old" if write is check_writable else "new")


def test_writes_into_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_atomically("a.json", "new")
    assert (tmp_path / "a.json").read_text() == "new"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc here")
def test_a_directory_that_takes_no_files_is_not_called_missing() -> None:
    for write in (check_writable, lambda path: write_atomically(path, "new")):
        with pytest.raises(UsageError) as raised:
            write("/proc/x.json")
        assert (
            raised.value.message == "cannot write '/proc/x.json': no file can be created in '/proc'"
        )
        assert raised.value.hint == "choose another path"


def test_a_file_name_that_is_not_utf8_does_not_stop_a_report(tmp_path: Path) -> None:
    write_atomically(str(tmp_path / "a.json"), '{"path":"caf\udce9.onnx"}')
    assert (tmp_path / "a.json").read_bytes() == rb'{"path":"caf\udce9.onnx"}'


def test_keeps_the_mode_of_the_file_it_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    path.chmod(0o640)
    write_atomically(str(path), "new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_new_file_has_the_mode_that_any_program_would_give_it(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    write_atomically(str(tmp_path / "a.json"), "new")
    assert (tmp_path / "a.json").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("target_exists", [True, False])
def test_writes_through_a_symbolic_link(tmp_path: Path, target_exists: bool) -> None:
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "a.json"
    if target_exists:
        target.write_text("old")
    link = tmp_path / "link.json"
    link.symlink_to(Path("real") / "a.json")
    check_writable(str(link))
    write_atomically(str(link), "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["a.json"]


def test_writes_into_a_pipe_and_leaves_it_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    check_writable(str(pipe))
    write_atomically(str(pipe), "new")
    reader.join(timeout=10)
    assert received == [b"new"]
    assert pipe.is_fifo()


def test_writes_to_standard_output_without_replacing_the_file_behind_it(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    with target.open("wb") as stream:
        inode = os.fstat(stream.fileno()).st_ino
        write_atomically(f"/dev/fd/{stream.fileno()}", "new")
    assert target.read_text() == "new"
    assert target.stat().st_ino == inode


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_device_is_told_apart_from_a_wrong_path() -> None:
    with pytest.raises(MeasuringError, match="cannot write '/dev/full': the disk is full"):
        write_atomically("/dev/full", "new")


def test_a_full_disk_leaves_the_old_file_and_no_rest(mounted: Callable[[str], Path]) -> None:
    path = mounted("size=64k") / "a.json"
    path.write_text("old")
    check_writable(str(path))
    with pytest.raises(MeasuringError, match="the disk is full") as raised:
        write_atomically(str(path), BIG)
    assert "free some space" in (raised.value.hint or "")
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_the_limit_of_file_size_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    with file_size_limit(1000), pytest.raises(MeasuringError, match="file too large"):
        write_atomically(str(path), BIG)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def refused(path: str) -> UsageError:
    """Return the error of both functions, which must agree."""
    with pytest.raises(UsageError) as checked:
        check_writable(path)
    with pytest.raises(UsageError) as written:
        write_atomically(path, "new")
    assert (checked.value.message, checked.value.hint) == (
        written.value.message,
        written.value.hint,
    )
    return written.value


def test_refuses_a_read_only_file_system(mounted: Callable[[str], Path]) -> None:
    error = refused(str(mounted("ro,size=64k") / "a.json"))
    assert error.message.endswith("read-only file system")
    assert error.hint == "the file system is read-only: choose another path"


def test_names_the_missing_directory_and_how_to_make_it(tmp_path: Path) -> None:
    error = refused(str(tmp_path / "my reports" / "a.json"))
    assert error.message.endswith(f"the directory '{tmp_path}/my reports' does not exist")
    assert error.hint == f"create it: mkdir -p '{tmp_path}/my reports'"


def test_names_the_missing_directory_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(tmp_path / "gone" / "a.json")
    error = refused(str(tmp_path / "link.json"))
    assert f"the directory '{tmp_path}/gone' does not exist" in error.message


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "this is not a file name"),
        ("a\0b", "this is not a file name"),
        (".", "is a directory"),
        ("new/", "is a directory"),
        ("file/a.json", "not a directory"),
        ("loop", os.strerror(errno.ELOOP).lower()),
        ("n" * 300, "file name too long"),
    ],
)
def test_refuses_what_is_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("old")
    (tmp_path / "loop").symlink_to("loop")
    error = refused(name)
    assert error.message == f"cannot write '{name}': {reason}"
    assert error.hint
    assert (tmp_path / "file").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "loop"]


def test_refuses_a_directory_without_permission(directory: Path) -> None:
    directory.chmod(0o555)
    with unprivileged():
        error = refused(str(directory / "a.json"))
    directory.chmod(0o755)
    assert error.message.endswith("permission denied")
    assert list(directory.iterdir()) == []


def test_respects_a_file_that_is_read_only_in_a_writable_directory(directory: Path) -> None:
    path = directory / "a.json"
    path.write_text("old")
    path.chmod(0o444)
    directory.chmod(0o777)
    with unprivileged():
        error = refused(str(path))
    assert error.message.endswith("permission denied")
    assert path.read_text() == "old"


def test_refuses_a_pipe_without_permission(directory: Path) -> None:
    pipe = directory / "pipe"
    os.mkfifo(pipe, 0o444)
    with unprivileged():
        assert refused(str(pipe)).message.endswith("permission denied")


def test_checking_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("old")
    check_writable(str(tmp_path / "old.json"))
    check_writable(str(tmp_path / "new.json"))
    assert [path.name for path in tmp_path.iterdir()] == ["old.json"]
    assert (tmp_path / "old.json").read_text() == "old"
