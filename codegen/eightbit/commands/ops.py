# SPDX-License-Identifier: Apache-2.0
"""The command `ops`: which operators compile."""

from __future__ import annotations

import click

from eightbit import lower, ops
from eightbit.console import command, show


@click.command("ops")
@command
def ops_command(as_json: bool) -> int:
    """List the operators. ONNX operators that compile, and the fixed-point operators they become."""
    document = {
        "onnx": ", ".join(lower.all_rules()) if not as_json else list(lower.all_rules()),
        **{op.name: op.bits for op in ops.all_ops().values()},
    }
    show(document, as_json, "operators")
    return 0
