"""Matrix products of our layers' shapes beside NumPy's, in one run.

    python benchmarks/matrix_product.py            (CNNVIZ_DEVICE chooses the device)

Prints GFLOP/s of both (the least time of many runs) and their ratio; above 1 ours is faster.
"""

from __future__ import annotations

import functools

import numpy as np
from _timing import device_seconds, least_seconds

from cnnviz.engine.device import get_device
from cnnviz.engine.ops.matrix_product import Matrix, matrix_product

# m, n, k, transpose_a, transpose_b: what the shape is.
CASES = [
    (1024, 1024, 1024, False, False, "square"),
    (1024, 1024, 1024, True, False, "square, A transposed"),
    (1024, 1024, 1024, False, True, "square, B transposed"),
    (64, 500, 800, False, True, "LeNet ip1 forward"),
    (64, 800, 500, False, False, "LeNet ip1 by the bottom"),
    (500, 800, 64, True, False, "LeNet ip1 by the weights"),
    (64, 10, 500, False, True, "LeNet ip2 forward"),
    (1, 4096, 9216, False, True, "CaffeNet fc6, one image"),
    (10, 4096, 9216, False, True, "CaffeNet fc6 forward"),
    (10, 9216, 4096, False, False, "CaffeNet fc6 by the bottom"),
    (4096, 9216, 10, True, False, "CaffeNet fc6 by the weights"),
    (256, 4096, 9216, False, True, "CaffeNet fc6, 256 images"),
    (384, 1690, 2304, False, False, "CaffeNet conv3 as a product"),
]


def main() -> None:
    device = get_device()
    print(f"{device.info.title}, {device.dtype}; NumPy {np.__version__}")
    print(f"{'':32}{'ours':>8}{'NumPy':>8}  GFLOP/s{'ratio':>8}")
    rng = np.random.default_rng(0)
    for m, n, k, transpose_a, transpose_b, title in CASES:
        a = rng.standard_normal((k, m) if transpose_a else (m, k), np.float32)
        b = rng.standard_normal((n, k) if transpose_b else (k, n), np.float32)
        out = np.empty((m, n), np.float32)
        buffers = [device.upload(matrix) for matrix in (a, b, out)]
        left, right = Matrix(buffers[0], transposed=transpose_a), Matrix(buffers[1], transposed=transpose_b)
        product = functools.partial(matrix_product, device, (m, n, k), left, right, buffers[2])
        ours = device_seconds(device, product)
        a, b = a.T if transpose_a else a, b.T if transpose_b else b
        numpys = least_seconds(functools.partial(np.matmul, a, b, out=out), lambda: None)
        work = 2e-9 * m * n * k
        print(f"{title:32}{work / ours:8.0f}{work / numpys:8.0f}{numpys / ours:17.2f}", flush=True)


if __name__ == "__main__":
    main()
