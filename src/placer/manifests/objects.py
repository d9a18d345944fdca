"""What all Kubernetes objects have: a kind, a name, labels and annotations."""

from __future__ import annotations

from collections.abc import Iterable

from placer.core.deployment import Place, Stated
from placer.manifests.nodes import Field

ANNOTATIONS = "placer/"


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


def same_object(one: Field, *, kind: str, name: str, beside: Field) -> bool:
    """Tell whether `one` is the object of this kind and name in the namespace of `beside`.

    A namespace that only one of them states may be the other's default: it does not part them.
    """
    spaces = {namespace_of(one), namespace_of(beside)} - {None}
    return kind_of(one) == kind and name_of(one) == name and len(spaces) < 2


def by_name(roots: Iterable[Field]) -> dict[str, list[Field]]:
    """Return objects by their name: looking through all for each name would take for ever."""
    found: dict[str, list[Field]] = {}
    for root in roots:
        found.setdefault(name_of(root), []).append(root)
    return found


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
        if one.name.startswith(ANNOTATIONS)
    )
