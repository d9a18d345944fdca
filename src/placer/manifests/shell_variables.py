"""The variables of a shell's script, put into its words."""

from __future__ import annotations

import re
from collections.abc import Mapping

VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)\}|\((?P<kubernetes>\w+)\)|(?P<bare>[A-Za-z_]\w*))")
_DEFAULT = re.compile(r"\$\{(?P<name>\w+):?-(?P<value>[^\s${}\"']*)\}")
_MAX_VALUE = 1000
"""Characters of a variable's value that is put in; a longer one stays a variable."""


def put_in(text: str, variables: Mapping[str, str], *, is_shell: bool = True) -> str:
    """Return a text in which variables that are known have their values.

    Parameters
    ----------
    is_shell
        A shell does that; else Kubernetes, which knows ``$(NAME)`` alone.
    """

    def value(match: re.Match[str]) -> str:
        name = next(filter(None, match.groups())) if is_shell else match["kubernetes"]
        known = variables.get(name or "", "")
        return known if 0 < len(known) <= _MAX_VALUE else match.group()

    return VARIABLE.sub(value, text)


def or_default(text: str, variables: Mapping[str, str], changes: Mapping[str, int]) -> str:
    """Return what ``${NAME:-x}`` is, where it is known; else the text as it stands.

    Parameters
    ----------
    changes
        Name -> how often something gives it a value.
    """
    match = _DEFAULT.fullmatch(text)
    if match is None:
        return text
    name = match["name"]
    value = variables.get(name) or (text if changes.get(name) else match["value"])
    return text if "$()" in value else value
