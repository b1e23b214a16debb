# SPDX-License-Identifier: Apache-2.0
"""What a build costs on a target: instructions by call and class, flash, RAM and stack, measured in its emulator.

One vector runs twice, the input written again before each; the second inference is counted, from the first instruction
of `<model>_run` to its return. The firmware is the one of `verify`: its outputs are compared, so that no figure is one
of a wrong program.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from eightbit import ops, simulate
from eightbit.bench import counting, elf, footprint, instructions
from eightbit.bench.counting import Block, Counts
from eightbit.bench.footprint import Footprint
from eightbit.bench.instructions import Core, Instruction
from eightbit.errors import BuildError
from eightbit.execution import emulate, firmware, protocol, toolchain
from eightbit.execution.compare import coded_calls, compare, written_order
from eightbit.ir.fixed import Int8
from eightbit.ir.program import Program
from eightbit.options import Options
from eightbit.planning.select import select
from eightbit.target import Target

PAINTED, PAINTED_ON_BOARDS = 16384, 1024  # bytes of stack; those with a memory limit have less
DEFAULT = Options()
MARGIN = 256  # bytes at the end of the paint: a frame may have holes
SECOND = 1  # inference


@dataclass
class Cost:
    """Of a call. `cycles`: where the simulator counts them; `estimate`: where there is a `core` to estimate them by."""

    instructions: int = 0
    classes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(instructions.CLASSES, 0))
    cycles: int = 0
    estimate: int = 0

    def add(self, instruction: Instruction | None, runs: int, taken: int, core: Core | None) -> None:
        self.instructions += runs
        self.classes[instruction.kind if instruction else "other"] += runs
        if core is not None:
            self.estimate += instructions.cycles(core, instruction, runs, taken) if instruction else runs


@dataclass(frozen=True)
class Layer:
    """A call: its kernel, multiply-accumulates, and what it cost. None: not counted on this target, or the compiler's
    debug information names no code of it."""

    call: str
    kernel: str
    macs: int
    instructions: int | None
    instructions_per_mac: float | None
    classes: Mapping[str, int] | None
    cycles: int | None
    cycles_estimate: int | None


@dataclass(frozen=True)
class BenchResult:
    """All sizes in bytes. `around_instructions`: of the run function's own entry and return, and of no known call.

    `released_code`: whether the compiler made the same instructions as without debug information, as it should.
    `stack_bytes` was painted; `ram_bytes` = context + static + the larger of it and the compiler's bound.
    """

    target: str
    instructions: int | None
    instructions_per_mac: float | None
    classes: Mapping[str, int] | None
    cycles: int | None
    cycles_estimate: int | None
    cycles_formula: str | None
    macs: int
    code_bytes: int
    weight_bytes: int
    flash_bytes: int
    arena_bytes: int
    context_bytes: int
    io_bytes: int
    static_bytes: int
    stack_bytes: int
    stack_bound_bytes: int | None
    ram_bytes: int
    around_instructions: int | None
    layers: tuple[Layer, ...]
    released_code: bool
    functions: Mapping[str, int]
    library: Mapping[str, int]
    compiler: str
    flags: tuple[str, ...]
    emulator: str
    machine: str

    def json(self) -> dict[str, Any]:
        return asdict(self)


def bench(
    out: Path,
    program: Program,
    target: Target,
    inputs: Mapping[str, Int8],
    cflags: Sequence[str] = toolchain.DEFAULT_FLAGS,
    options: Options = DEFAULT,
) -> BenchResult:
    """Measure the C in folder `out`, emitted for `target` with `options`, on the first sample of `inputs`."""
    emulate.need_tools(target)
    with tempfile.TemporaryDirectory(prefix="eightbit-bench-") as folder:
        work = Path(folder)
        source = options.sources(out)
        kit = firmware.prepare(work, source, program, target, cflags, False, options, footprint.flags(target.cc))
        name = kit.context["name"]
        memory = simulate.memory(program, {key: value[:1] for key, value in inputs.items()})
        values = np.concatenate([memory[port.tensor] for port in program.inputs], axis=1)
        painted = PAINTED if target.ram_bytes is None else PAINTED_ON_BOARDS
        linked = firmware.link(kit, values, painted)
        model, plain = work / f"{name}.o", (*firmware.compiler(target, cflags), "-I", source)
        released = elf.same_code(model, firmware.compiled(plain, source / f"{name}.c", work / "released.o"))
        sizes, code = footprint.measure(out, source, model, linked)
        emulated = counting.counted(target, code, linked) if target.count else target
        printed = protocol.parse(emulate.run(emulated, linked), emulate.script(program, name, 1, False, True))
        _same_bits(program, target, memory, printed)
        _all_painted(target, printed, painted)
        counts = counting.read(linked, SECOND) if target.count else None
        costs = costs_of(counts.blocks, code, instructions.read(target, linked), _core(target)) if counts else {}
    kernels = [kernel.symbol for kernel in select(program, target, options.optimize).kernels.values()]
    layers = _layers(program, kernels, target, counts, costs)
    return _result(program, target, cflags, counts, costs, sizes, layers, printed.stack, released)


def _same_bits(program: Program, target: Target, memory: Mapping[str, Int8], printed: protocol.Printed) -> None:
    found = compare(target.name, program, written_order(program, False), memory, printed.made, 0)
    if found.differing or not printed.intact or not printed.inputs_intact:
        raise BuildError(
            "the program has other bits than the simulator",
            where=f"target {target.name}",
            why=f"{found.differing} bytes differ" if found.differing else "a guard, a status or an input changed",
            hint="`eightbit verify --target` says where",
        )


def _all_painted(target: Target, printed: protocol.Printed, painted: int) -> None:
    if printed.stack > painted - MARGIN:
        raise BuildError(
            "the stack is deeper than what is watched of it",
            where=f"target {target.name}",
            why=f"of {painted} bytes below the caller's frame {printed.stack} were used",
            hint="please report this with the model",
        )


def costs_of(
    blocks: Iterable[Block], run: elf.RunCode, listing: Mapping[int, Instruction], core: Core | None
) -> dict[int, Cost]:
    """What each call cost, by number; 0: the run function itself."""
    found: dict[int, Cost] = {0: Cost()}
    for block in blocks:
        for address in block.addresses:
            number = run.call_at(block.site or address)
            taken = block.taken if address == block.addresses[-1] else 0
            cost = found.setdefault(number, Cost())
            cost.add(listing.get(address), block.runs, taken, core)
            cost.cycles += block.cycles or 0
    return found


def _core(target: Target) -> Core | None:
    return instructions.core_of(target) if target.count == "plugin" else None


def _result(
    program: Program,
    target: Target,
    cflags: Sequence[str],
    counts: Counts | None,
    costs: Mapping[int, Cost],
    sizes: Footprint,
    layers: tuple[Layer, ...],
    stack: int,
    released: bool,
) -> BenchResult:
    core, macs = _core(target), ops.total_macs(program)
    whole = _figures(target, counts, list(costs.values()), macs)
    if counts is not None:
        whole |= {"instructions": counts.instructions, "cycles": counts.cycles}
        whole["instructions_per_mac"] = _per(counts.instructions, macs)
    return BenchResult(
        target=target.name,
        macs=macs,
        **whole,
        cycles_formula=instructions.formula(core) if core is not None else None,
        **asdict(sizes),
        stack_bytes=stack,
        ram_bytes=sizes.context_bytes + sizes.static_bytes + max(stack, sizes.stack_bound_bytes or 0),
        around_instructions=costs[0].instructions if costs and counts and counts.blocks else None,
        layers=layers,
        released_code=released,
        compiler=toolchain.version(target.cc),
        flags=(*target.cflags, *cflags),
        emulator=" ".join(target.run).format_map({"elf": "ELF", "board": target.board}),
        machine=target.machine,
    )


def _layers(
    program: Program, kernels: Sequence[str], target: Target, counts: Counts | None, costs: Mapping[int, Cost]
) -> tuple[Layer, ...]:
    found = []
    for number, (call, kernel) in enumerate(zip(coded_calls(program), kernels, strict=True), start=1):
        macs = ops.get(call.op).macs(call, program.tensors[call.output].shape)
        figures = _figures(target, counts, [costs[number]] if number in costs else [], macs)
        found.append(Layer(call=call.name, kernel=kernel, macs=macs, **figures))
    return tuple(found)


def _figures(target: Target, counts: Counts | None, costs: Sequence[Cost], macs: int) -> dict[str, Any]:
    """The sum of costs, with None for what is not known."""
    names = ("instructions", "instructions_per_mac", "classes", "cycles", "cycles_estimate")
    if counts is None or not counts.blocks or not costs:
        return dict.fromkeys(names)
    total = sum(cost.instructions for cost in costs)
    kinds = {kind: sum(cost.classes[kind] for cost in costs) for kind in instructions.CLASSES}
    cycles = sum(cost.cycles for cost in costs) if counts.cycles is not None else None
    estimate = sum(cost.estimate for cost in costs) if _core(target) is not None else None
    told = kinds if target.machine in instructions.RULES else None
    return dict(zip(names, (total, _per(total, macs), told, cycles, estimate), strict=True))


def _per(total: int, macs: int) -> float | None:
    return round(total / macs, 4) if macs else None
