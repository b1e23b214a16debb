# SPDX-License-Identifier: Apache-2.0
"""The plan: live ranges re-derived from the order of calls, and the arena byte by byte."""

from __future__ import annotations

import numpy as np

from eightbit.audit.kernels import layout
from eightbit.audit.model import Ledger, Place, Plan, Program

PLACES, BYTES = "places and views", "bytes of the arena, step by step"


def arena(program: Program, plan: Plan, ledger: Ledger) -> None:
    """Every statement of plan.txt."""
    ledger.equal(PLACES, "plan.txt", "its network", plan.name, program.name)
    if not ledger.equal(PLACES, "plan.txt", "its list of tensors", sorted(plan.places), sorted(program.tensors)):
        return
    _steps(program, plan, ledger)
    homes = homes_of(program)
    for name, (first, last) in _lives(program, homes).items():
        place = plan.places[name]
        ledger.equal(PLACES, f"plan.txt, tensor {name}", "its live range", (place.first, place.last), (first, last))
    for name, tensor in program.tensors.items():
        place, where = plan.places[name], f"plan.txt, tensor {name}"
        ledger.equal(PLACES, where, "its size", place.size, tensor.size)
        ledger.equal(PLACES, where, "its view (row, pixel, plane, ring)", place.view, tensor.view)
        if name != homes[name]:
            home = plan.places[homes[name]]
            ledger.equal(PLACES, where, f"its place, that of {homes[name]},", _spot(place), _spot(home))
    inside = {name: plan.places[name] for name in homes.values() if plan.places[name].buffer is None}
    _bytes(plan, inside, ledger)


def _spot(place: Place) -> tuple[str, int, int, int, int]:
    return *place.base, place.size, place.first, place.last


def homes_of(program: Program) -> dict[str, str]:
    """The tensor whose memory each tensor is: a reshape moves nothing."""
    found = {port.tensor: port.tensor for port in program.inputs}
    for call in program.calls:
        found[call.name] = found[call.inputs[0]] if call.op == "reshape" else call.name
    return found


def _lives(program: Program, homes: dict[str, str]) -> dict[str, tuple[int, int]]:
    """First and last step of every memory: 0 fills the inputs, the step after the last launch reads the outputs."""
    first = {port.tensor: 0 for port in program.inputs}
    last = dict(first)
    for step, call in enumerate(program.coded, start=1):
        first[call.name] = last[call.name] = step
        for name in call.inputs:
            last[homes[name]] = step
    for port in program.outputs:
        last[homes[port.tensor]] = len(program.coded) + 1
    return {name: (first[name], last[name]) for name in first}


def _steps(program: Program, plan: Plan, ledger: Ledger) -> None:
    names = [step.call for step in plan.steps]
    if not ledger.equal(PLACES, "plan.txt", "its order of calls", names, [call.name for call in program.coded]):
        return
    for number, (step, call) in enumerate(zip(plan.steps, program.coded, strict=True), start=1):
        where = f"plan.txt, step {number}"
        ledger.equal(PLACES, where, "its number", step.number, number)
        ledger.equal(PLACES, where, "its tensors", (step.inputs, step.output), (call.inputs, call.name))
        known = layout(step.kernel, call)
        ledger.expect(PLACES, where, known is not None, f"{step.kernel} is no kernel of {call.op} known here")
        needed = (0 if known is None else known.scratch(call), 0)  # no kernel keeps a state
        ledger.equal(PLACES, where, "its scratch and state", (step.scratch, step.state), needed)


def _bytes(plan: Plan, homes: dict[str, Place], ledger: Ledger) -> None:
    """No byte has two live owners; the sums follow; the lower bound is the most bytes live at one step."""
    bound, clashes = 0, dict[tuple[str, str], int]()
    total = sum(place.size for place in homes.values())
    if not ledger.expect(
        PLACES, "plan.txt", plan.activation_bytes <= total, "activation_bytes are more than all tensors apart"
    ):
        return
    for step in range(len(plan.steps) + 2):
        owner = np.full(plan.activation_bytes, -1, np.int64)
        live = [(name, place) for name, place in homes.items() if place.first <= step <= place.last]
        for index, (name, place) in enumerate(live):
            part, where = owner[place.offset : place.offset + place.size], f"plan.txt, tensor {name}"
            if part.size < place.size:
                text = f"bytes {place.offset} .. {place.offset + place.size - 1} are not in the arena"
                clashes.setdefault((where, text), step)
            for other in np.unique(part[part >= 0]).tolist():
                clashes.setdefault((where, f"it shares bytes with {live[other][0]}, and both are live"), step)
            ledger.proven[BYTES] += int((part < 0).sum())
            part[:] = index
        bound = max(bound, sum(place.size for _, place in live))
    for (where, what), step in clashes.items():
        ledger.wrong(where, f"{what} in step {step}")
    _sums(plan, homes, bound, ledger)


def _sums(plan: Plan, homes: dict[str, Place], bound: int, ledger: Ledger) -> None:
    where = "plan.txt"
    extent = max((place.offset + place.size for place in homes.values()), default=0)
    ledger.equal(PLACES, where, "activation_bytes", plan.activation_bytes, extent)
    stated = plan.activation_bytes if plan.bound is None else plan.bound
    ledger.equal(PLACES, where, "the lower bound", stated, bound)
    if plan.bound is not None:
        ledger.expect(PLACES, where, plan.activation_bytes > bound, "a plan that meets its bound is not called optimal")
    for name, total in (("scratch_bytes", plan.scratch_bytes), ("state_bytes", plan.state_bytes)):
        each = [getattr(step, name.removesuffix("_bytes")) for step in plan.steps]
        ledger.equal(PLACES, where, name, total, max(each, default=0))
    ledger.equal(PLACES, where, "arena_bytes", plan.arena_bytes, plan.scratch_offset + plan.scratch_bytes)
