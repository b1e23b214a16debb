# SPDX-License-Identifier: Apache-2.0
"""Program -> QDQ ONNX (placeholder while its author writes it)."""

from pathlib import Path

from eightbit.program import Program


class QdqGraph: ...


def write(program: Program, output: Path) -> None:
    raise NotImplementedError
