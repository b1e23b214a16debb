# SPDX-License-Identifier: Apache-2.0
"""Random placements of a call: rings as small as its rows allow, groups of rows, strides with gaps, guard bytes."""

from __future__ import annotations

from dataclasses import dataclass

from eightbit import ops
from eightbit.ir.program import Shape, Tensor
from eightbit.kernels.kernel import Kernel
from eightbit.ops.opdef import Rows
from kernels.cases import Case, Rng, between, chance

STATE_WORD = 4


@dataclass(frozen=True)
class View:
    """Where a tensor lies in a buffer of its own, as e8_rows says it; all numbers count elements."""

    buffer: bytes
    base: int
    row: int
    pixel: int
    plane: int
    ring: int
    shape: Shape

    def __repr__(self) -> str:
        place = f"base {self.base} row {self.row} pixel {self.pixel} plane {self.plane} ring {self.ring}"
        return f"<{self.shape} in {len(self.buffer)} bytes: {place}>"


@dataclass(frozen=True)
class Launch:
    """Rows y .. y+n-1; first every input gets its rows [a, b), afterwards rows [a, b) of the output are taken."""

    y: int
    n: int
    feeds: tuple[tuple[int, int], ...]
    collected: tuple[int, int]


@dataclass(frozen=True)
class Placement:
    inputs: tuple[View, ...]
    output: View
    scratch: int
    state: int
    launches: tuple[Launch, ...]


def place(kernel: Kernel, case: Case, rng: Rng) -> Placement:
    rows = ops.get(case.call.op).rows(case.call)
    units = case.inputs[0].shape[0] if rows.reduces else case.output.shape[0]
    groups = _groups(rng, units, kernel.unit)
    height = case.inputs[0].shape[0]
    needs = [_needed(rows, y, n, height) for y, n in groups]
    launches, fed = [], 0
    for (y, n), (_, needed) in zip(groups, needs, strict=True):
        end = max(fed, needed)
        last = y + n == units
        collected = ((0, 1) if last else (0, 0)) if rows.reduces else (y, y + n)
        launches.append(Launch(y, n, ((fed, end),) * len(case.inputs), collected))
        fed = end
    views = tuple(_input(rng, kernel, tensor, _ring(launches, needs)) for tensor in case.inputs)
    tallest = 1 if rows.reduces else max(n for _, n in groups)
    output = _view(rng, case.output.shape, _at_least(rng, tallest, case.output.shape[0]))
    # Sums of a reduction in parts: a word per channel, whatever the facts say of a run with one launch.
    sums = STATE_WORD * case.output.shape[2] if rows.reduces and len(groups) > 1 else 0
    state = max(kernel.state(case.call), sums)
    return Placement(views, output, kernel.scratch(case.call), state, tuple(launches))


def _groups(rng: Rng, rows: int, unit: int) -> list[tuple[int, int]]:
    """(y, n) of each launch: all rows at once, one unit at a time, or anything between; the last may be short."""
    style, groups, y = rng.random(), [], 0
    while y < rows:
        units = -(-(rows - y) // unit)
        n = unit * (units if style < 0.3 else 1 if style < 0.5 else between(rng, 1, units))
        n = min(n, rows - y)
        groups.append((y, n))
        y += n
    return groups


def _needed(rows: Rows, y: int, n: int, height: int) -> tuple[int, int]:
    """Input rows [a, b) that a launch reads."""
    if rows.whole:
        return 0, height
    if rows.reduces:
        return y, y + n
    first = y * rows.stride - rows.before
    end = (y + n - 1) * rows.stride - rows.before + rows.reach
    return min(max(first, 0), height), min(max(end, 0), height)


def _ring(launches: list[Launch], needs: list[tuple[int, int]]) -> int:
    """Fewest input rows that must be in memory together."""
    return max(1, *(launch.feeds[0][1] - low for launch, (low, _) in zip(launches, needs, strict=True)))


def _at_least(rng: Rng, low: int, high: int) -> int:
    """low, high, or between; a ring has no more slots than the tensor has rows."""
    return high if chance(rng, 0.3) else low if chance(rng, 0.6) else between(rng, low, high)


def _input(rng: Rng, kernel: Kernel, tensor: Tensor, ring: int) -> View:
    height, width, channels = tensor.shape
    if tensor.order == "CHW":
        assert kernel.planar
        return _guarded(rng, tensor.shape, (width, 1, height * width), height)
    if kernel.flat:
        return _guarded(rng, tensor.shape, (width * channels, channels, 1), height)
    return _view(rng, tensor.shape, _at_least(rng, ring, height))


def _view(rng: Rng, shape: Shape, ring: int) -> View:
    """Pixels alone or with neighbours' channels between them, rows with or without gaps."""
    _, width, channels = shape
    pixel = channels + (between(rng, 1, 9) if chance(rng, 0.3) else 0)
    row = pixel * width + (between(rng, 1, 9) if chance(rng, 0.2) else 0)
    return _guarded(rng, shape, (row, pixel, 1), ring)


def _guarded(rng: Rng, shape: Shape, strides: tuple[int, int, int], ring: int) -> View:
    """Random bytes before, behind and between the elements; half of the buffers end at the last element."""
    _, width, channels = shape
    row, pixel, plane = strides
    extent = (ring - 1) * row + (width - 1) * pixel + (channels - 1) * plane + 1
    before, after = (0, 0) if chance(rng, 0.5) else (between(rng, 0, 16), between(rng, 0, 16))
    return View(rng.bytes(before + extent + after), before, row, pixel, plane, ring, shape)
