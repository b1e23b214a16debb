# SPDX-License-Identifier: Apache-2.0
"""The facts `write` and `reread` are true: a kernel makes the right bits where its output ends as near below its input
as these facts allow.

An output that lies D elements below its input is safe if no pixel ends behind the first element that a later pixel
still reads. Where a kernel reads the inputs of a pixel, or of a tile of several, again while it writes them, the first
element that the tile reads counts too; tiles begin anywhere, for launches take any rows.
"""

from __future__ import annotations

import ctypes
import importlib
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from eightbit import ops
from eightbit.ir.fixed import Int8
from eightbit.kernels.kernel import Kernel
from kernels.cases import Case
from kernels.driver import RUNTIME, all_kernels_text, facts, kernel_files, params_bytes

CASES = 150
OPERATORS = ("conv", "depthwise", "avgpool", "maxpool")  # that slide a window: others read element by element, or all
KERNELS = [
    pytest.param(path, id=f"{path.parent.name}-{path.stem}") for path in kernel_files() if facts(path).op in OPERATORS
]


class Rows(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("row", ctypes.c_ssize_t), ("pixel", ctypes.c_ssize_t),
                ("plane", ctypes.c_ssize_t), ("ring", ctypes.c_int16))  # fmt: skip


class Launch(ctypes.Structure):
    _fields_ = (("inputs", ctypes.POINTER(Rows)), ("output", ctypes.POINTER(Rows)), ("y", ctypes.c_int16),
                ("n", ctypes.c_int16), ("scratch", ctypes.c_void_p), ("state", ctypes.c_void_p))  # fmt: skip


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("in_place")
    source, shared = folder / "all.c", folder / "all.so"
    source.write_text(all_kernels_text().replace("static void run_kernel", "void run_kernel"))
    command = ["gcc", "-std=c99", "-O2", "-shared", "-fPIC", f"-I{RUNTIME / 'include'}", source, "-o", shared]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(shared))


def first_reads(case: Case) -> NDArray[np.int64]:
    """The lowest element of the input [H, W, C] that each output pixel reads; the input's size if it reads none."""
    p, (height, width, channels) = case.call.params, case.inputs[0].shape
    rows, columns = (
        np.arange(count)[:, None] * stride - before + np.arange(taps) * dilation
        for count, stride, before, taps, dilation in (
            (case.output.shape[0], p.stride_y, p.pad_top, p.kh, p.dil_y),
            (case.output.shape[1], p.stride_x, p.pad_left, p.kw, p.dil_x),
        )
    )
    top = np.where((rows >= 0) & (rows < height), rows, height).min(axis=1)
    left = np.where((columns >= 0) & (columns < width), columns, width).min(axis=1)
    found = (top[:, None] * width + left) * channels
    return np.where((top[:, None] < height) & (left < width), found, height * width * channels).ravel()


def distance(kernel: Kernel, case: Case) -> int:
    """D: how far below the input the output must begin."""
    reads, channels = first_reads(case), case.output.shape[2]
    tile = 1 if kernel.write == "pixel" else int(kernel.write.removeprefix("tile "))
    lowest = np.append(np.minimum.accumulate(reads[::-1])[::-1], case.inputs[0].size)  # by this pixel or a later one
    ends = np.arange(1, len(reads) + 1)
    needed = lowest[np.maximum(ends - tile, 0) if kernel.reread else ends]
    return int((ends * channels - needed).max())


def run_in_place(library: ctypes.CDLL, source: Path, case: Case, below: int) -> Int8:
    """The output [1, H, W, C], in a buffer that it shares with its input, by launches of 1, 2, 3, ... rows."""
    kernel, (x,) = facts(source), case.arrays
    before = max(below, 0)
    memory = np.full(before + max(x.size, case.output.size - below), 85, np.int8)
    memory[before : before + x.size] = x.ravel()
    out_at = before - below
    views = [
        Rows(memory.ctypes.data + at, width * channels, channels, 1, height)
        for at, (height, width, channels) in ((before, case.inputs[0].shape), (out_at, case.output.shape))
    ]
    streams = [np.ascontiguousarray(stream) for stream in kernel.pack(case.call).values()]
    pointers = (ctypes.c_void_p * max(1, len(streams)))(*(stream.ctypes.data for stream in streams))
    scratch = (ctypes.c_int64 * (kernel.scratch(case.call) // 8 + 1))()
    launch = Launch(ctypes.pointer(views[0]), ctypes.pointer(views[1]), 0, 0, ctypes.addressof(scratch), None)
    number, params, rows = kernel_files().index(source), params_bytes(case.call.params), case.output.shape[0]
    while launch.y < rows:
        launch.n = min(launch.n + 1, rows - launch.y)
        library.run_kernel(number, params, pointers, ctypes.byref(launch))
        launch.y += launch.n
    return memory[out_at : out_at + case.output.size].reshape(1, *case.output.shape)


def drawn(source: Path, seed: int) -> list[Case]:
    """Cases that the kernel takes, with inputs in the order of pixels."""
    kernel, found = facts(source), []
    case_of: Any = importlib.import_module(f"ops.test_{kernel.op}").case
    for index in range(40 * CASES):
        case: Case = case_of(np.random.default_rng([seed, 3, index]))
        if case.inputs[0].order == "HWC" and not kernel.refusal(case.call, case.inputs):
            found.append(case)
            if len(found) == CASES:
                break
    assert len(found) == CASES
    return found


@pytest.mark.parametrize("source", KERNELS)
def test_a_kernel_may_write_as_near_below_its_input_as_its_facts_say(
    source: Path, library: ctypes.CDLL, seed: int
) -> None:
    kernel = facts(source)
    for index, case in enumerate(drawn(source, seed)):
        got = run_in_place(library, source, case, distance(kernel, case))
        expected = ops.get(kernel.op).evaluate(case.call, case.arrays, case.output.shape)
        assert np.array_equal(got, expected), f"{source}, --seed {seed}, case {index}: {case.call.params}"


@pytest.mark.parametrize("source", KERNELS)
def test_a_pixel_nearer_would_be_too_near(source: Path, library: ctypes.CDLL) -> None:
    """The distance is not generous: without a pixel of it some case goes wrong."""
    kernel = facts(source)
    for case in drawn(source, 0):
        got = run_in_place(library, source, case, distance(kernel, case) - case.output.shape[2])
        if not np.array_equal(got, case.expected()):
            return
    raise AssertionError("the distance is longer than needed in every case")
