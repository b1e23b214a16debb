# SPDX-License-Identifier: Apache-2.0
"""What equalisation needs to know of channels, gathered in the calibration pass, and the gains that follow from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from eightbit.frontend.graph import Graph, Node
from eightbit.ir.weights import W_MAX
from eightbit.ptq.equalize import BITS, HEADROOM, LARGEST, POWERS, Float, Group, Ranges, columns, groups
from eightbit.ptq.rounding import decibels


class Channels:
    """Extremes, mean squares and shares of non-zeros per channel, of the values that the gains depend on."""

    def __init__(self, graph: Graph, roots: Iterable[str]) -> None:
        self.graph, self.groups, self.seen = graph, groups(graph), 0
        root = set(roots)
        self.measured = {v: g.channels for g in self.groups for v in g.values if v in root}
        self.read = {node.inputs[0]: g.channels for g in self.groups for node in g.consumers}
        self.made = {node.outputs[0] for g in self.groups for node in g.consumers}
        self.low: dict[str, Float] = {}
        self.high: dict[str, Float] = {}
        self.square: dict[str, Float] = {}
        self.nonzero: dict[str, Float] = {}
        self.power: dict[str, float] = {}

    @property
    def values(self) -> list[str]:
        """What must be observed."""
        return list(dict.fromkeys([*self.measured, *self.read, *self.made]))

    def see(self, values: Mapping[str, NDArray[np.float32]]) -> None:
        """One sample."""
        self.seen += 1
        for value, channels in self.measured.items():
            rows = values[value].reshape(channels, -1)
            self.low[value] = np.minimum(self.low.get(value, np.inf), rows.min(axis=1))
            self.high[value] = np.maximum(self.high.get(value, -np.inf), rows.max(axis=1))
        for value, channels in self.read.items():
            rows = values[value].reshape(channels, -1)
            self.square[value] = self.square.get(value, 0.0) + np.einsum("cp,cp->c", rows, rows) / rows.shape[1]
            self.nonzero[value] = self.nonzero.get(value, 0.0) + np.count_nonzero(rows, axis=1) / rows.shape[1]
        for value in self.made:
            flat = values[value].ravel()
            self.power[value] = self.power.get(value, 0.0) + float(flat @ flat) / flat.size

    def gains(self, ranges: Ranges) -> dict[str, tuple[float, ...]]:
        """Gains of every group that gets any."""
        found = {group.name: self._gains(group, ranges) for group in self.groups}
        return {name: tuple(map(float, gains)) for name, gains in found.items() if (gains > 1).any()}

    def decibels(self, gains: Mapping[str, tuple[float, ...]], ranges: Ranges) -> dict[str, float]:
        """By how much gains lower the expected noise of the layers that read their group."""
        found = {}
        for group in self.groups:
            if group.name in gains:
                with_them = self._noises(group, np.array(gains[group.name]), ranges)
                found[group.name] = round(decibels(self._noises(group, np.ones(group.channels), ranges), with_them), 2)
        return found

    def _gains(self, group: Group, ranges: Ranges) -> Float:
        share = np.zeros(group.channels)
        for value in group.values:
            if value in self.measured:
                low, high = ranges[value]
                share = np.maximum(share, self.high[value] / high if high > 0 else 0.0)
                share = np.maximum(share, self.low[value] / low if low < 0 else 0.0)
        most = np.maximum(1.0, 1.0 / (HEADROOM * np.clip(share, 1 / LARGEST, 1.0)))
        most[share <= 0] = 1.0  # a channel that is always zero gains nothing, and stays provably constant
        depth = {node.attributes.get("group", 1) if node.op_type == "Conv" else 0 for node in group.consumers}
        if depth == {group.channels}:  # depthwise readers have a weight scale per channel: gains cost them nothing
            return rounded(most)
        costs = [self._noises(group, most**power, ranges) for power in POWERS]
        return rounded(most ** POWERS[int(np.argmin(costs))])

    def _noises(self, group: Group, gains: Float, ranges: Ranges) -> float:
        return sum(self._noise(node, gains, ranges) for node in group.consumers)

    def _noise(self, node: Node, gains: Float, ranges: Ranges) -> float:
        """Expected rounding noise of a reader's output, of its weights and of its input, over the output's power."""
        value = node.inputs[0]
        weights, channel = columns(node, self.graph.consts[node.inputs[1]].astype(np.float64), len(gains))
        scaled = weights / gains[channel][:, :, None]
        step = np.abs(scaled).max(axis=(1, 2)) / W_MAX
        square = (gains**2 * self.square[value] / self.seen)[channel].sum(axis=1)
        of_weights = (step**2 * square).sum() * weights.shape[2]
        low, high = ranges[self._root(value)]
        nonzero = (self.nonzero[value] / self.seen)[channel]
        of_input = ((high - low) / 255) ** 2 * (nonzero[:, :, None] * scaled**2).sum()
        power = self.power[node.outputs[0]] / self.seen * len(weights)
        return float((of_weights + of_input) / max(12 * power, 1e-300))

    def _root(self, value: str) -> str:
        """The value whose range `value` shares."""
        while value not in self.measured:
            value = self.graph.producers[value].inputs[0]
        return value


def rounded(gains: Float) -> Float:
    """To BITS significant bits."""
    mantissa, exponent = np.frexp(gains)
    return np.asarray(np.ldexp(np.rint(mantissa * 2**BITS), exponent - BITS))
