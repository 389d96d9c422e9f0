"""Training logs that still grow."""

from __future__ import annotations

import os

from cnnviz.errors import FileError
from cnnviz.formats.files import check_regular, describe_os_error
from cnnviz.formats.log_curves import TrainingLog
from cnnviz.formats.training_log import CHUNK, LogReader

# A followed log is recognized by so many bytes of its beginning.
_HEAD = 512


class LogFollower:
    """Reads a log that still grows: each ``update`` reads what was added since the last."""

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = path
        self._reader = LogReader(path)
        self._offset = 0
        self._head = b""

    @property
    def log(self) -> TrainingLog:
        return self._reader.log

    @property
    def done(self) -> bool:
        """Whether the log says that the training has ended."""
        return any(event.kind == "done" for event in self.log.segments[-1].events)

    def update(self) -> bool:
        """Reads what was added and returns whether anything was.

        A log that shrank or begins in another way is read from its start; one that has disappeared may
        come back.

        Raises FileError if it cannot be read.
        """
        check_regular(self.path)
        try:
            with open(self.path, "rb") as file:
                if file.read(len(self._head)) != self._head or file.seek(0, os.SEEK_END) < self._offset:
                    self._reader, self._offset, self._head = LogReader(self.path), 0, b""
                file.seek(self._offset)
                before = self._offset
                while data := file.read(CHUNK):
                    self._head += data[: _HEAD - len(self._head)]
                    self._offset += len(data)
                    self._reader.feed(data)
        except OSError as error:
            if self._offset and isinstance(error, FileNotFoundError):
                return False
            raise FileError(f"{self.path}: cannot be read: {describe_os_error(error)}.") from None
        return self._offset > before
