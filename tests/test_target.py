# SPDX-License-Identifier: Apache-2.0
"""Targets: every file in targets/ is valid, and a wrong one says what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from eightbit import kernels, resources, target
from eightbit.errors import InputError

GOOD = 'summary = "a chip"\nisa = ["ref"]\n'


@pytest.mark.parametrize("name", target.names())
def test_every_target_is_valid_and_ends_in_the_portable_kernels(name: str) -> None:
    found = target.load(name)
    assert found.name == name
    assert found.isa[-1] == "ref"
    assert all(kernels.of_isa(isa) for isa in found.isa)
    assert found.summary.endswith(".")


def test_generic_is_a_target_without_limits() -> None:
    generic = target.load("generic")
    assert (generic.ram_bytes, generic.flash_bytes) == (None, None)


@pytest.mark.parametrize("name", ["", "Generic", "../targets/generic", "generic.toml", "no such chip"])
def test_an_unknown_target_is_refused_and_the_known_ones_told(name: str) -> None:
    with pytest.raises(InputError) as caught:
        target.load(name)
    assert repr(name) in caught.value.what
    assert all(known in caught.value.why for known in target.names())
    assert "targets" in caught.value.hint


def test_a_board_states_its_memories(tmp_path: Path) -> None:
    (tmp_path / "board.toml").write_text(GOOD + "ram_bytes = 2048\nflash_bytes = 32768\n")
    found = target.read(tmp_path / "board.toml")
    assert (found.name, found.ram_bytes, found.flash_bytes) == ("board", 2048, 32768)


EMULATED = (
    GOOD
    + """cc = "gcc"
board = "hosted"
run = ["{elf}"]
machine = "X86-64"
packages = ["gcc"]
"""
)


def test_an_emulated_target_says_how_programs_are_built_and_run(tmp_path: Path) -> None:
    (tmp_path / "chip.toml").write_text(EMULATED + "board_ram = [0x2000, 512]\nci = true\n")
    found = target.read(tmp_path / "chip.toml")
    assert found.emulated
    assert (found.cc, found.run, found.board_ram, found.ci, found.std) == ("gcc", ("{elf}",), (8192, 512), True, "c99")


@pytest.mark.parametrize("name", [name for name in target.names() if target.load(name).emulated])
def test_the_board_of_every_emulated_target_has_start_up_code(name: str) -> None:
    board = resources.boards() / target.load(name).board
    assert [path for path in board.iterdir() if path.suffix in {".c", ".s", ".S"}]


BROKEN = {
    "nothing": ("", "summary"),
    "no TOML": ("summary = ", "Invalid value"),
    "no text": ("\udcff", "utf-8"),
    "a missing key": ('summary = "a chip"\n', "isa"),
    "an unknown key": (GOOD + "ram = 3\n", "ram_bytes"),
    "a name of its own": (GOOD + 'name = "x"\n', "name"),
    "a key twice": (GOOD + GOOD, "line 3"),
    "a word for a list": ('summary = "a chip"\nisa = "ref"\n', "isa = 'ref' is not a list of strings"),
    "an empty list": ('summary = "a chip"\nisa = []\n', "isa = []"),
    "a list of numbers": ('summary = "a chip"\nisa = [1]\n', "isa = [1]"),
    "a number for a word": ('summary = 1\nisa = ["ref"]\n', "summary = 1 is not str"),
    "a word for a number": (GOOD + 'ram_bytes = "2 KB"\n', "ram_bytes = '2 KB' is not int"),
    "a fraction": (GOOD + "ram_bytes = 2.5\n", "ram_bytes = 2.5 is not int"),
    "a truth": (GOOD + "ram_bytes = true\n", "ram_bytes = True is not int"),
    "a list of words for numbers": (EMULATED + 'board_ram = ["0"]\n', "board_ram = ['0'] is not a list of ints"),
    "an origin without a size": (EMULATED + "board_ram = [0]\n", "board_ram = [0] is not an origin and a size"),
    "half of an emulated target": (GOOD + 'cc = "gcc"\n', "needs board, run, machine, packages too"),
    "an unknown board": (EMULATED.replace("hosted", "kitchen"), "board = 'kitchen' is none of avr, cortex-m"),
    "an unknown machine": (EMULATED.replace("X86-64", "x86"), "machine = 'x86' is none of 386, MIPS"),
    "an unknown language": (EMULATED + 'std = "c11"\n', "std = 'c11' is none of c99, gnu99"),
    "an unknown way to count": (EMULATED + 'count = "clock"\n', "count = 'clock' is none of plugin"),
    "a table": (GOOD + "[ram_bytes]\na = 1\n", "ram_bytes = {'a': 1} is not int"),
}


@pytest.mark.parametrize(("content", "told"), BROKEN.values(), ids=BROKEN)
def test_a_broken_target_file_is_refused_with_the_reason(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "chip.toml"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError) as caught:
        target.read(path)
    assert told in caught.value.why
    assert caught.value.where == str(path)
    assert caught.value.hint == "see targets/generic.toml"
    assert (resources.targets() / "generic.toml").exists()


def test_a_target_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        target.read(tmp_path / "none.toml")
