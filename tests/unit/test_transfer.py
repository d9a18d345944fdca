import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from placer.core.environment import NetworkPath
from placer.core.errors import UsageError
from placer.core.network.exchange import REQUEST_HOST_S, one_way_s
from placer.core.network.wire import INITIAL_WINDOW_SEGMENTS, MAX_WINDOW_SEGMENTS
from placer.core.network_estimate import Request, estimate
from placer.core.transfer import (
    FloatArray,
    burst_unknown,
    draw_rates,
    draw_rtt_s,
    known_percentile,
    lower_bound_known,
    request_s,
    weaknesses,
)
from placer.core.units import format_duration

MEASURED = Path(__file__).parents[1] / "data" / "netem_lossfree.csv"
PATH = NetworkPath(
    name="fibre",
    title="Fibre",
    rtt_quantiles_s=((0.5, 0.010), (0.95, 0.020)),
    uplink_bytes_per_s=12e6,
    downlink_bytes_per_s=12e6,
    loss_ratio=0.0,
    is_encrypted=False,
)


def time_s(
    path: NetworkPath, up_bytes: int, down_bytes: int, rtt_s: float, rate_bytes_per_s: float
) -> float:
    rate = np.array([rate_bytes_per_s])
    return request_s(
        path,
        up_bytes=up_bytes,
        down_bytes=down_bytes,
        rtt_s=np.array([rtt_s]),
        uplink_bytes_per_s=rate,
        downlink_bytes_per_s=rate,
    ).item()


def errors_over_measured_cells() -> tuple[np.ndarray, np.ndarray]:
    lines = MEASURED.read_text().splitlines()
    ours, naive = [], []
    for row in csv.DictReader(line for line in lines if not line.startswith("#")):
        rtt_s = float(row["rtt_ms"]) / 1e3
        rate = float(row["rate_mbit_per_s"]) * 1e6 / 8
        up, down = int(row["request_bytes"]), int(row["answer_bytes"])
        measured_s = float(row["total_ms"]) / 1e3
        path = replace(PATH, connection=row["connection"])
        ours.append(time_s(path, up, down, rtt_s, rate) / measured_s - 1)
        naive.append((rtt_s + (up + down) / rate) / measured_s - 1)
    return np.abs(ours), np.abs(naive)


def test_agrees_with_requests_measured_over_a_real_kernel() -> None:
    ours, naive = errors_over_measured_cells()
    assert len(ours) == 57
    assert np.median(ours) <= 0.01
    assert np.quantile(ours, 0.9) <= 0.03
    assert np.median(naive) > 20 * np.median(ours)
    assert np.quantile(naive, 0.9) > 0.3


@pytest.mark.parametrize(
    ("connection", "up_bytes", "measured_s"),
    [
        ("warm", 1000, 0.0502),
        ("idle", 1000, 0.0502),
        ("new", 1000, 0.1005),
        ("warm", 150_528, 0.0627),
        ("idle", 150_528, 0.2051),
        ("new", 150_528, 0.2549),
        ("warm", 602_112, 0.1005),
        ("idle", 602_112, 0.3143),
        ("new", 602_112, 0.3639),
    ],
)
def test_connection_state_decides_as_measured_at_50_ms_and_100_mbit(
    connection: str, up_bytes: int, measured_s: float
) -> None:
    predicted_s = time_s(replace(PATH, connection=connection), up_bytes, 1000, 0.050, 12.5e6)
    assert predicted_s == pytest.approx(measured_s, rel=0.01)


def test_tls_adds_one_round_trip_and_its_flights_to_a_new_connection() -> None:
    # measured at 20 ms and 10 Mbit/s: 76.311 - 42.236 ms, of which 13.0 ms are the CPU's
    new = replace(PATH, connection="new")
    added_s = time_s(replace(new, is_encrypted=True), 1000, 1000, 0.020, 1.25e6) - time_s(
        new, 1000, 1000, 0.020, 1.25e6
    )
    assert added_s == pytest.approx(0.0211, abs=0.0002)


@pytest.mark.parametrize("connection", ["warm", "idle"])
def test_tls_costs_a_kept_connection_nothing(connection: str) -> None:
    plain = replace(PATH, connection=connection)
    encrypted = replace(plain, is_encrypted=True)
    assert time_s(plain, 10_000, 1000, 0.05, 1e6) == time_s(encrypted, 10_000, 1000, 0.05, 1e6)


def test_bbr_does_not_restart_after_an_idle_time() -> None:
    idle = replace(PATH, connection="idle")
    bbr = replace(idle, congestion_control="bbr")
    warm = replace(PATH, connection="warm")
    # but it paces
    warm_s = time_s(warm, 150_000, 1000, 0.05, 12.5e6)
    assert warm_s < time_s(bbr, 150_000, 1000, 0.05, 12.5e6) < 1.4 * warm_s
    assert time_s(idle, 150_000, 1000, 0.05, 12.5e6) > 0.2


