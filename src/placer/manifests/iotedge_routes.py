"""Routes of the hub on an Azure IoT Edge device: what of a module goes to the cloud."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Generic, TypeVar

from placer.core.deployment import Defect, Egress, Stated
from placer.core.project import TEMPLATE
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


_ENDPOINT = re.compile(r"/modules/(?P<module>[^/\"\s]+)/inputs/", re.IGNORECASE)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Ends(Generic[T]):
    """Ends of routes by the modules that they take messages of."""

    of_module: dict[str, list[tuple[int, T]]]
    """Module -> those that name it alone, each with its turn."""
    of_many: list[tuple[int, list[str], T]]
    """(turn, parts of the source, end) of those that can take several modules."""

    def of(self, module: str) -> list[T]:
        """Return the ends of what a module sends, in the order of the text."""
        found = [*self.of_module.get(module, ())]
        found += [(turn, end) for turn, parts, end in self.of_many if _takes(parts, module)]
        return [end for _, end in sorted(found, key=lambda one: one[0])]

    def add(self, turn: int, source: str, end: T) -> None:
        """Add a route."""
        parts = [part for part in TEMPLATE.sub("*", source).split("/") if part]
        if len(parts) > 2 and not re.search(r"[*?\[]", "".join(parts[:3])):
            if [part.lower() for part in parts[:2]] == ["messages", "modules"]:
                self.of_module.setdefault(parts[2], []).append((turn, end))
        else:
            self.of_many.append((turn, parts, end))


@dataclass(frozen=True, slots=True)
class Routes:
    """The routes of a device that lead to the cloud, at once or from module to module."""

    upstream: _Ends[Egress]
    hops: _Ends[tuple[str, Egress]]
    """To modules that have a way to the cloud: (module, way)."""

    def egress(self, module: str) -> Iterator[Egress]:
        """Yield the ways of what a module sends: those through others if it has none itself."""
        direct = self.upstream.of(module)
        if direct:
            yield from direct
            return
        for target, way in self.hops.of(module):
            if target != module:
                yield way


def routes_of(routes: Sequence[tuple[str, Field]]) -> tuple[Routes, list[Defect]]:
    """Return what goes to the cloud, and the routes that are none; `routes` is (name, route)."""
    upstream: _Ends[Egress] = _Ends({}, [])
    hops: list[tuple[int, str, str, Stated[str]]] = []
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
        if match["sink"].lower() == UPSTREAM:
            way = Egress("route", Stated(UPSTREAM, stated.place), "messages")
            upstream.add(turn, match["source"], way)
        elif (end := _ENDPOINT.search(match["sink"])) is not None:
            hops.append((turn, match["source"], end["module"], stated))
    return Routes(upstream, _leading_on(upstream, hops)), defects


def _leading_on(
    upstream: _Ends[Egress], hops: Sequence[tuple[int, str, str, Stated[str]]]
) -> _Ends[tuple[str, Egress]]:
    """Return the routes to modules from which messages reach the cloud, the shortest way of each.

    A target that a variable names may be any module.
    """
    following: _Ends[str] = _Ends({}, [])
    for turn, source, target, _ in hops:
        following.add(turn, source, target)
    targets = dict.fromkeys(target for _, _, target, _ in hops)
    before: dict[str, list[str]] = {}
    through: dict[str, tuple[str, ...]] = {}
    for target in targets:
        if upstream.of(target) or (
            TEMPLATE.search(target) and (upstream.of_module or upstream.of_many)
        ):
            through[target] = (target,)
        for one in following.of(target):
            before.setdefault(one, []).append(target)
    waiting = deque(through)
    while waiting:
        reached = waiting.popleft()
        for one in before.get(reached, ()):
            if one not in through:
                through[one] = (one, *through[reached])
                waiting.append(one)
    found: _Ends[tuple[str, Egress]] = _Ends({}, [])
    for turn, source, target, stated in hops:
        if target in through:
            way = Egress("route", Stated(UPSTREAM, stated.place), "messages", through[target])
            found.add(turn, source, (target, way))
    return found


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
