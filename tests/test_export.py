# SPDX-License-Identifier: Apache-2.0
"""The exported model in ONNX Runtime: names, shapes, and that it means what the model did."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

import eightbit
from eightbit.export import to_onnx, write
from eightbit.frontend.float_run import FloatModel
from eightbit.frontend.samples import Samples, read
from eightbit.ir.program import Program
from eightbit.judge import Verdict, judge
from eightbit.qdq import value_names
from eightbit.reporting.metrics import sqnr
from models import conv_relu, dense, model, node, one, samples, weights

Arrays = dict[str, NDArray[np.float32]]


def compiled(proto: onnx.ModelProto, arrays: Arrays) -> Program:
    return eightbit.compile(proto, arrays).program


def judged(proto: onnx.ModelProto, arrays: Arrays) -> list[Verdict]:
    got = compiled(proto, arrays)
    return judge(got, given(got, arrays))


def given(program: Program, arrays: Arrays) -> Samples:
    return read(arrays, {port.name: port.shape for port in program.inputs})


def run(proto: onnx.ModelProto, arrays: Samples) -> dict[str, NDArray[np.float32]]:
    """All outputs of a float model, [n, *shape] each."""
    float_model = FloatModel(proto.SerializeToString(), [output.name for output in proto.graph.output])
    runs = list(float_model.each(arrays))
    return {name: np.stack([one_run[name] for one_run in runs]) for name in float_model.values}


def holds(proto: onnx.ModelProto, *shape: int) -> Program:
    """Compile with input `x`; the judge and the float model must both agree. Returns the Program."""
    arrays = {"x": samples(*shape, count=24)}
    got = compiled(proto, arrays)
    wrong = [v for v in judge(got, given(got, arrays)) if not v.ok]
    assert wrong == []
    want, exported = run(proto, given(got, arrays)), run(to_onnx(got), given(got, arrays))
    for name in want:
        assert (sqnr(want[name], exported[name]) or 200.0) > 28
    return got


def kinds(proto: onnx.ModelProto) -> list[str]:
    """The nodes' operators without quantisation and moves."""
    moves = ("QuantizeLinear", "DequantizeLinear", "Reshape", "Transpose")
    return [n.op_type for n in proto.graph.node if n.op_type not in moves]


@pytest.mark.parametrize(
    "attributes",
    [
        {"pads": [2, 0, 1, 3], "strides": [2, 3]},
        {"dilations": [2, 3], "pads": [2, 3, 2, 3]},
        {"strides": [2, 2], "auto_pad": "SAME_LOWER"},
        {"group": 2, "strides": [2, 2]},
        {"group": 4},
    ],
)
def test_a_convolution_with_any_attributes_agrees_with_the_runtime(attributes: dict[str, Any]) -> None:
    w = weights(8, 4 // int(attributes.get("group", 1)), 3, 3)
    holds(one("Conv", [1, 4, 9, 11], {"w": w, "b": weights(8)}, **attributes), 4, 9, 11)


def test_a_dense_layer_behind_an_image_reads_it_in_the_order_of_its_memory() -> None:
    nodes = [node("Conv", "x w", "a"), node("Flatten", "a", "b"), node("Gemm", "b v", "y")]
    consts = {"w": weights(4, 3, 3, 3), "v": weights(48, 5)}
    got = holds(model(nodes, {"x": [1, 3, 6, 5]}, {"y": [1, 5]}, consts), 3, 6, 5)
    assert kinds(to_onnx(got)) == ["Conv", "Gemm"]


def test_a_matrix_of_several_rows_agrees_with_the_runtime() -> None:
    holds(one("MatMul", [1, 6, 7], {"w": weights(7, 5)}), 6, 7)


def test_planes_permutes_and_reshapes_agree_with_the_runtime() -> None:
    nodes = [
        node("Conv", "x w", "a"),
        node("Transpose", "a", "b", perm=[0, 3, 1, 2]),
        node("Reshape", "b shape", "c"),
        node("Softmax", "c", "y", axis=1),
    ]
    consts: dict[str, NDArray[Any]] = {"w": weights(4, 3, 3, 3), "shape": np.array([1, 6, 6])}
    got = holds(model(nodes, {"x": [1, 3, 5, 5]}, {"y": [1, 6, 6]}, consts), 3, 5, 5)
    assert {"reshape", "permute"} <= {call.op for call in got.calls}
    assert {t.order for t in got.tensors.values()} == {"HWC", "CHW"}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"count_include_pad": 0}, ["AveragePool"]),
        ({"count_include_pad": 1}, ["AveragePool"]),
        ({"count_include_pad": 0, "ceil_mode": 1}, ["AveragePool"]),
        ({"count_include_pad": 1, "ceil_mode": 1}, ["Conv", "Conv", "Div"]),
    ],
)
def test_average_pools_divide_by_the_cells_that_onnx_counts(attributes: dict[str, Any], expected: list[str]) -> None:
    pads = [1, 1, 1, 1]
    proto = one("AveragePool", [1, 3, 7, 8], kernel_shape=[3, 3], strides=[2, 2], pads=pads, **attributes)
    assert kinds(to_onnx(holds(proto, 3, 7, 8))) == expected


def test_a_dilated_average_pool_agrees_with_the_runtime() -> None:
    pool: dict[str, Any] = {"kernel_shape": [2, 3], "dilations": [3, 2], "pads": [1, 1, 0, 1]}
    holds(one("AveragePool", [1, 2, 9, 9], opset=22, **pool), 2, 9, 9)


