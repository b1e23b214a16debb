# SPDX-License-Identifier: Apache-2.0
"""Everything that was learnt from samples, and its JSON: with it a build is reproduced without samples."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eightbit.errors import InputError, reason
from eightbit.frontend.graph import Graph, Node
from eightbit.lower import rule
from eightbit.lower.groups import roots
from eightbit.ptq.equalize import LARGEST, groups
from eightbit.ptq.histogram import Histogram, of_numbers

FORMAT = 1
RESULT = {"samples", "accuracy_float", "accuracy_fixed", "agreement", "sqnr_db"}
Moved = NDArray[np.bool_]


@dataclass(frozen=True)
class Fidelity:
    """How well the s8 values of a layer stand for its float values, over some samples.

    `sqnr_db`: signal over noise; None where nothing differs, or there is no signal. `clipped`: the share of values that
    lie more than a step beyond what the tensor holds; `clipped_noise`: their share of the noise. `spread`: the largest
    maximum of a channel over the median one. `small`: the share of nonzero values below 1/16 of the range.
    """

    sqnr_db: float | None
    clipped: float
    clipped_noise: float
    spread: float
    small: float


@dataclass(frozen=True)
class Calibration:
    """What was learnt from samples: [low, high] by ONNX value, corrected biases by linear node output.

    `gains`: factors per channel by the first value of their group (equalize.py); ranges are those without them, which
    hold with them, biases those with them. `roundings`: by linear node output, which of its weights are not rounded to
    the nearest (rounding.py). Reports, which no bit depends on: `gain_db` and `rounding_db`, by how much each of these
    lowers the noise of rounding where it acts; `fidelity` and `histograms`, what came of it, by value on the first
    samples, and `result`, the figures of `metrics.evaluate` on these. `means` (float outputs per channel, without
    gains) and `expected` (float results of the first samples) serve the corrections and are not saved. `count`: how
    many samples there were, 0 where a file does not say it.
    """

    ranges: Mapping[str, tuple[float, float]]
    biases: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    gains: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    roundings: Mapping[str, Moved] = field(default_factory=dict)
    gain_db: Mapping[str, float] = field(default_factory=dict)
    rounding_db: Mapping[str, float] = field(default_factory=dict)
    fidelity: Mapping[str, Fidelity] = field(default_factory=dict)
    histograms: Mapping[str, Histogram] = field(default_factory=dict)
    result: Mapping[str, Any] | None = None
    means: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    expected: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    count: int = 0

    def json(self) -> str:
        document = {
            "format": FORMAT,
            "samples": self.count,
            "ranges": _lists(self.ranges),
            "gains": _lists(self.gains),
            "gain_db": dict(sorted(self.gain_db.items())),
            "roundings": {value: _packed(moved) for value, moved in sorted(self.roundings.items())},
            "rounding_db": dict(sorted(self.rounding_db.items())),
            "fidelity": {value: asdict(figures) for value, figures in sorted(self.fidelity.items())},
            "histograms": {value: found.numbers() for value, found in sorted(self.histograms.items())},
            "result": self.result,
            "biases": _lists(self.biases),
        }
        return json.dumps(document, indent=1, ensure_ascii=True) + "\n"

    def layers(self) -> list[dict[str, Any]]:
        """What equalisation and coordinate descent did, and what came of it, by ONNX value.

        `predicted_db`: less rounding noise in the layers that read the channels. `measured_db`: less noise of this
        layer's weights on the calibration samples. Both None where the file of the calibration does not say it.
        """
        return [
            {"layer": value} | self._gained(value) | self._moved(value) | self._faithful(value) | self._spread(value)
            for value in sorted({*self.gains, *self.roundings, *self.fidelity})
        ]

    def _gained(self, value: str) -> dict[str, Any]:
        gains = self.gains.get(value)
        if gains is None:
            return {}
        raised = sum(gain > 1 for gain in gains)
        figures = {"channels": len(gains), "scaled": raised, "least": min(gains), "largest": max(gains)}
        return {"gains": figures | {"predicted_db": self.gain_db.get(value)}}

    def _moved(self, value: str) -> dict[str, Any]:
        moved = self.roundings.get(value)
        if moved is None:
            return {}
        figures = {"weights": moved.size, "moved": int(moved.sum())}
        return {"roundings": figures | {"measured_db": self.rounding_db.get(value)}}

    def _faithful(self, value: str) -> dict[str, Any]:
        found = self.fidelity.get(value)
        return {} if found is None else {"fidelity": asdict(found)}

    def _spread(self, value: str) -> dict[str, Any]:
        found = self.histograms.get(value)
        return {} if found is None else {"histogram": asdict(found)}


def _lists(numbers: Mapping[str, tuple[float, ...]]) -> dict[str, list[float]]:
    return {value: list(row) for value, row in sorted(numbers.items())}


def _packed(moved: Moved) -> dict[str, Any]:
    """One bit a weight, the first in the highest bit of the first byte."""
    return {"weights": moved.size, "moved": base64.b64encode(np.packbits(moved).tobytes()).decode()}


def _unpacked(value: str, document: Any) -> Moved:
    count, packed = document["weights"], base64.b64decode(document["moved"], validate=True)
    if type(count) is not int or count < 0 or len(packed) != (count + 7) // 8:
        raise ValueError(f"the roundings of {value!r} are not one bit for each of its weights")
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=count).astype(np.bool_)


def read(path: str | Path) -> Calibration:
    """A saved calibration.json."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise ValueError(f"its format is {document['format']}, not {FORMAT}")
        return _parsed(document)
    except Exception as error:  # what damaged JSON can raise, too deep a nesting included
        raise InputError(
            "cannot read the calibration",
            where=str(path),
            why=reason(error),
            hint="it must be a calibration.json that `eightbit compile` wrote, or samples as .npz",
        ) from error


