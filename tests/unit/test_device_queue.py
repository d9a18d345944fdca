"""The wait at the one device as the answer tells it, against theory and a long simulation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from placer.core.latency import ServiceDraws, Way, compose
from placer.core.placement import SiteTime
from placer.core.queueing import single_server_waits_s
from placer.core.workload import Arrival
from tests import builders

REQUESTS = 1_000_000
SERVICE_S = 0.001


def _time(samples_s: np.ndarray, factor: float = 1.0) -> SiteTime:
    measured = builders.measurement(SERVICE_S)
    parts = np.array_split(samples_s, len(measured.processes))
    processes = tuple(
        replace(process, samples_s=tuple(part.tolist()))
        for process, part in zip(measured.processes, parts, strict=True)
    )
    return SiteTime(measurement=replace(measured, processes=processes), factor_90=factor)


SERVICES = {
    "fixed": np.full(3000, SERVICE_S),
    "exponential": np.random.default_rng(5).exponential(SERVICE_S, 3000),
}


@pytest.mark.parametrize("factor", [1.0, 1.1])
@pytest.mark.parametrize("load", [0.3, 0.6, 0.8, 0.85])
@pytest.mark.parametrize("kind", SERVICES)
def test_a_busy_device_is_not_told_faster_than_it_is(kind: str, load: float, factor: float) -> None:
    time = _time(SERVICES[kind], factor)
    assert time.mean_s is not None
    rate_hz = load / time.mean_s
    composed = compose([(Way(ServiceDraws(time), queue=(rate_hz, Arrival.POISSON)), 1.0)], [0.99])
    rng = np.random.default_rng(1)
    services_s = rng.choice(SERVICES[kind], REQUESTS)
    true_s = single_server_waits_s(rng.exponential(1 / rate_hz, REQUESTS), services_s) + services_s
    true_s = true_s[REQUESTS // 10 :]
    values_s = composed.at(0.99)
    assert float(np.median(values_s)) == pytest.approx(np.quantile(true_s, 0.99), rel=0.07)
    assert float(np.median(composed.means_s)) == pytest.approx(true_s.mean(), rel=0.06)
    assert np.quantile(values_s, 0.95) > np.quantile(true_s, 0.99)
    assert np.quantile(values_s, 0.05) < np.quantile(true_s, 0.99)


def test_a_device_that_may_be_over_its_capacity_has_no_bound_worth_the_name() -> None:
    time = _time(SERVICES["fixed"], 1.1)
    rate_hz = 0.95 / SERVICE_S  # over capacity where the times are 1.1 times longer
    composed = compose([(Way(ServiceDraws(time), queue=(rate_hz, Arrival.POISSON)), 1.0)], [0.99])
    values_s = composed.at(0.99)
    assert np.quantile(values_s, 0.95) > 5 * np.median(values_s)
