"""What a cut is called, everywhere: by its tensors, in one order, and as options of a command."""

from __future__ import annotations

import shlex
from collections.abc import Iterable


def cut_name(tensors: Iterable[str]) -> str:
    """Return the name of a cut: its tensors in the order of the alphabet, with commas."""
    return ", ".join(sorted(tensors))


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
