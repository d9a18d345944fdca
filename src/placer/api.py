"""The Python interface: reads, measures and asks the core. It prints nothing and never exits.

``placer.cli`` is a thin shell around it: it parses options, shows progress and renders.
"""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from placer.core.environment import (
    Assumption,
    Basis,
    ChipClass,
    CloudOffer,
    Device,
    NetworkPath,
)
from placer.core.errors import MeasuringError, UsageError, near_match
from placer.core.finding import Effect, Finding, Severity
from placer.core.graph import ModelSummary
from placer.core.measurement import Machine, Measurement, SessionSettings
from placer.core.runtime import parse_ep
from placer.core.units import format_bytes, format_duration
from placer.core.workload import Workload

if TYPE_CHECKING:
    from placer.core.estimate import Recommendation
    from placer.core.placement import CloudSite, EdgeSite, SiteTime
    from placer.core.rules.rule import Failure
    from placer.files.evidence import Evidence
    from placer.profiling.child import Spares

DEFAULT_NETWORK = "fiber_100"
FASTEST_NETWORK = "dc_same_zone"
"""The catalogue's fastest path: a verdict of the assumed network must hold on it as well."""
POSSIBLE_NETWORKS = (
    "dc_same_zone",
    "wifi_home_1client",
    "fiber_100",
    "cable_100",
    "5g_sa_lowband",
    "lte_us",
    "starlink_us",
)
"""What an assumed network could turn out to be: the kinds of access that the catalogue has."""
ELECTRICITY_USD_PER_KWH = 0.1648
ELECTRICITY_SOURCE = "US residential mean 2024, 16.48 US cents per kWh (Statista)"
DEFAULT_TIME_LIMIT_S = 60.0

Say = Callable[[str], None]


def _say_nothing(text: str) -> None:
    del text


@dataclass(frozen=True, slots=True)
class Profile:
    """What ``profile`` returns: measurements, and what could not be measured."""

    model: ModelSummary
    measurements: tuple[Measurement, ...]
    failures: tuple[tuple[str, Failure], ...]
    """(execution provider, why)."""


@dataclass(frozen=True, slots=True)
class MeasuringOptions:
    """How to measure on this machine."""

    eps: tuple[str, ...] = ()
    """Short or full names; empty: every local execution provider of the installed runtime."""
    shapes: Mapping[str, tuple[int, ...]] | None = None
    inputs: str | None = None
    """.npz file with real samples."""
    settings: SessionSettings | None = None
    """None: screen the usual ones."""
    time_limit_s: float = DEFAULT_TIME_LIMIT_S
    """For each execution provider."""
    fresh: bool = False
    """Measure again even if the cache has a measurement."""
    cache_directory: str | None = None
    """None: no cache."""


def profile(
    model: str,
    *,
    workload: Workload | None = None,
    options: MeasuringOptions | None = None,
    as_of: datetime.date | None = None,
    progress: Say = _say_nothing,
    warn: Say = _say_nothing,
) -> Profile:
    """Measure a model on the execution providers of this machine.

    Parameters
    ----------
    model
        Path of an ONNX file.
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
    with _spares(is_wanted=True) as spares:
        from placer.onnx_files.reader import read_model

        summary = read_model(model, shapes=dict(options.shapes or {}))
        results = _measure(summary, workload, options, as_of or _today(), spares, progress, warn)
    return Profile(
        summary,
        tuple(result for result in results.values() if isinstance(result, Measurement)),
        tuple(
            (ep, result) for ep, result in results.items() if not isinstance(result, Measurement)
        ),
    )


def recommend(
    model: str,
    *,
    workload: Workload | None = None,
    device: str | None = None,
    network: str | None = None,
    clouds: Sequence[str] = (),
    evidence: Sequence[str] = (),
    measure: bool = True,
    options: MeasuringOptions | None = None,
    as_of: datetime.date | None = None,
    question: str = "",
    progress: Say = _say_nothing,
    warn: Say = _say_nothing,
) -> Recommendation:
    """Say where a model should run.

    Parameters
    ----------
    model
        Path of an ONNX file.
    device, network, clouds
        Catalogue names or profile files; None or empty: this machine, an assumed fibre line, the
        cheapest CPU and the cheapest GPU offer.
    evidence
        Evidence files or directories, each optionally as ``SITE=PATH``.
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
    options = options or MeasuringOptions()
    workload = workload or Workload()
    today = as_of or _today()
    with _spares(is_wanted=measure and device is None and not evidence) as spares:
        from placer.core import advise
        from placer.core.placement import Environment
        from placer.files import catalogue
        from placer.onnx_files.reader import read_model

        summary = read_model(model, shapes=dict(options.shapes or {}))
        site_device = _this_machine() if device is None else catalogue.load_device(device)
        path, fastest, possible = _path(network)
        _check_regions(workload.regions)
        records, findings = _matching_evidence(evidence, summary)
        offers = _offers(clouds, workload, [site for site, _ in records])
        edges = _edge_sites(
            site_device, summary, workload, records, options, measure, today, spares, progress, warn
        )
        cloud_sites = tuple(_cloud_site(offer, summary, records, edges, today) for offer in offers)
        _check_named_eps(options, edges)
        _check_all_evidence_used(records, site_device, offers, edges)
        environment = Environment(
            device=site_device,
            path=path,
            edges=edges,
            clouds=cloud_sites,
            fastest_path=fastest,
            possible_paths=possible,
            electricity_usd_per_kwh=ELECTRICITY_USD_PER_KWH,
            assumptions=_assumptions(
                summary,
                workload,
                site_device,
                path,
                offers,
                edges,
                options,
                network is None,
                not clouds,
            ),
            findings=findings,
            question=question,
        )
        return advise.recommend(summary, workload, environment)


