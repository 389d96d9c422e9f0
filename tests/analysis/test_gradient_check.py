"""The gradient checker finds wrong gradients, passes right ones, and knows corners."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

import cnnviz
from cnnviz.analysis.gradient_check import check_gradients
from cnnviz.analysis.learning_check import check_initial_loss, overfit_small_sample
from cnnviz.cli.main import cnnviz_command
from cnnviz.engine.device import get_device
from cnnviz.engine.layers.relu import ReLU
from cnnviz.engine.net import Net
from cnnviz.errors import NetError
from cnnviz.formats.prototxt import parse_net

NET = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 6 dim: 5 } } }
layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 6 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
        inner_product_param { num_output: 8 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "ip" top: "ip" }
layer { name: "scores" type: "InnerProduct" bottom: "ip" top: "scores"
        inner_product_param { num_output: 4 %s } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "scores" bottom: "label" top: "loss" }
"""
XAVIER = 'weight_filler { type: "xavier" }'


def net(filler: str = XAVIER):
    return parse_net(NET % filler, "small.prototxt")


@pytest.fixture(params=["double", "single"])
def precision(request, monkeypatch):
    """Each precision in turn: single as on a device that has no other."""
    if request.param == "single":
        monkeypatch.setattr(get_device(), "has_double", False)
    elif not get_device().has_double:
        pytest.skip("no double precision here")
    return request.param


def test_right_gradients_pass(precision):
    report = check_gradients(net())
    assert report.passed and report.precision == precision
    assert {(g.layer, g.blob) for g in report.gradients} == {
        ("ip", "bottom 0"), ("ip", "param 0"), ("ip", "param 1"), ("relu", "bottom 0"),
        ("scores", "bottom 0"), ("scores", "param 0"), ("scores", "param 1"), ("loss", "bottom 0"),
    }  # fmt: skip
    assert all(g.checked and g.error < (1e-6 if precision == "double" else 1e-3) for g in report.gradients)
    end = (
        "All 8 gradients agree" + (precision == "single") * " (in single precision: the device has no other)"
    )
    assert report.to_text().splitlines()[-1] == end


def test_a_wrong_gradient_is_found_and_named(monkeypatch, precision):
    right = ReLU.backward

    def wrong(self, top, propagate_down, bottom):
        right(self, top, propagate_down, bottom)
        bottom[0].diff[...] *= 1.01

    monkeypatch.setattr(ReLU, "backward", wrong)
    report = check_gradients(net())
    assert [g.layer for g in report.failures] == ["relu"]
    assert report.failures[0].error == pytest.approx(0.01, rel=0.1)
    assert "WRONG at" in report.to_text() and "\n1 of 8 gradients are wrong" in report.to_text()


def test_a_corner_is_counted_and_not_compared(precision):
    definition = parse_net(
        'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 5 } } }'
        'layer { name: "relu" type: "ReLU" bottom: "x" top: "y" }'
    )
    one = Net(definition, cnnviz.TRAIN)
    one.blobs["x"].data[...] = [-1, 0, 2, 0, -3]
    (gradient,) = check_gradients(one).gradients
    assert (gradient.checked, gradient.kinks, gradient.error) == (3, 2, pytest.approx(0, abs=1e-5))


def test_large_numbers_take_large_steps(precision):
    definition = parse_net(
        'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 3 dim: 40 } } }'
        'layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y"'
        '  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }'
    )
    one = Net(definition, cnnviz.TRAIN, seed=1)
    one.blobs["x"].data[...] = np.random.default_rng(1).uniform(0, 255, (3, 40))
    assert check_gradients(one).passed


def test_one_layer_alone_and_an_unknown_one():
    assert {g.layer for g in check_gradients(net(), "scores").gradients} == {"scores"}
    with pytest.raises(NetError, match=r"^small.prototxt: .* no layer 'score'; did you mean 'scores'"):
        check_gradients(net(), "score")


def test_weights_and_inputs_of_a_net_are_used():
    mine = Net(net(), cnnviz.TRAIN, seed=1)
    for blob in mine.learnable_params:
        blob.data[...] = 0.0
    mine.blobs["x"].data[...] = 1.0
    report = check_gradients(mine)
    zero = next(g for g in report.gradients if (g.layer, g.blob) == ("ip", "bottom 0"))
    assert (zero.analytic, zero.numeric) == (0, 0)


def test_initial_loss_is_near_log_of_classes():
    (loss,) = check_initial_loss(net('weight_filler { type: "gaussian" std: 0.001 }'))
    assert loss.expected == pytest.approx(np.log(4))
    assert loss.ok and "as expected" in loss.to_text()
    (loss,) = check_initial_loss(net('weight_filler { type: "gaussian" std: 50 }'))
    assert not loss.ok and "check the fillers" in loss.to_text()


def test_one_batch_is_learned_by_heart_unless_nothing_can_be():
    good = overfit_small_sample(net(), rate=0.02, iterations=300)
    assert good.ok and good.last < 0.1 * good.first
    bad = overfit_small_sample(net(), rate=0.0, iterations=3)
    assert not bad.ok and bad.iterations == 3 and "should come near 0" in bad.to_text()
    with pytest.raises(NetError, match="no loss or no parameters"):
        overfit_small_sample(parse_net('layer { name: "x" type: "Input" top: "x" }'))


def test_command(tmp_path, monkeypatch):
    path = tmp_path / "small.prototxt"
    path.write_text(NET % XAVIER)
    result = CliRunner().invoke(cnnviz_command, ["check", str(path), "--layer", "relu"])
    assert result.exit_code == 0 and "All 1 gradients agree" in result.output
    result = CliRunner().invoke(cnnviz_command, ["check", str(path), "--overfit"])
    assert "initial loss" in result.output and "one batch" in result.output
    monkeypatch.setattr(ReLU, "backward", lambda self, top, down, bottom: bottom[0].fill_diff(7.0))
    assert CliRunner().invoke(cnnviz_command, ["check", str(path)]).exit_code == 1
