# SPDX-License-Identifier: Apache-2.0
"""What must hold for every call: parameters, constants, shapes and indices, before any interval is derived."""

from __future__ import annotations

import math

import numpy as np

from eightbit.audit.model import S8_MAX, S8_MIN, Call, Ledger, Program, Tensor
from eightbit.audit.operator import WINDOW, Facts, Operator
from eightbit.audit.ops import all_ops

LIMITS = {"acc_lshift": (0, 30), "out_rshift": (1, 23), "mult": (0, 2**31 - 1)}  # wherever they occur
KIND = "shapes and indices"


def structure(program: Program, ledger: Ledger) -> bool:
    """Tensors, ports and calls; True when every call can be understood."""
    unsound = [tensor for tensor in program.tensors.values() if not _tensor(tensor, ledger)]
    sound = not unsound
    known = {port.tensor for port in program.inputs}
    for call in program.calls:
        if not ledger.expect("calls", call.name, call.op in all_ops(), f"{call.op} is no operator known here"):
            return False
        holds = set(call.inputs) <= known and call.name in program.tensors and call.name not in known
        holds = holds and len(call.inputs) == all_ops()[call.op].inputs
        if not ledger.expect("calls", call.name, holds, f"{call.op} of {call.inputs} is not a call that can be made"):
            return False
        sound &= _call(program, call, ledger)
        known.add(call.name)
    sound &= ledger.equal("tensors", "program.txt", "the set of tensors", set(program.tensors), known)
    for port in (*program.inputs, *program.outputs):
        holds = port.tensor in known and math.prod(port.shape) == program.tensors[port.tensor].size
        sound &= ledger.expect("tensors", f"port {port.name!r}", holds, f"does not match tensor {port.tensor}")
    return sound


def _tensor(tensor: Tensor, ledger: Ledger) -> bool:
    scale = float(tensor.scale)
    facts = [
        (0 < scale < math.inf and float(np.float32(scale)) == scale, "its scale is not a positive float32 value"),
        (S8_MIN <= tensor.zero_point <= S8_MAX, f"zero point {tensor.zero_point} is no s8 value"),
        (all(1 <= size <= 32767 for size in tensor.shape), f"a size of {tensor.shape} is outside 1 .. 32767"),
    ]
    return ledger.every("tensors", tensor.name, facts)


def _call(program: Program, call: Call, ledger: Ledger) -> bool:
    op = all_ops()[call.op]
    if not ledger.equal(KIND, call.name, "params", sorted(call.params), sorted(op.params.split())):
        return False
    dtypes = {role: str(array.dtype) for role, array in call.consts.items()}
    if not ledger.equal(KIND, call.name, "constants", dtypes, dict(op.consts)):
        return False
    try:
        facts = [*_common(program, call, op), *op.facts(call, program.ins(call), program.tensors[call.name])]
    except (TypeError, ValueError, IndexError, ZeroDivisionError, MemoryError) as error:
        return ledger.expect(KIND, call.name, False, f"its parameters make no sense: {error}")
    return ledger.every(KIND, call.name, facts)


def _common(program: Program, call: Call, op: Operator) -> Facts:
    ins, out = program.ins(call), program.tensors[call.name]
    if op.same_scale:
        x = ins[0]
        yield (x.scale, x.zero_point) == (out.scale, out.zero_point), "input and output differ in scale or zero point"
    if not op.planes:
        yield all(x.order == "HWC" for x in ins), "it cannot read planes"
    if call.op != "reshape":
        yield out.order == "HWC", "it cannot write planes"
    if "act_min" in call.params:
        low, high = call.number("act_min"), call.number("act_max")
        yield S8_MIN <= low <= high <= S8_MAX, f"clamp [{low}, {high}] is no s8 interval"
    if "zp_in" in call.params:
        yield call.number("zp_in") == ins[0].zero_point, f"zp_in is not the zero point {ins[0].zero_point} of its input"
    yield from _limits(call, op)
    if "kh" in call.params:
        yield call.number("out_w") == out.shape[1], f"out_w is not the width {out.shape[1]} of its output"


def _limits(call: Call, op: Operator) -> Facts:
    for name, value in call.params.items():
        values = value if isinstance(value, tuple) else () if isinstance(value, str) else (value,)
        yield all(-(2**31) <= v < 2**31 for v in values), f"{name}={value} does not fit 32 bits"
    for name, (low, high) in {**LIMITS, **op.limits}.items():
        if name in call.params:
            yield low <= call.number(name) <= high, f"{name}={call.number(name)} is outside {low} .. {high}"
    if "kh" in call.params:
        for name in WINDOW.split():
            least = 0 if name.startswith("pad") else 1
            yield least <= call.number(name) <= 32767, f"{name}={call.number(name)} is out of range"
    if "mult" in call.consts:
        yield not (call.consts["mult"] < 0).any(), "a multiplier is negative"
