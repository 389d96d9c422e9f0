"""Boxes of detectors, on the host: arrays (n, 4) of xmin, ymin, xmax, ymax."""

from __future__ import annotations

import numpy as np

from cnnviz.formats.schema import PriorBoxParameter

CORNER, CENTER_SIZE, CORNER_SIZE = (
    PriorBoxParameter.CORNER,
    PriorBoxParameter.CENTER_SIZE,
    PriorBoxParameter.CORNER_SIZE,
)


def _centers(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns centres and sizes, (n, 2) each."""
    return (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]


def around(middles: np.ndarray | float, sizes: np.ndarray) -> np.ndarray:
    """Returns the boxes (..., 4) with these middles and sizes, (..., 2) each."""
    return np.concatenate([middles - sizes / 2, middles + sizes / 2], axis=-1)


def decode(codes: np.ndarray, priors: np.ndarray, variances: np.ndarray, code_type: int) -> np.ndarray:
    """Returns the boxes that ``codes`` say relative to the priors.

    Args:
        codes: (n, 4) predictions.
        variances: (n, 4) factors of the codes; ones where the codes hold them already.
        code_type: CORNER: offsets of the corners; CENTER_SIZE: of the centre in the prior's size, and
            the size's logarithm; CORNER_SIZE: of the corners in the prior's size.
    """
    scaled = codes * variances
    center, size = _centers(priors)
    if code_type == CORNER:
        return priors + scaled
    if code_type == CORNER_SIZE:
        return priors + scaled * np.tile(size, 2)
    return around(center + scaled[:, :2] * size, np.exp(scaled[:, 2:]) * size)


def encode(boxes: np.ndarray, priors: np.ndarray, variances: np.ndarray, code_type: int) -> np.ndarray:
    """Returns the codes of ``boxes``: the inverse of ``decode``."""
    center, size = _centers(priors)
    if code_type == CORNER:
        return (boxes - priors) / variances
    if code_type == CORNER_SIZE:
        return (boxes - priors) / np.tile(size, 2) / variances
    middle, box_size = _centers(boxes)
    return np.hstack([(middle - center) / size, np.log(box_size / size)]) / variances


def areas(boxes: np.ndarray) -> np.ndarray:
    """Returns the boxes' areas, 0 for one whose corners are exchanged."""
    return np.prod(np.maximum(boxes[..., 2:] - boxes[..., :2], 0), axis=-1)


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns intersection over union (n, m) of boxes a (n, 4) with boxes b (m, 4)."""
    shared = np.ones((len(a), len(b)))
    for low, high in ((0, 2), (1, 3)):
        side = np.minimum(a[:, None, high], b[None, :, high]) - np.maximum(a[:, None, low], b[None, :, low])
        shared *= np.maximum(side, 0)
    union = areas(a)[:, None] + areas(b)[None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


_BLOCK = 64  # boxes that are compared with all others at once


def greedy(
    boxes: np.ndarray, threshold: float, limit: int = -1, *, pixel: float = 0.0, equal: bool = False
) -> np.ndarray:
    """Returns the indices of the boxes that remain: greedy non-maximum suppression.

    Args:
        boxes: (n, 4), the best first.
        threshold: a box that overlaps a kept one by more is dropped.
        limit: how many are kept at most, -1 for no limit.
        pixel: what is added to widths and heights: 1 where corners are pixels that belong to the box.
        equal: whether an overlap of just the threshold drops a box, too.
    """
    grown = boxes + np.array([0, 0, pixel, pixel])
    kept: list[int] = []
    rest = np.arange(len(boxes))
    while len(rest) and len(kept) != limit:
        block, rest = rest[:_BLOCK], rest[_BLOCK:]
        chosen = block[_first_come(_drops(grown[block], grown[block], threshold, equal))]
        chosen = chosen if limit < 0 else chosen[: limit - len(kept)]
        kept += chosen.tolist()
        rest = rest[~_drops(grown[chosen], grown[rest], threshold, equal).any(axis=0)]
    return np.array(kept, int)


def _drops(a: np.ndarray, b: np.ndarray, threshold: float, equal: bool) -> np.ndarray:
    """Returns whether each of the boxes a (n, 4) drops each of the boxes b (m, 4)."""
    overlap = overlaps(a, b)
    return np.asarray(overlap >= threshold if equal else overlap > threshold)


def _first_come(drops: np.ndarray) -> list[int]:
    """Returns which of some boxes remain, where each that remains drops others after it."""
    alive, chosen = np.ones(len(drops), bool), []
    for index, row in enumerate(drops):
        if alive[index]:
            chosen.append(index)
            alive &= ~row
    return chosen


def suppress(
    boxes: np.ndarray, scores: np.ndarray, least_score: float, threshold: float, eta: float, top_k: int
) -> list[int]:
    """Returns the indices of the boxes that remain, best first: greedy non-maximum suppression.

    Args:
        least_score: only scores above it take part.
        threshold: a box that overlaps a better one by more is dropped.
        eta: factor of the threshold after each box kept, while it is above 0.5.
        top_k: most boxes that take part, -1 for all.
    """
    order = np.flatnonzero(scores > least_score)
    order = order[np.argsort(-scores[order], kind="stable")]
    if top_k > -1:
        order = order[:top_k]
    if eta == 1:
        return [int(index) for index in order[greedy(boxes[order], threshold)]]
    kept: list[int] = []
    for index in order:
        if kept and overlaps(boxes[index : index + 1], boxes[kept]).max() > threshold:
            continue
        kept.append(int(index))
        if threshold > 0.5:
            threshold *= eta
    return kept


def match(
    truths: np.ndarray, priors: np.ndarray, threshold: float | None, usable: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Assigns priors to true boxes.

    Every true box gets the prior that overlaps it most (the largest overlap first, each prior once);
    with a ``threshold`` each other prior gets the true box it overlaps most, if by so much.

    Args:
        usable: which priors may be assigned.

    Returns:
        For each prior the index of its true box or -1, and its largest overlap with any.
    """
    table = overlaps(priors, truths)
    table[~usable] = 0
    best = table.max(axis=1, initial=0)
    matched = np.full(len(priors), -1)
    pool = table.copy()
    for _ in range(len(truths)):
        prior, truth = np.unravel_index(pool.argmax(), pool.shape)
        if not pool[prior, truth] > 1e-6:
            break
        matched[prior] = truth
        pool[prior] = -1
        pool[:, truth] = -1
    if threshold is not None and len(truths):
        free = (matched < 0) & usable & (best >= threshold) & (best > 1e-6)
        matched[free] = table[free].argmax(axis=1)
    return matched, best
