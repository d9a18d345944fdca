"""Which nodes of a model an execution provider would run on a chip that is not here."""

from __future__ import annotations

from dataclasses import dataclass

from placer.core.errors import UsageError, near_match

SOCS = {
    "SM8350": 30,
    "SM8450": 36,
    "SM8475": 42,
    "SM8550": 43,
    "SM8650": 57,
    "SM8750": 69,
    "SC8380XP": 60,
}
"""Chip with a Qualcomm NPU -> its number in ``Qnn_SocModel_t`` of the maker's AI Engine Direct SDK
(``QnnTypes.h``)."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A node that the execution provider leaves to another one."""

    name: str
    op_type: str
    ep: str
    """Short name of the execution provider that gets it."""
    reason: str
    """Why, in the execution provider's own words."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a compiler for the chip made of a model; it says nothing about time.

    Nodes are those of the optimised graph: fused ones count once.
    """

    ep: str
    """Short name of the execution provider."""
    soc: str
    """Name of the chip that was compiled for, as the compiler confirmed it."""
    runtime: str
    """Names and versions of the runtime and of the execution provider's package."""
    covered: tuple[tuple[str, int], ...]
    """(operator type, nodes) that run on the execution provider, by name."""
    left_out: tuple[LeftOut, ...]
    n_parts: int
    """Pieces that the execution provider runs; between two of them data crosses to the host."""

    @property
    def n_covered(self) -> int:
        """Nodes that run on the execution provider."""
        return sum(count for _, count in self.covered)

    @property
    def n_nodes(self) -> int:
        """Nodes of the optimised graph."""
        return self.n_covered + len(self.left_out)

    @property
    def nodes_by_ep(self) -> tuple[tuple[str, int], ...]:
        """(short EP name, nodes), the execution provider first."""
        counts = {self.ep: self.n_covered}
        for node in self.left_out:
            counts[node.ep] = counts.get(node.ep, 0) + 1
        return tuple((ep, count) for ep, count in counts.items() if count)

    @property
    def operators_left_out(self) -> tuple[tuple[str, int], ...]:
        """(operator type, nodes) that do not run on the execution provider, most nodes first."""
        counts: dict[str, int] = {}
        for node in self.left_out:
            counts[node.op_type] = counts.get(node.op_type, 0) + 1
        return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def parse_soc(text: str) -> str:
    """Return the name of a chip that can be compiled for.

    Raises
    ------
    UsageError
        Not one of SOCS.
    """
    name = text.strip().upper()
    if name not in SOCS:
        raise UsageError(
            f"unknown chip '{text}'{near_match(name, SOCS)}", hint=f"known: {' '.join(SOCS)}"
        )
    return name
