"""Where Greengrass puts a component, and what it grants it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from placer.core.deployment import Defect, Resources, Stated, Tier, Where
from placer.core.project import templates_in
from placer.manifests.containers import is_open, placeholder
from placer.manifests.nodes import Field
from placer.manifests.quantities import unread

_TARGET = re.compile(r"arn:[^:]*:iot:[^:]*:[^:]*:(?P<what>thing|thinggroup)/(?P<name>.+)")
_ANY_OF = re.compile(r"/\^?\(?(?P<values>[\w.-]+(?:\|[\w.-]+)*)\)?\$?/")
_KB_BYTES = 1024
"""Source: Greengrass nucleus, ``SystemResourceController``: limits are given in units of 1024."""


def where_of(platform: Field, target: Field, tier: Stated[Tier]) -> Where:
    """Return what a target and the platform of a manifest say of the place."""
    labels: list[Stated[tuple[str, str]]] = []
    any_of: list[Stated[tuple[str, tuple[str, ...]]]] = []
    said: dict[str, Stated[str]] = {}
    for entry in platform.entries():
        text, name = entry.text(), entry.name
        is_common = name.lower() in ("os", "architecture", "runtime")
        if text is None or (text == "*" and is_common):
            continue
        if text == "*":
            any_of.append(Stated((name, ()), entry.pair_place()))
        elif text.startswith("/") and not templates_in(text):
            match = _ANY_OF.fullmatch(text)
            values = tuple(match["values"].split("|")) if match else ()
            any_of.append(Stated((name, values), entry.pair_place()))
        elif name.lower() in ("os", "architecture"):
            said[name.lower()] = Stated(text, entry.place())
        else:
            labels.append(Stated((name, text), entry.pair_place()))
    system, arch = said.get("os"), said.get("architecture")
    platform_said = arch or system or placeholder(platform)
    if arch is not None and system is not None:
        platform_said = Stated(f"{system.value}/{arch.value}", arch.place)
    stated = target.stated()
    match = _TARGET.fullmatch(stated.value) if stated is not None else None
    if stated is not None and match is not None:
        stated = replace(stated, value=match["name"])
    is_thing = match is not None and match["what"] == "thing"
    return Where(
        labels=tuple(labels),
        any_of=tuple(any_of),
        node=stated if is_thing else None,
        group=None if is_thing else stated,
        platform=platform_said,
        tier=tier,
    )


def resources_of(limits: Field, for_all: Field | None) -> Resources:
    """Return what a deployment grants, to the component or to all."""
    memory, memory_unread = _first_number("memory", limits, for_all)
    limit = None if memory is None else Stated(int(memory.value * _KB_BYTES), memory.place)
    cpus, cpus_unread = _first_number("cpus", limits, for_all)
    return Resources(
        memory_limit_bytes=limit,
        memory_limit_unread=memory_unread,
        cpus_limit=cpus,
        cpus_limit_unread=cpus_unread,
    )


def _first_number(
    name: str, *holders: Field | None
) -> tuple[Stated[float] | None, Stated[str] | None]:
    """Return the amount of the first that states one, or that it cannot be read."""
    for holder in holders:
        if holder is None:
            continue
        amount = holder.at(name)
        number = amount.number()
        if number is not None and number > 0:
            return Stated(number, amount.place()), None
        hidden = unread(None, amount, holder)
        if hidden is not None:
            return None, hidden
    return None, None


def bad_limits(limits: Field) -> Iterator[Defect]:
    """Yield the limits that are no amounts."""
    for name, write in (("cpus", "a number of cores"), ("memory", "a number of kilobytes")):
        amount = limits.at(name)
        text = amount.text()
        if text is None or is_open(text):
            continue
        if (amount.number() or 0.0) <= 0:
            message = f"'{name}: {text[:40]}' is no amount that Greengrass reads"
            yield Defect("bad_value", message, f"write {write}", amount.place())
