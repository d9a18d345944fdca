"""The form of evidence: an in-toto Statement with placer's predicate, under full validation."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from placer.core.measurement import (
    METHOD_VERSION,
    Instrument,
    Machine,
    Measurement,
    Parity,
    ProcessRun,
    ScreenedSetting,
    SessionSettings,
)
from placer.files.keys import environment_key

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:placer:evidence:profile:v1"


def _one_line(text: str) -> str:
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise ValueError("should hold no control characters")
    return text


def _date(text: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("should be a date like 2026-11-23") from None
    return text


def _mapping(value: object) -> object:
    return dict(value) if isinstance(value, tuple) else value


_Line = Annotated[str, AfterValidator(_one_line)]
_Word = Annotated[str, Field(pattern=r"^[!-~]+$")]
_Name = Annotated[str, Field(min_length=1)]
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Positive = Annotated[float, Field(gt=0)]
_Time = Annotated[float, Field(ge=1e-9)]
"""No clock tells less than a nanosecond."""
_NotNegative = Annotated[float, Field(ge=0)]
_Count = Annotated[int, Field(ge=0)]
_OneOrMore = Annotated[int, Field(ge=1)]


class _Spec(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, from_attributes=True
    )


class _DigestSpec(_Spec):
    sha256: _Sha256


class _SubjectSpec(_Spec):
    name: _Name
    digest: _DigestSpec


class _DeviceSpec(_Spec):
    cpu: _Line
    architecture: _Line
    cores: _OneOrMore
    memory_bytes: _Count | None
    os: _Line
    accelerators: tuple[_Line, ...]
    machine_id: _Line


class _SettingsSpec(_Spec):
    intra_op_threads: _Count
    allow_spinning: bool | None
    graph_optimization: _Word
    provider_options: Annotated[dict[str, str], BeforeValidator(_mapping)]
    io: Literal["host", "device"] = "host"

    def to_core(self) -> SessionSettings:
        return SessionSettings(
            self.intra_op_threads,
            self.allow_spinning,
            self.graph_optimization,
            tuple(sorted(self.provider_options.items())),
            self.io,
        )


class _ParitySpec(_Spec):
    samples: _OneOrMore
    max_difference: _NotNegative
    relative_difference: _NotNegative
    agreement_ratio: Annotated[float, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def _both_differ_or_none(self) -> Self:
        if (self.max_difference > 0) != (self.relative_difference > 0):
            raise ValueError("of max_difference and relative_difference one is 0, the other not")
        return self


class _RuntimeSpec(_Spec):
    name: _Word
    version: _Line
    ep: _Word
    nodes_by_ep: dict[_Word, _OneOrMore]
    ep_device: _Line = ""
    fallback: dict[_Line, _OneOrMore] = {}
    executed_by_ep: dict[_Word, _OneOrMore] = {}
    parity: _ParitySpec | None = None
    settings: _SettingsSpec

    @model_validator(mode="after")
    def _ran_where_it_says(self) -> Self:
        if not self.nodes_by_ep and self.ep != "cpu":  # the CPU runs what has no nodes as well
            raise ValueError(f"it does not say that a node ran on '{self.ep}'")
        if self.nodes_by_ep and self.ep not in self.nodes_by_ep:
            others = ", ".join(sorted(self.nodes_by_ep))
            raise ValueError(f"no node ran on '{self.ep}', all ran on {others}")
        if self.executed_by_ep and self.ep not in self.executed_by_ep:
            others = ", ".join(sorted(self.executed_by_ep))
            raise ValueError(f"no kernel ran on '{self.ep}', all ran on {others}")
        elsewhere = sum(count for ep, count in self.nodes_by_ep.items() if ep != self.ep)
        if self.fallback and sum(self.fallback.values()) != elsewhere:
            raise ValueError(
                f"fallback has {sum(self.fallback.values())} nodes, nodes_by_ep {elsewhere} that "
                f"did not run on '{self.ep}'"
            )
        return self


class _InputSpec(_Spec):
    name: _Name
    shape: tuple[_Count, ...]


class _WorkloadSpec(_Spec):
    inputs: tuple[_InputSpec, ...]
    input_source: Annotated[str, Field(pattern=r"^(seed:\d+|samples:[0-9a-f]{64})$")]
    gap_s: _NotNegative


class _ScreenedSpec(_Spec):
    settings: _SettingsSpec
    runs: _OneOrMore
    median_s: _Positive
    cpu_s_per_run: _NotNegative | None = None
    rounds: _OneOrMore = 1
    ratio: _Positive = 1.0
    low_ratio: _Positive | None = None
    high_ratio: _Positive | None = None

    @model_validator(mode="after")
    def _bounds_enclose(self) -> Self:
        low, high = self.low_ratio, self.high_ratio
        if (low is None) != (high is None):
            raise ValueError("low_ratio and high_ratio are both null or both not")
        if low is not None and high is not None and not low <= self.ratio <= high:
            raise ValueError("ratio is not between low_ratio and high_ratio")
        return self


class _MethodSpec(_Spec):
    tool: _Line
    method_version: Annotated[int, Field(ge=1, le=METHOD_VERSION)]
    screened: tuple[_ScreenedSpec, ...]


class _ProcessSpec(_Spec):
    samples_s: Annotated[tuple[_Time, ...], Field(min_length=1)]
    session_creation_s: _NotNegative
    first_inference_s: _NotNegative
    warmup_runs: _Count
    is_steady: bool
    peak_memory_bytes: _Count | None
    runtime_memory_bytes: _Count | None


class _ResultsSpec(_Spec):
    processes: Annotated[tuple[_ProcessSpec, ...], Field(min_length=1)]


class _QualitySpec(_Spec):
    run_delay_ratio: _NotNegative | None
    cpu_pressure_ratio: _NotNegative | None
    steal_ratio: _NotNegative | None
    throttled_ratio: _NotNegative | None
    involuntary_switches_per_s: _NotNegative | None
    frequency_ratio: _NotNegative | None
    drift_ratio: float
    correlation_runs: _NotNegative
    clock_resolution_s: _NotNegative
    reasons: tuple[_Line, ...]


class _PredicateSpec(_Spec):
    site: Annotated[_Line, Field(min_length=1)] | None
    device: _DeviceSpec
    runtime: _RuntimeSpec
    workload: _WorkloadSpec
    method: _MethodSpec
    results: _ResultsSpec
    quality: _QualitySpec
    environment_key: _Sha256
    measured_at: Annotated[str, AfterValidator(_date)]

    @model_validator(mode="after")
    def _key_fits(self) -> Self:
        runtime = self.runtime
        machine = Machine(**self.device.model_dump())
        settings = runtime.settings.to_core()
        if self.environment_key != environment_key(
            machine, _runtime_text(runtime), runtime.ep, settings
        ):
            raise ValueError("environment_key does not fit device and runtime: they were edited")
        return self


class StatementSpec(_Spec):
    """A whole file of evidence."""

    statement_type: Annotated[str, Field(alias="_type")]
    subject: Annotated[tuple[_SubjectSpec, ...], Field(min_length=1)]
    predicate_type: Annotated[str, Field(alias="predicateType")]
    predicate: _PredicateSpec

    @model_validator(mode="after")
    def _subjects_differ(self) -> Self:
        names = [subject.name for subject in self.subject]
        if len(set(names)) < len(names):
            raise ValueError("two subjects have the same name")
        return self

    def to_core(self) -> Measurement:
        """Return the measurement, marked as reused."""
        predicate = self.predicate
        runtime, workload, method = predicate.runtime, predicate.workload, predicate.method
        return Measurement(
            subjects=tuple((subject.name, subject.digest.sha256) for subject in self.subject),
            machine=Machine(**predicate.device.model_dump()),
            runtime=_runtime_text(runtime),
            ep=runtime.ep,
            nodes_by_ep=_most_first(runtime.nodes_by_ep),
            fallback=_most_first(runtime.fallback),
            ep_device=runtime.ep_device,
            executed_by_ep=_most_first(runtime.executed_by_ep),
            parity=None if runtime.parity is None else Parity(**runtime.parity.model_dump()),
            settings=runtime.settings.to_core(),
            screened=tuple(
                ScreenedSetting(**{**tried.model_dump(), "settings": tried.settings.to_core()})
                for tried in method.screened
            ),
            input_shapes=tuple((one.name, one.shape) for one in workload.inputs),
            input_source=workload.input_source,
            gap_s=workload.gap_s,
            processes=tuple(ProcessRun(**run.model_dump()) for run in predicate.results.processes),
            instrument=Instrument(**predicate.quality.model_dump()),
            measured_at=predicate.measured_at,
            method_version=method.method_version,
            is_reused=True,
        )


def _most_first(counts: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _runtime_text(runtime: _RuntimeSpec) -> str:
    return f"{runtime.name} {runtime.version}".strip()
