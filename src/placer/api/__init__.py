"""The Python interface: reads, measures and asks the core. It prints nothing and never exits.

``placer.cli`` is a thin shell around it: it parses options, shows progress and renders.
"""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from placer.api import formats
from placer.api.measuring import (
    MeasuringOptions,
    Say,
    measure_here,
    say_nothing,
    start_spares,
    take_turns,
    time_of,
)
from placer.api.variant_plan import VariantOptions
from placer.core.errors import UsageError
from placer.core.finding import Finding
from placer.core.graph import ModelSummary
from placer.core.measurement import Machine, Measurement
from placer.core.runtime import parse_ep
from placer.core.workload import Workload

if TYPE_CHECKING:
    from placer.core.estimate import Recommendation
    from placer.core.placement import CloudSite, EdgeSite, SiteTime
    from placer.core.rules.rule import Failure
    from placer.files.workload import WorkloadFile


@dataclass(frozen=True, slots=True)
class Profile:
    """What ``profile`` returns: measurements, and what could not be measured."""

    model: ModelSummary
    measurements: tuple[Measurement, ...]
    failures: tuple[tuple[str, Failure], ...]
    """(execution provider, why)."""
    times: tuple[SiteTime, ...]
    """The measurements, each with the uncertainty of its age, as `recommend` judges them."""


def profile(
    model: str,
    *,
    workload: Workload | None = None,
    options: MeasuringOptions | None = None,
    as_of: datetime.date | None = None,
    progress: Say = say_nothing,
    warn: Say = say_nothing,
) -> Profile:
    """Measure a model on the execution providers of this machine.

    Parameters
    ----------
    model
        Path of an ONNX or TensorFlow Lite file.
    workload
        Its targets decide when enough runs were taken, its rate how long to idle between them.
    progress, warn
        Called with one line of text each.

    Raises
    ------
    UsageError, InputError
        Bad options, or a model that cannot be read.
    """
    options = options or MeasuringOptions()
    workload = workload or Workload()
    with start_spares(model, is_wanted=True) as spares:
        summary = formats.read_model(model, shapes=dict(options.shapes or {}))
        formats.check_options(summary, options)
        today = as_of or _today()
        (results,) = take_turns(
            [measure_here(summary, workload, options, today, progress, warn)], spares, progress
        )
    measured = tuple(result for result in results.values() if isinstance(result, Measurement))
    return Profile(
        summary,
        measured,
        tuple(
            (ep, result) for ep, result in results.items() if not isinstance(result, Measurement)
        ),
        tuple(time_of(one, "", today) for one in measured),
    )


