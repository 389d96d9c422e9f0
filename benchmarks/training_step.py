"""One training step (forward, backward, SGD update) beside PyTorch's, in one run.

    python benchmarks/training_step.py [--layers] [NET ...]

NET is one of lenet, cifar10_quick, caffenet10, caffenet16; default all. CNNVIZ_DEVICE chooses the device.
PyTorch's part runs where this Python has torch, or in the Python that TORCH_PYTHON names. The two take
turns and the least time of each counts. --layers prints ours by layer (each waited for, so that their
sum is longer than the step).
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time

import numpy as np

REST = 0.4
"""Seconds between turns: worker threads of the one that has just run go on spinning for a while."""

POOL3 = "pooling_param { pool: %s kernel_size: 3 stride: 2 }"
POOL2 = "pooling_param { pool: MAX kernel_size: 2 stride: 2 }"

# Type and parameters of each layer: Convolution (outputs, kernel, stride, pad, group), Pooling, ReLU,
# LRN, Dropout, InnerProduct (outputs).
NETS = {
    "lenet": (
        (64, 1, 28, 10),
        [("conv", 20, 5, 1, 0, 1), ("pool", POOL2), ("conv", 50, 5, 1, 0, 1), ("pool", POOL2),
         ("ip", 500), ("relu",), ("ip", 10)],
    ),
    "cifar10_quick": (
        (100, 3, 32, 10),
        [("conv", 32, 5, 1, 2, 1), ("pool", POOL3 % "MAX"), ("relu",), ("conv", 32, 5, 1, 2, 1), ("relu",),
         ("pool", POOL3 % "AVE"), ("conv", 64, 5, 1, 2, 1), ("relu",), ("pool", POOL3 % "AVE"),
         ("ip", 64), ("ip", 10)],
    ),
    "caffenet10": (
        (10, 3, 227, 1000),
        [("conv", 96, 11, 4, 0, 1), ("relu",), ("pool", POOL3 % "MAX"), ("lrn",),
         ("conv", 256, 5, 1, 2, 2), ("relu",), ("pool", POOL3 % "MAX"), ("lrn",),
         ("conv", 384, 3, 1, 1, 1), ("relu",), ("conv", 384, 3, 1, 1, 2), ("relu",),
         ("conv", 256, 3, 1, 1, 2), ("relu",), ("pool", POOL3 % "MAX"),
         ("ip", 4096), ("relu",), ("drop",), ("ip", 4096), ("relu",), ("drop",), ("ip", 1000)],
    ),
}  # fmt: skip
NETS["caffenet16"] = ((16, *NETS["caffenet10"][0][1:]), NETS["caffenet10"][1])


def _prototxt(name: str) -> str:
    (num, channels, size, _), layers = NETS[name]
    text = [
        f'layer {{ name: "data" type: "Input" top: "x" top: "label" input_param {{ '
        f"shape {{ dim: {num} dim: {channels} dim: {size} dim: {size} }} shape {{ dim: {num} }} }} }}"
    ]
    filler = 'weight_filler { type: "xavier" }'
    top = "x"
    for i, (kind, *values) in enumerate(layers):
        bottom, top = top, top if kind in ("relu", "drop") else f"{kind}{i}"
        if kind == "conv":
            names = ("num_output", "kernel_size", "stride", "pad", "group")
            numbers = " ".join(f"{k}: {v}" for k, v in zip(names, values, strict=True))
            body = f'type: "Convolution" convolution_param {{ {numbers} {filler} }}'
        elif kind == "ip":
            body = f'type: "InnerProduct" inner_product_param {{ num_output: {values[0]} {filler} }}'
        else:
            body = {
                "pool": f'type: "Pooling" {values[0] if values else ""}',
                "relu": 'type: "ReLU"',
                "lrn": 'type: "LRN" lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }',
                "drop": 'type: "Dropout"',
            }[kind]
        text.append(f'layer {{ name: "{kind}{i}" bottom: "{bottom}" top: "{top}" {body} }}')
    text.append(
        f'layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "{top}" bottom: "label" top: "loss" }}'
    )
    return f'name: "{name}"\n' + "\n".join(text)


def _inputs(name: str) -> tuple[np.ndarray, np.ndarray]:
    num, channels, size, classes = NETS[name][0]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((num, channels, size, size), np.float32)
    return x, rng.integers(0, classes, num)


class Ours:
    """The step of this package's solver."""

    def __init__(self, name: str):
        from cnnviz.engine.solver import Solver
        from cnnviz.formats.prototxt import SolverDefinition, parse_net
        from cnnviz.formats.schema import SolverParameter

        param = SolverParameter(
            base_lr=1e-4, momentum=0.9, weight_decay=5e-4, lr_policy="fixed", max_iter=10**6
        )
        param.net_param.CopyFrom(parse_net(_prototxt(name)).proto)
        self.solver = Solver(SolverDefinition(param, "benchmark"))
        x, labels = _inputs(name)
        self.solver.net.blobs["x"].data[...] = x
        self.solver.net.blobs["label"].data[...] = labels

    def step(self) -> float:
        """Returns the seconds of one step."""
        start = time.perf_counter()
        self.solver.step(1)
        self.solver.device.finish()
        return time.perf_counter() - start

    def by_layer(self, rounds: int = 15) -> None:
        """Prints the least milliseconds of each layer, forward and backward."""
        net, wait = self.solver.net, self.solver.device.finish
        best = np.full((len(net.layers), 2), np.inf)
        for _ in range(rounds):
            for i in range(len(net.layers)):
                best[i, 0] = min(best[i, 0], _timed(net.forward_layer, i, wait))
            for i in reversed(range(len(net.layers))):
                best[i, 1] = min(best[i, 1], _timed(net.backward_layer, i, wait))
        for name, layer, times in zip(net.layer_names, net.layers, best * 1e3, strict=True):
            print(f"    {name:12}{layer.type:18}{times[0]:9.3f}{times[1]:9.3f}")
        print(f"    {'sum':30}{best[:, 0].sum() * 1e3:9.3f}{best[:, 1].sum() * 1e3:9.3f}")


