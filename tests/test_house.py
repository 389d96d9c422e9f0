"""The rules of the house that a reader of imports can keep."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# A room may import the rooms before it.
ROOMS = ["errors", "formats", "engine", "analysis", "plots", "pycaffe", "gallery", "cli"]
ENGINE = ["device", "blob", "layer", "layers", "graph", "net", "solver"]
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


def test_only_device_and_blob_know_pyopencl():
    knowing = [m for m, path in modules() if any(n.split(".")[0] == "pyopencl" for n in imports(path))]
    assert set(knowing) <= {"cnnviz.engine.device", "cnnviz.engine.blob"}


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