def recommend(
    model: str | None = None,
    *,
    workload: Workload | WorkloadFile | None = None,
    device: str | None = None,
    network: str | None = None,
    location: str | None = None,
    clouds: Sequence[str] = (),
    variants: Sequence[str] = (),
    making: VariantOptions | None = None,
    evidence: Sequence[str] = (),
    architecture: str | None = None,
    cut: Sequence[str] = (),
    measure: bool = True,
    options: MeasuringOptions | None = None,
    as_of: datetime.date | None = None,
    question: str = "",
    progress: Say = say_nothing,
    warn: Say = say_nothing,
) -> Recommendation:
    """Say where a model should run.

    Parameters
    ----------
    model
        Path of an ONNX or TensorFlow Lite file; None: that of the workload file.
    workload
        What is asked. What a workload file says of sites and measuring holds where the other
        parameters leave it open.
    device, network, clouds
        Catalogue names or profile files; None or empty: this machine, an assumed fibre line, the
        cheapest CPU and the cheapest GPU offer.
    location
        Where the device is, a country or a region: from there the way to each cloud region is
        added to a network that was measured to a server near the device.
    variants
        Other files of the model, quantised or smaller: each is a candidate of its own.
    making
        Variants to make of the model, which are candidates as well, and the labels of the samples.
    evidence
        Evidence files or directories, each optionally as ``SITE=PATH``.
    architecture
        The published measurement, as ``aihub/resnet50``, whose architecture the model is: a site
        that is not measured and has a row of it takes its time from there. None: the structure of
        the model tells it; ``none``: no published time is used.
    cut
        Also judge the model cut between the device and each cloud: ``("auto",)`` where the solver
        finds the best cut, or the names of the tensors that cross. Empty or ``("none",)``: whole.
    measure
        False: rely on evidence and the catalogue alone.
    question
        The command that was typed, for advice that repeats it.

    Raises
    ------
    UsageError, InputError
        Bad options, or a file that cannot be read.
    MeasuringError
        An execution provider named in the options cannot be used, and no other was measured.
    """
    options, making = options or MeasuringOptions(), making or VariantOptions()
    location_in_file = None
    if workload is not None and not isinstance(workload, Workload):
        file = workload
        making = making.over(file)
        workload = file.workload
        options = options.over(file)
        model = model or file.model
        device, network = device or file.device, network or file.network
        clouds, evidence = clouds or file.clouds, evidence or file.evidence
        variants = variants or file.variants
        location_in_file = file.location
    if model is None:
        raise UsageError(
            "no model is named", hint="name it first, or with `model: path:` in the workload file"
        )
    workload = workload or Workload()
    today = as_of or _today()
    is_wanted = measure and device is None and not evidence
    with (
        start_spares(model, is_wanted=is_wanted) as spares,
        tempfile.TemporaryDirectory(prefix="placer-") as folder,
    ):
        from placer.api.assumptions import (
            ELECTRICITY_SOURCE,
            ELECTRICITY_USD_PER_KWH,
            assumptions_of,
        )
        from placer.api.calibrations import check_all_asked, take_calibrations
        from placer.api.cut_plan import parse_cut
        from placer.api.cutting import CutQuestion, plan_cuts
        from placer.api.evidence import check_all_used, matching_evidence, measured_here
        from placer.api.offers import load_offers
        from placer.api.paths import aged, load_location, load_path
        from placer.api.published import architecture_assumptions, choices_of
        from placer.api.sites import check_named_eps, cloud_site, device_here, edge_sites
        from placer.api.variants import gather_variants
        from placer.core import advise
        from placer.core.placement import Environment
        from placer.files import catalogue

        tensors = parse_cut(cut)
        summary = formats.read_model(model, shapes=dict(options.shapes or {}))
        formats.check_options(summary, options)
        gathered = gather_variants(
            *(variants, summary, options, making, _read(model, options, making)),
            measure=measure,
            is_accuracy_asked=workload.min_accuracy_ratio is not None,
            progress=progress,
            warn=warn,
        )
        others = gathered.variants
        site_device = device_here() if device is None else catalogue.load_device(device)
        path, fastest, possible = load_path(network)
        path = aged(path, today)
        place = load_location(location, location_in_file, path)
        catalogue.check_regions(workload.regions)
        runnable = (None, *others)
        models = [summary, *(variant.model for variant in others)]
        evidence, calibrations = take_calibrations(evidence, site_device, today)
        found, findings = matching_evidence(evidence, models)
        records = tuple(record for of_model in found for record in of_model)
        named = [site for site, _ in records] + list(calibrations.by_site)
        offers, why_offers = load_offers(clouds, workload, named)
        elsewhere = () if site_device.is_this_machine else (site_device,)
        choices = choices_of(
            architecture,
            tuple(zip(runnable, models, strict=True)),
            (*elsewhere, *offers),
            today,
        )
        backbones = [catalogue.backbone_to(path, place, offer) for offer in offers]
        edges: tuple[EdgeSite, ...] = ()
        cloud_sites: tuple[CloudSite, ...] = ()
        asked = [
            edge_sites(
                *(site_device, one, workload, own, options, measure, today, progress, warn),
                variant=variant,
                published=choice.rows,
                calibrations=calibrations,
            )
            for variant, one, own, choice in zip(runnable, models, found, choices, strict=True)
        ]
        cutting = plan_cuts(
            CutQuestion(
                *(tensors, summary, workload, options),
                Environment(
                    site_device,
                    path,
                    edges=(),
                    clouds=tuple(
                        cloud_site(
                            *(offer, summary, found[0], (), today),
                            backbone=backbone,
                            published=choices[0].rows,
                            calibrations=calibrations,
                        )
                        for offer, backbone in zip(offers, backbones, strict=True)
                    )
                    if tensors
                    else (),
                    fastest_path=fastest,
                ),
            ),
            measure=measure,
            folder=folder,
            progress=progress,
        )
        heads = [
            edge_sites(
                *(site_device, head.summary, workload, (), head.options, measure, today),
                *(progress, warn),
            )
            for head in cutting.heads
        ]
        everywhere = take_turns([*asked, *heads], spares, progress)
        everywhere, of_heads = everywhere[: len(asked)], everywhere[len(asked) :]
        for choice, own, here in zip(choices, found, everywhere, strict=True):
            edges += here
            cloud_sites += tuple(
                cloud_site(
                    *(offer, choice.model, own, here, today),
                    variant=choice.variant,
                    backbone=backbone,
                    published=choice.rows,
                    calibrations=calibrations,
                )
                for offer, backbone in zip(offers, backbones, strict=True)
            )
        check_named_eps(options, edges)
        measured = {site.ep for site in edges if site.time.measurement is not None}
        measured |= {site.ep for site in cloud_sites if site.time.measurement is not None}
        if workload.min_agreement_ratio is not None and not others and measured <= {"cpu"}:
            warn("min_agreement judges nothing: there is no variant, and only the CPU was measured")
        check_all_used(records, site_device, offers, calibrations.by_site)
        check_all_asked(calibrations, site_device, offers, {site for site, _ in records})
        environment = Environment(
            device=site_device,
            path=path,
            edges=edges,
            clouds=cloud_sites,
            fastest_path=fastest,
            possible_paths=possible,
            electricity_usd_per_kwh=ELECTRICITY_USD_PER_KWH,
            electricity_source=ELECTRICITY_SOURCE,
            assumptions=(
                *architecture_assumptions(architecture, choices, site_device, edges, cloud_sites),
                *assumptions_of(
                    summary,
                    workload,
                    site_device,
                    path,
                    offers,
                    backbones,
                    edges,
                    options,
                    network is None,
                    why_offers,
                ),
            ),
            splits=cutting.splits(of_heads, cloud_sites),
            crossovers=cutting.crossovers(edges, of_heads),
            findings=(
                *gathered.findings,
                *cutting.findings,
                *cutting.unjudged(edges, of_heads),
                *findings,
                *measured_here(records, site_device, summary.path),
            ),
            question=question,
            accuracy=gathered.accuracy,
        )
        return advise.recommend(summary, workload, environment)


