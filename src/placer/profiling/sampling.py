"""Measuring execution providers of this machine until the question is answered.

Three or more fresh processes share the runs of each execution provider; several execution
providers, and variants of a model, take turns, process by process, so that drift hits all alike;
one child is alive at a
time, because spinning sessions disturb each other.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from placer.core.estimate import Verdict
from placer.core.measurement import (
    Instrument,
    Machine,
    Measurement,
    ProcessRun,
    ScreenedSetting,
    SessionSettings,
    slow_trial,
)
from placer.core.sequential import (
    SeriesVerdict,
    correlation_runs,
    judge,
    median_settled,
    planned_runs,
)
from placer.core.units import format_duration
from placer.core.workload import LatencyTarget
from placer.profiling.child import GRACE_S, ChildError, Spares
from placer.profiling.counters import Counters
from placer.profiling.instrument import judge_instrument
from placer.profiling.plan import MAX_GAP_S, Plan
from placer.profiling.settings import choose_settings, open_session

MIN_RUNS_PER_PROCESS = 20
SHARE_WIDTH_RATIO = 0.035
"""Width of the interval of one process's median: with three, 0.02 for all (0.02 x sqrt(3))."""
BLOCK_S = 2.0
"""How long a block of runs lasts between two looks at the series, but for 20 runs at least."""
SHORTEST_LIMIT_S = 0.2
"""A block that takes longer than this and twice what was expected is cut off."""
MIN_SAMPLING_S = 0.03
"""A process samples at least this long, unless the target is violated."""
MAX_RUNS = 200_000


@dataclass(frozen=True, slots=True)
class Failure:
    """An execution provider that could not be measured."""

    ep: str
    kind: str
    """As ``ChildError.kind``."""
    message: str


@dataclass(slots=True)
class _Series:
    """What has been measured of one execution provider so far."""

    ep: str
    settings: SessionSettings
    screened: tuple[ScreenedSetting, ...] = ()
    trial_reasons: tuple[str, ...] = ()
    """Why the trial of settings may have chosen a wrong one, as far as it told itself."""
    segments_s: list[np.ndarray] = field(default_factory=list)
    processes: list[ProcessRun] = field(default_factory=list)
    counters: Counters | None = None
    """Over the blocks of runs."""
    others_cpu_s: float | None = 0.0
    """CPU time of other programs over the lives of the measuring processes."""
    lives_s: float = 0.0
    frequencies_hz: list[float] = field(default_factory=list)
    runtime: str = ""
    ep_device: str = ""
    nodes_by_ep: tuple[tuple[str, int], ...] = ()
    fallback: tuple[tuple[str, int], ...] = ()
    gap_s: float = 0.0
    spent_s: float = 0.0

    def add_block(self, answer: dict[str, Any]) -> None:
        counters = Counters(**answer["counters"])
        self.counters = counters if self.counters is None else self.counters.plus(counters)
        if answer["frequency_hz"] is not None:
            self.frequencies_hz.append(answer["frequency_hz"])

    def add_life(self, life: Counters, own_cpu_s: float) -> None:
        """Count what other programs used while a measuring process and this one lived."""
        self.lives_s += life.wall_s
        if life.machine_cpu_s is None or self.others_cpu_s is None:
            self.others_cpu_s = None
        else:
            self.others_cpu_s += max(0.0, life.machine_cpu_s - life.cpu_s - own_cpu_s)

    def restarted(self) -> _Series:
        return _Series(
            ep=self.ep,
            settings=self.settings,
            screened=self.screened,
            trial_reasons=self.trial_reasons,
            spent_s=self.spent_s,
        )

    def instrument(self) -> Instrument:
        assert self.counters is not None
        found = judge_instrument(
            self.segments_s,
            self.counters,
            correlation_runs=correlation_runs(self.segments_s),
            frequencies_hz=self.frequencies_hz,
            others_cores=self.others_cores,
            threads=self.settings.intra_op_threads,
            cores=os.cpu_count() or 1,
        )
        return replace(found, reasons=(*found.reasons, *self.doubts_of_trial()))

    def doubts_of_trial(self) -> tuple[str, ...]:
        """Return why the trial of settings may have chosen a wrong one."""
        median_s = float(np.median(np.concatenate(self.segments_s)))
        slow = slow_trial(self.screened, self.settings, median_s)
        if slow is None:
            return self.trial_reasons
        told = (
            f"the trial of the same settings took {format_duration(slow.median_s)}, the runs after "
            f"it {format_duration(median_s)}"
        )
        return (*self.trial_reasons, told)

    @property
    def others_cores(self) -> float | None:
        """Cores that other programs used while the measuring processes lived."""
        return None if self.others_cpu_s is None else self.others_cpu_s / max(self.lives_s, 1e-9)


Progress = Callable[[str], None]


def measure(
    plan: Plan,
    *,
    machine: Machine,
    today: str,
    progress: Progress = lambda text: None,
    spares: Spares | None = None,
) -> tuple[Measurement | Failure, ...]:
    """Measure each execution provider of one plan: see ``measure_in_turns``."""
    (results,) = measure_in_turns(
        (plan,), machine=machine, today=today, progress=progress, spares=spares
    )
    return results


