# SPDX-License-Identifier: Apache-2.0
"""Loading: what a model file may be, what is assumed about it, and how everything else is refused."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from eightbit import pipeline
from eightbit.errors import LONGEST_LINE, EightbitError, InputError
from eightbit.frontend import load
from models import dense, model, node, one, weights

BYTES = dense().SerializeToString()


def refused(source: str | Path | bytes | onnx.ModelProto) -> InputError:
    """The error of a model that must not load; it says what, where, why and what to do."""
    with pytest.raises(InputError) as caught:
        pipeline.float_graph(load.load(source))
    assert caught.value.exit_status == 2
    assert all([caught.value.what, caught.value.where, caught.value.why, caught.value.hint])
    return caught.value


# --- files ---------------------------------------------------------------------------------------------------


def test_a_path_bytes_and_a_model_in_memory_are_the_same_model(tmp_path: Path) -> None:
    path = tmp_path / "graph.onnx"
    path.write_bytes(BYTES)
    found = [pipeline.float_graph(load.load(source)) for source in (path, str(path), BYTES, dense())]
    assert len({(graph.name, graph.model) for graph in found}) == 1


def test_loading_leaves_a_model_in_memory_as_it_is() -> None:
    given_model = one("Relu", ["batch", 4])
    before = given_model.SerializeToString(deterministic=True)
    load.load(given_model)
    assert given_model.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("kws.onnx", "kws"),
        ("kws.v2.float.onnx", "kws"),
        ("no_suffix", "no_suffix"),
        (".onnx", "model"),
        ("Ü 1.x", "Ü 1"),
    ],
)
def test_a_model_is_named_after_its_file_up_to_the_first_dot(tmp_path: Path, file: str, name: str) -> None:
    (tmp_path / file).write_bytes(BYTES)
    assert load.load(tmp_path / file).name == name
    assert load.load(tmp_path / file, "mine").name == "mine"


def test_a_name_becomes_one_printable_line() -> None:
    assert load.load(BYTES, "two\nlines \x1b[31m\udcff").name == r"two lines \x1b[31m\udcff"
    assert load.load(BYTES.replace(b"graph", b"\xffraph")).name.isprintable()


@pytest.mark.parametrize("old", [b"x", b"h", b"y", b"w", b"node"])
def test_names_that_are_not_utf_8_are_refused(old: bytes) -> None:
    proto = model([node("Gemm", "xx ww", "hh", name="nn"), node("Relu", "hh", "yy")], {"xx": [1, 4]}, {"yy": [1, 3]})
    proto.graph.initializer.append(numpy_helper.from_array(weights(4, 3), "ww"))
    content = proto.SerializeToString().replace(old[:1] * 2, b"\xff\x80")
    with pytest.raises(InputError) as caught:
        pipeline.float_graph(load.load(content))
    assert caught.value.why


@pytest.mark.parametrize("content", [None, b"", b"hello", b"\xff" * 100, b"PK\x03\x04"])
def test_what_is_no_onnx_file_is_refused_with_a_hint(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    assert str(path) == refused(path).where


def test_a_folder_is_refused_with_a_hint(tmp_path: Path) -> None:
    assert refused(tmp_path).why == "Is a directory"


def test_a_truncated_file_is_refused_with_a_hint() -> None:
    for size in range(len(BYTES)):
        refused(BYTES[:size])


@given(st.lists(st.tuples(st.integers(0, len(BYTES) - 1), st.integers(0, 255)), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_a_damaged_file_compiles_or_is_refused_but_never_fails(changes: list[tuple[int, int]]) -> None:
    content = bytearray(BYTES)
    for position, value in changes:
        content[position] = value
    with suppress(EightbitError):
        pipeline.float_graph(load.load(bytes(content)))


# --- sizes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("batch", "said"), [("N", "'N'"), (0, "0"), (-1, "-1")])
def test_a_first_dimension_that_is_left_open_becomes_a_batch_of_one(batch: str | int, said: str) -> None:
    nodes = [node("Relu", "x", "h"), node("Relu", "h", "y")]
    proto = model(nodes, {"x": [batch, 4]}, {"y": [batch, 4]})
    proto.graph.value_info.append(helper.make_tensor_value_info("h", TensorProto.FLOAT, [batch, 4]))
    loaded = load.load(proto)
    assert loaded.notes == (f"input 'x': first dimension ({said}) is taken as a batch of 1",)
    assert pipeline.float_graph(loaded).shapes["y"] == (1, 4)


@pytest.mark.parametrize("size", ["width", 0, -4])
def test_another_dimension_that_is_left_open_is_refused_by_name(size: str | int) -> None:
    assert refused(one("Relu", [1, size])).what == f"dimension 1 of input 'x' is {size!r}"


def test_an_input_without_a_shape_is_refused_by_name() -> None:
    assert "'x'" in refused(one("Relu", None)).what
    sequence = dense()
    sequence.graph.input[0].type.sequence_type.elem_type.tensor_type.elem_type = TensorProto.FLOAT
    assert "'x'" in refused(sequence).what


def test_the_shape_of_an_output_that_states_none_is_inferred() -> None:
    assert pipeline.float_graph(load.load(one("MaxPool", [1, 2, 4, 4], kernel_shape=[2, 2]))).shapes["y"] == (
        1,
        2,
        3,
        3,
    )


def test_an_output_whose_shape_nothing_tells_is_refused_by_the_operator_that_makes_it() -> None:
    custom = model([helper.make_node("Mystery", ["x"], ["y"], domain="acme")], {"x": [1, 4]}, {"y": None})
    custom.opset_import.append(helper.make_opsetid("acme", 1))
    error = refused(custom)
    assert (error.where, error.why) == ("Mystery of 'y'", "operator acme.Mystery is not supported")


# --- versions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("versions", [[], [0], [6], [1000], [2**40], [17, 11]])
def test_an_opset_outside_the_supported_ones_is_refused(versions: list[int]) -> None:
    proto = dense()
    del proto.opset_import[:]
    proto.opset_import.extend(helper.make_opsetid("", version) for version in versions)
    assert str(sorted(versions)) in refused(proto).why


@pytest.mark.parametrize("version", [0, 2, 1000])
def test_an_ir_version_that_is_not_known_is_refused(version: int) -> None:
    proto = dense()
    proto.ir_version = version
    refused(proto)


def test_a_quantised_model_is_refused_with_the_way_out() -> None:
    nodes = [node("QuantizeLinear", "x s", "q"), node("DequantizeLinear", "q s", "y")]
    error = refused(model(nodes, {"x": [1, 4]}, {"y": None}, {"s": np.float32(0.1)}))
    assert error.why.startswith("it holds DequantizeLinear, QuantizeLinear;")
    assert error.hint == "compile the float model it was made from"


@pytest.mark.parametrize(("name", "value"), [("ceil_mode", 5), ("ceil_mode", -1), ("count_include_pad", 2**40)])
def test_a_flag_that_is_neither_0_nor_1_is_refused_since_runtimes_disagree_on_it(name: str, value: int) -> None:
    pool = node("AveragePool", "x", "y", kernel_shape=[2], strides=[2], dilations=[1], **{name: value})
    pool.name = "the pool"
    error = refused(model([pool], {"x": [1, 3, 4]}, {"y": None}))
    assert error.what.startswith(f"{name} is {value}")
    assert "'the pool'" in error.where


@pytest.mark.parametrize("inside", ["the graph", "a branch", "a function"])
def test_a_split_that_contradicts_itself_is_refused_before_it_kills_shape_inference(inside: str) -> None:
    split = node("Split", "x", "a b y", num_outputs=2, axis=1)
    proto = model([split], {"x": [1, 4]}, {"y": None}, opset=18)
    if inside == "a branch":
        branch = onnx.helper.make_graph([split], "branch", [], [onnx.ValueInfoProto(name="y")])
        other = onnx.helper.make_graph([node("Relu", "x", "y")], "other", [], [onnx.ValueInfoProto(name="y")])
        chosen = onnx.helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=other)
        proto = model([chosen], {"x": [1, 4]}, {"y": None}, {"c": np.array(True)}, opset=18)
    if inside == "a function":
        proto = model([onnx.helper.make_node("F", ["x"], ["y"], domain="own")], {"x": [1, 4]}, {"y": None}, opset=18)
        opsets = [onnx.helper.make_opsetid("", 18)]
        proto.functions.append(onnx.helper.make_function("own", "F", ["x"], ["y"], [split], opsets))
        proto.opset_import.append(onnx.helper.make_opsetid("own", 1))
    error = refused(proto)
    assert (error.what, error.why) == ("a Split contradicts itself", "num_outputs is 2, and it has 3 outputs")


def test_constants_may_be_listed_as_inputs() -> None:
    proto = dense()
    proto.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [4, 3]))
    assert pipeline.float_graph(load.load(proto)).inputs == ("x",)


# --- external data -------------------------------------------------------------------------------------------


def external(folder: Path, location: str) -> Path:
    """A model whose weights are said to lie in another file."""
    proto = dense()
    tensor = proto.graph.initializer[0]
    data = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    (folder / "weights.bin").write_bytes(data)
    (folder / "model.onnx").write_bytes(proto.SerializeToString())
    return folder / "model.onnx"


def test_external_data_beside_the_model_is_read(tmp_path: Path) -> None:
    graph = pipeline.float_graph(load.load(external(tmp_path, "weights.bin")))
    expected = numpy_helper.to_array(dense().graph.initializer[0])
    assert any(np.array_equal(array, expected) for array in graph.consts.values())


@pytest.mark.parametrize("location", ["missing.bin", "", "../weights.bin", "/etc/passwd", "."])
def test_external_data_that_is_missing_or_elsewhere_is_refused(tmp_path: Path, location: str) -> None:
    (tmp_path / "inner").mkdir()
    assert refused(external(tmp_path / "inner", location)).what == "cannot read the model's external data"


def test_external_data_that_is_too_short_is_refused(tmp_path: Path) -> None:
    path = external(tmp_path, "weights.bin")
    (tmp_path / "weights.bin").write_bytes(b"abc")
    refused(path)


# --- messages ------------------------------------------------------------------------------------------------


def test_a_name_of_any_length_and_characters_gives_a_short_printable_message() -> None:
    name = "\x1b[31m\x00\u202e" + "n" * 10_000
    error = refused(model([node("Relu", "a", "y")], {name: [1, "n"]}, {"y": [1, 4]}))
    lines = str(error).split("\n")
    assert all(line.isprintable() for line in lines)
    assert max(map(len, lines)) < LONGEST_LINE + 20


@given(st.text())
@settings(deadline=None)
def test_an_error_prints_printable_lines_whatever_it_is_told(text: str) -> None:
    lines = str(InputError(text, where=text, why=text, hint=text)).split("\n")
    assert all(line.isprintable() for line in lines)


def test_a_model_that_cannot_be_simplified_is_refused_with_a_reason() -> None:
    proto = dense()
    proto.graph.initializer[0].raw_data += b"more"
    with pytest.raises(InputError, match="cannot be simplified") as caught:
        pipeline.float_graph(load.load(proto))
    assert caught.value.why


def test_weights_named_like_those_of_a_folded_layer_stay_apart() -> None:
    nodes = [node("Conv", "x w", "c"), node("BatchNormalization", "c s b m v", "y"), node("Relu", "y", "z")]
    stats = {name: np.full(3, value) for name, value in zip("sbmv", (2.0, 1.0, 0.5, 4.0), strict=True)}
    consts = {"w": weights(3, 2, 3, 3), "y/folded_weight": weights(4), **stats}
    graph = pipeline.float_graph(load.load(model(nodes, {"x": [1, 2, 5, 5]}, {"z": None}, consts)))
    assert [item.op_type for item in graph.nodes] == ["Conv", "Relu"]
    assert np.allclose(graph.consts[graph.nodes[0].inputs[1]], consts["w"] * (2 / np.sqrt(4 + 1e-5)), rtol=1e-6)
