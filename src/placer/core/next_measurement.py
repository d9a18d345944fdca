"""What to measure next: the unmeasured input whose result most often changes the decision.

Each input that is not measured is given the results that a measurement of it could have, spread
over its interval, and the question is asked again with each.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from placer.core.backbone import as_measured
from placer.core.compute import ComputeEstimate, Level
from placer.core.environment import ENDPOINT, Basis, NetworkPath
from placer.core.estimate import Candidate, NextMeasurement, Placement, StageKind
from placer.core.evaluate import rank_all
from placer.core.finding import Effect
from placer.core.flips import Question, becomes, scale_rate, scale_rtt
from placer.core.graph import ModelSummary
from placer.core.legs.split import is_like_here, tail_time
from placer.core.placement import CloudSite, EdgeSite, Environment, SiteTime, Split
from placer.core.ranking import is_held_back
from placer.core.transfer import draw_rtt_s
from placer.core.units import format_percentile
from placer.core.workings import Workings
from placer.core.workload import Workload

RESULT_QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Results of a measurement that are tried, as quantiles of the interval of the input."""
PATH_FACTORS = (0.5, 0.75, 1.0, 1.5, 2.0)
"""Results for a path that is stated but not measured: its times by, its rates over this."""
WORTH_TELLING_RATIO = 0.2
"""Where the decision is proven, an input is named only if so many results would change it."""
RTT_SAMPLES = 1000
_Z = {0.1: -1.2816, 0.3: -0.5244, 0.5: 0.0, 0.7: 0.5244, 0.9: 1.2816}
_Z95 = 1.6449


@dataclass(frozen=True, slots=True)
class _Input:
    """One input that is not measured, and the question with each result it could have."""

    what: str
    command: str
    results: tuple[Question, ...]


def next_measurement(
    best: Candidate,
    model: ModelSummary,
    workload: Workload,
    environment: Environment,
    workings: Workings,
) -> NextMeasurement | None:
    """Say what to measure next; None: nothing that is not measured would change the decision.

    Parameters
    ----------
    best
        The candidate that ranks first today.
    """
    if best.feasible is False and not best.targets:
        return None
    again = _again(model, workload, environment)
    if (
        is_held_back(best)
        and best.placement is Placement.EDGE
        and environment.device.is_this_machine
    ):
        return _when_quiet(best, model, workload, environment, again)
    if (
        best.feasible is None
        and environment.device.is_this_machine
        and any(site.time.mean_s is None and site.failure is None for site in environment.edges)
        and any(
            one.placement is Placement.EDGE and one.feasible is not False
            for one in rank_all(model, workload, environment, workings)[0]
        )  # no time helps a device that a rule forbids
    ):
        why = "nothing is known of its time here"
        return NextMeasurement("the model on this device", why, again.replace(" --no-measure", ""))
    now = becomes(best)
    told: tuple[float, int, _Input] | None = None
    for one in _inputs(model, workload, environment, again, workings):
        changed = sum(
            becomes(rank_all(model, *question, workings)[0][0]) != now for question in one.results
        )
        share = changed / len(one.results)
        if changed and (told is None or share > told[0]):
            told = (share, changed, one)
    if told is not None and (best.feasible is None or told[0] >= WORTH_TELLING_RATIO):
        _, changed, one = told
        return NextMeasurement(
            one.what,
            f"{changed} of {len(one.results)} results that it could have would change the decision",
            one.command,
        )
    return (
        _by_findings(best, model, workload, environment, again) if best.feasible is None else None
    )


def _again(model: ModelSummary, workload: Workload, environment: Environment) -> str:
    """Return the command that asks the question again."""
    limits = " ".join(
        f"--sla {format_percentile(target.percentile)}={target.limit_s * 1e3:g}ms"
        for target in workload.targets
    )
    return environment.question or f"placer recommend {model.path} {limits}".rstrip()


