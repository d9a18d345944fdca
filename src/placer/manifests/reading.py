"""From paths to `Manifests`: the files, what they hold, and what each format makes of it."""

from __future__ import annotations

import gc
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from placer.core.deployment import Defect, Deployed, Manifests, Place, Suppression, Unreadable
from placer.core.errors import InputError
from placer.manifests import kustomize
from placer.manifests.config_maps import is_config_map, put_variables_in
from placer.manifests.format import Format, is_marked
from placer.manifests.formats import FORMATS
from placer.manifests.lookalikes import is_near, keys_for_placer, mistyped
from placer.manifests.nodes import Field, Node
from placer.manifests.parsing import Parsed, decoded, parse_yaml
from placer.manifests.paths import cannot_read, files_of
from placer.manifests.strict_json import told_as_json, without_comments
from placer.manifests.suppressions import elsewhere, from_annotations, from_comments, from_labels
from placer.manifests.text_proto import parse_text_proto
from placer.manifests.unread import unread_kind

MAX_BYTES = 10_000_000
MAX_UNMARKED_BYTES = 1_000_000
MAX_DEFECTS = 100
"""Of one kind that are told of a file."""
MAX_SCANNED_BYTES = 50_000_000
_CHUNK_BYTES = 4_000_000
_OVERLAP_BYTES = 1000
"""No mark is longer."""
STDIN = "-"
_UNUSUAL = (b"kind", b"services", b"modules", b"recipe", rb"\x", rb"\u", b"patches", b"op:", b'op"')
"""Words, in lower case, of files that may be manifests although no format's mark is in them: a kind
in a block scalar, behind a tag, an alias or a comment, keys with escapes; patches of Kustomize."""
_OF_AN_OBJECT = (b"apiversion", b"metadata", b"spec")
"""Words that an object without a kind has."""
_FIRST_KEYS = re.compile(rb"""^[ \t{]{0,4}["']?([A-Za-z]{6,10})["']?[ \t]{0,9}:""", re.MULTILINE)
"""Keys that may be ``services`` mistyped."""
_ODD = re.compile(
    rb"""kind["']?\s*:\s*(?:[|>*#&!]|["'][^"'\n]{0,80}\\)"""
    rb"""|\?\s+["']?(?:kind|services|modules|patches)\b|\*[^\s:]{1,80}\s{1,80}:"""
    rb"""|"[^"\n]{0,40}\\(?:[xuU]|\r?\n)[^"\n]{0,80}"\s{0,80}:"""
)
"""The same for large files, of which those that only have such words are data."""

PARSERS: Mapping[str, Callable[[str, str], Parsed]] = {".pbtxt": parse_text_proto}
"""Suffix -> parser of (text, path); any other file is YAML or JSON."""


@dataclass(slots=True)
class _Run:
    """What has been read so far."""

    roots: dict[str, list[Field]] = field(default_factory=dict)
    """Format -> roots of the documents it claims."""
    order: dict[str, int] = field(default_factory=dict)
    """Path -> its turn."""
    defects: list[Defect] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    suppressions: list[Suppression] = field(default_factory=list)
    patches: list[kustomize.Patch] = field(default_factory=list)
    """Files that kustomizations name."""
    maps: list[Field] = field(default_factory=list)
    """ConfigMaps."""
    others: set[str] = field(default_factory=set)
    """Files with an object that no format claims, and that a patch could be."""
    meant: list[tuple[Field, Field]] = field(default_factory=list)
    """(mapping, entry) of each key that was meant for placer."""
    files: int = 0
    skipped: int = 0


def read_manifests(
    paths: Sequence[str],
    *,
    stdin: BinaryIO | None = None,
    formats: Sequence[Format] = FORMATS,
) -> Manifests:
    """Read all manifests of files, directories, patterns and, for ``-``, standard input.

    Parameters
    ----------
    paths
        As the user typed them; places name them so.
    stdin
        What ``-`` reads.
    formats
        The first that claims a document reads it.

    Raises
    ------
    InputError
        A path is missing or cannot be opened, or ``-`` has no standard input.
    """
    run = _Run()
    with _without_collector():
        for path, content in _contents(paths, stdin, run):
            run.order[path] = len(run.order)
            _read_file(path, content, formats, run)
        _take_patches(run)
        if run.maps:
            put_variables_in([one for roots in run.roots.values() for one in roots], run.maps)
        found = [one.read(run.roots[one.id]) for one in formats if run.roots.get(one.id)]
        run.roots.clear()  # before the collector looks through all nodes

    def turn(place: Place) -> tuple[int, int, int]:
        return run.order.get(place.path, -1), place.line, place.column

    deployed = [one for part in found for one in part.deployed]
    run.defects += [one for part in found for one in part.defects]
    run.unreadable += [one for part in found for one in part.unreadable]
    suppressions, defects = from_annotations(deployed)
    run.suppressions += suppressions
    run.defects += [*defects, *from_labels(deployed), *elsewhere(run.meant, deployed)]
    return Manifests(
        tuple(_with_unique_ids(sorted(deployed, key=lambda one: turn(one.place)))),
        tuple(_capped(sorted(set(run.defects), key=lambda one: (turn(one.place), one.message)))),
        tuple(sorted(run.unreadable, key=lambda one: turn(one.place))),
        tuple(sorted(set(run.suppressions), key=lambda one: (turn(one.place), one.rule))),
        run.files,
        run.skipped,
    )


