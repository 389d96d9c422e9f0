"""How fast training logs are read: makes logs of a given size, prints MB/s and the ratio to a bare reading.

    python benchmarks/read_log.py [megabytes]

"plain" has a display at every iteration, nothing but lines that matter; "tests" is the same run with a test
at every fifth; "verbose" has debug_info, where most lines say nothing about the curves. What counts is the
time of the processor, as there is no other that reading takes.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cnnviz.formats.training_log import CHUNK, read_log

LAYERS = [f"conv{i}" for i in range(1, 17)]


# Of each kind: iterations between two tests, and whether the net tells of every layer.
KINDS = {"plain": (500, False), "tests": (5, False), "verbose": (500, True)}


def lines(test_interval: int, verbose: bool) -> Iterator[str]:
    """Yields the log of an endless run, iteration by iteration."""
    yield stamp(0) + "solver.cpp:289] Solving Net\n"
    for i in range(10**9):
        now = stamp(i)
        if i % test_interval == 0:
            yield f"{now}solver.cpp:347] Iteration {i}, Testing net (#0)\n"
            yield f"{now}solver.cpp:414]     Test net output #0: accuracy = 0.{i % 997:03d}\n"
            yield f"{now}solver.cpp:414]     Test net output #1: loss = 0.4{i % 97} (* 1 = 0.4 loss)\n"
        if verbose:
            for layer in LAYERS:
                yield f"{now}net.cpp:593]     [Forward] Layer {layer}, top blob {layer} data: 0.0{i % 7919}\n"
                yield f"{now}net.cpp:605]     [Forward] Layer {layer}, param blob 0 data: 0.0{i % 7907}\n"
            for layer in reversed(LAYERS):
                yield f"{now}net.cpp:624]     [Backward] Layer {layer}, bottom blob data diff: {i % 13}e-05\n"
        yield f"{now}solver.cpp:239] Iteration {i} (147.4 iter/s, 0.0068s/1 iters), loss = 1.{i % 9973}\n"
        yield f"{now}solver.cpp:258]     Train net output #0: loss = 1.{i % 9973} (* 1 = 1.{i % 9973} loss)\n"
        yield f"{now}sgd_solver.cpp:112] Iteration {i}, lr = 0.01\n"


def stamp(i: int) -> str:
    seconds = i // 100
    day, clock = 1 + seconds // 86400 % 28, seconds % 86400
    return (
        f"I11{day:02d} {clock // 3600:02d}:{clock // 60 % 60:02d}:{clock % 60:02d}.{i % 100:02d}0000   307 "
    )


def write(path: Path, size: int, kind: str) -> None:
    with open(path, "w") as file:
        for line in lines(*KINDS[kind]):
            size -= file.write(line)
            if size <= 0:
                break


def seconds(work: Callable[[], object]) -> float:
    """Returns the processor time of the fastest of five."""
    times = []
    for _ in range(5):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def bare(path: Path) -> int:
    """Reads the file and counts its lines: what any reader has to do."""
    with open(path, "rb") as file:
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(CHUNK), b""))


def main() -> None:
    size = int(float(sys.argv[1]) * 1e6) if len(sys.argv) > 1 else 50_000_000
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            path = Path(folder) / f"{kind}.log"
            write(path, size, kind)
            log = read_log(path)
            points = sum(len(curve) for *_, curve in log.all_curves())
            took, least = seconds(lambda path=path: read_log(path)), seconds(lambda path=path: bare(path))
            print(
                f"{kind}: {size / 1e6:.0f} MB, {log.lines} lines, {points} points: "
                f"{size / took / 1e6:.0f} MB/s, {took / least:.1f} times as long as counting its lines"
            )
            path.unlink()


if __name__ == "__main__":
    main()
