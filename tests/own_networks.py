# SPDX-License-Identifier: Apache-2.0
"""Networks that operators bring along: the NETWORKS of tests/ops/test_<op>.py, by name.

They join those in which every operator occurs: of the ledger of numerics, of the auditor and of the mutations.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx


def own_networks() -> dict[str, Callable[[], onnx.ModelProto]]:
    """What makes each of them, sorted."""
    found: dict[str, Callable[[], onnx.ModelProto]] = {}
    for path in sorted(Path(__file__).parent.glob("ops/test_*.py")):
        made = getattr(importlib.import_module(f"ops.{path.stem}"), "NETWORKS", {})
        assert not set(made) & set(found), f"{path.name} has a network that another file has"
        found |= made
    return dict(sorted(found.items()))


def numbers(*shape: int) -> np.ndarray:
    """Weights of both signs that no library's generator decides: sixteenths between -11 and 11."""
    return ((np.arange(np.prod(shape)) * 37 % 23 - 11) / 16).reshape(shape)


def noise(proto: onnx.ModelProto, count: int) -> dict[str, np.ndarray]:
    """Samples for a network of static shapes."""
    rng = np.random.default_rng(6)
    shapes = {port.name: [size.dim_value for size in port.type.tensor_type.shape.dim] for port in proto.graph.input}
    return {name: rng.normal(0, 1, (count, *shape[1:])).astype(np.float32) for name, shape in shapes.items()}
