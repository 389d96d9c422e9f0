"""The device to run on: its memory, its queue, and the launching of kernels.

Everything else asks a ``Device`` to ``launch`` a kernel of a file in cnnviz/kernels by name.
"""

from __future__ import annotations

import functools
import math
import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnviz.engine.mappings import Mappings
from cnnviz.engine.opencl import NO_DEVICE, DeviceInfo, first_line, list_devices, opencl
from cnnviz.engine.programs import Defines, Programs
from cnnviz.engine.runtimes import keeping_signals
from cnnviz.errors import DeviceError

_SMALLER = "Use a smaller batch or smaller images."
_MOST = 2**31 - 1
_SHORT_NAMES = {"pocl": "portable computing language"}
_SEPARATE_MEMORY = "CNNVIZ_SEPARATE_MEMORY"


class Device:
    """An opened OpenCL device with its queue, its programs and its element type.

    For testers the environment variable CNNVIZ_SEPARATE_MEMORY=1 makes a CPU a device like a GPU: with
    memory of its own, and with a GPU's choice of kernels.

    Attributes:
        info: what ``cnnviz devices`` shows.
        dtype: the element type of all blobs on this device, float32 or float64.
        is_cpu: whether work is best cut into few large pieces.
        shares_memory: whether host and device see the same memory, so that nothing is copied.
        has_double: whether it computes in double precision (cl_khr_fp64).
        group_limit: most work items of a work group.
        axis_limits: most of them along each axis.
        piece_limit: most bytes of one buffer.
        programs: the kernels, built for this device and element type.
    """

    def __init__(self, info: DeviceInfo):
        self._cl = opencl()
        self.info = info
        self.dtype = np.dtype(np.float32)
        self.is_cpu = info.kind == "CPU" and os.environ.get(_SEPARATE_MEMORY, "0") in ("", "0")
        self.has_double = "cl_khr_fp64" in info.handle.extensions
        self.group_limit: int = info.handle.max_work_group_size
        self.piece_limit: int = info.handle.max_mem_alloc_size
        self.axis_limits: tuple[int, ...] = tuple(info.handle.max_work_item_sizes)
        self._taken = [0]  # one count for all element types
        self._scratch: dict[str, Any] = {}
        try:
            with keeping_signals():
                self.context = self._cl.Context([info.handle])
            self.queue = self._cl.CommandQueue(self.context)
            self.programs = Programs(self.context, info, self.dtype)
            self._probe()
        except self._cl.Error as error:
            raise DeviceError(f"{info.title} cannot run a kernel ({first_line(error)})") from None
        self._mappings = Mappings(self.queue)
        self.shares_memory = bool(info.handle.host_unified_memory) and self.is_cpu

    def _probe(self) -> None:
        """Builds and runs a tiny kernel: some runtimes are listed but cannot compile."""
        values = self.new_buffer(4 * 16, "probe")
        self.launch("probe", "probe", 16, 16, values)
        result = np.empty(16, np.float32)
        self._cl.enqueue_copy(self.queue, result, values)
        if not np.array_equal(result, np.arange(16)):
            raise DeviceError(f"{self.info.title} computes wrong values")

    def with_dtype(self, dtype: Any) -> Device:
        """Returns this device computing in ``dtype``: the same queue, other programs.

        Raises DeviceError if float64 is asked of a device that has none.
        """
        dtype = np.dtype(dtype)
        if dtype == self.dtype:
            return self
        if dtype == np.float64 and not self.has_double:
            raise DeviceError(f"{self.info.title} has no double precision")
        other = object.__new__(Device)
        programs = Programs(self.context, self.info, dtype)
        other.__dict__.update(self.__dict__, dtype=dtype, programs=programs, _scratch={})
        return other

    @property
    def vector_width(self) -> int:
        """Elements of ``dtype`` in one of the device's vector registers; 1 where it has none."""
        handle = self.info.handle
        if self.dtype == np.float64:
            return max(handle.native_vector_width_double, 1)
        return max(handle.native_vector_width_float, 1)

    # Memory

    @property
    def allocated(self) -> int:
        """Bytes that blobs hold, whatever their element type."""
        return self._taken[0]

    def take(self, nbytes: int) -> None:
        """Counts ``nbytes`` more of memory as held by blobs."""
        self._taken[0] += nbytes

    def new_buffer(self, nbytes: int, label: str) -> Any:
        """Allocates ``nbytes`` on the device; ``label`` is its name in errors.

        Raises DeviceError if the device has not that much memory.
        """
        flags = self._cl.mem_flags.READ_WRITE
        if self.is_cpu:
            flags |= self._cl.mem_flags.ALLOC_HOST_PTR
        if nbytes > self.piece_limit:
            raise DeviceError(
                f"{label} needs {nbytes / 1e6:.1f} MB, {self.info.title} gives at most "
                f"{self.piece_limit / 1e6:.1f} MB in one piece. {_SMALLER}"
            )
        try:
            return self._cl.Buffer(self.context, flags, max(nbytes, 4))
        except (self._cl.MemoryError, self._cl.RuntimeError) as error:
            raise self.out_of_memory(label, nbytes, error) from None

    def out_of_memory(self, label: str, nbytes: int, error: Exception | str) -> DeviceError:
        return DeviceError(
            f"{label} needs {nbytes / 1e6:.1f} MB, more than {self.info.title} has left "
            f"({first_line(error)}). {_SMALLER}"
        )

    def scratch(self, count: int, slot: str = "") -> Any:
        """Returns a work buffer of at least ``count`` elements, shared by all who name the slot.

        Safe because the queue runs kernels in order; contents do not outlast the caller.
        """
        nbytes = count * self.dtype.itemsize
        have = self._scratch.get(slot)
        if have is None or have.size < nbytes:
            self._scratch.pop(slot, None)
            have = self._scratch[slot] = self.new_buffer(nbytes, f"work buffer {slot!r}")
        return have

    def upload(self, array: np.ndarray, label: str = "constant") -> Any:
        """Returns a new buffer that holds a copy of ``array``."""
        array = np.ascontiguousarray(array)
        buffer = self.new_buffer(array.nbytes, label)
        if array.nbytes:
            self.write(buffer, array)
        return buffer

    def write(self, buffer: Any, array: np.ndarray) -> None:
        """Copies ``array`` into ``buffer`` and waits."""
        self._enqueue("a copy to it", self._cl.enqueue_copy, buffer, np.ascontiguousarray(array))

    def read(self, buffer: Any, array: np.ndarray) -> np.ndarray:
        """Copies the start of ``buffer`` into ``array``, waits and returns it."""
        self._enqueue("a copy from it", self._cl.enqueue_copy, array, buffer)
        return array

    def copy(self, target: Any, source: Any, nbytes: int, to: int = 0, start: int = 0) -> None:
        """Copies ``nbytes`` between buffers, from byte ``start`` of source to byte ``to`` of target."""
        if nbytes:
            where = {"byte_count": nbytes, "src_offset": start, "dst_offset": to}
            self._enqueue("a copy within it", self._cl.enqueue_copy, target, source, **where)

    def fill(self, buffer: Any, value: float, count: int) -> None:
        """Sets the first ``count`` elements of ``buffer`` to ``value``."""
        # A kernel of our own: what runtimes offer for this may use a single core.
        self.launch("fill", "fill", count, count, float(value), buffer)

    def map(self, buffer: Any, count: int) -> Any:
        """Returns the first ``count`` elements of ``buffer`` as an array, waiting for all kernels.

        Only useful where ``shares_memory``; ``unmap`` gives them back to the device.
        """
        flags = self._cl.map_flags.READ | self._cl.map_flags.WRITE
        args = buffer, flags, 0, (count,), self.dtype
        array, _ = self._enqueue("a mapping", self._cl.enqueue_map_buffer, *args, is_blocking=True)
        self._mappings.add(array)
        return array

    def unmap(self, array: Any) -> None:
        """Ends the mapping that gave ``array``."""
        self._mappings.end(array)

    # Kernels

    def fitting_group(self, local_size: tuple[int, ...], limit: int | None = None) -> tuple[int, ...]:
        """Returns the largest work group that the device can run whose sizes divide those of ``local_size``.

        ``limit`` is the most work items of a certain kernel's group, where that is less than the device's.
        """
        items = self.group_limit if limit is None else min(limit, self.group_limit)
        return _fitting(local_size, items, self.axis_limits)

    def launch(
        self,
        source: str,
        name: str,
        global_size: int | tuple[int, ...],
        *args: Any,
        local_size: tuple[int, ...] | None = None,
        defines: Defines = (),
    ) -> None:
        """Enqueues a kernel; does not wait.

        Args:
            source: stem of the file in cnnviz/kernels.
            name: the kernel in it.
            global_size: work items. A plain number is rounded up to whole work groups, so the
                kernel must compare its index with a count; a tuple is taken as it is.
            args: buffers; Python ints and bools become int, floats the device's element type,
                NumPy scalars stay, None is a null pointer; a kernel's types are those of its first
                launch.
            local_size: work group; chosen if not given. Where the device or the kernel cannot run so many
                items together it is cut: kernels whose items work together must ask ``fitting_group``.
            defines: (name, value) pairs fixed at build time.
        """
        if isinstance(global_size, int):
            if global_size <= 0:
                return
            if local_size is None:
                local_size = (min(256, -(-global_size // 16) * 16),)
            global_size = (-(-global_size // local_size[0]) * local_size[0],)
        elif min(global_size) <= 0:
            return
        kernel, limit = self.programs.kernel(source, name, args, defines)
        try:
            kernel.set_args(*args)
        except Exception:  # pyopencl reports a number beyond an int in several ways
            if not any(isinstance(arg, int) and abs(arg) > _MOST for arg in args):
                raise
            raise DeviceError(
                f"kernel {name!r} would have to count beyond {_MOST}; use smaller blobs or parameters"
            ) from None
        if local_size is not None and math.prod(local_size) > 1:  # one is always allowed
            local_size = self.fitting_group(local_size, limit)
        try:  # not by _enqueue, which takes a tenth of a launch
            self._cl.enqueue_nd_range_kernel(self.queue, kernel, global_size, local_size)
        except (self._cl.MemoryError, self._cl.RuntimeError) as error:
            raise self._refused(f"kernel {name!r}", error) from None

    def finish(self) -> None:
        """Waits until every kernel has run."""
        self._enqueue("to finish", self._cl.CommandQueue.finish)

    def _enqueue(self, action: str, command: Any, *args: Any, **options: Any) -> Any:
        """Calls a command of the queue; memory and other means may give out as late as here."""
        try:
            return command(self.queue, *args, **options)
        except (self._cl.MemoryError, self._cl.RuntimeError) as error:
            raise self._refused(action, error) from None

    def _refused(self, action: str, error: Exception) -> DeviceError:
        return DeviceError(f"{self.info.title} refused {action}: {first_line(error)}")


@functools.lru_cache(maxsize=256)  # asked at each launch, mostly the same
def _fitting(sizes: tuple[int, ...], left: int, axis_limits: tuple[int, ...]) -> tuple[int, ...]:
    """Returns divisors of ``sizes``, as large as the axes allow, whose product is at most ``left``."""
    fitted = []
    for size, limit in zip(sizes, axis_limits, strict=False):
        fitted.append(next(n for n in range(min(size, limit, left), 0, -1) if size % n == 0))
        left //= fitted[-1]
    return tuple(fitted)


# --- Choosing one ---------------------------------------------------------------------------------


def _matching(choice: str, devices: Sequence[DeviceInfo]) -> list[DeviceInfo]:
    if choice.isdigit():
        return [d for d in devices if d.index == int(choice)]
    if choice.upper() in ("GPU", "CPU"):
        return [d for d in devices if d.kind == choice.upper()]
    word = _SHORT_NAMES.get(choice.lower(), choice.lower())
    return [d for d in devices if word in d.title.lower()]


_devices: dict[str, Device] = {}
_opened: dict[DeviceInfo, Device] = {}


def get_device(choice: str | None = None) -> Device:
    """Returns the device to run on, opened once per process however it is called.

    Args:
        choice: an index shown by ``cnnviz devices``, "gpu", "cpu" or part of a device's or platform's
            name. Default: the environment variable CNNVIZ_DEVICE, otherwise the first that works.

    Raises:
        DeviceError: there is no such device, or none that can build a kernel.
    """
    choice = (choice or os.environ.get("CNNVIZ_DEVICE") or "").strip()
    if choice not in _devices:
        _devices[choice] = _open_first(choice)
    return _devices[choice]


def _open_first(choice: str) -> Device:
    devices = list_devices()
    if not devices:
        raise DeviceError(NO_DEVICE)
    candidates = _matching(choice, devices) if choice else list(devices)
    if not candidates:
        known = "; ".join(f"{d.index}: {d.title}" for d in devices)
        raise DeviceError(f"No OpenCL device matches {choice!r}. Known: {known}.")
    problems = []
    for info in candidates:
        try:
            _opened[info] = _opened.get(info) or Device(info)
            return _opened[info]
        except DeviceError as error:
            problems.append(str(error))
            if info is not candidates[-1]:
                warnings.warn(f"{info.title} is passed over: {error}", RuntimeWarning, stacklevel=3)
    raise DeviceError(f"No OpenCL device works: {'; '.join(problems)}. {NO_DEVICE}")
