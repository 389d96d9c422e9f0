"""One LeNet training step with its pictures read from an LMDB, beside one whose pictures are there.

    python benchmarks/data_layer.py [STEPS]

The sample of digits is written to a temporary LMDB. The two take turns and the median step of each is
shown, and how long the Data layer kept the step: taking a prepared batch over, or waiting for one.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import cnnviz
from cnnviz.engine.data.digits import load_digits
from cnnviz.engine.solver import Solver
from cnnviz.formats.databases import array_to_datum, create_database
from cnnviz.formats.prototxt import parse_solver

LMDB = 'type: "Data" transform_param { scale: 0.00390625 } data_param { source: "%s" batch_size: 64 }'
THERE = 'type: "Input" input_param { shape { dim: [64, 1, 28, 28] } shape { dim: 64 } }'
FILLER = 'weight_filler { type: "xavier" }'
NET = f"""
layer {{ name: "data" top: "data" top: "label" %s }}
layer {{ name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param {{ num_output: 20 kernel_size: 5 {FILLER} }} }}
layer {{ name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
  pooling_param {{ kernel_size: 2 stride: 2 }} }}
layer {{ name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
  convolution_param {{ num_output: 50 kernel_size: 5 {FILLER} }} }}
layer {{ name: "pool2" type: "Pooling" bottom: "conv2" top: "pool2"
  pooling_param {{ kernel_size: 2 stride: 2 }} }}
layer {{ name: "ip1" type: "InnerProduct" bottom: "pool2" top: "ip1"
  inner_product_param {{ num_output: 500 {FILLER} }} }}
layer {{ name: "relu1" type: "ReLU" bottom: "ip1" top: "ip1" }}
layer {{ name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
  inner_product_param {{ num_output: 10 {FILLER} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }}
"""
SOLVER = 'base_lr: 0.01 lr_policy: "fixed" momentum: 0.9 max_iter: 100000 display: 0 net_param { %s }'


def timed(solver: Solver, steps: int) -> tuple[list[float], list[float]]:
    """Returns for each step its seconds and those spent in its first layer."""
    layer = solver.net.layers[0]
    forward = layer.forward
    whole, data = [], []

    def timed_forward(*blobs) -> None:
        start = time.perf_counter()
        forward(*blobs)
        data.append(time.perf_counter() - start)

    layer.forward = timed_forward
    for _ in range(steps):
        start = time.perf_counter()
        solver.step(1)
        solver.device.finish()
        whole.append(time.perf_counter() - start)
    layer.forward = forward
    return whole, data


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "digits_lmdb"
        images, labels, *_ = load_digits()
        with create_database(database) as writer:
            for number, (image, label) in enumerate(zip(images, labels, strict=True)):
                writer.put(f"{number:08d}", array_to_datum(image[None], int(label)))
        solvers = {
            name: Solver(parse_solver(SOLVER % (NET % layer)))
            for name, layer in (("pictures there", THERE), ("pictures from LMDB", LMDB % database))
        }
        times = {name: ([], []) for name in solvers}
        for solver in solvers.values():
            timed(solver, 10)
        for _ in range(4):
            for name, solver in solvers.items():
                for kept, new in zip(times[name], timed(solver, steps // 4), strict=True):
                    kept += new
        print(f"cnnviz {cnnviz.__version__}, {solver.device.info.title}, {steps} steps, batch 64")
        for name, (whole, data) in times.items():
            median, kept, worst = statistics.median(whole), statistics.median(data), max(data)
            print(
                f"{name:20} step {1e3 * median:7.3f} ms, of it in the first layer {1e3 * kept:.3f} ms"
                f" (at most {1e3 * worst:.3f} ms)"
            )
        for solver in solvers.values():
            solver.close()


if __name__ == "__main__":
    main()
