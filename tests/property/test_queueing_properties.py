import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from placer.core.queueing import arrival_times_s, overflow, waits_s
from placer.core.workload import Arrival

requests = st.lists(st.tuples(st.floats(0, 10), st.floats(0, 5)), min_size=1, max_size=60)


def arrays(pairs: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    gaps_s, services_s = np.array(pairs).T
    return np.cumsum(gaps_s), services_s


@given(requests)
def test_the_closed_form_of_one_server_is_the_recursion(pairs: list[tuple[float, float]]) -> None:
    arrivals_s, services_s = arrays(pairs)
    wait_s = 0.0
    expected = [wait_s]
    for i in range(1, len(arrivals_s)):
        wait_s = max(0.0, wait_s + services_s[i - 1] - (arrivals_s[i] - arrivals_s[i - 1]))
        expected.append(wait_s)
    assert np.allclose(waits_s(arrivals_s, services_s, 1), expected, atol=1e-9)


@given(requests, st.integers(1, 5))
def test_one_server_more_never_makes_anyone_wait_longer(
    pairs: list[tuple[float, float]], servers: int
) -> None:
    arrivals_s, services_s = arrays(pairs)
    fewer = waits_s(arrivals_s, services_s, servers)
    more = waits_s(arrivals_s, services_s, servers + 1)
    assert np.all(fewer >= 0)
    assert np.all(more <= fewer + 1e-9)


@given(requests)
def test_a_server_for_each_request_leaves_no_wait(pairs: list[tuple[float, float]]) -> None:
    arrivals_s, services_s = arrays(pairs)
    assert not waits_s(arrivals_s, services_s, len(pairs) + 1).any()


@given(requests)
def test_accepted_requests_never_overlap(pairs: list[tuple[float, float]]) -> None:
    arrivals_s, services_s = arrays(pairs)
    accepted = ~overflow(arrivals_s, services_s)
    assert accepted[0]
    starts_s, ends_s = arrivals_s[accepted], (arrivals_s + services_s)[accepted]
    assert np.all(starts_s[1:] >= ends_s[:-1])


@given(
    st.floats(0.01, 1000),
    st.integers(1, 300),
    st.sampled_from(Arrival),
    st.integers(1, 50),
    st.integers(0, 2**32),
)
def test_arrivals_are_ascending_and_repeat_for_a_seed(
    rate_hz: float, n: int, arrival: Arrival, fleet: int, seed: int
) -> None:
    first, second = (
        arrival_times_s(rate_hz, n, arrival, np.random.default_rng(seed), fleet=fleet)
        for _ in range(2)
    )
    assert first.shape == (n,)
    assert np.all(np.diff(first) >= 0)
    assert np.array_equal(first, second)
