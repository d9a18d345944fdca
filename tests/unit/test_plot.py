"""The plot of latency distributions: shape, marks, limits and axis, all within the width."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placer.core.workload import LatencyTarget
from placer.reports.layout import ascii_only, display_width
from placer.reports.plot import BLOCKS, LIMIT, P50, P99, Distribution, plot
from tests.answers import spread


def drawn(
    *rows: Distribution | tuple[float, ...], limits: tuple[float, ...] = (), width: int = 60
) -> list[str]:
    named = [row if isinstance(row, Distribution) else Distribution("", "", row) for row in rows]
    targets = [LatencyTarget(0.99, limit_s) for limit_s in limits]
    lines = plot("Latency", named, targets, width)
    return ["".join(cell.text for cell in line).rstrip() for line in lines]


def test_one_mode_rises_and_falls_around_its_median() -> None:
    legend, shape, marks, axis = drawn(spread(0.01, 0.02).points_s[20:-20])
    assert legend == "Latency  █ share  ▴ p50  ▵ p99"
    heights = [BLOCKS.index(sign) for sign in shape.strip()]
    top = heights.index(len(BLOCKS) - 1)
    assert heights[: top + 1] == sorted(heights[: top + 1])
    assert heights[top:] == sorted(heights[top:], reverse=True)
    assert shape[marks.index(P50)] == BLOCKS[-1]
    assert axis.split() == ["└5", "ms", "└10", "ms", "20", "ms┘"]


def test_two_modes_are_both_visible_and_apart() -> None:
    points_s = spread(0.01, 0.011).points_s[:900] + spread(0.1, 0.11).points_s[::10]
    _, shape, marks, _ = drawn(points_s)
    fast, slow = re.findall(r"\S+", shape)
    assert "█" in fast
    assert set(slow) <= set("▁▂")
    assert shape.index(fast) < marks.index(P50) < shape.index(fast) + len(fast)
    assert shape.rindex(slow) <= marks.index(P99) < shape.rindex(slow) + len(slow)


def test_what_keeps_a_limit_stands_left_of_it_to_the_last_sample() -> None:
    fast_s, slow_s = 0.01999, 0.02001
    _, shape, marks, _ = drawn((fast_s,) * 10 + (slow_s,) * 10, limits=(0.02,))
    assert shape.strip() == "█│█"
    assert [sign for sign in marks if sign != " "] == [P50, LIMIT, P99]
    _, shape, _, _ = drawn((0.02, 0.04), limits=(0.02,))
    assert shape.strip().startswith("█│")


def test_limits_are_named_in_the_order_of_their_lines() -> None:
    legend, shape, _, _ = drawn(spread(0.01, 0.02).points_s, limits=(0.03, 0.012), width=80)
    assert legend.endswith("│ p99 ≤ 12 ms, p99 ≤ 30 ms")
    assert shape.count(LIMIT) == 2


def test_limits_closer_than_a_column_share_a_line() -> None:
    _, shape, _, _ = drawn(spread(0.01, 0.02).points_s, limits=(0.012, 0.012001), width=80)
    assert shape.count(LIMIT) == 1


def test_limits_far_beyond_all_latencies_are_arrows_at_the_sides() -> None:
    near = spread(0.01, 0.02).points_s
    legend, shape, marks, axis = drawn(near, limits=(1e-5, 1.0))
    assert (shape[2], shape[-1], len(shape)) == ("◂", "▸", 60)
    assert (marks[2], marks[-1]) == ("◂", "▸")
    assert legend.endswith("◂ p99 ≤ 10 µs  ▸ p99 ≤ 1 s")
    assert "└10 ms" in axis
    _, shape, _, axis = drawn(near, limits=(0.05,))
    assert "▸" not in shape
    assert shape.index(LIMIT) > shape.rindex("▁")


def test_equal_samples_are_one_block_with_room_around() -> None:
    _, shape, marks, axis = drawn((0.003,) * 50)
    assert shape.strip() == "█"
    assert 20 < shape.index("█") < 40
    assert marks.strip() == P50
    assert axis.split() == ["└2", "ms", "└5", "ms"]


def test_zero_latencies_are_in_the_first_column() -> None:
    _, shape, _, _ = drawn((0.0, 0.0, 0.001, 0.002))
    assert shape.index("█") in (2, 3)
    _, shape, _, axis = drawn((0.0, 0.0))
    assert shape.strip() == "█"
    assert "1 ns" in axis


def test_a_rare_run_is_a_dot_that_the_legend_explains() -> None:
    legend, shape, _, _ = drawn((0.001,) * 5000 + (0.01,))
    assert re.fullmatch(r" +█ +·", shape)
    assert "· under 0.1 %" in legend


def test_unknown_and_equal_rows_are_told_in_words() -> None:
    known = Distribution("edge #1", "measured", (0.001, 0.002))
    unknown = Distribution("cloud #3", "assumed", ())
    lines = drawn(known, unknown, Distribution("hybrid #2", "assumed", known.points_s))
    assert sum("unknown" in line for line in drawn(known, unknown, unknown)) == 2
    assert "  cloud #3   unknown" in lines
    assert "  hybrid #2  the same as edge #1" in lines
    assert lines[2].startswith("  measured ")
    assert drawn(unknown) == []
    assert drawn((math.inf, math.nan)) == []


def test_marks_are_where_they_are_told_or_at_the_quantiles() -> None:
    points_s = spread(0.01, 0.02).points_s
    told = drawn(Distribution("", "", points_s, p50_s=0.02, p99_s=0.01))[2]
    assert told.index(P99) < told.index(P50)
    same = drawn(Distribution("", "", points_s, p50_s=math.nan, p99_s=math.inf))
    assert same == drawn(points_s)


@pytest.mark.parametrize("width", [1, 20, 30])
def test_too_narrow_a_terminal_gets_no_plot(width: int) -> None:
    assert drawn(spread(0.01, 0.02).points_s, width=width) == []


latencies = st.one_of(st.floats(0, 1e6), st.floats(1e-5, 1), st.just(math.inf))
distributions = st.builds(
    Distribution,
    st.sampled_from(["edge #1", "cloud #12"]),
    st.sampled_from(["", "transferred"]),
    st.lists(latencies, max_size=20).map(tuple),
    st.none() | latencies,
    st.none() | latencies,
)


@given(
    st.lists(distributions, max_size=3),
    st.lists(st.floats(1e-9, 1e6), max_size=12),
    st.integers(1, 200),
)
def test_no_line_is_wider_than_asked_and_nothing_is_lost(
    rows: list[Distribution], limits: list[float], width: int
) -> None:
    lines = drawn(*rows, limits=tuple(limits), width=width)
    assert all(display_width(line) <= width for line in lines)
    assert all(len(ascii_only(line)) == len(line) for line in lines)
    assert all(ascii_only(line).isascii() for line in lines)
    if lines:
        assert re.search(r"[└┘]", lines[-1])
        shapes = sum(any(sign in line for sign in BLOCKS) for line in lines[1:])
        assert shapes >= len(
            {row.points_s for row in rows if any(map(math.isfinite, row.points_s))}
        )
