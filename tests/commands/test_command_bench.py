# SPDX-License-Identifier: Apache-2.0
"""`eightbit bench`: what it tells and what it refuses."""

from __future__ import annotations

from pathlib import Path

from command_line import answer, refused, run
from emulators import needs_tools

COSTS = (
    "target instructions code_bytes weight_bytes arena_bytes ram_bytes stack_bytes layers "
    "compiler flags emulator machine"
)


def test_bench_times_the_host_and_tells_every_size(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in (folder / "out").iterdir()}
    document = answer("bench", folder / "out", "--cflags", "-O1")
    assert set(COSTS.split()) <= set(document)
    assert (document["instructions"], document["flags"], document["emulator"]) == (None, ["-O1"], "")
    assert document["code_bytes"] == sum(document["functions"].values()) + sum(document["library"].values())
    assert {path.name: path.read_bytes() for path in (folder / "out").iterdir()} == before
    text = run("bench", folder / "out").stdout
    assert all(
        word in text for word in ("median", "fc_1", "e8_fc_s8__ref", "dense_run", f"{document['weight_bytes']:,}")
    )


def test_bench_counts_on_a_target_and_says_that_cycles_are_estimated(folder: Path) -> None:
    needs_tools("cortex-m4", bench=True)
    document = answer("bench", folder / "out", "--target", "cortex-m4", "--samples", folder / "samples.npz")
    assert set(COSTS.split()) <= set(document)
    assert (document["target"], document["machine"]) == ("cortex-m4", "ARM")
    counted = sum(layer["instructions"] for layer in document["layers"]) + document["around_instructions"]
    assert counted == document["instructions"] > 0
    text = run("bench", folder / "out", "--target", "cortex-m4", "--samples", folder / "samples.npz").stdout
    assert f"{document['instructions']:,} instructions" in text
    assert f"about {document['cycles_estimate']:,} cycles" in text
    assert "an estimate, not a measurement" in text
    assert all(layer["call"] in text for layer in document["layers"])


def test_bench_says_what_it_cannot_measure(folder: Path) -> None:
    assert "cannot be measured" in refused("bench", folder / "out", "--target", "generic")["what"]
    assert "no target" in refused("bench", folder / "out", "--target", "pdp-11")["what"]
    assert refused("bench", folder / "out", "--target", "cortex-m4", "--cc", "gcc")["where"] == "--target, --cc"
    assert refused("bench", folder / "out", "--cc", "no-such-cc")["hint"].startswith("apt install no-such-cc")
    assert "not a build" in refused("bench", folder)["what"]
