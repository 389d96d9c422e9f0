"""The table of activation functions: its formulas are those of the layers, and its figure shows them."""

import matplotlib.colors
import numpy as np
import pytest
from click.testing import CliRunner

import cnnviz
from cnnviz.analysis.activation_functions import ACTIVATION_FUNCTIONS
from cnnviz.cli.main import cnnviz_command
from cnnviz.engine.device import get_device
from cnnviz.engine.net import Net
from cnnviz.errors import DeviceError
from cnnviz.formats.prototxt import parse_net
from cnnviz.plots.activation_functions import activation_functions_figure
from cnnviz.plots.common.theme import get_theme

X = np.linspace(-4, 4, 36).reshape(2, 18)


def device():
    try:
        return get_device().with_dtype(np.float64)
    except DeviceError:
        pytest.skip("the device has no double precision")


@pytest.mark.parametrize("row", ACTIVATION_FUNCTIONS, ids=lambda row: row.name)
def test_layers_compute_the_table(row):
    net = Net(
        parse_net(
            f"""force_backward: true
            layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: 2 dim: 18 }} }} }}
            layer {{ name: "l" {row.layer} bottom: "x" top: "y" }}"""
        ),
        cnnviz.TEST,
        device=device(),
    )
    want, want_slope = (np.maximum(0, X), row.slope(X)) if row.is_random else (row.f(X), row.slope(X))
    np.testing.assert_allclose(net.forward(x=X)["y"], want, rtol=1e-6, atol=1e-6)
    slope = net.backward(y=np.ones_like(X))["x"]
    usable = ~np.isnan(want)  # the derivative means nothing where the function has no value
    np.testing.assert_allclose(slope[usable], want_slope[usable], rtol=1e-6, atol=1e-6)


def test_slopes_are_the_derivatives_of_the_functions():
    x, step = np.linspace(-3.97, 3.95, 41), 1e-6
    for row in ACTIVATION_FUNCTIONS:
        if not row.is_random:
            difference = (row.f(x + step) - row.f(x - step)) / (2 * step)
            np.testing.assert_allclose(row.slope(x), difference, atol=1e-5, err_msg=row.name)


def test_each_panel_has_both_curves_and_both_formulas():
    rows = ACTIVATION_FUNCTIONS
    figure = activation_functions_figure(rows, "dark")
    assert len(figure.axes) == len(rows)
    for axes, row in zip(figure.axes, rows, strict=True):
        texts = [text.get_text() for text in axes.texts]
        assert texts == [row.name, f"$f={row.formula}$", f"$f'={row.slope_formula}$"]
        curves = {line.get_label(): line for line in axes.lines}
        x, y = curves["f"].get_data()
        known = ~np.isnan(y)
        np.testing.assert_array_equal(y[known], row.f(x)[known])
        assert curves["slope"].get_linestyle() == "--"
    assert matplotlib.colors.to_hex(figure.get_facecolor()).upper() == get_theme("dark").background


def test_command_writes_the_figure(tmp_path):
    out = tmp_path / "table.svg"
    result = CliRunner().invoke(cnnviz_command, ["activations", str(out)])
    assert result.exit_code == 0, result.output
    assert result.output == f"Wrote {out}\n"
    assert "Bent identity" in out.read_text()
