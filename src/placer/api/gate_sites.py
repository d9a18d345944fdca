"""Where the workloads of a project could run: its sites, with what was measured on each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from placer.api.assumptions import ELECTRICITY_SOURCE, ELECTRICITY_USD_PER_KWH
from placer.api.gate_inputs import GateInputs
from placer.api.measuring import MeasuringOptions, say_nothing
from placer.api.offers import load_offers
from placer.api.paths import load_location, load_path
from placer.api.sites import modelled_site, modelled_time
from placer.core.compute import level_of_evidence
from placer.core.detours import Detour
from placer.core.environment import Basis, ChipClass, CloudOffer, Device
from placer.core.estimate import Candidate
from placer.core.evaluate import evaluate
from placer.core.gate_rules.rule import Record, Served
from placer.core.graph import ModelSummary
from placer.core.placement import Cloud, CloudSite, EdgeSite, Environment, SiteTime
from placer.core.project import SiteEntry
from placer.core.workings import Workings

if TYPE_CHECKING:
    from placer.files.project import ProjectFile
    from placer.files.workload import WorkloadFile


def names_of(entry: SiteEntry) -> set[str]:
    """Return how evidence may call a site."""
    names = {entry.name}
    if entry.device is not None:
        names.add(entry.device.name)
    if entry.offer is not None:
        names |= _names_of_offer(entry.offer)
    return names


def environment_of(
    inputs: GateInputs, served: Served, entry: SiteEntry, running: frozenset[str]
) -> tuple[Environment, Workings]:
    """Return where a workload could run: the declared site and the others of the project.

    Parameters
    ----------
    running
        Paths of the evidence of what would run at the declared site.
    """
    from placer.files.catalogue import backbone_to

    key = (served.name, entry.name, running)
    if key not in inputs.environments:
        workload = inputs.workloads[served.name]
        device = _device(inputs.file, entry, workload)
        offers = _offers(inputs.file, entry, workload)
        path, fastest, possible = load_path(workload.network)
        place = load_location(None, workload.location, path)
        environment = Environment(
            device=device
            or Device("device", "a device that nobody named", ChipClass.CPU, basis=Basis.ASSUMED),
            path=path,
            edges=() if device is None else _edges(inputs, device, served),
            clouds=tuple(
                replace(
                    _cloud(inputs, offer, served, running), backbone=backbone_to(path, place, offer)
                )
                for offer in offers
            ),
            fastest_path=fastest,
            possible_paths=possible,
            electricity_usd_per_kwh=ELECTRICITY_USD_PER_KWH,
            electricity_source=ELECTRICITY_SOURCE,
        )
        inputs.environments[key] = (environment, Workings())
    return inputs.environments[key]


def with_way(inputs: GateInputs, served: Served, detour: Detour) -> Detour:
    """Return a detour with the way there alone, where what that is judged by can be used."""
    network = served.network_record
    if served.model is None or served.lock_defect or detour.site.offer is None:
        return detour
    if network is not None and network.defect:
        return detour
    key = (served.name, detour.site.name)
    if key not in inputs.ways:
        inputs.ways[key] = _way_to(inputs, served, served.model, detour.site)
    return replace(detour, way=inputs.ways[key])


def _way_to(inputs: GateInputs, served: Served, model: ModelSummary, entry: SiteEntry) -> Candidate:
    """Return the way to a site of the cloud and back, as a placement of unknown time there.

    Before a transformer a request need not be the model's input: only what the workload says of
    its size counts.
    """
    environment, _ = environment_of(inputs, served, entry, frozenset())
    site = next(one for one in environment.clouds if one.offer == entry.offer)
    option = Cloud(replace(site, time=SiteTime(source="what is done there was not measured")))
    without_sizes = replace(model, inputs=(), outputs=())
    return evaluate(option, without_sizes, served.workload, environment)


def _device(file: ProjectFile, entry: SiteEntry, workload: WorkloadFile) -> Device | None:
    """Return the device of an edge site; for a cloud site that of the workload or the project."""
    from placer.files.catalogue import load_device

    if entry.device is not None:
        return entry.device
    if workload.device is not None:
        return load_device(workload.device)
    devices = {one.device.name: one.device for one in file.project.sites if one.device is not None}
    return next(iter(devices.values())) if len(devices) == 1 else None


def _offers(file: ProjectFile, entry: SiteEntry, workload: WorkloadFile) -> tuple[CloudOffer, ...]:
    """Return the declared offer, those of the project's sites and those of the workload."""
    offers = [] if entry.offer is None else [entry.offer]
    offers += [one.offer for one in file.project.sites if one.offer is not None]
    if workload.clouds or not offers:
        named, _ = load_offers(workload.clouds, workload.workload, ())
        offers += named
    # what the declared site says of its offer goes before what others say of one of that name
    return tuple({(one.name, one.region): one for one in reversed(offers)}.values())[::-1]


def _edges(inputs: GateInputs, device: Device, served: Served) -> tuple[EdgeSite, ...]:
    assert served.model is not None
    names = {device.name}
    names |= {one.name for one in inputs.file.project.sites if one.device == device}
    measured = [
        EdgeSite(one.ep, _time(inputs, one))
        for one in served.records
        if one.site in names and one.measurement is not None
    ]
    if measured:
        return tuple(measured)
    ep = (device.execution_providers or ("cpu",))[0]
    return (modelled_site(device, served.model, ep, MeasuringOptions(), False, say_nothing, None),)


def _cloud(
    inputs: GateInputs, offer: CloudOffer, served: Served, running: frozenset[str]
) -> CloudSite:
    assert served.model is not None
    names = _names_of_offer(offer)
    for entry in inputs.file.project.sites:
        if entry.offer is not None and _names_of_offer(entry.offer) == names:
            names = names | {entry.name}
    for record in sorted(served.records, key=lambda one: one.path not in running):
        if record.site in names and record.measurement is not None:
            return CloudSite(offer, _time(inputs, record))
    return CloudSite(offer, modelled_time(offer, served.model, offer.ep, None))


def _names_of_offer(offer: CloudOffer) -> set[str]:
    return {offer.name, offer.instance, f"{offer.name}@{offer.region}"}


def _time(inputs: GateInputs, record: Record) -> SiteTime:
    """Return the time of a record; which machine reads it makes no difference."""
    measurement = record.measurement
    assert measurement is not None
    level, factor_90 = level_of_evidence(
        measurement.measured_at, inputs.today, same_machine=True, same_runtime=True
    )
    return SiteTime(
        measurement,
        factor_90,
        level.value,
        f"evidence {record.path}, {measurement.runtime}, {measurement.measured_at}, "
        f"times ×/÷ {factor_90:.2f} for reuse",
        evidence_path=record.path,
    )
