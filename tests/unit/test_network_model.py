"""The network model against requests that were measured: bench/network_model.py has all of them."""

from __future__ import annotations

import csv
import gzip
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from placer.core.environment import NetworkPath
from placer.core.network.requests import Effort
from placer.core.transfer import FloatArray, request_s

DATA = Path(__file__).parents[2] / "bench" / "data" / "netem_requests.csv.gz"
PATH = NetworkPath("x", "", loss_ratio=0.0, is_encrypted=False)
RATE = 1.25e6


@cache
def cells() -> list[dict[str, str]]:
    with gzip.open(DATA, "rt", encoding="utf-8") as stream:
        return list(csv.DictReader(line for line in stream if not line.startswith("#")))


def times_s(path: NetworkPath, up: int, down: int = 1000, n: int = 400) -> FloatArray:
    return request_s(
        path,
        up_bytes=up,
        down_bytes=down,
        rtt_s=np.full(n, 0.05),
        uplink_bytes_per_s=RATE,
        downlink_bytes_per_s=RATE,
        effort=Effort(n),
    )


@pytest.mark.parametrize(("control", "median", "nine"), [("cubic", 0.02, 0.35), ("bbr", 0.02, 0.2)])
def test_agrees_with_lossy_requests_of_a_real_kernel(
    control: str, median: float, nine: float
) -> None:
    errors, within = [], []
    for row in cells():
        if row["variant"] != "base" or row["cc"] != control or row["rtt_ms"] != "20":
            continue
        if row["loss_pct"] != "1" or int(row["up_bytes"]) > 100_000:
            continue
        path = replace(
            PATH,
            loss_ratio=float(row["loss_pct"]) / 100,
            congestion_control=control,
            connection=row["connection"],
        )
        rate = float(row["up_mbps"]) * 1e6 / 8
        modelled_s = request_s(
            path,
            up_bytes=int(row["up_bytes"]),
            down_bytes=1000,
            rtt_s=np.full(400, 0.02),
            uplink_bytes_per_s=rate,
            downlink_bytes_per_s=rate,
            effort=Effort(400),
        )
        measured_s = np.array([float(text) for text in row["totals_ms"].split()]) / 1e3
        errors.append(abs(np.median(modelled_s) / np.median(measured_s) - 1))
        within.append(measured_s <= 1.002 * np.quantile(modelled_s, 0.9) + 5e-5)
    assert len(errors) == 27
    assert np.median(errors) <= median
    assert np.quantile(errors, 0.9) <= nine
    assert 0.86 <= np.concatenate(within).mean() <= 0.95


def test_bbr_paces_as_measured_without_loss() -> None:
    errors = []
    for row in cells():
        is_wanted = row["variant"] == "base" and row["cc"] == "bbr" and row["loss_pct"] == "0"
        if not is_wanted or row["rtt_ms"] != "50" or int(row["up_bytes"]) > 100_000:
            continue
        path = replace(PATH, congestion_control="bbr", connection=row["connection"])
        rate = float(row["up_mbps"]) * 1e6 / 8
        modelled_s = request_s(
            path,
            up_bytes=int(row["up_bytes"]),
            down_bytes=1000,
            rtt_s=np.full(20, 0.05),
            uplink_bytes_per_s=rate,
            downlink_bytes_per_s=rate,
        )
        measured_s = np.median([float(text) for text in row["totals_ms"].split()]) / 1e3
        errors.append(abs(np.median(modelled_s) / measured_s - 1))
    assert len(errors) == 27
    assert max(errors) < 0.04


def test_is_the_same_for_the_same_question() -> None:
    path = replace(PATH, loss_ratio=0.01)
    assert np.array_equal(times_s(path, 50_000), times_s(path, 50_000))


