"""Which files are looked at: what was named, and what lies below a directory."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator, Sequence

from placer.core.deployment import Place, Unreadable
from placer.core.errors import InputError

SUFFIXES = (".yaml", ".yml", ".json", ".pbtxt")
MAX_FILES = 200_000
_LEFT_OUT = frozenset({"node_modules", "venv", "__pycache__"})
"""Directories that hold what others wrote; hidden ones are left out as well."""


def files_of(paths: Sequence[str]) -> Iterator[str | Unreadable]:
    """Yield each file once: as named, or sorted within a directory or a pattern.

    Raises
    ------
    InputError
        A path is missing, a pattern matches nothing, or there are more than ``MAX_FILES``.
    """
    seen: set[str] = set()
    folders: dict[str, str] = {}
    for path in paths:
        for found in _named(path, seen):
            if isinstance(found, str):
                real = _real(found, folders)
                if real in seen:
                    continue
                seen.add(real)
                if len(seen) > MAX_FILES:
                    raise InputError(
                        f"{path}: more than {MAX_FILES:,} files", hint="name a smaller directory"
                    )
            yield found


def _real(path: str, folders: dict[str, str]) -> str:
    """Return the real path of a file; `folders` are those of folders that are known."""
    folder, name = os.path.split(path)
    if os.path.islink(path) or name in ("", ".", ".."):  # noqa: PTH114  # text as typed
        return os.path.realpath(path)
    if folder not in folders:
        folders[folder] = os.path.realpath(folder or ".")
    return os.path.join(folders[folder], name)  # noqa: PTH118  # text as typed


def _named(path: str, seen: set[str]) -> Iterator[str | Unreadable]:
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116  # a path is text as typed
    except (OSError, ValueError) as error:
        matches = sorted(glob.glob(path, recursive=True)) if glob.has_magic(path) else []  # noqa: PTH207  # text as typed
        if not matches:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            is_pattern = glob.has_magic(path)
            raise InputError(
                f"{path}: {'no file matches' if is_pattern else reason.lower()}",
                hint="check the path; '-' reads standard input",
            ) from error
        for match in matches:
            if os.path.isdir(match):  # noqa: PTH112  # text as typed
                yield from _below(match.rstrip(os.sep), os.path.realpath(match), seen)
            elif match.endswith(SUFFIXES):
                yield match
        return
    if stat.S_ISDIR(mode):
        yield from _below(path.rstrip(os.sep) or os.sep, os.path.realpath(path), seen)
    else:
        yield path


def _below(directory: str, root: str, seen: set[str]) -> Iterator[str | Unreadable]:
    """Yield the files of a directory, then those of its directories, then what links lead to.

    So what lies in the tree is named by its own path; what a link leads to besides, by the link's.
    A link to a directory around `root` is not followed.
    """
    real = os.path.realpath(directory)
    if real in seen:
        return
    seen.add(real)
    try:
        with os.scandir(directory) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        yield cannot_read(directory, error)
        return
    deeper: list[str] = []
    links: list[str] = []
    for entry in entries:
        path = entry.name if directory == "." else os.path.join(directory, entry.name)  # noqa: PTH118  # text as typed
        if entry.is_symlink():
            links.append(path)
        elif entry.is_dir():
            if not _is_left_out(entry.name):
                deeper.append(path)
        elif entry.is_file() and entry.name.endswith(SUFFIXES):
            yield path
    for path in deeper:
        yield from _below(path, root, seen)
    for path in links:
        name = os.path.basename(path)  # noqa: PTH119  # text as typed
        if not os.path.isdir(path):  # noqa: PTH112  # text as typed
            if name.endswith(SUFFIXES):
                yield path
        elif not _is_left_out(name) and not _is_within(root, os.path.realpath(path)):
            yield from _below(path, root, seen)


def _is_left_out(name: str) -> bool:
    return name.startswith(".") or name in _LEFT_OUT


def cannot_read(path: str, error: OSError | ValueError) -> Unreadable:
    """Return what is said of a file that cannot be opened."""
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    place = Place(path, 1, 1, 1, 1)
    return Unreadable(place, f"cannot be read ({reason.lower()})", "check who may read it")


def _is_within(path: str, root: str) -> bool:
    return path.startswith(root.rstrip(os.sep) + os.sep)
