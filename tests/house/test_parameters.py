"""No function of the engine, of the formats or of pycaffe has more parameters than a reader can hold."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "cnnviz"
LIMIT = 8
# What has more, and why.
EXCEPTIONS = {
    "engine.net.Net.__init__": "pycaffe's constructor, and options by name",
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
    for room in ("engine", "formats", "pycaffe"):
        for path in (ROOT / room).rglob("*.py"):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            counts |= parameter_counts(ast.parse(path.read_text(encoding="utf-8")), module)
    assert len(counts) > 1000
    assert {name for name, count in counts.items() if count > LIMIT} == EXCEPTIONS.keys()


def test_parameters_are_counted():
    source = "class A:\n    def f(self, a, /, b, *c, d=1, **e):\n        def g(x): pass\n"
    assert parameter_counts(ast.parse(source), "m") == {"m.A.f": 3, "m.A.f.g": 1}
