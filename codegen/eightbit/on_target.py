# SPDX-License-Identifier: Apache-2.0
"""Verify a build on a target that it may not have been made for: emitted for it, built, emulated, compared."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from eightbit import build as builds
from eightbit import emulate, pipeline, samples, target, toolchain, vectors, verify
from eightbit.compare import VerifyResult


def verify_on(
    out: str | Path,
    target_name: str,
    x: samples.Source | None,
    traced: bool = False,
    cflags: Sequence[str] = toolchain.DEFAULT_FLAGS,
) -> VerifyResult:
    """Run the program of folder `out` on a target; where it is the one it was built for, its files as they lie there.

    Without samples, on as many seeded vectors as the self-test has. A target without an emulator runs on the host.
    """
    chosen = target.load(target_name)
    program, own = builds.open_folder(out)
    inputs = builds.batch(program, x, vectors.COUNT)
    with tempfile.TemporaryDirectory(prefix="eightbit-target-") as temporary:
        folder = Path(out)
        if own.name != chosen.name:
            made = pipeline.back_end(program, None, (), chosen, pipeline.ignore)
            folder = made.write(Path(temporary) / "out")
        if chosen.emulated:
            return emulate.verify(folder, program, chosen, inputs, traced, cflags)
        return verify.verify(folder, program, chosen, inputs, "gcc", cflags)
