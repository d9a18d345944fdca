"""The structures of published architectures: ``profiles/measured/structures.yaml``."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Literal

from pydantic import Field

from placer.core.structure import Architecture, Structure
from placer.files.catalogue import profiles_folder
from placer.files.positions import parse_yaml, validate
from placer.files.specs import Spec

_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Count = Annotated[int, Field(ge=1)]


class ArchitectureSpec(Spec):
    """One architecture; the keys are those of ``core.structure``."""

    name: Annotated[str, Field(min_length=1)]
    sha256: _Digest
    trunk: _Digest
    layers: _Count
    weights: _Count
    macs: _Count
    besides: tuple[str, ...]
    shape: Annotated[tuple[_Count, ...], Field(min_length=1)]
    parameters: _Count
    rows: Annotated[tuple[str, ...], Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)]

    def to_core(self) -> Architecture:
        """Return it as the decision takes it."""
        return Architecture(
            self.name,
            Structure(self.sha256, self.trunk, self.layers, self.weights, self.macs, self.besides),
            self.shape,
            self.parameters,
            self.rows,
            self.source,
        )


class StructuresSpec(Spec):
    """The whole table."""

    schema_: Annotated[Literal["placer/structures/v1"], Field(alias="schema")]
    architectures: tuple[ArchitectureSpec, ...]


@cache
def load_architectures() -> tuple[Architecture, ...]:
    """Read the table that is shipped.

    Raises
    ------
    UsageError
        It is damaged; the message says where.
    """
    file = profiles_folder().joinpath("measured", "structures.yaml")
    return parse_architectures(file.read_bytes(), path="profiles/measured/structures.yaml")


def parse_architectures(content: bytes, *, path: str) -> tuple[Architecture, ...]:
    """Return the architectures of a table. Raises as `load_architectures`."""
    spec = validate(StructuresSpec, parse_yaml(content, path=path))
    return tuple(one.to_core() for one in spec.architectures)
