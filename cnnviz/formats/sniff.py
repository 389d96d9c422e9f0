"""What a file is by its first bytes, for errors about files that are not what their name says."""

from __future__ import annotations

import codecs

from cnnviz.errors import FileError

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_UNPACK = "Unpack it first."
_STARTS = (
    (b"version https://git-lfs", "a Git LFS pointer", "Fetch the file it stands for: git lfs pull"),
    (HDF5_MAGIC, "an HDF5 file", "It can hold weights, but no net."),
    (b"\x1f\x8b", "a gzip archive", _UNPACK),
    (b"BZh", "a bzip2 archive", _UNPACK),
    (b"\xfd7zXZ", "an xz archive", _UNPACK),
    (b"7z\xbc\xaf", "a 7-Zip archive", _UNPACK),
    (b"Rar!", "a RAR archive", _UNPACK),
    (b"PK\x03\x04", "a ZIP archive", "Unpack it; an .npz of weights is read by: cnnviz convert"),
    (b"\x93NUMPY", "a NumPy array", "Only means are read from .npy."),
    (b"\x89PNG", "a PNG image", "Give it where an image is expected."),
    (b"\xff\xd8\xff", "a JPEG image", "Give it where an image is expected."),
    (b"%PDF", "a PDF document", "Look for the file that the document describes."),
)
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins like that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WEB_PAGE = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")


def reject_other_kinds(head: bytes, path: object, expected: str) -> None:
    """Raises FileError if a file that starts with ``head`` is plainly not one of Caffe's.

    Args:
        head: the first bytes, some hundred at least.
        path: the file, for the error.
        expected: what should have been there, e.g. "a caffemodel".
    """
    for start, kind, advice in _STARTS:
        if head.startswith(start):
            raise FileError(f"{path}: is {kind}, not {expected}. {advice}")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_WEB_PAGE):
        raise FileError(
            f"{path}: is a web page, not {expected}. Download the file itself, not the page about it."
        )


def looks_like_text(head: bytes) -> bool:
    """Returns True if ``head`` holds nothing but printable characters and white space, in any encoding."""
    if wide_encoding(head) is not None:
        return True
    return bool(head) and not any(byte < 32 and byte not in b"\t\n\v\f\r\x1a\x1b" for byte in head)


def wide_encoding(head: bytes) -> str | None:
    """Returns the encoding of a text with 2 or 4 bytes per character, "utf-16-le" and its like, or None.

    It is recognized by the byte order mark, or without one by the zero bytes beside ASCII letters.
    """
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    head = head[: len(head) // 2 * 2]
    for encoding, values, zeros in (
        ("utf-16-le", head[::2], head[1::2]),
        ("utf-16-be", head[1::2], head[::2]),
    ):
        if len(head) >= 8 and not any(zeros) and all(byte >= 32 or byte in b"\t\n\r" for byte in values):
            return encoding
    return None
