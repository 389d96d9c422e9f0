"""Models trained by others give the values that are known of them."""

from __future__ import annotations

import numpy as np
import pytest

import cnnviz
from cnnviz.formats.idx import read_digits


@pytest.fixture(scope="module")
def test_digits(real):
    images, labels = read_digits(
        real / "mnist" / "t10k-images-idx3-ubyte.gz", real / "mnist" / "t10k-labels-idx1-ubyte.gz"
    )
    return images[:, None].astype(np.float32) / 256, labels


def accuracy(net: cnnviz.Net, output: str, images: np.ndarray, labels: np.ndarray, batch: int = 500) -> float:
    _, *shape = net.blobs[net.inputs[0]].shape
    net.blobs[net.inputs[0]].reshape(batch, *shape)
    scores = net.forward_all(**{net.inputs[0]: images})[output]
    return float((scores.reshape(len(images), -1).argmax(axis=1) == labels).mean())


@pytest.mark.parametrize(
    "folder, prototxt, weights, want",
    [
        ("lenet_mnist", "lenet_deploy_BVLC.prototxt", "lenet_iter_10000.caffemodel", 0.9905),
        ("lenet_everpeace", "lenet.prototxt", "lenet_iter_5000.caffemodel", 0.9893),
        ("lenet_everpeace", "lenet.prototxt", "lenet_iter_10000.caffemodel", 0.9905),
    ],
)
def test_lenets(real, test_digits, folder, prototxt, weights, want):
    path = real / "caffemodels" / folder
    net = cnnviz.Net(path / prototxt, cnnviz.TEST, weights=path / weights)
    assert accuracy(net, net.outputs[0], *test_digits) == pytest.approx(want, abs=0.0002)


@pytest.mark.parametrize(
    "prototxt, weights, want",
    [
        ("cifar10_full.prototxt", "cifar10_full_iter_10000.caffemodel", 0.740),
        ("cifar10_full.prototxt", "cifar10_full_iter_70000.caffemodel", 0.890),
        ("cifar10_quick.prototxt", "cifar10_quick_iter_5000.caffemodel", 0.803),
    ],
)
def test_cifar10_nets(real, prototxt, weights, want):
    from cnnviz.formats.binaryproto import read_mean

    raw = np.fromfile(real / "cifar10" / "exact_first4000.bin", np.uint8)[: 1000 * 3073].reshape(1000, 3073)
    mean = read_mean(real / "binaryproto" / "cifar10_mean_gujunli.binaryproto")
    images = raw[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32) - mean
    path = real / "caffemodels" / "cifar10_everpeace"
    net = cnnviz.Net(path / prototxt, cnnviz.TEST, weights=path / weights)
    assert accuracy(net, net.outputs[0], images, raw[:, 0], 250) == pytest.approx(want, abs=0.0011)


@pytest.mark.parametrize(
    "picture, best, among",
    # How the bicycle was resized is not known, and its first five classes are close together.
    [("skimage_chelsea.png", [285, 282, 281], 3), ("bvlc_fish-bike.jpg", [671], 5)],
)
def test_squeezenet_knows_cats_and_bicycles(real, picture, best, among):
    from cnnviz.analysis.image_options import ImageOptions
    from cnnviz.analysis.inspector import Inspector
    from cnnviz.analysis.preprocessing import Preprocessing
    from cnnviz.formats.images import load_image

    path = real / "caffemodels" / "squeezenet_v1.0"
    inspector = Inspector(
        path / "SqueezeNet_deploy.prototxt",
        path / "decompressed_SqueezeNet.caffemodel",
        ImageOptions(Preprocessing(np.array([104, 117, 123.0]))),
    )
    inspector.run(load_image(real / "images" / picture))
    scores = inspector.net.blobs["pool_final"].read_data().reshape(-1)
    found = list(np.argsort(-scores)[:among])
    assert [k for k in found if k in best] == best


CASES = {
    "cifar10_full.caffe": ("cifar10_everpeace/cifar10_full.prototxt", "cifar10_full_iter_70000.caffemodel"),
    "det1.caffe": ("mtcnn_cholihao/det1.prototxt", "det1.caffemodel"),
    "lenet_everpeace.caffe": ("lenet_everpeace/lenet.prototxt", "lenet_iter_10000.caffemodel"),
    "lenet_mnist.caffe": ("lenet_mnist/lenet_deploy_BVLC.prototxt", "lenet_iter_10000.caffemodel"),
    "squeezenet.caffe": ("squeezenet_v1.0/SqueezeNet_deploy.prototxt", "decompressed_SqueezeNet.caffemodel"),
    "ultraface_slim.opencv": ("ultraface/slim-320.prototxt", "slim-320.caffemodel"),
}


@pytest.mark.parametrize("case", CASES)
def test_outputs_as_of_other_programs(real, reference, case):
    arrays = np.load(reference / "realnets" / f"{case}.npz")
    prototxt, weights = (real / "caffemodels" / CASES[case][0], CASES[case][1])
    net = cnnviz.Net(prototxt, cnnviz.TEST, weights=prototxt.parent / weights)
    blob = net.blobs[net.inputs[0]]
    stored = [arrays[k] for k in arrays.files if k.startswith("in:")]
    shape = stored[0].shape if stored else tuple(int(n) for n in arrays["shape"])
    blob.reshape(*shape)
    random = np.random.RandomState(7)
    blob.data[...] = stored[0] if stored else random.uniform(-1, 1, shape).astype(np.float32)
    net.forward()
    outputs = [k for k in arrays.files if k.startswith("out:")] or [
        k for k in arrays.files if k != "shape" and not k.startswith("in:")
    ]
    assert outputs
    for key in outputs:
        got, want = net.blobs[key.removeprefix("out:")].read_data(), arrays[key]
        limit = 2e-4 if case.endswith("caffe") else 1e-3
        assert np.abs(got.reshape(want.shape) - want).max() <= limit * np.abs(want).max() + 1e-6, key


def test_weights_that_do_not_fit_say_so(real):
    from cnnviz.errors import WeightsError

    folder = real / "caffemodels" / "mtcnn_cholihao"
    with pytest.raises(WeightsError, match="the net expects"):
        cnnviz.Net(folder / "det2.prototxt", cnnviz.TEST, weights=folder / "det2.caffemodel")
