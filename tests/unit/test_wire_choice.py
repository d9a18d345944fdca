from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx.utils import Extractor

from placer.core.errors import InputError, UsageError
from placer.core.wire_choice import (
    Arrays,
    ErrorLimit,
    FormatResult,
    OutputError,
    Part,
    choose,
    measure_formats,
)
from placer.core.wire_formats import Precision, WireFormat

DIGITS = Path(__file__).parents[2] / "examples" / "01_digits"
RNG = np.random.default_rng(5)
FIRST = RNG.standard_normal((64, 32), dtype=np.float32)
LAST = RNG.standard_normal((32, 10), dtype=np.float32)
SAMPLES = [{"x": RNG.standard_normal((1, 64), dtype=np.float32)} for _ in range(40)]


def head(sample: Mapping[str, Any]) -> Arrays:
    return {"hidden": np.maximum(sample["x"] @ FIRST, 0)}


def tail(crossing: Mapping[str, Any]) -> Arrays:
    return {"y": np.asarray(crossing["hidden"] @ LAST)}


def ticking(step_s: float = 0.5) -> Callable[[], float]:
    """A clock that moves by a step whenever it is read."""
    times = itertools.count(step=step_s)
    return lambda: float(next(times))


def measured() -> dict[str, FormatResult]:
    results = measure_formats(head, tail, SAMPLES, clock_s=ticking())
    return {one.wire_format.name: one for one in results}


def test_bytes_and_times_are_those_of_the_samples() -> None:
    found = measured()
    exact = found["float32"]
    assert exact.samples == 40
    assert exact.mean_bytes == exact.p95_bytes == exact.max_bytes == 16 + 2 * 8 + 32 * 4
    assert exact.encode_s == exact.decode_s == 0.5
    packed = found["float32+zlib"]
    assert packed.mean_bytes < exact.mean_bytes
    assert packed.mean_bytes <= packed.p95_bytes <= packed.max_bytes


def test_p95_is_a_size_that_was_sent() -> None:
    rows = [{"x": np.zeros((1, n), dtype=np.float32)} for n in range(1, 21)]
    (one,) = measure_formats(
        lambda sample: sample,
        lambda crossing: {"y": np.zeros(1, dtype=np.float32)},
        rows,
        [WireFormat(Precision.FLOAT32)],
        clock_s=ticking(),
    )
    assert one.p95_bytes == 32 + 4 * 19
    assert one.max_bytes == 32 + 4 * 20
    assert one.mean_bytes == 32 + 4 * 10.5


def test_exact_formats_have_no_error_and_narrow_ones_have() -> None:
    found = measured()
    for name in ("float32", "float32+zlib"):
        assert found[name].is_exact
        assert found[name].error.absolute == found[name].error.relative == 0
        assert found[name].error.agreement_ratio == 1
    half, quarter = found["float16"].error, found["int8"].error
    assert not found["float16"].is_exact
    assert 0 < half.absolute < quarter.absolute
    assert 0 < half.relative < 0.002 < quarter.relative < 0.05
    assert quarter.agreement_low_ratio < quarter.agreement_ratio <= 1


def test_compression_does_not_change_the_error() -> None:
    found = measured()
    assert found["int8"].error == found["int8+zlib"].error


def test_the_answers_that_change_are_counted() -> None:
    def coarse(crossing: Arrays) -> Arrays:
        """Two scores; int8 has steps of 0.79, so that 0.5 becomes the higher one."""
        first = crossing["x"][:, :1].astype(np.float64)
        return {"y": np.concatenate([first, np.full_like(first, 0.6)], axis=1)}

    samples = [{"x": np.array([[0.5, 100.0]], dtype=np.float32)} for _ in range(10)]
    exact, _, _, _, quarter, _ = measure_formats(lambda s: s, coarse, samples, clock_s=ticking())
    assert exact.error.agreement_ratio == 1
    assert quarter.error.agreement_ratio == 0


