"""Feeds damaged files to the readers: cuts, flipped bits, wrong sizes, huge axes, deep nesting.

A reader may refuse a file with a CnnvizError. Anything else is a finding: another exception, more than
a few seconds, or memory far beyond the file's size (the process runs under a limit). The damage is drawn
from a seed, so a finding can be repeated; its input is kept in the folder that is printed.

Usage: python tests/support/fuzz_formats.py [--count 100000] [--seed 0] [--kind prototxt] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import logging
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from fuzz_damage import damaged

from cnnviz.engine.data.sources import HDF5Source, read_image_list
from cnnviz.engine.data.windows import read_window_file
from cnnviz.errors import CnnvizError
from cnnviz.formats.binaryproto import read_mean, write_mean
from cnnviz.formats.caffemodel import read_definition, read_weights, write_weights
from cnnviz.formats.cifar10 import read_cifar10
from cnnviz.formats.convert import open_weights, save_weights
from cnnviz.formats.databases import (
    array_to_datum,
    create_database,
    datum_to_array,
    open_database,
    parse_datum,
)
from cnnviz.formats.idx import read_idx, write_idx
from cnnviz.formats.images import encode_image, load_image
from cnnviz.formats.prototxt import SolverDefinition, parse_net, parse_solver, read_prototxt, to_text
from cnnviz.formats.schema import Datum
from cnnviz.formats.solverstate import SolverState, read_solverstate, write_solverstate
from cnnviz.formats.training_log import read_log

SHARED = Path(__file__).resolve().parents[3] / "shared"
LARGEST_SEED = 60_000  # bytes: small files are damaged where it matters more often
SLOW = 5.0  # seconds
MEMORY = 128 * 2**20  # bytes beyond what the process has at the start

NET = """name: "fuzz"
layer { name: "data" type: "Input" top: "data" input_param { shape: { dim: [1, 3, 8, 8] } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" param { lr_mult: 1.5e-3 }
  convolution_param { num_output: 2 kernel_size: 3 weight_filler { type: 'xavier' "" } engine: CUDNN } }
layer { name: "pool" type: "Pooling" bottom: "conv1" top: "pool" pooling_param { pool: ODD odd { a: 1 } } }
"""
OLD_NET = """input: "data" input_dim: [1, 3, 8, 8]
layers { layer { name: "pad" type: "padding" pad: 1 } bottom: "data" top: "pad" }
layers { layer { name: "c" type: "conv" num_output: 2 kernelsize: 3 blobs_lr: 1. } bottom: "pad" top: "c" }
layers { name: "r" type: RELU bottom: "c" top: "c" blobs_lr: 1 weight_decay: 0 param: "w" }
"""
SOLVER = 'net: "net.prototxt"\nbase_lr: 0.01\nsolver_type: ADAM\ntest_iter: 1\nmax_iter: 0x10 # hex\n'
LOG = """I1121 03:05:01.000001 12 solver.cpp:330] Iteration 0, Testing net (#0)
I1121 03:05:02.000001 12 solver.cpp:397]     Test net output #0: accuracy = 0.1
I1121 03:05:02.000002 12 solver.cpp:397]     Test net output #1: loss = 2.3 (* 1 = 2.3 loss)
I1121 03:05:03.000001 12 solver.cpp:218] Iteration 0 (0 iter/s, 0.1s/100 iters), loss = 2.3
I1121 03:05:03.000002 12 solver.cpp:237]     Train net output #0: loss = nan (* 1 = nan loss)
I1121 03:05:03.000003 12 sgd_solver.cpp:105] Iteration 0, lr = 0.01
"""


def touch(arrays) -> None:
    """Reads every number, so that a view beyond the file would show."""
    for array in arrays:
        if array is not None:
            with np.errstate(all="ignore"):
                np.asarray(array).sum()


def use_text(path: Path) -> None:
    definition = read_prototxt(path)
    text = to_text(definition)
    parse = parse_solver if isinstance(definition, SolverDefinition) else parse_net
    assert to_text(parse(text)) == text, "writing and reading again gives another text"


def use_weights(path: Path) -> None:
    weights = open_weights(path)
    for name in weights:
        touch([*weights[name], *weights.diffs(name)])
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        for extension in (".caffemodel", ".h5", ".npz", ".safetensors", ".mat"):
            with contextlib.suppress(CnnvizError):  # a name that the target cannot hold
                save_weights(Path(folder) / f"w{extension}", weights)
                assert set(open_weights(Path(folder) / f"w{extension}")) == set(weights), extension


def use_caffemodel(path: Path) -> None:
    use_weights(path)
    to_text(read_definition(path))


def use_state(path: Path) -> None:
    state = read_solverstate(path)
    touch(state.history)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        for name in ("s.solverstate", "s.solverstate.h5"):
            write_solverstate(Path(folder) / name, state)


def use_mean(path: Path) -> None:
    mean = read_mean(path)
    touch([mean])
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        for extension in (".binaryproto", ".npy", ".mat"):
            write_mean(Path(folder) / f"m{extension}", mean)
            assert np.array_equal(read_mean(Path(folder) / f"m{extension}"), mean, equal_nan=True)


def use_lmdb(path: Path) -> None:
    with open_database(path) as database:
        touch(datum_to_array(datum) for _, datum in database.datums())


def use_leveldb(part: str, path: Path) -> None:
    """Reads a good LevelDB in which one file was replaced."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        for file in (path.parent / "level").iterdir():
            replaced = file.match(LEVELDB_PARTS[part])
            (Path(folder) / file.name).write_bytes((path if replaced else file).read_bytes())
        with open_database(folder) as database:
            touch(datum_to_array(datum) for _, datum in database.datums())


