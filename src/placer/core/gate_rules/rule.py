"""What a rule of the gate is, and what it sees."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from shlex import quote

from placer.core.deployment import WHOLE_FILE, Defect, Deployed, Manifests, Place, Suppression, Tier
from placer.core.detours import Detour
from placer.core.environment import NetworkPath
from placer.core.estimate import Candidate
from placer.core.finding import Severity
from placer.core.gate import Excerpt, GateFinding, Outcome
from placer.core.gate_rules.measuring import (
    Asked,
    settings_of,
    shapes_of,
    targets_of,
    time_limit_of,
)
from placer.core.graph import ModelSummary
from placer.core.measurement import Measurement
from placer.core.project import DeclaredSite, DeclaredWorkload, Project, SiteEntry, Unresolved
from placer.core.workload import Workload


@dataclass(frozen=True, slots=True)
class Record:
    """Evidence that the lock names."""

    path: str
    sha256: str
    """As locked."""
    site: str | None
    """The device or cloud offer that was measured."""
    ep: str
    measurement: Measurement | None
    """None: it cannot be used."""
    defect: str = ""
    """Why not: ``missing``, ``tampered``, ``bound`` (to what it is not of), ``method`` or
    ``unreadable``; empty: it can."""
    message: str = ""


@dataclass(frozen=True, slots=True)
class NetworkRecord:
    """The network file that the lock names, or a workload whose file is gone."""

    path: str
    sha256: str
    """As locked; empty: the lock does not have it, and it is gone."""
    defect: str = ""
    """``missing`` or ``tampered``; empty: neither."""


@dataclass(frozen=True, slots=True)
class Served:
    """A workload with what the lock binds to it."""

    name: str
    path: str
    """Of the workload file, or its name in the catalogue."""
    workload: Workload
    model: ModelSummary | None
    """As locked; None: the lock does not have the workload."""
    records: tuple[Record, ...]
    network: NetworkPath
    network_record: NetworkRecord | None
    """None: the network is one of the catalogue, or assumed."""
    is_network_assumed: bool
    model_now_sha256: str | None
    """Of the model's file, where it is at hand and was read; None: it was not."""
    lock_defect: str = ""
    """What the lock states otherwise than the model's file of the same digest; empty: nothing."""
    is_of_other_placer: bool = False
    """Only the work of operators differs, and another version of placer wrote the lock: its
    formulas may have been others."""
    limit: Excerpt | None = None
    """Where the workload states its tightest latency."""
    unbound: str = ""
    """Why nothing binds it where there is no lock at all; empty: there is one, or it was not
    needed."""
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Of inputs, as the workload states them."""
    inputs: str | None = None
    """File of real samples that the workload names, relative to the project; None: none."""


@dataclass(frozen=True, slots=True)
class GateCase:
    """One thing that is deployed, with all that is known of it."""

    deployed: Deployed
    project: Project
    workload: DeclaredWorkload | Unresolved
    site: DeclaredSite | Unresolved
    served: Served | None
    """None: the workload is not resolved."""
    records: tuple[Record, ...]
    """Of the declared site."""
    chosen: Record | None
    """The one that the declared placement is judged by; None: an estimate, or nothing."""
    candidate: Candidate | None
    """The declared placement, evaluated; None: model or site are not resolved."""
    recommended: Candidate | None
    """The best placement on the same evidence; None: not asked."""
    today: date
    sites: Mapping[tuple[str, str], SiteEntry]
    """(path, id) of another thing that is deployed -> its site, where known."""
    defects: tuple[Defect, ...] = ()
    """Those of the manifest that lie in it."""
    takes_batch: bool | None = None
    """Whether the model's file takes the batch of the server; None: it was not read for that."""
    takes_shapes: Mapping[str, bool] = field(default_factory=dict)
    """Input -> whether the model's file takes the other shape of it that the manifest states."""
    unlocked: tuple[str, ...] = ()
    """Evidence of the model on the site that lies in its folder, where the lock binds none."""
    detour: Detour | None = None
    """None: requests come to the model first, as far as that is known."""

    @property
    def site_name(self) -> str:
        """The name of the site for messages and for ``placer profile --site``."""
        if isinstance(self.site, Unresolved):
            return "the site"
        entry = self.site.entry
        if entry.device is not None:
            return entry.device.name
        if entry.offer is not None:
            place = f"@{entry.offer.region}" if entry.offer.region else ""
            return f"{entry.offer.name}{place}"
        return entry.name

    @property
    def declared_site(self) -> str:
        """The site's name in ``placer.yaml``; empty: it is not resolved."""
        return "" if isinstance(self.site, Unresolved) else self.site.entry.name

    @property
    def is_timed(self) -> bool:
        """Whether what was measured of the model is what a request takes here."""
        is_alone = self.detour is None and self.deployed.steps is None
        return is_alone and not self.deployed.is_router

    @property
    def measure(self) -> str:
        """The command that measures what is missing, on which device, and what follows it.

        Where there is evidence, it is measured anew with the settings of that.
        """
        return self.measuring(Asked())

    def measuring(self, asked: Asked) -> str:
        """Return that command for what is asked.

        Evidence of another execution provider stays, and gets a file beside it.
        """
        served = self.served
        if served is None or isinstance(self.site, Unresolved):
            return "placer lock"
        model = asked.model or ("MODEL" if served.model is None else served.model.path)
        name = f"evidence/{served.name}-{self.site.entry.name}"
        path, ep, again = f"{name}.json", asked.ep, ""
        if ep is None:
            known = self.chosen or next(iter(self.records), None)
            ep = self._ep_of_the_profile if known is None else known.ep
        else:
            known = next((one for one in self.records if one.ep == ep), None)
            path = f"{name}-{ep}.json" if self.records else path
        if known is not None:  # a second file of one site and execution provider cannot be locked
            path, again = known.path, " --fresh"
        measured, workload = None if known is None else known.measurement, served.workload
        is_real = measured is not None and measured.input_source.startswith("samples:")
        inputs = asked.inputs or (served.inputs if is_real else None)
        rate_hz = workload.rate_hz if self.site.entry.tier is Tier.EDGE else None
        options = (
            f" --ep {ep}" if ep else "",
            targets_of(workload, asked.limit_ratio),
            shapes_of({**served.shapes, **asked.shapes}),
            f" --inputs {quote(inputs)}" if inputs else "",
            "" if rate_hz is None else f" --rate {rate_hz:g}/s",
            settings_of(measured, asked),
            time_limit_of(workload, measured, asked),
            again,
        )
        return (
            f"on {self.site_name}: placer profile {quote(model)} --site {quote(self.site_name)}"
            f"{''.join(options)} --save {quote(path)}; then here: placer lock"
        )

    @property
    def _ep_of_the_profile(self) -> str | None:
        """The execution provider that an estimate of the site is of; None: nobody states one."""
        if isinstance(self.site, Unresolved):
            return None
        entry = self.site.entry
        if entry.device is not None:
            return next(iter(entry.device.execution_providers), None)
        return None if entry.offer is None or entry.offer.ep == "none" else entry.offer.ep

    @property
    def where(self) -> Place:
        """Where the manifest says the place; its name if the place is not resolved."""
        return self.deployed.place if isinstance(self.site, Unresolved) else self.site.place

    @property
    def model_place(self) -> Place:
        """Where the manifest names the model."""
        if isinstance(self.workload, DeclaredWorkload) and self.workload.uri is not None:
            return self.workload.uri.place
        models = self.deployed.models
        return models[0].uri.place if models else self.deployed.place


