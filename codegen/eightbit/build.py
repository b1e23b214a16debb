# SPDX-License-Identifier: Apache-2.0
"""A finished compilation, and what can be done with it: simulate, verify and write it, or open one that was written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eightbit import simulate, target
from eightbit.compilation import Compilation
from eightbit.emission import emit, folder, package, selftest
from eightbit.execution import toolchain, verify
from eightbit.execution.compare import VerifyResult
from eightbit.frontend import samples
from eightbit.ir import program_text
from eightbit.ir.fixed import Int8
from eightbit.ir.program import Program
from eightbit.options import Options, of_manifest
from eightbit.planning import plan
from eightbit.ptq import calibration, input_ranges
from eightbit.ptq.calibration import Calibration
from eightbit.reporting import report

SEEDED = 16  # vectors that verify runs when it is given no samples


@dataclass(frozen=True)
class Build(Compilation):
    """A compilation, to simulate, verify and write."""

    def simulate(self, x: samples.Source) -> dict[str, Int8]:
        """Outputs by name, s8 [n, *shape], for samples (float: quantised half up)."""
        return simulate.outputs(self.program, batch(self.program, x))

    def simulate_float(self, x: samples.Source) -> dict[str, NDArray[np.float64]]:
        """The same as real values."""
        return simulate.real_outputs(self.program, self.simulate(x))

    def verify(
        self, x: samples.Source | None = None, cc: str = "gcc", cflags: Sequence[str] = toolchain.DEFAULT_FLAGS
    ) -> VerifyResult:
        """Compile the C, run it and compare it with the simulation; without samples on seeded vectors."""
        inputs = batch(self.program, x)
        with TemporaryDirectory(prefix="eightbit-") as temporary:
            self.write(Path(temporary) / "out")
            return verify.verify(Path(temporary) / "out", self.program, self.target, inputs, cc, cflags, self.options)

    def write(self, out: str | Path) -> Path:
        """Write the output folder, completely or not at all."""
        path = Path(out)
        about = {"tool": "eightbit", "version": self.version, "numerics": self.numerics, "options": self.options.json()}
        folder.write(path, self.files(), about)
        return path

    def files(self) -> dict[str, str | bytes]:
        """Every file of the output folder but the manifest."""
        context = emit.model_context(self.program, self.selection, self.schedule, self.layout)
        found: dict[str, str | bytes] = dict(package.arranged(self.emission, context, self.options))
        found["program.txt"] = program_text.print_program(self.program)
        found["program.npz"] = program_text.constants_file(self.program)
        found["plan.txt"] = plan.text(self.program, self.selection, self.layout)
        found["report.json"] = json.dumps(self.report(), indent=1) + "\n"
        found["report.html"] = report.page(self)
        if self.calibration is not None:
            found["calibration.json"] = self.calibration.json()
        return found

    def report(self) -> dict[str, Any]:
        """The figures of the build, in bytes and multiply-accumulates."""
        return report.figures(self)


def batch(program: Program, x: samples.Source | None, count: int = SEEDED) -> dict[str, Int8]:
    """Samples quantised half up, by input tensor; without samples `count` seeded vectors."""
    if x is None:
        parts = [selftest.seeded_inputs(program, number) for number in range(count)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    shapes = {port.name: port.shape for port in program.inputs}
    given = samples.read(x, shapes)
    input_ranges.check_saturation(program, given, samples.origin(x))
    return simulate.input_batch(program, given)


def verify_folder(out: str | Path, x: samples.Source | None, cc: str, cflags: Sequence[str]) -> VerifyResult:
    """Verify the files of a written build on the host, byte for byte as they lie there."""
    program, options = open_folder(out)
    return verify.verify(Path(out), program, target.load(options.target), batch(program, x), cc, cflags, options)


def open_folder(out: str | Path) -> tuple[Program, Options]:
    """The Program of a written build, and how its C was made."""
    path = Path(out)
    options = of_manifest(folder.read_manifest(path)["options"], str(path))
    return program_text.load_program(path / "program.txt"), options


def calibration_of(out: str | Path) -> Calibration | None:
    """What a written build was calibrated with; None when it was made from a program.txt."""
    path = Path(out) / "calibration.json"
    return calibration.read(path) if "calibration.json" in folder.read_manifest(Path(out))["files"] else None
