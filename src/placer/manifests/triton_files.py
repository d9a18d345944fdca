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


def digests_of(version: str, file_name: str) -> tuple[tuple[str, str], ...]:
    """Return (name, SHA-256 in hex) of a model's file and what lies beside it, sorted.

    A pointer of Git LFS stands for the file that it names. What cannot be read is left out, and so
    is what does not lie in the version's directory, or is brought in from elsewhere by a link.
    """
    directory = os.path.dirname(os.path.join(version, file_name))  # noqa: PTH118, PTH120  # text
    home = os.path.realpath(version)
    if not f"{os.path.realpath(directory)}{os.sep}".startswith(f"{home}{os.sep}"):
        return ()
    try:
        with os.scandir(directory) as entries:
            names = sorted(entry.name for entry in entries)[:_MAX_FILES]
    except OSError:
        return ()
    found = []
    for name in names:
        path = os.path.join(directory, name)  # noqa: PTH118  # text as typed
        if os.path.realpath(path).startswith(f"{home}{os.sep}"):
            digest = _digest_of(path)
            if digest is not None:
                found.append((name, digest))
    return tuple(found)


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
