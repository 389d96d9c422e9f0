"""Blobs read by item, channel and class, where those of recurrent layers begin with time."""

from __future__ import annotations

import numpy as np

from cnnviz.analysis.sequences import time_major_blobs
from cnnviz.engine.net import Net


class BlobReader:
    """Reads the blobs of a net.

    Attributes:
        time_major: blobs (T, N, ...) of recurrent layers.
    """

    def __init__(self, net: Net):
        self.net = net
        self.time_major = time_major_blobs(net.graph)

    def item(self, blob: str) -> np.ndarray:
        """Returns a blob's values of the first item, without the batch axis and without axes of 1 after C.

        A blob (T, N, ...) of recurrent layers comes as (T, channels), or (channels,) for a single step.
        """
        values = self.net.blobs[blob].read_data()
        if blob in self.time_major:
            steps = values[:, 0].reshape(len(values), -1)
            return steps[0] if len(steps) == 1 else steps
        values = values[0] if values.ndim > 1 else values
        if values.ndim > 1 and all(side == 1 for side in values.shape[1:]):
            values = values.reshape(-1)
        return np.atleast_1d(values)

    def by_item(self, blob: str, values: np.ndarray) -> np.ndarray:
        """Returns a blob's data or diff as a view (N, C, ...), with the time steps of sequences last."""
        return np.moveaxis(values, 0, -1) if blob in self.time_major else values

    def channel_count(self, blob: str) -> int:
        """Returns how many channels a blob has; 0 for blobs without such an axis."""
        shape, axis = self.net.blobs[blob].shape, 2 if blob in self.time_major else 1
        return shape[axis] if len(shape) > axis else 0

    def class_scores(self, blob: str) -> np.ndarray:
        """Returns (N, classes) of a blob; of sequences the mean over the time steps."""
        values = self.by_item(blob, self.net.blobs[blob].read_data())
        return values.reshape(*values.shape[:2], -1).mean(axis=2)

    def score_blob(self) -> str | None:
        """Returns the blob of class scores: what the last Softmax reads, otherwise the last flat output."""
        for node in reversed(self.net.graph.layers):
            if node.type == "Softmax" and self._is_flat(node.tops[0]):
                return node.bottoms[0]
        return self._flat_output()

    def softmax_blob(self) -> str | None:
        """Returns the blob of class probabilities; None without a Softmax over classes."""
        for node in reversed(self.net.graph.layers):
            if node.type == "Softmax" and self._is_flat(node.tops[0]):
                return node.tops[0]
        return None

    def class_blob(self) -> str | None:
        """Returns the blob that predictions are read from: probabilities, otherwise the last flat output."""
        return self.softmax_blob() or self._flat_output()

    def _flat_output(self) -> str | None:
        flat = [b for b in self.net.outputs if b not in self.net.inputs and self._is_flat(b)]
        written = [top for node in self.net.graph.layers for top in node.tops if top in flat]
        return written[-1] if written and self.net.blobs[written[-1]].count > 1 else None

    def _is_flat(self, blob: str) -> bool:
        shape = self.net.blobs[blob].shape
        if blob in self.time_major:
            return len(shape) == 3
        return len(shape) >= 2 and int(np.prod(shape[2:])) == 1
