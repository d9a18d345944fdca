"""Wishes that a rule be silent, and those that have no effect."""

from __future__ import annotations

import pytest

from placer.core.deployment import Defect, Suppression
from placer.manifests.parsing import Comment
from placer.manifests.suppressions import from_comments


def read(text: str) -> tuple[list[Suppression], list[Defect]]:
    return from_comments([Comment(4, 7, text)], "a.yaml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" placer: ignore[PLC101] the camera sees no people", [("PLC101", "line", None)]),
        (
            "placer:ignore[ PLC101 , PLC102 ]  measured apart; until=2026-12-31 ",
            [("PLC101", "line", "2026-12-31"), ("PLC102", "line", "2026-12-31")],
        ),
        (
            " placer: ignore-file[PLC501] until = 2027-02-28; prices",
            [("PLC501", "file", "2027-02-28")],
        ),
    ],
)
def test_reads_rules_reason_and_date(
    text: str, expected: list[tuple[str, str, str | None]]
) -> None:
    suppressions, defects = read(text)
    assert defects == []
    assert [(one.rule, one.covers, one.until) for one in suppressions] == expected
    assert all(one.reason and "until" not in one.reason for one in suppressions)
    assert (suppressions[0].place.line, suppressions[0].place.column) == (4, 7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (" placer: ignore[PLC101]", "a reason is missing"),
        (" placer: ignore[PLC101] ; until=2026-12-31", "a reason is missing"),
        (" placer: ignore[PLC101] x; until=2026-02-30", "'2026-02-30' is no date"),
        (" placer: ignore[PLC101] x; until=20261231", "'20261231' is no date"),
        (" placer: ignore[PLC101] x until=2026-12-31", "'until=2026-12-31' is not read"),
        (" placer: ignore[PLC101] x; until: 2026-12-31", "'until: 2026-12-31' is not read"),
        (" placer: ignore[PLC101] x; until 2026-12-31", "'until 2026-12-31' is not read"),
        (" placer: ignore[PLC101] x; Until=2026-12-31", "'Until=2026-12-31' is not read"),
        (" placer: ignore[PLC101] x; untill=2026-12-31", "'untill=2026-12-31' is not read"),
        (" placer: ignore[PLC101] x; expires=2026-12-31", "'expires=2026-12-31' is not read"),
        (" placer: ignore[PLC101] x, until 2026/12/31", "'until 2026/12/31' is not read"),
        (" placer: ignore[PLC101] x until 20261231", "'until 20261231' is not read"),
        (" placer: ignore[PLC101] x until 2027", "'until 2027' is not read"),
        (" placer: ignore[PLC101] x, until=soon", "'until=soon' is not read"),
        (" placer: ignore[PLC101] x; until=2026-12-31; until=2027-01-01", "two last days"),
        (" placer: ignore[] x", "'' is no rule"),
        (" placer: ignore[plc101] x", "'plc101' is no rule"),
        (" placer: ignore[PLC101, all] x", "'all' is no rule"),
        (" placer: ignore PLC101 x", "is no suppression"),
    ],
)
def test_a_wish_without_effect_is_a_defect(text: str, message: str) -> None:
    suppressions, (defect,) = read(text)
    assert suppressions == []
    assert defect.kind == "bad_value"
    assert message in defect.message
    assert "PLC101" in defect.remedy


@pytest.mark.parametrize(
    "reason",
    [
        "not until the vendor ships",
        "untiled images, 2026-11-02",
        "wait until 2000 devices are updated",
        "wait until 20000 devices are updated",
        "the back end 2024 team owns it",
        "front-end 2025 rewrite",
    ],
)
def test_a_reason_may_speak_of_time(reason: str) -> None:
    (suppression,), defects = read(f" placer: ignore[PLC101] {reason}")
    assert (suppression.reason, suppression.until, defects) == (reason, None, [])


def test_other_comments_are_left_alone() -> None:
    assert read(" see placer: ignore[PLC101] in the docs") == ([], [])
