# SPDX-License-Identifier: Apache-2.0
"""What tests of rewrites ask: does the simplified graph still calculate the same, and with which operators?"""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort

import eightbit
from eightbit.frontend import load
from eightbit.frontend.graph import Graph
from eightbit.frontend.simplify import simplify
from models import samples

INPUT = "x"


def rewritten(proto: onnx.ModelProto) -> list[str]:
    """The operators of the simplified graph, which must calculate what the model does."""
    graph = simplify(load.load(proto))
    shape = graph.shapes[INPUT]
    x = samples(*shape, count=1)[0]
    before, after = (_results(model, x) for model in (proto.SerializeToString(), graph.model))
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert value.shape == after[name].shape
        assert np.allclose(value, after[name], rtol=1e-4, atol=1e-5), name
    return [node.op_type for node in graph.nodes]


def _results(model: bytes, x: np.ndarray) -> dict[str, np.ndarray]:
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {INPUT: x}), strict=True))


def simple(proto: onnx.ModelProto) -> Graph:
    return simplify(load.load(proto))


def calls(proto: onnx.ModelProto, least_db: float = 30.0) -> list[str]:
    """The calls of the compiled model but reshapes; its C must run with the simulator's bits, near the float one."""
    shape = simple(proto).shapes[INPUT]
    x = samples(*(shape[1:] if shape[:1] == (1,) else shape), count=24)
    build = eightbit.compile(proto, x)
    assert build.verify(x[:4]).ok
    found = eightbit.evaluate(build, proto, x)["sqnr_db"]
    assert found is None or found > least_db
    return [call.op for call in build.program.calls if call.op != "reshape"]