def use_datum(path: Path) -> None:
    touch([datum_to_array(parse_datum(path.read_bytes(), str(path)), str(path))])


def use_rows(path: Path) -> None:
    batches = HDF5Source(path, ["data", "label"]).batches(3, np.random.default_rng(0))
    touch([*next(batches), *next(batches)])


def use_image(path: Path) -> None:
    for color in (True, False, None):
        touch([load_image(path, color)])


class Kind(NamedTuple):
    """A kind of file: what reads it, the extension of its name, and what such files of others are called."""

    read: Callable[[Path], object]
    extension: str
    pattern: str = ""
    is_text: bool = False


LEVELDB_PARTS = {"table": "*.ldb", "log": "*.log", "manifest": "MANIFEST-*"}
KINDS = {
    "prototxt": Kind(use_text, ".prototxt", "*.prototxt", True),
    "caffemodel": Kind(use_caffemodel, ".caffemodel", "*.caffemodel"),
    "solverstate": Kind(use_state, ".solverstate", "*.solverstate"),
    "binaryproto": Kind(use_mean, ".binaryproto", "*.binaryproto"),
    "npy": Kind(use_mean, ".npy", "*.npy"),
    "mean_mat": Kind(use_mean, ".mat"),
    "npz": Kind(use_weights, ".npz", "*.npz"),
    "safetensors": Kind(use_weights, ".safetensors"),
    "mat": Kind(use_weights, ".mat"),
    "hdf5": Kind(use_weights, ".h5", "*.caffemodel.h5"),
    "hdf5_state": Kind(use_state, ".solverstate.h5", "*.solverstate.h5"),
    "hdf5_rows": Kind(use_rows, ".h5", "part*.h5"),
    "lmdb": Kind(use_lmdb, ".mdb"),
    "datum": Kind(use_datum, ".datum"),
    "leveldb_table": Kind(partial(use_leveldb, "table"), ".ldb"),
    "leveldb_log": Kind(partial(use_leveldb, "log"), ".log"),
    "leveldb_manifest": Kind(partial(use_leveldb, "manifest"), ""),
    "idx": Kind(read_idx, "", "idx?-*"),
    "cifar10": Kind(read_cifar10, ".bin"),
    "image": Kind(use_image, ".png", "*.png"),
    "image_list": Kind(read_image_list, ".txt", "list.txt", True),
    "window_file": Kind(read_window_file, ".txt", is_text=True),
    "log": Kind(read_log, ".log", "*.log", True),
}


