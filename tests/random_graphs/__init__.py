# SPDX-License-Identifier: Apache-2.0
"""Random small float graphs by seed: `model, calibration, fresh = random_model(7)`.

A chain of 2 to 6 operators, now and then with a fork or a second output. Every graph passes the full ONNX
checker and, in ONNX Runtime with graph optimisation off, gives finite outputs that are not constant.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from .chain import Array, Chain, Value, names
from .operators import append_operator

__all__ = ["random_model", "run_float"]

Samples = dict[str, Array]
SAMPLES = 32
IR_VERSIONS = {10: 5, 11: 6, 13: 7, 17: 8, 19: 9, 22: 10}  # 10: the last opset whose Clip has attributes
BATCH_NAMES = ("N", "batch", "batch size", "unk__0")


def random_model(seed: int) -> tuple[onnx.ModelProto, Samples, Samples]:
    """(model, calibration samples, fresh ones); samples are float32 [32, ...] without the batch axis."""
    for attempt in range(200):
        rng = np.random.default_rng((seed, attempt))
        chain, model = draw_model(rng)
        draw = input_distribution(chain)
        name, shape = model.graph.input[0].name, chain.trail[0].shape[1:]
        calibration, fresh = {name: draw((SAMPLES, *shape))}, {name: draw((SAMPLES, *shape))}
        if not fault(model, calibration):
            return model, calibration, fresh
    raise AssertionError(f"seed {seed}: no valid graph in 200 draws")


def draw_model(rng: np.random.Generator) -> tuple[Chain, onnx.ModelProto]:
    opset = int(rng.choice(list(IR_VERSIONS)))
    symbolic, odd = bool(rng.random() < 0.2), bool(rng.random() < 0.5)
    source = names(rng, odd)
    entry = Value(next(source), input_shape(rng))
    chain = Chain(rng, opset, symbolic, odd, source, entry, trail=[entry])
    nhwc = chain.rank == 4 and chain.chance(0.2)
    if nhwc:
        chain.append("Transpose", [chain.shape[i] for i in (0, 3, 1, 2)], perm=(0, 3, 1, 2))
    outputs = extend(chain)
    if nhwc and chain.rank == 4:
        outputs.remove(chain.value)
        chain.append("Transpose", [chain.shape[i] for i in (0, 2, 3, 1)], perm=(0, 2, 3, 1))
        outputs.append(chain.value)
    return chain, assemble(chain, entry, outputs)


def input_shape(rng: np.random.Generator) -> tuple[int, ...]:
    rank = int(rng.choice((2, 3, 4), p=(0.12, 0.16, 0.72)))
    channels, height, width = int(rng.integers(1, 18)), int(rng.integers(4, 21)), int(rng.integers(4, 21))
    if rank == 2:
        return (1, int(rng.integers(2, 65)))
    return (1, channels, height, width)[:rank]


def extend(chain: Chain) -> list[Value]:
    """Draw 2 to 6 operators; sometimes an intermediate value is an output too, or starts a second branch."""
    count = chain.integer(2, 6)
    forked = chain.integer(1, count - 1) if chain.chance(0.15) else 0
    fork = None
    for i in range(1, count + 1):
        chain.last = i == count
        append_operator(chain)
        if i == forked:
            fork = dataclasses.replace(chain, trail=[])
    outputs = [chain.value]
    if fork is not None:
        for left in reversed(range(chain.integer(1, 2))):
            fork.last = left == 0
            append_operator(fork)
        outputs.append(fork.value)
    elif len(chain.trail) > 2 and chain.chance(0.15):
        outputs.append(chain.pick(chain.trail[1:-1]))
    return outputs[::-1] if chain.chance(0.3) else outputs


def assemble(chain: Chain, entry: Value, outputs: list[Value]) -> onnx.ModelProto:
    batch = chain.pick(BATCH_NAMES)

    def info(value: Value) -> onnx.ValueInfoProto:
        shape = [batch if chain.symbolic and i == 0 else n for i, n in enumerate(value.shape)]
        return helper.make_tensor_value_info(value.name, TensorProto.FLOAT, shape)

    name = next(chain.names) if chain.odd else "graph"
    results = [info(v) for v in outputs]
    graph = helper.make_graph(chain.nodes, name, [info(entry)], results, chain.initializers)
    imports = [helper.make_opsetid("", chain.opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSIONS[chain.opset])


def input_distribution(chain: Chain) -> Callable[[tuple[int, ...]], Array]:
    rng = chain.rng
    scale = chain.pick((1.0, 0.5, 4.0), (6, 1, 1))
    kind = chain.pick(("normal", "uniform", "positive", "half normal"), (4, 3, 2, 1))

    def draw(shape: tuple[int, ...]) -> Array:
        values = rng.normal(0, 1, shape) if "normal" in kind else rng.uniform(-1, 1, shape)
        positive = kind in ("positive", "half normal")
        return (scale * (np.abs(values) if positive else values)).astype(np.float32)

    return draw


def run_float(model: onnx.ModelProto, samples: Samples, outputs: list[str] | None = None) -> Samples:
    """{output: float32 [n, ...]} from ONNX Runtime with optimisation off, one sample at a time."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    wanted = outputs or [o.name for o in session.get_outputs()]
    count = len(next(iter(samples.values())))
    rows = [session.run(wanted, {k: v[i : i + 1] for k, v in samples.items()}) for i in range(count)]
    return {name: np.stack([row[i] for row in rows]) for i, name in enumerate(wanted)}


def fault(model: onnx.ModelProto, samples: Samples) -> str:
    """Why a draw is not used; "" if the full checker and ONNX Runtime accept it and its outputs vary."""
    try:
        onnx.checker.check_model(model, full_check=True)
        results = run_float(model, samples)
    except Exception as error:  # the checker's and the runtime's exceptions share no narrower base class
        return f"{type(error).__name__}: {error}"
    for output in model.graph.output:
        got = results[output.name]
        want = tuple(d.dim_value or 1 for d in output.type.tensor_type.shape.dim)
        if got.shape[1:] != want:
            return f"the checker says {want}, ONNX Runtime gives {got.shape[1:]}"
        if not np.isfinite(got).all():
            return "an output is not finite"
        if np.ptp(got, axis=0).max() <= 1e-3 * np.abs(got).max():
            return "an output is constant"
    return ""
