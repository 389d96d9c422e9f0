"""Filters taken out of weights, and what can be measured of them: noise, likeness, rank, order."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cnnviz.engine.graph import Graph
from cnnviz.engine.layer import traits_of
from cnnviz.errors import CnnvizError, did_you_mean

Weights = Mapping[str, Sequence[np.ndarray]]
ORDERS = ("file", "norm", "similarity")

GATES = ("input", "forget", "output", "candidate")  # of an LSTM, in the order of its rows
_LARGEST_WINDOW = 11  # a (1, 1, H, W) blob of unknown type up to this size is taken for a convolution
_BLOCK = 1024  # rows of cosines worked out at once
_MOST_ROWS = 8192  # whose cosines are kept all together: 256 MB
_MOST_RANK = 1024  # rows of the matrices whose singular values are worked out
_MOST_PRODUCTS = 4e10  # multiply-adds spent on the cosines of one layer before columns are omitted


@dataclass(frozen=True, eq=False)
class FilterBank:
    """The filters of one layer: what each of its outputs weighs its inputs with.

    Attributes:
        layer: its name.
        blob: the index of the parameter blob.
        type: the layer's type, None if neither net nor file names it.
        group: groups of filters that read different channels.
        filters: (N, C, H, W) for windows, (N, D) for a fully connected layer; N counts outputs. Of windows
            of more axes (volumes) C counts the slices of all channels, those of a channel side by side.
        reads: (C, H, W) of what a row of a fully connected or recurrent layer reads, None if unknown.
        shape: the blob's shape in the file.
        role: Caffe's name of a recurrent layer's blob, e.g. "W_hc"; "" for other layers.
        depth: the sides of windows before the last two: (D,) for volumes, () for images.
        is_first: whether it is the first convolution of the file and reads images, which may have colours.
    """

    layer: str
    blob: int
    type: str | None
    group: int
    filters: np.ndarray
    reads: tuple[int, int, int] | None
    shape: tuple[int, ...]
    role: str = ""
    depth: tuple[int, ...] = ()
    is_first: bool = False

    @property
    def filter_shape(self) -> tuple[int, ...]:
        """The shape of one filter: (C, H, W), (C, D, H, W) or (D,)."""
        channels, *window = self.filters.shape[1:]
        return (channels // math.prod(self.depth), *self.depth, *window)

    @property
    def title(self) -> str:
        return self.layer if self.blob == 0 else f"{self.layer}[{self.blob}]"

    @property
    def is_windows(self) -> bool:
        return self.filters.ndim == 4

    @property
    def has_area(self) -> bool:
        """Whether filters are windows of more than one weight per channel."""
        return self.is_windows and math.prod(self.filters.shape[2:]) > 1

    @property
    def reads_area(self) -> bool:
        """Whether a row of a matrix is multiplied with something that has height and width."""
        return self.reads is not None and min(self.reads[1:]) > 1

    @property
    def bands(self) -> tuple[str, ...]:
        """What equal parts of the filters are: the gates of an LSTM; nothing for other layers."""
        return GATES if self.type == "LSTM" and self.role and len(self.filters) % len(GATES) == 0 else ()


def filter_banks(weights: Weights, graph: Graph | None = None) -> list[FilterBank]:
    """Returns every blob of ``weights`` that holds filters: those with two or more axes.

    Args:
        weights: for each layer name its blobs. its ``layer_types``, if there, give types.
        graph: the net; gives types, groups and what fully connected layers read.
    """
    nodes = {node.name: node for node in graph.layers} if graph else {}
    types = getattr(weights, "layer_types", None) or {}
    banks = []
    for layer, blobs in weights.items():
        node = nodes.get(layer)
        kind = (node.type if node else types.get(layer)) or None
        roles = _roles(kind, len(blobs))
        for index, blob in enumerate(blobs):
            if blob is None:  # shared with an earlier layer, which has it
                continue
            array = _without_padding(np.asarray(blob), kind, index)
            if array.ndim < 2 or array.size == 0:
                continue
            group = _group(node) if index == 0 else 1
            filters = _as_filters(array, kind, group)
            if node and node.param.inner_product_param.transpose:
                filters = filters.T
            reads = _reads(node, filters) if index == 0 else None
            depth = array.shape[2:-2]
            banks.append(
                FilterBank(layer, index, kind, group, filters, reads, blob.shape, roles[index], depth)
            )
    first = next((i for i, bank in enumerate(banks) if bank.is_windows), None)
    if first is not None and not banks[first].depth:
        banks[first] = replace(banks[first], is_first=True)
    return banks


def _roles(kind: str | None, count: int) -> tuple[str, ...]:
    """The names of ``count`` blobs; one more than usual are a recurrent layer's with a static bottom."""
    roles = traits_of(kind).roles
    if roles and count == len(roles) + 1:
        roles = (*roles[:2], f"{roles[0]}_static", *roles[2:])
    return roles if len(roles) == count else ("",) * count


