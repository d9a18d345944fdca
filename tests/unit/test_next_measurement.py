"""The command that is advised can be typed as it stands."""

from dataclasses import replace
from typing import Any

import pytest

from placer.core.advise import recommend
from placer.core.compute import ComputeEstimate, Level
from placer.core.environment import Backbone, Basis, ChipClass
from placer.core.legs.split import tail_time
from placer.core.next_measurement import with_option
from placer.core.placement import CloudSite, EdgeSite, SiteTime, Split
from placer.core.split import CutFacts
from placer.core.variant import Accuracy, Agreement, Variant
from placer.core.workload import DataClass, LatencyTarget, Workload
from tests import builders


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("placer recommend m.onnx", "placer recommend m.onnx --network FILE"),
        (
            "placer recommend m.onnx --network a --sla 1s",
            "placer recommend m.onnx --sla 1s --network FILE",
        ),
        ("placer recommend m.onnx --network='my net'", "placer recommend m.onnx --network FILE"),
        (
            "placer recommend 'my m.onnx' --networks x",
            "placer recommend 'my m.onnx' --networks x --network FILE",
        ),
    ],
)
def test_an_option_that_was_typed_is_replaced(command: str, expected: str) -> None:
    assert with_option(command, "--network", "FILE") == expected


@pytest.mark.parametrize(("memory_bytes", "is_named"), [(8 * 10**9, True), (10**6, False)])
def test_a_device_that_cannot_hold_the_model_is_not_to_be_measured(
    memory_bytes: int, is_named: bool
) -> None:
    answer = recommend(
        builders.model(),
        Workload(targets=(LatencyTarget(0.99, 0.0155),), data_class=DataClass.PUBLIC),
        builders.environment(
            device=builders.device(memory_bytes=memory_bytes),
            edges=(EdgeSite("cpu", SiteTime(None, 1.0, "E6", "not measured")),),
            path=builders.path(basis=Basis.ASSUMED),
        ),
    )
    assert answer.next_measurement is not None
    assert (answer.next_measurement.what == "the model on this device") is is_named


@pytest.mark.parametrize(
    ("wanted", "options"),
    [
        ({"min_agreement_ratio": 0.99}, " --inputs SAMPLES.npz"),
        ({"min_accuracy_ratio": 0.99}, " --inputs SAMPLES.npz --labels LABELS.npy"),
    ],
)
def test_answers_that_are_not_judged_well_enough_ask_for_samples(
    wanted: dict[str, Any], options: str
) -> None:
    """Two variants are best together: of each too few samples were judged."""
    agreed, right = Agreement(1.0, 0.97, 1.0, 100, 0.1), Accuracy(1.0, 0.97, 1.0, 100)
    one, other = (
        Variant(f"{name}.onnx", name, builders.model(), agreed, right) for name in ("one", "other")
    )
    answer = recommend(
        builders.model(),
        Workload(targets=(LatencyTarget(0.99, 0.1),), data_class=DataClass.PUBLIC, **wanted),
        builders.environment(
            edges=(replace(builders.edge(0.002), variant=one),),
            clouds=(replace(builders.cloud(), variant=other),),
        ),
    )
    assert answer.decision.feasible is None
    assert answer.next_measurement is not None
    assert answer.next_measurement.command.endswith(options)
    assert "samples" in answer.next_measurement.what


GUESSED = Backbone("DE", "aws-us-east-1", high_s=0.5, known_percentile=0.0, basis=Basis.ASSUMED)


@pytest.mark.parametrize(
    ("backbone", "whole", "what"),
    [
        (None, (0.05, 0.005, 0.5), "the model on aws-g4dn.xlarge"),
        (GUESSED, (0.01, 0.01, 0.01), "the network between the device and the cloud"),
    ],
)
def test_what_a_split_alone_would_learn_from_is_measured_next(
    backbone: Backbone | None, whole: tuple[float, float, float], what: str
) -> None:
    time = SiteTime(estimate=ComputeEstimate(*whole, Level.E3, Basis.TRANSFERRED, "test", ""))
    offer = builders.offer(chip_class=ChipClass.CPU, ep="cpu")
    cloud = CloudSite(offer, time, backbone=backbone)
    split = Split(
        edge=builders.edge(0.004),
        cloud=replace(cloud, time=tail_time(time, 0.25, is_same_class=True)),
        cut=CutFacts(("mid",), 20_000, (), 0.25, 0.0),
        takes_input=False,
        input_bytes=600_000,
        down_bytes=4_000,
        head_bytes=300_000,
        tail_bytes=900_000,
    )
    answer = recommend(
        builders.model(),
        Workload(
            targets=(LatencyTarget(0.99, 0.04),), data_class=DataClass.SPECIAL, regions=("US",)
        ),
        builders.environment(edges=(builders.edge(0.2),), clouds=(cloud,), splits=(split,)),
    )
    assert answer.next_measurement is not None
    assert answer.next_measurement.what.startswith(what)
    assert "results that it could have would change" in answer.next_measurement.why
