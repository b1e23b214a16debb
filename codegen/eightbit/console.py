# SPDX-License-Identifier: Apache-2.0
"""What every command of the command line shares: errors become messages and a status, results tables or JSON."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import wraps
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from eightbit.errors import INTERRUPTED, LEFT, EightbitError, InputError, printable, reason, unusable

LOG = Console(stderr=True, highlight=False)
OUT = Console(highlight=False)
INTERNAL = "EIGHTBIT_TRACEBACK"


def command(function: Callable[..., int]) -> Callable[..., None]:
    """Run a command body; turn its errors into a message and an exit status, never into a traceback."""

    @wraps(function)
    def run(*args: Any, as_json: bool, **kwargs: Any) -> None:
        try:
            with _quiet():
                status = function(*args, as_json=as_json, **kwargs)
        except EightbitError as error:
            _report(error, as_json)
            status = error.exit_status
        except KeyboardInterrupt:
            LOG.print(f"interrupted: {LEFT}")
            status = INTERRUPTED
        except BrokenPipeError:  # whoever reads has seen enough: click says nothing then
            raise
        except OSError as error:
            _report(unusable(error), as_json)
            status = 2
        except Exception as error:
            if os.environ.get(INTERNAL):
                raise
            _report(_internal(error), as_json)
            status = 2
        sys.exit(status)

    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")(run)


@contextmanager
def _quiet() -> Iterator[None]:
    """What libraries say of a model on the way goes unsaid: where it matters, a message follows."""
    logger = logging.getLogger("onnxscript")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _report(error: EightbitError, as_json: bool) -> None:
    LOG.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
    if as_json:
        detail = {"what": error.what, "where": error.where, "why": error.why, "hint": error.hint}
        with suppress(OSError):  # it may be stdout that cannot be written
            click.echo(json.dumps({"error": detail}))


def _internal(error: Exception) -> EightbitError:
    return EightbitError(
        "eightbit failed",
        where="inside the compiler",
        why=f"{type(error).__name__}: {reason(error)}",
        hint=f"this is a fault of eightbit; set {INTERNAL}=1 for the traceback and report it with the model",
    )


def alone(option: str, others: Mapping[str, Any]) -> None:
    """Refuse options that have no meaning beside another."""
    given = [name for name, value in others.items() if value is not None]
    if given:
        raise InputError(
            f"{given[0]} has no meaning with {option}",
            where=", ".join([option, *given]),
            why="a target has a compiler of its own" if option == "--target" else "a log says what a board has run",
            hint="leave out one of the two",
        )


def table_of(*headers: str, **options: Any) -> Table:
    """A table that breaks words too long for their column: names of nodes are told in full."""
    table = Table(**options)
    for header in headers:
        table.add_column(header, overflow="fold")
    return table


def show(document: dict[str, Any], as_json: bool, title: str) -> None:
    """A result as JSON or as a table of two columns."""
    if as_json:
        click.echo(json.dumps(document))
        return
    say(title)
    table = table_of("", "", show_header=False)
    for key, value in document.items():
        table.add_row(key, escape(printable(_cell(value))))
    OUT.print(table)


def say(text: str) -> None:
    """A line or more, as a terminal shows it: names and paths may hold any characters."""
    OUT.print(printable(text), markup=False, soft_wrap=True)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, dict):
        return "\n".join(f"{key}: {_cell(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return "\n".join(map(str, value)) or "none"
    return "not known" if value is None else str(value)
