"""The files of a solver's snapshots: PREFIX_iter_N.caffemodel and PREFIX_iter_N.solverstate."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from pathlib import Path

from cnnviz.errors import FileError
from cnnviz.formats import partial_files
from cnnviz.formats.files import describe_os_error
from cnnviz.formats.paths import with_slashes
from cnnviz.formats.prototxt import SolverDefinition

_LONGEST_NAME = 245  # bytes; file systems allow 255, of which a file takes ten more while it is written


class SnapshotFiles:
    """Where the snapshots of the solver ``definition`` go."""

    def __init__(self, definition: SolverDefinition):
        self._path, self._param = definition.path, definition.proto

    def check(self, iteration: int) -> None:
        """Raises FileError if no snapshot can be written: before hours of training, not after.

        Args:
            iteration: the updates done so far.
        """
        prefix = Path(self.prefix())
        if "\0" in str(prefix):
            raise FileError(f"{self._path}: snapshots cannot be written to {str(prefix)!r}: no file name.")
        longest = f"{prefix.name}_iter_{max(self._param.max_iter, iteration)}.solverstate.h5"
        try:
            prefix.parent.mkdir(parents=True, exist_ok=True)
            if len(os.fsencode(longest)) > _LONGEST_NAME:
                raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
            with tempfile.TemporaryFile(dir=prefix.parent):
                pass
        except OSError as error:
            raise FileError(
                f"{self._path}: snapshots cannot be written to {str(prefix)!r}: "
                f"{describe_os_error(error)}. Change snapshot_prefix."
            ) from None

    def remove_abandoned(self) -> None:
        """Removes what processes that were killed while they wrote left of this training's snapshots."""
        prefix = Path(self.prefix())
        names = rf"{re.escape(prefix.name)}_iter_\d+\.(?:caffemodel|solverstate)(?:\.h5)?"
        partial_files.remove_abandoned(prefix.parent, names)

    def prefix(self) -> str:
        """As in Caffe: of a folder, and where no prefix is given, the solver file's name is the stem."""
        own = str(Path(self._path).with_suffix(""))
        prefix = with_slashes(self._param.snapshot_prefix)
        if os.path.isdir(prefix) or prefix.endswith("/"):
            return os.path.join(prefix, os.path.basename(own))
        return prefix or own


def learned_net(state_path: str | os.PathLike, learned_net: str) -> str:
    """Returns where the weights lie that a state names: there, or beside the state if both were moved."""
    beside = Path(state_path).parent / Path(learned_net).name
    return str(beside) if not os.path.exists(learned_net) and os.path.exists(beside) else learned_net
