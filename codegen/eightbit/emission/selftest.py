# SPDX-License-Identifier: Apache-2.0
"""The vectors of a build's self-test, and the checksums that every processor must give."""

from __future__ import annotations

from typing import Any

from eightbit import ops, simulate
from eightbit.emission import ctext, vectors
from eightbit.ir.program import Program, unstored


def checksums(program: Program) -> list[list[int]]:
    """The checksum of every call that has code, by vector, in the order of the trace."""
    calls = [call for call in program.calls if ops.get(call.op).has_code]
    found = []
    for number in range(vectors.COUNT):
        memory = simulate.memory(program, seeded_inputs(program, number))
        found.append([vectors.checksum(memory[call.output]) for call in calls])
    return found


def golden_hash(sums: list[list[int]]) -> int:
    """One number over all checksums."""
    golden = vectors.HASH_START
    for value in (value for row in sums for value in row):
        golden = (golden * vectors.HASH_STEP + value) & 0xFFFFFFFF
    return golden


def template_context(program: Program) -> dict[str, Any]:
    """Expected checksums, and the constants of the generator."""
    sums = checksums(program)
    return {
        "vector_rows": [ctext.wrapped([f"0x{value:08x}u" for value in row]) if row else "" for row in sums],
        "vectors": vectors.COUNT,
        "call_count": len(sums[0]),
        "golden": f"0x{golden_hash(sums):08x}",
        "seed": f"0x{vectors.SEED:08x}",
        "rng_multiplier": vectors.MULTIPLIER,
        "rng_increment": vectors.INCREMENT,
        "hash_start": vectors.HASH_START,
        "hash_step": vectors.HASH_STEP,
    }


def seeded_inputs(program: Program, number: int) -> dict[str, Any]:
    """Vector `number` as a batch of one, spread over all inputs in order."""
    sizes = [program.tensors[port.tensor].size for port in program.inputs]
    memory, found, start = vectors.vector(number, sum(sizes)), {}, 0
    for port, size in zip(program.inputs, sizes, strict=True):
        tensor = program.tensors[port.tensor]
        found[tensor.name] = unstored(memory[None, start : start + size], tensor)
        start += size
    return found
