"""Files that docker compose merges by itself: ``compose.override.yaml`` beside ``compose.yaml``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from placer.core.deployment import Unreadable
from placer.manifests.nodes import Field

_BASES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
"""The first that is there is taken. Source: compose-go, cli/options.go, ``DefaultFileNames``."""
_OVERRIDES = tuple(
    f"{name}.override.{suffix}"
    for name in ("compose", "docker-compose")
    for suffix in ("yml", "yaml")
)
"""Whatever the name of the base. Source: the same, ``DefaultOverrideFileNames``."""
_SHARED = ("models", "configs", "secrets", "volumes")
"""Keys of a file that may say what a model is."""


def is_override(root: Field) -> bool:
    """Tell whether docker compose merges a file into another by its name."""
    return _name(root) in _OVERRIDES


def base_of(root: Field, beside: Sequence[Field]) -> Field | None:
    """Return the file of the same directory that a file is merged into; None: none."""
    if not is_override(root):
        return None
    bases = [one for one in beside if _name(one) in _BASES]
    return min(bases, key=lambda one: _BASES.index(_name(one)), default=None)


def merged_with(base: Field, entry: Field, remedy: str) -> Unreadable | None:
    """Return that a service is in both files; None: it is not."""
    return _told(base, "services", entry, remedy) if base.at("services", entry.name) else None


def shared_with(base: Field, root: Field, remedy: str) -> Iterator[Unreadable]:
    """Yield what else of a file is in both and may say what a model is."""
    for key in _SHARED:
        for entry in root.at(key).entries():
            if base.at(key, entry.name):
                yield _told(base, key, entry, remedy)


def _told(base: Field, key: str, entry: Field, remedy: str) -> Unreadable:
    what = f"'{entry.name[:60]}' of {key}"
    message = f"{what} is merged by docker compose with that of {_name(base)}"
    return Unreadable(entry.key_place(), f"{message}: what runs is neither", remedy)


def _name(root: Field) -> str:
    return root.document.path.rpartition("/")[2]
