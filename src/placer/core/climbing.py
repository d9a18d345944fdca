"""Paths and URIs with a part ``..``, which some readers climb by and others take for a name."""

from __future__ import annotations

import re


def climbs(text: str) -> bool:
    """Tell whether a path or URI has a part ``..``, in whatever spelling."""
    return (".." in text or "%2" in text) and ".." in _parts_of(text)


def _parts_of(path: str) -> list[str]:
    decoded = re.sub("%2e", ".", path, flags=re.IGNORECASE)
    return re.split(r"[/\\]|%2f|%5c", decoded, flags=re.IGNORECASE)


def without_climbing(text: str) -> str | None:
    """Return a path or URI as one reads it that climbs; None: it leads above its beginning.

    A relative path may begin with ``..``.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "", text
    root, *parts = _parts_of(rest)
    kept: list[str] = []
    if not separator and root:  # a relative path: its first part is a step as well
        parts = [root, *parts]
    for part in parts:
        if part != "..":
            kept += [] if part == "." else [part]
        elif kept and kept[-1] != "..":
            kept.pop()
        elif separator or not root:
            return None
        else:
            kept.append(part)
    head = f"{scheme}://{root}/" if separator else "" if root else "/"
    return head + "/".join(kept)
