# SPDX-License-Identifier: Apache-2.0
"""Train the digits example, a small CNN on scikit-learn's handwritten digits, and export it as digits.onnx.

    pip install torch==2.13.0 onnx scikit-learn numpy
    python train.py

Needed only to make digits.onnx, calibration.npz and test.npz again; eightbit itself never imports PyTorch.
"""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import onnx
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

HERE = Path(__file__).resolve().parent
SEED = 8
EPOCHS = 60
BATCH = 32


def conv(cin: int, cout: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, Relu: the block that every layer but the last is made of."""
    layer = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(OrderedDict(conv=layer, norm=nn.BatchNorm2d(cout), relu=nn.ReLU()))


def network() -> nn.Sequential:
    """[n, 1, 8, 8], pixels 0..1 -> ten logits. No softmax: the argmax does not need it."""
    layers = OrderedDict(
        stem=conv(1, 16),  # 8x8x16
        depthwise1=conv(16, 16, groups=16),
        pointwise1=conv(16, 24, kernel=1),  # 8x8x24
        pool=nn.MaxPool2d(2),  # 4x4x24
        depthwise2=conv(24, 24, stride=2, groups=24),  # 2x2x24
        pointwise2=conv(24, 48, kernel=1),  # 2x2x48
        mean=nn.AdaptiveAvgPool2d(1),  # 1x1x48
        flatten=nn.Flatten(),
        classify=nn.Linear(48, 10),
    )
    return nn.Sequential(layers)


def split() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """1437 training and 360 test images, float32 [n, 1, 8, 8] in 0..1, split by class, and labels."""
    x, labels = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    x_train, x_test, y_train, y_test = train_test_split(x, labels, test_size=360, stratify=labels, random_state=SEED)
    return x_train, y_train, x_test, y_test


def jitter(x: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Shift a batch by up to one pixel each way, so that the network does not learn where a digit lies."""
    dy, dx = torch.randint(0, 3, (2,), generator=random).tolist()
    return nn.functional.pad(x, (1, 1, 1, 1))[:, :, dy : dy + 8, dx : dx + 8]


def train(model: nn.Sequential, x: torch.Tensor, labels: torch.Tensor) -> None:
    """Adam with a one-cycle learning rate; every random draw comes from SEED."""
    random = torch.Generator().manual_seed(SEED)
    steps = -(-len(x) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, epochs=EPOCHS, steps_per_epoch=steps)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(x), generator=random).split(BATCH):
            loss = nn.functional.cross_entropy(model(jitter(x[batch], random)), labels[batch], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def export(model: nn.Sequential, path: Path) -> None:
    """Write opset 17 with a free batch axis; PRESERVE keeps BatchNormalization for eightbit to fold."""
    torch.onnx.export(
        model,
        (torch.zeros(1, 1, 8, 8),),
        path,
        dynamo=False,
        opset_version=17,
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False,
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": {0: "n"}, "logits": {0: "n"}},
    )
    onnx.checker.check_model(path, full_check=True)


def main() -> None:
    """Train, export, and save 100 calibration samples (of the training images) and the 360 test samples."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # the order of float sums, and with it every bit, depends on the number of threads
    x_train, y_train, x_test, y_test = split()
    model = network()
    train(model, torch.from_numpy(x_train), torch.from_numpy(y_train))
    model.eval()
    export(model, HERE / "digits.onnx")
    np.savez_compressed(HERE / "calibration.npz", image=x_train[:100], labels=y_train[:100])
    np.savez_compressed(HERE / "test.npz", image=x_test, labels=y_test)
    with torch.no_grad():
        right = (model(torch.from_numpy(x_test)).argmax(1).numpy() == y_test).mean()
    size = sum(p.numel() for p in model.parameters())
    print(f"{size} parameters, {right:.1%} of {len(x_test)} test images right")


if __name__ == "__main__":
    main()
