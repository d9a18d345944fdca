from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from placer.core.environment import NetworkPath
from placer.core.transfer import draw_rtt_s, request_s

sizes = st.integers(1, 20_000_000)
rtts = st.floats(1e-5, 2.0)
rates = st.floats(1e3, 1e9)
connections = st.sampled_from(["new", "warm", "idle"])
PATH = NetworkPath(name="x", title="x")


def time_s(
    connection: str, up: int, down: int, rtt_s: float, uplink: float, downlink: float
) -> float:
    return request_s(
        replace(PATH, connection=connection),
        up_bytes=up,
        down_bytes=down,
        rtt_s=np.array([rtt_s]),
        uplink_bytes_per_s=np.array([uplink]),
        downlink_bytes_per_s=np.array([downlink]),
    ).item()


@given(connections, sizes, sizes, rtts, rates, rates)
def test_no_request_beats_one_round_trip_and_its_bytes(
    connection: str, up: int, down: int, rtt_s: float, uplink: float, downlink: float
) -> None:
    least_s = rtt_s + up / uplink + down / downlink
    assert time_s(connection, up, down, rtt_s, uplink, downlink) > least_s


@given(sizes, sizes, rtts, rates, rates)
def test_a_warm_connection_is_never_slower_than_an_idle_one_nor_that_than_a_new_one(
    up: int, down: int, rtt_s: float, uplink: float, downlink: float
) -> None:
    warm, idle, new = (
        time_s(state, up, down, rtt_s, uplink, downlink) for state in ("warm", "idle", "new")
    )
    assert warm <= idle * (1 + 1e-12)
    assert idle < new


@given(connections, sizes, st.integers(0, 10_000_000), rtts, rates)
def test_more_bytes_never_take_less_time(
    connection: str, up: int, more: int, rtt_s: float, rate: float
) -> None:
    less_s = time_s(connection, up, 1000, rtt_s, rate, rate)
    more_s = time_s(connection, up + more, 1000, rtt_s, rate, rate)
    assert more_s >= less_s * (1 - 1e-12)


@given(connections, sizes, rtts, rates, st.floats(1.0, 100.0))
def test_a_longer_way_or_a_slower_link_never_takes_less_time(
    connection: str, up: int, rtt_s: float, rate: float, factor: float
) -> None:
    base_s = time_s(connection, up, 1000, rtt_s, rate, rate)
    farther_s = time_s(connection, up, 1000, rtt_s * factor, rate, rate)
    slower_s = time_s(connection, up, 1000, rtt_s, rate / factor, rate / factor)
    assert farther_s >= base_s * (1 - 1e-9)
    assert slower_s >= base_s * (1 - 1e-9)


@given(
    st.lists(st.floats(0.01, 0.999), min_size=1, max_size=5, unique=True),
    st.lists(st.floats(1e-4, 5.0), min_size=5, max_size=5),
    st.lists(st.floats(0, 1), min_size=2, max_size=20),
)
def test_rtt_never_falls_with_the_percentile_and_meets_the_given_quantiles(
    percentiles: list[float], values: list[float], uniforms: list[float]
) -> None:
    quantiles = tuple(zip(sorted(percentiles), sorted(values), strict=False))
    path = replace(PATH, rtt_quantiles_s=quantiles)
    drawn = draw_rtt_s(path, np.sort(np.array(uniforms)))
    assert np.all(np.diff(drawn) >= -1e-12)
    given_at, given_s = np.array(quantiles).T
    assert np.allclose(draw_rtt_s(path, given_at), given_s)
