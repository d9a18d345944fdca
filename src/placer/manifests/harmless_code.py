"""Code given to an interpreter that surely writes no file: ``python3 -c "import torch; ..."``."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from functools import lru_cache

_PYTHON = re.compile(r"python[\d.]*")
_MAX_CODE = 2_000
"""Characters; longer code is not looked at."""
_INSTALLED = (
    "torch torchvision onnx onnxruntime tensorflow numpy cv2 sys os time json platform socket math"
)
_MODULES = frozenset(_INSTALLED.split())
"""Modules that are installed, and write nothing when they are imported."""
_TELLING = (
    "print len str int float bool repr min max sum sorted any all exit quit sys.exit time.sleep"
    " time.time torch.cuda.is_available torch.cuda.device_count torch.cuda.get_device_name"
    " torch.cuda.current_device torch.cuda.get_device_properties torch.cuda.get_device_capability"
    " torch.backends.cudnn.version torch.backends.mps.is_available torch.cuda.mem_get_info"
    " onnxruntime.get_available_providers onnxruntime.get_device os.getenv os.environ.get"
    " os.path.exists os.path.isfile os.path.isdir os.path.getsize os.listdir os.cpu_count"
    " tensorflow.config.list_physical_devices tensorflow.test.is_gpu_available"
    " tensorflow.test.is_built_with_cuda platform.machine platform.platform platform.system"
    " platform.python_version socket.gethostname"
)
_CALLED = frozenset(_TELLING.split())
"""Functions that only tell something."""
_PRINTED = frozenset({"sep", "end", "flush"})
"""Keywords of ``print`` that send it nowhere else."""
_ALONE = frozenset({"-u", "-B", "-I", "-E", "-s", "-O", "-OO", "-q"})
"""Options of Python without a value."""
_PLAIN = (
    ast.Module,
    ast.Import,
    ast.alias,
    ast.Expr,
    ast.If,
    ast.Assert,
    ast.Pass,
    ast.Constant,
    ast.Name,
    ast.Attribute,
    ast.Load,
    ast.Call,
    ast.keyword,
    ast.Compare,
    ast.cmpop,
    ast.BoolOp,
    ast.boolop,
    ast.UnaryOp,
    ast.unaryop,
    ast.BinOp,
    ast.operator,
    ast.IfExp,
    ast.Subscript,
    ast.Tuple,
    ast.List,
    ast.JoinedStr,
    ast.FormattedValue,
)
"""What such code consists of: nothing in it gives a name another meaning."""


def is_harmless_python(program: str, words: Sequence[str]) -> bool:
    """Tell whether Python is given code as a word that surely writes, gets and saves nothing.

    Parameters
    ----------
    words
        What the interpreter is told: ``-c`` and the code.
    """
    if not _PYTHON.fullmatch(program):
        return False
    rest = list(words)
    while rest and rest[0] in _ALONE:
        rest = rest[1:]
    return len(rest) > 1 and rest[0] == "-c" and len(rest[1]) <= _MAX_CODE and _is_plain(rest[1])


@lru_cache(maxsize=16)
def _is_plain(code: str) -> bool:
    try:
        nodes = [*ast.walk(ast.parse(code.strip()))]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    if not nodes[1:] or not all(isinstance(one, _PLAIN) for one in nodes):
        return False
    names: dict[str, str] = {}
    for one in nodes:
        for imported in one.names if isinstance(one, ast.Import) else ():
            root = imported.name.partition(".")[0]
            if root not in _MODULES:
                return False
            name = imported.asname or root
            meant = imported.name if imported.asname else root
            if name in _CALLED or names.setdefault(name, meant) != meant:
                return False  # two meanings
    return all(_is_telling(one, names) for one in nodes if isinstance(one, ast.Call))


def _is_telling(call: ast.Call, names: dict[str, str]) -> bool:
    called = _dotted(call.func, names)
    if called == "print":
        return all(one.arg in _PRINTED for one in call.keywords)
    return called in _CALLED and not call.keywords  # ``key=`` calls what it is given


def _dotted(node: ast.expr, names: dict[str, str]) -> str:
    """Return the name of a function, that of its module written out; empty: it has none."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    root = names.get(node.id, "" if parts else node.id)
    return ".".join([root, *reversed(parts)])
