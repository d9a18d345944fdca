"""PLC611: there is no evidence of the model on the declared site."""

from __future__ import annotations

from placer.core.deployment import Egress
from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.rule import GateCase, GateRule, Served, found
from placer.core.project import Unresolved
from placer.core.receivers import carried, receiver_of


def _check(case: GateCase) -> tuple[GateFinding, ...]:
    served = case.served
    if served is None or served.model is None or isinstance(case.site, Unresolved):
        return ()
    several = _several_steps(case, served.model.path) + _passed_first(case, served)
    return several + (_elsewhere(case) if case.deployed.is_router else _none_here(case, served))


def _several_steps(case: GateCase, model: str) -> tuple[GateFinding, ...]:
    """Return that a request runs through several steps, of which one model was measured."""
    steps = case.deployed.steps
    if steps is None:
        return ()
    return found(
        "PLC611",
        case,
        f"a request runs through {steps.value} steps, what was measured is {model} alone: how long "
        "the whole takes was not measured",
        "make the steps one model and measure that; or give the service of each step a workload of "
        "its own, with its share of the limit",
        outcome=Outcome.INCONCLUSIVE,
        place=steps.place,
        value=str(steps.value),
        limit="1",
        subject="steps",
    )


def _passed_first(case: GateCase, served: Served) -> tuple[GateFinding, ...]:
    """Return that a request passes something on another site, where its way alone decides not."""
    detour = case.detour
    if detour is None or detour.is_violated or not served.workload.targets:
        return ()
    return found(
        "PLC611",
        case,
        f"each request passes the {detour.what} on {detour.site.name} first, which is not where "
        f"{detour.before}: how long the way and what is done there take was not measured",
        f"place the {detour.what} where {detour.before}",
        outcome=Outcome.INCONCLUSIVE,
        place=detour.place,
        value=detour.site.name,
        subject=detour.what,
    )


def _elsewhere(case: GateCase) -> tuple[GateFinding, ...]:
    """Return that nobody knows where the model behind a router runs: the router runs none."""
    models, steps = case.deployed.models, case.deployed.steps
    unknown = [one.uri for one in models if one.uri.place.pointer.endswith("/serviceName")]
    if steps is None:  # else no time is claimed for what is behind a URL
        unknown += [one.to for one in case.deployed.egress if _is_asked(case, one)]
    if models and not unknown:
        return ()  # each service is judged where it runs
    services = ", ".join(one.value for one in unknown) or "behind it"
    return found(
        "PLC611",
        case,
        f"the router runs no model, and the service {services} is not among what is checked: where "
        "it runs is not known",
        "check its manifest together with this one",
        outcome=Outcome.INCONCLUSIVE,
        place=unknown[0].place if unknown else case.deployed.place,
        subject="services",
    )


def _is_asked(case: GateCase, way: Egress) -> bool:
    """Tell whether the service of a step answers requests and is not among what is read."""
    carries = carried(way, receiver_of(way, case.project))
    return way.kind == "service" and carries == "request" and not way.is_open


def _none_here(case: GateCase, served: Served) -> tuple[GateFinding, ...]:
    """Return that nothing was measured on the declared site, or that it is gone or not locked."""
    assert served.model is not None
    gone = [record for record in case.records if record.defect == "missing"]
    if gone:
        return found(
            "PLC611",
            case,
            f"{gone[0].path} is in placer.lock and not in the repository",
            f"commit it, or measure again: {case.measure}",
            outcome=Outcome.INCONCLUSIVE,
            place=case.where,
            evidence=gone[0].sha256,
        )
    if case.records:
        return ()
    if case.unlocked:
        lying = ", ".join(case.unlocked)
        return found(
            "PLC611",
            case,
            f"{lying} is evidence of {served.model.path} on {case.site_name}, and placer.lock does "
            "not bind it",
            "where the model is: placer lock; and commit placer.lock",
            outcome=Outcome.INCONCLUSIVE,
            place=case.where,
        )
    known = sorted({record.site for record in served.records if record.site is not None})
    others = f"; measured were {', '.join(known)}" if known else ""
    return found(
        "PLC611",
        case,
        f"no evidence of {served.model.path} on {case.site_name}{others}",
        case.measure,
        outcome=Outcome.INCONCLUSIVE,
        place=case.where,
    )


RULE = GateRule(
    id="PLC611",
    title="evidence missing",
    severity=Severity.WARNING,
    what="Whether `placer.lock` binds a measurement of the workload's model on the declared site, "
    "and whether its file is there. Evidence that lies in its folder and was not locked is told: "
    "it needs no measuring. Several steps (of a Triton ensemble, of a sequence of KServe's "
    "InferenceGraph) are not measured by one model's evidence, nor is a transformer of KServe, or "
    "the router of a graph, on another site, which each request passes first. The router of a "
    "graph runs no model: its services are judged, where they run.",
    why="Without a measurement the verdict rests on an estimate, which proves little.",
    example="A deployment moved to another kind of device: inconclusive, with the command that "
    "measures there.",
    fix="Measure on that device, put the file under `evidence/`, and lock.",
    check=_check,
)
