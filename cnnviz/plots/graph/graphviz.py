"""The layout of an installed Graphviz, in the form of cnnviz's own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable

from cnnviz.errors import MissingDependencyError
from cnnviz.plots.graph.layout import BOX_GAP, RANK_GAP, Layout, Node, Point, Route, Sizes

POINTS_PER_INCH = 72
TIMEOUT = 120  # seconds


def dot_layout(
    sizes: Sizes,
    edges: Iterable[tuple[Node, Node]],
    direction: str = "TB",
) -> Layout:
    """Returns where Graphviz's dot places the boxes; arguments as for ``layered_layout``.

    Only numbers go to dot: boxes are called n0, n1 and so on.

    Raises: MissingDependencyError if Graphviz is not installed or fails.
    """
    program = shutil.which("dot")
    if program is None:
        raise MissingDependencyError(
            "layout dot needs Graphviz's program 'dot', which is not on the PATH; "
            "install Graphviz, or use layout own."
        )
    nodes = list(sizes)
    number = {node: i for i, node in enumerate(nodes)}
    pairs = list(dict.fromkeys(edges))
    lines = [f"digraph {{ rankdir={direction}; nodesep={BOX_GAP / POINTS_PER_INCH:.3f};"]
    lines.append(f'ranksep={RANK_GAP / POINTS_PER_INCH:.3f}; node [shape=box, fixedsize=true, label=""];')
    for node, (width, height) in sizes.items():
        size = f"width={width / POINTS_PER_INCH:.4f}, height={height / POINTS_PER_INCH:.4f}"
        lines.append(f"n{number[node]} [{size}];")
    lines += [f"n{number[a]} -> n{number[b]} [arrowhead=none];" for a, b in pairs]
    return _parse(_run(program, "\n".join([*lines, "}"])), nodes, pairs)


def _run(program: str, text: str) -> str:
    try:
        done = subprocess.run(
            [program, "-Tplain"], input=text, capture_output=True, text=True, timeout=TIMEOUT, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise MissingDependencyError(
            f"Graphviz's program {program} failed ({error}); use layout own."
        ) from None
    return done.stdout


def _parse(text: str, nodes: list[Node], pairs: list[tuple[Node, Node]]) -> Layout:
    """Reads dot's plain format: inches, y upwards; an edge is a chain of Bezier curves."""
    width = height = 0.0
    centers: dict[Node, Point] = {}
    curves: dict[tuple[str, str], tuple[Point, ...]] = {}
    for line in text.replace("\\\n", "").splitlines():
        word, *rest = line.split()
        if word == "graph":
            width, height = (float(value) * POINTS_PER_INCH for value in rest[1:3])
        elif word == "node":
            x, y = (float(value) * POINTS_PER_INCH for value in rest[1:3])
            centers[nodes[int(rest[0][1:])]] = (x, height - y)
        elif word == "edge":
            values = [float(value) * POINTS_PER_INCH for value in rest[3 : 3 + 2 * int(rest[2])]]
            points = zip(values[::2], values[1::2], strict=True)
            curves[rest[0], rest[1]] = tuple((x, height - y) for x, y in points)
    number = {node: f"n{i}" for i, node in enumerate(nodes)}
    routes = tuple(Route(a, b, curves[number[a], number[b]], bezier=True) for a, b in pairs)
    return Layout(centers, routes, width, height)
