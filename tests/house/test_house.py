"""The rules of the house that a reader of imports can keep."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cnnviz.analysis.deploy import FOREIGN_DATA_TYPES
from cnnviz.engine.layer import KINDS, Layer, layer_types
from cnnviz.plots.common.kinds import _FOREIGN_TYPES, _plain
from cnnviz.plots.common.theme import KIND_COLORS
from cnnviz.plots.graph.grouping import FOREIGN_FOLLOWERS
from support.files import ROOT
from support.rooms import ROOMS

# A module of the engine may import the floors before its own, and its own.
ENGINE = [
    {"device", "caches", "mappings", "opencl", "program_cache", "programs", "runtimes"},
    {"blob"},
    {"layer", "receptive_field"},
    {"ops", "data", "filler", "python_modules"},
    {"layers"},
    {"graph", "graph_layer", "backward_path", "net_state", "splits", "unknown_fields"},
    {"net", "built_net", "debug_info", "partial", "stand_ins", "weights_check"},
    {"labels", "scoring"},
    {"solver", "snapshots", "solver_nets", "update_rules"},
]
FAMILY = re.compile(r"cnnviz\.plots\.(common|graph|weights|features|training)\.")
FOLDERS = {"cnnviz": ROOT / "cnnviz", "cnnviz.gallery": ROOT / "gallery", "cnnviz.cli": ROOT / "cli"}


def modules() -> list[tuple[str, Path]]:
    return [
        (".".join([prefix, *path.relative_to(folder).with_suffix("").parts]), path)
        for prefix, folder in FOLDERS.items()
        for path in sorted(folder.rglob("*.py"))
    ]


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "cnnviz" and parts[1] in ROOMS else None


@pytest.mark.parametrize("module, path", modules(), ids=lambda value: str(value))
def test_imports_run_downhill(module, path):
    mine = room(module)
    if mine is None:
        return
    uphill = [n for n in imports(path) if room(n) and ROOMS.index(room(n)) > ROOMS.index(mine)]
    assert not uphill, f"{module} imports {uphill}"


def floor_name(module: str) -> str | None:
    """The module or package of the engine that a module, or a name in it, belongs to."""
    parts = module.split(".")
    return parts[2] if parts[:2] == ["cnnviz", "engine"] and parts[2:] not in ([], ["__init__"]) else None


def floor(module: str) -> int:
    return next(i for i, names in enumerate(ENGINE) if floor_name(module) in names)


@pytest.mark.parametrize("module, path", [(m, p) for m, p in modules() if floor_name(m)], ids=str)
def test_the_engine_runs_downhill(module, path):
    uphill = [n for n in imports(path) if floor_name(n) and floor(n) > floor(module)]
    assert not uphill, f"{module} imports {uphill}"


def test_every_floor_of_the_engine_is_there():
    there = {floor_name(module) for module, _ in modules()} - {None}
    assert sorted(name for names in ENGINE for name in names) == sorted(there)


def circles(graph: dict[str, set[str]]) -> set[tuple[str, ...]]:
    """The groups of modules that reach one another."""

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        pending = [start]
        while pending:
            new = graph[pending.pop()] - found
            found |= new
            pending += new
        return found

    reach = {module: reached(module) for module in graph}
    return {
        tuple(sorted({module} | {other for other in reach[module] if module in reach[other]}))
        for module in graph
        if module in reach[module]
    }


def test_no_modules_import_each_other():
    """Imports within functions count as well."""
    paths = {module.removesuffix(".__init__"): path for module, path in modules()}
    graph = {module: {n for n in imports(path) if n in paths} - {module} for module, path in paths.items()}
    for names in graph.values():  # "from package import module" names the package too
        names -= {n for n in names if any(other.startswith(f"{n}.") for other in names)}
    assert circles(graph) == set()


PUBLIC_IN_NAMEDTUPLE = {"_replace", "_fields", "_asdict", "_make"}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC_IN_NAMEDTUPLE


def own_names(tree: ast.Module) -> set[str]:
    """What a module defines: functions, classes, variables and attributes of its objects."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
    return names


def is_own_object(node: ast.expr) -> bool:
    """Whether ``node`` is self, cls or super()."""
    called = node.func if isinstance(node, ast.Call) else node
    return isinstance(called, ast.Name) and called.id in ("self", "cls", "super")


