"""Sample answers: what `recommend` could say, in the shapes that reports must cope with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from statistics import NormalDist

from placer.core.cascade import (
    CascadeFacts,
    CurvePoint,
    Measure,
    Rate,
    ScoreKind,
    Wanted,
)
from placer.core.environment import Assumption, Basis
from placer.core.estimate import (
    Candidate,
    Cost,
    Crossover,
    Decision,
    Flip,
    Latency,
    ModelFacts,
    NextMeasurement,
    Placement,
    Quality,
    Recommendation,
    Site,
    Spread,
    Stage,
    StageKind,
    TargetVerdict,
    VariantFacts,
    Verdict,
)
from placer.core.finding import Effect, Finding, Severity
from placer.core.graph import TensorSpec
from placer.core.precision import Precision
from placer.core.split import CutFacts
from placer.core.variant import Accuracy, Agreement
from placer.core.wording import told_cascade, told_cut
from placer.core.workload import LatencyTarget, Leaves

MODEL = ModelFacts(
    path="models/mobilenetv2.onnx",
    sha256="3f1e" * 16,
    n_bytes=13_964_571,
    parameters=3_487_816,
    flops=602_000_000,
    inputs=(TensorSpec("image", "float32", (1, 3, 224, 224), 602_112),),
    outputs=(TensorSpec("logits", "float32", (1, 1000), 4000),),
    unknown_operators=(),
)
P99_20MS = LatencyTarget(0.99, 0.02)
EDGE_SITE = Site(
    tier=0,
    name="this machine",
    device="AMD EPYC 7B13",
    ep="cpu",
    options="2 threads, spinning",
    region=None,
    nodes_by_ep=(("cpu", 66),),
)
CLOUD_CPU_SITE = Site(
    tier=1,
    name="aws-c7i.large",
    device="c7i.large",
    ep="cpu",
    options=None,
    region="eu-west-1",
    nodes_by_ep=(),
)
CLOUD_GPU_SITE = Site(
    tier=1,
    name="aws-g4dn.xlarge",
    device="g4dn.xlarge",
    ep="cuda",
    options=None,
    region="eu-west-1",
    nodes_by_ep=(),
)
PLC103 = Finding(
    rule="PLC103",
    severity=Severity.NOTE,
    effect=Effect.NONE,
    message="the class of the data was not stated, so nothing forbids the cloud",
    remedy="state it with --privacy public, internal, personal or special",
)
FIBER = Assumption("network", "fiber_100", "", Basis.ASSUMED, "default of the bare command")
CLOUDS = Assumption(
    "cloud",
    "aws-c7i.large, aws-g4dn.xlarge",
    "",
    Basis.ASSUMED,
    "cheapest CPU and cheapest GPU offer of the catalogue",
)
WIRE = Assumption("wire_input", "602112", "B", Basis.ASSUMED, "raw tensors of the model's inputs")


COSTS = (
    Cost("instances", 383.98, 0.526, "USD/h", "eu-west-1", "2026-11", "9 public price lists agree"),
    Cost(
        "egress", 25.02, 0.09e-9, "USD/byte", "eu-west-1", "2026-11", "9 public price lists agree"
    ),
    Cost("data plan", None, None, "USD/byte", None, None, ""),
)


def spread(p50_s: float, p99_s: float, *, is_lower_bound: bool = False) -> Spread:
    """A lognormal latency with these quantiles."""
    z99 = NormalDist().inv_cdf(0.99)
    points_s = (
        p50_s * (p99_s / p50_s) ** (NormalDist().inv_cdf((number + 0.5) / 1000) / z99)
        for number in range(1000)
    )
    return Spread(tuple(points_s), is_lower_bound)


def judged(
    value_s: float | None,
    low_s: float | None,
    high_s: float | None,
    *,
    verdict: Verdict,
    target: LatencyTarget = P99_20MS,
    probability: float | None = None,
    reason: str = "",
) -> TargetVerdict:
    return TargetVerdict(
        percentile=target.percentile,
        limit_s=target.limit_s,
        value_s=value_s,
        low_s=low_s,
        high_s=high_s,
        verdict=verdict,
        probability=probability,
        reason=reason,
    )


def candidate(
    id: str,
    placement: Placement,
    *,
    rank: int,
    feasible: bool | None,
    verdict: Verdict,
    basis: Basis = Basis.MEASURED,
    why_not: str | None = None,
    sites: tuple[Site, ...] = (EDGE_SITE,),
    latency: Latency | None = None,
    targets: tuple[TargetVerdict, ...] = (),
    stages: tuple[Stage, ...] = (),
    bytes_up: int | None = 0,
    bytes_down: int | None = 0,
    uplink_bytes_per_month: float | None = None,
    capacity_hz: float | None = None,
    instances: int | None = None,
    usd_per_month: float | None = None,
    usd_per_million: float | None = None,
    costs: tuple[Cost, ...] = (),
    joules: float | None = None,
    peak_memory_bytes: int | None = None,
    leaves_device: Leaves = Leaves.NOTHING,
    quality: Quality | None = None,
    findings: tuple[Finding, ...] = (),
    spread: Spread | None = None,
) -> Candidate:
    return Candidate(
        id=id,
        placement=placement,
        feasible=feasible,
        verdict=verdict,
        basis=basis,
        rank=rank,
        why_not=why_not,
        sites=sites,
        latency=latency,
        targets=targets,
        stages=stages,
        bytes_up=bytes_up,
        bytes_down=bytes_down,
        uplink_bytes_per_month=uplink_bytes_per_month,
        capacity_hz=capacity_hz,
        instances=instances,
        usd_per_month=usd_per_month,
        usd_per_million=usd_per_million,
        costs=costs,
        joules=joules,
        peak_memory_bytes=peak_memory_bytes,
        agreement_ratio=None,
        leaves_device=leaves_device,
        quality=quality,
        findings=findings,
        spread=spread,
    )


def _edge(*, rank: int, why_not: str | None = None, limit: LatencyTarget = P99_20MS) -> Candidate:
    is_met = limit.limit_s >= 0.02
    verdict = Verdict.MET if is_met else Verdict.VIOLATED
    return candidate(
        "edge:cpu",
        Placement.EDGE,
        rank=rank,
        feasible=is_met,
        verdict=verdict,
        why_not=why_not,
        latency=Latency(0.0112, 0.0116, 0.0118, 0.0124, 0.0113),
        targets=(
            judged(
                0.0124,
                0.0121,
                0.0131,
                verdict=verdict,
                target=limit,
                probability=0.999 if is_met else 0.0,
                reason="0 of 640 runs over the limit; 449 were needed"
                if is_met
                else "640 of 640 runs over the limit",
            ),
        ),
        stages=(
            Stage(
                StageKind.COMPUTE,
                "this machine",
                None,
                0.0112,
                0.0124,
                Basis.MEASURED,
                "640 runs in 3 processes, onnxruntime 1.32.0",
            ),
        ),
        uplink_bytes_per_month=0.0,
        capacity_hz=88.4,
        usd_per_month=3.4,
        usd_per_million=1.29,
        joules=0.17,
        peak_memory_bytes=61_800_000,
        quality=Quality(is_disturbed=False, reasons=()),
        spread=spread(0.0112, 0.0124),
    )


def _cloud(
    id: str,
    site: Site,
    *,
    rank: int,
    why_not: str | None,
    compute_s: float,
    network_s: float = 0.0624,
    usd_per_month: float | None = 71.5,
    target: LatencyTarget = P99_20MS,
) -> Candidate:
    p50_s = compute_s + network_s
    p99_s = 1.31 * p50_s
    low_s, high_s = p99_s / 1.6, p99_s * 1.6
    if low_s > target.limit_s:
        verdict, feasible = Verdict.VIOLATED, False
    else:
        verdict, feasible = Verdict.UNPROVEN, None
    return candidate(
        id,
        Placement.CLOUD,
        rank=rank,
        feasible=feasible,
        verdict=verdict,
        basis=Basis.ASSUMED,
        why_not=why_not,
        sites=(site,),
        latency=Latency(p50_s, 1.1 * p50_s, 1.17 * p50_s, p99_s, 1.03 * p50_s),
        targets=(
            judged(
                p99_s,
                low_s,
                high_s,
                verdict=verdict,
                target=target,
                probability=0.0 if feasible is False else 0.71,
                reason="the network path is assumed, not measured",
            ),
        ),
        stages=(
            Stage(
                StageKind.TRANSFER,
                None,
                "fiber_100",
                network_s * 0.9,
                network_s * 1.2,
                Basis.ASSUMED,
                "fiber_100: FCC Measuring Broadband America 2023",
            ),
            Stage(
                StageKind.COMPUTE,
                site.name,
                None,
                compute_s,
                compute_s * 1.3,
                Basis.CATALOGUE,
                "roofline E5 of the accelerator's data sheet",
            ),
            Stage(
                StageKind.TRANSFER,
                None,
                "fiber_100",
                network_s * 0.1,
                network_s * 0.15,
                Basis.ASSUMED,
                "fiber_100: FCC Measuring Broadband America 2023",
            ),
        ),
        bytes_up=605_361,
        bytes_down=4171,
        uplink_bytes_per_month=1.59e12,
        capacity_hz=1 / compute_s,
        instances=1,
        usd_per_month=usd_per_month,
        usd_per_million=None if usd_per_month is None else usd_per_month / 2.628,
        leaves_device=Leaves.RAW_INPUT,
        spread=spread(p50_s, p99_s),
    )


def edge_wins() -> Recommendation:
    """The device is measured and fast enough; the cloud's network alone takes too long."""
    fallback_why = "sends what the device serves alone, and p99 ≥ 24.6 ms when it does"
    return Recommendation(
        model=MODEL,
        targets=(P99_20MS,),
        decision=Decision(
            Placement.EDGE,
            "edge:cpu",
            True,
            "edge: cpu on this machine has p99 12.4 ms, at most 13.1 ms with 95 % confidence, "
            "under the limit of 20 ms, and costs least ($3.40 per month).",
        ),
        candidates=(
            _edge(rank=1),
            candidate(
                "fallback:prefer_device:cpu:aws-c7i.large",
                Placement.FALLBACK,
                rank=2,
                feasible=False,
                verdict=Verdict.VIOLATED,
                basis=Basis.ASSUMED,
                why_not=fallback_why,
                sites=(EDGE_SITE, CLOUD_CPU_SITE),
                latency=Latency(0.0112, 0.0117, 0.0121, 0.0397, 0.0118),
                targets=(judged(0.0397, 0.0246, 0.0612, verdict=Verdict.VIOLATED),),
                bytes_up=605_361,
                bytes_down=4171,
                uplink_bytes_per_month=1.59e10,
                capacity_hz=88.4,
                instances=1,
                usd_per_month=74.9,
                usd_per_million=28.5,
                leaves_device=Leaves.RAW_INPUT,
                spread=Spread(
                    spread(0.0112, 0.0124).points_s[:980] + spread(0.0397, 0.0612).points_s[::50],
                    is_lower_bound=False,
                ),
            ),
            _cloud(
                "cloud:aws-c7i.large@eu-west-1:cpu",
                CLOUD_CPU_SITE,
                rank=3,
                why_not="p99 is at least 55.4 ms, 177 % over the limit; "
                "the transfer alone takes 62.4 ms",
                compute_s=0.0053,
            ),
            _cloud(
                "cloud:aws-g4dn.xlarge@eu-west-1:cuda",
                CLOUD_GPU_SITE,
                rank=4,
                why_not="p99 is at least 53.7 ms, 169 % over the limit, and it costs 120 times "
                "as much",
                compute_s=0.0032,
                usd_per_month=409.0,
            ),
        ),
        flips=(Flip("sla.p99", "s", 0.02, 0.0124, "none"),),
        next_measurement=None,
        findings=(PLC103,),
        assumptions=(FIBER, CLOUDS, WIRE),
    )


