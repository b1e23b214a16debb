# SPDX-License-Identifier: Apache-2.0
"""Proofs: what every accumulator and every result can be, whatever the model's input, from the actual weights.

Intervals per channel run through the Program in execution order; each call makes its own from those it reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from eightbit import ops
from eightbit.ir.program import Call, Program, Proof, Tensor
from eightbit.ops.opdef import Interval

Ranges = Mapping[str, Interval]


def unknown(tensor: Tensor) -> Interval:
    """Any s8 value: what holds for a model input."""
    return Interval.whole(tensor.shape[2])


def of_inputs(program: Program) -> dict[str, Interval]:
    """The ranges of the model's inputs."""
    return {port.tensor: unknown(program.tensors[port.tensor]) for port in program.inputs}


def of_call(program: Program, call: Call, ranges: Ranges) -> tuple[Proof, Interval]:
    """The Proof of one call for inputs within `ranges`, and the range of its results once more."""
    ins, out, op = [program.tensors[name] for name in call.inputs], program.tensors[call.output], ops.get(call.op)
    acc, results = op.intervals(call, [ranges[name] for name in call.inputs], ins, out)
    scales = op.weight_scale(call, ins, out)
    return Proof(results.pairs(), None if acc is None else acc.pairs(), scales), results


def prove(program: Program) -> Program:
    """The Program with the Proof of every call."""
    ranges, calls = of_inputs(program), []
    for call in program.calls:
        proof, ranges[call.output] = of_call(program, call, ranges)
        calls.append(replace(call, proof=proof))
    return replace(program, calls=tuple(calls))


def accumulator_bits(proof: Proof) -> int | None:
    """The two's complement bits that hold every accumulator of a call; None: it has none."""
    if proof.acc is None:
        return None
    return 1 + max(max(high, -1 - low).bit_length() for low, high in proof.acc)
