# SPDX-License-Identifier: Apache-2.0
"""Constants of calls as their kernels store them: C definitions."""

from __future__ import annotations

from eightbit import ops
from eightbit.emission import cstruct, ctext
from eightbit.ir.intervals import accumulator_bits
from eightbit.ir.program import Call, Program, hull
from eightbit.kernels.kernel import Kernel
from eightbit.planning.select import Selection


def definitions(program: Program, selection: Selection, name: str) -> list[str]:
    """Definitions of all constant data: arrays, the structs that hold them, and Params."""
    found = []
    for call in program.calls:
        if call.name not in selection.kernels:
            continue
        kernel, op, stem = selection.kernels[call.name], ops.get(call.op), f"{name}_{call.name}"
        streams = kernel.pack(call)
        found += [ctext.array(f"{stem}_{role}", values) for role, values in streams.items()]
        if kernel.weights_type:
            members = ", ".join(f"{stem}_{role}" for role in streams)
            found.append(f"static const {kernel.weights_type} E8_ROM {stem}_w = {{ {members} }};")
        fields = ctext.wrapped(cstruct.initialiser(call.params).split(", "))
        found.append(f"static const {cstruct.struct_name(op)} E8_ROM {stem} = {{\n{fields}\n}};")
        found += overflow_proof(call, stem)
    return found


def overflow_proof(call: Call, stem: str) -> list[str]:
    """The accumulator interval of a proved call, with an assertion that it fits after the left shift."""
    if call.proof is None or call.proof.acc is None:
        return []
    low, high = hull(call.proof.acc)
    worst, lshift = max(-low, high), call.params.acc_lshift
    shown = f"{ctext.thousands(low)} <= acc <= {ctext.thousands(high)}"
    proof = f"/* whatever the input, {shown}: {accumulator_bits(call.proof)} bits */"
    return [f"{proof}\nE8_STATIC_ASSERT({worst} <= (2147483647 >> {lshift}), {stem}_acc_fits);"]


def weights_argument(call: Call, kernel: Kernel, name: str) -> str:
    streams = kernel.pack(call)
    if not streams:
        return "0"
    return f"&{name}_{call.name}_w" if kernel.weights_type else f"{name}_{call.name}_{next(iter(streams))}"
