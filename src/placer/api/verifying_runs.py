"""How one placement of a recommendation is run: against a server, or cut in two."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from placer.api import formats
from placer.api.measuring import DEFAULT_TIME_LIMIT_S, Say
from placer.api.verifying_answers import NOT_COMPARABLE, answer_here, told_answer
from placer.api.verifying_file import not_of_model
from placer.core.errors import UsageError
from placer.core.estimate import Candidate, Recommendation, Site, StageKind
from placer.core.graph import ModelSummary
from placer.core.sequential import correlation_runs, median_settled, quantile
from placer.core.verification import MeasuredStage, NotRun, Run

if TYPE_CHECKING:
    from placer.core.split import CutFacts
    from placer.onnx_files.inputs import Inputs
    from placer.probing.dialing import Access
    from placer.probing.targets import Target

NO_ENDPOINT = "no server to run it on is named: --endpoint URL"
VARIANT_THERE = "it is a variant on a server: recommend its file by itself, and verify that"
WITHOUT_NETWORK = "the tail ran here, without the network"
LEAST_CALLS = 30
"""Before a series of calls ends because its median is known."""


MEDIAN_CALLS = 5
"""They bound a median, and are made where they end within twice the time."""


@dataclass(frozen=True, slots=True)
class VerifyingOptions:
    """How a recommendation is run."""

    model: str | None = None
    """Where the model is now; None: where the recommendation says."""
    inputs: str | None = None
    """.npz file with real samples."""
    is_here: bool = False
    """This machine is the device of the recommendation, whatever its name is there."""
    rate_hz: float | None = None
    """Of the requests; None: one right after the other."""
    time_limit_s: float = DEFAULT_TIME_LIMIT_S
    """For each candidate."""
    endpoints: tuple[tuple[str | None, Target], ...] = ()
    """(cloud site, server); None: the only cloud site, or the chosen one's."""
    endpoint_model: str | None = None
    """As the servers call the model; None: the stem of its file."""
    tail_model: str | None = None
    """As they call the tail of a split; None: they have none."""
    is_tail_local: bool = False
    """Run the tail of a split here, in a process of its own."""
    encoding: str = "binary"
    """Of tensors over HTTP."""
    max_bytes: int = 200_000_000
    """Moved at most to and from a server for each candidate."""


@dataclass(frozen=True, slots=True)
class Question:
    """All that the runs need to know."""

    answer: Recommendation
    summary: ModelSummary
    options: VerifyingOptions
    access: Access
    servers: Mapping[str, Target]
    """Cloud site -> server."""
    runs: int
    """Least number of them that bound the highest percentile to be judged."""
    where: str
    """Path of the answer."""
    progress: Say
    warn: Say


def cloud_site(candidate: Candidate) -> Site | None:
    """Return the site in the cloud; None: it has none."""
    return next((site for site in candidate.sites if site.tier > 0), None)


def site_name(site: Site) -> str:
    """Return what a cloud site is called: ``OFFER@REGION``."""
    return site.name if site.region is None else f"{site.name}@{site.region}"


def not_here(candidate: Candidate, options: VerifyingOptions) -> NotRun | None:
    """Say why what runs on the device does not run here; None: it does."""
    from placer.api.sites import device_here

    site, here = candidate.sites[0], device_here()
    if options.is_here or (site.name, site.device) == (here.name, here.title):
        return None
    if site.name == here.name:
        return NotRun(f"it was measured on another machine ({site.device}): verify it there")
    return NotRun(f"it runs on {site.name}: verify it there, with --here")


def queued(candidate: Candidate) -> str:
    """Say why times of single requests are not those of the prediction; empty: they are."""
    waits = [one for one in candidate.stages if one.kind is StageKind.QUEUE and one.p99_s > 0]
    return (
        "the prediction has waiting behind other requests, and here they come one at a time"
        if waits
        else ""
    )


def _samples(question: Question) -> Inputs:
    from placer.onnx_files.inputs import load_inputs

    summary, path = question.summary, question.options.inputs
    if path is None:
        return formats.generate_inputs(summary)
    return load_inputs(path, summary.inputs, most=1)


