"""No prediction of any site of the catalogue is faster than its chip can be."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placer.core.compute import ComputeEstimate, estimate_compute, peaks_of
from placer.core.environment import CloudOffer, Device
from placer.core.graph import ModelSummary, OperatorWork, TensorSpec
from placer.files import catalogue
from placer.files.catalogue import Kind

DEVICES = [catalogue.load_device(name) for name in catalogue.list_names(Kind.DEVICES)]
SITES: list[Device | CloudOffer] = [*DEVICES, *catalogue.all_offers()]
KNOWN = [one for one in SITES if one.roofline is not None]


def names(site: Device | CloudOffer) -> str:
    return site.name if isinstance(site, Device) else f"{site.name}@{site.region}"


def model(flops: int, bytes_moved: int, n_nodes: int, n_bytes: int) -> ModelSummary:
    tensor = TensorSpec("x", "float32", (1, 4), 16)
    return ModelSummary(
        path="m.onnx",
        sha256="0" * 64,
        n_bytes=n_bytes,
        subjects=(("m.onnx", "0" * 64),),
        opset=17,
        parameters=n_bytes // 4,
        inputs=(tensor,),
        outputs=(tensor,),
        operators=(OperatorWork("Conv", n_nodes, flops, bytes_moved, "test"),),
    )


def test_the_catalogue_has_sites_to_hold_to_physics() -> None:
    assert len(KNOWN) >= 15
    bounded = [
        one for one in KNOWN if one.roofline and peaks_of(one, one.roofline.dtype)[0] is not None
    ]
    assert len(bounded) >= 8


@pytest.mark.parametrize("site", KNOWN, ids=names)
@settings(max_examples=30, deadline=None)
@given(
    flops=st.integers(1, 10**14),
    bytes_moved=st.integers(1, 10**12),
    n_nodes=st.integers(1, 20_000),
    n_bytes=st.integers(1, 10**11),
)
def test_no_prediction_beats_the_physics_of_its_site(
    site: Device | CloudOffer, flops: int, bytes_moved: int, n_nodes: int, n_bytes: int
) -> None:
    assert site.roofline is not None
    dtype = site.roofline.dtype
    ep = site.ep if isinstance(site, CloudOffer) else (site.execution_providers or ("cpu",))[0]
    told = estimate_compute(site, model(flops, bytes_moved, n_nodes, n_bytes), dtype=dtype, ep=ep)
    if not isinstance(told, ComputeEstimate):
        return
    peak_flops_per_s, peak_bytes_per_s = peaks_of(site, dtype)
    assert told.low_s <= told.median_s <= told.high_s
    assert peak_flops_per_s is None or told.low_s >= (1 - 1e-9) * flops / peak_flops_per_s
    if peak_bytes_per_s is not None and n_bytes > 10**9:
        read_bytes = n_bytes / 2  # of a float32 model that runs in float16
        assert told.low_s >= (1 - 1e-9) * read_bytes / peak_bytes_per_s
