"""Accelerators that something else fills in later: nobody knows whether one is granted."""

from __future__ import annotations

from collections.abc import Iterable

from placer.core.deployment import Stated
from placer.core.project import templates_in
from placer.manifests.nodes import Field


def is_left_open(name: str) -> bool:
    """Tell whether the name of an accelerator is filled in later.

    What begins with words says enough: ``/dev/video${N}`` is a camera anyhow.
    """
    return any(name.removeprefix("/dev/").startswith(one) for one in templates_in(name))


def first_open(
    accelerators: Iterable[Stated[tuple[str, int]]], amounts: Iterable[Field]
) -> Stated[str] | None:
    """Return the first name, else the first number of them, that is filled in later."""
    for one in accelerators:
        if is_left_open(one.value[0]):
            return Stated(one.value[0], one.place)
    for amount in amounts:
        text = amount.text() or ""
        if templates_in(text):
            return Stated(f"{amount.name}: {text}", amount.pair_place())
    return None
