# SPDX-License-Identifier: Apache-2.0
"""A camera in double buffers: frames of uint8 pixels become inputs in place, on the host and a Cortex-M4."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import eightbit
from eightbit.execution import emulate
from models import model, node, weights
from own_firmware import PRINTING, chip, firmware_of

# While the network reads one buffer, the camera fills the other.
CAMERA = (
    """
#include "cam.h"
#include "e8_board.h"
#include "vectors.inc"
static cam_context net;
static e8_u8 buffers[2][CAM_INPUT_SIZE];
static e8_s8 scores[CAM_OUTPUT_SIZE];
"""
    + PRINTING
    + """
static void capture(e8_u8 *to, int frame)
{
    long n;

    for (n = 0; n < CAM_INPUT_SIZE; n++)
        to[n] = frames[frame * (long)CAM_INPUT_SIZE + n];
}

int main(void)
{
    int v;
    long n;

    cam_init(&net);
    capture(buffers[0], 0);
    for (v = 0; v < VECTORS; v++) {
        e8_s8 *const image = (e8_s8 *)buffers[v & 1];

        cam_input_pixels(image, CAM_INPUT_SIZE);
        cam_bind(&net, image, scores);
        if (v + 1 < VECTORS)
            capture(buffers[(v + 1) & 1], v + 1);
        put('s', cam_run(&net));
        for (n = 0; n < CAM_OUTPUT_SIZE; n++)
            put('y', scores[n] + 128);
        for (n = 0; n < CAM_INPUT_SIZE; n++)
            if (image[n] != frames[v * (long)CAM_INPUT_SIZE + n] - 128)
                put('w', n); /* written */
    }
    return 0;
}
"""
)


def network() -> onnx.ModelProto:
    """Pixels of 0..1, as a training script makes them -> convolution -> mean over the image."""
    nodes = [node("Conv", "x w", "a", pads=[1, 1, 1, 1]), node("Relu", "a", "r"), node("GlobalAveragePool", "r", "y")]
    return model(nodes, {"x": [1, 3, 8, 8]}, {"y": [1, 5, 1, 1]}, {"w": weights(5, 3, 3, 3)})


@pytest.mark.parametrize("name", ["host", "cortex-m4"])
def test_bytes_of_a_camera_are_inputs_in_place_while_the_next_frame_arrives(name: str, tmp_path: Path) -> None:
    on = chip(name)
    frames = np.random.default_rng(3).integers(0, 256, (6, 3, 8, 8)).astype(np.uint8)
    frames[0], frames[1] = 0, 255
    build = eightbit.compile(network(), frames / np.float32(255), name="cam", io="caller")
    tensor = build.program.tensors[build.program.inputs[0].tensor]
    assert (tensor.scale, tensor.zero_point) == (float(np.float32(1 / 255)), -128)
    assert build.report()["io_bytes"] == frames[0].size + 5

    folder = build.write(tmp_path / "cam")
    elf = firmware_of(tmp_path / "firmware", on, [folder], CAMERA, {"frames": frames})
    expected = []
    for scores in build.simulate(frames / np.float32(255))["y"].reshape(len(frames), -1).tolist():
        expected += ["s0", *(f"y{score + 128}" for score in scores)]
    assert emulate.run(on, elf).split() == expected
