"""Recorded evidence that bears on a question."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from placer.core.environment import CloudOffer, Device
from placer.core.errors import UsageError, near_match
from placer.core.finding import Effect, Finding, Severity
from placer.core.graph import ModelSummary

if TYPE_CHECKING:
    from placer.files.evidence import Evidence


Records = tuple[tuple[str | None, "Evidence"], ...]
"""(site, or None for this machine; evidence)."""


def matching_evidence(
    paths: Sequence[str], models: Sequence[ModelSummary]
) -> tuple[tuple[Records, ...], tuple[Finding, ...]]:
    """Return the records of each model, and findings on evidence of others."""
    from placer.files.evidence import read_evidence

    found: list[list[tuple[str | None, Evidence]]] = [[] for _ in models]
    findings = []
    for text in paths:
        named, separator, path = text.partition("=")
        if not separator or Path(text).exists():
            named, path = "", text
        if not path:
            raise UsageError(f"--evidence '{text}' names no file", hint="--evidence [SITE=]PATH")
        for record in read_evidence([path]):
            measurement = record.measurement
            digests = sorted(digest for _, digest in measurement.subjects)
            same = [
                place
                for place, model in enumerate(models)
                if sorted(digest for _, digest in model.subjects) == digests
            ]
            shapes = {(spec.name, spec.shape) for spec in models[same[0] if same else 0].inputs}
            if not same:
                why = "of another model"
            elif set(measurement.input_shapes) != shapes:
                why = "of other input shapes"
            else:
                found[same[0]].append((_site_label(named or record.site, record), record))
                continue
            findings.append(
                Finding(
                    "PLC601",
                    Severity.WARNING,
                    Effect.NONE,
                    f"evidence {why} was left aside",
                    f"measure it there: placer profile {models[0].path} --save FILE",
                    record.path,
                )
            )
    for records in found:
        _refuse_two_of_one(records)
    return tuple(map(tuple, found)), tuple(findings)


def _refuse_two_of_one(records: Sequence[tuple[str | None, Evidence]]) -> None:
    """Raise UsageError where two files say what one site and execution provider takes."""
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


def measured_here(
    records: Sequence[tuple[str | None, Evidence]], device: Device, model_path: str
) -> tuple[Finding, ...]:
    """Return a finding on evidence of another site that was measured on this machine."""
    from placer.profiling.machine import describe_machine

    here = describe_machine().machine_id
    own = (None, device.name) if device.is_this_machine else (None,)
    return tuple(
        Finding(
            "PLC601",
            Severity.WARNING,
            Effect.NONE,
            f"it counts as evidence of {site}, but was measured on this machine",
            f"unless this machine is one, measure there: placer profile {model_path} "
            f"--site {site} --save FILE",
            record.path,
        )
        for site, record in records
        if site not in own and record.measurement.machine.machine_id == here
    )


def misfit_here(site: str) -> str:
    """Say why this machine cannot be a device or offer of the catalogue; empty: it may be."""
    from placer.core.machine_fit import misfit
    from placer.files import catalogue
    from placer.profiling.machine import describe_machine

    name = site.partition("@")[0]
    stated: Device | CloudOffer
    if name in catalogue.list_names(catalogue.Kind.DEVICES):
        stated = catalogue.load_device(name)
    elif name in catalogue.list_names(catalogue.Kind.CLOUDS):
        stated = catalogue.load_cloud(name)[0]
    else:
        return ""
    machine = describe_machine()
    wrong = misfit(machine, stated)
    if wrong is None:
        return ""
    return f"this machine ({machine.cpu}) is no {site}: {wrong} (PLC621 of placer check)"


def check_all_used(
    records: Sequence[tuple[str | None, Evidence]],
    device: Device,
    offers: Sequence[CloudOffer],
    calibrated: Collection[str | None] = (),
) -> None:
    """Raise UsageError for evidence of a site that is not asked about.

    Parameters
    ----------
    calibrated
        Sites that were learnt: a time there may be carried over to those that are asked about.
    """
    known = [device.name]
    for offer in offers:
        known += [offer.name, offer.instance, f"{offer.name}@{offer.region}"]
    for site, record in records:
        if site in calibrated:
            continue
        if site is not None and site not in known:
            raise UsageError(
                f"{record.path} is evidence of the site '{site}', which is not asked about"
                f"{near_match(site, known)}",
                hint="add it with --cloud or --device, or say what it is: --evidence NAME=FILE",
            )
        if site is None and not device.is_this_machine:
            raise UsageError(
                f"{record.path} was measured on this machine, the question is about {device.name}",
                hint=f"measure there with --site {device.name}, or ask about this machine: without "
                "--device, or `device: name:` in the workload",
            )
