# SPDX-License-Identifier: Apache-2.0
"""The drawings of report.html are to scale, stay in their frames, and mark what they should."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from eightbit.ptq.histogram import BINS, Histogram
from eightbit.reporting.charts import CHART, HEIGHT, TOP, Level, LevelChart, level_chart, spread

FRAME = 8 + 4 * BINS + 8  # width of a histogram


def levels(*decibels: float | None, marked: int = 0) -> list[Level]:
    """Layers 1 .. n of these ratios, the first of which are marked."""
    return [
        Level(str(i), f"conv_{i}", level, "-" if level is None else f"{level:.1f} dB", i if i <= marked else 0)
        for i, level in enumerate(decibels, start=1)
    ]


def drawn(*decibels: float | None, marked: int = 0) -> LevelChart:
    found = level_chart(levels(*decibels, marked=marked))
    assert found is not None
    return found


def test_bars_are_to_scale_on_the_grid() -> None:
    chart = drawn(10.0, 20.0, 35.0)
    at = {tick.text: float(tick.at) for tick in chart.grid}
    assert list(at) == ["0", "10", "20", "30", "40"]
    first, second, third = chart.bars
    assert (float(first.y), float(second.y)) == (at["10"], at["20"])
    assert float(third.height) == pytest.approx(3.5 * float(first.height), abs=0.2)
    assert [float(bar.y) + float(bar.height) for bar in chart.bars] == pytest.approx([at["0"]] * 3, abs=0.11)


@pytest.mark.parametrize("count", [1, 2, 24, 25, 100, 400])
def test_bars_and_labels_of_any_number_of_layers_stay_in_the_frame(count: int) -> None:
    chart = drawn(*[30.0] * count, marked=3)
    ends = [(float(bar.x), float(bar.x) + float(bar.width)) for bar in chart.bars]
    assert len(ends) == count
    assert ends[0][0] >= 44
    assert ends[-1][1] <= CHART[0]
    assert all(first[1] < second[0] for first, second in pairwise(ends))
    assert len(chart.numbers) <= 24
    assert chart.numbers[0].text == "1"
    assert [bar.kind for bar in chart.bars].count("marked") == min(3, count)
    assert len({label.y for label in chart.labels}) == len(chart.labels)
    assert all(float(label.y) < TOP for label in chart.labels)


def test_a_marked_bar_is_named_on_the_side_that_has_room() -> None:
    chart = level_chart([*levels(*[30.0] * 99), Level("100", "a_long_name_of_a_call_100", 20.0, "20.0 dB", 1)])
    assert chart is not None
    (label,) = chart.labels
    assert (label.anchor, label.text) == ("end", "a_long_name_of_a_call_100 20.0 dB")
    assert drawn(20.0, 30.0, marked=1).labels[0].anchor == "start"


def test_ratios_below_zero_hang_and_those_without_end_fill_the_drawing() -> None:
    chart = drawn(-5.0, 30.0, 150.0, -90.0, None)
    zero = float(chart.base)
    heights = {tick.text: float(tick.at) for tick in chart.grid}
    assert heights["0"] == zero
    assert (min(map(int, heights)), max(map(int, heights))) == (-20, 30)
    hanging, _, endless, lowest = chart.bars
    assert float(hanging.y) == zero
    assert float(endless.y) == heights["30"]
    assert float(lowest.y) + float(lowest.height) == pytest.approx(heights["-20"], abs=0.11)
    assert len(chart.blank) == 1


def test_there_is_no_chart_where_no_ratio_is_known() -> None:
    assert level_chart([]) is None
    assert level_chart(levels(None, None)) is None


def test_a_histogram_shows_single_values_and_full_bins() -> None:
    counts = [0] * BINS
    counts[0], counts[5] = 10**6, 1
    drawing = spread(Histogram(0, tuple(counts), 2), -128)
    tops = [float(top) for top in re.findall(r"V([\d.]+)h4", drawing.held)]
    assert len(tops) == BINS
    assert tops[0] == pytest.approx(0, abs=0.1)
    assert 0 < HEIGHT - tops[5] <= 2
    assert {tops[i] for i in range(BINS) if counts[i] == 0} == {HEIGHT}
    assert drawing.clipped.count("M") == 1
    assert float(re.findall(r"M([\d.]+)", drawing.clipped)[0]) == FRAME - 4


def test_a_tenth_of_the_values_is_a_fifth_of_the_height_lower() -> None:
    counts = (90, 10, *[0] * (BINS - 2))
    tops = [float(top) for top in re.findall(r"V([\d.]+)h4", spread(Histogram(0, counts, 0), 0).held)]
    assert tops[1] == pytest.approx(HEIGHT / 5, abs=0.06)


@pytest.mark.parametrize(("zero_point", "x"), [(-128, 8.25), (127, 8 + 4 * BINS - 0.25), (0, 8 + 64.25)])
def test_the_notch_is_where_zero_lies(zero_point: int, x: float) -> None:
    assert float(spread(Histogram(0, (1,) * BINS, 0), zero_point).zero) == pytest.approx(x, abs=0.06)
