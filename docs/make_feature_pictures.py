"""Makes docs/pictures/features-*.png and gallery-*.png out of a folder of the demonstration.

python docs/make_feature_pictures.py [FOLDER]

Needs h5py. The pictures of pages need Chromium; without it they stay as they are.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from click.testing import CliRunner
from PIL import Image
from rows_net import train_rows

from cnnviz.cli.main import cnnviz_command
from cnnviz.formats.idx import read_idx
from cnnviz.formats.images import encode_image, load_image
from cnnviz.gallery.demo import run_demo

OUT = Path(__file__).parent / "pictures"
COLORS = 256
DIGITS = 200
ITERATIONS = 600  # of the recurrent net
SOME = ["--layer", "conv1", "--limit", "8"]
# Name of the picture -> the file that the command writes, and its options.
FEATURES = {
    "features-lenet": ("digit_3_features", ["--layer", "conv1", "--layer", "conv2", "--layer", "ip2"]),
    "features-dark": ("digit_3_features", [*SOME, "--style", "dark"]),
    "features-limit": ("digit_3_features", SOME),
    "features-top": ("digit_3_features", ["--layer", "conv2", "--top", "8"]),
    "features-energy": ("digit_3_features", ["--layer", "conv2", "--top", "8", "--by", "energy"]),
    "features-layer-scale": ("digit_3_features", [*SOME, "--normalize", "layer"]),
    "features-overlay": ("digit_3_features", [*SOME, "--overlay"]),
    "features-attribution": ("digit_3_attribution", ["--layer", "ip2", "--attribution", "all"]),
    "features-class": (
        "digit_3_attribution",
        ["--layer", "ip2", "--attribution", "gradcam", "--attribution", "occlusion", "--class", "5"],
    ),
    "features-maximize": ("excites_conv2", ["--layer", "ip2", "--maximize", "conv2"]),
    "features-maximize-class": ("excites_class_3", ["--layer", "ip2", "--maximize", "3"]),
}
# The same of a picture of three digits, which is wider than the net's input.
WIDE = {"features-crop": [*SOME], "features-stretch": [*SOME, "--stretch"]}
BROWSER = [
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
    "--virtual-time-budget=4000",
]  # fmt: skip


def run(*arguments: object) -> None:
    CliRunner().invoke(cnnviz_command, [str(a) for a in arguments], catch_exceptions=False)


def keep(picture: Path, name: str, crop: tuple[int, int, int, int] | None = None) -> None:
    """Writes a picture with few colours and so few bytes."""
    image = Image.open(picture).convert("RGB")
    image = image.crop(crop) if crop else image
    image = image.quantize(COLORS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    image.save(OUT / f"{name}.png", optimize=True)


def feature_pictures(model: Path, weights: Path, folder: Path, work: Path) -> None:
    digit = folder / "digits" / "digit_3.png"
    for name, (made, options) in FEATURES.items():
        run("features", model, weights, digit, "--out", work / name, "--dpi", 80, *options)
        keep(work / name / f"{made}.png", name)
    wide_pictures(model, weights, folder, work)
    pictures = work / "digits"
    pictures.mkdir()
    for k, image in enumerate(read_idx(folder / "digits" / "test-images-idx3-ubyte")[:DIGITS]):
        (pictures / f"{k:03}.png").write_bytes(encode_image(image, "png"))
    out = work / "best"
    options = ["--layer", "ip2", "--dpi", 80, "--top-images", "conv2"]
    run("features", model, weights, pictures, "--out", out, *options)
    found = Image.open(out / "top_images_conv2.png")
    keep(out / "top_images_conv2.png", "features-top-images", (0, 0, found.width, min(found.height, 640)))


def wide_pictures(model: Path, weights: Path, folder: Path, work: Path) -> None:
    digits = [load_image(folder / "digits" / f"digit_{k}.png", False) for k in (3, 5, 8)]
    wide = work / "three_digits.png"
    wide.write_bytes(encode_image(np.concatenate(digits, axis=1), "png"))
    for name, options in WIDE.items():
        run("features", model, weights, wide, "--out", work / name, "--dpi", 80, *options)
        keep(work / name / "three_digits_features.png", name)


def recurrent_picture(folder: Path, work: Path) -> None:
    """A net that reads a digit's rows one after the other, in the form for training."""
    net, weights = train_rows(work, ITERATIONS)
    digit, out = folder / "digits" / "digit_3.png", work / "recurrent"
    run("features", net, weights, digit, "--scale", 1 / 256, "--out", out, "--dpi", 80)
    keep(out / "digit_3_features.png", "features-recurrent")


def page_pictures(folder: Path, work: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        return
    pages = work / "pages"
    pages.mkdir()
    shutil.copy(folder / "index.html", pages / "lenet.html")
    run("gallery", work / "deploy.prototxt", "--out", pages / "rows.html")
    run("gallery", "--index", pages)
    # Of the page the feature maps are shown, as other parts have pictures of their own.
    text = (pages / "lenet.html").read_text(encoding="utf-8")
    hidden = "<style>#graph, #filters, #training { display: none }</style></head>"
    (pages / "features.html").write_text(text.replace("</head>", hidden, 1), encoding="utf-8")
    for name, page in (("gallery-page", "features.html"), ("gallery-index", "index.html")):
        shot = work / f"{name}.png"
        command = [browser, *BROWSER, f"--user-data-dir={work / 'profile'}", f"--screenshot={shot}"]
        command += ["--window-size=900,860", f"{pages.as_uri()}/{page}"]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        keep(shot, name)


def main() -> None:
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else work / "demo"
        if len(sys.argv) < 2:
            run_demo(folder)
        model = folder / "lenet_train_test.prototxt"
        weights = max(folder.glob("*.caffemodel"), key=lambda path: int(path.stem.rpartition("_")[2]))
        feature_pictures(model, weights, folder, work)
        recurrent_picture(folder, work)
        page_pictures(folder, work)


if __name__ == "__main__":
    main()
