"""What all Kubernetes objects have: a kind, a name, labels and annotations."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from placer.core.deployment import Place, Stated
from placer.manifests.lookalikes import meant_for_placer
from placer.manifests.nodes import Field


def group_of(root: Field) -> str:
    """Return the API group: ``apps`` of ``apps/v1``, nothing of ``v1``."""
    group, slash, _ = (root.at("apiVersion").text() or "").partition("/")
    return group if slash else ""


def version_of(root: Field) -> str:
    """Return the version: ``v1`` of ``apps/v1``."""
    return (root.at("apiVersion").text() or "").rpartition("/")[2]


def kind_of(root: Field) -> str:
    """Return the kind."""
    return root.at("kind").text() or ""


def name_of(root: Field) -> str:
    """Return the name, or the beginning that names are made from."""
    metadata = root.at("metadata")
    return metadata.at("name").text() or metadata.at("generateName").text() or "unnamed"


def namespace_of(root: Field) -> str | None:
    """Return the namespace, as far as the manifest says it."""
    return root.at("metadata", "namespace").text() or None


def name_place(root: Field) -> Place:
    """Return where the name stands, or the kind of what has none."""
    name = root.at("metadata").first_of("name", "generateName")
    return (name or root.at("kind") or root).place()


def id_of(root: Field) -> str:
    """Return ``deployment/shop/counter``."""
    parts = [kind_of(root).lower(), namespace_of(root), name_of(root)]
    return "/".join(part for part in parts if part)


class Objects:
    """Objects of a run, found by the kind and name that others give them.

    Parameters
    ----------
    named
        (kind, name, object): what a reference says, and what it leads to.
    """

    def __init__(self, named: Iterable[tuple[str, str, Field]]) -> None:
        self._found: dict[tuple[str, ...], dict[str | None, list[Field]]] = {}
        for kind, name, root in named:
            for key in _nearness(root.document.path):
                spaces = self._found.setdefault((kind, name, *key), {})
                spaces.setdefault(namespace_of(root), []).append(root)

    def nearest(self, kind: str, name: str, *, beside: Field) -> Field | None:
        """Return the object that something in `beside` means; None: none, or it is not clear.

        In the same file, else in the same directory, else the only one: overlays of one thing
        have equal names, and between two that are equally near nothing is guessed. A namespace
        that only one of both states may be the other's default: it does not part them.
        """
        near = self.near(kind, name, beside=beside)
        return near[0] if len(near) == 1 else None

    def near(self, kind: str, name: str, *, beside: Field) -> list[Field]:
        """Return the objects that are equally near, four at most: of several none is meant."""
        space = namespace_of(beside)
        for key in _nearness(beside.document.path):
            spaces = self._found.get((kind, name, *key), {})
            if space is None:
                near = [one for roots in islice(spaces.values(), 2) for one in roots[:2]]
            else:
                near = [*spaces.get(space, ())[:2], *spaces.get(None, ())[:2]]
            if near:
                return near
        return []


def _nearness(path: str) -> tuple[tuple[str, ...], ...]:
    return ("file", path), ("directory", path.rpartition("/")[0]), ()


def labels_of(*holders: Field) -> tuple[tuple[str, str], ...]:
    """Return the labels of an object and of what it makes; the later wins."""
    labels: dict[str, str] = {}
    for holder in holders:
        for label in holder.at("metadata", "labels").entries():
            labels[label.name] = label.text() or ""
    return tuple(sorted(labels.items()))


def annotations_of(*holders: Field) -> tuple[Stated[tuple[str, str]], ...]:
    """Return the annotations that speak to placer."""
    return tuple(
        Stated((one.name, one.text() or ""), one.pair_place())
        for holder in holders
        for one in holder.at("metadata", "annotations").entries()
        if meant_for_placer(one.name)
    )
