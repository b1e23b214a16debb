# SPDX-License-Identifier: Apache-2.0
"""Intervals: no simulated value leaves them, and both ends of a linear call are reached by an input made for them."""

from __future__ import annotations

import importlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import eightbit
from eightbit import ops, simulate
from eightbit.frontend import samples as sampling
from eightbit.ir import intervals
from eightbit.ir.fixed import Int8, Int64
from eightbit.ir.program import Program, Proof
from eightbit.ops.linear import Linear
from eightbit.ops.opdef import Interval, Rising
from kernels.cases import Case, Rng
from models import model, node, samples
from random_graphs import random_model

CASES, INPUTS = 80, 30
TESTED = sorted(path.stem.removeprefix("test_") for path in Path(__file__).parents[1].glob("ops/test_*.py"))
LINEAR = [name for name in TESTED if isinstance(ops.get(name), Linear)]
RISING = [name for name in TESTED if isinstance(ops.get(name), Rising)]


def cases(op: str, seed: int) -> list[tuple[Case, list[Interval], Rng]]:
    """Random calls, each with random ranges of its inputs' channels."""
    case_of, found = importlib.import_module(f"ops.test_{op}").case, []
    for index in range(CASES):
        rng = np.random.default_rng([seed, index])
        case: Case = case_of(rng)
        found.append((case, [random_range(rng, tensor.shape[2]) for tensor in case.inputs], rng))
    return found


def random_range(rng: Rng, channels: int) -> Interval:
    """Anything between one value and all of them."""
    ends = np.sort(rng.integers(-128, 128, (2, channels)), axis=0)
    ends[1] = np.where(rng.random(channels) < 0.2, ends[0], ends[1])
    return Interval.whole(channels) if rng.random() < 0.2 else Interval(*ends)


def within(rng: Rng, held: Interval, shape: tuple[int, int, int], count: int = INPUTS) -> Int8:
    """Random images [count, *shape] in a range; half of their values lie at its ends."""
    inner = rng.integers(held.low, held.high + 1, (count, *shape))
    ends = np.where(rng.random(inner.shape) < 0.5, held.low, held.high)
    return np.where(rng.random(inner.shape) < 0.5, inner, ends).astype(np.int8)


def accumulators(case: Case, x: Int8 | Int64) -> Int64 | None:
    op, call = ops.get(case.call.op), case.call
    found = op.accumulate(call, x, case.output.shape)
    return found + call.consts["bias"] if isinstance(op, Linear) and found is not None else found


def holds(held: Interval, values: Int8 | Int64) -> bool:
    return bool((values >= held.low).all() and (values <= held.high).all())


@pytest.mark.parametrize("op", TESTED)
def test_no_accumulator_and_no_result_leaves_its_interval(op: str, seed: int) -> None:
    for case, ranges, rng in cases(op, seed):
        acc, out = ops.get(op).intervals(case.call, ranges, case.inputs, case.output)
        x = [within(rng, held, tensor.shape) for held, tensor in zip(ranges, case.inputs, strict=True)]
        assert holds(out, ops.get(op).evaluate(case.call, x, case.output.shape))
        sums = accumulators(case, x[0])
        assert (acc is None) == (sums is None)
        assert acc is None or sums is None or holds(acc, sums)


@pytest.mark.parametrize("op", LINEAR)
def test_both_ends_of_every_channel_of_a_linear_call_are_reached(op: str, seed: int) -> None:
    for case, (held,), _ in cases(op, seed)[:30]:
        acc, out = ops.get(op).intervals(case.call, [held], case.inputs, case.output)
        assert acc is not None
        for low, end in ((True, acc.low), (False, acc.high)):
            x = extremes(case, held, low)
            sums = accumulators(case, x)
            results = ops.get(op).evaluate(case.call, [x.astype(np.int8)], case.output.shape)
            reached = np.min if low else np.max
            assert sums is not None
            assert np.array_equal(reached(sums, axis=(0, 1, 2)), end)
            assert np.array_equal(reached(results, axis=(0, 1, 2)), out.low if low else out.high)


def extremes(case: Case, held: Interval, low: bool) -> Int64:
    """For every output element, the input that makes its accumulator least (or largest).

    How an element depends on every input value comes from steps of one in one value at a time.
    """
    shape = case.inputs[0].shape
    size = int(np.prod(shape))
    start = np.zeros((1, *shape), np.int64)
    steps = np.eye(size, dtype=np.int64).reshape(size, *shape)
    base, moved = accumulators(case, start), accumulators(case, steps)
    assert base is not None
    assert moved is not None
    slopes = (moved - base).reshape(size, -1).T  # [output elements, input values]
    slopes = np.unique(slopes, axis=0).reshape(-1, *shape)
    return np.where((slopes > 0) == low, held.low, held.high)


