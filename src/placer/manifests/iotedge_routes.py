"""Routes of the hub on an Azure IoT Edge device: what of a module goes to the cloud."""

from __future__ import annotations

import difflib
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Generic, TypeVar

from placer.core.deployment import Defect, Egress, Place, Stated
from placer.core.project import TEMPLATE, templates_in
from placer.manifests.iotedge_keys import ROUTE
from placer.manifests.levels import unknown_keys
from placer.manifests.nodes import Field

UPSTREAM = "$upstream"
_MAX_LENGTH = 4000
"""Characters of a route: no device takes longer ones."""
_ROUTE = re.compile(
    r"\s*(?:SELECT\s.*?)?FROM\s+(?P<source>\S+)(?:\s+WHERE\s(?P<condition>.*))?\s+INTO\s+(?P<sink>\S.*?)\s*",
    re.IGNORECASE | re.DOTALL,
)
"""Source: learn.microsoft.com/azure/iot-edge/module-composition, "Declare routes"."""
_OF_DEVICES = re.compile(
    r"\s*NOT\s+IS_DEFINED\s*\(\s*\$connectionModuleId\s*\)(?:\s+AND\s(?!.*\sOR\s).*)?\s*",
    re.IGNORECASE | re.DOTALL,
)
"""A condition that takes what devices behind the hub send, and nothing of a module.

Source: as of ``_ROUTE``.
"""
_BROKERED = re.compile(r"BrokeredEndpoint\s*\(.*\)", re.IGNORECASE | re.DOTALL)
_ENDPOINT = re.compile(r"/modules/(?P<module>[^/\"\s]+)/inputs/", re.IGNORECASE)
_BARE = re.compile(r"\$\w+")
"""A variable of a shell; in a condition also a property of a message."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Ends(Generic[T]):
    """Ends of routes by the modules that they take messages of.

    The hub compares sources whatever their case. Source: Azure/iotedge, edge-hub,
    ``BaseMessageSource.Match`` (OrdinalIgnoreCase).
    """

    of_module: dict[str, list[tuple[int, T]]]
    """Module, in lower case -> those that name it alone, each with its turn."""
    of_many: list[tuple[int, list[str], T]]
    """(turn, parts of the source, end) of those that can take several modules."""

    def of(self, module: str) -> list[T]:
        """Return the ends of what a module sends, in the order of the text."""
        found = [*self.of_module.get(module.lower(), ())]
        found += [(turn, end) for turn, parts, end in self.of_many if _takes(parts, module)]
        return [end for _, end in sorted(found, key=lambda one: one[0])]

    def add(self, turn: int, source: str, end: T) -> None:
        """Add a route."""
        parts = _parts(source)
        if len(parts) > 2 and not re.search(r"[*?\[]", "".join(parts[:3])):
            if [part.lower() for part in parts[:2]] == ["messages", "modules"]:
                self.of_module.setdefault(parts[2].lower(), []).append((turn, end))
        else:
            self.of_many.append((turn, parts, end))


def _parts(source: str) -> list[str]:
    """Return the parts of a source; a variable before the module's name may stand for several."""
    parts = [part for part in TEMPLATE.sub("\0", source).split("/") if part]
    opened = next((index for index, part in enumerate(parts[:2]) if "\0" in part), None)
    if opened is not None:
        parts = [*parts[:opened], "*"]
    return [part.replace("\0", "*") for part in parts]


@dataclass(frozen=True, slots=True)
class Routes:
    """The routes of a device that lead to the cloud, at once or from module to module."""

    upstream: _Ends[Egress]
    opened: _Ends[Egress]
    """Those that are filled in later, wholly or where they lead."""
    hops: _Ends[tuple[str, Egress]]
    """To modules that have a way to the cloud: (module, way)."""

    def egress(self, module: str) -> Iterator[Egress]:
        """Yield the ways of what a module sends: those through others if it has none itself."""
        direct = self.upstream.of(module)
        yield from direct
        yield from self.opened.of(module)
        if direct:
            return
        for target, way in self.hops.of(module):
            if target.lower() != module.lower():
                yield way


def routes_of(
    routes: Sequence[tuple[str, Field]], opened: Sequence[Stated[str]]
) -> tuple[Routes, list[Defect]]:
    """Return what goes to the cloud, and the routes that are none.

    Parameters
    ----------
    routes
        (name, route).
    opened
        Placeholders where all routes, or what holds them, belong.
    """
    found = Routes(_Ends({}, []), _Ends({}, []), _Ends({}, []))
    for one in opened:
        found.opened.add(-1, "/*", _open_way(one.value, one))
    hops: list[tuple[int, str, str, Stated[str]]] = []
    defects: list[Defect] = []
    for turn, (name, route) in enumerate(routes):
        if route.is_null:
            continue
        mistyped = [*unknown_keys(route, ROUTE, reader="IoT Edge")]
        defects += mistyped
        stated = (route if route.text() is not None else route.at("route")).stated()
        if stated is None:
            if not mistyped:
                defects.append(_no_route(name, (route.at("route") or route).place()))
        elif not _add(turn, stated, found, hops):
            defects.append(_no_route(name, stated.place))
    for turn, source, way in _leading_on(found.upstream, found.opened, hops):
        found.hops.add(turn, source, way)
    return found, defects


