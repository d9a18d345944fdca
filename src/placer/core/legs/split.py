"""The latency of a split: the head on the device, the way to the cloud, the tail there.

A split is a cascade in which every request goes on: samples of the head, the drawn transfer and the
drawn tail are added, then quantiles are read.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from placer.core.compute import ComputeEstimate, Level, basis_of
from placer.core.environment import ChipClass
from placer.core.graph import ModelSummary, TensorSpec
from placer.core.legs.cascade import ALWAYS, cascade_leg
from placer.core.legs.leg import Leg
from placer.core.placement import CloudSite, Environment, SiteTime, Split
from placer.core.sequential import quantile
from placer.core.workings import Workings
from placer.core.workload import Workload

EP = "cpu"
"""Groups and heads of a model are timed with this execution provider."""
SHARE_FACTOR_90 = 2.5
"""Of the share of the tail on another machine of the class: the widest of level E3, as it comes
from one model and no machine of that kind."""
LEAST_RATIO = 1e-3
"""Of the time of the whole that a tail is taken to take at least."""


def split_leg(
    split: Split,
    model: ModelSummary,
    workload: Workload,
    environment: Environment,
    workings: Workings,
) -> Leg:
    """Judge a model that begins on the device and ends in the cloud."""
    up_bytes = split.up_bytes(workload.wire_input_bytes)
    tail = replace(
        model,
        inputs=(_bytes_of("crossing", up_bytes),),
        outputs=(_bytes_of("returned", split.down_bytes),),
    )
    asked = replace(workload, wire_input_bytes=up_bytes)
    return cascade_leg(split.edge, split.cloud, ALWAYS, tail, asked, environment, workings)


def _bytes_of(name: str, n_bytes: int) -> TensorSpec:
    return TensorSpec(name, "uint8", (n_bytes,), n_bytes)


def is_like_here(cloud: CloudSite) -> bool:
    """Tell whether an offer runs the model as its groups were timed on the device: on a CPU."""
    return cloud.offer.chip_class is ChipClass.CPU and cloud.ep == EP


def tail_time(whole: SiteTime, tail_ratio: float, *, is_same_class: bool) -> SiteTime:
    """Return the time of a tail on a site where the time of the whole model is known or modelled.

    The share comes from the device. On another class of chip it says nothing, and only that a part
    takes no longer than the whole bounds the time. The interval is no narrower than the whole's,
    and a disturbed measurement of the whole makes a disturbed tail.

    Parameters
    ----------
    tail_ratio
        Share of the tail in the time of the model, by groups timed on the device.
    is_same_class
        Both are of one class of chips and run the same runtime.
    """
    if whole.measurement is not None:
        samples_s = np.concatenate(whole.segments_s)
        median_s = quantile(samples_s, 0.5)
        low_s = quantile(samples_s, 0.01) / whole.factor_90
        high_s = quantile(samples_s, 0.99) * whole.factor_90
        source = whole.source
    elif whole.estimate is not None:
        estimate = whole.estimate
        median_s, low_s, high_s = estimate.median_s, estimate.low_s, estimate.high_s
        source = f"{estimate.level}: {estimate.source}"
    else:
        return whole
    tail_ratio = max(tail_ratio, LEAST_RATIO)
    share = f"{100 * tail_ratio:.3g} % of the whole model ({source})"
    if is_same_class:
        wider = SHARE_FACTOR_90
        return SiteTime(
            whole=whole.measurement,
            estimate=ComputeEstimate(
                median_s=median_s * tail_ratio,
                low_s=low_s * tail_ratio / wider,
                high_s=max(min(high_s * tail_ratio * wider, high_s), high_s * tail_ratio),
                level=Level.E3,
                basis=basis_of(Level.E3),
                source=f"{share}, by the times of its groups on the device",
                note="the share may differ on another machine",
            ),
        )
    return SiteTime(
        whole=whole.measurement,
        estimate=ComputeEstimate(
            median_s=median_s * tail_ratio,
            low_s=low_s * LEAST_RATIO,
            high_s=high_s,
            level=Level.E7,
            basis=basis_of(Level.E7),
            source=f"{share} taken, from the times of its groups on the device's CPU",
            note="they say nothing of another class of chips; bounded by the time of the whole",
        ),
    )