def measure_in_turns(
    plans: Sequence[Plan],
    *,
    machine: Machine,
    today: str,
    progress: Progress = lambda text: None,
    spares: Spares | None = None,
) -> tuple[tuple[Measurement | Failure, ...], ...]:
    """Measure each execution provider of each plan; a failing one does not stop the others.

    All take turns, process by process, so that a machine that drifts drifts for all alike: the
    plans of a model and its variants, for instance.

    Parameters
    ----------
    plans
        Of one runtime.
    spares
        Processes that were started ahead; None: none were.

    Returns
    -------
    For each plan one result per execution provider, in its order. Runs end when every target is
    settled, the median is known within 2 % (no target), or the time limit is reached.
    """
    results: dict[tuple[int, str], Measurement | Failure] = {}
    active: dict[tuple[int, str], _Series] = {}
    spares = spares or Spares(plans[0].runtime_module, 0)
    told = [progress] if len(plans) == 1 else [_prefixed(plan, progress) for plan in plans]
    _prepare_judging()
    spares.settle()
    for place, plan in enumerate(plans):
        for ep in plan.eps:
            try:
                choice = choose_settings(plan, ep, machine.cores, spares, told[place])
                active[place, ep] = _Series(
                    ep, choice.settings, choice.tried, choice.reasons, spent_s=choice.spent_s
                )
            except ChildError as error:
                results[place, ep] = Failure(ep, error.kind, error.message)
    for turn in range(max(plan.processes for plan in plans)):
        for place, ep in list(active):
            if turn >= plans[place].processes:
                continue
            try:
                _run_process(plans[place], active[place, ep], turn, spares, told[place])
            except ChildError as error:
                results[place, ep] = Failure(ep, error.kind, error.message)
                del active[place, ep]
    for (place, ep), series in active.items():
        try:
            kept = _retry_if_disturbed(plans[place], series, spares, told[place])
        except ChildError as error:
            results[place, ep] = Failure(ep, error.kind, error.message)
            continue
        results[place, ep] = _to_measurement(plans[place], kept, machine, today)
    return tuple(tuple(results[place, ep] for ep in plan.eps) for place, plan in enumerate(plans))


def _prefixed(plan: Plan, progress: Progress) -> Progress:
    """Return a progress that names the model, where several are measured."""
    name = Path(plan.model_path).stem
    return lambda text: progress(f"{name}, {text}")


def _prepare_judging() -> None:
    """Import what judging needs before the clock runs, not between two processes."""
    judge([np.ones(MIN_RUNS_PER_PROCESS)], LatencyTarget(0.99, 2.0))


