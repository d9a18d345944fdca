"""The incomplete beta function agrees with scipy's."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import special

from placer.core.beta import binomial_cdf, log_beta, log_beta_cdf

parameters = st.floats(1, 1e6)


@given(parameters, parameters, st.floats(1e-4, 1 - 1e-4))
def test_agrees_with_scipy(a: float, b: float, x: float) -> None:
    expected = float(special.betainc(a, b, x))
    assume(expected > 1e-200)
    assert math.exp(log_beta_cdf(a, b, x)) == pytest.approx(expected, rel=1e-6)
    assert log_beta(a, b) == pytest.approx(float(special.betaln(a, b)), rel=1e-9, abs=1e-9)


@given(st.integers(1, 5000), st.data(), st.floats(0.001, 0.999))
def test_binomial_agrees_with_scipy(count: int, data: st.DataObject, chance: float) -> None:
    successes = data.draw(st.integers(0, count))
    expected = float(special.bdtr(successes, count, chance))
    assert binomial_cdf(successes, count, chance) == pytest.approx(expected, rel=1e-6, abs=1e-200)


def test_far_tail_stays_a_logarithm() -> None:
    """Where the probability itself is below the smallest float: I_x(a, 1) = x^a."""
    assert log_beta_cdf(1000, 1, 1e-3) == pytest.approx(1000 * math.log(1e-3))
    assert log_beta_cdf(1, 1000, 1 - 1e-3) == pytest.approx(0, abs=1e-12)