def test_an_input_that_the_tail_needs_is_charged() -> None:
    def both(sample: Arrays) -> Arrays:
        return {**head(sample), "x": sample["x"]}

    (one,) = measure_formats(
        both, tail, SAMPLES, [WireFormat(Precision.FLOAT32)], clock_s=ticking()
    )
    assert one.mean_bytes == 2 * (16 + 2 * 8) + (32 + 64) * 4


def test_tensors_that_a_format_cannot_hold_are_counted() -> None:
    samples = [{"x": np.array([[value]], dtype=np.float32)} for value in (1.0, 1e6, np.nan)]
    results = measure_formats(
        lambda sample: sample, lambda crossing: {"y": crossing["x"]}, samples, clock_s=ticking()
    )
    by_name = {one.wire_format.name: one for one in results}
    assert by_name["float16"].unheld_tensors == 1
    assert by_name["int8"].unheld_tensors == 1
    assert by_name["float32"].unheld_tensors == 0
    assert by_name["float16"].is_exact  # 1.0 is the same in float16


def test_an_output_that_turns_infinite_has_an_infinite_error() -> None:
    def inverse(crossing: Mapping[str, Any]) -> Arrays:
        with np.errstate(divide="ignore"):
            return {"y": 1 / crossing["x"]}

    samples = [{"x": np.array([[1e-9, 1.0]], dtype=np.float32)}]
    results = measure_formats(lambda sample: sample, inverse, samples, clock_s=ticking())
    assert results[0].error.absolute == 0
    half = next(one for one in results if one.wire_format.precision is Precision.FLOAT16)
    assert half.error.absolute == half.error.relative == np.inf


@pytest.mark.parametrize(("dtype", "expected"), [("int64", np.inf), ("int8", 1.0)])
def test_another_label_is_wrong_however_near_it_is(dtype: str, expected: float) -> None:
    """A tensor of labels as 500 and 503; 8 bits are quantised numbers, a step apart."""

    def label(crossing: Mapping[str, Any]) -> Arrays:
        return {"y": np.floor(crossing["x"] * 1000).astype(dtype)}

    samples = [{"x": np.array([[0.0011, 0.0019999]], dtype=np.float32)}]
    results = measure_formats(lambda sample: sample, label, samples, clock_s=ticking())
    assert results[0].error.relative == 0
    half = next(one for one in results if one.wire_format.precision is Precision.FLOAT16)
    assert half.error.relative == expected


def test_an_output_without_a_number_says_nothing_of_a_narrower_format() -> None:
    def broken(crossing: Mapping[str, Any]) -> Arrays:
        return {"y": np.full((1, 3), np.nan, dtype=np.float32)}

    results = measure_formats(head, broken, SAMPLES[:3], clock_s=ticking())
    for one in results:
        assert one.error.relative == (0 if one.is_exact else np.inf)
    assert {one.is_exact for one in results} == {True, False}


def test_outputs_without_elements_agree_on_nothing() -> None:
    def nothing(crossing: Arrays) -> Arrays:
        return {"boxes": np.zeros((0, 4), dtype=np.float32)}

    results = measure_formats(head, nothing, SAMPLES[:3], clock_s=ticking())
    assert {one.error.agreement_low_ratio for one in results} == {0.0}


def test_refuses_no_samples() -> None:
    with pytest.raises(InputError, match="no samples"):
        measure_formats(head, tail, [], clock_s=ticking())


def test_refuses_outputs_of_other_shapes() -> None:
    rows = [{"x": np.zeros((n, 64), dtype=np.float32)} for n in (1, 2)]
    with pytest.raises(InputError, match="sample 1 gives outputs of other names or shapes"):
        measure_formats(head, tail, rows, clock_s=ticking())


# --- choosing -------------------------------------------------------------------------------


def result(name: str, mean_bytes: float, **changes: object) -> FormatResult:
    precision, _, packed = name.partition("+")
    values: dict[str, object] = {
        "max_bytes": int(mean_bytes),
        "absolute": 0.1,
        "relative": 0.01,
        "low": 0.98,
        "is_exact": False,
        **changes,
    }
    return FormatResult(
        wire_format=WireFormat(Precision(precision), bool(packed)),
        samples=100,
        mean_bytes=mean_bytes,
        p95_bytes=int(mean_bytes),
        max_bytes=int(str(values["max_bytes"])),
        encode_s=0.0,
        decode_s=0.0,
        error=OutputError(
            float(str(values["absolute"])),
            float(str(values["relative"])),
            1.0,
            float(str(values["low"])),
        ),
        is_exact=bool(values["is_exact"]),
        unheld_tensors=0,
    )


