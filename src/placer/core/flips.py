"""What would change the decision: for each input the nearest value at which it does.

Every question is answered by the code that gives the recommendation, on the same random numbers,
so that nothing but the input differs. The nearest change in each direction is bracketed on a
coarse grid and then bisected.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from placer.core.environment import CloudOffer, NetworkPath
from placer.core.estimate import Candidate, Flip
from placer.core.evaluate import rank_all
from placer.core.graph import ModelSummary
from placer.core.placement import Environment
from placer.core.units import format_percentile
from placer.core.workings import Workings
from placer.core.workload import DataClass, LatencyTarget, Workload

STEPS = (1.25, 2.0, 5.0, 30.0, 1000.0)
"""Factors from today's value, up and down, among which the nearest change is looked for."""
TOLERANCE_RATIO = 0.01
"""Width of the final bracket; the value that is told lies in its middle."""
BEYOND_RATIO = 1.03
"""What the decision becomes is told this far beyond the change: narrower bands are passed over."""
UNPROVEN = "unproven"
NONE = "none"

Question = tuple[Workload, Environment]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One input of the question that can be varied."""

    name: str
    unit: str
    now: float
    vary: Callable[[float], Question]
    """The question with another value of this input."""
    low: float = 0.0
    """Values below make no sense."""
    high: float = math.inf
    exact: tuple[float, ...] = ()
    """Values at which a comparison of the question turns, known without solving."""


def find_flips(
    model: ModelSummary,
    workload: Workload,
    environment: Environment,
    best: Candidate,
    workings: Workings,
) -> tuple[Flip, ...]:
    """Return, for each input that matters, the nearest values at which the decision changes.

    Parameters
    ----------
    best
        The candidate that ranks first today.
    """
    now = becomes(best)

    def decision(question: Question) -> str:
        ranked, _ = rank_all(model, *question, workings)
        return becomes(ranked[0])

    ranked, _ = rank_all(model, workload, environment, workings)
    costs_usd = tuple(one.usd_per_month for one in ranked if one.usd_per_month is not None)

    found: list[Flip] = []
    for parameter in parameters(model, workload, environment):
        if parameter.name == "budget":
            parameter = replace(parameter, exact=costs_usd)
        for is_up in (False, True):
            flip = _nearest(parameter, now, decision, is_up=is_up)
            if flip is not None:
                found.append(flip)
    return (*found, *_class_flips(workload, environment, now, decision))


def becomes(best: Candidate) -> str:
    """Return the decision as a word: the candidate, or that nothing is proven, or feasible."""
    return {True: best.id, None: UNPROVEN, False: NONE}[best.feasible]


def _nearest(
    parameter: Parameter, now: str, decision: Callable[[Question], str], *, is_up: bool
) -> Flip | None:
    """Bracket the nearest change in one direction and bisect it on a logarithmic scale."""
    inside = parameter.now
    for step in STEPS:
        outside = parameter.now * step if is_up else parameter.now / step
        outside = min(max(outside, parameter.low), parameter.high)
        if outside == inside or outside <= 0:
            return None
        changed = decision(parameter.vary(outside))
        if changed != now:
            break
        inside = outside
    else:
        return None
    while abs(math.log(outside / inside)) > TOLERANCE_RATIO:
        middle = math.sqrt(inside * outside)
        there = decision(parameter.vary(middle))
        if there == now:
            inside = middle
        else:
            outside, changed = middle, there
    known = [value for value in parameter.exact if min(inside, outside) <= value]
    known = [value for value in known if value <= max(inside, outside)]
    at = known[0] if len(known) == 1 else math.sqrt(inside * outside)
    beyond = at * BEYOND_RATIO if is_up else at / BEYOND_RATIO
    there = decision(parameter.vary(min(max(beyond, parameter.low), parameter.high)))
    return Flip(
        parameter=parameter.name,
        unit=parameter.unit,
        now=parameter.now,
        at=at,
        becomes=there if there != now else changed,
    )


def parameters(
    model: ModelSummary, workload: Workload, environment: Environment
) -> tuple[Parameter, ...]:
    """Return the numeric inputs of a question that a decision can depend on, as they are today.

    Those of an assumed network are left out: it proves nothing, whatever its figures.
    """
    return (
        *_target_parameters(workload, environment),
        *_path_parameters(workload, environment),
        *_demand_parameters(model, workload, environment),
        *_price_parameters(workload, environment),
    )


def _target_parameters(workload: Workload, environment: Environment) -> Iterator[Parameter]:
    for index, target in enumerate(workload.targets):

        def vary(limit_s: float, index: int = index, target: LatencyTarget = target) -> Question:
            changed = replace(target, limit_s=limit_s)
            targets = (*workload.targets[:index], changed, *workload.targets[index + 1 :])
            return replace(workload, targets=targets), environment

        name = f"sla.{format_percentile(target.percentile)}"
        yield Parameter(name, "s", target.limit_s, vary)


def _path_parameters(workload: Workload, environment: Environment) -> Iterator[Parameter]:
    path = environment.path
    if environment.fastest_path is not None or not environment.clouds:
        return

    def over(changed: NetworkPath) -> Question:
        return workload, replace(environment, path=changed)

    median_s = _median_rtt_s(path)
    if median_s:
        yield Parameter(
            "network.rtt", "s", median_s, lambda value: over(scale_rtt(path, value / median_s))
        )
    for name in ("uplink", "downlink"):
        rate = getattr(path, f"{name}_bytes_per_s")
        if rate is not None:

            def vary(value: float, name: str = name, rate: float = rate) -> Question:
                return over(scale_rate(path, name, value / rate))

            yield Parameter(f"network.{name}", "bytes_per_s", rate, vary)
    if path.data_usd_per_byte and workload.rate_hz is not None:
        yield Parameter(
            "network.data_price",
            "usd_per_byte",
            path.data_usd_per_byte,
            lambda value: over(replace(path, data_usd_per_byte=value)),
        )


def _median_rtt_s(path: NetworkPath) -> float | None:
    if path.rtt_samples_s:
        ordered = sorted(path.rtt_samples_s)
        return ordered[(len(ordered) - 1) // 2]
    return dict(path.rtt_quantiles_s).get(0.5)


def scale_rtt(path: NetworkPath, factor: float) -> NetworkPath:
    """Return the path with every round-trip time multiplied."""
    return replace(
        path,
        rtt_quantiles_s=tuple((p, value_s * factor) for p, value_s in path.rtt_quantiles_s),
        rtt_samples_s=tuple(value_s * factor for value_s in path.rtt_samples_s),
    )


def _at_rate(workload: Workload, rate_hz: float) -> Workload:
    """Return the question at another rate; the throughput asked for is never below the demand."""
    throughput_hz = workload.throughput_hz
    if throughput_hz is not None:
        throughput_hz = max(throughput_hz, rate_hz * workload.fleet)
    return replace(workload, rate_hz=rate_hz, throughput_hz=throughput_hz)


def scale_rate(path: NetworkPath, name: str, factor: float) -> NetworkPath:
    """Return the path with the rate of a direction (``uplink``, ``downlink``) multiplied."""

    def scaled(rate: float | None) -> float | None:
        return None if rate is None else rate * factor

    if name == "uplink":
        return replace(
            path,
            uplink_bytes_per_s=scaled(path.uplink_bytes_per_s),
            uplink_p5_bytes_per_s=scaled(path.uplink_p5_bytes_per_s),
        )
    return replace(
        path,
        downlink_bytes_per_s=scaled(path.downlink_bytes_per_s),
        downlink_p5_bytes_per_s=scaled(path.downlink_p5_bytes_per_s),
    )


def _demand_parameters(
    model: ModelSummary, workload: Workload, environment: Environment
) -> Iterator[Parameter]:
    n_bytes = workload.wire_input_bytes or model.input_bytes
    if environment.clouds and n_bytes:
        yield Parameter(
            "wire_input",
            "bytes",
            n_bytes,
            lambda value: (replace(workload, wire_input_bytes=max(1, round(value))), environment),
            low=1.0,
        )
    if workload.rate_hz is not None:
        yield Parameter(
            "rate",
            "hz",
            workload.rate_hz,
            lambda value: (_at_rate(workload, value), environment),
        )
    if workload.throughput_hz is not None:
        yield Parameter(
            "throughput",
            "hz",
            workload.throughput_hz,
            lambda value: (replace(workload, throughput_hz=value), environment),
        )
    if workload.budget_usd_per_month is not None:
        yield Parameter(
            "budget",
            "usd_per_month",
            workload.budget_usd_per_month,
            lambda value: (replace(workload, budget_usd_per_month=value), environment),
        )


def _price_parameters(workload: Workload, environment: Environment) -> Iterator[Parameter]:
    if workload.rate_hz is None:
        return
    device = environment.device
    if environment.edges and device.price_usd is not None:
        yield Parameter(
            f"device.price {device.name}",
            "usd",
            device.price_usd,
            lambda value: (
                workload,
                replace(environment, device=replace(device, price_usd=value)),
            ),
        )
    for index, site in enumerate(environment.clouds):
        offer = site.offer
        if offer.usd_per_hour is None:
            continue

        def vary(value: float, index: int = index, offer: CloudOffer = offer) -> Question:
            sites = list(environment.clouds)
            sites[index] = replace(sites[index], offer=replace(offer, usd_per_hour=value))
            splits = tuple(
                replace(one, cloud=replace(one.cloud, offer=sites[index].offer))
                if one.cloud.offer == offer
                else one
                for one in environment.splits
            )
            return workload, replace(environment, clouds=tuple(sites), splits=splits)

        place = f"@{offer.region}" if offer.region else ""
        yield Parameter(
            f"cloud.price {offer.name}{place}", "usd_per_hour", offer.usd_per_hour, vary
        )


def _class_flips(
    workload: Workload,
    environment: Environment,
    now: str,
    decision: Callable[[Question], str],
) -> Iterator[Flip]:
    """Try every other data class; the nearest that changes the decision on either side counts."""
    classes = tuple(DataClass)
    today = 0 if workload.data_class is None else classes.index(workload.data_class)
    for others in (classes[today + 1 :], reversed(classes[:today])):
        for other in others:
            changed = decision((replace(workload, data_class=other), environment))
            if changed != now:
                stated = "not stated" if workload.data_class is None else workload.data_class.value
                yield Flip("privacy", "", stated, other.value, changed)
                break
