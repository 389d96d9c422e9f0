"""Paths that files and people name: looked for as written, then as other systems would have meant them."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

from cnnviz.errors import FileError
from cnnviz.formats.templates import placeholder_hint

# What an escape in a string makes of a Windows path: "models\\base" has a backspace in it.
_UNESCAPED = str.maketrans(
    {"\\": "/", "\a": "/a", "\b": "/b", "\f": "/f", "\n": "/n", "\r": "/r", "\t": "/t", "\v": "/v"}
)


def with_slashes(name: str) -> str:
    """Returns a path of Windows as other systems write it."""
    return name.translate(_UNESCAPED)


def _stored_in(encoding: str) -> Callable[[str], str]:
    def spell(name: str) -> str:
        try:
            return os.fsdecode(name.encode(encoding))
        except UnicodeEncodeError:
            return name

    return spell


def _read_as_gb18030(name: str) -> str:
    try:
        return os.fsencode(name).decode("gb18030")
    except UnicodeError:
        return name


# A text in another encoding was decoded, so a file beside it may carry the name in the text's bytes; and a
# short text in GB18030 may be valid UTF-8 by chance.
_SPELLINGS: tuple[Callable[[str], str], ...] = (
    _stored_in("gb18030"),
    _stored_in("latin-1"),
    _read_as_gb18030,
)


def spellings(name: str) -> Iterator[str]:
    """Yields ``name`` and with / for Windows' backslashes, then both in other encodings."""
    written = list(dict.fromkeys((name, with_slashes(name))))
    yield from written
    if not name.isascii():
        yield from dict.fromkeys(spell(each) for spell in _SPELLINGS for each in written)


def existing(name: str) -> str:
    """Returns the spelling of ``name`` that a file or folder has; ``name`` itself if none has."""
    return next(filter(os.path.exists, spellings(name)), name)


def find_beside(name: str, definition: str | None) -> str:
    """Returns the path of the file or folder ``name`` that the file ``definition`` mentions.

    Caffe takes it from the current folder; where nothing is there, the definition's folder is tried,
    and then the folders above it (definitions often name files from Caffe's root), at last its mere
    name in the definition's folder. ``name`` itself is returned where nothing is found.
    """
    if not name or "\0" in name:
        return name
    places: Iterable[str] = spellings(name)
    if definition is not None and not os.path.isabs(with_slashes(name)):
        folder = Path(definition).resolve().parent
        above = (str(base / each) for base in (folder, *folder.parents) for each in spellings(name))
        last = (str(folder / os.path.basename(each)) for each in spellings(name))
        places = chain(places, above, last)
    return next(filter(os.path.exists, places), name)


def find_listed(names: list[str], find: Callable[[str], str]) -> list[str]:
    """Returns the paths of files that a list names: all are looked for where ``find`` finds the first one.

    Only names that may be spelled in another way are looked at one by one.
    """
    first = find(names[0])
    spelled = next((each for each in spellings(names[0]) if first.endswith(each)), "")
    folder = first.removesuffix(spelled) if spelled else ""
    return [folder + name if _is_plain(name) else existing(folder + name) for name in names]


def matching_files(patterns: Iterable[str], omit: str) -> list[str]:
    """Returns the files that names or patterns like "lenet_iter_*.caffemodel" give, without ``omit``.

    Raises FileError for a pattern that no file matches.
    """
    found: list[str] = []
    for pattern in patterns:
        names = [pattern] if os.path.exists(pattern) else sorted(glob.glob(pattern))
        if not names:
            raise FileError(f"{pattern}: no such file, and no file matches it as a pattern.")
        found += names
    return [name for name in dict.fromkeys(found) if Path(name).resolve() != Path(omit).resolve()]


def missing_hint(name: str) -> str:
    """Returns the way out for a path that is not there but comes from Windows or a template, or ""."""
    slashes = "" if with_slashes(name) == name else " Write the path with '/' in place of '\\'."
    return slashes + placeholder_hint(name)


def _is_plain(name: str) -> bool:
    return name.isascii() and name.isprintable() and "\\" not in name