def _read(model: str, options: MeasuringOptions, making: VariantOptions) -> tuple[str, ...]:
    """Return the files of the question, none of which a variant may be written over."""
    paths = (model, options.inputs, making.calibration, making.labels)
    return tuple(path for path in paths if path is not None)


def _today() -> datetime.date:
    return datetime.datetime.now(tz=datetime.UTC).date()


def load_workload(name_or_file: str) -> WorkloadFile:
    """Read a workload of the catalogue or of a file.

    Raises
    ------
    UsageError
        An unknown name, or a file that says something wrong.
    InputError
        The file is missing or unreadable.
    """
    from placer.files import catalogue

    return catalogue.load_workload(name_or_file)


def measuring_failure(answer: Recommendation, named_eps: Sequence[str]) -> Finding | None:
    """Return the finding by which measuring failed although there is an answer; None: it did not.

    It failed if a named execution provider could not be used, or if none could and nothing else
    is feasible.
    """
    failed = {
        candidate.sites[0].ep: found
        for candidate in answer.candidates
        if candidate.placement == "edge" and candidate.variant is None
        for found in candidate.findings
        if found.rule in ("PLC402", "PLC404") or (found.rule == "PLC401" and not candidate.stages)
    }
    for name in named_eps:
        if parse_ep(name) in failed:
            return failed[parse_ep(name)]
    measured = [
        candidate
        for candidate in answer.candidates
        if candidate.placement == "edge" and candidate.sites[0].ep not in failed
    ]
    if failed and not measured and answer.decision.feasible is not True:
        return next(iter(failed.values()))
    return None


def this_machine() -> Machine:
    """Return the identity of this machine as evidence records it."""
    from placer.profiling.machine import describe_machine

    return describe_machine()


__all__ = [
    "MeasuringOptions",
    "Profile",
    "VariantOptions",
    "load_workload",
    "measuring_failure",
    "profile",
    "recommend",
    "this_machine",
]
