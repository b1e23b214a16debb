# SPDX-License-Identifier: Apache-2.0
"""The command `audit`: every proof of a build, derived again."""

from __future__ import annotations

import json
from pathlib import Path

import click

from eightbit import audit as auditor
from eightbit.console import command, say, show


@click.command("audit")
@click.argument("folder", type=click.Path(path_type=Path))
@command
def audit_command(folder: Path, as_json: bool) -> int:
    """Check the proofs of a build independently.

    Shares no code with the compiler. Derives every interval, multiplier, table and memory place anew from the files in
    FOLDER and compares the C with them. Status 0: everything holds, 1: not.
    """
    report = auditor.audit(folder)
    if as_json:
        click.echo(json.dumps(report.json()))
    elif report.ok:
        show(dict(report.proven), False, f"{report.name}: everything holds; facts proven:")
    else:
        say("\n".join(map(str, report.findings)))
        say(f"{report.name}: {len(report.findings)} findings")
    return 0 if report.ok else 1
