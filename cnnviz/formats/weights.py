"""Weights by layer name, whatever file they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

Loader = Callable[[], np.ndarray]


class Weights(Mapping[str, list[np.ndarray]]):
    """Weights by layer name: ``weights["conv1"]`` is a list of float32 arrays.

    Arrays are read-only and, where the file stores float32, views of the mapped file (their addresses
    need not be multiples of 4). Layers without weights are not keys. If two layers have one name, the
    last one with weights counts. An HDF5 file stores shared weights only at their first layer: there
    an entry of a later layer is None.

    Attributes:
        path: the file.
        net_name: the name of the net, "" if the file has none.
        layer_types: layer name to type, for all layers in the file's order, in today's names
            ("Convolution"); "" where the file does not say.
        shared_left_out: True if the file stores shared weights once (HDF5).
        others: names of what else is in the file without being a key here: arrays under other names, layers
            whose weights those of a later layer of the same name hide.
    """

    def __init__(
        self,
        path: str,
        net_name: str,
        layer_types: dict[str, str],
        loaders: Mapping[str, Sequence[Loader | None]],
        diff_loaders: Mapping[str, Sequence[Callable[[], np.ndarray | None] | None]] | None = None,
        shared_left_out: bool = False,
        others: Sequence[str] = (),
    ):
        self.others = list(others)
        self.path, self.net_name, self.layer_types = path, net_name, layer_types
        self.shared_left_out = shared_left_out
        self._loaders, self._diff_loaders = loaders, diff_loaders or {}

    def __getitem__(self, name: str) -> list[np.ndarray]:
        return [load() if load else None for load in self._loaders[name]]  # type: ignore[misc]

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaders)

    def __len__(self) -> int:
        return len(self._loaders)

    def diffs(self, name: str) -> list[np.ndarray | None]:
        """Returns the stored gradients of layer ``name``; None for each blob that has none."""
        found = [load() if load else None for load in self._diff_loaders.get(name, ())]
        return found or [None] * len(self._loaders[name])
