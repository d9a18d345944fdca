"""Trust in the measurement, from counters that are made up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from placer.core.measurement import Instrument, ScreenedSetting, SessionSettings
from placer.profiling import machine, sampling
from placer.profiling.counters import Counters, peak_memory_bytes, read_counters
from placer.profiling.instrument import drift, judge_instrument
from placer.profiling.quietness import probe_quietness
from tests import builders

QUIET: dict[str, Any] = {
    "wall_s": 10.0,
    "cpu_s": 10.0,
    "run_delay_s": 0.01,
    "cpu_pressure_s": 0.1,
    "machine_cpu_s": 10.2,
    "stolen_s": 0.0,
    "throttled_s": 0.0,
    "involuntary_switches": 5,
}


def _judged(
    segments: list[np.ndarray] | None = None,
    frequencies_hz: tuple[float, ...] = (),
    threads: int = 1,
    others_cores: float | None = 0.05,
    **changes: Any,
) -> Instrument:
    parts = segments or [builders.samples(0.01, runs=300, seed=seed) for seed in range(3)]
    return judge_instrument(
        parts,
        Counters(**{**QUIET, **changes}),
        correlation_runs=0.0,
        frequencies_hz=frequencies_hz,
        others_cores=others_cores,
        threads=threads,
        cores=2,
    )


@pytest.mark.parametrize(("trial_s", "is_told"), [(0.03, False), (0.5, True)])
def test_a_trial_in_a_busy_moment_is_a_doubt_of_the_measurement(
    trial_s: float, is_told: bool
) -> None:
    settings = SessionSettings(1, None)
    series = sampling._Series(
        "cpu",
        settings,
        screened=(ScreenedSetting(settings, 30, trial_s),),
        segments_s=[builders.samples(0.01, runs=300, seed=seed) for seed in range(3)],
        counters=Counters(**QUIET),
        lives_s=10.0,
    )
    told = [one for one in series.instrument().reasons if "the trial of the same settings" in one]
    assert (len(told) == 1) == is_told


def test_quiet_machine_gives_no_reason() -> None:
    assert _judged().reasons == ()
    assert not _judged().is_disturbed


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"run_delay_s": 1.0, "others_cores": 0.2}, "waited for a core 0.10 s per second"),
        ({"run_delay_s": 18.0, "others_cores": 0.2}, "waited for a core 1.80 s per second"),
        ({"others_cores": 1.8}, "used 1.8 of 2 cores"),
        ({"stolen_s": 0.5}, "hypervisor took 5%"),
        ({"throttled_s": 0.3}, "CPU quota stopped us 3%"),
        ({"frequencies_hz": (3e9, 2e9)}, "clock fell to 67%"),
        ({"run_delay_s": None, "involuntary_switches": 900}, "90 times per second"),
    ],
)
def test_each_disturbance_is_named(changes: dict[str, Any], words: str) -> None:
    (reason,) = _judged(**changes).reasons
    assert words in reason


def test_own_threads_that_share_a_core_are_no_contention() -> None:
    assert _judged(run_delay_s=1.0, others_cores=0.01).reasons == ()
    assert _judged(run_delay_s=1.0, others_cores=None).reasons != ()


def test_program_on_another_core_does_not_disturb_one_thread() -> None:
    assert _judged(others_cores=1.0).reasons == ()
    assert _judged(others_cores=1.0, threads=2).reasons != ()


def test_what_the_platform_does_not_tell_is_none() -> None:
    nothing: dict[str, Any] = dict.fromkeys(
        ("run_delay_s", "cpu_pressure_s", "machine_cpu_s", "stolen_s", "throttled_s",
         "involuntary_switches")
    )  # fmt: skip
    judged = _judged(others_cores=None, **nothing)
    assert judged.run_delay_ratio is None
    assert judged.involuntary_switches_per_s is None
    assert judged.reasons == ()


def test_drift_within_processes_counts_and_levels_between_them_do_not() -> None:
    rng = np.random.default_rng(1)
    flat = [0.01 * level * (1 + 0.01 * rng.standard_normal(300)) for level in (1.0, 1.2, 0.9)]
    assert not drift(flat)[1]
    rising = [part * np.linspace(1.0, 1.3, 300) for part in flat]
    change, is_real = drift(rising)
    assert is_real
    assert 0.1 < change < 0.3
    assert any("drifted" in reason for reason in _judged(rising).reasons)
    assert drift([np.full(10, 0.01)]) == (0.0, False)


def test_coarse_clock_is_named() -> None:
    assert any("coarse" in reason for reason in _judged([np.full(300, 5e-9)]).reasons)


def test_counters_add_and_subtract_and_keep_what_is_unknown() -> None:
    first = Counters(**QUIET)
    double = first.plus(first)
    assert double.wall_s == 20.0
    assert double.since(first) == first
    unknown = Counters(**{**QUIET, "run_delay_s": None, "involuntary_switches": None})
    assert first.plus(unknown).run_delay_s is None
    assert first.since(unknown).involuntary_switches is None


def test_real_counters_advance() -> None:
    start = read_counters()
    sum(range(200_000))
    seen = read_counters().since(start)
    assert seen.wall_s > 0
    assert seen.cpu_s >= 0
    peak = peak_memory_bytes()
    assert peak is None or peak > 10**6


def test_this_machine_is_described_without_its_name() -> None:
    described = machine.describe_machine()
    assert described.cores >= 1
    assert described.cpu
    assert len(described.machine_id) == 16
    assert machine.describe_machine() == described


def test_cpu_quota_limits_the_cores(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    assert machine.cpu_quota_cores() is None
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    (tmp_path / "memory.max").write_text("1000000\n")
    assert machine.cpu_quota_cores() == 1.5
    assert machine.usable_cores() == 1
    assert machine.usable_memory_bytes() == 1_000_000
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert machine.cpu_quota_cores() is None


def test_cpu_quota_of_the_old_cgroups_is_read(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text("-1")
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000")
    assert machine.cpu_quota_cores() is None
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text("50000")
    assert machine.cpu_quota_cores() == 0.5
    assert machine.usable_cores() == 1


def test_quietness_is_probed() -> None:
    seen = probe_quietness(0.05)
    assert seen.longest_gap_s > 0
    assert isinstance(seen.is_quiet, bool)
