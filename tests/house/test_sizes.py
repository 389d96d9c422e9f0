"""The sizes of functions and files: short enough to be read at a glance, or with a reason."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

import pytest

from support.files import ROOT

FILES = [path for folder in ("cnnviz", "cli", "gallery") for path in sorted((ROOT / folder).rglob("*.py"))]
MOST_LINES = 400
# A module of more lines says in its docstring why it is not cut in two.
REASON = "One module"


def functions(path: Path) -> list[ast.FunctionDef]:
    return [
        n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.FunctionDef)
    ]


def code_lines(function: ast.FunctionDef) -> int:
    """The lines of a function without its docstring."""
    first = function.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    whole = (function.end_lineno or 0) - function.lineno + 1
    return whole - ((first.end_lineno or 0) - first.lineno + 1) * is_docstring


def test_functions_are_short():
    lengths = sorted(code_lines(function) for path in FILES for function in functions(path))
    assert statistics.median(lengths) <= 6
    assert lengths[int(0.95 * len(lengths))] <= 21


def test_the_lines_of_a_function_are_counted():
    tree = ast.parse('def f():\n    """Two\n    lines."""\n    a = 1\n    return a\n')
    assert isinstance(tree.body[0], ast.FunctionDef) and code_lines(tree.body[0]) == 3


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_long_file_has_a_reason(path):
    text = path.read_text(encoding="utf-8")
    words = ast.get_docstring(ast.parse(text)) or ""
    assert (text.count("\n") > MOST_LINES) == (REASON in words), f"{path} has {text.count(chr(10))} lines"