def test_a_warm_connection_is_still_capped_by_the_kernel_buffers() -> None:
    # 200 ms at 1 Gbit/s hold 25 MB, the send buffer 1.7 MB: about one window per round trip
    n_bytes = 10 * MAX_WINDOW_SEGMENTS * 1448
    taken_s = one_way_s(
        n_bytes,
        np.array([0.2]),
        125e6,
        initial_window_segments=None,
        reverse_bytes_per_s=125e6,
    ).item()
    assert taken_s == pytest.approx(0.1 + 9 * 0.2, rel=0.02)


def test_counts_one_stall_per_window_of_slow_start() -> None:
    rtt_s, rate = np.array([0.1]), 1e12

    def stalls(segments: int) -> int:
        taken_s = one_way_s(
            segments * 1448,
            rtt_s,
            rate,
            initial_window_segments=INITIAL_WINDOW_SEGMENTS,
            reverse_bytes_per_s=rate,
        ).item()
        return round((taken_s - 0.05) / 0.1)

    assert [stalls(n) for n in (10, 11, 30, 31, 70, 71)] == [0, 1, 1, 2, 2, 3]


def test_unknown_rates_passed_as_infinite_leave_the_round_trips() -> None:
    assert time_s(PATH, 1000, 1000, 0.05, np.inf) == pytest.approx(0.05 + REQUEST_HOST_S)


def test_each_direction_takes_its_own_rate() -> None:
    def total_s(up: int, down: int) -> float:
        return request_s(
            PATH,
            up_bytes=up,
            down_bytes=down,
            rtt_s=np.array([0.01]),
            uplink_bytes_per_s=np.array([1e5]),
            downlink_bytes_per_s=np.array([1e7]),
        ).item()

    assert total_s(100_000, 1000) - total_s(1000, 1000) == pytest.approx(1.03, rel=0.02)
    assert total_s(1000, 100_000) - total_s(1000, 1000) == pytest.approx(0.0103, rel=0.02)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (replace(PATH, connection="worm"), "unknown connection state 'worm' .*'warm'"),
        (replace(PATH, congestion_control="reno"), "unknown congestion control 'reno'"),
    ],
)
def test_rejects_words_it_does_not_know(path: NetworkPath, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        time_s(path, 1, 1, 0.01, 1e6)


def test_rtt_goes_straight_between_quantiles_and_holds_below() -> None:
    drawn = draw_rtt_s(PATH, np.array([0.0, 0.2, 0.5, 0.725, 0.95]))
    assert drawn == pytest.approx([0.010, 0.010, 0.010, 0.015, 0.020])


def test_rtt_has_an_exponential_tail_beyond_the_last_quantile() -> None:
    # from p50 to p95 there are ln 10 of -log(1 - u): 10 ms each further factor of ten
    drawn = draw_rtt_s(PATH, np.array([0.995, 0.9995, 1.0]))
    assert drawn[:2] == pytest.approx([0.030, 0.040])
    assert np.isfinite(drawn[2])


def test_rtt_of_one_quantile_is_constant() -> None:
    path = replace(PATH, rtt_quantiles_s=((0.5, 0.03),))
    assert draw_rtt_s(path, np.array([0.1, 0.5, 0.999])).tolist() == [0.03] * 3


def test_rtt_samples_are_their_own_distribution() -> None:
    path = replace(PATH, rtt_samples_s=tuple(np.arange(100, 0, -1) / 1e3))
    drawn = draw_rtt_s(path, np.array([0.0, 0.01, 0.011, 0.07, 0.5, 0.99, 0.9999]))
    assert drawn.tolist() == [0.001, 0.001, 0.002, 0.007, 0.050, 0.099, 0.100]


def test_refuses_to_draw_an_unknown_rtt() -> None:
    with pytest.raises(UsageError, match="round-trip time of network 'fibre' is unknown"):
        draw_rtt_s(replace(PATH, rtt_quantiles_s=()), np.array([0.5]))


def test_known_percentile_is_what_the_figures_support() -> None:
    assert known_percentile(PATH) == 0.95
    assert known_percentile(replace(PATH, rtt_quantiles_s=())) == 0.0
    assert known_percentile(replace(PATH, rtt_samples_s=(0.01,) * 1000)) == pytest.approx(0.99)
    assert known_percentile(replace(PATH, rtt_samples_s=(0.01,) * 5)) == 0.0


def lognormal(n: int) -> Callable[[float], FloatArray]:
    z = np.random.default_rng(1).standard_normal(n)
    return lambda sigma: np.exp(sigma * z)


def test_rates_meet_their_median_and_5th_percentile() -> None:
    path = replace(PATH, uplink_p5_bytes_per_s=6e6)
    uplink, downlink = draw_rates(path, lognormal(40_000))
    assert uplink is not None
    assert downlink is not None
    assert np.median(uplink) == pytest.approx(12e6, rel=0.02)
    assert np.quantile(uplink, 0.05) == pytest.approx(6e6, rel=0.02)
    assert np.all(downlink == 12e6)


def test_both_directions_are_slow_together() -> None:
    path = replace(PATH, uplink_p5_bytes_per_s=6e6, downlink_p5_bytes_per_s=3e6)
    uplink, downlink = draw_rates(path, lognormal(1000))
    assert uplink is not None
    assert downlink is not None
    assert np.array_equal(np.argsort(uplink), np.argsort(downlink))


def test_unknown_rates_stay_unknown() -> None:
    path = replace(PATH, uplink_bytes_per_s=None, downlink_bytes_per_s=None)
    assert draw_rates(path, lognormal(3)) == (None, None)


def test_rejects_a_slow_end_above_the_median() -> None:
    with pytest.raises(UsageError, match=r"uplink of network 'fibre'.*above its median"):
        draw_rates(replace(PATH, uplink_p5_bytes_per_s=13e6), lognormal(3))


def test_a_fully_known_lossless_path_has_no_weakness_up_to_its_last_quantile() -> None:
    assert weaknesses(PATH, 0.95) == ()
    assert weaknesses(PATH, 0.99) == (
        "network 'fibre': its round-trip time is known up to p95, not p99",
    )


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (replace(PATH, loss_ratio=None), "loss is unknown"),
        (replace(PATH, loss_ratio=0.005, loss_burst_packets=None), "loss of 0.5 % comes in bursts"),
        (replace(PATH, loss_ratio=0.005, loss_burst_packets=3.0), "bursts"),
        (replace(PATH, loss_ratio=0.05), "loss of 5 % were not measured"),
        (replace(PATH, buffer_bytes=10_000), "queue"),
        (replace(PATH, rtt_quantiles_s=()), "round-trip time is unknown"),
        (replace(PATH, uplink_bytes_per_s=None), "uplink is unknown"),
        (replace(PATH, downlink_bytes_per_s=None), "downlink is unknown"),
    ],
)
def test_says_what_forbids_to_claim_met(path: NetworkPath, words: str) -> None:
    (reason,) = weaknesses(path, 0.9)
    assert words in reason


