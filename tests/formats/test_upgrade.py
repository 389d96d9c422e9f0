"""Nets and solvers of all ages in today's form, as Caffe's own tools make them."""

from __future__ import annotations

import filecmp

import pytest
from click.testing import CliRunner

from cnnviz.cli.main import cnnviz_command
from cnnviz.errors import NetError
from cnnviz.formats.caffemodel import write_weights
from cnnviz.formats.prototxt import parse_net, parse_solver, read_prototxt, to_text

CASES = ["old_v0", "old_v1", "old_input_and_batchnorm", "old_solver_adagrad_enum", "old_solver_nesterov_enum"]


@pytest.mark.parametrize("case", CASES)
def test_text_is_upgraded_as_by_caffe(reference, case):
    files = reference / "files"
    definition = read_prototxt(files / f"{case}.prototxt")
    assert definition.upgraded
    assert to_text(definition) == (files / f"{case}_upgraded.prototxt").read_text()


@pytest.mark.parametrize("case", CASES)
def test_upgrading_twice_changes_nothing(reference, case):
    path = reference / "files" / f"{case}_upgraded.prototxt"
    definition = read_prototxt(path)
    assert definition.upgraded == []
    assert to_text(definition) == path.read_text()


def test_upgraded_layers_keep_their_lines(reference):
    net = read_prototxt(reference / "files/old_v0.prototxt")
    # the Input layer is new; the padding layer of line 9 is gone
    assert net.lines == [None, 7, 8, 10, 11, 12, 13, 14, 15]


@pytest.mark.parametrize("case, target", [("old_v1", "prototxt"), ("old_solver_adagrad_enum", "prototxt")])
def test_the_command_upgrades_text(reference, tmp_path, case, target):
    out = tmp_path / f"out.{target}"
    result = CliRunner().invoke(cnnviz_command, ["upgrade", f"{reference}/files/{case}.{target}", str(out)])
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"{out}: upgraded ")
    assert filecmp.cmp(out, reference / "files" / f"{case}_upgraded.{target}", shallow=False)


@pytest.mark.parametrize("case", ["legacy_v0", "legacy_v1"])
def test_the_command_upgrades_weights_to_the_byte(reference, tmp_path, case):
    out = tmp_path / "out.caffemodel"
    result = CliRunner().invoke(cnnviz_command, ["upgrade", f"{reference}/files/{case}.caffemodel", str(out)])
    assert result.output == f"{out}: upgraded {case[-2:].upper()} layers, input fields.\n"
    assert filecmp.cmp(out, reference / "files" / f"{case}_upgraded.caffemodel", shallow=False)


def test_the_command_says_when_nothing_was_old(reference, tmp_path):
    out = tmp_path / "out.prototxt"
    source = reference / "files/old_v1_upgraded.prototxt"
    result = CliRunner().invoke(cnnviz_command, ["upgrade", str(source), str(out)])
    assert result.output == f"{out}: already up to date.\n"


# Beyond the reference


def test_v1_types_that_caffe_never_had_keep_their_name():
    net = parse_net("layers { type: CONVOLUTION3D } layers { type: ROI_POOLING } layers { type: CROP }")
    assert [layer.type for layer in net.layer] == ["Convolution3D", "ROIPooling", "Crop"]
    assert net.unknown == []


def test_parameters_that_v1_lacked_find_their_place():
    net = parse_net(
        'layers { name: "a" type: PRELU prelu_param { channel_shared: true odd: 1 } }\n'
        "layers { roi_pooling_param { pooled_w: 6 } strange: 2 }"
    )
    assert net.layer[0].type == "PReLU" and net.layer[0].prelu_param.channel_shared
    assert net.layer[1].roi_pooling_param.pooled_w == 6
    assert [(u.path, u.line) for u in net.unknown] == [
        ("layer[0].prelu_param.odd", 1),
        ("layer[1].strange", 2),
    ]


def test_a_name_that_has_another_meaning_today_becomes_a_comment():
    net = parse_net("layers { type: RELU prelu_param: 3 }\nlayers { layer { phase: { a: 1 } } }")
    text = to_text(net)
    assert "  # prelu_param: 3\n" in text and "  # phase {\n  #   a: 1\n  # }\n" in text
    assert parse_net(text).proto == net.proto


def test_unknown_fields_follow_their_layer():
    net = parse_net(
        'input: "data"\ninput_dim: [1, 1, 4, 4]\n'
        'layers { layer { name: "p" type: "padding" pad: 1 } bottom: "data" top: "p" }\n'
        'layers { layer { name: "c" type: "conv" kernelsize: 3 strange: 7 } bottom: "p" top: "c" }\n'
    )
    assert [layer.type for layer in net.layer] == ["Input", "Convolution"]
    assert net.layer[1].convolution_param.pad == [1] and net.layer[1].bottom == ["data"]
    assert [(u.path, u.line) for u in net.unknown] == [("layer[1].strange", 4)]
    assert "  strange: 7\n" in to_text(net)