def cloud_unproven() -> Recommendation:
    """The device is too slow for sure; the cloud may do, over a network nobody measured."""
    target = LatencyTarget(0.99, 0.01)
    low = Finding(
        rule="PLC301",
        severity=Severity.WARNING,
        effect=Effect.UNPROVEN,
        message="the network path fiber_100 is assumed: its RTT decides the verdict and was not "
        "measured",
        remedy="measure it with `placer network probe https://endpoint --save path.yaml`",
        location="cloud:aws-g4dn.xlarge@eu-west-1:cuda",
    )
    cloud = _cloud(
        "cloud:aws-g4dn.xlarge@eu-west-1:cuda",
        CLOUD_GPU_SITE,
        rank=1,
        why_not=None,
        compute_s=0.0016,
        network_s=0.0052,
        usd_per_month=409.0,
        target=target,
    )
    return Recommendation(
        model=MODEL,
        targets=(target,),
        decision=Decision(
            Placement.CLOUD,
            cloud.id,
            None,
            "cloud: cuda on aws-g4dn.xlarge in eu-west-1 is the only placement that may meet "
            "p99 ≤ 10 ms (71 % likely), but its network path is assumed, so this is unproven.",
        ),
        candidates=(
            candidate(
                cloud.id,
                Placement.CLOUD,
                rank=1,
                feasible=None,
                verdict=cloud.verdict,
                basis=cloud.basis,
                sites=cloud.sites,
                latency=cloud.latency,
                targets=cloud.targets,
                stages=cloud.stages,
                bytes_up=cloud.bytes_up,
                bytes_down=cloud.bytes_down,
                uplink_bytes_per_month=cloud.uplink_bytes_per_month,
                capacity_hz=cloud.capacity_hz,
                instances=cloud.instances,
                usd_per_month=cloud.usd_per_month,
                usd_per_million=cloud.usd_per_million,
                leaves_device=cloud.leaves_device,
                findings=(low,),
                spread=cloud.spread,
            ),
            _edge(rank=2, why_not="p99 is at least 12.1 ms, 21 % over the limit", limit=target),
        ),
        flips=(
            Flip("network.rtt", "s", 0.0042, 0.0017, "edge:cpu"),
            Flip("network.uplink", "bytes_per_s", 12_375_000.0, 41_000_000.0, cloud.id),
        ),
        next_measurement=NextMeasurement(
            what="the round trip to eu-west-1",
            why="it is the widest of the inputs that decide between met and violated",
            command="placer network probe https://inference.example.com --runs 400 "
            "--save path.yaml && placer recommend models/mobilenetv2.onnx --sla 10ms "
            "--network path.yaml",
        ),
        findings=(PLC103,),
        assumptions=(FIBER, CLOUDS, WIRE),
    )


