# SPDX-License-Identifier: Apache-2.0
"""Models that break the rules of ONNX: each rule broken once in a good model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from eightbit import pipeline
from eightbit.errors import InputError
from eightbit.frontend import load
from models import dense, node


def refused(source: str | Path | bytes | onnx.ModelProto) -> InputError:
    """The error of a model that must not load; it says what, where, why and what to do."""
    with pytest.raises(InputError) as caught:
        pipeline.float_graph(load.load(source))
    assert caught.value.exit_status == 2
    assert all([caught.value.what, caught.value.where, caught.value.why, caught.value.hint])
    return caught.value


def cyclic(proto: onnx.ModelProto) -> None:
    proto.graph.node[0].input[0] = "y"


def value_made_twice(proto: onnx.ModelProto) -> None:
    proto.graph.node.append(node("Sigmoid", "x", "y"))


def input_listed_twice(proto: onnx.ModelProto) -> None:
    proto.graph.input.append(proto.graph.input[0])


def constant_listed_twice(proto: onnx.ModelProto) -> None:
    proto.graph.initializer.append(proto.graph.initializer[0])


def input_overwritten(proto: onnx.ModelProto) -> None:
    proto.graph.node[1].output[0] = "x"


def input_missing(proto: onnx.ModelProto) -> None:
    proto.graph.node[0].input[1] = "nowhere"


def output_missing(proto: onnx.ModelProto) -> None:
    proto.graph.output[0].name = "nowhere"


def no_nodes(proto: onnx.ModelProto) -> None:
    del proto.graph.node[:]


def no_outputs(proto: onnx.ModelProto) -> None:
    del proto.graph.output[:]


def domain_without_opset(proto: onnx.ModelProto) -> None:
    proto.graph.node[0].domain = "acme"


def operator_unknown(proto: onnx.ModelProto) -> None:
    proto.graph.node[0].op_type = "Gemn"


def attribute_unknown(proto: onnx.ModelProto) -> None:
    proto.graph.node[0].attribute.append(helper.make_attribute("gamma", 1.0))


def attribute_of_another_type(proto: onnx.ModelProto) -> None:
    proto.graph.node[0].attribute.append(helper.make_attribute("alpha", [1, 2]))


def shapes_that_do_not_fit(proto: onnx.ModelProto) -> None:
    proto.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 5


def wrong_output_shape(proto: onnx.ModelProto) -> None:
    proto.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 7


def wrong_output_type(proto: onnx.ModelProto) -> None:
    proto.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64


def data_too_short(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].raw_data = b"abc"


def negative_size(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].dims[0] = -4


def huge_size(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].dims[0] = 2**40


def unknown_element_type(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].data_type = 99


def data_elsewhere(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].data_location = TensorProto.EXTERNAL


Damage = Callable[[onnx.ModelProto], None]


@pytest.mark.parametrize(
    "damage",
    [
        cyclic, value_made_twice, input_listed_twice, constant_listed_twice, input_overwritten, input_missing,
        output_missing, no_nodes, no_outputs, domain_without_opset, operator_unknown, attribute_unknown,
        attribute_of_another_type, shapes_that_do_not_fit, wrong_output_shape, wrong_output_type, data_too_short,
        negative_size, huge_size, unknown_element_type, data_elsewhere,
    ],
)  # fmt: skip
def test_a_model_that_breaks_the_rules_of_onnx_is_refused(damage: Damage) -> None:
    proto = dense()
    damage(proto)
    refused(proto)


def test_the_checker_s_whole_reason_is_told_on_one_line() -> None:
    proto = dense()
    cyclic(proto)
    why = refused(proto).why
    assert "topologically sorted" in why
    assert "OpType: Gemm" in why
    assert "\n" not in why
