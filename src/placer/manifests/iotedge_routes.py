"""Routes of the hub on an Azure IoT Edge device: what of a module goes to the cloud."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from placer.core.deployment import Defect, Egress, Stated
from placer.manifests.nodes import Field

UPSTREAM = "$upstream"
_MAX_LENGTH = 4000
"""Characters of a route: no device takes longer ones."""
_ROUTE = re.compile(
    r"\s*(?:SELECT\s.*?)?FROM\s+(?P<source>/\S*)(?:\s+WHERE\s.*)?\s+INTO\s+(?P<sink>\$upstream|"
    r"BrokeredEndpoint\s*\(.*\))\s*",
    re.IGNORECASE | re.DOTALL,
)
"""Source: learn.microsoft.com/azure/iot-edge/module-composition, "Declare routes"."""
_VARIABLE = re.compile(r"\$\{[^{}]*\}|\$\w+")


@dataclass(frozen=True, slots=True)
class Routes:
    """The routes of a device that lead to the cloud."""

    of_module: dict[str, list[tuple[int, Egress]]]
    """Module -> those that name it alone, each with its turn."""
    of_many: list[tuple[int, list[str], Egress]]
    """(turn, parts of the source, way) of those that can take several modules."""

    def egress(self, module: str) -> Iterator[Egress]:
        """Yield the ways of what a module sends, in the order of the text."""
        found = [*self.of_module.get(module, ())]
        found += [(turn, way) for turn, parts, way in self.of_many if _takes(parts, module)]
        for _, way in sorted(found, key=lambda one: one[0]):
            yield way


def routes_of(routes: Sequence[tuple[str, Field]]) -> tuple[Routes, list[Defect]]:
    """Return what goes to the cloud, and the routes that are none; `routes` is (name, route)."""
    found = Routes({}, [])
    defects: list[Defect] = []
    for turn, (name, route) in enumerate(routes):
        stated = (route.at("route") if route.is_mapping else route).stated()
        if stated is None:
            continue
        match = _ROUTE.fullmatch(stated.value) if len(stated.value) <= _MAX_LENGTH else None
        if match is None:
            if not stated.value.startswith("$") and "${" not in stated.value:
                defects.append(_no_route(name, stated))
            continue
        if match["sink"].lower() != UPSTREAM:
            continue
        way = Egress("route", Stated(UPSTREAM, stated.place), "messages")
        parts = [part for part in _VARIABLE.sub("*", match["source"]).split("/") if part]
        if len(parts) > 2 and not re.search(r"[*?\[]", "".join(parts[:3])):
            if [part.lower() for part in parts[:2]] == ["messages", "modules"]:
                found.of_module.setdefault(parts[2], []).append((turn, way))
        else:
            found.of_many.append((turn, parts, way))
    return found, defects


def _takes(parts: Sequence[str], module: str) -> bool:
    """Tell whether a source takes messages of a module; a variable may stand for any."""
    sent = ("messages", "modules", module, "outputs")
    for index, (part, one) in enumerate(zip(parts, sent, strict=False)):
        if part == "*" and index == len(parts) - 1:
            return True
        is_equal = fnmatchcase(one, part) if index == 2 else fnmatchcase(one, part.lower())
        if not is_equal:
            return False
    return True


def _no_route(name: str, stated: Stated[str]) -> Defect:
    return Defect(
        "bad_value",
        f"the route '{name}' is none that IoT Edge reads",
        'write "FROM /messages/modules/NAME/outputs/* INTO $upstream", or INTO'
        ' BrokeredEndpoint("/modules/NAME/inputs/INPUT")',
        stated.place,
        concerns="",
    )
