# SPDX-License-Identifier: Apache-2.0
"""The independent checker: reads a build folder only, and re-derives every proof in it.

Nothing of the compiler is imported but the class of its errors; hashes are not counted as proof.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eightbit.audit.arena import arena
from eightbit.audit.buffers import buffers
from eightbit.audit.kernels import weight_bytes
from eightbit.audit.model import Finding, Ledger, Plan, Program
from eightbit.audit.numbers import derive, numbers
from eightbit.audit.operators import structure
from eightbit.audit.read import HINT, arrays_of, json_of, read_plan, read_program, text_of
from eightbit.audit.selftest import selftest
from eightbit.audit.source import Source, source
from eightbit.errors import InputError

SUFFIX = "_weights.inc"


@dataclass(frozen=True)
class Report:
    """Facts proven, by kind, and everything that is wrong."""

    name: str
    proven: Mapping[str, int]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return not self.findings

    def json(self) -> dict[str, Any]:
        found = [{"where": finding.where, "what": finding.what} for finding in self.findings]
        return {"name": self.name, "ok": self.ok, "proven": dict(self.proven), "findings": found}


def audit(folder: str | Path) -> Report:
    """Re-derive and compare everything that a build folder states."""
    path, ledger = Path(folder), Ledger()
    code, name = _code(path)
    program = read_program(text_of(path / "program.txt"), arrays_of(path / "program.npz"), str(path / "program.txt"))
    plan = read_plan(text_of(path / "plan.txt"), str(path / "plan.txt"))
    if structure(program, ledger):
        derived = derive(program)
        numbers(program, derived, ledger)
        arena(program, plan, ledger)
        if set(program.tensors) == set(plan.places) and len(plan.steps) == len(program.coded):
            it = Source(path, code, name, program, plan, ledger)
            source(it, derived)
            buffers(it)
            selftest(it)
            _figures(path, program, plan, ledger)
    return Report(name, dict(ledger.proven), tuple(ledger.findings))


def _code(path: Path) -> tuple[Path, str]:
    """Where the C lies, and the model's name in it: the file of constants which the manifest lists says both."""
    listed = json_of(path / "manifest.json").get("files")
    files = map(str, listed) if isinstance(listed, dict | list) else ()
    names = [file.removesuffix(SUFFIX) for file in files if file.endswith(SUFFIX)]
    if len(names) != 1 or Path(names[0]).parent not in (Path(), Path("src")):
        why = f"its manifest lists {len(names)} files *{SUFFIX}"
        raise InputError("not a build of eightbit", where=str(path), why=why, hint=HINT)
    return path / Path(names[0]).parent, Path(names[0]).name


def _figures(path: Path, program: Program, plan: Plan, ledger: Ledger) -> None:
    """The figures of report.json that follow from program and plan."""
    bound = plan.activation_bytes if plan.bound is None else plan.bound
    macs = sum(map(program.macs, program.coded))
    if program.macs_model:
        more = f"macs_model {program.macs_model} is not more than the {macs} of its calls"
        ledger.expect("figures of the report", "program.txt", program.macs_model > macs, more)
    expected = {
        "activation_bytes": plan.activation_bytes,
        "arena_bound_bytes": bound,
        "scratch_bytes": plan.scratch_bytes,
        "state_bytes": plan.state_bytes,
        "arena_bytes": plan.arena_bytes,
        "io_bytes": plan.io_bytes or 0,
        "context_bytes": -(-plan.arena_bytes // 8) * 8,
        "weight_bytes": weight_bytes(program, plan),
        "macs": macs,
        "macs_model": program.macs_model or macs,
        "calls": len(program.coded),
    }
    report = json_of(path / "report.json")
    found = {name: report.get(name) for name in expected}
    ledger.same("figures of the report", "report.json", "the figure", found, expected)
