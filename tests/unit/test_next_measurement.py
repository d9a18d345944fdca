"""The command that is advised can be typed as it stands."""

from dataclasses import replace
from typing import Any

import pytest

from placer.core.advise import recommend
from placer.core.environment import Basis
from placer.core.next_measurement import with_option
from placer.core.placement import EdgeSite, SiteTime
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
