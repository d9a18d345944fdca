"""What a cut is called, everywhere: by its tensors, in one order, and as options of a command."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

MAX_NAMES = 3
"""Of tensors in a name."""


def cut_name(tensors: Iterable[str]) -> str:
    """Return the name of a cut: its first tensors in the order of the alphabet, with commas."""
    names = sorted(tensors)
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return f"{', '.join(names[:MAX_NAMES])}{more}"


def cut_options(tensors: Iterable[str]) -> str:
    """Return the options that ask for a cut, as a shell takes them: ``--cut a --cut b``."""
    return " ".join(f"--cut {_quoted(name)}" for name in sorted(tensors))


def _quoted(name: str) -> str:
    """Quote for a shell; characters that a terminal would not show as their bytes."""
    if name.isprintable():
        return shlex.quote(name)
    shown = (
        one.replace("\\", "\\\\").replace("'", "\\'")
        if one.isprintable()
        else "".join(f"\\x{byte:02x}" for byte in one.encode())
        for one in name
    )
    return f"$'{''.join(shown)}'"
