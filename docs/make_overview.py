"""Makes docs/images/overview.png out of a folder of the demonstration.

python docs/make_overview.py [FOLDER]
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

import cnnviz
from cnnviz.analysis.features import Looker
from cnnviz.analysis.preprocessing import preprocessing_of
from cnnviz.gallery.demo import run_demo
from cnnviz.plots.style import render

SIZE = (1640, 900)
GAP = 30


def picture(figure, dpi: float) -> Image.Image:
    return Image.open(io.BytesIO(render(figure, "png", dpi))).convert("RGB")


def fitted(image: Image.Image, width: int, height: int) -> Image.Image:
    scale = min(width / image.width, height / image.height)
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)


def overview(folder: Path) -> Image.Image:
    """Returns the graph, the feature maps, and the filters above a curve, side by side."""
    model = folder / "lenet_train_test.prototxt"
    weights = max(folder.glob("*.caffemodel"), key=lambda path: int(path.stem.rpartition("_")[2]))
    graph = folder / "graph.png"
    cnnviz.draw_net(model, graph, dpi=110)
    looker = Looker(model, weights, preprocessing_of(cnnviz.read_net(model)))
    digit = folder / "digits" / "digit_3.png"
    maps = cnnviz.plot_features(looker, None, digit, layers=["conv1", "conv2"], limit=20)
    filters = cnnviz.plot_weights(model, weights, layers=["conv1"])
    chart = cnnviz.plot_training_log(2, [folder / "train.log"])
    page = Image.new("RGB", SIZE, "white")
    left = fitted(Image.open(graph).convert("RGB"), 420, SIZE[1])
    middle = fitted(picture(maps, 150), 640, SIZE[1])
    page.paste(left, (0, 0))
    page.paste(middle, (left.width + GAP, 0))
    x = left.width + middle.width + 2 * GAP
    width = SIZE[0] - x
    upper, lower = fitted(picture(filters, 150), width, 480), fitted(picture(chart, 150), width, 480)
    page.paste(upper, (x, 0))
    page.paste(lower, (x, upper.height + 2 * GAP))
    bottom = max(left.height, middle.height, upper.height + 2 * GAP + lower.height)
    return page.crop((0, 0, SIZE[0], bottom))


def main() -> None:
    out = Path(__file__).parent / "images" / "overview.png"
    out.parent.mkdir(exist_ok=True)
    if len(sys.argv) > 1:
        page = overview(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            run_demo(Path(folder) / "demo")
            page = overview(Path(folder) / "demo")
    page.quantize(128, dither=Image.Dither.NONE).save(out, optimize=True)
    print(f"Wrote {out}, {out.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
