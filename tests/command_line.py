# SPDX-License-Identifier: Apache-2.0
"""The command line in this process: what it prints, its one JSON object, or its error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from eightbit import cli


def run(*arguments: str | Path) -> Result:
    """A command in this process; anything it raises but an exit is a traceback to the user."""
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments], prog_name="eightbit")


def answer(*arguments: str | Path, status: int = 0) -> dict[str, Any]:
    """The one JSON object that a command prints."""
    result = run(*arguments, "--json")
    assert result.exit_code == status, result.output
    (line,) = result.stdout.splitlines()
    return dict(json.loads(line))


def refused(*arguments: str | Path, status: int = 2) -> dict[str, str]:
    """The error of a command; text and JSON tell the same, and no traceback is seen."""
    result = run(*arguments, "--json")
    assert result.exit_code == status, result.output
    error = json.loads(result.stdout)["error"]
    assert set(error) == {"what", "where", "why", "hint"}
    assert all(error.values())
    assert result.stderr.startswith(f"error: {error['what']}")
    assert all(f"  {label}: {error[label]}" in result.stderr for label in ("where", "why", "hint"))
    assert "Traceback" not in result.stderr
    plain = run(*arguments)
    assert (plain.exit_code, plain.stdout, plain.stderr) == (status, "", result.stderr)
    return dict(error)