@dataclass(frozen=True, slots=True)
class FilesCase:
    """All manifests of a run, for rules that are not about one thing that is deployed."""

    manifests: Manifests
    defects: tuple[tuple[Defect, tuple[Deployed, ...]], ...]
    """Each with the deployments that it is of, as ``owned`` returns them."""
    project: Project
    findings: tuple[GateFinding, ...]
    """Of all other rules, suppressed ones among them."""
    suppressions: tuple[Suppression, ...]
    """Those of the manifests and of the project."""
    today: date
    rules: frozenset[str]
    """Ids of all rules that there are."""
    unasked: frozenset[str]
    """Those that had not all that they judge by: with ``--locked`` no model file is read."""


@dataclass(frozen=True, slots=True)
class GateRule:
    """One rule: pure functions with their explanation."""

    id: str
    title: str
    severity: Severity
    """The highest severity that it reports."""
    what: str
    why: str
    example: str
    fix: str
    check: Callable[[GateCase], Sequence[GateFinding]] | None = None
    check_files: Callable[[FilesCase], Sequence[GateFinding]] | None = None


def found(
    rule: str,
    case: GateCase,
    message: str,
    remedy: str,
    *,
    outcome: Outcome,
    severity: Severity | None = None,
    place: Place | None = None,
    value: str | None = None,
    limit: str | None = None,
    evidence: str | None = None,
    related: tuple[Excerpt, ...] = (),
    subject: str | None = None,
    excess_ratio: float | None = None,
) -> tuple[GateFinding, ...]:
    """Return one finding on something deployed; the severity follows the outcome unless given.

    Parameters
    ----------
    subject
        What of the place it is about; None: the site that is declared there.
    """
    if severity is None:
        severity = {
            Outcome.FAIL: Severity.ERROR,
            Outcome.INCONCLUSIVE: Severity.WARNING,
            Outcome.PASS: Severity.NOTE,
        }[outcome]
    return (
        GateFinding(
            rule=rule,
            severity=severity,
            outcome=outcome,
            message=message,
            remedy=remedy,
            place=place or case.deployed.place,
            deployed=case.deployed.id,
            deployed_in=case.deployed.place.path,
            workload=None if case.served is None else case.served.name,
            value=value,
            limit=limit,
            evidence=evidence,
            related=related,
            subject=case.declared_site if subject is None else subject,
            excess_ratio=excess_ratio,
        ),
    )


