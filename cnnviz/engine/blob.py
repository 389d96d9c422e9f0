"""Blob: a named N-dimensional array of data and its gradient, kept in step on host and device.

Caffe's Blob over SyncedMemory. NumPy code reads and writes ``blob.data`` and ``blob.diff``; layers
take the device's buffers by ``device_data`` (to read) and ``mutable_device_data`` (to write), and
copies happen only when the other side has written since.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnviz.engine.device import Device
from cnnviz.errors import NetError
from cnnviz.formats.blob_proto import MAX_AXES

Shape = tuple[int, ...]

MAX_COUNT = 2**31 - 1
"""Most elements of one blob, as in Caffe: kernels count with 32 bits."""


def check_shape(shape: Sequence[int], subject: str) -> None:
    """Raises NetError, which begins with ``subject``, if no blob can have the shape."""
    if len(shape) > MAX_AXES:
        raise NetError(f"{subject} has {len(shape)} axes; at most {MAX_AXES} are allowed")
    if any(axis < 0 for axis in shape):
        raise NetError(f"{subject} of shape {tuple(shape)} has a negative axis")
    if max(shape, default=0) > MAX_COUNT or math.prod(shape) > MAX_COUNT:
        raise NetError(f"{subject} of shape {tuple(shape)} has more than {MAX_COUNT} elements")


class Head(enum.Enum):
    """Where the newest values of a SyncedMemory are."""

    UNINITIALIZED = "nowhere yet"
    HOST = "host"
    DEVICE = "device"
    SYNCED = "both"


class SyncedMemory:
    """``count`` elements that live on host and device; zero until first written.

    Where the device has memory of its own, an access copies what the other side alone has, and the
    newest values are then where the table says (Caffe's SyncedMemory, with its four states):

        newest values   host reads       host writes      device reads     device writes
        -------------   --------------   --------------   --------------   --------------
        UNINITIALIZED   zeros, HOST      zeros, HOST      zeros, DEVICE    zeros, DEVICE
        HOST            HOST             HOST             copy, SYNCED     copy, DEVICE
        DEVICE          copy, SYNCED     copy, HOST       DEVICE           DEVICE
        SYNCED          SYNCED           HOST             SYNCED           DEVICE

    A write copies too, for it may change some elements only. The host's array stays the same object,
    so that one kept by a user has the newest values again whenever the host's side is asked for; what
    is written into a kept one after the device's turn is not noticed, as in Caffe.

    Where the device shares the host's memory nothing is copied: the host's array is the buffer, mapped
    as long as it is the host's turn.
    """

    def __init__(self, device: Device, count: int, label: str):
        self.device = device
        self.count = count
        self.label = label
        self._buffer: Any = None
        self._array: Any = None  # the host's copy, or the mapped buffer
        self._head = Head.UNINITIALIZED

    def host(self, write: bool) -> np.ndarray:
        """Returns the values as a flat array; ``write`` says that the caller may change them."""
        if self.count == 0:  # some runtimes refuse to map nothing
            return np.zeros(0, self.device.dtype)
        return self._mapped() if self.device.shares_memory else self._on_host(write)

    def on_device(self, write: bool) -> Any:
        """Returns the buffer with the newest values; ``write`` says that a kernel changes them."""
        if self.device.shares_memory:
            return self._unmapped()
        buffer = self._allocated()
        if self._head is Head.HOST:
            self.device.write(buffer, self._array)
            self._head = Head.SYNCED
        if write or self._head is Head.UNINITIALIZED:
            self._head = Head.DEVICE
        return buffer

    def _on_host(self, write: bool) -> np.ndarray:
        if self._array is None:
            self._array = np.zeros(self.count, self.device.dtype)
        if self._head is Head.DEVICE:
            self.device.read(self._buffer, self._array)
            self._head = Head.SYNCED
        if write or self._head is Head.UNINITIALIZED:
            self._head = Head.HOST
        return self._array

    def _mapped(self) -> np.ndarray:
        if self._array is None:
            self._array = self.device.map(self._allocated(), self.count)
        return self._array

    def _unmapped(self) -> Any:
        if self._array is not None:
            self.device.unmap(self._array)
            self._array = None
        return self._allocated()

    def _allocated(self) -> Any:
        if self._buffer is None:
            nbytes = max(self.count, 1) * self.device.dtype.itemsize
            if self.device.allocated + nbytes > self.device.info.memory:
                raise self.device.out_of_memory(self.label, nbytes, "all is taken")
            buffer = self.device.new_buffer(nbytes, self.label)
            if self._head is Head.UNINITIALIZED:
                self.device.fill(buffer, 0.0, max(self.count, 1))
            self._buffer = buffer
            self.device.take(nbytes)
        return self._buffer

    def __del__(self) -> None:
        if getattr(self, "_buffer", None) is not None:
            self.device.take(-max(self.count, 1) * self.device.dtype.itemsize)


class Axes:
    """What a blob's shape says, also in the words of the time when every blob had four axes."""

    shape: Shape

    @property
    def count(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def num(self) -> int:
        return self._legacy_axis(0)

    @property
    def channels(self) -> int:
        return self._legacy_axis(1)

    @property
    def height(self) -> int:
        return self._legacy_axis(2)

    @property
    def width(self) -> int:
        return self._legacy_axis(3)

    def _legacy_axis(self, axis: int) -> int:
        return self.shape[axis] if axis < len(self.shape) else 1


class Blob(Axes):
    """Data and diff of one shape.

    Attributes:
        shape: the axes, e.g. (N, C, H, W); () holds one element, as in Caffe.
        label: what errors call it, e.g. "blob 'conv1'".
    """

    def __init__(self, device: Device, shape: Sequence[int] = (), label: str = "a blob"):
        self.device = device
        self.label = label
        self.shape: Shape = ()
        self._data = SyncedMemory(device, 0, label)
        self._diff = SyncedMemory(device, 0, f"diff of {label}")
        self.reshape(*shape)

    def count_from(self, start: int, end: int | None = None) -> int:
        """Number of elements over the axes from ``start`` to before ``end``."""
        return math.prod(self.shape[start:end])

    def reshape(self, *shape: int) -> None:
        """Takes a new shape; memory grows when it must and never shrinks.

        Values are kept as long as the memory does not grow.

        Raises NetError for a shape that no blob can have.
        """
        check_shape(shape, self.label)
        self.shape = tuple(int(axis) for axis in shape)
        count = self.count
        if count > self._data.count:
            self._data = SyncedMemory(self.device, count, self.label)
        if count > self._diff.count:
            self._diff = SyncedMemory(self.device, count, f"diff of {self.label}")

    # The host's side

    @property
    def data(self) -> np.ndarray:
        """The values as a NumPy array that may be written."""
        return self._data.host(write=True)[: self.count].reshape(self.shape)

    @property
    def diff(self) -> np.ndarray:
        """The gradient as a NumPy array that may be written."""
        return self._diff.host(write=True)[: self.count].reshape(self.shape)

    def read_data(self) -> np.ndarray:
        """Returns a copy of the values; the device's stay the newest."""
        return self._data.host(write=False)[: self.count].reshape(self.shape).copy()

    def read_diff(self) -> np.ndarray:
        """Returns a copy of the gradient; the device's stays the newest."""
        return self._diff.host(write=False)[: self.count].reshape(self.shape).copy()

    # The device's side

    @property
    def device_data(self) -> Any:
        """The buffer of the values, to read."""
        return self._data.on_device(write=False)

    @property
    def mutable_device_data(self) -> Any:
        """The buffer of the values, to write."""
        return self._data.on_device(write=True)

    @property
    def device_diff(self) -> Any:
        """The buffer of the gradient, to read."""
        return self._diff.on_device(write=False)

    @property
    def mutable_device_diff(self) -> Any:
        """The buffer of the gradient, to write."""
        return self._diff.on_device(write=True)

    # Whole-blob operations

    def clear_diff(self) -> None:
        """Sets the gradient to zero."""
        self.device.fill(self.mutable_device_diff, 0.0, self.count)

    def fill_data(self, value: float) -> None:
        """Sets all values to ``value``."""
        self.device.fill(self.mutable_device_data, value, self.count)

    def fill_diff(self, value: float) -> None:
        """Sets the whole gradient to ``value``."""
        self.device.fill(self.mutable_device_diff, value, self.count)

    def share_data(self, other: Blob) -> None:
        """Makes the values those of ``other``, which must have as many elements."""
        self._data = other._data

    def share_diff(self, other: Blob) -> None:
        """Makes the gradient that of ``other``, which must have as many elements."""
        self._diff = other._diff

    def copy_data_from(self, other: Blob) -> None:
        """Copies the values of ``other`` on the device."""
        nbytes = self.count * self.device.dtype.itemsize
        self.device.copy(self.mutable_device_data, other.device_data, nbytes)

    def copy_diff_from(self, other: Blob) -> None:
        """Copies the gradient of ``other`` on the device."""
        nbytes = self.count * self.device.dtype.itemsize
        self.device.copy(self.mutable_device_diff, other.device_diff, nbytes)
