"""The structures of published architectures: ``profiles/measured/structures.yaml``."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Literal

from pydantic import Field

from placer.core.structure import Architecture, Structure
from placer.files.catalogue import profiles_folder
from placer.files.positions import parse_yaml
from placer.files.specs import Spec
from placer.files.validating import validate

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


def architectures_like(structure: Structure) -> tuple[Architecture, ...]:
    """Return the table where it has anything of this structure, else nothing.

    Raises
    ------
    UsageError
        It is damaged; the message says where.
    """
    content = _content()
    digests = (structure.sha256.encode(), structure.trunk_sha256.encode())
    # a tenth of a second for the few models that are in it
    return load_architectures() if any(digest in content for digest in digests) else ()


@cache
def load_architectures() -> tuple[Architecture, ...]:
    """Read the table that is shipped. Raises as above."""
    return parse_architectures(_content(), path="profiles/measured/structures.yaml")


def _content() -> bytes:
    return profiles_folder().joinpath("measured", "structures.yaml").read_bytes()


def parse_architectures(content: bytes, *, path: str) -> tuple[Architecture, ...]:
    """Return the architectures of a table. Raises as `load_architectures`."""
    spec = validate(StructuresSpec, parse_yaml(content, path=path))
    return tuple(one.to_core() for one in spec.architectures)
