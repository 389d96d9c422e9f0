"""cnnviz draw: its options, measured times, and what it refuses."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from cnnviz.api.graph import draw_net
from cnnviz.cli.main import cnnviz_command
from cnnviz.errors import CnnvizError
from cnnviz.formats.prototxt import parse_net
from cnnviz.plots.common.theme import KIND_COLORS, get_theme
from cnnviz.plots.graph.scene import color_of
from support.graph_pictures import LENET, box, picture_of, texts


def test_the_command_draws(tmp_path):
    model, out = tmp_path / "lenet.prototxt", tmp_path / "lenet.svg"
    model.write_text(LENET)
    done = CliRunner().invoke(
        cnnviz_command, ["draw", str(model), str(out), "--rankdir", "LR", "--style", "dark"]
    )
    assert done.exit_code == 0, done.output
    assert "conv1" in texts(out.read_text(encoding="utf-8"))


def test_the_command_takes_measured_times(tmp_path):
    model, times = tmp_path / "lenet.prototxt", tmp_path / "times.txt"
    model.write_text(LENET)
    times.write_text(
        "layer  type         forward ms  backward ms\nconv1  Convolution       1.500        2.500\n"
    )
    done = CliRunner().invoke(
        cnnviz_command,
        ["draw", str(model), str(tmp_path / "t.svg"), "--color-by", "time", "--times", str(times)],
    )
    assert done.exit_code == 0, done.output
    assert "4 ms" in texts((tmp_path / "t.svg").read_text(encoding="utf-8"))


def test_measured_times_are_drawn(tmp_path):
    model, times, out = tmp_path / "lenet.prototxt", tmp_path / "times.json", tmp_path / "t.svg"
    model.write_text(LENET)
    for words in (
        ["time", "--model", str(model), "--phase", "TEST", "--iterations", "1", "--json", str(times)],
        ["draw", str(model), str(out), "--color-by", "time", "--times", str(times)],
    ):
        done = CliRunner().invoke(cnnviz_command, words)
        assert done.exit_code == 0, done.output
    measured = {layer["name"] for layer in json.loads(times.read_text())["layers"]}
    assert measured >= {"conv1", "ip"}
    assert " ms" in out.read_text(encoding="utf-8")


@pytest.mark.parametrize("style", ["light", "dark"])
@pytest.mark.parametrize("color_by", [None, "macs"])
def test_words_can_be_read_on_their_boxes(style, color_by):
    theme = get_theme(style)
    boxes = picture_of(LENET, color_by=color_by).scene.nodes
    pairs = {(label.role, box.fill) for box in boxes for label in box.labels}
    pairs |= {("muted", f"fill:{kind}") for kind in KIND_COLORS}
    for role, fill in pairs:
        assert contrast(color_of(role, theme), color_of(fill, theme)) >= 4.5, (role, fill)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of the web's accessibility guidelines."""

    def luminance(color: str) -> float:
        values = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"times": {"conv1": 1.0}}, "not used; colour by them: --color-by time"),
        ({"times": {"fc8": 1.0}, "color_by": "time"}, "of layers that this net lacks ('fc8' is the first)"),
        ({"weights": {}}, "net.svg: weights (--weights) are shown on the interactive page only"),
    ],
)
def test_what_would_be_ignored_is_refused(tmp_path, options, message):
    with pytest.raises(CnnvizError) as error:
        draw_net(parse_net(LENET), tmp_path / "net.svg", **options)
    assert message in str(error.value)
    assert not (tmp_path / "net.svg").exists()


def test_a_data_layer_without_its_data_says_so():
    text = 'layer { name: "d" type: "Data" top: "data" data_param { source: "nowhere" batch_size: 5 } }'
    assert box(picture_of(text), "d")[-2:] == ["data: shape unknown", "data not found"]