def run_cloud(candidate: Candidate, question: Question) -> Run | NotRun:
    """Ask a server for real."""
    from placer.probing.calls import calling, told_bytes
    from placer.profiling.child import ChildError

    site, options = cloud_site(candidate), question.options
    target = None if site is None else question.servers.get(site_name(site))
    if target is None:
        return NotRun(NO_ENDPOINT)
    if candidate.variant is not None:
        return NotRun(VARIANT_THERE)
    samples = _samples(question)
    arrays = {name: array[0, ...] for name, array in samples.samples.items()}
    model = options.endpoint_model or Path(question.summary.path).stem
    question.progress(f"{candidate.id}: running the model here, for what it has to answer")
    try:
        expected = answer_here(question.summary.path, samples, limit_s=answer_limit_s(options))
    except ChildError as error:
        return NotRun(f"{NOT_COMPARABLE}: {error.message}", is_failure=True)
    with calling(
        target,
        question.access,
        model,
        question.summary.inputs,
        arrays,
        expected,
        encoding=options.encoding,
        max_bytes=options.max_bytes,
        limit_s=_whole_limit_s(options),
    ) as calls:
        question.progress(f"{candidate.id}: {calls.what}")
        timed = _in_turns([calls.call], calls.may_go_on, question)
    note = told_bytes(candidate.bytes_up, calls.body_bytes[0])
    return Run(
        where=f"{target.url}, {model}",
        segments_s=(timed.total_s,),
        disturbed=timed.disturbed,
        notes=tuple(filter(None, (told_answer(expected, calls), note))),
        not_compared=queued(candidate),
    )


def answer_limit_s(options: VerifyingOptions) -> float:
    """Return when a model that runs once is given up, which no time of the calls is."""
    return max(options.time_limit_s, DEFAULT_TIME_LIMIT_S)


def _whole_limit_s(options: VerifyingOptions) -> float:
    """Return when a server is given up: it is greeted and asked before the time of the calls."""
    return 2 * options.time_limit_s + 10


@dataclass(frozen=True, slots=True)
class _Timed:
    """Stages that were run one after the other, again and again."""

    stages_s: tuple[npt.NDArray[np.float64], ...]
    """Of each stage the time in every round."""
    disturbed: tuple[str, ...]

    @property
    def total_s(self) -> npt.NDArray[np.float64]:
        """Times of the rounds."""
        return np.asarray(np.sum(self.stages_s, axis=0))


def _in_turns(
    stages: Sequence[Callable[[], float]], may_go_on: Callable[[], bool], question: Question
) -> _Timed:
    """Run the stages one after the other until enough is known or the time is over."""
    from placer.profiling.counters import read_counters
    from placer.profiling.instrument import judge_instrument

    options = question.options
    interval_s = 0.0 if options.rate_hz is None else 1 / options.rate_hz
    start, until_s = read_counters(), time.monotonic() + options.time_limit_s
    times_s: list[list[float]] = [[] for _ in stages]
    while True:
        began_s = time.monotonic()
        for stage, series in zip(stages, times_s, strict=True):
            series.append(stage())
        count, now_s = len(times_s[0]), time.monotonic()
        is_bounded = count >= MEDIAN_CALLS or 2 * now_s - began_s > until_s + options.time_limit_s
        if (now_s >= until_s and is_bounded) or not may_go_on():
            break
        is_enough = count >= max(LEAST_CALLS, question.runs) and count % 10 == 0
        if is_enough and median_settled([np.sum(times_s, axis=0)]):
            break
        time.sleep(max(0.0, min(until_s - now_s, interval_s - (now_s - began_s))))
    found = tuple(np.asarray(series) for series in times_s)
    total_s = [np.asarray(np.sum(found, axis=0))]
    instrument = judge_instrument(
        total_s,
        read_counters().since(start),
        correlation_runs=correlation_runs(total_s),
        frequencies_hz=(),
        others_cores=None,
        threads=1,
        cores=os.cpu_count() or 1,
    )
    return _Timed(found, instrument.reasons)


def run_split(candidate: Candidate, question: Question) -> Run | NotRun:
    """Cut the model, run its head here and its tail where it was said to run."""
    from placer.profiling.child import ChildError

    options = question.options
    site = cloud_site(candidate)
    target = None if site is None else question.servers.get(site_name(site))
    refused = not_here(candidate, options)
    if refused is not None:
        return refused
    cut = candidate.cut
    if cut is None:
        return NotRun("the recommendation does not say where it is cut", is_failure=True)
    if not options.is_tail_local and target is None:
        return NotRun(f"{NO_ENDPOINT} with --tail-model NAME, or --local-tail")
    if not options.is_tail_local and options.tail_model is None:
        return NotRun("the server is not said to have the tail: --tail-model NAME")
    try:
        with ExitStack() as stack:
            return _split_run(candidate, cut, target, question, stack)
    except ChildError as error:
        return NotRun(error.message, is_failure=True)