@pytest.mark.parametrize("op", RISING)
def test_no_result_of_a_rising_operator_falls_when_its_inputs_rise(op: str, seed: int) -> None:
    for case, ranges, rng in cases(op, seed):
        both = [
            [within(rng, held, tensor.shape) for held, tensor in zip(ranges, case.inputs, strict=True)] for _ in "ab"
        ]
        results = []
        for choose in (np.minimum, np.maximum):
            x = [choose(a, b) for a, b in zip(*both, strict=True)]
            results.append(ops.get(op).evaluate(case.call, x, case.output.shape).astype(int))
        assert (results[0] <= results[1]).all()


def test_an_operator_that_says_nothing_gets_what_its_clamp_lets_through() -> None:
    case = importlib.import_module("ops.test_clamp").case(np.random.default_rng(0))
    params = replace(case.call.params, act_min=-5, act_max=9)
    acc, out = ops.opdef.OpDef.intervals(
        ops.get("clamp"), replace(case.call, params=params), [], case.inputs, case.output
    )
    assert acc is None
    assert set(out.pairs()) == {(-5, 9)}


def test_taps_outside_the_image_count_only_where_they_are_outside() -> None:
    """3 pixels of 5 above the zero point, weights 1 -1 1: in the middle 5 is left, at each border nothing."""
    convolution = importlib.import_module("ops.test_conv")
    params = replace(convolution.PLAIN, in_h=1, kh=1, pad_top=0)
    case = convolution.case(np.random.default_rng(0))
    consts = {
        "weights": np.array([1, -1, 1], np.int8).reshape(1, 1, 3, 1),
        "bias": np.zeros(1, np.int32),
        "mult": np.ones(1, np.int32),
    }
    call = replace(case.call, params=params, consts=consts)
    x, y = (replace(tensor, shape=(1, 3, 1), order="HWC") for tensor in (case.inputs[0], case.output))
    acc, _ = ops.get("conv").intervals(call, [Interval.whole(1, 5, 5)], [x], y)
    assert acc is not None
    assert acc.pairs() == ((0, 5),)


@pytest.mark.parametrize("seed", range(20_201, 20_209))
def test_no_value_of_a_random_graph_leaves_its_proof(seed: int) -> None:
    proto, calibration, fresh = random_model(seed)
    program = eightbit.compile(proto, calibration).program
    wild = {name: array * 30 for name, array in fresh.items()}
    for given in (fresh, wild):
        tensors = simulate.run(program, simulate.input_batch(program, sampling.read(given, shapes(program))))
        for call in program.calls:
            assert call.proof is not None
            assert holds(Interval(*np.array(call.proof.range).T), tensors[call.output])


def shapes(program: Program) -> dict[str, tuple[int, ...]]:
    return {port.name: port.shape for port in program.inputs}


def test_the_scale_of_weights_is_the_exact_fraction_that_multiplier_and_shifts_define() -> None:
    w, b = np.arange(-6, 6).reshape(4, 3) / 4, np.zeros(3)
    proto = model([node("Gemm", "x w b", "y")], {"x": [1, 4]}, {"y": [1, 3]}, {"w": w, "b": b})
    program = eightbit.compile(proto, samples(4)).program
    (call,) = program.calls
    assert call.proof is not None
    assert call.proof.weight_scale is not None
    x, y = program.tensors[call.inputs[0]], program.tensors[call.output]
    for channel, scale in enumerate(call.proof.weight_scale):
        shift = call.params.acc_lshift - 32 - call.params.out_rshift
        assert scale * x.ratio == int(call.consts["mult"][channel]) * Fraction(2) ** shift * y.ratio
        stored = call.consts["weights"][channel] * float(scale)
        assert np.abs(stored - w[:, channel]).max() <= float(scale) / 2


@pytest.mark.parametrize(
    ("held", "bits"), [((0, 0), 1), ((-1, 0), 1), ((0, 1), 2), ((-128, 127), 8), ((-129, 0), 9), ((-5, 128), 9)]
)
def test_accumulator_bits_are_those_of_twos_complement(held: tuple[int, int], bits: int) -> None:
    assert intervals.accumulator_bits(Proof(((0, 0),), (held,))) == bits
