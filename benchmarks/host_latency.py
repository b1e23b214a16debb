# SPDX-License-Identifier: Apache-2.0
"""Latency of the generated C on this machine beside LiteRT int8 (XNNPACK) and ONNX Runtime, one thread each.

`python benchmarks/host_latency.py [NETWORK ...] [--rounds 15] [--seconds 0.1] [--cc gcc] [--cflags "-O3 -march=native"]
[--json FILE] [--readme]`: needs EIGHTBIT_MODELS and the extra `bench`. All contenders take turns in one process, so
that a busy machine slows all of them; a ratio is the median over rounds of the ratios within a round. Exit status 1 if
a goal is missed. LiteRT and QDQ run the official int8 networks, which have the same shapes but other weights.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from readme import table, update

import eightbit
import real
from eightbit.build import batch

MARK = "speeds of benchmarks/host_latency.py"
GOALS = {"kws": 8.0, "vww": 6.0, "ic": 15.0, "ad": 4.0}  # at most so many times LiteRT
OURS, LITERT, FLOAT, QDQ = "eightbit", "LiteRT int8", "ORT float", "ORT QDQ"
Run = Callable[[int], NDArray[np.int64]]  # nanoseconds of each of so many inferences

DRIVER = """
#define _POSIX_C_SOURCE 199309L
#include <time.h>
#include "{name}.h"

static {name}_context net;

static long long now(void)
{{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}}

e8_s8 *driver_input(void) {{ return {name}_{input}(&net); }}
const e8_s8 *driver_output(void) {{ return {name}_{output}(&net); }}

/* The input may lie under later tensors: each run starts with a copy, as it would with new data. */
void driver_time(const e8_s8 *x, long size, long n, long long *nanoseconds)
{{
    long i, j;

    for (i = 0; i < n; i++) {{
        const long long start = now();
        e8_s8 *to = driver_input();

        for (j = 0; j < size; j++)
            to[j] = x[j];
        {name}_run(&net);
        nanoseconds[i] = now() - start;
    }}
}}
"""


def ours(build: eightbit.Build, x: NDArray[np.float32], folder: Path, cc: str, flags: list[str]) -> Run:
    """The generated C as a shared library; its output is compared with the simulator's."""
    name = build.emission.name
    out = build.write(folder / "out")
    (folder / "driver.c").write_text(DRIVER.format(name=name, input="input", output="output"))
    library = folder / f"{name}.so"
    sources = [out / f"{name}.c", folder / "driver.c"]
    subprocess.run([cc, *flags, "-std=c99", "-shared", "-fPIC", "-I", out, *sources, "-o", library], check=True)
    lib = ctypes.CDLL(str(library))
    lib.driver_output.restype = ctypes.c_void_p
    port = build.program.inputs[0]
    memory = np.ascontiguousarray(batch(build.program, {port.name: x})[port.tensor])

    def run(n: int) -> NDArray[np.int64]:
        times = np.zeros(n, np.int64)
        size, count = ctypes.c_long(memory.size), ctypes.c_long(n)
        lib.driver_time(ctypes.c_void_p(memory.ctypes.data), size, count, ctypes.c_void_p(times.ctypes.data))
        return times

    run(1)
    want = next(iter(build.simulate({port.name: x}).values())).ravel()
    got = np.frombuffer(ctypes.string_at(lib.driver_output(), want.size), np.int8)
    if (got != want).any():
        raise SystemExit(f"{name}: the timed library has other bits than the simulator")
    return run


def litert(path: Path) -> Run:
    """The official int8 network; the wrapped object is called, which spares LiteRT the cost of its Python method."""
    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    detail = interpreter.get_input_details()[0]
    interpreter.set_tensor(detail["index"], np.random.default_rng(0).integers(-128, 128, detail["shape"], np.int8))
    return timed(interpreter._interpreter.Invoke, interpreter)


def onnx_runtime(path: Path, x: NDArray[np.generic]) -> Run:
    """A network in ONNX Runtime with all its optimisations, its arrays bound once."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    binding.bind_cpu_input(session.get_inputs()[0].name, x)
    binding.bind_output(session.get_outputs()[0].name)
    return timed(lambda: session.run_with_iobinding(binding), session)


def timed(call: Callable[[], Any], owner: object) -> Run:
    def run(n: int, _owner: object = owner) -> NDArray[np.int64]:
        clock, times = time.perf_counter_ns, [0] * n
        for i in range(n):
            start = clock()
            call()
            times[i] = clock() - start
        return np.array(times)

    return run


def contenders(network: real.Network, folder: Path, cc: str, flags: list[str]) -> dict[str, Run]:
    model = real.path(network)
    build = eightbit.compile(model, real.calibration(network), name=network.name)
    x = np.asarray(real.samples(network, "eval", slice(1))[network.input], np.float32)
    official = model.parent / network.data
    return {
        OURS: ours(build, x, folder, cc, flags),
        LITERT: litert(official.with_name(f"{network.data}_int8.tflite")),
        FLOAT: onnx_runtime(model, x),
        QDQ: onnx_runtime(official.with_name(f"{network.data}_community_qdq.onnx"), shaped(network, x)),
    }


def shaped(network: real.Network, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """A sample as the QDQ file of the network wants it: another layout takes as long with the same numbers."""
    path = real.path(network).with_name(f"{network.data}_community_qdq.onnx")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    shape = [n if isinstance(n, int) else 1 for n in session.get_inputs()[0].shape]
    return x.reshape(shape)


def measure(runs: dict[str, Run], rounds: int, seconds: float) -> dict[str, NDArray[np.float64]]:
    """Median microseconds of each contender in each round."""
    medians = {name: np.zeros(rounds) for name in runs}
    for index in range(rounds):
        for name, run in runs.items():
            once = float(np.median(run(20)))  # also warms the caches
            medians[name][index] = np.median(run(max(30, int(seconds * 1e9 / once)))) / 1000
    return medians


def row(network: str, medians: dict[str, NDArray[np.float64]]) -> dict[str, Any]:
    ratios = {name: float(np.median(medians[OURS] / medians[name])) for name in medians if name != OURS}
    return {
        "network": network,
        **{f"{name}, us": float(np.median(values)) for name, values in medians.items()},
        **{f"eightbit : {name}": ratio for name, ratio in ratios.items()},
        "goal": GOALS[network],
        "reached": ratios[LITERT] <= GOALS[network],
    }


def speeds(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """What README.md says of them: ratios to the fastest interpreter."""
    key = f"eightbit : {LITERT}"
    return [{"network": one["network"], key: f"{one[key]:.1f}"} for one in rows]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", choices=[*real.TINY, []], default=[])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.1, help="of each contender in each round")
    parser.add_argument("--cc", default="gcc")
    parser.add_argument("--cflags", default="-O3 -march=native")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--readme", action="store_true")
    args = parser.parse_args()
    rows = []
    for name in args.networks or real.TINY:
        with tempfile.TemporaryDirectory() as folder:
            runs = contenders(real.TINY[name], Path(folder), args.cc, args.cflags.split())
            rows.append(row(name, measure(runs, args.rounds, args.seconds)))
    print(f"{args.cc} {args.cflags}; microseconds are medians, ratios medians of {args.rounds} rounds\n\n{table(rows)}")
    if args.readme:
        update(table(speeds(rows)), MARK)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))
    return int(not all(r["reached"] for r in rows))


if __name__ == "__main__":
    sys.exit(main())
