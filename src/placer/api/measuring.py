"""Measuring on this machine, and what a measurement says about a site."""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, TypeVar

from placer.api import formats
from placer.core.errors import UsageError
from placer.core.graph import ModelSummary
from placer.core.measurement import DEFAULT_TIME_LIMIT_S as DEFAULT_TIME_LIMIT_S
from placer.core.measurement import Measurement, SessionSettings
from placer.core.runtime import options_of, parse_ep, parse_ep_option, split_ep
from placer.core.workload import Workload

if TYPE_CHECKING:
    from placer.core.placement import SiteTime
    from placer.core.rules.rule import Failure
    from placer.files.workload import WorkloadFile
    from placer.profiling.child import Spares
    from placer.profiling.plan import Plan
    from placer.profiling.sampling import Failure as NotMeasured

Say = Callable[[str], None]
Result = TypeVar("Result")
Measuring = Generator["Plan", "tuple[Measurement | NotMeasured, ...]", Result]
"""What yields a plan, is sent what was measured, and returns a result of it."""


def say_nothing(text: str) -> None:
    """Ignore a line of progress."""
    del text


@dataclass(frozen=True, slots=True)
class MeasuringOptions:
    """How to measure on this machine."""

    eps: tuple[str, ...] = ()
    """Short or full names; empty: every local execution provider of the installed runtime."""
    shapes: Mapping[str, tuple[int, ...]] | None = None
    inputs: str | None = None
    """.npz file with real samples."""
    threads: int | None = None
    """Of one inference; None, and nothing said of spinning: try the usual settings."""
    spinning: bool | None = None
    """Whether idle threads spin; None: if there are several."""
    ep_options: tuple[str, ...] = ()
    """``NAME.KEY=VALUE`` each: an option of an execution provider, by its own name."""
    io: str = "host"
    """As ``SessionSettings.io``."""
    search_s: float = 0.0
    """Time to search for the best settings of each execution provider; 0: a brief trial."""
    time_limit_s: float | None = None
    """For each execution provider; None: ``DEFAULT_TIME_LIMIT_S``."""
    fresh: bool = False
    """Measure again even if the cache has a measurement."""
    cache_directory: str | None = None
    """None: no cache."""

    def over(self, file: WorkloadFile) -> MeasuringOptions:
        """Return these options, with what they leave open from a workload file."""
        return replace(
            self,
            eps=self.eps or file.eps,
            shapes=self.shapes or file.shapes,
            inputs=self.inputs or file.inputs,
            threads=file.threads if self.threads is None else self.threads,
            spinning=file.spinning if self.spinning is None else self.spinning,
            ep_options=self.ep_options or file.ep_options,
            search_s=self.search_s or file.search_s or 0.0,
            time_limit_s=file.time_limit_s if self.time_limit_s is None else self.time_limit_s,
        )


def _settings(summary: ModelSummary, options: MeasuringOptions) -> SessionSettings | None:
    """Return the session settings that the options fix; None: try the usual ones."""
    if options.search_s > 0 or (options.threads is None and options.spinning is None):
        return None
    from placer.profiling.machine import usable_cores

    count = usable_cores() if options.threads is None else options.threads
    return formats.settings_of(summary, count, options)


def _provider_options(
    options: MeasuringOptions, eps: tuple[str, ...]
) -> dict[str, tuple[tuple[str, str], ...]]:
    """Return execution provider -> its options.

    Raises
    ------
    UsageError
        Not NAME.KEY=VALUE, or of an execution provider that is not measured.
    """
    parsed = [parse_ep_option(text) for text in options.ep_options]
    for name, key, value in parsed:
        if not any(name in (ep, split_ep(ep)[0]) for ep in eps):
            raise UsageError(
                f"--ep-option {name}.{key}={value}: {name} is not measured, only {', '.join(eps)}",
                hint=f"add --ep {name}, or leave the option out",
            )
    return {ep: options_of(ep, parsed) for ep in eps}


def start_spares(model: str, *, is_wanted: bool) -> Spares:
    """Start the measuring processes ahead: they import the runtime while we import and read."""
    from placer.profiling.child import Spares
    from placer.profiling.plan import PROCESSES

    module = formats.RUNTIME_MODULES[formats.format_of(model)]
    return Spares(module, PROCESSES if is_wanted else 0)


