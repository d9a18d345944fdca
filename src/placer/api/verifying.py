"""Running what was recommended, and its rivals, for real."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from placer.api import formats
from placer.api.measuring import (
    Measuring,
    MeasuringOptions,
    Say,
    measure_here,
    say_nothing,
    start_spares,
    take_turns,
)
from placer.api.verifying_file import read_model, read_saved
from placer.api.verifying_runs import (
    Question,
    VerifyingOptions,
    cloud_site,
    not_here,
    queued,
    run_cloud,
    run_split,
    site_name,
)
from placer.core.errors import InputError, MeasuringError, PlacerError, UsageError, near_match
from placer.core.estimate import Candidate, Placement, Recommendation, Site
from placer.core.measurement import Measurement
from placer.core.sequential import planned_runs
from placer.core.verification import NotRun, Run, Verification
from placer.core.verification import verify as held
from placer.core.workload import Workload

if TYPE_CHECKING:
    from placer.core.rules.rule import Failure
    from placer.probing.dialing import Access
    from placer.probing.targets import Target
    from placer.profiling.plan import Plan


@dataclass(frozen=True, slots=True)
class Verified:
    """What ``verify`` returns."""

    verification: Verification
    failure: PlacerError | None
    """What a server did wrong, or why the chosen placement could not be run; None: nothing."""


def verify(
    recommendation: str,
    *,
    options: VerifyingOptions | None = None,
    access: Access | None = None,
    progress: Say = say_nothing,
    warn: Say = say_nothing,
) -> Verified:
    """Run every placement of a saved recommendation that can run, and compare.

    Parameters
    ----------
    recommendation
        Path of what ``placer recommend --save`` wrote.
    access
        How servers are reached; None: the usual.

    Raises
    ------
    UsageError
        Bad options.
    InputError
        No recommendation, or another model than it was.
    """
    from placer.probing.dialing import Access as Reached

    options = options or VerifyingOptions()
    answer = read_saved(recommendation)
    summary = read_model(answer, options.model, recommendation)
    if options.is_here and (wrong := _misfit(answer)):
        warn(wrong)
    servers = _servers(answer, options)
    question = Question(
        answer,
        summary,
        options,
        access or Reached(),
        servers,
        _runs_for(answer),
        recommendation,
        progress,
        warn,
    )
    runs: dict[str, Run | NotRun] = {}
    failures: list[PlacerError] = []
    local: list[tuple[Candidate, Measuring[dict[str, Measurement | Failure]]]] = []
    for candidate in answer.candidates:
        match candidate.placement:
            case Placement.EDGE:
                measuring = _measuring_edge(candidate, question)
                if isinstance(measuring, NotRun):
                    runs[candidate.id] = measuring
                else:
                    local.append((candidate, measuring))
            case Placement.CLOUD:
                runs[candidate.id] = _tried(run_cloud, candidate, question, failures)
            case Placement.SPLIT:
                runs[candidate.id] = _tried(run_split, candidate, question, failures)
            case _:
                parts = " and ".join(_parts_of(candidate, answer))
                runs[candidate.id] = NotRun(f"it is a mixture: its parts run by themselves{parts}")
    runs |= _edges(local, question)
    verification = held(
        answer,
        [runs[candidate.id] for candidate in answer.candidates],
        recommendation=recommendation,
        model=summary.path,
    )
    chosen = None if answer.decision.candidate is None else runs[answer.decision.candidate]
    if isinstance(chosen, NotRun) and chosen.is_failure:
        failures.append(
            MeasuringError(
                f"{answer.decision.candidate} could not be run: {chosen.reason}",
                hint="run it where it was recommended, or recommend again",
            )
        )
    return Verified(verification, next(iter(failures), None))


def _misfit(answer: Recommendation) -> str:
    """Say why this machine cannot be the device of a recommendation; empty: it may be."""
    from placer.api.evidence import misfit_here

    sites = (site for one in answer.candidates for site in one.sites if site.tier == 0)
    device = next(sites, None)
    return "" if device is None else misfit_here(device.name)


def _tried(
    run: Callable[[Candidate, Question], Run | NotRun],
    candidate: Candidate,
    question: Question,
    failures: list[PlacerError],
) -> Run | NotRun:
    """Run a candidate; where its server or its parts are wrong, go on with the others."""
    try:
        return run(candidate, question)
    except (InputError, MeasuringError) as error:
        question.progress(error.message)
        failures.append(error)
        return NotRun(error.message, is_failure=True)


def _runs_for(answer: Recommendation) -> int:
    """Return the runs that bound every target on both sides; without any, the median alone."""
    return max((planned_runs(target.percentile) for target in answer.targets), default=0)


def _servers(answer: Recommendation, options: VerifyingOptions) -> dict[str, Target]:
    """Return cloud site -> server. Raises UsageError where it is not clear which is which."""
    sites: dict[str, Site] = {}
    for candidate in answer.candidates:
        site = cloud_site(candidate)
        if site is not None:
            sites[site_name(site)] = site
    chosen = next((one for one in answer.candidates if one.id == answer.decision.candidate), None)
    chosen_site = None if chosen is None else cloud_site(chosen)
    found: dict[str, Target] = {}
    for name, target in options.endpoints:
        known = [one for one, site in sites.items() if name in (one, site.name)]
        if name is not None and len(known) != 1:
            many = "is one of several regions" if known else "is no cloud of the recommendation"
            raise UsageError(
                f"--endpoint {name}=...: {name} {many}{near_match(name, sites)}",
                hint=f"it has: {', '.join(sites) or 'none'}",
            )
        if name is None:
            if chosen_site is not None:
                known = [site_name(chosen_site)]
            elif len(sites) == 1:
                known = list(sites)
            else:
                has = f"several clouds: {', '.join(sites)}" if sites else "no cloud"
                raise UsageError(
                    f"--endpoint {target.url}: the recommendation has {has}",
                    hint=f"say which it is: --endpoint {next(iter(sites))}={target.url}"
                    if sites
                    else "leave it out",
                )
        if known[0] in found:
            raise UsageError(f"--endpoint names two servers for {known[0]}", hint="give one")
        found[known[0]] = target
    return found


def _parts_of(candidate: Candidate, answer: Recommendation) -> list[str]:
    """Return the candidates that are the parts of a mixture, for a sentence.

    The variant of a cascade is what the device runs.
    """
    wanted = [
        (site.name, site.ep, site.region, candidate.variant if site.tier == 0 else None)
        for site in candidate.sites
    ]
    alone = {
        (one.sites[0].name, one.sites[0].ep, one.sites[0].region, one.variant): one.id
        for one in answer.candidates
        if len(one.sites) == 1
    }
    parts = [alone[key] for key in wanted if key in alone]
    return [f", {' and '.join(parts)}"] if parts else []


def _measuring_edge(
    candidate: Candidate, question: Question
) -> Measuring[dict[str, Measurement | Failure]] | NotRun:
    """Return what measures a candidate here, as it was recommended, or why nothing does."""
    from placer.files.specs import NO_EP

    options, answer = question.options, question.answer
    refused = not_here(candidate, options)
    if refused is not None:
        return refused
    if candidate.sites[0].ep == NO_EP:
        return NotRun("no execution provider that placer times runs it")
    summary = question.summary
    if candidate.variant is not None:
        shapes = {one.name: one.shape for one in answer.model.inputs}
        try:
            summary = formats.read_model(candidate.variant, shapes=shapes)
        except (InputError, UsageError) as error:
            return NotRun(error.message, is_failure=True)
        told = next((one for one in answer.variants if one.path == candidate.variant), None)
        if told is not None and told.n_bytes != summary.n_bytes:
            return NotRun(
                f"{candidate.variant} is another file than it was: {summary.n_bytes:,} bytes, not "
                f"{told.n_bytes:,}; recommend again",
                is_failure=True,
            )
    measuring = replace(
        _as_recommended(candidate.sites[0]),
        inputs=options.inputs,
        time_limit_s=options.time_limit_s,
        fresh=True,
    )
    return _with_runs(
        measure_here(
            *(summary, Workload(rate_hz=options.rate_hz), measuring, _today()),
            *(question.progress, question.warn),
        ),
        question.runs,
    )


def _as_recommended(site: Site) -> MeasuringOptions:
    """Return the execution provider and the settings of a site; what it leaves open is tried."""
    from placer.core.runtime import split_ep
    from placer.core.settings import settings_of_label

    ep = site.ep or "cpu"
    settings = None if site.options is None else settings_of_label(site.options)
    if settings is None:
        return MeasuringOptions(eps=(ep,))
    return MeasuringOptions(
        eps=(ep,),
        threads=settings.intra_op_threads,
        spinning=settings.allow_spinning,
        ep_options=tuple(
            f"{split_ep(ep)[0]}.{key}={value}" for key, value in settings.provider_options
        ),
        io=settings.io,
    )


def _with_runs(
    measuring: Measuring[dict[str, Measurement | Failure]], runs: int
) -> Measuring[dict[str, Measurement | Failure]]:
    """Measure the same, with at least so many runs."""
    try:
        plan: Plan = next(measuring)
        found = yield replace(plan, min_runs=max(runs, plan.min_runs))
        measuring.send(found)
    except StopIteration as end:
        result: dict[str, Measurement | Failure] = end.value
        return result
    finally:
        measuring.close()
    raise AssertionError("a run yields one plan")


def _edges(
    local: Sequence[tuple[Candidate, Measuring[dict[str, Measurement | Failure]]]],
    question: Question,
) -> dict[str, Run | NotRun]:
    """Measure what runs here, all in turns."""
    if not local:
        return {}
    with start_spares(question.summary.path, is_wanted=True) as spares:
        results = take_turns([one for _, one in local], spares, question.progress)
    found: dict[str, Run | NotRun] = {}
    for (candidate, _), by_ep in zip(local, results, strict=True):
        ((ep, result),) = by_ep.items()
        if isinstance(result, Measurement):
            found[candidate.id] = Run(
                where=f"{ep} here, {result.settings.label}",
                segments_s=tuple(np.asarray(one.samples_s) for one in result.processes),
                disturbed=result.instrument.reasons,
                not_compared=queued(candidate),
            )
        else:
            found[candidate.id] = NotRun(f"{ep}: {result.message}", is_failure=True)
    return found


def _today() -> datetime.date:
    return datetime.datetime.now(tz=datetime.UTC).date()
