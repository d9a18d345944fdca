"""Times from published measurements: which row answers, transfers, and why none does."""

from __future__ import annotations

import datetime
import math
from dataclasses import replace

import numpy as np
import pytest

from placer.core.compute import ComputeEstimate, Level, NoEstimate
from placer.core.coverage import Coverage, LeftOut
from placer.core.environment import Basis, ChipClass, Device
from placer.core.measured_rows import (
    MeasuredRow,
    Published,
    estimate_from_any,
    estimate_from_rows,
    factor_of,
    transferred,
)

FRESH = datetime.date(2026, 3, 1)
OLD = datetime.date(2026, 11, 23)
PHONE = Device("phone", "Phone", ChipClass.NPU, execution_providers=("qnn",))
ROW = MeasuredRow(
    name="hub/net",
    device="Phone 9",
    site="phone",
    runtime="onnx",
    ep="qnn",
    precision="float",
    dtype="float16",
    latency_s=0.004,
    throughput_per_s=None,
    statistic="the fastest",
    unit="NPU",
    nodes=(("NPU", 60),),
    is_fallback=False,
    measured_at="2026-02-12",
    source="Hub v1",
)


def answer(
    *rows: MeasuredRow,
    dtype: str = "float32",
    ep: str = "qnn",
    as_of: datetime.date = FRESH,
    coverage: Coverage | None = None,
) -> ComputeEstimate | NoEstimate:
    published = Published("hub/net", rows, as_of)
    return estimate_from_rows(published, PHONE, dtype=dtype, ep=ep, coverage=coverage)


def reason(*rows: MeasuredRow, dtype: str = "float32", ep: str = "qnn") -> str:
    found = answer(*rows, dtype=dtype, ep=ep)
    assert isinstance(found, NoEstimate)
    return found.reason


def test_a_row_of_the_device_answers_with_its_source_and_the_interval_of_e2() -> None:
    found = answer(ROW)
    assert isinstance(found, ComputeEstimate)
    assert (found.level, found.basis) == (Level.E2, Basis.TRANSFERRED)
    assert found.median_s == 0.004
    assert found.high_s == pytest.approx(0.004 * 1.3)
    assert found.low_s == pytest.approx(0.004 / 1.3)
    assert found.source == "Hub v1: hub/net on Phone 9, onnx, float, 2026-02-12"
    assert "taken to be hub/net" in found.note
    assert "60 layers on the NPU" in found.note


def test_an_old_row_is_wider() -> None:
    assert factor_of(ROW, FRESH) == 1.3
    assert factor_of(ROW, OLD) == 2
    found = answer(ROW, as_of=OLD)
    assert isinstance(found, ComputeEstimate)
    assert found.high_s == pytest.approx(0.008)


def test_the_arithmetic_must_be_that_of_the_model() -> None:
    assert isinstance(answer(ROW, dtype="float16"), ComputeEstimate)
    assert "was measured in float; the model runs there in int8" in reason(ROW, dtype="int8")
    quantised = replace(ROW, precision="w8a8", dtype="int8", latency_s=0.001)
    found = answer(ROW, quantised, dtype="int8")
    assert isinstance(found, ComputeEstimate)
    assert found.median_s == 0.001
    unstated = replace(ROW, precision="", dtype=None)
    assert "does not state its arithmetic" in reason(unstated)


def test_a_row_that_fell_back_gives_no_time() -> None:
    fell = replace(ROW, unit="CPU", nodes=(("CPU", 60),), is_fallback=True, dtype="float32")
    assert reason(fell) == (
        "hub/net on phone fell back to the CPU (60 layers on the CPU): that is no time of qnn"
    )


def test_a_row_of_another_execution_provider_or_of_none_gives_no_time() -> None:
    assert "measured with qnn, not with cpu" in reason(ROW, ep="cpu")
    other = replace(ROW, ep=None, runtime="tflite", why_no_ep="not used here")
    assert "tflite (not used here)" in reason(other)


def test_a_device_of_an_execution_provider_may_be_left_open_but_not_differ() -> None:
    row = replace(ROW, ep="openvino:npu", dtype="float32")
    assert isinstance(answer(row, ep="openvino"), ComputeEstimate)
    assert isinstance(answer(row, ep="openvino:npu"), ComputeEstimate)
    assert isinstance(answer(row, ep="openvino:gpu"), NoEstimate)


def test_a_throughput_is_no_latency() -> None:
    rate = replace(ROW, latency_s=None, throughput_per_s=250.0)
    assert "throughput, which is no latency" in reason(rate)


def test_of_several_submissions_the_one_that_promises_least_counts() -> None:
    found = answer(ROW, replace(ROW, latency_s=0.006, source="Hub v0"))
    assert isinstance(found, ComputeEstimate)
    assert found.median_s == 0.006


def test_it_is_said_where_a_row_is_instead() -> None:
    proxy = replace(ROW, site=None, device="Board (Proxy)", why_no_site="no phone but a board")
    told = reason(replace(ROW, site="tablet"), proxy, replace(ROW, site=None, device="X"))
    assert "not measured on phone, but on tablet (qnn)" in told
    assert "and 2 devices that the catalogue does not have; Board (Proxy) is no phone" in told


def test_nodes_that_would_fall_back_show_that_the_model_is_another_one() -> None:
    left = (LeftOut("n", "Resize", "cpu", "not supported"),)
    coverage = Coverage("qnn", "SM1", "ort", (("Conv", 20),), left, 2)
    found = answer(ROW, coverage=coverage)
    assert isinstance(found, NoEstimate)
    assert "1 of 21 nodes of the model would not run on the NPU (Resize)" in found.reason
    partly = replace(ROW, nodes=(("NPU", 50), ("CPU", 10)))
    assert isinstance(answer(partly, coverage=coverage), ComputeEstimate)