def test_a_max_pool_with_ceil_mode_and_a_global_average_agree_with_the_runtime() -> None:
    nodes = [
        node("MaxPool", "x", "a", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 0, 1], ceil_mode=1),
        node("GlobalAveragePool", "a", "y"),
    ]
    got = holds(model(nodes, {"x": [1, 5, 8, 7]}, {"y": [1, 5, 1, 1]}), 5, 8, 7)
    assert kinds(to_onnx(got)) == ["MaxPool", "GlobalAveragePool"]


def test_tables_and_softmax_are_exported_as_the_real_functions() -> None:
    nodes = [node("Tanh", "x", "a"), node("Gemm", "a w", "b"), node("Sigmoid", "b", "c"), node("Softmax", "c", "y")]
    got = holds(model(nodes, {"x": [1, 9]}, {"y": [1, 4]}, {"w": weights(9, 4)}), 9)
    assert kinds(to_onnx(got)) == ["Tanh", "Gemm", "Sigmoid", "Softmax"]


def test_a_clamp_of_its_own_clips_the_integers() -> None:
    nodes = [node("Gemm", "x w", "h"), node("Clip", "h low high", "y")]
    consts: dict[str, Any] = {"w": weights(6, 4), "low": np.float32(-0.4), "high": np.float32(0.6)}
    got = holds(model(nodes, {"x": [1, 6]}, {"h": [1, 4], "y": [1, 4]}, consts), 6)
    assert [call.op for call in got.calls] == ["fc", "clamp"]
    assert kinds(to_onnx(got)) == ["Gemm", "Clip"]


def test_a_fused_clamp_clips_the_integers_only_where_s8_does_not() -> None:
    nodes = [node("Gemm", "x w", "h"), node("Relu", "h", "r"), node("Gemm", "r v", "y")]
    got = holds(model(nodes, {"x": [1, 6]}, {"y": [1, 2]}, {"w": weights(6, 4), "v": weights(4, 2)}), 6)
    assert kinds(to_onnx(got)) == ["Gemm", "Gemm"]
    tighter = replace(got.calls[0], params=replace(got.calls[0].params, act_max=50))
    exported = to_onnx(replace(got, calls=(tighter, *got.calls[1:])))
    clip = next(n for n in exported.graph.node if n.op_type == "Clip")
    made_by = {output: n.op_type for n in exported.graph.node for output in n.output}
    assert made_by[clip.input[0]] == "QuantizeLinear"


# Names, shapes, files


def several() -> onnx.ModelProto:
    """Two inputs and three outputs, one called like a tensor of the Program, one an inner value."""
    nodes = [node("Gemm", "a w", "fc_1"), node("Sigmoid", "input_1", "b/2:0"), node("Tanh", "fc_1", "c")]
    inputs = {"a": [1, 5], "input_1": [1, 2, 3]}
    return model(nodes, inputs, {"fc_1": [1, 4], "b/2:0": [1, 2, 3], "c": [1, 4]}, {"w": weights(5, 4)})


def test_inputs_and_outputs_keep_their_names_shapes_and_type() -> None:
    arrays = {"a": samples(5), "input_1": samples(2, 3)}
    exported = to_onnx(compiled(several(), arrays))
    onnx.checker.check_model(exported, full_check=True)
    assert list(exported.graph.input) == list(several().graph.input)
    assert list(exported.graph.output) == list(several().graph.output)


def test_several_inputs_and_outputs_agree_with_the_runtime() -> None:
    arrays = {"a": samples(5, count=9), "input_1": samples(2, 3, count=9)}
    verdicts = judged(several(), arrays)
    assert all(v.ok for v in verdicts)
    assert [v.op for v in verdicts] == ["quantise", "quantise", "fc", "lut", "lut"]


def test_every_tensor_can_be_observed_under_its_name_even_where_a_port_has_it() -> None:
    got = compiled(several(), {"a": samples(5), "input_1": samples(2, 3)})
    names = value_names(got)
    assert {names[t] for t in ("input_1", "fc_1")} == {"input_1_s8", "fc_1_s8"}
    assert all(names[t] == t for t in set(got.tensors) - {"input_1", "fc_1"})
    made = {output for n in to_onnx(got).graph.node for output in n.output}
    assert set(names.values()) <= made


def test_an_output_that_is_an_input_stays_what_was_fed() -> None:
    proto = model([node("Relu", "x", "y")], {"x": [1, 3]}, {"y": [1, 3], "x": [1, 3]})
    exported = to_onnx(compiled(proto, {"x": samples(3)}))
    onnx.checker.check_model(exported, full_check=True)
    arrays = read({"x": samples(3)}, {"x": (1, 3)})
    assert np.array_equal(run(exported, arrays)["x"], arrays.arrays["x"])


def test_the_written_file_is_the_model_byte_for_byte_the_same_each_time(tmp_path: Path) -> None:
    got = compiled(conv_relu(), {"x": samples(2, 5, 5)})
    for name in ("one.onnx", "two.onnx"):
        write(got, tmp_path / name)
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()
    assert onnx.load(tmp_path / "one.onnx") == to_onnx(got)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.onnx", "two.onnx"]


def test_a_path_that_cannot_be_written_is_refused_and_leaves_nothing_behind(tmp_path: Path) -> None:
    got = compiled(dense(), {"x": samples(4)})
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "missing" / "x.onnx", tmp_path / "folder"):
        with pytest.raises(eightbit.InputError, match="cannot write the exported model") as caught:
            write(got, path)
        assert caught.value.where == str(path)
        assert caught.value.why
        assert caught.value.hint
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]
    assert list((tmp_path / "folder").iterdir()) == []