def made_seeds(folder: Path) -> dict[str, list[bytes]]:
    """Returns small good files of every kind, made here."""
    seeds = weight_seeds(folder) | data_seeds(folder)
    seeds["prototxt"] = [text.encode() for text in (NET, OLD_NET, SOLVER)]
    seeds["log"] = [LOG.encode()]
    return seeds


def weight_seeds(folder: Path) -> dict[str, list[bytes]]:
    """Returns files of weights, states and means."""
    random_state = np.random.default_rng(0)
    net = parse_net(NET.replace("ODD", "MAX"))
    conv = [random_state.random((2, 3, 3, 3)), random_state.random(2)]
    write_weights(folder / "w.caffemodel", net.proto, [[], conv, []], [[], conv, []])
    weights = read_weights(folder / "w.caffemodel")
    for kind in ("npz", "safetensors", "mat", "hdf5"):
        save_weights(folder / f"w{KINDS[kind].extension}", weights, net)
    for kind in ("solverstate", "hdf5_state"):
        write_solverstate(folder / f"w{KINDS[kind].extension}", SolverState(5, "w.caffemodel", 1, conv))
    for extension in (".binaryproto", ".npy", "mean.mat"):
        write_mean(folder / f"w{extension}", random_state.random((3, 4, 5)))
    written = ("caffemodel", "npz", "safetensors", "mat", "hdf5", "solverstate", "hdf5_state", "binaryproto")
    seeds = {kind: [(folder / f"w{KINDS[kind].extension}").read_bytes()] for kind in (*written, "npy")}
    seeds["mean_mat"] = [(folder / "wmean.mat").read_bytes()]
    loose = b"".join(b"\x2d" + np.float32(v).tobytes() for v in range(6)) + b"\x3a\x04\x0a\x02\x02\x03"
    raw = b"\x50\x02\x62\x04\x00\x3c\x00\x40\x3a\x03\x0a\x01\x02"
    for blob in (loose, raw, b"\x08\x01\x10\x01\x18\x01\x20\x02\x42\x10" + bytes(16)):
        layer = b"\x22\x01a\x28\x04\x32" + bytes([len(blob)]) + blob
        seeds["caffemodel"].append(b"\x0a\x01n\x12" + bytes([len(layer)]) + layer)
    return seeds


def data_seeds(folder: Path) -> dict[str, list[bytes]]:
    """Returns databases and what they are made from; ``folder``/level is a LevelDB to damage."""
    random_state = np.random.default_rng(0)
    picture = random_state.integers(0, 256, (9, 8, 3), np.uint8)
    images = [encode_image(picture, kind) for kind in ("png", "jpg", "bmp", "gif", "tif", "webp", "ppm")]
    datums = [array_to_datum(picture.transpose(2, 0, 1), 3), array_to_datum(picture / 7, 4)]
    datums += [Datum(encoded=True, label=5, data=data) for data in images[:2]]
    for backend, name in (("LMDB", "lmdb"), ("LEVELDB", "level")):
        with create_database(folder / name, backend) as writer:
            for number, datum in enumerate(10 * datums):
                writer.put(f"{number:08d}", datum)
    compact(folder / "level", datums)
    seeds = {
        f"leveldb_{part}": [p.read_bytes() for p in sorted((folder / "level").glob(pattern))]
        for part, pattern in LEVELDB_PARTS.items()
    }
    write_idx(folder / "idx", picture)
    plain = (folder / "idx").read_bytes()
    windows = [b"# 0\na.png\n3\n20\n30\n2\n5 0.9 10 5 19 14\n5 0.1 0 0 9 9\n# 1\nb.png\n3\n9\n9\n0\n"]
    return seeds | {
        "lmdb": [(folder / "lmdb" / "data.mdb").read_bytes()],
        "datum": [datum.SerializeToString() for datum in datums],
        "idx": [plain, gzip.compress(plain, mtime=0)],
        "cifar10": [random_state.integers(0, 256, 3073 * n, np.uint8).tobytes() for n in (1, 3)],
        "image": images,
        "image_list": [b"a/b c.jpg 3\r\n\nd.png -1\n"],
        "window_file": windows,
        "hdf5_rows": [rows_file(folder / "rows.h5", options) for options in ({}, {"compression": "gzip"})],
    }


