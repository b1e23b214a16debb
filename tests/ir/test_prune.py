# SPDX-License-Identifier: Apache-2.0
"""Constant channels go where nothing depends on them, and no bit of an output changes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import numpy_helper

import eightbit
import real
from eightbit import ops, pipeline, simulate
from eightbit.emission import vectors
from eightbit.frontend import load, samples
from eightbit.ir import check, program_text
from eightbit.ir.optimize import optimize
from eightbit.ir.program import Program
from eightbit.ptq.quantize import quantize
from models import model, node, weights
from models import samples as normal
from random_graphs import random_model


def quantised(proto: onnx.ModelProto, calibration: samples.Source) -> Program:
    """The Program before `optimize`."""
    simple = pipeline.float_graph(load.load(proto, "net"))
    return quantize(simple, pipeline.learn(simple, calibration))


def both(proto: onnx.ModelProto, calibration: samples.Source) -> tuple[Program, Program]:
    """Pruned and unpruned, after outputs were found equal on seeded vectors and on the samples."""
    program = quantised(proto, calibration)
    pruned, whole = optimize(program), optimize(program, prune=False)
    assert check.check(pruned) == []
    assert (pruned.macs_model or ops.total_macs(pruned), whole.macs_model) == (ops.total_macs(whole), 0)
    given = samples.read(calibration, {port.name: port.shape for port in program.inputs})
    for x in (simulate.input_batch(program, given), seeded(program)):
        want, got = simulate.outputs(whole, x), simulate.outputs(pruned, x)
        assert all(np.array_equal(got[name], want[name]) for name in want)
    return pruned, whole


def seeded(program: Program) -> dict[str, npt.NDArray[np.int8]]:
    """16 vectors for every input, extremes first."""
    tensors = [program.tensors[port.tensor] for port in program.inputs]
    return {
        t.name: np.stack([vectors.vector(number, t.size) for number in range(16)]).reshape(-1, *t.shape)
        for t in tensors
    }


def channels(program: Program) -> list[int]:
    """Channels of what every linear call makes."""
    return [program.tensors[c.output].shape[2] for c in program.calls if "weights" in c.consts]


DEAD, STEADY = -1.0, 0.75  # biases: behind a Relu always 0, and always something else


def network(*nodes: onnx.NodeProto, shape: tuple[int, ...] = (1, 2, 6, 6), **consts: npt.ArrayLike) -> onnx.ModelProto:
    """Conv `w`, `b` with four outputs, of which 1 is dead and 2 is steady, a Relu, and then `nodes` from r to y."""
    w = weights(4, 2, 3, 3)
    w[1:3] = 0
    first = [node("Conv", "x w b", "c"), node("Relu", "c", "r")]
    fixed: Mapping[str, npt.ArrayLike] = {"w": w, "b": np.array([0.1, DEAD, STEADY, 0.2])}
    return model([*first, *nodes], {"x": shape}, {"y": None}, {**fixed, **consts})


def pruned_channels(*nodes: onnx.NodeProto, **consts: npt.ArrayLike) -> list[int]:
    return channels(both(network(*nodes, **consts), normal(2, 6, 6))[0])


def test_in_front_of_a_pointwise_convolution_any_constant_goes() -> None:
    assert pruned_channels(node("Conv", "r v", "y"), v=weights(3, 4, 1, 1)) == [2, 3]


def test_in_front_of_a_window_that_stays_inside_any_constant_goes() -> None:
    assert pruned_channels(node("Conv", "r v", "y", strides=[2, 1]), v=weights(3, 4, 2, 3)) == [2, 3]


def test_in_front_of_a_padded_convolution_only_the_zero_point_goes() -> None:
    assert pruned_channels(node("Conv", "r v", "y", pads=[1, 1, 1, 1]), v=weights(3, 4, 3, 3)) == [3, 3]
    assert pruned_channels(node("Conv", "r v", "y", pads=[0, 0, 0, 1]), v=weights(3, 4, 3, 3)) == [3, 3]


def test_a_channel_without_a_weight_goes_whatever_its_values() -> None:
    v = weights(3, 4, 3, 3)
    v[:, 0] = 0
    assert pruned_channels(node("Conv", "r v", "y", pads=[1, 1, 1, 1]), v=v) == [2, 3]


def test_the_constant_moves_into_the_bias() -> None:
    pruned, whole = both(network(node("Conv", "r v", "y"), v=weights(3, 4, 1, 1)), normal(2, 6, 6))
    first, before = (c for c in whole.calls if c.op == "conv")
    _, after = (c for c in pruned.calls if c.op == "conv")
    assert first.proof is not None
    value = first.proof.range[2][0] - before.params.zp_in
    want = before.consts["bias"] + before.consts["weights"][:, 0, 0, 2].astype(np.int64) * value
    assert np.array_equal(after.consts["bias"], want)
    assert after.proof == before.proof


def test_depthwise_channels_go_with_the_channel_they_read() -> None:
    nodes = [node("Conv", "r d e", "h", group=4, pads=[1, 1, 1, 1]), node("Relu", "h", "s"), node("Conv", "s v", "y")]
    d = weights(8, 1, 3, 3)
    dead = {"d": np.abs(d), "e": np.zeros(8)}  # channel 2 is not constant: less is added at the border
    assert pruned_channels(*nodes, **dead, v=weights(3, 8, 1, 1)) == [3, 6, 3]


def test_a_depthwise_channel_that_is_not_constant_keeps_its_constant_input() -> None:
    nodes = [node("Conv", "r d", "h", group=4, pads=[1, 1, 1, 1]), node("Conv", "h v", "y", pads=[1, 1, 1, 1])]
    assert pruned_channels(*nodes, d=np.abs(weights(4, 1, 3, 3)), v=weights(3, 4, 3, 3)) == [3, 3, 3]


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
def test_constants_go_through_pools(op: str) -> None:
    nodes = [node(op, "r", "p", kernel_shape=[2, 2]), node("Flatten", "p", "f"), node("Gemm", "f v", "y")]
    assert pruned_channels(*nodes, v=weights(36, 5)) == [2, 5]


def test_a_sum_loses_a_channel_when_both_of_its_inputs_do() -> None:
    nodes = [
        node("Conv", "r k", "p"), node("Relu", "p", "q"), node("Conv", "r l m", "s"), node("Relu", "s", "t"),
        node("Add", "q t", "u"), node("Conv", "u v", "y"),
    ]  # fmt: skip
    k, other = weights(4, 4, 1, 1), weights(4, 4, 1, 1, seed=5)
    k[1] = other[1] = other[2] = 0
    consts = {"k": k, "l": other, "m": np.array([0.0, DEAD, STEADY, 0.0]), "v": weights(3, 4, 1, 1)}
    assert pruned_channels(*nodes, **consts) == [2, 3, 3, 3]


def test_model_outputs_keep_every_channel() -> None:
    assert channels(both(network(node("Identity", "r", "y")), normal(2, 6, 6))[0]) == [4]


def test_a_tensor_keeps_one_channel_when_all_are_constant() -> None:
    consts = {"k": np.zeros((3, 4, 1, 1)), "l": np.array([STEADY, DEAD, DEAD]), "v": weights(2, 3, 1, 1)}
    nodes = [node("Conv", "r k l", "p"), node("Relu", "p", "q"), node("Conv", "q v", "y")]
    assert pruned_channels(*nodes, **consts) == [1, 1, 2]


def test_an_operator_that_mixes_channels_keeps_them() -> None:
    assert pruned_channels(node("Softmax", "r", "s", axis=1), node("Conv", "s v", "y"), v=weights(3, 4, 1, 1)) == [4, 3]
    grouped = node("Conv", "r v", "y", group=2)
    assert pruned_channels(grouped, v=weights(2, 2, 1, 1)) == [4, 2]


def test_the_text_tells_the_work_before_channels_were_removed() -> None:
    proto = network(node("Conv", "r v", "y"), v=weights(3, 4, 1, 1))
    build = eightbit.compile(proto, normal(2, 6, 6))
    report = build.report()
    assert (report["macs_model"], report["macs"]) == (4 * 4 * (4 * 18 + 3 * 4), 4 * 4 * (2 * 18 + 3 * 2))
    again = program_text.parse(program_text.print_program(build.program), dict(build.program.arrays()), "test")
    assert again.macs_model == report["macs_model"]
    left_out = "2 of 7 channels of linear layers are constant or unused and left out"
    assert build.notes[-1] == f"{left_out}: 672 of 1,344 MACs remain"


@pytest.mark.parametrize("seed", range(20_301, 20_321))
def test_random_graphs_with_dead_channels_keep_their_bits(seed: int) -> None:
    proto, calibration, _ = random_model(seed)
    rng = np.random.default_rng(seed)
    for tensor in proto.graph.initializer:
        array = numpy_helper.to_array(tensor).copy()
        if array.ndim == 4:  # convolutions: a third of the outputs are constant
            array[rng.random(len(array)) < 0.3] = 0
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    both(proto, calibration)


def test_vww_loses_nearly_half_of_its_work_and_no_bit() -> None:
    if real.folder() is None:
        pytest.skip(f"{real.VARIABLE} is not set: vww was left out")
    network = real.TINY["vww"]
    simple = pipeline.float_graph(load.load(real.path(network), "vww"))
    program = quantize(simple, pipeline.learn(simple, real.calibration(network)))
    pruned, whole = optimize(program), optimize(program, prune=False)
    assert ops.total_macs(whole) == pruned.macs_model == 7_489_664
    assert ops.total_macs(pruned) <= 4_100_000
    given = samples.read(
        {network.input: real.samples(network, "eval", slice(16))[network.input]},
        {port.name: port.shape for port in program.inputs},
    )
    x = simulate.input_batch(program, given)
    want, got = simulate.outputs(whole, x), simulate.outputs(pruned, x)
    assert all(np.array_equal(got[name], want[name]) for name in want)