def _without_padding(array: np.ndarray, kind: str | None, index: int) -> np.ndarray:
    """Takes off the leading ones by which old files make every blob four axes long."""
    if array.ndim != 4 or array.shape[:2] != (1, 1):
        return array
    height, width = array.shape[2:]
    is_window = index == 0 and traits_of(kind).kind == "convolution"
    if is_window or (kind is None and 1 < height <= _LARGEST_WINDOW and width <= _LARGEST_WINDOW):
        return array
    return array.reshape(array.shape[2:] if height > 1 else array.shape[3:])


def _group(node: Any) -> int:
    group = node.param.convolution_param.group if node and node.param.HasField("convolution_param") else 1
    return max(1, group)


def _as_filters(array: np.ndarray, kind: str | None, group: int) -> np.ndarray:
    """Returns (N, C, H, W) or (N, D) with the layer's outputs first."""
    if array.ndim == 2:
        return array
    if kind == "Deconvolution" and array.shape[0] % group == 0:
        # Stored as (C, N / group, ...): the bottom's channels come first.
        array = array.reshape(group, array.shape[0] // group, *array.shape[1:]).swapaxes(1, 2)
        array = array.reshape(-1, *array.shape[2:])
    if array.ndim == 3:
        return array[:, :, None, :]
    return array.reshape(array.shape[0], -1, *array.shape[-2:])


def _reads(node: Any, filters: np.ndarray) -> tuple[int, int, int] | None:
    """Returns (C, H, W) of what a row is multiplied with, C = 1 if it has two axes, if it is such a thing."""
    shape = node.bottom_shapes[0] if node and node.bottom_shapes else None
    if filters.ndim != 2 or shape is None:
        return None
    in_steps = traits_of(node.type).reads_sequence  # after the axes of steps and sequences
    axis = 2 if in_steps else node.param.inner_product_param.axis
    read = shape[axis:]
    if math.prod(read) != filters.shape[1] or len(read) not in (2, 3):
        return None
    return (1, *read) if len(read) == 2 else read


# --- measures -----------------------------------------------------------------------------------


@functools.lru_cache(maxsize=64)
def _cosine_basis(size: int) -> np.ndarray:
    """Returns the orthonormal cosine transform (DCT-II) of ``size`` points, one frequency a row."""
    frequency, point = np.arange(size)[:, None], np.arange(size) + 0.5
    basis = np.cos(np.pi * frequency * point / size) * math.sqrt(2 / size)
    basis[0] /= math.sqrt(2)
    return basis


def noise_scores(filters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns how much each filter looks like white noise, by two scores that are about 1 for white noise.

    Windows are taken into spatial frequencies by the cosine transform, which unlike Fourier's sees no
    edge where a window's sides would meet; the channels' energies are added. ``noise`` is the share of
    the energy at or above half of Nyquist's frequency over that share for white noise: 0 for smooth
    filters, up to about 2 for checkerboards. ``spread`` is the effective number of frequencies,
    1 / sum(p^2) with p the shares of energy, over that of white noise: low for an edge or a stripe,
    however fine. A filter that is high in both has no structure.

    Args:
        filters: (N, C, H, W) with finite numbers.

    Returns:
        noise, spread: (N,) each; nan for a filter of zeros or a window of fewer than 3 numbers.
    """
    count, channels, height, width = filters.shape
    if height * width < 3:
        return np.full(count, np.nan), np.full(count, np.nan)
    energy = np.zeros((count, height, width))
    for rows in row_blocks(count, filters[0].size):
        waves = _cosine_basis(height) @ filters[rows].astype(np.float64) @ _cosine_basis(width).T
        energy[rows] = (waves**2).sum(axis=1)
    total = energy.sum(axis=(1, 2))
    is_high = np.hypot(np.arange(height)[:, None] / height, np.arange(width) / width) >= 0.5
    shares = energy / np.where(total > 0, total, np.nan)[:, None, None]
    noise = shares[:, is_high].sum(axis=1) / is_high.mean()
    points = height * width
    expected = (channels + 2) / (points * channels + 2)  # of sum(p^2) for white noise
    return noise, expected / (shares**2).sum(axis=(1, 2))


def row_blocks(rows: int, columns: int, numbers: int = 1 << 22) -> Iterator[slice]:
    """Yields slices of a matrix' rows that hold about so many ``numbers``."""
    step = max(1, numbers // max(1, columns))
    for start in range(0, rows, step):
        yield slice(start, start + step)


def median(values: np.ndarray) -> float:
    """Returns the median of what is not nan; nan if nothing is."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else math.nan


def weight_histogram(bank: FilterBank) -> tuple[np.ndarray, np.ndarray]:
    """Returns how often weights occur, and the 62 edges of the bins: around 0, from 0 if none is negative."""
    flat = bank.filters.reshape(len(bank.filters), -1)
    parts = [part[np.isfinite(part)] for part in (flat[rows] for rows in row_blocks(*flat.shape))]
    lowest = min(float(part.min(initial=0)) for part in parts)
    bound = max(-lowest, *(float(part.max(initial=0)) for part in parts)) or 1.0
    low = -bound if lowest < 0 else 0.0
    # In double precision: numbers near the end of float32's range are further apart than that.
    counts = [np.histogram(part.astype(np.float64), bins=61, range=(low, bound))[0] for part in parts]
    return np.sum(counts, axis=0), np.linspace(low, bound, 62)


def nearest_filters(filters: np.ndarray, group: int = 1) -> tuple[np.ndarray, np.ndarray, float]:
    """Returns for each filter the one most like it in its group, and how much filters overlap.

    Returns:
        nearest: (N,) index of the filter with the highest cosine, -1 where there is no other.
        cosine: (N,) that cosine; nan where there is no other.
        overlap: mean absolute cosine of all pairs; nan without pairs.
    """
    count = len(filters)
    rows = _unit_rows(_some_columns(filters.reshape(count, -1), group))
    nearest, cosine = np.full(count, -1), np.full(count, np.nan)
    size, absolute, pairs = count // group, 0.0, 0
    for start in range(0, count if size > 1 else 0, size):
        members = rows[start : start + size]
        for block in range(0, size, _BLOCK):
            near = members[block : block + _BLOCK] @ members.T
            own = np.arange(len(near))
            near[own, own + block] = 0
            absolute += float(np.abs(near).sum(dtype=np.float64))
            pairs += near.size - len(near)
            near[own, own + block] = -2
            here = slice(start + block, start + block + len(near))
            nearest[here] = near.argmax(axis=1) + start
            cosine[here] = near.max(axis=1)
    return nearest, cosine, absolute / pairs if pairs else math.nan


def _some_columns(flat: np.ndarray, group: int = 1) -> np.ndarray:
    """Returns evenly spread columns, as many as the cosines of all pairs of rows in a group may take."""
    count, columns = flat.shape
    return flat[:, :: math.ceil(count * count / group * columns / _MOST_PRODUCTS)]


def finite(values: np.ndarray) -> np.ndarray:
    """Returns ``values`` with 0 for nan and inf."""
    return np.nan_to_num(values, nan=0, posinf=0, neginf=0)


def _unit_rows(matrix: np.ndarray) -> np.ndarray:
    """Returns the rows scaled to norm 1 in 32 bits; rows of zeros stay."""
    norms = row_norms(matrix)[:, None]
    return (matrix / np.where(norms > 0, norms, 1)).astype(np.float32)


def row_norms(matrix: np.ndarray) -> np.ndarray:
    """Returns the length of each row in 64 bits: in 32, squares of large weights would be infinite."""
    return np.sqrt(np.einsum("ij,ij->i", matrix, matrix, dtype=np.float64))


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The squared singular values of the filters, each filter a row.

    Attributes:
        matrices: (groups, rows, columns) what was taken: all of it, but of a matrix with more than 1024 rows
            and columns evenly spread rows, not more than 1024.
        energies: (groups, K) their squared singular values, rising.
    """

    matrices: np.ndarray
    energies: np.ndarray

    @property
    def rank(self) -> float:
        """Effective rank: exp(-sum(p log p)) with p the shares of the energies.

        It counts the directions that the filters use: 1 if all are multiples of one, the highest value if
        all directions are used alike.

        Source: Roy and Vetterli, "The effective rank", 2007, here with energies s^2 for s.
        """
        shares = self.energies[self.energies > 0] / self.energies.sum()
        return float(np.exp(-(shares * np.log(shares)).sum())) if len(shares) else 0.0

    @property
    def highest_rank(self) -> int:
        return self.energies.size


def spectrum(filters: np.ndarray, group: int = 1) -> Spectrum:
    """Returns the spectrum of finite ``filters`` (N, ...), group by group."""
    if group == 1 and min(len(filters), filters[0].size) > _MOST_RANK:
        filters = filters[:: math.ceil(len(filters) / _MOST_RANK)]
    matrices = filters.reshape(group, len(filters) // group, -1)
    return Spectrum(matrices, energies(matrices))


def energies(matrices: np.ndarray) -> np.ndarray:
    """Returns the squared singular values (groups, K), rising, of ``matrices`` (groups, rows, columns)."""
    largest = float(np.abs(matrices).max(initial=0)) or 1.0  # whose square may be too large for 32 bits
    matrices = np.divide(matrices, largest, dtype=np.float64 if matrices.size <= 1 << 22 else np.float32)
    other = matrices.swapaxes(1, 2)
    products = matrices @ other if matrices.shape[1] <= matrices.shape[2] else other @ matrices
    return np.clip(np.linalg.eigvalsh(products).astype(np.float64), 0, None) * largest**2


def check_order(order: str) -> None:
    """Raises CnnvizError unless filters can be in this ``order``."""
    if order not in ORDERS:
        raise CnnvizError(
            f"unknown order {order!r}; expected file, norm or similarity{did_you_mean(str(order), ORDERS)}"
        )


def order_filters(filters: np.ndarray, order: str = "file") -> np.ndarray:
    """Returns the indices of ``filters`` in an order.

    Args:
        order: "file" as stored; "norm" largest first; "similarity" a chain that starts at the largest
            norm and goes on to the most similar filter (cosine) that is left.
    Raises: CnnvizError for another order.
    """
    check_order(order)
    if order == "file":
        return np.arange(len(filters))
    flat = filters.reshape(len(filters), -1)
    norms = np.concatenate([row_norms(finite(flat[rows])) for rows in row_blocks(*flat.shape)])
    if order == "norm":
        return np.argsort(-norms, kind="stable")
    rows = _unit_rows(finite(_some_columns(flat)))
    # All cosines at once are a fast product, as long as they fit the memory.
    cosines = rows @ rows.T if len(rows) <= _MOST_ROWS else None
    chain = [int(norms.argmax())]
    is_left = np.ones(len(rows), bool)
    while len(chain) < len(rows):
        last = chain[-1]
        is_left[last] = False
        near = rows @ rows[last] if cosines is None else cosines[last]
        chain.append(int(np.where(is_left, near, -2).argmax()))
    return np.array(chain)