def take_turns(runs: Sequence[Measuring[Result]], spares: Spares, progress: Say) -> list[Result]:
    """Measure what each of the runs asks for, all of them in turns, and return their results.

    A run is a generator that may yield one plan, and gets what was measured.
    """
    results: dict[int, Result] = {}
    plans: dict[int, Plan] = {}
    try:
        for place, run in enumerate(runs):
            try:
                plans[place] = next(run)
            except StopIteration as end:
                results[place] = end.value
        for place, found in zip(
            plans, _measured(tuple(plans.values()), spares, progress), strict=True
        ):
            try:
                runs[place].send(found)
            except StopIteration as end:
                results[place] = end.value
    finally:
        for run in runs:
            run.close()  # an interrupt leaves no temporary files
    return [results[place] for place in range(len(runs))]


def _measured(
    plans: Sequence[Plan], spares: Spares, progress: Say
) -> tuple[tuple[Measurement | NotMeasured, ...], ...]:
    if not plans:
        return ()
    from placer.profiling.machine import describe_machine
    from placer.profiling.sampling import measure_in_turns

    return measure_in_turns(
        plans,
        machine=describe_machine(),
        today=datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        progress=progress,
        spares=spares,
    )


def measure_here(
    summary: ModelSummary,
    workload: Workload,
    options: MeasuringOptions,
    today: datetime.date,
    progress: Say,
    warn: Say,
) -> Measuring[dict[str, Measurement | Failure]]:
    """Return one result per execution provider, from the cache where it answers the question.

    For ``take_turns``: what is to be measured is yielded as a plan.
    """
    from placer.core.rules.rule import Failure
    from placer.files.cache import Cache
    from placer.files.keys import cache_key, environment_key
    from placer.onnx_files.inputs import load_inputs
    from placer.profiling.machine import describe_machine
    from placer.profiling.plan import Plan

    runtime = formats.runtime_of(summary.format)
    inputs = (
        formats.generate_inputs(summary)
        if options.inputs is None
        else load_inputs(options.inputs, summary.inputs)
    )
    eps = tuple(dict.fromkeys(parse_ep(ep) for ep in options.eps)) or runtime.available_eps()
    provider_options = _provider_options(options, eps)
    settings = _settings(summary, options)
    machine = describe_machine()
    version = runtime.runtime_version()
    interval_s = 0.0 if workload.rate_hz is None else 1 / workload.rate_hz
    cache = None if options.cache_directory is None else Cache(options.cache_directory)
    shapes = tuple((spec.name, spec.shape) for spec in summary.inputs)
    keys = {
        ep: cache_key(
            model_sha256=summary.sha256,
            external_data=summary.subjects[1:],
            environment_key=environment_key(
                machine,
                version,
                ep,
                SessionSettings(0, False, provider_options=provider_options[ep], io=options.io),
            ),
            input_shapes=shapes,
            input_source=inputs.source,
            interval_s=interval_s,
            settings=settings,
            searched=(options.search_s, options.threads, options.spinning)
            if options.search_s > 0
            else None,
        )
        for ep in eps
    }
    results: dict[str, Measurement | Failure] = {}
    if cache is not None and not options.fresh:
        for ep in eps:
            cached, problem = cache.get(keys[ep])
            if problem:
                warn(problem)
            if cached is not None and _answers(cached, workload, today):
                progress(f"{ep}: measured before on this machine, reused (--fresh measures again)")
                results[ep] = replace(cached, subjects=summary.subjects)  # the file's name now
    for ep in eps:
        if ep not in results and (why := runtime.why_unavailable(ep)) is not None:
            results[ep] = Failure("unavailable", why)
    missing = tuple(ep for ep in eps if ep not in results)
    if missing:
        with tempfile.TemporaryDirectory(prefix="placer-") as directory:
            inputs_path = str(Path(directory) / "inputs.npz")
            inputs.save(inputs_path)
            plan = Plan(
                model_path=str(Path(summary.path).resolve()),
                subjects=summary.subjects,
                runtime_module=runtime.MODULE,
                eps=missing,
                targets=workload.targets,
                inputs_path=inputs_path,
                dtypes=inputs.dtypes,
                input_shapes=shapes,
                input_source=inputs.source,
                interval_s=interval_s,
                settings=settings,
                time_limit_s=options.time_limit_s or DEFAULT_TIME_LIMIT_S,
                candidates=formats.candidates_of(summary, machine.cores, options),
                provider_options=provider_options,
                io=options.io,
                search_s=options.search_s,
                hints={ep: runtime.precision_hints(ep) for ep in missing}
                if options.search_s > 0 and workload.min_agreement_ratio is not None
                else {},
            )
            measured = yield plan
            measured = tuple(
                _with_parity(
                    result, plan, _compared_on(result, summary, options, plan), progress, warn
                )
                for result in measured
            )
        for ep, result in zip(missing, measured, strict=True):
            if isinstance(result, Measurement):
                results[ep] = result
                if cache is not None:
                    problem = cache.put(keys[ep], result)
                    if problem:
                        warn(problem)
            else:
                results[ep] = Failure(result.kind, result.message)
    return {ep: results[ep] for ep in eps}


