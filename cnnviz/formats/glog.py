"""Log lines in the form that Caffe prints by glog, so that every tool for Caffe's logs reads ours."""

from __future__ import annotations

import logging
import time


class GlogFormatter(logging.Formatter):
    """I1121 02:06:25.912861 32225 solver.py:289] message

    Severity letter, month and day, time with microseconds, process, file and line.
    """

    def format(self, record: logging.LogRecord) -> str:
        letter = record.levelname[0] if record.levelname in ("INFO", "WARNING", "ERROR") else "I"
        moment = time.localtime(record.created)
        micros = int(record.created % 1 * 1e6)
        place = f"{record.filename}:{record.lineno}"
        stamp = f"{letter}{time.strftime('%m%d %H:%M:%S', moment)}.{micros:06d}"
        return f"{stamp} {record.process:5d} {place}] {record.getMessage()}"


def log_to_stderr(level: int = logging.INFO) -> None:
    """Prints cnnviz's log on standard error in glog's form, as ``caffe`` does."""
    logger = logging.getLogger("cnnviz")
    if not any(isinstance(handler.formatter, GlogFormatter) for handler in logger.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(GlogFormatter())
        logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False


def number(value: float) -> str:
    """Returns a number as C++ streams print it: six significant digits."""
    return f"{value:.6g}"
