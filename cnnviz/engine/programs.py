"""OpenCL programs of the files in cnnviz/kernels: built, kept between runs, and their kernels handed out."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Sequence
from importlib import resources
from typing import Any

import numpy as np

from cnnviz.engine.opencl import DeviceInfo, opencl
from cnnviz.engine.program_cache import keep_program, load_program
from cnnviz.engine.runtimes import keeping_signals
from cnnviz.errors import DeviceError

Defines = tuple[tuple[str, Any], ...]

_INCLUDE = re.compile(r'^#include "(\w+\.h)"$', re.MULTILINE)


class Programs:
    """The programs of one device that compute in one element type, each built when it is first needed."""

    def __init__(self, context: Any, info: DeviceInfo, dtype: np.dtype):
        self._cl = opencl()
        self._context = context
        self._info = info
        self._dtype = dtype
        self._kernels: dict[Any, Any] = {}

    def kernel(
        self, source: str, name: str, args: Sequence[Any] = (), defines: Defines = ()
    ) -> tuple[Any, int]:
        """Returns the kernel ``name`` of kernels/``source``.cl built with ``-D`` for each define, and the
        most work items of its group.

        ``args`` of the first call determine the types of all later ones.
        """
        key = (source, name, defines)
        if key not in self._kernels:
            kernel = self._new_kernel(source, name, defines)
            # Set once: finding out the type of each number at each launch takes longer than the launch.
            kernel.set_scalar_arg_dtypes([self._scalar_type(arg) for arg in args])
            size = self._cl.kernel_work_group_info.WORK_GROUP_SIZE
            self._kernels[key] = kernel, kernel.get_work_group_info(size, self._info.handle)
        return self._kernels[key]

    def _scalar_type(self, arg: Any) -> np.dtype | None:
        """The type of a number as a kernel gets it; None for a buffer."""
        if isinstance(arg, (bool, int)):
            return np.dtype(np.int32)
        if isinstance(arg, float):
            return self._dtype
        return arg.dtype if isinstance(arg, np.generic) else None

    def _new_kernel(self, source: str, name: str, defines: Defines) -> Any:
        try:
            return self._cl.Kernel(self._program(source, defines), name)
        except self._cl.Error:  # the runtime took the kept binary, and yet cannot use it
            self._kernels[source, defines] = self._compile(source, defines)
            return self._cl.Kernel(self._kernels[source, defines], name)

    def _program(self, source: str, defines: Defines) -> Any:
        """The built program, from the binary of an earlier run where there is one."""
        key = (source, defines)
        if key not in self._kernels:
            with keeping_signals():
                program = self._kept_program(source, defines)
                self._kernels[key] = program or self._compile(source, defines)
        return self._kernels[key]

    def _kept_program(self, source: str, defines: Defines) -> Any:
        binary = load_program(self._program_name(source, defines))
        if binary is None:
            return None
        try:
            program = self._cl.Program(self._context, [self._info.handle], [binary])
            return program.build(self._options(defines))
        except self._cl.Error:  # of another version of the runtime
            return None

    def _compile(self, source: str, defines: Defines) -> Any:
        text = kernel_text(f"{source}.cl")
        try:
            program = self._cl.Program(self._context, text).build(self._options(defines), cache_dir=False)
        except self._cl.Error as error:
            raise DeviceError(f"{source}.cl does not build on {self._info.title}: {error}") from None
        with contextlib.suppress(self._cl.Error):
            binary = program.get_info(self._cl.program_info.BINARIES)[0]
            keep_program(self._program_name(source, defines), binary)
        return program

    def _options(self, defines: Defines) -> list[str]:
        options = ["-cl-mad-enable", "-cl-std=CL1.2", *(f"-D{k}={v}" for k, v in defines)]
        return [*options, "-DDtype=double"] if self._dtype == np.float64 else options

    def _program_name(self, source: str, defines: Defines) -> str:
        """A name for all that the binary of a program depends on."""
        info, text = self._info, kernel_text(f"{source}.cl")
        identity = (text, self._options(defines), info.platform, info.name, info.driver, info.handle.version)
        return hashlib.sha256(repr(identity).encode()).hexdigest()


def kernel_text(name: str) -> str:
    """The text of kernels/``name`` with the headers that it includes put in.

    Runtimes cannot be given these files as they are: the package may lie in an archive.
    """
    text = (resources.files("cnnviz") / "kernels" / name).read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda line: kernel_text(line[1]), text)
