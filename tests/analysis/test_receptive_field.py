"""Receptive fields by the layers' rules against those that changed pixels show."""

from __future__ import annotations

import math

import numpy as np
import pytest
from google.protobuf import text_format

from cnnviz.analysis.receptive_field import ReceptiveField, receptive_fields
from cnnviz.engine.device import get_device
from cnnviz.engine.graph import build_graph
from cnnviz.engine.layer import Layer, layer_types
from cnnviz.engine.net import Net
from cnnviz.formats.prototxt import parse_net, read_net
from cnnviz.formats.schema import LayerParameter, NetParameter
from layer_cases import CASES
from support.field_nets import NETS
from support.layer_harness import Case, given, layer_of

CHANGES = (
    lambda random, x: x + random.uniform(1, 3, x.shape),
    lambda random, x: x - random.uniform(1, 3, x.shape),
    lambda random, x: random.uniform(-1, 1, x.shape),
    lambda random, x: 20 * random.uniform(0.5, 1, x.shape),
)
# Rows that see whole planes or nothing, by their very parameters or values, by their ids.
NO_WINDOW = {
    "BatchNorm-test_with_batch_statistics": "takes mean and variance of the planes",
    "BN-SegNet's,_learning": "takes mean and variance of the planes",
    "Power-constant": "sees nothing",
    "Power-power_0": "sees nothing",
    "Clip-no_limits_given": "sees nothing",
    "Upsample-by_mask": "has masks that no Pooling made",
    "Upsample-by_mask_to_a_size": "has masks that no Pooling made",
    "Unpooling-by_kernel": "has masks that no Pooling made",
}
# Types with a rule whose tops are never planes of pixels.
NO_PLANES = {
    "Accuracy", "Convolution3D", "ExpandDims", "ExpandDimsND", "Flatten", "Silence", "SoftmaxWithLoss",
    "SoftmaxWithLossOHEM", "Squeeze",
}  # fmt: skip
PLANES = [(2, 4, 7, 6)]
MORE_CASES = [
    Case(
        "Pad",
        "planes",
        PLANES,
        "pad_param { " + "".join(f"paddings: {n} " for n in (0, 0, 1, 0, 1, 2, 3, 0)) + "}",
    ),
    Case("Reverse", "channels", PLANES, "reverse_param { axis: 1 }"),
    Case("Slice", "channels", PLANES, tops=2),
    Case("Slice", "items", PLANES, "slice_param { axis: 0 }", tops=2),
    Case("Reshape", "groups of channels", PLANES, "reshape_param { shape { dim: 4 dim: 2 dim: 0 dim: 0 } }"),
    Case(
        "Crop",
        "all axes",
        [(2, 4, 7, 6), (1, 2, 4, 3)],
        "crop_param { axis: 0 offset: 1 offset: 0 offset: 2 offset: 1 }",
    ),
    Case("BatchReindex", "planes", [(2, 4, 7, 6), (3,)], fills={1: given([1, 0, 1])}),
    Case("Permute", "channels and items", PLANES, "permute_param { order: 1 order: 0 }"),
]
ALL_CASES = CASES + MORE_CASES
CHECKED: set[str] = set()


class Empty:
    params: tuple = ()


def case_in_test(case: Case):
    """The net of a row in TEST, its field after the layer, and which inputs may be changed."""
    net = Case(**{**case.__dict__, "phase": "TEST"}).net(get_device())
    field = receptive_fields(net.graph)[net.layers.index(layer_of(net))]
    planes = max((shape[2:] for shape in case.bottoms if len(shape) == 4), key=math.prod, default=())
    changed = [
        i
        for i, shape in enumerate(case.bottoms)
        if shape[2:] == planes and (i == 0 or layer_of(net).allow_force_backward(i))
    ]
    return net, field, changed


