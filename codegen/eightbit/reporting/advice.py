# SPDX-License-Identifier: Apache-2.0
"""What to do about a layer that loses much: figures in, one sentence with the cause and the remedy out."""

from __future__ import annotations

from collections.abc import Mapping

from eightbit.ir.fixed import S8_MAX, S8_MIN
from eightbit.ir.program import Program, Tensor
from eightbit.ptq.calibration import Fidelity

FEW = 1e-4  # a share of clipped values below it is an outlier's doing
MOST = 0.5  # of the noise: then clipping is the cause
UNEVEN = 8.0  # largest channel over the median one: three of eight bits are lost there
TINY = 0.99  # share of values that the four highest bits of the range do nothing for


def hint(program: Program, tensor: Tensor, found: Fidelity) -> str:
    """The likeliest cause of the noise of a tensor, and what helps."""
    if found.clipped_noise > MOST:
        return _clipped(tensor, found)
    if found.spread >= UNEVEN:
        return _uneven(program, tensor, found)
    if found.small > TINY:
        return (
            f"an outlier: {100 * found.small:.1f} % of its values stay below 1/16 of its range; look for the sample "
            "that makes the range so wide, and leave it out or clip it in the model"
        )
    return (
        "no single cause stands out: it loses what steps of eight bits lose; more samples, of all the kinds that "
        "occur, may still give it better ranges and biases"
    )


def _clipped(tensor: Tensor, found: Fidelity) -> str:
    low, high = ((end - tensor.zero_point) * tensor.scale for end in (S8_MIN, S8_MAX))
    share, noise = f"{100 * found.clipped:.2g} %", f"{100 * found.clipped_noise:.0f} %"
    if found.clipped < FEW:
        return (
            f"a clipped outlier: {share} of its values leave the range [{low:.4g}, {high:.4g}] and make {noise} of its "
            "noise; if such values matter, put samples that have them among those of the calibration"
        )
    return (
        f"more samples: {share} of its values leave the calibrated range [{low:.4g}, {high:.4g}] and make {noise} of "
        "its noise; calibrate with more samples, of all the kinds that occur"
    )


def _uneven(program: Program, tensor: Tensor, found: Fidelity) -> str:
    times = f"the largest is {found.spread:.3g} times the median one"
    if any(port.tensor == tensor.name for port in program.inputs):
        return (
            f"one input scale for sensors of different size: {times}; bring each to the same range before the "
            "model, or give the model one input for each"
        )
    return (
        f"uneven channels: {times}, so small ones have few steps; equalisation evens only what a Relu or a linear "
        "layer separates from linear layers: train with BatchNormalization before it, or with weight decay"
    )


def added_noise(program: Program, found: Mapping[str, Fidelity]) -> dict[str, float]:
    """By call, the noise over signal that its output has and none of its inputs had; only where it is known."""
    held = {name: _noise(found, tensor) for name, tensor in program.tensors.items()}
    added = {}
    for call in program.calls:
        made, given = held[call.output], [held[name] for name in call.inputs]
        if made is not None:
            added[call.name] = made - max((noise for noise in given if noise is not None), default=0.0)
    return added


def _noise(found: Mapping[str, Fidelity], tensor: Tensor) -> float | None:
    figures = found.get(tensor.value)
    return None if figures is None or figures.sqnr_db is None else float(10 ** (-figures.sqnr_db / 10))
