"""The files of a model in a repository of the Triton Inference Server, by their digests."""

from __future__ import annotations

import hashlib
import os
import re
import stat

_CHUNK_BYTES = 2**20
_MAX_FILES = 1000
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:.*\n)*?oid sha256:([0-9a-f]{64})\n"
)
"""Source: git-lfs, docs/spec.md, "The Pointer"."""
_MAX_POINTER_BYTES = 1024


UNKNOWN = "unknown"
"""In the place of the digest of what lies beside a model and is no file that can be read."""


def digests_of(version: str, file_name: str) -> tuple[tuple[str, str], ...]:
    """Return (name, SHA-256 in hex) of a model's file and what lies beside it, sorted.

    A pointer of Git LFS stands for the file that it names, a link for what it leads to, wherever
    that is: a server reads it. The model's file is left out where it cannot be read, and all is
    where its name leads out of the version's directory.
    """
    if _leads_out(file_name):
        return ()
    directory, last = os.path.split(os.path.join(version, file_name))  # noqa: PTH118  # text
    try:
        with os.scandir(directory) as entries:
            names = sorted(entry.name for entry in entries)
    except OSError:
        return ()
    found = []
    for name in dict.fromkeys(names[:_MAX_FILES] + [one for one in names if one == last]):
        digest = _digest_of(os.path.join(directory, name))  # noqa: PTH118  # text as typed
        if digest is not None or name != last:
            found.append((name, digest or UNKNOWN))
    return tuple(sorted(found))


def why_unknown(version: str, file_name: str, *, may_be_directory: bool) -> str:
    """Say why nobody knows the bytes of what lies at a model's name; empty: nothing, or a file."""
    if _leads_out(file_name):
        return "does not lie in the directory of the version"
    path = version
    for part in ("", *file_name.split("/")):
        path = os.path.join(path, part) if part else path  # noqa: PTH118  # text as typed
        if os.path.islink(path) and not os.path.exists(path):  # noqa: PTH110, PTH114  # text
            return "is a link to what is not there"
    if os.path.isdir(path):  # noqa: PTH112  # text as typed
        return "" if may_be_directory else "is a directory"
    if not os.path.lexists(path):
        return ""
    return "" if _digest_of(path) is not None else "is no file that can be read"


def _leads_out(file_name: str) -> bool:
    normal = os.path.normpath(file_name)
    return normal.startswith(("..", "/"))


def _digest_of(path: str) -> str | None:
    """Return the SHA-256 of a regular file; None: it is none, or cannot be read."""
    sha256 = hashlib.sha256()
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116  # text as typed
            return None
        with open(path, "rb") as file:  # noqa: PTH123  # text as typed
            chunk = file.read(_CHUNK_BYTES)
            pointer = _POINTER.match(chunk) if len(chunk) <= _MAX_POINTER_BYTES else None
            if pointer is not None:
                return pointer[1].decode()
            while chunk:
                sha256.update(chunk)
                chunk = file.read(_CHUNK_BYTES)
    except OSError:
        return None
    return sha256.hexdigest()
