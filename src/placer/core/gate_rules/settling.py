"""What settles a finding of the rules of placements, as a command or an edit of the project.

What a finding says of ``placer recommend`` is of no use to who runs the gate, and a command that
leads to the same finding again is of none to anybody.
"""

from __future__ import annotations

from collections.abc import Sequence

from placer.core.compute import level_of_evidence
from placer.core.doubts import idle_doubts, link_doubts
from placer.core.estimate import Candidate, TargetVerdict, Verdict
from placer.core.finding import Effect, Finding
from placer.core.gate_rules.measuring import QUIETLY, Asked
from placer.core.gate_rules.plc618_tampered import uses_network
from placer.core.gate_rules.plc619_network_age import PROBE
from placer.core.gate_rules.rule import GateCase, Served
from placer.core.measurement import Measurement
from placer.core.placement import SiteTime
from placer.core.sequential import planned_runs
from placer.core.transfer import weaknesses
from placer.core.units import format_duration, format_percentile
from placer.core.variant import samples_that_prove

BUSY_RATIO = 0.7
"""Busier than this, waiting is most of the latency: at 0.7 a random request waits longer than it is
served (M/D/1: load / 2 / (1 - load) = 1.17 service times)."""
MOST_RUNS = 200_000
"""``placer profile`` takes no more."""
LONGER_S = 120.0
_OF_THE_NETWORK = f"the network is what is not known well enough: {PROBE}; then: placer lock"


def remedy_of(
    case: GateCase, candidate: Candidate, finding: Finding, target: TargetVerdict | None
) -> str:
    """Return what to do here: a target that is not proven needs what leaves it open."""
    served, record = case.served, case.chosen
    measured = None if record is None else record.measurement
    if finding.rule == "PLC601" and measured is not None:
        return measured_anew(case, measured, candidate.targets)
    if finding.rule == "PLC601":
        return case.measure
    if served is None:
        return finding.remedy
    if finding.rule == "PLC407" and measured is not None:
        return _of_other_answers(case, served, measured, finding)
    if finding.rule != "PLC202" or target is None:
        return _in_the_files(case, served, finding)
    if measured is None:
        return case.measure
    for rule in ("PLC203", "PLC303"):
        if over := [one for one in candidate.findings if one.rule == rule]:
            return f"{over[0].remedy} ({rule})"
    path, sizes = served.network, (candidate.bytes_up, candidate.bytes_down)
    if uses_network(case) and weaknesses(path, target.percentile):
        return _OF_THE_NETWORK  # what else is wrong with the evidence has a finding of its own
    are_few = len(measured.samples_s) < planned_runs(target.percentile)
    if measured.instrument.is_disturbed or (target.runs_needed is None and are_few):
        return measured_anew(case, measured, (target,))
    if uses_network(case):
        if busy := link_doubts(path, served.workload, 1.0, *sizes):
            return f"fewer or smaller requests, or a faster link: {busy[0]}"
        if not _is_near(target, _factor(case, measured)):
            return _OF_THE_NETWORK
        return _too_near(served, target)
    return _of_a_device(case, candidate, served, measured, target)


def _in_the_files(case: GateCase, served: Served, finding: Finding) -> str:
    """Return a remedy with keys of files in the place of options of ``placer recommend``."""
    workload, regions = served.path, served.workload.regions
    match finding.rule:
        case "PLC102" if not regions:
            return f"state where it may be processed: `data: regions:` of {workload}"
        case "PLC102" if finding.effect is Effect.VIOLATED:
            return f"deploy to a site inside, or widen `data: regions:` of {workload}"
        case "PLC102":
            return f"state the `jurisdiction` of the site in {case.project.path}"
        case "PLC103":
            return f"state it: `data: class:` of {workload}"
        case "PLC602":
            return f"state it: `network:` of {workload}, measured at the device: {PROBE}"
        case "PLC501" if (
            finding.effect is Effect.UNPROVEN and "profile MODEL" not in finding.remedy
        ):
            return (
                "give the missing figure in the file of the device, network or cloud, or "
                f"`demand: rate:` of {workload}"
            )
        case _ if "placer profile MODEL" in finding.remedy:
            return case.measure
        case _:
            return finding.remedy.replace(" (--wire-input)", "")


