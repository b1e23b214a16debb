# SPDX-License-Identifier: Apache-2.0
"""Work that may kill the process, done by a copy of it first.

onnx infers shapes in C++ and checks itself by assertions. Those of Slice fail where it is given an axis of less than
no elements, which a Pad, a Conv or another Slice of the same model may make; the whole program would end.
"""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Callable, Iterable

from eightbit.errors import InputError

RISKY = {"Slice"}  # operators whose inference ends the process instead of raising


def rehearse(operators: Iterable[str], where: str, work: Callable[[], object]) -> None:
    """Raises InputError where `work` on a model with these operators kills the process; most are worth no trial."""
    if RISKY.isdisjoint(operators):
        return
    child = os.fork()
    if child == 0:
        _play(work)
    try:
        _, status = os.waitpid(child, 0)
    except BaseException:  # Ctrl-C, say
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    if os.WIFSIGNALED(status):
        raise InputError(
            "not a valid ONNX model",
            where=where,
            why=f"onnx ends with {signal.Signals(os.WTERMSIG(status)).name} when it infers its shapes",
            hint="something that a Slice reads has less than no elements: look at the Pads, Convs and Slices before it",
        )


def _play(work: Callable[[], object]) -> None:
    """The child's part: whatever comes of the work, it is told by how the child ends, and by nothing else."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        faulthandler.disable()
        work()
    finally:
        os._exit(0)