def _compared_on(
    result: Measurement | NotMeasured, summary: ModelSummary, options: MeasuringOptions, plan: Plan
) -> str:
    """Return the file of samples for parity: of real ones as many as time allows, 64 at least.

    The few that are timed prove little: 99 % of agreement take 299 samples.
    """
    from placer.onnx_files.inputs import MAX_SAMPLES, load_inputs

    if options.inputs is None or not isinstance(result, Measurement) or result.ep == "cpu":
        return plan.inputs_path
    most = max(MAX_SAMPLES, int(plan.time_limit_s / 4 / median(result.samples_s)))
    path = str(Path(plan.inputs_path).with_name("compared.npz"))
    load_inputs(options.inputs, summary.inputs, most=most).save(path)
    return path


def _with_parity(
    result: Measurement | NotMeasured, plan: Plan, inputs_path: str, progress: Say, warn: Say
) -> Measurement | NotMeasured:
    """Hold the outputs of an execution provider against the CPU's, on the same inputs.

    What ran is looked at as well: a time under a name that no kernel ran under is none.
    """
    from placer.core.parity import parity
    from placer.profiling.child import ChildError
    from placer.profiling.outputs import read_outputs, traced_outputs
    from placer.profiling.sampling import Failure as NotMeasured

    if not isinstance(result, Measurement) or result.ep == "cpu":
        return result
    progress(f"{result.ep}: comparing its outputs with the CPU's")
    where = plan.runtime_module, plan.model_path
    given, limit_s = (inputs_path, plan.dtypes), plan.time_limit_s
    try:
        found, executed = traced_outputs(
            *where,
            result.ep,
            *given,
            time_limit_s=limit_s,
            settings=result.settings,
            is_traced=True,
        )
    except ChildError as error:
        if error.kind not in (
            "hung",
            "uneven",
        ):  # it is not what was timed, or it fails on some samples
            return NotMeasured(result.ep, error.kind, error.message)
        warn(f"{result.ep}: its outputs cannot be compared with the CPU's: {error}")
        return result
    result = replace(result, executed_by_ep=executed)
    try:
        expected = read_outputs(*where, "cpu", *given, time_limit_s=limit_s)
        return replace(result, parity=parity(expected, found))
    except (ChildError, ValueError) as error:
        warn(f"{result.ep}: its outputs cannot be compared with the CPU's: {error}")
        return result


def _answers(cached: Measurement, workload: Workload, today: datetime.date) -> bool:
    """Tell whether a cached measurement settles every target, so that measuring is not needed."""
    from placer.core.estimate import Verdict
    from placer.core.latency import judge_measured

    time = time_of(cached, "", today)
    verdicts = [judge_measured(time, target)[0].verdict for target in workload.targets]
    if cached.instrument.is_disturbed:  # contention only adds time: met stands, nothing else does
        return bool(verdicts) and all(verdict is Verdict.MET for verdict in verdicts)
    return Verdict.UNPROVEN not in verdicts


def time_of(
    measurement: Measurement, source: str, today: datetime.date, *, is_here: bool = True
) -> SiteTime:
    """Return a site's time from a measurement, with the uncertainty of its age.

    Evidence of a site was measured on that very site: its name says so. Evidence of this machine
    counts as of another build where the installed runtime is another version.
    """
    from placer.core.compute import level_of_evidence
    from placer.core.placement import SiteTime
    from placer.core.settings import settings_gain
    from placer.profiling.machine import describe_machine

    gain = settings_gain(measurement)
    is_told = gain and (
        measurement.settings != measurement.screened[0].settings
        or measurement.screened[0].rounds > 1
    )
    tried = f"; {gain}" if is_told else ""
    if not measurement.is_reused:
        return SiteTime(measurement, 1.0, "E0", f"measured here, {measurement.runtime}{tried}")
    is_own = measurement.machine.machine_id == describe_machine().machine_id
    same_runtime = not is_own or formats.is_current(measurement.runtime)
    level, factor_90 = level_of_evidence(
        measurement.measured_at, today, same_machine=True, same_runtime=same_runtime
    )
    where = "measured here before" if is_here else f"evidence {source}"
    return SiteTime(
        measurement,
        factor_90,
        level.value,
        f"{where}, {measurement.runtime}, {measurement.measured_at}, "
        f"times ×/÷ {factor_90:.2f} for reuse{tried}",
        evidence_path=None if is_here else source,
    )