def shared_rows(count: int, ratio: float = 2.0) -> list[MeasuredRow]:
    """Other models on the phone and on a tablet, where they take ``ratio`` times as long."""
    rows = []
    for number in range(count):
        time_s = 0.001 * (number + 1)
        spread = 1.1 if number % 2 else 1 / 1.1
        other = replace(ROW, name=f"hub/other{number}", latency_s=time_s)
        rows += [other, replace(other, site="tablet", device="Tab", latency_s=time_s * ratio)]
        rows[-1] = replace(rows[-1], latency_s=time_s * ratio * spread)
    return rows


ON_TABLET = replace(ROW, site="tablet", device="Tab")


def test_a_time_is_carried_over_by_the_models_that_both_devices_have() -> None:
    found = answer(ON_TABLET, *shared_rows(9))
    assert isinstance(found, ComputeEstimate)
    assert (found.level, found.basis) == (Level.E3, Basis.TRANSFERRED)
    assert found.median_s == pytest.approx(0.002 * 1.1, rel=1e-9)  # the median of nine ratios
    assert "9 models measured on both" in found.source
    factor = found.high_s / found.median_s
    assert factor == pytest.approx(found.median_s / found.low_s)
    assert factor > 1.3  # on top of that of E2


def test_too_few_shared_models_carry_nothing() -> None:
    found = answer(ON_TABLET, *shared_rows(4))
    assert isinstance(found, NoEstimate)
    assert isinstance(answer(ON_TABLET, *shared_rows(5)), ComputeEstimate)


@pytest.mark.parametrize(
    "changed",
    [
        {"precision": "w8a8", "dtype": "int8"},
        {"runtime": "other"},
        {"nodes": (("NPU", 1), ("CPU", 1))},
    ],
)  # fmt: skip
def test_models_of_other_arithmetic_runtime_or_placement_are_not_shared(
    changed: dict[str, object],
) -> None:
    rows = [replace(row, **changed) for row in shared_rows(9)]  # type: ignore[arg-type]  # of any field
    assert isinstance(answer(ON_TABLET, *rows), NoEstimate)


def test_a_row_that_fell_back_is_not_replaced_by_a_transfer() -> None:
    fell = replace(ROW, unit="CPU", nodes=(("CPU", 60),), is_fallback=True, dtype="float32")
    assert "fell back" in reason(fell, ON_TABLET, *shared_rows(9))


def test_equal_ratios_are_carried_exactly_with_the_least_interval() -> None:
    found = transferred(0.01, [(one, 3 * one) for one in (0.001, 0.002, 0.003, 0.004, 0.005)])
    assert found is not None
    assert found.median_s == pytest.approx(0.03)
    assert found.factor_90 == 1.10


def test_the_interval_is_students_t_of_what_is_foretold_by_the_others() -> None:
    logs = [-0.2, -0.1, 0.0, 0.1, 0.2]
    found = transferred(1.0, [(1.0, math.exp(one)) for one in logs])
    assert found is not None
    without = [-0.2 - 0.05, -0.1 - 0.05, 0.0, 0.1 + 0.05, 0.2 + 0.05]
    spread = math.sqrt(sum(one**2 for one in without) / 5)
    assert found.factor_90 == pytest.approx(math.exp(2.1318 * spread), rel=1e-4)


def test_the_interval_of_a_transfer_covers_nine_times_in_ten() -> None:
    rng = np.random.default_rng(3)
    covered = []
    for _ in range(400):
        times = np.exp(rng.normal(0, 0.15, 9))
        found = transferred(1.0, [(1.0, one) for one in times[:8]])
        assert found is not None
        covered.append(abs(math.log(times[8] / found.median_s)) <= math.log(found.factor_90))
    assert 0.86 <= float(np.mean(covered)) <= 0.96


# --- several rows of one architecture -------------------------------------------------------


def chosen(*choices: Published, dtype: str = "float32") -> ComputeEstimate | NoEstimate:
    return estimate_from_any(choices, PHONE, dtype=dtype, ep="qnn")


def of(name: str, *rows: MeasuredRow) -> Published:
    return Published(name, tuple(replace(row, name=name) for row in rows), FRESH, "net")


def test_of_two_rows_of_one_architecture_the_arithmetic_chooses() -> None:
    small = replace(ROW, dtype="int8", precision="w8a8", latency_s=0.001)
    found = chosen(of("hub/net", ROW), of("zoo/net", small), dtype="int8")
    assert isinstance(found, ComputeEstimate)
    assert found.median_s == 0.001
    assert "taken to be zoo/net, as its structure is that of net" in found.note


def test_two_rows_that_answer_alike_are_not_chosen_from() -> None:
    found = chosen(of("hub/net", ROW), of("zoo/net", ROW))
    assert isinstance(found, NoEstimate)
    assert found.reason == (
        "hub/net and zoo/net are of one architecture and both answer for phone (qnn): "
        "--as says which one the model is"
    )


def test_no_row_is_no_answer() -> None:
    assert isinstance(chosen(), NoEstimate)
    elsewhere = replace(ROW, site=None)
    found = chosen(of("hub/net", elsewhere))
    assert isinstance(found, NoEstimate)
    assert "was not measured on phone" in found.reason
