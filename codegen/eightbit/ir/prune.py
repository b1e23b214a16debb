# SPDX-License-Identifier: Apache-2.0
"""Program -> Program with the same outputs, without the channels that its proofs show to be constant.

Example: channel 3 of conv_1 is always its zero point, so that conv_2, a 3x3 with padding, adds nothing for it: conv_1
loses an output channel, conv_2 an input channel. Another constant goes only where every window lies inside the image:
there it adds the same to every accumulator, and moves into the bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from eightbit import ops
from eightbit.ir.fixed import Int64
from eightbit.ir.intervals import prove
from eightbit.ir.program import Call, Program
from eightbit.ops.opdef import Interval

Channels = NDArray[np.bool_]


def prune(program: Program) -> Program:
    """Remove channels until none is left to remove; model inputs and outputs keep all of theirs."""
    while True:
        program = prove(program)
        ranges = _ranges(program)
        gone = _removable(program, ranges)
        if not any(channels.any() for channels in gone.values()):
            return program
        program = _without(program, ranges, gone)


def _ranges(program: Program) -> dict[str, Interval]:
    proved = {call.output: call.proof.range for call in program.calls if call.proof is not None}
    return {
        name: Interval(*np.array(proved[name]).T) if name in proved else Interval.whole(tensor.shape[2])
        for name, tensor in program.tensors.items()
    }


def _removable(program: Program, ranges: Mapping[str, Interval]) -> dict[str, Channels]:
    """Per tensor, which channels can go together: all of them, less what any call has a reason to keep."""
    ports = {port.tensor for port in (*program.inputs, *program.outputs)}
    gone = {name: np.full(tensor.shape[2], name not in ports) for name, tensor in program.tensors.items()}
    while True:
        before = _count(gone)
        for call in program.calls:
            _keep(program, call, ranges, gone)
        if _count(gone) == before:
            empty = [channels for channels in gone.values() if channels.all()]
            if not empty:
                return gone
            empty[0][0] = False  # a tensor has at least one channel


def _count(gone: Mapping[str, Channels]) -> int:
    return sum(int(channels.sum()) for channels in gone.values())


def _keep(program: Program, call: Call, ranges: Mapping[str, Interval], gone: dict[str, Channels]) -> None:
    """Keep the channels that this call cannot lose."""
    op, first, out = ops.get(call.op), call.inputs[0], call.output
    sources = op.sources(call)
    ignored = op.ignored(call, program.tensors[first], program.tensors[out], ranges[first])
    if sources is not None:  # an output channel and those it is made from go together or not at all
        for name in call.inputs:
            gone[out] &= gone[name][sources]
        stay = np.unique(sources[~gone[out]])
        for name in call.inputs:
            gone[name][stay] = False
    elif ignored is not None:
        gone[first] &= ignored
    else:
        for name in (*call.inputs, out):
            gone[name][:] = False


def _without(program: Program, ranges: Mapping[str, Interval], gone: Mapping[str, Channels]) -> Program:
    """The Program without the channels of `gone`."""
    kept: dict[str, Int64] = {name: np.flatnonzero(~channels) for name, channels in gone.items()}

    def narrowed(call: Call) -> Call:
        first, out = call.inputs[0], call.output
        if not gone[first].any() and not gone[out].any():
            return call
        return ops.get(call.op).narrowed(call, program.tensors[first], ranges[first], kept[first], kept[out])

    tensors = {
        name: replace(tensor, shape=(*tensor.shape[:2], len(kept[name]))) for name, tensor in program.tensors.items()
    }
    return replace(program, tensors=tensors, calls=tuple(map(narrowed, program.calls)))