def _inputs(
    model: ModelSummary,
    workload: Workload,
    environment: Environment,
    again: str,
    workings: Workings,
) -> Iterator[_Input]:
    is_measured = environment.path.basis is Basis.MEASURED and all(
        site.backbone is None or site.backbone.is_exact for site in environment.clouds
    )
    if environment.clouds and not is_measured:
        paths = _possible_paths(environment)
        yield _Input(
            "the network between the device and the cloud",
            with_option(again, "--network", "FILE"),
            tuple((workload, _over(environment, path)) for path in paths),
        )
    for index, edge in enumerate(environment.edges):
        times = _possible_times(edge.time, workload, workings)
        if edge.failure is not None or not times:
            continue
        sites = environment.edges
        device = environment.device
        yield _Input(
            f"the model on {'this device' if device.is_this_machine else device.name} ({edge.ep})",
            _measure_here(again)
            if device.is_this_machine
            else _profile(_file_of(edge, model), device.name, workload),
            tuple(
                (
                    workload,
                    replace(
                        environment,
                        edges=(*sites[:index], replace(edge, time=time), *sites[index + 1 :]),
                    ),
                )
                for time in times
            ),
        )
    for index, cloud in enumerate(environment.clouds):
        if cloud.failure is not None or cloud.time.measurement is not None:
            continue
        name = cloud.offer.name
        if cloud.time.estimate is not None:
            times = _possible_times(cloud.time, workload, workings)
        else:  # nothing is known: times from a small to a large part of the limit
            limit_s = min((target.limit_s for target in workload.targets), default=1.0)
            times = tuple(_as_measured(share * limit_s) for share in RESULT_QUANTILES)
        yield _Input(
            f"the model on {name}: run this there, then add --evidence {name}.json",
            _profile(_file_of(cloud, model), name, workload),
            tuple((workload, _timed_there(environment, index, time)) for time in times),
        )


def _over(environment: Environment, path: NetworkPath) -> Environment:
    """Return the sites behind a path that was measured: the way on to them is known then."""

    def behind(site: CloudSite) -> CloudSite:
        on = as_measured(site.backbone) if path.measured_to != ENDPOINT else None
        return replace(site, backbone=on)

    return replace(
        environment,
        path=path,
        fastest_path=None,
        clouds=tuple(map(behind, environment.clouds)),
        splits=tuple(replace(one, cloud=behind(one.cloud)) for one in environment.splits),
    )


def _timed_there(environment: Environment, index: int, time: SiteTime) -> Environment:
    """Return the sites where the model was measured on a cloud: its tail's time follows."""
    clouds = environment.clouds
    site = clouds[index]

    def behind(one: Split) -> Split:
        if site.variant is not None or one.cloud.offer != site.offer:
            return one
        is_alike = is_like_here(replace(site, time=time))
        tail = tail_time(time, one.cut.tail_ratio, is_same_class=is_alike)
        return replace(one, cloud=replace(one.cloud, time=tail))

    return replace(
        environment,
        clouds=(*clouds[:index], replace(site, time=time), *clouds[index + 1 :]),
        splits=tuple(map(behind, environment.splits)),
    )


def _possible_paths(environment: Environment) -> tuple[NetworkPath, ...]:
    """Return measured paths that today's could turn out to be."""
    if environment.fastest_path is not None:  # nothing was stated: it could be any
        return tuple(map(_measured_path, environment.possible_paths or (environment.path,)))
    path = _measured_path(environment.path)
    return tuple(
        scale_rate(
            scale_rate(scale_rtt(path, factor), "uplink", 1 / factor), "downlink", 1 / factor
        )
        for factor in PATH_FACTORS
    )


def _measured_path(path: NetworkPath) -> NetworkPath:
    """Return the path as a probe would have written it, with samples and without loss."""
    samples_s = path.rtt_samples_s
    if not samples_s and path.rtt_quantiles_s:
        uniform = (np.arange(RTT_SAMPLES) + 0.5) / RTT_SAMPLES
        samples_s = tuple(draw_rtt_s(path, uniform).tolist())
    return replace(
        path,
        rtt_samples_s=samples_s,
        rtt_quantiles_s=(),
        loss_ratio=0.0 if path.loss_ratio is None else path.loss_ratio,
        basis=Basis.MEASURED,
    )


def _possible_times(time: SiteTime, workload: Workload, workings: Workings) -> tuple[SiteTime, ...]:
    """Return measured times that a site's could turn out to be; empty: it is settled."""
    if time.estimate is not None and time.measurement is None:
        low_s, middle_s, high_s = time.estimate.low_s, time.estimate.median_s, time.estimate.high_s
        return tuple(
            _as_measured(middle_s * ((high_s if z > 0 else low_s) / middle_s) ** (abs(z) / _Z95))
            for z in _Z.values()
        )
    if time.measurement is None:
        return ()
    # measured, but perhaps too briefly: the quantile lies where resampling puts it
    percentile = max((target.percentile for target in workload.targets), default=0.5)
    drawn = np.quantile(workings.service(time).draw(1000), percentile, axis=1)
    spread = np.quantile(drawn, RESULT_QUANTILES)
    return tuple(_as_measured(float(value_s)) for value_s in spread)


def _as_measured(time_s: float) -> SiteTime:
    """Return a time that a long measurement would have settled."""
    return SiteTime(
        estimate=ComputeEstimate(
            median_s=time_s,
            low_s=time_s,
            high_s=time_s,
            level=Level.E0,
            basis=Basis.MEASURED,
            source="a result that a measurement could have",
            note="",
        )
    )


