from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from placer.core.compute import (
    FALLBACK_FACTOR,
    FALLBACK_MEDIAN,
    FALLBACK_P90,
    MEANINGS,
    ComputeEstimate,
    Level,
    NoEstimate,
    basis_of,
    clip_by_physics,
    draw_factor,
    estimate_compute,
    factor_90,
    level_of_evidence,
    roofline_s,
)
from placer.core.coverage import Coverage, LeftOut
from placer.core.environment import Basis, ChipClass, CloudOffer, Device, Roofline
from placer.core.errors import UsageError
from placer.core.graph import ModelSummary, OperatorWork

ROOFLINE = Roofline(
    flops_per_s=100e9,
    bytes_per_s=10e9,
    s_per_op=10e-6,
    level="E4",
    runtime="ONNX Runtime 1.32",
    source="fitted on 8 models",
)
DEVICE = Device(name="board", title="Board", chip_class=ChipClass.CPU, roofline=ROOFLINE)
OFFER = CloudOffer(
    name="aws-g4dn.xlarge",
    provider="aws",
    instance="g4dn.xlarge",
    region=None,
    jurisdiction=None,
    chip_class=ChipClass.GPU,
    ep="cuda",
    roofline=replace(ROOFLINE, level="E5"),
)
NPU = Device(
    name="phone",
    title="Phone",
    chip_class=ChipClass.NPU,
    roofline=replace(ROOFLINE, dtype="float16", bytes_per_s=None),
)
MODEL = ModelSummary(
    path="m.onnx",
    sha256="0" * 64,
    n_bytes=1_000_000,
    subjects=(("m.onnx", "0" * 64),),
    opset=17,
    parameters=250_000,
    inputs=(),
    outputs=(),
    operators=(OperatorWork("Conv", 100, 1_000_000_000, 20_000_000, "ONNX"),),
)
# 10 ms of arithmetic, 2 ms of memory, 1 ms of 100 operators
MEDIAN_S = 0.013
COVERED = Coverage("qnn", "SM8650", "a compiler", (("Conv", 2), ("Relu", 1)), (), 1)


def with_operator(
    op_type: str = "Conv", *, flops: int | None = 10**9, bytes_moved: int | None = 20_000_000
) -> ModelSummary:
    return replace(MODEL, operators=(OperatorWork(op_type, 100, flops, bytes_moved, "ONNX"),))


def test_roofline_adds_its_terms() -> None:
    total_s = roofline_s(ROOFLINE, flops=1_000_000_000, bytes_moved=20_000_000, n_ops=100)
    assert total_s == pytest.approx(MEDIAN_S)


def test_a_term_that_is_not_identifiable_counts_nothing() -> None:
    roofline = replace(ROOFLINE, bytes_per_s=None)
    assert roofline_s(roofline, flops=10**9, bytes_moved=None, n_ops=100) == pytest.approx(0.011)


@pytest.mark.parametrize(("flops", "bytes_moved"), [(None, 1), (1, None)])
def test_a_needed_figure_that_is_unknown_gives_no_time(
    flops: int | None, bytes_moved: int | None
) -> None:
    assert roofline_s(ROOFLINE, flops=flops, bytes_moved=bytes_moved, n_ops=1) is None


def test_a_roofline_without_any_term_gives_no_time() -> None:
    empty = replace(ROOFLINE, flops_per_s=None, bytes_per_s=None, s_per_op=0.0)
    assert roofline_s(empty, flops=1, bytes_moved=1, n_ops=1) is None


@pytest.mark.parametrize(
    ("site", "level", "factor"),
    [(DEVICE, Level.E4, 1.6), (OFFER, Level.E5, 2.5)],
)
def test_an_estimate_carries_its_level_and_interval(
    site: Device | CloudOffer, level: Level, factor: float
) -> None:
    estimate = estimate_compute(site, MODEL, dtype="float32", ep="cpu")
    assert isinstance(estimate, ComputeEstimate)
    assert estimate.median_s == pytest.approx(MEDIAN_S)
    assert estimate.low_s == pytest.approx(MEDIAN_S / factor)
    assert estimate.high_s == pytest.approx(MEDIAN_S * factor)
    assert estimate.level is level
    assert estimate.basis is Basis.CATALOGUE
    assert estimate.source == "fitted on 8 models"
    assert estimate.note == ""