def none_feasible() -> Recommendation:
    """Nothing can work: the device is slow, and special data must not leave it."""
    target = LatencyTarget(0.99, 0.005)
    forbidden = Finding(
        rule="PLC101",
        severity=Severity.ERROR,
        effect=Effect.VIOLATED,
        message="raw input of class special leaves the device for US",
        remedy="choose an offer in EU with --region EU, or a placement that keeps the input",
        location="cloud:aws-c7i.large@us-east-1:cpu",
    )
    cloud = _cloud(
        "cloud:aws-c7i.large@us-east-1:cpu",
        replace(CLOUD_CPU_SITE, region="us-east-1"),
        rank=2,
        why_not="PLC101: raw input of class special leaves the device for US",
        compute_s=0.0053,
        target=target,
    )
    return Recommendation(
        model=MODEL,
        targets=(target,),
        decision=Decision(
            Placement.NONE,
            None,
            False,
            "none: every placement violates something; the nearest is edge:cpu with p99 "
            "12.4 ms, 148 % over the limit of 5 ms.",
        ),
        candidates=(
            _edge(rank=1, why_not="p99 is at least 12.1 ms, 142 % over the limit", limit=target),
            candidate(
                cloud.id,
                Placement.CLOUD,
                rank=2,
                feasible=False,
                verdict=Verdict.VIOLATED,
                basis=cloud.basis,
                why_not=cloud.why_not,
                sites=cloud.sites,
                latency=cloud.latency,
                targets=cloud.targets,
                bytes_up=cloud.bytes_up,
                bytes_down=cloud.bytes_down,
                uplink_bytes_per_month=None,
                usd_per_month=None,
                leaves_device=Leaves.RAW_INPUT,
                findings=(forbidden,),
                spread=cloud.spread,
            ),
        ),
        flips=(Flip("sla.p99", "s", 0.005, 0.0131, "edge:cpu"),),
        next_measurement=None,
        findings=(),
        assumptions=(FIBER,),
    )


