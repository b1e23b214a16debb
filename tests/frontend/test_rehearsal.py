# SPDX-License-Identifier: Apache-2.0
"""Models that would end the whole program in onnx's C++ are refused like others."""

from __future__ import annotations

import os
import signal

import numpy as np
import onnx
import pytest

import eightbit
from eightbit.checkup import check_model
from eightbit.frontend.rehearsal import rehearse
from models import model, node, samples


def shrunk(pads: list[int], step: int, computed: bool) -> onnx.ModelProto:
    """x -> Pad -> Slice; with `computed` the pads are known only once constants are folded."""
    last = [node("Pad", "x pads", "a"), node("Slice", "a starts ends axes steps", "y")]
    first = [node("Add", "half half", "pads")] if computed else []
    consts = {"half" if computed else "pads": np.array(pads, np.int64) // (2 if computed else 1)}
    ends = {"starts": 3, "ends": 1, "axes": 2, "steps": step}
    consts |= {name: np.array([value], np.int64) for name, value in ends.items()}
    return model([*first, *last], {"x": [1, 3, 5]}, {"y": None}, consts, opset=18)


@pytest.mark.parametrize("computed", [False, True])
@pytest.mark.parametrize("step", [-2, 1])
def test_a_slice_of_less_than_nothing_is_refused_and_kills_nobody(step: int, computed: bool) -> None:
    proto = shrunk([0, 0, -4, 0, 0, -4], step, computed)
    with pytest.raises(eightbit.InputError) as refused:
        eightbit.compile(proto, samples(3, 5))
    assert refused.value.exit_status == 2
    with pytest.raises(eightbit.InputError):
        check_model(proto)


def test_work_is_done_once_where_no_operator_is_a_risk() -> None:
    rehearse({"Conv", "Relu"}, "here", lambda: os.kill(os.getpid(), signal.SIGKILL))


@pytest.mark.parametrize("sent", [signal.SIGABRT, signal.SIGSEGV, signal.SIGKILL])
def test_the_signal_that_ended_the_rehearsal_is_named(sent: signal.Signals) -> None:
    with pytest.raises(eightbit.InputError, match=sent.name):
        rehearse({"Slice"}, "here", lambda: os.kill(os.getpid(), sent))


def test_an_error_in_the_rehearsal_is_left_to_the_work_itself() -> None:
    rehearse({"Slice"}, "here", lambda: 1 / 0)