def seen_by_changes(net, changed: list[int], axis: int) -> np.ndarray:
    """Of each row (axis 2) or column (3) of y0, which rows or columns of the inputs change it: (out, in)."""
    random = np.random.default_rng(1)
    inputs = [net.blobs[f"x{i}"] for i in changed]
    given = [blob.data.copy() for blob in inputs]
    net.forward()
    before = net.blobs["y0"].data.copy()
    others = tuple({0, 1, 2, 3} - {axis})
    seen = np.zeros((before.shape[axis], given[0].shape[axis]), bool)
    for index in range(given[0].shape[axis]):
        place = (slice(None),) * axis + (index,)
        for change in CHANGES:
            for blob, values in zip(inputs, given, strict=True):
                blob.data[...] = values
                blob.data[place] = change(random, values[place])
            net.forward()
            same = np.isclose(net.blobs["y0"].data, before, rtol=0, atol=0, equal_nan=True)
            seen[:, index] |= ~same.all(axis=others)
    for blob, values in zip(inputs, given, strict=True):
        blob.data[...] = values
    return seen


def expected_spans(field: ReceptiveField, axis: int, outs: int) -> list[tuple[float, float]]:
    """The first and last row or column that each unit sees by its field."""
    boxes = [field.box(i, i) for i in range(outs)]
    return [(box[axis - 2], box[axis] - 1) for box in boxes]


def check_spans(field: ReceptiveField, axis: int, seen: np.ndarray, slack: float = 1) -> None:
    """At whole pixels, seen and expected agree; otherwise the expected is the largest, in the mean place."""
    sizes, insides = [], []
    last = seen.shape[1] - 1
    for shown, (low, high) in zip(seen, expected_spans(field, axis, len(seen)), strict=True):
        pixels = np.flatnonzero(shown)
        if float(field.stride[axis - 2]).is_integer() and float(low).is_integer():
            if low >= 0 and high <= last:
                assert len(pixels) and (pixels[0], pixels[-1]) == (low, high)
            elif len(pixels):  # holes of a dilated window may lie at the border
                assert low <= pixels[0] and pixels[-1] <= high
                assert low < 0 or pixels[0] == low
                assert high > last or pixels[-1] == high
        elif len(pixels):
            assert pixels[0] >= math.floor(low - slack) and pixels[-1] <= math.ceil(high + slack)
            sizes.append(pixels[-1] - pixels[0] + 1)
            insides.append(low >= slack and high <= last - slack)
    if any(insides):
        assert max(sizes) == field.size[axis - 2]


@pytest.mark.parametrize("case", ALL_CASES, ids=[case.id for case in ALL_CASES])
def test_a_rows_field_is_what_changed_pixels_change(case):
    net, field, changed = case_in_test(case)
    if field is None or case.id in NO_WINDOW:
        return
    for axis in (2, 3):
        check_spans(field, axis, seen_by_changes(net, changed, axis))
    CHECKED.add(case.type)


def test_every_rule_was_compared(request):
    if not {case.type for case in ALL_CASES} <= {
        item.callspec.params["case"].type
        for item in request.session.items
        if item.fspath == request.node.fspath and "case" in getattr(item, "callspec", Empty).params
    }:
        pytest.skip("not all rows were run")
    ruled = {
        name
        for name, kind in layer_types().items()
        if (kind.pointwise or kind.receptive_field is not Layer.receptive_field) and kind.num_bottom[1] != 0
    }
    assert not ruled - CHECKED - NO_PLANES


# --- whole nets ---------------------------------------------------------------------------------

PUBLISHED = ("caffenet", "cifar10_quick", "googlenet", "lenet", "resnet18", "squeezenet_v1.1", "vgg16")
SIDE = 99
MOST_COMPARED = 6  # blobs of one net


