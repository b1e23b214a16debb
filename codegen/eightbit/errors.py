# SPDX-License-Identifier: Apache-2.0
"""Every error a user can see says what is wrong, where, why, and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LARGER = "choose a larger target or a smaller network"
INTERRUPTED = 130  # by Ctrl-C, as shells say it
LEFT = "nothing is left behind"
LONGEST_LINE = 500  # names in models may have any length and any characters


class EightbitError(Exception):
    """Base of all user-visible errors; `exit_status` is what the command line returns."""

    exit_status = 2

    def __init__(self, what: str, *, where: str, why: str, hint: str) -> None:
        self.what, self.where, self.why, self.hint = map(printable, (what, where, why, hint))
        super().__init__(self.what)

    def __str__(self) -> str:
        details = [("where", self.where), ("why", self.why), ("hint", self.hint)]
        lines = [f"{label}: {text}".replace("\n", "\n    ") for label, text in details if text]
        return "\n  ".join([self.what, *lines])


class InputError(EightbitError):
    """The model, the samples, the options or the machine cannot be used as they are (exit status 2)."""


class BudgetError(EightbitError):
    """The answer is no: the network is right but does not fit a memory (exit status 1). Sizes in bytes.

    `board`: the target whose memory it is; "" where a limit was asked for.
    """

    exit_status = 1

    def __init__(
        self, board: str, memory: str, needed: int, available: int, *, note: str = "", hint: str = LARGER
    ) -> None:
        self.memory, self.needed, self.available = memory, needed, available
        option = f"--max-{memory.lower()}"
        has = f"there are {available}" if board else f"allowed are {available}, {needed - available} too few"
        super().__init__(
            f"the network does not fit the {memory} of {board}" if board else f"the network breaks {option}",
            where=f"target {board}" if board else option,
            why=f"it needs {needed} bytes of {memory}{note}; {has}",
            hint=hint,
        )


class BuildError(EightbitError):
    """The answer is no: the C does not compile, crashes, or does not say what it should (exit status 1)."""

    exit_status = 1


def unusable(error: OSError) -> InputError:
    """What the operating system refuses, wherever it happens: a path that is too long, a disk that is full."""
    return InputError(
        "a file or program cannot be used",
        where=str(error.filename or "the operating system"),
        why=reason(error),
        hint="check the path, its permissions, and the room on the disk",
    )


def printable(text: str) -> str:
    """Text that a terminal shows as it is: control characters escaped, each line of bounded length."""
    lines = ("".join(map(_shown, line[: LONGEST_LINE + 1])) for line in text.split("\n"))
    return "\n".join(line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]} ..." for line in lines)


def _shown(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def reason(error: Exception) -> str:
    """What the first cause of a library's exception says, on one line."""
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(text.split()) or type(error).__name__


def closest(name: str, known: Iterable[str]) -> str:
    """A question for the start of a hint, if a known name resembles a wrong one; else ""."""
    found = difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(map(repr, found))}? " if found else ""
