import math

import numpy as np
import pytest

from placer.core.queueing import arrival_times_s, overflow, utilisation, waits_s
from placer.core.workload import Arrival

N = 200_000


def poisson(rate_hz: float, *, seed: int = 3, n: int = N) -> np.ndarray:
    return arrival_times_s(rate_hz, n, Arrival.POISSON, np.random.default_rng(seed))


def exponential(mean_s: float, n: int = N) -> np.ndarray:
    return np.random.default_rng(4).exponential(mean_s, n)


def erlang_c(load: float, servers: int) -> float:
    busy = load**servers / math.factorial(servers) / (1 - load / servers)
    return busy / (sum(load**k / math.factorial(k) for k in range(servers)) + busy)


def test_mm1_waits_as_theory_says() -> None:
    waits = waits_s(poisson(70.0), exponential(0.01), 1)
    # W > t with probability rho * exp(-(mu - lambda) t)
    assert waits.mean() == pytest.approx(0.7 / 30, rel=0.05)
    assert np.mean(waits > 0) == pytest.approx(0.7, rel=0.01)
    assert np.quantile(waits, 0.99) == pytest.approx(math.log(0.7 / 0.01) / 30, rel=0.06)


def test_md1_waits_half_as_long_as_mm1() -> None:
    waits = waits_s(poisson(70.0), np.full(N, 0.01), 1)
    assert waits.mean() == pytest.approx(0.7 * 0.01 / (2 * 0.3), rel=0.05)


@pytest.mark.parametrize(("servers", "load"), [(2, 1.4), (4, 3.2), (8, 5.6)])
def test_mmc_waits_as_erlang_c_says(servers: int, load: float) -> None:
    waits = waits_s(poisson(load * 100, n=100_000), exponential(0.01, 100_000), servers)
    expected = erlang_c(load, servers)
    assert np.mean(waits > 0) == pytest.approx(expected, rel=0.05)
    assert waits.mean() == pytest.approx(expected / (100 * (servers - load)), rel=0.08)


def test_overflow_of_poisson_arrivals_is_erlang_b() -> None:
    # Erlang B for one server, a / (1 + a), whatever the distribution of service
    assert overflow(poisson(50.0), exponential(0.01)).mean() == pytest.approx(1 / 3, rel=0.02)
    assert overflow(poisson(50.0), np.full(N, 0.01)).mean() == pytest.approx(1 / 3, rel=0.02)


def test_overflow_of_a_device_slower_than_its_camera_takes_every_other_frame() -> None:
    arrivals_s = np.linspace(0.0, 0.5, 6)
    assert overflow(arrivals_s, np.full(6, 0.15)).tolist() == [False, True] * 3
    assert not overflow(arrivals_s, np.full(6, 0.09)).any()


def test_one_server_by_hand() -> None:
    waits = waits_s(np.array([0.0, 1.0, 2.0, 10.0]), np.array([3.0, 1.0, 1.0, 1.0]), 1)
    assert waits.tolist() == [0.0, 2.0, 2.0, 0.0]


def test_two_servers_by_hand() -> None:
    waits = waits_s(np.array([0.0, 1.0, 2.0, 3.0]), np.array([5.0, 3.0, 2.0, 1.0]), 2)
    assert waits.tolist() == [0.0, 0.0, 2.0, 2.0]


@pytest.mark.parametrize("servers", [1, 3])
def test_no_requests_no_waits(servers: int) -> None:
    assert waits_s(np.zeros(0), np.zeros(0), servers).tolist() == []


def test_a_periodic_device_ticks_at_its_rate() -> None:
    times_s = arrival_times_s(30.0, 100, Arrival.PERIODIC, np.random.default_rng(1))
    assert np.diff(times_s) == pytest.approx(np.full(99, 1 / 30))
    assert 0 <= times_s[0] < 1 / 30


def test_periodic_devices_keep_their_own_phase() -> None:
    times_s = arrival_times_s(10.0, 1000, Arrival.PERIODIC, np.random.default_rng(1), fleet=50)
    assert np.all(np.diff(times_s) >= 0)
    assert times_s[50:] - times_s[:-50] == pytest.approx(np.full(950, 0.1))
    assert len(np.unique(np.round(times_s[:50], 9))) == 50


def test_a_fleet_larger_than_the_draw_gives_its_first_arrivals() -> None:
    times_s = arrival_times_s(1.0, 10, Arrival.PERIODIC, np.random.default_rng(1), fleet=100_000)
    assert times_s.shape == (10,)
    assert times_s[-1] < 0.001


def test_poisson_fleets_add_their_rates() -> None:
    times_s = arrival_times_s(2.0, N, Arrival.POISSON, np.random.default_rng(1), fleet=25)
    gaps_s = np.diff(times_s)
    assert gaps_s.mean() == pytest.approx(1 / 50, rel=0.01)
    assert gaps_s.std() == pytest.approx(1 / 50, rel=0.01)


def test_utilisation_is_load_per_server() -> None:
    assert utilisation(90.0, 0.02, 2) == pytest.approx(0.9)