@pytest.mark.parametrize("control", ["cubic", "bbr"])
@pytest.mark.parametrize("connection", ["new", "warm", "idle"])
def test_loss_only_adds_time_and_more_loss_adds_more(connection: str, control: str) -> None:
    path = replace(PATH, connection=connection, congestion_control=control)
    clean, little, much = (
        times_s(replace(path, loss_ratio=loss), 100_000) for loss in (0.0, 0.005, 0.02)
    )
    assert little.min() >= clean.min() * 0.999
    assert clean.mean() < little.mean() < much.mean()


def test_a_lost_request_of_one_packet_waits_for_its_timeout() -> None:
    # RTO: smoothed round trip + 200 ms, late by up to 32 ms where it is longer than 64 ticks
    times = times_s(replace(PATH, loss_ratio=0.1), 1000, 1000, 2000)
    late_s = times[times > times.min() + 0.01] - times.min()
    assert np.quantile(late_s, 0.05) == pytest.approx(0.255, abs=0.01)
    assert 0.15 < len(late_s) / len(times) < 0.25


def test_a_lost_handshake_costs_a_second() -> None:
    times = times_s(replace(PATH, loss_ratio=0.05, connection="new"), 100, 100, 2000)
    assert np.mean(times > 1.1) == pytest.approx(1 - 0.95**2, abs=0.02)


def test_bursts_touch_fewer_requests_than_as_many_single_losses() -> None:
    single = times_s(replace(PATH, loss_ratio=0.01, connection="new"), 100_000, n=1000)
    bursts = times_s(
        replace(PATH, loss_ratio=0.01, loss_burst_packets=8.0, connection="new"), 100_000, n=1000
    )
    untouched = single.min() * 1.001
    assert np.mean(bursts <= untouched) > np.mean(single <= untouched) + 0.2


def test_unknown_bursts_count_nothing() -> None:
    unknown = replace(PATH, loss_ratio=0.02, loss_burst_packets=None)
    assert np.array_equal(times_s(unknown, 50_000), times_s(PATH, 50_000))


def test_a_short_queue_of_the_sender_slows_a_burst_down() -> None:
    # measured: 134.8 ms with a long queue, 189 ms with one of 30 packets
    short = replace(PATH, buffer_bytes=30 * 1514)
    assert times_s(PATH, 100_000, n=1).item() == pytest.approx(0.1348, rel=0.01)
    assert times_s(short, 100_000, n=20).mean() == pytest.approx(0.189, rel=0.25)


def test_a_queue_that_holds_the_message_changes_nothing() -> None:
    assert np.array_equal(
        times_s(replace(PATH, buffer_bytes=80 * 1514), 100_000), times_s(PATH, 100_000)
    )


def test_draws_of_round_trip_and_rate_keep_their_order() -> None:
    rng = np.random.default_rng(1)
    rtt_s = rng.uniform(0.01, 0.1, 5000)
    path = replace(PATH, loss_ratio=0.005)

    def asked(path: NetworkPath) -> FloatArray:
        return request_s(
            path,
            up_bytes=20_000,
            down_bytes=1000,
            rtt_s=rtt_s,
            uplink_bytes_per_s=rng.uniform(1e6, 2e6, 5000),
            downlink_bytes_per_s=RATE,
        )

    lossy = asked(path)
    assert lossy.shape == (5000,)
    near = rtt_s < 0.02
    far = rtt_s > 0.09
    assert np.median(lossy[near]) < 0.5 * np.median(lossy[far])


def test_several_requests_share_the_link() -> None:
    def together(protocol: str, in_flight: int) -> float:
        from placer.core.network.framing import Protocol

        return request_s(
            PATH,
            up_bytes=100_000,
            down_bytes=1000,
            rtt_s=np.array([0.05]),
            uplink_bytes_per_s=RATE,
            downlink_bytes_per_s=RATE,
            protocol=Protocol(protocol),
            in_flight=in_flight,
        ).item()

    for protocol in ("http1", "http2", "grpc", "raw"):
        alone, four = together(protocol, 1), together(protocol, 4)
        assert four - 0.05 == pytest.approx(4 * (alone - 0.05), rel=0.05)
