"""The answer in words: where, how sure, why not elsewhere, and what to measure next."""

from __future__ import annotations

from collections.abc import Sequence

from placer.core.environment import Basis
from placer.core.estimate import (
    Candidate,
    Decision,
    NextMeasurement,
    Placement,
    StageKind,
)
from placer.core.finding import Effect
from placer.core.graph import ModelSummary
from placer.core.placement import (
    Environment,
)
from placer.core.ranking import headline_s, objective_of
from placer.core.units import (
    format_duration,
    format_percentile,
    format_usd,
)
from placer.core.workload import Objective, Workload


def why_not(candidate: Candidate, chosen: Candidate | None, workload: Workload) -> str:
    """Say why a candidate is not the choice."""
    blocking = [found for found in candidate.findings if found.effect is Effect.VIOLATED]
    if blocking:
        return "; ".join(dict.fromkeys(found.message for found in blocking))
    doubtful = [found for found in candidate.findings if found.effect is Effect.UNPROVEN]
    if doubtful and (chosen is None or chosen.feasible is True):
        return "; ".join(dict.fromkeys(found.message for found in doubtful))
    if chosen is None:
        return ""
    if objective_of(workload) is Objective.COST and None not in (
        candidate.usd_per_month,
        chosen.usd_per_month,
    ):
        mine, other = candidate.usd_per_month or 0.0, chosen.usd_per_month or 0.0
        if mine != other:
            return f"costs {format_usd(mine)} per month, the choice {format_usd(other)}"
    mine_s, other_s = headline_s(candidate), headline_s(chosen)
    if mine_s != other_s and mine_s != float("inf"):
        return f"slower: {format_duration(mine_s)} against {format_duration(other_s)}"
    if mine_s == float("inf"):
        return "; ".join(found.message for found in doubtful) or "its latency is unknown"
    if candidate.placement is Placement.FALLBACK and chosen.placement is Placement.CLOUD:
        return "no faster, and it needs the device as well"
    return "no faster, and it needs the network as well"


def decide(candidates: Sequence[Candidate], is_chosen: bool, workload: Workload) -> Decision:
    """Say where the model should run, how sure that is and why, in one sentence."""
    if not candidates or not is_chosen:
        reason = "No placement is feasible"
        if candidates:
            first = candidates[0]
            reason += f"; the nearest, {first.id}: {first.why_not}"
        return Decision(Placement.NONE, None, False, reason + ".")
    best = candidates[0]
    where = _where(best)
    if best.feasible is None:
        blocking = [found for found in best.findings if found.effect is Effect.UNPROVEN]
        why = "; ".join(dict.fromkeys(found.message for found in blocking[:2]))
        return Decision(
            best.placement, best.id, None, f"Nothing is proven; {where} is the best guess: {why}."
        )
    if best.targets:
        tightest = min(best.targets, key=lambda one: 1 - (one.high_s or one.limit_s) / one.limit_s)
        name = format_percentile(tightest.percentile)
        assert tightest.high_s is not None
        proof = (
            f"{name} is at most {format_duration(tightest.high_s)} with 95 % confidence, "
            f"the limit is {format_duration(tightest.limit_s)}"
        )
    elif best.latency is not None:
        proof = f"its median latency is {format_duration(best.latency.p50_s)}; no target was set"
    else:
        proof = "no target was set"
    rival = next(
        (
            one
            for one in candidates[1:]
            if one.feasible is None
            and one.usd_per_month is not None
            and best.usd_per_month is not None
            and one.usd_per_month < best.usd_per_month
        ),
        None,
    )
    tail = f"; {rival.id} would be cheaper but is unproven" if rival is not None else ""
    return Decision(best.placement, best.id, True, f"Run it {where}: {proof}{tail}.")


def _where(candidate: Candidate) -> str:
    first = candidate.sites[0]
    setting = f", {first.options}" if first.options else ""
    match candidate.placement:
        case Placement.EDGE:
            return f"on the device ({first.ep}{setting})"
        case Placement.CLOUD:
            region = f" in {first.region}" if first.region else ""
            return f"in the cloud ({first.name}{region})"
        case _:
            last = candidate.sites[-1]
            if ":prefer_device:" in candidate.id:
                return f"on the device ({first.ep}{setting}) with {last.name} as fallback"
            return f"in the cloud ({last.name}) with the device ({first.ep}) as fallback"


def next_measurement(
    best: Candidate, model: ModelSummary, workload: Workload, environment: Environment
) -> NextMeasurement:
    """Say what to measure to settle an answer that is not proven."""
    limits = " ".join(
        f"--sla {format_percentile(target.percentile)}={target.limit_s * 1e3:g}ms"
        for target in workload.targets
    )
    again = f"placer recommend {model.path} {limits}".rstrip()
    effects = {found.rule for found in best.findings if found.effect is Effect.UNPROVEN}
    if "PLC602" in effects:
        return NextMeasurement(
            "the network between the device and the cloud",
            "it is assumed, and its value changes the verdict",
            f"{again} --network FILE",
        )
    if "PLC102" in effects:
        return NextMeasurement(
            "where the input may be processed",
            "its class allows only stated regions",
            f"{again} --region REGION",
        )
    device, last = environment.device, best.sites[-1]
    in_cloud = best.placement is not Placement.EDGE
    measured_compute = [
        stage.basis is Basis.MEASURED for stage in best.stages if stage.kind is StageKind.COMPUTE
    ]
    if in_cloud and all(measured_compute) and measured_compute:
        return NextMeasurement(
            "the network between the device and the cloud",
            "the figures of the path do not prove the target: a file with RTT samples, or "
            "quantiles up to the target's percentile, and the loss would",
            f"{again} --network FILE",
        )
    if in_cloud or not device.is_this_machine:
        return NextMeasurement(
            f"the model on {last.name}",
            f"its time there is not measured; run this there, then add --evidence {last.name}.json",
            f"placer profile {model.path} --site {last.name} --save {last.name}.json",
        )
    if best.quality is not None and best.quality.is_disturbed:
        return NextMeasurement(
            "the model on this device, while nothing else runs",
            "the measurement was disturbed: " + "; ".join(best.quality.reasons),
            f"{again} --fresh",
        )
    return NextMeasurement(
        "the model on this device, for longer",
        "; ".join(target.reason for target in best.targets) or "it could not be measured",
        f"{again} --fresh --time-limit 300s",
    )