def fallback_wins() -> Recommendation:
    """The cloud is better, but an answer is needed while the link is down."""
    target = LatencyTarget(0.95, 0.1)
    winner = "fallback:prefer_cloud:aws-g4dn.xlarge@eu-west-1:cuda+cpu"
    return Recommendation(
        model=MODEL,
        targets=(target,),
        decision=Decision(
            Placement.FALLBACK,
            winner,
            True,
            "hybrid: prefer the cloud (cuda on aws-g4dn.xlarge) and answer on the device while "
            "the link is down; p95 71.0 ms is under 100 ms and it works offline.",
        ),
        candidates=(
            candidate(
                winner,
                Placement.FALLBACK,
                rank=1,
                feasible=True,
                verdict=Verdict.MET,
                basis=Basis.MEASURED,
                sites=(EDGE_SITE, CLOUD_GPU_SITE),
                latency=Latency(0.0656, 0.0702, 0.071, 0.113, 0.0671),
                targets=(
                    judged(
                        0.071,
                        0.0694,
                        0.0743,
                        verdict=Verdict.MET,
                        target=target,
                        probability=0.998,
                    ),
                ),
                stages=(
                    Stage(
                        StageKind.TRANSFER,
                        None,
                        "site_fiber.yaml",
                        0.0561,
                        0.071,
                        Basis.MEASURED,
                        "probe of 400 requests",
                    ),
                    Stage(
                        StageKind.QUEUE,
                        "aws-g4dn.xlarge",
                        None,
                        0.0002,
                        0.009,
                        Basis.MEASURED,
                        "simulated queue on the measured service times, 30/s poisson",
                    ),
                    Stage(
                        StageKind.COMPUTE,
                        "aws-g4dn.xlarge",
                        None,
                        0.0032,
                        0.0041,
                        Basis.MEASURED,
                        "900 runs in 3 processes, onnxruntime-gpu 1.32.0",
                    ),
                    Stage(
                        StageKind.TRANSFER,
                        None,
                        "site_fiber.yaml",
                        0.0061,
                        0.0088,
                        Basis.MEASURED,
                        "probe of 400 requests",
                    ),
                ),
                bytes_up=605_361,
                bytes_down=4171,
                uplink_bytes_per_month=4.77e13,
                capacity_hz=312.0,
                instances=1,
                usd_per_month=1290.0,
                usd_per_million=16.4,
                costs=COSTS,
                joules=0.31,
                leaves_device=Leaves.RAW_INPUT,
                quality=Quality(
                    is_disturbed=True, reasons=("threads waited 4.1 % of the run for a core",)
                ),
                spread=spread(0.0656, 0.113),
            ),
            candidate(
                "edge:cpu",
                Placement.EDGE,
                rank=2,
                feasible=True,
                verdict=Verdict.MET,
                why_not="feasible, but agrees with 91.0 % of the large model's answers, below "
                "the 95 % that were asked for",
                latency=Latency(0.0112, 0.0116, 0.0118, 0.0124, 0.0113),
                targets=(judged(0.0118, 0.0116, 0.0121, verdict=Verdict.MET, target=target),),
                usd_per_month=3.4,
                usd_per_million=1.29,
                capacity_hz=88.4,
                spread=spread(0.0112, 0.0124),
            ),
            candidate(
                "cloud:aws-g4dn.xlarge@eu-west-1:cuda",
                Placement.CLOUD,
                rank=3,
                feasible=False,
                verdict=Verdict.MET,
                why_not="PLC303: no answer while the link is down",
                sites=(CLOUD_GPU_SITE,),
                latency=Latency(0.0656, 0.07, 0.0708, 0.112, 0.0668),
                targets=(judged(0.0708, 0.0691, 0.074, verdict=Verdict.MET, target=target),),
                bytes_up=605_361,
                bytes_down=4171,
                uplink_bytes_per_month=4.77e13,
                capacity_hz=312.0,
                instances=1,
                usd_per_month=1286.6,
                usd_per_million=16.3,
                leaves_device=Leaves.RAW_INPUT,
                spread=spread(0.0656, 0.112),
            ),
        ),
        flips=(),
        next_measurement=None,
        findings=(
            Finding(
                rule="PLC602",
                severity=Severity.WARNING,
                effect=Effect.NONE,
                message="the measurement of cuda on aws-g4dn.xlarge was disturbed: threads "
                "waited 4.1 % of the run for a core",
                remedy="measure again on a quiet machine with --fresh",
            ),
        ),
        assumptions=(),
    )


