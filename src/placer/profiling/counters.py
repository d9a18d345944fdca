"""Counters of the operating system around a block of runs; each is None where it is missing."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Counters:
    """Readings at one moment, or the differences between two."""

    wall_s: float
    cpu_s: float
    """CPU time of this process, all threads."""
    run_delay_s: float | None
    """Time this process's threads were runnable and had no core."""
    cpu_pressure_s: float | None
    """Time in which some task of the machine had to wait for a core."""
    machine_cpu_s: float | None
    """CPU time of the whole machine, all cores added up, in ticks of 10 ms."""
    stolen_s: float | None
    """CPU time that the hypervisor gave to others."""
    throttled_s: float | None
    """Time in which the cgroup quota stopped this process."""
    involuntary_switches: int | None

    def since(self, start: Counters) -> Counters:
        """Return the differences from ``start`` to this reading."""
        return Counters(
            wall_s=self.wall_s - start.wall_s,
            cpu_s=self.cpu_s - start.cpu_s,
            run_delay_s=_difference(self.run_delay_s, start.run_delay_s),
            cpu_pressure_s=_difference(self.cpu_pressure_s, start.cpu_pressure_s),
            machine_cpu_s=_difference(self.machine_cpu_s, start.machine_cpu_s),
            stolen_s=_difference(self.stolen_s, start.stolen_s),
            throttled_s=_difference(self.throttled_s, start.throttled_s),
            involuntary_switches=None
            if self.involuntary_switches is None or start.involuntary_switches is None
            else self.involuntary_switches - start.involuntary_switches,
        )

    def plus(self, other: Counters) -> Counters:
        """Return the sums of two differences."""
        return Counters(
            wall_s=self.wall_s + other.wall_s,
            cpu_s=self.cpu_s + other.cpu_s,
            run_delay_s=_sum(self.run_delay_s, other.run_delay_s),
            cpu_pressure_s=_sum(self.cpu_pressure_s, other.cpu_pressure_s),
            machine_cpu_s=_sum(self.machine_cpu_s, other.machine_cpu_s),
            stolen_s=_sum(self.stolen_s, other.stolen_s),
            throttled_s=_sum(self.throttled_s, other.throttled_s),
            involuntary_switches=None
            if self.involuntary_switches is None or other.involuntary_switches is None
            else self.involuntary_switches + other.involuntary_switches,
        )


def read_counters() -> Counters:
    """Read all counters now."""
    machine_cpu_s, stolen_s = _machine_cpu_s()
    return Counters(
        wall_s=time.perf_counter_ns() / 1e9,
        cpu_s=time.process_time_ns() / 1e9,
        run_delay_s=_run_delay_s(),
        cpu_pressure_s=_cpu_pressure_s(),
        machine_cpu_s=machine_cpu_s,
        stolen_s=stolen_s,
        throttled_s=_throttled_s(),
        involuntary_switches=_involuntary_switches(),
    )


def peak_memory_bytes() -> int | None:
    """Return the high-water mark of this process's resident memory."""
    for line in _read("/proc/self/status").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def cpu_frequency_hz() -> float | None:
    """Return the mean current clock over the cores; None: the platform does not tell."""
    readings = []
    for path in Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq"):
        text = _read(str(path)).strip()
        if text.isdigit():
            readings.append(int(text) * 1e3)
    return sum(readings) / len(readings) if readings else None


def _run_delay_s() -> float | None:
    # /proc/<pid>/task/<tid>/schedstat: time on a core, time waiting for one (both ns), slices
    total_ns, found = 0, False
    try:
        tasks = os.listdir("/proc/self/task")  # noqa: PTH208 - read before every block, be quick
    except OSError:
        return None
    for task in tasks:
        fields = _read(f"/proc/self/task/{task}/schedstat").split()
        if len(fields) == 3:
            total_ns += int(fields[1])
            found = True
    return total_ns / 1e9 if found else None


def _cpu_pressure_s() -> float | None:
    for line in _read("/proc/pressure/cpu").splitlines():
        if line.startswith("some"):
            return int(line.rsplit("total=", 1)[1]) / 1e6
    return None


def _machine_cpu_s() -> tuple[float | None, float | None]:
    """Return (busy, stolen) CPU time of the machine."""
    # cpu  user nice system idle iowait irq softirq steal guest guest_nice, in clock ticks
    first = _read("/proc/stat").partition("\n")[0].split()
    if len(first) < 9 or first[0] != "cpu":
        return None, None
    user, nice, system, _, _, irq, softirq, steal = map(int, first[1:9])
    tick_hz = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq) / tick_hz, steal / tick_hz


def _throttled_s() -> float | None:
    path = "/sys/fs/cgroup/cpu.stat"
    for line in _read("/proc/self/cgroup").splitlines():
        if line.startswith("0::"):
            path = f"/sys/fs/cgroup/{line[3:].strip().lstrip('/')}/cpu.stat".replace("//", "/")
    for line in _read(path).splitlines():
        if line.startswith("throttled_usec"):
            return int(line.split()[1]) / 1e6
    return None


def _involuntary_switches() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def _read(path: str) -> str:
    try:
        with open(path) as file:  # noqa: PTH123 - read before every block, be quick
            return file.read()
    except OSError:
        return ""


def _difference(end: float | None, start: float | None) -> float | None:
    return None if end is None or start is None else max(0.0, end - start)


def _sum(left: float | None, right: float | None) -> float | None:
    return None if left is None or right is None else left + right