def test_every_v0_field_is_dealt_out():
    net = parse_net(
        'layers { layer { name: "d" type: "window_data" source: "w.txt" batchsize: 8 cropsize: 227 '
        'mirror: true meanfile: "m" scale: 0.5 det_fg_threshold: 0.6 det_bg_threshold: 0.4 '
        'det_fg_fraction: 0.3 det_context_pad: 16 det_crop_mode: "square" } top: "x" }\n'
        'layers { layer { name: "i" type: "images" source: "l.txt" batchsize: 4 rand_skip: 3 '
        'shuffle_images: true new_height: 5 new_width: 6 } top: "y" }\n'
        'layers { layer { name: "c" type: "concat" concat_dim: 2 } bottom: "x" bottom: "y" top: "z" }\n'
        'layers { layer { name: "h" type: "hdf5_output" hdf5_output_param { file_name: "o.h5" } } '
        'bottom: "z" }'
    )
    data, images, concat, output = net.layer
    window = data.window_data_param
    assert (window.source, window.batch_size, window.context_pad, window.crop_mode) == (
        "w.txt",
        8,
        16,
        "square",
    )
    assert [round(v, 2) for v in (window.fg_threshold, window.bg_threshold, window.fg_fraction)] == [
        0.6,
        0.4,
        0.3,
    ]
    transform = data.transform_param
    assert (transform.crop_size, transform.mirror, transform.mean_file, transform.scale) == (
        227,
        True,
        "m",
        0.5,
    )
    image = images.image_data_param
    assert (image.rand_skip, image.shuffle, image.new_height, image.new_width) == (3, True, 5, 6)
    assert concat.concat_param.concat_dim == 2
    assert output.hdf5_output_param.file_name == "o.h5"


def test_layers_of_today_beside_old_ones_stay():
    net = parse_net('layers { name: "b" type: RELU }\nlayer { name: "a" type: "Input" }')
    assert [(layer.name, line) for layer, line in zip(net.layer, net.lines, strict=True)] == [
        ("a", 2),
        ("b", 1),
    ]


@pytest.mark.parametrize(
    "text, message",
    [
        (
            'layers { layer { name: "p" type: "padding" pad: 1 } bottom: "x" top: "p" }'
            'layers { layer { name: "r" type: "relu" } bottom: "p" top: "r" }',
            "layer 'r': a padding layer ('p') can only stand before a conv or pool layer with one bottom",
        ),
        (
            'input: "a" input_dim: 1',
            "1 input fields need 4 input_dim (num, channels, height, width each), but",
        ),
        ('input: "a" input: "b" input_shape { dim: 1 }', "2 input fields, but only 1 input_shape."),
    ],
)
def test_contradictions(text, message):
    with pytest.raises(NetError) as error:
        parse_net(text, "net.prototxt")
    assert str(error.value).startswith("net.prototxt: ") and message in str(error.value)


def test_both_solver_types_are_an_error():
    with pytest.raises(NetError, match=r"s.prototxt: solver_type \(old\) and type are both given"):
        parse_solver('solver_type: ADAM type: "SGD"', "s.prototxt")


def upgrade(*words, code=0):
    result = CliRunner().invoke(cnnviz_command, ["upgrade", *map(str, words)])
    assert result.exit_code == code, result.output
    return result


@pytest.mark.parametrize("extension", [".prototxt", ".txt", ".pbtxt"])
def test_a_caffemodel_gives_its_net_as_text(tmp_path, extension):
    net = parse_net("name: 'n' layer { name: 'a' type: 'ReLU' phase: TRAIN }").proto
    write_weights(tmp_path / "x.caffemodel", net, [[]])
    out = upgrade(tmp_path / "x.caffemodel", tmp_path / f"y{extension}").output
    assert out == f"{tmp_path / f'y{extension}'}: the net of {tmp_path / 'x.caffemodel'}.\n"
    assert to_text(read_prototxt(tmp_path / f"y{extension}")) == (
        'name: "n"\nlayer {\n  name: "a"\n  type: "ReLU"\n}\n'
    )
    upgrade(tmp_path / "x.caffemodel", tmp_path / "y.caffemodel")
    assert (tmp_path / "y.caffemodel").read_bytes() == (tmp_path / "x.caffemodel").read_bytes()


@pytest.mark.parametrize("source, target, message", [
    ("x.caffemodel", "y.h5", "upgrade writes no .h5; use: cnnviz convert IN OUT"),
    ("x.caffemodel", "y.npz", "upgrade writes no .npz; use: cnnviz convert IN OUT"),
    ("x.prototxt", "y.caffemodel", "is a text file, which cannot become a .caffemodel"),
    ("x.prototxt", "y.h5", "upgrade writes no .h5"),
])  # fmt: skip
def test_upgrade_writes_no_file_under_a_wrong_extension(tmp_path, source, target, message):
    write_weights(tmp_path / "x.caffemodel", parse_net("layer { name: 'a' }").proto, [[]])
    (tmp_path / "x.prototxt").write_text("layer { name: 'a' }")
    result = upgrade(tmp_path / source, tmp_path / target, code=1)
    assert message in str(result.exception)
    assert not (tmp_path / target).exists()


def test_layers_of_both_forms_keep_the_order_of_the_file():
    text = """input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8
    layers { name: "a" type: RELU bottom: "data" top: "a" }
    layer { name: "b" type: "ReLU" bottom: "a" top: "b" odd_b: 1 }
    layers { name: "c" type: RELU bottom: "b" top: "c" odd_c: 1 }
    layer { name: "d" type: "ReLU" bottom: "c" top: "d" }"""
    net = parse_net(text)
    assert [layer.name for layer in net.proto.layer] == ["input", "a", "b", "c", "d"]
    assert net.lines == [None, 2, 3, 4, 5]
    assert [[item.text for item in net.unknown_in(k)] for k in range(5)] == [
        [], [], ["odd_b: 1"], ["odd_c: 1"], []
    ]  # fmt: skip
