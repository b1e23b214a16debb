# SPDX-License-Identifier: Apache-2.0
"""The self-test in C: its sizes follow from the program, its golden hash from its own list of checksums."""

from __future__ import annotations

import re

from eightbit.audit import read_c
from eightbit.audit.source import MACROS, Source

ROWS = re.compile(r"expected\[VECTORS\]\[CALLS \+ 1\] = \{(.*?)\n\};", re.DOTALL)
NUMBER = re.compile(r"0|0x[0-9a-f]{8}")


def selftest(it: Source) -> None:
    """`<model>_selftest.c`. What its checksums are is shown by running it."""
    where = f"{it.name}_selftest.c"
    text = read_c.code(it.text(where))
    macros, calls = read_c.macros(text), len(it.program.coded)
    it.ledger.equal(MACROS, where, "CALLS", macros.get("CALLS"), str(calls))
    filled = [int(size) for size in re.findall(r"for \(n = 0; n < (\d+)u; n\+\+\)", text)]
    sizes = [it.program.tensors[port.tensor].size for port in it.program.inputs]
    it.ledger.equal(MACROS, where, "the sizes of the inputs that it fills", filled, sizes)
    if it.plan.io_bytes is not None:
        names = [*it.port_names("INPUT"), *it.port_names("OUTPUT")]
        sizes = [it.program.tensors[port.tensor].size for port in (*it.program.inputs, *it.program.outputs)]
        declared = dict(re.findall(r"static e8_s8 (\w+)\[(\d+)\];", text))
        expected = {name: str(size) for name, size in zip(names, sizes, strict=False)}
        it.ledger.same(MACROS, where, "the size of the buffer", declared, expected)
    step = re.search(r"return \(hash \* (\d+)u \+ value\)", text)
    start = re.search(r"e8_u32 hash = (\d+)u;", text)
    table = ROWS.search(text)
    if step is None or start is None or table is None:
        it.ledger.wrong(where, "its hash or its checksums are not where they should be")
        return
    golden, vectors = int(start[1]), re.findall(r"\{([^{}]*)\}", table[1])
    it.ledger.equal(MACROS, where, "VECTORS", macros.get("VECTORS"), str(len(vectors)))
    for vector in vectors:
        numbers = [item.strip().removesuffix("u") for item in vector.split(",")]
        if not all(map(NUMBER.fullmatch, numbers)):
            it.ledger.wrong(where, f"{{{vector}}} are not all checksums")
            return
        *sums, end = [int(number, 0) for number in numbers]
        it.ledger.equal(MACROS, where, "checksums of a vector", (len(sums), end), (calls, 0))
        for value in sums:
            golden = (golden * int(step[1]) + value) % 2**32
    it.ledger.equal(MACROS, where, "GOLDEN", macros.get("GOLDEN"), f"0x{golden:08x}u")