def _add(
    turn: int, stated: Stated[str], found: Routes, hops: list[tuple[int, str, str, Stated[str]]]
) -> bool:
    """Add one route to what was found; False: it is none."""
    text = stated.value.strip()
    if len(text) > _MAX_LENGTH:
        return False
    names = templates_in(text)
    if names == [text]:
        found.opened.add(turn, "/*", _open_way(text, stated))
        return True
    spaced = {"".join(one.split()): one for one in names}
    for bare, one in spaced.items():
        text = text.replace(one, bare)
    match = _ROUTE.fullmatch(text)
    if match is None:
        sure = [one for one in names if not _BARE.fullmatch(one)]
        if sure:
            found.opened.add(turn, "/*", _open_way(sure[0], stated))
        return bool(sure)
    source, sink = match["source"], match["sink"]
    if _OF_DEVICES.fullmatch(match["condition"] or ""):  # read, and of no module
        found, hops = Routes(_Ends({}, []), _Ends({}, []), _Ends({}, [])), []
    variables = [spaced[one] for one in templates_in(sink) if one in spaced]
    if not (source.startswith("/") or templates_in(source)):
        return False
    if sink.lower() == UPSTREAM:
        found.upstream.add(
            turn, source, Egress("route", Stated(UPSTREAM, stated.place), "messages")
        )
    elif _BROKERED.fullmatch(sink) and (end := _ENDPOINT.search(sink)) is not None:
        hops.append((turn, source, end["module"], stated))
    elif variables and not difflib.get_close_matches(sink.lower(), [UPSTREAM], cutoff=0.8):
        found.opened.add(turn, source, _open_way(variables[0], stated))
    else:
        return False
    return True


def _open_way(to: str, stated: Stated[str]) -> Egress:
    return Egress("route", Stated(to, stated.place), "messages", is_open=True)


def _leading_on(
    upstream: _Ends[Egress],
    opened: _Ends[Egress],
    hops: Sequence[tuple[int, str, str, Stated[str]]],
) -> Iterator[tuple[int, str, tuple[str, Egress]]]:
    """Yield the routes to modules from which messages reach the cloud, the shortest way of each.

    Those that surely do go first, then those that may. A target that a variable names may be any
    module.
    """
    following: _Ends[str] = _Ends({}, [])
    for turn, source, target, _ in hops:
        following.add(turn, source, target)
    targets = dict.fromkeys(target for _, _, target, _ in hops)
    before: dict[str, list[str]] = {}
    for target in targets:
        for one in following.of(target):
            before.setdefault(one, []).append(target)
    through: dict[str, tuple[str, ...]] = {}
    ways: dict[str, Egress] = {}
    for ends in (upstream, opened):
        waiting: deque[str] = deque()
        any_end = [end for _, _, end in ends.of_many]
        any_end += [end for several in ends.of_module.values() for _, end in several]
        for target in targets:
            found = ends.of(target) or (any_end if TEMPLATE.search(target) else [])
            if found and target not in through:
                through[target], ways[target] = (target,), found[0]
                waiting.append(target)
        while waiting:
            reached = waiting.popleft()
            for one in before.get(reached, ()):
                if one not in through:
                    through[one], ways[one] = (one, *through[reached]), ways[reached]
                    waiting.append(one)
    for turn, source, target, stated in hops:
        if target in through:
            end = ways[target]
            to = Stated(end.to.value, stated.place)
            way = Egress("route", to, "messages", through[target], end.is_open)
            yield turn, source, (target, way)


def _takes(parts: Sequence[str], module: str) -> bool:
    """Tell whether a source takes messages of a module; a variable may stand for any."""
    sent = ("messages", "modules", module.lower(), "outputs")
    for index, (part, one) in enumerate(zip(parts, sent, strict=False)):
        if part == "*" and index == len(parts) - 1:
            return True
        if not fnmatchcase(one, part.lower()):
            return False
    return True


def _no_route(name: str, place: Place) -> Defect:
    return Defect(
        "bad_value",
        f"the route '{name}' is none that IoT Edge reads",
        'write "FROM /messages/modules/NAME/outputs/* INTO $upstream", or INTO'
        ' BrokeredEndpoint("/modules/NAME/inputs/INPUT")',
        place,
        name,
    )