def crowded() -> Recommendation:
    """Three targets, sixteen candidates with long names, and prices that nobody published."""
    targets = (LatencyTarget(0.5, 0.015), P99_20MS, LatencyTarget(0.999, 1.5))
    edge = _edge(rank=1)
    notes = tuple(
        Finding(
            rule=f"PLC61{number}",
            severity=Severity.NOTE,
            effect=Effect.NONE,
            message=f"offer {number} has no published price for data that leaves the region",
            remedy="state it in a profile of your own with `egress: 0.09 USD/GB`",
        )
        for number in range(5)
    )
    verdicts = (
        judged(0.0112, 0.0111, 0.0113, verdict=Verdict.MET, target=targets[0]),
        judged(0.0124, 0.0121, 0.0131, verdict=Verdict.MET, target=targets[1]),
        judged(
            0.0161,
            0.0129,
            None,
            verdict=Verdict.UNPROVEN,
            target=targets[2],
            probability=0.93,
            reason="640 runs; 4,603 more without one over the limit would settle it",
        ),
    )
    first = candidate(
        "edge:Intel(R)_Core(TM)_i7-1365U:openvino-npu-with-a-very-long-name|pipe",
        Placement.EDGE,
        rank=1,
        feasible=None,
        verdict=Verdict.UNPROVEN,
        latency=edge.latency,
        targets=verdicts,
        stages=edge.stages,
        capacity_hz=88.4,
        spread=edge.spread,
    )
    others = tuple(
        candidate(
            f"cloud:azure-Standard_NC{number}ads_A100_v4@northeurope-zone-{number}:tensorrt",
            Placement.CLOUD,
            rank=number,
            feasible=False if number % 3 else None,
            verdict=Verdict.UNPROVEN,
            basis=Basis.ASSUMED if number % 2 else Basis.CATALOGUE,
            why_not=f"nothing is known about the compute time of offer {number}, so no target "
            "can be judged",
            sites=(
                Site(
                    tier=1,
                    name=f"azure-Standard_NC{number}ads_A100_v4",
                    device=f"Standard_NC{number}ads_A100_v4",
                    ep="tensorrt",
                    options=None,
                    region=None,
                    nodes_by_ep=(),
                ),
            ),
            targets=tuple(
                judged(None, None, None, verdict=Verdict.UNPROVEN, target=target)
                for target in targets
            ),
            bytes_up=605_361,
            bytes_down=None,
            leaves_device=Leaves.RAW_INPUT,
        )
        for number in range(2, 17)
    )
    return Recommendation(
        model=ModelFacts(
            path="models/customers/quality-inspection/surface|defects <v2>.onnx",
            sha256="00ff" * 16,
            n_bytes=2_400_000_000,
            parameters=601_000_000,
            flops=None,
            inputs=MODEL.inputs,
            outputs=MODEL.outputs,
            unknown_operators=("com.example::Deskew", "com.example::Sobel"),
        ),
        targets=targets,
        decision=Decision(
            Placement.EDGE,
            first.id,
            None,
            "edge: openvino on the NPU may meet all three targets, but 640 runs are too few "
            "for p99.9.",
        ),
        candidates=(first, *others),
        flips=(),
        next_measurement=NextMeasurement(
            what="4,603 more runs on openvino",
            why="p99.9 needs 5,243 runs without one over the limit",
            command="placer profile 'models/customers/quality-inspection/surface|defects "
            "<v2>.onnx' --ep openvino --runs 5300 --save evidence.json",
        ),
        findings=notes,
        assumptions=tuple(
            Assumption(f"assumption {number}", f"{number}", "ms", Basis.ASSUMED, "nobody said")
            for number in range(1, 11)
        ),
    )


