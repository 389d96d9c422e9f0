"""Whatever describes a net is accepted where a net is expected: nets of any age, solvers, caffemodels."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import cnnviz
from cnnviz.analysis.deploy import deploy
from cnnviz.cli.main import cnnviz_command
from cnnviz.errors import FileError, NetError
from cnnviz.formats.caffemodel import read_weights
from cnnviz.formats.nets import open_net
from cnnviz.formats.prototxt import read_net

TRAINING = """
layer { name: "data" type: "ImageData" top: "data" top: "label" include { phase: TRAIN }
  image_data_param { source: "list.txt" batch_size: 2 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 2 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
V1 = """
layers { name: "data" type: IMAGE_DATA top: "data" top: "label"
  image_data_param { source: "list.txt" batch_size: 2 } }
layers { name: "conv" type: CONVOLUTION bottom: "data" top: "conv"
  convolution_param { num_output: 2 kernel_size: 3 } }
layers { name: "ip" type: INNER_PRODUCT bottom: "conv" top: "ip" inner_product_param { num_output: 3 } }
layers { name: "loss" type: SOFTMAX_LOSS bottom: "ip" bottom: "label" top: "loss" }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A net's files, from which its data is found."""
    folder = tmp_path_factory.mktemp("nets")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    for number, picture in enumerate(pixels):
        Image.fromarray(picture).save(folder / f"{number}.png")
    (folder / "list.txt").write_text("0.png 0\n1.png 2\n")
    (folder / "train.prototxt").write_text(TRAINING)
    (folder / "v1.prototxt").write_text(V1)
    (folder / "solver.prototxt").write_text('net: "v1.prototxt"\nbase_lr: 0.1\nsolver_type: ADAM\n')
    net = cnnviz.Net(folder / "train.prototxt", "TRAIN", seed=1)
    net.save(folder / "net.caffemodel")
    net.save(folder / "net.caffemodel.h5")
    net.close()
    return folder


def run(*words) -> str:
    result = CliRunner().invoke(cnnviz_command, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


MODELS = ["v1.prototxt", "solver.prototxt", "net.caffemodel"]


@pytest.mark.parametrize("model", MODELS)
def test_commands_take_it(folder, tmp_path, monkeypatch, model):
    monkeypatch.chdir(tmp_path)
    model, weights, picture = folder / model, folder / "net.caffemodel", folder / "0.png"
    assert "loss = " in run("test", "--model", model, "--weights", weights, "--iterations", 1)
    assert "SoftmaxWithLoss" in run("time", "--model", model, "--iterations", 1)
    assert "class" in run("features", model, weights, picture, "--out", "maps")
    run("gallery", model, weights, "--out", "page.html")
    assert (tmp_path / "page.html").stat().st_size > 10_000


def test_a_caffemodel_alone_makes_a_page_with_its_filters(folder, tmp_path):
    run("gallery", folder / "net.caffemodel", "--out", tmp_path / "alone.html")
    run("gallery", folder / "v1.prototxt", "--out", tmp_path / "without.html")
    alone, without = ((tmp_path / name).stat().st_size for name in ("alone.html", "without.html"))
    assert alone > without


def test_the_rules_of_a_saved_net_have_done_their_work(folder):
    net = open_net(folder / "net.caffemodel")
    assert [layer.name for layer in net.layer] == ["data", "conv", "ip", "loss"]
    assert not any(layer.include or layer.HasField("phase") for layer in net.layer)


def test_what_holds_no_net_is_said(folder):
    with pytest.raises(FileError, match="is an HDF5 file, not a caffemodel"):
        cnnviz.Net(folder / "net.caffemodel.h5")
    with pytest.raises(NetError, match="this is a net definition, not a solver"):
        cnnviz.get_solver(str(folder / "train.prototxt"))


def test_the_size_of_images_can_be_given_where_the_data_is_absent(folder, tmp_path):
    (tmp_path / "net.prototxt").write_text(V1)
    net, weights = read_net(tmp_path / "net.prototxt"), read_weights(folder / "net.caffemodel")
    with pytest.raises(cnnviz.errors.CnnvizError, match="give --size HEIGHT,WIDTH"):
        deploy(net, weights)
    assert list(deploy(net, weights, (8, 8)).layer[0].input_param.shape[0].dim) == [1, 3, 8, 8]
