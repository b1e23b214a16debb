# SPDX-License-Identifier: Apache-2.0
"""ONNX file -> checked onnx_ir model with a batch of one.

Everything a damaged or hostile file can do wrong becomes an InputError here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import onnx
import onnx_ir as ir

from eightbit.errors import InputError, closest, printable, reason
from eightbit.frontend import foreign, input_shapes
from eightbit.frontend.contradictions import contradictions, every_node
from eightbit.frontend.graph import ONNX
from eightbit.frontend.obstacles import Obstacle, ObstacleError
from eightbit.frontend.rehearsal import rehearse
from eightbit.frontend.rewrites.auto_pad import make_explicit

FOREIGN = "export the model with operators of ONNX itself, or cut off the part that holds it"
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
    """A checked model, what was assumed about it, and which sizes of its inputs are not known."""

    name: str
    model: ir.Model
    notes: tuple[str, ...]
    obstacles: tuple[Obstacle, ...] = ()


def load(
    source: str | Path | bytes | onnx.ModelProto, name: str | None = None, shape: input_shapes.Given = None
) -> Loaded:
    """Read and check a model. `name` defaults to the file's stem up to its first dot; `shape` fixes open input sizes.

    Raises InputError for what is no model, and ObstacleError where nothing more can be told than what it holds.
    """
    where, proto = _read(source)
    _refuse_empty(proto, where)
    _refuse(where, _opset(proto) or _quantised(proto) or [*_unknown_operators(proto), *contradictions(proto)])
    notes, obstacles = _sizes(proto, where, shape)
    operators = {_text(node.op_type) for node in every_node(proto)}
    rehearse(operators, where, lambda: _checked(proto, where, obstacles))
    proto = _checked(proto, where, obstacles)
    default = Path(where).name.split(".")[0] if isinstance(source, str | Path) else proto.graph.name
    try:
        model = ir.from_proto(proto)
    except Exception as error:  # onnx_ir's errors share no base class
        raise _invalid(where, error) from error
    title = printable(" ".join(str(name or default).split()))  # protobuf gives what is not UTF-8 as bytes
    return Loaded(title or "model", model, tuple(notes), tuple(obstacles))


def _refuse(where: str, obstacles: Sequence[Obstacle]) -> None:
    if obstacles:
        raise ObstacleError(where, obstacles)


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
        raise InputError("cannot read the model", where=str(path), why=reason(error), hint=_path_hint(path)) from error
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


def _path_hint(path: Path) -> str:
    """What may be meant where no file can be read."""
    program = path / "program.txt"
    if program.is_file():
        return f"this is a build; its program compiles again: {program}"
    return "give an .onnx file, not its folder" if path.is_dir() else "check the path"


def _parse(content: bytes, where: str) -> onnx.ModelProto:
    try:
        return onnx.load_model_from_string(content)
    except Exception as error:  # protobuf's DecodeError moves between its versions
        kind = foreign.kind(content)
        raise InputError(
            f"not an ONNX file but {kind.name}" if kind else "not an ONNX file",
            where=where,
            why=kind.why if kind else reason(error),
            hint=kind.hint if kind else "the file may be truncated or of another kind; export the model again",
        ) from error


def _invalid(where: str, error: Exception) -> InputError:
    return InputError(
        "not a valid ONNX model",
        where=where,
        why=reason(error),
        hint="onnx.checker.check_model(file, full_check=True) must accept it; export the model again",
    )


def _refuse_empty(proto: onnx.ModelProto, where: str) -> None:
    if proto.graph.output:
        return
    blank = not proto.ByteSize()
    raise InputError(
        "the model is empty" if blank or proto.HasField("graph") else "not an ONNX model",
        where=where,
        why="it has no outputs" if proto.HasField("graph") else "there is no graph in it",
        hint="export the model again" if blank else "give an .onnx file that holds a whole network, not a part of one",
    )


def _opset(proto: onnx.ModelProto) -> list[Obstacle]:
    found = {item.version for item in proto.opset_import if item.domain in ONNX}
    newest = onnx.defs.onnx_opset_version()
    if len(found) == 1 and OLDEST_OPSET <= min(found) <= newest:
        return []
    return [
        Obstacle(
            where="the model",
            why=f"it imports {sorted(found)} of ONNX's own operators; one of {OLDEST_OPSET} to {newest} is needed",
            hint="export it with another opset, or convert it with onnx.version_converter",
            what="the model's opset is not supported",
        )
    ]


def _quantised(proto: onnx.ModelProto) -> list[Obstacle]:
    found = sorted({node.op_type for node in proto.graph.node if node.op_type in QUANTISED})
    if not found:
        return []
    why = f"it holds {', '.join(found)}; eightbit quantises float models itself and does not import these yet"
    hint = "compile the float model it was made from"
    return [Obstacle("the model", why, hint, operator=found[0], what="the model is quantised already")]


def _unknown_operators(proto: onnx.ModelProto) -> list[Obstacle]:
    """Nodes whose operator ONNX does not have; what the model defines itself is none of ONNX's."""
    opset = next(item.version for item in proto.opset_import if item.domain in ONNX)
    found = []
    for node in proto.graph.node:
        operator = _text(node.op_type)
        if node.domain in ONNX and not _exists(operator, opset):
            what = f"there is no operator {operator!r} in opset {opset} of ONNX"
            hint = closest(operator, _operators()) + "does the exporter need a newer opset, or a domain of its own?"
            found.append(Obstacle(_label(node), what, hint, _text(node.name), operator, what))
    return found


