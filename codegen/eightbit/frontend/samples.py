# SPDX-License-Identifier: Apache-2.0
"""Samples: one array [n, ...] per model input, each row one input without its batch axis; labels optional."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eightbit.errors import InputError, closest, reason
from eightbit.frontend.graph import INTEGERS, Graph

LABELS = "labels"
BYTES_MAX = 1 << 32  # of all arrays of a file: a small one may unpack to anything
Source = str | Path | Mapping[str, ArrayLike] | ArrayLike


@dataclass(frozen=True)
class Samples:
    """Float32 arrays [n, *ONNX input shape] by input name, and labels int64 [n] if known."""

    arrays: Mapping[str, NDArray[np.float32]]
    labels: NDArray[np.int64] | None
    count: int

    def row(self, index: int) -> dict[str, NDArray[np.float32]]:
        return {name: array[index, ...] for name, array in self.arrays.items()}

    def first(self, count: int) -> Samples:
        labels = None if self.labels is None else self.labels[:count]
        return Samples({k: v[:count] for k, v in self.arrays.items()}, labels, min(count, self.count))


def of_graph(graph: Graph, source: Source) -> Samples:
    """Samples for the inputs of a float graph, checked."""
    found = read(source, {name: graph.shapes[name] for name in graph.inputs})
    for name, kind in graph.integers.items():
        _check_integers(name, found.arrays[name], kind, origin(source))
    return found


def origin(source: Source | None) -> str:
    """Where samples come from, for messages."""
    return str(source) if isinstance(source, str | Path) else "samples"


def read(source: Source, shapes: Mapping[str, tuple[int, ...]]) -> Samples:
    """Samples for inputs of the given shapes (as the model states them), checked."""
    where = origin(source)
    found = _open(source, where, list(shapes))
    labels = found.pop(LABELS, None) if LABELS not in shapes else None
    _same_names(set(found), list(shapes), where)
    arrays = {name: _fit(name, found[name], shape, where) for name, shape in shapes.items()}
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) != 1 or 0 in counts.values():
        raise InputError(
            "the inputs have different numbers of samples" if any(counts.values()) else "there are no samples",
            where=where,
            why=", ".join(f"{name!r} has {n}" for name, n in counts.items()),
            hint="give every input one row per sample",
        )
    count = next(iter(counts.values()))
    return Samples(arrays, _labels(labels, count, where), count)


def _open(source: Source, where: str, names: list[str]) -> dict[str, NDArray[Any]]:
    if not isinstance(source, str | Path | Mapping) and len(names) != 1:
        raise InputError(
            "one array cannot serve several inputs",
            where=where,
            why=f"the model has the inputs {', '.join(map(repr, names))}",
            hint="pass a dictionary with one array per input name",
        )
    try:
        if isinstance(source, str | Path):
            return _archive(Path(source))
        named = source if isinstance(source, Mapping) else {names[0]: source}
        return {str(name): np.asarray(value) for name, value in named.items()}
    except Exception as error:  # errors of files, zip, zlib and NumPy share no base class
        raise InputError(
            "cannot read the samples",
            where=where,
            why=reason(error),
            hint=_path_hint(source) or f"save one array [n, ...] per input: {_saved(names)}",
        ) from error


def _path_hint(source: Source) -> str:
    """Where there is no file, the path is wrong and not what it holds."""
    return "" if not isinstance(source, str | Path) or Path(source).is_file() else "check the path of the .npz file"


def _saved(names: Sequence[str]) -> str:
    """How an archive for inputs of these names is written."""
    arrays = ", ".join(f"{name!r}: array" for name in names)
    return f"numpy.savez(file, **{{{arrays}}})"


def _archive(path: Path) -> dict[str, NDArray[Any]]:
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError("it is not an .npz archive")
        with zipfile.ZipFile(file) as members:
            size = sum(item.file_size for item in members.infolist())
        if size > BYTES_MAX:
            raise ValueError(f"its arrays take {size} bytes, more than {BYTES_MAX}")
        file.seek(0)
        with np.load(file, allow_pickle=False) as archive:
            return {name: np.asarray(archive[name]) for name in archive.files}


def _same_names(found: set[str], wanted: list[str], where: str) -> None:
    if found == set(wanted):
        return
    meant = f"{_meant(found, wanted)}name each array like its model input"
    raise InputError(
        "the samples do not match the model's inputs",
        where=where,
        why=f"they hold {sorted(found)}, the model's inputs are {wanted}",
        hint=f"{meant}: {_saved(wanted)}; class numbers, if any, are called 'labels'",
    )


def _meant(found: set[str], wanted: list[str]) -> str:
    """Which inputs wrong names resemble."""
    return "".join(closest(name, [w for w in wanted if w not in found]) for name in sorted(found - set(wanted)))


def _fit(name: str, array: NDArray[Any], shape: tuple[int, ...], where: str) -> NDArray[np.float32]:
    if array.dtype.kind not in "fiub":
        raise InputError(
            f"samples of input {name!r} are not numbers",
            where=where,
            why=f"their type is {array.dtype}",
            hint="save them as float32",
        )
    row = shape[1:] if shape[:1] == (1,) else shape
    if array.ndim < 1 or array.shape[1:] not in (row, shape):
        raise InputError(
            f"samples of input {name!r} have the wrong shape",
            where=where,
            why=f"the array is {list(array.shape)}, the model wants [n, {', '.join(map(str, row))}]",
            hint=_shape_hint(array.shape, row),
        )
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(array, np.float32).reshape(len(array), *shape)
    if not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values).reshape(len(array), -1).all(axis=1))[0])
        raise InputError(
            f"samples of input {name!r} are not finite",
            where=where,
            why=f"sample {bad} holds NaN, infinity or more than float32 can",
            hint="remove or repair such samples: ranges are measured on them",
        )
    return values


def _shape_hint(found: tuple[int, ...], row: tuple[int, ...]) -> str:
    """What makes samples [n, *row] of an array, where its sizes say that."""
    channels_last = (*row[1:], *row[:1])
    if found == row:
        return "this is one sample without the axis n: array[None]"
    if len(row) > 1 and found[1:] == channels_last:
        axes = ", ".join(map(str, (0, len(row), *range(1, len(row)))))
        return f"its channels come last, the model's first: array.transpose({axes})"
    if len(found) > 1 and math.prod(found[1:]) == math.prod(row):
        return f"array.reshape(-1, {', '.join(map(str, row))}), if its values are in that order"
    return "one row per sample, without the batch axis"


def _check_integers(name: str, values: NDArray[np.float32], kind: str, where: str) -> None:
    low, high = INTEGERS[kind]
    wrong = values[(values != np.rint(values)) | (values < low) | (values > high)]
    if wrong.size:
        raise InputError(
            f"samples of input {name!r} are not {kind.lower()}",
            where=where,
            why=f"the model's input holds integers of {low:g} to {high:g}, and {wrong[0]} occurs",
            hint="save what the model is given, before any scaling",
        )


def _labels(labels: NDArray[Any] | None, count: int, where: str) -> NDArray[np.int64] | None:
    if labels is None:
        return None
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise InputError(
            "labels must be one integer per sample",
            where=where,
            why=f"they are {labels.dtype}{list(labels.shape)} for {count} samples",
            hint="save labels as an int64 array [n]",
        )
    return labels.astype(np.int64)
