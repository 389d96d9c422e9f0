"""Feature maps of nets that are not LeNet: tables, many axes, several inputs, no softmax, deep chains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cnnviz.analysis.features import FeatureMaps, ImageFeatures
from cnnviz.analysis.layer_choice import spread
from cnnviz.analysis.preprocessing import find_images, preprocessing_from_options, preprocessing_of
from cnnviz.analysis.receptive_field import ReceptiveField
from cnnviz.errors import CnnvizError, FileError, NetError
from cnnviz.formats.binaryproto import write_mean
from cnnviz.formats.prototxt import parse_net
from cnnviz.plots.common.theme import get_theme
from cnnviz.plots.features.maps import default_limit, features_figure
from cnnviz.plots.features.options import FeatureOptions
from cnnviz.plots.features.rows import layer_facts, short_title
from support.features import make_inspector

CONVOLUTION = """layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}"
  convolution_param {{ num_output: {count} kernel_size: 3 pad: 1 weight_filler {{ type: "xavier" }} }} }}
"""
DATA = 'input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8\n'
POOL = """layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
  pooling_param { pool: AVE global_pooling: true } }
"""
IMAGE = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)


def convolution(name: str, bottom: str, count: int = 4) -> str:
    return CONVOLUTION.format(name=name, bottom=bottom, count=count)


def test_scores_without_a_softmax(tmp_path):
    inspector = make_inspector(
        tmp_path, DATA + convolution("conv", "data") + POOL, class_names=["cat", "dog"]
    )
    features = inspector.run(IMAGE)
    values = inspector.net.blobs["pool"].read_data().reshape(-1)
    assert not features.are_probabilities
    assert [k for k, _, _ in features.predictions] == list(np.argsort(-values))
    best = int(values.argmax())
    name = ["cat (0)", "dog (1)", "class 2", "class 3"][best]
    assert features.texts()[0] == f"{values[best]:.4g} {name}"
    figure = features_figure(features, theme=get_theme("light"))
    assert any("the net has no softmax" in t.get_text() for t in figure.texts)


def test_maps_of_one_unit_are_values(tmp_path):
    inspector = make_inspector(tmp_path, DATA + convolution("conv", "data") + POOL)
    maps = inspector.run(IMAGE).maps
    assert [m.layer for m in maps] == ["conv", "pool"]
    assert maps[1].is_flat and not maps[0].is_flat and maps[1].values.shape == (4,)


def test_the_input_with_colours_is_the_image(tmp_path):
    text = 'input: "other" input_dim: 1 input_dim: 5 input_dim: 8 input_dim: 8\n' + DATA
    text += convolution("side", "other") + convolution("conv", "data") + POOL
    assert make_inspector(tmp_path, text).entry.name == "data"


def test_layers_by_pattern(tmp_path):
    text = (
        DATA
        + convolution("a/one", "data")
        + convolution("a/two", "a/one")
        + convolution("conv", "a/two")
        + POOL
    )
    inspector = make_inspector(tmp_path, text)
    assert [m.layer for m in inspector.run(IMAGE, layers=["a/*"]).maps] == ["a/one", "a/two"]
    assert len(inspector.run(IMAGE, layers=["*"]).maps) == 4
    with pytest.raises(NetError, match=r"no layer 'b/\*'"):
        inspector.run(IMAGE, layers=["b/*"])


def test_deep_nets_show_their_joints(tmp_path, monkeypatch):
    monkeypatch.setattr("cnnviz.analysis.layer_choice.MOST_LAYERS", 12)
    text, bottom = DATA, "data"
    for k in range(8):
        text += convolution(f"c{k}", bottom, 3)
        text += f'layer {{ name: "j{k}" type: "Eltwise" bottom: "{bottom}" bottom: "c{k}" top: "j{k}" }}\n'
        bottom = f"j{k}"
    features = make_inspector(tmp_path, text).run(IMAGE)
    assert [m.layer for m in features.maps] == ["c0", *(f"j{k}" for k in range(8))]
    assert features.omitted == 7
    figure = features_figure(features, theme=get_theme("light"))
    assert any("9 of 16 layers shown" in t.get_text() for t in figure.texts)


def test_rows_and_columns_are_a_table():
    boxes = FeatureMaps("boxes", "Concat", "boxes", np.zeros((4420, 4), np.float32))
    assert boxes.is_table
    assert FeatureMaps("x", "Reshape", "x", np.zeros((2, 500, 3))).is_table
    assert not FeatureMaps("x", "Convolution", "x", np.zeros((2, 10, 3))).is_table
    assert layer_facts(boxes, np.arange(1)) == "Concat · 4420 × 4 · 100% zeros"
    boxes.values[0, 0] = 1
    assert layer_facts(boxes, np.arange(1)) == "Concat · 4420 × 4 · 99% zeros"


def test_a_long_table_is_averaged_along_its_long_side(tmp_path):
    features = make_inspector(tmp_path, DATA + convolution("conv", "data") + POOL).run(IMAGE)
    table = np.arange(8000, dtype=np.float32).reshape(2000, 4)
    features = replace(features, maps=(FeatureMaps("boxes", "Concat", "boxes", table),))
    figure = features_figure(features, theme=get_theme("light"))
    drawn = [a.images[0].get_array().shape for a in figure.axes if a.images]
    assert (4, 667, 4) in drawn  # blocks of 3 columns as colours
    assert any("each column averages 3" in t.get_text() for t in figure.texts)


def test_more_axes_become_more_maps():
    maps = FeatureMaps("c", "Convolution", "c", np.arange(48, dtype=np.float32).reshape(2, 3, 4, 2))
    assert maps.tiles.shape == (6, 4, 2) and maps.tiles[4].tolist() == maps.values[1, 1].tolist()
    assert list(maps.top_channels(1)) == [5]


def test_tiles_carry_the_numbers_of_their_channels(tmp_path):
    inspector = make_inspector(tmp_path, DATA + convolution("conv", "data", 20) + POOL)
    features = inspector.run(IMAGE)
    figure = features_figure(features, FeatureOptions(top=5), theme=get_theme("light"))
    labels = [[t.get_text() for t in axes.texts] for axes in figure.axes if axes.texts]
    assert labels == [[str(k) for k in features.maps[0].top_channels(5)]]


@pytest.mark.parametrize("style", ["light", "dark"])
def test_long_names_neither_overlap_nor_leave_the_page(tmp_path, style):
    name = "block_of_a_very_long_name/" * 6
    features = make_inspector(tmp_path, DATA + convolution(name, "data") + POOL.replace("conv", name)).run(
        IMAGE, "picture" * 40 + ".png"
    )
    figure = features_figure(features, theme=get_theme(style))
    renderer = figure.canvas.get_renderer()
    boxes = [t.get_window_extent(renderer) for t in figure.texts]
    assert all(b.x0 >= 0 and b.x1 <= figure.bbox.width for b in boxes)
    for k, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[k + 1 :])


def test_fewer_maps_of_deeper_nets():
    assert [default_limit(n) for n in (1, 10, 11, 16, 17, 300)] == [64, 64, 32, 32, 16, 16]


def test_very_deep_nets_show_some_of_every_map_size(tmp_path, monkeypatch):
    """Twenty blocks of one size do not crowd out the two of another."""
    monkeypatch.setattr("cnnviz.analysis.layer_choice.MOST_LAYERS", 10)
    text, bottom = DATA, "data"
    for k in range(22):
        if k == 20:
            text += 'layer { name: "p" type: "Pooling" bottom: "j19" top: "p" pooling_param '
            text += "{ kernel_size: 2 stride: 2 } }\n"
            bottom = "p"
        text += convolution(f"c{k}", bottom, 3)
        text += f'layer {{ name: "j{k}" type: "Eltwise" bottom: "{bottom}" bottom: "c{k}" top: "j{k}" }}\n'
        bottom = f"j{k}"
    features = make_inspector(tmp_path, text).run(IMAGE)
    names = [m.layer for m in features.maps]
    assert len(names) <= 10 and names[-3:] == ["p", "j20", "j21"]
    assert "j19" in names and features.omitted == 45 - len(names)


def test_groups_share_what_may_be_shown():
    assert spread([[1], [2, 3, 4, 5], [6, 7]], 100) == [1, 2, 3, 4, 5, 6, 7]
    assert spread([[1], list(range(10, 20)), [6, 7]], 6) == [1, 12, 15, 19, 6, 7]
    assert spread([[1, 2], [3, 4]], 1) == [2, 4]


def test_names_in_place_are_shortened():
    assert short_title("conv1 + conv1/bn + conv1/scale") == "conv1 + bn + scale"
    assert short_title("fire2/a + fire2/relu_a") == "fire2/a + relu_a"
    assert short_title("ip1 + relu1") == "ip1 + relu1"
    assert short_title("a/b + a/") == "a/b + a/"


def test_long_thin_maps_of_a_convolution_are_maps():
    field = ReceptiveField((3, 3), (1, 1), (0, 0))
    assert not FeatureMaps("x", "Convolution", "x", np.zeros((2, 3, 28)), field).is_table


def test_very_many_values_are_joined_to_few_bars(tmp_path):
    features = make_inspector(tmp_path, DATA + convolution("conv", "data") + POOL).run(IMAGE)
    values = np.zeros(200_000, np.float32)
    values[777], values[123_456] = 5, -3
    features = replace(features, maps=(FeatureMaps("scores", "Concat", "scores", values),))
    figure = features_figure(features, theme=get_theme("light"))
    segments = next(axes.collections[0].get_segments() for axes in figure.axes if axes.collections)
    assert len(segments) <= 800
    assert max(s[1][1] for s in segments) == 5 and min(s[0][1] for s in segments) == -3


# Preprocessing from the data layer


def training_net(mean: str) -> str:
    layer = 'layer {{ name: "d" type: "Data" top: "data" top: "label" include {{ phase: {} }}'
    layer += " transform_param {{ {} }} }}\n"
    return layer.format("TEST", mean) + layer.format("TRAIN", "scale: 9 mirror: true mean_value: 7")


def test_the_test_phase_determines_mean_and_scale(tmp_path):
    found = preprocessing_of(parse_net(training_net("scale: 0.5 mean_value: 1 mean_value: 2 mean_value: 3")))
    assert found.scale == 0.5 and found.mean.tolist() == [1, 2, 3]


def test_a_mean_file_beside_the_prototxt_is_found(tmp_path, caplog):
    write_mean(tmp_path / "mean.binaryproto", np.full((3, 2, 2), 5, np.float32))
    definition = parse_net(
        training_net('mean_file: "/elsewhere/mean.binaryproto"'), str(tmp_path / "net.prototxt")
    )
    assert preprocessing_of(definition).mean.shape == (3, 2, 2)
    gone = parse_net(training_net('mean_file: "/elsewhere/gone.binaryproto"'), str(tmp_path / "net.prototxt"))
    assert preprocessing_of(gone).mean is None
    assert "the mean file /elsewhere/gone.binaryproto is missing; give it with --mean" in caplog.text
    assert preprocessing_from_options(gone, "1,2,3", None).scale == 1


# Folders


def test_folders_are_listed_not_read(tmp_path):
    for name in ("b.png", "a.JPG", "notes.txt"):
        (tmp_path / name).write_bytes(b"not a picture")
    given = str(tmp_path / "notes.txt")  # named, so that what is wrong with it is reported when it is read
    assert find_images([tmp_path, given]) == [str(tmp_path / "a.JPG"), str(tmp_path / "b.png"), given]
    with pytest.raises(FileError, match=r"x\.png: cannot be read: no such file"):
        find_images([tmp_path, "x.png"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match="empty: holds no image"):
        find_images([tmp_path / "empty"])


def test_a_net_that_fixes_its_batch_runs_one_at_a_time(tmp_path):
    reshape = """layer { name: "flat" type: "Reshape" bottom: "conv" top: "flat"
      reshape_param { shape { dim: 1 dim: 256 } } }
    layer { name: "ip" type: "InnerProduct" bottom: "flat" top: "ip" inner_product_param { num_output: 3 } }
    """
    inspector = make_inspector(tmp_path, DATA + convolution("conv", "data") + reshape)
    inspector.run(IMAGE)
    picture = inspector.net.blobs["data"].read_data()
    with inspector.batch(4) as size:
        assert size == 1
    assert np.array_equal(inspector.net.blobs["data"].read_data(), picture)
    inspector = make_inspector(tmp_path, DATA + convolution("conv", "data") + POOL)
    with inspector.batch(4) as size:
        assert size == 4 and inspector.net.blobs["pool"].shape == (4, 4, 1, 1)
    assert inspector.net.blobs["pool"].shape == (1, 4, 1, 1)


def test_an_unknown_channel(tmp_path):
    from cnnviz.analysis.top_images import top_images

    inspector = make_inspector(tmp_path, DATA + convolution("conv", "data") + POOL)
    from cnnviz.formats.files import write_bytes
    from cnnviz.formats.images import encode_image

    write_bytes(tmp_path / "a.png", encode_image(IMAGE, "png"))
    with pytest.raises(CnnvizError, match="Channel 4 is out of range: layer 'conv' has 4 channels"):
        top_images(inspector, "conv", [str(tmp_path / "a.png")], channels=[4])


def test_more_notes_than_the_figure_shows_are_counted():
    for count, said in ((3, "c"), (4, "and 1 more note"), (5, "and 2 more notes")):
        features = ImageFeatures("a.png", IMAGE, notes=list("abcde"[:count]))
        assert features_figure(features, theme=get_theme("light")).texts[-1].get_text() == said