def _spares(*, is_wanted: bool) -> Spares:
    """Start the measuring processes ahead: they import the runtime while we import and read."""
    from placer.profiling.child import Spares
    from placer.profiling.sampling import PROCESSES
    from placer.runtimes.onnxruntime import MODULE

    return Spares(MODULE, PROCESSES if is_wanted else 0)


def _today() -> datetime.date:
    return datetime.datetime.now(tz=datetime.UTC).date()


def _this_machine() -> Device:
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


def _path(
    network: str | None,
) -> tuple[NetworkPath, NetworkPath | None, tuple[NetworkPath, ...]]:
    """Return the path; where nobody stated one, also the fastest one and what it could be."""
    from placer.files import catalogue

    if network is not None:
        return catalogue.load_network(network), None, ()
    assumed = replace(catalogue.load_network(DEFAULT_NETWORK), basis=Basis.ASSUMED)
    possible = tuple(map(catalogue.load_network, POSSIBLE_NETWORKS))
    return assumed, catalogue.load_network(FASTEST_NETWORK), possible


def _offers(
    clouds: Sequence[str], workload: Workload, sites: Sequence[str | None]
) -> tuple[CloudOffer, ...]:
    """Return the offers asked about; by default those with evidence, else the cheapest allowed."""
    from placer.files import catalogue

    texts = list(clouds)
    if not texts:
        known = catalogue.list_names(catalogue.Kind.CLOUDS)
        texts = [site for site in sites if site is not None and site.partition("@")[0] in known]
    if not texts:
        return _default_offers(workload.regions)
    offers = [offer for text in texts for offer in catalogue.load_cloud(text)]
    return tuple({(offer.name, offer.region): offer for offer in offers}.values())


def _default_offers(regions: tuple[str, ...]) -> tuple[CloudOffer, ...]:
    """Return the cheapest CPU and GPU offer, within the allowed regions if any are stated."""
    from placer.core.privacy import allowed_in
    from placer.files import catalogue

    if not regions:
        return catalogue.default_offers()
    usable = sorted(
        (
            offer
            for offer in catalogue.all_offers()
            if offer.usd_per_hour is not None
            and offer.roofline is not None
            and allowed_in(offer.region, offer.jurisdiction, regions)
        ),
        key=lambda offer: (offer.usd_per_hour or 0.0, offer.name),
    )
    cheapest: dict[ChipClass, CloudOffer] = {}
    for offer in usable:
        cheapest.setdefault(offer.chip_class, offer)
    return tuple(cheapest.values()) or catalogue.default_offers()


def _check_regions(regions: tuple[str, ...]) -> None:
    """Raise UsageError for a region that the catalogue does not know."""
    if not regions:
        return
    from placer.files import catalogue

    known = {"EEA"}
    for name in catalogue.list_names(catalogue.Kind.REGIONS):
        provider, _, region = name.partition("-")
        spec = catalogue.load_region(provider, region)
        if spec is not None:
            known |= {spec.name, spec.jurisdiction, spec.country}
    for region in regions:
        if region.lower() not in {name.lower() for name in known}:
            raise UsageError(
                f"unknown region '{region}'{near_match(region, known)}",
                hint="a jurisdiction (EU, US, UK, ...), a country code or a provider's region; "
                "see `placer catalog list regions`",
            )


