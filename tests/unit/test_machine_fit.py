"""Which machine can be the device or offer that its evidence names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from placer.core.machine_fit import misfit
from tests import builders

MACHINE = builders.measurement().machine
BOARD = builders.device(cores=4, memory_bytes=4 * 10**9, architecture="aarch64")


@pytest.mark.parametrize(
    ("architecture", "cores", "memory_gb", "told"),
    [
        ("aarch64", 4, 4, None),
        ("arm64", 4, 4, None),
        ("armv7l", 2, 1, None),
        ("aarch64", 4, 16, None),
        ("x86_64", 2, 4, "x86_64 instead of aarch64"),
        ("AMD64", 2, 4, "AMD64 instead of aarch64"),
        ("aarch64", 12, 4, "12 cores instead of 4 cores"),
        ("aarch64", 4, 25, "25.0 GB instead of 4.00 GB"),
    ],
)
def test_more_than_is_stated_and_another_architecture_are_told(
    architecture: str, cores: int, memory_gb: int, told: str | None
) -> None:
    machine = replace(
        MACHINE, architecture=architecture, cores=cores, memory_bytes=memory_gb * 10**9
    )
    found = misfit(machine, BOARD)
    assert (None if found is None else str(found)) == told
    if found is not None:
        assert found.is_of_other_architecture == (told or "").startswith(architecture)


def test_what_nobody_states_is_not_compared() -> None:
    assert misfit(MACHINE, builders.device(cores=None, memory_bytes=None)) is None


def test_an_offer_has_no_more_cores_than_it_states() -> None:
    found = misfit(replace(MACHINE, cores=16), builders.offer(vcpus=4, memory_bytes=None))
    assert str(found) == "16 cores instead of 4 cores"