def _timed(run, index: int, wait) -> float:
    start = time.perf_counter()
    run(index)
    wait()
    return time.perf_counter() - start


def torch_step(name: str):
    """Returns a function that does PyTorch's step of the net and returns its seconds."""
    import torch
    from torch import nn

    (num, channels, size, _), layers = NETS[name]
    modules: list[nn.Module] = []
    shape = torch.zeros(num, channels, size, size)
    for kind, *values in layers:
        if kind == "conv":
            out, kernel, stride, pad, group = values
            made = [nn.Conv2d(shape.shape[1], out, kernel, stride, pad, groups=group)]
        elif kind == "ip":
            made = [nn.Flatten()] if shape.dim() > 2 else []
            made.append(nn.Linear(shape[0].numel(), values[0]))
        elif kind == "pool":
            window = (2, 2) if values[0] == POOL2 else (3, 2)
            average = "AVE" in values[0]
            made = [(nn.AvgPool2d if average else nn.MaxPool2d)(*window, ceil_mode=True)]
        else:
            made = [{"relu": nn.ReLU(), "lrn": nn.LocalResponseNorm(5), "drop": nn.Dropout()}[kind]]
        for module in made:
            shape = module(shape)
        modules += made
    net = nn.Sequential(*modules)
    update = torch.optim.SGD(net.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4)
    x, labels = (torch.from_numpy(a) for a in _inputs(name))
    loss = nn.CrossEntropyLoss()

    def step() -> float:
        start = time.perf_counter()
        update.zero_grad()
        loss(net(x), labels).backward()
        update.step()
        return time.perf_counter() - start

    return step


def _serve_torch(name: str) -> None:
    """Answers each line on standard input with the seconds of one step."""
    step = torch_step(name)
    for _ in sys.stdin:
        print(step(), flush=True)


def _torch_python() -> str | None:
    if "TORCH_PYTHON" in os.environ:
        return os.environ["TORCH_PYTHON"]
    return sys.executable if importlib.util.find_spec("torch") else None


def compare(name: str, layers: bool, seconds: float = 5.0) -> None:
    """Prints the least step of both, taken in turns, and their ratio."""
    ours = Ours(name)
    other = None
    if python := _torch_python():
        other = subprocess.Popen(
            [python, __file__, "--serve-torch", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    mine, theirs = [ours.step()], []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(mine) < 8:
        mine += [ours.step() for _ in range(3)]
        if other:
            time.sleep(REST)
            for _ in range(3):
                other.stdin.write("step\n")
                other.stdin.flush()
                theirs.append(float(other.stdout.readline()))
            time.sleep(REST)
    if other:
        other.stdin.close()
        other.wait()
    line = f"{name:16}{min(mine) * 1e3:10.2f}"
    if theirs:
        line += f"{min(theirs) * 1e3:12.2f}{min(mine) / min(theirs):10.2f}"
    print(line, flush=True)
    if layers:
        ours.by_layer()


def main() -> None:
    arguments = sys.argv[1:]
    if arguments[:1] == ["--serve-torch"]:
        _serve_torch(arguments[1])
        return
    from cnnviz.engine.device import get_device

    print(f"{get_device().info.title}, float32, milliseconds for one step")
    print(f"{'net':16}{'ours':>10}{'PyTorch':>12}{'ratio':>10}")
    names = [a for a in arguments if a != "--layers"] or list(NETS)
    for name in names:
        compare(name, "--layers" in arguments)


if __name__ == "__main__":
    main()
