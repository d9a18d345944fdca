"""The keys of ``placer.yaml``, and what each of them takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from placer.core.errors import near_match
from placer.core.suppressing import is_reason
from placer.core.units import parse_duration_s
from placer.files import specs
from placer.files.specs import figure, problem, shown_as

_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
_Glob = specs.Text
_Age = Annotated[float, figure(partial(parse_duration_s, example="30d")), shown_as("90 d")]
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _rule_id(value: object) -> object:
    """Refuse what is no id; one of no rule there is silences nothing, which a finding tells."""
    from placer.core.gate_rules import GATE_RULES
    from placer.core.rules import RULES

    if not isinstance(value, str) or not re.fullmatch(r"PLC[0-9]{3}", value):
        known = [*(rule.id for rule in RULES), *(rule.id for rule in GATE_RULES)]
        raise problem(
            f"unknown rule '{value}'{near_match(str(value), known)}",
            "`placer rules list` shows all",
        )
    return value


def _reason(value: object) -> object:
    if isinstance(value, str) and not is_reason(value):
        raise problem(f"'{value}' is no reason", "say in words why the rule does not count here")
    return value


class MatchSpec(specs.Spec):
    """Words of a manifest that mean a site: all that are given must fit."""

    labels: Mapping[specs.Text, str] = Field(
        default={}, description="Labels of the node and their values (globs)."
    )
    node: _Glob | None = Field(default=None, description="Name of the node (a glob).")
    group: _Glob | None = Field(
        default=None,
        description="Target condition (IoT Edge), thing group (Greengrass) or fleet (balena); a "
        "glob.",
    )
    instance_type: _Glob | None = Field(default=None, description="Instance type (a glob).")
    platform: _Glob | None = Field(
        default=None, description="Operating system and architecture, as linux/arm64 (a glob)."
    )
    path: _Glob | None = Field(
        default=None,
        description="Manifests (a glob), relative to this file: all in them runs here.",
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.stated() or ("labels" in self.stated() and not self.labels):
            raise problem("an empty match", "say labels, node, group, instance_type or path")
        return self


class SiteSpec(specs.Spec):
    """A place where models run, and the words of manifests that mean it."""

    device: specs.Text | None = Field(
        default=None, description="Catalogue name or device file: a site at the edge."
    )
    cloud: specs.Text | None = Field(
        default=None, description="NAME@REGION of the catalogue or a cloud file: a cloud site."
    )
    jurisdiction: specs.Jurisdiction | None = Field(
        default=None, description="Where it stands, as EU or DE; of a cloud left out: its region's."
    )
    runtime: Annotated[str, Field(pattern=r"^[a-z]+ v?\d+(\.\d+)*$")] | None = Field(
        default=None, description="What runs the model there, as onnxruntime 1.24."
    )
    match: tuple[MatchSpec, ...] = Field(
        description="Words that mean this site; one of them must fit."
    )

    @field_validator("match", mode="before")
    @classmethod
    def _has_some(cls, match: object) -> object:
        if not isinstance(match, list) or not match:
            raise problem("match has no words", "write [{node: line-*}], or other words")
        return match

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.device is None) == (self.cloud is None):
            raise problem(
                "a site is a device or a cloud", "state one of `device:` and `cloud:`, not both"
            )
        return self


class ModelSpec(specs.Spec):
    """A model as manifests name it, and the workload that it serves."""

    uri: _Glob = Field(description="URI, image or object name as manifests have it (a glob).")
    workload: _Name = Field(description="One of `workloads`.")
    file: specs.Text | None = Field(
        default=None, description="The file that lies there; its digest is locked."
    )
    sha256: _Sha256 | None = Field(default=None, description="Digest of what lies there.")

    @field_validator("sha256")
    @classmethod
    def _is_the_only_one(cls, sha256: str | None, info: ValidationInfo) -> str | None:
        if sha256 is not None and info.data.get("file") is not None:
            raise problem("both file and sha256 are stated", "keep one")
        return sha256


class DeploymentSpec(specs.Spec):
    """Things that are deployed, whatever they name, and the workload that they serve."""

    path: _Glob | None = Field(default=None, description="Manifests (a glob).")
    id: _Glob | None = Field(
        default=None,
        description="Ids as `placer check` prints them, as deployment/shop/* (a glob).",
    )
    workload: _Name = Field(description="One of `workloads`.")

    @model_validator(mode="after")
    def _chooses(self) -> Self:
        if self.path is None and self.id is None:
            raise problem("chooses nothing", "state `path:` or `id:`")
        return self


class EgressSpec(specs.Spec):
    """A receiver of data that manifests name."""

    to: _Glob = Field(description="URL, topic or name as manifests have it (a glob).")
    jurisdiction: specs.Jurisdiction | None = Field(default=None, description="Where it stands.")
    carries: Literal["request", "answer", "all"] | None = Field(
        default=None,
        description="What goes there: `request` (raw input), `answer` (the output alone) or `all`; "
        "raw input that the manifest itself sends (`mode: request` of a logger) stays raw input.",
    )


class SuppressionSpec(specs.Spec):
    """A rule that is silent in some files, where comments are not possible."""

    rule: Annotated[str, BeforeValidator(_rule_id)] = Field(description="As PLC707.")
    path: _Glob = Field(description="Manifests (a glob), always stated: `**` is all of them.")
    pointer: Annotated[str, Field(pattern=r"^/")] | None = Field(
        default=None,
        description="JSON pointer: only there and below, in each document of the file.",
    )
    id: _Glob | None = Field(
        default=None,
        description="Ids as `placer check` prints them (a glob): only these deployments.",
    )
    reason: Annotated[specs.Text, BeforeValidator(_reason)] = Field(description="Why.")
    until: specs.Date | None = Field(default=None, description="Last day; left out: for ever.")


class MaxAgeSpec(specs.Spec):
    """How old evidence may be."""

    measurement: _Age = Field(default=90 * 86400.0, description="Of models; 90 d if left out.")
    network: _Age = Field(default=7 * 86400.0, description="Of networks; 7 d if left out.")


class ProjectSpec(specs.Spec):
    """What the names in a project's manifests mean, for `placer check`."""

    schema_id: Literal["placer/project/v1"] = Field(
        alias="schema", description="Says what this file is."
    )
    workloads: Mapping[_Name, specs.Text] = Field(
        description="Name -> workload file, or a workload of the catalogue."
    )
    sites: Mapping[_Name, SiteSpec] = Field(default={}, description="Name -> site.")
    models: tuple[ModelSpec, ...] = Field(
        default=(), description="What model URIs, images and names mean."
    )
    deployments: tuple[DeploymentSpec, ...] = Field(
        default=(), description="Things chosen by path or id; they go before `models`."
    )
    egress: tuple[EgressSpec, ...] = Field(default=(), description="Receivers of data.")
    suppressions: tuple[SuppressionSpec, ...] = Field(
        default=(), description="Rules that are silent somewhere, with the reason."
    )
    max_age: MaxAgeSpec = Field(default_factory=MaxAgeSpec, description="How old evidence may be.")

    @field_validator("workloads", mode="before")
    @classmethod
    def _has_some(cls, workloads: object) -> object:
        if not isinstance(workloads, Mapping) or not workloads:
            raise problem("no workloads", "state them: workloads: {NAME: FILE.yaml}")
        return workloads