def _measure(
    summary: ModelSummary,
    workload: Workload,
    options: MeasuringOptions,
    today: datetime.date,
    spares: Spares,
    progress: Say,
    warn: Say,
) -> dict[str, Measurement | Failure]:
    """Return one result per execution provider, from the cache where it answers the question."""
    from placer.core.rules.rule import Failure
    from placer.files.evidence import Cache, cache_key, environment_key
    from placer.onnx_files.inputs import generate_inputs, load_inputs
    from placer.profiling.machine import describe_machine
    from placer.profiling.sampling import Plan, measure
    from placer.runtimes import onnxruntime as runtime

    inputs = (
        generate_inputs(summary.path, summary.inputs)
        if options.inputs is None
        else load_inputs(options.inputs, summary.inputs)
    )
    eps = tuple(dict.fromkeys(parse_ep(ep) for ep in options.eps)) or runtime.available_eps()
    machine = describe_machine()
    version = runtime.runtime_version()
    interval_s = 0.0 if workload.rate_hz is None else 1 / workload.rate_hz
    cache = None if options.cache_directory is None else Cache(options.cache_directory)
    shapes = tuple((spec.name, spec.shape) for spec in summary.inputs)
    keys = {
        ep: cache_key(
            subjects=summary.subjects,
            environment_key=environment_key(machine, version, ep),
            input_shapes=shapes,
            input_source=inputs.source,
            interval_s=interval_s,
            settings=options.settings,
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
                results[ep] = cached
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
                settings=options.settings,
                time_limit_s=options.time_limit_s,
            )
            measured = measure(
                plan,
                machine=machine,
                today=today.isoformat(),
                progress=progress,
                spares=spares,
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


def _answers(cached: Measurement, workload: Workload, today: datetime.date) -> bool:
    """Tell whether a cached measurement settles every target, so that measuring is not needed."""
    from placer.core.estimate import Verdict
    from placer.core.latency import judge_measured

    time = _time_of(cached, "", today)
    verdicts = [judge_measured(time, target)[0].verdict for target in workload.targets]
    if cached.instrument.is_disturbed:  # contention only adds time: met stands, nothing else does
        return bool(verdicts) and all(verdict is Verdict.MET for verdict in verdicts)
    return Verdict.UNPROVEN not in verdicts


def _time_of(
    measurement: Measurement, source: str, today: datetime.date, *, is_here: bool = True
) -> SiteTime:
    """Return a site's time from a measurement, with the uncertainty of its age.

    Evidence of a site was measured on that very site: its name says so. Evidence of this machine
    counts as of another build where the installed runtime is another version.
    """
    from placer.core.compute import level_of_evidence
    from placer.core.placement import SiteTime
    from placer.profiling.machine import describe_machine
    from placer.runtimes import onnxruntime as runtime

    if not measurement.is_reused:
        return SiteTime(measurement, 1.0, "E0", f"measured here, {measurement.runtime}")
    is_own = measurement.machine.machine_id == describe_machine().machine_id
    same_runtime = not is_own or measurement.runtime == runtime.runtime_version()
    level, factor_90 = level_of_evidence(
        measurement.measured_at, today, same_machine=True, same_runtime=same_runtime
    )
    where = "measured here before" if is_here else f"evidence {source}"
    return SiteTime(
        measurement,
        factor_90,
        level.value,
        f"{where}, {measurement.runtime}, {measurement.measured_at}",
    )


def _edge_sites(
    device: Device,
    summary: ModelSummary,
    workload: Workload,
    records: Sequence[tuple[str | None, Evidence]],
    options: MeasuringOptions,
    measure: bool,
    today: datetime.date,
    spares: Spares,
    progress: Say,
    warn: Say,
) -> tuple[EdgeSite, ...]:
    from placer.core.placement import EdgeSite

    if device.is_this_machine:
        own = [record for site, record in records if site is None or site == device.name]
    else:
        own = [record for site, record in records if site == device.name]
    sites = {
        record.measurement.ep: EdgeSite(
            record.measurement.ep,
            _time_of(record.measurement, record.path, today, is_here=False),
        )
        for record in own
    }
    wanted = tuple(dict.fromkeys(parse_ep(ep) for ep in options.eps))
    if device.is_this_machine and measure:
        missing = tuple(ep for ep in wanted if ep not in sites)
        if missing or not (wanted or sites):
            results = _measure(
                summary, workload, replace(options, eps=missing), today, spares, progress, warn
            )
            for ep, result in results.items():
                sites[ep] = (
                    EdgeSite(ep, _time_of(result, "", today))
                    if isinstance(result, Measurement)
                    else EdgeSite(ep, _unknown_time(), result)
                )
    elif not sites:
        eps = wanted or device.execution_providers[:1] or ("cpu",)
        sites = {ep: EdgeSite(ep, _modelled_time(device, summary, ep)) for ep in eps}
    return tuple(sites.values())


def _unknown_time() -> SiteTime:
    from placer.core.placement import SiteTime

    return SiteTime()


def _modelled_time(site: Device | CloudOffer, summary: ModelSummary, ep: str) -> SiteTime:
    from placer.core.compute import ComputeEstimate, estimate_compute
    from placer.core.placement import SiteTime

    estimate = estimate_compute(site, summary, dtype=_arithmetic_type(summary), ep=ep)
    if isinstance(estimate, ComputeEstimate):
        return SiteTime(estimate=estimate)
    return SiteTime(source=estimate.reason)


def _arithmetic_type(summary: ModelSummary) -> str:
    operators = {work.op_type.rpartition("::")[2] for work in summary.operators}
    if operators & {"QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"}:
        return "int8"
    dtypes = {tensor.dtype for tensor in (*summary.inputs, *summary.outputs)}
    return "float16" if "float16" in dtypes and "float32" not in dtypes else "float32"


def _cloud_site(
    offer: CloudOffer,
    summary: ModelSummary,
    records: Sequence[tuple[str | None, Evidence]],
    edges: Sequence[EdgeSite],
    today: datetime.date,
) -> CloudSite:
    from placer.core.placement import CloudSite

    names = {offer.name, offer.instance, f"{offer.name}@{offer.region}"}
    for site, record in records:
        if site in names:
            return CloudSite(offer, _time_of(record.measurement, record.path, today, is_here=False))
    refusal = next(
        (
            site.failure
            for site in edges
            if site.failure is not None and site.failure.kind == "unsupported"
        ),
        None,
    )
    return CloudSite(offer, _modelled_time(offer, summary, offer.ep), refusal)


def _matching_evidence(
    paths: Sequence[str], summary: ModelSummary
) -> tuple[tuple[tuple[str | None, Evidence], ...], tuple[Finding, ...]]:
    """Return (site, evidence) of this model, and findings on evidence of others."""
    from placer.files.evidence import read_evidence

    records: list[tuple[str | None, Evidence]] = []
    findings = []
    digests = sorted(digest for _, digest in summary.subjects)
    shapes = {(spec.name, spec.shape) for spec in summary.inputs}
    for text in paths:
        named, separator, path = text.partition("=")
        if not separator or Path(text).exists():
            named, path = "", text
        if not path:
            raise UsageError(f"--evidence '{text}' names no file", hint="--evidence [SITE=]PATH")
        for record in read_evidence([path]):
            measurement = record.measurement
            if sorted(digest for _, digest in measurement.subjects) != digests:
                why = "of another model"
            elif set(measurement.input_shapes) != shapes:
                why = "of other input shapes"
            else:
                records.append((_site_label(named or record.site, record), record))
                continue
            findings.append(
                Finding(
                    "PLC601",
                    Severity.WARNING,
                    Effect.NONE,
                    f"{record.path} is evidence {why} and was left aside",
                    f"measure it there: placer profile {summary.path} --save FILE",
                    record.path,
                )
            )
    seen: dict[tuple[str | None, str], str] = {}
    for site, record in records:
        key = (site, record.measurement.ep)
        if key in seen and seen[key] != record.path:
            raise UsageError(
                f"{seen[key]} and {record.path} are both evidence of "
                f"{site or 'this machine'} ({record.measurement.ep})",
                hint="give the one that counts",
            )
        seen[key] = record.path
    return tuple(records), tuple(findings)


def _site_label(site: str | None, record: Evidence) -> str | None:
    """Return the site that evidence belongs to; None: this machine."""
    from placer.profiling.machine import describe_machine

    if site is not None:
        return site
    if record.measurement.machine.machine_id == describe_machine().machine_id:
        return None
    raise UsageError(
        f"{record.path} was measured on another machine ({record.measurement.machine.cpu}) and "
        "does not say which site that is",
        hint=f"name the device or cloud offer: --evidence NAME={record.path}",
    )


def _check_all_evidence_used(
    records: Sequence[tuple[str | None, Evidence]],
    device: Device,
    offers: Sequence[CloudOffer],
    edges: Sequence[EdgeSite],
) -> None:
    del edges
    known = [device.name]
    for offer in offers:
        known += [offer.name, offer.instance, f"{offer.name}@{offer.region}"]
    for site, record in records:
        if site is not None and site not in known:
            raise UsageError(
                f"{record.path} is evidence of the site '{site}', which is not asked about"
                f"{near_match(site, known)}",
                hint="add it with --cloud or --device, or say what it is: --evidence NAME=FILE",
            )
        if site is None and not device.is_this_machine:
            raise UsageError(
                f"{record.path} was measured on this machine, the question is about {device.name}",
                hint=f"measure there with --site {device.name}, or leave --device out",
            )


def _check_named_eps(options: MeasuringOptions, edges: Sequence[EdgeSite]) -> None:
    """Raise if execution providers were named and none of them could be used."""
    failed = [site for site in edges if site.failure is not None]
    if options.eps and failed and len(failed) == len(edges):
        failure = failed[0].failure
        assert failure is not None
        raise MeasuringError(f"{failed[0].ep}: {failure.message}", hint=failure.remedy)


def _assumptions(
    summary: ModelSummary,
    workload: Workload,
    device: Device,
    path: NetworkPath,
    offers: Sequence[CloudOffer],
    edges: Sequence[EdgeSite],
    options: MeasuringOptions,
    network_is_assumed: bool,
    clouds_are_assumed: bool,
) -> tuple[Assumption, ...]:
    from placer.profiling.sampling import MAX_GAP_S

    found = []
    if network_is_assumed:
        found.append(
            Assumption("network", path.name, "", Basis.ASSUMED, f"no --network; {path.source}")
        )
    if offers:
        found.append(
            Assumption(
                "connection",
                path.connection,
                "",
                Basis.ASSUMED if network_is_assumed else path.basis,
                f"{'TLS' if path.is_encrypted else 'no TLS'}, kept open between requests"
                if path.connection == "warm"
                else "as the network profile says",
            )
        )
        found.append(
            Assumption(
                "server location",
                "where the network profile was measured to",
                "",
                Basis.ASSUMED,
                "the way from there to the cloud region is not added",
            )
        )
    if clouds_are_assumed:
        names = ", ".join(f"{offer.name}@{offer.region}" for offer in offers)
        found.append(
            Assumption(
                "cloud", names, "", Basis.ASSUMED, "no --cloud: the cheapest CPU and GPU offer"
            )
        )
    if offers and workload.wire_input_bytes is None and summary.input_bytes is not None:
        found.append(
            Assumption(
                "request size",
                format_bytes(summary.input_bytes),
                "",
                Basis.ASSUMED,
                "no --wire-input: the raw input tensors",
            )
        )
    if offers and workload.rate_hz is None:
        found.append(
            Assumption(
                "cost per million",
                "that of instances which are never idle",
                "",
                Basis.ASSUMED,
                "no --rate: at a low rate it is many times higher",
            )
        )
    measured = [site.time.measurement for site in edges if site.time.measurement is not None]
    if measured and options.inputs is None:
        found.append(
            Assumption(
                "inputs", measured[0].input_source, "", Basis.ASSUMED, "no --inputs: generated"
            )
        )
    if measured and workload.rate_hz is not None:
        idle_s = 1 / workload.rate_hz - min(measured[0].samples_s)
        if idle_s > MAX_GAP_S:
            found.append(
                Assumption(
                    "idle time between runs",
                    format_duration(MAX_GAP_S),
                    "",
                    Basis.ASSUMED,
                    f"in place of {format_duration(idle_s)}: longer gaps made no run slower",
                )
            )
    if device.price_usd is not None and device.power_w is not None:
        found.append(
            Assumption(
                "electricity price",
                f"{ELECTRICITY_USD_PER_KWH}",
                "USD/kWh",
                Basis.ASSUMED,
                ELECTRICITY_SOURCE,
            )
        )
        found.append(
            Assumption(
                "device cost",
                "written off over 36 months, powered around the clock",
                "",
                Basis.ASSUMED,
                "straight line, the usual life of computers in accounting",
            )
        )
    return tuple(found)


def measuring_failure(answer: Recommendation, named_eps: Sequence[str]) -> Finding | None:
    """Return the finding by which measuring failed although there is an answer; None: it did not.

    It failed if a named execution provider could not be used, or if none could and nothing else
    is feasible.
    """
    failed = {
        candidate.sites[0].ep: found
        for candidate in answer.candidates
        if candidate.placement == "edge"
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
    "measuring_failure",
    "profile",
    "recommend",
    "this_machine",
]
