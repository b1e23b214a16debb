# SPDX-License-Identifier: Apache-2.0
"""Writes ink.onnx, a network set by hand that says whether there is ink on an image, and its calibration images."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).resolve().parent
DIGITS = HERE.parent / "digits" / "calibration.npz"


def ink() -> onnx.ModelProto:
    """A blurring convolution, its mean over the image, and a threshold: the output is positive where there is ink."""
    consts = {
        "blur": np.full((1, 1, 3, 3), 1 / 9, np.float32),
        "gain": np.full((1, 1), 20, np.float32),
        "offset": np.full(1, -2, np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["image", "blur"], ["blurred"], pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["blurred"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Gemm", ["flat", "gain", "offset"], ["ink"]),
    ]
    shapes = {"image": [1, 1, 8, 8], "ink": [1, 1]}
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    tensors = [numpy_helper.from_array(array, name) for name, array in consts.items()]
    graph = helper.make_graph(nodes, "ink", values[:1], values[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def calibration() -> np.ndarray:
    """Those of the digits, every second one so faint that it counts as blank: float32 [n, 1, 8, 8]."""
    images = np.load(DIGITS)["image"].copy()
    images[1::2] *= 0.05
    return images


def main() -> None:
    """Write both files beside this one."""
    onnx.save(ink(), HERE / "ink.onnx")
    np.savez_compressed(HERE / "ink.npz", image=calibration())


if __name__ == "__main__":
    main()
