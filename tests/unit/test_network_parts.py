"""Framing, encodings and the concave envelope."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placer.core.environment import NetworkPath
from placer.core.errors import UsageError
from placer.core.network.envelope import concave_envelope
from placer.core.network.framing import Protocol, framed_bytes, opening_flights
from placer.core.network.tensors import (
    COSTS,
    Encoding,
    Tensor,
    encoded_bytes,
    encoding_s,
    parse_tensor,
)
from placer.core.network_estimate import Request, estimate, upload_envelope
from placer.core.transfer_draws import typical_transfer_s

PATH = NetworkPath(
    "site",
    "",
    rtt_quantiles_s=((0.5, 0.05),),
    uplink_bytes_per_s=12.5e6,
    downlink_bytes_per_s=12.5e6,
    loss_ratio=0.0,
    is_encrypted=False,
)


def test_http1_adds_its_heads_and_raw_nothing() -> None:
    assert framed_bytes(1000, 100, Protocol.HTTP1, is_new=True) == (1165, 205)
    assert framed_bytes(1000, 100, Protocol.RAW, is_new=True) == (1000, 100)


def test_heads_of_later_requests_are_in_the_table_of_http2() -> None:
    for protocol in (Protocol.HTTP2, Protocol.GRPC):
        first, later = (framed_bytes(1000, 100, protocol, is_new=new) for new in (True, False))
        assert first[0] > later[0] + 90
        assert first[1] > later[1] + 40
        assert later[0] < 1040


def test_large_bodies_travel_in_frames() -> None:
    small, large = (framed_bytes(n, 1, Protocol.HTTP2, is_new=False)[0] for n in (16384, 163840))
    assert large - small == 163840 - 16384 + 9 * 9


def test_grpc_waits_for_the_settings_of_the_server() -> None:
    assert len(opening_flights(Protocol.HTTP2, is_encrypted=True)) == 1
    assert len(opening_flights(Protocol.GRPC, is_encrypted=True)) == 2
    assert opening_flights(Protocol.HTTP1, is_encrypted=False) == ()


def test_a_new_grpc_connection_costs_what_was_measured() -> None:
    # 50 ms, 100 Mbit/s, 1 kB: 152 ms new, 51 ms warm (bench/network_stacks.py)
    request = Request(1000, 1000, Protocol.GRPC)
    new = estimate(replace(PATH, connection="new"), request)
    assert new.p50_s == pytest.approx(0.152, rel=0.015)
    assert estimate(PATH, request).p50_s == pytest.approx(0.051, rel=0.02)


def test_a_binary_tensor_is_as_large_as_the_protocol_makes_it() -> None:
    tensor = Tensor("float32", (1, 3, 224, 224))
    data = np.zeros(tensor.shape, np.float32).tobytes()
    head = {"name": "input", "shape": list(tensor.shape), "datatype": "FP32"}
    text = json.dumps({"inputs": [head | {"parameters": {"binary_data_size": len(data)}}]})
    assert encoded_bytes(tensor, Encoding.BINARY) == pytest.approx(len(text) + len(data), abs=40)
    assert encoded_bytes(tensor, Encoding.RAW) == len(data)


def test_json_of_random_numbers_is_as_large_as_told() -> None:
    values = np.random.default_rng(3).standard_normal(20_000).astype(np.float32)
    head = {"name": "input", "shape": [1, 20_000], "datatype": "FP32"}
    text = json.dumps({"inputs": [head | {"data": values.tolist()}]})
    told = encoded_bytes(Tensor("float32", (1, 20_000)), Encoding.JSON)
    assert told == pytest.approx(len(text), rel=0.01)


@pytest.mark.parametrize(("dtype", "encoding"), list(COSTS))
def test_every_encoding_takes_bytes_and_time(dtype: str, encoding: Encoding) -> None:
    tensor = Tensor(dtype, (10, 10))
    assert encoded_bytes(tensor, encoding) >= 100
    assert encoding_s(tensor, encoding) > 0


def test_float16_has_no_json() -> None:
    with pytest.raises(UsageError, match="float16 has no form in json"):
        encoded_bytes(Tensor("float16", (1,)), Encoding.JSON)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("float32", "is not a tensor"),
        ("float23[1]", "unknown type 'float23' .*'float32'"),
        ("float32[0,3]", "has 0 elements"),
        ("float32[1,-3]", "is not a tensor"),
    ],
)
def test_refuses_what_is_no_tensor(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_tensor(text, what="--up")


@given(st.lists(st.floats(0, 1e3), min_size=1, max_size=30))
def test_the_envelope_is_concave_and_nowhere_below(times: list[float]) -> None:
    sizes = [100 * (place + 1) for place in range(len(times))]
    found = concave_envelope(sizes, times)
    above = found.at(sizes)
    assert np.all(above >= np.array(times) - 1e-9)
    assert np.all(np.diff(above) >= -1e-9)
    slopes = [slope for _, slope in found.pieces]
    assert slopes == sorted(slopes, reverse=True)
    least = [min((a + b * size for a, b in found.pieces), default=times[0]) for size in sizes]
    assert np.allclose(least, above)


@pytest.mark.parametrize("connection", ["new", "warm", "idle"])
def test_the_envelope_of_an_upload_is_near_to_its_time(connection: str) -> None:
    path = replace(PATH, connection=connection)
    request = Request(1, 1000)
    found = upload_envelope(path, request, max_bytes=5_000_000)
    for size in (100, 14_000, 15_000, 150_528, 602_112, 5_000_000):
        time_s = estimate(path, replace(request, up_bytes=size)).p50_s
        assert time_s <= found.at(size).item() * (1 + 1e-9)
        assert found.at(size).item() < 2 * time_s  # just before a jump it is as far
    assert found.at(5_000_000).item() == pytest.approx(
        estimate(path, replace(request, up_bytes=5_000_000)).p50_s
    )


def test_the_envelope_of_a_lossy_path_is_concave() -> None:
    path = replace(PATH, loss_ratio=0.01, connection="new")
    found = upload_envelope(path, Request(1, 100), max_bytes=30_000)
    slopes = [slope for _, slope in found.pieces]
    assert slopes == sorted(slopes, reverse=True)
    assert slopes[-1] >= 0


def test_losses_of_unknown_bursts_are_not_in_an_envelope() -> None:
    lossy = replace(PATH, loss_ratio=0.05, loss_burst_packets=None)
    found, without = (
        upload_envelope(path, Request(1, 100), max_bytes=3_000_000)
        for path in (lossy, replace(lossy, loss_ratio=0.0))
    )
    assert found == without


def test_the_envelope_of_a_lossy_path_is_near_to_what_recommend_takes() -> None:
    path = replace(PATH, loss_ratio=0.02, connection="new")
    found = upload_envelope(path, Request(1, 100), max_bytes=100_000)
    for size in (1_000, 100_000):
        taken_s = typical_transfer_s(path, size, 100)
        assert taken_s / 1.5 < found.at(size) < 1.5 * taken_s, size


def test_says_what_is_taken_for_what_nobody_stated() -> None:
    request = Request(1000, 100)
    path = replace(PATH, loss_ratio=None, rtt_quantiles_s=((0.5, 0.05), (0.9, 0.06)))
    assert estimate(path, request).assumptions == (
        "packet loss is unknown: none is taken",
        "the round-trip time beyond p90 is extrapolated",
    )
    lossy = replace(PATH, loss_ratio=0.01, loss_burst_packets=None)
    (bursts,) = estimate(lossy, request).assumptions  # recommend counts no loss there
    assert "comes in bursts is unknown" in bursts
    (window,) = estimate(replace(lossy, loss_burst_packets=1.0), request).assumptions
    assert "a kept connection that loses packets" in window
    assert estimate(PATH, request).assumptions == ()


def test_refuses_a_path_that_is_not_known() -> None:
    path = replace(PATH, rtt_quantiles_s=(), downlink_bytes_per_s=None)
    with pytest.raises(UsageError, match=r"round-trip time and the downlink .* are unknown"):
        estimate(path, Request(1, 1))


def test_quantiles_follow_those_of_the_round_trip() -> None:
    path = replace(PATH, rtt_quantiles_s=((0.5, 0.05), (0.9, 0.08), (0.99, 0.2)))
    found = estimate(path, Request(1000, 100))
    assert found.p50_s == pytest.approx(0.05, rel=0.01)
    assert found.p90_s == pytest.approx(0.08, rel=0.01)
    assert found.p99_s == pytest.approx(0.2, rel=0.01)
    assert found.p50_s < found.mean_s < found.p95_s
