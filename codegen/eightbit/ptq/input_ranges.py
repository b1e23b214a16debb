# SPDX-License-Identifier: Apache-2.0
"""Ranges of model inputs: those of an integer type, those that were asked for, and those of a camera's pixels.

An input of integers takes them as they are. A range within 2 % of 0..255 or 0..1 becomes exactly that: then a pixel p,
which stands for p or for p / 255, is the s8 value p - 128, which is p with its top bit flipped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from eightbit.errors import InputError, reason
from eightbit.frontend.graph import INTEGERS, Graph
from eightbit.frontend.per_input import PerInput
from eightbit.frontend.samples import Samples
from eightbit.ir.fixed import S8_MAX, S8_MIN
from eightbit.ir.program import Program, Tensor
from eightbit.lower import LARGEST

Pair = tuple[float, float]
Given = Pair | Mapping[str, Pair] | None  # one range for the only input, or by input name
OPTION = PerInput("--input-range", "range", "0,255")
NEAR = 0.02  # of the width of a range of pixels: how far a calibrated range may lie from it
PIXELS = ((0.0, 255.0), (0.0, 1.0))
FAR = 0.5  # share of values twice as far out as the range goes; fewer may be what a Clip cuts on purpose
DOUBTFUL = 0.05  # share of values beyond the range; fewer are outliers
OUTSIDE = 0.5  # share of a sample's values beyond a given range from which on the range must be a mistake


def parse(texts: Sequence[str]) -> dict[str, Pair]:
    """`lo,hi` and `name=lo,hi`, as the command line takes them."""
    return OPTION.parse(texts, _pair)


def _pair(numbers: str) -> Pair:
    low, high = map(float, numbers.split(","))
    return low, high


def resolve(graph: Graph, given: Given) -> dict[str, Pair]:
    """The ranges that are known before any sample is read, by input: of integers, and those given."""
    named = OPTION.by_input(given, graph.inputs)
    fixed = {name: INTEGERS[kind] for name, kind in graph.integers.items()}
    for name, pair in named.items():
        if name in fixed:
            why = f"it is of type {graph.integers[name].lower()}"
            raise OPTION.wrong(f"input {name!r} has a range", why, "its integers are taken as they are")
        _check_numbers(name, pair)
    return fixed | {name: (min(0.0, float(low)), max(0.0, float(high))) for name, (low, high) in named.items()}


def _check_numbers(name: str, pair: Pair) -> None:
    try:
        low, high = map(float, pair)
    except (TypeError, ValueError) as error:  # in Python anything may be given
        raise OPTION.wrong(f"{pair!r} is no range of input {name!r}", reason(error), "give two numbers") from error
    if not all(math.isfinite(x) and abs(x) <= LARGEST for x in (low, high)) or high - low < 1 / LARGEST:
        what = f"[{low}, {high}] is no range of input {name!r}"
        why = f"low must lie below high, and both within +-{LARGEST:g}"
        raise OPTION.wrong(what, why, "give the least and the largest value")


def check_saturation(program: Program, samples: Samples, where: str = "samples") -> None:
    """Refuse samples of another scale than a program was made for, as pixels of 0..255 where its input is of 0..1.

    Values beyond an end at 0 are no sign of that: a Relu may be what reads them.
    """
    for port in program.inputs:
        tensor, values = program.tensors[port.tensor], samples.arrays[port.name]
        low, high = ends(tensor)
        far = (values > high + (high - low)) & (high > 0) | (values < low - (high - low)) & (low < 0)
        if far.mean() > FAR:
            raise InputError(
                f"samples of input {port.name!r} are far outside its range [{low:g}, {high:g}]",
                where=where,
                why=f"{100 * far.mean():.0f} % of their values lie beyond it by more than its width, and saturate;"
                f" they go from {values.min():g} to {values.max():g}",
                hint="scale them as those that the model was calibrated with, or compile with samples like these",
            )


def ends(tensor: Tensor) -> Pair:
    """The least and the largest value that a tensor holds."""
    return tensor.scale * (S8_MIN - tensor.zero_point), tensor.scale * (S8_MAX - tensor.zero_point)


def doubts(program: Program, samples: Samples) -> list[str]:
    """What makes it likely that samples are not scaled as those that a program was made with."""
    found = []
    for port in program.inputs:
        (low, high), values = ends(program.tensors[port.tensor]), samples.arrays[port.name]
        slack = NEAR * (high - low)
        outside = float(((values < low - slack) | (values > high + slack)).mean())
        spans = f"the samples of input {port.name!r} go from {values.min():g} to {values.max():g}"
        if outside > DOUBTFUL:
            found.append(f"{spans}: {100 * outside:.0f} % of them leave its range [{low:g}, {high:g}] and saturate")
        elif 0 < values.max() - values.min() < (high - low) / 16:
            found.append(f"{spans}, less than a sixteenth of its range [{low:g}, {high:g}]: are they scaled alike?")
    return found


def check_samples(given: Mapping[str, Pair], samples: Samples) -> None:
    """Refuse a range that most of the samples' values lie outside of: it would saturate them."""
    for name, (low, high) in given.items():
        values, slack = samples.arrays[name], NEAR * (high - low)
        outside = float(((values < low - slack) | (values > high + slack)).mean())
        if outside > OUTSIDE:
            found = f"{100 * outside:.0f} % of their values lie outside; they go from {values.min()} to {values.max()}"
            raise OPTION.wrong(
                f"the samples of input {name!r} are not in its range [{low:g}, {high:g}]",
                found,
                "the range is that of what the float model takes, not of what the sensor gives",
            )


def snapped(measured: Pair) -> Pair:
    """The range of pixels near a measured range, or the measured one."""
    for low, high in PIXELS:
        if max(abs(measured[0] - low), abs(measured[1] - high)) <= NEAR * (high - low):
            return low, high
    return measured


def chosen(measured: Mapping[str, Pair], inputs: Sequence[str], fixed: Mapping[str, Pair]) -> dict[str, Pair]:
    """All ranges, with those of the inputs as they are to be."""
    return dict(measured) | {name: fixed.get(name) or snapped(measured[name]) for name in inputs}


def pixel_value(tensor: Tensor) -> str:
    """What a pixel p of 0..255 stands for where p - 128 is its s8 value in an input tensor; "" elsewhere."""
    if tensor.zero_point != S8_MIN:
        return ""
    return {1.0: "p", float(np.float32(1 / 255)): "p / 255"}.get(tensor.scale, "")
