# SPDX-License-Identifier: Apache-2.0
"""The float reference: ONNX Runtime with graph optimisation off (optimised, it gives other values)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from eightbit.errors import InputError, reason
from eightbit.frontend.samples import Samples


class FloatModel:
    """A model and the values to observe, intermediate ones included."""

    def __init__(self, model: bytes, values: Sequence[str]) -> None:
        proto = onnx.load_model_from_string(model)
        for node in proto.graph.node:
            node.name = ""  # models may have equal ones, which the runtime refuses
        known = {output.name for output in proto.graph.output}
        for value in dict.fromkeys(values):
            if value not in known:
                proto.graph.output.append(onnx.ValueInfoProto(name=value))
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4
        options.intra_op_num_threads = 1  # sums in one order, whatever the machine
        self.values = list(dict.fromkeys(values))
        self.inputs = {value.name for value in proto.graph.input}
        try:
            self.session = onnxruntime.InferenceSession(
                proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its exceptions share no public base class
            raise _failed(error) from error

    def run(self, feeds: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """One sample (batch axis included) -> every observed value."""
        feeds = {name: array for name, array in feeds.items() if name in self.inputs}
        try:
            results = self.session.run(self.values, feeds) if self.values else []  # it takes none for all
        except Exception as error:
            raise _failed(error) from error
        return dict(zip(self.values, results, strict=True))

    def each(self, samples: Samples) -> Iterator[dict[str, NDArray[np.float32]]]:
        for index in range(samples.count):
            yield self.run(samples.row(index))


class FloatModelError(InputError):
    """ONNX Runtime does not take a model, or not these samples."""


def _failed(error: Exception) -> FloatModelError:
    return FloatModelError(
        "the float model does not run",
        where="ONNX Runtime",
        why=reason(error),
        hint="does the model run in ONNX Runtime on its own?",
    )
