# SPDX-License-Identifier: Apache-2.0
"""What stands in the way of a model, as tests of refusals ask it."""

from __future__ import annotations

import onnx
import pytest

import eightbit
from eightbit import lower
from eightbit.errors import InputError
from eightbit.frontend import load
from eightbit.frontend.simplify import simplify


def obstacles(proto: onnx.ModelProto) -> list[tuple[str, str]]:
    """(where, why) of every obstacle; the pipeline must tell the same, before it looks for samples."""
    told = lower.refusals(simplify(load.load(proto)))
    assert all(obstacle.hint for obstacle in told)
    found = [(obstacle.where, obstacle.why) for obstacle in told]
    if found:
        with pytest.raises(InputError) as caught:
            eightbit.compile(proto, "no such file.npz")
        assert caught.value.exit_status == 2
        assert all(why in str(caught.value) for _, why in found)
        assert caught.value.hint
    return found


def only_reason(proto: onnx.ModelProto) -> str:
    ((_, why),) = obstacles(proto)
    return why