def test_a_verdict_and_an_estimate_say_the_same_of_losses_whose_bursts_are_unknown() -> None:
    path = replace(PATH, loss_ratio=0.02, loss_burst_packets=None)
    unknown = burst_unknown(path)
    assert unknown is not None
    (reason,) = weaknesses(path, 0.9)
    assert f"{unknown}: its times are those without loss, which are the least" in reason
    found = estimate(path, Request(20_000, 1000))
    least = estimate(replace(path, loss_ratio=0.0), Request(20_000, 1000))
    one_by_one = estimate(replace(path, loss_burst_packets=1.0), Request(20_000, 1000))
    assert found.p99_s == one_by_one.p99_s > least.p99_s
    (told,) = (text for text in found.assumptions if text.startswith(unknown))
    assert f"p50 {format_duration(least.p50_s)} and p99 {format_duration(least.p99_s)}" in told
    assert burst_unknown(replace(path, loss_ratio=0.0)) is None


def test_independent_losses_and_bbr_are_no_weakness() -> None:
    # bench/network_model.py holds their tails to measured requests
    path = replace(PATH, loss_ratio=0.02, congestion_control="bbr")
    assert weaknesses(path, 0.95) == ()


def test_tails_of_loss_beyond_p99_are_a_weakness() -> None:
    path = replace(PATH, loss_ratio=0.01, rtt_quantiles_s=((0.5, 0.01), (0.999, 0.02)))
    (reason,) = weaknesses(path, 0.999)
    assert "up to p99, not p99.9" in reason
    assert weaknesses(path, 0.99) == weaknesses(replace(path, loss_ratio=0.0), 0.999) == ()


def test_a_thousand_samples_support_p99() -> None:
    assert weaknesses(replace(PATH, rtt_samples_s=(0.01,) * 1000), 0.99) == ()


@pytest.mark.parametrize(
    ("path", "is_known"),
    [
        (PATH, True),
        (replace(PATH, loss_ratio=0.02, congestion_control="bbr"), True),
        (replace(PATH, rtt_samples_s=(0.01,), rtt_quantiles_s=()), True),
        (replace(PATH, rtt_quantiles_s=()), False),
        (replace(PATH, rtt_quantiles_s=((0.95, 0.1),)), False),
        (replace(PATH, uplink_bytes_per_s=None), False),
        (replace(PATH, downlink_bytes_per_s=None), False),
    ],
)
def test_a_lower_bound_needs_rates_and_a_median(path: NetworkPath, is_known: bool) -> None:
    assert lower_bound_known(path) is is_known
