"""Fields that Caffe's schema lacks, and those of forks."""

from __future__ import annotations

import logging

from cnnviz.formats import prototxt
from cnnviz.formats.prototxt import (
    parse_net,
    to_text,
)
from cnnviz.formats.schema import (
    LayerParameter,
    PoolingParameter,
)

FORK = """name: "fork"
layer {
  name: "pool"
  type: "Pooling"
  pooling_param {
    pool: MEDIAN
    kernel_size: 2
    strange: -1.50
    stranger: [1, 2]
    nested { a: "x" 'y' b: < c: SOME > }
  }
}
future: true
"""


def test_unknown_fields_are_kept_and_written_back():
    net = parse_net(FORK, "fork.prototxt")
    assert [(u.path, u.line, u.column) for u in net.unknown] == [
        ("layer[0].pooling_param.pool", 6, 5),
        ("layer[0].pooling_param.strange", 8, 5),
        ("layer[0].pooling_param.stranger", 9, 5),
        ("layer[0].pooling_param.stranger", 9, 5),
        ("layer[0].pooling_param.nested", 10, 5),
        ("future", 13, 1),
    ]
    assert net.unknown_in(0) == net.unknown[:5]
    text = to_text(net)
    assert (
        "    strange: -1.50\n    stranger: 1\n    stranger: 2\n    nested {\n      a: \"x\" 'y'\n      b {\n"
        in text
    )
    assert text.endswith("future: true\n")
    again = parse_net(text)
    assert [(u.path, u.text) for u in again.unknown] == [(u.path, u.text) for u in net.unknown]
    assert to_text(again) == text


def test_unknown_fields_are_reported_in_one_line_and_once(caplog, monkeypatch):
    monkeypatch.setattr(prototxt, "_reported", set())
    with caplog.at_level(logging.WARNING, "cnnviz"):
        parse_net(FORK, "fork.prototxt")
        parse_net(FORK, "fork.prototxt")
    assert [record.getMessage() for record in caplog.records] == [
        "fork.prototxt: 6 unknown fields are kept but without effect: layer[0].pooling_param.pool (line 6), "
        "layer[0].pooling_param.strange (line 8), layer[0].pooling_param.stranger (line 9) and 3 more"
    ]


def test_a_slip_of_the_keyboard_gets_a_hint(caplog, monkeypatch):
    monkeypatch.setattr(prototxt, "_reported", set())
    with caplog.at_level(logging.WARNING, "cnnviz"):
        parse_net("layer { convolution_param { num_ouput: 20 } }", "slip.prototxt")
    assert "num_ouput (line 1; did you mean 'num_output'?)" in caplog.text


def test_a_field_given_twice_is_reported_and_the_last_one_counts(caplog):
    with caplog.at_level(logging.WARNING, "cnnviz"):
        net = parse_net('name: "a"\nname: "b"', "twice.prototxt")
    assert net.name == "b"
    assert caplog.messages == ["twice.prototxt: name (line 2) is given twice, the last one counts"]


def test_fields_of_forks_are_known():
    net = parse_net(
        "layer { pooling_param { ceil_mode: false pool: AVE_TF pad_l: 1 } "
        "relu_param { relu6: true engine: MKL2017 } "
        "prior_box_param { min_size: 30 aspect_ratio: 2 } permute_param { order: 0 order: 2 } }"
    )
    layer = net.layer[0]
    assert not net.unknown
    assert not layer.pooling_param.ceil_mode and PoolingParameter().ceil_mode
    assert layer.prior_box_param.flip and list(layer.permute_param.order) == [0, 2]


def test_fields_of_forks_cannot_collide_with_their_binary_files():
    first_part = {f.number for f in LayerParameter.DESCRIPTOR.fields if f.number < 10000}
    assert max(first_part) == 148  # BVLC's last
    fork = [f for f in LayerParameter.DESCRIPTOR.fields if f.name == "permute_param"]
    assert fork[0].number >= 10000
