"""What an answer says of the architecture that a model has by its structure."""

from __future__ import annotations

import datetime
from dataclasses import replace

from placer.api.published import Choice, architecture_assumptions
from placer.api.sites import published_time
from placer.core.compute import ComputeEstimate
from placer.core.environment import ChipClass, Device
from placer.core.measured_rows import Published
from placer.core.placement import EdgeSite, SiteTime
from placer.core.structure import Architecture, Match, Structure
from tests import builders
from tests.unit.test_measured_rows import ROW

DATE = datetime.date(2026, 3, 1)
PHONE = Device("phone", "Phone", ChipClass.NPU, execution_providers=("qnn",))
MODEL = builders.model()
NET = Architecture(
    "net",
    Structure("f" * 64, "e" * 64, 2, 296, 1000),
    (3, 8, 8),
    300,
    ("hub/net", "zoo/net"),
    "a paper",
)
HUB, ZOO = (
    Published(name, (replace(ROW, name=name),), DATE, "net") for name in ("hub/net", "zoo/net")
)


def told(choice: Choice) -> list[tuple[str, str]]:
    row = published_time(choice.rows, PHONE, MODEL, "qnn", None, None)
    time = SiteTime(estimate=row) if isinstance(row, ComputeEstimate) else SiteTime()
    found = architecture_assumptions(None, [choice], PHONE, [EdgeSite("qnn", time)], [])
    assert {one.name for one in found} <= {"architecture"}
    return [(one.value, one.source) for one in found]


def test_the_row_that_answers_is_named_with_its_day() -> None:
    ((value, source),) = told(Choice(None, MODEL, (HUB,), Match(NET)))
    assert value == "hub/net"
    assert source.startswith("by structure: its 2 layers with weights are those of net")
    assert source.endswith("phone (qnn): E2, ×/÷ 1.3, Hub v1: hub/net on Phone 9, onnx, float, "
                           "2026-02-12")  # fmt: skip


def test_two_rows_that_answer_alike_are_told_and_as_is_asked_for() -> None:
    ((value, source),) = told(Choice(None, MODEL, (HUB, ZOO), Match(NET)))
    assert value == "none"
    assert source.startswith("by structure it is net, but hub/net and zoo/net are of one")
    assert source.endswith("--as says which one the model is")


def test_rows_of_another_work_are_told_only_where_they_would_answer() -> None:
    refused = Match(NET, "it takes 1x3x9x9, the published times are of 1x3x8x8")
    ((value, source),) = told(Choice(None, MODEL, (HUB,), refused))
    assert value == "none"
    assert "but it takes 1x3x9x9" in source
    elsewhere = Published("hub/net", (replace(ROW, site=None),), DATE, "net")
    assert told(Choice(None, MODEL, (elsewhere,), refused)) == []
    assert told(Choice(None, MODEL)) == []


def test_an_estimate_that_does_not_come_from_the_row_is_not_ascribed_to_it() -> None:
    """What was learnt of the very machine goes before what was published of its kind."""
    choice = Choice(None, MODEL, (HUB,), Match(NET))
    row = published_time(choice.rows, PHONE, MODEL, "qnn", None, None)
    assert isinstance(row, ComputeEstimate)
    learnt = SiteTime(estimate=replace(row, median_s=0.003))
    assert architecture_assumptions(None, [choice], PHONE, [EdgeSite("qnn", learnt)], []) == ()