def _of_a_device(
    case: GateCase,
    candidate: Candidate,
    served: Served,
    measured: Measurement,
    target: TargetVerdict,
) -> str:
    """Return what settles a target of an edge site whose samples are many and undisturbed."""
    workload = served.workload
    if workload.rate_hz is not None and candidate.capacity_hz:
        load = workload.rate_hz * workload.fleet / candidate.capacity_hz
        if load >= BUSY_RATIO:
            return (
                f"a lower rate or a faster site: it is busy {100 * load:.0f} % of the time, and "
                "requests wait for each other"
            )
    factor, fresh = _factor(case, measured), _factor_today(case)
    if factor > fresh or idle_doubts(SiteTime(measured), workload.rate_hz):
        # of today, or idling as the workload does, it proves more
        return measured_anew(case, measured, (target,))
    ratio = _nearer_ratio(case, measured, (target,))
    runs = len(measured.samples_s) + (target.runs_needed or 0)
    if target.runs_needed is not None and runs <= MOST_RUNS:
        return case.measuring(Asked(limit_ratio=ratio, runs=runs))
    if _is_near(target, factor):
        return _too_near(served, target)
    return f"{QUIETLY}{case.measuring(Asked(limit_ratio=ratio, limit_s=LONGER_S))}"


def measured_anew(case: GateCase, measured: Measurement, targets: Sequence[TargetVerdict]) -> str:
    """Return the command that measures anew what was too weak to decide targets."""
    command = case.measuring(Asked(limit_ratio=_nearer_ratio(case, measured, targets)))
    return f"{QUIETLY if measured.instrument.is_disturbed else ''}{command}"


def _nearer_ratio(case: GateCase, measured: Measurement, targets: Sequence[TargetVerdict]) -> float:
    """Return the factor of the limits with which a measurement of today settles what is unproven.

    Evidence must hold with its times longer and shorter. What was disturbed tells no times above a
    limit: contention made them longer.
    """
    unproven = [one for one in targets if one.verdict is Verdict.UNPROVEN]
    if not unproven:
        return 1.0
    is_above = any(one.value_s is not None and one.value_s > one.limit_s for one in unproven)
    factor = _factor_today(case)
    return factor if is_above and not measured.instrument.is_disturbed else 1 / factor


def _factor_today(case: GateCase) -> float:
    """Return the factor that the times of evidence of today must allow for."""
    today = case.today.isoformat()
    return level_of_evidence(today, case.today, same_machine=True, same_runtime=True)[1]


def _factor(case: GateCase, measured: Measurement) -> float:
    """Return the factor that the times of evidence must allow for."""
    measured_at = measured.measured_at
    return level_of_evidence(measured_at, case.today, same_machine=True, same_runtime=True)[1]


NEAR_RATIO = 1.1
"""So much beyond what evidence must allow for, its own spread may leave a limit open."""


def _is_near(target: TargetVerdict, factor: float) -> bool:
    """Tell whether a limit lies so near to what was measured that no more runs decide."""
    value_s, most = target.value_s, factor * NEAR_RATIO
    return value_s is not None and value_s / most <= target.limit_s <= value_s * most


def _too_near(served: Served, target: TargetVerdict) -> str:
    assert target.value_s is not None
    name, limit = format_percentile(target.percentile), format_duration(target.limit_s)
    return (
        f"measuring again would not settle it: {name} is {format_duration(target.value_s)}, too "
        f"near to {limit}. A faster site or a smaller model, or another limit in {served.path}"
    )


def _of_other_answers(
    case: GateCase, served: Served, measured: Measurement, finding: Finding
) -> str:
    """Return what settles whether an execution provider answers as the CPU does."""
    parity, wanted = measured.parity, served.workload.min_agreement_ratio
    if parity is None:
        return f"with more time: {case.measuring(Asked(limit_s=2 * LONGER_S))}"
    full = "turn the reduced precision off (--ep-option of placer profile, and where it is served)"
    inputs = served.inputs or "SAMPLES.npz"
    if wanted is None:
        stated = "state how many answers must be the same (`model: {min_agreement: 99%}` in "
        return f"{full}; or {stated}{served.path}), then {case.measuring(Asked(inputs=inputs))}"
    if not measured.input_source.startswith("samples:"):
        return f"{full}; or with real samples {case.measuring(Asked(inputs=inputs))}"
    if finding.effect is not Effect.UNPROVEN:
        return f"{full}, or deploy to a site that answers as the CPU does"
    needed = samples_that_prove(parity.agreement_ratio, wanted)
    if needed is None:
        return (
            f"more samples would not settle it: {full}, or another `min_agreement` in {served.path}"
        )
    return f"with about {needed:,} samples {case.measuring(Asked(inputs=inputs))}"