@contextmanager
def _without_collector() -> Iterator[None]:
    """Spare a third of the time: trees of nodes have no cycles, and they all live to the end."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _contents(
    paths: Sequence[str], stdin: BinaryIO | None, run: _Run
) -> Iterator[tuple[str, bytes]]:
    """Yield each file with at most one byte more than it may have."""
    named = [path for path in paths if path != STDIN]
    if STDIN in paths:
        if stdin is None:
            raise InputError("-: there is no standard input", hint="name a file or a directory")
        try:
            yield STDIN, stdin.read(MAX_BYTES + 1)
        except OSError as error:
            raise InputError(f"-: standard input cannot be read ({error})") from error
    for path in files_of(named):
        if isinstance(path, Unreadable):
            run.unreadable.append(path)
            continue
        try:
            is_pipe = stat.S_ISFIFO(os.stat(path).st_mode)  # noqa: PTH116  # text as typed
            if is_pipe and path not in named:
                continue
            with open(path, "rb") as file:  # noqa: PTH123  # text as typed
                content = file.read(MAX_BYTES + 1)
        except (OSError, ValueError) as error:
            problem = cannot_read(path, error)
            if path in named:
                raise InputError(f"{path}: {problem.message}", hint=problem.remedy) from error
            run.unreadable.append(problem)
            continue
        yield path, content


def _read_file(path: str, content: bytes, formats: Sequence[Format], run: _Run) -> None:
    suffix = os.path.splitext(path)[1]  # noqa: PTH122  # text as typed
    own = suffix if suffix in PARSERS else None
    of_suffix = [one for one in formats if one.suffix == own]
    is_large = own is None and len(content) > MAX_UNMARKED_BYTES
    sniffed = _sniffed(content)
    is_found = _finder(of_suffix, is_large=is_large)
    is_named = os.path.basename(path) in {one.file_name for one in of_suffix}  # noqa: PTH119
    has_mark = is_named or is_found(sniffed)
    if len(content) > MAX_BYTES and (has_mark or _is_marked_beyond(path, is_found)):
        limit = f"larger than {MAX_BYTES // 10**6} MB"
        remedy = "split it, or name only what is deployed"
        run.unreadable.append(Unreadable(Place(path, 1, 1, 1, 1), limit, remedy))
        run.files += 1
        return
    if not has_mark and (is_large or own is not None or not _is_unusual(sniffed)):
        run.skipped += 1
        return
    text = decoded(content, path)
    if isinstance(text, Unreadable) and not (has_mark or _ODD.search(sniffed)):
        run.skipped += 1
        return
    if isinstance(text, Unreadable):
        run.unreadable.append(text)
        run.files += 1
        return
    text = without_comments(text, path)
    parsed = PARSERS.get(suffix, parse_yaml)(text, path)
    is_manifest = False
    claimed: set[str] = set()
    speaks = "placer" in text.lower()
    kinds = [kind for one in formats for kind in one.kinds]
    for document in parsed.documents:
        for root in _objects(Field(document, document.root)):
            run.patches += kustomize.files_named(root)
            claiming = next((one for one in formats if one.claims(root)), None)
            if claiming is not None:
                is_manifest = True
                claimed.add(claiming.id)
                run.roots.setdefault(claiming.id, []).append(root)
                if speaks:
                    run.meant += keys_for_placer(root)
            elif own is None:
                run.maps += [root] if is_config_map(root) else []
                if root.is_mapping and not kustomize.is_harmless(root.at("kind").text() or ""):
                    run.others.add(path)
                wrong = mistyped(root, kinds)
                run.defects += wrong.defects
                unread = wrong.unreadable or (() if wrong.defects else tuple(unread_kind(root)))
                run.unreadable += unread
                is_manifest = is_manifest or bool(wrong.defects or unread)
    unreadable = told_as_json(text, path, frozenset(claimed), parsed.unreadable)
    if unreadable is not None and (has_mark or is_manifest):
        is_manifest = True
        run.unreadable.append(unreadable)
    if not is_manifest:
        run.skipped += 1
        return
    run.files += 1
    suppressions, defects = from_comments(parsed.comments, path)
    run.suppressions += suppressions
    run.defects += defects


def _take_patches(run: _Run) -> None:
    """Take out what is but a patch of other files, and tell it."""
    claimed = [root for roots in run.roots.values() for root in roots]
    taken, told = kustomize.patches_in_files(run.patches, claimed, run.others, run.order)
    run.unreadable += told
    if taken:
        gone = set(map(id, taken))
        for roots in run.roots.values():
            roots[:] = [root for root in roots if id(root) not in gone]


def _sniffed(content: bytes) -> bytes:
    """Return bytes in which marks are found: of UTF-16 and UTF-32, whether they say so or not."""
    return content.replace(b"\0", b"") if b"\0" in content else content


def _finder(formats: Sequence[Format], *, is_large: bool) -> Callable[[bytes], bool]:
    """Return what tells whether bytes hold a mark, of a large file also an odd spelling of one."""
    if not is_large:
        return lambda content: is_marked(formats, content)
    return lambda content: is_marked(formats, content) or _ODD.search(content) is not None


def _is_unusual(content: bytes) -> bool:
    lowered = content.lower()
    return (
        any(word in lowered for word in _UNUSUAL)
        or all(word in lowered for word in _OF_AN_OBJECT)
        or any(is_near(key.decode(), "services") for key in set(_FIRST_KEYS.findall(content)))
    )


def _is_marked_beyond(path: str, is_found: Callable[[bytes], bool]) -> bool:
    """Tell whether a mark stands in what of a file is not read, or may stand there."""
    try:
        status = os.stat(path)  # noqa: PTH116  # text as typed
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_SCANNED_BYTES:
            return True
        with open(path, "rb") as file:  # noqa: PTH123  # text as typed
            file.seek(MAX_BYTES - _OVERLAP_BYTES)
            before = b""
            while chunk := file.read(_CHUNK_BYTES):
                if is_found(_sniffed(before + chunk)):
                    return True
                before = chunk[-_OVERLAP_BYTES:]
    except OSError:  # standard input, too
        return True
    return False


def _objects(root: Field) -> Iterator[Field]:
    """Yield a document, or the items of a Kubernetes list or of an OpenShift template instead."""
    kind = root.at("kind").text() or ""
    if kind.endswith("List") and root.at("items").is_list:
        for item in root.at("items").items():
            if item.is_mapping:
                yield from _objects(_typed(item, root, kind.removesuffix("List")))
    elif kind == "Template" and root.at("objects").is_list:
        for item in root.at("objects").items():
            if item.is_mapping:
                yield from _objects(item)
    else:
        yield root


def _typed(item: Field, root: Field, kind: str) -> Field:
    """Return an item of a ``DeploymentList``: it may leave out what the list's kind says of it."""
    if item.node is None or item.at("kind") or not kind:
        return item
    said = [(root.at("kind"), kind)]
    if not item.at("apiVersion"):
        said.append((root.at("apiVersion"), root.at("apiVersion").text() or ""))
    pairs = [
        (one.key, Node(one.node.start, one.node.end, text, is_plain=True))
        for one, text in said
        if one.key is not None and one.node is not None
    ]
    node = replace(item.node, pairs=[*pairs, *(item.node.pairs or ())], by_key=None)
    return replace(item, node=node)


def _capped(defects: list[Defect]) -> Iterator[Defect]:
    """Pass on the first of each kind in a file, and how many more there are."""
    counts = Counter((one.place.path, one.kind) for one in defects)
    passed: Counter[tuple[str, str]] = Counter()
    for one in defects:
        key = (one.place.path, one.kind)
        passed[key] += 1
        if passed[key] < MAX_DEFECTS or counts[key] == MAX_DEFECTS:
            yield one
        elif passed[key] == MAX_DEFECTS:
            more = counts[key] - MAX_DEFECTS
            yield replace(one, message=f"{one.message}; {more:,} more of this kind in the file")


def _with_unique_ids(deployed: list[Deployed]) -> Iterator[Deployed]:
    """Give what has the same id within its file a number."""
    seen: dict[tuple[str, str], int] = {}
    for one in deployed:
        key = (one.place.path, one.id)
        seen[key] = seen.get(key, 0) + 1
        yield one if seen[key] == 1 else replace(one, id=f"{one.id}#{seen[key]}")