def with_variants() -> Recommendation:
    """One file that placer made, one of the user that was not compared."""
    model = VariantFacts(
        path=MODEL.path,
        name=None,
        n_bytes=MODEL.n_bytes,
        precision=None,
        how=None,
        candidate="edge:cpu",
        p50_s=0.0085,
        p99_s=0.0112,
        peak_memory_bytes=81_400_000,
        agreement=None,
        accuracy=Accuracy(0.7184, 0.7109, 0.7258, 10_000),
    )
    made = replace(
        model,
        path="out/mobilenetv2-int8.onnx",
        name="mobilenetv2-int8",
        n_bytes=3_655_104,
        precision=Precision.INT8,
        how="onnxruntime 1.32.0, onnx 1.23.2: static, QDQ per channel, uint8 activations, int8 "
        "weights, calibrated on 128 of the 10,128 samples of images.npz, which do not judge",
        candidate="edge:cpu~mobilenetv2-int8",
        p50_s=0.0041,
        p99_s=0.0058,
        peak_memory_bytes=61_200_000,
        agreement=Agreement(0.9412, 0.9372, 0.9450, 10_000, 3.2),
        accuracy=Accuracy(0.7099, 0.7023, 0.7173, 10_000),
    )
    own = replace(
        made,
        path="models/pruned.onnx",
        name="pruned",
        precision=None,
        how=None,
        candidate=None,
        p50_s=None,
        p99_s=None,
        peak_memory_bytes=None,
        agreement=None,
        accuracy=None,
    )
    return replace(edge_wins(), variants=(model, made, own))


