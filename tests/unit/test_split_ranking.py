"""When a split is called quicker: beyond the noise of the rounds, and what is told else."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from placer.api.split_doubts import estimate_decides, oddities
from placer.core.cuts import Share
from placer.core.split_ranking import (
    Kind,
    Placed,
    SplitAnswer,
    is_quicker,
    median_interval,
    ranked,
)
from placer.core.workload import Leaves
from placer.reports.split_model import to_json, to_text

NOISE = np.random.default_rng(5)


def placed(kind: Kind, turns_s: Any, **more: Any) -> Placed:
    """Return a plan whose head took this long in each round."""
    turns = tuple(float(one) for one in turns_s)
    fields: dict[str, Any] = {
        "kind": kind,
        "tensors": ("mid",) if kind is Kind.SPLIT else (),
        "wire": None if kind is Kind.EDGE else "float32",
        "sent_types": () if kind is Kind.EDGE else ("float32",),
        "n_bytes": 0 if kind is Kind.EDGE else 1000,
        "leaves": Leaves.NOTHING if kind is Kind.EDGE else Leaves.INTERMEDIATE,
        "leaves_why": "",
        "edge_nodes": 1,
        "cloud_nodes": 1,
        "foretold_head_s": min(turns, default=0.0),
        "head_s": min(turns, default=None),
        "tail_here_s": None,
        "network_s": 0.0,
        "tail_s": 0.0,
        "differences": (),
        "wire_result": None,
        "turns_s": turns,
    }
    return Placed(**{**fields, **more})


def answer(*plans: Placed, disturbance: str = "", quiet_ratio: float = 0.1) -> SplitAnswer:
    order = ranked(plans)
    return SplitAnswer(
        model="m.onnx", sha256="0" * 64, constant_nodes=0, unused_nodes=0, points=("mid",),
        largest_uncuttable=Share(0.5, "time", ("mid",)),
        whole_s=0.026, runs=30, threads=2, samples=0, placed=order,
        chosen=next(one for one in order if one.kind is Kind.SPLIT), is_asked=False,
        disturbance=disturbance, quiet_ratio=quiet_ratio, network="thin", cloud="aws",
        assumptions=(), notes=(), export=None,
    )  # fmt: skip


def noisy(typical_s: float) -> Any:
    return typical_s * (1 + NOISE.exponential(0.3, 30))


def test_a_split_within_the_noise_is_undecided() -> None:
    """Its fastest rounds were quicker, as chance has it, and the rounds do not show it."""
    whole = placed(Kind.EDGE, noisy(0.0260))
    split = placed(Kind.SPLIT, noisy(0.0260), network_s=0.0, head_s=min(whole.turns_s) - 0.0005)
    found = answer(whole, split)
    assert found.placed[0].kind is Kind.SPLIT
    assert found.is_within_noise
    assert found.best is whole
    assert to_text(found, None).startswith("Undecided, so do not split: all on the device takes ")
    assert '"is_within_noise": true' in to_json(found, None)
    assert '"placement": "edge"' in to_json(found, None)


def test_totals_that_print_alike_have_more_digits_where_one_is_quicker() -> None:
    whole = placed(Kind.CLOUD, (), network_s=0.014523)
    split = placed(Kind.SPLIT, [0.002] * 30, network_s=0.012501)
    assert to_text(answer(whole, split), None).startswith("Split at mid: 14.50 ms (")
    assert ", against 14.52 ms (" in to_text(answer(whole, split), None)
    slower = replace(split, network_s=0.012542)
    text = to_text(answer(whole, slower), None)
    assert text.startswith("Do not split: all on the cloud takes 14.52 ms (")
    assert "the best split (at mid) 14.54 ms (" in text


def test_one_of_a_thing_is_told_as_one() -> None:
    split = placed(Kind.SPLIT, noisy(0.006))
    one = replace(answer(placed(Kind.EDGE, noisy(0.026)), split), threads=1, runs=1, samples=1)
    text = to_text(one, None)
    assert "aws; 1 thread here, 1 run in turns, 1 sample\n" in text
    assert "1 single tensor divides the model;" in text
    assert "  it is: mid\n" in text
    text = to_text(replace(one, threads=2, samples=2, points=("a", "b")), None)
    assert "2 threads here, 1 run in turns, 2 samples\n" in text
    assert "2 single tensors divide the model;" in text
    assert "  they are: a, b\n" in text


def test_a_split_that_most_rounds_show_is_quicker() -> None:
    whole = placed(Kind.EDGE, noisy(0.026))
    split = placed(Kind.SPLIT, noisy(0.006), network_s=0.004, tail_s=0.001)
    found = answer(whole, split)
    assert not found.is_within_noise
    assert found.best is split
    assert to_text(found, None).startswith("Split at mid: ")


def test_a_split_is_not_claimed_where_other_programs_may_be_why_it_is_quicker() -> None:
    """What it gains may be no more than what they took."""
    whole = placed(Kind.EDGE, noisy(0.026))
    split = placed(Kind.SPLIT, noisy(0.006), network_s=0.004, tail_s=0.001)
    busy = "other programs used 1.7 of 2 cores while the parts ran, and they need 2"
    found = answer(whole, split, disturbance=busy)
    assert found.is_within_noise
    assert found.best is whole
    text = to_text(found, "parts")
    assert text.startswith("Undecided, so do not split: all on the device takes ")
    assert f"and undisturbed, all on the device may be quicker: {busy}.\n" in text
    assert "Nothing was written. To write the best split all the same: --cut mid" in text
    clear = answer(whole, split, disturbance=busy, quiet_ratio=0.5)  # 13 ms, were it quiet
    assert not clear.is_within_noise
    assert clear.best is split
    quicker = answer(replace(whole, head_s=0.001), split, disturbance=busy)
    assert to_text(quicker, None).startswith("Do not split: ")


def test_a_split_is_held_against_the_cloud_as_well() -> None:
    whole = placed(Kind.EDGE, noisy(0.5))
    cloud = placed(Kind.CLOUD, (), network_s=0.030)
    heads = np.linspace(0.001, 0.031, 30)
    split = placed(Kind.SPLIT, heads, network_s=0.015, head_s=0.001)
    assert is_quicker(split, whole)
    assert not is_quicker(split, cloud)
    assert answer(whole, cloud, split).is_within_noise
    assert is_quicker(replace(split, network_s=0.005), cloud)


@pytest.mark.parametrize("count", [8, 9, 30, 101])
def test_the_interval_of_the_median_holds_it(count: int) -> None:
    rng = np.random.default_rng(count)
    draws = [median_interval(rng.standard_normal(count).tolist()) for _ in range(2000)]
    held = sum(low <= 0 <= high for low, high in draws) / len(draws)
    assert held >= 0.985


def test_few_rounds_prove_little() -> None:
    assert median_interval([1.0]) == (-math.inf, math.inf)
    assert median_interval([3.0, 1.0]) == (-1.0, 5.0)


def test_the_range_of_the_cloud_is_told_and_where_it_decides() -> None:
    whole = placed(Kind.EDGE, noisy(0.0100), head_s=0.010)
    split = placed(
        Kind.SPLIT, noisy(0.001), head_s=0.001, network_s=0.004, tail_s=0.001,
        tail_range_s=(0.0005, 0.009),
    )  # fmt: skip
    text = to_text(answer(whole, split), None)
    assert text.startswith(
        "Split at mid: 6.00 ms (5.50 ms to 14.0 ms as the cloud is estimated), against 10.0 ms all"
    )
    (told,) = estimate_decides(ranked([whole, split]))
    assert "decides between the split at mid and all on the device" in told
    assert not estimate_decides(ranked([whole, replace(split, tail_range_s=(0.0005, 0.002))]))
    slower = replace(split, tail_s=0.006)  # and may be quicker all the same
    (told,) = estimate_decides(ranked([slower, whole]))
    assert "decides between all on the device and the split at mid" in told
    assert not estimate_decides(ranked([replace(slower, tail_range_s=(0.0055, 0.02)), whole]))


def test_times_that_do_not_fit_together_are_told() -> None:
    whole = placed(Kind.EDGE, [0.026] * 9, foretold_head_s=0.052)
    odd = placed(Kind.SPLIT, [0.020] * 9, tail_here_s=0.003)
    less, groups = oddities([odd, whole], 0.026)
    assert "split at mid: head and tail here take 11.5% less than the whole model" in less
    assert groups.startswith("the groups add up to 52")
    (more,) = oddities([replace(odd, tail_here_s=0.016)], 0.026)
    assert "more than the whole model: a second call costs time" in more
    assert oddities([replace(odd, tail_here_s=0.006), replace(whole, foretold_head_s=0.03)],
                    0.026) == []  # fmt: skip


def test_the_points_are_named_and_the_times_are_called_typical() -> None:
    found = answer(placed(Kind.SPLIT, [0.001] * 30), placed(Kind.EDGE, [0.026] * 30))
    text = to_text(found, None)
    assert "  it is: mid\n" in text
    assert "all times are typical ones" in text
    many = replace(found, points=tuple(f"t{number}" for number in range(15)))
    assert ", t10, t11 and 3 more (--format json)\n" in to_text(many, None)


def test_splits_that_were_tried_and_refused_are_no_absence_of_splits() -> None:
    found = replace(
        answer(placed(Kind.EDGE, noisy(0.026)), placed(Kind.SPLIT, noisy(0.006))),
        placed=(placed(Kind.EDGE, noisy(0.026)),),
        chosen=None,
    )
    assert "and there is no split to hold against it." in to_text(found, "parts")
    assert "Nothing was written: no split is possible." in to_text(found, "parts")
    text = to_text(replace(found, refused_splits=1), "parts")
    assert "the split tried does not keep what its answers are held to (notes; --top" in text
    assert "Nothing was written: no split that was tried keeps its limit." in text
    assert "none of the 3 splits tried keeps" in to_text(replace(found, refused_splits=3), None)
