"""Sizes from untrusted files: refused before memory is allocated, and what is known despite errors."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from cnnviz.analysis.deploy import deploy
from cnnviz.analysis.summary import summarize
from cnnviz.engine.blob import Blob
from cnnviz.engine.device import get_device
from cnnviz.engine.filler import fill
from cnnviz.engine.graph import build_graph
from cnnviz.engine.layer import layer_types
from cnnviz.engine.net import Net
from cnnviz.errors import NetError
from cnnviz.formats.prototxt import parse_net
from cnnviz.formats.schema import FillerParameter

HUGE = 2**31 - 1


def input_of(*dims: int) -> str:
    sizes = " ".join(f"dim: {size}" for size in dims)
    return f'layer {{ name: "d" type: "Input" top: "d" input_param {{ shape {{ {sizes} }} }} }}'


def net_of(layer: str) -> str:
    return f'{input_of(1, 3, 16, 16)}\nlayer {{ name: "x" bottom: "d" top: "x" {layer} }}'


@pytest.mark.parametrize("text", [
    net_of(f'type: "Interp" interp_param {{ height: {HUGE} width: {HUGE} }}'),
    net_of('type: "Interp" interp_param { height: 40000 width: 40000 }'),
    net_of(f'type: "Upsample" upsample_param {{ scale: {HUGE} }}'),
    net_of('type: "UpsampleDarknet" upsample_darknet_param { stride: 9999 }'),
    net_of('type: "ResizeNearestNeighbor" resize_nearest_neighbor_param { scale_height: 1e9 }'),
    net_of(f'type: "Unpooling" unpooling_param {{ unpool_size: {HUGE} }}'),
    net_of(f'type: "Pooling" pooling_param {{ kernel_size: 3 stride: {HUGE} }}'),
    net_of(f'type: "Pooling" pooling_param {{ kernel_size: {HUGE} pad: {HUGE - 1} }}'),
    net_of(f'type: "Convolution" convolution_param {{ num_output: {HUGE} kernel_size: 3 }}'),
    net_of(f'type: "Convolution" convolution_param {{ num_output: 1 kernel_size: 3 pad: {HUGE} }}'),
    net_of('type: "Im2col" convolution_param { kernel_size: 30000 pad: 30000 }'),
    net_of(f'type: "Tile" tile_param {{ tiles: {HUGE} }}'),
    net_of(f'type: "Pad" pad_param {{ {"paddings: 4294967295 " * 8} }}'),
    net_of(f'type: "SPP" spp_param {{ pyramid_height: {HUGE} }}'),
    net_of(f'type: "InnerProduct" inner_product_param {{ num_output: {HUGE} }}'),
    net_of(f'type: "Embed" embed_param {{ num_output: {HUGE} input_dim: {HUGE} }}'),
    f'layer {{ name: "p" type: "Parameter" top: "p" parameter_param {{ shape {{ dim: {HUGE + 1} }} }} }}',
    f'layer {{ name: "p" type: "DummyData" top: "p" dummy_data_param {{ shape {{ dim: 9 dim: {HUGE} }} }} }}',
    input_of(HUGE, 2),
    input_of(0, 2**40),
    input_of(*[1] * 33),
    input_of(*[1] * 100_000),
], ids=lambda text: text[-90:])  # fmt: skip
def test_sizes_are_refused_before_memory_is_taken(text):
    definition = parse_net(text)
    tracemalloc.start()
    try:
        with pytest.raises(NetError) as error:
            build_graph(definition)
        faults = [node.fault for node in build_graph(definition, strict=False).layers]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert any(faults) and "\n" not in str(error.value) and len(str(error.value)) < 400
    assert peak < 40e6  # the definition with 100,000 dims is what is largest


def test_a_blob_has_at_most_32_axes():
    blob = Blob(get_device(), label="blob 'b'")
    blob.reshape(*[1] * 32)
    for shape in ([1] * 33, [HUGE, 2], [2, -1]):
        with pytest.raises(NetError, match="blob 'b'"):
            blob.reshape(*shape)
    assert blob.shape == (1,) * 32


@pytest.mark.parametrize("values, message", [
    ({"type": "uniform", "min": math.inf, "max": -math.inf}, "min inf and max -inf"),
    ({"type": "uniform", "min": 2, "max": 1}, "min 2 and max 1"),
    ({"type": "uniform", "min": math.nan}, "min nan"),
    ({"type": "gaussian", "std": -1}, "std -1"),
    ({"type": "gaussian", "std": math.inf}, "std inf"),
])  # fmt: skip
def test_fillers_refuse_limits_that_hold_no_number(values, message):
    with pytest.raises(NetError, match=message):
        fill((2, 3), FillerParameter(**values), np.random.default_rng(1))


@pytest.mark.parametrize("type", ["constant", "uniform", "gaussian", "xavier", "msra", "positive_unitball"])
@pytest.mark.parametrize("shape", [(), (0, 3), (3, 0)])
def test_fillers_fill_shapes_of_no_axis_or_no_element(type, shape):
    values = fill(
        shape, FillerParameter(type=type, sparse=1 if type == "gaussian" else -1), np.random.default_rng(1)
    )
    assert values.shape == shape and values.dtype == np.float32 and np.isfinite(values).all()


def test_more_shapes_than_tops_are_an_error_for_features_too():
    text = input_of(1, 3, 8, 8).replace("} } }", "} shape { dim: 1 } } }")
    text += '\nlayer { name: "r" type: "ReLU" bottom: "d" top: "r" }'
    with pytest.raises(NetError, match="has 2 shapes for 1 tops"):
        Net(deploy(parse_net(text)))


@pytest.mark.parametrize("layer, shape", [
    ('type: "Eltwise"', (1, 3, 16, 16)),
    ('type: "Eltwise" bottom: "d" eltwise_param { coeff: 1 }', (1, 3, 16, 16)),
    ('type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 group: 2 }', (1, 4, 14, 14)),
    ('type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 } param {} param {} param {}',
     (1, 4, 14, 14)),
    ('type: "Pooling" pooling_param { kernel_size: 2 pad: 2 stride: 2 }', (1, 3, 9, 9)),
    ('type: "Pooling" pooling_param { global_pooling: true kernel_size: 3 }', (1, 3, 1, 1)),
    ('type: "LRN" lrn_param { local_size: 4 }', (1, 3, 16, 16)),
    ('type: "Dropout" dropout_param { dropout_ratio: 2 }', (1, 3, 16, 16)),
    ('type: "ReLU" bottom: "d"', (1, 3, 16, 16)),
    ('type: "SoftmaxWithLoss" bottom: "d"', ()),
], ids=lambda value: str(value)[:60])  # fmt: skip
def test_a_faulty_layer_whose_shape_is_known_keeps_it(layer, shape):
    after = '\nlayer { name: "r" type: "ReLU" bottom: "x" top: "r" }'
    definition = parse_net(net_of(layer) + after)
    with pytest.raises(NetError):
        build_graph(definition)
    graph = build_graph(definition, strict=False, splits=False)
    assert graph.layers[1].fault and graph.layers[1].top_shapes[0] == shape
    assert graph.layers[2].fault is None and graph.layers[2].top_shapes == [shape]


def test_no_shape_after_a_layer_that_has_none():
    graph = build_graph(
        parse_net(net_of('type: "Convolution" convolution_param { num_output: 4 }')), strict=False
    )
    assert graph.layers[1].fault and graph.layers[1].top_shapes == [None]


@pytest.mark.parametrize("bottoms", range(4))
@pytest.mark.parametrize("tops", range(3))
@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (2, 4), (0, 3, 4, 4), ()], ids=str)
def test_any_type_is_summarized_with_any_number_of_bottoms_and_tops(bottoms, tops, shape):
    bottom = "bottom: 'd' "
    text = input_of(*shape) + "".join(
        f'layer {{ name: "{kind}" type: "{kind}" {bottom * bottoms}'
        + "".join(f"top: '{kind}{top}' " for top in range(tops))
        + "}"
        for kind in layer_types()
    )
    rows = summarize(build_graph(parse_net(text), strict=False)).layers
    assert {row.type for row in rows} >= {*layer_types()}
