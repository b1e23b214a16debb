# SPDX-License-Identifier: Apache-2.0
"""The command `export`: a build as QDQ ONNX."""

from __future__ import annotations

from pathlib import Path

import click

from eightbit import build as builds
from eightbit import export as exporter
from eightbit.console import command, show


@click.command("export")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The .onnx file to write.")
@command
def export_command(folder: Path, output: Path, as_json: bool) -> int:
    """Write a build as a quantised ONNX model.

    FOLDER becomes a QDQ model (float ONNX with QuantizeLinear and DequantizeLinear), which any ONNX runtime can run.
    """
    program, _ = builds.open_folder(folder)
    exporter.write(program, output)
    show({"output": str(output), "calls": len(program.calls)}, as_json, f"{folder} -> {output}")
    return 0
