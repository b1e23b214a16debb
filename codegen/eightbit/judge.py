# SPDX-License-Identifier: Apache-2.0
"""An independent judge: every call, fed with the runtime's own inputs, against what the runtime made of them.

The simulator and the C share lowering and arithmetic; the exported model in ONNX Runtime shares neither. It rounds
ties to even and computes in float32, so an operator that rounds may differ by one step where the exact value is half
way between two integers, or within float error of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from eightbit import ops
from eightbit.export import to_onnx
from eightbit.frontend.float_run import FloatModel
from eightbit.frontend.samples import Samples
from eightbit.ir.fixed import Int8
from eightbit.ir.program import Program, stored
from eightbit.ir.ties import Float, from_half
from eightbit.qdq import value_names
from eightbit.simulate import input_batch

NEAR = 2.0**-10  # output steps: float32 sums of what 24 bits hold are far nearer, wrong roundings far farther


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
        found.append(compare(port.tensor, "quantise", *memory, from_half(exact)))
    for call in program.calls:
        op, inputs, out = ops.get(call.op), [seen[name] for name in call.inputs], program.tensors[call.output]
        apart = op.from_half(call, inputs, [program.tensors[name] for name in call.inputs], out)
        verdict = compare(call.name, call.op, op.evaluate(call, inputs, out.shape), seen[call.output], apart)
        found.append(replace(verdict, near=max(NEAR, op.constants_off(call))))
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


def compare(call: str, op: str, ours: Int8, theirs: Int8, apart: Float | None) -> Verdict:
    """`apart`: distance of the exact values from half way, broadcastable; None where nothing is rounded."""
    error = np.abs(ours.astype(np.int64) - theirs)
    distance = np.broadcast_to(np.ones(1) if apart is None else apart, error.shape)
    ties, wrong = distance == 0, error > 0
    return Verdict(
        call, op, error.size,
        largest=int(error.max()),
        differing=int((wrong & ~ties).sum()),
        ties=int(ties.sum()),
        differing_ties=int((wrong & ties).sum()),
        from_half=float(distance[wrong].max(initial=0.0)),
        rounds=apart is not None,
    )  # fmt: skip
