"""What looks like a manifest and is none by a typing error: no format claims it, and it is told."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from placer.core.deployment import Defect, Unreadable
from placer.manifests.containers import is_object, placeholder
from placer.manifests.format import Found
from placer.manifests.nodes import Field, Node

_OF_AN_OBJECT = ("apiVersion", "metadata", "spec", "items", "resources", "patches")
"""Keys of which a Kubernetes object, a list or a kustomization has two."""
_PODS = ("containers", "predictor", "edgeWorker", "cloudWorker")
"""Keys that only what runs something has."""
_LIST = "List"
_SHORT = 10
"""Shorter words may differ by one letter, longer ones by two."""
_OWN_NAMES = ("workload", "ignore")


def is_near(typed: str, word: str) -> bool:
    """Tell whether a word is another one mistyped: by case, blanks around it, or few letters.

    A letter more, less or another is one, and so are two that changed places.
    """
    typed, word = typed.strip().lower(), word.lower()
    most = 1 if len(word) < _SHORT else 2
    if abs(len(typed) - len(word)) > most:
        return False
    before: list[int] = []
    row = list(range(len(word) + 1))
    for i, letter in enumerate(typed, 1):
        last, before, row = before, row, [i]
        for j, other in enumerate(word, 1):
            least = min(before[j] + 1, row[-1] + 1, before[j - 1] + (letter != other))
            if i > 1 and j > 1 and (letter, typed[i - 2]) == (word[j - 2], other):
                least = min(least, last[j - 2] + 1)
            row.append(least)
        if min(row) > most:
            return False
    return row[-1] <= most


def mistyped(root: Field, kinds: Collection[str]) -> Found:
    """Return what is wrong with a document that no format claims; nothing: it is something else.

    Parameters
    ----------
    kinds
        Those of Kubernetes objects that formats claim.
    """
    if not root.is_mapping:
        return Found()
    kind = root.at("kind")
    has = [key for key in _OF_AN_OBJECT if root.at(key)]
    if not kind:
        return _without_kind(root, has)
    text = kind.text() or ""
    if text.endswith(_LIST) and text.removesuffix(_LIST) in ("", *kinds):
        return Found(defects=tuple(_items(root)))
    if len(has) < 2 or kind.is_list:
        return Found()
    if text in kinds:
        return _of_no_group(root, kind, text)
    if placeholder(kind) is not None or not text:
        return Found(unreadable=tuple(_unknown_kind(root, kind)))
    known = [*kinds, _LIST, *(f"{one}{_LIST}" for one in kinds)]
    meant = next((one for one in known if is_near(text, one)), None)
    if meant is None:
        return Found()
    message = f"'kind: {text[:40]}' is none that is known, and what it deploys is not read"
    defect = Defect("unknown_model_key", message, f"write '{meant}'", kind.place(), text)
    return Found(defects=(defect,))


def _without_kind(root: Field, has: Collection[str]) -> Found:
    """Tell of an object whose ``kind`` is mistyped or missing."""
    if not {"apiVersion", "metadata", "spec"} <= set(has):
        return Found()
    near = next((one for one in root.entries() if is_near(one.name, "kind")), None)
    if near is None:
        return Found(unreadable=tuple(_unknown_kind(root, root)))
    message = f"'{near.name}' is no key of an object, and what it deploys is not read"
    defect = Defect("unknown_model_key", message, "write 'kind'", near.key_place(), near.name)
    return Found(defects=(defect,))


def _unknown_kind(root: Field, at: Field) -> Iterator[Unreadable]:
    if runs_something(root):
        message = "it is not known of what kind this object is, and what it deploys is not read"
        yield Unreadable(at.place(), message, "state its kind, or check it as it is rendered")


def _of_no_group(root: Field, kind: Field, text: str) -> Found:
    """Tell of a known kind in a group whose objects are others, or that is mistyped."""
    version = root.at("apiVersion")
    if not runs_something(root):
        return Found()
    near = next((one for one in root.entries() if is_near(one.name, "apiVersion")), None)
    if not version and near is not None:
        message = f"'{near.name}' is no key of an object, and what it deploys is not read"
        defect = Defect(
            "unknown_model_key", message, "write 'apiVersion'", near.key_place(), near.name
        )
        return Found(defects=(defect,))
    group = (version.text() or "no apiVersion").partition("/")[0]
    message = f"{text} of {group[:60]} is not known, and what it deploys is not read"
    remedy = "correct its apiVersion, or leave the file out"
    return Found(unreadable=(Unreadable((version or kind).place(), message, remedy),))


def _items(root: Field) -> Iterator[Defect]:
    """Yield the mistyped key of a list without items."""
    for entry in root.entries():
        if entry.name != "items" and is_near(entry.name, "items") and not root.at("items"):
            message = f"'{entry.name}' is no key of a list, and what it deploys is not read"
            yield Defect(
                "unknown_model_key", message, "write 'items'", entry.key_place(), entry.name
            )


def runs_something(root: Field) -> bool:
    """Tell whether something within an object has containers, or is a part of KServe or Sedna."""
    return any(one.name in _PODS and not one.is_null for one in all_keys(root))


def meant_for_placer(name: str) -> bool:
    """Tell whether a key is an annotation of placer, or one that was meant to be."""
    before, slash, own = name.partition("/")
    if not slash:
        return False
    if before.lower() == "placer":
        return True
    is_close = before.lower().startswith("placer.") or is_near(before, "placer")
    return is_close and any(is_near(own, one) for one in _OWN_NAMES)


def keys_for_placer(root: Field) -> Iterator[tuple[Field, Field]]:
    """Yield (mapping, entry) of each key that was meant for placer, wherever it stands."""
    for entry in all_keys(root):
        if is_object(entry) and entry.name != "labels":
            for one in entry.entries():
                if meant_for_placer(one.name):
                    yield entry, one


def all_keys(root: Field) -> Iterator[Field]:
    """Yield every entry of every mapping, what is repeated by aliases once."""
    waiting = [root]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        content: list[Node] | list[tuple[Node, Node]] | None = None
        if one.node is not None:
            content = one.node.items if one.node.items is not None else one.node.pairs
        if content is None or id(content) in seen:
            continue
        seen.add(id(content))
        below = [*one.items(), *one.entries()]
        for entry in below:
            if entry.key is not None:
                yield entry
        waiting += reversed(below)