def day_of(measured_at: str) -> date:
    """Return the day, in UTC, of a date or a time in ISO 8601."""
    moment = datetime.fromisoformat(measured_at)
    return (moment if moment.tzinfo is None else moment.astimezone(UTC)).date()


def defect_findings(
    rule: str, severity: Severity, outcome: Outcome, case: FilesCase, kinds: Sequence[str]
) -> tuple[GateFinding, ...]:
    """Return a finding for each defect of some kinds, of the deployments that it is of."""
    return tuple(
        GateFinding(
            rule=rule,
            severity=severity,
            outcome=outcome,
            message=defect.message,
            remedy=defect.remedy,
            place=defect.place,
            deployed=owners[0].id if len(owners) == 1 else None,
            deployed_in=owners[0].place.path if len(owners) == 1 else None,
            shared_by=tuple((one.place.path, one.id) for one in owners) if owners[1:] else (),
            subject=defect.subject,
        )
        for defect, owners in case.defects
        if defect.kind in kinds
    )


def owned(manifests: Manifests) -> tuple[tuple[Defect, tuple[Deployed, ...]], ...]:
    """Return each defect with the deployments that it is of."""
    by_document: dict[tuple[str, int], list[Deployed]] = {}
    if manifests.defects:
        for one in manifests.deployed:
            by_document.setdefault((one.place.path, one.place.document), []).append(one)
            for document in one.beside:
                by_document.setdefault(document, []).append(one)
    return tuple(
        (
            one,
            tuple(of for of in manifests.deployed if of.place.path == one.place.path)
            if one.concerns == WHOLE_FILE
            else _owners_of(one, by_document.get((one.place.path, one.place.document), ())),
        )
        for one in manifests.defects
    )


_NAME = re.compile(r"(?:/metadata)?/(?:name|generateName)$")


def _owners_of(defect: Defect, deployed: Sequence[Deployed]) -> tuple[Deployed, ...]:
    """Return what is deployed by the innermost object around a defect, else all below its level.

    A target condition stands beside the modules that it places, not in one of them.
    """
    here = (defect.place.path, defect.place.document)
    beside = tuple(one for one in deployed if here in one.beside)
    if beside:  # they rest on all of this document, wherever it is wrong
        return beside
    scopes = [(one, _NAME.sub("", one.place.pointer)) for one in deployed]
    pointer = defect.place.pointer
    around = [scope for _, scope in scopes if f"{pointer}/".startswith(f"{scope}/")]
    if around:
        inner = max(around, key=len)
        return tuple(one for one, scope in scopes if scope == inner)
    above = pointer.rpartition("/")[0] if defect.concerns is None else defect.concerns
    return tuple(one for one, scope in scopes if f"{scope}/".startswith(f"{above}/"))
