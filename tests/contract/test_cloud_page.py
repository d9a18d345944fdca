"""``docs/cloud-estimates.md``: ladder, factors and offers are those of the code."""

from __future__ import annotations

from typing import get_args

from placer.core.compute import (
    LARGEST_CACHE_BYTES,
    MEANINGS,
    OLD_DAYS,
    OLD_FACTOR,
    STALE_DAYS,
    Level,
    basis_of,
    factor_90,
)
from placer.core.environment import ChipClass, Roofline
from placer.core.fleet import MAX_UTILISATION
from placer.core.latency import MANY_DEVICES, QUEUED_REQUESTS
from placer.core.units import HOURS_PER_MONTH
from placer.files import catalogue
from placer.files.specs import ComputeSpec
from tests import pages

PAGE = pages.read("cloud-estimates.md")
WORDS = " ".join(PAGE.split())
OFFERS = catalogue.all_offers()


def factor_text(level: Level) -> str:
    if level is Level.E4:
        return ", ".join(f"{kind.upper()} {factor_90(level, kind):g}" for kind in ChipClass)
    factor = factor_90(level, ChipClass.CPU)
    return "none" if factor is None else f"{factor:g}"


def test_the_ladder_is_that_of_the_code() -> None:
    wanted = [
        f"| {level} | {MEANINGS[level]} | {factor_text(level)} | {basis_of(level)} |"
        for level in Level
    ]
    head = "| Level | What it rests on | Factor | `basis` |"
    assert pages.table(PAGE, head) == wanted, "\n".join(wanted)


def test_a_factor_other_than_that_of_a_fit_is_the_same_for_every_class() -> None:
    for level in Level:
        factors = {factor_90(level, kind) for kind in ChipClass}
        assert len(factors) == (3 if level is Level.E4 else 1)


def test_profiles_state_only_the_levels_that_are_estimates() -> None:
    levels = get_args(ComputeSpec.model_fields["level"].annotation)
    assert set(levels) == {"E4", "E5", "E6"}


def offer_row(name: str, chip_class: ChipClass, roofline: Roofline) -> str:
    assert roofline.flops_per_s
    assert roofline.bytes_per_s
    return (
        f"| `{name}` | {chip_class} | {roofline.level} | {roofline.dtype} "
        f"| {roofline.flops_per_s / 1e12:.4g} TFLOP/s | {roofline.bytes_per_s / 1e9:.4g} GB/s "
        f"| {roofline.s_per_op * 1e6:.4g} µs |"
    )


def test_lists_the_offers_that_have_an_estimate() -> None:
    known = {one.name: (one.chip_class, one.roofline) for one in OFFERS if one.roofline}
    wanted = [offer_row(name, kind, roofline) for name, (kind, roofline) in known.items()]
    head = "| Offer | class | level | type | flops | bandwidth | per operator |"
    assert pages.table(PAGE, head) == wanted, "\n".join(wanted)
    machines = {one.name for one in OFFERS}
    assert f"The other {len(machines) - len(known)} of the {len(machines)} machines" in PAGE


def test_no_offer_of_the_catalogue_states_availability_or_retention() -> None:
    assert {(one.availability_ratio, one.retention_s) for one in OFFERS} == {(None, None)}


def test_tells_the_constants_of_the_code() -> None:
    for words in (
        f"older than {STALE_DAYS} days it is E1, and older than {OLD_DAYS} days its factor is "
        f"{OLD_FACTOR:g}.",
        f"weights above {LARGEST_CACHE_BYTES // 2**20} MiB",
        f"at least {QUEUED_REQUESTS:,} requests",
        f"More than {MANY_DEVICES:,} periodic devices",
        f"never busier than {100 * MAX_UTILISATION:.0f} %",
        f"× {HOURS_PER_MONTH:.0f} hours",
    ):
        assert words in WORDS, words