OFFERED = (
    result("float32", 400, absolute=0, relative=0, is_exact=True),
    result("float32+zlib", 300, absolute=0, relative=0, is_exact=True),
    result("float16", 200, absolute=0.001, relative=0.0001, low=0.99),
    result("int8", 100),
)


@pytest.mark.parametrize(
    ("limit", "chosen"),
    [
        (ErrorLimit(), "float32+zlib"),
        (ErrorLimit(relative=0.05), "int8"),
        (ErrorLimit(relative=0.001), "float16"),
        (ErrorLimit(absolute=0.0005), "float32+zlib"),
        (ErrorLimit(agreement_ratio=0.985), "float16"),
        (ErrorLimit(agreement_ratio=1.0), "float32+zlib"),
        (ErrorLimit(relative=0.05, agreement_ratio=0.985), "float16"),
        (ErrorLimit(relative=0.0), "float32+zlib"),
    ],
)
def test_chooses_the_smallest_format_within_the_limit(limit: ErrorLimit, chosen: str) -> None:
    found = choose(OFFERED, limit)
    assert found is not None
    assert found.wire_format.name == chosen


def test_there_may_be_no_format_within_the_limit() -> None:
    assert choose(OFFERED[2:], ErrorLimit(relative=1e-9)) is None
    assert choose((), ErrorLimit(relative=1.0)) is None


def test_ties_do_not_depend_on_the_order() -> None:
    equal = (
        result("int8", 100, absolute=0.2),
        result("float16", 100, absolute=0.1),
        result("float32", 100, absolute=0.1),
        result("float64", 100, absolute=0.1, max_bytes=120),
    )
    found = {
        one.wire_format.name
        for order in itertools.permutations(equal)
        if (one := choose(order, ErrorLimit(relative=1.0))) is not None
    }
    assert found == {"float16"}


@pytest.mark.parametrize(
    "wrong",
    [{"absolute": -1.0}, {"relative": float("nan")}, {"agreement_ratio": 1.5}],
)
def test_rejects_a_limit_that_is_none(wrong: Mapping[str, float]) -> None:
    with pytest.raises(UsageError, match="the limit of the"):
        ErrorLimit(**wrong)


# --- a trained network, cut in two ----------------------------------------------------------


@pytest.mark.parametrize("cut", [("block2.relu2",), ("block1.conv2", "stem.relu")])
def test_real_tensors_of_a_trained_network_keep_its_answers(cut: tuple[str, ...]) -> None:
    model = onnx.shape_inference.infer_shapes(onnx.load(DIGITS / "digits.onnx"))
    ends = ((["image"], list(cut)), (list(cut), ["probabilities"]))
    sessions = [
        onnxruntime.InferenceSession(Extractor(model).extract_model(*end).SerializeToString())
        for end in ends
    ]

    def run(index: int) -> Part:
        names = ends[index][1]
        return lambda tensors: dict(
            zip(names, sessions[index].run(names, dict(tensors)), strict=True)
        )

    images = np.load(DIGITS / "samples.npz")["image"][:40]
    samples = [{"image": image[None]} for image in images]
    results = measure_formats(run(0), run(1), samples, clock_s=ticking())
    found = {one.wire_format.name: one for one in results}
    assert found["float32+zlib"].is_exact
    assert found["float32+zlib"].mean_bytes < 0.75 * found["float32"].mean_bytes
    assert found["float16"].error.absolute < 0.001
    assert found["int8"].error.absolute < 0.02
    assert found["int8"].error.agreement_ratio == 1.0
    chosen = choose(results, ErrorLimit(absolute=0.02))
    assert chosen is not None
    assert chosen.wire_format.name == "int8+zlib"
