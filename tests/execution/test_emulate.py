# SPDX-License-Identifier: Apache-2.0
"""Emulated verification: firmware, its output read strictly, and every way in which an emulator may fail.

The emulators of these tests are scripts that run a program of this machine and spoil what it prints; the targets'
own ones are in test_targets.py.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import eightbit
from eightbit import build as builds
from eightbit import machine, on_target, resources, simulate, target
from eightbit.errors import BuildError
from eightbit.execution import emulate, firmware, toolchain
from emulators import HOST, edit, emulator
from models import conv_relu, samples

LINES = 1 + 4 * 2 * 3 + 1  # begin, an output, its largest and the guards for each run of four vectors, end


@pytest.fixture(scope="module")
def build() -> eightbit.Build:
    return eightbit.compile(conv_relu(), samples(2, 5, 5), name="net")


@pytest.fixture
def out(build: eightbit.Build, tmp_path: Path) -> Path:
    return build.write(tmp_path / "out")


def check(out: Path, chip: target.Target = HOST, traced: bool = False, timeout: float = 60) -> eightbit.VerifyResult:
    program, options = builds.open_folder(out)
    return emulate.verify(out, program, chip, builds.batch(program, None, 4), traced, timeout=timeout, options=options)


def test_a_good_build_differs_in_no_byte_and_names_its_machine(out: Path) -> None:
    result = check(out)
    assert (result.ok, result.samples, result.differing_bytes, result.compared_bytes) == (True, 4, 0, 4 * 2 * 27)
    assert (result.target, result.machine, result.emulator) == ("here", HOST.machine, "ELF")


def test_with_layers_every_row_of_every_call_is_compared(out: Path) -> None:
    assert check(out, traced=True).compared_bytes == 4 * 2 * (27 + 27 + 27)  # convolution, permute, output


def test_the_first_differing_call_row_and_element_are_named(out: Path) -> None:
    hook = "        NET_TRACE(1, out, 3, 9);"
    edit(out / "net.c", hook, "        e8_out_s8(out, 1)[4] ^= 1;\n" + hook)
    result = check(out, traced=True)
    assert result.first_difference is not None
    found = result.first_difference
    assert (found.build, found.sample, found.call, found.row, found.element) == ("here", 0, "conv_2", 1, 4)
    assert not check(out).ok


def test_samples_are_numbered_through_all_programs(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulate, "VECTOR_BYTES", 100)  # two vectors of 50 bytes in a program
    program, _ = builds.open_folder(out)
    inputs = builds.batch(program, None, 5)
    firsts = [int(value) for value in next(iter(inputs.values())).reshape(5, -1)[:, 0]]
    assert firsts.count(firsts[3]) == 1
    edit(
        out / "net.c", "    (void)arena;", f"    if (arena[0] == {firsts[3]})\n        return NET_OK;\n    (void)arena;"
    )
    result = emulate.verify(out, program, HOST, inputs)
    assert result.first_difference is not None
    assert (result.samples, result.first_difference.sample) == (5, 3)


def test_a_write_behind_the_context_is_caught(out: Path) -> None:
    edit(out / "net.c", "    return NET_OK;\n}", "    ((e8_s8 *)(ctx + 1))[3] = 7;\n    return NET_OK;\n}")
    result = check(out)
    assert (result.differing_bytes, result.guards_intact, result.ok) == (0, False, False)


@pytest.mark.parametrize(
    ("written", "guards", "inputs"),
    [
        ("", True, True),
        ("input[3] ^= 1;", True, False),
        ("input[-1] = 1;", False, True),
        ("output[27] = 1;", False, True),
    ],
)
def test_buffers_of_the_caller_are_watched(written: str, guards: bool, inputs: bool, tmp_path: Path) -> None:
    out = eightbit.compile(conv_relu(), samples(2, 5, 5), name="net", io="caller").write(tmp_path / "out")
    edit(out / "net.c", "    return NET_OK;\n}\n\nconst", f"    {written}\n    return NET_OK;\n}}\n\nconst")
    result = check(out)
    assert (result.differing_bytes, result.guards_intact, result.inputs_intact) == (0, guards, inputs)
    assert result.ok == (not written)


def test_a_status_that_is_not_ok_is_caught(out: Path) -> None:
    edit(out / "net.c", "    return NET_OK;\n}", "    return NET_NO_CONTEXT;\n}")
    assert not check(out).ok


def test_a_wrong_position_of_the_largest_value_is_caught(out: Path) -> None:
    edit(out / "net.c", "if (values[i] > values[best])", "if (values[i] >= values[best])")
    edit(out / "net.c", "e8_s32 i, best = 0;", "e8_s32 i, best = 1;")
    result = check(out)
    assert (result.differing_bytes, result.ok) == (0, False)
    assert result.differing_argmax > 0


def test_a_run_that_depends_on_the_one_before_is_caught(out: Path) -> None:
    edit(out / "net.c", "    e8_s8 *arena;", "    e8_s8 *arena;\n    static int runs;")
    edit(out / "net.c", "    arena = ctx->arena.s8;", "    arena = ctx->arena.s8;\n    if (runs++ % 2) arena[0] ^= 64;")
    assert not check(out).ok


SPOILED = {
    "nothing at all": '"$1" > /dev/null',
    "nothing but its beginning": '"$1" | head -n 1',
    "all but the last line": f'"$1" | head -n {LINES - 1}',
    "all but the last line feed": '"$1" | head -c -1',
    "a line less": '"$1" | sed 3d',
    "a line twice": '"$1" | sed 4p',
    "two lines exchanged": "\"$1\" | sed -n '2{h;d};5{p;g};p'",
    "a byte less in a line": '"$1" | sed "5s/..$//"',
    "a byte more in a line": '"$1" | sed "5s/$/00/"',
    "a digit that is none": '"$1" | sed "2s/.$/g/"',
    "another byte": "\"$1\" | sed '5s/0$/8/;t;5s/.$/0/'",
    "another guard digit": '"$1" | sed "4s/1$/0/"',
    "another position": '"$1" | sed "3s/.$/f/"',
    "another model": '"$1" | sed "1s/net/bet/"',
    "fewer vectors": '"$1" | sed "1s/4$/3/"',
    "another checksum": "\"$1\" | sed '$s/0$/1/;t;$s/.$/0/'",
}


@pytest.mark.parametrize("script", SPOILED.values(), ids=SPOILED)
def test_an_output_that_is_cut_or_altered_is_refused(out: Path, tmp_path: Path, script: str) -> None:
    with pytest.raises(eightbit.EightbitError, match="output is cut or altered") as failed:
        check(out, emulator(tmp_path, script))
    assert failed.value.exit_status == 1
    assert "expected" in failed.value.why


def test_a_terminals_line_ends_colours_and_greetings_are_no_change(out: Path, tmp_path: Path) -> None:
    coloured = "sed 's/^/\x1b[32m/;s/$/\x1b[0m\r/'"
    assert check(out, emulator(tmp_path, f'echo loading; "$1" | {coloured}; echo bye')).ok


def test_an_altered_byte_with_a_right_checksum_is_a_difference(out: Path) -> None:
    edit(out / "net.c", "    return ctx->arena.s8 + ", "    return ctx->arena.s8 + 1 + ")
    assert not check(out).ok


def test_a_crash_is_an_answer_and_tells_the_last_words(out: Path, tmp_path: Path) -> None:
    with pytest.raises(eightbit.EightbitError, match="crashes") as failed:
        check(out, emulator(tmp_path, "echo FAULT; echo what happened >&2; exit 99"))
    assert failed.value.exit_status == 1
    assert all(word in failed.value.why for word in ("99", "FAULT", "what happened"))


def test_a_program_that_ends_early_is_refused_whatever_its_status(out: Path) -> None:
    edit(out / "net.c", '#include "net.h"', '#include "net.h"\n#include <stdlib.h>')
    edit(out / "net.c", "    return NET_OK;\n}", "    exit(0);\n    return NET_OK;\n}")
    with pytest.raises(eightbit.EightbitError, match="output is cut or altered"):
        check(out)


def test_a_hang_ends_and_leaves_no_process(out: Path, tmp_path: Path) -> None:
    hangs = emulator(tmp_path, f"sleep 1000 & echo $! > {tmp_path}/pid; wait")
    with pytest.raises(eightbit.EightbitError, match="does not end") as failed:
        check(out, hangs, timeout=1)
    assert failed.value.exit_status == 1
    state = Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"


def test_a_program_for_another_machine_is_refused_before_it_runs(out: Path, tmp_path: Path) -> None:
    never = replace(emulator(tmp_path, f"touch {tmp_path}/ran"), machine="S390")
    with pytest.raises(eightbit.EightbitError, match="another machine") as failed:
        check(out, never)
    assert HOST.machine in failed.value.why
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("missing", ["cc", "ld", "run", "tools"])
def test_a_missing_tool_names_its_packages(out: Path, missing: str) -> None:
    chip = replace(HOST, **{missing: ("no-such-tool",) if missing in {"run", "tools"} else "no-such-tool"})
    with pytest.raises(toolchain.MissingToolError, match="no program 'no-such-tool'") as failed:
        check(out, chip)
    assert failed.value.exit_status == 2
    assert failed.value.hint == "apt install gcc an-emulator"


@pytest.mark.parametrize(
    "lines",
    [
        "region `RAM' overflowed by 100 bytes\nregion `RAM' overflowed by 4 bytes",
        "section '.bss' will not fit in region 'RAM': overflowed by 100 bytes",
        "address 0x2264 of a.elf section `.bss' is not within region `data'",
    ],
)
def test_a_network_that_does_not_fit_the_memories_says_by_how_much(lines: str) -> None:
    error = firmware.fitting(BuildError("x", where="", why=lines, hint=""), replace(HOST, board_ram=(0x2000, 512)))
    assert isinstance(error, eightbit.BudgetError)
    assert (error.memory, error.needed, error.available) == ("RAM", 612, 512)


def test_the_vectors_reach_the_program_but_no_result_does(out: Path, tmp_path: Path) -> None:
    program, options = builds.open_folder(out)
    memory = simulate.memory(program, builds.batch(program, None, 1))
    kit = firmware.prepare(tmp_path, out, program, HOST, ("-O2",), False, options)
    image = firmware.link(kit, memory[program.inputs[0].tensor]).read_bytes()
    assert memory[program.inputs[0].tensor].tobytes() in image
    assert memory[program.outputs[0].tensor].tobytes() not in image


def test_machines_are_read_from_the_file_itself(tmp_path: Path) -> None:
    found = {}
    for name, head in {
        "big": b"\x7fELF\x02\x02" + bytes(12) + b"\x00\x16",
        "little": b"\x7fELF\x01\x01" + bytes(12) + b"\x28\x00",
        "unknown": b"\x7fELF\x01\x01" + bytes(12) + b"\x39\x30",
        "web": b"\0asm\x01",
        "short": b"\x7fELF\x01\x01",
        "text": b"#!/bin/sh",
    }.items():
        (tmp_path / name).write_bytes(head)
        found[name] = machine.name(tmp_path / name)
    assert found == {"big": "S390", "little": "ARM", "unknown": "machine 12345", "web": "wasm", "short": "", "text": ""}


# --- all targets ---------------------------------------------------------------------------------------------


@pytest.fixture
def targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of targets of one's own."""
    folder = tmp_path / "targets"
    folder.mkdir()
    boards = resources.boards()
    monkeypatch.setattr(resources, "targets", lambda: folder)
    monkeypatch.setattr(resources, "boards", lambda: boards)
    (folder / "generic.toml").write_text('summary = "Any."\nisa = ["ref"]\n')
    return folder


