# SPDX-License-Identifier: Apache-2.0
"""Shapes of model inputs: those that are asked for, a batch of one, and what is still left open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx

from eightbit.frontend.obstacles import Obstacle
from eightbit.frontend.per_input import PerInput

Shape = Sequence[int]
Given = Shape | Mapping[str, Shape] | None  # one shape for the only input, or by input name
OPTION = PerInput("--shape", "shape", "1,3,96,96")
SIZE_MAX = 2**31 - 1


def parse(texts: Sequence[str]) -> dict[str, Shape]:
    """`1,3,96,96` and `name=1,3,96,96`, as the command line takes them."""
    return OPTION.parse(texts, lambda numbers: tuple(map(int, numbers.split(","))))


def fix(proto: onnx.ModelProto, given: Given) -> list[str]:
    """Set the shapes that are asked for; notes say which sizes the model left open."""
    inputs = {value.name: value for value in free_inputs(proto)}
    notes = []
    for name, sizes in OPTION.by_input(given, list(inputs)).items():
        opened = _fix_one(inputs[name], tuple(sizes))
        if opened:
            notes.append(f"input {name!r}: shape {list(sizes)} as asked for; the model leaves open {opened}")
    return notes


def _fix_one(value: onnx.ValueInfoProto, sizes: tuple[int, ...]) -> str:
    """Set a shape; says which sizes were open before."""
    if not sizes or any(type(size) is not int or not 1 <= size <= SIZE_MAX for size in sizes):
        what = f"{list(sizes)} is no shape of input {value.name!r}"
        why = f"a shape is made of whole numbers from 1 to {SIZE_MAX}"
        raise OPTION.wrong(what, why, "give every size, the batch included")
    shape = value.type.tensor_type.shape
    if not value.type.tensor_type.HasField("shape"):
        shape.dim.extend(onnx.TensorShapeProto.Dimension(dim_value=size) for size in sizes)
        return "every size"
    stated = [known(dim) for dim in shape.dim]
    if len(stated) != len(sizes) or any(s is not None and s != size for s, size in zip(stated, sizes, strict=True)):
        why = f"the model says [{', '.join(map(size_text, shape.dim))}]"
        hint = "--shape fixes what the model leaves open; other sizes take another export of the model"
        raise OPTION.wrong(f"{list(sizes)} is not the shape of input {value.name!r}", why, hint)
    opened = [f"dimension {axis} ({size_text(dim)})" for axis, dim in enumerate(shape.dim) if known(dim) is None]
    for dim, size in zip(shape.dim, sizes, strict=True):
        dim.dim_value = size
    return ", ".join(opened)


def assume_batch_of_one(proto: onnx.ModelProto) -> list[str]:
    """Set first dimensions that are left open to 1; notes say so."""
    notes = []
    for value in free_inputs(proto):
        for dim in value.type.tensor_type.shape.dim[:1]:
            if known(dim) is None:
                notes.append(f"input {value.name!r}: first dimension ({size_text(dim)}) is taken as a batch of 1")
                dim.dim_value = 1
    return notes


def still_open(proto: onnx.ModelProto) -> list[Obstacle]:
    """An obstacle for each size that is still not known; such a size becomes a symbol."""
    found = []
    for value in free_inputs(proto):
        dims = value.type.tensor_type.shape.dim
        wanted = ",".join("?" if known(dim) is None else str(dim.dim_value) for dim in dims)
        for axis, dim in enumerate(dims):
            if known(dim) is None:
                found.append(_open(f"dimension {axis} of input {value.name!r} is {size_text(dim)}", value.name, wanted))
                dim.dim_param = dim.dim_param or f"size {axis} of {value.name}"
    return found


def unsized(value: onnx.ValueInfoProto, kind: str) -> Obstacle | None:
    """The obstacle that a value has no shape at all, not even a rank."""
    if value.type.tensor_type.HasField("shape"):
        return None
    return _open(f"{kind} {value.name!r} is not a tensor of known shape", value.name, "1,?,?")


def _open(what: str, name: str, wanted: str) -> Obstacle:
    return Obstacle(
        where=f"model input {name!r}",
        why=f"{what}, but every buffer is sized at compile time",
        hint=f"--shape {name}={wanted}, with numbers for ?; only a first dimension that is open becomes a batch of 1",
        what=what,
    )


def free_inputs(proto: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The inputs that are no constants."""
    constants = {item.name for item in proto.graph.initializer}
    return [value for value in proto.graph.input if value.name not in constants]


def forget_other_shapes(proto: onnx.ModelProto) -> None:
    """Drop recorded shapes of what is calculated: they may contradict those that inputs have now."""
    del proto.graph.value_info[:]
    for value in proto.graph.output:
        for dim in value.type.tensor_type.shape.dim:
            dim.Clear()


def known(dim: onnx.TensorShapeProto.Dimension) -> int | None:
    return dim.dim_value if dim.dim_value > 0 else None


def size_text(dim: onnx.TensorShapeProto.Dimension) -> str:
    if dim.HasField("dim_value"):
        return str(dim.dim_value)
    return repr(dim.dim_param) if dim.dim_param else "left open"
