# SPDX-License-Identifier: Apache-2.0
"""The judge on random calls of every operator, and on faults that it must see."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

import eightbit
from eightbit import ops
from eightbit.export import to_onnx
from eightbit.frontend.samples import Samples, read
from eightbit.ir.fixed import dequantise
from eightbit.ir.program import Call, Port, Program, Tensor, stored
from eightbit.judge import Verdict, judge
from eightbit.lower.pool import Requant
from eightbit.ops import avgpool, gap, lut, softmax
from kernels.cases import Case, make, tensor
from models import model, node, samples, weights

CASES = 25
Arrays = dict[str, NDArray[np.float32]]


# Random calls, straight from the operators' own case makers


def averaging(made: Case) -> Case:
    """The case with multipliers and rounding for its scales; those of the kernel tests are drawn freely."""
    p, x, y = made.call.params, made.inputs[0], replace(made.output, scale=1.25, zero_point=-7)
    pool = made.call.op == "avgpool"
    counts = np.unique(avgpool.cells(p, y.shape[0], y.shape[1])) if pool else np.array([p.in_h * p.in_w])
    requant = Requant(x, y, counts.tolist())
    fields = {"acc_lshift": requant.lshift, "out_rshift": requant.rshift, "out_c": requant.out_c}
    if not pool:
        return with_params(made, y, {}, mult=requant.mults[0], **fields)
    consts = {"counts": counts.astype(np.int16), "mult": np.array(requant.mults, np.int32)}
    return with_params(made, y, consts, counts_n=len(counts), **fields)


def unary(made: Case) -> Case:
    x, y = replace(made.inputs[0], scale=0.03125, zero_point=9), replace(made.output, scale=0.0078125)
    return replace(with_params(made, y, {"table": lut.table("Tanh", x, y)}), inputs=(x,))


def soft(made: Case) -> Case:
    x = replace(made.inputs[0], scale=0.0625)
    table = softmax.exp_table(x.scale, x.shape[2], made.call.params.out_lshift)
    return replace(with_params(made, made.output, {"table": table}), inputs=(x,))


def with_params(made: Case, output: Tensor, consts: dict[str, NDArray[Any]], **fields: int) -> Case:
    call = replace(made.call, params=replace(made.call.params, **fields), consts=consts)
    return replace(made, call=call, output=output)


SCALED: dict[str, Callable[[Case], Case]] = {"avgpool": averaging, "gap": averaging, "lut": unary, "softmax": soft}


def drawn(op: str, seed: int) -> Case:
    """A random call whose tensors have the zero points that its params speak of."""
    case_of: Callable[[np.random.Generator], Case] = importlib.import_module(f"ops.test_{op}").case
    made = case_of(np.random.default_rng((seed, 7)))
    if op in SCALED:
        made = SCALED[op](made)
    p, ins, y = made.call.params, made.inputs, made.output
    if hasattr(p, "zp_in"):
        ins = (replace(ins[0], zero_point=p.zp_in),)
    if hasattr(p, "out_c"):
        y = replace(y, zero_point=p.out_c >> p.out_rshift)
    return replace(made, inputs=ins, output=y)


def program(made: Case) -> Program:
    tensors = (*made.inputs, made.output)
    ports = tuple(Port(f"model {t.name}", t.name, (1, t.size)) for t in tensors)
    return Program("case", ports[:-1], ports[-1:], {t.name: t for t in tensors}, (made.call,))


def feed(made: Case) -> Samples:
    """The real values that quantise to the bytes of the case."""
    pairs = list(zip(made.inputs, made.arrays, strict=True))
    real = {f"model {t.name}": dequantise(stored(array, t), t.scale, t.zero_point) for t, array in pairs}
    return read(real, {f"model {t.name}": (1, t.size) for t, _ in pairs})


def verdict(made: Case) -> Verdict:
    return judge(program(made), feed(made))[-1]


@pytest.mark.parametrize("op", sorted(set(ops.all_ops()) - {"reshape"}))
def test_random_calls_of_every_operator_mean_what_their_scales_say(op: str, seed: int) -> None:
    for index in range(seed * CASES, (seed + 1) * CASES):
        made = drawn(op, index)
        onnx.checker.check_model(to_onnx(program(made)), full_check=True)
        got = verdict(made)
        assert got.ok, f"case {index}: {got}\n{made.call.params}"


def given(program: Program, arrays: Arrays) -> Samples:
    return read(arrays, {port.name: port.shape for port in program.inputs})


Change = Callable[[Call], Call]


def param(name: str, value: Callable[[Any], int]) -> Change:
    return lambda call: replace(call, params=replace(call.params, **{name: value(call.params)}))


def const(name: str, step: int) -> Change:
    """Add a number to a constant array."""
    return lambda call: replace(
        call, consts={**call.consts, name: (call.consts[name] + step).astype(call.consts[name].dtype)}
    )


def faulty() -> onnx.ModelProto:
    nodes = [
        node("Conv", "x w", "a", pads=[1, 1, 1, 1]),
        node("AveragePool", "a", "b", kernel_shape=[2, 3]),
        node("Tanh", "b", "c"),
        node("GlobalAveragePool", "c", "y"),
    ]
    return model(nodes, {"x": [1, 3, 6, 5]}, {"y": [1, 4, 1, 1]}, {"w": weights(4, 3, 3, 3)})


@pytest.mark.parametrize(
    ("op", "change"),
    [
        ("conv", param("out_c", lambda p: p.out_c - (1 << (p.out_rshift - 1)))),
        ("conv", param("zp_in", lambda p: p.zp_in + 1)),
        ("avgpool", param("out_c", lambda p: p.out_c - (1 << (p.out_rshift - 1)))),
        ("avgpool", const("mult", 1 << 22)),
        ("lut", const("table", 1)),
        ("gap", param("out_c", lambda p: p.out_c + (1 << p.out_rshift))),
        ("gap", param("mult", lambda p: p.mult * 63 // 64)),
    ],
)
def test_a_wrong_constant_is_seen_by_the_judge(op: str, change: Change) -> None:
    arrays = {"x": samples(3, 6, 5, count=24)}
    got = eightbit.compile(faulty(), arrays).program
    calls = tuple(change(call) if call.op == op else call for call in got.calls)
    verdicts = judge(replace(got, calls=calls), given(got, arrays))
    assert {v.op for v in verdicts if not v.ok} == {op}


def test_ties_are_counted_apart_and_may_go_to_either_side() -> None:
    x, y = tensor("x", (2, 1, 6)), tensor("y", (1, 1, 6))
    half = Requant(x, y, [2])
    params = gap.Params(
        in_h=2, in_w=1, ch=6, zp_in=0, acc_lshift=half.lshift, out_rshift=half.rshift, act_min=-128, act_max=127,
        out_c=half.out_c, mult=half.mults[0],
    )  # fmt: skip
    sums = [[-3, -2, 1, 2, 4, 5], [-2, -1, 2, 3, 4, 9]]  # four halves; up and to even part at -1.5 and 2.5
    made = make("gap", params, {}, [x], y, np.random.default_rng(0))
    got = verdict(replace(made, arrays=(np.array(sums, np.int8).reshape(1, 2, 1, 6),)))
    assert (got.ties, got.differing_ties, got.differing, got.largest) == (4, 2, 0, 1)
    assert got.ok
