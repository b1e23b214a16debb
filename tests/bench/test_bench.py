# SPDX-License-Identifier: Apache-2.0
"""What a build costs: on each emulated target, on a machine that emulates itself, and by the clock of the host."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

import eightbit
from eightbit import build as builds
from eightbit import machine, on_target, ops, simulate, target
from eightbit.bench import counting, elf, footprint, host
from eightbit.bench import emulated as bench
from eightbit.bench.elf import _completed
from eightbit.execution import compare, emulate, firmware, toolchain
from emulators import HOST, edit, emulated, emulator, needs_tools
from models import conv_relu, model, node, samples, weights
from target_networks import NETWORKS

MEASURED = [name for name in emulated() if target.load(name).machine != machine.WASM]
KEYS = "target instructions code_bytes weight_bytes arena_bytes ram_bytes stack_bytes layers"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    proto, shape = NETWORKS["cnn"]
    build = eightbit.compile(proto, samples(*shape, count=16), name="net")
    return build.write(tmp_path_factory.mktemp("bench") / "out")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return eightbit.compile(conv_relu(), samples(2, 5, 5), name="net").write(tmp_path / "out")


def on_host(out: Path, chip: target.Target = HOST) -> bench.BenchResult:
    """As on a target that this machine emulates."""
    program, _ = builds.open_folder(out)
    return bench.bench(out, program, chip, builds.batch(program, None, 1))


@pytest.mark.parametrize("name", MEASURED)
def test_every_target_is_measured_and_its_calls_add_up(name: str, out: Path) -> None:
    needs_tools(name, bench=True)
    found = on_target.bench_on(out, name)
    program, _ = builds.open_folder(out)
    assert [layer.call for layer in found.layers] == [call.name for call in compare.coded_calls(program)]
    assert (found.target, found.machine, found.macs) == (name, target.load(name).machine, ops.total_macs(program))
    assert found.code_bytes > 500
    assert found.weight_bytes > program_weights(out)
    assert found.ram_bytes == found.context_bytes + found.static_bytes + max(
        found.stack_bytes, found.stack_bound_bytes or 0
    )
    assert 0 < found.stack_bytes < 4096
    if not target.load(name).count:
        assert found.instructions is None
        return
    assert found.instructions is not None
    assert found.instructions > 1000
    if found.around_instructions is None:
        assert target.load(name).count == "mspdebug"
        return
    counted = [layer.instructions for layer in found.layers]
    assert None not in counted, found.layers
    assert sum(filter(None, counted)) + found.around_instructions == found.instructions
    assert found.around_instructions < 300
    for cost in (found, *found.layers):
        assert cost.classes is None or sum(cost.classes.values()) == cost.instructions
        assert (cost.cycles or cost.instructions or 0) >= (cost.instructions or 0)


def program_weights(out: Path) -> int:
    """Bytes of constant arrays, which are less than all constants."""
    return int(json.loads((out / "report.json").read_text())["weight_bytes"])


@pytest.mark.parametrize("name", MEASURED)
@pytest.mark.parametrize("level", ["-O2", "-Os"])
def test_what_is_measured_is_the_code_that_users_compile(name: str, level: str, out: Path, tmp_path: Path) -> None:
    needs_tools(name)
    chip = target.load(name)
    build = eightbit.compile(out / "program.txt", target=name)
    mine = build.write(tmp_path / "out")
    base = (*firmware.compiler(chip, (level,)), "-I", mine)
    models = [tmp_path / "released.o", tmp_path / "measured.o"]
    for each, reports in zip(models, ((), footprint.flags(chip.cc)), strict=True):
        firmware.compiled((*base, *reports), mine / "net.c", each)
    assert elf.sections(models[0]) == elf.sections(models[1])
    if elf.same_code(*models):
        return
    assert "clang" in chip.cc or chip.machine == "XTENSA"  # which may make other code; bench says so
    assert not on_target.bench_on(mine, name, None, (level,)).released_code


def test_a_call_costs_what_a_run_that_stops_behind_it_costs_more(out: Path, tmp_path: Path) -> None:
    needs_tools("cortex-m4", bench=True)
    chip = target.load("cortex-m4")
    program, _ = builds.open_folder(out)
    text = (out / "net.c").read_text().replace('#include "net.h"', '#include "net.h"\nstatic volatile int stop = STOP;')
    stopping = re.sub(r"( +NET_TRACE\((\d+), .*\n)", r"\1        if (stop == \2)\n            return NET_OK;\n", text)
    for path in out.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "net.c").write_text(stopping)
    whole = bench.bench(tmp_path, program, chip, builds.batch(program, None, 1), ("-O2", "-DSTOP=0"))
    costs = [layer.instructions or 0 for layer in whole.layers]
    before = whole.around_instructions or 0
    for number, cost in enumerate(costs, start=1):
        stopped = total(tmp_path, program, chip, number)
        assert abs(stopped - before - cost) <= 12, number  # the compiler shares a few between calls
        before = stopped


def total(out: Path, program: eightbit.build.Program, chip: target.Target, stop: int) -> int:
    """Instructions of a run that ends behind a call; its outputs are not those of the network."""
    work = out / f"work{stop}"
    work.mkdir()
    flags = ("-O2", f"-DSTOP={stop}")
    kit = firmware.prepare(work, out, program, chip, flags, False, bench.DEFAULT, footprint.flags(chip.cc))
    memory = simulate.memory(program, builds.batch(program, None, 1))
    linked = firmware.link(kit, memory[program.inputs[0].tensor])
    _, code = footprint.measure(out, out, work / "net.o", linked)
    emulate.run(counting.counted(chip, code, linked), linked)
    return counting.read(linked, 1).instructions


def test_counts_of_a_network_are_the_same_in_three_runs(out: Path) -> None:
    needs_tools("cortex-m4", bench=True)
    first, *others = (on_target.bench_on(out, "cortex-m4") for _ in range(3))
    assert others == [first, first]


def test_a_smaller_level_is_measured_as_such(out: Path) -> None:
    needs_tools("cortex-m4", bench=True)
    speed, size = (on_target.bench_on(out, "cortex-m4", None, (level,)) for level in ("-O2", "-Os"))
    assert speed.instructions != size.instructions
    assert (speed.flags[-1], size.flags[-1]) == ("-O2", "-Os")


def test_painting_sees_a_deep_stack(small: Path) -> None:
    shallow = on_host(small)
    edit(
        small / "net.c",
        "    e8_s8 *arena;",
        "    volatile char deep[3000];\n    e8_s8 *arena;\n    deep[0] = 0;\n    (void)deep[0];",
    )
    found = on_host(small)
    assert 3000 <= found.stack_bytes - shallow.stack_bytes <= 3000 + 64
    assert found.stack_bound_bytes is not None
    assert found.stack_bound_bytes > 3000


def test_a_stack_that_is_deeper_than_its_paint_is_found_out(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "PAINTED", 64)
    with pytest.raises(eightbit.EightbitError, match="deeper"):
        on_host(small)


def test_static_memory_of_the_model_counts(small: Path) -> None:
    edit(
        small / "net.c",
        "    e8_s8 *arena;",
        "    static volatile char much[500];\n    e8_s8 *arena;\n    (void)much[ctx != 0]++;",
    )
    found = on_host(small)
    assert 500 <= found.static_bytes <= 512
    assert found.ram_bytes >= found.context_bytes + 500 + found.stack_bytes


def test_a_program_with_other_bits_is_not_measured(small: Path) -> None:
    edit(small / "net.c", "    return ctx->arena.s8 + ", "    return ctx->arena.s8 + 1 + ")
    with pytest.raises(eightbit.EightbitError, match="other bits"):
        on_host(small)
    with pytest.raises(eightbit.EightbitError, match="other bits"):
        on_target.bench_on_host(small)


def test_an_emulator_that_does_not_count_is_found_out(small: Path, tmp_path: Path) -> None:
    chip = replace(emulator(tmp_path, 'shift 2; "$1"'), count="plugin")
    with pytest.raises(eightbit.EightbitError, match="counted nothing"):
        on_host(small, chip)


def test_output_that_is_cut_is_refused(small: Path, tmp_path: Path) -> None:
    with pytest.raises(eightbit.EightbitError, match="output is cut or altered"):
        on_host(small, emulator(tmp_path, '"$1" | sed "/^s /d"'))


def test_a_program_without_debug_information_is_refused(small: Path, tmp_path: Path) -> None:
    program = tmp_path / "net"
    (tmp_path / "main.c").write_text("int main(void) { return 0; }\n")
    toolchain.run(["gcc", "-I", small, small / "net.c", tmp_path / "main.c", "-o", program])
    with pytest.raises(eightbit.EightbitError, match="whose code is where"):
        elf.run_code(program, small / "net.c", elf.Function("net_run", 0, 100))


@pytest.mark.parametrize("name", ["cortex-m55-clang", "rv32imc", "msp430"])
def test_calls_are_told_apart_where_nothing_was_merged_into_the_run_function(name: str, tmp_path: Path) -> None:
    needs_tools(name, bench=True)
    nodes = [node("Gemm", "x w", "h"), node("Gemm", "h v", "y")]  # one kernel, called twice
    proto = model(nodes, {"x": [1, 16]}, {"y": [1, 8]}, {"w": weights(16, 8), "v": weights(8, 8)})
    out = eightbit.compile(proto, samples(16), name="net", target=name).write(tmp_path / "out")
    found = on_target.bench_on(out, name, None, ("-O1",))
    if target.load(name).count == "plugin":
        first, second = (layer.instructions or 0 for layer in found.layers)
        assert first > second > 8 * 8
        assert first + second + (found.around_instructions or 0) == found.instructions


def test_functions_that_were_merged_count_for_themselves(small: Path) -> None:
    found = on_host(small)
    assert {"net_run", "e8_conv_s8__ref", "e8_permute_s8__ref"} <= set(found.functions)
    assert found.code_bytes == sum(found.functions.values()) + sum(found.library.values())
    assert min(found.functions.values()) > 0


@pytest.mark.parametrize(
    ("owners", "completed"),
    [
        ([0, 1, None, 1, 2, None, 0], [0, 1, 1, 1, 2, 2, 0]),  # within a call; behind the last one
        ([None, 1, None, 2, 0], [0, 1, 1, 2, 0]),  # before the first; between two
        ([0, 1, None, 3], [0, 1, 2, 3]),  # the only one between
        ([0, 1, None, 0], [0, 1, 2, 0]),
        ([0, 1, None, 4, 0], [0, 1, 0, 4, 0]),  # one of two
    ],
)
def test_code_without_a_line_goes_to_the_only_call_it_can_be_of(owners: list[int | None], completed: list[int]) -> None:
    assert _completed(owners, 4 if 4 in owners else 3 if 3 in owners else 2) == completed


def test_thumb_and_optimised_names_are_read_as_they_are_written() -> None:
    names = ["e8_lut_s8__ref.constprop.0", "e8_lut_s8__ref$constprop$0", "net_run"]
    assert [elf.base_name(name) for name in names] == ["e8_lut_s8__ref", "e8_lut_s8__ref", "net_run"]


def test_web_assembly_and_no_processor_at_all_are_refused(small: Path) -> None:
    for name in ("wasm32", "generic"):
        with pytest.raises(eightbit.InputError, match="cannot be measured"):
            on_target.bench_on(small, name)


# --- on the host ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cc", ["gcc", "clang"])
def test_the_host_times_every_call(small: Path, cc: str) -> None:
    found = on_target.bench_on_host(small, cc=cc)
    assert [layer.kernel for layer in found.layers] == ["e8_conv_s8__ref", "e8_permute_s8__ref"]
    assert found.runs >= host.LEAST
    for time in (found.microseconds, *(layer.microseconds for layer in found.layers)):
        assert 0 < time.low <= time.median <= time.high
    document = found.json()
    assert set(KEYS.split()) <= set(document)
    assert document["instructions"] is None
    assert (document["stack_bytes"] is not None) == (cc == "gcc")


def test_a_missing_host_compiler_names_its_package(small: Path) -> None:
    with pytest.raises(toolchain.MissingToolError) as refused:
        on_target.bench_on_host(small, cc="no-such-compiler")
    assert refused.value.exit_status == 2


@pytest.mark.parametrize("io", ["arena", "caller"])
@pytest.mark.parametrize("optimize", ["speed", "size"])
def test_builds_of_every_kind_are_measured(io: str, optimize: str, tmp_path: Path) -> None:
    build = eightbit.compile(conv_relu(), samples(2, 5, 5), name="net", io=io, optimize=optimize)
    out = build.write(tmp_path / "out")
    needs_tools("cortex-m4", bench=True)
    found, timed = on_target.bench_on(out, "cortex-m4"), on_target.bench_on_host(out)
    assert found.io_bytes == timed.footprint.io_bytes == (77 if io == "caller" else 0)
    assert (
        sum(layer.instructions or 0 for layer in found.layers) + (found.around_instructions or 0) == found.instructions
    )
    assert [layer.call for layer in found.layers] == [layer.call for layer in timed.layers]
