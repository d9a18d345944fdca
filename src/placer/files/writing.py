"""Writing files whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shlex
import shutil
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

from placer.core.errors import MeasuringError, PlacerError, UsageError

_HINTS = {
    errno.EACCES: "check who may write there, or choose another path",
    errno.EPERM: "check who may write there, or choose another path",
    errno.EROFS: "the file system is read-only: choose another path",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "the symbolic link leads back to itself: choose another path",
    errno.EISDIR: "name a file in it",
    errno.ENOTDIR: "a part of the path is a file: choose another path",
    errno.EINVAL: "choose another path",
}
"""Errors that another path cures; any other is one of the machine."""


def write_atomically(path: str, content: str | bytes) -> None:
    r"""Replace a file by new content; on any failure the old file stays as it was.

    The content goes to a temporary file beside the target, is flushed to the disk and renamed.
    A symbolic link is written through. A pipe or device cannot be renamed over and is written
    directly.

    Parameters
    ----------
    content
        Text is written as UTF-8; lone surrogates as ``\udcXX``, which JSON reads back.

    Raises
    ------
    UsageError
        The path cannot be written: no such directory, a directory, no permission, read-only.
    MeasuringError
        The disk is full or failed.
    """
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    try:
        target = _target(path)
        if target is None:
            with Path(path).open("wb") as stream:
                stream.write(data)
        else:
            _replace(target, data)
    except OSError as error:
        raise _explained(path, error) from error


def check_writable(path: str) -> None:
    """Raise what write_atomically would raise, as far as that shows before writing.

    Nothing is left behind. For use before a long measurement.
    """
    try:
        target = _target(path)
        if target is None:
            if not os.access(path, os.W_OK):
                raise _os_error(errno.EACCES)
        else:
            temporary = temporary_beside(target)
            with _uninterrupted():
                try:
                    temporary.open("xb").close()
                finally:
                    temporary.unlink(missing_ok=True)
    except OSError as error:
        raise _explained(path, error) from error


def _target(path: str) -> Path | None:
    """Return the file to replace, links resolved; None for a pipe or a device."""
    if not path or "\0" in path:
        raise OSError(errno.EINVAL, "this is not a file name")
    if path.endswith(("/", os.sep)):
        raise _os_error(errno.EISDIR)
    try:
        mode = Path(path).stat().st_mode
    except FileNotFoundError:
        return Path(os.path.realpath(path))
    if stat.S_ISDIR(mode):
        raise _os_error(errno.EISDIR)
    # standard output may be a regular file that the shell holds open: renaming would detach it
    if not stat.S_ISREG(mode) or path.startswith(("/dev/std", "/dev/fd/", "/proc/")):
        return None
    if not os.access(path, os.W_OK):
        raise _os_error(errno.EACCES)
    return Path(os.path.realpath(path))


def _os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _replace(target: Path, data: bytes) -> None:
    temporary = temporary_beside(target)
    with _uninterrupted():
        try:
            with temporary.open("xb") as stream:
                remove_left_behind(target, temporary)
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            with contextlib.suppress(OSError):  # a new file, or a file system without modes
                temporary.chmod(stat.S_IMODE(target.stat().st_mode))
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let signals that end a program wait, where it can be told to: no temporary file stays."""
    mask = getattr(signal, "pthread_sigmask", None)
    if mask is None:
        yield
        return
    before = mask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        mask(signal.SIG_SETMASK, before)


LEFT_BEHIND_AFTER_S = 3600.0
"""What nothing was written to for so long belongs to no program that still writes."""


def temporary_beside(target: Path) -> Path:
    """Return a new name beside a file or folder, for what will take its place."""
    return target.parent / f".placer-{_mark(target)}-{secrets.token_hex(8)}.tmp"


def remove_left_behind(target: Path, temporary: Path) -> None:
    """Remove what programs that were killed have left beside a target; what fails stays.

    Parameters
    ----------
    temporary
        Made just now beside it: the clock of the file system.
    """
    with contextlib.suppress(OSError):
        now_s = temporary.lstat().st_mtime
        for found in target.parent.glob(f".placer-{_mark(target)}-{'[0-9a-f]' * 16}.tmp"):
            with contextlib.suppress(OSError):
                _remove_if_old(found, now_s)


def _mark(target: Path) -> str:
    return hashlib.sha256(os.fsencode(target.name)).hexdigest()[:8]


def _remove_if_old(found: Path, now_s: float) -> None:
    is_folder = stat.S_ISDIR(found.lstat().st_mode)
    within = found.rglob("*") if is_folder else ()
    written_s = max(one.lstat().st_mtime for one in (found, *within))
    if now_s - written_s < LEFT_BEHIND_AFTER_S:
        return
    if is_folder:
        shutil.rmtree(found)
    else:
        found.unlink()


def _explained(path: str, error: OSError) -> PlacerError:
    where = f"cannot write '{path}'"
    reason = (error.strerror or str(error)).lower()
    if error.errno == errno.ENOSPC:
        reason = "the disk is full"
    if error.errno == errno.ENOENT:
        is_link = Path(path).is_symlink()
        directory = (Path(os.path.realpath(path)) if is_link else Path(path)).parent
        if directory.is_dir():
            return UsageError(
                f"{where}: no file can be created in '{directory}'", hint="choose another path"
            )
        return UsageError(
            f"{where}: the directory '{directory}' does not exist",
            hint=f"create it: mkdir -p {shlex.quote(str(directory))}",
        )
    if error.errno in _HINTS:
        return UsageError(f"{where}: {reason}", hint=_HINTS[error.errno])
    return MeasuringError(
        f"{where}: {reason}", hint="free some space there, or choose another path"
    )
