# SPDX-License-Identifier: Apache-2.0
"""What changed between two builds: options, bytes, inputs and outputs, and layer by layer shapes, numbers and kernels.

Layers are matched by the ONNX value they make, whatever their numbers are; the others by operator and shape, in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from eightbit.build import Build
from eightbit.ir.program import Call, Port, Program, Shape, Tensor

SIZES = ("activation_bytes", "scratch_bytes", "arena_bytes", "context_bytes", "io_bytes", "weight_bytes", "macs")
BITS = ("shape", "order", "params", "constants", "inputs")  # what of a layer decides its bits
Change = tuple[Any, Any]  # before, after


@dataclass(frozen=True)
class LayerChange:
    """One layer of both builds that is not the same: what changed, before and after.

    `constants`: by role, how many elements differ and of how many; where shapes or types do, both of those.
    """

    name: str
    was: str
    changes: Mapping[str, Any]

    def __str__(self) -> str:
        renamed = f" (was {self.was})" if self.was != self.name else ""
        return f"{self.name}{renamed}: {'; '.join(_told(self.changes))}"


@dataclass(frozen=True)
class Diff:
    """`same_bits`: both give the same outputs, bit for bit, whatever the input is."""

    same_bits: bool
    options: Mapping[str, Change]
    sizes: Mapping[str, Change]
    ports: Sequence[LayerChange]
    added: Sequence[str]
    removed: Sequence[str]
    changed: Sequence[LayerChange]

    @property
    def empty(self) -> bool:
        return not any((self.options, self.sizes, self.ports, self.added, self.removed, self.changed))

    def json(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """For people, a line for each difference."""
        yield from (f"{name}: {_arrow(pair)}" for name, pair in self.options.items())
        yield from (f"{name}: {_arrow(pair)} ({pair[1] - pair[0]:+,})" for name, pair in self.sizes.items())
        yield from map(str, self.ports)
        yield from (f"- {layer}" for layer in self.removed)
        yield from (f"+ {layer}" for layer in self.added)
        yield from map(str, self.changed)


def diff(before: Build, after: Build) -> Diff:
    """Compare two builds."""
    pairs, removed, added = matched(before.program, after.program)
    names = {old.output: new.output for old, new in pairs}
    names |= {old.tensor: new.tensor for old, new in zip(before.program.inputs, after.program.inputs, strict=False)}
    layers = [_layer(before, after, old, new, names) for old, new in pairs]
    ports = _ports(before.program, after.program, names)
    same_layers = not any(set(layer.changes) & set(BITS) for layer in layers)
    sizes = ({key: report[key] for key in SIZES} for report in (before.report(), after.report()))
    return Diff(
        same_bits=before.numerics == after.numerics and same_layers and not (ports or removed or added),
        options=_changes(_about(before), _about(after)),
        sizes=_changes(*sizes),
        ports=ports,
        added=[_named(call) for call in added],
        removed=[_named(call) for call in removed],
        changed=[layer for layer in layers if layer.changes],
    )


def matched(before: Program, after: Program) -> tuple[list[tuple[Call, Call]], list[Call], list[Call]]:
    """(pairs of calls that are the same layer, calls only before, calls only after), in order."""
    by_value = _by_value(before)
    pairs = {call.name: by_value.pop(key) for key, call in _by_value(after).items() if key in by_value}
    old, new = list(by_value.values()), [call for call in after.calls if call.name not in pairs]
    kinds = SequenceMatcher[Any](a=_kinds(before, old), b=_kinds(after, new), autojunk=False)
    for block in kinds.get_matching_blocks():
        pairs |= {new[block.b + i].name: old[block.a + i] for i in range(block.size)}
    found = {call.name for call in pairs.values()}
    return (
        [(pairs[call.name], call) for call in after.calls if call.name in pairs],
        [call for call in before.calls if call.name not in found],
        [call for call in after.calls if call.name not in pairs],
    )


def _by_value(program: Program) -> dict[tuple[str, str, int], Call]:
    """Calls by operator, ONNX value, and which of those that share both."""
    found: dict[tuple[str, str, int], Call] = {}
    for call in program.calls:
        key = call.op, program.tensors[call.output].value
        found[*key, sum(other[:2] == key for other in found)] = call
    return found


def _kinds(program: Program, calls: Sequence[Call]) -> list[tuple[str, Shape]]:
    return [(call.op, program.tensors[call.output].shape) for call in calls]


def _about(build: Build) -> dict[str, str | int]:
    return {**build.options.json(), "name": build.program.name, "version": build.version, "numerics": build.numerics}


def _layer(before: Build, after: Build, old: Call, new: Call, names: Mapping[str, str]) -> LayerChange:
    tensors = before.program.tensors[old.output], after.program.tensors[new.output]
    params = ({f.name: getattr(call.params, f.name) for f in fields(call.params)} for call in (old, new))
    kernels = (build.selection.kernels.get(call.name) for build, call in ((before, old), (after, new)))
    wired = [names.get(name) for name in old.inputs] == list(new.inputs)
    found = {
        **_changes(*map(_stored, tensors)),
        "inputs": () if wired else (old.inputs, new.inputs),
        "params": _changes(*params),
        "constants": _constants(old, new),
        **_changes(*({"kernel": kernel.symbol if kernel else None} for kernel in kernels)),
    }
    return LayerChange(new.name, old.name, {key: value for key, value in found.items() if value})


def _ports(before: Program, after: Program, names: Mapping[str, str]) -> list[LayerChange]:
    """Inputs and outputs in order; those that only one of the two has are told as None."""
    found = []
    for old_ports, new_ports in ((before.inputs, after.inputs), (before.outputs, after.outputs)):
        for index in range(max(len(old_ports), len(new_ports))):
            old, new = (ports[index] if index < len(ports) else None for ports in (old_ports, new_ports))
            changes = _changes(_port(before, old), _port(after, new))
            if old and new and names.get(old.tensor) != new.tensor:
                changes["tensor"] = (old.tensor, new.tensor)
            if changes:
                found.append(LayerChange(new.name if new else "none", old.name if old else "none", changes))
    return found


def _port(program: Program, port: Port | None) -> dict[str, Any]:
    return _stored(program.tensors[port.tensor]) if port else dict.fromkeys(("shape", "order", "range", "zero_point"))


def _stored(tensor: Tensor) -> dict[str, Any]:
    """How a tensor lies in memory, and the real values of its least and largest integers."""
    ends = (float(tensor.ratio * (end - tensor.zero_point)) for end in (-128, 127))
    return {"shape": tensor.shape, "order": tensor.order, "range": tuple(ends), "zero_point": tensor.zero_point}


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Change]:
    """What two dictionaries do not share, by key."""
    keys = [*before, *(key for key in after if key not in before)]
    return {key: (before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)}


def _constants(old: Call, new: Call) -> dict[str, Change]:
    """By role: (elements that differ, all of them), or what kind of array each is where that differs."""
    kinds = [{role: f"{a.dtype}{list(a.shape)}" for role, a in call.consts.items()} for call in (old, new)]
    found: dict[str, Change] = dict(_changes(*kinds))
    for role, array in new.consts.items():
        if role not in found and (count := int(np.count_nonzero(array != old.consts[role]))):
            found[role] = (count, array.size)
    return found


def _named(call: Call) -> str:
    return f"{call.name} ({call.op}), from {', '.join(call.origin)}" if call.origin else f"{call.name} ({call.op})"


def _told(changes: Mapping[str, Any]) -> Iterator[str]:
    """Changes as phrases."""
    for key, value in changes.items():
        if key == "constants":
            for role, (old, new) in value.items():
                counted = isinstance(old, int)
                yield f"{old:,} of {new:,} {role} differ" if counted else f"{role} {_arrow((old, new))}"
        elif key == "params":
            yield from (f"{name} {_arrow(pair)}" for name, pair in value.items())
        else:
            yield f"{key} {_arrow(value)}"


def _arrow(pair: Change) -> str:
    return " -> ".join(map(_shown, pair))


def _shown(value: Any) -> str:
    if isinstance(value, tuple) and value and isinstance(value[0], float):
        return "..".join(f"{end:.6g}" for end in value)
    if isinstance(value, tuple):
        return "x".join(map(str, value)) if all(isinstance(item, int) for item in value) else ", ".join(value)
    return f"{value:,}" if isinstance(value, int) else "none" if value is None else str(value)
