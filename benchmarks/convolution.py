"""Convolutions of well-known nets: GFLOP/s forward, by the bottom and by the weights.

    python benchmarks/convolution.py [WORD]        (only cases with WORD in their title)

CNNVIZ_DEVICE chooses the device. The least time of many runs counts; padding the image, packing and all
else that a convolution needs is inside the time.
"""

from __future__ import annotations

import sys

import numpy as np
from _timing import device_seconds

from cnnviz.engine.device import Device, get_device
from cnnviz.engine.ops.convolution import make_convolution
from cnnviz.engine.ops.im2col import Window
from cnnviz.engine.ops.plain_convolution import Geometry

# num, channels, size, num_output, kernel, stride, pad, group: title.
CASES = [
    (64, 1, 28, 20, 5, 1, 0, 1, "LeNet conv1"),
    (64, 20, 12, 50, 5, 1, 0, 1, "LeNet conv2"),
    (100, 3, 32, 32, 5, 1, 2, 1, "cifar10_quick conv1"),
    (100, 32, 16, 32, 5, 1, 2, 1, "cifar10_quick conv2"),
    (10, 3, 227, 96, 11, 4, 0, 1, "CaffeNet conv1"),
    (10, 96, 27, 256, 5, 1, 2, 2, "CaffeNet conv2"),
    (10, 256, 13, 384, 3, 1, 1, 1, "CaffeNet conv3"),
    (10, 384, 13, 384, 3, 1, 1, 2, "CaffeNet conv4"),
    (10, 384, 13, 256, 3, 1, 1, 2, "CaffeNet conv5"),
    (1, 64, 224, 64, 3, 1, 1, 1, "VGG conv1_2"),
    (1, 256, 56, 256, 3, 1, 1, 1, "VGG conv3_2"),
    (1, 512, 14, 512, 3, 1, 1, 1, "VGG conv5_1"),
    (1, 3, 224, 64, 7, 2, 3, 1, "ResNet conv1"),
    (1, 64, 56, 256, 1, 1, 0, 1, "ResNet 2c"),
    (1, 256, 56, 128, 1, 2, 0, 1, "ResNet 3a, stride 2"),
    (1, 512, 7, 512, 3, 1, 1, 1, "ResNet 5b"),
    (1, 2048, 7, 512, 1, 1, 0, 1, "ResNet 5a"),
    (1, 192, 28, 32, 5, 1, 2, 1, "GoogLeNet 5x5"),
    (1, 64, 112, 64, 3, 1, 1, 64, "MobileNet depthwise"),
    (1, 512, 14, 512, 3, 1, 1, 512, "MobileNet depthwise, small"),
]


def measure(device: Device, geometry: Geometry) -> list[float]:
    """Returns GFLOP/s of forward, by the bottom, by the weights."""
    g = geometry
    rng = np.random.default_rng(0)
    counts = (
        g.num * g.channels * g.window.in_count,
        g.num_output * g.depth,
        g.num_output,
        g.num * g.num_output * g.window.out_count,
    )
    x, w, b, y = (device.upload(rng.standard_normal(count, np.float32)) for count in counts)
    op = make_convolution(device, g)
    work = 2e-9 * counts[3] * g.depth
    runs = (
        lambda: op.forward(x, w, b, y),
        lambda: op.backward_data(y, w, x),
        lambda: op.backward_weights(x, y, w, b),
    )
    return [work / device_seconds(device, run, 0.2) for run in runs]


def main() -> None:
    device = get_device()
    print(f"{device.info.title}, {device.dtype}")
    print(f"{'GFLOP/s':42}{'forward':>10}{'bottom':>10}{'weights':>10}")
    for num, channels, size, num_output, kernel, stride, pad, group, title in CASES:
        if len(sys.argv) > 1 and sys.argv[1] not in title:
            continue
        window = Window((size,) * 2, (kernel,) * 2, (stride,) * 2, (pad,) * 2, (1, 1))
        rates = measure(device, Geometry(num, channels, window, group, num_output))
        print(f"{title + f', {num} image(s)':42}" + "".join(f"{rate:10.0f}" for rate in rates), flush=True)


if __name__ == "__main__":
    main()
