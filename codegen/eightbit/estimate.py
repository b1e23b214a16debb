# SPDX-License-Identifier: Apache-2.0
"""What a model will cost, before any sample is seen: at most, and about, where channels turn out to be constant.

No size depends on the ranges of values but by the channels that never change, which are left out. Noise shows about
which these are: mostly those that training has switched off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from eightbit import ops, target
from eightbit.errors import InputError
from eightbit.frontend.float_run import FloatModelError
from eightbit.frontend.graph import INTEGERS, Graph
from eightbit.frontend.obstacles import Obstacle
from eightbit.frontend.samples import Samples
from eightbit.ir import check
from eightbit.ir.optimize import fuse_clamps, optimize
from eightbit.ir.program import Program
from eightbit.lower import rule
from eightbit.lower.groups import roots
from eightbit.options import Options
from eightbit.planning import needs
from eightbit.planning.needs import Needs
from eightbit.planning.select import select
from eightbit.ptq.calibrate import calibrate
from eightbit.ptq.calibration import Calibration
from eightbit.ptq.quantize import quantize

NOISE = 4  # samples
WIDE = (-8.0, 8.0)  # of what nothing is known of: wider than inputs that are normalised, narrower than pixels
CODE_BYTES = (420, 65)  # of a kernel and of a call, in Thumb, -Os and --optimize size: within a third for six networks
SMALL = Options(optimize="size")
SIZES = "sizes must fit 16 bits; make the layer smaller, or split it"


@dataclass(frozen=True)
class Sketch:
    """The program of a model that no sample was seen of: the whole network, and without its constant channels."""

    whole: Program
    likely: Program


@dataclass(frozen=True)
class Fit:
    """Whether a target takes a network: "yes", "no", or "perhaps", if channels turn out to be constant."""

    target: target.Target
    most: Needs
    likely: Needs

    @property
    def verdict(self) -> str:
        limits = self.target.ram_bytes, self.target.flash_bytes
        if self.most.within(*limits):
            return "yes"
        return "perhaps" if self.likely.within(*limits) else "no"

    def json(self) -> dict[str, Any]:
        return {
            "target": self.target.name,
            "ram_bytes": self.likely.ram,
            "ram_bytes_most": self.most.ram,
            "ram_bytes_available": self.target.ram_bytes,
            "constant_bytes": self.likely.flash,
            "constant_bytes_most": self.most.flash,
            "flash_bytes_available": self.target.flash_bytes,
            "fits": self.verdict,
        }


@dataclass(frozen=True)
class Estimate:
    """`parameters`: numbers in weights and biases. `most` and `likely` are needs of the portable kernels, for size;
    `code_bytes` is what these and their calls take on a Cortex-M, about.
    """

    parameters: int
    macs_most: int
    macs: int
    code_bytes: int
    most: Needs
    likely: Needs
    targets: Sequence[Fit]

    def json(self) -> dict[str, Any]:
        return {
            "parameters": self.parameters,
            "macs_most": self.macs_most,
            "macs_estimate": self.macs,
            "constant_bytes_most": self.most.flash,
            "flash_bytes_estimate": self.likely.flash + self.code_bytes,
            "ram_bytes_bound": self.likely.ram_bound,
            "targets": [fit.json() for fit in self.targets],
        }


def sketch(graph: Graph) -> tuple[Sketch | None, list[Obstacle]]:
    """The sketch of a graph without refusals, or what only its fixed-point form shows to be in the way."""
    try:
        found = calibrate(graph, _noise(graph))
    except FloatModelError as error:
        return None, [Obstacle(f"{error.what} in {error.where}", error.why, error.hint)]
    except InputError:  # noise is nothing that the model was made for
        found = Calibration(dict.fromkeys(roots(graph), WIDE))
    program = quantize(graph, replace(found, gains={}))
    findings = check.check(program)
    if findings:
        told = (finding.partition(": ") for finding in findings)
        return None, [Obstacle(where, why, SIZES) for where, _, why in told]
    return Sketch(fuse_clamps(program), optimize(program)), []


def _noise(graph: Graph) -> Samples:
    """The same on every machine."""
    rng = np.random.default_rng(0)
    ranges = {name: INTEGERS[graph.integers[name]] if name in graph.integers else WIDE for name in graph.inputs}
    arrays = {
        name: rng.uniform(low, high, (NOISE, *graph.shapes[name])).astype(np.float32)
        for name, (low, high) in ranges.items()
    }
    return Samples(arrays, None, NOISE)


def estimate(graph: Graph, made: Sketch, boards: Sequence[target.Target]) -> Estimate:
    """What a sketch costs, in itself and on targets."""
    kernels = select(made.likely, target.load(SMALL.target), SMALL.optimize).kernels
    per_kernel, per_call = CODE_BYTES
    symbols = {chosen.symbol for chosen in kernels.values()}
    linear = {value for node in graph.nodes if rule(node).channel_axis for value in node.inputs}
    most, likely = (needs.on_targets(program, boards, Options()) for program in (made.whole, made.likely))
    return Estimate(
        parameters=sum(array.size for name, array in graph.consts.items() if name in linear),
        macs_most=ops.total_macs(made.whole),
        macs=ops.total_macs(made.likely),
        code_bytes=per_kernel * len(symbols) + per_call * len(kernels),
        most=needs.of(made.whole, SMALL),
        likely=needs.of(made.likely, SMALL),
        targets=tuple(Fit(board, a, b) for (board, a), (_, b) in zip(most, likely, strict=True)),
    )
