"""What reports of a check need of files: texts to quote, and names within the repository."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from placer.api.locking import is_there
from placer.core.deployment import Place

if TYPE_CHECKING:
    from placer.api.checking import Check

MAX_SOURCE_BYTES = 10_000_000


def sources_of(found: Check) -> dict[str, str]:
    """Return the text of each file that a finding points at, as far as it can be read."""
    texts = dict(found.stdin)
    for path in {place.path for place in _places(found)} - {"-"}:
        if not is_there(path):  # a pipe that was read is empty, a device has no end
            continue
        with contextlib.suppress(OSError, UnicodeError):
            with Path(path).open("rb") as stream:
                data = stream.read(MAX_SOURCE_BYTES)
            encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
            texts[path] = data.decode(encoding, "replace")
    return texts


def repository_paths_of(found: Check) -> dict[str, str]:
    """Return how files that findings point at are called from the root of their repository.

    Without a repository, from the working directory. What lies elsewhere is left out.
    """
    here = Path.cwd()
    root = next((one for one in (here, *here.parents) if (one / ".git").exists()), here)
    above = f"{str(root).rstrip(os.sep)}{os.sep}"
    told = {}
    for path in {place.path for place in _places(found)} - {"-"}:
        whole = os.path.normpath(os.path.join(here, path))  # noqa: PTH118  # links stay as typed
        if whole.startswith(above):
            told[path] = whole.removeprefix(above)
    return told


def _places(found: Check) -> list[Place]:
    """Return all that the findings of a check point at."""
    result = found.result
    places = [one.place for one in (*result.findings, *result.suppressed)]
    return places + [related.place for one in result.findings for related in one.related]
