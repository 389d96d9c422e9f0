"""The demonstration: trains LeNet on real digits and writes a page of everything that cnnviz shows of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from cnnviz.engine.data.digits import load_digits
from cnnviz.engine.device import Device, get_device
from cnnviz.engine.solver import Solver
from cnnviz.errors import FileError
from cnnviz.formats.files import atomic_write, describe_os_error, write_bytes, write_text
from cnnviz.formats.glog import GlogFormatter
from cnnviz.formats.idx import write_idx
from cnnviz.formats.images import encode_image
from cnnviz.gallery.page import build_gallery

SHOWN_DIGITS = 3


@dataclass
class DemoResult:
    """What the demonstration made.

    Attributes:
        accuracy: on the test digits, 0 to 1.
        page: the gallery page; weights, log: the trained model and its training log.
    """

    accuracy: float
    page: Path
    weights: Path
    log: Path


def run_demo(
    folder: str | Path,
    device: Device | None = None,
    progress: Callable[[int, int], None] | None = None,
    announce: Callable[[str], None] | None = None,
) -> DemoResult:
    """Trains LeNet on 5,000 digits, tests it on 1,000 others, and writes its gallery page.

    Args:
        folder: created if missing; for the digits, prototxts, snapshots, log and page.
        device: what to train on.
        progress: called with (iterations done, iterations in all).
        announce: called with what is done next.

    Raises:
        FileError: the folder cannot be written.
    """
    folder = Path(folder)
    device = device or get_device()
    _prepare(folder)
    log = folder / "train.log"
    with ExitStack() as stack:
        with _log_to(log):
            solver = Solver(folder / "lenet_solver.prototxt", device=device)
            stack.callback(solver.close)
            solver.solve(on_iteration=lambda s: progress and progress(s.iter, s.param.max_iter))
        # Not logged: the log would hold the last test twice, as that of no training does.
        accuracy = float(solver.test(0)["accuracy"])
    weights = Path(f"{solver.param.snapshot_prefix}_iter_{solver.iter}.caffemodel")
    page = folder / "index.html"
    build_gallery(
        folder / "lenet_train_test.prototxt",
        weights,
        images=sorted((folder / "digits").glob("*.png")),
        logs=[log],
        path=page,
        device=device,
        progress=announce,
    )
    return DemoResult(accuracy, page, weights, log)


def _prepare(folder: Path) -> None:
    """Writes digits and prototxts, so that everything can be repeated with the other commands."""
    digits = folder / "digits"
    try:
        digits.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{folder}: cannot be created: {describe_os_error(error)}.") from None
    train_images, train_labels, test_images, test_labels = load_digits()
    for name, images, labels in (("train", train_images, train_labels), ("test", test_images, test_labels)):
        write_idx(digits / f"{name}-images-idx3-ubyte", images)
        write_idx(digits / f"{name}-labels-idx1-ubyte", labels)
    for k in range(SHOWN_DIGITS):
        first = int(np.flatnonzero(test_labels == (3, 5, 8)[k])[0])
        write_bytes(digits / f"digit_{test_labels[first]}.png", encode_image(test_images[first], "png"))
    templates = resources.files("cnnviz.gallery") / "templates" / "demo"
    # Prototxt strings take forward slashes on every system, and quotes must be escaped.
    place = folder.as_posix().replace("\\", "\\\\").replace('"', '\\"')
    for name in ("lenet_train_test.prototxt", "lenet_solver.prototxt"):
        text = templates.joinpath(name).read_text(encoding="utf-8")
        write_text(folder / name, text.replace("FOLDER", place))


class _log_to:
    """Sends cnnviz's log to a file while the block runs."""

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self) -> None:
        with atomic_write(self.path):  # an old log is not appended to
            pass
        self.handler = logging.FileHandler(self.path)
        self.handler.setFormatter(GlogFormatter())
        self.logger = logging.getLogger("cnnviz")
        self.level = self.logger.level
        self.logger.addHandler(self.handler)
        self.logger.setLevel(logging.INFO)

    def __exit__(self, *error: object) -> None:
        self.logger.removeHandler(self.handler)
        self.logger.setLevel(self.level)
        self.handler.close()
