"""The errors that cnnviz raises on purpose: each is one sentence with the place and the way out.

The command line prints them as ``Error: ...`` without a traceback; any other exception is a bug.
"""

import functools


class CnnvizError(Exception):
    """The user, a file or the machine is at fault, and the message says how to go on."""

    def __init__(self, message: str = ""):
        # A sentence may end in a hint, which has its own mark: "did you mean 'x'?"
        super().__init__(message.replace("'?.", "'?"))


class FileError(CnnvizError):
    """A file is missing, unreadable, unwritable, cut short or not what its name says."""


class NetError(CnnvizError):
    """A net or solver definition cannot work: unknown type or bottom, wrong shape, bad parameter."""


class WeightsError(CnnvizError):
    """Weights or solver states do not fit the net that should take them."""


class DeviceError(CnnvizError):
    """No usable OpenCL device, out of device memory, or a kernel that cannot be built."""


class MissingDependencyError(CnnvizError):
    """An optional package is not installed; the message names the extra that brings it."""


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

    ``cutoff`` is how alike the two must be, from 0 to 1.
    """
    import difflib

    lowered = {k.lower(): k for k in known}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=cutoff)
    return f"; did you mean {lowered[close[0]]!r}?" if close else ""


def for_the_first(limit: int, otherwise):
    """Decorates a slow function of one text: its answers are kept, and from ``limit`` texts on it is not
    called any more: the answer is ``otherwise``. A file may hold any number of names that are nearly right.
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