@cache
def _operators() -> frozenset[str]:
    """The names of all operators of ONNX's own."""
    return frozenset(schema.name for schema in onnx.defs.get_all_schemas() if schema.domain == "")


def _text(name: str | bytes) -> str:
    """A name in a damaged file may be no text: protobuf then gives its bytes."""
    return name if isinstance(name, str) else name.decode("utf-8", "replace")


def _exists(operator: str, opset: int) -> bool:
    try:
        onnx.defs.get_schema(operator, opset, "")
    except onnx.defs.SchemaError:
        return False
    return True


def _label(node: onnx.NodeProto) -> str:
    output = node.output[0] if node.output else ""
    return f"node {node.name!r} ({node.op_type})" if node.name else f"{node.op_type} of {output!r}"


def _sizes(proto: onnx.ModelProto, where: str, shape: input_shapes.Given) -> tuple[list[str], list[Obstacle]]:
    """Notes on the shapes of inputs that are known now, and an obstacle for each size that is not."""
    asked = input_shapes.fix(proto, shape)
    _refuse(where, [o for v in input_shapes.free_inputs(proto) if (o := input_shapes.unsized(v, "input"))])
    notes = [*asked, *input_shapes.assume_batch_of_one(proto)]
    obstacles = input_shapes.still_open(proto)
    if notes or obstacles:  # shapes recorded with the symbols would contradict the new ones
        input_shapes.forget_other_shapes(proto)
    return notes, obstacles


def _checked(proto: onnx.ModelProto, where: str, obstacles: Sequence[Obstacle]) -> onnx.ModelProto:
    """The model, found valid. Windows are made explicit before its stated shapes are compared with inferred ones."""
    try:
        onnx.checker.check_model(_with_output_shapes(proto))  # inference may crash on what the checker refuses
        _sized(proto, where, obstacles)
        make_explicit(proto)
        proto = _sized(proto, where, obstacles)
        onnx.checker.check_model(proto, full_check=True)
    except InputError:
        raise
    except Exception as error:  # onnx has several base classes, and C++ exceptions without one
        _refuse(where, obstacles)  # which may well be why
        raise _invalid(where, error) from error
    return proto


def _with_output_shapes(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which every output states a shape: the checker wants one, and compares it with nothing."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    for value in copy.graph.output:
        value.type.tensor_type.shape.SetInParent()
    return copy


def _sized(proto: onnx.ModelProto, where: str, obstacles: Sequence[Obstacle]) -> onnx.ModelProto:
    """The model; shapes of outputs that state none are inferred."""
    if not all(value.type.tensor_type.HasField("shape") for value in proto.graph.output):
        proto = onnx.shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True)
    unsized = [o for value in proto.graph.output if (o := input_shapes.unsized(value, "output"))]
    if unsized:
        _refuse(where, [*obstacles, *(_foreign_operators(proto) or unsized)])  # whose outputs nobody knows
    return proto


def _foreign_operators(proto: onnx.ModelProto) -> list[Obstacle]:
    """Nodes of other domains that the model does not define itself."""
    own = {(function.domain, function.name) for function in proto.functions}
    found = []
    for node in proto.graph.node:
        if node.domain not in ONNX and (node.domain, node.op_type) not in own:
            operator = f"{node.domain}.{node.op_type}"
            found.append(Obstacle(_label(node), f"operator {operator} is not supported", FOREIGN, node.name, operator))
    return found
