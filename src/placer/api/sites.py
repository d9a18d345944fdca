"""Where the model could run, on the device and in the cloud, and how long it takes there."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from placer.api import formats
from placer.api.measuring import (
    DEFAULT_TIME_LIMIT_S,
    Measuring,
    MeasuringOptions,
    Say,
    measure_here,
    time_of,
)
from placer.core.coverage import Coverage
from placer.core.environment import Backbone, Basis, ChipClass, CloudOffer, Device
from placer.core.errors import MeasuringError
from placer.core.graph import ModelSummary
from placer.core.measurement import Measurement
from placer.core.precision import is_quantised
from placer.core.runtime import parse_ep
from placer.core.units import format_duration, format_factor
from placer.core.variant import Variant
from placer.core.workload import Workload

if TYPE_CHECKING:
    from placer.api.calibrations import Calibrations
    from placer.core.compute import ComputeEstimate, NoEstimate
    from placer.core.measured_rows import Published
    from placer.core.placement import CloudSite, EdgeSite, SiteTime
    from placer.files.evidence import Evidence


def device_here() -> Device:
    """Return this machine as a device."""
    from placer.profiling.machine import describe_machine

    machine = describe_machine()
    return Device(
        name="this-machine",
        title=f"{machine.cpu}, {machine.cores} core(s)",
        chip_class=ChipClass.CPU,
        is_this_machine=True,
        cores=machine.cores,
        memory_bytes=machine.memory_bytes,
        source="read from this machine",
        basis=Basis.MEASURED,
    )


def edge_sites(
    device: Device,
    summary: ModelSummary,
    workload: Workload,
    records: Sequence[tuple[str | None, Evidence]],
    options: MeasuringOptions,
    measure: bool,
    today: datetime.date,
    progress: Say,
    warn: Say,
    *,
    variant: Variant | None = None,
    published: Sequence[Published] = (),
    calibrations: Calibrations | None = None,
) -> Measuring[tuple[EdgeSite, ...]]:
    """Return the device with each execution provider: by evidence, measured now, or modelled.

    For ``take_turns``: what is to be measured is yielded as a plan.

    Parameters
    ----------
    summary
        What runs there: the model, or that of the variant.
    published
        Measurements of the architecture that the model has; empty: none is known.
    """
    from placer.core.placement import EdgeSite

    if device.is_this_machine:
        own = [record for site, record in records if site is None or site == device.name]
    else:
        own = [record for site, record in records if site == device.name]
    sites = {
        record.measurement.ep: EdgeSite(
            record.measurement.ep,
            time_of(record.measurement, record.path, today, is_here=False),
        )
        for record in own
    }
    wanted = tuple(dict.fromkeys(parse_ep(ep) for ep in options.eps))
    if device.is_this_machine and measure:
        missing = tuple(ep for ep in wanted if ep not in sites)
        if missing or not (wanted or sites):
            results = yield from measure_here(
                summary, workload, replace(options, eps=missing), today, progress, warn
            )
            for ep, result in results.items():
                sites[ep] = (
                    EdgeSite(ep, time_of(result, "", today))
                    if isinstance(result, Measurement)
                    else EdgeSite(ep, _unknown_time(), result)
                )
    elif not sites:
        usual = device.execution_providers if summary.format == formats.ONNX else ("xnnpack",)
        eps = wanted or usual[:1] or ("cpu",)
        sites = {
            ep: modelled_site(
                *(device, summary, ep, options, measure, progress, variant, published),
                records=records,
                calibrations=calibrations,
            )
            for ep in eps
        }
    return tuple(replace(site, variant=variant) for site in sites.values())


def _unknown_time() -> SiteTime:
    from placer.core.placement import SiteTime

    return SiteTime()


def modelled_site(
    device: Device,
    summary: ModelSummary,
    ep: str,
    options: MeasuringOptions,
    measure: bool,
    progress: Say,
    variant: Variant | None,
    published: Sequence[Published] = (),
    *,
    records: Sequence[tuple[str | None, Evidence]] = (),
    calibrations: Calibrations | None = None,
) -> EdgeSite:
    """Return a device that is not here; for its NPU, ask the compiler which nodes it runs."""
    from placer.core.placement import EdgeSite

    coverage = None
    if measure and ep == "qnn" and device.soc is not None and summary.format == formats.ONNX:
        from placer.api.coverage import cover

        limit_s = options.time_limit_s or DEFAULT_TIME_LIMIT_S
        found = cover(summary, device.soc, limit_s, progress)
        if isinstance(found, Coverage):
            coverage = found
        elif found.kind == "unsupported":
            return EdgeSite(ep, _unknown_time(), found)
        else:
            progress(f"qnn: {found.message}")
    time = modelled_time(
        *(device, summary, ep, variant, coverage, published),
        records=records,
        calibrations=calibrations,
    )
    return EdgeSite(ep, time, coverage=coverage)


def modelled_time(
    site: Device | CloudOffer,
    summary: ModelSummary,
    ep: str,
    variant: Variant | None,
    coverage: Coverage | None = None,
    published: Sequence[Published] = (),
    *,
    records: Sequence[tuple[str | None, Evidence]] = (),
    calibrations: Calibrations | None = None,
) -> SiteTime:
    """Return the time of a site where the model was not measured, or why it is not known.

    What was learnt of that very machine goes before what was published of its kind, and that
    before its roofline.
    """
    from placer.core.compute import ComputeEstimate, estimate_compute
    from placer.core.placement import SiteTime

    unused = ""
    if calibrations is not None and summary.format == formats.ONNX:
        dtype = _arithmetic_type(summary, variant)
        learnt = calibrations.time_of(site, summary, dtype, ep, records, coverage)
        if isinstance(learnt, ComputeEstimate):
            return SiteTime(estimate=learnt)
        if learnt is not None:
            unused = learnt.reason

    if published:
        row = published_time(published, site, summary, ep, variant, coverage)
        if isinstance(row, ComputeEstimate):
            return SiteTime(estimate=_noting(row, unused))
    figures = site.roofline
    if summary.format != formats.ONNX and figures is not None:
        return SiteTime(
            source=f"the compute rate of {site.name} is known for {figures.runtime}, which says "
            "nothing about LiteRT"
        )
    estimate = estimate_compute(
        site, summary, dtype=_arithmetic_type(summary, variant), ep=ep, coverage=coverage
    )
    if isinstance(estimate, ComputeEstimate):
        return SiteTime(estimate=_noting(estimate, unused))
    return SiteTime(source="; ".join(one for one in (estimate.reason, unused) if one))


def _noting(estimate: ComputeEstimate, unused: str) -> ComputeEstimate:
    """Return an estimate whose note also says why a calibration was not used."""
    if not unused:
        return estimate
    return replace(estimate, note="; ".join(one for one in (estimate.note, unused) if one))


def published_time(
    published: Sequence[Published],
    site: Device | CloudOffer,
    summary: ModelSummary,
    ep: str,
    variant: Variant | None,
    coverage: Coverage | None,
) -> ComputeEstimate | NoEstimate:
    """Return the published time of the architecture that the model has or is said to have.

    Where the roofline of the site foretells another time, the note says so, and asks whether it is
    that architecture if only the user said it.
    """
    from placer.core.compute import ComputeEstimate, NoEstimate, estimate_compute
    from placer.core.measured_rows import estimate_from_any

    if summary.format != formats.ONNX:
        return NoEstimate("published times are of ONNX Runtime, which does not run LiteRT's models")
    dtype = _arithmetic_type(summary, variant)
    found = estimate_from_any(published, site, dtype=dtype, ep=ep, coverage=coverage)
    foretold = estimate_compute(site, summary, dtype=dtype, ep=ep, coverage=coverage)
    if isinstance(found, NoEstimate) or not isinstance(foretold, ComputeEstimate):
        return found
    factor = foretold.median_s / foretold.low_s
    if 1 / factor <= found.median_s / foretold.median_s <= factor:
        return found
    # it may be another architecture: the interval holds both times
    found = replace(
        found,
        low_s=min(found.low_s, foretold.low_s),
        high_s=max(found.high_s, foretold.high_s),
    )
    doubt = (
        f"the compute rate of {site.name} foretells {format_duration(foretold.median_s)} "
        f"({foretold.level}, ×/÷ {format_factor(factor)}) for this model: "
    )
    doubt += (
        "one of the two is off"
        if all(one.architecture for one in published)
        else "is it that architecture?"
    )
    return replace(found, note=f"{found.note}; {doubt}")


def _arithmetic_type(summary: ModelSummary, variant: Variant | None) -> str:
    if any(is_quantised(work.op_type) for work in summary.operators):
        return "int8"
    if variant is not None and variant.made is not None and variant.made.precision == "fp16":
        return "float16"
    dtypes = {tensor.dtype for tensor in (*summary.inputs, *summary.outputs)}
    return "float16" if "float16" in dtypes and "float32" not in dtypes else "float32"


def cloud_site(
    offer: CloudOffer,
    summary: ModelSummary,
    records: Sequence[tuple[str | None, Evidence]],
    edges: Sequence[EdgeSite],
    today: datetime.date,
    *,
    variant: Variant | None = None,
    backbone: Backbone | None = None,
    published: Sequence[Published] = (),
    calibrations: Calibrations | None = None,
) -> CloudSite:
    """Return an offer with its time: by evidence, else published, else by its roofline."""
    from placer.core.placement import CloudSite

    names = {offer.name, offer.instance, f"{offer.name}@{offer.region}"}
    for site, record in records:
        if site in names:
            time = time_of(record.measurement, record.path, today, is_here=False)
            return CloudSite(offer, time, variant=variant, backbone=backbone)
    refusal = next(
        (
            site.failure
            for site in edges
            if site.failure is not None and site.failure.kind == "unsupported"
        ),
        None,
    )
    time = modelled_time(
        *(offer, summary, offer.ep, variant),
        published=published,
        records=records,
        calibrations=calibrations,
    )
    return CloudSite(offer, time, refusal, variant, backbone)


def check_named_eps(options: MeasuringOptions, edges: Sequence[EdgeSite]) -> None:
    """Raise if execution providers were named and none of them could be used."""
    failed = [site for site in edges if site.failure is not None]
    if options.eps and failed and len(failed) == len(edges):
        failure = failed[0].failure
        assert failure is not None
        raise MeasuringError(f"{failed[0].ep}: {failure.message}", hint=failure.remedy)