@pytest.mark.parametrize(
    ("site", "dtype", "ep", "words"),
    [
        (DEVICE, "int8", "cpu", "known for float32, the model runs in int8"),
        (DEVICE, "float16", "cpu", "known for float32, the model runs in float16"),
        (NPU, "float32", "cpu", "known for float16, the model runs in float32"),
        (NPU, "int8", "qnn", "known for float16, the model runs in int8"),
        (DEVICE, "float32", "qnn", "known for float32, the model runs in float16"),
        (replace(DEVICE, roofline=None), "float32", "cpu", "no figures"),
        (replace(DEVICE, roofline=replace(ROOFLINE, level="E7")), "float32", "cpu", "E7"),
    ],
)
def test_refuses_what_the_figures_say_nothing_about(
    site: Device, dtype: str, ep: str, words: str
) -> None:
    refused = estimate_compute(site, MODEL, dtype=dtype, ep=ep)
    assert isinstance(refused, NoEstimate)
    assert words in refused.reason


def test_half_precision_figures_serve_a_float_model_where_the_provider_runs_it_so() -> None:
    estimate = estimate_compute(NPU, MODEL, dtype="float32", ep="qnn", coverage=COVERED)
    assert isinstance(estimate, ComputeEstimate)
    assert estimate.high_s == pytest.approx(0.011 * 2.4)
    assert estimate.note == (
        "qnn runs this float32 model in float16; all 3 nodes compile for the NPU of SM8650"
    )


def test_an_npu_may_be_slower_where_it_is_not_known_which_nodes_it_runs() -> None:
    estimate = estimate_compute(NPU, MODEL, dtype="float32", ep="qnn")
    assert isinstance(estimate, ComputeEstimate)
    assert estimate.median_s == pytest.approx(0.011)
    assert estimate.low_s == pytest.approx(0.011 / 2.4)
    assert estimate.high_s == pytest.approx(0.011 * 2.4 * FALLBACK_FACTOR)
    assert "not known" in estimate.note


def test_nodes_that_fall_back_to_the_cpu_enter_the_time_by_their_share() -> None:
    partly = replace(COVERED, left_out=(LeftOut("e", "Erf", "cpu", "not supported"),))
    estimate = estimate_compute(NPU, MODEL, dtype="float32", ep="qnn", coverage=partly)
    assert isinstance(estimate, ComputeEstimate)
    assert estimate.low_s == pytest.approx(0.011 / 2.4)
    assert estimate.median_s == pytest.approx(0.011 * (0.75 + 0.25 * FALLBACK_MEDIAN))
    assert estimate.high_s == pytest.approx(0.011 * 2.4 * (0.75 + 0.25 * FALLBACK_P90))
    assert "1 of 4 nodes would fall back to the CPU (Erf)" in estimate.note


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (with_operator("my::Op", flops=None), "my::Op"),
        (with_operator(bytes_moved=None), "a shape is not known"),
    ],
)
def test_says_why_the_work_is_unknown(model: ModelSummary, words: str) -> None:
    refused = estimate_compute(DEVICE, model, dtype="float32", ep="cpu")
    assert isinstance(refused, NoEstimate)
    assert words in refused.reason


def test_rejects_a_level_that_does_not_exist() -> None:
    site = replace(DEVICE, roofline=replace(ROOFLINE, level="E9"))
    with pytest.raises(UsageError, match="'board' have the unknown level 'E9'"):
        estimate_compute(site, MODEL, dtype="float32", ep="cpu")


@pytest.mark.parametrize(
    ("device", "dtype", "floor_s"),
    [
        (replace(DEVICE, peak_fp32_flops_per_s=10e9), "float32", 0.1),
        (replace(DEVICE, chip_class=ChipClass.GPU, peak_fp32_flops_per_s=10e9), "float32", 0.0),
        (replace(DEVICE, chip_class=ChipClass.GPU, peak_fp16_flops_per_s=20e9), "float32", 0.05),
        (
            replace(DEVICE, roofline=replace(ROOFLINE, dtype="int8"), peak_int8_ops_per_s=5e9),
            "int8",
            0.2,
        ),
        (replace(DEVICE, roofline=replace(ROOFLINE, dtype="bfloat16")), "bfloat16", 0.0),
    ],
)
def test_no_estimate_beats_the_peak_rate_of_its_arithmetic(
    device: Device, dtype: str, floor_s: float
) -> None:
    estimate = estimate_compute(device, MODEL, dtype=dtype, ep="cpu")
    assert isinstance(estimate, ComputeEstimate)
    assert estimate.median_s == pytest.approx(max(MEDIAN_S, floor_s))
    assert estimate.low_s >= floor_s


