"""What holds of the figures of leakage for any samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placer.core.leakage import (
    MIN_GAIN_DB,
    MIN_SAMPLES,
    Leak,
    distance_correlation,
    judge_leakage,
    reconstruct_linearly,
)

seeds = st.integers(0, 10_000)


def pairs(seed: int, samples: int, *, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Inputs, and a random linear map of them with noise."""
    rng = np.random.default_rng(seed)
    inputs = rng.standard_normal((samples, 12))
    hidden = inputs @ rng.standard_normal((12, 16)) + noise * rng.standard_normal((samples, 16))
    return inputs, hidden


@settings(deadline=None, max_examples=50)
@given(seed=seeds, samples=st.integers(8, 60), noise=st.floats(0, 20))
def test_distance_correlation_is_symmetric_and_blind_to_order_and_scale(
    seed: int, samples: int, noise: float
) -> None:
    first, second = pairs(seed, samples, noise=noise)
    found = distance_correlation(first, second)
    assert found is not None
    assert -1 <= found <= 1 + 1e-9
    assert distance_correlation(second, first) == pytest.approx(found, abs=1e-9)
    order = np.random.default_rng(seed).permutation(samples)
    shuffled = distance_correlation(first[order], 3 * second[order] - 7)
    assert shuffled == pytest.approx(found, abs=1e-7)


@settings(deadline=None, max_examples=40)
@given(seed=seeds, samples=st.integers(MIN_SAMPLES, 80), noise=st.floats(0, 30))
def test_the_bound_is_below_the_figure_and_decides(seed: int, samples: int, noise: float) -> None:
    inputs, hidden = pairs(seed, samples, noise=noise)
    found = judge_leakage(inputs, [hidden], seed=seed)
    assert found.reconstruction is not None
    assert found.reconstruction.gain_low_db <= found.reconstruction.gain_db + 1e-9
    is_proven = found.reconstruction.gain_low_db >= MIN_GAIN_DB
    assert (found.leak in (Leak.LINEARLY_RECOVERABLE, Leak.RAW)) == is_proven


@settings(deadline=None, max_examples=40)
@given(seed=seeds, scale=st.floats(1e-6, 1e6), shift=st.floats(-100, 100))
def test_units_of_inputs_and_tensors_do_not_matter(seed: int, scale: float, shift: float) -> None:
    inputs, hidden = pairs(seed, 48, noise=1.0)
    expected = reconstruct_linearly(inputs, [hidden])
    found = reconstruct_linearly(inputs * scale + shift, [hidden * scale - shift])
    assert found.psnr_db == pytest.approx(expected.psnr_db, abs=0.05)
    assert found.mean_psnr_db == pytest.approx(expected.mean_psnr_db, abs=0.05)


@settings(deadline=None, max_examples=60)
@given(seed=seeds, samples=st.integers(MIN_SAMPLES, 100))
def test_independent_tensors_are_never_called_recoverable(seed: int, samples: int) -> None:
    rng = np.random.default_rng(seed)
    found = judge_leakage(
        rng.standard_normal((samples, 30)), [rng.standard_normal((samples, 200))], seed=seed
    )
    assert found.leak is Leak.NOT_SHOWN