def _run_process(
    plan: Plan, series: _Series, turn: int, spares: Spares, progress: Progress
) -> None:
    start_ns, start_cpu_ns = time.perf_counter_ns(), time.process_time_ns()

    def elapsed_s() -> float:
        return (time.perf_counter_ns() - start_ns) / 1e9

    budget_s = (plan.time_limit_s - series.spent_s) / (plan.processes - turn)
    is_last = turn == plan.processes - 1
    share_runs = max(MIN_RUNS_PER_PROCESS, -(-_planned(plan) // plan.processes))
    with spares.take() as child:
        progress(_progress_text(plan, series, "creating the session"))
        opened = open_session(child, plan, series.ep, series.settings)
        series.runtime = opened["runtime"]
        series.ep_device = opened["device"]
        series.nodes_by_ep = tuple((name, count) for name, count in opened["nodes_by_ep"])
        series.fallback = tuple((name, count) for name, count in opened["fallback"])
        gap_s = min(MAX_GAP_S, max(0.0, plan.interval_s - opened["first_inference_s"]))
        warm = child.ask(
            "warm_up",
            gap_s=gap_s,
            limit_s=max(0.1, min(0.3 * budget_s, budget_s - elapsed_s())),
            deadline_s=plan.time_limit_s + GRACE_S,
        )
        run_s = warm["median_s"]
        gap_s = min(MAX_GAP_S, max(0.0, plan.interval_s - run_s))
        series.gap_s = gap_s
        samples_s = np.empty(0)
        peak_memory = None
        earlier = list(series.segments_s)
        series.segments_s.append(samples_s)
        while True:
            left_s = budget_s - elapsed_s()
            # blocks grow, so that a hopeless model is given up early; after its first the runs of
            # a fast one come in one block, which shows more of the machine
            beat_s = max(run_s + gap_s, 1e-6)
            wanted = min(len(samples_s), max(MIN_RUNS_PER_PROCESS, int(BLOCK_S / beat_s)))
            short_runs = share_runs - len(samples_s)
            if is_last and short_runs <= 0:  # from here on each look may end it
                taken = sum(map(len, series.segments_s))
                wanted = min(wanted, max(MIN_RUNS_PER_PROCESS, taken // 20))
            else:
                wanted = min(wanted, short_runs)
            least = int(MIN_SAMPLING_S / beat_s) if len(samples_s) else MIN_RUNS_PER_PROCESS
            wanted = max(wanted, least, MIN_RUNS_PER_PROCESS - len(samples_s), 1)
            answer = child.ask(
                "sample",
                runs=wanted,
                gap_s=gap_s,
                limit_s=max(min(left_s, max(SHORTEST_LIMIT_S, 2 * wanted * beat_s)), 1e-3),
                deadline_s=max(left_s, 0.0) + 100 * run_s + GRACE_S,
            )
            samples_s = np.append(samples_s, np.asarray(answer["samples_ns"]) / 1e9)
            peak_memory = answer["peak_memory_bytes"]
            series.segments_s = [*earlier, samples_s]
            series.add_block(answer)
            progress(_progress_text(plan, series, None))
            if elapsed_s() >= budget_s or sum(map(len, series.segments_s)) >= MAX_RUNS:
                break
            if len(samples_s) < MIN_RUNS_PER_PROCESS:
                continue
            is_brief = float(samples_s.sum()) + gap_s * len(samples_s) < MIN_SAMPLING_S
            if not is_last and not is_brief and len(samples_s) >= share_runs:
                # without a target each process goes on until its own median is known
                if plan.targets or median_settled([samples_s], SHARE_WIDTH_RATIO):
                    break
                continue
            if _is_settled(plan, series, only_violated=is_brief or not is_last):
                break
    series.add_life(
        Counters(**answer["life"]), own_cpu_s=(time.process_time_ns() - start_cpu_ns) / 1e9
    )
    series.processes.append(
        ProcessRun(
            samples_s=tuple(samples_s.tolist()),
            session_creation_s=opened["session_creation_s"],
            first_inference_s=opened["first_inference_s"],
            warmup_runs=warm["runs"],
            is_steady=warm["is_steady"],
            peak_memory_bytes=peak_memory,
            runtime_memory_bytes=opened["runtime_memory_bytes"],
        )
    )
    series.spent_s += elapsed_s()


def _planned(plan: Plan) -> int:
    """Return the runs that settle the most demanding target if none of them is slow."""
    needed = [planned_runs(target.percentile) for target in plan.targets]
    return max([plan.min_runs, plan.processes * MIN_RUNS_PER_PROCESS, *needed])


def _judge_all(plan: Plan, series: _Series) -> list[SeriesVerdict]:
    return [judge(series.segments_s, target) for target in plan.targets]


def _is_settled(plan: Plan, series: _Series, *, only_violated: bool) -> bool:
    """Tell whether more runs would change nothing.

    A series that looks violated while others hold the cores is settled too: more runs under
    contention cannot prove it, so the caller tries again later.
    """
    if sum(map(len, series.segments_s)) < plan.min_runs:
        return False
    if not plan.targets:
        return not only_violated and median_settled(series.segments_s)
    verdicts = [verdict.verdict for verdict in _judge_all(plan, series)]
    if only_violated:
        return Verdict.VIOLATED in verdicts
    return Verdict.VIOLATED in verdicts or Verdict.UNPROVEN not in verdicts


def _retry_if_disturbed(plan: Plan, series: _Series, spares: Spares, progress: Progress) -> _Series:
    """Measure once more where contention spoilt the answer and time is left."""
    if not set(series.instrument().reasons).difference(series.doubts_of_trial()):
        return series
    met = all(verdict.verdict is Verdict.MET for verdict in _judge_all(plan, series))
    if met and plan.targets:
        return series  # contention only adds time: the claim stands
    if plan.time_limit_s - series.spent_s < 0.3 * plan.time_limit_s:
        return series
    progress(f"{series.ep}: disturbed, measuring again")
    again = series.restarted()
    for turn in range(plan.processes):
        _run_process(plan, again, turn, spares, progress)
    return min(
        (series, again),
        key=lambda one: (one.instrument().is_disturbed, one.instrument().run_delay_ratio or 0.0),
    )


def _progress_text(plan: Plan, series: _Series, doing: str | None) -> str:
    runs = sum(map(len, series.segments_s))
    left_s = max(0.0, plan.time_limit_s - series.spent_s)
    if doing is None:
        last = series.segments_s[-1]
        doing = f"{runs} runs, median {format_duration(float(np.median(last)))}"
    process = len(series.processes) + 1
    return (
        f"{series.ep}: {doing} (process {process} of {plan.processes}, "
        f"{series.settings.label}; at most {left_s:.0f} s)"
    )


def _to_measurement(plan: Plan, series: _Series, machine: Machine, today: str) -> Measurement:
    return Measurement(
        subjects=plan.subjects,
        machine=machine,
        runtime=series.runtime,
        ep=series.ep,
        nodes_by_ep=series.nodes_by_ep,
        fallback=series.fallback,
        ep_device=series.ep_device,
        settings=series.settings,
        screened=series.screened,
        input_shapes=plan.input_shapes,
        input_source=plan.input_source,
        gap_s=series.gap_s,
        processes=tuple(series.processes),
        instrument=series.instrument(),
        measured_at=today,
    )