def cascade_wins() -> Recommendation:
    """A small file answers most requests on the device, the model the others in the cloud."""
    base = with_variants()
    facts = CascadeFacts(
        confidence=Measure.MARGIN,
        scores=ScoreKind.LOGITS,
        threshold=2.71828,
        escalation=Rate(0.1284, 0.1207, 0.1364, 5000),
        agreement=Rate(0.9922, 0.9898, 0.9941, 5000),
        accuracy=Accuracy(0.7190, 0.7084, 0.7294, 5000),
        wanted=Wanted(0.98),
        chosen_on=5000,
        curve=(
            CurvePoint(0.5, 0.0312, 0.9634, 0.9587),
            CurvePoint(2.71828, 0.1284, 0.9922, 0.9898),
        ),
    )
    chosen = replace(
        candidate(
            "cascade:cpu~mobilenetv2-int8+aws-c7i.large@eu-west-1",
            Placement.CASCADE,
            rank=1,
            feasible=True,
            verdict=Verdict.MET,
            sites=(EDGE_SITE, CLOUD_CPU_SITE),
            latency=Latency(0.0042, 0.0171, 0.0179, 0.0188, 0.0062),
            targets=(judged(0.0188, 0.0186, 0.0193, verdict=Verdict.MET),),
            bytes_up=605_361,
            bytes_down=4171,
            uplink_bytes_per_month=2.04e11,
            capacity_hz=243.9,
            instances=1,
            usd_per_month=41.2,
            usd_per_million=15.7,
            joules=0.06,
            leaves_device=Leaves.RAW_INPUT,
            spread=spread(0.0042, 0.0188),
        ),
        variant="out/mobilenetv2-int8.onnx",
        variant_label="mobilenetv2-int8",
        agreement_ratio=0.9922,
        cascade=facts,
    )
    others = tuple(
        replace(one, rank=one.rank + 1, why_not=one.why_not or "costs more")
        for one in base.candidates
    )
    return replace(
        base,
        candidates=(chosen, *others),
        decision=Decision(
            Placement.CASCADE, chosen.id, True, f"Run it there; {told_cascade(facts)}."
        ),
    )


