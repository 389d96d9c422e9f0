"""Makes the pictures of draw.md; run from the checkout: python docs/make_draw_pictures.py

Needs an OpenCL device, for measured times.
The pictures of the interactive page are made where Chromium is installed (that of its print where pdftoppm
is, too), that of Graphviz's layout where Graphviz is, and left as they are elsewhere.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from PIL import Image

from cnnviz import Net
from cnnviz.api.graph import draw_net
from cnnviz.engine.scoring import time_layers
from cnnviz.formats.prototxt import parse_net
from cnnviz.gallery.demo import run_demo

DOCS = Path(__file__).resolve().parent
PICTURES = DOCS / "pictures"
sys.path.insert(0, str(DOCS.parent / "tests"))

from support import big_nets  # noqa: E402

BODY = """
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 20 kernel_size: 5 } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
  convolution_param { num_output: 50 kernel_size: 5 } }
layer { name: "pool2" type: "Pooling" bottom: "conv2" top: "pool2"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "ip1" type: "InnerProduct" bottom: "pool2" top: "ip1" inner_product_param { num_output: 500 } }
layer { name: "relu1" type: "ReLU" bottom: "ip1" top: "ip1" }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2" inner_product_param { num_output: 10 } }
"""
LENET = f"""
name: "LeNet"
layer {{ name: "digits" type: "DummyData" top: "data" top: "label" include {{ phase: TRAIN }}
  dummy_data_param {{ shape {{ dim: 64 dim: 1 dim: 28 dim: 28 }} shape {{ dim: 64 }} }} }}
layer {{ name: "digits" type: "DummyData" top: "data" top: "label" include {{ phase: TEST }}
  dummy_data_param {{ shape {{ dim: 100 dim: 1 dim: 28 dim: 28 }} shape {{ dim: 100 }} }} }}
{BODY}
layer {{ name: "accuracy" type: "Accuracy" bottom: "ip2" bottom: "label" top: "accuracy"
  include {{ phase: TEST }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }}
"""
DEPLOY = f"""
name: "LeNet"
layer {{ name: "data" type: "Input" top: "data"
  input_param {{ shape {{ dim: 1 dim: 1 dim: 28 dim: 28 }} }} }}
{BODY}
layer {{ name: "prob" type: "Softmax" bottom: "ip2" top: "prob" }}
"""
# The softmax belongs to the net in one stage only, and one layer to higher levels.
STAGES = DEPLOY.replace('top: "prob" }', 'top: "prob" include { stage: "probabilities" } }').replace(
    'name: "relu1" type: "ReLU"', 'name: "relu1" include { min_level: 1 } type: "ReLU"'
)
RESNET_152 = big_nets.resnet((3, 8, 36, 3))


def draw(name: str, text: str, **options) -> None:
    draw_net(parse_net(text), PICTURES / name, **options)
    print(f"{name}: {(PICTURES / name).stat().st_size // 1000} kB")


def measured(text: str) -> dict[str, float]:
    """Returns the milliseconds of each layer of a net on the first OpenCL device."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.prototxt"
        path.write_text(text)
        net = Net(str(path), "TEST")
        times = time_layers(net, 20)
        net.close()
    return dict(zip(times.names, (times.forward + times.backward).tolist(), strict=True))


def pictures_of_pages() -> None:
    """Pictures pages with a panel open, without and with weights, and the first sheet of a print."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = partial(subprocess.run, check=True, capture_output=True)
        flags = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile"]
        page, sheets = folder / "net.html", folder / "net.pdf"
        draw_net(parse_net(RESNET_152), page)
        photograph([*flags, f"{page.as_uri()}#net0-layer9"], "draw-page.png")
        if shutil.which("pdftoppm"):
            run([*flags, "--no-pdf-header-footer", f"--print-to-pdf={sheets}", page.as_uri()])
            out = PICTURES / "draw-print"
            run(["pdftoppm", "-png", "-r", "72", "-l", "1", "-singlefile", str(sheets), str(out)])
            shrink("draw-print.png")
        weights = run_demo(folder / "demo").weights
        draw_net(folder / "demo" / "lenet_train_test.prototxt", page, rankdir="LR", weights=weights)
        photograph([*flags, f"{page.as_uri()}#net0-layer1"], "draw-weights.png")


def photograph(browser: list[str], name: str) -> None:
    """Makes ``name`` of what the browser's command shows."""
    look = ["--hide-scrollbars", "--window-size=1200,720", f"--screenshot={PICTURES / name}"]
    subprocess.run([*browser[:-1], *look, browser[-1]], check=True, capture_output=True)
    shrink(name)


def shrink(name: str) -> None:
    """Gives a PNG the few colours it needs."""
    Image.open(PICTURES / name).convert("RGB").quantize(48).save(PICTURES / name, optimize=True)
    print(f"{name}: {(PICTURES / name).stat().st_size // 1000} kB")


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    draw("draw-lenet.svg", DEPLOY, rankdir="LR", columns="auto")
    draw("draw-every.svg", DEPLOY, rankdir="LR", fold=False, costs=False, columns="auto")
    draw("draw-unfold.svg", big_nets.resnet(), fold="chains", costs=False, columns="auto")
    batch = DEPLOY.replace("dim: 1 dim: 1 ", "dim: 64 dim: 1 ")
    draw("draw-time.svg", batch, rankdir="LR", columns="auto", color_by="time", times=measured(batch))
    draw("draw-phases.svg", LENET, both_phases=True)
    draw("draw-blocks.svg", RESNET_152, columns="auto")
    draw("draw-detector.svg", big_nets.ssd(), columns="auto")
    draw("draw-upwards.svg", DEPLOY, rankdir="BT", costs=False)
    draw("draw-leftwards.svg", DEPLOY, rankdir="RL", costs=False, columns=2)
    if shutil.which("dot"):
        draw("draw-graphviz.svg", LENET, layout="dot", costs=False)
    draw("draw-parameters.svg", big_nets.alexnet(), rankdir="LR", columns="auto", color_by="parameters")
    draw("draw-memory.svg", big_nets.alexnet(), rankdir="LR", columns="auto", color_by="memory")
    draw("draw-costs.svg", big_nets.densenet(), columns="auto", color_by="macs", style="dark")
    broken = DEPLOY.replace('bottom: "pool1"', 'bottom: "pool"').replace('"ReLU"', '"Relu"')
    draw("draw-fault.svg", broken, rankdir="LR", columns="auto")
    multipliers = "param { lr_mult: 1 } param { lr_mult: 2 }"
    rates = DEPLOY.replace("convolution_param {", f"{multipliers} convolution_param {{")
    draw("draw-rates.svg", rates, rankdir="LR", columns="auto", costs=False, rates=True)
    draw("draw-stage.svg", STAGES, rankdir="LR", columns="auto", costs=False, stages=["probabilities"])
    pictures_of_pages()


if __name__ == "__main__":
    main()