def narrowed(definition):
    """The net with a sixteenth of the channels, a smaller image, and means in place of maxima, for
    the gradient of a maximum reaches one pixel only; without what leads to no field."""
    for param in definition.proto.layer:
        if param.type == "Input":
            param.input_param.shape[0].dim[:] = [1, param.input_param.shape[0].dim[1], SIDE, SIDE]
        options = param.convolution_param
        if options.num_output:
            options.num_output = max(options.num_output // 16, 2)
            options.group = min(options.group, options.num_output)
        if param.type == "Pooling":
            param.pooling_param.pool = param.pooling_param.AVE
    graph = build_graph(definition, splits=False, strict=False)  # the last windows may be too large now
    needed: set[str] = set()
    kept = []
    for node, field in reversed(list(zip(graph.layers, receptive_fields(graph), strict=True))):
        if needed & set(node.tops) or (field is not None and None not in node.top_shapes):
            needed |= set(node.bottoms)
            kept.append(definition.proto.layer[node.place])
    layers = [LayerParameter.FromString(param.SerializeToString()) for param in reversed(kept)]
    return parse_net(text_of(layers))


def text_of(layers) -> str:
    proto = NetParameter(force_backward=True)
    proto.layer.extend(layers)
    return text_format.MessageToString(proto)


def fill_so_that_nothing_cancels(net: Net) -> None:
    """Weights after whole planes, as those of squeezed channels, become 0: they count for no field."""
    random = np.random.default_rng(2)
    for node, field in zip(net.graph.layers, receptive_fields(net.graph), strict=True):
        for i, blob in enumerate(net.params.get(node.name, [])):
            fan_in = math.prod(blob.shape[1:]) if blob.data.ndim == 4 else 1
            values = (field is not None) * random.uniform(0.5, 1.5, blob.shape) / fan_in
            blob.data[...] = float(i > 0) if node.type == "BatchNorm" else values
    net.blobs["data"].data[...] = random.uniform(0.5, 1, net.blobs["data"].shape)


def compare_fields(net: Net) -> int:
    """Compares the fields of blobs spread over the net; returns how many lie inside of the image."""
    found = {}
    for node, field in zip(net.graph.layers, receptive_fields(net.graph), strict=True):
        if field is not None and node.bottoms and node.type != "Split" and min(node.top_shapes[0][2:]) > 0:
            found[node.index] = field
    places = sorted(found)
    chosen = sorted({places[i * (len(places) - 1) // (MOST_COMPARED - 1)] for i in range(MOST_COMPARED)})
    inside = 0
    for index in chosen:
        top = net.blobs[net.graph.layers[index].tops[0]]
        row, column = top.shape[2] // 2, top.shape[3] // 2
        top.diff[...] = 0
        top.diff[0, :, row, column] = 1
        for blob in net.top_blobs[index][1:]:
            blob.diff[...] = 0
        clear_other_readers(net, index)
        net.run_backward(index)
        shown = net.blobs["data"].diff.any(axis=(0, 1))
        rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
        box = (rows[0], columns[0], rows[-1] + 1, columns[-1] + 1)
        expected = np.clip(found[index].box(row, column), 0, SIDE)
        slack = 0 if expected.tolist() == [int(n) for n in expected] and whole_steps(found) else 2
        assert np.abs(expected - box).max() <= slack, net.graph.layers[index].name
        inside += expected.min() > 0 and expected.max() < SIDE
    return inside


def whole_steps(fields) -> bool:
    """Whether no layer makes planes larger, so that all units of a blob see the same."""
    strides = [field.stride for _, field in sorted(fields.items())]
    return strides == sorted(strides)


def clear_other_readers(net: Net, index: int) -> None:
    """Of blobs with several readers those after ``index`` have no part in the gradient."""
    for layer_index, node in enumerate(net.graph.layers[: index + 1]):
        if node.type == "Split":
            for blob in net.top_blobs[layer_index]:
                blob.diff[...] = 0


@pytest.mark.parametrize("name", NETS)
def test_fields_of_nets_are_what_gradients_reach(name):
    net = Net(narrowed(parse_net(NETS[name]())), "TEST")
    fill_so_that_nothing_cancels(net)
    net.forward()
    assert compare_fields(net) >= 1


@pytest.mark.parametrize("name", PUBLISHED)
def test_fields_of_published_nets_are_what_gradients_reach(name, reference):
    net = Net(narrowed(read_net(reference / f"nets/{name}.prototxt")), "TEST")
    fill_so_that_nothing_cancels(net)
    net.forward()
    assert compare_fields(net) >= 1
