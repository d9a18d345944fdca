"""What a manifest declares, as text that is the same where only its file or its order changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from placer.core.deployment import Deployed, Place, Stated


def declared_by(deployed: Deployed) -> tuple[tuple[str, str], ...]:
    """Return (what it is called where it changed, what is declared) of each part that is judged."""
    said = {
        "another place": deployed.where,
        "other ways out": deployed.egress,
        "other resources": deployed.granted,
        "other batches": deployed.batching,
    }
    return tuple((name, repr(_bare(value))) for name, value in said.items())


def redeclared(
    now: tuple[tuple[str, str], ...], before: tuple[tuple[str, str], ...]
) -> tuple[str, ...]:
    """Return what is declared in another way than before."""
    was: Mapping[str, str] = dict(before)
    return tuple(name for name, text in now if was.get(name, text) != text)


def _bare(value: Any) -> Any:
    """Return a value without its places, what is stated in any order sorted."""
    if isinstance(value, Stated):
        return value.value
    if isinstance(value, tuple):
        is_list = all(is_dataclass(one) for one in value)
        bare = [_bare(one) for one in value]
        return sorted(bare, key=repr) if is_list else bare
    if is_dataclass(value) and not isinstance(value, Place):
        said = [(one.name, getattr(value, one.name)) for one in fields(value)]
        return [(name, _bare(each)) for name, each in said if not isinstance(each, Place)]
    return value
