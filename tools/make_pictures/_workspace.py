"""What the makers of pictures share: trained nets, a browser, and how pictures are saved.

A maker is a module with a table ``PICTURES``, file name -> settings, and a function ``make(workspace)`` that
saves them. Settings are numbers, texts, lists and dicts. Each PNG file records its own, so that a test can
see whether the file in docs/pictures was made with the settings that the table has now.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import matplotlib
import PIL
from click.testing import CliRunner
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cnnviz.cli.main import cnnviz_command
from cnnviz.gallery.demo import run_demo
from make_pictures._rows_net import train_rows

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
LARGE = 100_000  # bytes; larger PNG files get a palette


@dataclass(frozen=True)
class TrainedNet:
    """A net for training, as text, its weights, and the folder that its training has filled."""

    folder: Path
    net: Path
    weights: Path


class TrainedNets:
    """Nets that several makers show; each is trained when it is first asked for, in a folder of its own."""

    def __init__(self, folder: Path):
        self._folder = folder

    @cached_property
    def lenet(self) -> TrainedNet:
        """The LeNet of ``cnnviz demo``."""
        folder = self._folder / "lenet"
        return TrainedNet(folder, folder / "lenet_train_test.prototxt", run_demo(folder).weights)

    @cached_property
    def rows(self) -> TrainedNet:
        """A recurrent net that reads a digit row by row."""
        folder = self._folder / "rows"
        folder.mkdir()
        return TrainedNet(folder, *train_rows(folder, 600))


class Workspace:
    """What a maker works with: trained nets, a folder for its files, and ``out``, where its pictures go."""

    def __init__(self, nets: TrainedNets, folder: Path):
        self.nets = nets
        self.folder = folder
        self.out = folder / "out"
        self.out.mkdir(parents=True)

    def save(self, image: Image.Image | Path, name: str, settings: Any, colors: int | None = None) -> None:
        """Saves an image as the picture ``name``, with few colours if it would be large otherwise.

        Args:
            settings: as the maker's table has them, to be recorded in the file.
            colors: a palette of so many whatever the size.
        """
        image = (image if isinstance(image, Image.Image) else Image.open(image)).convert("RGB")
        path, facts = self.out / name, recorded(settings)
        image.save(path, optimize=True, pnginfo=facts)
        if colors or path.stat().st_size > LARGE:
            image = image.quantize(colors or 256, dither=Image.Dither.NONE)
            image.save(path, optimize=True, pnginfo=facts)

    def browse(self, address: str, *flags: str) -> bool:
        """Opens a page in a browser without a window; returns False where none is installed."""
        browser = next(filter(None, map(shutil.which, BROWSERS)), None)
        if browser is None:
            return False
        command = [browser, *FLAGS, f"--user-data-dir={self.folder / 'profile'}", *flags, address]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        return True

    def screenshot(self, address: str, name: str, width: int, height: int) -> Path | None:
        """Returns the path of an image of a page, None without a browser."""
        path = self.folder / name
        flags = [f"--window-size={width},{height}", "--virtual-time-budget=4000", f"--screenshot={path}"]
        return path if self.browse(address, *flags) else None


def recorded(settings: Any) -> PngInfo:
    """The settings, and what else determines the pixels, for the PNG file."""
    facts = PngInfo()
    facts.add_text("Settings", as_text(settings))
    facts.add_text("Software", f"Matplotlib {matplotlib.__version__}, Pillow {PIL.__version__}")
    return facts


def as_text(settings: Any) -> str:
    return json.dumps(settings, sort_keys=True)


def run(*arguments: object) -> None:
    """Runs a command of cnnviz; raises what stopped it."""
    CliRunner().invoke(
        cnnviz_command, [str(a) for a in arguments], catch_exceptions=False, standalone_mode=False
    )
