"""Makes the pictures of features.md with the command. Needs h5py."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from cnnviz.formats.idx import read_idx
from cnnviz.formats.images import encode_image, load_image
from make_pictures._workspace import Workspace, run

DIGITS = 200  # in the folder "digits"
HEIGHT = 640  # pixels at most


@dataclass(frozen=True)
class Features:
    """The file that ``cnnviz features NET WEIGHTS IMAGE`` writes, given the options."""

    file: str
    options: list[str]
    image: str = "digit_3.png"
    net: str = "lenet"


SOME = ["--layer", "conv1", "--limit", "8"]
FEATURES = {
    "features-lenet": Features(
        "digit_3_features", ["--layer", "conv1", "--layer", "conv2", "--layer", "ip2"]
    ),
    "features-dark": Features("digit_3_features", [*SOME, "--style", "dark"]),
    "features-limit": Features("digit_3_features", SOME),
    "features-top": Features("digit_3_features", ["--layer", "conv2", "--top", "8"]),
    "features-energy": Features("digit_3_features", ["--layer", "conv2", "--top", "8", "--by", "energy"]),
    "features-layer-scale": Features("digit_3_features", [*SOME, "--normalize", "layer"]),
    "features-overlay": Features("digit_3_features", [*SOME, "--overlay"]),
    "features-attribution": Features("digit_3_attribution", ["--layer", "ip2", "--attribution", "all"]),
    "features-class": Features(
        "digit_3_attribution",
        ["--layer", "ip2", "--attribution", "gradcam", "--attribution", "occlusion", "--class", "5"],
    ),
    "features-maximize": Features("maximize_conv2", ["--layer", "ip2", "--maximize", "conv2"]),
    "features-maximize-class": Features("maximize_class_3", ["--layer", "ip2", "--maximize", "3"]),
    "features-top-images": Features(
        "top_images_conv2", ["--layer", "ip2", "--top-images", "conv2"], image="digits"
    ),
    # An image that is wider than the net's input.
    "features-crop": Features("three_digits_features", SOME, image="three_digits.png"),
    "features-stretch": Features("three_digits_features", [*SOME, "--stretch"], image="three_digits.png"),
    "features-recurrent": Features("digit_3_features", ["--scale", "0.00390625"], net="rows"),
}
PICTURES = {f"{name}.png": dataclasses.asdict(shown) for name, shown in FEATURES.items()}


def write_images(digits: Path, folder: Path) -> None:
    """Writes the images of the table to ``folder`` from the demonstration's digits."""
    three, *others = [load_image(digits / f"digit_{k}.png", False) for k in (3, 5, 8)]
    (folder / "digit_3.png").write_bytes(encode_image(three, "png"))
    (folder / "three_digits.png").write_bytes(encode_image(np.concatenate([three, *others], axis=1), "png"))
    (folder / "digits").mkdir()
    for k, image in enumerate(read_idx(digits / "test-images-idx3-ubyte")[:DIGITS]):
        (folder / "digits" / f"{k:03}.png").write_bytes(encode_image(image, "png"))


def make(workspace: Workspace) -> None:
    write_images(workspace.nets.lenet.folder / "digits", workspace.folder)
    for name, shown in FEATURES.items():
        used, out = getattr(workspace.nets, shown.net), workspace.folder / name
        image = workspace.folder / shown.image
        run("features", used.net, used.weights, image, "--out", out, "--dpi", 80, *shown.options)
        picture = Image.open(out / f"{shown.file}.png")
        picture = picture.crop((0, 0, picture.width, min(picture.height, HEIGHT)))
        workspace.save(picture, f"{name}.png", PICTURES[f"{name}.png"], colors=256)