def compact(folder: Path, datums: list) -> None:
    """Makes a LevelDB hold a table, and beside it a log of later entries."""
    import plyvel

    with contextlib.closing(plyvel.DB(str(folder))) as database:
        database.compact_range()
        for number, datum in enumerate(datums):
            database.put(f"late{number}".encode(), datum.SerializeToString())


def rows_file(path: Path, options: dict) -> bytes:
    """Returns an HDF5 file of the datasets "data" and "label"."""
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=np.arange(40.0).reshape(4, 2, 5), **options)
        file.create_dataset("label", data=np.arange(4), **options)
    return path.read_bytes()


def found_seeds(limit: int = 12) -> dict[str, list[bytes]]:
    """Returns small files of Caffe and of other people, where they are beside the checkout."""
    seeds: dict[str, list[bytes]] = {}
    for name, kind in KINDS.items():
        found = sorted(SHARED.rglob(kind.pattern)) if kind.pattern else []
        paths = [p for p in found if p.is_file() and p.stat().st_size <= LARGEST_SEED]
        picked = paths[:: max(1, len(paths) // limit)]
        seeds[name] = [path.read_bytes() for path in picked if "broken" not in path.parts]
    return seeds


# The run


def limit_memory() -> None:
    """Makes an allocation beyond MEMORY fail, on systems that can."""
    try:
        import resource
    except ImportError:
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    if pages:
        limit = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def fuzz(count: int, seed: int, kinds: list[str], keep: Path) -> Counter[str]:
    """Feeds ``count`` inputs to the readers; returns how many were read, refused and found at fault."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        seeds = made_seeds(Path(folder))
        for kind, found in found_seeds().items():
            seeds[kind] += found
        limit_memory()
        results: Counter[str] = Counter()
        for number in range(count):
            kind = kinds[number % len(kinds)]
            content = damaged(chance.choice(seeds[kind]), seeds[kind], chance, KINDS[kind].is_text)
            path = Path(folder) / f"input{KINDS[kind].extension}"
            path.write_bytes(content)
            fault = try_reader(KINDS[kind].read, path, results)
            if fault:
                results["faults"] += 1
                kept = keep / f"fault_{kind}_{seed}_{number}{KINDS[kind].extension}"
                kept.write_bytes(content)
                print(f"{kept}:\n{fault}", file=sys.stderr)
    return results


def try_reader(read: Callable[[Path], object], path: Path, results: Counter[str]) -> str:
    """Returns what went wrong with one input, or "" if it was read or refused as it should be."""
    start = time.monotonic()
    try:
        read(path)
        results["read"] += 1
    except CnnvizError as error:
        if "\n" in str(error):
            return f"an error of more than one line: {error}"
        results["refused"] += 1
    except Exception:
        report = io.StringIO()
        traceback.print_exc(file=report)
        return report.getvalue()
    seconds = time.monotonic() - start
    return f"took {seconds:.1f} s" if seconds > SLOW else ""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100_000, help="how many inputs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, action="append", help="only this kind; may be repeated")
    parser.add_argument(
        "--keep", type=Path, default=Path(tempfile.gettempdir()), help="where faults are kept"
    )
    arguments = parser.parse_args()
    logging.getLogger("cnnviz").setLevel(logging.ERROR)
    results = fuzz(arguments.count, arguments.seed, arguments.kind or list(KINDS), arguments.keep)
    print(", ".join(f"{name} {results[name]}" for name in ("read", "refused", "faults")))
    return 1 if results["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
