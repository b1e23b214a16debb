# SPDX-License-Identifier: Apache-2.0
"""Every emulated target: small networks of all operators, every row of every call, on its own processor."""

from __future__ import annotations

from pathlib import Path

import pytest

import eightbit
from eightbit import on_target, target
from emulators import emulated, needs_tools
from models import model, node, samples, weights
from target_networks import NETWORKS

BUILDS = [("mlp", "arena"), ("cnn", "arena"), ("cnn", "caller")]
RUNS = [*((build, "-O2") for build in BUILDS), (("cnn", "arena"), "-Os")]


@pytest.fixture(scope="module", params=BUILDS, ids="-".join)
def out(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    network, io = request.param
    proto, shape = NETWORKS[network]
    build = eightbit.compile(proto, samples(*shape, count=16), name="net", io=io)
    return build.write(tmp_path_factory.mktemp("target") / "out")


@pytest.mark.parametrize("name", emulated())
@pytest.mark.parametrize(
    ("out", "level"), RUNS, indirect=["out"], ids=["-".join((*build, level)) for build, level in RUNS]
)
def test_every_row_of_every_call_has_the_simulators_bits(name: str, level: str, out: Path) -> None:
    needs_tools(name)
    result = on_target.verify_on(out, name, None, traced=True, cflags=(level,))
    assert result.ok, result
    assert result.machine == target.load(name).machine


@pytest.mark.parametrize("name", emulated())
def test_the_self_test_prints_the_golden_hash_on_every_target(name: str, out: Path) -> None:
    needs_tools(name)
    result = on_target.selftest_on(out, name)
    assert result.ok, result
    assert f"GOLDEN 0x{result.golden}u" in (out / "net_selftest.c").read_text()


def test_a_build_for_the_target_runs_as_it_lies_there_and_one_for_another_is_emitted_again(tmp_path: Path) -> None:
    name = "cortex-m4"
    needs_tools(name)
    proto, shape = NETWORKS["mlp"]
    for built_for, runs in ((name, False), ("generic", True)):
        build = eightbit.compile(proto, samples(*shape, count=16), name="net", target=built_for)
        out = build.write(tmp_path / built_for)
        (out / "net.c").write_text("#error this file is compiled\n")
        if runs:
            assert on_target.verify_on(out, name, None).ok
        else:
            with pytest.raises(eightbit.EightbitError, match="does not compile"):
                on_target.verify_on(out, name, None)


def test_an_unaligned_access_traps_on_the_microbit(tmp_path: Path) -> None:
    needs_tools("microbit")
    proto, shape = NETWORKS["mlp"]
    build = eightbit.compile(proto, samples(*shape, count=16), name="net", target="microbit")
    out = build.write(tmp_path / "out")
    text = (out / "net.c").read_text()
    assert text.count("    (void)arena;\n") == 1
    (out / "net.c").write_text(text.replace("(void)arena;", "(void)*(volatile e8_s32 *)(void *)(arena + 1);"))
    with pytest.raises(eightbit.EightbitError, match="the program crashes") as failed:
        on_target.verify_on(out, "microbit", None)
    assert "FAULT" in failed.value.why


def test_a_network_that_does_not_fit_says_the_bytes_needed_and_there(tmp_path: Path) -> None:
    needs_tools("microbit")
    only = [node("Conv", "x w", "y", pads=[1, 1, 1, 1])]
    proto = model(only, {"x": [1, 1, 85, 85]}, {"y": None}, {"w": weights(1, 1, 3, 3)})
    build = eightbit.compile(proto, samples(1, 85, 85), name="net")
    tensors = build.layout.arena_bytes
    with pytest.raises(eightbit.BudgetError) as refused:
        on_target.verify_on(build.write(tmp_path / "out"), "microbit", None)
    assert (refused.value.memory, refused.value.available) == ("RAM", 16384)
    assert tensors < 16384 < tensors + 2048 < refused.value.needed < tensors + 2048 + 1024  # stack, guards and buffers


def test_a_target_without_an_emulator_runs_on_the_host(out: Path) -> None:
    result = on_target.verify_on(out, "generic", None)
    assert (result.ok, result.target, result.emulator) == (True, "generic", "")
