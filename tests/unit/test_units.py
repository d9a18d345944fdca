"""Units: what users type, and what they read."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placer.core import units
from placer.core.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("20ms", 0.02),
        ("0.02s", 0.02),
        ("9ms", 0.009),
        ("5us", 5e-6),
        ("5µs", 5e-6),
        ("3 ns", 3e-9),
        ("1.5min", 90.0),
        ("2h", 7200.0),
        ("1d", 86400.0),
        ("1e-3s", 0.001),
        (".5s", 0.5),
    ],
)
def test_durations_are_seconds(text: str, seconds: float) -> None:
    assert units.parse_duration_s(text) == seconds


@given(st.integers(1, 10**6))
def test_milliseconds_and_seconds_meet_in_one_float(milliseconds: int) -> None:
    as_seconds = f"{Decimal(milliseconds) / 1000}s"
    assert units.parse_duration_s(f"{milliseconds}ms") == units.parse_duration_s(as_seconds)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("20", "has no unit"),
        ("0ms", "greater than zero"),
        ("-1ms", "greater than zero"),
        ("nan", "not a number"),
        ("inf s", "not a number"),
        ("", "not a number"),
        ("20 parsecs", "unknown unit"),
        ("20MS", "did you mean 'ms'"),
        ("1e400s", "too large"),
        ("1e-400s", "greater than zero"),
        ("1e999999999s", "too large"),
    ],
)
def test_bad_durations_say_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        units.parse_duration_s(text)
    assert caught.value.hint


def test_zero_is_allowed_only_where_it_means_something() -> None:
    assert units.parse_duration_s("0ms", allow_zero=True) == 0
    with pytest.raises(UsageError, match="must not be negative"):
        units.parse_duration_s("-1ms", allow_zero=True)
    assert units.parse_usd_per_byte("0USD/GB") == 0


def test_sizes_tell_decimal_from_binary() -> None:
    assert units.parse_bytes("80KiB") == 81920
    assert units.parse_bytes("80kB") == units.parse_bytes("80KB") == 80_000
    assert units.parse_bytes("1.5GiB") == 1_610_612_736
    assert units.parse_bytes("0.5B") == 1


def test_sizes_beyond_all_reason_are_refused() -> None:
    assert units.parse_bytes("1000000GB") == units.MAX_BYTES
    with pytest.raises(UsageError, match="--wire-input '1e30B' is too large") as caught:
        units.parse_bytes("1e30B", what="--wire-input")
    assert caught.value.hint == "at most 1000000GB"


def test_rates_are_bytes_per_second() -> None:
    assert units.parse_rate_bytes_per_s("8Mbit/s") == 1e6
    assert units.parse_frequency_hz("120/min") == 2.0
    assert units.parse_frequency_hz("86400/day") == 1.0
    assert units.parse_usd_per_month("500USD/month") == 500.0
    assert units.parse_usd_per_hour("0.526 USD/h") == 0.526
    assert units.parse_usd_per_byte("30USD/GB") == pytest.approx(3e-8)
    assert units.parse_power_w("7500mW") == 7.5


@pytest.mark.parametrize(("text", "ratio"), [("0.5%", 0.005), ("0.005", 0.005), ("100 %", 1.0)])
def test_ratios(text: str, ratio: float) -> None:
    assert units.parse_ratio(text) == ratio


@pytest.mark.parametrize("text", ["101%", "-1", "nan", "x", "", "%"])
def test_bad_ratios(text: str) -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        units.parse_ratio(text)


@pytest.mark.parametrize(
    ("text", "ratio"), [("p99", 0.99), ("P99.9", 0.999), ("p50", 0.5), ("p99.99999", 0.9999999)]
)
def test_percentiles(text: str, ratio: float) -> None:
    assert units.parse_percentile(text) == ratio
    assert units.format_percentile(ratio) == text.lower()


@pytest.mark.parametrize(
    "text",
    ["p0", "p100", "p101", "99", "pnan", "p-5", "", "p0.00000000000000001", f"p99.{12 * '9'}"],
)
def test_bad_percentiles(text: str) -> None:
    with pytest.raises(UsageError, match="percentile"):
        units.parse_percentile(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.000163, "163 µs"),
        (0.02, "20.0 ms"),
        (1.5, "1.50 s"),
        (0.99999, "1.00 s"),
        (9.9999e-4, "1.00 ms"),
        (5e-9, "5.00 ns"),
        (0.0, "0 ns"),
        (1234.5, "1,234 s"),
    ],
)
def test_durations_are_shown_with_three_digits(seconds: float, text: str) -> None:
    assert units.format_duration(seconds) == text


def test_other_figures_are_shown_in_the_unit_that_fits() -> None:
    assert units.format_bytes(602_112) == "602 kB"
    assert units.format_bytes(40) == "40 B"
    assert units.format_bytes(4.2e9) == "4.20 GB"
    assert units.format_bytes(2.5e12) == "2.50 TB"
    assert units.format_rate(12.375e6) == "99.0 Mbit/s"
    assert units.format_rate(20) == "160 bit/s"
    assert units.format_rate(2e9) == "16.0 Gbit/s"
    assert units.format_frequency(30) == "30/s"
    assert units.format_frequency(1 / 60) == "1/min"
    assert units.format_frequency(1 / 3600) == "1/h"
    assert units.format_frequency(1 / 86400) == "1/day"
    assert units.format_usd(0) == "$0"
    assert units.format_usd(1290.4) == "$1,290"
    assert units.format_usd(3.4) == "$3.40"
    assert units.format_usd(0.0021) == "$0.0021"


def test_a_factor_that_is_no_number_is_shown_as_it_is() -> None:
    shown = [units.format_factor(one) for one in (1.34, 24.3, 1234.0, math.inf, math.nan)]
    assert shown == ["1.3", "24", "1,200", "inf", "nan"]


@pytest.mark.parametrize(
    ("values_s", "shown"),
    [
        ((0.0145, 0.0146), ("14.5 ms", "14.6 ms")),
        ((0.014501, 0.014523), ("14.50 ms", "14.52 ms")),
        ((0.0145001, 0.0145012), ("14.500 ms", "14.501 ms")),
        ((0.0145, 0.0145), ("14.5 ms", "14.5 ms")),
        ((0.01450000001, 0.01450000002), ("14.5 ms", "14.5 ms")),
        ((0.9996, 1.0002), ("0.9996 s", "1.0002 s")),
        ((12.0, 12.01, 30.0), ("12.00 s", "12.01 s", "30.00 s")),
        ((4321.2, 4321.3), ("4,321.2 s", "4,321.3 s")),
    ],
)
def test_durations_have_the_digits_that_tell_them_apart(
    values_s: tuple[float, ...], shown: tuple[str, ...]
) -> None:
    assert units.format_durations_apart(*values_s) == shown
