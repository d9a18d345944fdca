"""What reports of a check need of files: what they replace, texts to quote, names to tell."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from placer.api.locking import is_there
from placer.core.deployment import Place
from placer.core.errors import InputError, UsageError

if TYPE_CHECKING:
    from placer.api.checking import Check

MAX_SOURCE_BYTES = 10_000_000


def check_replaced(outputs: Sequence[tuple[str, str | None]]) -> None:
    """Refuse to write a report over anything but an earlier report of the same format.

    Parameters
    ----------
    outputs
        (format, file or None: standard output).

    Raises
    ------
    UsageError
        A file that is there holds something else.
    InputError
        Nobody can tell what it holds.
    """
    from placer.reports.check.marks import is_report

    for name, path in outputs:
        if path is None or not _is_replaced(path):
            continue
        head, tail = _ends_of(path)
        if not is_report(name, head, tail):
            raise UsageError(
                f"{path} is no earlier {name} report of a check, and would be overwritten",
                hint="give another file to write, or remove that one first",
            )


@contextlib.contextmanager
def nothing_stale(paths: Sequence[str]) -> Iterator[None]:
    """Remove earlier reports where what happens within fails: they would pass for its answer.

    Parameters
    ----------
    paths
        Of reports that are still to be written: who writes one takes it out.
    """
    try:
        yield
    except BaseException:
        for path in paths:
            if _is_replaced(path):
                with contextlib.suppress(OSError):
                    Path(os.path.realpath(path)).unlink()
        raise


def _is_replaced(path: str) -> bool:
    """Tell whether a report replaces a file, rather than going to a pipe, a device or nowhere."""
    if path.startswith(("/dev/", "/proc/")):
        return False
    try:
        return stat.S_ISREG(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False


def _ends_of(path: str) -> tuple[str, str]:
    """Return the beginning and the end of a file as text."""
    from placer.reports.check.marks import SEEN_CHARACTERS

    try:
        with Path(path).open("rb") as stream:
            head = stream.read(4 * SEEN_CHARACTERS)
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - 4 * SEEN_CHARACTERS))
            tail = stream.read(4 * SEEN_CHARACTERS)
    except OSError as error:
        raise InputError(
            f"{path} is there and cannot be read ({(error.strerror or str(error)).lower()}), so it "
            "is not written over",
            hint="give another file to write",
        ) from error
    return head.decode("utf-8", "replace"), tail.decode("utf-8", "replace")


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