@pytest.mark.parametrize(
    ("op_type", "n_bytes", "ep", "dtype", "floor_s"),
    [
        ("Conv", 1_000_000_000, "cpu", "float32", 1.0),
        ("Conv", 1_000_000_000, "qnn", "float16", 0.5),  # read as float16
        ("Conv", 60_000_000, "cpu", "float32", 0.0),  # may stay in a cache
        ("Gather", 1_000_000_000, "cpu", "float32", 0.0),  # an embedding is read in part
    ],
)
def test_no_estimate_beats_the_memory_that_must_be_read(
    op_type: str, n_bytes: int, ep: str, dtype: str, floor_s: float
) -> None:
    device = replace(DEVICE, memory_bytes_per_s=1e9, roofline=replace(ROOFLINE, dtype=dtype))
    model = replace(with_operator(op_type), n_bytes=n_bytes)
    estimate = estimate_compute(device, model, dtype="float32", ep=ep)
    assert isinstance(estimate, ComputeEstimate)
    assert estimate.median_s == pytest.approx(max(MEDIAN_S, floor_s))


def test_clipping_keeps_the_doubt_above() -> None:
    clipped = clip_by_physics(
        1.0,
        0.5,
        2.0,
        peak_flops_per_s=10.0,
        peak_bytes_per_s=None,
        flops=30,
        weight_bytes=None,
    )
    assert clipped == (3.0, 3.0, 6.0)


def test_clipping_leaves_what_is_possible() -> None:
    clipped = clip_by_physics(
        1.0,
        0.5,
        2.0,
        peak_flops_per_s=None,
        peak_bytes_per_s=1e12,
        flops=10**18,
        weight_bytes=10**9,
    )
    assert clipped == (1.0, 0.5, 2.0)


def test_every_level_has_a_meaning_a_basis_and_a_wider_interval_than_the_one_before() -> None:
    assert list(MEANINGS) == list(Level)
    for chip_class in ChipClass:
        factors = [factor_90(level, chip_class) for level in Level]
        known = [factor for factor in factors if factor is not None]
        assert known == sorted(known)
        assert len(known) == 6
    assert [basis_of(level).value for level in Level] == (
        ["measured"] * 2 + ["transferred"] * 2 + ["catalogue"] * 3 + ["assumed"]
    )


@pytest.mark.parametrize(
    ("measured_at", "same_machine", "same_runtime", "level", "factor"),
    [
        ("2026-11-23", True, True, "E0", 1.10),
        ("2026-09-23", True, True, "E0", 1.10),
        ("2026-09-22", True, True, "E1", 1.20),
        ("2026-11-23", True, False, "E1", 1.20),
        ("2026-05-24T23:59:59Z", True, True, "E1", 1.20),
        ("2026-05-23", True, True, "E1", 2.0),
        ("2026-11-23", False, True, "E2", 1.30),
        ("2026-01-01", False, True, "E2", 2.0),
        ("2027-01-20", True, True, "E0", 1.10),  # after the day that is asked about
        ("2027-11-23", True, True, "E1", 2.0),
    ],
)
def test_evidence_ages(
    measured_at: str, same_machine: bool, same_runtime: bool, level: str, factor: float
) -> None:
    found = level_of_evidence(
        measured_at,
        date(2026, 11, 23),
        same_machine=same_machine,
        same_runtime=same_runtime,
    )
    assert found == (level, factor)


def test_rejects_evidence_without_a_date() -> None:
    with pytest.raises(UsageError, match="'yesterday', which is not a date"):
        level_of_evidence("yesterday", date(2026, 1, 1), same_machine=True, same_runtime=True)


@pytest.mark.parametrize("factor", [1.1, 2.5])
def test_nine_of_ten_drawn_factors_lie_in_the_interval(factor: float) -> None:
    drawn = draw_factor(np.random.default_rng(5), 50_000, factor)
    assert np.median(drawn) == pytest.approx(1, rel=0.02)
    assert np.mean(drawn < 1 / factor) == pytest.approx(0.05, abs=0.005)
    assert np.mean(drawn > factor) == pytest.approx(0.05, abs=0.005)


def test_a_factor_of_one_draws_no_doubt() -> None:
    assert draw_factor(np.random.default_rng(5), 3, 1.0).tolist() == [1.0] * 3
