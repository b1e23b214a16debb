# SPDX-License-Identifier: Apache-2.0
"""The arena over time as a drawing: one box per place, x the call number, y the offset in bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from eightbit.ir.program import Program
from eightbit.planning import plan
from eightbit.planning.plan import Layout

WIDTH, HEIGHT = 960.0, 360.0  # of the drawing, in its own units
LEFT, RIGHT, TOP, BOTTOM = 70.0, 8.0, 14.0, 30.0  # margins for the numbers
CHARACTER, LINE = 7.0, 13.0  # what one character of a label takes
THINNEST = 1.5  # of a box: a few bytes of many still show
TICKS = 16  # call numbers at most


@dataclass(frozen=True)
class Box:
    """A place; `label` is "" where it does not fit, `kind` the operator that fills it, or "input" or "scratch"."""

    x: str
    y: str
    width: str
    height: str
    middle: str
    center: str
    label: str
    kind: str
    title: str


@dataclass(frozen=True)
class Tick:
    """A number beside an axis."""

    at: str
    text: str


@dataclass(frozen=True)
class MemoryMap:
    """Everything that the template places; numbers are finished text."""

    boxes: tuple[Box, ...]
    steps: tuple[Tick, ...]
    offsets: tuple[Tick, ...]
    bound: str


def memory_map(program: Program, layout: Layout, numbers: Mapping[str, int]) -> MemoryMap | None:
    """`numbers`: of the calls that have code, by the tensor they make. None: nothing lies in the arena."""
    if layout.arena_bytes == 0:
        return None
    scale = _Scale(len(numbers) + 2, layout.arena_bytes)
    homes = plan.roots(program)
    owners = [name for name in dict.fromkeys(homes.values()) if layout.buffer(name) is None]
    named = all(scale.fits(name, 2) for name in owners)  # else all boxes have numbers: most live for two steps
    boxes = [_box(program, layout, name, numbers.get(name), scale, named) for name in owners]
    if layout.scratch_bytes:
        boxes.append(_scratch(layout, scale))
    every = -(-scale.columns // TICKS)
    steps = [Tick(_text(scale.x(n + 0.5)), str(n)) for n in range(0, scale.columns, every)]
    quarters = sorted({layout.arena_bytes * part // 4 for part in range(5)})
    offsets = [Tick(_text(scale.y(offset)), f"{offset:,}") for offset in quarters]
    return MemoryMap(tuple(boxes), tuple(steps), tuple(offsets), _text(scale.y(layout.bound_bytes)))


@dataclass(frozen=True)
class _Scale:
    """Steps and bytes to the units of the drawing."""

    columns: int
    size: int

    def x(self, step: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * step / self.columns

    def y(self, offset: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * offset / self.size

    def fits(self, label: str, steps: int) -> bool:
        return len(label) * CHARACTER < self.x(steps) - LEFT

    def box(self, steps: tuple[int, int], offset: int, size: int, label: str, kind: str, tip: str) -> Box:
        """For steps first .. last."""
        left, right = self.x(steps[0]), self.x(steps[1] + 1)
        top, bottom = min(self.y(offset + size), self.y(offset) - THINNEST), self.y(offset)
        fits = self.fits(label, steps[1] + 1 - steps[0]) and bottom - top > LINE
        return Box(
            x=_text(left),
            y=_text(top),
            width=_text(right - left),
            height=_text(bottom - top),
            middle=_text((left + right) / 2),
            center=_text((top + bottom) / 2),
            label=label if fits else "",
            kind=kind,
            title=tip,
        )


def _box(program: Program, layout: Layout, name: str, number: int | None, scale: _Scale, named: bool) -> Box:
    place, producer, tensor = layout.places[name], program.producer(name), program.tensors[name]
    last = min(place.last, scale.columns - 1)
    use = f"bytes {place.offset:,} to {place.offset + place.size - 1:,}, calls {place.first} to {last}"
    tip = f"{name} {'x'.join(map(str, tensor.shape))}: {use}"
    label = name if named or number is None else str(number)
    kind = "input" if producer is None else producer.op
    return scale.box((place.first, last), place.offset, place.size, label, kind, tip)


def _scratch(layout: Layout, scale: _Scale) -> Box:
    """Scratch is there for every call, though not every call uses it."""
    tip = f"scratch: bytes {layout.scratch_offset:,} to {layout.arena_bytes - 1:,}"
    return scale.box(
        (1, max(1, scale.columns - 2)), layout.scratch_offset, layout.scratch_bytes, "scratch", "scratch", tip
    )


def _text(number: float) -> str:
    return f"{number:.1f}"
