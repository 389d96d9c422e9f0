"""Reads LMDB environments, the databases of Caffe's tools, without the lmdb package.

The file is mapped and walked as a B+ tree: pages of equal size, the first two of them meta pages of
which the one with the higher transaction number counts. Every number read from the file is checked
against its bounds, nothing is written, and no lock file is needed, so read-only folders work.

Source: the data format of LMDB 0.9 (version 1) on 64-bit little-endian machines.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from cnnviz.errors import FileError
from cnnviz.formats.files import open_to_read

_PAGE_HEADER = struct.Struct("<QHHHH")  # number, unused, kind, end of pointers, start of nodes
_META = struct.Struct("<II16x48xIHHQQQQQQQ")  # magic, version, (free list), main tree, last page, transaction
_MAGIC, _VERSION = 0xBEEFC0DE, 1
_BRANCH, _LEAF, _OVERFLOW = 1, 2, 4
_BIG, _SUB, _DUPLICATES = 1, 2, 4
_EMPTY = (1 << 64) - 1
_NODE_HEADER_SIZE = 8
_MAX_DEPTH = 32


class LmdbFile:
    """The main database of one LMDB environment, opened to read.

    Args:
        path: the folder that holds data.mdb, or the file itself.

    Raises:
        FileError: missing, cut short or not an LMDB.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        file = self.path / "data.mdb" if os.path.isdir(self.path) else self.path
        try:
            with open_to_read(file) as handle:
                self._map = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise FileError(f"{file}: is empty, an LMDB has at least two pages.") from None
        self._read_meta()

    def close(self) -> None:
        """Unmaps the file."""
        self._map.close()

    def __len__(self) -> int:
        return self._entries

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        """Yields (key, value) in the order of keys."""
        if self._root == _EMPTY:
            return
        room = len(self._map)
        for key, value in self._walk(self._root, 1, iter(range(self._pages))):
            room -= len(key) + len(value)
            if room < 0:
                raise self._fault("several of its entries lie in one place")
            yield key, value

    def _fault(self, what: str) -> FileError:
        return FileError(f"{self.path}: is damaged: {what}; fetch or convert the database again.")

    def _read_meta(self) -> None:
        metas = []
        page_size = 4096
        for number in range(2):
            start = number * page_size + _PAGE_HEADER.size
            if start + _META.size > len(self._map):
                break
            magic, version, *rest = _META.unpack_from(self._map, start)
            if magic != _MAGIC:
                break
            if version != _VERSION:
                raise FileError(
                    f"{self.path}: is an LMDB of data version {version}; cnnviz reads {_VERSION}."
                )
            metas.append(rest)
            if number == 0:
                page_size = struct.unpack_from("<I", self._map, start + 24)[0] or page_size
        if not metas:
            raise FileError(f"{self.path}: is not an LMDB of a 64-bit little-endian machine.")
        *_, self._entries, self._root, last, _ = max(metas, key=lambda meta: meta[-1])
        self._page_size, self._pages = page_size, last + 1
        if not 256 <= page_size <= 65536:
            raise self._fault(f"its page size is {page_size}")
        if self._entries > len(self._map) // _NODE_HEADER_SIZE:
            raise self._fault(f"it cannot hold {self._entries} entries")
        if self._pages * page_size > len(self._map):
            missing = self._pages * page_size - len(self._map)
            raise FileError(f"{self.path}: ends {missing} bytes early; the copy was cut short.")

    def _walk(self, number: int, depth: int, budget: Iterator[int]) -> Iterator[tuple[bytes, bytes]]:
        """Yields the entries below page ``number``; ``budget`` counts the pages that may be visited."""
        if depth > _MAX_DEPTH or next(budget, None) is None:
            raise self._fault("its pages form a cycle")
        page, kind, offsets = self._page(number)
        for offset in offsets:
            if offset + _NODE_HEADER_SIZE > self._page_size:
                raise self._fault(f"a node of page {number} lies outside of it")
            low, high, flags, key_size = struct.unpack_from("<HHHH", self._map, page + offset)
            if kind & _BRANCH:
                yield from self._walk(low | high << 16 | flags << 32, depth + 1, budget)
                continue
            key_start = page + offset + _NODE_HEADER_SIZE
            key_end = key_start + key_size
            if flags & (_SUB | _DUPLICATES):
                raise FileError(f"{self.path}: holds named databases; Caffe reads plain ones.")
            start = self._value_start(key_end, low | high << 16, flags & _BIG, page)
            yield self._map[key_start:key_end], self._map[start : start + (low | high << 16)]

    def _page(self, number: int) -> tuple[int, int, tuple[int, ...]]:
        if not 2 <= number < self._pages:
            raise self._fault(f"it refers to page {number} of {self._pages}")
        start = number * self._page_size
        _, _, kind, lower, _ = _PAGE_HEADER.unpack_from(self._map, start)
        count = (lower - _PAGE_HEADER.size) // 2
        if not kind & (_BRANCH | _LEAF) or not 0 <= count <= self._page_size // 2 - _PAGE_HEADER.size:
            raise self._fault(f"page {number} is neither a branch nor a leaf")
        return start, kind, struct.unpack_from(f"<{count}H", self._map, start + _PAGE_HEADER.size)

    def _value_start(self, key_end: int, size: int, big: int, page: int) -> int:
        if not big:
            if key_end + size > page + self._page_size:
                raise self._fault("a value reaches beyond its page")
            return key_end
        if key_end + 8 > page + self._page_size:
            raise self._fault("a key reaches beyond its page")
        number = struct.unpack_from("<Q", self._map, key_end)[0]
        start = number * self._page_size + _PAGE_HEADER.size
        if not 2 <= number < self._pages or start + size > len(self._map):
            raise self._fault("a value reaches beyond the end of the file")
        return start