def split_wins() -> Recommendation:
    """Raw input stays on the device, and a machine nearby takes the long rest of the model."""
    base = edge_wins()
    cut = CutFacts(("features/pool", "features/skip"), 28_672, (), 0.914, 2.4e-7)
    chosen = replace(
        candidate(
            "split:cpu+aws-c7i.large@eu-west-1:features/pool,features/skip",
            Placement.SPLIT,
            rank=1,
            feasible=True,
            verdict=Verdict.MET,
            sites=(EDGE_SITE, CLOUD_CPU_SITE),
            latency=Latency(0.0089, 0.0098, 0.0102, 0.0109, 0.0091),
            targets=(judged(0.0109, 0.0107, 0.0113, verdict=Verdict.MET),),
            bytes_up=28_672,
            bytes_down=4171,
            capacity_hz=243.9,
            instances=1,
            leaves_device=Leaves.INTERMEDIATE,
            spread=spread(0.0089, 0.0109),
        ),
        cut=cut,
    )
    others = tuple(
        replace(one, rank=one.rank + 1, why_not=one.why_not or "slower") for one in base.candidates
    )
    offer = "cloud:aws-c7i.large@eu-west-1"
    uplink, rtt = ("network.uplink", "bytes_per_s"), ("network.rtt", "s")
    return replace(
        base,
        candidates=(chosen, *others),
        decision=Decision(Placement.SPLIT, chosen.id, True, f"Run it there; {told_cut(chosen)}."),
        crossovers=(
            Crossover(*uplink, 12_500.0, 1_432_000.0, Placement.EDGE, (), offer),
            Crossover(*uplink, 1_432_000.0, 8.25e7, Placement.SPLIT, cut.tensors, offer),
            Crossover(*uplink, 8.25e7, 1.25e9, Placement.CLOUD, (), offer),
            Crossover(*rtt, 0.0, 0.0163, Placement.SPLIT, cut.tensors, offer),
            Crossover(*rtt, 0.0163, 1.0, Placement.EDGE, (), offer),
        ),
    )


SAMPLES: dict[str, Callable[[], Recommendation]] = {
    "edge_wins": edge_wins,
    "cloud_unproven": cloud_unproven,
    "none_feasible": none_feasible,
    "fallback_wins": fallback_wins,
    "crowded": crowded,
    "with_variants": with_variants,
    "cascade_wins": cascade_wins,
    "split_wins": split_wins,
}
