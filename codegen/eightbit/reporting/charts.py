# SPDX-License-Identifier: Apache-2.0
"""Drawings of how exact layers are: signal to noise by layer, and how values lie on what s8 can hold.

All numbers are finished text in the units of each drawing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from eightbit.ir.fixed import S8_MIN
from eightbit.ptq.histogram import BINS, WIDTH, Histogram
from eightbit.reporting.memory_map import Tick

CHART = (960.0, 236.0)  # width and height
LEFT, RIGHT, TOP, BOTTOM = 44.0, 8.0, 50.0, 22.0  # margins; the upper one holds a line for each marked bar
LINE, CHARACTER = 13.0, 6.5  # of a label
WIDEST = 40.0  # of a bar, where there are few
LOWEST, HIGHEST, GRID = -20.0, 80.0, 10.0  # dB
NUMBERS = 24  # of calls below the bars at most

BIN, END = 4.0, 8.0  # widths of a bin, and of what is clipped together with the gap before it
HEIGHT, THINNEST = 32.0, 1.5
DECADES = 5.0  # of shares, from the base of a histogram to its top


@dataclass(frozen=True)
class Level:
    """One input or layer: `decibels` is None where there is no ratio; `rank` 1 .. of those to mark, else 0."""

    number: str
    name: str
    decibels: float | None
    text: str
    rank: int


@dataclass(frozen=True)
class Bar:
    """One bar; `kind` is "marked" or "plain"."""

    x: str
    y: str
    width: str
    height: str
    kind: str
    title: str


@dataclass(frozen=True)
class Label:
    """The name of a marked bar, and the line from it down to the bar."""

    x: str
    y: str
    anchor: str
    text: str
    line: str


@dataclass(frozen=True)
class LevelChart:
    """Bars in network order over their numbers, on a grid of decibels. `blank`: where there is no ratio."""

    bars: tuple[Bar, ...]
    labels: tuple[Label, ...]
    grid: tuple[Tick, ...]
    numbers: tuple[Tick, ...]
    blank: tuple[str, ...]
    base: str


def level_chart(levels: Sequence[Level]) -> LevelChart | None:
    """None: no ratio is known."""
    known = [level.decibels for level in levels if level.decibels is not None]
    if not known:
        return None
    low = max(LOWEST, min(0.0, GRID * math.floor(min(known) / GRID)))
    top = max((one for one in known if one <= HIGHEST), default=HIGHEST)  # what is more fills the drawing
    axis = _Axis(len(levels), low, max(GRID, GRID * math.ceil(top / GRID)))
    marked = [(i, level) for i, level in enumerate(levels) if level.rank]
    every = -(-len(levels) // NUMBERS)
    return LevelChart(
        bars=tuple(axis.bar(i, level, level.decibels) for i, level in enumerate(levels) if level.decibels is not None),
        labels=tuple(axis.label(i, level, level.decibels or 0.0) for i, level in marked),
        grid=tuple(Tick(_text(axis.y(line)), f"{line:.0f}") for line in axis.lines()),
        numbers=tuple(Tick(_text(axis.x(i)), level.number) for i, level in enumerate(levels) if i % every == 0),
        blank=tuple(_text(axis.x(i)) for i, level in enumerate(levels) if level.decibels is None),
        base=_text(axis.y(0)),
    )


@dataclass(frozen=True)
class _Axis:
    """Positions and decibels to the units of the drawing."""

    count: int
    low: float
    high: float

    def x(self, position: int) -> float:
        return LEFT + (CHART[0] - LEFT - RIGHT) * (position + 0.5) / self.count

    def y(self, decibels: float) -> float:
        held = min(max(decibels, self.low), self.high)
        return TOP + (CHART[1] - TOP - BOTTOM) * (self.high - held) / (self.high - self.low)

    def lines(self) -> list[float]:
        return [self.low + GRID * i for i in range(int((self.high - self.low) / GRID) + 1)]

    def bar(self, position: int, level: Level, decibels: float) -> Bar:
        width = min(WIDEST, 0.72 * (self.x(1) - self.x(0)))
        top, bottom = self.y(max(decibels, 0.0)), self.y(min(decibels, 0.0))
        return Bar(
            x=_text(self.x(position) - width / 2),
            y=_text(top),
            width=_text(width),
            height=_text(max(bottom - top, THINNEST)),
            kind="marked" if level.rank else "plain",
            title=f"{level.name}: {level.text}",
        )

    def label(self, position: int, level: Level, decibels: float) -> Label:
        """On a line of its own, so that labels of neighbours never meet."""
        text, x, y = f"{level.name} {level.text}", self.x(position), LINE * level.rank
        right = x + CHARACTER * len(text) < CHART[0]
        return Label(
            x=_text(x + 4 if right else x - 4),
            y=_text(y),
            anchor="start" if right else "end",
            text=text,
            line=f"M{_text(x)} {_text(y - 9)}V{_text(self.y(max(decibels, 0.0)) - 2)}",
        )


@dataclass(frozen=True)
class Spread:
    """A histogram as paths: what is held, what is clipped at both ends, and where 0 lies on the base."""

    held: str
    clipped: str
    zero: str


def spread(found: Histogram, zero_point: int) -> Spread:
    """Heights are logarithms of shares, so that one value among many still shows."""
    steps = "".join(f"V{_top(number, found.total)}h{BIN:g}" for number in found.counts)
    ends = ((0.0, found.below), (END + BIN * BINS + END / 2, found.above))
    return Spread(
        held=f"M{END:g} {HEIGHT:g}{steps}V{HEIGHT:g}z",
        clipped="".join(f"M{x:g} {HEIGHT:g}V{_top(n, found.total)}h{END / 2:g}V{HEIGHT:g}z" for x, n in ends if n),
        zero=_text(END + BIN * (zero_point - S8_MIN + 0.5) / WIDTH),
    )


def _top(number: int, total: int) -> str:
    """Where the bar of a bin ends."""
    if number == 0:
        return f"{HEIGHT:g}"
    return f"{HEIGHT - max(THINNEST, HEIGHT * (1 + math.log10(number / total) / DECADES)):.1f}"


def _text(number: float) -> str:
    return f"{number:.1f}"
