"""The folder of an exported split: written whole or not at all, and never over foreign files.

An earlier split is set aside for the moment in which the new one takes its place: who is killed
between these two renames finds it beside the folder, whole, as ``.placer-HEX.tmp``.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from placer.core.errors import MeasuringError, PlacerError, UsageError
from placer.files.split_contract import CONTRACT_NAME, SCHEMA, digest_of_rest, text_of
from placer.files.writing import remove_left_behind, temporary_beside

_MOST_BYTES = 64 * 2**20
"""Of a contract; one of a thousand tensors has a megabyte."""
_OTHER = "name another folder, or an empty one"


def check_folder(path: str, *, option: str = "--to ") -> None:
    """Refuse a folder that a split cannot be written to, before anything is measured.

    Parameters
    ----------
    option
        What the messages put before the path; empty: nobody typed it.

    Raises
    ------
    UsageError
        It is a file; it holds what is not of an earlier split, or of one that was changed since;
        or nothing can be made beside it.
    """
    target, told = _target(path, option), f"{option}{path}"
    try:
        mode: int | None = target.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = None
    except OSError as error:  # a link that leads back to itself, a name too long
        raise _explained(told, error) from error
    if mode is not None:
        if not stat.S_ISDIR(mode):
            raise UsageError(f"{told}: this is a file", hint=_OTHER)
        try:
            _refuse_foreign(told, target)
        except OSError as error:  # not readable, or it changes meanwhile
            raise _explained(told, error) from error
    parent = target.parent
    if not parent.is_dir():
        raise UsageError(
            f"{told}: the directory '{parent}' does not exist",
            hint=f"make it: mkdir -p {parent}",
        )
    temporary = temporary_beside(target)
    try:
        temporary.mkdir()
        temporary.rmdir()
    except OSError as error:
        raise _explained(told, error) from error


@contextlib.contextmanager
def replacing(path: str, *, option: str = "--to ") -> Iterator[Path]:
    """Give a temporary folder beside a folder, and put it in its place at the end.

    On any error the folder stays as it was. An earlier split in it is removed.

    Parameters
    ----------
    option
        As ``check_folder`` takes it.

    Raises
    ------
    UsageError
        As ``check_folder``.
    MeasuringError
        The disk is full, or a file elsewhere that is needed meanwhile fails.
    """
    check_folder(path, option=option)
    target, told = _target(path, option), f"{option}{path}"
    temporary = temporary_beside(target)
    try:
        try:
            temporary.mkdir()
            remove_left_behind(target, temporary)
        except OSError as error:
            raise _explained(told, error) from error
        try:
            yield temporary
        except OSError as error:
            raise _explained_within(told, temporary, error) from error
        try:
            if target.exists():
                _refuse_foreign(told, target)  # once more: it took a while
            _exchange(temporary, target)
        except OSError as error:
            raise _explained(told, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _exchange(temporary: Path, target: Path) -> None:
    if not target.exists() or not any(target.iterdir()):
        temporary.replace(target)  # over an empty folder as well
        return
    before = target.parent / f".placer-{secrets.token_hex(8)}.tmp"  # nothing removes this one
    target.replace(before)
    try:
        temporary.replace(target)
    except BaseException:
        before.replace(target)
        raise
    shutil.rmtree(before, ignore_errors=True)


def _target(path: str, option: str) -> Path:
    if not path or "\0" in path:
        told = option.strip() or "that"
        raise UsageError(f"{told} is no name of a folder", hint="name a folder")
    return Path(os.path.realpath(path))


def _refuse_foreign(told: str, folder: Path) -> None:
    listed, is_edited = _listed(folder)
    waiting = sorted(folder.iterdir(), reverse=True)
    while waiting:
        found = waiting.pop()
        name = found.relative_to(folder).as_posix()
        if name == CONTRACT_NAME and listed:
            if is_edited:
                raise UsageError(f"{told}: '{name}' was changed since it was written", hint=_OTHER)
            continue
        kind = stat.S_IFMT(found.lstat().st_mode)
        if kind == stat.S_IFDIR and any(one.startswith(f"{name}/") for one in listed):
            waiting += sorted(found.iterdir(), reverse=True)
        elif kind == stat.S_IFREG and name in listed:
            with found.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            if digest != listed[name]:
                raise UsageError(f"{told}: '{name}' was changed since it was written", hint=_OTHER)
        else:
            raise UsageError(f"{told}: '{name}' in it is not of an earlier split", hint=_OTHER)


def _listed(folder: Path) -> tuple[Mapping[str, str], bool]:
    """Return name -> sha256 of the files of an earlier split, and whether its contract was edited.

    Empty: there is none.
    """
    contract = folder / CONTRACT_NAME
    try:
        if not stat.S_ISREG(contract.lstat().st_mode) or contract.stat().st_size > _MOST_BYTES:
            return {}, False
        text = contract.read_text(encoding="utf-8")
        document = json.loads(text)
        if document["schema"] != SCHEMA:
            return {}, False
        files = document.get("files")
        if files is None:  # parts alone
            files = [file for part in document["parts"] for file in part["files"]]
        digests = {str(one["name"]): str(one["sha256"]) for one in files}
        is_as_written = text == text_of(document)  # blanks, and keys that stand twice
        return digests, not is_as_written or document.get("sha256") != digest_of_rest(document)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}, False


def _explained(told: str, error: OSError) -> PlacerError:
    reason = (error.strerror or str(error)).lower()
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return MeasuringError(f"{told}: the disk is full", hint="free some space there")
    return UsageError(f"{told}: cannot be written: {reason}", hint=_OTHER)


def _explained_within(told: str, folder: Path, error: OSError) -> PlacerError:
    """Tell an error by the file that failed; writing to an open one names none."""
    names = [
        os.fsdecode(one)
        for one in (error.filename, error.filename2)
        if isinstance(one, str | bytes | os.PathLike)
    ]
    if not names:
        return _explained(f"{told}, or the temporary files in {tempfile.gettempdir()}", error)
    if any(Path(name).is_relative_to(folder) for name in names):
        return _explained(told, error)
    reason = (error.strerror or str(error)).lower()
    return MeasuringError(f"{names[0]}: {reason}", hint="make it usable, and run the same again")
