# SPDX-License-Identifier: Apache-2.0
"""Program -> Program with the same bits: clamps move into the call before, constant channels go, all is proved.

Example: conv_1 -> clamp_2 [zp, 127] becomes conv_1 with act_min = zp.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from eightbit import ops
from eightbit.ir.intervals import prove
from eightbit.ir.program import Call, Program
from eightbit.ir.prune import prune as without_constant_channels


def optimize(program: Program, prune: bool = True) -> Program:
    """All rewrites, in order; calls are numbered anew."""
    whole = fuse_clamps(program)
    if not prune:
        return renumber(prove(whole))
    pruned = without_constant_channels(whole)
    before, after = ops.total_macs(whole), ops.total_macs(pruned)
    return renumber(replace(pruned, macs_model=before if before != after else 0))


def fuse_clamps(program: Program) -> Program:
    """Fold each clamp into the call that makes its input, where that call ends in a clamp and nobody else reads it."""
    uses = Counter(name for call in program.calls for name in set(call.inputs))
    uses.update(port.tensor for port in program.outputs)
    calls: list[Call] = []
    at: dict[str, int] = {}  # where in `calls` a tensor is made
    for call in program.calls:
        place = at.get(call.inputs[0]) if call.op == "clamp" and uses[call.inputs[0]] == 1 else None
        if place is not None and hasattr(calls[place].params, "act_min"):
            calls[place] = _fused(calls[place], call)
            at[call.output] = place
        else:
            at[call.output] = len(calls)
            calls.append(call)
    kept = {*(call.output for call in calls), *(port.tensor for port in program.inputs)}
    tensors = {name: tensor for name, tensor in program.tensors.items() if name in kept}
    return replace(program, calls=tuple(calls), tensors=tensors)


def _fused(producer: Call, clamp: Call) -> Call:
    low, high = clamp.params.act_min, clamp.params.act_max
    params = replace(
        producer.params,
        act_min=min(max(producer.params.act_min, low), high),
        act_max=min(max(producer.params.act_max, low), high),
    )
    return replace(producer, params=params, output=clamp.output, origin=producer.origin + clamp.origin)


def renumber(program: Program) -> Program:
    """Name call k, and the tensor it makes, `<op>_<k>`; tensors in the order they are made."""
    names = {port.tensor: port.tensor for port in program.inputs}
    names |= {call.output: f"{call.op}_{i}" for i, call in enumerate(program.calls, start=1)}
    tensors = {new: replace(program.tensors[old], name=new) for old, new in names.items()}
    calls = tuple(
        replace(
            call,
            name=names[call.output],
            output=names[call.output],
            inputs=tuple(names[name] for name in call.inputs),
        )
        for call in program.calls
    )
    outputs = tuple(replace(port, tensor=names[port.tensor]) for port in program.outputs)
    return replace(program, tensors=tensors, calls=calls, outputs=outputs)