def _measure_here(again: str) -> str:
    without = again.replace(" --no-measure", "")
    return without if without != again else with_option(_fresh(again), "--time-limit", "300s")


def _by_findings(
    best: Candidate,
    model: ModelSummary,
    workload: Workload,
    environment: Environment,
    again: str,
) -> NextMeasurement:
    """Say what would settle the open findings, where no single result changes the decision."""
    effects = {found.rule for found in best.findings if found.effect is Effect.UNPROVEN}
    if "PLC602" in effects:
        return NextMeasurement(
            "the network between the device and the cloud",
            "it is assumed, and its value changes the verdict",
            with_option(again, "--network", "FILE"),
        )
    if effects == {"PLC501"}:
        missing = next(found for found in best.findings if found.rule == "PLC501")
        asked = again
        for option, words in (
            ("--device", ("device price", "device power")),
            ("--network", ("data plan",)),
            ("--cloud", ("instance price", "egress price")),
        ):
            if any(word in missing.message for word in words):
                asked = with_option(asked, option, "FILE")
        return NextMeasurement(
            "the missing figure (docs/catalogue.md has the form of a file; for this machine "
            "`here: true` with its price and power)",
            missing.message,
            asked,
        )
    if "PLC102" in effects:
        return NextMeasurement(
            "where the input may be processed",
            "its class allows only stated regions",
            with_option(again, "--region", "REGION"),
        )
    is_stated = workload.min_agreement_ratio or workload.min_accuracy_ratio
    if effects and effects <= {"PLC406", "PLC408"} and is_stated:
        first = next(found for found in best.findings if found.effect is Effect.UNPROVEN)
        asked = with_option(again, "--inputs", "SAMPLES.npz")
        if first.rule == "PLC408":
            asked = with_option(asked, "--labels", "LABELS.npy")
        what = "more real samples of the input, on which the answers are judged"
        return NextMeasurement(what, first.message, asked)
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
            with_option(again, "--network", "FILE"),
        )
    if in_cloud or not device.is_this_machine:
        return NextMeasurement(
            f"the model on {last.name}",
            f"its time there is not measured; run this there, then add --evidence {last.name}.json",
            _profile(_in_cloud(best, model), last.name, workload),
        )
    if best.quality is not None and best.quality.is_disturbed:
        return _when_quiet(best, model, workload, environment, again)
    measured_here = again.replace(" --no-measure", "")
    if measured_here != again:
        return NextMeasurement(
            "the model on this device", "no evidence settles the target", measured_here
        )
    return NextMeasurement(
        "the model on this device, for longer",
        "; ".join(target.reason for target in best.targets) or "it could not be measured",
        with_option(_fresh(again), "--time-limit", "300s"),
    )


def _when_quiet(
    best: Candidate, model: ModelSummary, workload: Workload, environment: Environment, again: str
) -> NextMeasurement:
    reasons = () if best.quality is None else best.quality.reasons
    command = _fresh(again)
    for site in environment.edges:  # evidence is used as it is: it has to be taken anew
        if site.ep == best.sites[0].ep and (path := site.time.evidence_path) is not None:
            command = f"placer profile {shlex.quote(_file_of(site, model))}{_asked(workload)}"
            command += f" --ep {site.ep} --fresh --save {shlex.quote(path)}"
    return NextMeasurement(
        "the model on this device, while nothing else runs",
        "the measurement was disturbed: " + "; ".join(reasons),
        command,
    )


def _profile(file: str, site: str, workload: Workload) -> str:
    """Return the command that measures on a site what the question needs."""
    return f"placer profile {file}{_asked(workload)} --site {site} --save {site}.json"


def _asked(workload: Workload) -> str:
    asked = "".join(
        f" --sla {format_percentile(target.percentile)}={target.limit_s * 1e3:g}ms"
        for target in workload.targets
    )
    if workload.rate_hz is not None:
        asked += f" --rate {workload.rate_hz:g}/s"
    return asked


def _in_cloud(best: Candidate, model: ModelSummary) -> str:
    """Return the file that runs at the last site of a candidate."""
    return best.variant if best.variant and best.cascade is None else model.path


def _file_of(site: EdgeSite | CloudSite, model: ModelSummary) -> str:
    return model.path if site.variant is None else site.variant.path


def with_option(command: str, option: str, value: str) -> str:
    """Return a command with an option set to a value, in place of what it says of it now."""
    words: list[str] = []
    is_value = False
    for word in shlex.split(command):
        if is_value:
            is_value = False
        elif word == option:
            is_value = True
        elif not word.startswith(f"{option}="):
            words.append(word)
    return f"{shlex.join(words)} {option} {value}"


def _fresh(again: str) -> str:
    return again if "--fresh" in again.split() else f"{again} --fresh"
