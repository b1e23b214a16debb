# SPDX-License-Identifier: Apache-2.0
"""What stands in the way of compiling a model: all of it at once, each with where it is, why, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eightbit.errors import InputError, printable

SEVERAL = "each has another way out: `eightbit check` lists them with a hint each"


@dataclass(frozen=True)
class Obstacle:
    """`where` names it in messages; `node` and `operator` are "" where it is no node. `what`: the first line of the
    message where it is the only obstacle.
    """

    where: str
    why: str
    hint: str
    node: str = ""
    operator: str = ""
    what: str = "the model cannot be compiled"

    def json(self) -> dict[str, str]:
        return {
            "where": self.where,
            "node": self.node,
            "operator": self.operator,
            "reason": self.why,
            "hint": self.hint,
        }


class ObstacleError(InputError):
    """A model that is one, but cannot be compiled as it is. `model`: its name or file."""

    def __init__(self, model: str, obstacles: Sequence[Obstacle]) -> None:
        self.model, self.obstacles = printable(model), tuple(obstacles)
        first, hints = self.obstacles[0], {found.hint for found in self.obstacles}
        if len(self.obstacles) == 1:
            super().__init__(first.what, where=first.where, why=first.why, hint=first.hint)
            return
        super().__init__(
            f"the model has {len(self.obstacles)} obstacles",
            where=model,
            why="".join(f"\n{found.where}: {found.why}" for found in self.obstacles),
            hint=first.hint if len(hints) == 1 else SEVERAL,
        )
