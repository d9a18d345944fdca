"""The variables of a shell's script, put into its words."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence

VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)\}|\((?P<kubernetes>\w+)\)|(?P<bare>[A-Za-z_]\w*))")
_DEFAULT = re.compile(r"\$\{(?P<name>\w+):?-(?P<value>[^\s${}\"']*)\}")
_FILES_OF_TOOLS = (
    "activate setup.bash setup.sh local_setup.bash local_setup.sh setupvars.sh setvars.sh vars.sh"
    " conda.sh mamba.sh micromamba.sh nvm.sh profile .profile .bashrc .bash_profile"
)
_OF_TOOLS = frozenset(_FILES_OF_TOOLS.split())
"""What a shell reads for its tools: it sets what those need, and no model."""
_TOOLS = frozenset(["conda", "mamba", "micromamba", "pyenv", "rbenv", "ssh-agent", "dircolors"])
"""Programs whose output is for ``eval``, and does no more."""
_OPEN = re.compile(r"\$[({A-Za-z_]")
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


def changes_any(words: Sequence[str], inner: Sequence[str]) -> bool:
    """Tell whether a command of the shell may give any variable a value: ``. FILE``.

    Parameters
    ----------
    inner
        Lines of substitutions in it.
    """
    match [*words]:
        case [".", file, *_] | ["source", file, *_]:
            return posixpath.basename(file) not in _OF_TOOLS
        case ["eval" | "export" | "declare" | "typeset", *told]:
            programs = {posixpath.basename(one.partition(" ")[0]) for one in inner}
            is_tool = bool(programs) and programs <= _TOOLS
            return any(map(_OPEN.match, told)) and not is_tool
    return False