def put_target(folder: Path, name: str, script: str, more: str = "") -> None:
    run = emulator(folder, script).run[0]
    Path(run).rename(folder / f"{name}.sh")
    (folder / f"{name}.toml").write_text(
        f'summary = "A chip."\nisa = ["ref"]\ncc = "gcc"\nboard = "hosted"\nrun = ["{folder / name}.sh", "{{elf}}"]\n'
        f'machine = "{HOST.machine}"\npackages = ["an-emulator"]\n{more}'
    )


def test_all_targets_give_a_row_each(out: Path, targets: Path) -> None:
    put_target(targets, "good", '"$1"')
    put_target(targets, "small", '"$1"', "ram_bytes = 16\n")
    put_target(targets, "cut", '"$1" | head -n 2')
    put_target(targets, "bare", '"$1"', 'ld = "no-such-tool"\n')
    rows = {row.target: row for row in on_target.verify_all(out, None, False, ("-O1",))}
    assert list(rows) == ["bare", "cut", "generic", "good", "small"]
    assert {name: row.status for name, row in rows.items()} == {
        "bare": "no tools",
        "cut": "fails",
        "generic": "not run",
        "good": "same",
        "small": "too small",
    }
    assert [row.target for row in rows.values() if not row.ok] == ["cut"]
    assert (rows["good"].compared_bytes, rows["good"].machine) == (4 * 2 * 27, HOST.machine)
    assert rows["small"].why == "it needs 80 bytes of RAM, stack apart; there are 16"
    assert (rows["bare"].why, rows["bare"].packages) == ("no-such-tool is missing", ("an-emulator",))
