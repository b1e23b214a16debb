# SPDX-License-Identifier: Apache-2.0
"""Is a Program well formed, and do its integers fit? Answers with a list of findings, empty when all is well."""

from __future__ import annotations

import math
from dataclasses import fields

import numpy as np

from eightbit import ops
from eightbit.ir import intervals
from eightbit.ir.cfields import field_findings
from eightbit.ir.fixed import M31_MAX_K, S8_MAX, S8_MIN, rounding_constant
from eightbit.ir.program import Call, Program, Proof, Tensor
from eightbit.ops.opdef import Interval

ROWS_MAX = 32767  # row counters are 16 bits wide


def check(program: Program) -> list[str]:
    """Everything wrong with a Program, in reading order."""
    found = [f"tensor {t.name}: {text}" for t in program.tensors.values() for text in _tensor_findings(t)]
    known = {port.tensor for port in program.inputs}
    ranges = {} if found else intervals.of_inputs(program)
    for call in program.calls:
        missing = [name for name in call.inputs if name not in known]
        if missing or call.output not in program.tensors or call.output in known:
            found.append(f"{call.name}: reads {missing or 'nothing unknown'}, writes {call.output}")
            return found  # nothing after this has a meaning
        wrong = _call_findings(program, call)
        if not found and not wrong:  # a proof stands on all that comes before
            wrong = _sum_findings(call, ranges[call.inputs[0]])
            proof, ranges[call.output] = intervals.of_call(program, call, ranges)
            wrong += _proof_findings(call.proof, proof)
        found += [f"{call.name}: {text}" for text in wrong]
        known.add(call.output)
    for port in (*program.inputs, *program.outputs):
        if port.tensor not in known or math.prod(port.shape) != program.tensors[port.tensor].size:
            found.append(f"port {port.name!r} does not match tensor {port.tensor}")
    return found


def _tensor_findings(tensor: Tensor) -> list[str]:
    found = []
    if not (0 < tensor.scale < math.inf) or float(np.float32(tensor.scale)) != tensor.scale:
        found.append(f"scale {tensor.scale} is not a positive float32 value")
    if not S8_MIN <= tensor.zero_point <= S8_MAX:
        found.append(f"zero point {tensor.zero_point} is not an s8 value")
    if any(not 1 <= size <= ROWS_MAX for size in tensor.shape):
        found.append(f"shape {'x'.join(map(str, tensor.shape))} has a size outside 1 .. {ROWS_MAX}")
    if tensor.order not in ("HWC", "CHW"):
        found.append(f"unknown axis order {tensor.order!r}")
    return found


def _call_findings(program: Program, call: Call) -> list[str]:
    op = ops.get(call.op)
    ins, out = [program.tensors[name] for name in call.inputs], program.tensors[call.output]
    found = field_findings(call.params)
    wrong = [r for r, dtype in op.consts.items() if r not in call.consts or str(call.consts[r].dtype) != dtype]
    if wrong or set(call.consts) != set(op.consts):
        return [*found, f"constants {sorted(call.consts)} are not {dict(op.consts)}"]
    shape = op.out_shape(call, ins, out)
    if shape is not None and shape != out.shape:
        found.append(f"output is {out.shape}, params say {shape}")
    found += op.check(call, ins, out)
    return found or _requantise_findings(call, out)


def _requantise_findings(call: Call, out: Tensor) -> list[str]:
    p, found = call.params, []
    if hasattr(p, "act_min") and not S8_MIN <= p.act_min <= p.act_max <= S8_MAX:
        found.append(f"clamp [{p.act_min}, {p.act_max}] is not an s8 interval")
    if not hasattr(p, "out_rshift"):
        return found
    if not 1 <= p.out_rshift <= M31_MAX_K or not 0 <= p.acc_lshift <= 30:
        return [*found, f"shifts l = {p.acc_lshift}, k = {p.out_rshift} are out of range"]
    if p.out_c != rounding_constant(out.zero_point, p.out_rshift):
        found.append(f"out_c = {p.out_c} is not (zp << k) + 2^(k-1)")
    mults = np.atleast_1d(call.consts.get("mult", getattr(p, "mult", 0)))
    if (mults < 0).any():
        found.append("a multiplier is negative")
    return found


def _sum_findings(call: Call, x: Interval) -> list[str]:
    """No partial sum, in whatever order a kernel adds, may leave 32 bits after the left shift."""
    bounds = ops.get(call.op).accumulator_bound(call, int(x.low.min()), int(x.high.max()))
    if bounds is None or int(bounds.max()) < 1 << (31 - call.params.acc_lshift):
        return []
    return [f"|acc| can reach {int(bounds.max())}, beyond 2^{31 - call.params.acc_lshift}"]


def _proof_findings(stored: Proof | None, proof: Proof) -> list[str]:
    """Where a stored proof is not what follows from weights, multipliers and ranges."""
    if stored is None:
        return []
    found = []
    for line in fields(Proof):
        old, new = getattr(stored, line.name), getattr(proof, line.name)
        if old == new:
            continue
        if old is None or new is None or len(old) != len(new):
            found.append(f"{line.name} is not given per channel")
        else:
            channel = next(i for i, pair in enumerate(zip(old, new, strict=True)) if pair[0] != pair[1])
            found.append(f"{line.name} of channel {channel} is {new[channel]}, not {old[channel]}")
    return found
