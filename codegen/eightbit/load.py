# SPDX-License-Identifier: Apache-2.0
"""ONNX file -> checked onnx_ir model with a batch of one.

Everything a damaged or hostile file can do wrong becomes an InputError here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx
import onnx_ir as ir

from eightbit.errors import InputError, printable, reason
from eightbit.padding import make_explicit

OLDEST_OPSET = 7  # what ONNX Runtime runs and shape inference covers
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
    _refuse_opset(proto, where)
    _refuse_quantised(proto, where)
    notes = _assume_batch_of_one(proto, where)
    proto = _checked(proto, where)
    default = Path(where).name.split(".")[0] if isinstance(source, str | Path) else proto.graph.name
    try:
        model = ir.from_proto(proto)
    except Exception as error:  # onnx_ir's errors share no base class
        raise _invalid(where, error) from error
    title = printable(" ".join(str(name or default).split()))  # protobuf gives what is not UTF-8 as bytes
    return Loaded(title or "model", model, tuple(notes))


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
        raise InputError("cannot read the model", where=str(path), why=reason(error), hint="check the path") from error
    proto = _parse(content, str(path))
    try:
        onnx.load_external_data_for_model(proto, str(path.parent))
    except Exception as error:
        raise InputError(
            "cannot read the model's external data",
            where=str(path),
            why=reason(error),
            hint="keep the .onnx.data file beside the .onnx file",
        ) from error
    return str(path), proto


def _parse(content: bytes, where: str) -> onnx.ModelProto:
    try:
        return onnx.load_model_from_string(content)
    except Exception as error:  # protobuf's DecodeError moves between its versions
        raise InputError(
            "not an ONNX file",
            where=where,
            why=reason(error),
            hint="the file may be truncated or of another kind; export the model again",
        ) from error


def _invalid(where: str, error: Exception) -> InputError:
    return InputError(
        "not a valid ONNX model",
        where=where,
        why=reason(error),
        hint="onnx.checker.check_model(file, full_check=True) must accept it; export the model again",
    )


def _refuse_empty(proto: onnx.ModelProto, where: str) -> None:
    if not proto.graph.output:
        raise InputError(
            "the model is empty",
            where=where,
            why="it has no outputs (an empty file parses as such a model)",
            hint="export the model again",
        )


def _refuse_opset(proto: onnx.ModelProto, where: str) -> None:
    found = {item.version for item in proto.opset_import if item.domain in ("", "ai.onnx")}
    newest = onnx.defs.onnx_opset_version()
    if len(found) != 1 or not OLDEST_OPSET <= min(found) <= newest:
        raise InputError(
            "the model's opset is not supported",
            where=where,
            why=f"it imports {sorted(found)} of ONNX's own operators; one of {OLDEST_OPSET} to {newest} is needed",
            hint="export it with another opset, or convert it with onnx.version_converter",
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
    """Set a symbolic first dimension to 1; any other size that is not known is refused."""
    constants = {item.name for item in proto.graph.initializer}
    notes = []
    for value in proto.graph.input:
        if value.name in constants:
            continue
        _refuse_unsized(value, "input", where)
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if dim.dim_value > 0:
                continue
            if axis != 0:
                raise _unsized(f"dimension {axis} of input {value.name!r} is {_size(dim)}", where)
            notes.append(f"input {value.name!r}: first dimension ({_size(dim)}) is taken as a batch of 1")
            dim.dim_value = 1
    if notes:  # shapes recorded with the symbol would contradict the new one
        del proto.graph.value_info[:]
        for value in proto.graph.output:
            for dim in value.type.tensor_type.shape.dim:
                dim.Clear()
    return notes


def _size(dim: onnx.TensorShapeProto.Dimension) -> str:
    if dim.HasField("dim_value"):
        return str(dim.dim_value)
    return repr(dim.dim_param) if dim.dim_param else "left open"


def _refuse_unsized(value: onnx.ValueInfoProto, kind: str, where: str) -> None:
    if not value.type.tensor_type.HasField("shape"):
        raise _unsized(f"{kind} {value.name!r} is not a tensor of known shape", where)


def _unsized(what: str, where: str) -> InputError:
    return InputError(
        what,
        where=where,
        why="every buffer is sized at compile time",
        hint="export the model with fixed sizes; only a first dimension that is left open becomes a batch of 1",
    )


def _checked(proto: onnx.ModelProto, where: str) -> onnx.ModelProto:
    """The model, found valid. Windows are made explicit before its stated shapes are compared with inferred ones."""
    try:
        onnx.checker.check_model(_sized(proto, where))
        make_explicit(proto)
        proto = _sized(proto, where)
        onnx.checker.check_model(proto, full_check=True)
    except InputError:
        raise
    except Exception as error:  # onnx has several base classes, and C++ exceptions without one
        raise _invalid(where, error) from error
    return proto


def _sized(proto: onnx.ModelProto, where: str) -> onnx.ModelProto:
    """The model; shapes of outputs that state none are inferred."""
    if not all(value.type.tensor_type.HasField("shape") for value in proto.graph.output):
        proto = onnx.shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True)
    for value in proto.graph.output:
        _refuse_unsized(value, "output", where)
    return proto
