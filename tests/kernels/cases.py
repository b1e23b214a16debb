# SPDX-License-Identifier: Apache-2.0
"""Random calls of operators: what tests/ops/test_<op>.py draw their `case(rng)` from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eightbit import ops
from eightbit.ir.fixed import M31_BITS, M31_MAX_K, Int8, Shifts, choose_shifts, rounding_constant
from eightbit.ir.program import Call, Shape, Tensor

Rng = np.random.Generator


@dataclass(frozen=True)
class Case:
    """One call with its tensors and the arrays [1, H, W, C] it reads."""

    call: Call
    inputs: tuple[Tensor, ...]
    output: Tensor
    arrays: tuple[Int8, ...]

    def expected(self) -> Int8:
        return ops.get(self.call.op).evaluate(self.call, self.arrays, self.output.shape)

    def findings(self) -> list[str]:
        """What the Program would refuse, accumulators that could leave 32 bits included."""
        op, call = ops.get(self.call.op), self.call
        found = op.check(call, self.inputs, self.output)
        bound = op.accumulator_bound(call, -128, 127)
        if bound is not None and int(bound.max()) >= 1 << (31 - call.params.acc_lshift):
            found.append(f"accumulators reach {bound.max()}")
        return found


@dataclass(frozen=True)
class Window:
    """The geometry of a sliding window, and the output size that comes of it."""

    fields: Mapping[str, int]
    out_h: int
    out_w: int
    pad_bottom: int
    pad_right: int


@dataclass
class Output:
    """Requantisation to s8, as Params fields, and one multiplier per channel."""

    fields: dict[str, int]
    mult: NDArray[np.int32]
    bias: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))


def chance(rng: Rng, probability: float) -> bool:
    return bool(rng.random() < probability)


def between(rng: Rng, low: int, high: int) -> int:
    """An integer in [low, high]."""
    return int(rng.integers(low, high + 1))


def zero_point(rng: Rng) -> int:
    return int(rng.choice([-128, 127, 0, between(rng, -128, 127)]))


def values(rng: Rng, shape: tuple[int, ...], low: int = -128) -> Int8:
    """Random bytes; sometimes only the extremes, or one value everywhere."""
    style = rng.random()
    if style < 0.15:
        return rng.choice(np.array([low, 127], np.int8), shape)
    if style < 0.2:
        return np.full(shape, rng.choice([low, 127]), np.int8)
    return rng.integers(low, 128, shape).astype(np.int8)


def tensor(name: str, shape: Shape, order: str = "HWC", scale: float = 1.0, zero: int = 0) -> Tensor:
    return Tensor(name, shape, scale, zero, name, order)


def order(rng: Rng) -> str:
    return "CHW" if chance(rng, 0.25) else "HWC"


def make(
    op: str, params: Any, consts: Mapping[str, NDArray[Any]], inputs: list[Tensor], output: Tensor, rng: Rng
) -> Case:
    call = Call(op, op, params, tuple(t.name for t in inputs), output.name, consts)
    return Case(call, tuple(inputs), output, tuple(values(rng, (1, *t.shape)) for t in inputs))


def sized_shape(rng: Rng, most: int = 6) -> Shape:
    return between(rng, 1, most), between(rng, 1, most), between(rng, 1, most)


def clamp_bounds(rng: Rng) -> tuple[int, int]:
    if chance(rng, 0.4):
        return -128, 127
    low, high = sorted((between(rng, -128, 127), between(rng, -128, 127)))
    return low, high


def _axis(rng: Rng, size: int, extra: int) -> dict[str, int]:
    """One axis of a window that leaves at least one output; `pad` can exceed the kernel now and then."""
    while True:
        taps, stride, dilation = between(rng, 1, 5), between(rng, 1, 3), int(rng.choice([1, 1, 1, 2, 3]))
        reach = (taps - 1) * dilation + 1
        begin, end = (between(rng, 0, reach - 1 + extra) if chance(rng, 0.6) else 0 for _ in range(2))
        out = (size + begin + end - reach) // stride + 1
        if size + begin + end >= reach and out >= 1:
            # ceil_mode: one more window, which may begin in the last cells of the padding
            more = chance(rng, 0.2) and out * stride < size + begin + end
            return {"taps": taps, "stride": stride, "dil": dilation, "begin": begin, "end": end, "out": out + more}


def _point(rng: Rng, in_h: int, in_w: int) -> tuple[dict[str, int], dict[str, int]]:
    """1x1 along both axes, or with one difference: kernels treat the first apart, and must not the second."""
    axes = [{"taps": 1, "stride": 1, "dil": 1, "begin": 0, "end": 0, "out": size} for size in (in_h, in_w)]
    if chance(rng, 0.6):
        which, name = between(rng, 0, 1), str(rng.choice(["taps", "stride", "begin", "end"]))
        axis, size = axes[which], (in_h, in_w)[which]
        axis[name] += 1
        axis["end"] += int(size < axis["taps"])
        axis["out"] = (size + axis["begin"] + axis["end"] - axis["taps"]) // axis["stride"] + 1
    return axes[0], axes[1]


def window(rng: Rng, extra: int = 1) -> Window:
    """Any geometry: asymmetric padding, dilation, ceil_mode, windows that lie in the padding (`extra` > 0)."""
    in_h, in_w = between(rng, 1, 9), between(rng, 1, 9)
    y, x = _axis(rng, in_h, extra), _axis(rng, in_w, extra)
    if chance(rng, 0.3):
        y, x = _point(rng, in_h, in_w)
    fields = {
        "in_h": in_h, "in_w": in_w, "out_w": x["out"], "kh": y["taps"], "kw": x["taps"],
        "stride_y": y["stride"], "stride_x": x["stride"], "dil_y": y["dil"], "dil_x": x["dil"],
        "pad_top": y["begin"], "pad_left": x["begin"],
    }  # fmt: skip
    return Window(fields, y["out"], x["out"], y["end"], x["end"])


def requantisation(rng: Rng, reached: NDArray[np.int64], typical: float) -> Output:
    """Shifts and multipliers for accumulators up to `reached` [channels], mostly of size `typical`.

    Mostly so that outputs spread over s8, sometimes anything that the contract of the arithmetic allows.
    """
    zero, (low, high) = zero_point(rng), clamp_bounds(rng)
    room = 31 - int(reached.max()).bit_length()  # |acc| < 2^(31 - l) for any l up to this
    if chance(rng, 0.7):
        ratio = Fraction(float(2 ** rng.uniform(3, 7)) / max(typical, 1.0))
        shifts = choose_shifts(ratio, M31_BITS, M31_MAX_K)
        mult = int(ratio * Fraction(2) ** (32 + shifts.rshift - shifts.lshift))
        mults = np.array([mult * between(rng, 1, 256) // 256 for _ in reached], np.int64)
    else:
        shifts = Shifts(between(rng, 0, 9), between(rng, 1, M31_MAX_K))
        mults = rng.choice([0, 1, 2**31 - 1, between(rng, 0, 2**31 - 1)], len(reached))
    shifts = Shifts(min(shifts.lshift, room), shifts.rshift)
    fields = {
        "acc_lshift": shifts.lshift, "out_rshift": shifts.rshift, "act_min": low, "act_max": high,
        "out_c": rounding_constant(zero, shifts.rshift),
    }  # fmt: skip
    return Output(fields, mults.astype(np.int32))


def linear_constants(rng: Rng, weights: Int8, axes: tuple[int, ...], zp_in: int) -> Output:
    """Biases and requantisation for weights whose taps lie along `axes`: some channels use all 32 bits."""
    reached = np.abs(weights.astype(np.int64)).sum(axis=axes) * max(-128 - zp_in, 127 - zp_in, key=abs)
    reached = np.abs(reached)
    typical = float(np.sqrt((weights.astype(np.float64) ** 2).sum(axis=axes)).max()) * 74 + 1
    output = requantisation(rng, reached, typical)
    most = (1 << (31 - output.fields["acc_lshift"])) - 1 - reached
    near = np.minimum(most, int(typical))
    size = most if chance(rng, 0.1) else near
    output.bias = (size * rng.choice([-1.0, 1.0, 0.0, 0.5], size.shape)).astype(np.int64).astype(np.int32)
    return output


CaseMaker = Callable[[Rng], Case]
