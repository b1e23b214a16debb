# SPDX-License-Identifier: Apache-2.0
"""The command `targets`: which there are."""

from __future__ import annotations

import click

from eightbit import target
from eightbit.console import command, show


@click.command("targets")
@command
def targets_command(as_json: bool) -> int:
    """List the processors and boards it compiles for."""
    show({name: target.load(name).summary for name in target.names()}, as_json, "targets")
    return 0
