"""Makes the pictures of draw.md, none of which depends on a device.

The pictures of the interactive page need Chromium (that of its print pdftoppm as well), that of Graphviz's
layout needs Graphviz.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from cnnviz.api.graph import draw_net
from cnnviz.formats.prototxt import parse_net
from make_pictures._workspace import Workspace
from support import big_nets

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
BATCH = DEPLOY.replace("dim: 1 dim: 1 ", "dim: 64 dim: 1 ")
# Milliseconds of each layer of BATCH, forward and backward, as once measured.
TIMES = {
    "data": 0.00513,
    "conv1": 1.19,
    "pool1": 0.877,
    "conv2": 5.15,
    "pool2": 0.268,
    "ip1": 0.4,
    "relu1": 0.038,
    "ip2": 0.253,
    "prob": 0.0257,
}
BROKEN = DEPLOY.replace('bottom: "pool1"', 'bottom: "pool"').replace('"ReLU"', '"Relu"')
RATES = DEPLOY.replace("convolution_param {", "param { lr_mult: 1 } param { lr_mult: 2 } convolution_param {")
NETS = {
    "lenet": DEPLOY,
    "batch": BATCH,
    "training": LENET,
    "broken": BROKEN,
    "rates": RATES,
    "stages": STAGES,
    "alexnet": big_nets.alexnet(),
    "densenet": big_nets.densenet(),
    "resnet-50": big_nets.resnet(),
    "resnet-152": big_nets.resnet((3, 8, 36, 3)),
    "ssd": big_nets.ssd(),
}
WIDE = {"rankdir": "LR", "columns": "auto"}
# File name -> the net, and the options of draw_net.
SCALABLE: dict[str, dict[str, Any]] = {
    "draw-lenet.svg": {"net": "lenet", **WIDE},
    "draw-every.svg": {"net": "lenet", **WIDE, "fold": False, "costs": False},
    "draw-unfold.svg": {"net": "resnet-50", "fold": "chains", "costs": False, "columns": "auto"},
    "draw-time.svg": {"net": "batch", **WIDE, "color_by": "time", "times": TIMES},
    "draw-phases.svg": {"net": "training", "both_phases": True},
    "draw-blocks.svg": {"net": "resnet-152", "columns": "auto"},
    "draw-detector.svg": {"net": "ssd", "columns": "auto"},
    "draw-upwards.svg": {"net": "lenet", "rankdir": "BT", "costs": False},
    "draw-leftwards.svg": {"net": "lenet", "rankdir": "RL", "costs": False, "columns": 2},
    "draw-graphviz.svg": {"net": "training", "layout": "dot", "costs": False},
    "draw-parameters.svg": {"net": "alexnet", **WIDE, "color_by": "parameters"},
    "draw-memory.svg": {"net": "alexnet", **WIDE, "color_by": "memory"},
    "draw-costs.svg": {"net": "densenet", "columns": "auto", "color_by": "macs", "style": "dark"},
    "draw-fault.svg": {"net": "broken", **WIDE},
    "draw-rates.svg": {"net": "rates", **WIDE, "costs": False, "rates": True},
    "draw-stage.svg": {"net": "stages", **WIDE, "costs": False, "stages": ["probabilities"]},
}
# File name -> the net of the page, and the box whose panel is open; the print is the page's first sheet.
PAGES = {
    "draw-page.png": {"net": "resnet-152", "open": "net0-layer9"},
    "draw-print.png": {"net": "resnet-152", "resolution": 72},
    "draw-weights.png": {"net": "demonstration", "open": "net0-layer1"},
}
PICTURES = SCALABLE | PAGES


def draw(path: Path, net: str, **options: Any) -> None:
    draw_net(parse_net(NETS[net]), path, **options)


def make(workspace: Workspace) -> None:
    for name, settings in SCALABLE.items():
        if settings.get("layout") != "dot" or shutil.which("dot"):
            draw(workspace.out / name, **settings)
    resnet, lenet = workspace.folder / "resnet.html", workspace.folder / "lenet.html"
    draw(resnet, "resnet-152")
    trained = workspace.nets.lenet
    draw_net(trained.net, lenet, rankdir="LR", weights=trained.weights)
    save_screenshot(workspace, resnet, "draw-page.png")
    save_screenshot(workspace, lenet, "draw-weights.png")
    save_first_sheet(workspace, resnet, "draw-print.png")


def save_screenshot(workspace: Workspace, page: Path, name: str) -> None:
    settings = PAGES[name]
    shot = workspace.screenshot(f"{page.as_uri()}#{settings['open']}", name, 1200, 720)
    if shot:
        workspace.save(shot, name, settings, colors=48)


def save_first_sheet(workspace: Workspace, page: Path, name: str) -> None:
    sheets, image = workspace.folder / "sheets.pdf", workspace.folder / name
    flags = ["--no-pdf-header-footer", f"--print-to-pdf={sheets}"]
    if not shutil.which("pdftoppm") or not workspace.browse(page.as_uri(), *flags):
        return
    resolution = str(PAGES[name]["resolution"])
    command = ["pdftoppm", "-png", "-r", resolution, "-l", "1", "-singlefile", sheets, image.with_suffix("")]
    subprocess.run(command, check=True, capture_output=True)
    workspace.save(image, name, PAGES[name], colors=48)
