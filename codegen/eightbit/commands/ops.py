# SPDX-License-Identifier: Apache-2.0
"""The command `ops`: which operators compile."""

from __future__ import annotations

import click

from eightbit import lower, ops
from eightbit.console import command, show


@click.command("ops")
@command
def ops_command(as_json: bool) -> int:
    """List the ONNX operators that compile.

    And the fixed-point operators that they become, with the arithmetic of each.
    """
    if as_json:
        show({"onnx": list(lower.all_rules()), **_fixed_point()}, True, "")
        return 0
    show({", ".join(rules): note for rules, note in lower.families()}, False, "ONNX operators that compile")
    show(_fixed_point(), False, "fixed-point operators that they become")
    return 0


def _fixed_point() -> dict[str, str]:
    """The bits of each, by name."""
    return {op.name: op.bits for op in ops.all_ops().values()}
