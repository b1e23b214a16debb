# SPDX-License-Identifier: Apache-2.0
"""Mutations of bytes and numbers for the fuzzer: sizes, attributes' values, constants' elements, types and places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import AttributeProto, TensorProto, numpy_helper

Rng = np.random.Generator
SIZES = (-(2**63), -(2**31), -2, -1, *range(6), 7, 8, 16, 255, 256, 32767, 65536, 2**31 - 1, 2**31, 2**62, 2**63 - 1)
SMALL = (-1, 0, 1, 2, 3, 4, 5, 8)
REALS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, 1e-30, 1e6, 1e30, -1e30, float("inf"), float("-inf"), float("nan"))


def pick(rng: Rng, items: Sequence[Any]) -> Any:
    """One of them; None of nothing."""
    return items[int(rng.integers(len(items)))] if len(items) else None


def change_tensor(rng: Rng, item: TensorProto) -> None:
    """Other values, sizes, type, or data that lie elsewhere."""
    match int(rng.integers(7)):
        case 0:
            item.data_type = int(rng.integers(0, 27))
        case 1:
            dims(rng, item.dims)
        case 2:
            item.raw_data = item.raw_data[: int(rng.integers(len(item.raw_data) + 1))]
        case 3:
            elsewhere(rng, item)
        case _:
            values(rng, item)


def values(rng: Rng, item: TensorProto) -> None:
    """Some or all elements become one unusual number, or all are scaled."""
    name = item.name
    array = numpy_helper.to_array(item).copy()
    if not array.size or array.dtype.kind not in "fiu":
        return
    number = pick(rng, REALS if array.dtype.kind == "f" else SIZES)
    with np.errstate(all="ignore"):
        new = np.asarray(number).astype(array.dtype) if array.dtype.kind == "f" else wrapped(number, array.dtype)
        if rng.random() < 0.3:
            array[...] = new
        elif rng.random() < 0.3:
            array = (array * new).astype(array.dtype)
        else:
            array.reshape(-1)[int(rng.integers(array.size))] = new
    item.CopyFrom(numpy_helper.from_array(array, name))


def wrapped(number: int, dtype: np.dtype[Any]) -> Any:
    """The integer's low bits in the type."""
    return np.array(number % 2**64, np.uint64).astype(dtype)


def elsewhere(rng: Rng, item: TensorProto) -> None:
    """The data are said to lie in a file."""
    item.data_location = TensorProto.EXTERNAL
    entry = item.external_data.add()
    entry.key = pick(rng, ("location", "offset", "length", "checksum", "odd"))
    entry.value = pick(rng, ("weights.bin", "../../etc/passwd", "/etc/passwd", "-1", "x", "", "1e9", "a\x00b"))


def dims(rng: Rng, sizes: Any) -> None:
    """A size changes, comes, goes, or changes places."""
    at = int(rng.integers(len(sizes))) if len(sizes) else 0
    match int(rng.integers(4)) if len(sizes) else 0:
        case 0:
            sizes.append(pick(rng, SMALL))
        case 1:
            del sizes[at]
        case 2:
            sizes[at], sizes[-1] = sizes[-1], sizes[at]
        case _:
            sizes[at] = pick(rng, SIZES if rng.random() < 0.3 else SMALL)


def value_of(rng: Rng, item: AttributeProto) -> None:
    """Another value in the field that the attribute's type names."""
    match item.type:
        case AttributeProto.INT:
            item.i = pick(rng, SIZES if rng.random() < 0.5 else SMALL)
        case AttributeProto.FLOAT:
            item.f = pick(rng, REALS)
        case AttributeProto.STRING:
            item.s = pick(rng, (b"SAME_UPPER", b"SAME_LOWER", b"VALID", b"NOTSET", b"\xff\xfe", b""))
        case AttributeProto.TENSOR:
            change_tensor(rng, item.t)
        case AttributeProto.INTS:
            dims(rng, item.ints)
        case _:
            item.ints.append(pick(rng, SMALL))


def of_bytes(rng: Rng, content: bytes, corpus: Sequence[bytes]) -> bytes:
    """Bytes changed, left out, put in, repeated, cut off or followed by those of another model."""
    if not content:
        return bytes(rng.integers(0, 256, 20, np.uint8))
    data = bytearray(content)
    at = int(rng.integers(len(data)))
    length = int(rng.geometric(0.1))
    match int(rng.integers(7)):
        case 0:
            data[at] ^= 1 << int(rng.integers(8))
        case 1:
            data[at : at + length] = rng.integers(0, 256, length, np.uint8).tobytes()
        case 2:
            del data[at : at + length]
        case 3:
            data[at:at] = rng.integers(0, 256, length, np.uint8).tobytes()
        case 4:
            data[at:at] = data[at : at + length] * 3
        case 5:
            del data[at:]
        case _:
            other = pick(rng, corpus)
            data[at:] = other[int(rng.integers(len(other))) :]
    return bytes(data)
