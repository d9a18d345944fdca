"""A measurement: samples with their provenance and a verdict on the instrument itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

METHOD_VERSION = 1
"""Version of the measuring method that wrote the samples; raised when they stop being comparable.

1: child processes, warm-up until stationary, IOBinding on fixed inputs and outputs.
"""


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """The session options that a time belongs to."""

    intra_op_threads: int
    allow_spinning: bool | None
    """None: the runtime has no such setting."""
    graph_optimization: str = "all"
    provider_options: tuple[tuple[str, str], ...] = ()
    io: str = "host"
    """``host``: a run copies its inputs and outputs to and from a device that has memory of its
    own; ``device``: they stay on the device, bound once, and the copies are no part of a time."""

    @property
    def label(self) -> str:
        """``2 threads, spinning``."""
        threads = "1 thread" if self.intra_op_threads == 1 else f"{self.intra_op_threads} threads"
        parts = [threads]
        if self.intra_op_threads != 1 and self.allow_spinning is not None:
            parts.append("spinning" if self.allow_spinning else "no spinning")
        parts += [f"{key}={value}" for key, value in self.provider_options]
        if self.io == "device":
            parts.append("inputs and outputs on the device")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class ScreenedSetting:
    """A setting that was tried briefly before the headline run."""

    settings: SessionSettings
    runs: int
    median_s: float
    cpu_s_per_run: float | None = None
    """CPU time of all threads for one inference, idle time before it included; None: not known."""
    rounds: int = 1
    """Blocks of runs, in turns with those of the other settings."""
    ratio: float = 1.0
    """Median over the rounds of its median latency relative to the default setting's."""
    low_ratio: float | None = None
    """Bounds of that ratio with 90 % confidence or more; None: too few rounds."""
    high_ratio: float | None = None


MAX_TRIAL_RATIO = 10.0
"""A trial of settings runs a moment before the others: one that took longer than so many of them
fell into a busy moment, or one of the two was edited. A choice: it is refused only where the
measurement itself tells of nothing that disturbed it."""


def slow_trial(
    screened: Sequence[ScreenedSetting], settings: SessionSettings, median_s: float
) -> ScreenedSetting | None:
    """Return a trial of the settings that took over ``MAX_TRIAL_RATIO`` times the runs' median."""
    limit_s = MAX_TRIAL_RATIO * median_s
    tried = (one for one in screened if one.settings == settings)
    return next((one for one in tried if one.median_s > limit_s), None)


@dataclass(frozen=True, slots=True)
class ProcessRun:
    """What one fresh process measured."""

    samples_s: tuple[float, ...]
    """Latencies in the order they were taken, warm-up excluded."""
    session_creation_s: float
    first_inference_s: float
    warmup_runs: int
    is_steady: bool
    """Warm-up reached a plateau within its budget."""
    peak_memory_bytes: int | None
    """High-water mark of the process after the run; None: the platform does not tell."""
    runtime_memory_bytes: int | None
    """The same before the session was created: Python and the runtime without the model."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """How much the machine disturbed the measurement; None where the platform does not tell."""

    run_delay_ratio: float | None
    """Time our threads waited for a core, summed over threads, over wall time; may exceed 1."""
    cpu_pressure_ratio: float | None
    """Share of wall time in which some runnable task had to wait (PSI ``some``)."""
    steal_ratio: float | None
    """Share of CPU time that the hypervisor took."""
    throttled_ratio: float | None
    """Share of wall time in which the cgroup quota stopped us."""
    involuntary_switches_per_s: float | None
    frequency_ratio: float | None
    """Lowest over highest CPU clock seen during the run."""
    drift_ratio: float
    """Relative change of the median from the first to the last third of the run."""
    correlation_runs: float
    """Correlation time of the series, in runs, on ranks."""
    clock_resolution_s: float
    reasons: tuple[str, ...]
    """Why the measurement counts as disturbed; empty: quiet."""

    @property
    def is_disturbed(self) -> bool:
        """Contention, throttling or drift was seen: ``violated`` cannot be claimed."""
        return bool(self.reasons)


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine a measurement belongs to."""

    cpu: str
    """Model name of the processor."""
    architecture: str
    cores: int
    """Cores that this process may use, after affinity and cgroup quota."""
    memory_bytes: int | None
    """Memory that this process may use, after the cgroup limit."""
    os: str
    accelerators: tuple[str, ...] = ()
    machine_id: str = ""
    """Salted hash of the host's identity: tells machines apart, names none."""


DEFAULT_TIME_LIMIT_S = 60.0
"""How long an execution provider is measured where nobody says how long."""
MAX_GAP_S = 0.05
"""Longest idle time put between runs: at longer gaps the measured slow-down stays the same."""

FLOAT32_RATIO = 1e-4
"""Orders of summation differ by less than this, relative to the largest output; float16 (2^-11) and
bfloat16 (2^-8) lose more in a network of any depth."""


@dataclass(frozen=True, slots=True)
class Parity:
    """Outputs of an execution provider held against those of the runtime's CPU one."""

    samples: int
    max_difference: float
    """Of any number in any output."""
    relative_difference: float
    """The same, relative to the largest number of that output."""
    agreement_ratio: float
    """Share of the answers that are the same: see ``placer.core.variant.agreement``."""

    @property
    def is_float32(self) -> bool:
        """Whether the difference is what float32 arithmetic in another order gives."""
        return self.relative_difference <= FLOAT32_RATIO


@dataclass(frozen=True, slots=True)
class Measurement:
    """One model on one execution provider of one machine."""

    subjects: tuple[tuple[str, str], ...]
    """(file name, sha256) of the model and its external data."""
    machine: Machine
    runtime: str
    """``onnxruntime 1.32.0`` or ``litert 2.3.0``."""
    ep: str
    """Short name of the execution provider that ran the nodes: ``cpu``, ``cuda``, ..."""
    nodes_by_ep: tuple[tuple[str, int], ...]
    """Short name and number of nodes assigned to it, read back from the runtime."""
    settings: SessionSettings
    screened: tuple[ScreenedSetting, ...]
    input_shapes: tuple[tuple[str, tuple[int, ...]], ...]
    input_source: str
    """``seed:N`` for generated inputs, or ``samples:<sha256>`` of the file given by --inputs."""
    gap_s: float
    """Idle time between two requests; 0: back to back."""
    processes: tuple[ProcessRun, ...]
    instrument: Instrument
    measured_at: str
    """Date in ISO 8601, UTC."""
    method_version: int = METHOD_VERSION
    is_reused: bool = False
    """Read from evidence of an earlier run: its bounds carry the E0 factor."""
    fallback: tuple[tuple[str, int], ...] = ()
    """(operator type, nodes) that ran on another execution provider, most nodes first."""
    ep_device: str = ""
    """The device that the execution provider took, ``GPU by Intel``; empty: it does not tell."""
    executed_by_ep: tuple[tuple[str, int], ...] = ()
    """Short name and number of kernels that ran on it, in a run after those that were timed; nodes
    that were compiled together are one kernel. Empty: it is the CPU, or it was not looked at."""
    parity: Parity | None = None
    """Its outputs against the CPU's; None: it is the CPU, or they were not compared."""

    @property
    def samples_s(self) -> tuple[float, ...]:
        """All samples, process after process."""
        return tuple(sample for run in self.processes for sample in run.samples_s)

    @property
    def peak_memory_bytes(self) -> int | None:
        """The highest peak over the processes; None if no platform told."""
        peaks = [run.peak_memory_bytes for run in self.processes if run.peak_memory_bytes]
        return max(peaks) if peaks else None
