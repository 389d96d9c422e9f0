"""The errors that cnnviz raises on purpose: each is one sentence with the place and what to do.

The command line prints them as ``Error: ...`` without a traceback; any other exception is a bug.
"""

import functools
import logging
import re
import unicodedata

_LONGEST_WORD = 300  # file names have at most 255 bytes
_LONGEST_MESSAGE = 4000
_LONG_WORD = re.compile(rf"[^\s/]{{{_LONGEST_WORD + 1},}}")


def escaped(text: str, keep: str = "") -> str:
    """Returns ``text`` with characters that could control a terminal or break a line escaped: \\x1b, \\n.

    These are all characters that are not printable, including halves of surrogate pairs and marks that
    change the direction of writing; spaces of any kind and the characters in ``keep`` stay.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in keep or unicodedata.category(c) == "Zs"
        else c.encode("unicode_escape").decode("ascii")
        for c in text
    )  # fmt: skip


def shortened(text: str, limit: int) -> str:
    """Returns ``text`` with its middle replaced by an ellipsis if it is longer than ``limit``."""
    return text if len(text) <= limit else f"{text[: limit // 2]}…{text[len(text) - limit // 3 :]}"


def one_line(text: str) -> str:
    """Returns ``text``, which may contain names from files, as one line of limited length for a terminal."""
    brief = _LONG_WORD.sub(lambda found: shortened(found[0], 120), escaped(text))
    return shortened(brief, _LONGEST_MESSAGE)


class CnnvizError(Exception):
    """An error of the user, a file or the machine; the message says what to do.

    The message is one line: control characters in it are escaped, and very long names shortened.
    """

    def __init__(self, message: str = ""):
        # A sentence may end in a hint, which has its own punctuation: "did you mean 'x'?"
        super().__init__(one_line(message.replace("'?.", "'?")))


class FileError(CnnvizError):
    """A file is missing, unreadable, unwritable, truncated or not what its name says."""


class NetError(CnnvizError):
    """A net or solver definition is invalid: unknown type or bottom, wrong shape, bad parameter."""


class WeightsError(CnnvizError):
    """Weights or a solver state do not match the net."""


class DeviceError(CnnvizError):
    """No usable OpenCL device, out of device memory, or a kernel that does not build."""


class MissingDependencyError(CnnvizError):
    """An optional package is not installed; the message names the extra that provides it."""


def require(package: str, extra: str, purpose: str):
    """Imports and returns the optional ``package``.

    Raises MissingDependencyError with the extra to install, e.g. "reading LMDB needs the package
    'lmdb': pip install "cnnviz[lmdb]"".
    """
    import importlib

    try:
        return importlib.import_module(package)
    except ImportError:
        raise MissingDependencyError(
            f'{purpose} needs the package {package!r}: pip install "cnnviz[{extra}]"'
        ) from None


def did_you_mean(name: str, known, cutoff: float = 0.6) -> str:
    """Returns "; did you mean 'x'?" for the closest of ``known``, or an empty string.

    ``cutoff`` is the similarity that is needed, from 0 to 1.
    """
    import difflib

    lowered = {k.lower(): k for k in known}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=cutoff)
    return f"; did you mean {lowered[close[0]]!r}?" if close else ""


def for_the_first(limit: int, otherwise):
    """Returns a decorator for a slow function of one text: its results are cached, and after ``limit``
    different texts the result is ``otherwise``. A file may contain any number of misspelled names.
    """

    def decorate(function):
        known: dict = {}

        @functools.wraps(function)
        def ask(text):
            if text not in known and len(known) < limit:
                known[text] = function(text)
            return known.get(text, otherwise)

        return ask

    return decorate


def _escape_names(record: logging.LogRecord) -> bool:
    """Escapes names from files in the log, which are the arguments of its messages."""
    if isinstance(record.args, tuple):
        record.args = tuple(one_line(arg) if isinstance(arg, str) else arg for arg in record.args)
    return True


logging.getLogger("cnnviz").addFilter(_escape_names)
