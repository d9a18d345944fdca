"""What is known of each thing deployed: its workload, its evidence, how it is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from placer.api.gate_inputs import (
    GateInputs,
    served_by,
    takes_batch,
    takes_shapes,
    unlocked_evidence,
)
from placer.api.gate_sites import environment_of, names_of, with_way
from placer.api.locking import digest_of, is_there
from placer.core.deployment import Deployed, Place
from placer.core.detours import detour_of
from placer.core.environment import Basis
from placer.core.errors import near_match
from placer.core.gate import CheckResult
from placer.core.gate_rules.rule import GateCase
from placer.core.globs import glob_of, globbed
from placer.core.judging import eligible, is_without_basis, judged
from placer.core.project import (
    DeclaredSite,
    DeclaredWorkload,
    SiteEntry,
    Unresolved,
    workload_of,
)


class Lost:
    """What was judged at the base: where nothing says now that it runs a model, that is told."""

    def __init__(self, revision: str, before: CheckResult | None) -> None:
        checked = () if before is None else before.checked
        self._revision = revision
        self._known = {(one.path, one.id): one for one in checked}
        self._moved = {one.id: one for one in checked if not is_there(one.path)}
        self._others = {(one.path, one.id) for one in (() if before is None else before.others)}

    def of(self, deployed: Deployed, project: str) -> Unresolved | None:
        """Return why its model is not known; None: it was not judged at the base either."""
        key = (deployed.place.path, deployed.id)
        was = self._known.get(key) or self._moved.get(deployed.id)
        if was is None or key in self._others:
            return None
        known = f"as the workload '{was.workload}'" if was.workload else "as a model"
        return Unresolved(
            f"{self._revision} knows it {known}, and nothing says now that it runs a model",
            f"add what it runs to {project} under models, or deployments: "
            f"[{{id: {glob_of(deployed.id)}, workload: NAME}}]; if it runs no model any more, "
            "ignore this with that reason",
        )


def case_of(
    checking: GateInputs,
    deployed: Deployed,
    path: str,
    site: DeclaredSite | Unresolved,
    sites: Mapping[tuple[str, str], SiteEntry],
    lost: Lost,
) -> GateCase | None:
    """Return what is known of something deployed; None: nothing says that it runs a model."""
    project = checking.file.project
    workload = workload_of(deployed, project, path) or lost.of(deployed, project.path)
    if workload is None:
        return None
    served = None
    if isinstance(workload, DeclaredWorkload):
        workload = _with_locked_digest(checking, deployed, workload)
    if isinstance(workload, DeclaredWorkload):
        if workload.name not in checking.file.workloads:
            is_one = len(checking.file.workloads) == 1
            near = near_match(workload.name, checking.file.workloads)
            workload = Unresolved(
                f"no workload '{workload.name}' in {project.path}{near}",
                f"correct the name, or add it there under `workloads`: "
                f"{', '.join(checking.file.workloads)} {'is' if is_one else 'are'} known",
                _annotation_of(deployed, workload.name),
            )
        else:
            served = served_by(checking, workload.name)
    case = GateCase(
        deployed=deployed,
        project=project,
        workload=workload,
        site=site,
        served=served,
        records=(),
        chosen=None,
        candidate=None,
        recommended=None,
        today=checking.today,
        sites=sites,
    )
    if served is not None and deployed.batching is not None:
        case = replace(case, takes_batch=takes_batch(checking, served, deployed.batching.value))
    if served is not None:
        case = replace(case, takes_shapes=takes_shapes(checking, served, deployed))
    if served is None or isinstance(site, Unresolved):
        return case
    names = names_of(site.entry)
    is_here = not deployed.is_router  # which runs no model: that is measured where it does
    records = tuple(one for one in served.records if is_here and one.site in names)
    detour = detour_of(deployed, site, project, sites)
    if detour is not None:
        detour = with_way(checking, served, detour)
    case = replace(case, records=records, detour=detour)
    if is_here and not records and served.model is not None:
        case = replace(case, unlocked=unlocked_evidence(checking, served.model, names))
    if served.model is None or is_without_basis(case):
        return case
    usable = [one for one in records if one.measurement is not None]
    running = frozenset(one.path for one in eligible(usable, deployed.resources))
    key = (served.name, site.entry.name, running)
    if key not in checking.judgements:
        environment, workings = environment_of(checking, served, site.entry, running)
        checking.judgements[key] = judged(
            site.entry, served, records, environment, workings, resources=deployed.resources
        )
    chosen, candidate, best = checking.judgements[key]
    network = served.network_record
    if any(one.defect for one in (*served.records, *((network,) if network else ()))):
        best = None  # it may be another site's, of which a recommendation would know too little
    if not is_here:
        best = None
    if not records and best is not None and best.feasible is not True:
        best = None  # one estimate against another
    if best is not None and best.latency is not None and best.basis is Basis.ASSUMED:
        best = None  # over a network that nobody stated: nothing of it is proven
    return replace(case, chosen=chosen, candidate=candidate, recommended=best)


def _annotation_of(deployed: Deployed, workload: str) -> Place | None:
    """Return where an annotation names a workload; None: an entry of the project does."""
    wanted = ("placer/workload", workload)
    return next((one.place for one in deployed.annotations if one.value == wanted), None)


def _with_locked_digest(
    checking: GateInputs, deployed: Deployed, workload: DeclaredWorkload
) -> DeclaredWorkload | Unresolved:
    """Fill in the digest of a file that an entry of ``models`` names: of today, else as locked."""
    if workload.sha256 is not None:
        return workload
    texts = [model.uri for model in deployed.models] or list(deployed.images)
    for index, path in checking.file.model_files.items():
        entry = checking.file.project.models[index]
        if not any(globbed(text.value, entry.uri) for text in texts):
            continue
        locked = None if checking.lock is None else checking.lock.lock.models
        digest = None if locked is None else locked.get(checking.file.within(path))
        if locked is not None and digest is None:
            return Unresolved(f"{path}, which `models` names, is not in placer.lock", "placer lock")
        if locked is None and not is_there(path):
            return Unresolved(
                f"{path}, which `models` names, is not here, and there is no placer.lock",
                "where it is: placer lock; and commit placer.lock",
            )
        if not checking.is_locked and is_there(path):
            digest = digest_of(path)
        return replace(workload, sha256=digest, file=checking.file.within(path))
    return workload
