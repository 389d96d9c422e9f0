"""How long a 500 MB caffemodel takes to open, and how much memory all of its numbers touch.

The file is made in a temporary folder; opening and reading run in a fresh process each, so that the peak
memory is theirs alone.

Usage: python benchmarks/open_caffemodel.py [--megabytes 500]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from cnnviz.formats.caffemodel import read_weights, write_weights
from cnnviz.formats.schema import LayerParameter, NetParameter

LAYERS = 50


def make_model(path: Path, megabytes: int) -> None:
    """Writes a net of LAYERS inner products with weights of ``megabytes`` in total."""
    rows = megabytes * 1_000_000 // (4 * LAYERS * 1000)
    weight = np.random.default_rng(0).standard_normal((rows, 1000), dtype=np.float32)
    layers = [LayerParameter(name=f"ip{i}", type="InnerProduct") for i in range(LAYERS)]
    write_weights(path, NetParameter(name="large", layer=layers), [[weight]] * LAYERS)


def peak_memory() -> int:
    """Returns the most memory that this process has held so far, in bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def measure(path: str) -> dict[str, float]:
    """Opens the file, then reads every number; returns seconds and bytes."""
    before = peak_memory()
    start = time.perf_counter()
    weights = read_weights(path)
    opened = time.perf_counter() - start
    memory_opened = peak_memory() - before
    start = time.perf_counter()
    total = sum(float(array.sum()) for name in weights for array in weights[name])
    reading = time.perf_counter() - start
    return {
        "open_seconds": opened,
        "open_bytes": memory_opened,
        "read_seconds": reading,
        "read_bytes": peak_memory() - before,
        "sum": total,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.caffemodel"
        start = time.perf_counter()
        make_model(path, arguments.megabytes)
        size = os.path.getsize(path)
        print(f"write   {size / 1e6:8.1f} MB in {time.perf_counter() - start:.2f} s")
        command = [sys.executable, __file__, "--measure", str(path)]
        runs = [json.loads(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(3)]
        best = min(runs, key=lambda run: run["open_seconds"])
        milliseconds, touched = best["open_seconds"] * 1e3, best["open_bytes"] / 1e6
        print(f"open    {milliseconds:8.2f} ms, {touched:.1f} MB touched (goal: 100 ms)")
        factor = max(run["read_bytes"] for run in runs) / size
        print(f"read    {best['read_seconds']:8.2f} s, {factor:.3f} of the file's size touched (goal: 1.1)")


if __name__ == "__main__":
    main()