def _split_run(
    candidate: Candidate,
    cut: CutFacts,
    target: Target | None,
    question: Question,
    stack: ExitStack,
) -> Run | NotRun:
    from placer.api.split_candidates import named_cut
    from placer.api.split_export import sent_over_wire, taken_by_tail
    from placer.api.splitting import comparing, open_to_split, write_split
    from placer.onnx_files.inputs import Inputs
    from placer.onnx_files.wire_inputs import take_from_wire
    from placer.probing.calls import calling, told_bytes
    from placer.profiling.child import Child
    from placer.profiling.outputs import outputs_from
    from placer.runtimes import onnxruntime

    options = question.options
    shapes = {one.name: one.shape for one in question.answer.model.inputs}
    source = open_to_split(question.summary.path, shapes=shapes)
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="placer-")))
    try:
        tiers = named_cut(source, cut.tensors, outputs_here=cut.outputs_here)
    except UsageError as error:
        raise not_of_model(question.where, candidate.id, error) from error
    contract = write_split(source, tiers, 1, str(folder / "parts"))
    by_tier = {part.tier: part for part in contract.parts}
    if set(by_tier) != {0, 1}:
        return NotRun("nothing runs on one side of its cut", is_failure=True)
    question.progress(f"{candidate.id}: comparing the answers of its parts with the model's")
    with comparing(source, inputs=options.inputs) as compare:
        apart = max(one.relative for one in compare(contract, str(folder / "parts")))
    head, tail = (str(folder / "parts" / by_tier[tier].files[0][0]) for tier in (0, 1))
    samples = _samples(question)
    taken = {spec.name for spec in by_tier[0].inputs}
    given = {name: array for name, array in samples.samples.items() if name in taken}
    inputs_path = str(folder / "inputs.npz")
    Inputs(given, samples.dtypes, samples.source).save(inputs_path)
    with Child(onnxruntime.MODULE) as child:
        made, _ = outputs_from(
            *(child, head, "cpu", inputs_path, samples.dtypes),
            time_limit_s=answer_limit_s(options),
        )
    known = {**samples.samples, **made}
    taken_there = by_tier[1].inputs
    crossing = {spec.name: known[spec.name] for spec in taken_there}
    precision = cut.wire
    if precision is not None:
        crossings = take_from_wire(Path(tail), taken_there, precision)
        taken_there, crossing = taken_by_tail(crossings), sent_over_wire(crossings, known)
    head_call = _stage(stack, head, inputs_path, samples.dtypes, candidate.sites[0], options)
    notes = [
        f"answers of its parts, run here, differ from the model's by at most {apart:.2g} of the "
        "largest"
    ]
    notes += [] if precision is None else [f"what crosses is sent as {precision}"]
    may_go_on: Callable[[], bool] = _always
    if options.is_tail_local:
        tail_path = str(folder / "crossing.npz")
        Inputs(crossing, (), "split").save(tail_path)
        tail_call = _stage(stack, tail, tail_path, (), candidate.sites[0], options)
        where = "head and tail here"
    else:
        assert target is not None
        assert options.tail_model is not None
        expected = answer_here(
            *(tail, Inputs(crossing, (), "split")), limit_s=answer_limit_s(options)
        )
        calls = stack.enter_context(
            calling(
                target,
                question.access,
                options.tail_model,
                taken_there,
                {name: array[0, ...] for name, array in crossing.items()},
                expected,
                encoding=options.encoding,
                max_bytes=options.max_bytes,
                limit_s=_whole_limit_s(options),
            )
        )
        tail_call, may_go_on = calls.call, calls.may_go_on
        where = f"head here, tail at {target.url}, {options.tail_model}"
        note = told_bytes(candidate.bytes_up, calls.body_bytes[0])
        notes += filter(None, (told_answer(expected, calls), note))
    question.progress(f"{candidate.id}: {where}")
    timed = _in_turns([head_call, tail_call], may_go_on, question)
    names = ("head", "tail" if options.is_tail_local else "tail with its way")
    return Run(
        where=where,
        segments_s=(timed.total_s,),
        disturbed=timed.disturbed,
        stages=tuple(
            MeasuredStage(name, quantile(one_s, 0.5))
            for name, one_s in zip(names, timed.stages_s, strict=True)
        ),
        notes=tuple(notes),
        not_compared=WITHOUT_NETWORK if options.is_tail_local else queued(candidate),
    )


def _always() -> bool:
    return True


def _stage(
    stack: ExitStack,
    model: str,
    inputs_path: str,
    dtypes: tuple[tuple[str, str], ...],
    site: Site,
    options: VerifyingOptions,
) -> Callable[[], float]:
    """Open a part in a process of its own, warm it up, and return what runs it once."""
    from placer.core.measurement import SessionSettings
    from placer.core.settings import settings_of_label
    from placer.profiling.child import GRACE_S, Child
    from placer.runtimes import onnxruntime

    settings = None if site.options is None else settings_of_label(site.options)
    child = stack.enter_context(Child(onnxruntime.MODULE))
    deadline_s = options.time_limit_s + GRACE_S
    child.ask(
        "open",
        model_path=model,
        ep=site.ep or "cpu",
        settings=asdict(settings or SessionSettings(1, False)),
        inputs_path=inputs_path,
        dtypes=dtypes,
        deadline_s=deadline_s,
    )
    child.ask("warm_up", gap_s=0.0, limit_s=options.time_limit_s, deadline_s=deadline_s)

    def run() -> float:
        found = child.ask(
            "sample", runs=1, gap_s=0.0, limit_s=options.time_limit_s, deadline_s=deadline_s
        )
        return float(found["samples_ns"][0]) / 1e9

    return run
