# SPDX-License-Identifier: Apache-2.0
"""Which tensors lie in buffers of the caller: every input, and every output that a call makes (`--io caller`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from eightbit.ir.program import Program
from eightbit.names import port_identifiers


@dataclass(frozen=True)
class Buffers:
    """The caller's memory by the name that each buffer has in C, in bytes.

    `homes` gives the buffer of a tensor that lies in one. `copies` are outputs which hold what another buffer holds
    already, (to, from): an input that is an output too, or one tensor as two outputs.
    """

    homes: Mapping[str, str]
    copies: tuple[tuple[str, str], ...]
    io_bytes: int


def caller_buffers(program: Program, roots: Mapping[str, str]) -> Buffers:
    """`roots`: the tensor whose memory each tensor is. No output shares a buffer with an input or another output."""
    inputs = port_identifiers("input", [port.name for port in program.inputs])
    outputs = port_identifiers("output", [port.name for port in program.outputs])
    owner = {roots[port.tensor]: name for port, name in zip(program.inputs, inputs, strict=True)}
    copies = []
    for port, name in zip(program.outputs, outputs, strict=True):
        first = owner.setdefault(roots[port.tensor], name)
        if first != name:
            copies.append((name, first))
    return Buffers(
        homes={tensor: owner[root] for tensor, root in roots.items() if root in owner},
        copies=tuple(copies),
        io_bytes=sum(program.tensors[port.tensor].size for port in (*program.inputs, *program.outputs)),
    )
