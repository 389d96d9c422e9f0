"""What no drawn net may have: overlapping boxes, lines through boxes, text outside its box."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cnnviz.plots.common.text import text_width
from cnnviz.plots.graph.scene import Scene, Words

STEPS = np.linspace(0, 1, 17)[1:, None]  # along each piece of a line
TOUCH = 0.3  # pixels that do not count


def points_along(commands) -> np.ndarray:
    """Points along a line, close to each other."""
    place, pieces = np.zeros(2), []
    for name, *values in commands:
        ends = np.array(values).reshape(-1, 2)
        if name == "L":
            pieces.append(place + (ends[0] - place) * STEPS)
        elif name == "C":
            t, u = STEPS, 1 - STEPS
            pieces.append(u**3 * place + 3 * u * u * t * ends[0] + 3 * u * t * t * ends[1] + t**3 * ends[2])
        place = ends[-1]
    return np.concatenate(pieces) if pieces else np.zeros((0, 2))


def scene_faults(scene: Scene) -> Iterator[str]:
    """Yields what is wrong in the picture, in words."""
    yield from _overlaps(scene)
    yield from _hits(scene)
    yield from _words(scene)
    yield from _outside(scene)


def _bounds(parts) -> np.ndarray:
    """Left, top, right and bottom of each part."""
    return np.array([part.bounds for part in parts], float).reshape(-1, 4)


def _overlaps(scene: Scene) -> Iterator[str]:
    sides = _bounds(scene.nodes)
    for i, (left, top, right, bottom) in enumerate(sides):
        rest = sides[i + 1 :]
        over = (rest[:, 0] < right - TOUCH) & (rest[:, 2] > left + TOUCH)
        over &= (rest[:, 1] < bottom - TOUCH) & (rest[:, 3] > top + TOUCH)
        for j in np.nonzero(over)[0]:
            yield f"the boxes {scene.nodes[i].name} and {scene.nodes[i + 1 + j].name} overlap"


def _hits(scene: Scene) -> Iterator[str]:
    frames = [frame for frame in scene.frames if frame.pile]
    sides = _bounds([*scene.nodes, *frames])
    keys = [part.key for part in (*scene.nodes, *frames)]
    around = {key: {key} for key in keys}
    for frame in frames:
        left, top, right, bottom = _bounds([frame])[0]
        for node in scene.nodes:
            if left <= node.x <= right and top <= node.y <= bottom:
                around[node.key].add(frame.key)
    for link in scene.links:
        points = points_along(link.commands)[:, :, None]
        inside = (points[:, 0] > sides[:, 0] + TOUCH) & (points[:, 0] < sides[:, 2] - TOUCH)
        inside &= (points[:, 1] > sides[:, 1] + TOUCH) & (points[:, 1] < sides[:, 3] - TOUCH)
        for i in np.nonzero(inside.any(axis=0))[0]:
            if keys[i] not in around[link.source] | around[link.target]:
                yield f"the line {link.source} to {link.target} runs through {keys[i]}"


def _words(scene: Scene) -> Iterator[str]:
    for part in (*scene.nodes, *scene.frames):
        for item in part.primitives():
            if not isinstance(item, Words):
                continue
            right = item.x + text_width(item.text, item.size, item.bold)
            if item.x < part.x or right > part.x + part.width or item.y > part.y + part.height:
                yield f"{item.text!r} leaves the box {part.key}"
    for item in scene.extras:
        if isinstance(item, Words) and item.x + text_width(item.text, item.size, item.bold) > scene.width:
            yield f"{item.text!r} leaves the picture"


def _outside(scene: Scene) -> Iterator[str]:
    sides = _bounds([*scene.nodes, *scene.frames])
    if len(sides) and (sides.min() < 0 or (sides[:, 2:].max(axis=0) > (scene.width, scene.height)).any()):
        yield "a box leaves the picture"
    for link in scene.links:
        points = points_along(link.commands)
        if len(points) and (points.min() < 0 or (points.max(axis=0) > (scene.width, scene.height)).any()):
            yield f"the line {link.source} to {link.target} leaves the picture"
