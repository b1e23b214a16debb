# SPDX-License-Identifier: Apache-2.0
"""What must hold for every call: parameters, constants, shapes and indices, before any interval is derived."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from eightbit.audit.intervals import walk
from eightbit.audit.model import S8_MAX, S8_MIN, Call, Ledger, Program, Tensor
from eightbit.audit.windows import averages

WINDOW = "in_h in_w out_w kh kw stride_y stride_x dil_y dil_x pad_top pad_left"
CLAMP = "act_min act_max"
REQUANT = f"zp_in acc_lshift out_rshift {CLAMP} out_c"
LINEAR = {"weights": "int8", "bias": "int32", "mult": "int32"}
PARAMS = {
    "conv": f"{WINDOW} in_ch out_ch groups {REQUANT}",
    "depthwise": f"{WINDOW} in_ch out_ch groups {REQUANT}",
    "fc": f"in_n out_n {REQUANT}",
    "gap": f"in_h in_w ch {REQUANT} mult",
    "avgpool": f"{WINDOW} ch count_y0 count_y1 count_x0 count_x1 counts_n {REQUANT}",
    "maxpool": f"{WINDOW} ch {CLAMP}",
    "add": f"w ch mult_a mult_b sum_rshift {CLAMP} sum_c",
    "clamp": f"w ch {CLAMP}",
    "lut": "w ch function",
    "softmax": "w ch out_lshift",
    "permute": "out_w out_ch extent stride",
    "reshape": "in_order out_order",
}
CONSTS: Mapping[str, Mapping[str, str]] = {
    "conv": LINEAR, "depthwise": LINEAR, "fc": LINEAR, "avgpool": {"counts": "int16", "mult": "int32"},
    "lut": {"table": "int8"}, "softmax": {"table": "uint32"},
}  # fmt: skip
LIMITS = {
    "acc_lshift": (0, 30), "out_rshift": (1, 23), "sum_rshift": (1, 22), "out_lshift": (8, 15), "mult": (0, 2**31 - 1),
    "mult_a": (0, 2**15 - 1), "mult_b": (0, 2**15 - 1),
}  # fmt: skip
SAME_SCALE = ("maxpool", "clamp", "permute", "reshape")
PLANES = ("conv", "depthwise", "maxpool", "avgpool", "gap", "reshape")  # may read a tensor stored as planes
KIND = "shapes and indices"

Facts = Iterator[tuple[bool, str]]


def structure(program: Program, ledger: Ledger) -> bool:
    """Tensors, ports and calls; True when every call can be understood."""
    unsound = [tensor for tensor in program.tensors.values() if not _tensor(tensor, ledger)]
    sound = not unsound
    known = {port.tensor for port in program.inputs}
    for call in program.calls:
        holds = call.op in PARAMS and set(call.inputs) <= known and call.name in program.tensors
        holds = holds and call.name not in known and len(call.inputs) == (2 if call.op == "add" else 1)
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
    if not ledger.equal(KIND, call.name, "params", sorted(call.params), sorted(PARAMS[call.op].split())):
        return False
    dtypes = {role: str(array.dtype) for role, array in call.consts.items()}
    if not ledger.equal(KIND, call.name, "constants", dtypes, dict(CONSTS.get(call.op, {}))):
        return False
    try:
        facts = [*_common(program, call), *_own(program, call)]
    except (TypeError, ValueError, IndexError, ZeroDivisionError, MemoryError) as error:
        return ledger.expect(KIND, call.name, False, f"its parameters make no sense: {error}")
    return ledger.every(KIND, call.name, facts)


def _common(program: Program, call: Call) -> Facts:
    ins, out = program.ins(call), program.tensors[call.name]
    if call.op in SAME_SCALE:
        x = ins[0]
        yield (x.scale, x.zero_point) == (out.scale, out.zero_point), "input and output differ in scale or zero point"
    if call.op not in PLANES:
        yield all(x.order == "HWC" for x in ins), "it cannot read planes"
    if call.op != "reshape":
        yield out.order == "HWC", "it cannot write planes"
    if "act_min" in call.params:
        low, high = call.number("act_min"), call.number("act_max")
        yield S8_MIN <= low <= high <= S8_MAX, f"clamp [{low}, {high}] is no s8 interval"
    if "zp_in" in call.params:
        yield call.number("zp_in") == ins[0].zero_point, f"zp_in is not the zero point {ins[0].zero_point} of its input"
    yield from _limits(call)
    if "kh" in call.params:
        yield call.number("out_w") == out.shape[1], f"out_w is not the width {out.shape[1]} of its output"


def _limits(call: Call) -> Facts:
    for name, value in call.params.items():
        values = value if isinstance(value, tuple) else () if isinstance(value, str) else (value,)
        yield all(-(2**31) <= v < 2**31 for v in values), f"{name}={value} does not fit 32 bits"
    for name, (low, high) in LIMITS.items():
        if name in call.params:
            yield low <= call.number(name) <= high, f"{name}={call.number(name)} is outside {low} .. {high}"
    if "kh" in call.params:
        for name in WINDOW.split():
            least = 0 if name.startswith("pad") else 1
            yield least <= call.number(name) <= 32767, f"{name}={call.number(name)} is out of range"
    if "mult" in call.consts:
        yield not (call.consts["mult"] < 0).any(), "a multiplier is negative"


def _own(program: Program, call: Call) -> Facts:
    x, out = program.ins(call)[0], program.tensors[call.name]
    if call.op in ("conv", "depthwise"):
        yield from _window_weights(call, x, out)
    elif call.op == "fc":
        yield from _shapes(call, (call.number("out_n"), call.number("in_n")), call.number("out_n"))
        yield x.size == call.number("in_n"), f"in_n is not the {x.size} elements of its input"
        yield out.shape == (1, 1, call.number("out_n")), f"out_n does not make {out.shape}"
    elif call.op in ("gap", "maxpool", "avgpool"):
        yield from _pool(call, x, out)
    elif call.op in ("add", "clamp", "lut", "softmax"):
        same = all(t.shape == out.shape for t in program.ins(call))
        yield same and out.shape[1:] == (call.number("w"), call.number("ch")), "params and shapes differ"
        if "table" in call.consts:
            yield call.consts["table"].shape == (256,), "its table has not 256 entries"
    elif call.op == "reshape":
        yield x.size == out.size, "input and output differ in size"
        orders = (call.params["in_order"], call.params["out_order"])
        yield orders == (x.order, out.order), "params and tensors differ in axis order"
    elif call.op == "permute":
        yield from _permute(call, x, out)


def _shapes(call: Call, weights: tuple[int, ...], channels: int) -> Facts:
    for role, shape in (("weights", weights), ("bias", (channels,)), ("mult", (channels,))):
        yield call.consts[role].shape == shape, f"{role} are {call.consts[role].shape}, the params read {shape}"


def _window_weights(call: Call, x: Tensor, out: Tensor) -> Facts:
    n = call.number
    ins, outs, groups = n("in_ch"), n("out_ch"), n("groups")
    yield x.shape == (n("in_h"), n("in_w"), ins), f"params are not for its input of {x.shape}"
    yield out.shape[2] == outs, f"out_ch is not the {out.shape[2]} channels of its output"
    divides = groups >= 1 and ins % groups == 0 and outs % groups == 0
    yield divides, f"{ins} and {outs} channels do not split into {groups} groups"
    if call.op == "depthwise":
        yield groups == ins, f"{groups} groups for {ins} channels"
        yield from _shapes(call, (n("kh"), n("kw"), outs), outs)
    elif divides:
        yield from _shapes(call, (outs, n("kh"), n("kw"), ins // groups), outs)


def _pool(call: Call, x: Tensor, out: Tensor) -> Facts:
    n = call.number
    yield x.shape == (n("in_h"), n("in_w"), n("ch")), f"params are not for its input of {x.shape}"
    yield out.shape[2] == n("ch"), f"ch is not the {out.shape[2]} channels of its output"
    if call.op == "gap":
        yield out.shape[:2] == (1, 1), "its output is more than one pixel"
    if call.op == "avgpool":
        counts, divisors = call.consts["counts"], {counted for _, counted in averages(call, out)}
        yield counts.shape == call.consts["mult"].shape == (n("counts_n"),), f"counts_n is not {counts.size}"
        yield counts.tolist() == sorted(set(counts.tolist())), "counts do not ascend"
        yield (
            0 not in divisors and divisors <= set(counts.tolist()),
            "a window has a number of cells without multiplier",
        )


def _permute(call: Call, x: Tensor, out: Tensor) -> Facts:
    extent, stride = call.numbers("extent"), call.numbers("stride")
    fits = len(extent) == len(stride) == 6 and math.prod(extent) == x.size == out.size and min(extent) >= 1
    yield fits, "its digits do not count the elements of input and output"
    yield out.shape[1:] == (call.number("out_w"), call.number("out_ch")), "params are not for its output"
    if fits:
        yield bool((np.sort(walk(call)) == np.arange(x.size)).all()), "it does not read every element once"
