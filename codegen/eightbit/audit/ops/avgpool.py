# SPDX-License-Identifier: Apache-2.0
"""Average of windows."""

from __future__ import annotations

from eightbit.audit.intervals import Derived, Interval, farthest, hull, requantised
from eightbit.audit.model import Call, Ledger, Program, Tensor
from eightbit.audit.operator import MULTIPLIERS, REQUANT, WINDOW, Facts, Operator
from eightbit.audit.pools import pool_facts, rounded_ratios
from eightbit.audit.windows import averages


def facts(call: Call, ins: list[Tensor], out: Tensor) -> Facts:
    yield from pool_facts(call, ins[0], out)
    counts, divisors = call.consts["counts"], {counted for _, counted in averages(call, out)}
    yield counts.shape == call.consts["mult"].shape == (call.number("counts_n"),), f"counts_n is not {counts.size}"
    yield counts.tolist() == sorted(set(counts.tolist())), "counts do not ascend"
    known = 0 not in divisors and divisors <= set(counts.tolist())
    yield known, "a window has a number of cells without multiplier"


def intervals(call: Call, program: Program, ins: list[Interval]) -> Derived:
    terms, counts = ins[0] - call.number("zp_in"), call.consts["counts"].tolist()
    mults = dict(zip(counts, call.consts["mult"].tolist(), strict=True))
    accs, outs = [], []
    for summed_cells, counted in averages(call, program.tensors[call.name]):
        accs.append(terms.times(summed_cells))
        outs.append(requantised(call, accs[-1], mults[counted]))
    acc = hull(accs)
    return Derived(acc, farthest(acc), hull(outs))


def numbers(call: Call, ins: list[Tensor], out: Tensor, ledger: Ledger) -> None:
    divisors, used = call.consts["counts"].tolist(), {counted for _, counted in averages(call, out)}
    ledger.expect(MULTIPLIERS, call.name, set(divisors) == used, "a multiplier is stored that no window uses")
    ratios = [ins[0].scale / out.scale / cells for cells in divisors]
    rounded_ratios(call, ratios, call.consts["mult"].tolist(), ledger)


OP = Operator(
    params=f"{WINDOW} ch count_y0 count_y1 count_x0 count_x1 counts_n {REQUANT}",
    consts={"counts": "int16", "mult": "int32"},
    facts=facts,
    intervals=intervals,
    numbers=numbers,
    planes=True,
)
