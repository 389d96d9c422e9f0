"""No function has more parameters than a reader can hold; options travel as values."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 8
# What has more, and why.
EXCEPTIONS = {
    "cnnviz.engine.net.Net.__init__": "pycaffe's constructor, and options by name",
    "cnnviz.api.compare.plot_weight_difference": "a public function of keywords",
    "cnnviz.api.features.plot_features": "a public function of keywords",
    "cnnviz.api.filmstrip.plot_weight_filmstrip": "a public function of keywords",
    "cnnviz.api.graph.draw_net": "a public function of keywords",
    "cnnviz.api.training.plot_training_log": "a public function of keywords",
    "cnnviz.api.weights.plot_weights": "a public function of keywords",
    "gallery.page.build_gallery": "a public function of keywords",
}


def parameter_counts(tree: ast.Module, module: str) -> dict[str, int]:
    """The parameters of each function, without self and cls."""
    counts: dict[str, int] = {}

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            name = f"{prefix}.{child.name}" if isinstance(child, ast.FunctionDef | ast.ClassDef) else prefix
            if isinstance(child, ast.FunctionDef):
                given = child.args
                names = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
                counts[name] = len(names) - (names[:1] in (["self"], ["cls"]))
            visit(child, name)

    visit(tree, module)
    return counts


def test_no_function_has_too_many_parameters():
    counts: dict[str, int] = {}
    for folder in ("cnnviz", "cli", "gallery"):
        for path in (ROOT / folder).rglob("*.py"):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            counts |= parameter_counts(ast.parse(path.read_text(encoding="utf-8")), module)
    assert len(counts) > 2000
    assert {name for name, count in counts.items() if count > LIMIT} == EXCEPTIONS.keys()


def test_parameters_are_counted():
    source = "class A:\n    def f(self, a, /, b, *c, d=1, **e):\n        def g(x): pass\n"
    assert parameter_counts(ast.parse(source), "m") == {"m.A.f": 3, "m.A.f.g": 1}
