"""Solvers as text, and where their nets are found."""

from __future__ import annotations

import pytest

from cnnviz.errors import FileError, NetError
from cnnviz.formats.nets import open_net
from cnnviz.formats.prototxt import (
    parse_net,
    parse_solver,
    read_prototxt,
    read_solver,
)

LAYER = 'layer { name: "a" type: "Input" top: "a" }\n'


def test_a_solver_finds_its_net(tmp_path, monkeypatch):
    (tmp_path / "examples/mnist").mkdir(parents=True)
    net = tmp_path / "examples/mnist/net.prototxt"
    net.write_text(LAYER)
    solver = tmp_path / "examples/mnist/solver.prototxt"
    solver.write_text('net: "examples/mnist/net.prototxt"\nsolver_mode: CPU\n')
    monkeypatch.chdir(tmp_path)
    definition = read_solver("examples/mnist/solver.prototxt")
    assert definition.proto.net == "examples/mnist/net.prototxt"  # as written
    assert definition.resolve("examples/mnist/net.prototxt") == "examples/mnist/net.prototxt"
    monkeypatch.chdir("/")
    definition = read_solver(solver)
    assert definition.resolve("examples/mnist/net.prototxt") == str(net)
    assert definition.resolve("net.prototxt") == str(net)
    assert definition.resolve("absent.prototxt") == "absent.prototxt"
    assert definition.net().layer[0].name == "a"
    assert open_net(solver).layer[0].name == "a"


def test_a_net_inside_a_solver(tmp_path):
    text = 'base_lr: 0.1\nnet_param {\n  name: "n"\n  layers { name: "a" type: RELU strange: 1 }\n}\n'
    net = parse_solver(text, "solver.prototxt").net()
    assert (net.name, net.layer[0].type, net.lines, net.where(0)) == ("n", "ReLU", [4], "solver.prototxt:4")
    assert [(u.path, u.line) for u in net.unknown] == [("layer[0].strange", 4)]


def test_a_solver_without_a_net():
    with pytest.raises(NetError, match='the solver names no net; add net: "FILE"'):
        parse_solver("base_lr: 0.1", "s.prototxt").net()


@pytest.mark.parametrize("name", ["models/absent.prototxt", r"models\\absent.prototxt"])
def test_a_net_that_is_not_there_is_named_with_its_solver(name):
    with pytest.raises(
        FileError, match=r"s\.prototxt: its net 'models.*absent\.prototxt' is not there"
    ) as error:
        parse_solver(f'net: "{name}"', "s.prototxt").net()
    assert ("Write the path with '/'" in str(error.value)) == ("\\" in name)


def test_nets_and_solvers_are_distinguished(tmp_path):
    with pytest.raises(NetError, match=r"s.prototxt:1: this is a solver definition, not a net"):
        parse_net('net: "x"\nbase_lr: 0.1', "s.prototxt")
    with pytest.raises(
        NetError, match=r'n.prototxt:2: this is a net definition, not a solver.*net: "n.prototxt"'
    ):
        parse_solver('name: "x"\n' + LAYER, "n.prototxt")
    for text, kind in ((LAYER, "NetDefinition"), ('net: "x"', "SolverDefinition")):
        (tmp_path / "f").write_text(text)
        assert type(read_prototxt(tmp_path / "f")).__name__ == kind
