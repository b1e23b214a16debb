# SPDX-License-Identifier: Apache-2.0
"""Every error a user can see says what is wrong, where, why, and what to do about it."""

from __future__ import annotations


class EightbitError(Exception):
    """Base of all user-visible errors; `exit_status` is what the command line returns."""

    exit_status = 2

    def __init__(self, what: str, *, where: str = "", why: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.why, self.hint = what, where, why, hint

    def __str__(self) -> str:
        parts = [self.what]
        parts += [f"  {label}: {text}" for label, text in self._details() if text]
        return "\n".join(parts)

    def _details(self) -> list[tuple[str, str]]:
        return [("where", self.where), ("why", self.why), ("hint", self.hint)]


class InputError(EightbitError):
    """The model, the samples, the options or the machine cannot be used as they are (exit status 2)."""


class BudgetError(EightbitError):
    """The answer is no: the network is right but does not fit (exit status 1)."""

    exit_status = 1