def borrowed_names(module: str, path: Path) -> list[str]:
    """The private names of other modules that a module uses; private modules of its own package are none."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    own, package, found = own_names(tree), module.rpartition(".")[0], []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in own:
            found += [] if is_own_object(node.value) else [ast.unparse(node)]
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("cnnviz"):
            names = [alias.name for alias in node.names] if node.module != package else []
            private_room = node.module.rpartition(".")[0] != package and "._" in node.module
            found += [f"{node.module}.{name}" for name in names if is_private(name) or private_room]
    return found


@pytest.mark.parametrize("module, path", modules(), ids=str)
def test_private_names_stay_in_their_module(module, path):
    assert borrowed_names(module, path) == []


def test_a_borrowed_private_name_is_found(tmp_path):
    (tmp_path / "a.py").write_text(
        "from cnnviz.engine.net import _collect\nfrom cnnviz.engine.layers._shape import View\n"
        "class A:\n    def f(self, net, other):\n        self._mine = net._nodes\n"
        "        return other._mine, self._inherited, super()._index(0), net.graph._replace()\n"
    )
    expected = ["cnnviz.engine.net._collect", "cnnviz.engine.layers._shape.View", "net._nodes"]
    assert borrowed_names("cnnviz.engine.a", tmp_path / "a.py") == expected
    assert borrowed_names("cnnviz.engine.layers.a", tmp_path / "a.py") == [expected[0], expected[2]]


def test_one_module_imports_pyopencl():
    knowing = [m for m, path in modules() if any(n.split(".")[0] == "pyopencl" for n in imports(path))]
    assert knowing == ["cnnviz.engine.opencl"]


def test_no_family_of_plots_imports_another():
    for module, path in modules():
        family = FAMILY.match(module)
        for other in map(FAMILY.match, imports(path)) if family else ():
            assert not other or other[1] in (family[1], "common"), f"{module} imports {other.string}"


def test_matplotlib_only_in_plots():
    knowing = [m for m, path in modules() if any(n.split(".")[0] == "matplotlib" for n in imports(path))]
    assert all(room(m) == "plots" for m in knowing), knowing


def test_layers_import_neither_each_other_nor_net():
    for module, path in modules():
        if not module.startswith("cnnviz.engine.layers."):
            continue
        for name in imports(path):
            assert not name.startswith("cnnviz.engine.net"), module
            assert not name.startswith("cnnviz.engine.graph"), module
            if name.startswith("cnnviz.engine.layers."):
                assert name.split(".")[3].startswith("_"), f"{module} imports {name}"


def run_python(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")


def test_import_brings_neither_opencl_nor_matplotlib():
    code = "import sys, cnnviz; print(sorted({'pyopencl', 'matplotlib', 'numpy'} & set(sys.modules)))"
    assert run_python(code).stdout.strip() == "[]"


def test_help_brings_no_heavy_module():
    code = (
        "import sys\nfrom cnnviz.cli.main import cnnviz_command\n"
        "cnnviz_command.main(['--help'], standalone_mode=False)\n"
        "print(sorted({'pyopencl', 'matplotlib', 'numpy', 'google.protobuf'} & set(sys.modules)))"
    )
    assert run_python(code).stdout.strip().endswith("[]")


def test_drawing_and_plotting_need_no_opencl():
    code = (
        "import sys\nsys.modules['pyopencl'] = None\n"
        "import cnnviz\n"
        "cnnviz.draw_net, cnnviz.plot_weights, cnnviz.plot_training_log\n"
        "cnnviz.read_net, cnnviz.read_weights\n"
        "from cnnviz.engine.graph import build_graph\nfrom cnnviz.formats.prototxt import parse_net\n"
        'g = build_graph(parse_net(\'layer { name: "a" type: "Input" top: "a" '
        "input_param { shape { dim: 2 } } }'))\nprint(g.shapes)"
    )
    result = run_python(code)
    assert result.stdout.strip() == "{'a': (2,)}", result.stderr


def test_charts_of_logs_load_nothing_of_the_engine(tmp_path):
    (tmp_path / "run.log").write_text("Iteration 0, loss = 2\nIteration 1, loss = 1\n")
    code = (
        "import sys, cnnviz\n"
        f"cnnviz.plot_training_log(6, {str(tmp_path / 'run.log')!r}, {str(tmp_path / 'a.svg')!r})\n"
        "print([name for name in sys.modules if name.startswith(('cnnviz.engine', 'google.protobuf'))])"
    )
    result = run_python(code)
    assert result.stdout.strip() == "[]", result.stderr


def test_tables_need_no_matplotlib(tmp_path):
    (tmp_path / "run.log").write_text("Iteration 0, loss = 2\nIteration 1, loss = 1\n")
    code = (
        "import sys, numpy as np\nfrom cnnviz.api.training import write_chart\n"
        "from cnnviz.api.weights import weights_report\n"
        f"write_chart(6, {str(tmp_path / 'run.log')!r}, {str(tmp_path / 'a.csv')!r})\n"
        "print(len(weights_report(None, {'conv': [np.ones((4, 1, 3, 3), np.float32)]}).layers))\n"
        "print('matplotlib' in sys.modules)"
    )
    result = run_python(code)
    assert result.stdout.split() == ["1", "False"], result.stderr


def test_drawing_as_svg_or_page_needs_no_matplotlib(tmp_path):
    code = (
        "import sys, cnnviz\nfrom cnnviz.formats.prototxt import parse_net\n"
        'net = parse_net(\'layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 2 } } }\')\n'
        f"for end in ('svg', 'html'): cnnviz.draw_net(net, {str(tmp_path / 'net.')!r} + end)\n"
        "print('matplotlib' in sys.modules)"
    )
    result = run_python(code)
    assert result.stdout.strip() == "False", result.stderr


def test_no_opencl_is_one_sentence():
    code = (
        "import sys\nsys.modules['pyopencl'] = None\nsys.argv = ['cnnviz', 'devices']\n"
        "from cnnviz.cli.main import main\nmain()"
    )
    result = run_python(code)
    assert result.returncode == 1
    assert result.stderr.startswith("Error: ") and 'pip install "cnnviz[cpu]"' in result.stderr


# Lists of layer types outside engine/layers, and why they are no facts about the types themselves.
LISTS_OF_TYPES = {
    "cnnviz.formats.upgrade": "spellings of the files of V0 and V1",
    "cnnviz.analysis.detections": "names of the parameter messages",
    "cnnviz.pycaffe.coord_map": "types for which pycaffe's net_spec has a window",
    "cnnviz.pycaffe.draw": "colours as pycaffe's own",
}


def literals(node: ast.AST) -> list[ast.expr | None]:
    if isinstance(node, ast.Set | ast.Tuple | ast.List):
        return list(node.elts)
    return [*node.keys, *node.values] if isinstance(node, ast.Dict) else []


def lists_of_types(path: Path) -> list[str]:
    """The collections in a file of three or more types that have a class."""
    known = layer_types().keys()
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        named = {e.value for e in literals(node) if isinstance(e, ast.Constant) and e.value in known}
        if len(named) >= 3:
            found.append(f"line {node.lineno}: {', '.join(sorted(named)[:5])}")
    return found


def test_what_a_type_is_stands_on_its_class():
    found = {
        module: lists_of_types(path)
        for module, path in modules()
        if not module.startswith("cnnviz.engine.layers.")
    }
    listing = {module: lines for module, lines in found.items() if lines}
    assert {module: lines for module, lines in listing.items() if module not in LISTS_OF_TYPES} == {}
    assert listing.keys() == LISTS_OF_TYPES.keys(), "an exception is not needed any more"


@pytest.mark.parametrize("type", layer_types())
def test_every_layer_type_says_what_it_is(type):
    layer = layer_types()[type]
    assert layer.kind in KINDS and any("kind" in base.__dict__ for base in layer.__mro__ if base is not Layer)
    assert "Top:" in (layer.__doc__ or "") or layer.num_top[1] == 0
    assert layer.size_bottom is None or 0 < layer.size_bottom < (layer.num_bottom[1] or 99)
    assert not layer.follows or layer.num_bottom[0] == 1


def test_every_kind_has_a_colour():
    assert set(KIND_COLORS) == set(KINDS)


def test_foreign_types_have_no_class():
    foreign = {name for names in _FOREIGN_TYPES.values() for name in names.split()} | {
        name.lower() for name in (*FOREIGN_FOLLOWERS, *FOREIGN_DATA_TYPES)
    }
    assert not foreign & {_plain(name) for name in layer_types()}