def _parsed(document: Mapping[str, Any]) -> Calibration:
    ranges = {value: _numbers(pair) for value, pair in document["ranges"].items()}
    broken = [value for value, pair in ranges.items() if len(pair) != 2 or pair[0] > pair[1]]
    if broken:
        raise ValueError(f"the range of {broken[0]!r} is no pair of low and high")
    gains = {value: _numbers(factors) for value, factors in document.get("gains", {}).items()}
    wild = [value for value, factors in gains.items() if not all(1 <= x <= LARGEST for x in factors)]
    if wild:
        raise ValueError(f"a gain of {wild[0]!r} is not within 1 and {LARGEST:g}")
    return Calibration(
        ranges={value: (pair[0], pair[1]) for value, pair in ranges.items()},
        biases={value: _numbers(bias) for value, bias in document["biases"].items()},
        gains=gains,
        roundings={value: _unpacked(value, packed) for value, packed in document.get("roundings", {}).items()},
        gain_db=_effects(document.get("gain_db", {})),
        rounding_db=_effects(document.get("rounding_db", {})),
        fidelity={value: _figures(figures) for value, figures in document.get("fidelity", {}).items()},
        histograms={value: of_numbers(found) for value, found in document.get("histograms", {}).items()},
        result=_result(document.get("result")),
        count=int(_numbers([document.get("samples", 0)])[0]),
    )


def _result(found: Any) -> dict[str, Any] | None:
    """What came out, as `metrics.evaluate` says it; figures that were not known are None."""
    if found is None:
        return None
    if set(found) != RESULT or type(found["samples"]) is not int:
        raise ValueError(f"the result has other figures than {', '.join(sorted(RESULT))}")
    _numbers([figure for figure in found.values() if figure is not None])
    return dict(found)


def _figures(figures: Mapping[str, Any]) -> Fidelity:
    level = figures["sqnr_db"]
    others = _effects({name: figure for name, figure in figures.items() if name != "sqnr_db"})
    return Fidelity(None if level is None else _numbers([level])[0], **others)


def _effects(effects: Mapping[str, Any]) -> dict[str, float]:
    return {value: _numbers([number])[0] for value, number in effects.items()}


def _numbers(values: list[Any]) -> tuple[float, ...]:
    """A list of finite JSON numbers."""
    if any(type(x) not in (int, float) or not math.isfinite(x) for x in values):
        raise ValueError(f"{values} are not all finite numbers")
    return tuple(map(float, values))


def check_fits(graph: Graph, calibration: Calibration) -> None:
    """A calibration belongs to one model: refuse another's."""
    linear = {node.outputs[0]: _weights(graph, node) for node in graph.nodes if rule(node).channel_axis}
    missing = [f"no range of {root!r} is recorded" for root in roots(graph) if root not in calibration.ranges]
    missing += [f"there is no layer {value!r} with a bias" for value in calibration.biases if value not in linear]
    channels = {group.name: group.channels for group in groups(graph)}
    missing += [f"{v!r} takes no such gains" for v, g in calibration.gains.items() if channels.get(v) != len(g)]
    missing += [f"{v!r} has no such weights" for v, m in calibration.roundings.items() if linear.get(v) != m.size]
    if missing:
        raise InputError(
            "the calibration is not of this model",
            where=graph.name,
            why=missing[0] + (f", and {len(missing) - 1} more" if missing[1:] else ""),
            hint="calibrate with samples once: --calibration samples.npz",
        )


def _weights(graph: Graph, node: Node) -> int:
    """How many weights a linear node has."""
    return int(next(graph.consts[value].size for value in node.inputs[1::-1] if value in graph.consts))
