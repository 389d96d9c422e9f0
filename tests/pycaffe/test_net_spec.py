"""NetSpec and coord_map: nets written as Python."""

from __future__ import annotations

import numpy as np
import pytest

import cnnviz.pycaffe as caffe
from cnnviz.errors import NetError
from cnnviz.formats.prototxt import parse_net, read_net, to_text
from cnnviz.pycaffe import coord_map
from cnnviz.pycaffe import layers as L
from cnnviz.pycaffe import params as P
from cnnviz.pycaffe.net_spec import Function


def lenet():
    n = caffe.NetSpec()
    n.data, n.label = L.DummyData(shape=[{"dim": [5, 1, 28, 28]}, {"dim": [5]}], ntop=2)
    n.conv1 = L.Convolution(
        n.data,
        kernel_size=5,
        num_output=20,
        weight_filler={"type": "xavier"},
        param=[{"lr_mult": 1}, {"lr_mult": 2}],
    )
    n.pool1 = L.Pooling(n.conv1, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.ip1 = L.InnerProduct(n.pool1, num_output=10, weight_filler={"type": "xavier"})
    n.relu1 = L.ReLU(n.ip1, in_place=True)
    n.loss = L.SoftmaxWithLoss(n.relu1, n.label)
    return n


def test_names_bottoms_tops_and_settings():
    proto = lenet().to_proto()
    got = [(layer.name, layer.type, list(layer.bottom), list(layer.top)) for layer in proto.layer]
    assert got == [
        ("data", "DummyData", [], ["data", "label"]),
        ("conv1", "Convolution", ["data"], ["conv1"]),
        ("pool1", "Pooling", ["conv1"], ["pool1"]),
        ("ip1", "InnerProduct", ["pool1"], ["ip1"]),
        ("relu1", "ReLU", ["ip1"], ["ip1"]),
        ("loss", "SoftmaxWithLoss", ["ip1", "label"], ["loss"]),
    ]
    conv = proto.layer[1]
    assert conv.convolution_param.num_output == 20 and list(conv.convolution_param.kernel_size) == [5]
    assert conv.convolution_param.weight_filler.type == "xavier"
    assert [p.lr_mult for p in conv.param] == [1, 2]
    assert list(proto.layer[0].dummy_data_param.shape[0].dim) == [5, 1, 28, 28]


def test_the_net_runs():
    net = caffe.Net(parse_net(to_text(lenet().to_proto())), caffe.TRAIN)
    assert np.isfinite(net.forward()["loss"])


def test_nets_without_names():
    data = L.Input(shape={"dim": [1, 3]})
    first = L.InnerProduct(data, num_output=2)
    last = L.InnerProduct(first, num_output=2)
    proto = last.to_proto()
    assert [layer.name for layer in proto.layer] == ["Input1", "InnerProduct1", "InnerProduct2"]
    assert caffe.to_proto(first, last) == proto


def test_layers_without_tops_and_names_given():
    n = caffe.NetSpec()
    n.a, n.b = L.DummyData(shape={"dim": 3}, ntop=2)
    n.quiet = L.Silence(n.a, n.b, ntop=0)
    n.c = L.Power(n.a, power=2, name="square")
    layers = n.to_proto().layer
    assert [(layer.name, list(layer.top)) for layer in layers] == [
        ("a", ["a", "b"]), ("quiet", []), ("square", ["c"])
    ]  # fmt: skip
    anonymous = caffe.to_proto(L.Silence(L.Input(shape={"dim": 1}), ntop=0))
    assert anonymous.layer[1].name == "Silence1"


def test_a_spec_is_like_a_dict():
    n = lenet()
    assert n["conv1"] is n.conv1 and "conv1" in n and "conv2" not in n
    n.update("conv1", {"num_output": 7})
    assert n.to_proto().layer[1].convolution_param.num_output == 7
    del n.loss
    n["extra"] = L.ReLU(n.ip1)
    assert n.to_proto().layer[-1].name == "extra"
    with pytest.raises(AttributeError, match="did you mean 'conv1'"):
        _ = n.conv3


def test_values_of_every_kind():
    proto = caffe.to_proto(
        L.Convolution(
            L.Input(input_param={"shape": {"dim": [1, 1, 5, 5]}}),
            convolution_param={"num_output": np.int64(2), "kernel_size": (3, 3), "engine": "CAFFE"},
            include={"phase": caffe.TEST, "stage": ["a", "b"]},
        )
    )
    conv = proto.layer[1]
    assert conv.convolution_param.num_output == 2 and list(conv.convolution_param.kernel_size) == [3, 3]
    assert conv.convolution_param.engine == P.Convolution.CAFFE
    assert conv.include[0].phase == caffe.TEST and list(conv.include[0].stage) == ["a", "b"]
    assert caffe.to_proto(L.Deconvolution(num_output=3)).layer[0].convolution_param.num_output == 3


@pytest.mark.parametrize(
    "layer, message",
    [
        (lambda: L.Convolution(num_outptu=1), "no setting 'num_outptu'; did you mean"),
        (lambda: L.Convolution(num_output="many"), "num_output cannot be 'many'"),
        (lambda: L.Pooling(pool="BEST"), "pool cannot be 'BEST'"),
        (lambda: L.Convolution(weight_filler={"kind": "xavier"}), "no setting 'kind'"),
        (lambda: L.Convolution(weight_filler=3), "weight_filler cannot be 3"),
    ],
)
def test_wrong_settings_are_named(layer, message):
    with pytest.raises(NetError, match=message):
        caffe.to_proto(layer())


def test_inputs_must_be_tops():
    with pytest.raises(TypeError, match="Silence input 0 is not a Top"):
        L.Silence(L.DummyData(ntop=2), ntop=0)
    with pytest.raises(TypeError, match="data: expected a Top, found "):
        caffe.NetSpec().data = L.DummyData(ntop=2)


def test_nets_deeper_than_python_recurses():
    top = L.Input(shape={"dim": 1})
    for _ in range(3000):
        top = L.ReLU(top)
    assert len(top.to_proto().layer) == 3001


# coord_map


def test_crop_of_an_upsampled_score():
    data = L.Input(shape={"dim": [1, 3, 64, 64]})
    score = L.Pooling(L.Convolution(data, kernel_size=3, pad=20, num_output=2), kernel_size=2, stride=2)
    upscore = L.Deconvolution(score, convolution_param={"kernel_size": 4, "stride": 2, "num_output": 2})
    crop = coord_map.crop(upscore, data)
    # A unit of the first map lies 19 before the picture's; the upsampling adds one more.
    assert crop.fn.params["crop_param"] == {"axis": 2, "offset": [20]}
    axis, scale, shift = coord_map.coord_map_from_to(L.Crop(crop, data, offset=3), data)
    assert (axis, scale.item(), shift.item()) == (1, 1, 3)
    with pytest.raises(RuntimeError, match="not connected"):
        coord_map.coord_map_from_to(L.InnerProduct(crop, num_output=1), data)


def over(**settings):
    """A layer over an input, and the input."""
    data = L.Input()
    return L.Convolution(data, **settings), data


def two_axes():
    first, data = over(kernel_size=1)
    return L.Convolution(first, kernel_size=1, axis=2), data


@pytest.mark.parametrize(
    "tops, message",
    [
        ((L.Input(), L.Input()), "not connected"),
        (over(kernel_size=2, stride=2), "same scale"),
        (over(kernel_size=3), r"would be \[-1"),
        (over(kernel_size=2, pad=3), r"would be \[2\.5"),
        (over(kernel_h=2, kernel_w=2), "needs kernel_size"),
        (two_axes(), "different axes"),
    ],
)
def test_crops_that_cannot_be(tops, message):
    with pytest.raises(NetError, match=message):
        coord_map.crop(*tops)


def functions_of(net) -> tuple[dict, list]:
    """Every top of a net's file as NetSpec has it, and (top, its cropped twin, layer) of each Crop."""
    tops, crops = {}, []
    for layer in net.proto.layer:
        params = {}
        if layer.type in ("Convolution", "Deconvolution", "Pooling"):
            stored = layer.pooling_param if layer.type == "Pooling" else layer.convolution_param
            for name in ("kernel_size", "stride", "pad"):
                value = getattr(stored, name)
                if value:
                    params[name] = list(value) if hasattr(value, "__len__") else value
        elif layer.type == "Crop":
            params = {"axis": layer.crop_param.axis, "offset": list(layer.crop_param.offset)}
            crops.append((tops[layer.bottom[0]], tops[layer.bottom[1]], layer.crop_param))
        function = Function(
            layer.type, [tops[name] for name in layer.bottom], params | {"ntop": len(layer.top)}
        )
        tops.update(zip(layer.top, function.tops, strict=True))
    return tops, crops


def test_offsets_of_published_segmentation_nets(real):
    files = sorted((real / "prototxt" / "shelhamer__fcn.berkeleyvision.org").rglob("*.prototxt"))
    checked = 0
    for file in files:
        if file.name == "solver.prototxt":
            continue
        _, crops = functions_of(read_net(file))
        for top, reference, stored in crops:
            made = coord_map.crop(top, reference).fn.params["crop_param"]
            assert made == {"axis": stored.axis, "offset": list(stored.offset)}, file
            checked += 1
    assert checked >= 15


def test_joined_rows_have_no_map():
    data = L.Input(shape={"dim": [1, 2, 8, 8]})
    assert coord_map.coord_map(L.Concat(data, data).fn).axis is None
    for moved in (L.Concat(data, data, axis=2), L.Concat(data, data, concat_param={"axis": 3})):
        with pytest.raises(coord_map.UndefinedMapException, match="Concat: has no coordinate map"):
            coord_map.coord_map(moved.fn)
