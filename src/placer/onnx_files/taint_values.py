"""What is known of a tensor while raw input is traced, and what a rule is told of an operator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np

from placer.onnx_files.injective import Proofs


class Origin(StrEnum):
    """Where the values of a tensor come from, from harmless to raw."""

    CONSTANT = "constant"
    PUBLIC = "public"
    """Of constants and inputs that anyone may see."""
    DERIVED = "derived"
    """Of raw input, which is not shown to be readable from it."""
    RAW = "raw"


_ORDER = tuple(Origin)


@dataclass(frozen=True, slots=True)
class Taint:
    """What is known of one tensor."""

    origin: Origin
    chain: tuple[str, ...] = ()
    """The input, then the operators that it went through; a derived one ends where it was raw."""
    is_mixed: bool = False
    """A linear operator has mixed the raw values."""
    reason: str = ""
    """Of a derived tensor: why it is not shown to be raw."""

    @property
    def is_raw(self) -> bool:
        """Whether raw input can be read off."""
        return self.origin is Origin.RAW

    @property
    def rank(self) -> tuple[int, bool]:
        """What reveals more is higher; of two raw tensors the plain one."""
        return _ORDER.index(self.origin), self.is_raw and not self.is_mixed

    @property
    def text(self) -> str:
        """``x -> Pad -> Cast``, and for a derived tensor why it ends there."""
        path = " -> ".join(self.chain)
        return f"{path}: {self.reason}" if self.reason else path

    def then(self, step: str, *, is_mixed: bool = False) -> Taint:
        """Return it after an operator that keeps what it is."""
        if not self.is_raw:
            return self
        return replace(self, chain=(*self.chain, step), is_mixed=self.is_mixed or is_mixed)

    def ended(self, step: str, reason: str = "") -> Taint:
        """Return it after an operator after which it is not shown to be raw."""
        if not self.is_raw:
            return self
        reason = reason or f"what {step} does is not shown to keep its input"
        return Taint(Origin.DERIVED, (*self.chain, step), reason=reason)


CONSTANT = Taint(Origin.CONSTANT)
FLOATS = (1, 10, 11, 16)
"""Types of TensorProto."""


def joined(taints: Iterable[Taint]) -> Taint:
    """Return the one that reveals most; the first of equals."""
    return max(taints, key=lambda taint: taint.rank)


@dataclass(frozen=True, slots=True)
class Node:
    """One operator and what is known of its inputs."""

    op_type: str
    """``domain::Op`` outside of ONNX and ONNX Runtime."""
    attributes: Mapping[str, Any]
    names: tuple[str, ...]
    """Of the inputs; empty: left out."""
    taints: tuple[Taint | None, ...]
    """None: left out."""
    outputs: tuple[str, ...]
    value: Callable[[str], np.ndarray | None]
    shape: Callable[[str], tuple[int | str, ...] | None]
    maker: Callable[[str], Any]
    """The node of the same graph that makes a tensor; None: none does."""
    is_bool: Callable[[str], bool] = lambda _: False
    """Whether a tensor is known to be of truth values."""
    opset: int = 0
    """Of ONNX; 0: not known."""
    proofs: Proofs = field(default_factory=Proofs)
    """Those of the whole model."""

    def taint(self, index: int) -> Taint:
        """Return the taint of an input; that of a constant if it is left out."""
        return (self.taints[index] if index < len(self.taints) else None) or CONSTANT

    def constant(self, index: int) -> np.ndarray | None:
        """Return the value of a constant input; None: left out, or not known."""
        if index >= len(self.names) or not self.names[index]:
            return None
        return self.value(self.names[index])

    def has(self, index: int) -> bool:
        """Tell whether an optional input is given."""
        return index < len(self.names) and bool(self.names[index])

    def integer(self, name: str, default: int) -> int:
        """Return an integer attribute."""
        return int(self.attributes[name].i) if name in self.attributes else default

    def has_attribute(self, name: str) -> bool:
        """Tell whether an attribute is given."""
        return name in self.attributes

    def number(self, name: str, default: float) -> float:
        """Return a float attribute."""
        return float(self.attributes[name].f) if name in self.attributes else default

    def integers(self, name: str) -> list[int]:
        """Return an attribute of integers; empty: not given."""
        return list(self.attributes[name].ints) if name in self.attributes else []

    def string(self, name: str) -> str:
        """Return a text attribute; empty: not given."""
        return self.attributes[name].s.decode() if name in self.attributes else ""
