# SPDX-License-Identifier: Apache-2.0
"""The command line. Exit status 0 yes, 1 no, 2 usage or input error; `commands/` has a file for each command."""

from __future__ import annotations

import io
import sys

import click

from eightbit.commands import (
    audit,
    bench,
    check,
    compile,  # noqa: A004 - a module
    diff,
    evaluate,
    export,
    ops,
    targets,
    verify,
)
from eightbit.version import NUMERICS, tool_version


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(tool_version(), prog_name="eightbit", message=f"%(prog)s %(version)s, numerics {NUMERICS}")
def main() -> None:
    """Compile ONNX networks to fixed-point C that gives the same bits on every processor.

    \b
    eightbit check model.onnx                                        will it compile, and fit?
    eightbit compile model.onnx --calibration samples.npz -o out/    make the C
    eightbit verify out/                                             run it, compare every bit
    eightbit evaluate model.onnx --build out/ --samples test.npz     accuracy
    eightbit bench out/ --target cortex-m4                           time, code, RAM and stack

    Samples are .npz files with an array [n, ...] for each model input, named like it, which numpy.savez writes.
    Exit status 0: yes, 1: no, 2: what was given cannot be used.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # file names may hold what the terminal's encoding does not
        sys.stdout.reconfigure(errors="backslashreplace")


for _command in (
    check.check_command,
    compile.compile_command,
    verify.verify_command,
    bench.bench_command,
    evaluate.evaluate_command,
    audit.audit_command,
    export.export_command,
    diff.diff_command,
    targets.targets_command,
    ops.ops_command,
):
    main.add_command(_command)


if __name__ == "__main__":
    main()
