# SPDX-License-Identifier: Apache-2.0
"""Is a Program well formed, and do its integers fit? Answers with a list of findings, empty when all is well."""

from __future__ import annotations

import math

import numpy as np

from eightbit import ops
from eightbit.cfields import field_findings
from eightbit.fixed import M31_MAX_K, S8_MAX, S8_MIN, Int64, rounding_constant
from eightbit.program import Call, Program, Tensor

ROWS_MAX = 32767  # row counters are 16 bits wide


def check(program: Program) -> list[str]:
    """Everything wrong with a Program, in reading order."""
    found = [f"tensor {t.name}: {text}" for t in program.tensors.values() for text in _tensor_findings(t)]
    known = {port.tensor for port in program.inputs}
    for call in program.calls:
        missing = [name for name in call.inputs if name not in known]
        if missing or call.output not in program.tensors or call.output in known:
            found.append(f"{call.name}: reads {missing or 'nothing unknown'}, writes {call.output}")
            return found  # nothing after this has a meaning
        found += [f"{call.name}: {text}" for text in _call_findings(program, call)]
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
    return found or _requantise_findings(program, call, out)  # its bounds need arrays of the right shape


def _requantise_findings(program: Program, call: Call, out: Tensor) -> list[str]:
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
    bounds = accumulator_bounds(program, call)
    limit = 1 << (31 - p.acc_lshift)
    if bounds is not None and int(bounds.max()) >= limit:
        found.append(f"|acc| can reach {int(bounds.max())}, beyond 2^{31 - p.acc_lshift}")
    return found


def accumulator_bounds(program: Program, call: Call) -> Int64 | None:
    """Per channel, the largest |accumulator| for the values its input can hold; None: no accumulator."""
    low, high = reachable(program, call.inputs[0])
    return ops.get(call.op).accumulator_bound(call, low, high)


def reachable(program: Program, tensor: str) -> tuple[int, int]:
    """An interval that holds every value of a tensor: its producer's clamp."""
    producer = program.producer(tensor)
    if producer is None:
        return S8_MIN, S8_MAX
    if producer.op in ("reshape", "permute"):
        return reachable(program, producer.inputs[0])
    return getattr(producer.params, "act_min", S8_MIN), getattr(producer.params, "act_max", S8_MAX)
