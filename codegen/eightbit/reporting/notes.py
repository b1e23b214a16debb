# SPDX-License-Identifier: Apache-2.0
"""What a compilation tells of itself in words: what inputs take, what is doubtful of samples, what steps have done."""

from __future__ import annotations

import numpy as np

from eightbit import ops
from eightbit.ir.program import Program
from eightbit.ptq import input_ranges
from eightbit.ptq.calibration import Calibration

BY_LAYER = "report.json has them by layer"
FEW = 20  # samples
SMALL = 0.99  # share of an input's values below 1/16 of its range


def of(found: Calibration, whole: Program, pruned: Program) -> tuple[str, ...]:
    """The notes on a Program that was made with a calibration, before and after constant channels were left out."""
    return (*_pixels(pruned), *_few(found), *_unused(found, pruned), *_equalised(found), *_descended(found),
            *_left_out(whole, pruned))  # fmt: skip


def _pixels(program: Program) -> list[str]:
    """Which inputs take the pixels of a camera."""
    values = {port.name: input_ranges.pixel_value(program.tensors[port.tensor]) for port in program.inputs}
    stand = {"p": "themselves", "p / 255": "p / 255"}
    takes = "takes a camera's uint8 pixels p, which stand for"
    return [f"input {name!r} {takes} {stand[v]}: write p ^ 0x80" for name, v in values.items() if v]


def _few(found: Calibration) -> list[str]:
    """That ranges are those of very few samples."""
    if not 0 < found.count < FEW:
        return []
    samples = "only 1 sample" if found.count == 1 else f"only {found.count} samples"
    return [f"{samples}: others may leave the ranges measured on them; give about 100 typical ones"]


def _unused(found: Calibration, program: Program) -> list[str]:
    """Inputs whose samples use little of the range that was asked for."""
    lines = []
    for port in program.inputs:
        seen, tensor = found.fidelity.get(port.name), program.tensors[port.tensor]
        if seen is not None and seen.small >= SMALL:
            low, high = input_ranges.ends(tensor)
            lines.append(
                f"the samples of input {port.name!r} use less than a sixteenth of its range [{low:g}, {high:g}]:"
                " are they scaled as the float model takes them, and is the range?"
            )
    return lines


def _equalised(found: Calibration) -> list[str]:
    """What equalisation did."""
    largest = max((max(factors) for factors in found.gains.values()), default=1.0)
    gains = f"{len(found.gains)} groups of channels are equalised, with gains up to {largest:.4g}"
    return [f"{gains} ({BY_LAYER})"] if found.gains else []


def _descended(found: Calibration) -> list[str]:
    """What coordinate descent did."""
    if not found.roundings:
        return []
    every, moved = (sum(int(count(row)) for row in found.roundings.values()) for count in (np.size, np.sum))
    return [f"{moved} of {every} weights in {len(found.roundings)} layers are not rounded to the nearest ({BY_LAYER})"]


def _left_out(whole: Program, pruned: Program) -> list[str]:
    """What removing constant channels saved."""
    every, left = (sum(len(c.consts["bias"]) for c in p.calls if "bias" in c.consts) for p in (whole, pruned))
    if every == left:
        return []
    work = f"{ops.total_macs(pruned):,} of {ops.total_macs(whole):,} MACs remain"
    return [f"{every - left} of {every} channels of linear layers are constant or unused and left out: {work}"]
