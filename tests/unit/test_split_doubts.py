"""What weakens the answer of a split."""

from __future__ import annotations

import pytest

from placer.api.split_doubts import tail_range_s
from placer.api.split_where import Where
from placer.core.compute import ComputeEstimate, Level
from placer.core.environment import Basis
from tests import builders


@pytest.mark.parametrize("share", [0.0, 1e-9, 1e-4, 1e-3, 0.01, 0.5, 1.0])
@pytest.mark.parametrize("level", [Level.E3, Level.E5])
def test_a_tail_of_any_size_lies_in_its_range(share: float, level: Level) -> None:
    whole = ComputeEstimate(1e-3, 4e-4, 3e-3, level, Basis.CATALOGUE, "test", "")
    where = Where(builders.path(), builders.cloud().offer, whole.median_s, (), whole)
    low_s, high_s = tail_range_s(where, share * whole.median_s)
    assert 0 <= low_s <= share * whole.median_s <= high_s <= whole.high_s
