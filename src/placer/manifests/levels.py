"""Keys that are declared and have no effect: repeated, at an ignored level, or mistyped.

A format lists the keys of the levels that matter. What is not listed is judged by nobody: a key
that resembles no listed one is somebody's extension.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from placer.core.deployment import Defect
from placer.manifests.containers import is_object, placeholder
from placer.manifests.nodes import Field, Node, escaped, is_merge

_CUTOFF = 0.8
"""Similarity from which a key counts as mistyped: `memroy` has 0.83, `nodeSelecter` 0.92."""

_PLACING_WORDS = """
nodeSelector nodeName affinity nodeAffinity requiredDuringSchedulingIgnoredDuringExecution
nodeSelectorTerms matchExpressions matchFields key operator values runtimeClassName
spec template jobTemplate
targetCondition targetArn Platform os architecture
deploy placement constraints platform data defaultDeviceType
"""
PLACING = frozenset(_PLACING_WORDS.split())
"""Keys that decide where something runs, or hold such keys: mistyped, the place is another one."""
_MODEL_WORDS = """
image command args env containers initContainers volumes volumeMounts mountPath subPath subPathExpr
predictor transformer explainer default canary alibi art aix custom container
model modelFormat storage storageUri storageUris edgeWorker cloudWorker
serviceName serviceUrl
modulesContent $edgeAgent properties.desired modules settings
createOptions HostConfig Cmd Entrypoint Env Binds Mounts Source Target
ComponentName ComponentVersion componentVersion Manifests Artifacts Uri Lifecycle components
DefaultConfiguration ComponentConfiguration
configurationUpdate merge
services entrypoint environment models
platform backend default_model_filename version_policy ensemble_scheduling model_name model_version
latest all specific
"""
MODEL_KEYS = frozenset(_MODEL_WORDS.split())
"""Keys that decide which model runs, or hold such keys: mistyped, it is another one, or none."""
WAY_KEYS = frozenset({"$edgeHub", "routes", "route", "logger", "nodes", "steps"})
"""Keys that say where data goes, or hold such keys: mistyped, the way is not seen."""

_MAX_KEYS = 500
"""A mapping with more is data that no person wrote."""


@dataclass(frozen=True, slots=True)
class Level:
    """The keys that a mapping may have."""

    keys: frozenset[str]
    """All known ones."""
    watched: frozenset[str]
    """Those that decide place, resources or model: only they are looked for in mistyped keys."""
    below: Mapping[str, Level] = field(default_factory=dict)
    """Key -> level of its value, or of each item of its list."""
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """Key that has no effect here -> where it has."""
    objects: frozenset[str] = frozenset()
    """Keys whose value is an object."""
    lists: frozenset[str] = frozenset()
    """Keys whose value is a list."""


def level(
    known: str,
    watched: str = "",
    below: Mapping[str, Level] | None = None,
    elsewhere: Mapping[str, str] | None = None,
    *,
    objects: str = "",
    lists: str = "",
) -> Level:
    """Return a level; all but `elsewhere` says known keys, those of `known` in words."""
    below = below or {}
    words = frozenset(watched.split())
    return Level(
        frozenset(known.split()) | words | frozenset(below),
        words | frozenset(below),
        below,
        elsewhere or {},
        frozenset(objects.split()),
        frozenset(lists.split()),
    )


def extended(
    base: Level,
    known: str = "",
    watched: str = "",
    below: Mapping[str, Level] | None = None,
    elsewhere: Mapping[str, str] | None = None,
) -> Level:
    """Return a level that has more keys than `base`."""
    more = level(known, watched, below, elsewhere)
    return Level(
        base.keys | more.keys,
        base.watched | more.watched,
        {**base.below, **more.below},
        {**base.elsewhere, **more.elsewhere},
        base.objects,
        base.lists,
    )


def unknown_keys(root: Field, known: Level, *, reader: str) -> Iterator[Defect]:
    """Yield the keys that `reader` (``Kubernetes``) passes over, and that somebody meant.

    So does it with a value that is of another kind than its key takes.
    """
    if root.node is None or len(root.node.pairs or ()) > _MAX_KEYS:
        return
    is_blind = root.document.is_case_blind
    by_lower = {word.lower(): word for word in known.keys} if is_blind else {}
    names = {key.text for key, _ in root.node.pairs or ()}
    if not (is_blind or root.node.merges or root.document.repeats_keys) and names <= known.keys:
        for name in sorted((known.objects | known.lists) & names):
            yield from _other_kind(root.at(name), name, known)
        for name in [one for one in known.below if one in names]:
            entry = root.at(name)
            for one in entry.items() if entry.is_list else [entry]:
                yield from unknown_keys(one, known.below[name], reader=reader)
        return
    for entry in root.pairs() if root.document.repeats_keys else root.entries():
        name = by_lower.get(entry.name.lower(), entry.name)
        if name not in known.keys:
            yield from judged_key(entry, known, reader)
        yield from _other_kind(entry, name, known)
        below = known.below.get(name)
        if below is not None:
            for one in entry.items() if entry.is_list else [entry]:
                yield from unknown_keys(one, below, reader=reader)


def _other_kind(entry: Field, name: str, known: Level) -> Iterator[Defect]:
    """Yield that something else stands where the value of a key is an object or a list."""
    if entry.is_null or any(map(placeholder, (entry, *entry.items()))):
        return
    if name in known.objects and not is_object(entry):
        yield no_object(entry)
    elif name in known.lists and not entry.is_list:
        yield no_list(entry)


def repeated_keys(root: Field) -> Iterator[Defect]:
    """Yield every key that a later one of its mapping replaces, each text once."""
    if root.document.repeats_keys or root.node is None:
        return
    seen: set[int] = set()
    waiting: list[tuple[Node, str]] = [(root.node, root.pointer)]
    while waiting:
        node, pointer = waiting.pop()
        content = node.items if node.items is not None else node.pairs
        if content is None or not node.repeats or id(content) in seen:
            continue
        seen.add(id(content))
        for index, item in enumerate(node.items or ()):
            waiting.append((item, f"{pointer}/{index}"))
        last: dict[str, Node] = {}
        for key, value in reversed(node.pairs or []):
            name = key.text
            if name is None:
                continue
            below = f"{pointer}/{escaped(name)}"
            waiting.append((value, below))
            if is_merge(key):
                continue
            folded = name.lower() if root.document.is_case_blind else name
            if folded in last:
                place = Field(root.document, value, below, key, name).key_place()
                counts = last[folded].start
                yield Defect(
                    "duplicate_key",
                    f"'{name}' is given twice: what stands here has no effect, "
                    f"that of {counts.line + 1}:{counts.column + 1} counts",
                    "keep one of the two",
                    place,
                    name,
                )
            else:
                last[folded] = key


def judged_key(entry: Field, known: Level, reader: str) -> Iterator[Defect]:
    """Yield what is wrong with a key that a level does not know, if it resembles a known one."""
    name = entry.name
    if name.startswith("x-"):  # an extension, as compose and OpenAPI mark them
        return
    elsewhere = known.elsewhere.get(name)
    if elsewhere is None and entry.document.is_case_blind:
        by_lower = {word.lower(): place for word, place in known.elsewhere.items()}
        elsewhere = by_lower.get(name.lower())
    if elsewhere is not None:
        yield Defect(
            "ignored_level",
            f"'{name}' has no effect here: {reader} reads it in {elsewhere}",
            f"move it to {elsewhere}",
            entry.key_place(),
            name,
        )
        return
    watched = {word.lower(): word for word in sorted(known.watched)}
    typed = name[:99].lower()
    close = difflib.get_close_matches(typed, watched, n=1, cutoff=_CUTOFF)
    if not close:  # of short words one letter, or two that changed places, are a large part
        close = [
            word
            for word in watched
            if sorted(word) == sorted(typed)
            or (len(word) == len(typed) in (3, 4) and _differing(word, typed) == 1)
        ]
    if close:
        meant = watched[close[0]]
        yield Defect(
            _kind_of(meant),
            f"'{name}' is no key that {reader} knows here, and has no effect",
            f"write '{meant}'",
            entry.key_place(),
            name,
        )


def no_object(field: Field) -> Defect:
    """Return that something else stands where keys and values belong."""
    message = f"'{field.name}' is a {field.kind()} where an object belongs, and is not read"
    return Defect(
        "bad_value", message, "write keys and their values", field.key_place(), field.name
    )


def no_list(field: Field) -> Defect:
    """Return that something else stands where a list belongs."""
    message = f"'{field.name}' is a {field.kind()} where a list belongs, and is not read"
    return Defect("bad_value", message, "write a list", field.key_place(), field.name)


def _differing(one: str, other: str) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))


def _kind_of(meant: str) -> str:
    """Return the kind of defect that a mistyped key is."""
    if meant in PLACING:
        return "unknown_place_key"
    if meant in WAY_KEYS:
        return "unknown_way_key"
    return "unknown_model_key" if meant in MODEL_KEYS else "unknown_key"
