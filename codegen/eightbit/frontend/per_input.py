# SPDX-License-Identifier: Apache-2.0
"""Options that may differ from input to input: `1,3,96,96` for the only one, or `name=1,3,96,96`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from eightbit.errors import InputError, closest

ONLY = ""  # stands for the only input
Value = TypeVar("Value")


@dataclass(frozen=True)
class PerInput:
    """An option of the command line, what it says of an input, and how its value is written."""

    flag: str
    noun: str
    form: str

    def parse(self, texts: Sequence[str], read: Callable[[str], Value]) -> dict[str, Value]:
        """Values as the command line takes them, by input name or ONLY. `read` raises ValueError."""
        found: dict[str, Value] = {}
        for text in texts:
            name, _, written = text.rpartition("=")
            try:
                value = read(written)
            except ValueError as error:
                hint = f"write it as {self.form} or name={self.form}"
                why = f"a {self.noun} is numbers with commas between them"
                raise self.wrong(f"cannot read {text!r}", why, hint) from error
            if name in found:
                what = f"{text!r} is a second {self.noun} of one input"
                raise self.wrong(what, "each input has one", "give each input once")
            found[name] = value
        return found

    def by_input(self, given: Value | Mapping[str, Value] | None, inputs: Sequence[str]) -> dict[str, Value]:
        """What was given by the names of the model's `inputs`; refuses a name that is none of them."""
        named = {} if given is None else dict(given) if isinstance(given, Mapping) else {ONLY: given}
        if ONLY in named and len(inputs) == 1:
            named = {inputs[0] if name == ONLY else name: value for name, value in named.items()}
        for name in named:
            if name not in inputs:
                what = f"there is no input {name!r}" if name else f"the {self.noun} of which input?"
                why = f"the model has the inputs {', '.join(map(repr, inputs))}"
                raise self.wrong(what, why, f"{closest(name, inputs)}write it as name={self.form}")
        return named

    def wrong(self, what: str, why: str, hint: str) -> InputError:
        return InputError(what, where=self.flag, why=why, hint=hint)
