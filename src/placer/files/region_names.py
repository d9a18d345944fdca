"""Which regions of the catalogue a word of a manifest names: the region itself, or a zone of it."""

from __future__ import annotations

import re
from functools import cache

from placer.core.environment import Region
from placer.files.catalogue import Kind, list_names, load_region

_ZONE = re.compile(r"(?P<region>.*[0-9])-?[a-z]|(?P<numbered>.*)-[0-9]")
"""``us-east-1a`` (AWS), ``us-central1-a`` (Google Cloud), ``eastus-1`` (Azure)."""


@cache
def regions_named(word: str) -> tuple[Region, ...]:
    """Return the regions that have this name, or a zone of it; of several providers each."""
    known = _by_name()
    lowered = word.lower()
    keys = known.get(lowered, ())
    if not keys and (zone := _ZONE.fullmatch(lowered)) is not None:
        keys = known.get(zone["region"] or zone["numbered"] or "", ())
    found = (load_region(*key.split("-", 1)) for key in keys)
    return tuple(one for one in found if one is not None)


@cache
def _by_name() -> dict[str, tuple[str, ...]]:
    named: dict[str, tuple[str, ...]] = {}
    for key in list_names(Kind.REGIONS):
        name = key.partition("-")[2]
        named[name] = (*named.get(name, ()), key)
    return named
