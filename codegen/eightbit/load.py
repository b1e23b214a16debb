# SPDX-License-Identifier: Apache-2.0
"""ONNX file -> checked onnx_ir model with a batch of one.

Everything a damaged or hostile file can do wrong becomes an InputError here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx
import onnx_ir as ir

from eightbit.errors import InputError

QUANTISED = {
    "QuantizeLinear",
    "DequantizeLinear",
    "QLinearConv",
    "QLinearMatMul",
    "ConvInteger",
    "MatMulInteger",
}


@dataclass(frozen=True)
class Loaded:
    """A checked model and what was assumed about it."""

    name: str
    model: ir.Model
    notes: tuple[str, ...]


def load(source: str | Path | bytes | onnx.ModelProto, name: str | None = None) -> Loaded:
    """Read and check a model. `name` defaults to the file's stem up to its first dot."""
    where, proto = _read(source)
    _refuse_empty(proto, where)
    _refuse_quantised(proto, where)
    notes = _assume_batch_of_one(proto, where)
    _check(proto, where)
    default = Path(where).name.split(".")[0] if isinstance(source, str | Path) else proto.graph.name
    try:
        model = ir.from_proto(proto)
    except Exception as error:  # onnx_ir's errors share no base class
        raise _damaged(where, error) from error
    return Loaded(name or default or "model", model, tuple(notes))


def _read(source: str | Path | bytes | onnx.ModelProto) -> tuple[str, onnx.ModelProto]:
    if isinstance(source, onnx.ModelProto):
        copy = onnx.ModelProto()
        copy.CopyFrom(source)
        return "the model in memory", copy
    if isinstance(source, bytes):
        return "the model in memory", _parse(source, "the model in memory")
    path = Path(source)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            "cannot read the model", where=str(path), why=error.strerror or str(error), hint="check the path"
        ) from error
    proto = _parse(content, str(path))
    try:
        onnx.load_external_data_for_model(proto, str(path.parent))
    except Exception as error:
        raise InputError(
            "cannot read the model's external data",
            where=str(path),
            why=str(error),
            hint="keep the .onnx.data file beside the .onnx file",
        ) from error
    return str(path), proto


def _parse(content: bytes, where: str) -> onnx.ModelProto:
    try:
        return onnx.load_model_from_string(content)
    except Exception as error:  # protobuf's DecodeError moves between its versions
        raise _damaged(where, error) from error


def _damaged(where: str, error: Exception) -> InputError:
    reason = str(error).strip().splitlines() or [type(error).__name__]
    return InputError(
        "not a valid ONNX model",
        where=where,
        why=reason[0][:400],
        hint="the file may be truncated or no ONNX file; export the model again",
    )


def _refuse_empty(proto: onnx.ModelProto, where: str) -> None:
    if not proto.graph.node and not proto.graph.output:
        raise InputError(
            "the model is empty",
            where=where,
            why="it has no nodes and no outputs (an empty file parses as such a model)",
            hint="export the model again",
        )


def _refuse_quantised(proto: onnx.ModelProto, where: str) -> None:
    found = sorted({node.op_type for node in proto.graph.node if node.op_type in QUANTISED})
    if found:
        raise InputError(
            "the model is quantised already",
            where=where,
            why=f"it holds {', '.join(found)}; eightbit quantises float models itself and does not import these yet",
            hint="compile the float model it was made from",
        )


def _assume_batch_of_one(proto: onnx.ModelProto, where: str) -> list[str]:
    """Set a symbolic first dimension to 1; any other symbolic dimension is refused."""
    constants = {item.name for item in proto.graph.initializer}
    notes = []
    for value in proto.graph.input:
        if value.name in constants:
            continue
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if dim.HasField("dim_value") and dim.dim_value > 0:
                continue
            if axis != 0:
                raise InputError(
                    f"dimension {axis} of input {value.name!r} is not known",
                    where=where,
                    why=f"it is {dim.dim_param or 'left open'!r}; every buffer is sized at compile time",
                    hint="export the model with fixed input sizes",
                )
            notes.append(f"input {value.name!r}: first dimension {dim.dim_param or '?'!r} is taken as a batch of 1")
            dim.dim_value = 1
    if notes:  # shapes recorded with the symbol would contradict the new one
        del proto.graph.value_info[:]
        for value in proto.graph.output:
            value.type.tensor_type.ClearField("shape")
    return notes


def _check(proto: onnx.ModelProto, where: str) -> None:
    try:
        onnx.checker.check_model(proto, full_check=True)
    except Exception as error:
        raise _damaged(where, error) from error
    for value in proto.graph.input:
        if not value.type.tensor_type.HasField("shape"):
            raise InputError(
                f"input {value.name!r} has no shape",
                where=where,
                why="every buffer is sized at compile time",
                hint="export the model with fixed input sizes",
            )
