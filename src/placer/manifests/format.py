"""What a format of manifests is: the row that each of them adds to ``formats.FORMATS``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from placer.core.deployment import Defect, Deployed, Unreadable
from placer.manifests.nodes import Field


@dataclass(frozen=True, slots=True)
class Found:
    """What a format makes of its documents."""

    deployed: tuple[Deployed, ...] = ()
    defects: tuple[Defect, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()


@dataclass(frozen=True, slots=True)
class Format:
    """One format of manifests."""

    id: str
    """``kubernetes``; also `Deployed.format`."""
    name: str
    """For people: ``Kubernetes workloads``."""
    mark: re.Pattern[bytes]
    """Found in every file of the format, whatever is wrong with it: other files are not parsed."""
    words: tuple[bytes, ...]
    """In lower case: the mark is found only where one of them is, which takes less time to see."""
    claims: Callable[[Field], bool]
    """Whether the root of a document (or an item of a Kubernetes list) is of this format."""
    read: Callable[[Sequence[Field]], Found]
    """Read all roots of a run that it claims: what belongs together may stand in several files."""
    page: str
    """Section of ``docs/manifests.md`` that says what is read."""
    kinds: tuple[str, ...] = ()
    """Of the Kubernetes objects that it claims: one that is mistyped is told."""
    suffix: str | None = None
    """Ending of its files, where they are neither YAML nor JSON: ``.pbtxt``."""
    file_name: str | None = None
    """Name of a file that is of this format whatever is in it: ``config.pbtxt``."""


def is_marked(formats: Iterable[Format], content: bytes) -> bool:
    """Tell whether the mark of one of the formats is found."""
    lowered = content.lower()
    return any(
        any(word in lowered for word in one.words) and one.mark.search(content) for one in formats
    )


def merged(parts: Sequence[Found]) -> Found:
    """Return all that was found."""
    return Found(
        tuple(one for part in parts for one in part.deployed),
        tuple(one for part in parts for one in part.defects),
        tuple(one for part in parts for one in part.unreadable),
    )


def nearest(roots: Sequence[Field], to: Field) -> Field | None:
    """Return the one of several objects of equal name that belongs to `to`.

    In the same file, else in the same directory, else the only one. Overlays of one thing have
    equal names: between two that are equally near nothing is guessed.
    """
    path = to.document.path
    directory = path.rpartition("/")[0]
    for is_near in (
        lambda one: one.document.path == path,
        lambda one: one.document.path.rpartition("/")[0] == directory,
        lambda _: True,
    ):
        near = [root for root in roots if is_near(root)]
        if near:
            return near[0] if len(near) == 1 else None
    return None
