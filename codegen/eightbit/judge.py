# SPDX-License-Identifier: Apache-2.0
"""An independent judge: every call, fed with the runtime's own inputs, against what the runtime made of them.

The simulator and the C share lowering and arithmetic; the exported model in ONNX Runtime shares neither. It rounds
ties to even and computes in float32, so an operator that rounds may differ by one step where the exact value is half
way between two integers, or within float error of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from eightbit import ops
from eightbit.export import to_onnx
from eightbit.fixed import Int8, Int64, dequantise
from eightbit.float_run import FloatModel
from eightbit.ops import avgpool
from eightbit.ops.linear import Linear
from eightbit.ops.softmax import exp_bits
from eightbit.program import Call, Program, stored
from eightbit.qdq import value_names
from eightbit.samples import Samples
from eightbit.simulate import input_batch

Float = NDArray[np.float64]
NEAR = 2.0**-10  # output steps: float32 sums of what 24 bits hold are far nearer, wrong roundings far farther
FUNCTIONS: dict[str, Callable[[Float], Float]] = {"Sigmoid": lambda x: 1 / (1 + np.exp(-x)), "Tanh": np.tanh}


@dataclass(frozen=True)
class Verdict:
    """One call, or the quantisation of one model input, over all samples.

    `differing` outputs are not ties, `differing_ties` are: their exact value is half way between two integers.
    `from_half`: how far from half way, in output steps, the exact value of any other differing output is at most;
    `near`: how far it may be.
    """

    call: str
    op: str
    outputs: int
    largest: int
    differing: int
    ties: int
    differing_ties: int
    from_half: float
    rounds: bool
    near: float = NEAR

    @property
    def ok(self) -> bool:
        """Within one step, and near half way, where the operator rounds; equal where it only moves or chooses."""
        return self.largest <= int(self.rounds) and self.from_half <= self.near


def judge(program: Program, samples: Samples) -> list[Verdict]:
    """Verdicts on the quantisation of the inputs and on every call, in the order of the Program."""
    seen, found = observe(program, samples), []
    for port, ours in zip(program.inputs, input_batch(program, samples).values(), strict=True):
        tensor = program.tensors[port.tensor]
        exact = samples.arrays[port.name].astype(np.float64).reshape(samples.count, -1) / tensor.scale
        memory = stored(ours, tensor), stored(seen[port.tensor], tensor)
        found.append(compare(port.tensor, "quantise", *memory, _from_half(exact)))
    for call in program.calls:
        inputs = [seen[name] for name in call.inputs]
        ours = ops.get(call.op).evaluate(call, inputs, program.tensors[call.output].shape)
        verdict = compare(call.name, call.op, ours, seen[call.output], distance(program, call, inputs))
        found.append(replace(verdict, near=max(NEAR, rounded_constants(call))))
    return found


def observe(program: Program, samples: Samples) -> dict[str, Int8]:
    """Every tensor of the exported model in ONNX Runtime, as batches [N, H, W, C]."""
    names = value_names(program)
    model = FloatModel(to_onnx(program).SerializeToString(), list(names.values()))
    runs = list(model.each(samples))
    return {
        tensor: np.concatenate([run[name] for run in runs]).transpose(0, 2, 3, 1).astype(np.int8)
        for tensor, name in names.items()
    }


def compare(call: str, op: str, ours: Int8, theirs: Int8, from_half: Float | None) -> Verdict:
    """`from_half`: distance of the exact values from half way, broadcastable; None where nothing is rounded."""
    error = np.abs(ours.astype(np.int64) - theirs)
    apart = np.broadcast_to(np.ones(1) if from_half is None else from_half, error.shape)
    ties, wrong = apart == 0, error > 0
    return Verdict(
        call, op, error.size,
        largest=int(error.max()),
        differing=int((wrong & ~ties).sum()),
        ties=int(ties.sum()),
        differing_ties=int((wrong & ties).sum()),
        from_half=float(apart[wrong].max(initial=0.0)),
        rounds=from_half is not None,
    )  # fmt: skip


def distance(program: Program, call: Call, inputs: Sequence[Int8]) -> Float | None:
    """How far from half way between two integers the exact outputs of a call are; 0 exactly at ties."""
    op, x, out = ops.get(call.op), program.tensors[call.inputs[0]], program.tensors[call.output]
    p = call.params
    if isinstance(op, Linear):
        return _linear(call, op.accumulate(call, inputs[0], out.shape) + call.consts["bias"])
    if call.op == "avgpool":
        sums = avgpool.window_sums(inputs[0], p, x.zero_point, out.shape)
        counts = avgpool.cells(p, out.shape[0], out.shape[1])[:, :, None]
        return _average(sums, counts, x.ratio / out.ratio)
    if call.op == "gap":
        sums = (inputs[0].astype(np.int64) - x.zero_point).sum(axis=(1, 2), keepdims=True)
        return _average(sums, np.array(x.shape[0] * x.shape[1]), x.ratio / out.ratio)
    real = _real_output(program, call, inputs)
    return None if real is None else _from_half(real / out.scale)


def _real_output(program: Program, call: Call, inputs: Sequence[Int8]) -> Float | None:
    """What a function of real values gives; None for calls that only move or choose."""
    tensors = [program.tensors[name] for name in call.inputs]
    reals = [dequantise(q, t.scale, t.zero_point) for q, t in zip(inputs, tensors, strict=True)]
    if call.op == "add":
        return reals[0] + reals[1]
    if call.op == "lut":
        return FUNCTIONS[call.params.function](reals[0])
    if call.op == "softmax":
        powers = np.exp(reals[0] - reals[0].max(axis=3, keepdims=True))
        return np.asarray(powers / powers.sum(axis=3, keepdims=True))
    return None


def rounded_constants(call: Call) -> float:
    """How far, in output steps, rounded multipliers or table entries may move an output before it is rounded.

    softmax: entries are off by 2^-(b+1) at most, so e / S by (1 + ch) times as much, and a step is 2^-n.
    add: two multipliers are off by 2^-(k+1) at most, for inputs up to 255.
    """
    p = call.params
    if call.op == "add":
        return float(255 * 2.0**-p.sum_rshift)
    if call.op == "softmax":
        return float((1 + p.ch) * 2.0 ** (p.out_lshift - exp_bits(p.ch, p.out_lshift) - 1))
    return 0.0


def _from_half(exact: Float) -> Float:
    return np.asarray(np.abs(exact - np.floor(exact) - 0.5))


def _linear(call: Call, acc: Int64) -> Float:
    """acc * m * 2^(l-32-k) in 64-bit integers: |acc << l| < 2^31 and m < 2^31."""
    bits = 32 + call.params.out_rshift
    product = (acc << call.params.acc_lshift) * call.consts["mult"].astype(np.int64)
    rest = product & ((1 << bits) - 1)
    return np.asarray(np.abs(rest - (1 << (bits - 1))) / 2.0**bits)


def _average(sums: Int64, counts: Int64, ratio: Fraction) -> Float:
    """sum / count * ratio in rationals, once for each pair of sum and count that occurs."""
    pairs = np.stack(np.broadcast_arrays(sums, counts), axis=-1).reshape(-1, 2)
    kinds, which = np.unique(pairs, axis=0, return_inverse=True)
    exact = [ratio * Fraction(int(total), int(count)) for total, count in kinds]
    return np.array([float(abs(v % 1 - Fraction(1, 2))) for v in exact])[which].reshape(sums.shape)
